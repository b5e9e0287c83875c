//! Gets PostgreSQL, installs the extension into it and starts clusters, for the commands of
//! `cargo xtask` and for the integration tests.
//!
//! ```no_run
//! use xtask::cluster::{Cluster, Options};
//! use xtask::extension::{self, Profile};
//! use xtask::postgres::Install;
//!
//! # fn main() -> xtask::Result<()> {
//! let install = Install::ensure(15)?;
//! extension::install(&install, Profile::Dev)?;
//! let cluster = Cluster::start(&install, Options::default())?;
//! println!("{}", cluster.url("postgres", "postgres"));
//! # Ok(())
//! # }
//! ```
//!
//! As root, servers run as an unprivileged user; what they read lies where that user can reach
//! it. Nothing is written into a PostgreSQL of the system.

pub mod cluster;
pub mod dependencies;
pub mod extension;
pub mod package;
pub mod pip;
pub mod postgres;

mod process;
mod runtime_dir;
mod server_user;

use std::path::{Path, PathBuf};

pub use anyhow::{Error, Result};

/// The directory of the workspace's `Cargo.toml`.
pub fn workspace() -> PathBuf {
    // The crate lies right below it.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
        .to_path_buf()
}
