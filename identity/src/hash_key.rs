//! The key that values are hashed with, so that equal values are equal and nothing else can be told.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::key_ring::{HASH, KeyFileError, key, mac};

/// The key for hashes of values. Another than those for tokens: tokens get new keys, and a hash must
/// stay what it is.
///
/// The key is overwritten in memory when it is dropped, and never printed.
pub struct HashKey(Hmac<Sha256>);

impl HashKey {
    /// Reads it from a key file: a line of `hash` and 64 hexadecimal digits. `None`: there is no such line.
    ///
    /// # Errors
    /// When the line is anything else, or there are two.
    pub fn parse(text: &str) -> Result<Option<Self>, KeyFileError> {
        let mut found = None;
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.split('#').next().unwrap_or_default();
            let mut words = content.split_ascii_whitespace();
            if words.next() != Some(HASH) {
                continue;
            }
            let (Some(digits), None) = (words.next(), words.next()) else {
                return Err(KeyFileError::NotAKey { line });
            };
            if found.is_some() {
                return Err(KeyFileError::HashTwice { line });
            }
            found = Some(Self(mac(&key(line, digits)?)));
        }
        Ok(found)
    }

    /// The first half of the HMAC-SHA256 (RFC 2104) of `kind`, a zero byte, and the value: values of
    /// two kinds are never equal.
    pub fn of(&self, kind: &[u8], value: &[u8]) -> [u8; 16] {
        let mut mac = self.0.clone();
        mac.update(kind);
        mac.update(&[0]);
        mac.update(value);
        let whole = mac.finalize().into_bytes();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        half
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "6f1d2c3b4a5968778695a4b3c2d1e0ff00112233445566778899aabbccddeeff";

    fn hash_key(text: &str) -> HashKey {
        HashKey::parse(text).unwrap().unwrap()
    }

    #[test]
    fn it_stands_among_the_keys_for_tokens() {
        let text = format!("# keys\n1 {ONE}\n hash {ONE} # for values\n");
        assert!(crate::KeyRing::parse(&text).is_ok());
        assert!(HashKey::parse(&text).unwrap().is_some());
        assert!(HashKey::parse(&format!("1 {ONE}")).unwrap().is_none());
        assert_eq!(format!("{:?}", hash_key(&text)), "HashKey");
    }

    #[test]
    fn a_hash_is_of_key_kind_and_value() {
        let one = hash_key(&format!("hash {ONE}"));
        let other = hash_key(&format!("hash {}", ONE.replace('6', "7")));
        assert_eq!(one.of(b"text", b"a"), one.of(b"text", b"a"));
        assert_ne!(one.of(b"text", b"a"), one.of(b"text", b"b"));
        assert_ne!(one.of(b"text", b"a"), one.of(b"uuid", b"a"));
        assert_ne!(one.of(b"text", b"a"), other.of(b"text", b"a"));
    }

    #[test]
    fn errors_name_the_line() {
        let not_a_key = |line| KeyFileError::NotAKey { line };
        for (text, error) in [
            ("hash".to_owned(), not_a_key(1)),
            (format!("\nhash {ONE} 1"), not_a_key(2)),
            (format!("hash {}", &ONE[1..]), not_a_key(1)),
            (
                format!("hash {ONE}\nhash {ONE}"),
                KeyFileError::HashTwice { line: 2 },
            ),
            (
                format!("hash {}", "0".repeat(64)),
                KeyFileError::Placeholder { line: 1 },
            ),
        ] {
            assert_eq!(HashKey::parse(&text).unwrap_err(), error, "{text}");
        }
    }
}
