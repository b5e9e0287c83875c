//! The check: turns a document into a [`PolicySet`], or says everything that is wrong with it.

mod builtin;
mod cells;
mod children;
mod directory;
mod field_permissions;
mod fields;
mod lending;
mod links;
mod modules;
mod observing;
mod one_cell;
mod parents;
mod people;
mod roles;
mod rules;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::document::Document;
use crate::policy_set::{Column, PolicySet, RowFilter};
use crate::predicate::{Predicate, RenderedColumn};
use crate::problem::{Collector, Problems};
use crate::quote;
use crate::schema::{Schema, TableName, is_key_type};

pub use one_cell::change_cell;

/// What is known while a document is checked.
pub(crate) struct Checker<'a> {
    document: &'a Document,
    schema: &'a Schema,
    problems: Collector,
    /// Modules and fields of the matrix that the mapping lacks.
    unmapped: BTreeSet<String>,
    /// Tables that nobody placed are closed, and no problem.
    later_tables_are_closed: bool,
}

/// Checks a document against the tables of a database. `text` is what the document was read
/// from, so that problems can name their lines.
///
/// # Errors
/// Every problem that was found, in the order of the lines.
pub fn check(document: &Document, text: &str, schema: &Schema) -> Result<PolicySet, Problems> {
    Checker::new(document, schema).check(text)
}

/// Checks a document again that is in force already: tables that have come since, which nobody
/// placed, are closed, as they have been.
///
/// # Errors
/// As [`check`], but for tables that nobody placed.
pub fn check_again(
    document: &Document,
    text: &str,
    schema: &Schema,
) -> Result<PolicySet, Problems> {
    let mut checker = Checker::new(document, schema);
    checker.later_tables_are_closed = true;
    checker.check(text)
}

impl<'a> Checker<'a> {
    fn new(document: &'a Document, schema: &'a Schema) -> Self {
        Self {
            document,
            schema,
            problems: Collector::default(),
            unmapped: BTreeSet::new(),
            later_tables_are_closed: false,
        }
    }

    fn check(mut self, text: &str) -> Result<PolicySet, Problems> {
        let modules = self.modules();
        let directory = self.directory();
        let set = directory.map(|directory| PolicySet {
            tables: BTreeMap::new(),
            schemas: self.document.mapping.schemas.clone(),
            roles: self.roles(),
            permissions: BTreeMap::new(),
            restrictions: BTreeMap::new(),
            settings: self.settings(),
            no_identity: self.document.mapping.no_identity.unwrap_or_default(),
            group_limit: self.document.matrix.limits.groups,
            administrator_limit: self.document.matrix.limits.administrators,
            review_days: self.document.matrix.limits.review_days,
            fields: BTreeMap::new(),
            known_columns: BTreeMap::new(),
            field_permissions: BTreeMap::new(),
            unmapped: Default::default(),
            directory,
            modules,
        });
        let set = set.map(|mut set| {
            self.rules(&mut set);
            self.restrictions(&mut set);
            self.permissions(&mut set);
            self.placements(&mut set);
            set.fields = self.fields(&set);
            set.known_columns = self.known_columns(&set);
            set.field_permissions = self.field_permissions(&set);
            set.unmapped = std::mem::take(&mut self.unmapped);
            set
        });
        self.problems.finish(text)?;
        set.ok_or_else(|| Problems(Vec::new()))
    }
}

impl Checker<'_> {
    /// The table that the document calls `name`: `schema.table`, or a table of a listed schema.
    fn table(&mut self, path: &[&str], name: &str) -> Option<TableName> {
        let found = if let Some((schema, table)) = split_name(name) {
            let table = TableName::new(schema, table);
            self.schema.tables.contains_key(&table).then_some(table)
        } else {
            let mut schemas = self.document.mapping.schemas.iter();
            schemas.find_map(|schema| {
                let table = TableName::new(schema, name);
                self.schema.tables.contains_key(&table).then_some(table)
            })
        };
        if found.is_none() {
            self.problems.add(
                path,
                format!("there is no table \"{name}\""),
                "name a table of the schemas in mapping.schemas, or write schema.table",
            );
        }
        found
    }

    /// The column of a table.
    fn column(&mut self, path: &[&str], table: &TableName, name: &str) -> Option<Column> {
        let facts = self
            .schema
            .tables
            .get(table)
            .and_then(|table| table.columns.get(name));
        match facts {
            Some(facts) => Some(Column {
                name: name.to_owned(),
                type_name: facts.type_name.clone(),
            }),
            None => {
                self.problems.add(
                    path,
                    format!("table {table} has no column \"{name}\""),
                    "name one of the table's columns",
                );
                None
            }
        }
    }

    /// A column whose type can be a key.
    fn key_column(&mut self, path: &[&str], table: &TableName, name: &str) -> Option<Column> {
        let column = self.column(path, table, name)?;
        if self.schema.tables[table].columns[name].generated {
            self.problems.add(
                path,
                format!(
                    "column {table}.{name} is generated, and not yet known when a row is written"
                ),
                "name a column that is stored as it is written",
            );
            return None;
        }
        if is_key_type(&column.type_name) {
            return Some(column);
        }
        self.problems.add(
            path,
            format!(
                "column {table}.{name} is of type {}, which can't be a key",
                column.type_name
            ),
            "keys are smallint, integer, bigint, uuid or text",
        );
        None
    }

    /// A predicate over a table's columns, with their types.
    fn predicate(
        &mut self,
        path: &[&str],
        text: &str,
        table: &TableName,
        fields: &BTreeMap<String, String>,
    ) -> Option<(Predicate, BTreeMap<String, String>)> {
        let renamed = |name: &str| fields.get(name).cloned().unwrap_or_else(|| name.to_owned());
        let predicate = match Predicate::parse(text) {
            Ok(predicate) => predicate
                .rename_columns(|name| Ok::<_, Infallible>(renamed(name)))
                .ok()?,
            Err(error) => {
                self.problems.add(path, error.to_string(), error.remedy);
                return None;
            }
        };
        let mut types = BTreeMap::new();
        for name in predicate.columns() {
            let column = self.column(path, table, name)?;
            if self.schema.tables[table].columns[name].generated {
                self.problems.add(
                    path,
                    format!("column {table}.{name} is generated, and not yet known when a row is written"),
                    "name the columns that it is generated from",
                );
                return None;
            }
            types.insert(column.name, column.type_name);
        }
        let rendered = predicate.render(&|name: &str| {
            let type_name = types.get(name)?.clone();
            Some(RenderedColumn {
                sql: quote::name(name),
                type_name,
            })
        });
        if let Err(error) = rendered {
            self.problems.add(
                path,
                error.to_string(),
                "compare columns with values of their own type",
            );
            return None;
        }
        Some((predicate, types))
    }

    /// Which rows of a table count, whoever asks. It is read with more rights than who asks has:
    /// nothing that a type's owner wrote may run.
    fn filter(&mut self, path: &[&str], text: &str, table: &TableName) -> Option<RowFilter> {
        let (predicate, types) = self.predicate(path, text, table, &BTreeMap::new())?;
        if !predicate.keys().is_empty()
            || !predicate.attributes().is_empty()
            || !predicate.roles().is_empty()
        {
            self.problems.add(
                path,
                "which rows count can't depend on who asks",
                "use only columns and literals",
            );
            return None;
        }
        if let Some((name, foreign)) = types
            .iter()
            .find(|(_, known)| !known.starts_with("pg_catalog."))
        {
            self.problems.add(
                path,
                format!("column \"{name}\" is of type {foreign}, which isn't PostgreSQL's own"),
                "name columns of built-in types",
            );
            return None;
        }
        Some(RowFilter { predicate, types })
    }
}

/// Splits `schema.table`.
fn split_name(name: &str) -> Option<(&str, &str)> {
    name.split_once('.')
}
