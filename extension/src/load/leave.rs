//! A way out: one table, or everything, as it was found.

use pgrx::prelude::*;

use super::plan::{Plan, Watched};
use super::{apply, checked, load, revisions};
use crate::ownership::{self, Step, only_superusers};
use crate::spi;
use crate::{catalog, directory_trigger, errors, relations};

/// `celador.unprotect(table)`: the table and what hangs below it, as they were found; left out until
/// the next load.
#[pg_extern]
fn unprotect(table: pg_sys::Oid) {
    only_superusers("unprotecting a table");
    let _timeout = apply::LockTimeout::set();
    revisions::begin(None);
    let Some(catalog) = catalog::current() else {
        return;
    };
    let name = relations::display_name(table);
    let refuse = |why: &str, hint: &str| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("{name} {why}"),
            hint,
        )
    };
    if !catalog.protected.contains(&table) || relations::is_ours(table) {
        refuse(
            "isn't a protected table of yours",
            "SELECT relation FROM celador.protected lists them.",
        );
    }
    let above = relations::above(table);
    if above.iter().any(|above| catalog.protected.contains(above)) {
        refuse(
            "is read through a table that is protected",
            "Unprotect the table above it: all below go along.",
        );
    }
    let all: Vec<pg_sys::Oid> = relations::heirs(table)
        .into_iter()
        .filter(|heir| catalog.protected.contains(heir))
        .collect();
    if let Some(policy) = &catalog.policy {
        let watched = Watched::by(policy);
        let mut names = all.iter().filter_map(|heir| relations::table_name(*heir));
        if names.any(|name| watched.has(&name)) {
            refuse(
                "tells who is who: a change of it must be noticed",
                "Load a policy that reads its directory elsewhere, or leave: SELECT celador.uninstall().",
            );
        }
    }
    apply::apply(&Plan::putting_back(&all));
    for relation in &all {
        let relation = relation.to_u32().to_string();
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                spi::run_with(
                    "INSERT INTO celador.left_out (relation) SELECT CAST($1 AS pg_catalog.oid) ON CONFLICT DO NOTHING",
                    &[Some(&relation)],
                    false,
                );
            });
        });
    }
    directory_trigger::signal("policy");
    pgrx::warning!("{name} is open to all who have rights on it, until a policy is loaded again");
}

/// The next load places every table again.
pub(super) fn forget_left_out() {
    run("DELETE FROM celador.left_out");
}

fn run(sql: &str) {
    spi::with_rights_of(spi::superuser(), || spi::connected(|| spi::run(sql)));
}

/// `celador.uninstall()`: puts back everything that Celador found, on every table and in every adopted
/// schema. DROP EXTENSION works afterwards.
#[pg_extern]
fn uninstall() {
    only_superusers("uninstalling");
    let _timeout = apply::LockTimeout::set();
    revisions::begin(None);
    run("DELETE FROM celador.paused");
    load("", Some("uninstalled"));
    ownership::release_all();
    run("DELETE FROM celador.guarded_owners");
}

/// `celador.plan_uninstall()`: the steps, none of them done.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn plan_uninstall() -> TableIterator<
    'static,
    (
        name!(step, i32),
        name!(change, Option<String>),
        name!(relation, Option<String>),
        name!(lock, Option<String>),
        name!(ddl, Option<String>),
    ),
> {
    only_superusers("uninstalling");
    let plan = Plan::none(&checked("").1);
    let mut steps: Vec<Step> = plan
        .steps()
        .map(|step| Step {
            object: step.table.to_string(),
            note: None,
            lock: Some(step.lock),
            ddl: Some(step.ddl.clone()),
        })
        .collect();
    steps.extend(ownership::plan_release_all());
    ownership::rows(steps)
}
