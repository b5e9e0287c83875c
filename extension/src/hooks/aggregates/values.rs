//! What may be compared and grouped by: columns, parts of dates, and what is known before there is a row.

use std::ffi::CStr;

use pgrx::prelude::*;

use crate::fold::constant_text;
use crate::hooks::tree::{self, elements, is_a};

/// A value of a statement.
pub(super) enum Value {
    /// A column.
    Column(*mut pg_sys::Var),
    /// A part of the date or time in a column.
    Truncated(*mut pg_sys::Var),
    /// No row is needed to know it; what has to be computed for it and may fail.
    Known(Option<*mut pg_sys::Node>),
    /// Something else.
    Other,
}

/// The functions that give a part of a date or time, and the parts: another part fails on a row.
const OF_DATES: [&str; 3] = ["date_trunc", "extract", "date_part"];
const PARTS: [&str; 9] = [
    "hour", "day", "week", "month", "quarter", "year", "dow", "isodow", "isoyear",
];
const TRUNCATED_TO: [&str; 6] = ["hour", "day", "week", "month", "quarter", "year"];
/// Casts between dates and times.
const CASTS: [&str; 3] = ["timestamp", "timestamptz", "date"];

pub(super) fn is_builtin(object: pg_sys::Oid) -> bool {
    object.to_u32() < pg_sys::FirstNormalObjectId
}

pub(super) fn function_name(function: pg_sys::Oid) -> String {
    // SAFETY: a cache look-up.
    unsafe {
        let name = pg_sys::get_func_name(function);
        if name.is_null() {
            return String::new();
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// What a value of a statement is.
pub(super) unsafe fn value(node: *mut pg_sys::Node) -> Value {
    // SAFETY: node types are checked before they are read.
    unsafe {
        if node.is_null() {
            return Value::Other;
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_Var) {
            return Value::Column(node.cast());
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_RelabelType) {
            let within = (*node.cast::<pg_sys::RelabelType>()).arg.cast();
            if !is_known(within) {
                return value(within);
            }
        }
        if is_known(node) {
            let plain = [
                pg_sys::NodeTag::T_Const,
                pg_sys::NodeTag::T_Param,
                pg_sys::NodeTag::T_SQLValueFunction,
            ];
            return Value::Known((!plain.contains(&(*node).type_)).then_some(node));
        }
        part_of_date(node).map_or(Value::Other, Value::Truncated)
    }
}

/// `date_trunc('month', column)`, also of a date.
unsafe fn part_of_date(node: *mut pg_sys::Node) -> Option<*mut pg_sys::Var> {
    // SAFETY: node types are checked before they are read.
    unsafe {
        let call = call(node)?;
        let name = function_name((*call).funcid);
        let arguments = elements::<pg_sys::Node>((*call).args);
        let [part, of] = arguments[..] else {
            return None;
        };
        let parts = if name == OF_DATES[0] {
            &TRUNCATED_TO[..]
        } else {
            &PARTS[..]
        };
        let part = constant_text(part)?.to_lowercase();
        if !OF_DATES.contains(&name.as_str()) || !parts.contains(&part.as_str()) {
            return None;
        }
        let of = cast_of(of).unwrap_or(of);
        is_a(of.cast(), pg_sys::NodeTag::T_Var).then_some(of.cast())
    }
}

/// A call of one of PostgreSQL's functions.
unsafe fn call(node: *mut pg_sys::Node) -> Option<*mut pg_sys::FuncExpr> {
    // SAFETY: the tag is read before the node is.
    unsafe {
        let is_call = is_a(node.cast(), pg_sys::NodeTag::T_FuncExpr);
        let call = node.cast::<pg_sys::FuncExpr>();
        (is_call && is_builtin((*call).funcid)).then_some(call)
    }
}

/// What is cast from one type of date or time to another.
unsafe fn cast_of(node: *mut pg_sys::Node) -> Option<*mut pg_sys::Node> {
    // SAFETY: as in `call`.
    unsafe {
        let call = call(node)?;
        let arguments = elements::<pg_sys::Node>((*call).args);
        let [of] = arguments[..] else {
            return None;
        };
        CASTS
            .contains(&function_name((*call).funcid).as_str())
            .then_some(of)
    }
}

/// Whether no row is needed to know it, and nobody's code to compute it.
unsafe fn is_known(node: *mut pg_sys::Node) -> bool {
    // SAFETY: walks an expression.
    unsafe { tree::find(node, is_unknown).is_empty() }
}

/// What may stand in a value that is known before there is a row.
const KNOWN: [pg_sys::NodeTag; 9] = [
    pg_sys::NodeTag::T_Const,
    pg_sys::NodeTag::T_Param,
    pg_sys::NodeTag::T_SQLValueFunction,
    pg_sys::NodeTag::T_FuncExpr,
    pg_sys::NodeTag::T_OpExpr,
    pg_sys::NodeTag::T_RelabelType,
    pg_sys::NodeTag::T_CoerceViaIO,
    pg_sys::NodeTag::T_ArrayExpr,
    pg_sys::NodeTag::T_List,
];

unsafe fn is_unknown(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag is read before the node is; cache look-ups.
    unsafe {
        if !KNOWN.contains(&(*node).type_) {
            return true;
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_Param) {
            let kind = (*node.cast::<pg_sys::Param>()).paramkind;
            return kind != pg_sys::ParamKind::PARAM_EXTERN;
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_FuncExpr)
            && (*node.cast::<pg_sys::FuncExpr>()).funcretset
        {
            return true;
        }
        // CoerceViaIO of a type that somebody wrote names that type's functions.
        pg_sys::check_functions_in_node(node, Some(is_not_plain), std::ptr::null_mut())
    }
}

unsafe extern "C-unwind" fn is_not_plain(function: pg_sys::Oid, _: *mut std::ffi::c_void) -> bool {
    // SAFETY: a cache look-up.
    unsafe { !is_builtin(function) || pg_sys::func_volatile(function) as u8 == b'v' }
}

/// Whether an operator of PostgreSQL's compares by the order of a type, by a collation of its own.
pub(super) unsafe fn may_compare(operator: pg_sys::Oid, collation: pg_sys::Oid) -> bool {
    // SAFETY: cache look-ups.
    unsafe {
        is_builtin(operator)
            && is_builtin(collation)
            && !pg_sys::get_op_btree_interpretation(operator).is_null()
    }
}

/// Whether the operator finds what is equal, as unique indexes have it.
pub(super) unsafe fn is_whole_equality(operator: pg_sys::Oid) -> bool {
    // SAFETY: a cache look-up.
    unsafe { !pg_sys::get_mergejoin_opfamilies(operator).is_null() }
}

/// Whether no two rows of the table have the same value in the column.
pub(super) fn is_unique(relation: pg_sys::Oid, column: i16) -> bool {
    // SAFETY: the statement has locked the table; cache look-ups, released after use.
    unsafe {
        // Rows below a table have indexes of their own; those of partitions are the table's.
        if pg_sys::get_rel_relkind(relation) as u8 != b'p' && crate::relations::has_heirs(relation)
        {
            return false;
        }
        let opened = pg_sys::table_open(relation, pg_sys::NoLock as i32);
        let indexes = tree::oids(pg_sys::RelationGetIndexList(opened));
        pg_sys::table_close(opened, pg_sys::NoLock as i32);
        indexes.into_iter().any(|index| {
            let tuple = pg_sys::SearchSysCache1(
                pg_sys::SysCacheIdentifier::INDEXRELID as i32,
                pg_sys::Datum::from(index),
            );
            if tuple.is_null() {
                return false;
            }
            let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_index>();
            let plain = pg_sys::heap_attisnull(
                tuple,
                pg_sys::Anum_pg_index_indpred as i32,
                std::ptr::null_mut(),
            );
            let unique = plain
                && (*form).indisunique
                && (*form).indimmediate
                && (*form).indisvalid
                && (*form).indnkeyatts == 1
                && *(*form).indkey.values.as_ptr() == column;
            pg_sys::ReleaseSysCache(tuple);
            unique
        })
    }
}
