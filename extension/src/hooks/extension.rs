//! The extension isn't dropped while a table is protected: its policies would go, and leave the
//! table open to all who have rights on it, or dark.

use std::ffi::CStr;

use pgrx::prelude::*;

use super::injected;
use super::tree::elements;
use crate::{catalog, errors, spi};

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn dropped(extension: pg_sys::Oid) {
    injected::panic_if_asked("drop");
    // SAFETY: a catalog look-up.
    let ours = unsafe { pg_sys::get_extension_oid(c"celador".as_ptr(), true) } == extension;
    if spi::is_internal() || !ours {
        return;
    }
    refuse_while_needed();
}

/// `DROP EXTENSION celador`: without CASCADE, PostgreSQL would list hundreds of policies and triggers,
/// and advise CASCADE.
pub(super) unsafe fn refuse_statement(statement: *mut pg_sys::DropStmt) {
    // SAFETY: extensions are named by strings.
    unsafe {
        if (*statement).removeType != pg_sys::ObjectType::OBJECT_EXTENSION || !pg_sys::superuser() {
            return;
        }
        let names = elements::<pg_sys::String>((*statement).objects);
        if names
            .into_iter()
            .any(|name| CStr::from_ptr((*name).sval) == c"celador")
        {
            refuse_while_needed();
        }
    }
}

fn refuse_while_needed() {
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
