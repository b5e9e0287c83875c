//! What comes from Debian's packages.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::process;

/// PostgreSQL 15 with its headers.
pub(super) const POSTGRES: [&str; 2] = ["postgresql-15", "postgresql-server-dev-15"];
/// What the extension's build makes PostgreSQL's bindings with.
pub(super) const CLANG: [&str; 2] = ["clang", "libclang-dev"];
/// What installs Python's packages.
pub(crate) const PIP: [&str; 1] = ["python3-pip"];

/// Installs the packages that are missing, for which we must be root.
pub(crate) fn ensure_installed(packages: &[&str]) -> Result<()> {
    let mut missing = Vec::new();
    for package in packages {
        if version(package)?.is_none() {
            missing.push(*package);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !Uid::effective().is_root() {
        bail!(
            "Debian packages are missing; as root, run:\n  apt-get install --no-install-recommends {list}"
        );
    }
    eprintln!("xtask: installing Debian packages: {list}");
    if list.contains(POSTGRES[0]) {
        eprintln!("xtask: Debian's package also makes a cluster of its own, which isn't used here");
    }
    // It may fail for one of many sources: whether the packages are had is what counts.
    if let Err(error) = process::run(apt_get().args(["update", "--quiet=2"])) {
        eprintln!("xtask: {error}");
    }
    process::run(
        apt_get()
            .args(["install", "--yes", "--quiet=2", "--no-install-recommends"])
            .args(&missing),
    )
    .with_context(|| {
        format!("this system's packages lack one of: {list} (PostgreSQL 16 to 18 need none of PostgreSQL's own)")
    })
}

/// The packages with their versions.
pub(super) fn describe(packages: &[&str]) -> Result<String> {
    let mut words = Vec::new();
    for package in packages {
        let version = version(package)?.with_context(|| format!("{package} isn't installed"))?;
        words.push(format!("{package}={version}"));
    }
    Ok(words.join(" "))
}

/// Copies the system's PostgreSQL 15, keeping the layout below `/usr` by which it finds its files.
pub(super) fn copy_postgres(root: &Path) -> Result<()> {
    for dir in [
        "usr/lib/postgresql/15",
        "usr/share/postgresql/15",
        "usr/include/postgresql",
    ] {
        let to = root.join(dir);
        std::fs::create_dir_all(&to)?;
        process::run(
            Command::new("cp")
                .args(["-RL", "--preserve=mode,timestamps"])
                .arg(Path::new("/").join(dir).join("."))
                .arg(to),
        )?;
    }
    Ok(())
}

/// The installed version of a package.
fn version(package: &str) -> Result<Option<String>> {
    let output = Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat=${db:Status-Status} ${Version}",
            package,
        ])
        .output()
        .context("can't start dpkg-query: Debian, or a system made from it, is needed")?;
    // It fails for a package that it has never heard of.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.strip_prefix("installed ").map(str::to_owned))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Its errors are on stderr.
        .stdout(Stdio::null());
    command
}
