//! The shadow test: what a person gets through Celador is what the same statement gives on a plain
//! database that holds only what the person may see.
//!
//! [`generator`] and [`writes`] make statements from a seed, [`oracle`] says what people may see
//! and write, told by hand ([`sample`]), [`copy`] makes the plain databases, [`compare`] tells what
//! is the same and what may differ. Every statement is rolled back after it was compared.

pub mod chance;
pub mod compare;
pub mod copy;
pub mod generator;
pub mod oracle;
pub mod sample;
pub mod schema;
pub mod values;
pub mod writes;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use postgres::Client;

use chance::Chance;
use compare::{Outcome, allowed, run};
use copy::{Shadow, state};
use generator::{Generator, Statement, Step};
use oracle::{Action, Counts, Oracle};
use schema::Schema;
use values::Values;
use writes::Writer;

use crate::Database;

/// The seed of a run: `CELADOR_SEED`, or always the same.
pub fn seed() -> u64 {
    std::env::var("CELADOR_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_260_701)
}

/// How many statements a run has: `CELADOR_STATEMENTS`, or 3,000.
pub fn statements() -> usize {
    std::env::var("CELADOR_STATEMENTS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(3000)
}

/// After so many statements the directory changes, and the sessions stay open.
const STATEMENTS_A_PHASE: usize = 120;
/// Statements that each session prepares at its start and executes now and then.
const STANDING: usize = 6;
/// After a write so many tables are compared beside the one that was written.
const OTHERS: usize = 4;

/// What a run has seen.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// Statements run.
    pub statements: usize,
    /// Those that write.
    pub writes: usize,
    /// Those that gave or changed a row of a protected table.
    pub effective: usize,
    /// Those refused on both sides.
    pub refused: usize,
    /// Productions of the grammar, and how often each was run.
    pub kinds: Counts,
    /// Entries of the closed list, and how often each explained a difference.
    pub allowed: Counts,
    /// The time that statements took through Celador.
    pub real: Duration,
    /// The time that they took on the shadow.
    pub plain: Duration,
    /// The time that it took to look at what was to be seen afterwards, on both sides.
    pub states: Duration,
}

/// The first difference of a run.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The number of the statement.
    pub at: usize,
    /// The person.
    pub person: &'static str,
    /// The phase of the directory.
    pub phase: usize,
    /// The statement.
    pub statement: Statement,
    /// What is different.
    pub what: String,
}

/// A person's two sessions.
#[derive(Debug)]
struct Pair {
    person: &'static str,
    shadow: Shadow,
    values: Values,
    standing: Vec<Vec<String>>,
}

/// The plain databases of all people of a CRM, to be compared with a protected one.
pub struct Shadows<'a> {
    oracle: &'a dyn Oracle,
    schema: Schema,
    pairs: Vec<Pair>,
    phase: usize,
}

impl std::fmt::Debug for Shadows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shadows")
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl<'a> Shadows<'a> {
    /// Makes them. `files` are the SQL files that make the plain CRM.
    pub fn new(name: &str, files: &[&str], oracle: &'a dyn Oracle) -> Self {
        let mut made = Vec::new();
        let mut schema = None;
        for person in oracle.people() {
            let (mut shadow, tables) = Shadow::new(name, files, person, oracle);
            let values = shadow.values(&tables);
            made.push(Pair {
                person,
                shadow,
                values,
                standing: Vec::new(),
            });
            schema = Some(tables);
        }
        Self {
            oracle,
            schema: schema.expect("there are people"),
            pairs: made,
            phase: 0,
        }
    }

    /// Compares a protected database with the shadows, statement by statement. The database has
    /// been in every comparison that these shadows were in.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn compare(
        &mut self,
        real: &Database,
        seed: u64,
        statements: usize,
    ) -> Result<Report, Box<Difference>> {
        let mut chance = Chance::new(seed);
        let mut control = real.superuser();
        while self.phase != 0 {
            self.next_phase(&mut control);
        }
        let mut sessions: Vec<Client> = self
            .pairs
            .iter()
            .map(|pair| real.login(pair.person))
            .collect();
        for (at, session) in sessions.iter_mut().enumerate() {
            session
                .batch_execute("SET timezone = 'UTC'")
                .expect("settings can be set");
            self.prepare_standing(at, session, &mut chance);
        }
        let mut report = Report::default();
        for at in 0..statements {
            if at > 0 && at % STATEMENTS_A_PHASE == 0 {
                self.next_phase(&mut control);
            }
            let turn = at % self.pairs.len();
            let statement = self.make(turn, at, &mut chance);
            self.one(
                turn,
                &mut sessions[turn],
                &mut control,
                &statement,
                &mut report,
            )
            .map_err(|what| {
                Box::new(Difference {
                    at,
                    person: self.pairs[turn].person,
                    phase: self.phase,
                    statement: statement.clone(),
                    what,
                })
            })?;
        }
        Ok(report)
    }

    fn next_phase(&mut self, control: &mut Client) {
        let phase = (self.phase + 1) % self.oracle.phases();
        let change = self.oracle.change(phase);
        let sql = format!(
            "{};{}",
            change.tables.replace("{s}", "public"),
            change.celador
        );
        control
            .batch_execute(&sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        self.change_shadows(phase);
    }

    fn change_shadows(&mut self, phase: usize) {
        let change = self.oracle.change(phase);
        let concerned = self.oracle.concerned(phase);
        for pair in &mut self.pairs {
            let both = ["public", "hidden"].map(|schema| change.tables.replace("{s}", schema));
            pair.shadow.run(&format!(
                "SET session_replication_role = replica; {}; RESET session_replication_role",
                both.join(";")
            ));
            if concerned.contains(&pair.person) {
                pair.shadow.fill(&self.schema, self.oracle, phase);
            }
        }
        self.phase = phase;
    }

    fn prepare_standing(&mut self, at: usize, session: &mut Client, chance: &mut Chance) {
        let Self { schema, pairs, .. } = self;
        let pair = &mut pairs[at];
        pair.shadow.run("DEALLOCATE ALL");
        pair.standing.clear();
        for number in 0..STANDING {
            let (sql, values) = Generator::new(chance, schema, &pair.values)
                .preparable(&format!("standing_{number}"));
            for client in [&mut *session, &mut pair.shadow.client] {
                client
                    .batch_execute(&sql)
                    .unwrap_or_else(|error| panic!("{}: {sql}: {error:?}", pair.person));
            }
            pair.standing.push(values);
        }
    }

    fn make(&mut self, turn: usize, at: usize, chance: &mut Chance) -> Statement {
        let pair = &self.pairs[turn];
        if chance.percent(33) {
            let whose = (self.phase, pair.person);
            return Writer::new(
                chance,
                &self.schema,
                &pair.values,
                self.oracle,
                whose,
                1_000_000 + at * 100,
            )
            .write();
        }
        if chance.percent(6) {
            let number = chance.below(STANDING);
            let value = chance.of(&pair.standing[number]);
            let steps = vec![Step {
                sql: format!("EXECUTE standing_{number}({value})"),
                ordered: false,
            }];
            return Statement {
                kind: "standing",
                steps,
                writes: None,
                strict: false,
                sequences: Vec::new(),
            };
        }
        Generator::new(chance, &self.schema, &pair.values).read()
    }

    /// Runs a statement on both sides, compares, rolls back.
    fn one(
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
        for sequence in &statement.sequences {
            let sql = format!("SELECT setval('{sequence}', 2000000)");
            control.batch_execute(&sql).expect("a sequence can be set");
            self.pairs[turn].shadow.run(&sql);
        }
        session
            .batch_execute("BEGIN")
            .expect("a transaction begins");
        let strict = if statement.strict { "on" } else { "off" };
        self.pairs[turn]
            .shadow
            .run(&format!("BEGIN; SET LOCAL shadow.strict = '{strict}'"));
        let result = self.steps(turn, session, statement, report);
        session
            .batch_execute("ROLLBACK")
            .map_err(|error| format!("no ROLLBACK: {error:?}"))?;
        self.pairs[turn].shadow.run("ROLLBACK");
        if statement.kind.starts_with("prepared") {
            // What was prepared outlives the transaction.
            for client in [session, &mut self.pairs[turn].shadow.client] {
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
        }
        result
    }

    fn steps(
        &mut self,
        turn: usize,
        session: &mut Client,
        statement: &Statement,
        report: &mut Report,
    ) -> Result<(), String> {
        let Self { schema, pairs, .. } = self;
        let shadow = &mut pairs[turn].shadow;
        let mut gave = false;
        for step in &statement.steps {
            let start = Instant::now();
            let real = run(session, &step.sql);
            let between = Instant::now();
            let plain = run(&mut shadow.client, &step.sql);
            report.real += between - start;
            report.plain += between.elapsed();
            if !real.same(&plain, step.ordered) {
                return match allowed(&mut shadow.client, schema, statement, (&real, &plain)) {
                    Some(entry) => {
                        *report.allowed.entry(format!("{entry:?}")).or_default() += 1;
                        Ok(())
                    }
                    None => Err(format!(
                        "{}\n  through Celador: {}\n  on the shadow: {}",
                        step.sql,
                        short(&real),
                        short(&plain)
                    )),
                };
            }
            if matches!(real, Outcome::Failed { .. }) {
                report.refused += 1;
                return Ok(());
            }
            gave |= real.gave();
        }
        report.effective += usize::from(gave);
        match &statement.writes {
            Some(table) if gave => {
                let start = Instant::now();
                let same = self.same_state(turn, session, table, report.statements);
                report.states += start.elapsed();
                same
            }
            _ => Ok(()),
        }
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
                let reach = self
                    .oracle
                    .reach(self.phase, pair.person, table, Action::Read);
                format!("all_rows.{table} r WHERE {reach}")
            }),
        );
        if real.same(&plain, false) {
            return Ok(());
        }
        Err(format!(
            "what is to be seen afterwards\n  through Celador: {}\n  on the shadow: {}",
            short(&real),
            short(&plain)
        ))
    }
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { rows, tag } => {
            let rows: Vec<String> = rows
                .iter()
                .take(12)
                .map(|row| {
                    row.iter()
                        .map(|value| value.as_deref().unwrap_or("∅"))
                        .collect::<Vec<_>>()
                        .join(" | ")
                })
                .collect();
            format!("tag {tag}\n    {}", rows.join("\n    "))
        }
        Outcome::Failed {
            code,
            message,
            detail,
            ..
        } => format!("{code} {message} {detail}"),
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps: Vec<&str> = self
            .statement
            .steps
            .iter()
            .map(|step| step.sql.as_str())
            .collect();
        write!(
            f,
            "statement {} ({}), {} in phase {}:\n  {}\n{}",
            self.at,
            self.statement.kind,
            self.person,
            self.phase,
            steps.join(";\n  "),
            self.what
        )
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} statements, {} of them writes, {} gave or changed a row, {} refused on both sides",
            self.statements, self.writes, self.effective, self.refused
        )?;
        writeln!(f, "grammar: {:?}", self.kinds)?;
        writeln!(
            f,
            "time: {:?} through Celador, {:?} on the shadow, {:?} for states",
            self.real, self.plain, self.states
        )?;
        write!(
            f,
            "differences of the closed list: {:?}",
            BTreeMap::from_iter(&self.allowed)
        )
    }
}
