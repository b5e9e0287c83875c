//! From the server to the client.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::to_server::nobody;
use super::{READ_BYTES, Relay, Standing};
use crate::frames::{Frames, HEADER_BYTES, Step};
use crate::pipeline::IDLE;
use crate::reply::Refusal;

/// Denied, perhaps because nobody is signed in any more; or a token of the client's own wasn't accepted.
const PERHAPS_NOBODY: [&[u8]; 2] = [b"42501", b"28000"];
/// Cancelled: the client's request met the signing in.
const QUERY_CANCELED: &[u8] = b"57014";

/// What came of signing in.
#[derive(Default)]
struct SigningIn {
    error: Option<(Vec<u8>, String)>,
}

impl Relay {
    pub(super) async fn to_client(
        &self,
        server: &mut (impl AsyncRead + Unpin),
        client: &mut (impl AsyncWrite + Unpin),
    ) -> std::io::Result<()> {
        let mut frames = Frames::new(
            |kind| matches!(kind, b'Z' | b'C' | b'E'),
            |_| i32::MAX as u32,
        );
        let mut read = BytesMut::with_capacity(READ_BYTES);
        let mut out = BytesMut::new();
        let mut swallowing = false;
        let mut signing_in = SigningIn::default();
        let mut fatal = false;
        loop {
            read.reserve(READ_BYTES);
            let came = tokio::select! {
                biased;
                () = self.something_to_say.notified() => None,
                came = server.read_buf(&mut read) => Some(came?),
            };
            if came == Some(0) {
                if frames.between() && read.is_empty() && !fatal && !self.state().goodbye {
                    let lost = Refusal::new(
                        "08006",
                        "the connection to the server is lost",
                        "Connect again.",
                    );
                    client.write_all(&lost.fatal()).await?;
                    client.flush().await?;
                }
                return Ok(());
            }
            let mut at = 0;
            let mut taken = 0;
            loop {
                let step = frames
                    .step(&read[at..])
                    .map_err(|bad| std::io::Error::other(format!("the server sends {bad}")))?;
                let (kind, bytes) = match step {
                    Step::Wait => break,
                    Step::More { bytes } => {
                        at += bytes;
                        if swallowing {
                            taken = at;
                        }
                        continue;
                    }
                    Step::Begin { kind, bytes } | Step::Whole { kind, bytes } => (kind, bytes),
                };
                let message = &read[at..at + bytes];
                let end_of_session = kind == b'E' && is_fatal(message);
                fatal |= end_of_session;
                swallowing = !end_of_session && self.is_own(kind, message, &mut signing_in)?;
                if swallowing {
                    out.extend_from_slice(&read[taken..at]);
                    taken = at + bytes;
                } else {
                    self.note(kind, message);
                }
                at += bytes;
            }
            if out.is_empty() {
                client.write_all(&read[taken..at]).await?;
            } else {
                out.extend_from_slice(&read[taken..at]);
                client.write_all(&out).await?;
                out.clear();
            }
            read.advance(at);
            let ended = frames.between() && self.speak(client).await?;
            client.flush().await?;
            if ended {
                return Ok(());
            }
        }
    }

    /// Writes what the proxy has to say. Whether the connection ends with it.
    async fn speak(&self, client: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<bool> {
        let (words, last) = {
            let mut state = self.state();
            if let Some(refusal) = &state.ending
                && state.pipeline.is_idle()
                && !state.signing_in
            {
                let words = refusal.fatal();
                state.say.extend_from_slice(&words);
                state.last_words = true;
            }
            (state.say.split(), state.last_words)
        };
        if !words.is_empty() {
            client.write_all(&words).await?;
        }
        Ok(last)
    }

    /// Whether a message answers the signing in, and isn't the client's.
    fn is_own(&self, kind: u8, message: &[u8], progress: &mut SigningIn) -> std::io::Result<bool> {
        let mut state = self.state();
        if !state.signing_in {
            return Ok(false);
        }
        match kind {
            // What comes by itself.
            b'A' | b'S' => Ok(false),
            b'1' | b'2' | b'3' | b'D' | b'C' | b'N' => Ok(true),
            b'E' => {
                let code = field(message, b'C').unwrap_or_default().to_vec();
                let text = field(message, b'M').unwrap_or_default();
                let text = String::from_utf8_lossy(text).into_owned();
                progress.error = Some((code, text));
                Ok(true)
            }
            b'Z' => {
                state.signing_in = false;
                let result = std::mem::take(progress);
                match result.error {
                    None if message.get(HEADER_BYTES) == Some(&IDLE) => {
                        state.standing = Standing::Known;
                    }
                    Some((code, _)) if code == QUERY_CANCELED => {
                        state.standing = Standing::Unknown;
                    }
                    error => {
                        let (code, text) = error.unwrap_or_default();
                        let code = String::from_utf8_lossy(&code);
                        tracing::error!(%code, "the server doesn't sign the person in: {text}");
                        state.say.extend_from_slice(&nobody().fatal());
                        state.last_words = true;
                        drop(state);
                        self.something_to_say.notify_one();
                    }
                }
                Ok(true)
            }
            _ => Err(std::io::Error::other(
                "the server answers the signing in with what doesn't belong there",
            )),
        }
    }

    /// Keeps account of a message that is passed on.
    fn note(&self, kind: u8, message: &[u8]) {
        let body = message.get(HEADER_BYTES..).unwrap_or_default();
        let mut state = self.state();
        let forgotten = match kind {
            // A function may end an identity too; then the next statement is denied, and this is noticed.
            b'C' => matches!(body, b"RESET\0" | b"DISCARD ALL\0"),
            b'E' => field(message, b'C').is_none_or(|code| PERHAPS_NOBODY.contains(&code)),
            _ => false,
        };
        if forgotten && state.standing == Standing::Known {
            state.standing = Standing::Doubtful;
        }
        let status = (kind == b'Z').then(|| body.first().copied()).flatten();
        state.pipeline.received(kind, status);
    }
}

/// A field of an ErrorResponse; `None`: there is none, or the message isn't there in whole.
fn field(message: &[u8], kind: u8) -> Option<&[u8]> {
    let mut rest = message.get(HEADER_BYTES..)?;
    loop {
        let (found, after) = rest.split_first()?;
        let end = after.iter().position(|byte| *byte == 0)?;
        if *found == kind {
            return Some(&after[..end]);
        }
        rest = &after[end + 1..];
    }
}

fn is_fatal(message: &[u8]) -> bool {
    matches!(field(message, b'V'), Some(b"FATAL" | b"PANIC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_errors() {
        let fatal = Refusal::new("28000", "no", "").fatal();
        assert!(is_fatal(&fatal));
        assert_eq!(field(&fatal, b'C'), Some(&b"28000"[..]));
        assert_eq!(field(&fatal, b'H'), None);
        let error = Refusal::new("42501", "no", "").error();
        assert!(!is_fatal(&error));
        for end in 0..error.len() {
            let _ = field(&error[..end], b'M');
        }
        assert_eq!(field(&error[..8], b'C'), None);
    }
}
