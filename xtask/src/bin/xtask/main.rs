//! `cargo xtask`: sets up, tests and shows Celador.

mod bench;
mod cluster;
mod crm;
mod demo;
mod hidden_row;
mod install;
mod package;
mod table;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, tests and shows Celador. What is missing gets installed, and announced on stderr.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Cluster(cluster::Arguments),
    Demo(demo::Arguments),
    Install(install::Arguments),
    Package(package::Arguments),
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Cluster(arguments) => cluster::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Install(arguments) => install::run(&arguments),
        Command::Package(arguments) => package::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
