//! What PostgreSQL calls leakproof may run before the policy, and tell nothing of the row. That it runs
//! at all tells of the conditions before it, where somebody notices: a function that raises a notice,
//! a division by zero, a sub-select that is computed when it is first needed.
//!
//! ```sql
//! SELECT FROM notes WHERE body = 'a guess' AND deal_id = speaks();    -- a notice: the guess is right
//! ```
//!
//! Such conditions are held back behind the policy. They still find rows by an index: what an index
//! looks for is computed once, before any row ([`super::lookups`]).

use std::ffi::c_void;

use pgrx::prelude::*;

use crate::hooks::tree::{elements, expression_tree_walker, is_a};

/// A cost that puts a condition before all others of its level.
const FIRST: f64 = -1e-9;

// The bindings of these are guarded. Called directly, an error passes the walker as C would have
// it: nothing of Rust's waits in its frames.
unsafe extern "C-unwind" {
    fn check_functions_in_node(
        node: *mut pg_sys::Node,
        checker: Option<unsafe extern "C-unwind" fn(pg_sys::Oid, *mut c_void) -> bool>,
        context: *mut c_void,
    ) -> bool;
    fn get_func_leakproof(function: pg_sys::Oid) -> bool;
    fn list_member_int(list: *const pg_sys::List, number: i32) -> bool;
}

/// Puts the conditions of a table, and of what is below it, that would be noticed behind the policy.
pub(super) unsafe fn hold_back(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    of_policy: &OfPolicy,
) {
    // SAFETY: the planner's own structures.
    unsafe {
        hold_back_of(root, relation, of_policy);
        // What the paths of a table with heirs ask of theirs is made after theirs.
        for heir in elements::<pg_sys::AppendRelInfo>((*root).append_rel_list) {
            if (*heir).parent_relid == (*relation).relid {
                let heir = *(*root).simple_rel_array.add((*heir).child_relid as usize);
                if !heir.is_null() {
                    hold_back_of(root, heir, &OfPolicy::of(root, (*heir).relid));
                }
            }
        }
    }
}

unsafe fn hold_back_of(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    of_policy: &OfPolicy,
) {
    // SAFETY: the planner's own structures.
    unsafe {
        let level = (*root).qual_security_level;
        let asked = elements::<pg_sys::ParamPathInfo>((*relation).ppilist)
            .into_iter()
            .map(|asked| (*asked).ppi_clauses);
        let lists = [(*relation).baserestrictinfo, (*relation).joininfo];
        for condition in lists
            .into_iter()
            .chain(asked)
            .flat_map(|list| elements::<pg_sys::RestrictInfo>(list))
        {
            if of_policy.has(condition) {
                continue;
            }
            let speaks = speaks_in(root, (*condition).clause.cast());
            if speaks && (*condition).security_level < level {
                // First of what comes behind the policy: it may stand for a condition of the policy's.
                (*condition).security_level = level;
                (*condition).eval_cost.startup = 0.0;
                (*condition).eval_cost.per_tuple = FIRST;
            } else if speaks {
                (*condition).leakproof = false;
            }
        }
    }
}

/// What the policies say of a table, as the planner has prepared it. The rest is the statement's,
/// whatever its level: of what follows from both, as `b = 2` does from `a = 2` and `a = b`, PostgreSQL
/// thinks as of the policy's.
pub(super) struct OfPolicy(Vec<*mut pg_sys::Node>);

impl OfPolicy {
    pub(super) unsafe fn of(root: *mut pg_sys::PlannerInfo, relation: pg_sys::Index) -> Self {
        // SAFETY: the planner's own structures. A table's heirs have what is said of it, in their own
        // columns.
        unsafe {
            let entry = *(*root).simple_rte_array.add(relation as usize);
            let mut said: Vec<_> = elements::<pg_sys::List>((*entry).securityQuals)
                .into_iter()
                .flat_map(|level| elements::<pg_sys::Node>(level))
                .collect();
            let mut heir = std::ptr::null_mut();
            if !(*root).append_rel_array.is_null() {
                heir = *(*root).append_rel_array.add(relation as usize);
            }
            if !heir.is_null() {
                let above = Self::of(root, (*heir).parent_relid).0.into_iter();
                said.extend(
                    above.map(|said| pg_sys::adjust_appendrel_attrs(root, said, 1, &raw mut heir)),
                );
            }
            Self(said)
        }
    }

    pub(super) unsafe fn has(&self, condition: *mut pg_sys::RestrictInfo) -> bool {
        // SAFETY: compares the planner's own trees.
        self.0
            .iter()
            .any(|said| unsafe { pg_sys::equal(said.cast(), (*condition).clause.cast()) })
    }
}

unsafe fn speaks_in(root: *mut pg_sys::PlannerInfo, clause: *mut pg_sys::Node) -> bool {
    // SAFETY: an expression of the planner's.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| speaks(clause, root.cast())) }
}

/// Whether something in the expression could be noticed by whoever wrote it.
unsafe extern "C-unwind" fn speaks(node: *mut pg_sys::Node, root: *mut c_void) -> bool {
    // SAFETY: the context is the planner's root; node types are checked before they are read.
    unsafe {
        if node.is_null() {
            return false;
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_Param) {
            let parameter = node.cast::<pg_sys::Param>();
            return (*parameter).paramkind == pg_sys::ParamKind::PARAM_EXEC
                && is_computed_when_needed(root.cast(), (*parameter).paramid);
        }
        check_functions_in_node(node, Some(is_leaky), std::ptr::null_mut())
            || expression_tree_walker(node, Some(speaks), root)
    }
}

/// Whether the expression calls a function that isn't PostgreSQL's own, and may be noticed.
pub(super) unsafe fn calls_others(node: *mut pg_sys::Node) -> bool {
    // SAFETY: an expression of the planner's.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| calls_of_others(node, std::ptr::null_mut())) }
}

unsafe extern "C-unwind" fn calls_of_others(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    // SAFETY: as in `speaks`.
    unsafe {
        !node.is_null()
            && (check_functions_in_node(node, Some(is_of_others), std::ptr::null_mut())
                || expression_tree_walker(node, Some(calls_of_others), context))
    }
}

unsafe extern "C-unwind" fn is_of_others(function: pg_sys::Oid, context: *mut c_void) -> bool {
    // SAFETY: a cache look-up.
    unsafe { function.to_u32() >= pg_sys::FirstNormalObjectId && is_leaky(function, context) }
}

unsafe extern "C-unwind" fn is_leaky(function: pg_sys::Oid, _: *mut c_void) -> bool {
    // SAFETY: a cache look-up.
    unsafe { !get_func_leakproof(function) }
}

/// Whether the parameter is a sub-select's, of this query or one around it. Others are set before.
unsafe fn is_computed_when_needed(mut root: *mut pg_sys::PlannerInfo, parameter: i32) -> bool {
    // SAFETY: the planner's own lists. No memory of Rust's: an error may pass through.
    unsafe {
        while !root.is_null() {
            let plans = (*root).init_plans;
            let length = if plans.is_null() { 0 } else { (*plans).length };
            for at in 0..length as usize {
                let plan = (*(*plans).elements.add(at))
                    .ptr_value
                    .cast::<pg_sys::SubPlan>();
                if list_member_int((*plan).setParam, parameter) {
                    return true;
                }
            }
            root = (*root).parent_root;
        }
        false
    }
}
