//! Statements that differ in one value, one after the other, each undone before the next: whether a row
//! may be written often hangs on one of them.

use std::collections::BTreeSet;

use super::row::is_row;
use super::{Made, Writer};
use crate::shadow::aim::{Cell, Deed};
use crate::shadow::generator::{IN_TURN, UNDO};
use crate::shadow::schema::{Column, Table};
use crate::shadow::values::{Pool, Row, literal};

/// A column and a value for it.
pub(super) type Other<'a> = (&'a Column, String);

impl<'a> Writer<'a> {
    /// New rows like one that the person may change, or a row changed, in one value each.
    pub(super) fn in_turn(&mut self, table: &'a Table, cell: &Cell) -> Made<'a> {
        let pool = cell.deed.pool(cell.allowed);
        let row = self.row(table, Some(pool)).cloned();
        let others = self.others(table);
        let all: Vec<String> = match (cell.deed, row) {
            (Deed::Create, row) => {
                let mut all = Vec::new();
                let mut others = others;
                others.extend(
                    row.iter()
                        .flat_map(|row| self.field_values(table, row))
                        .take(2),
                );
                for other in others.iter().map(Some).chain([None]) {
                    all.push(self.like(table, row.as_ref(), other));
                }
                all
            }
            (_, None) => return self.update(),
            (deed, Some(row)) => {
                let suits = |(column, _): &&Other<'_>| {
                    self.is_given_by(table, column) == (deed != Deed::Update)
                };
                let mut others: Vec<Other<'_>> = others.iter().filter(suits).cloned().collect();
                if deed == Deed::Update {
                    others.extend(self.field_values(table, &row));
                    // What comes last is compared in full.
                    let last = self.chance().below(others.len().max(1));
                    others.rotate_left(last);
                }
                let me = self.oracle.owner_key(self.phase, self.person, &table.name);
                if let Some(owner) = self.record(table).owner.filter(|_| deed != Deed::Update) {
                    let owner = table.column(owner);
                    others.push((
                        owner,
                        literal(
                            owner,
                            Some(&me).filter(|me| *me != "NULL").map(String::as_str),
                        ),
                    ));
                }
                if others.is_empty() {
                    return self.update();
                }
                let updates = others.iter();
                updates
                    .map(|other| self.update_one(table, &row, other))
                    .collect()
            }
        };
        (IN_TURN, table, one_after_the_other(all), false)
    }

    /// One value of a row changes.
    pub(super) fn update_one(
        &mut self,
        table: &'a Table,
        row: &Row,
        (column, value): &Other<'a>,
    ) -> String {
        let returning = self.returning(table, "n");
        format!(
            "UPDATE {} n SET {} = {value} WHERE {}{returning}",
            table.name,
            column.name,
            is_row(table, "n", row)
        )
    }

    /// Whether a column says whose a row is.
    fn is_given_by(&self, table: &Table, column: &Column) -> bool {
        let record = self.record(table);
        let name = column.name.as_str();
        record.given().any(|given| given == name) || record.names_owner == Some(name)
    }

    /// Other values for the columns on which it hangs what may be done with a row: nobody and somebody
    /// else, other groups, what rules look at, other records to hang on.
    fn others(&mut self, table: &'a Table) -> Vec<Other<'a>> {
        let record = self.record(table);
        let mut others = Vec::new();
        let people = [
            record.owner,
            record.names_owner,
            record.group,
            record.creator,
        ];
        for name in people.into_iter().flatten() {
            let column = table.column(name);
            if column.nullable && record.creator != Some(name) {
                others.push((column, format!("NULL::{}", column.type_name)));
            }
            if let Some(keys) = self.other_keys(table, column) {
                others.push((column, literal(column, Some(&self.pick(&keys)))));
            }
        }
        for name in &record.ruled {
            let column = table.column(name);
            let values = self.telling_values(table, column);
            others.extend(values.into_iter().map(|value| (column, value)));
        }
        let relations: Vec<_> = self.generator.schema.relations(table).collect();
        for reference in relations {
            let other = self.generator.schema.table(&reference.table);
            for pool in [Pool::Changeable, Pool::Unchangeable, Pool::Hidden] {
                let value = self.value_of(other, other.column(&reference.key), pool);
                others.extend(value.map(|value| (table.column(&reference.column), value)));
            }
        }
        others
    }

    /// Keys of others than the person, for a column that says whose a row is.
    fn other_keys(&self, table: &Table, column: &Column) -> Option<Vec<String>> {
        let oracle = self.oracle;
        let mut keys = oracle.candidates(self.phase, self.person, &table.name, &column.name)?;
        let mine = [
            oracle.owner_key(self.phase, self.person, &table.name),
            oracle.key_of(self.person),
        ];
        let record = self.record(table);
        if record.group != Some(column.name.as_str()) {
            keys.retain(|key| !mine.contains(key));
        }
        (!keys.is_empty()).then_some(keys)
    }

    /// Values of a column, some of those first that only hidden rows have: they may be why.
    fn telling_values(&mut self, table: &'a Table, column: &Column) -> Vec<String> {
        let at = table.columns.iter().position(|c| c.name == column.name);
        let all = |pool| -> BTreeSet<&'a str> {
            let rows = self.generator.values.of(pool, &table.name).iter();
            rows.filter_map(|row| row[at?].as_deref()).collect()
        };
        let (seen, hidden) = (all(Pool::Visible), all(Pool::Hidden));
        let only_hidden: Vec<&str> = hidden.difference(&seen).copied().collect();
        let mut values = Vec::new();
        if !only_hidden.is_empty() {
            values.extend(self.chance().some(&only_hidden, 2));
        }
        let seen: Vec<&str> = seen.into_iter().collect();
        if !seen.is_empty() {
            values.push(self.pick(&seen));
        }
        let literals = values.into_iter().map(|value| literal(column, Some(value)));
        literals.collect()
    }

    /// A value of a column in the rows of a pool, if there are any.
    fn value_of(&mut self, table: &'a Table, column: &Column, pool: Pool) -> Option<String> {
        let rows = self.generator.values.of(pool, &table.name);
        let at = table.columns.iter().position(|c| c.name == column.name)?;
        if rows.is_empty() {
            return None;
        }
        let row = self.chance().of(rows);
        row[at].as_deref().map(|value| literal(column, Some(value)))
    }

    /// An INSERT of a row like one that is there, the person's own, but for one value.
    fn like(&mut self, table: &'a Table, row: Option<&Row>, other: Option<&Other<'_>>) -> String {
        let record = self.record(table);
        // Who may not write a field may create a record without it.
        let omits_fields = self.chance().percent(60);
        let mut values = Vec::new();
        for (at, column) in table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, c)| !c.generated)
        {
            let name = Some(column.name.as_str());
            let refers = table.references.iter().any(|r| r.column == column.name);
            let unique = table
                .unique
                .iter()
                .any(|index| index.columns == [column.name.as_str()]);
            let value = row.and_then(|row| row[at].as_deref());
            values.push(match other {
                Some((changed, value)) if changed.name == column.name => value.clone(),
                _ if unique && !refers => self.fresh_key(column),
                _ if omits_fields && column.nullable && table.fields.contains(&column.name) => {
                    "DEFAULT".to_owned()
                }
                _ if record.creator == name => self.oracle.key_of(self.person),
                _ if record.owner == name => {
                    self.oracle.owner_key(self.phase, self.person, &table.name)
                }
                _ if value.is_none() && !column.nullable => self.new_value(table, column),
                _ => literal(column, value),
            });
        }
        format!(
            "INSERT INTO {} AS n ({}) VALUES ({}){}",
            table.name,
            table.stored().join(", "),
            values.join(", "),
            self.returning(table, "n")
        )
    }
}

/// Statements, each undone before the next; the last stands.
pub(super) fn one_after_the_other(mut all: Vec<String>) -> Vec<String> {
    let last = all.pop();
    let mut steps = vec!["SAVEPOINT before".to_owned()];
    for one in all {
        steps.extend([one, UNDO.to_owned()]);
    }
    steps.extend(last);
    steps
}
