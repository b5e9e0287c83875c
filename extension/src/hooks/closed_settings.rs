//! Settings that everybody may set, and by which a statement tells of hidden rows.
//!
//! - `gin_fuzzy_search_limit` drops rows at random, the more of them the more rows the index has found:
//!   a row of one's own goes missing where hidden ones match as well.
//! - `debug_print_plan` sends the client its plan with the estimates, which EXPLAIN leaves out.
//!
//! Only superusers, and whom they grant it, may set them; for people they are off.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

thread_local! {
    static FOUND: Cell<Option<(*mut pg_sys::config_int, *mut pg_sys::config_bool)>> =
        const { Cell::new(None) };
}

/// Takes the settings from everybody. Called once, when the library is loaded.
pub(super) fn install() {
    // SAFETY: PostgreSQL's table of settings; the kind of each is looked at.
    unsafe {
        #[cfg(feature = "pg15")]
        let (all, length) = (pg_sys::get_guc_variables(), pg_sys::GetNumConfigOptions());
        #[cfg(not(feature = "pg15"))]
        let (all, length) = {
            let mut length = 0;
            (pg_sys::get_guc_variables(&mut length), length)
        };
        let find = |name: &CStr, kind| {
            (0..length as usize)
                .map(|at| *all.add(at))
                .find(|setting| {
                    CStr::from_ptr((**setting).name) == name && (**setting).vartype == kind
                })
                .unwrap_or_else(|| {
                    crate::errors::fault(format!("there is no setting {}", name.to_string_lossy()))
                })
        };
        let limit = find(c"gin_fuzzy_search_limit", pg_sys::config_type::PGC_INT);
        let plan = find(c"debug_print_plan", pg_sys::config_type::PGC_BOOL);
        for setting in [limit, plan] {
            (*setting).context = pg_sys::GucContext::PGC_SUSET;
        }
        FOUND.set(Some((limit.cast(), plan.cast())));
        // Loaded with the session: the role's own settings and the connection's are there already.
        if pg_sys::IsUnderPostmaster && !super::is_superuser() {
            close();
        }
    }
}

/// Turns them off, for a statement of a person's: the server's settings may have them on.
pub(super) fn close() {
    if let Some((limit, plan)) = FOUND.get() {
        // SAFETY: settings live as long as the backend; neither has anything that hangs on its value.
        unsafe {
            (*limit).reset_val = 0;
            *(*limit).variable = 0;
            (*plan).reset_val = false;
            *(*plan).variable = false;
        }
    }
}
