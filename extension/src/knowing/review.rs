//! `celador.access_review()`: what everybody may do, for somebody to look through.

use celador_policy::matrix::Depth;
use celador_policy::policy_set::CellRef;
use celador_policy::{Access, Action, PolicySet};
use pgrx::prelude::*;

use super::{catalog, everybody, live};

/// The actions that write.
const WRITES: [Action; 7] = [
    Action::Create,
    Action::Update,
    Action::Delete,
    Action::Assign,
    Action::Claim,
    Action::Import,
    Action::Customise,
];

/// `celador.access_review()`: a line for each user, the deactivated too: roles with where they come
/// from, groups, settings that are on, restrictions that apply, and how far reading and writing
/// reach, by module.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn access_review() -> TableIterator<
    'static,
    (
        name!(user, String),
        name!(login, Option<String>),
        name!(active, bool),
        name!(roles, Vec<String>),
        name!(groups, Vec<String>),
        name!(settings, Vec<String>),
        name!(restrictions, Vec<String>),
        name!(reads, Vec<String>),
        name!(writes, Vec<String>),
    ),
> {
    let catalog = catalog();
    let policy = live(&catalog);
    let everybody = everybody::everybody(&catalog, policy);
    let mut rows: Vec<_> = everybody
        .people()
        .iter()
        .enumerate()
        .map(|(id, person)| {
            let access = everybody.access(policy, id);
            let names = access.facts().group_nodes.iter();
            let groups = everybody.groups_of(id).into_iter();
            let mut groups: Vec<String> = groups.map(str::to_owned).collect();
            for group in &mut groups {
                let node = names.clone().find(|node| node.key == *group);
                if let Some(name) = node.and_then(|node| node.name.as_ref()) {
                    *group = format!("{group} ({name})");
                }
            }
            (
                person.user.clone(),
                person.login().cloned(),
                person.active,
                roles(&access),
                groups,
                settings(policy, &access),
                restrictions(policy, &access),
                reach(policy, &access, &[Action::Read]),
                reach(policy, &access, &WRITES),
            )
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    TableIterator::new(rows)
}

fn roles(access: &Access) -> Vec<String> {
    access
        .roles_with_groups()
        .map(|(role, group)| match group {
            Some(group) => format!("{role} through group {group}"),
            None => role.to_owned(),
        })
        .collect()
}

fn settings(policy: &PolicySet, access: &Access) -> Vec<String> {
    let on = policy.settings.keys().filter(|name| access.setting(name));
    on.cloned().collect()
}

fn restrictions(policy: &PolicySet, access: &Access) -> Vec<String> {
    policy
        .restrictions
        .iter()
        .filter(|(name, restriction)| {
            restriction
                .actions
                .iter()
                .any(|action| access.restricted(policy, name, &CellRef::Action(*action)))
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// `module: depth` for each module in which one of the actions reaches something.
fn reach(policy: &PolicySet, access: &Access, actions: &[Action]) -> Vec<String> {
    policy
        .modules
        .keys()
        .filter_map(|module| {
            let depth = actions
                .iter()
                .flat_map(|action| access.grants(policy, module, *action))
                .filter(|held| held.counts)
                .map(|held| Depth::of(held.grant))
                .max()?;
            Some(format!("{module}: {}", depth.name()))
        })
        .collect()
}
