//! What is written into rows, and which rows are written.

use super::Writer;
use crate::shadow::generator::Source;
use crate::shadow::schema::{Column, Family, Table};
use crate::shadow::values::literal;

impl<'a> Writer<'a> {
    /// A value for a column of a row to be written.
    pub(super) fn new_value(&mut self, table: &'a Table, column: &Column) -> String {
        let record = self.record(table);
        let means = [record.creator, record.owner, record.group];
        let linked = column.name == "user_id";
        if (means.contains(&Some(column.name.as_str())) || linked)
            && let Some(keys) = self.oracle.candidates(self.person, &column.name)
        {
            let me = self.oracle.key_of(self.person);
            // Whoever made a record without owner linking it to himself is left open.
            let keys: Vec<String> = keys
                .into_iter()
                .filter(|key| !linked || *key != me)
                .collect();
            if column.nullable && self.chance().percent(12) {
                return "NULL".to_owned();
            }
            return literal(column, Some(&self.pick(&keys)));
        }
        let reference = table
            .references
            .iter()
            .find(|reference| reference.column == column.name);
        if let Some(reference) =
            reference.filter(|r| self.generator.schema.tables.contains_key(&r.table))
        {
            let other = self.generator.schema.table(&reference.table);
            return self.generator.value(other, other.column(&reference.key));
        }
        self.generator.value(table, column)
    }

    pub(super) fn fresh_key(&mut self, column: &Column) -> String {
        self.fresh += 1;
        let fresh = self.fresh;
        match (column.family, column.type_name.as_str()) {
            (Family::Number, _) => fresh.to_string(),
            (_, "uuid") => format!("'00000000-0000-0000-0001-{fresh:012}'::uuid"),
            _ => format!("'new-{fresh}'"),
        }
    }

    /// Columns and values of a new row, as like other rows as the table demands.
    pub(super) fn new_row(
        &mut self,
        table: &'a Table,
        may_omit_key: bool,
    ) -> (Vec<String>, Vec<String>) {
        let template = self
            .generator
            .values
            .row(self.generator.chance, &table.name)
            .cloned();
        let record = self.record(table);
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (at, column) in table.columns.iter().enumerate() {
            if column.generated {
                continue;
            }
            let refers = table.references.iter().any(|r| r.column == column.name);
            let unique = table
                .unique
                .iter()
                .any(|index| index.len() == 1 && index[0] == column.name);
            let value = if unique && !refers && !self.chance().percent(8) {
                if let Some(sequence) = &column.sequence
                    && may_omit_key
                    && self.chance().percent(30)
                {
                    self.sequences.push(sequence.clone());
                    continue;
                }
                self.fresh_key(column)
            } else if record.creator == Some(column.name.as_str()) && self.chance().percent(50) {
                continue;
            } else if refers && (self.chance().percent(40) || table.key.contains(&column.name))
                || record.owner == Some(column.name.as_str()) && self.chance().percent(70)
            {
                self.new_value(table, column)
            } else if column.nullable && self.chance().percent(15) {
                continue;
            } else {
                let value = template.as_ref().and_then(|row| row[at].as_deref());
                if value.is_none() && !column.nullable {
                    self.new_value(table, column)
                } else {
                    literal(column, value)
                }
            };
            names.push(column.name.clone());
            values.push(value);
        }
        (names, values)
    }

    /// What SET says of one or two columns.
    pub(super) fn assignments(&mut self, table: &'a Table) -> String {
        let record = self.record(table);
        let plain: Vec<&'a Column> = table
            .columns
            .iter()
            .filter(|column| {
                !column.generated
                    && !table.key.contains(&column.name)
                    && column.name != "updated_at"
            })
            .collect();
        if plain.is_empty() {
            let column = table.column(&table.key[0]);
            return format!("{} = {}", column.name, self.new_value(table, column));
        }
        let meaning: Vec<&'a Column> = plain
            .iter()
            .copied()
            .filter(|c| {
                record.owner == Some(c.name.as_str()) || record.group == Some(c.name.as_str())
            })
            .collect();
        let rest: Vec<&'a Column> = plain
            .iter()
            .copied()
            .filter(|c| {
                !meaning.iter().any(|m| m.name == c.name) && record.creator != Some(c.name.as_str())
            })
            .collect();
        let chosen: Vec<&'a Column> = match self.chance().below(20) {
            0..5 if !meaning.is_empty() => self.generator.chance.some(&meaning, 1),
            5..7 => self.generator.chance.some(&plain, 2),
            _ if rest.is_empty() => self.generator.chance.some(&plain, 1),
            _ => self.generator.chance.some(&rest, 2),
        };
        let values: Vec<String> = chosen
            .iter()
            .map(|column| self.new_value(table, column))
            .collect();
        let names: Vec<&str> = chosen.iter().map(|column| column.name.as_str()).collect();
        if names.len() > 1 && self.chance().percent(30) {
            return format!("({}) = (SELECT {})", names.join(", "), values.join(", "));
        }
        names
            .iter()
            .zip(values)
            .map(|(name, value)| format!("{name} = {value}"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A condition: often the keys of one or two rows.
    pub(super) fn few(&mut self, table: &'a Table, alias: &str) -> String {
        if self.chance().percent(55) {
            let wanted = 1 + self.chance().below(2);
            let rows: Vec<String> = (0..wanted)
                .filter_map(|_| {
                    self.generator
                        .values
                        .row(self.generator.chance, &table.name)
                })
                .map(|row| {
                    let parts: Vec<String> = table
                        .key
                        .iter()
                        .filter_map(|key| {
                            let at = table
                                .columns
                                .iter()
                                .position(|column| column.name == *key)?;
                            Some(format!(
                                "{alias}.{key} = {}",
                                literal(&table.columns[at], row[at].as_deref())
                            ))
                        })
                        .collect();
                    format!("({})", parts.join(" AND "))
                })
                .collect();
            if !rows.is_empty() {
                return rows.join(" OR ");
            }
        }
        self.generator.condition(
            &Source {
                alias: alias.to_owned(),
                table,
            },
            0,
        )
    }

    /// Another table that this one refers to: `FROM other o WHERE n.column = o.key AND …`.
    pub(super) fn other(&mut self, table: &'a Table, word: &str) -> Option<(String, String)> {
        if table.references.is_empty() || !self.chance().percent(25) {
            return None;
        }
        let reference = self.pick(&table.references);
        let other = self.generator.schema.tables.get(&reference.table)?;
        let condition = self.generator.condition(
            &Source {
                alias: "o".to_owned(),
                table: other,
            },
            1,
        );
        Some((
            format!(" {word} {} o", other.name),
            format!(
                "n.{} = o.{} AND {condition} AND ",
                reference.column, reference.key
            ),
        ))
    }
}
