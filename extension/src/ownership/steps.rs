//! The steps of moving ownership: shown by a dry run, or run.

use celador_policy::quote;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;

use super::acl::words;
use crate::{errors, spi};

/// How often a long run says how far it is, in steps.
const PROGRESS: usize = 200;

/// One step, or something to say.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) object: String,
    pub(crate) note: Option<String>,
    pub(crate) lock: Option<&'static str>,
    pub(crate) ddl: Option<String>,
}

impl Step {
    /// A statement that changes the object.
    pub(super) fn statement(object: &str, lock: Option<&'static str>, ddl: String) -> Self {
        Self {
            object: object.to_owned(),
            note: None,
            lock,
            ddl: Some(ddl),
        }
    }

    /// Nothing is done; this is why.
    pub(super) fn note(object: &str, note: String) -> Self {
        Self {
            object: object.to_owned(),
            note: Some(note),
            lock: None,
            ddl: None,
        }
    }
}

/// The rows of a dry run, in the shape of `celador.plan_policy`.
pub(crate) type Rows = TableIterator<
    'static,
    (
        name!(step, i32),
        name!(change, Option<String>),
        name!(relation, Option<String>),
        name!(lock, Option<String>),
        name!(ddl, Option<String>),
    ),
>;

/// The steps as rows.
pub(crate) fn rows(steps: Vec<Step>) -> Rows {
    let rows: Vec<_> = (1..)
        .zip(steps)
        .map(|(number, step)| {
            (
                number,
                step.note,
                Some(step.object),
                step.lock.map(str::to_owned),
                step.ddl,
            )
        })
        .collect();
    TableIterator::new(rows)
}

/// Runs the statements, and says what isn't done.
pub(crate) fn run(what: &str, steps: &[Step]) {
    let all = steps.len();
    for (at, step) in steps.iter().enumerate() {
        if let Some(note) = &step.note {
            pgrx::notice!("{}: {note}", step.object);
        }
        let Some(ddl) = &step.ddl else { continue };
        let object = step.object.clone();
        let what_failed = what.to_owned();
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                PgTryBuilder::new(|| spi::run(ddl))
                    .catch_when(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, move |_| {
                        errors::raise(
                            PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                            format!(
                                "{what_failed}: the lock on {object} could not be had in time; nothing is changed"
                            ),
                            "Try again when it is less busy, or raise lock_timeout.",
                        )
                    })
                    .execute();
            });
        });
        if (at + 1) % PROGRESS == 0 {
            pgrx::notice!("{what}: {} of {all} steps", at + 1);
        }
    }
    // SAFETY: makes everything visible to what follows in this transaction.
    unsafe { pg_sys::CommandCounterIncrement() }
}

/// A role as SQL names it; the empty name is PUBLIC.
fn grantee(role: &str) -> String {
    if role.is_empty() {
        "PUBLIC".to_owned()
    } else {
        quote::name(role)
    }
}

fn privileges(letters: &str, column: Option<&str>) -> String {
    let words = words(letters);
    match column {
        None => words,
        Some(column) => {
            let column = quote::name(column);
            let of_column = words.split(", ").map(|word| format!("{word} ({column})"));
            of_column.collect::<Vec<_>>().join(", ")
        }
    }
}

/// ```sql
/// GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.contacts TO "crm"
/// ```
pub(super) fn grant(
    letters: &str,
    column: Option<&str>,
    on: &str,
    object: &str,
    role: &str,
    passed_on: bool,
) -> String {
    let option = if passed_on { " WITH GRANT OPTION" } else { "" };
    format!(
        "GRANT {} ON {on} {object} TO {}{option}",
        privileges(letters, column),
        grantee(role)
    )
}

/// ```sql
/// REVOKE SELECT ("id") ON TABLE public.contacts FROM PUBLIC
/// ```
pub(super) fn revoke(
    letters: &str,
    column: Option<&str>,
    on: &str,
    object: &str,
    role: &str,
) -> String {
    format!(
        "REVOKE {} ON {on} {object} FROM {}",
        privileges(letters, column),
        grantee(role)
    )
}

/// ```sql
/// ALTER DEFAULT PRIVILEGES FOR ROLE "crm_owner" IN SCHEMA "public" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "crm"
/// ```
pub(super) fn default_grant(
    owner: &str,
    schema: &str,
    letters: &str,
    on: &str,
    role: &str,
) -> String {
    format!(
        "{} GRANT {} ON {on} TO {}",
        by_default(owner, schema),
        words(letters),
        grantee(role)
    )
}

/// ```sql
/// ALTER DEFAULT PRIVILEGES FOR ROLE "crm_owner" IN SCHEMA "public" REVOKE USAGE ON SEQUENCES FROM "crm"
/// ```
pub(super) fn default_revoke(
    owner: &str,
    schema: &str,
    letters: &str,
    on: &str,
    role: &str,
) -> String {
    format!(
        "{} REVOKE {} ON {on} FROM {}",
        by_default(owner, schema),
        words(letters),
        grantee(role)
    )
}

fn by_default(owner: &str, schema: &str) -> String {
    format!(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {}",
        quote::name(owner),
        quote::name(schema)
    )
}
