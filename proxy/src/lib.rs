//! The proxy: people sign in as themselves, it tells the server who they are, and the server enforces.
//!
//! It holds a key that signs identities (`celador-identity`). Each session's person comes from one
//! configured source; a token for that person and that server process goes ahead of the session's first
//! statement, in the same write. Statements pass byte for byte.
#![forbid(unsafe_code)]

pub mod authentication;
pub mod cancel;
pub mod carrier;
pub mod check;
pub mod config;
pub mod frames;
pub mod gate;
pub mod identity;
pub mod listener;
pub mod pipeline;
pub mod quoted;
pub mod relay;
pub mod reply;
pub mod scram;
pub mod secret;
pub mod session;
pub mod source;
pub mod startup;
pub mod startup_packet;
pub mod stream;
pub mod tls;
pub mod upstream;
pub mod verifier;
