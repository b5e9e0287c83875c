//! Statistics are copies of data. PostgreSQL hides those of a table under row security in its views,
//! and neither those of its indexes, nor the catalogs that the views read; a materialized view has no
//! row security. All of these are hidden here.

use pgrx::prelude::*;

use super::tree;
use crate::catalog::Catalog;

/// `oid <> oid`, and its function.
const NOT_EQUAL: (u32, u32) = (608, 185);
/// `pg_catalog.pg_statistic_ext_data`; not bound for every version.
const STATISTIC_EXT_DATA: u32 = 3429;
/// `pg_statistic.starelid` and `pg_statistic_ext_data.stxoid`.
const FIRST_COLUMN: i16 = 1;

/// Whether the relation is a catalog that keeps values of other relations.
pub(super) fn tell_of_relations(relation: pg_sys::Oid) -> bool {
    relation == pg_sys::StatisticRelationId || relation.to_u32() == STATISTIC_EXT_DATA
}

/// Takes the statistics of protected tables and closed materialized views, and of their indexes,
/// out of what is read.
///
/// ```sql
/// FROM pg_catalog.pg_statistic
/// FROM pg_catalog.pg_statistic WHERE starelid <> ALL ('{16404,16410}')
/// ```
pub(super) unsafe fn close(catalog: &Catalog, place: i32, entry: *mut pg_sys::RangeTblEntry) {
    // SAFETY: builds an expression of PostgreSQL's own nodes over a column that the catalog has.
    unsafe {
        if catalog.sees_all() {
            return;
        }
        let closed = if (*entry).relid == pg_sys::StatisticRelationId {
            catalog.closed_relations()
        } else {
            catalog.closed_statistics()
        };
        if closed.is_empty() {
            return;
        }
        let variable = pg_sys::makeVar(
            place,
            FIRST_COLUMN,
            pg_sys::OIDOID,
            -1,
            pg_sys::InvalidOid,
            0,
        );
        let mut values: Vec<pg_sys::Datum> = closed.into_iter().map(pg_sys::Datum::from).collect();
        let array = pg_sys::construct_array(
            values.as_mut_ptr(),
            values.len() as i32,
            pg_sys::OIDOID,
            size_of::<pg_sys::Oid>() as i32,
            true,
            b'i' as std::ffi::c_char,
        );
        let list = pg_sys::makeConst(
            pg_sys::OIDARRAYOID,
            -1,
            pg_sys::InvalidOid,
            -1,
            pg_sys::Datum::from(array),
            false,
            false,
        );
        let condition =
            tree::new::<pg_sys::ScalarArrayOpExpr>(pg_sys::NodeTag::T_ScalarArrayOpExpr);
        (*condition).opno = pg_sys::Oid::from(NOT_EQUAL.0);
        (*condition).opfuncid = pg_sys::Oid::from(NOT_EQUAL.1);
        (*condition).useOr = false;
        (*condition).location = -1;
        (*condition).args = pg_sys::lappend(std::ptr::null_mut(), variable.cast());
        (*condition).args = pg_sys::lappend((*condition).args, list.cast());
        (*entry).securityQuals = pg_sys::lappend((*entry).securityQuals, condition.cast());
    }
}
