//! Functions in SQL: they are put into statements, or keep plans, behind the planner's hook.

use std::ffi::c_void;

use pgrx::prelude::*;

use super::foreign_code;

static mut NEXT_NEEDS_FMGR: pg_sys::needs_fmgr_hook_type = None;

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT_NEEDS_FMGR = pg_sys::needs_fmgr_hook;
        pg_sys::needs_fmgr_hook = Some(needs_fmgr);
    }
}

/// Functions in SQL that return sets would be put into the statement after the hook has seen it:
/// asked to be called instead, they are planned by themselves.
unsafe extern "C-unwind" fn needs_fmgr(function: pg_sys::Oid) -> bool {
    // SAFETY: PostgreSQL's own argument.
    unsafe {
        if let Some(next) = NEXT_NEEDS_FMGR
            && next(function)
        {
            return true;
        }
        function.to_u32() >= pg_sys::FirstNormalObjectId && must_be_called(function)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn must_be_called(function: pg_sys::Oid) -> bool {
    // SAFETY: cache look-ups.
    unsafe { foreign_code::is_watched(function) || is_sql_set(function) }
}

/// A function in SQL keeps its plans while the statement that calls it is kept.
pub(super) unsafe fn calls_sql(node: *mut pg_sys::Node) -> bool {
    // SAFETY: the node is one of an expression; the checker raises nothing.
    unsafe { pg_sys::check_functions_in_node(node, Some(check_sql), std::ptr::null_mut()) }
}

unsafe extern "C-unwind" fn check_sql(function: pg_sys::Oid, _: *mut c_void) -> bool {
    // SAFETY: a cache look-up.
    function.to_u32() >= pg_sys::FirstNormalObjectId
        && unsafe { procedure(function, |form| form.prolang.to_u32() == SQL_LANGUAGE) }
}

/// `sql` in `pg_language`.
const SQL_LANGUAGE: u32 = 14;

unsafe fn is_sql_set(function: pg_sys::Oid) -> bool {
    // SAFETY: a cache look-up.
    unsafe {
        procedure(function, |form| {
            form.proretset && form.prolang.to_u32() == SQL_LANGUAGE
        })
    }
}

unsafe fn procedure(
    function: pg_sys::Oid,
    is_it: impl FnOnce(&pg_sys::FormData_pg_proc) -> bool,
) -> bool {
    // SAFETY: a valid tuple of pg_proc begins with FormData_pg_proc; it is released after use.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::PROCOID as i32,
            pg_sys::Datum::from(function),
        );
        if tuple.is_null() {
            return false;
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let found = is_it(&*form);
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}
