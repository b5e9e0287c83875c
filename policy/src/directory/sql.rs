//! The SQL that reads the directory.

use super::fragment::{Typed, from, where_all};
use super::{Active, ActiveTable, Directory, Holder, Told, ToldElsewhere};

/// Finds the people who log in as the database role `$1`: one column, the `user` key as text.
/// `None` when logins aren't mapped.
///
/// ```sql
/// SELECT CAST(u."id" AS pg_catalog.text) FROM "public"."users" AS u
/// WHERE CAST(u."login" AS pg_catalog.text) OPERATOR(pg_catalog.=) $1
/// ```
pub fn user_by_login(directory: &Directory) -> Option<String> {
    let users = &directory.users;
    let is_login = match users.login.as_ref()? {
        Told::Column(column) => {
            format!(
                "{} OPERATOR(pg_catalog.=) $1",
                Typed::column("u", column).text()
            )
        }
        Told::Table(place) => {
            let login = Typed::column("l", &place.value).text();
            format!(
                "EXISTS (SELECT FROM {} WHERE {})",
                from(&place.source, "l"),
                told_of(
                    directory,
                    place,
                    &[format!("{login} OPERATOR(pg_catalog.=) $1")]
                )
            )
        }
    };
    Some(format!(
        "SELECT {} FROM {} WHERE {}",
        Typed::column("u", &users.keys["user"]).text(),
        from(&users.source, "u"),
        where_all(&users.source, "u", &[is_login]),
    ))
}

/// Finds a login that belongs to several people. `None` when logins aren't mapped.
pub fn login_twice(directory: &Directory) -> Option<String> {
    let users = &directory.users;
    let people = from(&users.source, "u");
    let (login, tables, condition, count) = match users.login.as_ref()? {
        Told::Column(column) => {
            let login = Typed::column("u", column);
            let present = format!("{} IS NOT NULL", login.sql);
            (login.text(), people, present, "*".to_owned())
        }
        Told::Table(place) => {
            let login = Typed::column("l", &place.value);
            let present = format!("{} IS NOT NULL", login.sql);
            (
                login.text(),
                format!("{people}, {}", from(&place.source, "l")),
                told_of(directory, place, &[present]),
                format!(
                    "DISTINCT {}",
                    Typed::column("u", &users.keys["user"]).text()
                ),
            )
        }
    };
    Some(format!(
        "SELECT {login} FROM {tables} WHERE {} GROUP BY {login} HAVING pg_catalog.count({count}) OPERATOR(pg_catalog.>) 1 LIMIT 1",
        where_all(&users.source, "u", &[condition]),
    ))
}

/// Lists the people who are active: one column, the `user` key as text, in its order.
///
/// ```sql
/// SELECT DISTINCT CAST(u."id" AS pg_catalog.text) AS key FROM "public"."users" AS u
/// WHERE COALESCE(u."active", false) ORDER BY key
/// ```
pub fn active_users(directory: &Directory) -> String {
    let users = &directory.users;
    format!(
        "SELECT DISTINCT {} AS key FROM {} WHERE {} ORDER BY key",
        Typed::column("u", &users.keys["user"]).text(),
        from(&users.source, "u"),
        where_all(&users.source, "u", &[active(directory, "u")]),
    )
}

/// The row of `l` tells of the person in `u`, and the conditions hold.
pub(super) fn told_of(
    directory: &Directory,
    place: &ToldElsewhere,
    conditions: &[String],
) -> String {
    let person = Typed::column("l", &place.user.column);
    let mut all = vec![is_key(directory, "u", &person, &place.user.key)];
    all.extend(conditions.iter().cloned());
    where_all(&place.source, "l", &all)
}

/// Counts the groups: one bigint.
pub fn group_count(directory: &Directory) -> String {
    let source = &directory.groups.source;
    format!(
        "SELECT pg_catalog.count(*) FROM {} WHERE {}",
        from(source, "g"),
        where_all(source, "g", &[])
    )
}

/// Lists the active people who hold a role, as `(user key, source, value)`, all text but the
/// source. Roles implied by others are not among them.
pub fn holders(directory: &Directory) -> String {
    let users = &directory.users;
    let user = Typed::column("u", &users.keys["user"]);
    let mut parts = Vec::new();
    for (index, held) in directory.roles_held.iter().enumerate() {
        let value = Typed::column("r", &held.role).text();
        let mut conditions = vec![active(directory, "u")];
        let tables = [from(&held.source, "r"), from(&users.source, "u")];
        match &held.holder {
            Holder::User(column) => conditions.push(is_key(
                directory,
                "u",
                &Typed::column("r", &column.column),
                &column.key,
            )),
            Holder::Group(group) => {
                let group = Typed::column("r", group);
                let members = directory.memberships.iter().map(|membership| {
                    format!(
                        "EXISTS (SELECT FROM {} WHERE {})",
                        from(&membership.source, "m"),
                        where_all(
                            &membership.source,
                            "m",
                            &[
                                Typed::column("m", &membership.group).equals(&group),
                                is_key(
                                    directory,
                                    "u",
                                    &Typed::column("m", &membership.user.column),
                                    &membership.user.key,
                                ),
                            ],
                        )
                    )
                });
                conditions.push(any(members.collect()));
            }
        }
        conditions.push(where_all(&users.source, "u", &[]));
        parts.push(format!(
            "SELECT {}, {index}::pg_catalog.int4, {value} FROM {} WHERE {}",
            user.text(),
            tables.join(", "),
            where_all(&held.source, "r", &conditions)
        ));
    }
    parts.join(" UNION ALL ")
}

/// Lists the roles that the group `$1` holds, as `(source, value)`. `None` where no group holds any.
///
/// ```sql
/// SELECT 1::pg_catalog.int4, CAST(r."role" AS pg_catalog.text) FROM "celador"."roles_held" AS r
/// WHERE CAST(r."group" AS pg_catalog.text) OPERATOR(pg_catalog.=) $1
/// ```
pub fn roles_of_group(directory: &Directory) -> Option<String> {
    let parts: Vec<String> = directory
        .roles_held
        .iter()
        .enumerate()
        .filter_map(|(index, held)| {
            let Holder::Group(group) = &held.holder else {
                return None;
            };
            let mine = format!(
                "{} OPERATOR(pg_catalog.=) $1",
                Typed::column("r", group).text()
            );
            Some(format!(
                "SELECT {index}::pg_catalog.int4, {} FROM {} WHERE {}",
                Typed::column("r", &held.role).text(),
                from(&held.source, "r"),
                where_all(&held.source, "r", &[mine])
            ))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(" UNION ALL "))
}

fn any(conditions: Vec<String>) -> String {
    if conditions.is_empty() {
        "false".to_owned()
    } else {
        format!("({})", conditions.join(" OR "))
    }
}

/// The person in `alias` has the key `value`.
pub(super) fn is_key(directory: &Directory, alias: &str, value: &Typed, key: &str) -> String {
    let users = &directory.users;
    if let Some(column) = users.keys.get(key) {
        return Typed::column(alias, column).equals(value);
    }
    let place = &users.more_keys[key];
    format!(
        "EXISTS (SELECT FROM {} WHERE {})",
        from(&place.source, "k"),
        where_all(
            &place.source,
            "k",
            &[
                Typed::column("k", &place.user).equals(&Typed::column(alias, &users.keys["user"])),
                Typed::column("k", &place.value).equals(value),
            ],
        )
    )
}

/// The person in `alias` is active: everything that tells says so.
pub(super) fn active(directory: &Directory, alias: &str) -> String {
    let told: Vec<String> = directory
        .users
        .active
        .iter()
        .map(|active| match active {
            Active::Column(column) => {
                format!("COALESCE({}, false)", Typed::column(alias, column).sql)
            }
            Active::Table(place) => {
                let ActiveTable {
                    source,
                    user,
                    column,
                } = place.as_ref();
                let value = Typed::column("a", &user.column);
                let theirs = where_all(
                    source,
                    "a",
                    &[is_key(directory, alias, &value, &user.key)],
                );
                let table = from(source, "a");
                let any = format!("EXISTS (SELECT FROM {table} WHERE {theirs})");
                match column {
                    None => any,
                    Some(column) => format!(
                        "{any} AND NOT EXISTS (SELECT FROM {table} WHERE {theirs} AND {} IS NOT TRUE)",
                        Typed::column("a", column).sql
                    ),
                }
            }
        })
        .collect();
    if told.is_empty() {
        "true".to_owned()
    } else {
        told.join(" AND ")
    }
}
