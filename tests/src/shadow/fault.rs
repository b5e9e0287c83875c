//! The shadow test is tested: mistakes put into the database after a correct load, and taken out again.

use std::time::Instant;

use super::{Shadows, seeds, statements};
use crate::Database;

/// A mistake.
#[derive(Debug)]
pub struct Fault {
    /// What it is, in words.
    pub name: &'static str,
    /// How it is put in.
    pub change: Change,
}

/// How a mistake is put in.
#[derive(Debug)]
pub enum Change {
    /// In the condition of a row policy of a table, some text becomes another, everywhere. `{}` in the
    /// new text stands for the old.
    Policy(&'static str, &'static str, &'static str, &'static str),
    /// The condition of a row policy of a table is another.
    Instead(&'static str, &'static str, &'static str),
    /// Statements, and those that undo them.
    Sql(&'static str, &'static str),
    /// The policy for reading a table becomes permissive.
    Permissive(&'static str),
    /// The document that is loaded differs from the one that is believed to be.
    Document(&'static str, &'static str),
    /// Statements, and then a change of a policy.
    After(&'static str, &'static Change),
}

use Change::{After, Document, Instead, Permissive, Policy, Sql};

impl Fault {
    /// Whether a load puts it in and takes it out.
    pub fn is_in_the_document(&self) -> bool {
        match self.change {
            Document(..) => true,
            Policy(..) | Instead(..) | Sql(..) | Permissive(_) | After(..) => false,
        }
    }

    /// Puts it in; gives what takes it out again, if that is SQL.
    pub fn seed(&self, real: &Database, document: &str) -> Option<String> {
        self.change.seed(self.name, real, document)
    }
}

impl Change {
    fn seed(&self, name: &str, real: &Database, document: &str) -> Option<String> {
        match self {
            Sql(seed, undo) => {
                real.run(seed);
                Some((*undo).to_owned())
            }
            After(first, change) => {
                real.run(first);
                change.seed(name, real, document)
            }
            Document(right, wrong) => {
                assert!(
                    document.contains(right),
                    "{name}: the document has no {right}"
                );
                real.load(&document.replace(right, wrong));
                None
            }
            Policy(table, policy, right, wrong) => {
                let wrong = wrong.replace("{}", right);
                Some(alter(name, real, (table, policy), |condition| {
                    condition
                        .contains(right)
                        .then(|| condition.replace(right, &wrong))
                }))
            }
            Instead(table, policy, condition) => Some(alter(name, real, (table, policy), |_| {
                Some(format!("celador.covered() AND {condition}"))
            })),
            Permissive(table) => {
                let (condition, _) = conditions(real, table, "celador_read");
                let condition = condition.expect("a policy for reading has a condition");
                let make = |kind: &str| {
                    format!(
                        "DROP POLICY celador_read ON {table}; CREATE POLICY celador_read ON {table} AS {kind} FOR SELECT USING ({condition});"
                    )
                };
                real.run(&make("PERMISSIVE"));
                Some(make("RESTRICTIVE"))
            }
        }
    }
}

/// Whether mistakes are put in with this version of PostgreSQL. What they test are the tests, which are
/// the same with all of them: one is enough.
pub fn are_tried() -> bool {
    crate::major() == 15
}

/// The same for the shadow test, which takes longest: the version beside it in an ordinary run of tests.
pub fn are_tried_on_shadows() -> bool {
    crate::major() == 18
}

/// So many runs, each with a seed of its own, have to find a mistake: not every one comes to every cell.
const RUNS: u64 = 3;

/// Puts in one after the other: each must be found by the statements of a few ordinary runs, and none
/// without one. `CELADOR_FAULT` takes those whose names contain it.
///
/// # Panics
///
/// If one isn't found.
pub fn all_are_found<'a>(
    faults: impl Iterator<Item = &'a Fault>,
    real: &Database,
    document: &str,
    shadows: &mut Shadows<'_>,
) {
    let seed = seeds()[0];
    let only = std::env::var("CELADOR_FAULT").unwrap_or_default();
    let mut missed = Vec::new();
    let mut faults: Vec<&Fault> = faults.filter(|fault| fault.name.contains(&only)).collect();
    // A load stops at policies that somebody has altered, even back.
    faults.sort_by_key(|fault| !fault.is_in_the_document());
    for fault in faults {
        let start = Instant::now();
        let undo = fault.seed(real, document);
        let mut runs = (seed..seed + RUNS).map(|seed| shadows.compare(real, seed, statements()));
        match runs.find_map(Result::err) {
            None => {
                println!("{}: NOT FOUND", fault.name);
                missed.push(fault.name);
            }
            Some(difference) => println!(
                "{}, after {:?}:\n  {difference}",
                fault.name,
                start.elapsed()
            ),
        }
        match undo {
            Some(undo) => real.run(&undo),
            None => real.load(document),
        }
    }
    assert!(
        missed.is_empty(),
        "CELADOR_SEED={seed}: not found: {missed:?}"
    );
    // What found them was the faults.
    if let Err(difference) = shadows.compare(real, seed, statements().min(500)) {
        panic!("CELADOR_SEED={seed}: without a fault, {difference}");
    }
}

/// USING and WITH CHECK of a policy.
fn conditions(real: &Database, table: &str, policy: &str) -> (Option<String>, Option<String>) {
    let row = real
        .superuser()
        .query_one(
            "SELECT qual, with_check FROM pg_policies WHERE schemaname = 'public' AND tablename = $1 AND policyname = $2",
            &[&table, &policy],
        )
        .unwrap_or_else(|error| panic!("{policy} on {table}: {error:?}"));
    (row.get(0), row.get(1))
}

/// Changes the conditions of a policy; gives what changes them back.
fn alter(
    name: &str,
    real: &Database,
    (table, policy): (&str, &str),
    change: impl Fn(&str) -> Option<String>,
) -> String {
    let (mut seed, mut undo) = (String::new(), String::new());
    let (using, check) = conditions(real, table, policy);
    for (clause, condition) in [("USING", &using), ("WITH CHECK", &check)] {
        let Some(condition) = condition else { continue };
        let alter =
            |condition: &str| format!("ALTER POLICY {policy} ON {table} {clause} ({condition});");
        if let Some(changed) = change(condition) {
            seed.push_str(&alter(&changed));
            undo.push_str(&alter(condition));
        }
    }
    assert!(
        !seed.is_empty(),
        "{name}: {policy} on {table} is not like that: {using:?} {check:?}"
    );
    real.run(&seed);
    undo
}
