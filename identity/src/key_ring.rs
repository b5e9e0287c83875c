//! The keys that tokens are signed with, from the text of the key file.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The length of a key.
pub const KEY_BYTES: usize = 32;

/// Numbered keys. The highest number signs; all of them verify.
///
/// The keys are overwritten in memory when the ring is dropped, and never printed.
pub struct KeyRing {
    /// Never empty. On the heap from the start: moving the map copies no key.
    keys: BTreeMap<u32, Zeroizing<Vec<u8>>>,
}

/// Why a key file can't be used. It names lines (from 1) and never what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Neither a key nor a comment.
    #[error("line {line} of the key file isn't a number and 64 hexadecimal digits")]
    NotAKey {
        /// Where.
        line: usize,
    },
    /// The number has a key already.
    #[error("line {line} of the key file gives key {number} a second time")]
    NumberTwice {
        /// Where.
        line: usize,
        /// The key's number.
        number: u32,
    },
    /// There is a key for hashes already.
    #[error("line {line} of the key file gives a second key for hashes")]
    HashTwice {
        /// Where.
        line: usize,
    },
    /// One byte repeated is a placeholder that somebody forgot to replace.
    #[error("line {line} of the key file has a placeholder, not a random key")]
    Placeholder {
        /// Where.
        line: usize,
    },
    /// There is no key at all.
    #[error("the key file has no key")]
    NoKey,
}

impl KeyRing {
    /// Reads a key file: lines of a number and 64 hexadecimal digits; `#` begins a comment. The line of
    /// the [`crate::HashKey`] is passed over.
    ///
    /// # Errors
    /// When a line is anything else, a number comes twice, or there is no key.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut keys = BTreeMap::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.split('#').next().unwrap_or_default();
            let mut words = content.split_ascii_whitespace();
            let Some(number) = words.next() else {
                continue;
            };
            if number == HASH {
                continue;
            }
            let (Some(number), Some(digits), None) =
                (plain_number(number), words.next(), words.next())
            else {
                return Err(KeyFileError::NotAKey { line });
            };
            let key = key(line, digits)?;
            if keys.insert(number, key).is_some() {
                return Err(KeyFileError::NumberTwice { line, number });
            }
        }
        if keys.is_empty() {
            return Err(KeyFileError::NoKey);
        }
        Ok(Self { keys })
    }

    /// The numbers of the keys, in rising order; the last one signs.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.keys.keys().copied()
    }

    pub(crate) fn newest(&self) -> (u32, Hmac<Sha256>) {
        let (number, key) = self.keys.last_key_value().expect("a ring is never empty");
        (*number, mac(key))
    }

    pub(crate) fn numbered(&self, number: u32) -> Option<Hmac<Sha256>> {
        self.keys.get(&number).map(|key| mac(key))
    }
}

/// What stands in the place of a number before the key that values are hashed with.
pub(crate) const HASH: &str = "hash";

/// The key that is written so.
pub(crate) fn key(line: usize, digits: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
    match base16ct::mixed::decode(digits, &mut key) {
        Ok(decoded) if decoded.len() == KEY_BYTES => {}
        Ok(_) | Err(_) => return Err(KeyFileError::NotAKey { line }),
    }
    if key.iter().all(|byte| *byte == key[0]) {
        return Err(KeyFileError::Placeholder { line });
    }
    Ok(key)
}

pub(crate) fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Digits as `to_string` writes them: no sign, no leading zeros.
pub(crate) fn plain_number<N: std::str::FromStr + ToString>(text: &str) -> Option<N> {
    text.parse()
        .ok()
        .filter(|number: &N| number.to_string() == text)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("numbers", &self.keys.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "6f1d2c3b4a5968778695a4b3c2d1e0ff00112233445566778899aabbccddeeff";
    const TWO: &str = "0F1D2C3B4A5968778695A4B3C2D1E0FF00112233445566778899AABBCCDDEEFF";

    #[test]
    fn keys_comments_and_blank_lines() {
        let text = format!("# keys\n\n  2\t{TWO}  # since May\r\n1 {ONE}\n \n");
        let ring = KeyRing::parse(&text).unwrap();
        assert_eq!(ring.numbers().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(ring.newest().0, 2);
        assert!(ring.numbered(1).is_some());
        assert!(ring.numbered(3).is_none());
    }

    #[test]
    fn errors_name_the_line() {
        let not_a_key = |line| KeyFileError::NotAKey { line };
        for (text, error) in [
            (String::new(), KeyFileError::NoKey),
            ("# 1\n\n".to_owned(), KeyFileError::NoKey),
            (format!("1 {ONE}\n{TWO}"), not_a_key(2)),
            (format!("\n\nx {ONE}"), not_a_key(3)),
            (format!("1 {ONE} 2"), not_a_key(1)),
            (format!("1 {}", &ONE[1..]), not_a_key(1)),
            (format!("1 {}", &ONE[2..]), not_a_key(1)),
            (format!("1 {ONE}00"), not_a_key(1)),
            (format!("1 {}g", &ONE[1..]), not_a_key(1)),
            (format!("1 {ONE}\n2 {}\u{e9}", &ONE[2..]), not_a_key(2)),
            (format!("-1 {ONE}"), not_a_key(1)),
            (format!("+1 {ONE}"), not_a_key(1)),
            (format!("01 {ONE}"), not_a_key(1)),
            (format!("4294967296 {ONE}"), not_a_key(1)),
            (format!("1:{ONE}"), not_a_key(1)),
            ("1".to_owned(), not_a_key(1)),
            (
                format!("1 {ONE}\n1 {TWO}"),
                KeyFileError::NumberTwice { line: 2, number: 1 },
            ),
            (
                format!("1 {}", "0".repeat(64)),
                KeyFileError::Placeholder { line: 1 },
            ),
            (
                format!("1 {ONE}\n2 {}", "aB".repeat(32)),
                KeyFileError::Placeholder { line: 2 },
            ),
        ] {
            assert_eq!(KeyRing::parse(&text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn nothing_printed_holds_a_key() {
        let ring = KeyRing::parse(&format!("7 {ONE}")).unwrap();
        assert_eq!(format!("{ring:?}"), "KeyRing { numbers: [7], .. }");
        let broken = format!("7 {ONE}\n8 {ONE}x");
        let error = KeyRing::parse(&broken).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(
            said.contains("line 2") && !said.contains(&ONE[..4]),
            "{said}"
        );
    }
}
