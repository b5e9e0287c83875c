//! `cargo xtask demo`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use xtask::cluster::{Cluster, Options};
use xtask::workspace;

use crate::cluster::{self, DATABASE};
use crate::table::{Block, NARROW, side_by_side};

/// Columns of a terminal that most people have.
const WIDTH: usize = 120;

/// Load a CRM and a policy, and show the same queries as five people
///
/// With --crm, DIR holds the CRM: schema.sql and data.sql, which psql runs as a superuser in an
/// empty database, mapping.toml, and in demo/ the files *.sql with a query each, people (a line
/// each: login, tab, label; a third word is the database role to connect as, which then acts as
/// the first) and hidden-row (login, table, record, action: why that person may not).
#[derive(Args)]
pub(crate) struct Arguments {
    /// Major version of PostgreSQL: 15 to 18
    #[arg(long, value_name = "N", default_value_t = 15)]
    pg: u32,
    /// Leave the cluster running
    #[arg(long)]
    keep: bool,
    /// Somebody else's CRM instead of the sample
    #[arg(long, value_name = "DIR")]
    crm: Option<PathBuf>,
    /// Who may what [default: sql/presets/s1-matrix.toml]
    #[arg(long, value_name = "FILE")]
    matrix: Option<PathBuf>,
}

/// Somebody who asks.
struct Person {
    /// The login, or the user to act as.
    name: String,
    label: String,
    /// The database role to connect as, where the person has no login.
    through: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let sql = workspace().join("sql");
    let (crm, demo) = match &arguments.crm {
        Some(dir) => (dir.clone(), dir.join("demo")),
        None => (sql.join("crm"), sql.join("demo")),
    };
    let preset = sql.join("presets/s1-matrix.toml");
    let matrix = arguments.matrix.as_ref().unwrap_or(&preset);
    // What is missing is found before anything is built.
    let policy = format!("{}\n{}", read(&crm.join("mapping.toml"))?, read(matrix)?);
    let people = people(&demo)?;
    let queries = queries(&demo)?;
    let scripts = [crm.join("schema.sql"), crm.join("data.sql")];
    for script in &scripts {
        if !script.exists() {
            bail!("{} is missing", script.display());
        }
    }

    let cluster = cluster::start(arguments.pg, Options::default())?;
    for script in &scripts {
        eprintln!("xtask: loading {}", script.display());
        cluster.psql(DATABASE, script)?;
    }
    eprintln!("xtask: loading the policy");
    let mut admin = connect(&cluster, "postgres")?;
    admin
        .execute("SELECT celador.load_policy($1)", &[&policy])
        .map_err(told)
        .context("the policy can't be loaded")?;

    let mut sessions = Vec::new();
    for person in people {
        let client = open(&cluster, &person)?;
        sessions.push((person, client));
    }
    for path in &queries {
        show(&read(path)?, &mut sessions)?;
    }
    explain(&demo, &mut admin, &mut sessions)?;

    if arguments.keep {
        println!("{}", cluster.url("postgres", DATABASE));
        for (person, _) in &sessions {
            let role = person.through.as_ref().unwrap_or(&person.name);
            println!("{}", cluster.url(role, DATABASE));
        }
        return cluster::detach(cluster);
    }
    Ok(())
}

/// Shows what each person gets for a query. Its file begins with a comment that says what it asks.
fn show(text: &str, sessions: &mut [(Person, Client)]) -> Result<()> {
    let (question, query) = text.split_once('\n').context("a query is empty")?;
    println!("■ {}\n", question.trim_start_matches("--").trim());
    for line in query.trim_end().lines() {
        println!("    {line}");
    }
    println!();
    let mut blocks = Vec::new();
    for (person, client) in sessions {
        let title = format!("{}, {}", person.name, person.label);
        blocks.push(match client.simple_query(query) {
            Ok(messages) => table(&title, &messages),
            Err(error) => Block::text(&title, &told(error).to_string()),
        });
    }
    print!("{}", side_by_side(&blocks, WIDTH));
    Ok(())
}

/// Shows why somebody may not do something with a record.
fn explain(demo: &Path, admin: &mut Client, sessions: &mut [(Person, Client)]) -> Result<()> {
    let path = demo.join("hidden-row");
    let text = read(&path)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let &[name, relation, record, action] = words.as_slice() else {
        bail!("{}: not login, table, record, action", path.display());
    };
    let (_, client) = sessions
        .iter_mut()
        .find(|(person, _)| person.name == name)
        .with_context(|| format!("{}: {name} isn't among the people", path.display()))?;
    let user: String = client
        .query_one("SELECT \"user\" FROM celador.whoami()", &[])
        .map_err(told)?
        .get(0);
    println!("■ Why may {name} not {action} record {record} of {relation}?\n");
    let rows = admin
        .query(
            "SELECT kind, name, result, source \
             FROM celador.explain_access($1::text::regclass, $2, $3, $4)",
            &[&relation, &record, &user, &action],
        )
        .map_err(told)?;
    let columns = ["kind", "name", "result", "source"].map(str::to_owned);
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let cell = |at| row.get::<_, Option<String>>(at).unwrap_or_default();
            (0..columns.len()).map(cell).collect()
        })
        .collect();
    let block = Block::table(
        &format!("{name} (user {user})"),
        &columns,
        &rows,
        2 * NARROW,
    );
    print!("{}", side_by_side(&[block], WIDTH));
    Ok(())
}

fn table(title: &str, messages: &[SimpleQueryMessage]) -> Block {
    let mut columns = Vec::new();
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::RowDescription(description) = message {
            columns = description.iter().map(|c| c.name().to_owned()).collect();
        } else if let SimpleQueryMessage::Row(row) = message {
            let cells = (0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned());
            rows.push(cells.collect());
        }
    }
    Block::table(title, &columns, &rows, NARROW)
}

/// A connection as the person.
fn open(cluster: &Cluster, person: &Person) -> Result<Client> {
    let role = person.through.as_ref().unwrap_or(&person.name);
    let mut client =
        connect(cluster, role).with_context(|| format!("{role} can't connect to the database"))?;
    if person.through.is_some() {
        client
            .execute("SELECT celador.act_as($1)", &[&person.name])
            .map_err(told)
            .with_context(|| format!("{role} can't act as {}", person.name))?;
    }
    Ok(client)
}

/// A connection whose notices appear on stderr.
fn connect(cluster: &Cluster, role: &str) -> Result<Client> {
    let mut config: Config = cluster.url(role, DATABASE).parse()?;
    config.notice_callback(|notice| eprintln!("{}: {}", notice.severity(), notice.message()));
    config.connect(NoTls).map_err(told)
}

/// The server's message with its hint; the driver's own text would say "db error".
fn told(error: postgres::Error) -> anyhow::Error {
    let Some(server) = error.as_db_error() else {
        return error.into();
    };
    let mut text = format!("{} {}", server.code().code(), server.message());
    for more in [server.detail(), server.hint()].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    anyhow::Error::msg(text)
}

fn people(demo: &Path) -> Result<Vec<Person>> {
    let path = demo.join("people");
    let mut people = Vec::new();
    for line in read(&path)?.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let (name, label, through) = match words.as_slice() {
            [name, label] => (name, label, None),
            [name, label, role] => (name, label, Some((*role).to_owned())),
            _ => bail!("{}: not login, tab, label: {line}", path.display()),
        };
        people.push(Person {
            name: (*name).to_owned(),
            label: (*label).to_owned(),
            through,
        });
    }
    Ok(people)
}

fn queries(demo: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(demo).with_context(|| format!("can't read {}", demo.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        bail!("{} has no queries (*.sql)", demo.display());
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}
