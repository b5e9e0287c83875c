//! Nobody gives more than he or she holds (X.8): who may hand out a role.

use std::collections::BTreeSet;

use crate::access::Access;
use crate::action::Action;
use crate::document::ScopeName;
use crate::field::FieldRight;
use crate::policy_set::{CellRef, Grant, GrantScope, PolicySet};

/// Whether `giver` may hand out `role`, and what it may complete: each of their cells is covered
/// by cells of the giver's (X.8). Grants are compared as written: the same scope, with the same
/// condition or none, or `all`. A cell in which a restriction narrows the giver covers nothing,
/// unless it narrows everybody.
pub fn covers_role(policy: &PolicySet, giver: &Access, role: &str) -> bool {
    with_implied(policy, role)
        .into_iter()
        .all(|role| covers_cells(policy, giver, role) && covers_fields(policy, giver, role))
}

fn covers_cells(policy: &PolicySet, giver: &Access, role: &str) -> bool {
    let modules = policy.permissions.get(role).into_iter().flatten();
    modules.into_iter().all(|(module, actions)| {
        let mut actions = actions.iter();
        actions.all(|(&action, grants)| covers_cell(policy, giver, module, action, grants))
    })
}

/// What the role shows of a field is shown to the giver as well: so, or in a more revealing way.
fn covers_fields(policy: &PolicySet, giver: &Access, role: &str) -> bool {
    let modules = policy.field_permissions.get(role).into_iter().flatten();
    modules.into_iter().all(|(module, _)| {
        policy
            .field_grants(role, module)
            .all(|(field, right, grants)| {
                let rights = as_revealing(policy, module, field, right);
                let held: Vec<&Grant> = rights
                    .iter()
                    .flat_map(|right| giver.field_grants(policy, module, field, right))
                    .filter(|held| held.counts)
                    .map(|held| held.grant)
                    .collect();
                let mut grants = grants.iter();
                grants.all(|given| held.iter().any(|mine| covers(mine, given)))
            })
    })
}

/// The rights to the field that give what this one gives.
fn as_revealing<'a>(
    policy: &'a PolicySet,
    module: &str,
    field: &str,
    right: &'a FieldRight,
) -> Vec<FieldRight> {
    match right {
        FieldRight::Write => vec![FieldRight::Write],
        FieldRight::Shown(rendering) => {
            let fields = policy
                .fields
                .get(module)
                .and_then(|fields| fields.get(field));
            let listed = fields.map_or(&[][..], |field| &field.renderings);
            let upto = listed.iter().position(|listed| listed == rendering);
            let as_revealing = upto.map_or(&[][..], |at| &listed[..=at]);
            as_revealing
                .iter()
                .cloned()
                .map(FieldRight::Shown)
                .collect()
        }
    }
}

/// Whether a record of `from` that points to one of `to` brings that one into somebody's reach: then
/// pointing is giving, and nobody points to what he or she doesn't read (X.8).
pub fn pointing_gives(policy: &PolicySet, from: &str, to: &str) -> bool {
    let cells = (policy.permissions.values()).filter_map(|modules| modules.get(to));
    let fields = (policy.field_permissions.values()).filter_map(|modules| modules.get(to));
    let rights = fields.flat_map(|fields| fields.values());
    cells
        .flat_map(|actions| actions.values())
        .chain(rights.flat_map(|rights| rights.values()))
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
