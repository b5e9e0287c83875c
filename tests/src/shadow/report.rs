//! What a run tells of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::aim::Aims;
use super::compare::Outcome;
use super::features;
use super::generator::Statement;
use super::oracle::Counts;

/// A run of so many statements has the whole grammar.
const WHOLE_GRAMMAR: usize = 1000;

/// What a run has seen.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// Statements run.
    pub statements: usize,
    /// Those that write.
    pub writes: usize,
    /// Those that gave or changed a row of a protected table.
    pub effective: usize,
    /// Those of them over tables with fields.
    pub fields: usize,
    /// Those refused on both sides.
    pub refused: usize,
    /// Productions of the grammar, and how often each was run.
    pub kinds: Counts,
    /// The same of those that gave or changed a row.
    pub telling: Counts,
    /// The time that productions took on both sides.
    pub times: BTreeMap<String, Duration>,
    /// What the grammar has to have, and how many statements with it gave or changed a row.
    pub features: Counts,
    /// Cells that were tried, over all people: see [`super::aim`].
    pub tried: usize,
    /// Cells that there are.
    pub cells: usize,
    /// The same of those that are one side of a condition which divides the rows that are seen.
    pub dividing: (usize, usize),
    /// Statements of each person that gave or changed a row.
    pub people: Counts,
    /// Entries of the closed list, and how often each explained a difference.
    pub allowed: Counts,
    /// The time that statements took through Celador.
    pub real: Duration,
    /// The time that they took on the shadow.
    pub plain: Duration,
    /// The time that it took to look at what was to be seen afterwards, on both sides.
    pub states: Duration,
    /// The time that it took to change the directory and the shadows with it.
    pub phases: Duration,
}

impl Report {
    /// Counts what a person has tried.
    pub fn cover(&mut self, aims: &Aims) {
        let ((tried, cells), (some, all)) = (aims.covered(), aims.dividing());
        self.tried += tried;
        self.cells += cells;
        self.dividing = (self.dividing.0 + some, self.dividing.1 + all);
    }

    fn percent(&self, of: usize) -> usize {
        of * 100 / self.statements.max(1)
    }

    /// Enough statements touch something, enough of them write, and the whole grammar occurs.
    ///
    /// # Panics
    ///
    /// If it isn't so.
    pub fn assert_is_worth_it(&self) {
        assert!(
            self.effective * 100 >= self.statements * 60,
            "too few statements do anything: {self}"
        );
        assert!(
            self.writes * 100 >= self.statements * 28,
            "too few writes: {self}"
        );
        if self.statements < WHOLE_GRAMMAR {
            return;
        }
        let missing: Vec<&str> = features::all()
            .filter(|feature| !self.features.contains_key(*feature))
            .collect();
        assert!(
            missing.is_empty(),
            "no statement that did anything has {missing:?}: {self}"
        );
    }
}

/// The first difference of a run.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The number of the statement.
    pub at: usize,
    /// The person.
    pub person: String,
    /// The phase of the directory.
    pub phase: usize,
    /// The statement.
    pub statement: Statement,
    /// What is different.
    pub what: String,
}

/// An outcome in a few lines.
pub fn short(outcome: &Outcome) -> String {
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
            "{} statements, {} % of them writes; {} % gave or changed a row of a protected table, {} % with fields, {} % were refused on both sides",
            self.statements,
            self.percent(self.writes),
            self.percent(self.effective),
            self.percent(self.fields),
            self.percent(self.refused)
        )?;
        writeln!(
            f,
            "cells of person, table, deed, allowed or not: {} of {} tried; where both are seen, {} of {}",
            self.tried, self.cells, self.dividing.0, self.dividing.1
        )?;
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|(kind, times)| {
                let telling = self.telling.get(kind).unwrap_or(&0);
                let seconds = self.times.get(kind).map_or(0.0, Duration::as_secs_f64);
                format!("{kind} {telling} of {times} in {seconds:.1} s")
            })
            .collect();
        writeln!(f, "grammar: {}", kinds.join(", "))?;
        writeln!(f, "with: {:?}", self.features)?;
        writeln!(f, "people: {:?}", self.people)?;
        writeln!(
            f,
            "time: {:?} through Celador, {:?} on the shadow, {:?} for states, {:?} for phases",
            self.real, self.plain, self.states, self.phases
        )?;
        write!(
            f,
            "differences of the closed list: {:?}",
            BTreeMap::from_iter(&self.allowed)
        )
    }
}
