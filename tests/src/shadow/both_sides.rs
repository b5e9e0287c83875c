//! A statement on both sides, step by step, and what is to be seen after it.

use std::collections::BTreeMap;
use std::time::Instant;

use postgres::Client;

use super::compare::{Outcome, run};
use super::copy::{NOBODY, state};
use super::excuse::{Excuse, excuse};
use super::features;
use super::generator::{IN_TURN, Statement};
use super::oracle::Action;
use super::report::short;
use super::stored::{self, as_seen};
use super::{Report, Shadows};

/// After a write so many tables are compared beside the one that was written.
const OTHERS: usize = 4;
/// At most so many constraints are lifted for a statement.
const MOST_LIFTED: usize = 8;

impl Shadows<'_> {
    /// Runs a statement on both sides, compares, rolls back.
    pub(super) fn one(
        &mut self,
        turn: usize,
        session: &mut Client,
        control: &mut Client,
        statement: &Statement,
        report: &mut Report,
    ) -> Result<(), String> {
        report.statements += 1;
        *report.kinds.entry(statement.kind.to_owned()).or_default() += 1;
        report.writes += usize::from(statement.writes.is_some());
        control
            .batch_execute(&self.set_sequences(statement))
            .expect("sequences can be set");
        session
            .batch_execute("BEGIN")
            .expect("a transaction begins");
        self.begin(turn, statement);
        let result = self.steps(turn, session, statement, report);
        session
            .batch_execute("ROLLBACK")
            .map_err(|error| format!("no ROLLBACK: {error:?}"))?;
        self.pairs[turn].shadow.run("ROLLBACK");
        if statement.kind.starts_with("prepared") {
            for client in [session, &mut self.pairs[turn].shadow.client] {
                forget_prepared(client);
            }
        }
        result
    }

    /// Both sides count on from the same number, in the written table and where its triggers write.
    fn set_sequences(&self, statement: &Statement) -> String {
        let Some(table) = &statement.writes else {
            return String::new();
        };
        let tables = self.schema.dependents(table);
        let columns = tables
            .iter()
            .flat_map(|name| &self.schema.table(name).columns);
        columns
            .filter_map(|column| column.sequence.as_ref())
            .map(|sequence| format!("SELECT setval('{sequence}', 2000000);"))
            .collect()
    }

    /// A transaction of the shadow's, with the rights of a statement.
    fn begin(&mut self, turn: usize, statement: &Statement) {
        let strict = if statement.strict { "on" } else { "off" };
        let sequences = self.set_sequences(statement);
        let pair = &mut self.pairs[turn];
        pair.shadow.run(&sequences);
        pair.shadow
            .run(&format!("BEGIN; SET LOCAL shadow.strict = '{strict}'"));
        if self.oracle.is_nobody(self.phase, &pair.person) {
            pair.shadow.run(&format!("SET LOCAL ROLE {NOBODY}"));
        }
    }

    fn steps(
        &mut self,
        turn: usize,
        session: &mut Client,
        statement: &Statement,
        report: &mut Report,
    ) -> Result<(), String> {
        let (mut gave, mut failed) = (false, false);
        let mut lifted = Vec::new();
        for (at, step) in statement.steps.iter().enumerate() {
            let is_undone = statement.is_undone(at);
            let start = Instant::now();
            let real = run(session, &step.sql);
            let between = Instant::now();
            let mut plain = run(&mut self.pairs[turn].shadow.client, &step.sql);
            report.real += between - start;
            report.plain += between.elapsed();
            *report.times.entry(statement.kind.to_owned()).or_default() += start.elapsed();
            while !real.same(&plain, step.ordered) {
                let shadow = &mut self.pairs[turn].shadow.client;
                let excuse = excuse(shadow, &self.schema, statement, (&real, &plain))
                    .filter(|_| lifted.len() < MOST_LIFTED)
                    .ok_or_else(|| {
                        let (real, plain) = (short(&real), short(&plain));
                        format!(
                            "{}\n  through Celador: {real}\n  on the shadow: {plain}\n  lifted: {lifted:?}",
                            step.sql
                        )
                    })?;
                let (Excuse::Stands(entry) | Excuse::Lifts(entry, _)) = &excuse;
                *report.allowed.entry(format!("{entry:?}")).or_default() += 1;
                match excuse {
                    Excuse::Stands(_) if is_undone => break,
                    Excuse::Stands(_) => return Ok(()),
                    Excuse::Lifts(_, sql) => {
                        lifted.push(sql);
                        plain = self.again(turn, statement, at, &lifted);
                    }
                }
            }
            gave |= real.gave();
            if is_undone && !lifted.is_empty() {
                // What follows meets the constraints again.
                lifted.clear();
                self.again(turn, statement, at, &[]);
            } else if matches!(real, Outcome::Failed { .. }) && !is_undone {
                report.refused += 1;
                failed = true;
                break;
            }
        }
        if failed && statement.kind != IN_TURN {
            return Ok(());
        }
        // What stands prepared names a protected table, and EXECUTE doesn't.
        let steps = || statement.steps.iter();
        let protected = steps().any(|step| self.schema.names_protected(&step.sql));
        if gave && (protected || statement.kind == "standing") {
            report.effective += 1;
            report.fields += usize::from(steps().any(|step| self.schema.names_fields(&step.sql)));
            for feature in features::of(statement) {
                *report.features.entry(feature.to_owned()).or_default() += 1;
            }
            *report.telling.entry(statement.kind.to_owned()).or_default() += 1;
            let person = self.pairs[turn].person.clone();
            *report.people.entry(person).or_default() += 1;
        }
        match &statement.writes {
            Some(table) if gave && !failed => {
                let start = Instant::now();
                let same = self.same_state(turn, session, table, report.statements);
                report.states += start.elapsed();
                same
            }
            _ => Ok(()),
        }
    }

    /// Runs the steps up to one again on the shadow, after constraints were lifted; gives what
    /// comes of the last.
    fn again(
        &mut self,
        turn: usize,
        statement: &Statement,
        last: usize,
        lifted: &[String],
    ) -> Outcome {
        self.pairs[turn].shadow.run("ROLLBACK");
        forget_prepared(&mut self.pairs[turn].shadow.client);
        self.begin(turn, statement);
        let shadow = &mut self.pairs[turn].shadow;
        shadow.run(&lifted.join(";"));
        for step in &statement.steps[..last] {
            run(&mut shadow.client, &step.sql);
        }
        run(&mut shadow.client, &statement.steps[last].sql)
    }

    /// Afterwards the person sees the same on both sides.
    fn same_state(
        &mut self,
        turn: usize,
        session: &mut Client,
        table: &str,
        number: usize,
    ) -> Result<(), String> {
        let mut tables = self.schema.dependents(table);
        let more: Vec<&str> = tables
            .iter()
            .flat_map(|table| self.oracle.watchers(table))
            .filter(|table| self.schema.tables.contains_key(*table))
            .collect();
        for table in more {
            if !tables.iter().any(|known| known == table) {
                tables.push(table.to_owned());
            }
        }
        // The table itself, and some of the others, other ones each time.
        let others = tables.len() - 1;
        if others > OTHERS {
            tables[1..].rotate_left(number * OTHERS % others);
            tables.truncate(1 + OTHERS);
        }
        let pair = &mut self.pairs[turn];
        let real = run(session, &state(&tables, |table| format!("{table} r")));
        let plain = run(
            &mut pair.shadow.client,
            &state(&tables, |table| {
                let (phase, person) = (self.phase, pair.person.as_str());
                let reach = self.oracle.reach(phase, person, table, Action::Read);
                let fields = self.oracle.fields(phase, person, table);
                as_seen(self.schema.table(table), &fields, &reach)
            }),
        );
        if real.same(&plain, false) {
            tables.retain(|table| !self.schema.table(table).fields.is_empty());
            let mut tables = tables.iter();
            return tables.try_for_each(|table| self.same_stored(turn, session, table));
        }
        Err(format!(
            "what is to be seen afterwards\n  through Celador: {}\n  on the shadow: {}",
            short(&real),
            short(&plain)
        ))
    }
}

impl Shadows<'_> {
    /// Afterwards the fields of all rows hold the same on both sides, whatever they show. Rows that aren't
    /// seen may have gone with what they belong to.
    fn same_stored(
        &mut self,
        turn: usize,
        session: &mut Client,
        table: &str,
    ) -> Result<(), String> {
        let table = self.schema.table(table);
        let (real, plain) = stored::held(table);
        let real = run(session, &real);
        let plain = run(&mut self.pairs[turn].shadow.client, &plain);
        let (Outcome::Done { rows: real, .. }, Outcome::Done { rows: plain, .. }) = (&real, &plain)
        else {
            return Err(format!("what is stored can't be read: {real:?} {plain:?}"));
        };
        let mut held: BTreeMap<&[Option<String>], bool> = BTreeMap::new();
        for row in plain {
            let (hidden, row) = row.split_last().expect("a key");
            held.insert(row, hidden.as_deref() == Some("t"));
        }
        let more: Vec<_> = real
            .iter()
            .filter(|row| held.remove(row.as_slice()).is_none())
            .collect();
        held.retain(|_, hidden| !*hidden);
        if more.is_empty() && held.is_empty() {
            return Ok(());
        }
        let (name, less) = (&table.name, held.keys());
        Err(format!(
            "what is stored of {name} afterwards\n  through Celador: {more:?}\n  on the shadow: {less:?}"
        ))
    }
}

/// What was prepared outlives the transaction.
fn forget_prepared(client: &mut Client) {
    let left = client.query(
        "SELECT name FROM pg_prepared_statements WHERE name IN ('q', 'w')",
        &[],
    );
    for row in left.expect("prepared statements can be listed") {
        client
            .batch_execute(&format!("DEALLOCATE {}", row.get::<_, &str>(0)))
            .expect("it can be forgotten");
    }
}
