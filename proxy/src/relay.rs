//! Bytes from client to server and back, in session mode.
//!
//! Both ways look at headers of five bytes and pass on what they have read. Only three things are put in
//! or taken out: the messages that sign the person in (ahead of a session's first statement, in the same
//! write, and after doubt; their answers are swallowed), messages that aren't for clients, and what the proxy says
//! itself, between two messages of the server's.

mod to_client;
mod to_server;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::identity::{GRACE_SECONDS, Keys, SessionIdentity};
use crate::pipeline::Pipeline;
use crate::reply::Refusal;
use crate::secret::Watched;
use crate::stream::BoxedStream;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// How long a client may take to hear why its connection ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Whether the server knows for whom the session acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It hasn't been told.
    Unknown,
    /// It has been told, and may have forgotten.
    Doubtful,
    /// It knows.
    Known,
}

/// What both ways share. Held for moments.
struct State {
    pipeline: Pipeline,
    standing: Standing,
    /// The person is being signed in, and the answers aren't the client's.
    signing_in: bool,
    /// What the proxy says to the client next.
    say: BytesMut,
    /// After that the connection ends.
    last_words: bool,
    /// The client has said goodbye, to the server too.
    goodbye: bool,
    /// Why the session ends where no transaction is open any more.
    ending: Option<Refusal>,
    identity: SessionIdentity,
}

/// A session that is relayed.
pub struct Relay {
    state: Mutex<State>,
    something_to_say: Notify,
    keys: Arc<Watched<Keys>>,
}

/// When the session must come to its end.
pub struct Limits {
    /// By time.
    pub session: Duration,
    /// The proxy stops.
    pub stopping: watch::Receiver<bool>,
    /// How long open transactions may go on then.
    pub drain: Duration,
}

impl Relay {
    /// For a person in a server's session that has just begun.
    pub fn new(identity: SessionIdentity, keys: Arc<Watched<Keys>>) -> Self {
        Self {
            state: Mutex::new(State {
                pipeline: Pipeline::default(),
                standing: Standing::Unknown,
                signing_in: false,
                say: BytesMut::new(),
                last_words: false,
                goodbye: false,
                ending: None,
                identity,
            }),
            something_to_say: Notify::new(),
            keys,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Relays until one side is gone, or the session must end. Whether the server may still be busy.
    pub async fn run(&self, client: BoxedStream, server: BoxedStream, limits: Limits) -> bool {
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let ended = tokio::select! {
            ended = self.to_server(&mut from_client, &mut to_server) => ended,
            ended = self.to_client(&mut from_server, &mut to_client) => ended,
            ended = self.end(limits) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection is lost");
        }
        let quiet = self.state().pipeline.is_quiet();
        let goodbye = async {
            if quiet {
                to_server.write_all(b"X\0\0\0\x04").await?;
            }
            to_server.shutdown().await?;
            to_client.shutdown().await
        };
        if let Ok(Err(error)) = tokio::time::timeout(LAST_WORDS, goodbye).await {
            tracing::debug!(%error, "a connection is lost");
        }
        !quiet
    }

    /// Says something to the client between two messages.
    fn say(&self, words: &[u8]) {
        self.state().say.extend_from_slice(words);
        self.something_to_say.notify_one();
    }

    /// Says why the connection ends, and returns when it should have been heard.
    async fn refuse(&self, refusal: &Refusal) {
        {
            let mut state = self.state();
            state.say.extend_from_slice(&refusal.fatal());
            state.last_words = true;
        }
        self.something_to_say.notify_one();
        tokio::time::sleep(LAST_WORDS).await;
    }

    /// Waits until the session must end, lets an open transaction finish, and no longer than that.
    async fn end(&self, mut limits: Limits) -> std::io::Result<()> {
        let over = Instant::now() + limits.session;
        let (refusal, patience) = tokio::select! {
            () = tokio::time::sleep_until(over) => (
                Refusal::new("57P01", "the session has lasted as long as it may", "Connect again."),
                Duration::from_secs(GRACE_SECONDS),
            ),
            _ = limits.stopping.wait_for(|stopping| *stopping) => (
                Refusal::new("57P01", "terminating connection: the proxy stops", "Connect again."),
                limits.drain,
            ),
        };
        self.state().ending = Some(refusal);
        self.something_to_say.notify_one();
        tokio::time::sleep(patience).await;
        Ok(())
    }
}
