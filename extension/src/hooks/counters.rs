//! Counters of rows and blocks tell of hidden rows: how many a statement has looked at before its
//! policy let some through. Asked prefix by prefix, they spell hidden values.
//!
//! ```sql
//! SELECT FROM contacts WHERE email ^@ 'a';
//! SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'contacts';    -- of all people's
//! ```
//!
//! The functions that they are read with are closed to people, however they are called: by a view,
//! an operator, a default, the protocol. A role of `pg_read_all_stats` that stands for nobody still
//! reads them.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use pgrx::prelude::*;

use crate::watch::Kind;
use crate::{catalog, errors, identity, session, spi};

/// Those of `pg_stat_get_…` that count neither rows nor blocks that a statement has looked at. A function
/// that isn't known is closed. How many rows a table has is told by `pg_class.reltuples` as well, and
/// applications ask for it before they count.
const OPEN: [&str; 10] = [
    "activity",
    "archiver",
    "live_tuples",
    "progress_info",
    "replication_slot",
    "snapshot_timestamp",
    "subscription",
    "subscription_stats",
    "wal_receiver",
    "wal_senders",
];
/// `pg_stat_get_backend_…`: what backends do, but for these.
const CLOSED_OF_BACKENDS: [&str; 2] = ["io", "wal"];
/// `pg_locks`: a serializable transaction's locks name the rows that it has read, and any
/// statement's the tables that its policy has asked.
const LOCKS: &str = "pg_lock_status";
/// What functions in C of other extensions begin with that count what statements do.
const OF_EXTENSIONS: [&[u8]; 3] = [b"pg_stat_", b"pg_qualstats", b"pg_buffercache"];
/// `c` in `pg_language`.
const C: u32 = 13;

/// An entry of PostgreSQL's table of its own functions; not among pgrx's bindings.
#[repr(C)]
struct Builtin {
    oid: pg_sys::Oid,
    arguments: i16,
    strict: bool,
    returns_set: bool,
    name: *const c_char,
    function: *const c_void,
}

unsafe extern "C" {
    #[link_name = "fmgr_builtins"]
    static BUILTINS: [Builtin; 0];
    #[link_name = "fmgr_nbuiltins"]
    static NUMBER: c_int;
}

/// Whether the function counts what statements have looked at.
pub(super) unsafe fn counts(function: pg_sys::Oid) -> bool {
    // SAFETY: PostgreSQL's table, of that length, never changes.
    unsafe {
        static COUNT: OnceLock<Vec<u32>> = OnceLock::new();
        if function.to_u32() >= pg_sys::FirstNormalObjectId {
            return is_in_c(function);
        }
        let closed = COUNT.get_or_init(|| {
            let mut closed: Vec<u32> =
                std::slice::from_raw_parts(BUILTINS.as_ptr(), NUMBER as usize)
                    .iter()
                    .filter(|builtin| is_closed(CStr::from_ptr(builtin.name)))
                    .map(|builtin| builtin.oid.to_u32())
                    .collect();
            closed.sort_unstable();
            closed
        });
        closed.binary_search(&function.to_u32()).is_ok()
    }
}

fn is_closed(name: &CStr) -> bool {
    let Ok(name) = name.to_str() else {
        return false;
    };
    if name == LOCKS {
        return true;
    }
    let Some(what) = name.strip_prefix("pg_stat_get_") else {
        return false;
    };
    match what.strip_prefix("backend_") {
        Some(of_backend) => CLOSED_OF_BACKENDS.contains(&of_backend),
        None => !OPEN.contains(&what),
    }
}

unsafe fn is_in_c(function: pg_sys::Oid) -> bool {
    // SAFETY: a valid tuple of pg_proc begins with FormData_pg_proc; it is released after use.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::PROCOID as i32,
            pg_sys::Datum::from(function),
        );
        if tuple.is_null() {
            return false;
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let name = CStr::from_ptr((*form).proname.data.as_ptr()).to_bytes();
        let found = (*form).prolang.to_u32() == C
            && OF_EXTENSIONS.iter().any(|begin| name.starts_with(begin));
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}

/// Refuses such a function to whoever sees less than all.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn refuse(function: pg_sys::Oid) {
    if spi::is_internal() {
        return;
    }
    let Some(catalog) = catalog::current() else {
        return;
    };
    if !catalog.enforces()
        || catalog.sees_all()
        || identity::only_watches(&catalog) && session::asker().is_err()
    {
        return;
    }
    // SAFETY: a cache look-up; the name is PostgreSQL's copy.
    let name = unsafe {
        let name = pg_sys::get_func_name(function);
        if name.is_null() {
            "it".into()
        } else {
            CStr::from_ptr(name).to_string_lossy()
        }
    };
    errors::denied_by(
        Kind::Way,
        None,
        format!("{name} counts what is out of your reach too"),
        "Have a maintenance role ask, or a role of pg_read_all_stats that stands for nobody.",
    )
}
