//! The matrix as a table: byte-stable, so that two of them can be compared.

use std::collections::{BTreeMap, BTreeSet};

use super::Depth;
use crate::action::Action;
use crate::policy_set::{Grant, PolicySet};

/// What a role is granted in a module for an action, under one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The role.
    pub role: String,
    /// The module.
    pub module: String,
    /// The action.
    pub action: Action,
    /// The scopes, sorted.
    pub scopes: Vec<String>,
    /// The setting that must be on.
    pub when: Option<String>,
    /// How far the scopes reach.
    pub depth: Depth,
}

/// The whole matrix, in the order of roles, modules, actions and settings.
pub fn lines(policy: &PolicySet) -> Vec<Line> {
    let mut lines = Vec::new();
    for (role, modules) in &policy.permissions {
        for (module, actions) in modules {
            for (action, grants) in actions.iter() {
                let mut by_setting: BTreeMap<Option<&str>, (BTreeSet<String>, Depth)> =
                    BTreeMap::new();
                for grant in grants {
                    let entry = by_setting
                        .entry(grant.when.as_deref())
                        .or_insert_with(|| (BTreeSet::new(), Depth::None));
                    entry.0.insert(scope(grant));
                    entry.1 = entry.1.max(Depth::of(grant));
                }
                lines.extend(by_setting.into_iter().map(|(when, (scopes, depth))| Line {
                    role: role.clone(),
                    module: module.clone(),
                    action: *action,
                    scopes: scopes.into_iter().collect(),
                    when: when.map(str::to_owned),
                    depth,
                }));
            }
        }
    }
    lines
}

/// A scope with what bounds it, beside its setting: `reports to reports`, `all up to 100 rows`.
pub(super) fn scope(grant: &Grant) -> String {
    let mut text = grant.scope.name();
    if let Some(to) = &grant.to {
        let to: Vec<&str> = to.iter().map(|scope| scope.name()).collect();
        text.push_str(&format!(" to {}", to.join("|")));
    }
    if let Some(rows) = grant.rows {
        text.push_str(&format!(" up to {rows} rows"));
    }
    text
}
