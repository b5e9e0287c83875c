//! From the client to the server.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{READ_BYTES, Relay, Standing};
use crate::frames::{Frames, Step};
use crate::reply::{Refusal, ready};

/// PostgreSQL's limits on the messages of clients: for those that carry statements and data, and for the others.
const LARGE: u32 = 0x3fff_fffe;
const SMALL: u32 = 10_000;
/// Of a message without contents.
const BARE: u32 = 4;

/// What is done with a message of the client's.
enum Verdict {
    Pass,
    /// These go ahead of it.
    PassAfter(BytesMut),
    /// It isn't passed on.
    Drop,
    /// The connection ends.
    Refuse(Refusal),
    /// The client says goodbye.
    Goodbye,
}

impl Relay {
    pub(super) async fn to_server(
        &self,
        client: &mut (impl AsyncRead + Unpin),
        server: &mut (impl AsyncWrite + Unpin),
    ) -> std::io::Result<()> {
        let mut frames = Frames::new(|_| false, limit);
        let mut read = BytesMut::with_capacity(READ_BYTES);
        // What goes to the server, where it isn't all that was read.
        let mut out = BytesMut::new();
        let mut dropping = false;
        loop {
            read.reserve(READ_BYTES);
            if client.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            let mut at = 0;
            // Up to here everything is in `out`, or dropped.
            let mut taken = 0;
            let mut end = None;
            while end.is_none() {
                let step = match frames.step(&read[at..]) {
                    Ok(step) => step,
                    Err(bad) => {
                        end = Some(Verdict::Refuse(Refusal::protocol(bad.to_string())));
                        break;
                    }
                };
                match step {
                    Step::Wait => break,
                    Step::More { bytes } => {
                        at += bytes;
                        if dropping {
                            taken = at;
                        }
                    }
                    Step::Begin { kind, bytes } | Step::Whole { kind, bytes } => {
                        dropping = false;
                        match self.judge(kind) {
                            Verdict::Pass => {}
                            Verdict::PassAfter(ahead) => {
                                out.extend_from_slice(&read[taken..at]);
                                out.extend_from_slice(&ahead);
                                taken = at;
                            }
                            Verdict::Drop => {
                                out.extend_from_slice(&read[taken..at]);
                                taken = at + bytes;
                                dropping = true;
                            }
                            other @ Verdict::Refuse(_) => {
                                end = Some(other);
                                break;
                            }
                            Verdict::Goodbye => end = Some(Verdict::Goodbye),
                        }
                        at += bytes;
                    }
                }
            }
            if out.is_empty() {
                server.write_all(&read[taken..at]).await?;
            } else {
                out.extend_from_slice(&read[taken..at]);
                server.write_all(&out).await?;
                out.clear();
            }
            server.flush().await?;
            read.advance(at);
            match end {
                Some(Verdict::Refuse(refusal)) => {
                    self.refuse(&refusal).await;
                    return Ok(());
                }
                // The server does what it was asked before, and closes the connection: unless the client is
                // gone before that.
                Some(Verdict::Goodbye) => {
                    let mut rest = [0; 64];
                    while client.read(&mut rest).await? > 0 {}
                    return Ok(());
                }
                Some(Verdict::Pass | Verdict::PassAfter(_) | Verdict::Drop) | None => {}
            }
        }
    }

    /// Decides about a message of that type, and keeps account of those that are passed on.
    fn judge(&self, kind: u8) -> Verdict {
        let mut state = self.state();
        let mut verdict = Verdict::Pass;
        match kind {
            b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'S' => {
                let sign_in = state.standing != Standing::Known
                    && !state.signing_in
                    && state.pipeline.is_idle();
                if sign_in {
                    let doubtful = state.standing == Standing::Doubtful;
                    let messages = self
                        .keys
                        .get()
                        .and_then(|keys| state.identity.messages(&keys, doubtful));
                    match messages {
                        Ok(messages) => {
                            state.signing_in = true;
                            verdict = Verdict::PassAfter(messages);
                        }
                        Err(error) => {
                            tracing::error!("nobody can be signed in: {error:#}");
                            return Verdict::Refuse(nobody());
                        }
                    }
                }
            }
            b'H' | b'd' | b'c' | b'f' => {}
            b'X' => {
                state.goodbye = true;
                return Verdict::Goodbye;
            }
            b'F' => {
                let refusal = Refusal::new(
                    "0A000",
                    "function calls of the protocol (fastpath, large objects of drivers) don't go through the proxy",
                    "Call the function in a SELECT.",
                );
                // A client that doesn't hear the answers gets no more of them to wait for.
                if !state.pipeline.is_quiet() || state.signing_in || !state.say.is_empty() {
                    return Verdict::Refuse(refusal);
                }
                let words = [refusal.error(), ready(state.pipeline.status())].concat();
                drop(state);
                self.say(&words);
                return Verdict::Drop;
            }
            other => {
                return Verdict::Refuse(Refusal::protocol(format!(
                    "invalid frontend message type {other}"
                )));
            }
        }
        if !state.pipeline.sent(kind) {
            return Verdict::Refuse(Refusal::new(
                "54000",
                "too many messages wait for their answers",
                "Send Sync or Flush, and read what comes, before sending more.",
            ));
        }
        verdict
    }
}

/// The server can't be told who asks.
pub(super) fn nobody() -> Refusal {
    Refusal::new(
        "28000",
        "the proxy can't tell the server who you are",
        "The proxy's log has the reason.",
    )
}

fn limit(kind: u8) -> u32 {
    match kind {
        b'Q' | b'P' | b'B' | b'd' | b'F' => LARGE,
        // The server would wait for the rest of a goodbye.
        b'X' => BARE,
        // An unknown type is told apart by its name, not by its length.
        _ => SMALL,
    }
}
