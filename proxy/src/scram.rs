//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without I/O.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::verifier::Verifier;

/// The mechanism's name.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// The longest message that is read.
pub const MAX_MESSAGE_BYTES: usize = 1024;

const NONCE_BYTES: usize = 18;

/// Why an exchange ends without a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// Not a message of this exchange.
    #[error("malformed SCRAM message")]
    Malformed,
    /// The client binds the exchange to a channel that it wasn't offered.
    #[error("channel binding isn't offered")]
    ChannelBinding,
    /// The password is another one, or there is no such login.
    #[error("the proof is wrong")]
    Wrong,
}

/// An exchange after the client's first message.
pub struct Exchange {
    verifier: Verifier,
    /// Whether the verifier is somebody's: nothing proves one that isn't.
    real: bool,
    gs2_header: String,
    nonce: String,
    client_first_bare: String,
    server_first: String,
}

impl Exchange {
    /// Takes the client's first message and a nonce of the server's own; [`Self::server_first`] answers.
    ///
    /// # Errors
    /// The message is malformed, or asks for what isn't offered.
    pub fn begin(
        verifier: Verifier,
        real: bool,
        client_first: &[u8],
        server_nonce: &[u8; NONCE_BYTES],
    ) -> Result<Self, ScramError> {
        let text = text(client_first)?;
        // n: the client has no channel binding; y: it thinks that the server has none, which is so.
        let (flag, rest) = text.split_once(',').ok_or(ScramError::Malformed)?;
        match flag {
            "n" | "y" => {}
            bound if bound.starts_with("p=") => return Err(ScramError::ChannelBinding),
            _ => return Err(ScramError::Malformed),
        }
        // PostgreSQL knows nobody who signs in for somebody else.
        let bare = rest.strip_prefix(',').ok_or(ScramError::Malformed)?;
        let (name, rest) = bare.split_once(',').ok_or(ScramError::Malformed)?;
        // Which login it is was said before; as PostgreSQL does, this name isn't looked at.
        if !name.starts_with("n=") {
            return Err(ScramError::Malformed);
        }
        let nonce = rest
            .split(',')
            .next()
            .and_then(|word| word.strip_prefix("r="));
        let nonce = nonce
            .filter(|nonce| !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or(ScramError::Malformed)?;
        let nonce = format!("{nonce}{}", BASE64_STANDARD.encode(server_nonce));
        let salt = BASE64_STANDARD.encode(&verifier.salt);
        Ok(Self {
            server_first: format!("r={nonce},s={salt},i={}", verifier.iterations),
            gs2_header: format!("{flag},,"),
            client_first_bare: bare.to_owned(),
            nonce,
            verifier,
            real,
        })
    }

    /// A nonce for [`Self::begin`].
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn nonce() -> Result<[u8; NONCE_BYTES], getrandom::Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        Ok(nonce)
    }

    /// What is sent to the client first.
    pub fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Takes the client's proof, and returns what proves the server.
    ///
    /// # Errors
    /// The proof isn't one.
    pub fn finish(&self, client_final: &[u8]) -> Result<String, ScramError> {
        let text = text(client_final)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let (binding, nonce) = without_proof
            .strip_prefix("c=")
            .and_then(|rest| rest.split_once(','))
            .ok_or(ScramError::Malformed)?;
        if binding != BASE64_STANDARD.encode(&self.gs2_header) {
            return Err(ScramError::ChannelBinding);
        }
        let nonce = nonce.strip_prefix("r=").ok_or(ScramError::Malformed)?;
        if nonce != self.nonce {
            return Err(ScramError::Malformed);
        }
        let mut key = BASE64_STANDARD
            .decode(proof)
            .ok()
            .and_then(|proof| <[u8; 32]>::try_from(proof).ok())
            .ok_or(ScramError::Malformed)?;
        let messages = [&self.client_first_bare, &self.server_first, without_proof].join(",");
        let signature = mac(&self.verifier.stored_key, messages.as_bytes());
        for (byte, signed) in key.iter_mut().zip(signature) {
            *byte ^= signed;
        }
        let hashed: [u8; 32] = Sha256::digest(key).into();
        let equal = hashed.ct_eq(&self.verifier.stored_key);
        if !bool::from(equal) || !self.real {
            return Err(ScramError::Wrong);
        }
        let signature = mac(&self.verifier.server_key, messages.as_bytes());
        Ok(format!("v={}", BASE64_STANDARD.encode(signature)))
    }
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE_BYTES || message.contains(&0) {
        return Err(ScramError::Malformed);
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed)
}

fn mac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key)
        .expect("HMAC takes keys of any length")
        .chain_update(message)
        .finalize()
        .into_bytes()
        .into()
}

#[cfg(test)]
mod tests {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
    use postgres_protocol::password::scram_sha_256;

    use super::*;
    use crate::verifier::Users;

    fn verifier(password: &str) -> Verifier {
        let line = format!("\"ana\" \"{}\"", scram_sha_256(password.as_bytes()));
        let users = Users::parse(&line).unwrap();
        users.get("ana").unwrap().verifier.clone()
    }

    fn sign_in(stored: &str, given: &str, real: bool) -> Result<(), ScramError> {
        for binding in [ChannelBinding::unsupported(), ChannelBinding::unrequested()] {
            let mut client = ScramSha256::new(given.as_bytes(), binding);
            let nonce = Exchange::nonce().unwrap();
            let exchange = Exchange::begin(verifier(stored), real, client.message(), &nonce)?;
            client.update(exchange.server_first().as_bytes()).unwrap();
            let last = exchange.finish(client.message())?;
            client
                .finish(last.as_bytes())
                .expect("the server proves itself");
        }
        Ok(())
    }

    #[test]
    fn a_client_that_is_not_ours_signs_in() {
        assert_eq!(sign_in("secret", "secret", true), Ok(()));
        assert_eq!(sign_in("sécret", "sécret", true), Ok(()));
        assert_eq!(sign_in("secret", "Secret", true), Err(ScramError::Wrong));
        // Who isn't there, with the very password of the mock.
        assert_eq!(sign_in("secret", "secret", false), Err(ScramError::Wrong));
    }

    #[test]
    fn first_messages() {
        let begin = |message: &[u8]| {
            Exchange::begin(verifier("x"), true, message, &[7; NONCE_BYTES]).map(|_| ())
        };
        assert_eq!(begin(b"n,,n=,r=abc"), Ok(()));
        assert_eq!(begin(b"y,,n=ana,r=abc"), Ok(()));
        let bound = b"p=tls-server-end-point,,n=,r=abc";
        assert_eq!(begin(bound), Err(ScramError::ChannelBinding));
        for bad in [
            &b""[..],
            b"n",
            b"n,,",
            b"n,,n=",
            b"n,,n=,r=",
            b"n,,n=,r=a b",
            b"n,,r=abc",
            b"n,a=bob,n=,r=abc",
            b"x,,n=,r=abc",
            b"n,,m=1,n=,r=abc",
            b"n,,n=,r=a\0bc",
            b"n,,n=,r=\xff\xfe",
        ] {
            assert_eq!(begin(bad), Err(ScramError::Malformed), "{bad:?}");
        }
        let long = [b"n,,n=,r=".as_slice(), &[b'a'; MAX_MESSAGE_BYTES]].concat();
        assert_eq!(begin(&long), Err(ScramError::Malformed));
    }

    #[test]
    fn last_messages() {
        let exchange =
            Exchange::begin(verifier("x"), true, b"n,,n=,r=abc", &[7; NONCE_BYTES]).unwrap();
        let nonce = &exchange.nonce;
        let proof = BASE64_STANDARD.encode([0; 32]);
        let wrong = format!("c=biws,r={nonce},p={proof}");
        assert_eq!(exchange.finish(wrong.as_bytes()), Err(ScramError::Wrong));
        // "y,," where "n,," was said: somebody between took the offer away.
        let downgraded = format!("c=eSws,r={nonce},p={proof}");
        assert_eq!(
            exchange.finish(downgraded.as_bytes()),
            Err(ScramError::ChannelBinding)
        );
        for bad in [
            String::new(),
            format!("c=biws,r={nonce}"),
            format!("c=biws,r={nonce}x,p={proof}"),
            format!("c=biws,r={nonce},p={}", &proof[4..]),
            format!("r={nonce},c=biws,p={proof}"),
        ] {
            assert_eq!(
                exchange.finish(bad.as_bytes()),
                Err(ScramError::Malformed),
                "{bad}"
            );
        }
    }
}
