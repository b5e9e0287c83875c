//! A table's paths are made again, after what is known of its conditions has changed.

use pgrx::prelude::*;

use crate::hooks::tree::{elements, is_a};

/// Whether all of a plain table's paths are PostgreSQL's own: nobody else's would be lost.
pub(super) unsafe fn are_plain(relation: *mut pg_sys::RelOptInfo) -> bool {
    use pg_sys::NodeTag::{
        T_BitmapHeapScan, T_CurrentOfExpr, T_IndexOnlyScan, T_IndexScan, T_SeqScan, T_TidRangeScan,
        T_TidScan,
    };
    const KNOWN: [pg_sys::NodeTag; 6] = [
        T_SeqScan,
        T_IndexScan,
        T_IndexOnlyScan,
        T_BitmapHeapScan,
        T_TidScan,
        T_TidRangeScan,
    ];
    // SAFETY: the planner's own structures.
    unsafe {
        let paths = |list| elements::<pg_sys::Path>(list).into_iter();
        let is_known = |path: *mut pg_sys::Path| KNOWN.contains(&(*path).pathtype);
        paths((*relation).pathlist)
            .chain(paths((*relation).partial_pathlist))
            .all(is_known)
            && !elements::<pg_sys::RestrictInfo>((*relation).baserestrictinfo)
                .into_iter()
                .any(|condition| is_a((*condition).clause.cast(), T_CurrentOfExpr))
    }
}

/// Makes a plain table's paths again, those by index as `by_index` does.
pub(super) unsafe fn again(
    root: *mut pg_sys::PlannerInfo,
    relation: *mut pg_sys::RelOptInfo,
    by_index: impl FnOnce(),
) {
    // SAFETY: the planner's own structures.
    unsafe {
        (*relation).pathlist = std::ptr::null_mut();
        (*relation).partial_pathlist = std::ptr::null_mut();
        by_index();
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
