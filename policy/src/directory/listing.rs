//! The SQL that lists everybody and everything of the directory, for reports and reverse questions.

use super::fragment::{Typed, from, said_as, where_all};
use super::sql::{active, is_key, told_of};
use super::{Directory, Holder, Told};

/// Lists the people as `(user, login, active)`: text, text, boolean. A person with several logins
/// is told with each.
///
/// ```sql
/// SELECT CAST(u."id" AS pg_catalog.text), CAST(u."login" AS pg_catalog.text), COALESCE(u."is_active", false)
/// FROM "public"."users" AS u WHERE true
/// ```
pub fn people(directory: &Directory) -> String {
    let users = &directory.users;
    let mut tables = from(&users.source, "u");
    let login = match &users.login {
        None => "NULL::pg_catalog.text".to_owned(),
        Some(Told::Column(login)) => Typed::column("u", login).text(),
        Some(Told::Table(place)) => {
            let told = format!(
                " LEFT JOIN {} ON {}",
                from(&place.source, "l"),
                told_of(directory, place, &[])
            );
            tables.push_str(&told);
            Typed::column("l", &place.value).text()
        }
    };
    format!(
        "SELECT {}, {login}, {} FROM {tables} WHERE {}",
        Typed::column("u", &users.keys["user"]).text(),
        active(directory, "u"),
        where_all(&users.source, "u", &[])
    )
}

/// Lists the groups as `(group, name)`, both text.
pub fn groups(directory: &Directory) -> String {
    let groups = &directory.groups;
    let name = groups.name.as_ref().map_or_else(
        || "NULL::pg_catalog.text".to_owned(),
        |name| Typed::column("g", name).text(),
    );
    format!(
        "SELECT {}, {name} FROM {} WHERE {}",
        Typed::column("g", &groups.key).text(),
        from(&groups.source, "g"),
        where_all(&groups.source, "g", &[])
    )
}

/// Lists who is in which group as `(user, group)`, both text. Groups that don't count are left out.
pub fn members(directory: &Directory) -> String {
    let users = &directory.users;
    let groups = &directory.groups;
    let parts: Vec<String> = directory
        .memberships
        .iter()
        .map(|membership| {
            let group = Typed::column("m", &membership.group);
            // A group that the CRM filters out is none.
            let counts = match &groups.source.filter {
                None => format!("{} IS NOT NULL", group.sql),
                Some(_) => format!(
                    "EXISTS (SELECT FROM {} WHERE {})",
                    from(&groups.source, "g"),
                    where_all(
                        &groups.source,
                        "g",
                        &[Typed::column("g", &groups.key).equals(&group)]
                    )
                ),
            };
            format!(
                "SELECT {}, {} FROM {} JOIN {} ON {} WHERE {}",
                Typed::column("u", &users.keys["user"]).text(),
                group.text(),
                from(&membership.source, "m"),
                from(&users.source, "u"),
                is_key(
                    directory,
                    "u",
                    &Typed::column("m", &membership.user.column),
                    &membership.user.key
                ),
                where_all(
                    &membership.source,
                    "m",
                    &[counts, where_all(&users.source, "u", &[])]
                )
            )
        })
        .collect();
    if parts.is_empty() {
        return "SELECT NULL::pg_catalog.text, NULL::pg_catalog.text WHERE false".to_owned();
    }
    parts.join(" UNION ")
}

/// Lists the shares as `(module, record, user, group, level, expires)`: text, and a timestamp. The
/// user is as the share names the person.
pub fn shares(directory: &Directory) -> String {
    let parts: Vec<String> = directory
        .shares
        .iter()
        .map(|share| {
            let null = "NULL::pg_catalog.text".to_owned();
            let (user, group) = match &share.holder {
                Holder::User(user) => (Typed::column("s", &user.column).text(), null),
                Holder::Group(group) => (null, Typed::column("s", group).text()),
            };
            let expires = share.expires.as_ref().map_or_else(
                || "NULL::pg_catalog.timestamptz".to_owned(),
                |column| {
                    format!(
                        "CAST({} AS pg_catalog.timestamptz)",
                        Typed::column("s", column).sql
                    )
                },
            );
            let holder = Typed::column("s", share.holder.column()).sql;
            format!(
                "SELECT {}, {}, {user}, {group}, {}, {expires} FROM {} WHERE {}",
                said_as(&share.module),
                Typed::column("s", &share.record).text(),
                said_as(&share.level),
                from(&share.source, "s"),
                where_all(&share.source, "s", &[format!("{holder} IS NOT NULL")])
            )
        })
        .collect();
    if parts.is_empty() {
        return "SELECT NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text, \
                NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.timestamptz WHERE false"
            .to_owned();
    }
    parts.join(" UNION ALL ")
}
