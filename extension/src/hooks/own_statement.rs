//! Celador's own statements run with more rights than whoever asks has. Here they are looked at
//! once more, after PostgreSQL has resolved every name: they read tables, and call PostgreSQL's
//! functions and Celador's. A table that somebody has replaced by a view, or a column's type by
//! one of his own, ends them.

use std::ffi::c_void;

use pgrx::prelude::*;

use super::tree::{elements, is_a, sub_queries, view_of, walk_nodes};
use crate::{errors, load, relations};

/// The kind of the entry that `ON CONFLICT` calls EXCLUDED.
const EXCLUDED: u8 = b'c';

/// Refuses a statement that would run what others wrote.
pub(crate) unsafe fn verify(query: *mut pg_sys::Query) {
    // SAFETY: walks a rewritten tree by PostgreSQL's own structure.
    unsafe {
        for entry in elements::<pg_sys::RangeTblEntry>((*query).rtable) {
            let kind = (*entry).rtekind;
            if kind == pg_sys::RTEKind::RTE_RELATION {
                let system = is_system((*entry).relid);
                if !system && !matches!((*entry).relkind as u8, b'r' | b'p' | b'f' | EXCLUDED) {
                    refuse(&format!(
                        "{} is no table",
                        relations::display_name((*entry).relid)
                    ));
                }
                if !system && load::is_closed_for_migration((*entry).relid) {
                    load::refuse_as_paused((*entry).relid, None);
                }
            } else if kind == pg_sys::RTEKind::RTE_SUBQUERY {
                if let Some(view) = view_of(entry).filter(|view| !is_system(*view)) {
                    refuse(&format!("{} is no table", relations::display_name(view)));
                }
                verify((*entry).subquery);
            }
        }
        for expression in elements::<pg_sys::CommonTableExpr>((*query).cteList) {
            verify((*expression).ctequery.cast());
        }
        for inner in sub_queries(query) {
            verify(inner);
        }
        if walk_nodes(query, is_foreign) {
            refuse("it calls a function that isn't PostgreSQL's or Celador's");
        }
    }
}

fn is_system(object: pg_sys::Oid) -> bool {
    object.to_u32() < pg_sys::FirstNormalObjectId
}

fn refuse(why: &str) -> ! {
    errors::denied(
        format!("a statement of Celador's own is refused: {why}"),
        "Somebody has changed what the policy was loaded for. Load it again.",
    )
}

unsafe fn is_foreign(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the node is one of an expression; the checker raises nothing.
    unsafe {
        is_a(node.cast(), pg_sys::NodeTag::T_CoerceToDomain)
            || pg_sys::check_functions_in_node(node, Some(check), std::ptr::null_mut())
    }
}

unsafe extern "C-unwind" fn check(function: pg_sys::Oid, _: *mut c_void) -> bool {
    // SAFETY: a cache look-up.
    unsafe { !is_system(function) && !relations::is_ours_function(function) }
}
