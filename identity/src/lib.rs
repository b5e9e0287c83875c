//! Celador identity.
