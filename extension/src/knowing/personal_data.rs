//! `celador.personal_data()`: who reads which fields that are tagged.

use std::collections::BTreeMap;

use celador_policy::lint;
use celador_policy::matrix::field_lines;
use pgrx::prelude::*;

use super::{catalog, holders, live};

/// `celador.personal_data()`: for each tagged field the roles that read its module, how they see it in which
/// rows, and how many active people hold them.
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
    let rows: Vec<_> = field_lines(policy, |field| !field.tags.is_empty())
        .into_iter()
        .map(|line| {
            let tags = policy.fields[&line.module][&line.field].tags.iter();
            let people = people.get(&line.role).copied().unwrap_or(0);
            (
                line.module.clone(),
                line.field.clone(),
                tags.cloned().collect(),
                line.role,
                line.scopes,
                line.depth.name().to_owned(),
                people,
                line.rendering,
            )
        })
        .collect();
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
