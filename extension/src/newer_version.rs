//! READ COMMITTED: a statement that has waited for a lock goes on with the row as it is then, newer
//! than its snapshot. The rest of what it knows is older: who asks may have lost a role in the same
//! transaction, and the record that the row hangs on may have been given away.
//!
//! Where a statement locks or writes rows, the planner's hook adds a condition:
//!
//! ```sql
//! SELECT body FROM notes WHERE celador.covered() AND … FOR UPDATE
//! SELECT body FROM notes WHERE … AND celador.readable_now(tableoid, ctid, xmin) FOR UPDATE
//! ```
//!
//! It looks at versions that the statement's snapshot doesn't show, and lets all others through.

use std::rc::Rc;

use pgrx::prelude::*;

use crate::hooks::raw_function;
use crate::kept_snapshot::{arguments, is_readable_now};
use crate::session;

raw_function!(
    /// `celador.readable_now(tableoid, ctid, xmin)`: the row is readable as it is now, by whoever
    /// asks with the rights of now. Called by SQL it tells nothing that a SELECT of the row wouldn't.
    readable_now_wrapper,
    pg_finfo_readable_now_wrapper,
    readable_now
);

unsafe fn readable_now(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: a strict function of these arguments.
    let (table, row, made_by) = unsafe { arguments(fcinfo) };
    if is_in_snapshot(made_by) {
        return pg_sys::Datum::from(true);
    }
    let person = session::person_now();
    let readable = session::lend(Rc::clone(&person), || is_readable_now(&person, table, row));
    pg_sys::Datum::from(readable)
}

/// Whether the statement's snapshot shows what the transaction has made.
fn is_in_snapshot(transaction: pg_sys::TransactionId) -> bool {
    // SAFETY: a statement that runs has an active snapshot.
    unsafe {
        if pg_sys::TransactionIdIsCurrentTransactionId(transaction) {
            return true;
        }
        let snapshot = pg_sys::GetActiveSnapshot();
        !snapshot.is_null() && !pg_sys::XidInMVCCSnapshot(transaction, snapshot)
    }
}
