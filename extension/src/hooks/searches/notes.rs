//! What became of a table's searches, for `celador.explain_plan`.

use std::ffi::CStr;

use pgrx::prelude::*;

use super::lookups::index_paths;
use super::proof::{Unproven, prove};
use super::speech::OfPolicy;
use crate::hooks::tree::{elements, is_a};
use crate::plan_notes::Table;

/// Notes the statement's conditions on a table, once its paths have been made.
pub(super) unsafe fn note(
    relation: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
    of_policy: &OfPolicy,
    is_on: bool,
) {
    // SAFETY: the planner's own structures.
    unsafe {
        let place = (*relation).relid as i32;
        let table = Table {
            relation: table,
            place,
        };
        for condition in elements::<pg_sys::RestrictInfo>((*relation).baserestrictinfo) {
            if !of_policy.has(condition) {
                let written = table.written((*condition).clause.cast());
                table.note("search", written, result(relation, condition, is_on));
            }
        }
    }
}

unsafe fn result(
    relation: *mut pg_sys::RelOptInfo,
    condition: *mut pg_sys::RestrictInfo,
    is_on: bool,
) -> String {
    // SAFETY: the planner's own structures.
    unsafe {
        if !(*condition).leakproof {
            match prove((*condition).clause.cast()) {
                Err(why) => return format!("asked after the policy: {}", why.told()),
                Ok(()) if !is_on => {
                    return "asked after the policy: celador.search_by_index is off".to_owned();
                }
                Ok(()) => {}
            }
        }
        let paths = elements::<pg_sys::Path>((*relation).pathlist);
        let mut by: Vec<String> = paths
            .into_iter()
            .flat_map(|path| indexes(path, condition))
            .collect();
        by.sort();
        by.dedup();
        if !by.is_empty() {
            format!("may find rows by index {}", by.join(", "))
        } else if (*relation).indexlist.is_null() {
            "may find rows by an index, and the table has none".to_owned()
        } else {
            "may find rows by an index: none fits, or another way is cheaper".to_owned()
        }
    }
}

impl Unproven {
    unsafe fn told(self) -> String {
        // SAFETY: a cache look-up; the text is PostgreSQL's copy.
        let name = |function| unsafe {
            let name = pg_sys::get_func_name(function);
            if name.is_null() {
                return "a function".to_owned();
            }
            format!("function {}", CStr::from_ptr(name).to_string_lossy())
        };
        match self {
            Self::Shape => "it is no plain comparison".to_owned(),
            Self::Function(function) => {
                format!("{} could fail, or tell of a hidden row", name(function))
            }
            Self::Operator(operator) => {
                // SAFETY: as above.
                let name = unsafe { pg_sys::get_opname(operator) };
                if name.is_null() {
                    return "the operator isn't PostgreSQL's own".to_owned();
                }
                // SAFETY: as above.
                let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
                format!("operator {name} isn't PostgreSQL's own")
            }
            Self::Characters(function) => format!(
                "{} reads characters, and the encoding or the collation may refuse some",
                name(function)
            ),
            Self::Other(function) => format!(
                "{} could fail on what it compares with, or that isn't known when it is planned",
                name(function)
            ),
        }
    }
}

/// The indexes by which a path finds rows for the condition, or for a part of it.
unsafe fn indexes(
    mut path: *mut pg_sys::Path,
    condition: *mut pg_sys::RestrictInfo,
) -> Vec<String> {
    // SAFETY: node types are checked before they are read; names are PostgreSQL's copies.
    unsafe {
        if is_a(path.cast(), pg_sys::NodeTag::T_BitmapHeapPath) {
            path = (*path.cast::<pg_sys::BitmapHeapPath>()).bitmapqual;
        }
        let asked = |path: &*mut pg_sys::IndexPath| {
            elements::<pg_sys::IndexClause>((**path).indexclauses)
                .into_iter()
                .any(|clause| has(condition.cast(), (*clause).rinfo))
        };
        let paths = index_paths(path).unwrap_or_default();
        paths
            .into_iter()
            .filter(asked)
            .map(|path| pg_sys::get_rel_name((*(*path).indexinfo).indexoid))
            .filter(|name| !name.is_null())
            .map(|name| CStr::from_ptr(name).to_string_lossy().into_owned())
            .collect()
    }
}

/// Whether the condition is that part, or an OR of which it is one.
unsafe fn has(condition: *mut pg_sys::Node, part: *mut pg_sys::RestrictInfo) -> bool {
    // SAFETY: an OR of conditions, or of ANDs of them, as the planner builds it.
    unsafe {
        if is_a(condition.cast(), pg_sys::NodeTag::T_RestrictInfo) {
            let condition = condition.cast::<pg_sys::RestrictInfo>();
            condition == part || has((*condition).orclause.cast(), part)
        } else if is_a(condition.cast(), pg_sys::NodeTag::T_BoolExpr) {
            elements::<pg_sys::Node>((*condition.cast::<pg_sys::BoolExpr>()).args)
                .into_iter()
                .any(|other| has(other, part))
        } else {
            false
        }
    }
}
