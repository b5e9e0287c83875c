//! `cargo xtask bench`.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args;

use crate::test::cargo;

/// Measure statements under Celador next to what people write by hand
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// `--help` says which there are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// The measuring is a crate of its own, which this one can't depend on: that one starts its cluster
/// by this one's library.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut words: Vec<OsString> = ["run", "--quiet", "--package=celador-benches", "--"]
        .map(OsString::from)
        .into();
    words.extend(arguments.arguments.iter().cloned());
    cargo(&words)
}
