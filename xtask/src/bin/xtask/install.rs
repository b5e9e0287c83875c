//! `cargo xtask install`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use xtask::extension::{self, Profile};
use xtask::postgres::{self, Install};

/// Build the extension and install it into a server that is there
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server's pg_config
    #[arg(long, value_name = "PATH", default_value = "pg_config")]
    pg_config: PathBuf,
    /// Say what would be written where, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What is left to do, once the files are there.
const NEXT: &str = "\
Next, as a superuser of the server:

1. Have every session load the library before its first statement. Either
     ALTER SYSTEM SET session_preload_libraries = 'celador';  SELECT pg_reload_conf();
   which holds for new sessions (those that a pool keeps open go on without it, and get an error on
   protected tables: restart the pool); or
     shared_preload_libraries = 'celador'  in postgresql.conf, and a restart, after which no session
   is without it. Keep what these settings hold already, with a comma.
2. Where people sign in by token: celador.key_file = '/…' (SECURITY.md says what it holds).
3. In the CRM's database:
     CREATE EXTENSION celador;
     SELECT * FROM celador.plan_policy(…);   -- changes nothing
     SELECT celador.load_policy(…);
   An older one that is there already: ALTER EXTENSION celador UPDATE, at once.

docs/first-hour.md goes through it step by step.";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (major, places) = postgres::places(&arguments.pg_config)?;
    println!("PostgreSQL {major}:");
    println!("  library            {}", places.library_dir.display());
    println!("  control, scripts   {}", places.extension_dir.display());
    if arguments.dry_run {
        return Ok(());
    }
    // Its headers are those of the version; the server's own may not be installed.
    extension::install_into(&places, &Install::ensure(major)?, Profile::Release)?;
    println!("\n{NEXT}");
    Ok(())
}
