//! Rules about how much is granted to how many.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, Look, Rule, Severity, administrators, cells, is_all, listed};
use crate::action::Action;
use crate::matrix::field_lines;
use crate::policy_set::PolicySet;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL031",
        severity: Severity::Info,
        title: "most roles read all of a module that has owners",
        reason: "Its records have owners, groups or creators, and most roles don't ask for them: row security does little there.",
        remedy: "Narrow `all` to `own`, `group` or `reports`, or place the table as `readable`.",
        look: Look::Policy(read_by_most),
    },
    Rule {
        code: "CEL032",
        severity: Severity::Warning,
        title: "export of everything, beside administrators",
        reason: "Who exports all records of a module can carry it away.",
        remedy: "Narrow the scope, or leave `export` out and read up to a number: `read = [{ scope = \"all\", rows = 1000 }]`.",
        look: Look::Policy(exports_all),
    },
    Rule {
        code: "CEL033",
        severity: Severity::Warning,
        title: "most roles import",
        reason: "Bulk loads make many records at once; few people need them.",
        remedy: "Leave `import` to the roles that load data.",
        look: Look::Policy(import_by_most),
    },
    Rule {
        code: "CEL034",
        severity: Severity::Warning,
        title: "most roles export",
        reason: "Bulk extracts take data out of reach of the policy; few people need them.",
        remedy: "Leave `export` to the roles that need it.",
        look: Look::Policy(export_by_most),
    },
    Rule {
        code: "CEL035",
        severity: Severity::Warning,
        title: "most roles see personal data in clear",
        reason: "A field that is tagged `personal` is for few: the others need to know that it is there, or a part of it.",
        remedy: "Grant another rendering, such as `partial(0,4)` or `null`, or `clear` for one's own records alone.",
        look: Look::Policy(personal_to_most),
    },
];

/// More than half of the roles, and at least three, beside those that reach everything.
fn are_most(policy: &PolicySet, roles: usize) -> bool {
    let others = policy
        .roles
        .len()
        .saturating_sub(administrators(policy).len());
    roles >= 3 && roles * 2 > others
}

/// Module → the roles beside administrators for which `wanted` holds in the cell.
fn roles_by_module(
    policy: &PolicySet,
    action: Action,
    wanted: impl Fn(&[crate::policy_set::Grant]) -> bool,
) -> BTreeMap<&str, BTreeSet<&str>> {
    let administrators = administrators(policy);
    let mut roles: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (role, module, of, grants) in cells(policy) {
        if of == action && !administrators.contains(&role) && wanted(grants) {
            roles.entry(module).or_default().insert(role);
        }
    }
    roles
}

fn read_by_most(policy: &PolicySet) -> Vec<Found> {
    roles_by_module(policy, Action::Read, |grants| grants.iter().any(is_all))
        .into_iter()
        .filter(|(module, roles)| {
            let narrowable = policy.modules.get(*module).is_some_and(|module| {
                !module.owners.is_empty() || !module.groups.is_empty() || module.creator.is_some()
            });
            narrowable && are_most(policy, roles.len())
        })
        .map(|(module, roles)| Found::new(module, format!("{} read all of it", listed(roles))))
        .collect()
}

fn exports_all(policy: &PolicySet) -> Vec<Found> {
    roles_by_module(policy, Action::Export, |grants| grants.iter().any(is_all))
        .into_iter()
        .map(|(module, roles)| Found::new(module, format!("{} export all of it", listed(roles))))
        .collect()
}

fn by_most(policy: &PolicySet, action: Action) -> Vec<Found> {
    let by_module = roles_by_module(policy, action, |_| true);
    let roles: BTreeSet<&str> = by_module.into_values().flatten().collect();
    if are_most(policy, roles.len()) {
        let found = format!("{} may {} somewhere", listed(&roles), action.name());
        vec![Found::new(action.name(), found)]
    } else {
        Vec::new()
    }
}

fn import_by_most(policy: &PolicySet) -> Vec<Found> {
    by_most(policy, Action::Import)
}

fn export_by_most(policy: &PolicySet) -> Vec<Found> {
    by_most(policy, Action::Export)
}

fn personal_to_most(policy: &PolicySet) -> Vec<Found> {
    let administrators = administrators(policy);
    let mut seen: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for line in field_lines(policy, |field| field.tags.contains("personal")) {
        if line.rendering == "clear" && !administrators.contains(&line.role.as_str()) {
            let field = seen.entry((line.module, line.field)).or_default();
            field.insert(line.role);
        }
    }
    seen.into_iter()
        .filter(|(_, roles)| are_most(policy, roles.len()))
        .map(|((module, field), roles)| {
            let roles = listed(roles.iter().map(String::as_str));
            Found::new(
                &module,
                format!("field \"{field}\" is seen in clear by {roles}"),
            )
        })
        .collect()
}
