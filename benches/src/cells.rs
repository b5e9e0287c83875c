//! The statements, each as five people, each in every form.

use std::time::Duration;

use anyhow::{Context, Result};
use postgres::Client;
use postgres::types::Type;
use serde::Serialize;

use crate::backend::{Backend, Code};
use crate::databases::Databases;
use crate::groups::{Goal, Group};
use crate::hand_written::{HandWritten, Way};
use crate::interleaved::{self, Form, Outcome, Rounds};
use crate::options::Arguments;
use crate::peers::Peer;
use crate::people::{Person, Staff};
use crate::statements::{Measured, Parameter, STATEMENTS};
use crate::template::{Fills, fill};
use crate::values::Value;

/// A statement as one person.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cell {
    /// The table of the report.
    pub(crate) group: Group,
    /// What the statement does.
    pub(crate) operation: &'static str,
    /// Who asks.
    pub(crate) who: &'static str,
    /// Prepared once, or parsed and planned each time.
    pub(crate) prepared: bool,
    /// How long it may take.
    pub(crate) goal: Goal,
    /// How many rows all values together gave.
    pub(crate) rows: u64,
    /// How long each form took.
    pub(crate) outcomes: Vec<Outcome>,
}

/// In which form a session asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Hand,
    Celador,
    Peer(Peer),
}

/// What the forms of a cell are called.
pub(crate) const CELADOR: &str = "celador";
/// How the names of what is written by hand begin.
pub(crate) const HAND: &str = "hand-written, ";

impl Cell {
    /// The best of what is written by hand, in milliseconds.
    pub(crate) fn hand_written(&self) -> Option<f64> {
        (self.outcomes.iter())
            .filter(|outcome| outcome.form.starts_with(HAND))
            .filter_map(Outcome::median)
            .min_by(f64::total_cmp)
    }

    /// A form's milliseconds; none if it was stopped.
    pub(crate) fn of(&self, form: &str) -> Option<f64> {
        let outcome = self.outcomes.iter().find(|outcome| outcome.form == form);
        outcome.and_then(Outcome::median)
    }

    /// Whether Celador is within the goal.
    pub(crate) fn is_met(&self) -> bool {
        match (self.of(CELADOR), self.hand_written()) {
            (Some(took), Some(by_hand)) => {
                took <= by_hand * self.goal.times
                    || took <= by_hand + self.goal.or_microseconds / 1e3
            }
            // Nothing was measured that it could be compared with.
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Measures all statements of a group.
pub(crate) fn measure(
    databases: &Databases,
    staff: Staff,
    group: Group,
    arguments: &Arguments,
) -> Result<Vec<Cell>> {
    let (rounds, timeout) = (arguments.rounds(), arguments.timeout());
    let mut cells = Vec::new();
    for level in group
        .levels()
        .iter()
        .filter(|level| arguments.asks_as(**level))
    {
        let person = staff.person(group.division(), *level);
        let mut sessions = sessions(databases, person, timeout)?;
        let mut reader = databases.plain()?;
        let by_hand = HandWritten::read(&mut reader, person)?;
        for measured in STATEMENTS.iter().filter(|known| known.group == group) {
            eprintln!(
                "  {}: {} as {}",
                group.name(),
                measured.operation,
                level.name()
            );
            let values = values(&mut reader, &by_hand, person, measured, arguments.values)?;
            for prepared in [false, true] {
                let cell = cell(
                    &mut sessions,
                    &by_hand,
                    measured,
                    person,
                    prepared,
                    &values,
                    rounds,
                )
                .with_context(|| {
                    format!(
                        "{} ({}) as {}, prepared: {prepared}",
                        measured.operation,
                        group.name(),
                        level.name()
                    )
                })?;
                cells.push(cell);
            }
            if measured.writes {
                databases.clean()?;
            }
        }
    }
    Ok(cells)
}

/// A session in each form; each form of what is written by hand has one of its own, for their plans
/// differ.
fn sessions(
    databases: &Databases,
    person: Person,
    timeout: Duration,
) -> Result<Vec<(Asks, Backend)>> {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push((Asks::Hand, databases.hand(timeout)?));
    }
    sessions.push((Asks::Celador, databases.person(person.id, timeout)?));
    for peer in Peer::ALL {
        let backend = databases.peer(&peer.role(person.division), person.id, timeout)?;
        sessions.push((Asks::Peer(peer), backend));
    }
    Ok(sessions)
}

fn cell(
    sessions: &mut [(Asks, Backend)],
    by_hand: &HandWritten,
    measured: &Measured,
    person: Person,
    prepared: bool,
    values: &[Vec<Value>],
    rounds: Rounds,
) -> Result<Cell> {
    let mut ways = by_hand.ways(measured.sql).into_iter();
    let types: Vec<Type> = values[0].iter().map(Value::type_of).collect();
    let mut forms = Vec::new();
    for (asks, backend) in sessions {
        let (name, sql) = match asks {
            Asks::Hand => {
                let Some(way) = ways.next() else {
                    continue;
                };
                let name = match way {
                    Way::Listed => "keys listed",
                    Way::Selected => "sub-select",
                    Way::United => "UNION ALL",
                };
                let written = Written {
                    by_hand,
                    way,
                    person,
                };
                (format!("{HAND}{name}"), fill(measured.sql, &written)?)
            }
            Asks::Celador => (CELADOR.to_owned(), fill(measured.sql, &Policies(person))?),
            Asks::Peer(peer) => {
                let name = peer.name().to_owned();
                (name, fill(measured.sql, &Policies(person))?)
            }
        };
        let code = if prepared {
            Code::Prepared(backend.prepare(&sql, &types)?)
        } else {
            Code::Text(sql)
        };
        forms.push(Form {
            name,
            backend,
            code,
            values: values.to_vec(),
            switch: None,
            undo: measured.writes,
        });
    }
    let (rows, outcomes) = interleaved::measure(&mut forms, rounds)?;
    Ok(Cell {
        group: measured.group,
        operation: measured.operation,
        who: person.level.name(),
        prepared,
        goal: measured.goal,
        rows: rows.count,
        outcomes,
    })
}

/// What is bound: values of rows that are in reach, and a third as many of others.
fn values(
    reader: &mut Client,
    by_hand: &HandWritten,
    person: Person,
    measured: &Measured,
    most: i64,
) -> Result<Vec<Vec<Value>>> {
    let Some(Parameter {
        source: (table, alias),
        value,
        kind,
        count,
    }) = measured.parameter
    else {
        return Ok(vec![Vec::new()]);
    };
    let mut values = Vec::new();
    for (reached, count) in [("", count.min(most)), ("NOT ", (count.min(most) + 2) / 3)] {
        // Not the first ones, which lie next to each other.
        let text = format!(
            "SELECT x.value FROM (
               SELECT {value} AS value, {alias}.id FROM {{{table} {alias}}}
               WHERE {reached}{{may {alias}}} LIMIT 5000) AS x
             WHERE x.value IS NOT NULL ORDER BY hashint4(x.id), x.id LIMIT $1"
        );
        let written = Written {
            by_hand,
            way: Way::Listed,
            person,
        };
        let found = reader.query(&fill(&text, &written)?, &[&count])?;
        values.extend(found.iter().map(|row| vec![kind.read(row, 0)]));
    }
    Ok(values)
}

/// Conditions written by hand.
struct Written<'a> {
    by_hand: &'a HandWritten,
    way: Way,
    person: Person,
}

impl Fills for Written<'_> {
    fn source(&self, table: &str, alias: &str) -> String {
        self.by_hand.source(self.way, table, alias)
    }
    fn condition(&self, table: &str, alias: &str) -> String {
        self.by_hand.condition(self.way, table, alias)
    }
    fn me(&self) -> i32 {
        self.person.id
    }
}

/// Conditions left to policies.
struct Policies(Person);

impl Fills for Policies {
    fn source(&self, table: &str, alias: &str) -> String {
        format!("{table} AS {alias}")
    }
    fn condition(&self, _: &str, _: &str) -> String {
        "true".to_owned()
    }
    fn me(&self) -> i32 {
        self.0.id
    }
}
