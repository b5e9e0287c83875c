//! A client proves who it is, by SCRAM. Whoever isn't known is asked like everybody else.

use pgwire::messages::startup::Authentication;
use tokio::io::AsyncReadExt;

use crate::gate::Stranger;
use crate::reply::{Refusal, encode};
use crate::scram::{Exchange, MAX_MESSAGE_BYTES, MECHANISM, ScramError};
use crate::stream::{BoxedStream, say};
use crate::verifier::{Login, Verifier};

/// Why a client hasn't proven who it is.
pub enum Unproven {
    /// It is told.
    Refused(Refusal),
    /// It is gone.
    Gone,
}

impl From<std::io::Error> for Unproven {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

/// Returns the login, whose secret the client knows.
///
/// `None` and a login take the same exchange and the same time: `mock` is what is shown of `None`.
///
/// # Errors
/// The client doesn't prove it.
pub async fn prove<'a>(
    stream: &mut BoxedStream,
    user: &str,
    login: Option<&'a Login>,
    mock: Verifier,
    stranger: &Stranger,
) -> Result<&'a Login, Unproven> {
    let offer = Authentication::SASL(vec![MECHANISM.to_owned()]);
    send(stream, &offer).await?;
    let first = answer(stream).await?;
    let first = initial_response(&first)?;

    let verifier = login.map_or(mock, |login| login.verifier.clone());
    let nonce = Exchange::nonce().map_err(|error| {
        tracing::error!(%error, "no random numbers");
        Unproven::Gone
    })?;
    let exchange = Exchange::begin(verifier, login.is_some(), first, &nonce).map_err(malformed)?;
    let server_first = exchange.server_first().to_owned();
    send(stream, &Authentication::SASLContinue(server_first.into())).await?;

    let last = answer(stream).await?;
    match (exchange.finish(&last), login) {
        (Ok(proof), Some(login)) => {
            send(stream, &Authentication::SASLFinal(proof.into())).await?;
            Ok(login)
        }
        (Err(error @ (ScramError::Malformed | ScramError::ChannelBinding)), _) => {
            Err(malformed(error))
        }
        (Err(ScramError::Wrong) | Ok(_), _) => {
            tokio::time::sleep(stranger.failed()).await;
            Err(Unproven::Refused(Refusal::new(
                "28P01",
                format!("password authentication failed for user \"{user}\""),
                "",
            )))
        }
    }
}

fn malformed(error: ScramError) -> Unproven {
    Unproven::Refused(Refusal::protocol(error.to_string()))
}

async fn send(stream: &mut BoxedStream, message: &Authentication) -> std::io::Result<()> {
    say(stream, &encode(message)).await
}

/// The body of the client's next message, which must be of the one type that belongs here.
async fn answer(stream: &mut BoxedStream) -> Result<Vec<u8>, Unproven> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await? as usize;
    // Ahead of the SCRAM message there are the mechanism's name and a length.
    if kind != b'p' || !(4..=4 + 64 + MAX_MESSAGE_BYTES).contains(&length) {
        return Err(Unproven::Refused(Refusal::protocol(
            "expected SASL response",
        )));
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// The mechanism's name, a length, and as many bytes.
fn initial_response(body: &[u8]) -> Result<&[u8], Unproven> {
    let malformed = || Unproven::Refused(Refusal::protocol("malformed SASL initial response"));
    let end = body
        .iter()
        .position(|byte| *byte == 0)
        .ok_or_else(malformed)?;
    if &body[..end] != MECHANISM.as_bytes() {
        return Err(Unproven::Refused(Refusal::protocol(format!(
            "the client chose another authentication mechanism than {MECHANISM}"
        ))));
    }
    match body[end + 1..].split_first_chunk::<4>() {
        Some((length, message)) if u32::from_be_bytes(*length) as usize == message.len() => {
            Ok(message)
        }
        Some(_) | None => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_responses() {
        let good = b"SCRAM-SHA-256\0\0\0\0\x02n,";
        assert!(matches!(initial_response(good), Ok(b"n,")));
        for end in 0..good.len() {
            assert!(initial_response(&good[..end]).is_err(), "{end}");
        }
        for bad in [
            &b"SCRAM-SHA-256\0\0\0\0\x02n,,"[..],
            b"SCRAM-SHA-256\0\xff\xff\xff\xff",
            b"SCRAM-SHA-256-PLUS\0\0\0\0\x02n,",
            b"SCRAM-SHA-1\0\0\0\0\x02n,",
            b"secret\0",
        ] {
            assert!(initial_response(bad).is_err(), "{bad:?}");
        }
    }
}
