//! The extension isn't dropped while a table is protected: its policies would go, and leave the
//! table open to all who have rights on it, or dark.

use std::ffi::{c_int, c_void};

use pgrx::prelude::*;

use super::injected;
use crate::{catalog, errors, spi};

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
            dropped(object);
        }
        if let Some(next) = NEXT {
            next(access, class, object, sub, argument);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn dropped(extension: pg_sys::Oid) {
    injected::panic_if_asked("drop");
    // SAFETY: a catalog look-up.
    let ours = unsafe { pg_sys::get_extension_oid(c"celador".as_ptr(), true) } == extension;
    if spi::is_internal() || !ours {
        return;
    }
    let refuse = |what: String| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("extension celador can't be dropped: {what}"),
            "Put back what was found first: SELECT celador.uninstall().",
        )
    };
    let protected = catalog::last_known_protected();
    if protected > 0 {
        refuse(format!("{protected} tables are protected"));
    }
    let adopted = catalog::last_known_adopted();
    if adopted > 0 {
        refuse(format!("it has changed the owner of {adopted} objects"));
    }
}
