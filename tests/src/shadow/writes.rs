//! The grammar of what is written.
//!
//! ```text
//! write := INSERT VALUES | INSERT SELECT | ON CONFLICT | UPDATE [FROM] | DELETE [USING] | MERGE
//!        | a record saved as it was read | fields given values, each undone before the next
//!        | WITH changed AS (UPDATE … RETURNING …) SELECT | UPDATE WHERE CURRENT OF | prepared
//!        | in turn: INSERTs or UPDATEs that differ in one value, each undone before the next
//! ```
//!
//! Part of them are aimed: at a table, at what is done, and at rows with which it may or may not be done,
//! see [`super::aim`]. Values are those of other rows of the same column, so that most writes pass the CRM's own
//! checks; owners, creators and groups are drawn from a few people and groups. The CRM's directory
//! isn't written here: it changes in phases, see [`super::oracle::Oracle::change`].

mod aimed;
mod fields;
mod in_turn;
mod row;

use super::aim::{Cell, Deed};
use super::chance::Chance;
use super::generator::{Generator, Source, Statement, Step};
use super::oracle::{Action, Oracle, Record};
use super::schema::{Family, Schema, Table};
use super::values::{Pool, Values};

use row::Intent;

/// Makes writes for a person.
pub struct Writer<'a> {
    generator: Generator<'a>,
    oracle: &'a dyn Oracle,
    phase: usize,
    person: &'a str,
    /// A number that no key has.
    fresh: usize,
    /// The new row leaves its key to a sequence.
    omits_key: bool,
    aim: Option<Cell>,
}

type Made<'a> = (&'static str, &'a Table, Vec<String>, bool);

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("person", &self.person)
            .field("phase", &self.phase)
            .finish()
    }
}

impl<'a> Writer<'a> {
    /// For a person; keys of new rows are counted from `fresh`.
    pub fn new(
        chance: &'a mut Chance,
        schema: &'a Schema,
        values: &'a Values,
        oracle: &'a dyn Oracle,
        (phase, person): (usize, &'a str),
        fresh: usize,
    ) -> Self {
        let generator = Generator::new(chance, schema, values);
        Self {
            generator,
            oracle,
            phase,
            person,
            fresh,
            omits_key: false,
            aim: None,
        }
    }

    /// The statement is to try this cell.
    #[must_use]
    pub fn aimed(self, cell: Cell) -> Self {
        Self {
            aim: Some(cell),
            ..self
        }
    }

    /// A statement that writes.
    pub fn write(mut self) -> Statement {
        let (kind, table, steps, strict) = match self.aim.clone() {
            Some(cell) => self.aimed_write(&cell),
            None => match self.chance().below(100) {
                0..20 => self.insert(),
                20..26 => self.insert_select(),
                26..38 => self.on_conflict(),
                38..50 => self.fields_in_turn(),
                50..72 => self.update(),
                72..82 => self.delete(),
                82..90 => self.merge(),
                90..94 => self.with_changed(),
                94..97 => self.current_of(),
                _ => self.prepared(),
            },
        };
        let steps = steps
            .into_iter()
            .map(|sql| Step {
                sql,
                ordered: false,
            })
            .collect();
        Statement {
            kind,
            steps,
            writes: Some(table.name.clone()),
            strict,
        }
    }

    fn chance(&mut self) -> &mut Chance {
        self.generator.chance
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        self.chance().of(choices).clone()
    }

    fn decided(&self, table: &Table, action: Action) -> bool {
        self.oracle.decided(self.person, &table.name, action)
    }

    fn record(&self, table: &Table) -> Record<'a> {
        self.oracle.record(&table.name)
    }

    /// Whether there is something of a table that may be written.
    fn may(&self, table: &str, action: Action) -> bool {
        let has = |pool| !self.generator.values.of(pool, table).is_empty();
        match action {
            Action::Create => {
                self.oracle
                    .reach(self.phase, self.person, table, Action::Create)
                    != "false"
            }
            Action::Update => {
                has(Pool::Changeable) || has(Pool::Assignable) || has(Pool::Claimable)
            }
            Action::Delete => has(Pool::Deletable),
            Action::Claim => has(Pool::Claimable),
            Action::Read => has(Pool::Visible),
        }
    }

    /// A table to write: mostly one of which something may be written.
    fn table(&mut self, action: Action, suits: impl Fn(&Table) -> bool) -> &'a Table {
        if let Some(cell) = &self.aim {
            return self.generator.schema.table(&cell.table);
        }
        let allowed_only = self.chance().percent(85);
        let all: Vec<&'a Table> = self
            .generator
            .schema
            .whole()
            .filter(|table| suits(table))
            .filter(|table| self.decided(table, action))
            .flat_map(|table| std::iter::repeat_n(table, self.weight(table)))
            .collect();
        let allowed: Vec<&'a Table> = all
            .iter()
            .copied()
            .filter(|table| self.may(&table.name, action))
            .collect();
        if allowed_only && !allowed.is_empty() {
            self.pick(&allowed)
        } else {
            self.pick(&all)
        }
    }

    /// What says whose it is, or belongs to what does, is written more often.
    fn weight(&self, table: &Table) -> usize {
        let record = self.record(table);
        if !record.ruled.is_empty() {
            5
        } else if !record.is_nobodys() {
            3
        } else if self.generator.schema.relations(table).next().is_some() {
            2
        } else {
            1
        }
    }

    fn returning(&mut self, table: &Table, alias: &str) -> String {
        match self.chance().below(5) {
            0 => format!(" RETURNING {alias}.*"),
            1 => {
                let column = self.pick(&table.columns);
                format!(
                    " RETURNING {alias}.{}, {alias}.{}",
                    table.key[0], column.name
                )
            }
            _ => String::new(),
        }
    }

    fn insert(&mut self) -> Made<'a> {
        let table = self.table(Action::Create, |_| true);
        let (names, values) = self.new_row(table, true);
        let mut rows = vec![format!("({})", values.join(", "))];
        if !self.omits_key && self.chance().percent(20) {
            let mut more = values;
            for (name, value) in names.iter().zip(more.iter_mut()) {
                if table.key.len() == 1
                    && table.key[0] == *name
                    && !table.references.iter().any(|r| r.column == *name)
                {
                    *value = self.fresh_key(table.column(name));
                } else if self.record(table).owner == Some(name.as_str()) {
                    *value = self.new_value(table, table.column(name));
                }
            }
            rows.push(format!("({})", more.join(", ")));
        }
        let returning = self.returning(table, "n");
        let sql = format!(
            "INSERT INTO {} AS n ({}) VALUES {}{returning}",
            table.name,
            names.join(", "),
            rows.join(", ")
        );
        ("insert", table, vec![sql], false)
    }

    fn insert_select(&mut self) -> Made<'a> {
        let table = self.table(Action::Create, can_be_copied);
        let record = self.record(table);
        let me = self.oracle.key_of(self.person);
        let keep_owner = self.chance().percent(50);
        self.fresh += 1;
        let fresh = self.fresh;
        let outputs: Vec<String> = table
            .columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| {
                let name = &column.name;
                if *name == table.key[0] {
                    format!("s.{name} + {fresh}")
                } else if record.creator == Some(name.as_str())
                    || (record.owner == Some(name.as_str()) && !keep_owner)
                {
                    format!("{me}::{}", column.type_name)
                } else if table
                    .unique
                    .iter()
                    .any(|index| index.columns.contains(name))
                    && column.family == Family::Text
                {
                    format!("s.{name} || '-{fresh}'")
                } else {
                    format!("s.{name}")
                }
            })
            .collect();
        let condition = self.few(table, "s", (Action::Read, Intent::Edit));
        let returning = self.returning(table, "n");
        let sql = format!(
            "INSERT INTO {name} AS n ({}) SELECT {} FROM {name} s WHERE {condition}{returning}",
            table.stored().join(", "),
            outputs.join(", "),
            name = table.name
        );
        ("insert select", table, vec![sql], false)
    }

    fn on_conflict(&mut self) -> Made<'a> {
        let table = self.table(Action::Create, |t| t.key.len() == 1);
        let (mut names, mut values) = self.new_row(table, false);
        if self.chance().percent(60) {
            // Who may not write a field may create a record without it.
            let is_optional =
                |name: &String| table.fields.contains(name) && table.column(name).nullable;
            while let Some(at) = names.iter().position(is_optional) {
                names.remove(at);
                values.remove(at);
            }
        }
        if self.chance().percent(75) {
            let key = table.column(&table.key[0]);
            let existing = self.key_of_row(table, Action::Update, Intent::Edit);
            if let Some(at) = names.iter().position(|name| *name == key.name) {
                values[at] = existing;
            } else {
                names.push(key.name.clone());
                values.push(existing);
            }
        }
        let nothing = self.chance().percent(35) || !self.decided(table, Action::Update);
        let action = if nothing {
            "NOTHING".to_owned()
        } else {
            let intent = self.intent(table);
            format!("UPDATE SET {}", self.assignments(table, intent, 70))
        };
        let returning = self.returning(table, "n");
        let sql = format!(
            "INSERT INTO {} AS n ({}) VALUES ({}) ON CONFLICT ({}) DO {action}{returning}",
            table.name,
            names.join(", "),
            values.join(", "),
            table.key[0]
        );
        ("on conflict", table, vec![sql], !nothing)
    }

    fn update_of(&mut self, table: &'a Table) -> String {
        let intent = self.intent(table);
        let set = self.assignments(table, intent, 25);
        let (from, joined) = self.other(table, "FROM").unwrap_or_default();
        let condition = self.few(table, "n", (Action::Update, intent));
        format!(
            "UPDATE {} n SET {set}{from} WHERE {joined}({condition})",
            table.name
        )
    }

    fn update(&mut self) -> Made<'a> {
        let table = self.table(Action::Update, |_| true);
        let sql = format!("{}{}", self.update_of(table), self.returning(table, "n"));
        ("update", table, vec![sql], false)
    }

    fn delete(&mut self) -> Made<'a> {
        let table = self.table(Action::Delete, |_| true);
        let (using, joined) = self.other(table, "USING").unwrap_or_default();
        let condition = self.few(table, "n", (Action::Delete, Intent::Edit));
        let returning = self.returning(table, "n");
        let sql = format!(
            "DELETE FROM {} n{using} WHERE {joined}({condition}){returning}",
            table.name
        );
        ("delete", table, vec![sql], false)
    }

    fn merge(&mut self) -> Made<'a> {
        let table = self.table(Action::Update, |t| t.key.len() == 1);
        let key = table.column(&table.key[0]);
        let intent = self.intent(table);
        let mut keys: Vec<String> = (0..2)
            .map(|_| self.key_of_row(table, Action::Update, intent))
            .collect();
        keys.sort();
        keys.dedup();
        let inserts = self.decided(table, Action::Create) && self.chance().percent(40);
        let mut arms = Vec::new();
        let condition = self.generator.condition(
            &Source {
                alias: "n".to_owned(),
                table,
            },
            1,
        );
        let set = self.assignments(table, intent, 25);
        arms.push(format!(
            "WHEN MATCHED AND {condition} THEN UPDATE SET {set}"
        ));
        if self.decided(table, Action::Delete) && self.chance().percent(40) {
            arms.push("WHEN MATCHED THEN DELETE".to_owned());
        } else {
            arms.push("WHEN MATCHED THEN DO NOTHING".to_owned());
        }
        if inserts && !table.references.iter().any(|r| r.column == key.name) {
            let (names, mut values) = self.new_row(table, false);
            if let Some(at) = names.iter().position(|name| *name == key.name) {
                keys.push(std::mem::replace(&mut values[at], "s.k".to_owned()));
            }
            arms.push(format!(
                "WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
                names.join(", "),
                values.join(", ")
            ));
        }
        let rows: Vec<String> = keys.iter().map(|key| format!("({key})")).collect();
        let sql = format!(
            "MERGE INTO {} n USING (VALUES {}) s(k) ON n.{} = s.k {}",
            table.name,
            rows.join(", "),
            key.name,
            arms.join(" ")
        );
        ("merge", table, vec![sql], true)
    }

    fn with_changed(&mut self) -> Made<'a> {
        let delete = match &self.aim {
            Some(cell) => cell.deed == Deed::Delete,
            None => self.chance().percent(30),
        };
        let action = if delete {
            Action::Delete
        } else {
            Action::Update
        };
        let table = self.table(action, |_| true);
        let write = if delete {
            format!(
                "DELETE FROM {} n WHERE {}",
                table.name,
                self.few(table, "n", (Action::Delete, Intent::Edit))
            )
        } else {
            self.update_of(table)
        };
        let column = self.pick(&table.columns).name;
        let sql = format!(
            "WITH changed AS ({write} RETURNING n.*) SELECT changed.{column}, (SELECT count(*) FROM {}) FROM changed",
            table.name
        );
        ("with changed", table, vec![sql], false)
    }

    fn current_of(&mut self) -> Made<'a> {
        let table = self.table(Action::Update, |t| t.key.len() == 1);
        let intent = self.intent(table);
        let key = self.key_of_row(table, Action::Update, intent);
        let name = &table.name;
        let set = self.assignments(table, intent, 25);
        let steps = vec![
            format!(
                "DECLARE c CURSOR FOR SELECT * FROM {name} WHERE {} = {key}",
                table.key[0]
            ),
            "FETCH 1 FROM c".to_owned(),
            format!("UPDATE {name} n SET {set} WHERE CURRENT OF c"),
            "CLOSE c".to_owned(),
        ];
        ("current of", table, steps, false)
    }

    fn prepared(&mut self) -> Made<'a> {
        let table = self.table(Action::Update, |t| t.key.len() == 1);
        let key = table.column(&table.key[0]);
        let intent = self.intent(table);
        let set = self.assignments(table, intent, 25);
        let mut steps = vec![format!(
            "PREPARE w({}) AS UPDATE {} n SET {set} WHERE n.{} = $1 RETURNING n.{}",
            key.type_name, table.name, key.name, key.name
        )];
        // Not the same row twice: it may have left the person's reach.
        let mut rows: Vec<String> = (0..2)
            .map(|_| self.key_of_row(table, Action::Update, intent))
            .collect();
        rows.dedup();
        steps.extend(rows.iter().map(|row| format!("EXECUTE w({row})")));
        steps.push("DEALLOCATE w".to_owned());
        ("prepared write", table, steps, false)
    }
}

/// Rows of it can be copied under other keys.
fn can_be_copied(table: &Table) -> bool {
    table.key.len() == 1 && table.column(&table.key[0]).sequence.is_some()
}
