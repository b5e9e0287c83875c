//! The people: their keys, logins, supervisors and attributes.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use super::directory::{TEXT, own, text, user_key};
use crate::directory::{
    Active, ActiveTable, Elsewhere, Supervision, SupervisionTable, Told, ToldElsewhere, Users,
};
use crate::document::{ActiveSource, UserSource, ValueSource};
use crate::policy_set::{Column, KeyColumn};
use crate::predicate::{Comparison, Operand, Predicate};
use crate::schema::TableName;

impl Checker<'_> {
    pub(super) fn users(&mut self, from: &UserSource) -> Option<Users> {
        let path = ["mapping", "users"];
        let table = self.table(&["mapping", "users", "table"], &from.table)?;
        let mut keys = BTreeMap::new();
        for (name, column) in &from.keys {
            let column = self.key_column(&["mapping", "users", "keys", name], &table, column)?;
            keys.insert(name.clone(), column);
        }
        if !keys.contains_key("user") {
            self.problems.add(
                &["mapping", "users", "keys"],
                "the key \"user\" is missing",
                "add user = \"…\", the column by which most records name a person",
            );
            return None;
        }
        let mut more_keys = BTreeMap::new();
        for (name, place) in &from.more_keys {
            let path = ["mapping", "users", "more_keys", name];
            if keys.contains_key(name) {
                self.problems.add(
                    &path,
                    format!("the key \"{name}\" is mapped twice"),
                    "leave one out",
                );
                continue;
            }
            let table = self.table(&path, &place.table)?;
            let place = Elsewhere {
                user: self.key_column(&path, &table, &place.user)?,
                value: self.key_column(&path, &table, &place.key)?,
                source: self.source(&path, table, place.filter.as_deref())?,
            };
            more_keys.insert(name.clone(), place);
        }
        let login = match &from.login {
            Some(login) => Some(self.told(&["mapping", "users", "login"], &table, login)?),
            None => None,
        };
        let mut active = Vec::new();
        for (at, source) in from.active.places() {
            active.push(self.active(&at, &table, source)?);
        }
        let supervision = self.supervision(&table, &keys, from)?;
        let mut attributes = BTreeMap::new();
        for (name, told) in &from.attributes {
            let told = self.told(&["mapping", "users", "attributes", name], &table, told)?;
            attributes.insert(name.clone(), told);
        }
        Some(Users {
            source: self.source(&path, table, from.filter.as_deref())?,
            keys,
            more_keys,
            login,
            active,
            supervision,
            attributes,
        })
    }

    /// Something that is told of a person, in the users' table or in another.
    fn told(&mut self, path: &[&str], users: &TableName, from: &ValueSource) -> Option<Told> {
        match from {
            ValueSource::Plain(column) => self.column(path, users, column).map(Told::Column),
            ValueSource::Table {
                table,
                user,
                user_key,
                column,
                filter,
            } => {
                let table = self.table(&[path, &["table"]].concat(), table)?;
                Some(Told::Table(Box::new(ToldElsewhere {
                    user: self.person(path, &table, user, user_key.as_deref())?,
                    value: self.column(&[path, &["column"]].concat(), &table, column)?,
                    source: self.source(path, table, filter.as_deref())?,
                })))
            }
        }
    }

    /// One of the places that say whether a person is active.
    fn active(&mut self, at: &[String], users: &TableName, from: &ActiveSource) -> Option<Active> {
        let mut path = vec!["mapping", "users", "active"];
        path.extend(at.iter().map(String::as_str));
        match from {
            ActiveSource::Plain(column) => self.boolean(&path, users, column).map(Active::Column),
            ActiveSource::Table {
                table,
                user,
                user_key,
                column,
                filter,
            } => {
                let table = self.table(&path, table)?;
                Some(Active::Table(Box::new(ActiveTable {
                    user: self.person(&path, &table, user, user_key.as_deref())?,
                    column: match column {
                        Some(column) => Some(self.boolean(&path, &table, column)?),
                        None => None,
                    },
                    source: self.source(&path, table, filter.as_deref())?,
                })))
            }
        }
    }

    /// Who supervises whom: by a column of the users' table, or by another table. The outer
    /// `None` stands for a problem.
    fn supervision(
        &mut self,
        users: &TableName,
        keys: &BTreeMap<String, Column>,
        from: &UserSource,
    ) -> Option<Option<Supervision>> {
        let path = ["mapping", "users", "supervision"];
        match (&from.supervisor, &from.supervision) {
            (None, None) => Some(None),
            (Some(_), Some(_)) => {
                self.problems.add(
                    &path,
                    "who supervises whom is mapped twice",
                    "leave out supervisor, or supervision",
                );
                None
            }
            (Some(column), None) => {
                let key = from.supervisor_key.as_deref().unwrap_or("user");
                if !keys.contains_key(key) {
                    self.problems.add(
                        &["mapping", "users", "supervisor_key"],
                        format!("\"{key}\" is no key in mapping.users.keys"),
                        "name one of them",
                    );
                    return None;
                }
                let path = ["mapping", "users", "supervisor"];
                Some(Some(Supervision::Column(KeyColumn {
                    column: self.key_column(&path, users, column)?,
                    key: key.to_owned(),
                })))
            }
            (None, Some(from)) => {
                let table = self.table(&[&path[..], &["table"]].concat(), &from.table)?;
                let user = self.person(&path, &table, &from.user, from.user_key.as_deref())?;
                let above = [&path[..], &["supervisor"]].concat();
                Some(Some(Supervision::Table(Box::new(SupervisionTable {
                    supervisor: self.key_column(&above, &table, &from.supervisor)?,
                    source: self.source(&path, table, from.filter.as_deref())?,
                    user: user.column,
                    key: user.key,
                }))))
            }
        }
    }

    /// Celador's own tables, with the keys and attributes that the document speaks of.
    pub(super) fn own_users(&mut self) -> Users {
        let of_name = |table: &str, name: &str| {
            let mut source = own(table);
            source.filter = Some(Predicate::Compare {
                left: Operand::Column("name".into()),
                op: Comparison::Equal,
                right: Operand::Text(name.into()),
            });
            source.filter_types.insert("name".into(), TEXT.into());
            source
        };
        let key = |name: &String| {
            let place = Elsewhere {
                source: of_name("user_keys", name),
                user: text("user"),
                value: text("value"),
            };
            (name.clone(), place)
        };
        let attribute = |name: &String| {
            let place = ToldElsewhere {
                source: of_name("user_attributes", name),
                user: user_key("user"),
                value: text("value"),
            };
            (name.clone(), Told::Table(Box::new(place)))
        };
        let names = self.spoken_of();
        Users {
            source: own("users"),
            keys: BTreeMap::from([("user".to_owned(), text("user"))]),
            more_keys: names.0.iter().map(key).collect(),
            login: Some(Told::Column(text("login"))),
            active: vec![Active::Column(Column {
                name: "active".into(),
                type_name: "pg_catalog.bool".into(),
            })],
            supervision: Some(Supervision::Column(user_key("supervisor"))),
            attributes: names.1.iter().map(attribute).collect(),
        }
    }

    /// Names of keys (but `user`) and of attributes that mapping and predicates speak of.
    fn spoken_of(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let document = self.document;
        let mut keys = BTreeSet::new();
        let mut attributes = BTreeSet::new();
        for map in document.mapping.modules.values() {
            keys.extend(map.creator_key.clone());
            for owner in map.owner.as_slice() {
                match owner {
                    crate::document::OwnerLink::Column { key: Some(key), .. }
                    | crate::document::OwnerLink::Table { key: Some(key), .. } => {
                        keys.insert(key.clone());
                    }
                    crate::document::OwnerLink::Plain(_)
                    | crate::document::OwnerLink::Column { .. }
                    | crate::document::OwnerLink::Table { .. } => {}
                }
            }
        }
        let mapping = &document.mapping;
        keys.extend(
            mapping
                .memberships
                .as_slice()
                .iter()
                .filter_map(|m| m.user_key.clone()),
        );
        keys.extend(
            mapping
                .roles_held
                .as_slice()
                .iter()
                .filter_map(|r| r.user_key.clone()),
        );
        keys.extend(
            mapping
                .shares
                .as_slice()
                .iter()
                .filter_map(|s| s.user_key.clone()),
        );
        let rules = document
            .matrix
            .rules
            .values()
            .flat_map(|rule| rule.values());
        let restrictions = document
            .matrix
            .restrictions
            .values()
            .filter_map(|r| r.predicate.as_ref());
        for text in rules.chain(restrictions) {
            if let Ok(predicate) = Predicate::parse(text) {
                keys.extend(predicate.keys().into_iter().map(str::to_owned));
                attributes.extend(predicate.attributes().into_iter().map(str::to_owned));
            }
        }
        keys.remove("user");
        (keys, attributes)
    }

    pub(super) fn person(
        &mut self,
        path: &[&str],
        table: &TableName,
        column: &str,
        key: Option<&str>,
    ) -> Option<KeyColumn> {
        let key = key.unwrap_or("user").to_owned();
        let known = key == "user"
            || self.document.mapping.users.as_ref().is_none_or(|users| {
                users.keys.contains_key(&key) || users.more_keys.contains_key(&key)
            });
        if !known {
            self.problems.add(
                &[path, &["user_key"]].concat(),
                format!("nobody has a key called \"{key}\""),
                "name a key of mapping.users.keys or mapping.users.more_keys",
            );
            return None;
        }
        Some(KeyColumn {
            column: self.key_column(&[path, &["user"]].concat(), table, column)?,
            key,
        })
    }
}
