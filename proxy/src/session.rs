//! One client, from its first byte to its last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::BytesMut;
use pgwire::messages::startup::{Authentication, NegotiateProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::authentication::{self, Unproven};
use crate::cancel::{Cancels, Target};
use crate::config::Config;
use crate::gate::{Gate, Guest, Stranger};
use crate::identity::{Keys, SessionIdentity};
use crate::pipeline::IDLE;
use crate::relay::{self, Relay};
use crate::reply::{Refusal, encode, ready};
use crate::secret::Watched;
use crate::source::People;
use crate::startup::{self, Arrival, Turned};
use crate::startup_packet::Startup;
use crate::stream::{self, BoxedStream, say};
use crate::tls;
use crate::upstream::{Failure, Upstream};
use crate::verifier::Users;

/// How long a client may take to read why it is refused.
const GOODBYE: Duration = Duration::from_secs(5);

/// What all sessions share.
pub struct Proxy {
    /// The configuration.
    pub config: Config,
    /// The server.
    pub upstream: Arc<Upstream>,
    users: Watched<Users>,
    people: Option<Watched<People>>,
    keys: Arc<Watched<Keys>>,
    acceptor: Option<TlsAcceptor>,
    gate: Arc<Gate>,
    cancels: Arc<Cancels>,
    stopping: watch::Receiver<bool>,
}

impl Proxy {
    /// Reads every file that the configuration names.
    ///
    /// # Errors
    /// One of them can't be used.
    pub fn new(config: Config, stopping: watch::Receiver<bool>) -> Result<Arc<Self>> {
        let users = Watched::new(&config.authentication.users_file, Users::parse);
        users.get()?;
        let people_file = config.identity.source.people_file();
        let people = people_file.map(|file| Watched::new(file, People::parse));
        people.as_ref().map(Watched::get).transpose()?;
        let keys = Arc::new(Watched::new(&config.identity.key_file, Keys::parse));
        keys.get()?;
        Ok(Arc::new(Self {
            upstream: Upstream::new(&config.upstream)?,
            acceptor: tls::acceptor(&config.listen.tls)?,
            gate: Gate::new(config.limits.clone()),
            cancels: Arc::default(),
            users,
            people,
            keys,
            stopping,
            config,
        }))
    }

    /// Who may sign in.
    ///
    /// # Errors
    /// The users file can't be read any more.
    pub fn users(&self) -> Result<Arc<Users>> {
        self.users.get()
    }

    /// Who may be named, where somebody else than the person signs in.
    ///
    /// # Errors
    /// The people file can't be read any more.
    pub fn people(&self) -> Result<Option<Arc<People>>> {
        self.people.as_ref().map(Watched::get).transpose()
    }

    /// The keys that tokens are signed with.
    ///
    /// # Errors
    /// The key file can't be read any more.
    pub fn keys(&self) -> Result<Arc<Keys>> {
        self.keys.get()
    }

    /// Serves a client that has just connected.
    pub async fn serve(self: Arc<Self>, tcp: TcpStream, peer: SocketAddr) {
        let Some(stranger) = self.gate.arrive(peer.ip()) else {
            tracing::warn!(%peer, "too many connections that haven't signed in");
            return;
        };
        if let Err(error) = stream::tune(&tcp) {
            tracing::debug!(%peer, %error, "the client is gone");
            return;
        }
        let patience = self.config.limits.authentication();
        let arrived = tokio::time::timeout(patience, self.receive(tcp, &stranger)).await;
        let Ok(Some((mut stream, startup, person, guest))) = arrived else {
            return;
        };
        drop(stranger);
        tracing::info!(%peer, login = startup.user, person, "signed in");
        match self.connect(&mut stream, &startup, &person).await {
            Ok(Some(session)) => {
                let target = session.target;
                // A server that has nothing to write doesn't notice that the client is gone.
                if session.run(stream, self.limits()).await {
                    let process = target.process;
                    tracing::debug!(process, "what a client that is gone has left is cancelled");
                    let patience = self.config.limits.connect();
                    match tokio::time::timeout(patience, self.upstream.cancel(target)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::warn!("a statement is left running: {error:#}"),
                        Err(_) => tracing::warn!("a statement is left running"),
                    }
                }
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%peer, %error, "the client is gone"),
        }
        tracing::info!(%peer, login = startup.user, "signed out");
        drop(guest);
    }

    /// Everything up to the proof of who it is.
    async fn receive(
        &self,
        tcp: TcpStream,
        stranger: &Stranger,
    ) -> Option<(BoxedStream, Startup, String, Guest)> {
        let arrival =
            startup::receive(tcp, self.config.listen.tls.mode, self.acceptor.as_ref()).await;
        let (mut stream, startup) = match arrival {
            Ok(Arrival::Session(stream, startup)) => (stream, startup),
            Ok(Arrival::Cancel { process, key }) => {
                self.cancel(process, key).await;
                return None;
            }
            Err(Turned::Away(stream, refusal)) => {
                turn_away(stream, &refusal).await;
                return None;
            }
            Err(Turned::Off) => return None,
        };
        match self.prove(&mut stream, &startup, stranger).await {
            Ok((person, guest)) => Some((stream, startup, person, guest)),
            Err(Unproven::Refused(refusal)) => {
                tracing::info!(
                    login = startup.user,
                    code = refusal.code,
                    reason = refusal.message,
                    "not signed in"
                );
                turn_away(stream, &refusal).await;
                None
            }
            Err(Unproven::Gone) => None,
        }
    }

    async fn prove(
        &self,
        stream: &mut BoxedStream,
        startup: &Startup,
        stranger: &Stranger,
    ) -> Result<(String, Guest), Unproven> {
        if startup.negotiate {
            let version = 3 << 16 | i32::from(startup.minor);
            let options = startup.protocol_options.clone();
            let message = NegotiateProtocolVersion::new(version, options);
            stream.write_all(&encode(&message)).await?;
        }
        let files = || anyhow::Ok((self.users()?, self.people()?, self.keys()?));
        let (users, people, keys) = files().map_err(|error| {
            tracing::error!("nobody can sign in: {error:#}");
            Unproven::Refused(unavailable())
        })?;
        let source = &self.config.identity.source;
        source.admit(startup).map_err(Unproven::Refused)?;
        let login = source.login(&startup.user).and_then(|name| users.get(name));
        // Made up for those who are known too: it takes the same time.
        let mock = users.mock(&startup.user, keys.mock.as_ref());
        let login = authentication::prove(stream, &startup.user, login, mock, stranger).await?;
        let person = source
            .person(startup, login, people.as_deref())
            .map_err(Unproven::Refused)?;
        if startup.database != self.config.upstream.database {
            return Err(Unproven::Refused(Refusal::new(
                "3D000",
                format!("database \"{}\" isn't served here", startup.database),
                "Name the database of the proxy's configuration.",
            )));
        }
        let guest = stranger.proven().ok_or_else(|| {
            Unproven::Refused(Refusal::new("53300", "sorry, too many clients already", ""))
        })?;
        Ok((person, guest))
    }

    /// A session of the server's for somebody who has signed in. `None`: the client was told why not.
    async fn connect(
        &self,
        stream: &mut BoxedStream,
        startup: &Startup,
        person: &str,
    ) -> std::io::Result<Option<Session>> {
        let patience = self.config.limits.connect();
        let connecting = self.upstream.connect(&startup.settings);
        let connected = match tokio::time::timeout(patience, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(Failure::Other(anyhow::anyhow!("the server takes too long"))),
        };
        let server = match connected {
            Ok(server) => server,
            Err(failure) => {
                let refusal = match failure {
                    Failure::OfClient(refusal) => refusal,
                    Failure::Other(error) => {
                        tracing::error!("no session on the server: {error:#}");
                        unavailable()
                    }
                };
                say(stream, &refusal.fatal()).await?;
                return Ok(None);
            }
        };
        let identity = SessionIdentity::new(
            person,
            server.carrier.database,
            server.carrier.process,
            server.carrier.clock,
            self.config.limits.session_seconds,
        );
        let key = match self.cancels.issue(server.target, startup.minor) {
            Ok(key) => key,
            Err(error) => {
                tracing::error!(%error, "no random numbers");
                say(stream, &unavailable().fatal()).await?;
                return Ok(None);
            }
        };
        let mut greeting = BytesMut::new();
        greeting.extend_from_slice(&encode(&Authentication::Ok));
        greeting.extend_from_slice(&server.parameters);
        greeting.extend_from_slice(&encode(&key.message()));
        greeting.extend_from_slice(&ready(IDLE));
        say(stream, &greeting).await?;
        Ok(Some(Session {
            relay: Relay::new(identity, Arc::clone(&self.keys)),
            server: server.stream,
            target: server.target,
            _key: key,
        }))
    }

    async fn cancel(&self, process: i32, key: Vec<u8>) {
        let Some(target) = self.cancels.find(process, key) else {
            tracing::info!(process, "a cancel request has no key of anybody's");
            return;
        };
        tracing::debug!(process, "a cancel request is passed on");
        if let Err(error) = self.upstream.cancel(target).await {
            tracing::warn!("a cancel request is lost: {error:#}");
        }
    }

    fn limits(&self) -> relay::Limits {
        let limits = &self.config.limits;
        relay::Limits {
            session: Duration::from_secs(limits.session_seconds),
            stopping: self.stopping.clone(),
            drain: Duration::from_secs(limits.drain_seconds),
        }
    }
}

/// A client's session on the server.
struct Session {
    relay: Relay,
    server: BoxedStream,
    /// How to cancel what it runs.
    target: Target,
    /// The client may cancel as long as the session lasts.
    _key: crate::cancel::CancelKey,
}

impl Session {
    /// Whether the server may still be busy when it has ended.
    async fn run(self, client: BoxedStream, limits: relay::Limits) -> bool {
        self.relay.run(client, self.server, limits).await
    }
}

fn unavailable() -> Refusal {
    Refusal::new(
        "57P03",
        "the proxy can't open a session on the server",
        "The proxy's log has the reason; celador-proxy check tells more.",
    )
}

/// Says why, and goes.
async fn turn_away(mut stream: BoxedStream, refusal: &Refusal) {
    let words = refusal.fatal();
    let goodbye = async {
        say(&mut stream, &words).await?;
        stream.shutdown().await
    };
    if let Ok(Err(error)) = tokio::time::timeout(GOODBYE, goodbye).await {
        tracing::debug!(%error, "the client is gone");
    }
}
