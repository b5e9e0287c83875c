//! Writes of fields: a record is saved as it was read, and a field is given the value that it shows, the one
//! that it holds, and others.

use super::in_turn::{Other, one_after_the_other};
use super::{Made, Writer};
use crate::shadow::generator::IN_TURN;
use crate::shadow::oracle::Action;
use crate::shadow::schema::Table;
use crate::shadow::values::{Pool, Row, literal};

/// At most so many fields are tried in turn.
const FIELDS: usize = 2;

impl<'a> Writer<'a> {
    /// Values for fields of a row: what it shows, what it holds, NULL, and those of other rows.
    pub(super) fn field_values(&mut self, table: &'a Table, row: &Row) -> Vec<Other<'a>> {
        if table.fields.is_empty() {
            return Vec::new();
        }
        let place = |name: &str| table.columns.iter().position(|c| c.name == name);
        let keys: Vec<usize> = table.key.iter().filter_map(|key| place(key)).collect();
        let all = self.generator.values.of(Pool::Stored, &table.name).iter();
        let mut stored = all.filter(|other| keys.iter().all(|at| other[*at] == row[*at]));
        let stored = stored.next();
        let mut values = Vec::new();
        for name in self.generator.chance.some(&table.fields, FIELDS) {
            let (column, at) = (table.column(&name), place(&name).unwrap_or_default());
            values.push((column, literal(column, row[at].as_deref())));
            if let Some(stored) = stored {
                values.push((column, literal(column, stored[at].as_deref())));
            }
            if column.nullable {
                values.push((column, format!("NULL::{}", column.type_name)));
            }
            values.push((column, self.generator.value(table, column)));
        }
        values
    }

    /// Fields of a row that the person may change, given values in turn.
    pub(super) fn fields_in_turn(&mut self) -> Made<'a> {
        let has_fields = |table: &Table| !table.fields.is_empty();
        let mut tables = self.generator.schema.whole();
        if !tables.any(|table| has_fields(table) && self.decided(table, Action::Update)) {
            return self.update();
        }
        let table = self.table(Action::Update, has_fields);
        let Some(row) = self.row(table, Some(Pool::Changeable)).cloned() else {
            return self.update();
        };
        let mut all = self.field_values(table, &row);
        all.extend(self.field_values(table, &row));
        let updates = all.iter().map(|other| self.update_one(table, &row, other));
        let updates = updates.collect();
        (IN_TURN, table, one_after_the_other(updates), false)
    }

    /// A record is saved as it was read, or but for one value, as applications do: by UPDATE, by ON CONFLICT
    /// or by MERGE.
    pub(super) fn save(&mut self, table: &'a Table) -> Made<'a> {
        let pool = self.aimed_pool().unwrap_or(Pool::Changeable);
        let Some(row) = self.row(table, Some(pool)).cloned() else {
            return self.update();
        };
        let columns = table.columns.iter().zip(&row);
        let mut record: Vec<(&str, String)> = columns
            .filter(|(column, _)| !column.generated)
            .map(|(column, value)| (column.name.as_str(), literal(column, value.as_deref())))
            .collect();
        if self.chance().percent(40) {
            let record_of = self.record(table);
            let free = |name: &str| {
                !table.key.iter().any(|key| key == name)
                    && !record_of.given().any(|given| given == name)
                    && record_of.creator != Some(name)
            };
            let free: Vec<usize> = (0..record.len()).filter(|at| free(record[*at].0)).collect();
            if !free.is_empty() {
                let at = self.pick(&free);
                record[at].1 = self.new_value(table, table.column(record[at].0));
            }
        }
        let (name, key) = (&table.name, &table.key[0]);
        let names: Vec<&str> = record.iter().map(|(name, _)| *name).collect();
        let values: Vec<&str> = record.iter().map(|(_, value)| value.as_str()).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        let set = |of: &dyn Fn(&str, &str) -> String| {
            let set = record.iter().filter(|(name, _)| name != key);
            let set: Vec<String> = set
                .map(|(name, value)| format!("{name} = {}", of(name, value)))
                .collect();
            set.join(", ")
        };
        let way = if self.decided(table, Action::Create) {
            self.chance().below(10)
        } else {
            0
        };
        let returning = self.returning(table, "n");
        match way {
            0..5 => {
                let at = table.columns.iter().position(|column| column.name == *key);
                let value = at.and_then(|at| row[at].as_deref());
                let sql = format!(
                    "UPDATE {name} n SET {} WHERE n.{key} = {}{returning}",
                    set(&|_, value| value.to_owned()),
                    literal(table.column(key), value)
                );
                ("save", table, vec![sql], false)
            }
            5..8 => {
                let sql = format!(
                    "INSERT INTO {name} AS n ({names}) VALUES ({values}) ON CONFLICT ({key}) DO UPDATE SET {}{returning}",
                    set(&|name, _| format!("EXCLUDED.{name}"))
                );
                ("on conflict", table, vec![sql], true)
            }
            _ => {
                let sql = format!(
                    "MERGE INTO {name} n USING (VALUES ({values})) s({names}) ON n.{key} = s.{key} WHEN MATCHED THEN UPDATE SET {}",
                    set(&|name, _| format!("s.{name}"))
                );
                ("merge", table, vec![sql], true)
            }
        }
    }
}
