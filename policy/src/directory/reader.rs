//! The statement that tells about one person whatever PostgreSQL finds by that person's own keys. The
//! sets of people and groups around are read by [`super::sets`].

use super::fragment::{Typed, from, group_type, said_as, where_all};
use super::sql::active;
use super::{Directory, Elsewhere, Holder, Said, Told, ToldElsewhere};
use crate::policy_set::{Column, KeyColumn};
use crate::quote;

/// What concerns one person alone, as one statement.
pub(super) struct Reader<'a> {
    pub(super) directory: &'a Directory,
}

impl Reader<'_> {
    pub(super) fn statement(&self) -> String {
        let users = &self.directory.users;
        let user = Typed::column("u", &users.keys["user"]);
        let login = users
            .login
            .as_ref()
            .map_or("NULL".to_owned(), |login| self.told(login));
        let logins = match &users.login {
            Some(Told::Table(place)) => format!(", 'logins', {}", list(&self.told_there(place))),
            Some(Told::Column(_)) | None => String::new(),
        };
        format!(
            "WITH RECURSIVE {ctes} \
             SELECT CAST(pg_catalog.jsonb_build_object(\
             'user', {user}, 'login', {login}{logins}, 'active', {active}, 'keys', {keys}, \
             'attributes', {attributes}, 'roles', {roles}, \
             'groups', {groups}, 'group_nodes', {nodes}, \
             'settings', {settings}, 'shares', {shares}) AS pg_catalog.text) \
             FROM {table} WHERE {mine}",
            ctes = self.ctes(),
            user = user.text(),
            active = active(self.directory, "u"),
            keys = self.object(
                users
                    .keys
                    .iter()
                    .map(|(name, column)| {
                        (
                            name,
                            list(&format!(
                                "SELECT {} WHERE {}",
                                Typed::column("u", column).text(),
                                present("u", column)
                            )),
                        )
                    })
                    .chain(
                        users
                            .more_keys
                            .iter()
                            .map(|(name, place)| (name, self.elsewhere_list(place)))
                    )
            ),
            attributes = self.object(
                users
                    .attributes
                    .iter()
                    .map(|(name, told)| (name, self.told(told)))
            ),
            roles = self.roles(),
            groups = list("SELECT CAST(my_groups.g AS pg_catalog.text) FROM my_groups"),
            nodes = "(SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(\
                     'key', CAST(up.g AS pg_catalog.text), 'name', up.name, 'parent', CAST(up.parent AS pg_catalog.text))), \
                     '[]'::pg_catalog.jsonb) FROM groups_up AS up)",
            settings = self.settings(),
            shares = self.shares(),
            table = from(&users.source, "u"),
            mine = where_all(&users.source, "u", &[user.equals(&self.me("user"))]),
        )
    }

    /// My key of that name, as an expression.
    fn me(&self, key: &str) -> Typed {
        let users = &self.directory.users;
        let user = &users.keys["user"];
        let me = Typed {
            sql: format!("CAST($1 AS {})", user.type_name),
            type_name: user.type_name.clone(),
        };
        if key == "user" {
            return me;
        }
        if let Some(column) = users.keys.get(key) {
            return Typed {
                sql: format!(
                    "(SELECT {} FROM {} WHERE {})",
                    Typed::column("k", column).sql,
                    from(&users.source, "k"),
                    Typed::column("k", user).equals(&me)
                ),
                type_name: column.type_name.clone(),
            };
        }
        let place = &users.more_keys[key];
        Typed {
            sql: format!(
                "ANY (SELECT {} FROM {} WHERE {})",
                Typed::column("k", &place.value).text(),
                from(&place.source, "k"),
                where_all(
                    &place.source,
                    "k",
                    &[Typed::column("k", &place.user).equals(&me)]
                )
            ),
            type_name: "pg_catalog.text[]".to_owned(),
        }
    }

    /// `column` holds my key.
    fn is_me(&self, alias: &str, column: &KeyColumn) -> String {
        let value = Typed::column(alias, &column.column);
        let me = self.me(&column.key);
        if me.type_name == "pg_catalog.text[]" {
            format!("{} OPERATOR(pg_catalog.=) {}", value.text(), me.sql)
        } else {
            value.equals(&me)
        }
    }

    fn ctes(&self) -> String {
        let groups = &self.directory.groups;
        let group_type = group_type(self.directory);
        let typed =
            |alias: &str, column: &Column| Typed::column(alias, column).as_type(&group_type);
        let mine: Vec<String> = self
            .directory
            .memberships
            .iter()
            .map(|membership| {
                format!(
                    "SELECT {} FROM {} WHERE {}",
                    typed("m", &membership.group),
                    from(&membership.source, "m"),
                    where_all(
                        &membership.source,
                        "m",
                        &[
                            self.is_me("m", &membership.user),
                            self.is_group(&membership.group)
                        ]
                    )
                )
            })
            .collect();
        let above = groups
            .parent
            .as_ref()
            .map_or("NULL".to_owned(), |parent| typed("g", parent));
        let name = groups
            .name
            .as_ref()
            .map_or("NULL::pg_catalog.text".to_owned(), |name| {
                Typed::column("g", name).text()
            });
        let node = format!(
            "SELECT {}, {name}, CAST({above} AS {group_type})",
            typed("g", &groups.key)
        );
        let filter = where_all(&groups.source, "g", &[]);
        let table = from(&groups.source, "g");
        let key = typed("g", &groups.key);
        format!(
            "my_groups(g) AS ({mine}), \
             groups_up(g, name, parent) AS ({node} FROM {table} WHERE {filter} AND {key} OPERATOR(pg_catalog.=) ANY (SELECT my_groups.g FROM my_groups) \
             UNION {node} FROM {table} JOIN groups_up AS up ON up.parent OPERATOR(pg_catalog.=) {key} WHERE {filter})",
            mine = mine.join(" UNION "),
        )
    }

    /// `m.column` names a group, one that counts where only some do.
    fn is_group(&self, column: &Column) -> String {
        let groups = &self.directory.groups;
        let group = Typed::column("m", column);
        if groups.source.filter.is_none() {
            return present("m", column);
        }
        format!(
            "EXISTS (SELECT FROM {} WHERE {})",
            from(&groups.source, "g"),
            where_all(
                &groups.source,
                "g",
                &[Typed::column("g", &groups.key).equals(&group)]
            )
        )
    }

    fn roles(&self) -> String {
        let parts: Vec<String> = self.directory.roles_held.iter().enumerate().map(|(index, held)| {
            let (condition, group) = self.held_by("r", &held.holder);
            format!(
                "SELECT pg_catalog.jsonb_build_object('source', {index}, 'value', {}, 'group', {group}) FROM {} WHERE {}",
                Typed::column("r", &held.role).text(),
                from(&held.source, "r"),
                where_all(&held.source, "r", &[condition, format!("{} IS NOT NULL", Typed::column("r", &held.role).sql)])
            )
        }).collect();
        list(&parts.join(" UNION ALL "))
    }

    /// The row of `alias` is mine or one of my groups', and through which group.
    fn held_by(&self, alias: &str, holder: &Holder) -> (String, String) {
        match holder {
            Holder::User(column) => (self.is_me(alias, column), "NULL".to_owned()),
            Holder::Group(column) => {
                let group = Typed::column(alias, column);
                let group_type = group_type(self.directory);
                let condition = if group.type_name == group_type {
                    format!(
                        "{} OPERATOR(pg_catalog.=) ANY (SELECT mine.g FROM my_groups AS mine)",
                        group.sql
                    )
                } else {
                    format!(
                        "{} OPERATOR(pg_catalog.=) ANY (SELECT CAST(mine.g AS pg_catalog.text) FROM my_groups AS mine)",
                        group.text()
                    )
                };
                (condition, group.text())
            }
        }
    }

    fn settings(&self) -> String {
        let settings = &self.directory.settings;
        let (condition, group) = match &settings.group {
            None => ("true".to_owned(), "NULL".to_owned()),
            Some(column) => {
                let group = Typed::column("s", column);
                (
                    format!(
                        "({} IS NULL OR {} OPERATOR(pg_catalog.=) ANY (SELECT CAST(up.g AS pg_catalog.text) FROM groups_up AS up))",
                        group.sql,
                        group.text()
                    ),
                    group.text(),
                )
            }
        };
        list(&format!(
            "SELECT pg_catalog.jsonb_build_object('group', {group}, 'setting', {}, 'value', {}) FROM {} WHERE {}",
            Typed::column("s", &settings.setting).text(),
            Typed::column("s", &settings.value).sql,
            from(&settings.source, "s"),
            where_all(
                &settings.source,
                "s",
                &[
                    condition,
                    present("s", &settings.setting),
                    present("s", &settings.value)
                ]
            )
        ))
    }

    fn shares(&self) -> String {
        let parts: Vec<String> = self.directory.shares.iter().map(|share| {
            let (condition, group) = self.held_by("s", &share.holder);
            let mut conditions = vec![condition, present("s", &share.record)];
            for said in [&share.module, &share.level] {
                match said {
                    Said::Always(_) => {}
                    Said::Column(column) => conditions.push(present("s", column)),
                    Said::Words(..) => conditions.push(format!("{} IS NOT NULL", said_as(said))),
                }
            }
            let expires = match &share.expires {
                None => "NULL".to_owned(),
                Some(column) => {
                    let column = Typed::column("s", column).sql;
                    conditions.push(format!("({column} IS NULL OR {column} OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp())"));
                    format!("CASE WHEN pg_catalog.isfinite({column}) THEN EXTRACT(epoch FROM {column}) END")
                }
            };
            format!(
                "SELECT pg_catalog.jsonb_build_object('module', {}, 'record', {}, 'level', {}, 'expires', {expires}, 'group', {group}) FROM {} WHERE {}",
                said_as(&share.module),
                Typed::column("s", &share.record).text(),
                said_as(&share.level),
                from(&share.source, "s"),
                where_all(&share.source, "s", &conditions)
            )
        }).collect();
        list(&parts.join(" UNION ALL "))
    }

    fn elsewhere(&self, place: &Elsewhere) -> String {
        format!(
            "SELECT {} FROM {} WHERE {}",
            Typed::column("e", &place.value).text(),
            from(&place.source, "e"),
            where_all(
                &place.source,
                "e",
                &[Typed::column("e", &place.user).equals(&self.me("user"))]
            )
        )
    }

    fn elsewhere_list(&self, place: &Elsewhere) -> String {
        list(&format!(
            "{} AND {}",
            self.elsewhere(place),
            present("e", &place.value)
        ))
    }

    /// What is told of me, as text. Where several rows tell different things, nothing is.
    fn told(&self, told: &Told) -> String {
        match told {
            Told::Column(column) => Typed::column("u", column).text(),
            Told::Table(place) => format!(
                "(SELECT CASE WHEN pg_catalog.min(t.v) OPERATOR(pg_catalog.=) pg_catalog.max(t.v) \
                 THEN pg_catalog.min(t.v) END FROM ({}) AS t(v))",
                self.told_there(place)
            ),
        }
    }

    fn told_there(&self, place: &ToldElsewhere) -> String {
        format!(
            "SELECT {} FROM {} WHERE {}",
            Typed::column("e", &place.value).text(),
            from(&place.source, "e"),
            where_all(
                &place.source,
                "e",
                &[self.is_me("e", &place.user), present("e", &place.value)]
            )
        )
    }

    fn object<'b>(&self, entries: impl Iterator<Item = (&'b String, String)>) -> String {
        let entries: Vec<String> = entries
            .map(|(name, value)| format!("{}, {value}", quote::text(name)))
            .collect();
        format!("pg_catalog.jsonb_build_object({})", entries.join(", "))
    }
}

/// The rows of a one-column query as a JSON array, empty rather than NULL.
fn list(query: &str) -> String {
    if query.is_empty() {
        return "'[]'::pg_catalog.jsonb".to_owned();
    }
    format!(
        "(SELECT COALESCE(pg_catalog.jsonb_agg(listed.v), '[]'::pg_catalog.jsonb) FROM ({query}) AS listed(v))"
    )
}

/// `alias.column IS NOT NULL`: what isn't there would be no text in [`super::Facts`].
fn present(alias: &str, column: &Column) -> String {
    format!("{} IS NOT NULL", Typed::column(alias, column).sql)
}
