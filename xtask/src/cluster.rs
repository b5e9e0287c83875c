//! Private clusters on the loopback interface, which end with the process that started them.

mod descendants;
mod fresh_data;
mod script;
mod watchdog;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::postgres::Install;
use crate::process;
use crate::runtime_dir::{make_dir, runtime_dir};
use crate::server_user::ServerUser;
use watchdog::Watchdog;

/// How often another port is tried when somebody took the one that was free a moment ago.
const PORT_TRIES: u32 = 20;

/// How a server loads Celador's library before a session's first statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preload {
    /// `session_preload_libraries = 'celador'`: with each connection.
    Session,
    /// `shared_preload_libraries = 'celador'`: when the server starts.
    Shared,
    /// Not at all: protected tables must give errors then, never rows.
    Nothing,
}

/// What a cluster is like; `Options::default()` suits most tests.
#[derive(Debug, Clone)]
pub struct Options {
    /// How the extension's library is loaded; [`Preload::Session`] by default.
    pub preload: Preload,
    /// The TCP port; a free one by default.
    pub port: Option<u16>,
    /// A directory of your own, which is kept, and in which a cluster that is there already is
    /// started again. By default a new one below `target/clusters/`, removed at the end.
    pub dir: Option<PathBuf>,
    /// Keep the directory when the cluster ends.
    pub keep: bool,
    /// Run autovacuum; off by default, so that plans and timings don't change by themselves.
    pub autovacuum: bool,
    /// More settings for `postgresql.conf`: names and values, not quoted.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            preload: Preload::Session,
            port: None,
            dir: None,
            keep: false,
            autovacuum: false,
            settings: Vec::new(),
        }
    }
}

/// A running cluster. It listens on 127.0.0.1 only, lets anybody on this machine in as any
/// database role without a password, and doesn't survive a crash of the machine (no fsync).
///
/// It ends when this value is dropped, and also when this process ends in any other way: a
/// cluster in a `static` of a test leaves nothing behind.
#[derive(Debug)]
pub struct Cluster {
    install: Install,
    user: ServerUser,
    dir: PathBuf,
    port: u16,
    watchdog: Watchdog,
}

impl Cluster {
    /// Creates a cluster and starts it. The superuser is `postgres`.
    ///
    /// # Errors
    ///
    /// The directory can't be reached by the servers' user, the port is taken, or the server
    /// doesn't start; the message has the end of its log.
    pub fn start(install: &Install, options: Options) -> Result<Self> {
        let user = ServerUser::find()?;
        let keep = options.keep || options.dir.is_some();
        let dir = match &options.dir {
            Some(dir) => given_dir(install, &user, dir)?,
            None => new_dir(&user, install.major())?,
        };
        let watchdog = Watchdog::start(&user, &dir, keep)?;
        let mut cluster = Self {
            install: install.clone(),
            user,
            dir,
            port: 0,
            watchdog,
        };
        cluster.create_unless_there()?;
        cluster.start_on_free_port(&options)?;
        Ok(cluster)
    }

    /// The address for PostgreSQL's clients: `postgres://user@127.0.0.1:port/database`.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!(
            "postgres://{}@127.0.0.1:{}/{}",
            utf8_percent_encode(user, NON_ALPHANUMERIC),
            self.port,
            utf8_percent_encode(database, NON_ALPHANUMERIC)
        )
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory with the data, the key file and the log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The key file: a line for each key, its number and 64 hexadecimal digits.
    pub fn key_file(&self) -> PathBuf {
        self.dir.join("celador.keys")
    }

    /// What the server has logged so far.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.log_file()).context("the server has no log yet")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Stops the server, ending its sessions, and starts it again on the same port.
    pub fn restart(&self) -> Result<()> {
        self.pg_ctl(&["restart", "--mode=fast"])
    }

    /// Stops the server, ending its sessions. `restart` starts it again.
    pub fn stop(&self) -> Result<()> {
        self.pg_ctl(&["stop", "--mode=fast"])
    }

    /// Leaves the server running when this process ends, and its directory in place.
    pub fn detach(self) -> Result<()> {
        self.watchdog.dismiss()
    }

    /// Stops the server as a crash would: at once, with nothing written back.
    pub fn crash(&self) -> Result<()> {
        self.pg_ctl(&["stop", "--mode=immediate"])
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// A program of the cluster's installation, which runs as the servers' user: what it writes is
    /// that user's, and what it reads must be within that user's reach.
    pub fn command(&self, program: &str) -> Command {
        self.user.command(self.install.program(program))
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn create_unless_there(&self) -> Result<()> {
        if self.data().join("PG_VERSION").exists() {
            return Ok(());
        }
        fresh_data::create(&self.user, &self.install, &self.data())?;
        let keys = format!("1 {}\nhash {}\n", random_key()?, random_key()?);
        self.user.write(&self.key_file(), &keys)?;
        let main = self.data().join("postgresql.conf");
        let text = fs::read_to_string(&main)?;
        self.user
            .write(&main, &format!("{text}\ninclude 'celador.conf'\n"))
    }

    fn start_on_free_port(&mut self, options: &Options) -> Result<()> {
        for attempt in 1.. {
            self.port = match options.port {
                Some(port) => port,
                None => free_port()?,
            };
            self.write_settings(options)?;
            let Err(error) = self.pg_ctl(&["start"]) else {
                break;
            };
            let log = self.log().unwrap_or_default();
            let taken = log.contains("could not bind IPv4 address");
            if !taken || options.port.is_some() || attempt == PORT_TRIES {
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(20)..].join("\n");
                return Err(error).context(format!("the server doesn't start; its log:\n{end}"));
            }
            self.user.write(&self.log_file(), "")?;
        }
        Ok(())
    }

    fn write_settings(&self, options: &Options) -> Result<()> {
        let key_file = self.key_file();
        let key_file = key_file.to_str().context("the path isn't UTF-8")?;
        let port = self.port.to_string();
        let preload = match options.preload {
            Preload::Session => Some(("session_preload_libraries", "celador")),
            Preload::Shared => Some(("shared_preload_libraries", "celador")),
            Preload::Nothing => None,
        };
        // Packages of these versions lag behind the releases that a load asks for.
        let old = (self.install.major() > 15).then_some(("celador.allow_old_minor", "on"));
        let given = options.settings.iter();
        let settings = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port),
            // Their paths are limited to 107 bytes.
            ("unix_socket_directories", ""),
            ("fsync", "off"),
            ("autovacuum", if options.autovacuum { "on" } else { "off" }),
            ("celador.key_file", key_file),
        ]
        .into_iter()
        .chain(preload)
        .chain(old)
        .chain(given.map(|(name, value)| (name.as_str(), value.as_str())));
        let mut text = String::new();
        for (name, value) in settings {
            if value.contains('\n') {
                bail!("the value of {name} has a line break");
            }
            let value = value.replace('\\', r"\\").replace('\'', "''");
            writeln!(text, "{name} = '{value}'")?;
        }
        self.user.write(&self.data().join("celador.conf"), &text)
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Result<()> {
        // Not `output`: the server would hold the pipe open.
        let status = self
            .user
            .command(self.install.program("pg_ctl"))
            .args(arguments)
            .args(["--wait", "--silent", "--timeout=60", "--pgdata"])
            .arg(self.data())
            .arg("--log")
            .arg(self.log_file())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()?;
        if !status.success() {
            bail!("pg_ctl {} failed in {}", arguments[0], self.dir.display());
        }
        Ok(())
    }
}

/// A directory that the caller chose; it may hold a cluster already.
fn given_dir(install: &Install, user: &ServerUser, dir: &Path) -> Result<PathBuf> {
    if !dir.exists() {
        fs::create_dir_all(dir).with_context(|| format!("can't create {}", dir.display()))?;
        user.own(dir)?;
    }
    let dir = dir.canonicalize()?;
    if !user.can_write(&dir) {
        bail!(
            "the servers' user can't write in {}; choose a directory that it can reach and that is \
             new, or that a cluster was started in before",
            dir.display()
        );
    }
    // What runs there is somebody else's to end.
    let mut status = user.command(install.program("pg_ctl"));
    status.args(["status", "--pgdata"]).arg(dir.join("data"));
    if process::output(&mut status).is_ok() {
        bail!("a server runs in {} already", dir.display());
    }
    Ok(dir)
}

/// Where clusters lie.
fn clusters_dir(user: &ServerUser) -> Result<PathBuf> {
    let dir = runtime_dir(user)?.join("clusters");
    make_dir(&dir)?;
    // It creates and removes its directories by itself: root touches nothing in them.
    user.own(&dir)?;
    Ok(dir)
}

fn new_dir(user: &ServerUser, major: u32) -> Result<PathBuf> {
    let parent = clusters_dir(user)?;
    let template = parent.join(format!("pg{major}-XXXXXXXX"));
    let made = process::output(user.command("/usr/bin/mktemp").arg("-d").arg(template))?;
    Ok(made.into())
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn random_key() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
