//! How many rows a condition of the closed list finds, by the table's statistics.
//!
//! Where a table has row security PostgreSQL takes no statistics for operators that it doesn't call
//! leakproof: they would be asked about values of hidden rows, and could tell. It guesses a hundredth or a
//! third of the rows, and reads another index as well. Conditions of the closed list tell nothing, whatever
//! they are asked about; and their operators are PostgreSQL's or a known module's, as is the negator that
//! estimates ask in their place.
//!
//! ```text
//! SELECT FROM contacts WHERE extra @> '{"tier": "gold"}'      5 of 1,000,000 rows; 2,000 owners in reach
//!   Bitmap Heap Scan: BitmapAnd (extra @> …, owner_id = ANY …)   a hundredth of the rows, it was guessed
//!   Bitmap Heap Scan Recheck Cond: extra @> …  Filter: owner_in_reach(…)
//! ```

use std::cell::Cell;

use pgrx::prelude::*;

use super::parts;
use crate::hooks::injected::mistake;
use crate::hooks::tree::elements;

static mut NEXT: pg_sys::get_relation_stats_hook_type = None;

thread_local! {
    /// The relation about which nothing but such conditions are asked at the moment; 0: none.
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

// The pointer is handed to PostgreSQL, which calls it without pgrx's guard.
unsafe extern "C-unwind" {
    fn ReleaseSysCache(tuple: pg_sys::HeapTuple);
}

/// Sets the hook. Called once, when the library is loaded.
pub(in crate::hooks) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT = pg_sys::get_relation_stats_hook;
        pg_sys::get_relation_stats_hook = Some(statistics);
    }
}

unsafe extern "C-unwind" fn statistics(
    root: *mut pg_sys::PlannerInfo,
    entry: *mut pg_sys::RangeTblEntry,
    column: pg_sys::AttrNumber,
    found: *mut pg_sys::VariableStatData,
) -> bool {
    // SAFETY: the planner's own arguments.
    unsafe {
        if let Some(next) = NEXT
            && next(root, entry, column, found)
        {
            return true;
        }
        ASKED.get() == (*entry).relid.to_u32() && find(entry, column, found)
    }
}

/// Finds a column's statistics as PostgreSQL does, for operators that may be asked about them.
#[pg_guard]
unsafe extern "C-unwind" fn find(
    entry: *mut pg_sys::RangeTblEntry,
    column: pg_sys::AttrNumber,
    found: *mut pg_sys::VariableStatData,
) -> bool {
    // SAFETY: a cache look-up; the entry is released by the planner.
    unsafe {
        (*found).statsTuple = pg_sys::SearchSysCache3(
            pg_sys::SysCacheIdentifier::STATRELATTINH as i32,
            pg_sys::Datum::from((*entry).relid),
            pg_sys::Datum::from(column),
            pg_sys::Datum::from((*entry).inh),
        );
        (*found).freefunc = Some(ReleaseSysCache);
        (*found).acl_ok = true;
    }
    true
}

/// The table's conditions that are, or hold, some of these, all of the closed list: PostgreSQL has guessed how
/// many rows they find. None where they aren't to be estimated again.
pub(super) unsafe fn guessed(
    relation: *mut pg_sys::RelOptInfo,
    proven: &[*mut pg_sys::RestrictInfo],
) -> Vec<*mut pg_sys::RestrictInfo> {
    let mut guessed = Vec::new();
    // SAFETY: the planner's own structures.
    unsafe {
        let all = elements::<pg_sys::RestrictInfo>((*relation).baserestrictinfo);
        // What was never estimated would be while the statistics are open.
        if proven.is_empty()
            || !all.iter().all(|condition| is_estimated(*condition))
            || mistake("conditions of the list are guessed")
        {
            return guessed;
        }
        for condition in all {
            holds(condition, proven, &mut guessed);
        }
    }
    guessed
}

/// Estimates again how many rows the table's conditions find, with statistics for these.
pub(super) unsafe fn again(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
    guessed: Vec<*mut pg_sys::RestrictInfo>,
) {
    // SAFETY: the planner's own structures.
    unsafe {
        for condition in guessed {
            (*condition).norm_selec = -1.0;
        }
        let _open = Open::on(table);
        pg_sys::set_baserel_size_estimates(root, relation);
    }
}

/// While it lives, statistics of the table are open; they are closed after an error too.
struct Open;

impl Open {
    fn on(table: pg_sys::Oid) -> Self {
        ASKED.set(table.to_u32());
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        ASKED.set(0);
    }
}

/// Whether it is known of the condition and all its parts how many rows they find.
unsafe fn is_estimated(condition: *mut pg_sys::RestrictInfo) -> bool {
    // SAFETY: the planner's own condition.
    unsafe {
        let parts = parts(condition);
        ((*condition).norm_selec >= 0.0 || (*condition).pseudoconstant)
            && parts.into_iter().all(|part| is_estimated(part))
    }
}

/// Whether the condition is, or holds, one of the proven ones: such are added to `found`.
unsafe fn holds(
    condition: *mut pg_sys::RestrictInfo,
    proven: &[*mut pg_sys::RestrictInfo],
    found: &mut Vec<*mut pg_sys::RestrictInfo>,
) -> bool {
    // SAFETY: the planner's own condition.
    unsafe {
        let mut any = proven.contains(&condition);
        for part in parts(condition) {
            any |= holds(part, proven, found);
        }
        if any {
            found.push(condition);
        }
        any
    }
}
