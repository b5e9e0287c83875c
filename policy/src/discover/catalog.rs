//! What discovery knows of a database: the [`Schema`] that a policy is checked against, and what
//! else the catalog says that tells how tables belong together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::names::Name;
use crate::schema::{Schema, TableFacts, TableName};

/// Returns the clues of a [`Catalog`] as one `text` value: a JSON array of tables. It reads
/// PostgreSQL's catalogs only, and none that not everybody may read.
pub const CLUES_SQL: &str = include_str!("clues.sql");

/// A declared foreign key.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Declared {
    pub(super) columns: Vec<String>,
    pub(super) table: TableName,
    pub(super) to: Vec<String>,
    /// Rows go with the row that they refer to.
    pub(super) cascades: bool,
}

/// What the catalog says of a table beside its [`TableFacts`].
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Clues {
    /// The estimate of rows; negative where the table was never analysed.
    pub(super) rows: f64,
    /// The extension that the table belongs to.
    pub(super) extension: Option<String>,
    /// The columns in their order.
    pub(super) columns: Vec<String>,
    /// The labels of columns of an enum.
    pub(super) labels: BTreeMap<String, Vec<String>>,
    pub(super) not_null: BTreeSet<String>,
    /// The columns of each unique index that holds for all rows.
    pub(super) unique: Vec<Vec<String>>,
    pub(super) references: Vec<Declared>,
}

/// A table with everything that is known of it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: Name,
    pub(super) facts: TableFacts,
    pub(super) clues: Clues,
}

/// A database, as discovery sees it.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The schemas whose tables are placed.
    pub(super) schemas: Vec<String>,
    pub(super) tables: BTreeMap<TableName, Table>,
}

#[derive(Deserialize)]
struct Row {
    table: TableName,
    #[serde(flatten)]
    clues: Clues,
}

impl Catalog {
    /// Puts together a database's tables and the one value that [`CLUES_SQL`] returns. `schemas` are
    /// those whose tables are to be placed.
    ///
    /// # Errors
    /// When the text isn't of that form.
    pub fn from_json(
        schema: Schema,
        clues: &str,
        schemas: &[String],
    ) -> Result<Self, serde_json::Error> {
        let rows: Vec<Row> = serde_json::from_str(clues)?;
        let mut clues: BTreeMap<_, _> =
            rows.into_iter().map(|row| (row.table, row.clues)).collect();
        let tables = schema.tables.into_iter().map(|(name, facts)| {
            let table = Table {
                name: Name::of_table(&name.name),
                clues: clues.remove(&name).unwrap_or_default(),
                facts,
            };
            (name, table)
        });
        Ok(Self {
            schemas: schemas.to_vec(),
            tables: tables.collect(),
        })
    }

    /// The tables to place that stand for themselves: no partitions, nothing that inherits.
    pub(super) fn roots(&self) -> impl Iterator<Item = (&TableName, &Table)> {
        self.tables.iter().filter(|(name, table)| {
            self.schemas.contains(&name.schema) && table.facts.inherits.is_empty()
        })
    }

    /// A table's name as the mapping writes it: with its schema where there are several.
    pub(super) fn written(&self, table: &TableName) -> String {
        if self.schemas.len() == 1 && !table.name.contains('.') {
            table.name.clone()
        } else {
            table.to_string()
        }
    }
}

impl Table {
    /// The one column of the primary key.
    pub(super) fn key(&self) -> Option<&str> {
        match self.facts.primary_key.as_slice() {
            [key] => Some(key),
            _ => None,
        }
    }

    /// The type of a column, without the schema of PostgreSQL's own.
    pub(super) fn type_of(&self, column: &str) -> &str {
        self.facts.columns.get(column).map_or("", |facts| {
            let name = facts.type_name.as_str();
            name.strip_prefix("pg_catalog.").unwrap_or(name)
        })
    }

    pub(super) fn is_bool(&self, column: &str) -> bool {
        self.type_of(column) == "bool"
    }

    pub(super) fn is_time(&self, column: &str) -> bool {
        matches!(self.type_of(column), "date" | "timestamp" | "timestamptz")
    }

    pub(super) fn is_text(&self, column: &str) -> bool {
        matches!(self.type_of(column), "text" | "varchar" | "bpchar")
    }

    /// Whether a policy can take the column for a key.
    pub(super) fn can_be_key(&self, column: &str) -> bool {
        let stored = self
            .facts
            .columns
            .get(column)
            .is_some_and(|facts| !facts.generated);
        stored
            && matches!(
                self.type_of(column),
                "int2" | "int4" | "int8" | "uuid" | "text" | "varchar"
            )
    }

    /// Whether no two rows have the same values in these columns.
    pub(super) fn is_unique(&self, columns: &[&str]) -> bool {
        self.clues
            .unique
            .iter()
            .any(|key| key.iter().all(|column| columns.contains(&column.as_str())))
    }

    pub(super) fn required(&self, column: &str) -> bool {
        self.clues.not_null.contains(column)
    }

    /// The first column, in the table's order, whose words are one of `phrases`.
    pub(super) fn column_named(&self, phrases: &[&str]) -> Option<&str> {
        phrases.iter().find_map(|phrase| {
            let mut columns = self.clues.columns.iter();
            columns
                .find(|column| Name::of_column(column).is(&[phrase]))
                .map(String::as_str)
        })
    }
}
