//! The shadow test: what a person gets through Celador is what the same statement gives on a plain
//! database that holds only what the person may see.
//!
//! [`generator`] and [`writes`] make statements from a seed, [`aim`] and [`alike`] see to it that they come
//! to all that may and may not be done, [`oracle`] says what people may see
//! and write, told by hand (in code: [`sample`]; in a file: [`told`]), [`copy`] makes the plain
//! databases, [`compare`] tells what is the same, [`excuse`] what may differ. Every statement is
//! rolled back after it was compared.

pub mod aim;
pub mod alike;
mod both_sides;
pub mod chance;
pub mod compare;
pub mod copy;
pub mod excuse;
pub mod fault;
pub mod features;
pub mod fields;
pub mod generator;
pub mod oracle;
pub mod report;
pub mod sample;
pub mod schema;
pub mod stored;
pub mod told;
pub mod values;
pub mod writes;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use postgres::Client;

use aim::Aims;
use chance::Chance;
use copy::{Shadow, state};
use generator::{Generator, Statement, Step};
use oracle::Oracle;
use schema::Schema;
use values::Values;
use writes::Writer;

use crate::Database;

pub use report::{Difference, Report};

/// The seeds of a run: `CELADOR_SEED`, numbers with commas between, or always the same one.
///
/// # Panics
///
/// If it holds anything else: a run with another seed than the one asked for would mislead.
pub fn seeds() -> Vec<u64> {
    let given = std::env::var("CELADOR_SEED").unwrap_or_else(|_| "20260701".to_owned());
    let seeds = given.split(',').map(|seed| seed.trim().parse());
    seeds
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("CELADOR_SEED={given}: {error}"))
}

/// How many statements a run has: `CELADOR_STATEMENTS`, or 3,000.
pub fn statements() -> usize {
    std::env::var("CELADOR_STATEMENTS")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(3000)
}

/// After so many statements the directory changes, and the sessions stay open.
const STATEMENTS_A_PHASE: usize = 96;
/// Statements that each session prepares at its start and executes now and then.
const STANDING: usize = 6;
/// So many of a hundred writes are aimed.
const AIMED: usize = 75;

/// A person's two sessions.
#[derive(Debug)]
struct Pair {
    person: String,
    shadow: Shadow,
    /// By phase: the rows are the same each time.
    values: BTreeMap<usize, Rc<Values>>,
    /// Prepared statements, with the values that they are asked with.
    standing: Vec<(String, Vec<String>)>,
    aims: Aims,
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
    /// Makes them. `load` makes the plain CRM.
    pub fn new(name: &str, load: &dyn Fn(&mut Client), oracle: &'a dyn Oracle) -> Self {
        let mut made = Vec::new();
        let mut schema = None;
        for person in oracle.people() {
            let (mut shadow, tables) = Shadow::new(name, load, person, oracle);
            let values = shadow.values(&tables, oracle, 0);
            made.push(Pair {
                person: person.to_owned(),
                shadow,
                values: BTreeMap::from([(0, Rc::new(values))]),
                standing: Vec::new(),
                aims: Aims::default(),
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

    /// Compares them for every seed of the run, and prints what was seen.
    ///
    /// # Panics
    ///
    /// At the first difference, and if the statements were not worth it.
    pub fn assert_same(&mut self, real: &Database) {
        for seed in seeds() {
            println!("CELADOR_SEED={seed} CELADOR_STATEMENTS={}", statements());
            match self.compare(real, seed, statements()) {
                Ok(report) => {
                    println!("{report}");
                    report.assert_is_worth_it();
                }
                Err(difference) => panic!("CELADOR_SEED={seed}: {difference}"),
            }
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
        let views = "SELECT to_regnamespace('stored') IS NULL";
        if control.query_one(views, &[]).is_ok_and(|row| row.get(0)) {
            real.run(&stored::views(&self.schema));
        }
        while self.phase != 0 {
            self.next_phase(&mut control);
        }
        let mut sessions: Vec<Client> = self
            .pairs
            .iter()
            .map(|pair| real.login(&pair.person))
            .collect();
        for (at, session) in sessions.iter_mut().enumerate() {
            session
                .batch_execute("SET timezone = 'UTC'")
                .expect("settings can be set");
            self.prepare_standing(at, session, &mut chance);
            self.pairs[at].aims = Aims::default();
        }
        let mut report = Report::default();
        for at in 0..statements {
            if at > 0 && at % STATEMENTS_A_PHASE == 0 {
                let start = Instant::now();
                self.next_phase(&mut control);
                report.phases += start.elapsed();
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
                    person: self.pairs[turn].person.clone(),
                    phase: self.phase,
                    statement: statement.clone(),
                    what,
                })
            })?;
        }
        for pair in &self.pairs {
            report.cover(&pair.aims);
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
            let with_fields = |statement: &&str| {
                let mut tables = self.schema.whole();
                tables.any(|table| {
                    !table.fields.is_empty()
                        && statement.contains(&format!("{{s}}.{} ", table.name))
                })
            };
            let stored: Vec<&str> = change.tables.split(';').filter(with_fields).collect();
            let all = [
                change.tables.replace("{s}", "public"),
                change.tables.replace("{s}", "hidden"),
                stored.join(";").replace("{s}", "stored"),
            ];
            pair.shadow.run(&format!(
                "SET session_replication_role = replica; {}; RESET session_replication_role",
                all.join(";")
            ));
            let concerned = concerned.contains(&pair.person.as_str());
            let changed = |table: &schema::Table| {
                let name = format!("{{s}}.{} ", table.name);
                concerned || change.tables.contains(&name)
            };
            pair.shadow.fill(&self.schema, self.oracle, phase, changed);
            if !pair.values.contains_key(&phase) {
                let values = if concerned {
                    Rc::new(pair.shadow.values(&self.schema, self.oracle, phase))
                } else {
                    Rc::clone(&pair.values[&self.phase])
                };
                pair.values.insert(phase, values);
            }
        }
        self.phase = phase;
    }

    fn prepare_standing(&mut self, at: usize, session: &mut Client, chance: &mut Chance) {
        let Self {
            schema,
            pairs,
            phase,
            ..
        } = self;
        let pair = &mut pairs[at];
        pair.shadow.run("DEALLOCATE ALL");
        pair.standing.clear();
        for number in 0..STANDING {
            let name = format!("standing_{number}");
            let (sql, values) = loop {
                let made = Generator::new(chance, schema, &pair.values[phase]).preparable(&name);
                if schema.names_protected(&made.0) {
                    break made;
                }
            };
            for client in [&mut *session, &mut pair.shadow.client] {
                client
                    .batch_execute(&sql)
                    .unwrap_or_else(|error| panic!("{}: {sql}: {error:?}", pair.person));
            }
            pair.standing.push((sql, values));
        }
    }

    fn make(&mut self, turn: usize, at: usize, chance: &mut Chance) -> Statement {
        let pair = &mut self.pairs[turn];
        let values = &*pair.values[&self.phase];
        if chance.percent(34) {
            let person = pair.person.as_str();
            let aimed = chance.percent(AIMED);
            let cell = aimed
                .then(|| {
                    pair.aims
                        .next(chance, (self.oracle, person), &self.schema, values)
                })
                .flatten();
            let whose = (self.phase, person);
            let fresh = 1_000_000 + at * 100;
            let writer = Writer::new(chance, &self.schema, values, self.oracle, whose, fresh);
            return match cell {
                Some(cell) => writer.aimed(cell).write(),
                None => writer.write(),
            };
        }
        if chance.percent(5) {
            let steps = vec![Step {
                sql: state(&pair.aims.to_read(&self.schema), |table| {
                    format!("{table} r")
                }),
                ordered: false,
            }];
            return Statement {
                kind: "in full",
                steps,
                writes: None,
                strict: false,
            };
        }
        if chance.percent(6) {
            let number = chance.below(STANDING);
            let (prepared, values) = &pair.standing[number];
            let value = chance.of(values);
            let steps = vec![Step {
                sql: format!("EXECUTE standing_{number}({value}) /* {prepared} */"),
                ordered: false,
            }];
            return Statement {
                kind: "standing",
                steps,
                writes: None,
                strict: false,
            };
        }
        Generator::new(chance, &self.schema, values).read()
    }
}
