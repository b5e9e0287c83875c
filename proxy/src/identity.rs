//! Tokens for sessions: made here, believed there.

use std::time::Instant;

use anyhow::{Result, bail};
use bytes::BytesMut;
use celador_identity::{Claims, KeyRing, MAX_USER_BYTES};
use hmac::{Hmac, KeyInit, Mac};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A token outlasts its session by this, so that a transaction that is open at the end can finish.
pub const GRACE_SECONDS: u64 = 60;

/// No client's statement or portal has this name unless it means to.
const NAME: &str = "celador: who asks";
const ASSUME: &str = "SELECT celador.assume($1)";
/// Leaves a person who is there as he is: `assume` ends held cursors and temporary tables.
const ASSUME_UNLESS_SOMEBODY: &str =
    r#"SELECT celador.assume($1) FROM celador.whoami() AS w WHERE w."user" IS NULL"#;
const TEXT_OID: u32 = 25;

/// What the key file holds for the proxy.
pub struct Keys {
    ring: KeyRing,
    /// What people are made up with who aren't there.
    pub mock: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Reads the text of the key file.
    ///
    /// # Errors
    /// As [`KeyRing::parse`]. No key is told.
    pub fn parse(text: &str) -> Result<Self> {
        let ring = KeyRing::parse(text)?;
        let mock = Hmac::<Sha256>::new_from_slice(text.as_bytes())
            .expect("HMAC takes keys of any length")
            .chain_update(b"celador proxy mock authentication")
            .finalize();
        Ok(Self {
            ring,
            mock: Zeroizing::new(mock.into_bytes().into()),
        })
    }
}

/// A text that can be a person's key in a token.
///
/// # Errors
/// It can't.
pub fn person_key(text: &str) -> Result<&str> {
    if !(1..=MAX_USER_BYTES).contains(&text.len()) || text.contains('\0') {
        bail!("the person's key has 1 to {MAX_USER_BYTES} bytes, none of them zero");
    }
    Ok(text)
}

/// The server's clock, told once and followed from then on: the proxy's own may be wrong.
#[derive(Debug, Clone, Copy)]
pub struct ServerClock {
    micros: u64,
    told: Instant,
}

impl ServerClock {
    /// The server has just told its time, in microseconds since 1970.
    pub fn told(micros: u64) -> Self {
        Self {
            micros,
            told: Instant::now(),
        }
    }

    /// Its time now; by the way of the answer behind.
    fn micros(&self) -> u64 {
        let since = u64::try_from(self.told.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.micros.saturating_add(since)
    }
}

/// The identity of one session.
#[derive(Debug)]
pub struct SessionIdentity {
    person: String,
    database: u32,
    process: i32,
    clock: ServerClock,
    expires: u64,
    last_serial: u64,
}

impl SessionIdentity {
    /// For a person in a server process that has told its clock; it lasts for the session.
    pub fn new(
        person: &str,
        database: u32,
        process: i32,
        clock: ServerClock,
        session_seconds: u64,
    ) -> Self {
        Self {
            person: person.to_owned(),
            database,
            process,
            clock,
            expires: clock.micros / 1_000_000 + session_seconds + GRACE_SECONDS,
            last_serial: 0,
        }
    }

    /// The messages that sign the person in, in a transaction of their own, with the token as a parameter.
    /// The client's unnamed statement stays.
    ///
    /// # Errors
    /// The person's key doesn't go into a token.
    pub fn messages(&mut self, keys: &Keys, unless_somebody: bool) -> Result<BytesMut> {
        let serial = self.clock.micros().max(self.last_serial + 1);
        self.last_serial = serial;
        let token = Zeroizing::new(keys.ring.sign(&Claims {
            user: self.person.clone(),
            database: self.database,
            backend: self.process,
            serial,
            expires: self.expires,
        })?);
        let sql = if unless_somebody {
            ASSUME_UNLESS_SOMEBODY
        } else {
            ASSUME
        };
        let mut bytes = BytesMut::new();
        // Whatever had the name: closing what isn't there is no error.
        frontend::close(b'P', NAME, &mut bytes)?;
        frontend::close(b'S', NAME, &mut bytes)?;
        frontend::parse(NAME, sql, [TEXT_OID], &mut bytes)?;
        frontend::bind(
            NAME,
            NAME,
            [0],
            [token.as_bytes()],
            |text, buffer| {
                buffer.extend_from_slice(text);
                Ok(IsNull::No)
            },
            [0],
            &mut bytes,
        )
        .map_err(|_| anyhow::anyhow!("the token can't be sent"))?;
        frontend::execute(NAME, 0, &mut bytes)?;
        frontend::close(b'S', NAME, &mut bytes)?;
        frontend::sync(&mut bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use celador_identity::Expected;

    use super::*;

    const KEY: &str = "1 6f1d2c3b4a5968778695a4b3c2d1e0ff00112233445566778899aabbccddeeff\n";

    /// The token that messages carry.
    fn token(messages: &[u8]) -> String {
        let text = String::from_utf8_lossy(messages);
        let start = text.find("celador1:").expect("a token");
        let end = text[start..].find(|c: char| !c.is_ascii_alphanumeric() && c != ':');
        text[start..][..end.expect("something follows")].to_owned()
    }

    #[test]
    fn tokens_follow_the_clock_of_the_server() {
        let keys = Keys::parse(KEY).unwrap();
        let started = 1_700_000_000_000_000;
        let clock = ServerClock::told(started);
        let mut identity = SessionIdentity::new("9", 5, 42, clock, 100);
        let mut expected = Expected {
            database: 5,
            backend: 42,
            now: 1_700_000_000 + 100 + GRACE_SECONDS - 1,
            last_serial: started - 1,
        };
        for unless_somebody in [false, true, true] {
            let messages = identity.messages(&keys, unless_somebody).unwrap();
            let token = keys.ring.verify(&token(&messages), &expected).unwrap();
            assert_eq!(token.user, "9");
            expected.last_serial = token.serial;
        }
        expected.now += 1;
        let late = token(&identity.messages(&keys, false).unwrap());
        assert!(keys.ring.verify(&late, &expected).is_err());
    }

    #[test]
    fn the_token_is_no_part_of_the_statement() {
        let keys = Keys::parse(KEY).unwrap();
        let clock = ServerClock::told(1_700_000_000_000_000);
        let mut identity = SessionIdentity::new("o'hara", 5, 42, clock, 100);
        let messages = identity.messages(&keys, false).unwrap();
        let mut rest = messages.as_ref();
        let mut kinds = String::new();
        while let Some((header, body)) = rest.split_first_chunk::<5>() {
            let [kind, length @ ..] = *header;
            let (body, after) = body.split_at(u32::from_be_bytes(length) as usize - 4);
            let carries = body.windows(9).any(|part| part == b"celador1:");
            assert_eq!(carries, kind == b'B');
            kinds.push(char::from(kind));
            rest = after;
        }
        assert_eq!(kinds, "CCPBECS");
    }

    #[test]
    fn nobody_has_no_token() {
        let clock = ServerClock::told(1);
        let mut identity = SessionIdentity::new("", 5, 42, clock, 100);
        assert!(
            identity
                .messages(&Keys::parse(KEY).unwrap(), false)
                .is_err()
        );
    }
}
