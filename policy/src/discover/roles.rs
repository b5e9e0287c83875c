//! Who holds which role, and which roles of the presets those may be.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::groups::is_role;
use super::guess::{Certainty, Guesses};
use super::names::Name;
use super::references::Reference;
use super::words;
use super::{Answer, Question};
use crate::document::RoleSource;
use crate::schema::TableName;

/// Where roles are held.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// Tables of which each row gives somebody a role.
    pub(super) held: Vec<TableName>,
    /// Tables of which each row is a role.
    pub(super) tables: Vec<TableName>,
    pub(super) sources: Vec<RoleSource>,
}

type Ask<'a> = dyn FnMut(&Question) -> Vec<Answer> + 'a;

impl Roles {
    pub(super) fn find(ground: &Ground<'_>, ask: &mut Ask<'_>, guesses: &mut Guesses) -> Self {
        let mut roles = Self::default();
        let Some(people) = &ground.people else {
            return roles;
        };
        let tables = ground.roots().map(|(name, _)| name);
        roles.tables = tables
            .filter(|name| is_role(ground, name) && !ground.is_group(name))
            .cloned()
            .collect();
        for (name, table) in ground.roots() {
            if people.has(name) || roles.tables.contains(name) || table.name.has(words::HISTORY) {
                continue;
            }
            let telling = ground.telling(name);
            let mut users = telling.iter().filter(|r| people.key_of(r).is_some());
            let (Some(user), None) = (users.next(), users.next()) else {
                continue;
            };
            let role = telling.iter().find(|r| roles.tables.contains(&r.table));
            let told = table.column_named(words::ROLE_COLUMN);
            if let (Some(role), 2) = (role, telling.len()) {
                let map = named_map(ground, &role.table, ask);
                let source = held_by(ground, name, user, &role.column, map);
                let reason = format!("{}; {}", user.shown_by(), role.shown_by());
                note(
                    guesses,
                    name,
                    &source,
                    Certainty::of(user.declared && role.declared),
                    reason,
                );
                roles.sources.push(source);
                roles.held.push(name.clone());
            } else if let (Some(column), true) = (told, table.name.has(words::ROLE_ONLY)) {
                roles.told(ground, name, user, column, ask, guesses);
                roles.held.push(name.clone());
            }
        }
        roles.of_person(ground, ask, guesses);
        // A source that gives no role says nothing.
        roles.sources.retain(|source| !source.map.is_empty());
        roles
    }

    /// A table such as `user_roles` with a role's name, held by a person or by a group.
    fn told(
        &mut self,
        ground: &Ground<'_>,
        table: &TableName,
        user: &Reference,
        column: &str,
        ask: &mut Ask<'_>,
        guesses: &mut Guesses,
    ) {
        let map = value_map(ground, table, column, ask);
        let group = ground
            .references
            .of(table)
            .iter()
            .find(|r| ground.is_group(&r.table));
        let mut source = held_by(ground, table, user, column, map.clone());
        if let Some(group) = group {
            source.filter = Some(format!("{} IS NOT NULL", user.column));
            let of_group = RoleSource {
                user: None,
                user_key: None,
                group: Some(group.column.clone()),
                filter: Some(format!("{} IS NOT NULL", group.column)),
                ..source.clone()
            };
            note(
                guesses,
                table,
                &of_group,
                Certainty::of(group.declared),
                group.shown_by(),
            );
            self.sources.push(of_group);
        }
        note(
            guesses,
            table,
            &source,
            Certainty::of(user.declared),
            user.shown_by(),
        );
        self.sources.push(source);
    }

    /// Columns of the people's own table.
    fn of_person(&mut self, ground: &Ground<'_>, ask: &mut Ask<'_>, guesses: &mut Guesses) {
        let Some(people) = &ground.people else { return };
        let table = &people.person;
        let facts = ground.table(table);
        let Some(key) = facts.key() else { return };
        let source = |role: &str, map| RoleSource {
            table: ground.catalog.written(table),
            user: Some(key.to_owned()),
            user_key: None,
            group: None,
            role: role.to_owned(),
            map,
            filter: None,
        };
        if let Some(column) = facts.column_named(words::ROLE_COLUMN)
            && ground.references.of_column(table, column).is_none()
        {
            let source = source(column, value_map(ground, table, column, ask));
            let reason = format!(
                "a column of that name; the values were read from {}",
                table.name
            );
            note(guesses, table, &source, Certainty::Likely, reason);
            self.sources.push(source);
        }
        let to_role = ground
            .references
            .of(table)
            .iter()
            .find(|r| self.tables.contains(&r.table));
        if let Some(role) = to_role {
            let source = source(&role.column, named_map(ground, &role.table, ask));
            note(
                guesses,
                table,
                &source,
                Certainty::of(role.declared),
                role.shown_by(),
            );
            self.sources.push(source);
        }
        if let Some(column) = facts
            .column_named(words::ADMINISTRATOR)
            .filter(|column| facts.is_bool(column))
        {
            let map = BTreeMap::from([("true".to_owned(), "administrator".to_owned())]);
            let source = source(column, map);
            note(
                guesses,
                table,
                &source,
                Certainty::Likely,
                "a boolean of that name",
            );
            self.sources.push(source);
        }
    }
}

fn held_by(
    ground: &Ground<'_>,
    table: &TableName,
    user: &Reference,
    role: &str,
    map: BTreeMap<String, String>,
) -> RoleSource {
    RoleSource {
        table: ground.catalog.written(table),
        user: Some(user.column.clone()),
        user_key: ground
            .people
            .as_ref()
            .and_then(|people| people.written_key(user)),
        group: None,
        role: role.to_owned(),
        map,
        filter: None,
    }
}

fn note(
    guesses: &mut Guesses,
    table: &TableName,
    source: &RoleSource,
    certainty: Certainty,
    reason: impl Into<String>,
) {
    let holder = source
        .user
        .as_ref()
        .or(source.group.as_ref())
        .cloned()
        .unwrap_or_default();
    let value = format!("{holder}, {}", source.role);
    if source.map.is_empty() {
        let reason =
            "none of its values is called like a role of the presets, or they can't be read";
        guesses.add(table, "roles_held", value, Certainty::Guess, reason);
        return;
    }
    guesses.add(table, "roles_held", value, certainty, reason);
    for (value, role) in &source.map {
        let reason =
            "its name is like that of the preset's role; what it may do there, only you know";
        guesses.add(
            table,
            "roles_held.map",
            format!("{value} = {role}"),
            Certainty::Likely,
            reason,
        );
    }
}

/// Which preset's role a name may be.
fn role_called(name: &str) -> Option<&'static str> {
    let name = Name::of_table(name);
    let mut roles = words::ROLES.iter();
    roles
        .find(|(_, called)| name.is(called))
        .map(|(role, _)| *role)
}

/// Values of a column → role.
fn value_map(
    ground: &Ground<'_>,
    table: &TableName,
    column: &str,
    ask: &mut Ask<'_>,
) -> BTreeMap<String, String> {
    let facts = ground.table(table);
    let values: Vec<String> = match facts.clues.labels.get(column) {
        Some(labels) => labels.clone(),
        None => {
            let question = Question {
                table: table.clone(),
                column: column.to_owned(),
                label: None,
                separator: None,
            };
            ask(&question)
                .into_iter()
                .map(|answer| answer.value)
                .collect()
        }
    };
    let roles = values
        .into_iter()
        .filter_map(|value| Some((value.clone(), role_called(&value)?.to_owned())));
    roles.collect()
}

/// Keys of a table of roles → role, by their names.
fn named_map(
    ground: &Ground<'_>,
    table: &TableName,
    ask: &mut Ask<'_>,
) -> BTreeMap<String, String> {
    let facts = ground.table(table);
    let (Some(key), Some(name)) = (
        facts.key(),
        facts.column_named(&["name", "role", "role_name", "title", "code"]),
    ) else {
        return BTreeMap::new();
    };
    let question = Question {
        table: table.clone(),
        column: key.to_owned(),
        label: Some(name.to_owned()),
        separator: None,
    };
    ask(&question)
        .into_iter()
        .filter_map(|answer| {
            Some((
                answer.value,
                role_called(answer.label.as_deref()?)?.to_owned(),
            ))
        })
        .collect()
}
