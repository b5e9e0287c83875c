//! The extension isn't dropped while a table is protected: its policies would go, and leave the
//! table open to all who have rights on it, or dark.

use pgrx::prelude::*;

use super::injected;
use crate::{catalog, errors, spi};

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn dropped(extension: pg_sys::Oid) {
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
