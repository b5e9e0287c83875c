//! A statement of a person's begins with enough stack, or not at all.
//!
//! A policy that asks other rows takes more stack for a row than the conditions before it, and so does a
//! pattern that matches far. Run just below the limit, "stack depth limit exceeded" would tell which
//! hidden rows got there.

use std::cell::Cell;

use pgrx::prelude::*;

use super::tree::{elements, is_a};
use crate::errors;

/// What evaluating a policy or a search may take, in bytes, however low the limit is.
const LEAST: usize = 64 * 1024;
/// What a level of a plan may take, in bytes.
const LEVEL: usize = 2 * 1024;

thread_local! {
    /// Where the backend's stack begins.
    static BASE: Cell<usize> = const { Cell::new(0) };
}

/// Ends the statement unless a quarter of the stack is left below its plan.
pub(super) unsafe fn require(statement: *mut pg_sys::PlannedStmt) {
    // SAFETY: reads the plan, and the backend's limit.
    unsafe {
        let limit = usize::try_from(pg_sys::max_stack_depth).unwrap_or(0) * 1024;
        let needed = (limit / 4).max(LEAST) + LEVEL * levels_of_all(statement);
        if used().saturating_add(needed) > limit {
            errors::raise(
                PgSqlErrorCode::ERRCODE_STATEMENT_TOO_COMPLEX,
                "stack depth limit exceeded",
                "Call it from less deep, or raise \"max_stack_depth\": statements over protected \
                 tables begin with a quarter of the stack.",
            );
        }
    }
}

/// How much of the stack is in use.
fn used() -> usize {
    let here = 0_u8;
    let here = (&raw const here) as usize;
    if BASE.get() == 0 {
        // SAFETY: the base is read by setting another one, and put back.
        unsafe {
            let base = pg_sys::set_stack_base();
            pg_sys::restore_stack_base(base);
            BASE.set(base as usize);
        }
    }
    here.abs_diff(BASE.get())
}

unsafe fn levels_of_all(statement: *mut pg_sys::PlannedStmt) -> usize {
    // SAFETY: the statement's own plans.
    unsafe {
        let within: usize = elements::<pg_sys::Plan>((*statement).subplans)
            .into_iter()
            .map(|plan| levels(plan))
            .sum();
        levels((*statement).planTree) + within
    }
}

unsafe fn levels(plan: *mut pg_sys::Plan) -> usize {
    // SAFETY: node types are checked before they are read.
    unsafe {
        if plan.is_null() {
            return 0;
        }
        let several = if is_a(plan.cast(), pg_sys::NodeTag::T_Append) {
            (*plan.cast::<pg_sys::Append>()).appendplans
        } else if is_a(plan.cast(), pg_sys::NodeTag::T_MergeAppend) {
            (*plan.cast::<pg_sys::MergeAppend>()).mergeplans
        } else if is_a(plan.cast(), pg_sys::NodeTag::T_CustomScan) {
            (*plan.cast::<pg_sys::CustomScan>()).custom_plans
        } else {
            std::ptr::null_mut()
        };
        let below = if is_a(plan.cast(), pg_sys::NodeTag::T_SubqueryScan) {
            (*plan.cast::<pg_sys::SubqueryScan>()).subplan
        } else {
            std::ptr::null_mut()
        };
        let deepest = elements::<pg_sys::Plan>(several)
            .into_iter()
            .chain([(*plan).lefttree, (*plan).righttree, below])
            .map(|plan| levels(plan))
            .max();
        1 + deepest.unwrap_or(0)
    }
}
