//! A token's text: what it says, signed.
//!
//! `celador1:KEY:DATABASE:BACKEND:SERIAL:EXPIRES:USER:SIGNATURE`, the numbers in decimal, the
//! user's name and the signature in lower-case hexadecimal. So every token has one text and
//! every text one meaning, whatever the name. The signature is HMAC-SHA256 over [`DOMAIN`] and
//! the text before the last colon.

use hmac::Mac;

use crate::KeyRing;
use crate::key_ring::plain_number;

/// The longest name of a user, in bytes.
pub const MAX_USER_BYTES: usize = 256;
/// The longest token, in bytes; none that is signed here comes near it.
pub const MAX_TOKEN_BYTES: usize = 1024;

const VERSION: &str = "celador1";
/// What is signed with these keys elsewhere can't be taken for a token.
const DOMAIN: &[u8] = b"celador identity token 1\0";
const SIGNATURE_BYTES: usize = 32;

/// What a token is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user's name: 1 to [`MAX_USER_BYTES`] bytes without a zero byte.
    pub user: String,
    /// The database that it is for, by oid.
    pub database: u32,
    /// The server process that it is for.
    pub backend: i32,
    /// Higher in each token for a backend than in those before; at least 1. Microseconds since
    /// 1970 serve well, see [`Expected::last_serial`].
    pub serial: u64,
    /// The first second, since 1970, at which it isn't valid any more.
    pub expires: u64,
}

/// A token that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The number of the key that signed it.
    pub key: u32,
    /// The user's name.
    pub user: String,
    /// The database that it is for, by oid.
    pub database: u32,
    /// The server process that it is for.
    pub backend: i32,
    /// Its place among the tokens for this backend.
    pub serial: u64,
    /// The first second, since 1970, at which it isn't valid any more.
    pub expires: u64,
}

/// Where and when a token is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// This database's oid.
    pub database: u32,
    /// This server process (its leader's, in a parallel worker).
    pub backend: i32,
    /// Seconds since 1970.
    pub now: u64,
    /// The highest serial that this backend has accepted; the token's must be higher.
    ///
    /// In a new backend, 0, or better the moment it started if serials are microseconds: process
    /// numbers come again, and a token for an earlier backend of the same number is then seen.
    pub last_serial: u64,
}

/// Why claims can't be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// The name is empty, too long, or has a zero byte.
    #[error("a user's name has 1 to {MAX_USER_BYTES} bytes, none of them zero")]
    User,
    /// A serial of 0 would be taken for a replay.
    #[error("a token's serial is at least 1")]
    Serial,
}

/// Why a token isn't accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this version.
    #[error("not a token")]
    Malformed,
    /// The key file has no such key (any more).
    #[error("there is no key {0}")]
    UnknownKey(u32),
    /// Not signed with the key that it names, or changed afterwards.
    #[error("the signature is wrong")]
    BadSignature,
    /// It was made for another database.
    #[error("the token is for another database")]
    OtherDatabase,
    /// It was made for another server process.
    #[error("the token is for another backend")]
    OtherBackend,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// This token, or a later one, was used before.
    #[error("the token was used before")]
    Replayed,
}

impl KeyRing {
    /// Makes a token, signed with the key of the highest number.
    ///
    /// # Errors
    /// When the claims couldn't be verified again.
    pub fn sign(&self, claims: &Claims) -> Result<String, ClaimsError> {
        if !is_user(&claims.user) {
            return Err(ClaimsError::User);
        }
        if claims.serial == 0 {
            return Err(ClaimsError::Serial);
        }
        let (key, mac) = self.newest();
        let Claims {
            user,
            database,
            backend,
            serial,
            expires,
        } = claims;
        let user = base16ct::lower::encode_string(user.as_bytes());
        let said = format!("{VERSION}:{key}:{database}:{backend}:{serial}:{expires}:{user}");
        let signature = mac
            .chain_update(DOMAIN)
            .chain_update(said.as_bytes())
            .finalize()
            .into_bytes();
        let signature = base16ct::lower::encode_string(&signature);
        Ok(format!("{said}:{signature}"))
    }

    /// Verifies a token. Until the signature has been checked, in constant time, nothing of the
    /// token is used but the number of its key.
    ///
    /// # Errors
    /// Says why it isn't accepted; if for several reasons, the first in the order of
    /// [`TokenError`].
    pub fn verify(&self, text: &str, expected: &Expected) -> Result<Token, TokenError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let (said, signature) = text.rsplit_once(':').ok_or(TokenError::Malformed)?;
        let mut fields = said.split(':');
        if fields.next() != Some(VERSION) {
            return Err(TokenError::Malformed);
        }
        let key = number(fields.next())?;
        let mut decoded = [0; SIGNATURE_BYTES];
        match base16ct::lower::decode(signature, &mut decoded) {
            Ok(bytes) if bytes.len() == SIGNATURE_BYTES => {}
            Ok(_) | Err(_) => return Err(TokenError::Malformed),
        }
        self.numbered(key)
            .ok_or(TokenError::UnknownKey(key))?
            .chain_update(DOMAIN)
            .chain_update(said.as_bytes())
            .verify_slice(&decoded)
            .map_err(|_| TokenError::BadSignature)?;

        let token = Token {
            key,
            database: number(fields.next())?,
            backend: number(fields.next())?,
            serial: number(fields.next())?,
            expires: number(fields.next())?,
            user: user(fields.next())?,
        };
        if fields.next().is_some() {
            return Err(TokenError::Malformed);
        }
        if token.database != expected.database {
            return Err(TokenError::OtherDatabase);
        }
        if token.backend != expected.backend {
            return Err(TokenError::OtherBackend);
        }
        if token.expires <= expected.now {
            return Err(TokenError::Expired);
        }
        if token.serial <= expected.last_serial {
            return Err(TokenError::Replayed);
        }
        Ok(token)
    }
}

fn is_user(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_USER_BYTES && !name.contains('\0')
}

fn number<N: std::str::FromStr + ToString>(field: Option<&str>) -> Result<N, TokenError> {
    field.and_then(plain_number).ok_or(TokenError::Malformed)
}

fn user(field: Option<&str>) -> Result<String, TokenError> {
    field
        .and_then(|digits| base16ct::lower::decode_vec(digits).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|name| is_user(name))
        .ok_or(TokenError::Malformed)
}

#[cfg(test)]
#[path = "token_test.rs"]
mod tests;
