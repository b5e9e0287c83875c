//! The gate on releases of PostgreSQL that let people around row security.

use celador_policy::server_release::{OldRelease, old_release};
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::prelude::*;

use crate::errors;

static ALLOW_OLD: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Defines the override. Called once, when the library is loaded.
pub(crate) fn define_setting() {
    GucRegistry::define_bool_guc(
        c"celador.allow_old_minor",
        c"Loads policies on a release of PostgreSQL with known holes in row security.",
        c"Superusers set it, for servers whose people can't use the hole.",
        &ALLOW_OLD,
        GucContext::Suset,
        GucFlags::default(),
    );
}

/// What is wrong with the release that runs, if anything.
pub(crate) fn old_server() -> Option<OldRelease> {
    // SAFETY: the setting exists, and its value outlives the call.
    let number = unsafe {
        let text = pg_sys::GetConfigOption(c"server_version_num".as_ptr(), false, false);
        std::ffi::CStr::from_ptr(text).to_string_lossy()
    };
    let number = number
        .parse()
        .unwrap_or_else(|_| errors::fault("the server doesn't tell its version"));
    old_release(number)
}

/// Before a policy is loaded: a release with holes is an error, or by choice a warning.
pub(crate) fn require() {
    let Some(old) = old_server() else { return };
    let message = old.to_string();
    if ALLOW_OLD.get() {
        pgrx::warning!("{message}");
        return;
    }
    errors::raise(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        message,
        format!(
            "Install PostgreSQL {}.{} or a later minor release. Where nobody has INSERT and UPDATE on \
             protected tables, a superuser may SET celador.allow_old_minor = on for the load.",
            old.needed.0, old.needed.1
        ),
    )
}

/// `celador.server_minor_ok()`: whether the server's release is without known holes.
#[pg_extern]
fn server_minor_ok() -> bool {
    old_server().is_none()
}
