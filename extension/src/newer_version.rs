//! READ COMMITTED: a statement that has waited for a lock goes on with the row as it is then, newer
//! than its snapshot. The rest of what it knows is older: who asks may have lost a role in the same
//! transaction, and the record that the row hangs on may have been given away.
//!
//! Where a statement locks or writes rows, the planner's hook adds a condition:
//!
//! ```sql
//! SELECT body FROM notes WHERE celador.covered() AND … FOR UPDATE
//! SELECT body FROM notes WHERE … AND celador.readable_now(16404, ctid, xmin) FOR UPDATE
//! ```
//!
//! It looks at versions that the statement's snapshot doesn't show, and lets all others through.

use std::rc::Rc;

use celador_policy::TableName;
use celador_policy::row_policy::read_sql;
use pgrx::prelude::*;

use crate::hooks::raw_function;
use crate::kept_snapshot::{arguments, call, version};
use crate::session::{self, Person};
use crate::spi::{self, Reads};
use crate::{placement, relations};

/// `celador.readable_now(relation, ctid, xmin)` for the table at `place` in the statement. Not its
/// tableoid: PostgreSQL leaves that out where a trigger's lock has found the newer version.
pub(crate) unsafe fn condition(
    function: pg_sys::Oid,
    place: i32,
    relation: pg_sys::Oid,
) -> *mut pg_sys::Node {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let table = pg_sys::makeConst(
            pg_sys::OIDOID,
            -1,
            pg_sys::InvalidOid,
            size_of::<pg_sys::Oid>() as i32,
            pg_sys::Datum::from(relation),
            false,
            true,
        );
        call(
            function,
            place,
            table.cast(),
            pg_sys::MinTransactionIdAttributeNumber,
        )
    }
}

raw_function!(
    /// `celador.readable_now(relation, ctid, xmin)`: this version of a row of the relation, or of one
    /// below it, is readable by whoever asks, with the rights of now. Called by SQL it tells nothing
    /// that a SELECT of the row wouldn't.
    readable_now_wrapper,
    pg_finfo_readable_now_wrapper,
    readable_now
);

unsafe fn readable_now(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: a strict function of these arguments.
    let (relation, row, made_by) = unsafe { arguments(fcinfo) };
    if is_in_snapshot(made_by) {
        return pg_sys::Datum::from(true);
    }
    let person = session::person_now();
    let (row, made_by) = (version(row), made_by.into_inner().to_string());
    let answers: Vec<bool> = session::lend(Rc::clone(&person), || {
        relations::heirs(relation)
            .into_iter()
            .flat_map(|table| answers(&person, table, &row, &made_by))
            .collect()
    });
    pg_sys::Datum::from(!answers.is_empty() && answers.into_iter().all(|readable| readable))
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

/// For each row of the table that is this version: whether it is readable.
fn answers(person: &Person, table: pg_sys::Oid, row: &str, made_by: &str) -> Vec<bool> {
    let Some(name) = relations::table_name(table) else {
        return vec![false];
    };
    let (Some(placement), Some(owner)) = (
        placement::of(&person.catalog, person.policy(), table, &name),
        relations::owner(table),
    ) else {
        return vec![false];
    };
    let sql = statement(&name, &read_sql(person.policy(), &placement, "r."));
    let rows = spi::with_rights_of(owner, || {
        spi::connected(|| {
            let kept = person.catalog.kept(&sql, 2);
            kept.rows(&[row, made_by], Reads::Latest)
        })
    });
    rows.into_iter()
        .map(|row| row.into_iter().next().flatten().as_deref() == Some("t"))
        .collect()
}

/// ```sql
/// SELECT (celador.all_in_reach('accounts', 'read')) FROM ONLY "public"."accounts" AS r
/// WHERE r.ctid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.tid)
///   AND r.xmin OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.xid)
/// ```
fn statement(table: &TableName, condition: &str) -> String {
    format!(
        "SELECT ({condition}) FROM ONLY {} AS r \
         WHERE r.ctid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.tid) \
         AND r.xmin OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.xid)",
        table.sql()
    )
}
