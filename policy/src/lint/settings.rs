//! Rules about switches, and about what the policy leaves to others.

use std::collections::BTreeSet;

use super::{Found, Look, Rule, Severity, administrators, cells, listed};
use crate::document::NoIdentity;
use crate::policy_set::{Placement, PolicySet};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL021",
        severity: Severity::Info,
        title: "a setting is never used",
        reason: "A switch that no cell and no restriction depends on changes nothing.",
        remedy: "Name it in a `when`, or remove it.",
        look: Look::Policy(unused),
    },
    Rule {
        code: "CEL022",
        severity: Severity::Info,
        title: "nobody may switch a setting",
        reason: "With an empty `set_by` a setting keeps its value until maintenance changes it.",
        remedy: "Name roles in `set_by`, or write the default into the cells.",
        look: Look::Policy(fixed),
    },
    Rule {
        code: "CEL023",
        severity: Severity::Warning,
        title: "a role may switch on what it is granted itself",
        reason: "Who may set the switch that a cell of the own role depends on decides about the own access.",
        remedy: "Leave `set_by` to a role above.",
        look: Look::Policy(self_service),
    },
    Rule {
        code: "CEL024",
        severity: Severity::Warning,
        title: "a session without identity gets empty tables",
        reason: "With `no_identity = \"empty\"` a job that isn't signed in changes no row and reports success.",
        remedy: "Leave `no_identity` out: nobody is an error then.",
        look: Look::Policy(no_identity),
    },
    Rule {
        code: "CEL025",
        severity: Severity::Warning,
        title: "a table is open",
        reason: "Celador leaves it to the database's own grants: no policy narrows who reads or writes it.",
        remedy: "Place it in a module, or as `readable` or `closed`.",
        look: Look::Policy(open),
    },
    Rule {
        code: "CEL026",
        severity: Severity::Info,
        title: "a restriction applies to everybody",
        reason: "It names neither groups nor users, so it narrows administrators too.",
        remedy: "Name `groups` or `users`, if that isn't meant.",
        look: Look::Policy(for_everybody),
    },
];

/// The settings that something depends on.
fn used(policy: &PolicySet) -> BTreeSet<&str> {
    let grants = cells(policy).flat_map(|(_, _, _, grants)| grants);
    grants
        .filter_map(|grant| grant.when.as_deref())
        .chain(
            policy
                .restrictions
                .values()
                .filter_map(|restriction| restriction.when.as_deref()),
        )
        .collect()
}

fn unused(policy: &PolicySet) -> Vec<Found> {
    let used = used(policy);
    policy
        .settings
        .keys()
        .filter(|name| !used.contains(name.as_str()))
        .map(|name| Found::new(name, "nothing depends on it"))
        .collect()
}

fn fixed(policy: &PolicySet) -> Vec<Found> {
    policy
        .settings
        .iter()
        .filter(|(_, setting)| setting.set_by.is_empty())
        .map(|(name, setting)| {
            let value = if setting.default { "on" } else { "off" };
            Found::new(name, format!("is {value}, and no role may set it"))
        })
        .collect()
}

fn self_service(policy: &PolicySet) -> Vec<Found> {
    let administrators = administrators(policy);
    let mut found = BTreeSet::new();
    for (role, module, action, grants) in cells(policy) {
        for name in grants.iter().filter_map(|grant| grant.when.as_ref()) {
            let sets = policy
                .settings
                .get(name)
                .is_some_and(|setting| setting.set_by.contains(role));
            if sets && !administrators.contains(&role) {
                found.insert(Found::new(
                    name,
                    format!(
                        "role {role} sets it, and is granted {} in {module} while it is on",
                        action.name()
                    ),
                ));
            }
        }
    }
    found.into_iter().collect()
}

fn no_identity(policy: &PolicySet) -> Vec<Found> {
    match policy.no_identity {
        NoIdentity::Empty => vec![Found::new(
            "mapping.no_identity",
            "whoever isn't signed in sees no rows, and no error",
        )],
        NoIdentity::Error => Vec::new(),
    }
}

fn open(policy: &PolicySet) -> Vec<Found> {
    policy
        .tables
        .iter()
        .filter(|(_, placement)| **placement == Placement::Open)
        .map(|(table, _)| Found::new(table.to_string(), "is open"))
        .collect()
}

fn for_everybody(policy: &PolicySet) -> Vec<Found> {
    policy
        .restrictions
        .iter()
        .filter(|(_, restriction)| restriction.is_for_everybody())
        .map(|(name, restriction)| {
            Found::new(
                name,
                format!(
                    "narrows everybody in {}",
                    listed(restriction.modules.keys())
                ),
            )
        })
        .collect()
}
