//! `celador.lint()` and `celador.check()`: what the rules find in a policy, and in the installation.

use celador_policy::PolicySet;
use celador_policy::lint::installation::{self, Server};
use celador_policy::lint::{self, Found, Look, Rule};
use pgrx::prelude::*;

use super::{catalog, holders, live};
use crate::spi::{self, Reads};
use crate::{errors, hooks, identity, key_file, load, server_minor};

type Finding = (String, String, String, String, String, String);

fn finding((rule, found): (&Rule, Found)) -> Finding {
    (
        rule.code.to_owned(),
        rule.severity.name().to_owned(),
        found.object,
        format!("{}: {}", rule.title, found.detail),
        rule.reason.to_owned(),
        rule.remedy.to_owned(),
    )
}

/// `celador.lint(document)`: what the rules find in a document, or in the live policy.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn lint(
    document: Option<&str>,
) -> TableIterator<
    'static,
    (
        name!(rule, String),
        name!(severity, String),
        name!(object, String),
        name!(finding, String),
        name!(reason, String),
        name!(remedy, String),
    ),
> {
    let findings: Vec<Finding> = match document {
        Some(document) => lint::lint(&load::checked(document).1)
            .into_iter()
            .map(finding)
            .collect(),
        None => {
            let catalog = catalog();
            lint::lint(live(&catalog))
                .into_iter()
                .map(finding)
                .collect()
        }
    };
    TableIterator::new(findings)
}

/// `celador.check()`: what the rules find in this installation, most severe first.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn check() -> TableIterator<
    'static,
    (
        name!(rule, String),
        name!(severity, String),
        name!(object, String),
        name!(finding, String),
        name!(reason, String),
        name!(remedy, String),
    ),
> {
    let catalog = catalog();
    let policy = catalog.policy.as_ref();
    let parameter = match installation::parameter(&server(policy), policy) {
        Ok(parameter) => parameter,
        Err(error) => errors::fault(format!("the policy can't be written as JSON: {error}")),
    };
    let prelude = installation::prelude(policy);
    let mut findings = Vec::new();
    for rule in lint::rules() {
        if let Look::Installation(query) = rule.look {
            let found = found(&format!("{prelude}{query}"), &parameter);
            findings.extend(found.into_iter().map(|found| (rule, found)));
        }
    }
    findings.sort_by_key(|(rule, _)| rule.severity);
    TableIterator::new(findings.into_iter().map(finding).collect::<Vec<_>>())
}

fn found(sql: &str, parameter: &str) -> Vec<Found> {
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(sql, &[parameter], Reads::Latest))
    });
    let mut found: Vec<Found> = rows
        .into_iter()
        .map(|row| {
            let mut row = row.into_iter();
            let mut text = || row.next().flatten().unwrap_or_default();
            Found {
                object: text(),
                detail: text(),
            }
        })
        .collect();
    found.sort();
    found
}

fn server(policy: Option<&PolicySet>) -> Server {
    let key = key_file::condition(identity::key_file().as_deref());
    let holders = policy.map(holders::holders).unwrap_or_default();
    Server {
        preloaded: hooks::are_installed(),
        library: env!("CARGO_PKG_VERSION").to_owned(),
        key_problem: key.problem,
        key_days: key.days,
        key_inside: key.inside,
        old_release: server_minor::old_server().map(|old| old.to_string()),
        holders: holders
            .into_iter()
            .flat_map(|(user, roles)| roles.into_iter().map(move |role| (user.clone(), role)))
            .collect(),
    }
}
