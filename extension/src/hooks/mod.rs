//! The hooks: no statement goes around the policy.
//!
//! A hook itself is plain C ABI without a guard, so that PostgreSQL's own errors pass through it
//! untouched; what Celador does stands in guarded functions beside it.

mod answers;
mod carrier_guard;
mod closed_settings;
mod copies;
pub(crate) mod copy;
mod counters;
mod cover;
mod covered;
pub(crate) mod executor;
mod extension;
pub(crate) mod foreign_code;
mod functions;
mod held_locks;
pub(crate) mod injected;
mod log_messages;
pub(crate) mod maintenance;
mod masked;
mod object_access;
pub(crate) mod observe;
pub(crate) mod own_statement;
mod owner_guard;
mod planner;
mod pull_up;
pub(crate) mod row_limit;
pub(crate) mod searches;
mod stack_room;
mod statistics;
pub(crate) mod tree;
mod unreachable;
mod utility;
mod write_checks;

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use pgrx::pg_sys;

pub(crate) use owner_guard::is_guarded as is_guarded_owner;

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Whether the library was loaded before the session's first statement.
pub(crate) fn are_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// Sets the hooks. Called once, when the library is loaded.
pub(crate) fn install() {
    INSTALLED.store(true, Ordering::Relaxed);
    planner::install();
    functions::install();
    foreign_code::install();
    object_access::install();
    log_messages::install();
    closed_settings::install();
    executor::install();
    unreachable::install();
    searches::install();
    utility::install();
}

/// Whether the session is a superuser's, as PostgreSQL tells clients: no catalog is read.
fn is_superuser() -> bool {
    // SAFETY: reads a setting that PostgreSQL has.
    unsafe {
        let told = pg_sys::GetConfigOption(c"is_superuser".as_ptr(), true, false);
        !told.is_null() && CStr::from_ptr(told) == c"on"
    }
}

/// The covering call that [`covered`] is about: left in a plan, it ends the statement.
const UNCOVERED: &str =
    "this table is protected by Celador, and the statement was not planned through it";

/// What is wrong where the library isn't preloaded.
pub(crate) const NOT_PRELOADED: &str = "celador is not preloaded in this session";

/// What to do where the library isn't preloaded.
pub(crate) const PRELOAD: &str =
    "Add celador to session_preload_libraries or shared_preload_libraries, and connect again.";

/// An error where the library isn't preloaded.
pub(crate) fn require() {
    if !are_installed() {
        crate::errors::raise(
            pgrx::PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            NOT_PRELOADED,
            PRELOAD,
        );
    }
}

fn uncovered() -> ! {
    crate::errors::denied_by(crate::watch::Kind::Uncovered, None, UNCOVERED, PRELOAD)
}

/// Exports `$function` under the name `$symbol`, as PostgreSQL's version 1 convention wants it.
///
/// What `$quick` answers, which neither raises nor panics, is answered without the guard that errors
/// need: that costs more than a look-up.
macro_rules! raw_function {
    ($(#[$doc:meta])* $symbol:ident, $info:ident, $function:path) => {
        crate::hooks::raw_function!($(#[$doc])* $symbol, $info, $function, |_| None);
    };
    ($(#[$doc:meta])* $symbol:ident, $info:ident, $function:path, $quick:expr) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub(crate) extern "C" fn $info() -> &'static pgrx::pg_sys::Pg_finfo_record {
            const INFO: pgrx::pg_sys::Pg_finfo_record = pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
            &INFO
        }
        $(#[$doc])*
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C-unwind" fn $symbol(
            fcinfo: pgrx::pg_sys::FunctionCallInfo,
        ) -> pgrx::pg_sys::Datum {
            #[pgrx::pg_guard]
            unsafe extern "C-unwind" fn guarded(
                fcinfo: pgrx::pg_sys::FunctionCallInfo,
            ) -> pgrx::pg_sys::Datum {
                // SAFETY: PostgreSQL passes a valid call.
                unsafe { $function(fcinfo) }
            }
            let quick: unsafe fn(pgrx::pg_sys::FunctionCallInfo) -> Option<pgrx::pg_sys::Datum> = $quick;
            // SAFETY: as above.
            unsafe {
                match quick(fcinfo) {
                    Some(answer) => answer,
                    None => guarded(fcinfo),
                }
            }
        }
    };
}
pub(crate) use raw_function;

raw_function!(
    /// `celador.covered()`: stands in every generated policy, and always ends the statement. The
    /// planner hook takes it out of the statements that it has seen.
    covered,
    pg_finfo_covered,
    not_covered
);

raw_function!(
    /// Ends the statement while it is planned, so that EXPLAIN and results that would be empty
    /// say so too.
    covered_support,
    pg_finfo_covered_support,
    not_covered_when_planned
);

unsafe fn not_covered(_: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    uncovered()
}

unsafe fn not_covered_when_planned(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: PostgreSQL passes the request as the only argument.
    unsafe {
        let request = (*(*call).args.as_ptr())
            .value
            .cast_mut_ptr::<pg_sys::Node>();
        if (*request).type_ == pg_sys::NodeTag::T_SupportRequestSimplify {
            uncovered();
        }
    }
    pg_sys::Datum::from(0)
}
