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

use super::speech::calls_others;
use crate::hooks::tree::elements;

/// Takes out the ways by index on which others' functions would be asked again.
pub(super) unsafe fn leave_out_spoken(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: the planner's own structures; the setting is put back.
    unsafe {
        let paths = |list| elements::<pg_sys::Path>(list).into_iter();
        if !paths((*relation).pathlist)
            .chain(paths((*relation).partial_pathlist))
            .any(|path| asks_again(relation, path))
        {
            return;
        }
        // They may have been preferred to others, which are made again.
        (*relation).pathlist = std::ptr::null_mut();
        (*relation).partial_pathlist = std::ptr::null_mut();
        let bitmaps = pg_sys::enable_bitmapscan;
        pg_sys::enable_bitmapscan = false;
        pg_sys::create_index_paths(root, relation);
        pg_sys::enable_bitmapscan = bitmaps;
        (*relation).pathlist = without(relation, (*relation).pathlist);
        (*relation).partial_pathlist = without(relation, (*relation).partial_pathlist);
        pg_sys::create_tidscan_paths(root, relation);
        let all = |workers| {
            pg_sys::create_seqscan_path(root, relation, (*relation).lateral_relids, workers)
        };
        pg_sys::add_path(relation, all(0));
        if (*relation).consider_parallel && (*relation).lateral_relids.is_null() {
            let workers = pg_sys::compute_parallel_worker(
                relation,
                f64::from((*relation).pages),
                -1.0,
                pg_sys::max_parallel_workers_per_gather,
            );
            if workers > 0 {
                pg_sys::add_partial_path(relation, all(workers));
            }
        }
    }
}

unsafe fn without(relation: *mut pg_sys::RelOptInfo, list: *mut pg_sys::List) -> *mut pg_sys::List {
    // SAFETY: rebuilds a list of paths.
    unsafe {
        let mut kept = std::ptr::null_mut();
        for path in elements::<pg_sys::Path>(list) {
            if !asks_again(relation, path) {
                kept = pg_sys::lappend(kept, path.cast());
            }
        }
        kept
    }
}

/// Whether rows that an index has found are asked something again that calls others' functions.
unsafe fn asks_again(relation: *mut pg_sys::RelOptInfo, path: *mut pg_sys::Path) -> bool {
    // SAFETY: node types are checked before they are read.
    unsafe {
        let tag = (*path).type_;
        if tag == pg_sys::NodeTag::T_BitmapHeapPath {
            calls(
                relation,
                (*path.cast::<pg_sys::BitmapHeapPath>()).bitmapqual,
            )
        } else if tag == pg_sys::NodeTag::T_IndexPath {
            let index = (*path.cast::<pg_sys::IndexPath>()).indexinfo;
            (*index).relam != pg_sys::BTREE_AM_OID && calls(relation, path)
        } else {
            false
        }
    }
}

unsafe fn calls(relation: *mut pg_sys::RelOptInfo, path: *mut pg_sys::Path) -> bool {
    // SAFETY: node types are checked before they are read.
    unsafe {
        let tag = (*path).type_;
        let any = |list| {
            elements::<pg_sys::Path>(list)
                .into_iter()
                .any(|path| calls(relation, path))
        };
        if tag == pg_sys::NodeTag::T_BitmapAndPath {
            any((*path.cast::<pg_sys::BitmapAndPath>()).bitmapquals)
        } else if tag == pg_sys::NodeTag::T_BitmapOrPath {
            any((*path.cast::<pg_sys::BitmapOrPath>()).bitmapquals)
        } else if tag == pg_sys::NodeTag::T_IndexPath {
            elements::<pg_sys::IndexClause>((*path.cast::<pg_sys::IndexPath>()).indexclauses)
                .into_iter()
                .map(|clause| (*clause).rinfo)
                .any(|asked| {
                    (*asked).security_level > (*relation).baserestrict_min_security
                        && calls_others((*asked).clause.cast())
                })
        } else {
            true
        }
    }
}
