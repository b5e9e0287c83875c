//! A table of which nothing is in reach isn't read. PostgreSQL sees by itself that a condition is
//! `false` only where it is the table's only one.
//!
//! ```text
//! Index Only Scan using notes_pkey on notes (Index Cond: id < 1000, Filter: false)
//! Result (One-Time Filter: false)
//! ```

use pgrx::prelude::*;

use super::searches;
use super::tree::elements;
use crate::fold::constant_bool;

static mut NEXT: pg_sys::set_rel_pathlist_hook_type = None;

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT = pg_sys::set_rel_pathlist_hook;
        pg_sys::set_rel_pathlist_hook = Some(paths);
    }
}

unsafe extern "C-unwind" fn paths(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    place: pg_sys::Index,
    entry: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        if let Some(next) = NEXT {
            next(root, relation, place, entry);
        }
        if (*root).qual_security_level > 0 {
            look(root, relation, entry);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn look(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    entry: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        if !(*entry).securityQuals.is_null() {
            leave_out(relation);
        }
        if !pg_sys::is_dummy_rel(relation) {
            searches::look(root, relation, entry);
        }
    }
}

unsafe fn leave_out(relation: *mut pg_sys::RelOptInfo) {
    // SAFETY: reads the planner's conditions on the relation.
    unsafe {
        let conditions = elements::<pg_sys::RestrictInfo>((*relation).baserestrictinfo);
        let never = conditions
            .iter()
            .any(|condition| constant_bool((**condition).clause.cast()) == Some(false));
        if never {
            pg_sys::mark_dummy_rel(relation);
        }
    }
}
