//! A policy with many roles and tables: how long it loads, and what roles cost that nobody asks with.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use postgres::types::Type;

use crate::backend::{Backend, Code};
use crate::databases::Databases;
use crate::figures::{Bound, Figure};
use crate::interleaved::{self, Form, Outcome, Rounds, median};
use crate::values::Value;

/// How many of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width {
    /// Roles with a cell for each table.
    pub(crate) roles: usize,
    /// Tables, a module each.
    pub(crate) tables: usize,
}

/// Loads the policy, and measures a look-up by key under it and under the same with one role.
pub(crate) fn measure(
    databases: &Databases,
    width: Width,
    rounds: Rounds,
    timeout: Duration,
) -> Result<Vec<Figure>> {
    let one = Width { roles: 1, ..width };
    load(databases, "bench_one_role", one)?;
    let took = load(databases, "bench_many_roles", width)?;
    let changed = change_a_cell(databases, "bench_many_roles", width)?;
    let loaded = load_another_cell(databases, "bench_many_roles", width)?;
    let mut sessions = Vec::new();
    for database in ["bench_one_role", "bench_many_roles"] {
        sessions.push((database, databases.acting(database, 1, timeout)?));
    }
    let Width { roles, tables } = width;
    let mut figures = vec![Figure::new(
        format!("load of a policy of {roles} roles × {tables} tables"),
        took.as_secs_f64(),
        "s",
        Some(Bound::AtMost(5.0)),
    )];
    figures.push(Figure::new(
        "… a change of one cell",
        changed.as_secs_f64() * 1e3,
        "ms",
        Some(Bound::AtMost(50.0)),
    ));
    figures.push(Figure::new(
        "… the whole text once more, with another cell",
        loaded.as_secs_f64() * 1e3,
        "ms",
        None,
    ));
    for prepared in [false, true] {
        let outcomes = look_up(&mut sessions, prepared, rounds)?;
        let took: Vec<f64> = outcomes.iter().filter_map(Outcome::median).collect();
        let [one, many] = took[..] else {
            anyhow::bail!("a look-up by key was stopped by the timeout");
        };
        let how = if prepared {
            "prepared"
        } else {
            "planned each time"
        };
        figures.push(Figure::new(
            format!("a statement under {roles} roles, more than under one, {how}"),
            (many - one) * 1e3,
            "µs",
            Some(Bound::AtMost(5.0)),
        ));
    }
    Ok(figures)
}

fn look_up(
    sessions: &mut [(&str, Backend)],
    prepared: bool,
    rounds: Rounds,
) -> Result<Vec<Outcome>> {
    let sql = "SELECT id, name FROM records_1 WHERE id = $1";
    let mut forms = Vec::new();
    for (name, backend) in sessions {
        let code = if prepared {
            Code::Prepared(backend.prepare(sql, &[Type::INT4])?)
        } else {
            Code::Text(sql.to_owned())
        };
        forms.push(Form {
            name: (*name).to_owned(),
            backend,
            code,
            values: (1..=20).map(|id| vec![Value::Int(id)]).collect(),
            switch: None,
            undo: false,
        });
    }
    Ok(interleaved::measure(&mut forms, rounds)?.1)
}

/// Makes the tables and loads the policy; returns how long the load took.
fn load(databases: &Databases, database: &str, width: Width) -> Result<Duration> {
    let mut client = databases.fresh(database)?;
    let mut tables = "CREATE TABLE users (id int PRIMARY KEY, login text NOT NULL, boss_id int);
        INSERT INTO users VALUES (1, 'one', NULL), (2, 'two', NULL);
        CREATE TABLE roles (user_id int, role text, PRIMARY KEY (user_id, role));
        INSERT INTO roles VALUES (1, 'role1');"
        .to_owned();
    for table in 1..=width.tables {
        write!(
            tables,
            "CREATE TABLE records_{table} (id int PRIMARY KEY, name text, owner_id int);
             INSERT INTO records_{table} SELECT i, 'Record ' || i, i % 2 + 1 FROM generate_series(1, 20) AS i;"
        )?;
    }
    client.batch_execute(&tables)?;
    client.batch_execute("VACUUM (ANALYZE)")?;
    client.batch_execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bench_people",
    )?;
    let begin = Instant::now();
    client
        .query_one(
            "SELECT celador.load_policy($1)",
            &[&document(width.roles, width.tables)],
        )
        .context("the wide policy doesn't load")?;
    Ok(begin.elapsed())
}

/// Changes a cell, each time in a session of its own; returns the middle time.
fn change_a_cell(databases: &Databases, database: &str, width: Width) -> Result<Duration> {
    middle(width, |table| {
        let mut client = databases.superuser(database)?;
        let cell = format!("'role1', 'records_{table}', 'read'");
        let begin = Instant::now();
        client.query_one(
            &format!("SELECT celador.change_cell({cell}, '[\"own\"]')"),
            &[],
        )?;
        Ok(begin.elapsed())
    })
}

/// Loads the same policy with another cell each time; returns the middle time.
fn load_another_cell(databases: &Databases, database: &str, width: Width) -> Result<Duration> {
    let mut client = databases.superuser(database)?;
    let document = document(width.roles, width.tables);
    middle(width, |table| {
        let cell = format!("records_{table} = {{ read = [\"reports\"");
        let other = format!("records_{table} = {{ read = [\"own\"");
        let changed = document.replacen(&cell, &other, 1);
        ensure!(changed != document, "there is no such cell");
        let begin = Instant::now();
        client.query_one("SELECT celador.load_policy($1)", &[&changed])?;
        Ok(begin.elapsed())
    })
}

/// The middle of the times that something takes for one table after another, up to five.
fn middle(width: Width, mut take: impl FnMut(usize) -> Result<Duration>) -> Result<Duration> {
    let took: Vec<f64> = (1..=width.tables.min(5))
        .map(|table| Ok(take(table)?.as_secs_f64()))
        .collect::<Result<_>>()?;
    let middle = median(&took).context("nothing was measured")?;
    Ok(Duration::from_secs_f64(middle))
}

/// A policy with that many roles and tables, in which each role has a cell for each table.
pub fn document(roles: usize, tables: usize) -> String {
    let roles: Vec<String> = (1..=roles).map(|role| format!("role{role}")).collect();
    let map: Vec<String> = roles
        .iter()
        .map(|role| format!("{role} = \"{role}\""))
        .collect();
    let mut text = format!(
        "[mapping]\nschemas = [\"public\"]\nclosed = [\"users\", \"roles\"]\n\
         [mapping.users]\ntable = \"users\"\nkeys = {{ user = \"id\" }}\nlogin = \"login\"\nsupervisor = \"boss_id\"\n\
         [[mapping.roles_held]]\ntable = \"roles\"\nuser = \"user_id\"\nrole = \"role\"\nmap = {{ {} }}\n",
        map.join(", ")
    );
    for table in 1..=tables {
        text.push_str(&format!(
            "[mapping.modules.records_{table}]\ntable = \"records_{table}\"\nowner = \"owner_id\"\n"
        ));
    }
    for role in &roles {
        text.push_str(&format!("[permissions.{role}]\n"));
        for table in 1..=tables {
            text.push_str(&format!(
                "records_{table} = {{ read = [\"reports\", \"unassigned\"], create = [\"own\"], update = [\"own\"] }}\n"
            ));
        }
    }
    text
}
