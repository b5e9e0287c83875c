//! Nobody gives more than he or she holds (X.8): who may hand out a role.

use std::collections::BTreeSet;

use crate::access::Access;
use crate::action::Action;
use crate::document::ScopeName;
use crate::policy_set::{CellRef, Grant, GrantScope, PolicySet};

/// Whether `giver` may hand out `role`, and what it may complete: each of their cells is covered
/// by cells of the giver's (X.8). Grants are compared as written: the same scope, with the same
/// condition or none, or `all`. A cell in which a restriction narrows the giver covers nothing,
/// unless it narrows everybody.
pub fn covers_role(policy: &PolicySet, giver: &Access, role: &str) -> bool {
    with_implied(policy, role)
        .into_iter()
        .filter_map(|role| policy.permissions.get(role))
        .flatten()
        .all(|(module, actions)| {
            actions
                .iter()
                .all(|(&action, grants)| covers_cell(policy, giver, module, action, grants))
        })
}

/// Whether a record of `from` that points to one of `to` brings that one into somebody's reach: then
/// pointing is giving, and nobody points to what he or she doesn't read (X.8).
pub fn pointing_gives(policy: &PolicySet, from: &str, to: &str) -> bool {
    policy
        .permissions
        .values()
        .filter_map(|modules| modules.get(to))
        .flat_map(|actions| actions.values())
        .flatten()
        .any(|grant| match &grant.scope {
            GrantScope::Related(via) => via.module.as_deref().is_none_or(|only| only == from),
            GrantScope::Plain(_) | GrantScope::Parent(_) | GrantScope::Rule(_) => false,
        })
}

/// The role, and every one that holding it may complete.
fn with_implied<'a>(policy: &'a PolicySet, role: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::from([role]);
    loop {
        let more: Vec<&str> = policy
            .roles
            .iter()
            .filter(|(name, rule)| {
                !found.contains(name.as_str())
                    && rule
                        .implied_by
                        .iter()
                        .any(|needed| found.contains(needed.as_str()))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn covers_cell(
    policy: &PolicySet,
    giver: &Access,
    module: &str,
    action: Action,
    grants: &[Grant],
) -> bool {
    let narrowed = policy.restrictions_on(module).any(|(name, _)| {
        !policy.restrictions[name].is_for_everybody()
            && giver.restricted(policy, name, &CellRef::Action(action))
    });
    let held: Vec<&Grant> = giver
        .grants(policy, module, action)
        .filter(|held| held.counts)
        .map(|held| held.grant)
        .collect();
    grants.is_empty()
        || !narrowed
            && grants
                .iter()
                .all(|given| held.iter().any(|mine| covers(mine, given)))
}

fn covers(mine: &Grant, given: &Grant) -> bool {
    let wide_enough = mine.scope == GrantScope::Plain(ScopeName::All) || mine.scope == given.scope;
    let bounded = mine.to.is_none() || mine.to == given.to;
    let many_enough = mine
        .rows
        .is_none_or(|most| given.rows.is_some_and(|rows| rows <= most));
    wide_enough && bounded && many_enough
}
