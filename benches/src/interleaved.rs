//! Forms of one statement, measured in turn.
//!
//! Each form runs once for each value that is bound, and must give the same rows as the others. Then
//! come rounds: in each, every form runs in turn, so that whatever else the machine does falls on all
//! of them. What counts is the median of the rounds.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::backend::{Backend, Code, Ended};
use crate::values::{Rows, Value};

/// How often, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    /// How many rounds at most.
    pub(crate) rounds: usize,
    /// CPU time after which a round is long enough.
    pub(crate) enough: Duration,
    /// CPU time that a form may take in all rounds together, but for the first.
    pub(crate) most: Duration,
}

/// A form of a statement, in a session of its own.
pub(crate) struct Form<'a> {
    /// What it is called.
    pub(crate) name: String,
    /// The session.
    pub(crate) backend: &'a mut Backend,
    /// The statement.
    pub(crate) code: Code,
}

/// How long a form took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    /// The form.
    pub(crate) form: String,
    /// CPU milliseconds of an execution, the mean of each round; none if it was stopped.
    pub(crate) rounds: Vec<f64>,
    /// How many executions there were in a round.
    pub(crate) executions: usize,
}

impl Outcome {
    /// The median of the rounds in milliseconds; none if it was stopped by the timeout.
    pub(crate) fn median(&self) -> Option<f64> {
        median(&self.rounds)
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(of: &[f64]) -> Option<f64> {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Measures the forms and says how many rows each execution of all values gave.
///
/// # Errors
/// A form gives other rows than the first; a statement fails.
pub(crate) fn measure(
    forms: &mut [Form<'_>],
    values: &[Vec<Value>],
    undo: bool,
    rounds: Rounds,
) -> Result<(Rows, Vec<Outcome>)> {
    let mut expected: Option<(String, Rows)> = None;
    let mut repeats = Vec::new();
    for form in &mut *forms {
        let Some((rows, took)) = pass(form, values, undo)? else {
            repeats.push(None);
            continue;
        };
        match &expected {
            None => expected = Some((form.name.clone(), rows)),
            Some((first, other)) if *other != rows => bail!(
                "{} gives {} rows, {first} gives {}, or they are others",
                form.name,
                rows.count,
                other.count
            ),
            Some(_) => {}
        }
        repeats.push(Some(took));
    }
    let Some((_, rows)) = expected else {
        bail!("each form was stopped by the timeout");
    };
    let mut outcomes: Vec<Outcome> = (forms.iter())
        .map(|form| Outcome {
            form: form.name.clone(),
            rounds: Vec::new(),
            executions: 0,
        })
        .collect();
    for round in 0..rounds.rounds {
        for (at, form) in forms.iter_mut().enumerate() {
            let Some(took) = repeats[at] else {
                continue;
            };
            if round > 0 && took * u32::try_from(round)? > rounds.most {
                continue;
            }
            let passes = passes(took, rounds.enough);
            let mut total = Duration::ZERO;
            for _ in 0..passes {
                match pass(form, values, undo)? {
                    Some((again, took)) if again == rows => total += took,
                    Some(_) => bail!("{} gives other rows than before", form.name),
                    // It was near the limit before.
                    None => repeats[at] = None,
                }
            }
            let outcome = &mut outcomes[at];
            if repeats[at].is_none() {
                outcome.rounds.clear();
                continue;
            }
            outcome.executions = passes * values.len();
            (outcome.rounds).push(total.as_secs_f64() * 1e3 / outcome.executions as f64);
        }
    }
    Ok((rows, outcomes))
}

/// How often all values are bound in a round.
fn passes(took: Duration, enough: Duration) -> usize {
    let times = enough.as_secs_f64() / took.as_secs_f64().max(1e-6);
    (times.ceil() as usize).clamp(1, 32)
}

/// Runs the form once with each value; nothing if the timeout stopped it.
fn pass(
    form: &mut Form<'_>,
    values: &[Vec<Value>],
    undo: bool,
) -> Result<Option<(Rows, Duration)>> {
    let (mut rows, mut took) = (Rows::default(), Duration::ZERO);
    for values in values {
        match form.backend.execute(&form.code, values, undo)? {
            Ended::With(found, time) => {
                rows.and(found);
                took += time;
            }
            Ended::TimedOut => return Ok(None),
        }
    }
    Ok(Some((rows, took)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 20.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}
