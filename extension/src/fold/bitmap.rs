//! Rows that a bitmap of an index has found to be in reach aren't asked for again, one by one.
//!
//! ```text
//! Bitmap Heap Scan on deals                       Bitmap Heap Scan on deals
//!   Filter: celador.owner_in_reach(…, owner_id)     Recheck Cond: celador.owner_in_reach(…, owner_id)
//!   -> Bitmap Index Scan: owner_id = ANY ('{…}')    -> Bitmap Index Scan: owner_id = ANY ('{…}')
//! ```
//!
//! PostgreSQL does so for conditions that an index answers itself, and for any in a plain index scan. In a
//! bitmap scan it doesn't see that the list is the look-up (`create_bitmap_scan_plan` compares the two). What
//! is rechecked is asked where the bitmap has only the page, and where a row has changed meanwhile.

use pgrx::pg_sys;

use super::{keys, support};
use crate::hooks::injected::mistake;
use crate::hooks::tree::{elements, is_a};

/// In every bitmap scan of a plan made for whoever asks.
pub(crate) unsafe fn ask_once(statement: *mut pg_sys::PlannedStmt) {
    // SAFETY: the planner's own plan.
    unsafe {
        below((*statement).planTree);
        for plan in elements::<pg_sys::Plan>((*statement).subplans) {
            below(plan);
        }
    }
}

/// Kinds of nodes whose inputs stand elsewhere than others' and that aren't known are left as they are.
unsafe fn below(plan: *mut pg_sys::Plan) {
    // SAFETY: a node's type is checked before it is read as such.
    unsafe {
        if plan.is_null() {
            return;
        }
        let is = |tag| is_a(plan.cast(), tag);
        if is(pg_sys::NodeTag::T_BitmapHeapScan) {
            of_scan(plan.cast());
            return;
        }
        let inputs = if is(pg_sys::NodeTag::T_Append) {
            (*plan.cast::<pg_sys::Append>()).appendplans
        } else if is(pg_sys::NodeTag::T_MergeAppend) {
            (*plan.cast::<pg_sys::MergeAppend>()).mergeplans
        } else {
            std::ptr::null_mut()
        };
        for input in elements::<pg_sys::Plan>(inputs) {
            below(input);
        }
        if is(pg_sys::NodeTag::T_SubqueryScan) {
            below((*plan.cast::<pg_sys::SubqueryScan>()).subplan);
        }
        below((*plan).lefttree);
        below((*plan).righttree);
    }
}

unsafe fn of_scan(scan: *mut pg_sys::BitmapHeapScan) {
    // SAFETY: the planner's own node.
    unsafe {
        let mut lists = found_by((*scan).scan.plan.lefttree);
        lists.retain(|found| is_a(found.cast(), pg_sys::NodeTag::T_ScalarArrayOpExpr));
        if lists.is_empty() {
            return;
        }
        let mut asked = std::ptr::null_mut();
        for condition in elements::<pg_sys::Node>((*scan).scan.plan.qual) {
            if is_answered(condition, &lists) {
                if !mistake("nothing is rechecked") {
                    (*scan).bitmapqualorig =
                        pg_sys::lappend((*scan).bitmapqualorig, condition.cast());
                }
            } else {
                asked = pg_sys::lappend(asked, condition.cast());
            }
        }
        (*scan).scan.plan.qual = asked;
    }
}

/// What holds of every row of a bitmap: the conditions of an index, or of all that are combined by AND.
unsafe fn found_by(bitmap: *mut pg_sys::Plan) -> Vec<*mut pg_sys::Node> {
    // SAFETY: a node's type is checked before it is read as such.
    unsafe {
        if is_a(bitmap.cast(), pg_sys::NodeTag::T_BitmapIndexScan) {
            return elements((*bitmap.cast::<pg_sys::BitmapIndexScan>()).indexqualorig);
        }
        if !is_a(bitmap.cast(), pg_sys::NodeTag::T_BitmapAnd) {
            return Vec::new();
        }
        let all = elements::<pg_sys::Plan>((*bitmap.cast::<pg_sys::BitmapAnd>()).bitmapplans);
        all.into_iter().flat_map(|one| found_by(one)).collect()
    }
}

/// Whether a condition is a look-up, and its list among these.
unsafe fn is_answered(condition: *mut pg_sys::Node, lists: &[*mut pg_sys::Node]) -> bool {
    // SAFETY: a node's type is checked before it is read as such; nodes are made in the planner's memory.
    unsafe {
        if !is_a(condition.cast(), pg_sys::NodeTag::T_FuncExpr) {
            return false;
        }
        let call = condition.cast::<pg_sys::FuncExpr>();
        let list = support::look_up((*call).funcid, (*call).args, |_, set, value| {
            keys::any(value, set)
        });
        list.is_some_and(|list| {
            let mut lists = lists.iter();
            lists.any(|found| pg_sys::equal(found.cast(), list.cast()))
        })
    }
}
