//! Searches keep their index under the policy.
//!
//! PostgreSQL looks for an index only with conditions that may be evaluated before the policy: those
//! whose operators it calls leakproof. Those of the closed list ([`celador_policy::leakproof`]) are
//! offered to it as well, once what they compare with has been looked at.
//!
//! ```text
//! SELECT FROM contacts WHERE email ILIKE '%acme%'         owner_id = 42 is the policy
//!   Seq Scan         Filter: owner_id = 42 AND email ~~* '%acme%'
//!   Bitmap Heap Scan Recheck Cond: email ~~* '%acme%'  Filter: owner_id = 42
//! ```
//!
//! They are called leakproof while the paths by index are made, and not longer: where they are no index
//! condition, they stay behind the policy, as they were. Nothing is put into the statement, so
//! plans read as they always do, and there is nothing that a person could call.
//!
//! The other way round, [`speech`] sees to it that what PostgreSQL calls leakproof, and isn't
//! silent, stays behind the policy.

mod estimates;
mod indexes;
mod lookups;
mod notes;
mod paths;
mod proof;
mod speech;

pub(super) use estimates::install;
pub(super) use proof::is_proven;
use speech::OfPolicy;

use std::cell::Cell;

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::prelude::*;

use super::tree::{elements, is_a};
use crate::{catalog, plan_notes};

static ON: GucSetting<bool> = GucSetting::<bool>::new(true);

thread_local! {
    /// Paths are being made with what is known of the searches.
    static IS_AGAIN: Cell<bool> = const { Cell::new(false) };
}

/// Defines the setting. Called once, when the library is loaded.
pub(crate) fn define_setting() {
    GucRegistry::define_bool_guc(
        c"celador.search_by_index",
        c"Let searches that are known to tell nothing of hidden rows use an index.",
        c"Off, only the operators that PostgreSQL calls leakproof do. The rows are the same.",
        &ON,
        GucContext::Userset,
        GucFlags::default(),
    );
}

/// A table's paths have been made: those of its searches are added.
pub(super) unsafe fn look(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    entry: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: the planner's own structures.
    unsafe {
        if !is_protected(root, entry) {
            return;
        }
        let is_plain = is_plain(entry);
        let of_policy = OfPolicy::of(root, (*relation).relid);
        if is_plain {
            let _again = Again::begin();
            let proven = if ON.get() {
                proven(relation)
            } else {
                Vec::new()
            };
            let guessed = estimates::guessed(relation, &proven);
            if !guessed.is_empty() && paths::are_plain(relation) {
                estimates::again(root, relation, (*entry).relid, guessed);
                // They hold how many rows were expected.
                (*relation).ppilist = std::ptr::null_mut();
                paths::again(root, relation, || {
                    pg_sys::create_index_paths(root, relation);
                });
            }
            let policy = (*relation).baserestrict_min_security;
            let waiting = proven.into_iter();
            let waiting: Vec<_> = waiting
                .filter(|condition| (**condition).security_level > policy)
                .collect();
            if !waiting.is_empty() {
                for condition in &waiting {
                    (**condition).leakproof = true;
                }
                let all = (*relation).indexlist;
                (*relation).indexlist = indexes::known(all);
                pg_sys::create_index_paths(root, relation);
                (*relation).indexlist = all;
            }
            lookups::leave_out_spoken(root, relation, &of_policy);
            for condition in waiting {
                (*condition).leakproof = false;
            }
        }
        if is_plain && plan_notes::are_taken() {
            notes::note(relation, (*entry).relid, &of_policy, ON.get());
        }
        speech::hold_back(root, relation, &of_policy);
    }
}

unsafe fn is_protected(root: *mut pg_sys::PlannerInfo, entry: *mut pg_sys::RangeTblEntry) -> bool {
    // SAFETY: the planner's own structures.
    unsafe {
        (*root).qual_security_level != 0
            && (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION
            && catalog::was_protected((*entry).relid)
    }
}

unsafe fn is_plain(entry: *mut pg_sys::RangeTblEntry) -> bool {
    // SAFETY: the planner's own entry.
    unsafe {
        !(*entry).inh
            && (*entry).tablesample.is_null()
            && matches!((*entry).relkind as u8, b'r' | b'm')
    }
}

/// Whether the paths that are being made of a table will be made again, once it is known how many rows
/// its searches find: what costs much may wait for that.
pub(crate) unsafe fn makes_paths_again(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
) -> bool {
    // SAFETY: the planner's own structures; a table has its entry at its number.
    unsafe {
        let entry = *(*root).simple_rte_array.add((*relation).relid as usize);
        ON.get()
            && !IS_AGAIN.get()
            && is_protected(root, entry)
            && is_plain(entry)
            && !estimates::guessed(relation, &proven(relation)).is_empty()
    }
}

/// While it lives, paths are made with what is known; not longer, after an error too.
struct Again;

impl Again {
    fn begin() -> Self {
        IS_AGAIN.set(true);
        Self
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        IS_AGAIN.set(false);
    }
}

/// The table's conditions of the closed list that PostgreSQL doesn't call leakproof by itself.
unsafe fn proven(relation: *mut pg_sys::RelOptInfo) -> Vec<*mut pg_sys::RestrictInfo> {
    // SAFETY: the planner's own structures.
    unsafe {
        let mut found = Vec::new();
        for list in [(*relation).baserestrictinfo, (*relation).joininfo] {
            for condition in elements(list) {
                add_proven(condition, &mut found);
            }
        }
        found
    }
}

/// Adds a condition if it is one, and those within an OR.
unsafe fn add_proven(
    condition: *mut pg_sys::RestrictInfo,
    found: &mut Vec<*mut pg_sys::RestrictInfo>,
) {
    // SAFETY: the planner's own condition.
    unsafe {
        if (*condition).pseudoconstant {
            return;
        }
        if !(*condition).leakproof && proof::is_proven((*condition).clause.cast()) {
            found.push(condition);
        }
        for part in parts(condition) {
            add_proven(part, found);
        }
    }
}

/// The conditions that a condition's OR consists of.
unsafe fn parts(condition: *mut pg_sys::RestrictInfo) -> Vec<*mut pg_sys::RestrictInfo> {
    unsafe fn collect(node: *mut pg_sys::Node, found: &mut Vec<*mut pg_sys::RestrictInfo>) {
        // SAFETY: an OR of conditions, or of ANDs of them, as the planner builds it.
        unsafe {
            if is_a(node.cast(), pg_sys::NodeTag::T_RestrictInfo) {
                found.push(node.cast());
            } else if is_a(node.cast(), pg_sys::NodeTag::T_BoolExpr) {
                for part in elements((*node.cast::<pg_sys::BoolExpr>()).args) {
                    collect(part, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    // SAFETY: the planner's own condition.
    unsafe { collect((*condition).orclause.cast(), &mut found) }
    found
}
