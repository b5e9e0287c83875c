//! The SQL that reads the whole directory, table by table and without joins: what questions about
//! everybody are answered from.

use super::fragment::{Typed, from, said_as, where_all};
use super::sql::active;
use super::{Directory, Holder, Source, Supervision, Told, ToldElsewhere};
use crate::policy_set::Column;

/// A statement over one table, and which of the person's keys its first column holds; `None`: a
/// group's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The statement: `(holder, value)`, both text.
    pub sql: String,
    /// The name of the key.
    pub key: Option<String>,
}

/// Lists the people: user, login, whether active, the supervisor, then the keys and the attributes
/// of the users' table, in the order of their names. All text but the third; what another table
/// tells is NULL.
///
/// ```sql
/// SELECT CAST(u."id" AS pg_catalog.text), …, COALESCE(u."active", false), CAST(u."boss" AS pg_catalog.text), …
/// FROM "crm"."people" AS u WHERE true
/// ```
pub fn people(directory: &Directory) -> String {
    let users = &directory.users;
    let text = |column: Option<&Column>| {
        column.map_or_else(
            || "NULL::pg_catalog.text".to_owned(),
            |column| Typed::column("u", column).text(),
        )
    };
    let supervisor = match &users.supervision {
        Some(Supervision::Column(supervisor)) => Some(&supervisor.column),
        Some(Supervision::Table(_)) | None => None,
    };
    let mut columns = vec![
        text(Some(&users.keys["user"])),
        text(users.login.as_ref().and_then(here)),
        active(directory, "u"),
        text(supervisor),
    ];
    columns.extend(users.keys.values().map(|column| text(Some(column))));
    columns.extend(users.attributes.values().map(|told| text(here(told))));
    format!(
        "SELECT {} FROM {} WHERE {}",
        columns.join(", "),
        from(&users.source, "u"),
        where_all(&users.source, "u", &[])
    )
}

/// The column of the users' table that tells.
fn here(told: &Told) -> Option<&Column> {
    match told {
        Told::Column(column) => Some(column),
        Told::Table(_) => None,
    }
}

/// Lists keys that another table keeps, by name.
pub fn more_keys(directory: &Directory) -> Vec<(&str, String)> {
    directory
        .users
        .more_keys
        .iter()
        .map(|(name, place)| {
            let sql = pairs(&place.source, &place.user, &place.value, &[&place.user]);
            (name.as_str(), sql)
        })
        .collect()
}

/// Lists the logins, where another table tells them.
pub fn logins(directory: &Directory) -> Option<Listed> {
    directory.users.login.as_ref().and_then(there)
}

/// Lists the attributes that other tables tell, by name.
pub fn more_attributes(directory: &Directory) -> Vec<(&str, Listed)> {
    directory
        .users
        .attributes
        .iter()
        .filter_map(|(name, told)| Some((name.as_str(), there(told)?)))
        .collect()
}

/// Lists what another table tells of people.
fn there(told: &Told) -> Option<Listed> {
    let Told::Table(place) = told else {
        return None;
    };
    let ToldElsewhere {
        source,
        user,
        value,
    } = place.as_ref();
    Some(Listed {
        sql: pairs(source, &user.column, value, &[&user.column, value]),
        key: Some(user.key.clone()),
    })
}

/// Two columns of a table as text; those of `present` aren't NULL.
fn pairs(source: &Source, first: &Column, second: &Column, present: &[&Column]) -> String {
    let present: Vec<String> = present
        .iter()
        .map(|column| format!("{} IS NOT NULL", Typed::column("s", column).sql))
        .collect();
    format!(
        "SELECT {}, {} FROM {} WHERE {}",
        Typed::column("s", first).text(),
        Typed::column("s", second).text(),
        from(source, "s"),
        where_all(source, "s", &present)
    )
}

/// Lists memberships: a key of the person, and the group.
pub fn memberships(directory: &Directory) -> Vec<Listed> {
    directory
        .memberships
        .iter()
        .map(|membership| Listed {
            sql: pairs(
                &membership.source,
                &membership.user.column,
                &membership.group,
                &[&membership.user.column, &membership.group],
            ),
            key: Some(membership.user.key.clone()),
        })
        .collect()
}

/// Lists the groups: group, name, the group above; all text.
pub fn groups(directory: &Directory) -> String {
    let groups = &directory.groups;
    let text = |column: Option<&Column>| {
        column.map_or_else(
            || "NULL::pg_catalog.text".to_owned(),
            |column| Typed::column("g", column).text(),
        )
    };
    format!(
        "SELECT {}, {}, {} FROM {} WHERE {}",
        text(Some(&groups.key)),
        text(groups.name.as_ref()),
        text(groups.parent.as_ref()),
        from(&groups.source, "g"),
        where_all(&groups.source, "g", &[])
    )
}

/// Lists roles held, for each source of roles: the holder, and what the column says.
pub fn roles_held(directory: &Directory) -> Vec<Listed> {
    directory
        .roles_held
        .iter()
        .map(|held| {
            let column = held.holder.column();
            Listed {
                sql: pairs(&held.source, column, &held.role, &[column, &held.role]),
                key: key_of(&held.holder),
            }
        })
        .collect()
}

fn key_of(holder: &Holder) -> Option<String> {
    match holder {
        Holder::User(user) => Some(user.key.clone()),
        Holder::Group(_) => None,
    }
}

/// Lists who is under whom, where a table of its own tells it: person, supervisor.
pub fn supervision(directory: &Directory) -> Option<String> {
    match directory.users.supervision.as_ref()? {
        Supervision::Column(_) => None,
        Supervision::Table(tree) => Some(pairs(
            &tree.source,
            &tree.user,
            &tree.supervisor,
            &[&tree.user, &tree.supervisor],
        )),
    }
}

/// Lists the values of settings: group, setting, value; all text, `true` or `false`.
pub fn settings(directory: &Directory) -> String {
    let settings = &directory.settings;
    let group = settings.group.as_ref().map_or_else(
        || "NULL::pg_catalog.text".to_owned(),
        |group| Typed::column("s", group).text(),
    );
    let (setting, value) = (
        Typed::column("s", &settings.setting),
        Typed::column("s", &settings.value),
    );
    let present = [
        format!("{} IS NOT NULL", setting.sql),
        format!("{} IS NOT NULL", value.sql),
    ];
    format!(
        "SELECT {group}, {}, CAST({} AS pg_catalog.text) FROM {} WHERE {}",
        setting.text(),
        value.sql,
        from(&settings.source, "s"),
        where_all(&settings.source, "s", &present)
    )
}

/// Lists the live shares of the record `$2` of the module `$1`, for each source of shares: the
/// holder, and the level.
pub fn shares_of(directory: &Directory) -> Vec<Listed> {
    directory
        .shares
        .iter()
        .map(|share| {
            let mut conditions = vec![
                format!("{} OPERATOR(pg_catalog.=) $1", said_as(&share.module)),
                format!(
                    "{} OPERATOR(pg_catalog.=) $2",
                    Typed::column("s", &share.record).text()
                ),
                format!(
                    "{} IS NOT NULL",
                    Typed::column("s", share.holder.column()).sql
                ),
            ];
            if let Some(expires) = &share.expires {
                let column = Typed::column("s", expires).sql;
                conditions.push(format!(
                    "({column} IS NULL OR {column} OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp())"
                ));
            }
            Listed {
                sql: format!(
                    "SELECT {}, {} FROM {} WHERE {}",
                    Typed::column("s", share.holder.column()).text(),
                    said_as(&share.level),
                    from(&share.source, "s"),
                    where_all(&share.source, "s", &conditions)
                ),
                key: key_of(&share.holder),
            }
        })
        .collect()
}
