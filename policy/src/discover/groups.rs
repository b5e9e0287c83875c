//! The groups of people, their tree, and who is in which.

use super::ground::Ground;
use super::guess::{Certainty, Guesses};
use super::references::Reference;
use super::words;
use crate::document::{GroupSource, MembershipSource};
use crate::schema::TableName;

/// The groups as they were found.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) table: TableName,
    /// The table of memberships, where it is one of its own.
    pub(super) link: Option<TableName>,
    pub(super) source: GroupSource,
    pub(super) memberships: Option<MembershipSource>,
}

/// A table that tells who is in which group.
struct Membership<'a> {
    table: &'a TableName,
    user: &'a Reference,
    group: &'a Reference,
    is_link: bool,
}

impl Groups {
    pub(super) fn find(ground: &Ground<'_>, guesses: &mut Guesses) -> Option<Self> {
        let people = ground.people.as_ref()?;
        let mut best: Option<(usize, &TableName)> = None;
        for (name, table) in ground.roots() {
            let rank = words::GROUP
                .iter()
                .position(|word| table.name.ends_with(&[word]) > 0);
            let (Some(rank), Some(_)) = (rank, table.key()) else {
                continue;
            };
            if people.has(name) || is_role(ground, name) {
                continue;
            }
            let Some(membership) = membership(ground, name) else {
                continue;
            };
            let mut filed: Vec<&TableName> =
                ground.references.to(name).map(|(table, _)| table).collect();
            filed.dedup();
            let score = (words::GROUP.len() - rank) * 2
                + usize::from(membership.is_link) * 8
                + filed.len().min(12);
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, name));
            }
        }
        let table = best?.1;
        let membership = membership(ground, table)?;
        let facts = ground.table(table);
        let declared = membership.user.declared && membership.group.declared;
        let reason = format!("{} says which people are in which", membership.table.name);
        guesses.add(
            table,
            "groups.table",
            &table.name,
            Certainty::of(declared).min(Certainty::Likely),
            reason,
        );
        let above = ground
            .references
            .of(table)
            .iter()
            .find(|r| r.table == *table);
        if let Some(above) = above {
            guesses.add(
                table,
                "groups.parent",
                &above.column,
                Certainty::of(above.declared),
                above.shown_by(),
            );
        }
        let reason = format!(
            "{}; {}",
            membership.user.shown_by(),
            membership.group.shown_by()
        );
        let value = format!("{}, {}", membership.user.column, membership.group.column);
        guesses.add(
            membership.table,
            "memberships",
            value,
            Certainty::of(declared && membership.is_link),
            reason,
        );
        let user = if membership.is_link {
            membership.user.column.clone()
        } else {
            ground.table(membership.table).key()?.to_owned()
        };
        Some(Self {
            link: membership.is_link.then(|| membership.table.clone()),
            memberships: Some(MembershipSource {
                table: ground.catalog.written(membership.table),
                user,
                user_key: if membership.is_link {
                    people.written_key(membership.user)
                } else {
                    None
                },
                group: membership.group.column.clone(),
                filter: None,
            }),
            source: GroupSource {
                table: ground.catalog.written(table),
                key: facts.key()?.to_owned(),
                name: facts.column_named(&["name", "title"]).map(str::to_owned),
                parent: above.map(|above| above.column.clone()),
                filter: None,
            },
            table: table.clone(),
        })
    }
}

/// Rights hang on roles, people and records on groups: both may be called group.
pub(super) fn is_role(ground: &Ground<'_>, table: &TableName) -> bool {
    let name = &ground.table(table).name;
    let mut telling = ground.telling(table).into_iter();
    name.ends_with(words::ROLE) > 0
        && !telling.any(|reference| ground.person_key(reference).is_some())
        && !ground
            .people
            .as_ref()
            .is_some_and(|people| people.has(table))
        && (name.ends_with(words::ROLE_ONLY) > 0
            || ground
                .references
                .to(table)
                .any(|(of, _)| ground.table(of).name.has(words::ROLE_RIGHT)))
}

/// The table that tells who is in which group: a link table, or the people's own.
fn membership<'a>(ground: &'a Ground<'_>, group: &'a TableName) -> Option<Membership<'a>> {
    let people = ground.people.as_ref()?;
    let mut found: Option<(usize, Membership<'a>)> = None;
    for (table, to_group) in ground.references.to(group) {
        if table == group || people.has(table) || ground.table(table).name.has(words::ROLE_ONLY) {
            continue;
        }
        let telling = ground.telling(table);
        let mut users = telling
            .iter()
            .filter(|r| people.key_of(r).is_some() && r.table != *group);
        let (Some(user), None) = (users.next(), users.next()) else {
            continue;
        };
        if telling.len() != 2 || ground.substance(table) > 4 {
            continue;
        }
        let name = &ground.table(table).name;
        let fits = usize::from(name.continues(&ground.table(group).name)) * 2
            + usize::from(name.has(&["member", "membership", "user"])) * 2
            + usize::from(people.has(&user.table));
        if fits >= 2 && found.as_ref().is_none_or(|(most, _)| fits > *most) {
            found = Some((
                fits,
                Membership {
                    table,
                    user,
                    group: to_group,
                    is_link: true,
                },
            ));
        }
    }
    if let Some((_, membership)) = found {
        return Some(membership);
    }
    let own = ground
        .references
        .of(&people.person)
        .iter()
        .find(|r| r.table == *group)?;
    Some(Membership {
        table: &people.person,
        user: own,
        group: own,
        is_link: false,
    })
}
