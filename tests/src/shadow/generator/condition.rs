//! Conditions on rows, with values of rows that are seen and of hidden ones.

use super::{Generator, Source};
use crate::shadow::schema::{Column, Family, Table};
use crate::shadow::values::{Pool, literal};

impl<'a> Generator<'a> {
    /// A value of a column, as SQL.
    pub(in crate::shadow) fn value(&mut self, table: &Table, column: &Column) -> String {
        let whole = table.partition_of.as_ref().unwrap_or(&table.name);
        let at = table
            .columns
            .iter()
            .position(|c| c.name == column.name)
            .unwrap_or(0);
        // Real CRMs have many empty columns, and comparing with NULL finds nothing.
        let tries = if column.nullable { 4 } else { 1 };
        let value = (0..tries).find_map(|_| {
            // A guess at what a field holds.
            let stored = !table.fields.is_empty() && self.chance.percent(25);
            let row = if stored {
                self.values.row_of(self.chance, Pool::Stored, whole)?
            } else {
                self.values.row(self.chance, whole)?
            };
            row[at].as_deref()
        });
        match value {
            None => format!("NULL::{}", column.type_name),
            some => literal(column, some),
        }
    }

    /// A condition on a table's rows.
    pub(in crate::shadow) fn condition(&mut self, source: &Source<'a>, depth: usize) -> String {
        if depth < 2 && self.chance.percent(30) {
            let (left, right) = (
                self.condition(source, depth + 1),
                self.condition(source, depth + 1),
            );
            return match self.chance.below(5) {
                0 => format!("({left} AND {right})"),
                4 => format!("NOT ({left})"),
                _ => format!("({left} OR {right})"),
            };
        }
        let table = source.table;
        let mut column = self.chance.of(&table.columns);
        let mut value = self.value(table, column);
        for _ in 0..3 {
            if value.starts_with("NULL::") {
                column = self.chance.of(&table.columns);
                value = self.value(table, column);
            }
        }
        let name = format!("{}.{}", source.alias, column.name);
        match self.chance.below(14) {
            0 | 1 if column.family != Family::Other => {
                format!("{name} {} {value}", self.chance.of(&["<", "<=", ">", ">="]))
            }
            2 if column.family != Family::Other => {
                format!(
                    "{name} BETWEEN SYMMETRIC {value} AND {}",
                    self.value(table, column)
                )
            }
            3 => format!(
                "{name} IN ({value}, {}, {})",
                self.value(table, column),
                self.value(table, column)
            ),
            4 => format!("{name} <> {value}"),
            5 => format!(
                "{name} IS {}NULL",
                if column.nullable && self.chance.percent(40) {
                    ""
                } else {
                    "NOT "
                }
            ),
            6 | 7 if column.family == Family::Text => {
                format!(
                    "{name} LIKE '%' || left({value}, {}) || '%'",
                    1 + self.chance.below(4)
                )
            }
            8 if matches!(column.family, Family::Number | Family::Text | Family::Time) => {
                let inner = self.alias();
                let function = self.chance.of(&["min", "max"]);
                format!(
                    "{name} {} (SELECT {function}({inner}.{}) FROM {} {inner})",
                    self.chance.of(&["<=", ">=", "<>"]),
                    column.name,
                    table.name
                )
            }
            9 | 10 if depth < 2 => self.by_other_rows(source, depth),
            11 => {
                let key: Vec<String> = table
                    .key
                    .iter()
                    .map(|key| format!("{}.{key}", source.alias))
                    .collect();
                let values: Vec<String> = table
                    .key
                    .iter()
                    .map(|key| self.value(table, table.column(key)))
                    .collect();
                format!("({}) >= ({})", key.join(", "), values.join(", "))
            }
            _ if column.nullable && value.starts_with("NULL::") => format!("{name} IS NULL"),
            _ => format!("{name} = {value}"),
        }
    }

    /// A condition that looks at rows of another table.
    fn by_other_rows(&mut self, source: &Source<'a>, depth: usize) -> String {
        let refers: Vec<(&'a Table, String, String)> = self
            .schema
            .tables
            .values()
            .flat_map(|table| table.references.iter().map(move |r| (table, r)))
            .filter(|(table, r)| {
                r.table == source.table.name && self.values.fills(table, &r.column)
            })
            .map(|(table, r)| (table, r.column.clone(), r.key.clone()))
            .collect();
        let inner = self.alias();
        let not = if self.chance.percent(30) { "NOT " } else { "" };
        if !refers.is_empty() && self.chance.percent(60) {
            let (table, column, key) = self.chance.of(&refers).clone();
            let condition = self.condition(
                &Source {
                    alias: inner.clone(),
                    table,
                },
                depth + 1,
            );
            return format!(
                "{not}EXISTS (SELECT FROM {} {inner} WHERE {inner}.{column} = {}.{key} AND {condition})",
                table.name, source.alias
            );
        }
        let known: Vec<_> = source
            .table
            .references
            .iter()
            .filter(|r| self.schema.tables.contains_key(&r.table))
            .filter(|r| self.values.fills(source.table, &r.column))
            .collect();
        if known.is_empty() {
            return format!("{}.{} IS NOT NULL", source.alias, source.table.key[0]);
        }
        let reference = *self.chance.of(&known);
        let table = self.schema.table(&reference.table);
        let condition = self.condition(
            &Source {
                alias: inner.clone(),
                table,
            },
            depth + 1,
        );
        format!(
            "{}.{} {not}IN (SELECT {inner}.{} FROM {} {inner} WHERE {condition})",
            source.alias, reference.column, reference.key, table.name
        )
    }

    pub(super) fn filter(&mut self, sources: &[Source<'a>]) -> String {
        if self.chance.percent(35) {
            return String::new();
        }
        let source = self.chance.of(sources).clone();
        let one = self.condition(&source, 0);
        if self.chance.percent(70) {
            return format!(" WHERE {one}");
        }
        let source = self.chance.of(sources).clone();
        format!(" WHERE {one} OR {}", self.condition(&source, 0))
    }
}
