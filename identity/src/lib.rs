//! Who a session acts for: a token, signed with a key that no SQL can read.
//!
//! A [`KeyRing`] is read from the text of the key file. It signs [`Claims`] with its newest key
//! and verifies a token with the key that the token names, so two keys can be valid while one
//! replaces the other. A [`HashKey`] hashes values for those who don't see them. Pure: no I/O and no clock; whoever calls passes the time in.
//!
//! ```
//! use celador_identity::{Claims, Expected, KeyRing, TokenError};
//!
//! let key_file = "# since May\n\
//!     1 6f1d2c3b4a5968778695a4b3c2d1e0ff00112233445566778899aabbccddeeff\n";
//! let keys = KeyRing::parse(key_file)?;
//! let token = keys.sign(&Claims {
//!     user: "ana".to_owned(),
//!     database: 16_384,
//!     backend: 4_711,
//!     serial: 1,
//!     expires: 1_800_000_060,
//! })?;
//!
//! let mut expected = Expected {
//!     database: 16_384,
//!     backend: 4_711,
//!     now: 1_800_000_000,
//!     last_serial: 0,
//! };
//! assert_eq!(keys.verify(&token, &expected)?.user, "ana");
//!
//! expected.last_serial = 1;
//! assert_eq!(keys.verify(&token, &expected), Err(TokenError::Replayed));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod hash_key;
mod key_ring;
mod token;

pub use hash_key::HashKey;
pub use key_ring::{KEY_BYTES, KeyFileError, KeyRing};
pub use token::{
    Claims, ClaimsError, Expected, MAX_TOKEN_BYTES, MAX_USER_BYTES, Token, TokenError,
};
