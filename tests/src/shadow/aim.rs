//! Which writes a person's turn is for: each action on each table, where the person may and where
//! not, the one tried least so far first.
//!
//! Chance alone comes to a rare row too seldom: there are a thousand of these cells.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::oracle::{Action, Oracle};
use super::schema::{Schema, Table};
use super::values::{Pool, Values};

/// What a write does to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A new row.
    Create,
    /// Other values in columns that don't say whose the row is.
    Update,
    /// Another owner or group.
    Assign,
    /// The person becomes the owner.
    Claim,
    /// The row goes.
    Delete,
}

impl Deed {
    const ALL: [Self; 5] = [
        Self::Create,
        Self::Update,
        Self::Assign,
        Self::Claim,
        Self::Delete,
    ];

    /// What the grammar does.
    pub fn action(self) -> Action {
        match self {
            Self::Create => Action::Create,
            Self::Update | Self::Assign | Self::Claim => Action::Update,
            Self::Delete => Action::Delete,
        }
    }

    /// The rows with which it may be done, or the rows that are seen with which it may not. New rows
    /// are made like those.
    pub fn pool(self, allowed: bool) -> Pool {
        match (self, allowed) {
            (Self::Create | Self::Update, true) => Pool::Changeable,
            (Self::Create | Self::Update, false) => Pool::Unchangeable,
            (Self::Assign, true) => Pool::Assignable,
            (Self::Assign, false) => Pool::Unassignable,
            (Self::Claim, true) => Pool::Claimable,
            (Self::Claim, false) => Pool::Unclaimable,
            (Self::Delete, true) => Pool::Deletable,
            (Self::Delete, false) => Pool::Undeletable,
        }
    }
}

/// A deed on a table's rows, where it is allowed or where it isn't.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The table.
    pub table: String,
    /// What is done.
    pub deed: Deed,
    /// The rows are those with which it may be done.
    pub allowed: bool,
}

/// What one person has tried in a run.
#[derive(Debug, Default, Clone)]
pub struct Aims {
    tried: BTreeMap<Cell, usize>,
    read: usize,
}

/// So many tables are read in full by one statement.
const READ_IN_FULL: usize = 6;

impl Aims {
    /// The cell to be tried now.
    pub fn next(
        &mut self,
        chance: &mut Chance,
        (oracle, person): (&dyn Oracle, &str),
        schema: &Schema,
        values: &Values,
    ) -> Option<Cell> {
        for table in schema.whole() {
            for deed in Deed::ALL {
                if !oracle.decided(person, &table.name, deed.action()) {
                    continue;
                }
                for allowed in [true, false] {
                    if is_there(oracle, table, values, deed, allowed) {
                        let table = table.name.clone();
                        let cell = Cell {
                            table,
                            deed,
                            allowed,
                        };
                        self.tried.entry(cell).or_default();
                    }
                }
            }
        }
        let times = |(cell, tried): (&Cell, &usize)| {
            let rows = |allowed| !values.of(cell.deed.pool(allowed), &cell.table).is_empty();
            // Where some rows are and some aren't, one condition divides them: that is tried twice as often.
            let divides = rows(true) && rows(false);
            rows(cell.allowed).then(|| (tried * if divides { 1 } else { 2 }, cell.clone()))
        };
        let possible: Vec<(usize, Cell)> = self.tried.iter().filter_map(times).collect();
        let least = possible.iter().map(|(tried, _)| *tried).min()?;
        let next: Vec<&Cell> = possible
            .iter()
            .filter(|(tried, _)| *tried == least)
            .map(|(_, cell)| cell)
            .collect();
        let cell = (*chance.of(&next)).clone();
        *self.tried.get_mut(&cell)? += 1;
        Some(cell)
    }

    /// The tables to be read in full now: all come in turn, those too of which nothing is seen.
    pub fn to_read(&mut self, schema: &Schema) -> Vec<String> {
        let all: Vec<&Table> = schema.whole().collect();
        let from = self.read;
        self.read += READ_IN_FULL;
        (from..self.read)
            .map(|at| all[at % all.len()].name.clone())
            .collect()
    }

    /// How many cells were tried, and how many there are.
    pub fn covered(&self) -> (usize, usize) {
        count(self.tried.iter())
    }

    /// The same of those where some rows are allowed and some aren't.
    pub fn dividing(&self) -> (usize, usize) {
        let divides = |(cell, _): &(&Cell, &usize)| {
            let other = Cell {
                allowed: !cell.allowed,
                ..(*cell).clone()
            };
            self.tried.contains_key(&other)
        };
        count(self.tried.iter().filter(divides))
    }
}

fn count<'a>(cells: impl Iterator<Item = (&'a Cell, &'a usize)>) -> (usize, usize) {
    cells.fold((0, 0), |(tried, all), (_, times)| {
        (tried + usize::from(*times > 0), all + 1)
    })
}

/// Whether there is such a cell: a row to try it with, and what the deed is about.
fn is_there(
    oracle: &dyn Oracle,
    table: &Table,
    values: &Values,
    deed: Deed,
    allowed: bool,
) -> bool {
    let record = oracle.record(&table.name);
    let means = match deed {
        Deed::Create | Deed::Update | Deed::Delete => true,
        Deed::Assign => record.given().next().is_some() || record.names_owner.is_some(),
        Deed::Claim => {
            record.owner.is_some() && !values.of(Pool::Claimable, &table.name).is_empty()
        }
    };
    means && !values.of(deed.pool(allowed), &table.name).is_empty()
}
