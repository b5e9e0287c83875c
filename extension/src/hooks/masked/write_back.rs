//! What is written as it is shown leaves what is stored.

use pgrx::prelude::*;

use crate::fold::text_constant;
use crate::hooks::injected::mistake;
use crate::hooks::tree::{self, elements, is_a};
use crate::masks::Shown;
use crate::relations::{attribute, column_at};

/// In every list of what an UPDATE sets, a masked column keeps what it holds where it would be set to
/// what it shows.
pub(super) unsafe fn keep_what_is_hidden(
    query: *mut pg_sys::Query,
    shown: &Shown,
    written_back: pg_sys::Oid,
) {
    // SAFETY: the query's own fields.
    unsafe {
        let place = (*query).resultRelation;
        let entry = tree::entry(query, place);
        let keep = |targets| keep_in(targets, (*entry).relid, place, shown, written_back);
        let update = pg_sys::CmdType::CMD_UPDATE;
        if (*query).commandType == update && !mistake("what is shown is written") {
            keep((*query).targetList);
        }
        if !(*query).onConflict.is_null() && !mistake("ON CONFLICT writes what is shown") {
            keep((*(*query).onConflict).onConflictSet);
        }
        for action in elements::<pg_sys::MergeAction>((*query).mergeActionList) {
            if (*action).commandType == update && !mistake("MERGE writes what is shown") {
                keep((*action).targetList);
            }
        }
    }
}

unsafe fn keep_in(
    targets: *mut pg_sys::List,
    relation: pg_sys::Oid,
    place: i32,
    shown: &Shown,
    written_back: pg_sys::Oid,
) {
    // SAFETY: the statement has locked the table; nodes are made in the planner's memory.
    unsafe {
        let opened = pg_sys::table_open(relation, pg_sys::NoLock as i32);
        for target in elements::<pg_sys::TargetEntry>(targets) {
            if (*target).resjunk {
                continue;
            }
            let (Some(expression), Some(write)) = (
                shown.column((*target).resno, place),
                shown.write((*target).resno, place),
            ) else {
                continue;
            };
            let column = &*attribute((*opened).rd_att, i32::from((*target).resno) - 1);
            let stored = column_at(place, column).cast::<pg_sys::Node>();
            // A domain may forbid what is shown. What is stored instead it allows.
            let domain = (*target).expr.cast::<pg_sys::CoerceToDomain>();
            if is_a(domain.cast(), pg_sys::NodeTag::T_CoerceToDomain)
                && !mistake("a domain is asked of what is shown")
            {
                let written = (*domain).arg.cast();
                (*domain).arg =
                    unless_shown(written, expression, stored, write, written_back).cast();
            } else {
                let written = (*target).expr.cast();
                (*target).expr =
                    unless_shown(written, expression, stored, write, written_back).cast();
            }
        }
        pg_sys::table_close(opened, pg_sys::NoLock as i32);
    }
}

/// `celador.written_back(written, shown, stored, may_write, field)`, the values of the type of what is
/// written.
unsafe fn unless_shown(
    written: *mut pg_sys::Node,
    shown: *mut pg_sys::Node,
    stored: *mut pg_sys::Node,
    (may_write, field): (*mut pg_sys::Node, &str),
    written_back: pg_sys::Oid,
) -> *mut pg_sys::Node {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let (of, modifier) = (pg_sys::exprType(written), pg_sys::exprTypmod(written));
        let collation = pg_sys::exprCollation(stored);
        let implicit = pg_sys::CoercionForm::COERCE_IMPLICIT_CAST;
        let same_type = |node: *mut pg_sys::Node| -> *mut pg_sys::Node {
            if pg_sys::exprType(node) == of {
                return node;
            }
            pg_sys::makeRelabelType(node.cast(), of, modifier, collation, implicit).cast()
        };
        let mut arguments = pg_sys::lappend(std::ptr::null_mut(), written.cast());
        arguments = pg_sys::lappend(arguments, same_type(shown).cast());
        arguments = pg_sys::lappend(arguments, same_type(stored).cast());
        arguments = pg_sys::lappend(arguments, may_write.cast());
        arguments = pg_sys::lappend(arguments, text_constant(Some(field)).cast());
        let call = pg_sys::CoercionForm::COERCE_EXPLICIT_CALL;
        pg_sys::makeFuncExpr(written_back, of, arguments, collation, collation, call).cast()
    }
}
