//! Fields: what masks cost whoever sees none of them, what they cost beside the same functions in the
//! query, and bulk load into a protected table.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use postgres::types::Type;

use crate::backend::{Backend, Code};
use crate::databases::Databases;
use crate::figures::{Bound, Figure};
use crate::interleaved::{self, Form, Outcome, Rounds, median};
use crate::values::Value;

/// The same rows, in a database whose policy masks fields and in one whose policy doesn't.
const MASKED: &str = "bench_fields";
const UNMASKED: &str = "bench_no_fields";
/// Sees everything in clear.
const DIRECTOR: i32 = 1;
/// Sees no field in clear, but for the code of records that are his own.
const READER: i32 = 2;

const TABLES: &str = "
CREATE TABLE users (id int PRIMARY KEY, login text NOT NULL, boss_id int);
INSERT INTO users VALUES (1, 'one', NULL), (2, 'two', NULL);
CREATE TABLE roles (user_id int, role text, PRIMARY KEY (user_id, role));
INSERT INTO roles VALUES (1, 'director'), (2, 'reader');
CREATE TABLE records (id int PRIMARY KEY, name text, phone text, mail text, amount int, code text, owner_id int);
CREATE FUNCTION first_of(text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN left($1, 3); END';";

const POLICY: &str = r#"
[mapping]
schemas = ["public"]
open = ["loaded"]
closed = ["users", "roles"]
[mapping.users]
table = "users"
keys = { user = "id" }
login = "login"
supervisor = "boss_id"
[[mapping.roles_held]]
table = "roles"
user = "user_id"
role = "role"
map = { director = "director", reader = "reader" }
[mapping.modules.records]
table = "records"
owner = "owner_id"
[permissions.director."*"]
"*" = ["all"]
[permissions.reader.records]
read = ["all"]
"#;

const FIELDS: &str = r#"
fields.code = { clear = ["own"] }
[fields.records.name]
renderings = ["clear", "function(public.first_of)"]
[fields.records.phone]
renderings = ["clear", "partial(0,4)"]
[fields.records.mail]
renderings = ["clear", "email"]
[fields.records.amount]
renderings = ["clear", "round(100)"]
[fields.records.code]
renderings = ["clear", "partial(2,0)"]
"#;

/// A rendering, what the reader asks for, and the same with the functions in the query.
const SCANS: [(&str, &str, &str); 5] = [
    (
        "`partial`",
        "max(phone)",
        "max(celador.render_partial(phone, 0, 4))",
    ),
    ("`email`", "max(mail)", "max(celador.render_email(mail))"),
    (
        "`round`",
        "sum(amount)",
        "sum(celador.render_round(amount, 100))",
    ),
    (
        "own in clear, else `partial`",
        "max(code)",
        "max(CASE WHEN owner_id = 2 THEN code ELSE celador.render_partial(code, 2, 0) END)",
    ),
    (
        "a function in PL/pgSQL",
        "max(name)",
        "max(public.first_of(name))",
    ),
];

/// All of it, over that many rows.
pub(crate) fn measure(
    databases: &Databases,
    rows: i32,
    rounds: Rounds,
    timeout: Duration,
) -> Result<Vec<Figure>> {
    load(databases, UNMASKED, rows, POLICY)?;
    load(databases, MASKED, rows, &format!("{POLICY}{FIELDS}"))?;
    let mut figures = unmasked_person(databases, rows, rounds, timeout)?;
    figures.extend(masked_scans(databases, rounds, timeout)?);
    figures.push(bulk(databases, rows, rounds.rounds)?);
    Ok(figures)
}

fn load(databases: &Databases, database: &str, rows: i32, policy: &str) -> Result<()> {
    let mut client = databases.fresh(database)?;
    client.batch_execute(TABLES)?;
    client.batch_execute(&format!(
        "INSERT INTO records SELECT i, 'Record ' || i, '555' || i, 'mail.' || i || '@example.com', i, 'code' || i, i % 20 + 1
           FROM generate_series(1, {rows}) AS i;
         CREATE TABLE loaded (LIKE records INCLUDING ALL);
         INSERT INTO loaded SELECT * FROM records;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bench_people"
    ))?;
    client.batch_execute("VACUUM (ANALYZE)")?;
    client
        .query_one("SELECT celador.load_policy($1)", &[&policy])
        .context("the policy with fields doesn't load")?;
    Ok(())
}

/// How many times as long the first of two forms takes.
fn ratio(outcomes: &[Outcome]) -> Result<f64> {
    let took: Vec<f64> = outcomes.iter().filter_map(Outcome::median).collect();
    let [one, other] = took[..] else {
        bail!("a statement over masked fields was stopped by the timeout");
    };
    Ok(one / other)
}

/// A form in one of the databases.
fn form<'a>(
    backend: &'a mut Backend,
    name: &str,
    sql: &str,
    keys: Option<&[i32]>,
    prepared: bool,
) -> Result<Form<'a>> {
    let types: &[Type] = if keys.is_some() { &[Type::INT4] } else { &[] };
    let code = if prepared {
        Code::Prepared(backend.prepare(sql, types)?)
    } else {
        Code::Text(sql.to_owned())
    };
    let values = match keys {
        Some(keys) => keys.iter().map(|key| vec![Value::Int(*key)]).collect(),
        None => vec![Vec::new()],
    };
    Ok(Form {
        name: name.to_owned(),
        backend,
        code,
        values,
        switch: None,
        undo: false,
    })
}

/// Whoever sees everything in clear, under a policy with fields and without.
fn unmasked_person(
    databases: &Databases,
    rows: i32,
    rounds: Rounds,
    timeout: Duration,
) -> Result<Vec<Figure>> {
    let mut with = databases.acting(MASKED, DIRECTOR, timeout)?;
    let mut without = databases.acting(UNMASKED, DIRECTOR, timeout)?;
    let keys: Vec<i32> = (1..=20).map(|part| rows / 20 * part).collect();
    let key = "SELECT name, phone FROM records WHERE id = $1";
    let scan = "SELECT count(*), max(phone), sum(amount) FROM records";
    let mut figures = Vec::new();
    for (what, sql, keys, prepared) in [
        (
            "a look-up by key, planned each time",
            key,
            Some(&keys[..]),
            false,
        ),
        ("a look-up by key, prepared", key, Some(&keys[..]), true),
        ("a scan", scan, None, false),
    ] {
        let mut forms = [
            form(&mut with, "with fields", sql, keys, prepared)?,
            form(&mut without, "without fields", sql, keys, prepared)?,
        ];
        let times = ratio(&interleaved::measure(&mut forms, rounds)?.1)?;
        figures.push(Figure::new(
            format!("{what} by whoever sees everything, as under a policy without fields"),
            times,
            "×",
            Some(Bound::AtMost(1.02)),
        ));
    }
    Ok(figures)
}

/// Masks beside the same functions in the query.
fn masked_scans(databases: &Databases, rounds: Rounds, timeout: Duration) -> Result<Vec<Figure>> {
    let mut masked = databases.acting(MASKED, READER, timeout)?;
    let mut written = databases.acting(UNMASKED, READER, timeout)?;
    let mut figures = Vec::new();
    for (rendering, shown, by_hand) in SCANS {
        let sql = |what: &str| format!("SELECT {what} FROM records");
        let mut forms = [
            form(&mut masked, "masked", &sql(shown), None, false)?,
            form(&mut written, "in the query", &sql(by_hand), None, false)?,
        ];
        let times = ratio(&interleaved::measure(&mut forms, rounds)?.1)?;
        figures.push(Figure::new(
            format!("a masked scan, {rendering}, as with the function in the query"),
            times,
            "×",
            Some(Bound::AtMost(1.15)),
        ));
    }
    Ok(figures)
}

/// COPY FROM of half as many rows, beside a table that isn't protected.
fn bulk(databases: &Databases, rows: i32, rounds: usize) -> Result<Figure> {
    let count = rows / 2;
    let mut lines = String::new();
    for id in rows + 1..=rows + count {
        writeln!(
            lines,
            "{id}\tRecord {id}\t555{id}\tmail.{id}@example.com\t{id}\tcode{id}\t1"
        )?;
    }
    let mut backend = databases.acting(MASKED, DIRECTOR, Duration::ZERO)?;
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (table, took) in ["records", "loaded"].into_iter().zip(&mut took) {
            took.push(copy(&mut backend, table, &lines, count)?.as_secs_f64());
        }
    }
    let [protected, unprotected] = took.map(|took| median(&took));
    let (Some(protected), Some(unprotected)) = (protected, unprotected) else {
        bail!("no bulk load was measured");
    };
    Ok(Figure::new(
        format!("COPY FROM of {count} rows into a protected table, as into an unprotected one"),
        protected / unprotected,
        "×",
        Some(Bound::AtMost(2.0)),
    ))
}

/// The CPU time of one COPY, which is taken back.
fn copy(backend: &mut Backend, table: &str, lines: &str, count: i32) -> Result<Duration> {
    backend.client.batch_execute("BEGIN")?;
    let before = backend.cpu()?;
    let mut writer = backend
        .client
        .copy_in(&format!("COPY {table} FROM STDIN"))?;
    writer.write_all(lines.as_bytes())?;
    let copied = writer.finish()?;
    let took = backend.cpu()? - before;
    backend.client.batch_execute("ROLLBACK")?;
    if copied != u64::try_from(count)? {
        bail!("{copied} rows were copied into {table}, not {count}");
    }
    Ok(took)
}
