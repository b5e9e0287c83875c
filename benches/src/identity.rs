//! What it costs to become somebody, and to find out what somebody may do.

use std::time::Duration;

use anyhow::{Context, Result};
use postgres::types::Type;

use crate::backend::{Backend, Code, Ended};
use crate::databases::{CELADOR, Databases};
use crate::figures::{Bound, Figure};
use crate::interleaved::{Switch, median, turn_into};
use crate::people::{Division, Level, Staff};
use crate::values::Value;

const KEY: &str = "SELECT id, name FROM contacts WHERE id = $1";
/// How often a person's access is computed in a new session.
const NEW_SESSIONS: usize = 7;

/// Two people in turn on one session: the switch, and what the next statement pays for it.
pub(crate) fn switch(
    databases: &Databases,
    staff: Staff,
    times: usize,
    timeout: Duration,
) -> Result<Vec<Figure>> {
    let people =
        [Level::Lead, Level::Regional].map(|level| staff.person(Division::Seller, level).id);
    let mut backend = databases.carrier(CELADOR, timeout)?;
    let switch = assume(databases, &mut backend)?;
    let planned = Code::Text(KEY.to_owned());
    let prepared = Code::Prepared(backend.prepare(KEY, &[Type::INT4])?);
    let (mut switching, mut after) = (Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..times {
        for person in people {
            for (code, after) in [&planned, &prepared].into_iter().zip(&mut after) {
                switching.push(microseconds(turn_into(&mut backend, &switch, person)?));
                let first = took(&mut backend, code)?;
                let second = took(&mut backend, code)?;
                after.push(microseconds(first) - microseconds(second));
            }
        }
    }
    let middle = |of: &[f64]| median(of).context("nothing was measured");
    let switching = middle(&switching)?;
    let [planned, prepared] = &after;
    let (planned, prepared) = (middle(planned)?, middle(prepared)?);
    Ok(vec![
        Figure::new(
            "identity switch, two people in turn: `assume`",
            switching,
            "µs",
            None,
        ),
        Figure::new(
            "… and what the next statement pays, planned each time",
            planned,
            "µs",
            Some(Bound::AtMost(20.0)),
        ),
        Figure::new("… prepared, which is planned again", prepared, "µs", None),
        Figure::new(
            "identity switch in all",
            switching + planned,
            "µs",
            Some(Bound::AtMost(50.0)),
        ),
    ])
}

/// A regional manager's access in new sessions, from a directory of its own.
pub(crate) fn access(
    databases: &Databases,
    staff: Staff,
    timeout: Duration,
) -> Result<Vec<Figure>> {
    let (database, staff) = databases.directory(staff)?;
    let manager = staff.person(Division::Seller, Level::Regional).id;
    let agent = staff.person(Division::Seller, Level::Agent).id;
    let (mut first, mut computing, mut another) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..NEW_SESSIONS {
        let mut backend = databases.carrier(database, timeout)?;
        let switch = assume(databases, &mut backend)?;
        let key = Code::Text(KEY.to_owned());
        turn_into(&mut backend, &switch, manager)?;
        first.push(took(&mut backend, &key)?.as_secs_f64() * 1e3);
        computing.push(computed(&mut backend)?);
        turn_into(&mut backend, &switch, agent)?;
        took(&mut backend, &key)?;
        let before = computed(&mut backend)?;
        turn_into(&mut backend, &switch, manager)?;
        took(&mut backend, &key)?;
        another.push(computed(&mut backend)? - before);
    }
    let middle = |of: &[f64]| median(of).context("nothing was measured");
    let below = staff.office();
    let people = staff.users;
    Ok(vec![
        Figure::new(
            format!("access of a manager with {below} reports, {people} people: in a new session"),
            middle(&computing)?,
            "ms",
            Some(Bound::AtMost(10.0)),
        ),
        Figure::new(
            "… the session's whole first statement",
            middle(&first)?,
            "ms",
            None,
        ),
        Figure::new(
            "… again in that session, after somebody else",
            middle(&another)?,
            "ms",
            None,
        ),
    ])
}

fn assume<'a>(databases: &'a Databases, backend: &mut Backend) -> Result<Switch<'a>> {
    Ok(Switch {
        code: Code::Prepared(backend.prepare("SELECT celador.assume($1)", &[Type::TEXT])?),
        people: Vec::new(),
        keys: Some(databases.keys()),
    })
}

/// Milliseconds that computing access has taken, as the session itself counts.
fn computed(backend: &mut Backend) -> Result<f64> {
    let row = backend.client.query_one(
        "SELECT value FROM celador.stats() WHERE name = 'access_microseconds'",
        &[],
    )?;
    Ok(row.get::<_, i64>(0) as f64 / 1e3)
}

fn took(backend: &mut Backend, code: &Code) -> Result<Duration> {
    match backend.execute(code, &[Value::Int(1)], false)? {
        Ended::With(_, time) => Ok(time),
        Ended::TimedOut => anyhow::bail!("a look-up by key took longer than the timeout"),
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
