//! The beginning of a client's connection: at most one request for TLS, and exactly one startup packet.
//!
//! Packets are read to their last byte and no further. What was sent in clear ahead of a handshake is left
//! for the handshake, which fails on it: nothing of it is ever taken for what came encrypted.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::config::ListenMode;
use crate::reply::Refusal;
use crate::startup_packet::{self, MAX_BYTES, Packet, Startup};
use crate::stream::BoxedStream;

/// What a client has come for.
pub enum Arrival {
    /// A session.
    Session(BoxedStream, Startup),
    /// To cancel what another connection runs. There is no answer.
    Cancel {
        /// The number of the process, as that connection was told.
        process: i32,
        /// The key that it was told.
        key: Vec<u8>,
    },
}

/// Why nothing comes of it.
pub enum Turned {
    /// The client is told.
    Away(BoxedStream, Refusal),
    /// It is gone, or says nothing that an answer would help with.
    Off,
}

impl From<std::io::Error> for Turned {
    fn from(_: std::io::Error) -> Self {
        Self::Off
    }
}

/// Receives a client.
///
/// # Errors
/// The client isn't received.
pub async fn receive(
    tcp: TcpStream,
    mode: ListenMode,
    acceptor: Option<&TlsAcceptor>,
) -> Result<Arrival, Turned> {
    let mut plain = Some(tcp);
    let mut stream: Option<BoxedStream> = None;
    let mut encryption_asked = [false; 2];
    loop {
        let body = match (&mut plain, &mut stream) {
            (Some(tcp), _) => packet(tcp).await?,
            (None, Some(stream)) => packet(stream).await?,
            (None, None) => return Err(Turned::Off),
        };
        let parsed = startup_packet::parse(&body);
        match parsed {
            Ok(asked @ (Packet::Ssl | Packet::Gss)) => {
                let again = &mut encryption_asked[usize::from(asked == Packet::Gss)];
                let Some(mut tcp) = plain.take().filter(|_| !*again) else {
                    return Err(Turned::Off);
                };
                *again = true;
                match acceptor.filter(|_| asked == Packet::Ssl) {
                    Some(acceptor) => {
                        tcp.write_all(b"S").await?;
                        stream = Some(Box::new(acceptor.accept(tcp).await?));
                    }
                    None => {
                        tcp.write_all(b"N").await?;
                        plain = Some(tcp);
                    }
                }
            }
            Ok(Packet::Cancel { process, key }) => return Ok(Arrival::Cancel { process, key }),
            Ok(Packet::Startup(startup)) => {
                return match (plain, stream) {
                    (_, Some(stream)) => Ok(Arrival::Session(stream, startup)),
                    (Some(tcp), None) if mode != ListenMode::Require => {
                        Ok(Arrival::Session(Box::new(tcp), startup))
                    }
                    (Some(tcp), None) => Err(Turned::Away(Box::new(tcp), without_tls())),
                    (None, None) => Err(Turned::Off),
                };
            }
            Err(refusal) => {
                let to = stream.or_else(|| plain.map(|tcp| Box::new(tcp) as BoxedStream));
                return Err(to.map_or(Turned::Off, |stream| Turned::Away(stream, refusal)));
            }
        }
    }
}

fn without_tls() -> Refusal {
    Refusal::new(
        "28000",
        "the proxy takes no connection without TLS",
        "Connect with sslmode=verify-full, or at least sslmode=require.",
    )
}

/// A packet's body. What can't be a length ends it: there is nobody to explain it to.
async fn packet(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<Vec<u8>, Turned> {
    let length = stream.read_u32().await? as usize;
    if !(8..=MAX_BYTES).contains(&length) {
        return Err(Turned::Off);
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
