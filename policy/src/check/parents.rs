//! What records hang on: by a column, by type and key, or by a link table.

use std::collections::BTreeMap;

use super::Checker;
use super::links::Rows;
use crate::document::{ModuleMap, ParentLink};
use crate::policy_set::{Column, Parent, ParentTarget};
use crate::schema::TableName;

impl Checker<'_> {
    pub(super) fn parent(
        &mut self,
        path: &[&str],
        table: &TableName,
        parent: &ParentLink,
        all: &BTreeMap<String, ModuleMap>,
        record: Option<&Column>,
    ) -> Option<Parent> {
        let path = [path, &["parent"]].concat();
        let known = |this: &mut Self, module: &str| {
            let known = all.contains_key(module);
            if !known {
                this.problems.add(
                    &path,
                    format!("there is no module \"{module}\""),
                    "map the module, or leave the parent out",
                );
            }
            known
        };
        match parent {
            ParentLink::Plain { module, column } => {
                let known = known(self, module);
                let column = self.key_column(&path, table, column)?;
                known.then(|| Parent {
                    column,
                    target: ParentTarget::Module(module.clone()),
                })
            }
            ParentLink::Polymorphic {
                column,
                type_column,
                modules,
            } => {
                let unknown = modules.values().filter(|module| !known(self, module));
                let known = unknown.count() == 0;
                let column = self.key_column(&path, table, column)?;
                let type_column = self.column(&path, table, type_column)?;
                known.then(|| Parent {
                    column,
                    target: ParentTarget::ByType {
                        column: type_column,
                        modules: modules.clone(),
                    },
                })
            }
            ParentLink::Joined {
                column,
                separator,
                modules,
            } => {
                let unknown = modules.values().filter(|module| !known(self, module));
                let known = unknown.count() == 0;
                let column = self.text_column(&path, table, column)?;
                let clear = self.types_are_clear(&path, separator, modules);
                (known && clear).then(|| Parent {
                    column,
                    target: ParentTarget::Joined {
                        separator: separator.clone(),
                        modules: modules.clone(),
                    },
                })
            }
            ParentLink::Table {
                module,
                table: link,
                record: at,
                parent,
                filter,
                counts,
            } => {
                let known = known(self, module);
                let rows = Rows::of(filter, counts);
                let link = self.link(&path, link, [at, parent], rows, record)?;
                let column = record.filter(|_| known)?.clone();
                Some(Parent {
                    column,
                    target: ParentTarget::Linked {
                        module: module.clone(),
                        link,
                    },
                })
            }
        }
    }

    /// A column of text in which a type stands before the key.
    fn text_column(&mut self, path: &[&str], table: &TableName, name: &str) -> Option<Column> {
        let column = self.key_column(path, table, name)?;
        let text = matches!(
            column.type_name.as_str(),
            "pg_catalog.text" | "pg_catalog.varchar" | "pg_catalog.bpchar"
        );
        if !text {
            self.problems.add(
                path,
                format!(
                    "column {table}.{name} is of type {}, which holds no type and key",
                    column.type_name
                ),
                "name a column of text, or leave separator out",
            );
        }
        text.then_some(column)
    }

    /// Each value has one meaning: no type with its separator begins another.
    fn types_are_clear(
        &mut self,
        path: &[&str],
        separator: &str,
        modules: &BTreeMap<String, String>,
    ) -> bool {
        if separator.is_empty() {
            self.problems.add(
                path,
                "the separator is empty",
                "write what stands between the type and the key, such as \",\"",
            );
            return false;
        }
        let begins = |one: &String, other: &String| {
            one != other && format!("{other}{separator}").starts_with(&format!("{one}{separator}"))
        };
        let unclear = modules.keys().find_map(|one| {
            let other = modules.keys().find(|other| begins(one, other))?;
            Some((one, other))
        });
        if let Some((one, other)) = unclear {
            self.problems.add(
                path,
                format!("\"{other}{separator}\" can be read as type \"{one}\" too"),
                "name types of which none begins another",
            );
        }
        unclear.is_none()
    }
}
