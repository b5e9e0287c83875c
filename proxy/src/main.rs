//! The command `celador-proxy`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use celador_proxy::config::Config;
use celador_proxy::{check, listener};
use clap::{Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

/// People sign in here as themselves; the proxy tells PostgreSQL who they are, and Celador enforces
/// what they may see there.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// How log lines are written, to standard error
    #[arg(long, value_enum, default_value = "text", global = true)]
    log: Log,
    /// From which level on: error, warn, info, debug
    #[arg(long, default_value = "info", global = true)]
    log_level: LevelFilter,
}

#[derive(Subcommand)]
enum Command {
    /// Read a configuration, look at the server, and say what is wrong
    Check {
        /// The configuration
        file: PathBuf,
    },
    /// Serve clients
    Run {
        /// The configuration
        file: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Log {
    Text,
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("celador-proxy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(arguments.log_level)
        .with_target(false);
    match arguments.log {
        Log::Text => log.with_ansi(false).init(),
        Log::Json => log.json().init(),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match &arguments.command {
        Command::Check { file } => {
            let report = runtime.block_on(check::check(Config::read(file)?));
            std::io::stdout().write_all(report.text().as_bytes())?;
            Ok(if report.is_good() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Run { file } => {
            let result = runtime.block_on(listener::run(Config::read(file)?));
            runtime.shutdown_background();
            result.map(|()| ExitCode::SUCCESS)
        }
    }
}
