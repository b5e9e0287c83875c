//! Values to ask for: from rows that a person sees, and from rows that are hidden.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::schema::{Column, Schema, Table};

/// A row as text, a value for each column of its table.
pub type Row = Vec<Option<String>>;

/// Rows to take values from.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// Rows in reach, by table.
    pub visible: BTreeMap<String, Vec<Row>>,
    /// Other rows, by table.
    pub hidden: BTreeMap<String, Vec<Row>>,
}

impl Values {
    /// A row: three times in four one that is seen.
    pub fn row<'a>(&'a self, chance: &mut Chance, table: &str) -> Option<&'a Row> {
        let of =
            |rows: &'a BTreeMap<String, Vec<Row>>| rows.get(table).filter(|rows| !rows.is_empty());
        let (seen, other) = (of(&self.visible), of(&self.hidden));
        let rows = if chance.percent(75) {
            seen.or(other)
        } else {
            other.or(seen)
        };
        rows.map(|rows| chance.of(rows))
    }

    /// How many rows of a table are seen (of those kept here).
    pub fn seen(&self, table: &str) -> usize {
        self.visible.get(table).map_or(0, Vec::len)
    }
}

/// A value of a column as SQL.
pub fn literal(column: &Column, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("'{}'::{}", value.replace('\'', "''"), column.type_name),
        None => "NULL".to_owned(),
    }
}

/// A table, the more often the more others it is joined with; nearly always one with rows to see.
pub fn any_table<'a>(chance: &mut Chance, schema: &'a Schema, values: &Values) -> &'a Table {
    let seen_only = chance.percent(94);
    let weighted: Vec<&Table> = schema
        .tables
        .values()
        .filter(|table| table.name != "countries" || chance.percent(20))
        .filter(|table| {
            let rows = table.partition_of.as_ref().unwrap_or(&table.name);
            !seen_only || values.seen(rows) > 0
        })
        .flat_map(|table| std::iter::repeat_n(table, 1 + table.references.len().min(4)))
        .collect();
    weighted[chance.below(weighted.len())]
}
