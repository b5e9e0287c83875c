//! PostgreSQL 17's headers, from the Debian release that has that version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

const RELEASE: &str = "trixie";
const PACKAGE: &str = "postgresql-server-dev-17";
/// Where the headers are in the package.
const HEADERS: &str = "usr/include/postgresql/17/server";

/// Downloads the package, which apt checks against Debian's keys, and copies its headers to a
/// directory. apt works in a directory of its own, so the system isn't changed.
pub(super) fn fetch(to: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let apt = PrivateApt::new(work.path())?;
    process::run(apt.get().args(["update", "--quiet=2"]))?;
    process::run(apt.get().args(["download", "--quiet=2", PACKAGE]))
        .context("PostgreSQL 17's headers can't be had")?;
    let package = downloaded(work.path())?;
    let unpacked = work.path().join("unpacked");
    process::run(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&package)
            .arg(&unpacked),
    )?;
    fs::create_dir_all(to)?;
    process::run(
        Command::new("cp")
            .arg("-R")
            .arg(unpacked.join(HEADERS).join("."))
            .arg(to),
    )
}

/// apt with sources and lists of its own.
struct PrivateApt<'a> {
    dir: &'a Path,
}

impl<'a> PrivateApt<'a> {
    fn new(dir: &'a Path) -> Result<Self> {
        fs::create_dir_all(dir.join("lists/partial"))?;
        fs::create_dir_all(dir.join("cache/archives/partial"))?;
        fs::write(
            dir.join("sources.list"),
            format!("deb {} {RELEASE} main\n", mirror()?),
        )?;
        let path = dir.display();
        fs::write(
            dir.join("apt.conf"),
            format!(
                "Dir::Etc::sourcelist \"{path}/sources.list\";\n\
                 Dir::Etc::sourceparts \"/dev/null\";\n\
                 Dir::State::lists \"{path}/lists\";\n\
                 Dir::Cache \"{path}/cache\";\n\
                 APT::Sandbox::User \"\";\n\
                 Acquire::Languages \"none\";\n"
            ),
        )?;
        Ok(Self { dir })
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command
            .env("APT_CONFIG", self.dir.join("apt.conf"))
            .current_dir(self.dir);
        command
    }
}

/// The address of the Debian mirror that this system uses.
fn mirror() -> Result<String> {
    let targets = process::output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    targets
        .lines()
        .find_map(|line| line.strip_prefix("Debian Debian main "))
        .map(str::to_owned)
        .context("apt knows no Debian mirror; run apt-get update")
}

fn downloaded(dir: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            return Ok(path);
        }
    }
    Err(anyhow::Error::msg("apt-get download left no package"))
}
