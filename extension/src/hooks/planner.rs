//! The planner's hook: covers each statement before it is planned, and keeps plans.

use std::cell::Cell;
use std::ffi::{c_char, c_int};

use pgrx::prelude::*;

use super::answers::Answers;
use super::cover::Cover;
use super::injected;
use super::{maintenance, own_statement};
use crate::catalog;
use crate::plan_memory::{self, Candidate};
use crate::plan_notes;
use crate::plan_stamp::{self, Mark};
use crate::session;
use crate::watch::{self, Counter, Raising};
use crate::{fold, kept_snapshot, spi};

static mut NEXT: pg_sys::planner_hook_type = None;

// The bindings of these are guarded; called directly, errors keep all their fields.
unsafe extern "C-unwind" {
    fn standard_planner(
        parse: *mut pg_sys::Query,
        query_string: *const c_char,
        cursor_options: c_int,
        bound_params: pg_sys::ParamListInfo,
    ) -> *mut pg_sys::PlannedStmt;
}

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT = pg_sys::planner_hook;
        pg_sys::planner_hook = Some(planner);
    }
}

unsafe extern "C-unwind" fn planner(
    parse: *mut pg_sys::Query,
    query_string: *const c_char,
    cursor_options: c_int,
    bound_params: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        let mut candidate = None;
        let kept = if bound_params.is_null() {
            recall(parse, query_string, cursor_options, &raw mut candidate)
        } else {
            std::ptr::null_mut()
        };
        if !kept.is_null() {
            return kept;
        }
        let mark = cover(parse, cursor_options);
        let before = plan_stamp::begin_planning();
        let plan = match NEXT {
            Some(next) => next(parse, query_string, cursor_options, bound_params),
            None => standard_planner(parse, query_string, cursor_options, bound_params),
        };
        let mark = plan_stamp::planned(before, mark);
        if mark.stamp != 0 || mark.calls_sql || mark.revision != 0 || mark.carried.is_some() {
            stamp(plan, mark);
        }
        if mark.stamp != 0 && bound_params.is_null() {
            keep(query_string, plan, mark.stamp, &raw mut candidate);
        }
        if spi::is_internal() {
            // Compiling a statement over trees and sets takes longer than running it.
            (*plan).jitFlags = pg_sys::PGJIT_NONE as i32;
        }
        plan
    }
}

/// The plan that is kept for whoever asks, or NULL; then the statement may be worth keeping.
#[pg_guard]
unsafe extern "C-unwind" fn recall(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: c_int,
    candidate: *mut Option<Candidate>,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the planner's own arguments.
    unsafe {
        let Some(text) = plan_memory::noticed(text) else {
            return std::ptr::null_mut();
        };
        // What is planned is told of, what was is not.
        let stamp = stamp_of_asker().filter(|_| !plan_notes::are_taken());
        let Some(stamp) = stamp else {
            return std::ptr::null_mut();
        };
        let key = plan_memory::key(text, query, options, stamp);
        if let Some(plan) = plan_memory::recall(&key, query) {
            kept_snapshot::note_planned(false);
            watch::count(Counter::PlansReused, 1);
            return plan;
        }
        *candidate = Some(Candidate::copy(key, query));
        std::ptr::null_mut()
    }
}

/// The stamp of whoever asks, where a plan depends on nothing else that may change unseen.
fn stamp_of_asker() -> Option<u32> {
    // SAFETY: read the backend's state.
    let restricted =
        unsafe { pg_sys::InNoForceRLSOperation() || pg_sys::InSecurityRestrictedOperation() };
    if spi::is_internal()
        || restricted
        || !fold::is_on()
        || maintenance::is_on()
        || kept_snapshot::is_kept()
    {
        return None;
    }
    let catalog = catalog::current()?;
    if catalog.unfit.is_some() || !catalog.observed.is_empty() || catalog.sees_all() {
        return None;
    }
    session::begin_statement();
    session::asker().ok().map(|person| person.stamp)
}

#[pg_guard]
unsafe extern "C-unwind" fn keep(
    text: *const c_char,
    plan: *mut pg_sys::PlannedStmt,
    stamp: u32,
    candidate: *mut Option<Candidate>,
) {
    // SAFETY: the planner's own arguments.
    unsafe {
        match ((*candidate).take(), catalog::current()) {
            (Some(candidate), Some(catalog)) => candidate.keep(plan, stamp, catalog.signal),
            (Some(_), None) => {}
            (None, _) => plan_memory::notice(text),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn cover(query: *mut pg_sys::Query, options: c_int) -> Mark {
    let _raising = Raising::counts_as(Counter::ErrorsPlanner);
    injected::panic_if_asked("planner");
    if spi::is_internal() {
        // SAFETY: as below.
        unsafe { own_statement::verify(query) }
        return Mark::default();
    }
    let Some(catalog) = catalog::current() else {
        return Mark::default();
    };
    // The answers that are put in are those of now.
    session::begin_statement();
    let cover = Cover {
        catalog,
        // SAFETY: as below.
        answers: unsafe { Answers::to(query) },
        calls_sql: Cell::default(),
        protects: Cell::default(),
    };
    // SAFETY: the planner owns the tree, and expects hooks to change it.
    let carried = unsafe { cover.limit_rows(query) };
    // SAFETY: as above.
    unsafe {
        cover.query(query, &mut Vec::new());
        // WHERE CURRENT OF wants a cursor's table by itself.
        if options & pg_sys::CURSOR_OPT_FAST_PLAN as c_int == 0 {
            cover.answers.pull_up(query);
        }
    }
    Mark {
        stamp: cover.answers.stamp(),
        calls_sql: cover.calls_sql.get(),
        revision: if cover.protects.get() {
            plan_stamp::revision(&cover.catalog)
        } else {
            0
        },
        carried,
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn stamp(plan: *mut pg_sys::PlannedStmt, mark: Mark) {
    if let Some(catalog) = catalog::current() {
        if mark.stamp != 0 {
            watch::count(Counter::PlansMade, 1);
        }
        // SAFETY: the planner's own plan.
        unsafe {
            if mark.stamp != 0 {
                fold::ask_once(plan);
            }
            plan_stamp::put(plan, mark, catalog.signal);
        }
    }
}
