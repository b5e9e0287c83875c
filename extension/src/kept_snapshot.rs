//! REPEATABLE READ and SERIALIZABLE: such a transaction keeps the snapshot that it began with, and
//! sees rows as they were then. Whether it may see them is decided by what they are now.
//!
//! Where a statement is planned in such a transaction, the planner's hook puts a condition in the
//! place of `covered()`:
//!
//! ```sql
//! SELECT id FROM accounts WHERE celador.covered() AND …
//! SELECT id FROM accounts WHERE … AND celador.still_readable(tableoid, ctid, xmax)
//! ```
//!
//! Elsewhere a statement has a snapshot of its own, and pays nothing: plans that were kept from
//! there are made anew before they are used here, and the other way round.

use std::cell::Cell;

use celador_policy::row_policy::read_sql;
use celador_policy::{TableName, quote};
use pgrx::prelude::*;

use crate::hooks::raw_function;
use crate::session::person;
use crate::spi::{self, Reads};
use crate::{placement, relations};

thread_local! {
    /// Whether the plans that may be kept were all made with the condition; `None`: there are none.
    static PLANNED_WITH: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether the transaction keeps its snapshot.
pub(crate) fn is_kept() -> bool {
    // SAFETY: reads the backend's state.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// A statement over protected tables is planned, with the condition or without.
pub(crate) fn note_planned(with: bool) {
    PLANNED_WITH.set(Some(with && PLANNED_WITH.get().unwrap_or(true)));
}

/// Plans that were made for the other kind of transaction are made anew: those without the
/// condition aren't for this one, or those with it cost more than is needed.
pub(crate) fn renew_plans() {
    if PLANNED_WITH.get().is_some_and(|with| with != is_kept()) {
        PLANNED_WITH.set(None);
        // SAFETY: marks the backend's kept plans, as an invalidation would.
        unsafe { pg_sys::ResetPlanCache() }
    }
}

/// `celador.still_readable(tableoid, ctid, xmax)` for the table at `place` in the statement.
pub(crate) unsafe fn condition(function: pg_sys::Oid, place: i32) -> *mut pg_sys::Node {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let table = column(place, pg_sys::TableOidAttributeNumber, pg_sys::OIDOID);
        call(
            function,
            place,
            table,
            pg_sys::MaxTransactionIdAttributeNumber,
        )
    }
}

/// `function(table, ctid, transaction)` for the table at `place`; `transaction` is the number of a
/// system column: xmin or xmax.
pub(crate) unsafe fn call(
    function: pg_sys::Oid,
    place: i32,
    table: *mut pg_sys::Node,
    transaction: i32,
) -> *mut pg_sys::Node {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let version = column(
            place,
            pg_sys::SelfItemPointerAttributeNumber,
            pg_sys::TIDOID,
        );
        let transaction = column(place, transaction, pg_sys::XIDOID);
        let mut arguments = std::ptr::null_mut();
        for argument in [table, version, transaction] {
            arguments = pg_sys::lappend(arguments, argument.cast());
        }
        pg_sys::makeFuncExpr(
            function,
            pg_sys::BOOLOID,
            arguments,
            pg_sys::InvalidOid,
            pg_sys::InvalidOid,
            pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
        )
        .cast()
    }
}

/// A system column of the table at `place`.
unsafe fn column(place: i32, number: i32, type_id: pg_sys::Oid) -> *mut pg_sys::Node {
    // SAFETY: a node is made in the planner's memory.
    unsafe {
        pg_sys::makeVar(
            place,
            number as pg_sys::AttrNumber,
            type_id,
            -1,
            pg_sys::InvalidOid,
            0,
        )
        .cast()
    }
}

raw_function!(
    /// `celador.still_readable(tableoid, ctid, xmax)`: the row is readable as it is now. Called by
    /// SQL it tells nothing that a SELECT of the row wouldn't.
    still_readable_wrapper,
    pg_finfo_still_readable_wrapper,
    still_readable
);

unsafe fn still_readable(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: as many arguments as asked for.
    let (table, row, changed_by) = unsafe { arguments(fcinfo) };
    // Nobody has changed, removed or locked the row.
    let untouched = changed_by == pg_sys::InvalidTransactionId;
    pg_sys::Datum::from(!is_kept() || untouched || is_readable_now(table, row))
}

/// The arguments of a strict function of types oid, tid, xid.
pub(crate) unsafe fn arguments(
    fcinfo: pg_sys::FunctionCallInfo,
) -> (pg_sys::Oid, pg_sys::ItemPointerData, pg_sys::TransactionId) {
    // SAFETY: PostgreSQL passes three arguments of these types, none of them NULL.
    unsafe {
        let arguments = (*fcinfo).args.as_slice(3);
        (
            pg_sys::Oid::from(arguments[0].value.value() as u32),
            *arguments[1].value.cast_mut_ptr::<pg_sys::ItemPointerData>(),
            pg_sys::TransactionId::from_inner(arguments[2].value.value() as u32),
        )
    }
}

/// Whether the latest version of the row is readable; one that is gone isn't.
fn is_readable_now(table: pg_sys::Oid, row: pg_sys::ItemPointerData) -> bool {
    let person = person();
    let Some(name) = relations::table_name(table) else {
        return false;
    };
    let (Some(placement), Some(owner)) = (
        placement::of(&person.catalog, person.policy(), table, &name),
        relations::owner(table),
    ) else {
        return false;
    };
    let sql = statement(&name, &read_sql(person.policy(), &placement, "r."));
    let row = version(row);
    let found = spi::with_rights_of(owner, || {
        spi::connected(|| person.catalog.kept(&sql, 1).rows(&[&row], Reads::Latest))
    });
    !found.is_empty()
}

/// The place of a row's version, as PostgreSQL writes it.
pub(crate) fn version(row: pg_sys::ItemPointerData) -> String {
    let block = (u32::from(row.ip_blkid.bi_hi) << 16) | u32::from(row.ip_blkid.bi_lo);
    format!("({block},{})", row.ip_posid)
}

/// PostgreSQL follows a row from version to version for ODBC drivers, by `currtid2`.
///
/// ```sql
/// SELECT true FROM ONLY "public"."accounts" AS r
/// WHERE r.ctid OPERATOR(pg_catalog.=) (SELECT pg_catalog.currtid2('"public"."accounts"'::pg_catalog.text, CAST($1 AS pg_catalog.tid)))
///   AND celador.all_in_reach('accounts', 'read')
/// ```
fn statement(table: &TableName, condition: &str) -> String {
    let name = table.sql();
    format!(
        "SELECT true FROM ONLY {name} AS r WHERE r.ctid OPERATOR(pg_catalog.=) \
         (SELECT pg_catalog.currtid2({}::pg_catalog.text, CAST($1 AS pg_catalog.tid))) AND {condition}",
        quote::text(&name)
    )
}
