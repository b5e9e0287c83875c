//! Watching: what Celador counts while it works, in memory that all backends share.
//!
//! The library in `shared_preload_libraries` gets that memory when the server starts; from
//! PostgreSQL 17 on it asks for it later as well. Elsewhere each backend counts for itself, and the
//! reports say so. Nothing here writes a table: it counts on a standby and in read-only
//! transactions too.

mod counters;
mod denials;
mod fixed_text;
mod kept_file;
mod memory;
mod observed;

pub(crate) use counters::{Counter, Raising, count, deliberate};
pub(crate) use denials::{Kind, define_settings, log_pending, note, on_check, statement_is};
pub(crate) use memory::{at_server_start, is_shared, locked, shared_ring};
pub(crate) use observed::{flush, must_be_shared, refused, truncation};

/// A time as PostgreSQL keeps it.
fn time(microseconds: pgrx::pg_sys::TimestampTz) -> pgrx::datum::TimestampWithTimeZone {
    microseconds
        .try_into()
        .unwrap_or_else(|_| pgrx::datum::TimestampWithTimeZone::positive_infinity())
}
