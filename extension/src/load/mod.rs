//! Loads a policy: checks it as a whole, and applies it in one transaction.

mod again;
mod apply;
mod cell;
mod found;
mod leave;
mod pause;
mod plan;
mod revisions;

use celador_policy::rendering_function::FUNCTIONS_SQL;
use celador_policy::schema::SCHEMA_SQL;
use celador_policy::{Document, PolicySet, Problems, Schema, check};
use pgrx::prelude::*;

use crate::spi::{self, Reads};
use crate::{changes, directory_trigger, errors, hooks, server_minor, version, watch};

pub(crate) use again::{compile_again, restore_own};
pub(crate) use apply::{LockTimeout, forget_dropped, is_login, protect_new, yield_to_foreign};
pub(crate) use found::find_unsettled_tables;
pub(crate) use pause::{is_closed_for_migration, refuse_as_paused, refuse_paused};
use plan::Plan;
pub(crate) use plan::Watched;

/// `celador.load_policy(document, reason, base)`: the new revision's number.
#[pg_extern]
fn load_policy(document: Option<&str>, reason: Option<&str>, base: Option<i32>) -> i32 {
    let document = document.unwrap_or_else(|| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "there is no document to load",
            "SELECT celador.load_policy('…').",
        )
    });
    let _timeout = apply::LockTimeout::set();
    revisions::begin(base);
    load(document, reason)
}

/// `celador.restore_revision(revision, reason)`: loads its document again, as a new revision.
#[pg_extern]
fn restore_revision(number: Option<i32>, reason: Option<&str>) -> i32 {
    let number = number.unwrap_or_else(|| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "there is no revision to restore",
            "SELECT celador.restore_revision(7).",
        )
    });
    let _timeout = apply::LockTimeout::set();
    revisions::begin(None);
    let document = revisions::numbered(number).into_text();
    let restored = format!("revision {number} restored");
    let revision = load(&document, Some(reason.unwrap_or(&restored)));
    changes::note(
        "restore",
        &format!("revision {number} as {revision}"),
        reason,
    );
    revision
}

fn load(text: &str, reason: Option<&str>) -> i32 {
    let (document, set) = checked(text);
    server_minor::require();
    apply::may_load();
    if set.tables.values().any(|placement| set.observes(placement)) {
        watch::must_be_shared();
    }
    leave::forget_left_out();
    let plan = Plan::make(&set);
    apply::apply(&plan);
    if !plan.tables.is_empty() {
        crate::event::verify();
    }
    let revision = apply::store(Some(text), &document, &set, reason);
    directory_trigger::signal("policy");
    // SAFETY: makes the new revision visible to what follows in this transaction.
    unsafe { pg_sys::CommandCounterIncrement() }
    apply::check_directory();
    for module in &set.unmapped {
        pgrx::notice!(
            "the mapping lacks module \"{module}\": what the matrix says of it grants nothing"
        );
    }
    revision
}

/// `celador.plan_policy(document)`: what a load would change in the live policy, and the statements
/// that it would run. Changes nothing.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn plan_policy(
    document: &str,
) -> TableIterator<
    'static,
    (
        name!(step, i32),
        name!(change, Option<String>),
        name!(relation, Option<String>),
        name!(lock, Option<String>),
        name!(ddl, Option<String>),
    ),
> {
    let plan = Plan::make(&checked(document).1);
    let changes = revisions::changes(document)
        .into_iter()
        .map(|change| (Some(change.to_string()), None, None, None));
    let statements = plan.steps().map(|step| {
        (
            None,
            Some(step.table.to_string()),
            Some(step.lock.to_owned()),
            Some(step.ddl.clone()),
        )
    });
    let rows: Vec<_> = (1..)
        .zip(changes.chain(statements))
        .map(|(step, (change, relation, lock, ddl))| (step, change, relation, lock, ddl))
        .collect();
    TableIterator::new(rows)
}

/// The tables of this database, and the functions that the document names.
fn read_schema(document: &Document) -> Schema {
    let one_value = |sql: &str, values: &[&str]| {
        let rows = spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| spi::read(sql, values, Reads::Latest))
        });
        let row = rows.into_iter().next();
        row.and_then(|row| row.into_iter().next().flatten())
            .unwrap_or_default()
    };
    let mut schema = match Schema::from_json(&one_value(SCHEMA_SQL, &[])) {
        Ok(schema) => schema,
        Err(error) => errors::fault(format!("the database's tables can't be read: {error}")),
    };
    let functions = document.functions();
    if !functions.is_empty() {
        let asked = serde_json::to_string(&functions);
        let read =
            asked.and_then(|asked| schema.add_functions(&one_value(FUNCTIONS_SQL, &[&asked])));
        if let Err(error) = read {
            errors::fault(format!("the database's functions can't be read: {error}"));
        }
    }
    schema
}

/// A document and the policy that it says, or an error with everything that is wrong with it.
pub(crate) fn checked(text: &str) -> (Document, PolicySet) {
    hooks::require();
    version::require_objects();
    let result = Document::from_toml(text).and_then(|document| {
        let set = check(&document, text, &read_schema(&document))?;
        Ok((document, set))
    });
    result.unwrap_or_else(|problems| refuse("the policy can't be loaded", &problems))
}

/// Ends the statement with everything that is wrong.
fn refuse(what: &str, Problems(problems): &Problems) -> ! {
    let Some(first) = problems.first() else {
        errors::fault("the document is wrong, and nothing says why")
    };
    let message = format!("{what}: {first}");
    if problems.len() == 1 {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            message,
            first.remedy.clone(),
        );
    }
    let all: Vec<String> = problems
        .iter()
        .map(|problem| format!("{problem} ({})", problem.remedy))
        .collect();
    errors::raise_with_detail(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        message,
        all.join("\n"),
        first.remedy.clone(),
    )
}
