//! Clusters that come from another one: a standby, a newer version's.

use anyhow::{Result, bail};

use super::watchdog::Watchdog;
use super::{Cluster, Options, free_port, new_dir};
use crate::postgres::Install;
use crate::process;
use crate::server_user::ServerUser;

impl Cluster {
    /// A streaming standby of this cluster, from a base backup. Its key file is a copy of this
    /// cluster's, made apart: the backup has none.
    ///
    /// # Errors
    ///
    /// The backup fails; those of [`Cluster::start`].
    pub fn standby(&self, options: Options) -> Result<Self> {
        let mut standby = Self::beside(&self.install, &options)?;
        process::output(
            self.command("pg_basebackup")
                .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
                .args(["--wal-method=stream", "--dbname"])
                .arg(self.url("postgres", "postgres"))
                .arg("--pgdata")
                .arg(standby.data()),
        )?;
        standby.take_keys_of(self)?;
        standby.start_on_free_port(&options)?;
        Ok(standby)
    }

    /// Makes a standby a server of its own.
    ///
    /// # Errors
    ///
    /// It isn't a standby, or doesn't end recovery.
    pub fn promote(&self) -> Result<()> {
        self.pg_ctl(&["promote"])
    }

    /// This cluster's data as another version's cluster, by `pg_upgrade`. This one must be stopped.
    ///
    /// # Errors
    ///
    /// `pg_upgrade` refuses; the message has what it printed, and its logs' ends.
    pub fn upgraded_to(&self, install: &Install, options: Options) -> Result<Self> {
        let mut newer = Self::beside(install, &options)?;
        newer.create_unless_there()?;
        newer.port = free_port()?;
        newer.write_settings(&options)?;
        let mut upgrade = newer.command("pg_upgrade");
        upgrade
            .current_dir(newer.dir())
            .arg("--username=postgres")
            .arg("--old-bindir")
            .arg(&self.install.bin)
            .arg("--new-bindir")
            .arg(&install.bin)
            .arg("--old-datadir")
            .arg(self.data())
            .arg("--new-datadir")
            .arg(newer.data())
            .arg("--socketdir")
            .arg("/tmp");
        if let Err(error) = process::output(&mut upgrade) {
            let mut logs = newer.user.command("/bin/sh");
            logs.args([
                "-c",
                r#"find "$1" -name '*.log' -o -name '*.txt' | xargs tail -n 30"#,
                "sh",
            ]);
            let logs = process::output(logs.arg(newer.dir())).unwrap_or_default();
            bail!("{error:#}\n{logs}");
        }
        newer.take_keys_of(self)?;
        newer.start_on_free_port(&options)?;
        Ok(newer)
    }

    /// A cluster that isn't there yet, in a directory of its own.
    fn beside(install: &Install, options: &Options) -> Result<Self> {
        let user = ServerUser::find()?;
        let dir = new_dir(&user, install.major())?;
        let watchdog = Watchdog::start(&user, &dir, options.keep)?;
        Ok(Self {
            install: install.clone(),
            user,
            dir,
            port: 0,
            watchdog,
        })
    }

    fn take_keys_of(&self, other: &Self) -> Result<()> {
        let keys = std::fs::read_to_string(other.key_file())?;
        self.user.write(&self.key_file(), &keys)
    }
}
