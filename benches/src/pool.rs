//! Many people on one session, as a pool has it: another person in each transaction, and the same
//! prepared statements for all of them.

use std::time::Duration;

use anyhow::{Context, Result};
use postgres::types::Type;

use crate::backend::Code;
use crate::cells::{CELADOR, Cell, HAND};
use crate::databases::{self, Databases};
use crate::groups::Group;
use crate::interleaved::{self, Form, Rounds, Switch};
use crate::peers::Peer;
use crate::people::{Division, Staff};
use crate::statements::{Measured, STATEMENTS};
use crate::template::{Fills, fill};
use crate::values::Value;

/// How many people come.
const PEOPLE: i32 = 50;

/// A condition with a parameter: the keys of those whom the person supervises, or the person's own.
#[derive(Clone, Copy)]
enum Bound {
    Keys(usize),
    Person(usize),
    /// It is left to policies.
    Nothing,
}

impl Fills for Bound {
    fn source(&self, table: &str, alias: &str) -> String {
        format!("{table} AS {alias}")
    }
    fn condition(&self, _: &str, alias: &str) -> String {
        match self {
            Self::Keys(number) => format!("{alias}.owner_id = ANY (${number})"),
            Self::Person(number) => format!(
                "{alias}.owner_id IN (SELECT s.user_id FROM supervision AS s WHERE s.boss_id = ${number})"
            ),
            Self::Nothing => "true".to_owned(),
        }
    }
    fn me(&self) -> i32 {
        0
    }
}

/// Measures the statements in turn as all these people.
pub(crate) fn measure(
    databases: &Databases,
    staff: Staff,
    rounds: Rounds,
    timeout: Duration,
) -> Result<Vec<Cell>> {
    let people = staff.sellers(PEOPLE);
    let below = below(databases, &people)?;
    let mut cells = Vec::new();
    for measured in STATEMENTS.iter().filter(|known| known.group == Group::Pool) {
        eprintln!("  pool: {}", measured.operation);
        let values = values(databases, &people, measured)?;
        cells.push(
            cell(
                databases, measured, &people, &below, &values, rounds, timeout,
            )
            .with_context(|| format!("{} (pool)", measured.operation))?,
        );
    }
    Ok(cells)
}

fn cell(
    databases: &Databases,
    measured: &Measured,
    people: &[i32],
    below: &[Vec<i32>],
    values: &[Vec<Value>],
    rounds: Rounds,
    timeout: Duration,
) -> Result<Cell> {
    let next = values[0].len() + 1;
    let with = |more: &dyn Fn(usize) -> Value| -> Vec<Vec<Value>> {
        (values.iter().enumerate())
            .map(|(at, values)| [values.as_slice(), &[more(at)]].concat())
            .collect()
    };
    let mut sessions = Vec::new();
    for (name, bound, values) in [
        (
            "keys bound",
            Bound::Keys(next),
            with(&|at| Value::Ints(below[at].clone())),
        ),
        (
            "person bound",
            Bound::Person(next),
            with(&|at| Value::Int(people[at])),
        ),
    ] {
        sessions.push((
            format!("{HAND}{name}"),
            bound,
            values,
            databases.hand(timeout)?,
            None,
        ));
    }
    let celador = databases.carrier(databases::CELADOR, timeout)?;
    let assume = ("SELECT celador.assume($1)", Some(databases.keys()));
    sessions.push((
        CELADOR.to_owned(),
        Bound::Nothing,
        values.to_vec(),
        celador,
        Some(assume),
    ));
    for peer in Peer::ALL {
        let session = databases.peer(&peer.role(Division::Seller), people[0], timeout)?;
        let set = ("SELECT set_config('bench.me', $1, false)", None);
        sessions.push((
            peer.name().to_owned(),
            Bound::Nothing,
            values.to_vec(),
            session,
            Some(set),
        ));
    }
    let mut forms = Vec::new();
    for (name, bound, values, backend, switch) in &mut sessions {
        let types: Vec<Type> = values[0].iter().map(Value::type_of).collect();
        let code = Code::Prepared(backend.prepare(&fill(measured.sql, bound)?, &types)?);
        let switch = match switch {
            Some((sql, keys)) => Some(Switch {
                code: Code::Prepared(backend.prepare(sql, &[Type::TEXT])?),
                people: people.to_vec(),
                keys: *keys,
            }),
            None => None,
        };
        forms.push(Form {
            name: name.clone(),
            backend,
            code,
            values: values.clone(),
            switch,
            undo: false,
        });
    }
    let (rows, outcomes) = interleaved::measure(&mut forms, rounds)?;
    Ok(Cell {
        group: Group::Pool,
        operation: measured.operation,
        who: "50 people in turn",
        prepared: true,
        goal: measured.goal,
        rows: rows.count,
        outcomes,
    })
}

/// The keys of those below each.
fn below(databases: &Databases, people: &[i32]) -> Result<Vec<Vec<i32>>> {
    let mut client = databases.plain()?;
    (people.iter())
        .map(|person| {
            let sql = "SELECT user_id FROM supervision WHERE boss_id = $1";
            let rows = client.query(sql, &[person])?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
        .collect()
}

/// A value of each person's own, if there is one.
fn values(databases: &Databases, people: &[i32], measured: &Measured) -> Result<Vec<Vec<Value>>> {
    let mut client = databases.plain()?;
    (people.iter())
        .map(|person| {
            let Some(parameter) = measured.parameter else {
                return Ok(Vec::new());
            };
            // Whoever owns none asks for somebody else's.
            let sql = format!(
                "SELECT {0} FROM contacts AS c WHERE c.owner_id = $1
                 UNION ALL (SELECT {0} FROM contacts AS c ORDER BY c.id LIMIT 1) LIMIT 1",
                parameter.value
            );
            let row = client.query_one(&sql, &[person])?;
            Ok(vec![parameter.kind.read(&row, 0)])
        })
        .collect()
}
