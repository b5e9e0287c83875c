//! Packages: the extension as a tar archive and as Debian's package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::extension::{self, Places, Profile};
use crate::postgres::Install;
use crate::{process, workspace};

/// What comes along, below the workspace: for whoever installs, and for whoever decides.
const DOCUMENTS: [&str; 8] = [
    "README.md",
    "RUNBOOK.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "docs",
    "sql/presets",
];

/// Builds the packages for an installation's version, and returns their paths: a tar archive with
/// the library, the control file, the scripts and the documents; and Debian's package of the same.
///
/// The same sources give the same archives: times are those of the last commit, owners are root.
///
/// # Errors
///
/// The extension doesn't compile; `tar` or `dpkg-deb` is missing or fails.
pub fn package(install: &Install, into: &Path, profile: Profile) -> Result<Vec<PathBuf>> {
    let major = install.major();
    let version = env!("CARGO_PKG_VERSION");
    let architecture = process::output(Command::new("dpkg").arg("--print-architecture"))?;
    let time = last_commit()?;
    fs::create_dir_all(into).with_context(|| format!("can't make {}", into.display()))?;

    let name = format!("celador-{version}-pg{major}-{architecture}");
    let tree = into.join(&name);
    fill(
        install,
        profile,
        &tree,
        &Places {
            library_dir: tree.join("lib"),
            extension_dir: tree.join("share/extension"),
        },
        &tree.join("doc"),
    )?;
    fs::copy(
        workspace().join("extension/META.json"),
        tree.join("META.json"),
    )?;
    let archive = into.join(format!("{name}.tar.gz"));
    process::run(
        Command::new("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{time}"))
            .args(["--mode=go=rX,u=rwX", "--create"])
            // Without the time of packing.
            .args(["--use-compress-program=gzip --no-name", "--file"])
            .arg(&archive)
            .arg("--directory")
            .args([into.as_os_str(), name.as_ref()]),
    )?;
    fs::remove_dir_all(&tree)?;

    let package = format!("postgresql-{major}-celador");
    let tree = into.join(&package);
    let places = Places {
        library_dir: tree.join(format!("usr/lib/postgresql/{major}/lib")),
        extension_dir: tree.join(format!("usr/share/postgresql/{major}/extension")),
    };
    let documents = tree.join("usr/share/doc").join(&package);
    fill(install, profile, &tree, &places, &documents)?;
    fs::write(documents.join("copyright"), COPYRIGHT)?;
    fs::create_dir_all(tree.join("DEBIAN"))?;
    fs::write(
        tree.join("DEBIAN/control"),
        control(&package, version, &architecture, major)?,
    )?;
    let debian = into.join(format!("{package}_{version}-1_{architecture}.deb"));
    process::run(Command::new("chmod").args(["-R", "go=rX,u=rwX"]).arg(&tree))?;
    process::run(
        Command::new("dpkg-deb")
            .env("SOURCE_DATE_EPOCH", &time)
            .args(["--root-owner-group", "--build"])
            .args([&tree, &debian]),
    )?;
    fs::remove_dir_all(&tree)?;
    Ok(vec![archive, debian])
}

/// Puts everything that a package holds below `tree`.
fn fill(
    install: &Install,
    profile: Profile,
    tree: &Path,
    places: &Places,
    documents: &Path,
) -> Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    for dir in [&places.library_dir, &places.extension_dir] {
        fs::create_dir_all(dir)?;
    }
    fs::create_dir_all(documents)?;
    extension::install_into(places, install, profile)?;
    // As Debian's packages are: what a debugger wants is most of the file.
    process::run(
        Command::new("strip")
            .arg("--strip-unneeded")
            .arg(places.library_dir.join("celador.so")),
    )?;
    process::run(
        Command::new("cp")
            .args(["--recursive", "--target-directory"])
            .arg(documents)
            .args(DOCUMENTS)
            .current_dir(workspace()),
    )
}

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: celador

Files: *
Copyright: the authors of Celador
License: MIT or Apache-2.0
 The texts are in LICENSE-MIT and LICENSE-APACHE beside this file.
";

fn control(package: &str, version: &str, architecture: &str, major: u32) -> Result<String> {
    let libc = process::output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let libc = libc.trim_start_matches("glibc ");
    Ok(format!(
        "Package: {package}\n\
         Version: {version}-1\n\
         Architecture: {architecture}\n\
         Maintainer: the authors of Celador <celador@localhost>\n\
         Section: database\n\
         Priority: optional\n\
         Depends: postgresql-{major}, libc6 (>= {libc}), libgcc-s1\n\
         Description: a CRM's permissions as row security, for PostgreSQL {major}\n \
         Celador turns a matrix of roles and modules, a tree of groups, owners and shares\n \
         into row-level security on an existing schema.\n"
    ))
}

/// When the sources were last changed, in seconds since 1970; 0 outside a repository.
fn last_commit() -> Result<String> {
    let time = process::output(
        Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(workspace()),
    );
    Ok(time.unwrap_or_else(|_| "0".to_owned()))
}
