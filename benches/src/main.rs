//! `cargo xtask bench`.

use std::process::ExitCode;

use celador_benches::Arguments;
use clap::Parser;

fn main() -> ExitCode {
    match celador_benches::run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
