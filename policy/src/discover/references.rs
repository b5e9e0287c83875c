//! Which column refers to which table: by declared foreign keys, and where there are none by names
//! and types.

use std::collections::BTreeMap;

use super::catalog::{Catalog, Table};
use super::names::Name;
use super::words;
use crate::schema::TableName;

/// A column that refers to a row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) column: String,
    /// The column's name in words, without what says that it is a key.
    pub(super) name: Name,
    pub(super) table: TableName,
    /// The column that it refers to.
    pub(super) to: String,
    pub(super) required: bool,
    /// Rows go with the row that they refer to.
    pub(super) cascades: bool,
    /// By a foreign key; otherwise names and types tell.
    pub(super) declared: bool,
}

impl Reference {
    /// "its foreign key" or "its name and type", for reasons.
    pub(super) fn shown_by(&self) -> String {
        let column = &self.column;
        let table = &self.table.name;
        if self.declared {
            format!("foreign key {column} → {table}")
        } else {
            format!("name and type of {column} fit {table}, which no foreign key says")
        }
    }
}

/// All references of a database.
#[derive(Debug, Default)]
pub(super) struct References(BTreeMap<TableName, Vec<Reference>>);

impl References {
    pub(super) fn find(catalog: &Catalog) -> Self {
        let mut found = BTreeMap::new();
        for (name, table) in catalog.roots() {
            let mut references = declared(table);
            for column in &table.clues.columns {
                if references.iter().any(|known| known.column == *column) {
                    continue;
                }
                references.extend(by_name(catalog, name, table, column));
            }
            found.insert(name.clone(), references);
        }
        Self(found)
    }

    /// The references of a table.
    pub(super) fn of(&self, table: &TableName) -> &[Reference] {
        self.0.get(table).map_or(&[], Vec::as_slice)
    }

    /// The reference of a column.
    pub(super) fn of_column(&self, table: &TableName, column: &str) -> Option<&Reference> {
        self.of(table)
            .iter()
            .find(|reference| reference.column == column)
    }

    /// The references to a table, with the tables that have them.
    pub(super) fn to<'a>(
        &'a self,
        target: &'a TableName,
    ) -> impl Iterator<Item = (&'a TableName, &'a Reference)> {
        self.0.iter().flat_map(move |(table, references)| {
            references
                .iter()
                .filter(move |reference| reference.table == *target)
                .map(move |reference| (table, reference))
        })
    }

    /// Columns such as `created_by` that no key says anything of, but whose type is the one of the
    /// people's key: they name people.
    pub(super) fn add_people(&mut self, catalog: &Catalog, people: &TableName) {
        let Some(target) = catalog.tables.get(people) else {
            return;
        };
        let Some(key) = target.key() else { return };
        for (table, references) in &mut self.0 {
            let facts = &catalog.tables[table];
            for column in &facts.clues.columns {
                let name = Name::of_column(column);
                let names_people = [words::OWNER, words::CREATOR, words::CHANGER, words::DOER]
                    .iter()
                    .any(|phrases| name.is(phrases));
                let known = references.iter().any(|known| known.column == *column);
                if names_people && !known && facts.type_of(column) == target.type_of(key) {
                    references.push(Reference {
                        required: facts.required(column),
                        column: column.clone(),
                        name,
                        table: people.clone(),
                        to: key.to_owned(),
                        cascades: false,
                        declared: false,
                    });
                }
            }
        }
    }
}

fn declared(table: &Table) -> Vec<Reference> {
    let keys = &table.clues.references;
    let alone = |column: &String| keys.iter().any(|key| key.columns == [column.clone()]);
    let mut found: Vec<Reference> = Vec::new();
    for key in keys {
        // Of a key of several columns, the one that doesn't refer to something by itself.
        let mut pairs = key.columns.iter().zip(&key.to);
        let pair = match key.columns.len() {
            1 => pairs.next(),
            _ => {
                let own: Vec<_> = pairs.filter(|(column, _)| !alone(column)).collect();
                (own.len() == 1).then(|| own[0])
            }
        };
        let Some((column, to)) = pair else { continue };
        if found.iter().any(|known| known.column == *column) {
            continue;
        }
        found.push(Reference {
            column: column.clone(),
            name: Name::of_column(column),
            table: key.table.clone(),
            to: to.clone(),
            required: table.required(column),
            cascades: key.cascades,
            declared: true,
        });
    }
    let order = |reference: &Reference| {
        table
            .clues
            .columns
            .iter()
            .position(|column| *column == reference.column)
    };
    found.sort_by_key(order);
    found
}

/// `account_id` refers to `accounts` or `crm_account`, `assigned_user_id` to `users`: where one table
/// fits by its name and its key has that type.
fn by_name(catalog: &Catalog, of: &TableName, table: &Table, column: &str) -> Option<Reference> {
    let name = Name::of_column(column);
    let is_key = name.words.len() < Name::of_table(column).words.len();
    let is_polymorphic = table.clues.columns.iter().any(|other| {
        let other = Name::of_column(other);
        other.words.len() == name.words.len() + 1
            && other.words.starts_with(&name.words)
            && words::KIND.contains(&other.last())
    });
    if !is_key || is_polymorphic || !table.can_be_key(column) {
        return None;
    }
    let mut best: Vec<(usize, &TableName)> = Vec::new();
    for (target, facts) in catalog.roots() {
        let Some(key) = facts.key() else { continue };
        if facts.type_of(key) != table.type_of(column) || (target == of && key == column) {
            continue;
        }
        let fits = if facts.name.joined() == name.joined() {
            100
        } else if facts.name.words.ends_with(&name.words) {
            50
        } else if name.words.ends_with(&facts.name.words) {
            facts.name.words.len()
        } else {
            continue;
        };
        best.push((fits, target));
    }
    let most = best.iter().map(|(fits, _)| *fits).max()?;
    let mut fitting = best.iter().filter(|(fits, _)| *fits == most);
    let (_, target) = fitting.next()?;
    if fitting.next().is_some() {
        return None;
    }
    Some(Reference {
        required: table.required(column),
        column: column.to_owned(),
        name,
        table: (*target).clone(),
        to: catalog.tables[*target].key()?.to_owned(),
        cascades: false,
        declared: false,
    })
}
