//! Streams of bytes, with or without TLS.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection, whatever carries it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection, whatever carries it.
pub type BoxedStream = Box<dyn Stream>;

/// After how long without a word the other side is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Writes, and holds nothing back.
///
/// # Errors
/// The other side is gone.
pub async fn say(stream: &mut BoxedStream, words: &[u8]) -> std::io::Result<()> {
    stream.write_all(words).await?;
    stream.flush().await
}

/// Sends at once, and notices when the other side is gone.
///
/// # Errors
/// The system refuses.
pub fn tune(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE / 6);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}
