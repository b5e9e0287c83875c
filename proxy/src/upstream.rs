//! Connections to the server, as the role that carries people.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{DataRowBody, ErrorResponseBody, Message};
use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::cancel::Target;
use crate::carrier::{self, Carrier};
use crate::config;
use crate::reply::Refusal;
use crate::stream::{self, BoxedStream};
use crate::{secret, tls};

/// No message before the first ReadyForQuery is longer.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// The server, and how to get there.
pub struct Upstream {
    config: config::Upstream,
    password: Option<Zeroizing<String>>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A session of the server's.
pub struct Server {
    /// The connection. Nothing of it has been read but what is here.
    pub stream: BoxedStream,
    /// How to cancel what it runs.
    pub target: Target,
    /// The settings that it reported, as messages.
    pub parameters: Bytes,
    /// What it told of itself.
    pub carrier: Carrier,
}

/// Why there is no session.
#[derive(Debug)]
pub enum Failure {
    /// For what the client said: it may know.
    OfClient(Refusal),
    /// For anything else: it is for the log.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Upstream {
    /// Reads the password and the certificates.
    ///
    /// # Errors
    /// One of them can't be used.
    pub fn new(config: &config::Upstream) -> Result<Arc<Self>> {
        let password = match (&config.password_file, &config.password_env) {
            (Some(path), _) => {
                let text = secret::read(path).context("upstream.password_file")?;
                Some(Zeroizing::new(
                    text.trim_end_matches(['\n', '\r']).to_owned(),
                ))
            }
            (None, Some(name)) => {
                let value = std::env::var(name)
                    .with_context(|| format!("upstream.password_env: {name} isn't set"))?;
                Some(Zeroizing::new(value))
            }
            (None, None) => None,
        };
        if password
            .as_ref()
            .is_some_and(|password| password.is_empty())
        {
            bail!("upstream: the password is empty");
        }
        Ok(Arc::new(Self {
            config: config.clone(),
            password,
            tls: tls::connector(config)?,
        }))
    }

    /// A connection, encrypted as the configuration says.
    async fn open(&self) -> Result<BoxedStream> {
        let config = &self.config;
        if config.is_socket() {
            let path = format!("{}/.s.PGSQL.{}", config.host, config.port);
            let socket = UnixStream::connect(&path).await;
            return Ok(Box::new(
                socket.with_context(|| format!("no connection to {path}"))?,
            ));
        }
        let (host, port) = (config.host.as_str(), config.port);
        let mut tcp = TcpStream::connect((host, port))
            .await
            .with_context(|| format!("no connection to {host}:{port}"))?;
        stream::tune(&tcp)?;
        let Some((connector, name)) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        tcp.write_all(&request).await?;
        // One byte and not one more: what follows in clear would be taken for what comes encrypted.
        if tcp.read_u8().await? != b'S' {
            bail!("the server has no TLS");
        }
        let tls = connector.connect(name.clone(), tcp).await;
        Ok(Box::new(tls.context("no TLS with the server")?))
    }

    /// A session with these settings, of a role that is what it must be.
    ///
    /// # Errors
    /// There is none, or the role isn't.
    pub async fn connect(&self, settings: &[(String, String)]) -> Result<Server, Failure> {
        let server = self.look(settings).await?;
        let problems = server.carrier.problems(&self.config.user);
        if problems.is_empty() {
            return Ok(server);
        }
        let all: Vec<_> = problems
            .iter()
            .map(|problem| format!("{}. {}", problem.what, problem.remedy))
            .collect();
        Err(Failure::Other(anyhow!(all.join(" "))))
    }

    /// A session with these settings, and what the server tells of it.
    ///
    /// # Errors
    /// There is none.
    pub async fn look(&self, settings: &[(String, String)]) -> Result<Server, Failure> {
        let mut reader = Reader {
            stream: self.open().await?,
            buffer: BytesMut::new(),
        };
        let own = [
            ("user", self.config.user.as_str()),
            ("database", self.config.database.as_str()),
        ];
        let theirs = settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let mut message = BytesMut::new();
        frontend::startup_message(own.into_iter().chain(theirs), &mut message)?;
        reader.send(&message).await?;
        self.authenticate(&mut reader).await?;

        let mut target = None;
        let mut parameters = BytesMut::new();
        loop {
            match reader.message().await? {
                (Message::BackendKeyData(body), _) => {
                    target = Some(Target {
                        process: body.process_id(),
                        key: body.secret_key(),
                    });
                }
                (Message::ParameterStatus(_), bytes) => parameters.extend_from_slice(&bytes),
                (Message::NoticeResponse(_), _) => {}
                (Message::ReadyForQuery(_), _) => break,
                (Message::ErrorResponse(body), _) => return Err(failure(&body)),
                _ => return Err(unexpected()),
            }
        }
        let target = target.context("the server gives no key to cancel by")?;

        let mut message = BytesMut::new();
        frontend::query(carrier::LOOK, &mut message)?;
        reader.send(&message).await?;
        let mut row = None;
        loop {
            match reader.message().await? {
                (Message::DataRow(body), _) => row = Some(Carrier::from_row(&values(&body)?)?),
                (Message::ParameterStatus(_), bytes) => parameters.extend_from_slice(&bytes),
                (Message::RowDescription(_) | Message::CommandComplete(_), _)
                | (Message::NoticeResponse(_), _) => {}
                (Message::ReadyForQuery(_), _) => break,
                (Message::ErrorResponse(body), _) => {
                    let error = describe(&body);
                    return Err(Failure::Other(anyhow!("the server tells nothing: {error}")));
                }
                _ => return Err(unexpected()),
            }
        }
        let carrier = row.context("the server tells nothing of itself")?;
        if carrier.process != target.process {
            return Err(Failure::Other(anyhow!(
                "something stands between the proxy and the server: process {} answers as {}",
                carrier.process,
                target.process
            )));
        }
        if !reader.buffer.is_empty() {
            return Err(unexpected());
        }
        Ok(Server {
            stream: reader.stream,
            target,
            parameters: parameters.freeze(),
            carrier,
        })
    }

    /// Proves the role's password by SCRAM, and has the server prove that it knows it.
    async fn authenticate(&self, reader: &mut Reader) -> Result<(), Failure> {
        let mut scram = None;
        let mut proven = false;
        loop {
            let (message, _) = reader.message().await?;
            let mut answer = BytesMut::new();
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "more messages may come to be; what isn't known is refused"
            )]
            match message {
                Message::AuthenticationOk => {
                    if self.password.is_some() && !proven {
                        return Err(Failure::Other(anyhow!(
                            "the server didn't ask for the password that is configured"
                        )));
                    }
                    return Ok(());
                }
                Message::AuthenticationSasl(body) if scram.is_none() => {
                    let Some(password) = &self.password else {
                        return Err(Failure::Other(anyhow!(
                            "the server asks for a password, and none is configured"
                        )));
                    };
                    let offered = body.mechanisms().any(|name| Ok(name == SCRAM_SHA_256))?;
                    if !offered {
                        return Err(Failure::Other(anyhow!("the server has no {SCRAM_SHA_256}")));
                    }
                    let begun =
                        ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
                    frontend::sasl_initial_response(SCRAM_SHA_256, begun.message(), &mut answer)?;
                    scram = Some(begun);
                }
                Message::AuthenticationSaslContinue(body) => {
                    let scram = scram.as_mut().ok_or_else(unexpected)?;
                    scram.update(body.data())?;
                    frontend::sasl_response(scram.message(), &mut answer)?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    let scram = scram.as_mut().ok_or_else(unexpected)?;
                    scram.finish(body.data())?;
                    proven = true;
                }
                Message::ErrorResponse(body) => return Err(failure(&body)),
                Message::NoticeResponse(_) => {}
                Message::AuthenticationCleartextPassword
                | Message::AuthenticationMd5Password(_) => {
                    return Err(Failure::Other(anyhow!(
                        "the server asks for a password in clear or by MD5; let pg_hba.conf say scram-sha-256"
                    )));
                }
                _ => return Err(unexpected()),
            }
            if !answer.is_empty() {
                reader.send(&answer).await?;
            }
        }
    }

    /// Asks the server to end what a process runs.
    ///
    /// # Errors
    /// The server can't be reached.
    pub async fn cancel(&self, target: Target) -> Result<()> {
        let mut stream = self.open().await?;
        let mut request = BytesMut::new();
        frontend::cancel_request(target.process, target.key, &mut request);
        stream::say(&mut stream, &request).await?;
        // It closes when it has passed the request on.
        let mut nothing = [0; 16];
        while stream.read(&mut nothing).await.unwrap_or(0) > 0 {}
        Ok(())
    }
}

struct Reader {
    stream: BoxedStream,
    buffer: BytesMut,
}

impl Reader {
    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(stream::say(&mut self.stream, bytes).await?)
    }

    /// The next message, and its bytes.
    async fn message(&mut self) -> Result<(Message, Bytes)> {
        loop {
            if let Some(([_, length @ ..], _)) = self.buffer.split_first_chunk::<5>() {
                let total = u32::from_be_bytes(*length) as usize + 1;
                if total > MAX_MESSAGE_BYTES {
                    bail!("the server's message is too long");
                }
                if self.buffer.len() >= total {
                    let bytes = Bytes::copy_from_slice(&self.buffer[..total]);
                    return match Message::parse(&mut self.buffer)? {
                        Some(message) => Ok((message, bytes)),
                        None => Err(anyhow!("the server's message ends early")),
                    };
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server has closed the connection");
            }
        }
    }
}

fn unexpected() -> Failure {
    Failure::Other(anyhow!("the server sends what doesn't belong here"))
}

/// An error of the server's. What a client may have brought about by a setting (class 22) it may see.
fn failure(body: &ErrorResponseBody) -> Failure {
    let field = |kind| field(body, kind);
    match field(b'C').as_str() {
        "22023" => Failure::OfClient(Refusal::new("22023", field(b'M'), field(b'H'))),
        "53300" => Failure::OfClient(Refusal::new(
            "53300",
            "the server has too many connections",
            "",
        )),
        _ => Failure::Other(anyhow!(describe(body))),
    }
}

/// An error as text for the log.
pub fn describe(body: &ErrorResponseBody) -> String {
    format!("{} ({})", field(body, b'M'), field(body, b'C'))
}

fn field(body: &ErrorResponseBody, kind: u8) -> String {
    let found = body.fields().find(|field| Ok(field.type_() == kind));
    match found {
        Ok(Some(field)) => String::from_utf8_lossy(field.value_bytes()).into_owned(),
        Ok(None) | Err(_) => String::new(),
    }
}

fn values(row: &DataRowBody) -> Result<Vec<Option<String>>> {
    let ranges: Vec<_> = row.ranges().collect()?;
    ranges
        .into_iter()
        .map(|range| {
            range
                .map(|range| Ok(String::from_utf8(row.buffer()[range].to_vec())?))
                .transpose()
        })
        .collect()
}
