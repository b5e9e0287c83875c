//! Errors as PostgreSQL reports them: a SQLSTATE, a message, a hint.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};

use crate::watch::{self, Kind};

/// Ends the statement with an error.
#[track_caller]
pub(crate) fn raise(
    code: PgSqlErrorCode,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> ! {
    watch::deliberate();
    report(code, message, hint)
}

#[track_caller]
fn report(code: PgSqlErrorCode, message: impl Into<String>, hint: impl Into<String>) -> ! {
    ErrorReport::new(code, message.into(), "celador")
        .set_hint(hint)
        .report(PgLogLevel::ERROR);
    unreachable!("an error report doesn't return")
}

/// Ends the statement with an error that also has details.
#[track_caller]
pub(crate) fn raise_with_detail(
    code: PgSqlErrorCode,
    message: impl Into<String>,
    detail: impl Into<String>,
    hint: impl Into<String>,
) -> ! {
    watch::deliberate();
    ErrorReport::new(code, message.into(), "celador")
        .set_detail(detail)
        .set_hint(hint)
        .report(PgLogLevel::ERROR);
    unreachable!("an error report doesn't return")
}

/// 42501: the policy doesn't allow it.
#[track_caller]
pub(crate) fn denied(message: impl Into<String>, hint: impl Into<String>) -> ! {
    denied_by(Kind::Other, None, message, hint)
}

/// 42501, noted as what denied it: of the statement at work, or on that table.
#[track_caller]
pub(crate) fn denied_by(
    kind: Kind,
    relation: Option<pg_sys::Oid>,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> ! {
    watch::note(kind, relation);
    raise(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        message,
        hint,
    )
}

/// XX000: Celador's own state isn't what it should be.
#[track_caller]
pub(crate) fn fault(message: impl Into<String>) -> ! {
    report(
        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        message,
        "Report it, with the server's log.",
    )
}
