//! What is written into rows, and which rows are written.

use super::Writer;
use crate::shadow::aim::Deed;
use crate::shadow::generator::Source;
use crate::shadow::oracle::Action;
use crate::shadow::schema::{Column, Family, Table};
use crate::shadow::values::{Pool, Row, literal};

/// What an UPDATE is meant to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// Another value in a column that means nothing.
    Edit,
    /// Another owner.
    Give,
    /// Another group.
    Refile,
    /// Another record to hang on.
    Move,
    /// Another value in a column that rules and restrictions look at.
    Rule,
    /// Another creator.
    Forge,
    /// Any two columns.
    Anything,
}

impl<'a> Writer<'a> {
    /// A value for a column of a row to be written.
    pub(super) fn new_value(&mut self, table: &'a Table, column: &Column) -> String {
        let record = self.record(table);
        let name = Some(column.name.as_str());
        let means = [
            record.creator,
            record.owner,
            record.group,
            record.names_owner,
        ];
        if means.contains(&name)
            && let Some(mut keys) =
                self.oracle
                    .candidates(self.phase, self.person, &table.name, &column.name)
        {
            if record.names_owner == name {
                // Whoever made a record without owner linking it to himself is left open.
                let me = self.oracle.owner_key(self.phase, self.person, &table.name);
                keys.retain(|key| *key != me);
            }
            if column.nullable && self.chance().percent(12) {
                return "NULL".to_owned();
            }
            return literal(column, Some(&self.pick(&keys)));
        }
        if record.ruled.contains(&column.name.as_str()) && self.chance().percent(50) {
            // What makes rows be hidden.
            let at = table.columns.iter().position(|c| c.name == column.name);
            let row = self.row(table, Some(Pool::Hidden));
            return literal(column, row.zip(at).and_then(|(row, at)| row[at].as_deref()));
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

    /// Columns and values of a new row: like a row that the person may change, the person's own,
    /// and different in one thing or two.
    pub(super) fn new_row(
        &mut self,
        table: &'a Table,
        may_omit_key: bool,
    ) -> (Vec<String>, Vec<String>) {
        let aimed = self.aimed_pool();
        let pool = match self.chance().below(10) {
            0..8 if aimed.is_some() => aimed.unwrap_or(Pool::Visible),
            0..6 => Pool::Changeable,
            6..8 => Pool::Visible,
            _ => Pool::Hidden,
        };
        let template = self
            .generator
            .values
            .row_of(self.generator.chance, pool, &table.name)
            .cloned();
        let record = self.record(table);
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (at, column) in table.columns.iter().enumerate() {
            if column.generated {
                continue;
            }
            let name = Some(column.name.as_str());
            let refers = table.references.iter().any(|r| r.column == column.name);
            let unique = table
                .unique
                .iter()
                .any(|index| index.columns == [column.name.as_str()]);
            let like = template.as_ref().and_then(|row| row[at].as_deref());
            let value = if unique && !refers && !self.chance().percent(8) {
                if column.sequence.is_some() && may_omit_key && self.chance().percent(30) {
                    self.omits_key = true;
                    continue;
                }
                self.fresh_key(column)
            } else if record.creator == name {
                match self.chance().below(10) {
                    0..4 => continue,
                    4..8 => self.oracle.key_of(self.person),
                    _ => self.new_value(table, column),
                }
            } else if record.owner == name && self.chance().percent(55) {
                self.oracle.owner_key(self.phase, self.person, &table.name)
            } else if record.owner == name && self.chance().percent(60)
                || record.group == name && self.chance().percent(35)
                || record.names_owner == name
                || record.ruled.contains(&column.name.as_str()) && self.chance().percent(35)
                || refers && self.chance().percent(20)
                || refers && table.key.contains(&column.name)
                || like.is_none() && !column.nullable
            {
                self.new_value(table, column)
            } else if column.nullable && self.chance().percent(8) {
                continue;
            } else {
                literal(column, like)
            };
            names.push(column.name.clone());
            values.push(value);
        }
        (names, values)
    }

    /// What an UPDATE of a table could be meant to do.
    pub(super) fn intent(&mut self, table: &'a Table) -> Intent {
        let record = self.record(table);
        let aimed = self.aim.as_ref().map(|cell| cell.deed);
        let can = |intent| match intent {
            Intent::Give => record.owner.is_some() || record.names_owner.is_some(),
            Intent::Refile => record.group.is_some(),
            Intent::Rule => !record.ruled.is_empty(),
            Intent::Forge => record.creator.is_some(),
            Intent::Move => self.generator.schema.relations(table).next().is_some(),
            Intent::Edit | Intent::Anything => true,
        };
        let wanted = match self.generator.chance.below(100) {
            _ if aimed == Some(Deed::Claim) => Intent::Give,
            0..30 if aimed == Some(Deed::Assign) && can(Intent::Refile) => Intent::Refile,
            _ if aimed == Some(Deed::Assign) && can(Intent::Give) => Intent::Give,
            _ if aimed == Some(Deed::Assign) => Intent::Refile,
            0..34 if aimed == Some(Deed::Update) => Intent::Edit,
            0..22 => Intent::Give,
            22..34 => Intent::Refile,
            34..43 => Intent::Move,
            43..48 => Intent::Forge,
            48..54 => Intent::Anything,
            54..74 => Intent::Rule,
            _ => Intent::Edit,
        };
        if can(wanted) { wanted } else { Intent::Edit }
    }

    /// What SET says: so often, of a hundred times, also that a field is as it is shown.
    pub(super) fn assignments(
        &mut self,
        table: &'a Table,
        intent: Intent,
        as_shown: usize,
    ) -> String {
        let record = self.record(table);
        let plain: Vec<&'a Column> = table
            .columns
            .iter()
            .filter(|column| !column.generated && !table.key.contains(&column.name))
            .collect();
        let meaning = [
            record.creator,
            record.owner,
            record.group,
            record.names_owner,
        ];
        let is_plain = |column: &&&'a Column| {
            !meaning.contains(&Some(column.name.as_str()))
                && !record.touch.contains(&column.name.as_str())
        };
        let named = |names: &[Option<&str>]| -> Vec<&'a Column> {
            let column = |column: &&&'a Column| names.contains(&Some(column.name.as_str()));
            plain.iter().filter(column).copied().collect()
        };
        let rest: Vec<&'a Column> = plain.iter().filter(is_plain).copied().collect();
        let ruled: Vec<Option<&str>> = record.ruled.iter().copied().map(Some).collect();
        let from = match intent {
            Intent::Edit => rest.clone(),
            Intent::Give => named(&[record.owner, record.names_owner]),
            Intent::Refile => named(&[record.group]),
            Intent::Rule => named(&ruled),
            Intent::Forge => named(&[record.creator]),
            Intent::Move => {
                let relations = self.generator.schema.relations(table);
                let columns: Vec<Option<&str>> =
                    relations.map(|r| Some(r.column.as_str())).collect();
                named(&columns)
            }
            Intent::Anything => plain.clone(),
        };
        let mut chosen: Vec<&'a Column> = match intent {
            _ if from.is_empty() => {
                let column = table.column(&table.key[0]);
                return format!("{} = {}", column.name, self.new_value(table, column));
            }
            Intent::Edit | Intent::Anything => self.generator.chance.some(&from, 2),
            Intent::Give | Intent::Refile | Intent::Move | Intent::Rule | Intent::Forge => {
                self.generator.chance.some(&from, 1)
            }
        };
        let touched: Vec<Option<&str>> = record.touch.iter().copied().map(Some).collect();
        let mut also = |more: Vec<&'a Column>, percent: usize| {
            if !more.is_empty() && self.generator.chance.percent(percent) {
                let column = *self.generator.chance.of(&more);
                if !chosen.iter().any(|known| known.name == column.name) {
                    chosen.push(column);
                }
            }
        };
        also(named(&touched), 20);
        if intent == Intent::Give {
            also(rest, 15);
        }
        let mut values: Vec<String> = chosen
            .iter()
            .map(|column| self.new_value(table, column))
            .collect();
        if !table.fields.is_empty() && self.chance().percent(as_shown) {
            // What it holds stays.
            let column = table.column(&self.pick(&table.fields));
            if !chosen.iter().any(|known| known.name == column.name) {
                chosen.push(column);
                values.push(format!("n.{}", column.name));
            }
        }
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

    /// The rows that a write is most telling for, one in five times any.
    pub(super) fn pool(&mut self, action: Action, intent: Intent) -> Option<Pool> {
        if let Some(pool) = self.aimed_pool() {
            return Some(pool);
        }
        let pools: &[Pool] = match (action, intent) {
            (Action::Update, Intent::Give | Intent::Refile) => &[
                Pool::Assignable,
                Pool::Assignable,
                Pool::Changeable,
                Pool::Claimable,
                Pool::Unchangeable,
            ],
            (Action::Update, _) => &[
                Pool::Changeable,
                Pool::Changeable,
                Pool::Changeable,
                Pool::Unchangeable,
                Pool::Claimable,
            ],
            (Action::Delete, _) => &[Pool::Deletable, Pool::Deletable, Pool::Undeletable],
            (Action::Read | Action::Create | Action::Claim, _) => &[],
        };
        (!pools.is_empty() && self.chance().percent(80)).then(|| self.pick(pools))
    }

    /// A row that is there.
    pub(super) fn row(&mut self, table: &Table, pool: Option<Pool>) -> Option<&'a Row> {
        let (values, chance) = (self.generator.values, &mut *self.generator.chance);
        match pool {
            Some(pool) => values.row_of(chance, pool, &table.name),
            None => values.row(chance, &table.name),
        }
    }

    /// The key of a row, of a table with a key of one column.
    pub(super) fn key_of_row(
        &mut self,
        table: &'a Table,
        action: Action,
        intent: Intent,
    ) -> String {
        let pool = self.pool(action, intent);
        let key = table.column(&table.key[0]);
        let at = table.columns.iter().position(|c| c.name == key.name);
        let row = self.row(table, pool);
        literal(key, row.zip(at).and_then(|(row, at)| row[at].as_deref()))
    }

    /// A condition: often the keys of one or two rows.
    pub(super) fn few(
        &mut self,
        table: &'a Table,
        alias: &str,
        (action, intent): (Action, Intent),
    ) -> String {
        if self.aim.is_some() || self.chance().percent(80) {
            let rows: Vec<String> = self
                .few_rows(table, (action, intent))
                .into_iter()
                .map(|row| is_row(table, alias, row))
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
        let percent = if self.aim.is_some() { 8 } else { 25 };
        if table.references.is_empty() || !self.chance().percent(percent) {
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

/// The row is this one.
pub(super) fn is_row(table: &Table, alias: &str, row: &Row) -> String {
    let parts: Vec<String> = table
        .columns
        .iter()
        .zip(row)
        .filter(|(column, _)| table.key.contains(&column.name))
        .map(|(column, value)| {
            let value = literal(column, value.as_deref());
            format!("{alias}.{} = {value}", column.name)
        })
        .collect();
    format!("({})", parts.join(" AND "))
}
