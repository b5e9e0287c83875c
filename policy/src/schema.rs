//! What a database holds, as far as a policy has to know: tables, columns, keys, foreign keys.
//!
//! Both doors read it with the same text, [`SCHEMA_SQL`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quote;
use crate::rendering_function::{FunctionFacts, FunctionName};

/// A table's schema and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
}

impl TableName {
    /// A table's name from its parts.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }

    /// The name as SQL, both parts quoted.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote::name(&self.schema), quote::name(&self.name))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A column, as far as a policy has to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// Its type; of a domain, the type below it. Qualified, as `pg_catalog.int4`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it is generated from other columns.
    #[serde(default)]
    pub generated: bool,
    /// From which.
    #[serde(default)]
    pub generated_from: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that it refers to.
    pub table: TableName,
}

/// A table, partitioned table or foreign table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFacts {
    /// `r` (plain), `p` (partitioned) or `f` (foreign).
    pub kind: String,
    /// The role that it belongs to.
    #[serde(default)]
    pub owner: String,
    /// The columns.
    pub columns: BTreeMap<String, ColumnFacts>,
    /// The primary key's columns.
    #[serde(default)]
    pub primary_key: Vec<String>,
    /// The foreign keys.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
    /// The tables that this one inherits from, or is a partition of.
    #[serde(default)]
    pub inherits: Vec<TableName>,
}

/// The tables of a database that aren't PostgreSQL's own, and the functions that a document names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables by name.
    pub tables: BTreeMap<TableName, TableFacts>,
    /// The functions by name: one for each signature.
    pub functions: BTreeMap<FunctionName, Vec<FunctionFacts>>,
}

#[derive(Deserialize)]
struct Row {
    table: TableName,
    #[serde(flatten)]
    facts: TableFacts,
}

#[derive(Deserialize)]
struct FunctionRow {
    function: FunctionName,
    #[serde(flatten)]
    facts: FunctionFacts,
}

impl Schema {
    /// Reads the one value that [`SCHEMA_SQL`] returns.
    ///
    /// # Errors
    /// When the text isn't of that form.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let rows: Vec<Row> = serde_json::from_str(json)?;
        Ok(Self {
            tables: rows.into_iter().map(|row| (row.table, row.facts)).collect(),
            functions: BTreeMap::new(),
        })
    }

    /// Adds the functions of the one value that [`FUNCTIONS_SQL`] returns.
    ///
    /// # Errors
    /// When the text isn't of that form.
    ///
    /// [`FUNCTIONS_SQL`]: crate::rendering_function::FUNCTIONS_SQL
    pub fn add_functions(&mut self, json: &str) -> Result<(), serde_json::Error> {
        for row in serde_json::from_str::<Vec<FunctionRow>>(json)? {
            self.functions
                .entry(row.function)
                .or_default()
                .push(row.facts);
        }
        Ok(())
    }

    /// The table and everything that inherits from it, itself first.
    pub fn with_children(&self, table: &TableName) -> Vec<TableName> {
        let mut found = vec![table.clone()];
        let mut next = 0;
        while next < found.len() {
            for (name, facts) in &self.tables {
                if facts.inherits.contains(&found[next]) && !found.contains(name) {
                    found.push(name.clone());
                }
            }
            next += 1;
        }
        found
    }
}

/// Returns a [`Schema`] as one `text` value: a JSON array of tables.
pub const SCHEMA_SQL: &str = include_str!("schema.sql");

/// Whether a column of this type can hold a key.
pub(crate) fn is_key_type(type_name: &str) -> bool {
    matches!(
        type_name,
        "pg_catalog.int2"
            | "pg_catalog.int4"
            | "pg_catalog.int8"
            | "pg_catalog.uuid"
            | "pg_catalog.text"
            | "pg_catalog.varchar"
            | "pg_catalog.bpchar"
    )
}
