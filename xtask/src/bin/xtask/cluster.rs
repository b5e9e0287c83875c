//! `cargo xtask cluster`.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options};
use xtask::extension::{self, Profile};
use xtask::postgres::Install;

/// The database that gets the extension.
pub(crate) const DATABASE: &str = "celador";

/// Start a cluster with the extension, for trying things, and print its URL
#[derive(Args)]
pub(crate) struct Arguments {
    /// Major version of PostgreSQL: 15 to 18
    #[arg(long, value_name = "N", default_value_t = 15)]
    pg: u32,
    /// TCP port on 127.0.0.1 [default: a free one]
    #[arg(long)]
    port: Option<u16>,
    /// Keep the cluster in this directory, or start the one that is there [default: a new one
    /// below target/, removed at the end]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Leave the cluster running
    #[arg(long)]
    detach: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let options = Options {
        port: arguments.port,
        dir: arguments.dir.clone(),
        ..Options::default()
    };
    let cluster = start(arguments.pg, options)?;
    println!("{}", cluster.url("postgres", DATABASE));
    if arguments.detach {
        detach(cluster)
    } else {
        eprintln!("xtask: Ctrl-C ends the cluster");
        wait_for_end()
    }
}

/// Starts a cluster with the extension in [`DATABASE`].
pub(crate) fn start(major: u32, options: Options) -> Result<Cluster> {
    let install = Install::ensure(major)?;
    eprintln!("xtask: building the extension for PostgreSQL {major}");
    extension::install(&install, Profile::Dev)?;
    let cluster = Cluster::start(&install, options)?;
    let mut client = Client::connect(&cluster.url("postgres", "postgres"), NoTls)?;
    let there = client.query_opt(
        "SELECT FROM pg_catalog.pg_database WHERE datname = $1",
        &[&DATABASE],
    )?;
    if there.is_none() {
        client.batch_execute(&format!("CREATE DATABASE {DATABASE}"))?;
    }
    Client::connect(&cluster.url("postgres", DATABASE), NoTls)?
        .batch_execute("CREATE EXTENSION IF NOT EXISTS celador")?;
    Ok(cluster)
}

/// Leaves the cluster running, and says how to stop it.
pub(crate) fn detach(cluster: Cluster) -> Result<()> {
    let dir = cluster.dir().to_owned();
    let pid_file = dir.join("data/postmaster.pid");
    let pid = fs::read_to_string(&pid_file)?;
    let pid = pid.lines().next().unwrap_or_default();
    cluster.detach()?;
    eprintln!(
        "xtask: it goes on running in {}; kill -INT {pid} stops it",
        dir.display()
    );
    Ok(())
}

/// Returns at a Ctrl-C. Everything else that ends this process ends the cluster too.
fn wait_for_end() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    signals.wait()?;
    Ok(())
}
