//! Takes groups of too few records out of a proven query.
//!
//! A group of fewer than *k* records isn't shown. Were it the only one that isn't, the total less what is shown
//! would tell of it; so the next smallest go as well, until at least two groups of at least *k* records
//! together aren't shown. Of groups of one size the first by what they are grouped by goes, always the same.

use std::ffi::CStr;

use celador_policy::quote;
use pgrx::prelude::*;

use super::shape::Proof;
use crate::hooks::tree::{elements, is_a, new};
use crate::spi;

/// Makes the query one around itself; what it was is returned.
pub(super) unsafe fn wrap(query: *mut pg_sys::Query, proof: &Proof) -> *mut pg_sys::Query {
    // SAFETY: the planner owns the tree, and expects hooks to change it.
    unsafe {
        let inner = new::<pg_sys::Query>(pg_sys::NodeTag::T_Query);
        *inner = *query;
        (*inner).targetList = proof.targets;
        let sorted = elements::<pg_sys::SortGroupClause>((*query).sortClause);
        let sorts = |target: *mut pg_sys::TargetEntry| {
            let number = (*target).ressortgroupref;
            number != 0 && sorted.iter().any(|sort| (**sort).tleSortGroupRef == number)
        };
        let targets = elements::<pg_sys::TargetEntry>(proof.targets);
        let shown: Vec<_> = targets
            .iter()
            .copied()
            .filter(|target| !(**target).resjunk || sorts(*target))
            .collect();
        let outer = around(&targets, &shown, proof);
        let names = elements::<pg_sys::TargetEntry>((*outer).targetList);
        for (target, from) in names.into_iter().zip(&shown) {
            (*target).resname = (**from).resname;
            (*target).resjunk = (**from).resjunk;
            (*target).ressortgroupref = if sorts(*from) {
                (**from).ressortgroupref
            } else {
                0
            };
        }
        (*outer).sortClause = (*query).sortClause;
        (*outer).limitOffset = (*query).limitOffset;
        (*outer).limitCount = (*query).limitCount;
        (*outer).limitOption = (*query).limitOption;
        (*outer).queryId = (*query).queryId;
        (*outer).canSetTag = (*query).canSetTag;
        (*outer).querySource = (*query).querySource;
        (*outer).stmt_location = (*query).stmt_location;
        (*outer).stmt_len = (*query).stmt_len;
        (*outer).hasRowSecurity = (*query).hasRowSecurity;
        (*inner).sortClause = std::ptr::null_mut();
        (*inner).limitOffset = std::ptr::null_mut();
        (*inner).limitCount = std::ptr::null_mut();
        (*inner).hasAggs = true;
        (*inner).canSetTag = true;
        for target in &targets {
            // A copy of those that are shown is named in the query around.
            (**target).resjunk = false;
        }
        let number = targets.len() as i16 + 1;
        let name = pg_sys::pstrdup(c"n".as_ptr());
        let n = pg_sys::makeTargetEntry(proof.records.cast(), number, name, false);
        (*inner).targetList = pg_sys::lappend((*inner).targetList, n.cast());
        let counted = only_entry(outer);
        let within = only_entry((*counted).subquery);
        (*within).subquery = inner;
        *query = *outer;
        inner
    }
}

/// The query around, over a sub-select that stands for the proven one.
unsafe fn around(
    targets: &[*mut pg_sys::TargetEntry],
    shown: &[*mut pg_sys::TargetEntry],
    proof: &Proof,
) -> *mut pg_sys::Query {
    // SAFETY: one statement of Celador's own is read and its names are resolved; nothing runs.
    unsafe {
        let column = |target: &*mut pg_sys::TargetEntry| format!("c{}", (**target).resno);
        let stand_ins: Vec<String> = targets
            .iter()
            .map(|target| {
                let value = (**target).expr.cast();
                format!("{} AS {}", null_like(value), column(target))
            })
            .collect();
        let order: Vec<String> = targets
            .iter()
            .filter(|target| !is_a((***target).expr.cast(), pg_sys::NodeTag::T_Aggref))
            .map(|target| format!(", q.{}", column(target)))
            .collect();
        let selected: Vec<String> = shown
            .iter()
            .map(|target| format!("s.{}", column(target)))
            .collect();
        let k = proof.smallest_group;
        let sql = spi::c_string(&format!(
            "SELECT {} FROM (SELECT q.*, pg_catalog.min(q.n) OVER () AS least, \
               pg_catalog.row_number() OVER w AS place, \
               pg_catalog.sum(q.n) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before \
             FROM (SELECT {}, NULL::pg_catalog.int8 AS n) AS q WINDOW w AS (ORDER BY q.n{})) AS s \
             WHERE s.n OPERATOR(pg_catalog.>=) {k} AND (s.least OPERATOR(pg_catalog.>=) {k} \
               OR s.place OPERATOR(pg_catalog.>) 2 AND s.before OPERATOR(pg_catalog.>=) {k})",
            selected.join(", "),
            stand_ins.join(", "),
            order.concat()
        ));
        spi::with_rights_of(spi::superuser(), || {
            let statements = elements::<pg_sys::RawStmt>(pg_sys::pg_parse_query(sql.as_ptr()));
            pg_sys::parse_analyze_fixedparams(
                statements[0],
                sql.as_ptr(),
                std::ptr::null(),
                0,
                std::ptr::null_mut(),
            )
        })
    }
}

/// NULL of the type and collation of a value.
unsafe fn null_like(value: *mut pg_sys::Node) -> String {
    // SAFETY: cache look-ups.
    unsafe {
        let flags = pg_sys::FORMAT_TYPE_FORCE_QUALIFY | pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN;
        let name = pg_sys::format_type_extended(
            pg_sys::exprType(value),
            pg_sys::exprTypmod(value),
            flags as u16,
        );
        let name = CStr::from_ptr(name).to_string_lossy().into_owned();
        let collation = pg_sys::exprCollation(value);
        if collation == pg_sys::InvalidOid || collation == pg_sys::DEFAULT_COLLATION_OID {
            return format!("NULL::{name}");
        }
        let collation = CStr::from_ptr(pg_sys::get_collation_name(collation)).to_string_lossy();
        // Proven to be PostgreSQL's own.
        format!(
            "NULL::{name} COLLATE pg_catalog.{}",
            quote::name(&collation)
        )
    }
}

unsafe fn only_entry(query: *mut pg_sys::Query) -> *mut pg_sys::RangeTblEntry {
    // SAFETY: a query of Celador's own has one sub-select in its FROM.
    unsafe { elements::<pg_sys::RangeTblEntry>((*query).rtable)[0] }
}
