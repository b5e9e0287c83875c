//! The hook on objects: what is dropped, and which functions are called.

use std::ffi::{c_int, c_void};

use pgrx::prelude::*;

use super::{counters, extension};

static mut NEXT: pg_sys::object_access_hook_type = None;

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT = pg_sys::object_access_hook;
        pg_sys::object_access_hook = Some(accessed);
    }
}

unsafe extern "C-unwind" fn accessed(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    sub: c_int,
    argument: *mut c_void,
) {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        if access == pg_sys::ObjectAccessType::OAT_DROP && class == pg_sys::ExtensionRelationId {
            extension::dropped(object);
        }
        if access == pg_sys::ObjectAccessType::OAT_FUNCTION_EXECUTE && counters::counts(object) {
            counters::refuse(object);
        }
        if let Some(next) = NEXT {
            next(access, class, object, sub, argument);
        }
    }
}
