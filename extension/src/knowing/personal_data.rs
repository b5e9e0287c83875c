//! `celador.personal_data()`: who reads which fields that are tagged.

use std::collections::BTreeMap;

use celador_policy::matrix::lines;
use celador_policy::{Action, lint};
use pgrx::prelude::*;

use super::{catalog, holders, live};

/// What a reader of the row gets of a field. Masks aren't enforced yet, and the report says so.
const CLEAR: &str = "clear: masks are not enforced yet, so whoever reads the row reads the field";

/// `celador.personal_data()`: for each tagged field the roles that read it, how far, and how many
/// active people hold them.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn personal_data() -> TableIterator<
    'static,
    (
        name!(module, String),
        name!(field, String),
        name!(tags, Vec<String>),
        name!(role, String),
        name!(scopes, Vec<String>),
        name!(depth, String),
        name!(people, i64),
        name!(rendering, String),
    ),
> {
    let catalog = catalog();
    let policy = live(&catalog);
    let mut people: BTreeMap<String, i64> = BTreeMap::new();
    for role in holders::holders(policy).into_values().flatten() {
        *people.entry(role).or_default() += 1;
    }
    let read: Vec<_> = lines(policy)
        .into_iter()
        // What can be claimed can be read.
        .filter(|line| matches!(line.action, Action::Read | Action::Claim))
        .collect();
    let mut rows = Vec::new();
    for (module, fields) in &policy.fields {
        let tagged = fields
            .iter()
            .filter(|(_, field)| field.column.is_some() && !field.tags.is_empty());
        for (name, field) in tagged {
            for line in read.iter().filter(|line| line.module == *module) {
                let claim = (line.action == Action::Claim).then_some("claim: ");
                let when = line.when.as_ref();
                let when = when.map_or_else(String::new, |when| format!(" while {when}"));
                let scopes = line.scopes.iter();
                rows.push((
                    module.clone(),
                    name.clone(),
                    field.tags.iter().cloned().collect(),
                    line.role.clone(),
                    scopes
                        .map(|scope| format!("{}{scope}{when}", claim.unwrap_or_default()))
                        .collect(),
                    line.depth.name().to_owned(),
                    people.get(&line.role).copied().unwrap_or(0),
                    CLEAR.to_owned(),
                ));
            }
        }
    }
    TableIterator::new(rows)
}

/// `celador.administrators()`: the active people who reach everything, and by which role.
#[pg_extern]
fn administrators() -> TableIterator<
    'static,
    (
        name!(user, String),
        name!(login, Option<String>),
        name!(role, String),
    ),
> {
    let catalog = catalog();
    let policy = live(&catalog);
    let administrators = lint::administrators(policy);
    let everybody = super::everybody::everybody(&catalog, policy);
    let login: BTreeMap<&str, Option<&String>> = everybody
        .people()
        .iter()
        .map(|person| (person.user.as_str(), person.login()))
        .collect();
    let mut rows = Vec::new();
    for (user, roles) in holders::holders(policy) {
        for role in roles {
            if administrators.contains(&role.as_str()) {
                let login = login.get(user.as_str()).copied().flatten().cloned();
                rows.push((user.clone(), login, role));
            }
        }
    }
    TableIterator::new(rows)
}
