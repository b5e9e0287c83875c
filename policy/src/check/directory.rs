//! Where the directory is read: the mapped tables, or Celador's own.

use std::collections::BTreeMap;

use super::{Checker, builtin::SCHEMA};
use crate::directory::{
    Directory, Groups, Holder, Membership, RoleHeld, Said, Settings, ShareLevel, SharedFrom, Source,
};
use crate::document::{
    GroupSource, MembershipSource, RoleSource, SaidBy, SettingSource, ShareSource,
};
use crate::policy_set::{Column, KeyColumn};
use crate::schema::TableName;

pub(super) const TEXT: &str = "pg_catalog.text";

impl Checker<'_> {
    /// The directory, or `None` (with problems noted) where it can't be read.
    pub(super) fn directory(&mut self) -> Option<Directory> {
        let mapping = &self.document.mapping;
        let users = match &mapping.users {
            Some(users) => self.users(users)?,
            None => self.own_users(),
        };
        let groups = match &mapping.groups {
            Some(groups) => self.groups(groups)?,
            None => Groups {
                source: own("groups"),
                key: text("group"),
                name: Some(text("name")),
                parent: Some(text("parent")),
            },
        };
        let memberships = if mapping.memberships.is_empty() {
            vec![Membership {
                source: own("memberships"),
                user: user_key("user"),
                group: text("group"),
            }]
        } else {
            let sources = mapping.memberships.places();
            sources
                .filter_map(|(at, source)| self.membership(&at, source))
                .collect()
        };
        let roles_held = if mapping.roles_held.is_empty() {
            [Holder::User(user_key("user")), Holder::Group(text("group"))]
                .map(|holder| RoleHeld {
                    source: own("roles_held"),
                    holder,
                    role: text("role"),
                    map: None,
                })
                .into()
        } else {
            let sources = mapping.roles_held.places();
            sources
                .filter_map(|(at, source)| self.role_held(&at, source))
                .collect()
        };
        let mut shares: Vec<SharedFrom> =
            [Holder::User(user_key("user")), Holder::Group(text("group"))]
                .map(|holder| SharedFrom {
                    source: own("shares"),
                    module: Said::Column(text("module")),
                    record: text("record"),
                    holder,
                    level: Said::Column(text("level")),
                    expires: Some(Column {
                        name: "expires".into(),
                        type_name: "pg_catalog.timestamptz".into(),
                    }),
                })
                .into();
        shares.extend(
            mapping
                .shares
                .places()
                .filter_map(|(at, source)| self.share(&at, source)),
        );
        let settings = match &mapping.settings {
            Some(settings) => self.setting_values(settings)?,
            None => Settings {
                source: own("setting_values"),
                group: Some(text("group")),
                setting: text("setting"),
                value: Column {
                    name: "value".into(),
                    type_name: "pg_catalog.bool".into(),
                },
            },
        };
        Some(Directory {
            users,
            groups,
            memberships,
            roles_held,
            shares,
            settings,
        })
    }

    pub(super) fn source(
        &mut self,
        path: &[&str],
        table: TableName,
        filter: Option<&str>,
    ) -> Option<Source> {
        let mut source = Source {
            table,
            filter: None,
            filter_types: BTreeMap::new(),
        };
        if let Some(rows) = self.row_filter(path, filter, &source.table)? {
            source.filter = Some(rows.predicate);
            source.filter_types = rows.types;
        }
        let kind = self.schema.tables[&source.table].kind.as_str();
        if !matches!(kind, "r" | "p") {
            self.problems.add(
                path,
                format!("{} is no plain or partitioned table", source.table),
                "the directory is read from plain or partitioned tables",
            );
            return None;
        }
        Some(source)
    }

    fn groups(&mut self, from: &GroupSource) -> Option<Groups> {
        let path = ["mapping", "groups"];
        let table = self.table(&path, &from.table)?;
        Some(Groups {
            key: self.key_column(&["mapping", "groups", "key"], &table, &from.key)?,
            name: match &from.name {
                Some(column) => {
                    Some(self.column(&["mapping", "groups", "name"], &table, column)?)
                }
                None => None,
            },
            parent: match &from.parent {
                Some(column) => {
                    Some(self.key_column(&["mapping", "groups", "parent"], &table, column)?)
                }
                None => None,
            },
            source: self.source(&path, table, from.filter.as_deref())?,
        })
    }

    fn holder(
        &mut self,
        path: &[&str],
        table: &TableName,
        user: Option<&str>,
        key: Option<&str>,
        group: Option<&str>,
    ) -> Option<Holder> {
        match (user, group) {
            (Some(user), None) => self.person(path, table, user, key).map(Holder::User),
            (None, Some(group)) => self.key_column(path, table, group).map(Holder::Group),
            (Some(_), Some(_)) | (None, None) => {
                self.problems.add(
                    path,
                    "either user or group must be given",
                    "name one column, of a person or of a group",
                );
                None
            }
        }
    }

    fn membership(&mut self, at: &[String], from: &MembershipSource) -> Option<Membership> {
        let path = written_at("memberships", at);
        let table = self.table(&path, &from.table)?;
        Some(Membership {
            user: self.person(&path, &table, &from.user, from.user_key.as_deref())?,
            group: self.key_column(&path, &table, &from.group)?,
            source: self.source(&path, table, from.filter.as_deref())?,
        })
    }

    fn role_held(&mut self, at: &[String], from: &RoleSource) -> Option<RoleHeld> {
        let path = written_at("roles_held", at);
        let table = self.table(&path, &from.table)?;
        let holder = self.holder(
            &path,
            &table,
            from.user.as_deref(),
            from.user_key.as_deref(),
            from.group.as_deref(),
        )?;
        Some(RoleHeld {
            holder,
            role: self.column(&path, &table, &from.role)?,
            map: Some(from.map.clone()),
            source: self.source(&path, table, from.filter.as_deref())?,
        })
    }

    fn share(&mut self, at: &[String], from: &ShareSource) -> Option<SharedFrom> {
        let path = written_at("shares", at);
        let table = self.table(&path, &from.table)?;
        let modules = &self.document.mapping.modules;
        let module = self.said(&path, "module", &table, &from.module, |word| {
            let unknown = !modules.contains_key(word);
            unknown.then(|| (format!("there is no module \"{word}\""), "map the module"))
        })?;
        let level = self.said(&path, "level", &table, &from.level, |word| {
            let unknown = ShareLevel::from_name(word).is_none();
            unknown.then(|| {
                let message = format!("\"{word}\" is no level of a share");
                (message, "read, update or delete")
            })
        })?;
        let holder = self.holder(
            &path,
            &table,
            from.user.as_deref(),
            from.user_key.as_deref(),
            from.group.as_deref(),
        )?;
        Some(SharedFrom {
            module,
            record: self.key_column(&path, &table, &from.record)?,
            holder,
            level,
            expires: match &from.expires {
                Some(column) => Some(self.time(&path, &table, column)?),
                None => None,
            },
            source: self.source(&path, table, from.filter.as_deref())?,
        })
    }

    /// What is the same for all rows, or what a column says in each; `wrong` tells what is wrong
    /// with a word, and the remedy.
    fn said(
        &mut self,
        path: &[&str],
        key: &str,
        table: &TableName,
        from: &SaidBy,
        wrong: impl Fn(&str) -> Option<(String, &'static str)>,
    ) -> Option<Said> {
        let path = [path, &[key]].concat();
        let (words, said) = match from {
            SaidBy::Always(word) => (vec![word], Said::Always(word.clone())),
            SaidBy::Column { column, map } => {
                let path = [&path[..], &["column"]].concat();
                let column = self.column(&path, table, column)?;
                (map.values().collect(), Said::Words(column, map.clone()))
            }
        };
        if words.is_empty() {
            self.problems.add(
                &[&path[..], &["map"]].concat(),
                "no value of the column stands for anything",
                "map = { value = \"…\" }",
            );
            return None;
        }
        if let Some((message, remedy)) = words.into_iter().find_map(|word| wrong(word)) {
            self.problems.add(&path, message, remedy);
            return None;
        }
        Some(said)
    }

    fn setting_values(&mut self, from: &SettingSource) -> Option<Settings> {
        let path = ["mapping", "settings"];
        let table = self.table(&path, &from.table)?;
        Some(Settings {
            group: match &from.group {
                Some(column) => Some(self.key_column(&path, &table, column)?),
                None => None,
            },
            setting: self.column(&path, &table, &from.setting)?,
            value: self.boolean(&path, &table, &from.value)?,
            source: self.source(&path, table, None)?,
        })
    }

    fn time(&mut self, path: &[&str], table: &TableName, name: &str) -> Option<Column> {
        let column = self.column(path, table, name)?;
        if column.type_name == "pg_catalog.timestamptz" {
            return Some(column);
        }
        self.problems.add(
            path,
            format!(
                "column {table}.{name} is of type {}, not timestamptz",
                column.type_name
            ),
            "name a timestamptz column, or use where = \"…\"",
        );
        None
    }

    pub(super) fn boolean(
        &mut self,
        path: &[&str],
        table: &TableName,
        name: &str,
    ) -> Option<Column> {
        let column = self.column(path, table, name)?;
        if column.type_name == "pg_catalog.bool" {
            return Some(column);
        }
        self.problems.add(
            path,
            format!(
                "column {table}.{name} is of type {}, not boolean",
                column.type_name
            ),
            "name a boolean column, or use where = \"…\"",
        );
        None
    }
}

/// The keys that lead to one of several sources.
fn written_at<'a>(key: &'a str, at: &'a [String]) -> Vec<&'a str> {
    let mut path = vec!["mapping", key];
    path.extend(at.iter().map(String::as_str));
    path
}

pub(super) fn own(table: &str) -> Source {
    Source {
        table: TableName::new(SCHEMA, table),
        filter: None,
        filter_types: BTreeMap::new(),
    }
}

pub(super) fn text(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_name: TEXT.to_owned(),
    }
}

pub(super) fn user_key(name: &str) -> KeyColumn {
    KeyColumn {
        column: text(name),
        key: "user".to_owned(),
    }
}
