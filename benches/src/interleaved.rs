//! Forms of one statement, measured in turn.
//!
//! Each form runs once for each value that is bound, and must give the same rows as the others. Then
//! come rounds: in each, every form runs in turn, so that whatever else the machine does falls on all
//! of them. What counts is the median of the rounds.

use std::time::Duration;

use anyhow::{Result, bail};
use celador_identity::KeyRing;
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
    /// What is bound to it, one after another.
    pub(crate) values: Vec<Vec<Value>>,
    /// For whom: the session becomes that person before each execution, which is measured apart.
    pub(crate) switch: Option<Switch<'a>>,
    /// It changes rows, which is taken back.
    pub(crate) undo: bool,
}

/// How a session becomes somebody, and who it is for each of the values.
pub(crate) struct Switch<'a> {
    /// The statement, which takes the person or a token.
    pub(crate) code: Code,
    /// The people.
    pub(crate) people: Vec<i32>,
    /// What tokens are signed with; none where the statement takes the person's key.
    pub(crate) keys: Option<&'a KeyRing>,
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
    /// CPU milliseconds of becoming the next person, likewise; empty where nobody changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) switches: Vec<f64>,
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
pub(crate) fn measure(forms: &mut [Form<'_>], rounds: Rounds) -> Result<(Rows, Vec<Outcome>)> {
    let mut expected: Option<(String, Rows)> = None;
    let mut repeats = Vec::new();
    for form in &mut *forms {
        let Some(Pass { rows, took, .. }) = pass(form)? else {
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
            switches: Vec::new(),
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
            let (mut total, mut switching) = (Duration::ZERO, Duration::ZERO);
            for _ in 0..passes {
                match pass(form)? {
                    Some(again) if again.rows == rows => {
                        total += again.took;
                        switching += again.switching;
                    }
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
            outcome.executions = passes * form.values.len();
            let mean = |time: Duration| time.as_secs_f64() * 1e3 / outcome.executions as f64;
            outcome.rounds.push(mean(total));
            if form.switch.is_some() {
                outcome.switches.push(mean(switching));
            }
        }
    }
    Ok((rows, outcomes))
}

/// How often all values are bound in a round.
fn passes(took: Duration, enough: Duration) -> usize {
    let times = enough.as_secs_f64() / took.as_secs_f64().max(1e-6);
    (times.ceil() as usize).clamp(1, 32)
}

struct Pass {
    rows: Rows,
    took: Duration,
    switching: Duration,
}

/// Runs the form once with each value; nothing if the timeout stopped it.
fn pass(form: &mut Form<'_>) -> Result<Option<Pass>> {
    let mut pass = Pass {
        rows: Rows::default(),
        took: Duration::ZERO,
        switching: Duration::ZERO,
    };
    for (at, values) in form.values.iter().enumerate() {
        if let Some(switch) = &form.switch {
            pass.switching += turn_into(form.backend, switch, switch.people[at])?;
        }
        match form.backend.execute(&form.code, values, form.undo)? {
            Ended::With(found, time) => {
                pass.rows.and(found);
                pass.took += time;
            }
            Ended::TimedOut => return Ok(None),
        }
    }
    Ok(Some(pass))
}

/// The session becomes that person; returns the CPU time.
pub(crate) fn turn_into(
    backend: &mut Backend,
    switch: &Switch<'_>,
    person: i32,
) -> Result<Duration> {
    let value = match switch.keys {
        Some(keys) => backend.token(keys, person)?,
        None => person.to_string(),
    };
    match backend.execute(&switch.code, &[Value::Text(value)], false)? {
        Ended::With(_, time) => Ok(time),
        Ended::TimedOut => bail!("becoming {person} took longer than the timeout"),
    }
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
