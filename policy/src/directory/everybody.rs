//! The SQL that reads the whole directory, table by table and without joins: what questions about
//! everybody are answered from.

use super::fragment::{Typed, from, said_as, where_all};
use super::sql::active;
use super::{Directory, Holder, Said, Source, Supervision, Told, ToldElsewhere};
use crate::policy_set::Column;
use crate::quote;

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

/// Shares of a record, as one of their sources tells them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharesOf {
    /// The statement: `(holder, level)`, both text. `$1` is the record's key.
    pub sql: String,
    /// Which of the person's keys names the holder; `None`: it is a group.
    pub key: Option<String>,
    /// The type of the record's key, which `$1` must be a value of.
    pub record_type: String,
}

/// Lists the live shares of a record of the module, for each source that has any of that module.
///
/// ```sql
/// SELECT CAST(s."user_id" AS pg_catalog.text), CAST(s."level" AS pg_catalog.text) FROM "crm"."shares" AS s
/// WHERE s."record" OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.int8) AND … AND s."user_id" IS NOT NULL
/// ```
pub fn shares_of(directory: &Directory, module: &str) -> Vec<SharesOf> {
    let shares = directory.shares.iter();
    shares
        .filter_map(|share| {
            let holder = Typed::column("s", share.holder.column());
            let record = Typed::column("s", &share.record);
            let mut conditions = vec![
                format!(
                    "{} OPERATOR(pg_catalog.=) CAST($1 AS {})",
                    record.sql, record.type_name
                ),
                // 042 is another key than 42.
                format!("{} OPERATOR(pg_catalog.=) $1", record.text()),
                says(&share.module, module)?,
                format!("{} IS NOT NULL", holder.sql),
            ];
            if let Some(expires) = &share.expires {
                let column = Typed::column("s", expires).sql;
                conditions.push(format!(
                    "({column} IS NULL OR {column} OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp())"
                ));
            }
            Some(SharesOf {
                sql: format!(
                    "SELECT {}, {} FROM {} WHERE {}",
                    holder.text(),
                    said_as(&share.level),
                    from(&share.source, "s"),
                    where_all(&share.source, "s", &conditions)
                ),
                key: key_of(&share.holder),
                record_type: share.record.type_name.clone(),
            })
        })
        .collect()
}

/// The row of `s` says `what`; `None`: none does.
fn says(said: &Said, what: &str) -> Option<String> {
    let one_of = |column: &Column, words: &[&str]| {
        let words: Vec<String> = words
            .iter()
            .map(|word| format!("{}::pg_catalog.text", quote::text(word)))
            .collect();
        format!(
            "{} OPERATOR(pg_catalog.=) ANY (ARRAY[{}])",
            Typed::column("s", column).text(),
            words.join(", ")
        )
    };
    match said {
        Said::Always(value) => (value == what).then(|| "true".to_owned()),
        Said::Column(column) => Some(one_of(column, &[what])),
        Said::Words(column, words) => {
            let meant = words.iter().filter(|(_, meaning)| *meaning == what);
            let meant: Vec<&str> = meant.map(|(word, _)| word.as_str()).collect();
            (!meant.is_empty()).then(|| one_of(column, &meant))
        }
    }
}
