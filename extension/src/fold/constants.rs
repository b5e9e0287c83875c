//! Constants among the arguments of what a policy asks.

use std::ffi::CStr;

use celador_policy::policy_set::CellRef;
use pgrx::prelude::*;

/// The value of a constant that is a boolean; NULL lets nothing through.
pub(crate) unsafe fn constant_bool(node: *mut pg_sys::Node) -> Option<bool> {
    // SAFETY: the tag is checked before the node is read.
    unsafe {
        let constant = constant(node, pg_sys::BOOLOID)?;
        Some(!(*constant).constisnull && (*constant).constvalue.value() != 0)
    }
}

/// The value of a constant that says a place in a list.
pub(super) unsafe fn constant_place(node: *mut pg_sys::Node) -> Option<usize> {
    // SAFETY: the tag is checked before the node is read.
    unsafe {
        let constant = constant(node, pg_sys::INT4OID)?;
        let is_null = (*constant).constisnull;
        let place = (*constant).constvalue.value() as i32;
        usize::try_from(place).ok().filter(|_| !is_null)
    }
}

/// Whether an argument names scopes that are written out, or a part of `assign`.
pub(super) unsafe fn is_written_out(argument: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag is checked before the node is read.
    let text = unsafe { constant_text(argument) };
    let cell = text.and_then(|text| CellRef::from_text(&text));
    cell.is_some_and(|cell| !matches!(cell, CellRef::Action(_)))
}

/// The value of a constant that is a text and not NULL.
pub(super) unsafe fn constant_text(node: *mut pg_sys::Node) -> Option<String> {
    // SAFETY: the tag is checked before the node is read; the string is a copy of PostgreSQL's.
    unsafe {
        let constant = constant(node, pg_sys::TEXTOID)?;
        if (*constant).constisnull {
            return None;
        }
        let text = pg_sys::text_to_cstring((*constant).constvalue.cast_mut_ptr());
        Some(CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// A constant text; `None`: NULL.
pub(crate) unsafe fn text_constant(value: Option<&str>) -> *mut pg_sys::Node {
    let datum = value.and_then(IntoDatum::into_datum);
    // SAFETY: makes a node in the memory of the moment.
    unsafe {
        pg_sys::makeConst(
            pg_sys::TEXTOID,
            -1,
            pg_sys::DEFAULT_COLLATION_OID,
            -1,
            datum.unwrap_or(pg_sys::Datum::from(0)),
            value.is_none(),
            false,
        )
        .cast()
    }
}

unsafe fn constant(node: *mut pg_sys::Node, of: pg_sys::Oid) -> Option<*mut pg_sys::Const> {
    // SAFETY: the tag is checked before the node is read.
    unsafe {
        if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_Const {
            return None;
        }
        let constant = node.cast::<pg_sys::Const>();
        ((*constant).consttype == of).then_some(constant)
    }
}
