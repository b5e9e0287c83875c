//! `cargo xtask demo`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use xtask::cluster::{Cluster, Options};
use xtask::workspace;

use crate::cluster::{self, DATABASE};
use crate::crm::{Crm, LAYOUT, Person, Query};
use crate::hidden_row;
use crate::table::{Block, NARROW, side_by_side};

/// Columns of a terminal that most people have.
pub(crate) const WIDTH: usize = 120;

/// Load a CRM and a policy, and show the same queries as several people side by side
#[derive(Args)]
#[command(after_long_help = LAYOUT)]
pub(crate) struct Arguments {
    /// Major version of PostgreSQL: 15 to 18
    #[arg(long, value_name = "N", default_value_t = 15)]
    pg: u32,
    /// Leave the cluster running, and print how to connect as each person
    #[arg(long)]
    keep: bool,
    /// Somebody else's CRM instead of the sample; --help says what DIR holds
    #[arg(long, value_name = "DIR")]
    crm: Option<PathBuf>,
    /// Who may what [default: DIR/matrix.toml, or sql/presets/s1-matrix.toml]
    #[arg(long, value_name = "FILE")]
    matrix: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let sql = workspace().join("sql");
    let sample = sql.join("crm");
    let dir = arguments.crm.as_ref().unwrap_or(&sample);
    // What is missing is found before anything is built.
    let crm = Crm::read(
        dir,
        arguments.matrix.as_deref(),
        &sql.join("presets/s1-matrix.toml"),
    )?;

    let cluster = cluster::start(arguments.pg, Options::default())?;
    for script in &crm.scripts {
        eprintln!("xtask: loading {}", script.display());
        cluster.psql_file(DATABASE, script)?;
    }
    eprintln!("xtask: loading the policy");
    let mut admin = connect(&cluster, "postgres")?;
    admin
        .execute("SELECT celador.load_policy($1)", &[&crm.policy])
        .map_err(told)
        .context("the policy can't be loaded")?;

    let mut sessions = Vec::new();
    for person in &crm.people {
        sessions.push((person, open(&cluster, person)?));
    }
    for query in &crm.queries {
        show(query, &mut sessions);
    }
    let hidden = match crm.hidden {
        Some(hidden) => Some(hidden),
        None => hidden_row::find(&crm.queries, &mut admin, &mut sessions)?,
    };
    match hidden {
        Some(hidden) => hidden_row::explain(&hidden, &mut admin, &mut sessions)?,
        None => println!("No record is hidden from one of these people and not from another.\n"),
    }

    if arguments.keep {
        return keep(cluster, &crm.people);
    }
    Ok(())
}

/// Leaves the cluster running, and says how to get in.
fn keep(cluster: Cluster, people: &[Person]) -> Result<()> {
    println!("■ It goes on running\n");
    println!(
        "{}  (superuser: sees all)",
        cluster.url("postgres", DATABASE)
    );
    for person in people {
        print!(
            "{}  ({})",
            cluster.url(person.role(), DATABASE),
            person.title()
        );
        match person.through {
            None => println!(),
            Some(_) => println!(
                ", after: SELECT celador.act_as('{}');",
                person.name.replace('\'', "''")
            ),
        }
    }
    cluster::detach(cluster)
}

/// Shows what each person gets for a query.
fn show(query: &Query, sessions: &mut [(&Person, Client)]) {
    println!("■ {}\n", query.question);
    for line in query.sql.lines() {
        println!("    {line}");
    }
    println!();
    let mut blocks = Vec::new();
    for (person, client) in sessions {
        blocks.push(match client.simple_query(&query.sql) {
            Ok(messages) => table(&person.title(), &messages),
            Err(error) => Block::text(&person.title(), &told(error).to_string()),
        });
    }
    print!("{}", side_by_side(&blocks, WIDTH));
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
    let role = person.role();
    let mut client = connect(cluster, role).with_context(|| {
        format!(
            "{role} can't connect; people.sql may create that login, or demo/people name another"
        )
    })?;
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
pub(crate) fn told(error: postgres::Error) -> anyhow::Error {
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
