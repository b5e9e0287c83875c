//! How long a DBA waits for an answer about one record.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use postgres::Client;
use postgres::types::ToSql;

use crate::databases::{CELADOR, Databases};
use crate::figures::{Bound, Figure};
use crate::interleaved::median;
use crate::people::{Division, Level, Staff};

const EXPLAIN: &str = "SELECT name FROM celador.explain_access('contacts', $1, $2, 'read')";
const WHO: &str = "SELECT \"user\" FROM celador.who_can('contacts', $1, 'read')";
/// How many records are asked about.
const RECORDS: i32 = 9;

/// `explain_access` and `who_can`, for other records and people each time: what a session knows of
/// somebody is left out of neither.
pub(crate) fn measure(databases: &Databases, rows: i32, staff: Staff) -> Result<Vec<Figure>> {
    let records: Vec<String> = (1..=RECORDS)
        .map(|part| (rows / (RECORDS + 1) * part).to_string())
        .collect();
    let people = [Level::Agent, Level::Lead, Level::Regional];
    let mut client = databases.superuser(CELADOR)?;
    let mut explaining = Vec::new();
    for level in people {
        let person = staff.person(Division::Seller, level).id.to_string();
        for record in &records {
            explaining.push(milliseconds(&mut client, EXPLAIN, &[record, &person])?);
        }
    }
    // The first answer of a session reads the whole directory.
    let mut first = Vec::new();
    for record in &records {
        let mut client = databases.superuser(CELADOR)?;
        client.batch_execute("SELECT celador.stats()")?;
        first.push(milliseconds(&mut client, WHO, &[record])?);
    }
    let mut asking = Vec::new();
    for record in &records {
        asking.push(milliseconds(&mut client, WHO, &[record])?);
    }
    let middle = |of: &[f64]| median(of).context("nothing was measured");
    let figure = |name: &str, of: &[f64], most| -> Result<Figure> {
        Ok(Figure::new(
            name,
            middle(of)?,
            "ms",
            Some(Bound::AtMost(most)),
        ))
    };
    Ok(vec![
        figure("`explain_access` for one record", &explaining, 10.0)?,
        figure("`who_can` for one record", &asking, 100.0)?,
        figure("… the first of a session", &first, 100.0)?,
    ])
}

fn milliseconds(client: &mut Client, sql: &str, with: &[&(dyn ToSql + Sync)]) -> Result<f64> {
    let begin = Instant::now();
    let rows = client.query(sql, with)?;
    let took: Duration = begin.elapsed();
    ensure!(!rows.is_empty(), "no answer: {sql}");
    Ok(took.as_secs_f64() * 1e3)
}
