//! pip, for what comes from PyPI.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::postgres::debian;
use crate::process;

/// Installs a Python package, given with or without a version, and what it depends on into a
/// directory: Python finds it there if `PYTHONPATH` names that. No virtual environment, for which
/// Debian needs more packages.
///
/// # Errors
///
/// There is no pip and we aren't root; the package can't be had.
pub fn install(package: &str, dir: &Path) -> Result<()> {
    ensure()?;
    process::run(
        command()
            .args(["install", "--quiet", "--root-user-action=ignore"])
            .args(["--only-binary=:all:", "--upgrade", "--target"])
            .arg(dir)
            .arg(package),
    )
}

/// Unpacks one wheel, pinned by version and content, into a directory.
pub(crate) fn install_pinned(package: &str, sha256: &str, dir: &Path) -> Result<()> {
    let wanted = dir.join("requirements.txt");
    std::fs::write(&wanted, format!("{package} --hash=sha256:{sha256}\n"))?;
    process::run(
        command()
            .args(["install", "--quiet", "--no-deps", "--no-compile"])
            // The wheel may be made for another Python than ours: its code isn't run.
            .args(["--only-binary=:all:", "--python-version=3.11"])
            .args(["--require-hashes", "--root-user-action=ignore"])
            .arg("--target")
            .arg(dir)
            .arg("--requirement")
            .arg(&wanted),
    )
}

/// Installs pip from Debian's package unless there is one.
pub(crate) fn ensure() -> Result<()> {
    if process::output(command().arg("--version")).is_ok() {
        return Ok(());
    }
    debian::ensure_installed(&debian::PIP)?;
    process::output(command().arg("--version"))
        .map(drop)
        .context("python3 has no pip, though the package python3-pip is installed")
}

pub(crate) fn command() -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "--disable-pip-version-check"]);
    command
}
