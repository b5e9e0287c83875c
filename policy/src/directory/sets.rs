//! The SQL of the sets around one person: groups below groups, the members of groups, the people
//! under somebody's supervision.
//!
//! Each statement takes one step from the keys in its list, `$1`, and is planned for as many. One that
//! recurses would be planned for a guess, which reads whole tables for a handful of people.

use super::fragment::{Typed, common_type, from, group_type, listed, where_all};
use super::{Directory, Supervision, SupervisionTable};
use crate::policy_set::{Column, KeyColumn};

/// How those under a person are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Supervised {
    /// Which key of the person the first step begins with.
    pub(super) from: String,
    /// From those keys to those of the people directly below.
    pub(super) first: String,
    /// From what a step has found to what is directly below.
    pub(super) next: String,
    /// Where the steps don't find `user` keys: the key that they find, and the statement from
    /// there to the people.
    pub(super) people: Option<(String, String)>,
}

/// The groups directly below the listed ones. `None`: groups form no tree.
///
/// ```sql
/// SELECT CAST(g."id" AS pg_catalog.text) FROM pg_catalog.unnest(CAST($1 AS pg_catalog.int4[])) AS a(k)
/// JOIN "crm"."teams" AS g ON g."above" OPERATOR(pg_catalog.=) a.k WHERE g."id" IS NOT NULL
/// ```
pub(super) fn groups_below(directory: &Directory) -> Option<String> {
    let groups = &directory.groups;
    let parent = groups.parent.as_ref()?;
    let group_type = group_type(directory);
    let key = Typed::column("g", &groups.key);
    Some(format!(
        "SELECT {} FROM {} JOIN {} ON {} OPERATOR(pg_catalog.=) a.k WHERE {}",
        key.text(),
        listed(&group_type),
        from(&groups.source, "g"),
        Typed::column("g", parent).as_type(&group_type),
        where_all(&groups.source, "g", &[format!("{} IS NOT NULL", key.sql)])
    ))
}

/// The members of the listed groups, by `user` key.
pub(super) fn members(directory: &Directory) -> String {
    let group_type = group_type(directory);
    let user = Typed::column("u", &directory.users.keys["user"]);
    let parts: Vec<String> = directory
        .memberships
        .iter()
        .map(|membership| {
            let member = Typed::column("m", &membership.user.column);
            let (people, counts) = named(directory, &member, &membership.user.key);
            format!(
                "SELECT {} FROM {} JOIN {} ON {} OPERATOR(pg_catalog.=) a.k {people} WHERE {}",
                user.text(),
                listed(&group_type),
                from(&membership.source, "m"),
                Typed::column("m", &membership.group).as_type(&group_type),
                where_all(&membership.source, "m", &[counts])
            )
        })
        .collect();
    parts.join(" UNION ALL ")
}

/// Joins the people `u` who have a key, and what must hold of their rows.
fn named(directory: &Directory, value: &Typed, key: &str) -> (String, String) {
    let users = &directory.users;
    let user = Typed::column("u", &users.keys["user"]);
    let people = from(&users.source, "u");
    let present = format!("{} IS NOT NULL", user.sql);
    match users.keys.get(key) {
        Some(column) => (
            format!(
                "JOIN {people} ON {}",
                Typed::column("u", column).equals(value)
            ),
            where_all(&users.source, "u", &[present]),
        ),
        None => {
            let place = &users.more_keys[key];
            let counts = where_all(&place.source, "k", &[present]);
            (
                format!(
                    "JOIN {} ON {} JOIN {people} ON {}",
                    from(&place.source, "k"),
                    Typed::column("k", &place.value).equals(value),
                    user.equals(&Typed::column("k", &place.user))
                ),
                where_all(&users.source, "u", &[counts]),
            )
        }
    }
}

/// The keys of that name of the listed people, who are named by `user` key.
pub(super) fn keys(directory: &Directory, name: &str) -> String {
    let users = &directory.users;
    let user = &users.keys["user"];
    let person = Typed {
        sql: "a.k".to_owned(),
        type_name: user.type_name.clone(),
    };
    let people = listed(&user.type_name);
    match users.keys.get(name) {
        Some(column) => {
            let key = Typed::column("x", column);
            format!(
                "SELECT {} FROM {people} JOIN {} ON {} WHERE {} IS NOT NULL",
                key.text(),
                from(&users.source, "x"),
                Typed::column("x", user).equals(&person),
                key.sql
            )
        }
        None => {
            let place = &users.more_keys[name];
            let key = Typed::column("x", &place.value);
            format!(
                "SELECT {} FROM {people} JOIN {} ON {} WHERE {}",
                key.text(),
                from(&place.source, "x"),
                Typed::column("x", &place.user).equals(&person),
                where_all(&place.source, "x", &[format!("{} IS NOT NULL", key.sql)])
            )
        }
    }
}

/// How those under somebody's supervision are found. `None`: nobody supervises anybody.
pub(super) fn supervised(directory: &Directory) -> Option<Supervised> {
    match directory.users.supervision.as_ref()? {
        Supervision::Column(supervisor) => {
            let step = by_column(directory, supervisor);
            Some(Supervised {
                from: "user".to_owned(),
                first: step.clone(),
                next: step,
                people: None,
            })
        }
        Supervision::Table(tree) => {
            let common = common_type([&tree.user, &tree.supervisor]);
            Some(Supervised {
                from: tree.key.clone(),
                first: by_table(tree, &key_column(directory, &tree.key).type_name),
                next: by_table(tree, &common),
                people: Some((tree.key.clone(), people_of(directory, tree, &common))),
            })
        }
    }
}

/// The column that keeps a key.
fn key_column<'a>(directory: &'a Directory, name: &str) -> &'a Column {
    let users = &directory.users;
    match users.keys.get(name) {
        Some(column) => column,
        None => &users.more_keys[name].value,
    }
}

/// Those whom the listed people supervise, both by `user` key.
fn by_column(directory: &Directory, supervisor: &KeyColumn) -> String {
    let users = &directory.users;
    let column = &users.keys["user"];
    let user = Typed::column("u", column);
    let listed_user = Typed {
        sql: "a.k".to_owned(),
        type_name: column.type_name.clone(),
    };
    let above = Typed::column("u", &supervisor.column);
    let (boss, key) = if supervisor.key == "user" {
        (String::new(), listed_user)
    } else {
        let boss = Typed::column("b", column).equals(&listed_user);
        let key = Typed::column("b", key_column(directory, &supervisor.key));
        (format!(" JOIN {} ON {boss}", from(&users.source, "b")), key)
    };
    format!(
        "SELECT {} FROM {}{boss} JOIN {} ON {} WHERE {}",
        user.text(),
        listed(&column.type_name),
        from(&users.source, "u"),
        above.equals(&key),
        where_all(&users.source, "u", &[format!("{} IS NOT NULL", user.sql)])
    )
}

/// Those whom the listed keys, of that type, supervise; in the table's own keys.
fn by_table(tree: &SupervisionTable, type_name: &str) -> String {
    let common = common_type([&tree.user, &tree.supervisor]);
    let found = Typed {
        sql: Typed::column("s", &tree.user).as_type(&common),
        type_name: common.clone(),
    };
    let above = Typed::column("s", &tree.supervisor);
    let listed_key = Typed {
        sql: "a.k".to_owned(),
        type_name: type_name.to_owned(),
    };
    let named = if type_name == common {
        format!("{} OPERATOR(pg_catalog.=) a.k", above.as_type(&common))
    } else {
        above.equals(&listed_key)
    };
    format!(
        "SELECT {} FROM {} JOIN {} ON {named} WHERE {}",
        found.text(),
        listed(type_name),
        from(&tree.source, "s"),
        where_all(&tree.source, "s", &[format!("{} IS NOT NULL", found.sql)])
    )
}

/// The people whom the listed keys of the supervision table name, by `user` key.
fn people_of(directory: &Directory, tree: &SupervisionTable, type_name: &str) -> String {
    let found = Typed {
        sql: "a.k".to_owned(),
        type_name: type_name.to_owned(),
    };
    let (people, counts) = named(directory, &found, &tree.key);
    format!(
        "SELECT {} FROM {} {people} WHERE {counts}",
        Typed::column("u", &directory.users.keys["user"]).text(),
        listed(type_name),
    )
}
