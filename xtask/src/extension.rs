//! Builds the extension and installs it into an [`Install`].

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::postgres::Install;
use crate::{process, workspace};

/// The version whose build is in the workspace's own target directory; each other version has a
/// directory of its own, else every change of version would build PostgreSQL's bindings again.
const MAIN_MAJOR: u32 = 15;

/// How the extension is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build, for tests.
    Dev,
    /// Optimised, for measuring.
    Release,
}

/// Where a server looks for extensions.
#[derive(Debug, Clone)]
pub struct Places {
    /// Libraries.
    pub library_dir: PathBuf,
    /// Control files and scripts.
    pub extension_dir: PathBuf,
}

/// Builds the extension for an installation's version and installs it there.
///
/// Servers that run keep the library that they loaded; new ones load the new.
///
/// # Errors
///
/// The extension doesn't compile, or its control file or scripts are missing.
pub fn install(install: &Install, profile: Profile) -> Result<()> {
    let places = Places {
        library_dir: install.library_dir()?,
        extension_dir: install.extension_dir()?,
    };
    // Tests run in several processes.
    let lock = File::create(places.extension_dir.join(".celador-lock"))?;
    lock.lock()?;
    install_into(&places, install, profile)
}

/// Builds the extension for an installation's version and installs it into other places, those of
/// a server of the same version.
///
/// # Errors
///
/// As [`install`]; or the places can't be written to.
pub fn install_into(places: &Places, install: &Install, profile: Profile) -> Result<()> {
    let library = build(install, profile)?;
    replace(&library, &places.library_dir.join("celador.so"))?;
    for file in control_and_scripts()? {
        let name = file.file_name().context("a file has no name")?;
        replace(&file, &places.extension_dir.join(name))?;
    }
    Ok(())
}

/// The extension's control file and its scripts.
pub(crate) fn control_and_scripts() -> Result<Vec<PathBuf>> {
    let source = workspace().join("extension");
    let mut files = scripts_in(&source.join("sql"))?;
    if files.is_empty() {
        bail!("there is no extension/sql/celador--*.sql to install");
    }
    files.push(source.join("celador.control"));
    Ok(files)
}

/// Runs clippy on the extension as it is built for an installation's version.
///
/// # Errors
///
/// Clippy warns of something.
pub fn lint(install: &Install) -> Result<()> {
    process::run(cargo("clippy", install).args(["--", "--deny=warnings"]))
}

/// Builds the library and returns its path.
pub(crate) fn build(install: &Install, profile: Profile) -> Result<PathBuf> {
    let mut command = cargo("build", install);
    let dir = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            command.arg("--release");
            "release"
        }
    };
    process::run(&mut command)?;
    Ok(target_dir(install).join(dir).join("libcelador.so"))
}

/// A command of Cargo's on the extension, for an installation's version.
fn cargo(subcommand: &str, install: &Install) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What Cargo tells the program that it runs isn't meant for another Cargo: it would look like
    // a changed setting and have things built again.
    for (name, _) in std::env::vars_os() {
        if is_of_outer_cargo(&name) {
            command.env_remove(name);
        }
    }
    command
        .current_dir(workspace())
        .args([subcommand, "--quiet", "--package=celador"])
        .arg("--target-dir")
        .arg(target_dir(install));
    if install.major() == MAIN_MAJOR {
        // The default feature and the path in `.cargo/config.toml`: exactly what a plain
        // `cargo build` does, or each would have the other's work done again.
        command.env_remove("PGRX_PG_CONFIG_PATH");
    } else {
        command
            .arg("--no-default-features")
            .arg(format!("--features=pg{}", install.major()))
            .env("PGRX_PG_CONFIG_PATH", install.program("pg_config"));
    }
    command
}

/// Where Cargo builds for an installation's version.
fn target_dir(install: &Install) -> PathBuf {
    if install.major() == MAIN_MAJOR {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
    } else {
        workspace().join(format!("target/pg{}-build", install.major()))
    }
}

fn is_of_outer_cargo(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        name == "LD_LIBRARY_PATH"
            || name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_BIN_")
            || name.starts_with("CARGO_MANIFEST_")
            || name == "CARGO_CRATE_NAME"
            || name == "CARGO_PRIMARY_PACKAGE"
    })
}

fn scripts_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("can't read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("celador--") && name.ends_with(".sql") {
            scripts.push(path);
        }
    }
    scripts.sort();
    Ok(scripts)
}

/// Puts a copy in place by a rename: what runs has the old file mapped, and writing into it would
/// change the code under its feet.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let new = to.with_extension("new");
    fs::copy(from, &new)
        .and_then(|_| fs::rename(&new, to))
        .with_context(|| format!("can't install {} as {}", from.display(), to.display()))
}
