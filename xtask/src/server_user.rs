//! The unprivileged user that servers run as: PostgreSQL refuses to run as root.

use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::{Uid, User};

use crate::process;

/// Created when we are root and there is no user `postgres`.
const CREATED_USER: &str = "celador";

/// Whom servers run as: the current user, or for root an unprivileged one.
#[derive(Debug)]
pub(crate) struct ServerUser {
    /// User and group to switch to; none when we aren't root.
    switch_to: Option<(u32, u32)>,
}

impl ServerUser {
    pub(crate) fn find() -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self { switch_to: None });
        }
        for name in ["postgres", CREATED_USER] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self::from(&user));
            }
        }
        eprintln!("xtask: creating the system user {CREATED_USER} (servers can't run as root)");
        process::run(Command::new("useradd").args([
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir=/nonexistent",
            "--shell=/usr/sbin/nologin",
            CREATED_USER,
        ]))?;
        let user = User::from_name(CREATED_USER)?.context("the user just created is missing")?;
        Ok(Self::from(&user))
    }

    /// A command that runs as this user, with an environment that doesn't depend on ours.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            // A server must not tell its clients a backtrace even when it is asked for.
            .env("RUST_BACKTRACE", "1")
            .current_dir("/");
        if let Some((uid, gid)) = self.switch_to {
            // This also drops root's supplementary groups.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Whether this user can reach what is in a directory.
    pub(crate) fn can_enter(&self, dir: &Path) -> bool {
        self.test("-x", dir)
    }

    /// Whether this user can create files in a directory.
    pub(crate) fn can_write(&self, dir: &Path) -> bool {
        self.test("-w", dir)
    }

    fn test(&self, what: &str, path: &Path) -> bool {
        self.command("/usr/bin/test")
            .arg(what)
            .arg(path)
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Makes this user the owner of a directory.
    pub(crate) fn own(&self, dir: &Path) -> Result<()> {
        if let Some((uid, gid)) = self.switch_to {
            chown(dir, Some(uid), Some(gid))
                .with_context(|| format!("can't change the owner of {}", dir.display()))?;
        }
        Ok(())
    }

    /// Writes a file with mode 0600 as this user, so that root follows no link of that user's.
    pub(crate) fn write(&self, path: &Path, text: &str) -> Result<()> {
        let mut child = self
            .command("/bin/sh")
            .args(["-c", r#"umask 077 && cat > "$1""#, "sh"])
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("no pipe")?;
        stdin.write_all(text.as_bytes())?;
        drop(stdin);
        let status = child.wait()?;
        if !status.success() {
            bail!("can't write {} as the server's user", path.display());
        }
        Ok(())
    }
}

impl From<&User> for ServerUser {
    fn from(user: &User) -> Self {
        Self {
            switch_to: Some((user.uid.as_raw(), user.gid.as_raw())),
        }
    }
}
