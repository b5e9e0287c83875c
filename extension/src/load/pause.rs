//! `celador.pause` and `celador.resume`: a protected table is closed while a migration changes what
//! its policies name.

use pgrx::prelude::*;

use super::plan::Plan;
use super::{apply, checked, revisions};
use crate::catalog::{self, Catalog};
use crate::spi;
use crate::{changes, directory_trigger, errors, event, hooks, relations};

/// `celador.pause(table, reason)`: closes the table, and what hangs below it, to everybody but
/// maintenance; nothing of Celador's names its columns any more.
#[pg_extern]
fn pause(table: Option<pg_sys::Oid>, reason: Option<&str>) {
    let table = given(table);
    let _timeout = apply::LockTimeout::set();
    revisions::begin(None);
    let Some(catalog) = catalog::current() else {
        return;
    };
    may_migrate(&catalog, table);
    let name = relations::display_name(table);
    if catalog.paused.contains_key(&table) {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("{name} is paused already"),
            "SELECT * FROM celador.paused() says by whom and why.",
        );
    }
    if !catalog.protected.contains(&table) || relations::is_ours(table) {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("{name} isn't a protected table of yours: there is nothing to pause"),
            "SELECT relation FROM celador.protected lists the tables that are protected.",
        );
    }
    let all: Vec<pg_sys::Oid> = relations::heirs(table)
        .into_iter()
        .filter(|heir| catalog.protected.contains(heir) && !catalog.paused.contains_key(heir))
        .collect();
    apply::apply(&Plan::closing(&all));
    for relation in &all {
        let relation = relation.to_u32().to_string();
        write(
            "INSERT INTO celador.paused (relation, reason) SELECT CAST($1 AS pg_catalog.oid), $2",
            &[Some(&relation), reason],
        );
    }
    changes::note("pause", &name, reason);
    directory_trigger::signal("policy");
    // SAFETY: makes it visible to what follows in this transaction.
    unsafe { pg_sys::CommandCounterIncrement() }
    event::verify();
}

/// `celador.resume(table)`: checks the live policy against the tables as they are now, and protects
/// the table and what hangs below it again; or ends with an error, and it stays closed.
#[pg_extern]
fn resume(table: Option<pg_sys::Oid>) {
    let table = given(table);
    let _timeout = apply::LockTimeout::set();
    revisions::begin(None);
    let Some(catalog) = catalog::current() else {
        return;
    };
    may_migrate(&catalog, table);
    let name = relations::display_name(table);
    if !catalog.paused.contains_key(&table) {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("{name} isn't paused"),
            "SELECT * FROM celador.paused() lists the tables that are.",
        );
    }
    let Some(live) = revisions::revision(None) else {
        errors::fault("a table is paused, and there is no policy")
    };
    let all = relations::heirs(table);
    for relation in &all {
        let relation = relation.to_u32().to_string();
        write(
            "DELETE FROM celador.paused AS z \
             WHERE z.relation::pg_catalog.oid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)",
            &[Some(&relation)],
        );
    }
    // SAFETY: makes it visible to what follows.
    unsafe { pg_sys::CommandCounterIncrement() }
    let revision = live.number;
    let (document, set) = checked(&live.into_text());
    apply::apply(&Plan::make(&set));
    apply::store_again(revision, &document, &set);
    changes::note("resume", &name, None);
    directory_trigger::signal("policy");
    // SAFETY: as above.
    unsafe { pg_sys::CommandCounterIncrement() }
    let unprotected = catalog::current().is_none_or(|now| {
        all.iter().any(|relation| {
            catalog.paused.contains_key(relation) && !now.protected.contains(relation)
        })
    });
    if unprotected {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("{name} would no longer be protected: the live policy doesn't place it"),
            "Load a policy that does, then resume.",
        );
    }
    event::verify();
    apply::check_directory();
}

fn given(table: Option<pg_sys::Oid>) -> pg_sys::Oid {
    table.unwrap_or_else(|| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "there is no table to pause or to resume",
            "SELECT celador.pause('contacts', 'why').",
        )
    })
}

/// Superusers, maintenance roles, members of the table's owner; but no owner that is guarded.
fn may_migrate(catalog: &Catalog, table: pg_sys::Oid) {
    // SAFETY: cache look-ups.
    let of_owner = relations::owner(table)
        .is_some_and(|owner| unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), owner) });
    let may = catalog.sees_all() || (of_owner && !hooks::is_guarded_owner(catalog));
    if !may {
        errors::denied(
            format!("you may not migrate {}", relations::display_name(table)),
            "Pausing and resuming are for superusers, maintenance roles and members of the table's owner.",
        );
    }
}

fn write(sql: &str, values: &[Option<&str>]) {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(sql, values, false);
        });
    });
}

/// Ends a statement that would read or write a paused table.
pub(crate) fn refuse_paused(catalog: &Catalog, relation: pg_sys::Oid) {
    if let Some(reason) = catalog.paused.get(&relation) {
        refuse_as_paused(relation, reason.as_deref());
    }
}

/// Whether a statement of Celador's own would decide by a table that is in the middle of a
/// migration: others' rows would come into reach by values that don't hold.
pub(crate) fn is_closed_for_migration(relation: pg_sys::Oid) -> bool {
    catalog::is_known_paused(relation) && !apply::is_running()
}

/// Ends the statement: the table is closed.
pub(crate) fn refuse_as_paused(relation: pg_sys::Oid, reason: Option<&str>) -> ! {
    let name = relations::display_name(relation);
    let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    errors::raise(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("{name} is closed for a migration{why}"),
        "Try again when the migration has ended with celador.resume.",
    )
}
