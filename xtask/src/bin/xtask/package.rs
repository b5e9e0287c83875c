//! `cargo xtask package`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use xtask::extension::Profile;
use xtask::postgres::Install;
use xtask::{package, workspace};

/// Package the extension: a tar archive and Debian's package
#[derive(Args)]
pub(crate) struct Arguments {
    /// Major versions of PostgreSQL to package for: 15 to 18
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "15")]
    pg: Vec<u32>,
    /// Where the packages are put, instead of target/package
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let into = arguments
        .dir
        .clone()
        .unwrap_or_else(|| workspace().join("target/package"));
    for major in &arguments.pg {
        for path in package::package(&Install::ensure(*major)?, &into, Profile::Release)? {
            println!("{}", path.display());
        }
    }
    Ok(())
}
