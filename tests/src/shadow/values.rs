//! Values to ask for: from rows that a person sees, and from rows that are hidden.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::schema::{Column, Schema, Table};

/// A row as text, a value for each column of its table.
pub type Row = Vec<Option<String>>;

/// Rows that are alike for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// Those in reach.
    Visible,
    /// The others.
    Hidden,
    /// Those in reach as they are stored, of tables with fields.
    Stored,
    /// Those that may be changed.
    Changeable,
    /// Those that are seen and may not be changed.
    Unchangeable,
    /// Those that may be deleted.
    Deletable,
    /// Those that are seen and may not be deleted.
    Undeletable,
    /// Those that may be claimed.
    Claimable,
    /// Those that are seen and may not be claimed.
    Unclaimable,
    /// Those that may be given to somebody.
    Assignable,
    /// Those that are seen and may not be given.
    Unassignable,
    /// Those that are seen, and neither changed nor given nor claimed: a write passes over them.
    Foreign,
}

/// What may be done with a row that is seen.
#[derive(Debug, Clone, Copy)]
pub struct Rights {
    /// It may be changed.
    pub update: bool,
    /// It may be deleted.
    pub delete: bool,
    /// It may be claimed.
    pub claim: bool,
    /// It may be given to somebody.
    pub assign: bool,
}

impl Rights {
    fn pools(self) -> Vec<Pool> {
        let either = |is: bool, yes, no| if is { yes } else { no };
        let mut pools = vec![
            Pool::Visible,
            either(self.update, Pool::Changeable, Pool::Unchangeable),
            either(self.delete, Pool::Deletable, Pool::Undeletable),
            either(self.claim, Pool::Claimable, Pool::Unclaimable),
            either(self.assign, Pool::Assignable, Pool::Unassignable),
        ];
        if !(self.update || self.claim || self.assign) {
            pools.push(Pool::Foreign);
        }
        pools
    }
}

/// Rows to take values from; in each pool those first that are of different kinds.
#[derive(Debug, Clone, Default)]
pub struct Values {
    rows: BTreeMap<(String, Pool), Vec<Row>>,
}

impl Values {
    /// Keeps a row that is seen.
    pub fn put_seen(&mut self, table: &str, row: &Row, rights: Rights) {
        for pool in rights.pools() {
            self.put(pool, table, row.clone());
        }
    }

    /// Keeps a row.
    pub fn put(&mut self, pool: Pool, table: &str, row: Row) {
        let rows = self.rows.entry((table.to_owned(), pool)).or_default();
        rows.push(row);
    }

    /// The rows of a table that are kept.
    pub fn of(&self, pool: Pool, table: &str) -> &[Row] {
        self.rows
            .get(&(table.to_owned(), pool))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether some row that is seen has a value in a column.
    pub fn fills(&self, table: &Table, column: &str) -> bool {
        let whole = table.partition_of.as_ref().unwrap_or(&table.name);
        let at = table.columns.iter().position(|known| known.name == column);
        at.is_some_and(|at| {
            let rows = self.of(Pool::Visible, whole);
            rows.iter().any(|row| row[at].is_some())
        })
    }

    /// A row: three times in four one that is seen.
    pub fn row<'a>(&'a self, chance: &mut Chance, table: &str) -> Option<&'a Row> {
        let (seen, other) = (self.of(Pool::Visible, table), self.of(Pool::Hidden, table));
        let seen_first = chance.percent(75);
        let rows = if (seen_first && !seen.is_empty()) || other.is_empty() {
            seen
        } else {
            other
        };
        (!rows.is_empty()).then(|| chance.of(rows))
    }

    /// Several rows of a pool, at most so many: mostly the first, which are of all kinds.
    pub fn several<'a>(
        &'a self,
        chance: &mut Chance,
        (pool, table): (Pool, &str),
        most: usize,
    ) -> Vec<&'a Row> {
        let rows = self.of(pool, table);
        let from = if rows.len() <= most || chance.percent(60) {
            0
        } else {
            chance.below(rows.len() - most + 1)
        };
        rows[from..].iter().take(most).collect()
    }

    /// A row of a pool, if there is one; else any row.
    pub fn row_of<'a>(&'a self, chance: &mut Chance, pool: Pool, table: &str) -> Option<&'a Row> {
        let rows = self.of(pool, table);
        if rows.is_empty() {
            self.row(chance, table)
        } else {
            Some(chance.of(rows))
        }
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
        .filter(|table| !table.open || chance.percent(20))
        .filter(|table| {
            let rows = table.partition_of.as_ref().unwrap_or(&table.name);
            !seen_only || !values.of(Pool::Visible, rows).is_empty()
        })
        .flat_map(|table| std::iter::repeat_n(table, 1 + schema.relations(table).count().min(4)))
        .collect();
    if weighted.is_empty() {
        let all: Vec<&Table> = schema.tables.values().collect();
        return all[chance.below(all.len())];
    }
    weighted[chance.below(weighted.len())]
}
