//! The policies' checks on what a statement writes.

use std::ffi::CStr;

use celador_policy::row_policy::{READ, UPDATE};
use pgrx::prelude::*;

use super::cover::Cover;
use super::covered;
use super::tree::elements;
use crate::{errors, kept_snapshot, newer_version, relations};

impl Cover {
    /// Takes `covered()` out of the checks on what is written.
    ///
    /// PostgreSQL puts the SELECT policy into the checks of INSERT and UPDATE where the statement
    /// reads the table. For a module's table the guard decides what a row may become, so those
    /// copies go: a record may be given away, and its creator gets it back by RETURNING.
    pub(super) unsafe fn checks(&self, query: *mut pg_sys::Query) {
        // SAFETY: as in `query`.
        unsafe {
            let checks = elements::<pg_sys::WithCheckOption>((*query).withCheckOptions);
            if checks.is_empty() {
                return;
            }
            let mut guarded = None;
            let mut kept = std::ptr::null_mut();
            for check in checks {
                let name = if (*check).polname.is_null() {
                    c""
                } else {
                    CStr::from_ptr((*check).polname)
                };
                let name = name.to_bytes();
                if !covered::is_mentioned(self.catalog.covered, (*check).qual) {
                    kept = pg_sys::lappend(kept, check.cast());
                    continue;
                }
                let guarded = *guarded.get_or_insert_with(|| self.target_is_guarded(query));
                let decided_by_guard = match (*check).kind {
                    pg_sys::WCOKind::WCO_RLS_INSERT_CHECK => guarded && name == READ.as_bytes(),
                    pg_sys::WCOKind::WCO_RLS_UPDATE_CHECK => {
                        guarded && (name == READ.as_bytes() || name == UPDATE.as_bytes())
                    }
                    _ => false,
                };
                if decided_by_guard {
                    continue;
                }
                let mut covered = false;
                (*check).qual = covered::strip(self.catalog.covered, (*check).qual, &mut covered);
                if (*check).qual.is_null() {
                    let relation = self.target(query);
                    errors::denied(
                        format!(
                            "the guard of {} is missing or disabled",
                            relations::display_name(relation)
                        ),
                        "Load the policy again.",
                    );
                }
                let target = self.target(query);
                (*check).qual = self.answers.put_in_check(query, target, (*check).qual);
                if (*check).kind == pg_sys::WCOKind::WCO_RLS_CONFLICT_CHECK
                    && !kept_snapshot::is_kept()
                {
                    self.check_newer(query, check);
                }
                kept = pg_sys::lappend(kept, check.cast());
            }
            (*query).withCheckOptions = kept;
        }
    }

    /// `ON CONFLICT` finds rows that are newer than the snapshot.
    unsafe fn check_newer(&self, query: *mut pg_sys::Query, check: *mut pg_sys::WithCheckOption) {
        // SAFETY: nodes are made in the planner's memory.
        unsafe {
            let newer = newer_version::condition(
                self.catalog.readable_now,
                (*query).resultRelation,
                self.target(query),
            );
            let mut both = pg_sys::lappend(std::ptr::null_mut(), (*check).qual.cast());
            both = pg_sys::lappend(both, newer.cast());
            (*check).qual = pg_sys::makeBoolExpr(pg_sys::BoolExprType::AND_EXPR, both, -1).cast();
        }
    }

    unsafe fn target(&self, query: *mut pg_sys::Query) -> pg_sys::Oid {
        // SAFETY: checks exist only where there is a result relation.
        unsafe {
            let tables = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            let place = usize::try_from((*query).resultRelation - 1).ok();
            place
                .and_then(|place| tables.get(place))
                .map_or(pg_sys::InvalidOid, |entry| (**entry).relid)
        }
    }

    /// The target is a module's table and its guard stands, always enabled.
    unsafe fn target_is_guarded(&self, query: *mut pg_sys::Query) -> bool {
        // SAFETY: the table is locked by the statement already; the descriptor is closed again.
        unsafe {
            let relation = pg_sys::table_open(self.target(query), pg_sys::NoLock as i32);
            let triggers = (*relation).trigdesc;
            let guarded = !triggers.is_null()
                && (0..(*triggers).numtriggers as usize).any(|at| {
                    let trigger = &*(*triggers).triggers.add(at);
                    trigger.tgfoid == self.catalog.guard && trigger.tgenabled as u8 == b'A'
                });
            pg_sys::table_close(relation, pg_sys::NoLock as i32);
            guarded
        }
    }
}
