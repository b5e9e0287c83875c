//! Rules about what may be written.

use std::collections::BTreeMap;

use super::{Found, Look, Rule, Severity, administrators, cells, is_all, listed};
use crate::action::Action;
use crate::policy_set::PolicySet;
use crate::row_policy::can_be_given;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL001",
        severity: Severity::Warning,
        title: "a role may delete",
        reason: "What is deleted is gone, with what hangs on it; most roles can do their work without.",
        remedy: "Take `delete` away, or let the role mark records as closed instead.",
        look: Look::Policy(deletes),
    },
    Rule {
        code: "CEL002",
        severity: Severity::Warning,
        title: "a role changes records that it can't read",
        reason: "PostgreSQL finds the rows of an UPDATE or a DELETE by reading them: without `read` or `claim` such a cell does nothing.",
        remedy: "Grant `read` for the same records, or take the cell away.",
        look: Look::Policy(writes_blindly),
    },
    Rule {
        code: "CEL003",
        severity: Severity::Warning,
        title: "a cell names an action that decides nothing in its module",
        reason: "Rows of a configuration module are written by `customise` alone, and those of other modules never; nobody can be given a record that has neither owner nor group.",
        remedy: "Grant the action that decides, or take the cell away.",
        look: Look::Policy(without_effect),
    },
    Rule {
        code: "CEL004",
        severity: Severity::Info,
        title: "a role may give any record to anybody",
        reason: "`assign` with the scope `all` and no bound `to` lets one person hand over everybody's records.",
        remedy: "Bound the new owner: `{ scope = \"…\", to = [\"reports\"] }`.",
        look: Look::Policy(gives_anything),
    },
    Rule {
        code: "CEL005",
        severity: Severity::Warning,
        title: "the last administrator can lose the role",
        reason: "Without `keep_last_holder` the last holder of a role that reaches everything can be deactivated or demoted; then only maintenance can help.",
        remedy: "Set `keep_last_holder = true` in `[roles.NAME]`.",
        look: Look::Policy(last_holder),
    },
    Rule {
        code: "CEL006",
        severity: Severity::Info,
        title: "no role reaches everything",
        reason: "What no role reaches is administered by maintenance roles only, past the policy.",
        remedy: "Add a role with `\"*\" = { \"*\" = [\"all\"] }`, if that isn't meant.",
        look: Look::Policy(no_administrator),
    },
];

fn deletes(policy: &PolicySet) -> Vec<Found> {
    let mut modules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (role, module, action, _) in cells(policy) {
        if action == Action::Delete {
            modules.entry(role).or_default().push(module);
        }
    }
    let found = |(role, modules): (&str, Vec<&str>)| {
        Found::new(role, format!("may delete in {}", listed(modules)))
    };
    modules.into_iter().map(found).collect()
}

fn writes_blindly(policy: &PolicySet) -> Vec<Found> {
    let has =
        |role: &str, module: &str, action: Action| !policy.grants(role, module, action).is_empty();
    cells(policy)
        .filter(|(role, module, action, _)| {
            matches!(action, Action::Update | Action::Delete | Action::Assign)
                && !has(role, module, Action::Read)
                && !has(role, module, Action::Claim)
        })
        .map(|(role, module, action, _)| {
            Found::new(
                format!("{role}.{module}"),
                format!("grants {} and no read", action.name()),
            )
        })
        .collect()
}

fn without_effect(policy: &PolicySet) -> Vec<Found> {
    let administrators = administrators(policy);
    let mut found = Vec::new();
    for (role, name, action, _) in cells(policy) {
        // Who reaches everything is given every action by a wildcard, in later modules too.
        let Some(module) = policy
            .modules
            .get(name)
            .filter(|_| !administrators.contains(&role))
        else {
            continue;
        };
        let nothing = match action {
            Action::Customise => !module.configuration,
            Action::Create | Action::Update | Action::Delete => {
                module.configuration && policy.grants(role, name, Action::Customise).is_empty()
            }
            Action::Assign => !can_be_given(module),
            Action::Claim => module.owners.is_empty(),
            Action::Read | Action::Import | Action::Export => false,
        };
        if nothing {
            found.push(Found::new(
                format!("{role}.{name}"),
                format!("{} decides nothing in {name}", action.name()),
            ));
        }
    }
    found
}

fn gives_anything(policy: &PolicySet) -> Vec<Found> {
    let administrators = administrators(policy);
    cells(policy)
        .filter(|(role, _, action, grants)| {
            *action == Action::Assign
                && !administrators.contains(role)
                && grants
                    .iter()
                    .any(|grant| is_all(grant) && grant.to.is_none())
        })
        .map(|(role, module, ..)| {
            Found::new(
                format!("{role}.{module}"),
                "assign reaches all records, to anybody",
            )
        })
        .collect()
}

fn last_holder(policy: &PolicySet) -> Vec<Found> {
    administrators(policy)
        .into_iter()
        .filter(|role| {
            policy
                .roles
                .get(*role)
                .is_some_and(|role| !role.keep_last_holder && role.implied_by.is_empty())
        })
        .map(|role| Found::new(role, "reaches everything, and its last holder can lose it"))
        .collect()
}

fn no_administrator(policy: &PolicySet) -> Vec<Found> {
    if administrators(policy).is_empty() {
        vec![Found::new("permissions", "no role reaches everything")]
    } else {
        Vec::new()
    }
}
