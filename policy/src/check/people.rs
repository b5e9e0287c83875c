//! The people: their keys, logins, supervisors and attributes.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use super::directory::{TEXT, own, text, user_key};
use crate::directory::{Elsewhere, Users};
use crate::document::UserSource;
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
            Some(column) => Some(self.column(&["mapping", "users", "login"], &table, column)?),
            None => None,
        };
        let active = match &from.active {
            Some(column) => Some(self.boolean(&["mapping", "users", "active"], &table, column)?),
            None => None,
        };
        let supervisor = match &from.supervisor {
            Some(column) => {
                let path = ["mapping", "users", "supervisor"];
                let key = from
                    .supervisor_key
                    .clone()
                    .unwrap_or_else(|| "user".to_owned());
                if !keys.contains_key(&key) {
                    self.problems.add(
                        &["mapping", "users", "supervisor_key"],
                        format!("\"{key}\" is no key in mapping.users.keys"),
                        "name one of them",
                    );
                    return None;
                }
                Some(KeyColumn {
                    column: self.key_column(&path, &table, column)?,
                    key,
                })
            }
            None => None,
        };
        let mut attributes = BTreeMap::new();
        for (name, column) in &from.attributes {
            let column = self.column(&["mapping", "users", "attributes", name], &table, column)?;
            attributes.insert(name.clone(), column);
        }
        Some(Users {
            source: self.source(&path, table, from.filter.as_deref())?,
            keys,
            more_keys,
            login,
            active,
            supervisor,
            attributes,
            more_attributes: BTreeMap::new(),
        })
    }

    /// Celador's own tables, with the keys and attributes that the document speaks of.
    pub(super) fn own_users(&mut self) -> Users {
        let elsewhere = |table: &str, name: &str| {
            let mut source = own(table);
            source.filter = Some(Predicate::Compare {
                left: Operand::Column("name".into()),
                op: Comparison::Equal,
                right: Operand::Text(name.into()),
            });
            source.filter_types.insert("name".into(), TEXT.into());
            (
                name.to_owned(),
                Elsewhere {
                    source,
                    user: text("user"),
                    value: text("value"),
                },
            )
        };
        let names = self.spoken_of();
        Users {
            source: own("users"),
            keys: BTreeMap::from([("user".to_owned(), text("user"))]),
            more_keys: names
                .0
                .iter()
                .map(|name| elsewhere("user_keys", name))
                .collect(),
            login: Some(text("login")),
            active: Some(Column {
                name: "active".into(),
                type_name: "pg_catalog.bool".into(),
            }),
            supervisor: Some(user_key("supervisor")),
            attributes: BTreeMap::new(),
            more_attributes: names
                .1
                .iter()
                .map(|name| elsewhere("user_attributes", name))
                .collect(),
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
