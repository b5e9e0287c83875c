//! Rules about the matrix as a whole: what is said and means nothing, and what nobody reaches.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, Look, Rule, Severity, cells, listed};
use crate::action::Action;
use crate::policy_set::{GrantScope, PolicySet};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL011",
        severity: Severity::Warning,
        title: "nobody can read a module",
        reason: "A module that no role reads is closed; often its line in the matrix was forgotten.",
        remedy: "Grant `read` to a role, or place the tables as `closed`.",
        look: Look::Policy(unread),
    },
    Rule {
        code: "CEL012",
        severity: Severity::Warning,
        title: "a role grants nothing",
        reason: "Who holds only this role gets no rows, and no error that says why.",
        remedy: "Add permissions to the role, or remove it.",
        look: Look::Policy(empty_role),
    },
    Rule {
        code: "CEL013",
        severity: Severity::Warning,
        title: "the matrix names what the mapping lacks",
        reason: "What is said of an unmapped module or field grants nothing.",
        remedy: "Map it, or correct the name.",
        look: Look::Policy(unmapped),
    },
    Rule {
        code: "CEL014",
        severity: Severity::Info,
        title: "a rule is never used",
        reason: "A rule opens rows only where a cell names it as a scope.",
        remedy: "Name it in a cell as `rule:NAME`, or remove it.",
        look: Look::Policy(unused_rule),
    },
    Rule {
        code: "CEL015",
        severity: Severity::Warning,
        title: "a restriction narrows nothing",
        reason: "No role grants the restriction's actions in its modules, so it never takes anything away.",
        remedy: "Correct its module or its actions, or remove it.",
        look: Look::Policy(idle_restriction),
    },
    Rule {
        code: "CEL016",
        severity: Severity::Info,
        title: "two roles grant exactly the same",
        reason: "A change to one that forgets the other takes rights from people by surprise.",
        remedy: "Keep one of them, or make them differ.",
        look: Look::Policy(twins),
    },
    Rule {
        code: "CEL017",
        severity: Severity::Warning,
        title: "a module's records have no key",
        reason: "Without a key nothing can hang on a record, be shared, or be explained.",
        remedy: "Give the tables a primary key, or map one: `mapping.modules.NAME.key`.",
        look: Look::Policy(keyless),
    },
];

fn unread(policy: &PolicySet) -> Vec<Found> {
    let read: BTreeSet<&str> = cells(policy)
        .filter(|(_, _, action, _)| matches!(action, Action::Read | Action::Claim))
        .map(|(_, module, ..)| module)
        .collect();
    policy
        .modules
        .keys()
        .filter(|module| !read.contains(module.as_str()))
        .map(|module| Found::new(module, "no role reads it"))
        .collect()
}

fn empty_role(policy: &PolicySet) -> Vec<Found> {
    let granting: BTreeSet<&str> = cells(policy).map(|(role, ..)| role).collect();
    policy
        .roles
        .keys()
        .filter(|role| !granting.contains(role.as_str()))
        .map(|role| Found::new(role, "grants nothing in any module"))
        .collect()
}

fn unmapped(policy: &PolicySet) -> Vec<Found> {
    let found = |name: &String| Found::new(name, "the mapping lacks it");
    policy.unmapped.iter().map(found).collect()
}

fn unused_rule(policy: &PolicySet) -> Vec<Found> {
    let used: BTreeSet<&str> = cells(policy)
        .flat_map(|(_, _, _, grants)| grants)
        .filter_map(|grant| match &grant.scope {
            GrantScope::Rule(rule) => Some(rule.as_str()),
            GrantScope::Plain(_) | GrantScope::Parent(_) | GrantScope::Related(_) => None,
        })
        .collect();
    let known: BTreeSet<&str> = policy
        .modules
        .values()
        .flat_map(|module| module.rules.keys())
        .map(String::as_str)
        .collect();
    known
        .difference(&used)
        .map(|rule| Found::new(*rule, "no cell names it"))
        .collect()
}

fn idle_restriction(policy: &PolicySet) -> Vec<Found> {
    policy
        .restrictions
        .iter()
        .filter(|(_, restriction)| {
            !cells(policy).any(|(_, module, action, _)| {
                restriction.modules.contains_key(module) && restriction.actions.contains(&action)
            })
        })
        .map(|(name, restriction)| {
            let modules = listed(restriction.modules.keys());
            Found::new(
                name,
                format!("no role grants any of its actions in {modules}"),
            )
        })
        .collect()
}

fn twins(policy: &PolicySet) -> Vec<Found> {
    let mut by_cells: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (role, modules) in &policy.permissions {
        let granted: Vec<_> = modules
            .iter()
            .flat_map(|(module, actions)| actions.iter().map(move |cell| (module, cell)))
            .filter(|(_, (_, grants))| !grants.is_empty())
            .collect();
        if !granted.is_empty() {
            by_cells
                .entry(format!("{granted:?}"))
                .or_default()
                .push(role);
        }
    }
    by_cells
        .into_values()
        .filter(|roles| roles.len() > 1)
        .map(|roles| {
            Found::new(
                roles[0],
                format!("grants what {} grants", listed(&roles[1..])),
            )
        })
        .collect()
}

fn keyless(policy: &PolicySet) -> Vec<Found> {
    policy
        .modules
        .iter()
        // Celador's own tables of memberships, roles held, shares and settings need none.
        .filter(|(_, module)| {
            module.key.is_none() && module.tables.iter().any(|table| table.schema != "celador")
        })
        .map(|(name, _)| Found::new(name, "its tables have no key of one column"))
        .collect()
}
