//! What an index looks for is computed once. Where it finds more than was asked for, each row that
//! it has found is asked again, hidden ones too: a bitmap that has no room for single rows, a hash. A
//! function of somebody's that is called for each of them counts them.
//!
//! ```sql
//! SELECT FROM contacts WHERE region = speaks()    -- by a B-tree, row for row: one notice
//! ```
//!
//! For conditions that call such functions there is the plain way through a B-tree, or none.

use pgrx::prelude::*;

use super::paths;
use super::proof::is_proven;
use super::speech::{OfPolicy, calls_others};
use crate::hooks::tree::elements;

/// Takes out the ways by index on which others' functions would be asked again.
pub(super) unsafe fn leave_out_spoken(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    of_policy: &OfPolicy,
) {
    // SAFETY: the planner's own structures.
    unsafe {
        let listed = |list| elements::<pg_sys::Path>(list).into_iter();
        if !listed((*relation).pathlist)
            .chain(listed((*relation).partial_pathlist))
            .any(|path| asks_again(of_policy, path))
        {
            return;
        }
        // They may have been preferred to others, which are made again.
        paths::again(root, relation, || {
            let without_bitmaps = WithoutBitmaps::begin();
            pg_sys::create_index_paths(root, relation);
            drop(without_bitmaps);
            (*relation).pathlist = without(of_policy, (*relation).pathlist);
            (*relation).partial_pathlist = without(of_policy, (*relation).partial_pathlist);
        });
    }
}

/// While it lives, bitmaps are the last choice; put back after an error too.
struct WithoutBitmaps(bool);

impl WithoutBitmaps {
    fn begin() -> Self {
        // SAFETY: a backend has one thread.
        unsafe {
            let before = pg_sys::enable_bitmapscan;
            pg_sys::enable_bitmapscan = false;
            Self(before)
        }
    }
}

impl Drop for WithoutBitmaps {
    fn drop(&mut self) {
        // SAFETY: a backend has one thread.
        unsafe { pg_sys::enable_bitmapscan = self.0 }
    }
}

unsafe fn without(of_policy: &OfPolicy, list: *mut pg_sys::List) -> *mut pg_sys::List {
    // SAFETY: rebuilds a list of paths.
    unsafe {
        let mut kept = std::ptr::null_mut();
        for path in elements::<pg_sys::Path>(list) {
            if !asks_again(of_policy, path) {
                kept = pg_sys::lappend(kept, path.cast());
            }
        }
        kept
    }
}

/// Whether rows that an index has found are asked something again that calls others' functions.
unsafe fn asks_again(of_policy: &OfPolicy, path: *mut pg_sys::Path) -> bool {
    // SAFETY: node types are checked before they are read.
    unsafe {
        let tag = (*path).type_;
        if tag == pg_sys::NodeTag::T_BitmapHeapPath {
            calls(
                of_policy,
                (*path.cast::<pg_sys::BitmapHeapPath>()).bitmapqual,
            )
        } else if tag == pg_sys::NodeTag::T_IndexPath {
            let index = (*path.cast::<pg_sys::IndexPath>()).indexinfo;
            (*index).relam != pg_sys::BTREE_AM_OID && calls(of_policy, path)
        } else {
            false
        }
    }
}

/// Whether an index is asked on that path for what calls others' functions, or for what isn't known.
unsafe fn calls(of_policy: &OfPolicy, path: *mut pg_sys::Path) -> bool {
    // SAFETY: the planner's own structures.
    unsafe {
        index_paths(path).is_none_or(|paths| {
            paths
                .into_iter()
                .flat_map(|path| elements::<pg_sys::IndexClause>((*path).indexclauses))
                .map(|clause| (*clause).rinfo)
                .any(|asked| {
                    let clause = (*asked).clause.cast();
                    !of_policy.has(asked) && calls_others(clause) && !is_proven(clause)
                })
        })
    }
}

/// The single ways by index that a path, or what a bitmap is made of, consists of; `None` where it is
/// something else.
pub(super) unsafe fn index_paths(path: *mut pg_sys::Path) -> Option<Vec<*mut pg_sys::IndexPath>> {
    // SAFETY: node types are checked before they are read.
    unsafe {
        let tag = (*path).type_;
        if tag == pg_sys::NodeTag::T_IndexPath {
            return Some(vec![path.cast()]);
        }
        let parts = if tag == pg_sys::NodeTag::T_BitmapAndPath {
            (*path.cast::<pg_sys::BitmapAndPath>()).bitmapquals
        } else if tag == pg_sys::NodeTag::T_BitmapOrPath {
            (*path.cast::<pg_sys::BitmapOrPath>()).bitmapquals
        } else {
            return None;
        };
        let mut all = Vec::new();
        for part in elements::<pg_sys::Path>(parts) {
            all.extend(index_paths(part)?);
        }
        Some(all)
    }
}
