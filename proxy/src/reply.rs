//! What the proxy itself says to clients.

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::response::ErrorResponse;

/// Why the proxy does not do what a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub code: &'static str,
    /// What it is.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The client doesn't speak the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new("08P01", message, "")
    }

    /// As an error that leaves the connection open.
    pub fn error(&self) -> BytesMut {
        self.encoded("ERROR")
    }

    /// As an error after which the connection is closed.
    pub fn fatal(&self) -> BytesMut {
        self.encoded("FATAL")
    }

    fn encoded(&self, severity: &str) -> BytesMut {
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.code.to_owned()),
            (b'M', without_zero(&self.message)),
        ];
        if !self.hint.is_empty() {
            fields.push((b'H', without_zero(&self.hint)));
        }
        encode(&ErrorResponse::new(fields))
    }
}

/// A message's bytes.
pub fn encode(message: &impl Message) -> BytesMut {
    let mut bytes = BytesMut::new();
    message
        .encode(&mut bytes)
        .expect("messages that are made here can be written");
    bytes
}

/// ReadyForQuery, with the transaction's status as the server told it.
pub fn ready(status: u8) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(6);
    bytes.put_slice(b"Z\0\0\0\x05");
    bytes.put_u8(status);
    bytes
}

fn without_zero(text: &str) -> String {
    text.replace('\0', " ")
}

#[cfg(test)]
mod tests {
    use postgres_protocol::message::backend::Message as Backend;

    use super::*;

    #[test]
    fn another_implementation_reads_them() {
        let refusal = Refusal::new("0A000", "not \0 that", "this");
        let Ok(Some(Backend::ErrorResponse(body))) = Backend::parse(&mut refusal.fatal()) else {
            panic!("an ErrorResponse");
        };
        use fallible_iterator::FallibleIterator;
        let fields: Vec<_> = body
            .fields()
            .map(|field| {
                let value = String::from_utf8(field.value_bytes().to_vec()).expect("UTF-8");
                Ok((field.type_(), value))
            })
            .collect()
            .unwrap();
        let expected = [
            (b'S', "FATAL"),
            (b'V', "FATAL"),
            (b'C', "0A000"),
            (b'M', "not   that"),
            (b'H', "this"),
        ];
        assert_eq!(
            fields,
            expected.map(|(kind, value)| (kind, value.to_owned()))
        );
        let Ok(Some(Backend::ReadyForQuery(body))) = Backend::parse(&mut ready(b'T')) else {
            panic!("a ReadyForQuery");
        };
        assert_eq!(body.status(), b'T');
    }
}
