//! Runs scripts of psql's, as pg_dump writes them.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Cluster;

impl Cluster {
    /// Runs a file of SQL, which may be packed by gzip (`*.gz`), as [`Cluster::psql`] does.
    ///
    /// # Errors
    ///
    /// The file can't be read; those of [`Cluster::psql`].
    pub fn psql_file(&self, database: &str, path: &Path) -> Result<()> {
        let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
        if path.extension().is_none_or(|extension| extension != "gz") {
            return self
                .psql(database, file)
                .with_context(|| format!("{} failed", path.display()));
        }
        let mut gzip = Command::new("gzip")
            .args(["--decompress", "--stdout"])
            .stdin(file)
            .stdout(Stdio::piped())
            .spawn()
            .context("can't start gzip")?;
        let unpacked = gzip.stdout.take().context("no pipe")?;
        let result = self.psql(database, unpacked);
        let status = gzip.wait()?;
        result.with_context(|| format!("{} failed", path.display()))?;
        if !status.success() {
            bail!("gzip can't unpack {}", path.display());
        }
        Ok(())
    }

    /// Runs a script with psql as the superuser, and stops at the first error. Errors appear on
    /// stderr with the number of their line.
    ///
    /// # Errors
    ///
    /// psql can't be started, or a statement fails.
    pub fn psql(&self, database: &str, script: impl Read) -> Result<()> {
        let mut psql = Command::new(self.install.program("psql"))
            .args([
                "--no-psqlrc",
                "--quiet",
                "--set=ON_ERROR_STOP=1",
                "--file=-",
            ])
            .arg(self.url("postgres", database))
            .env("PGOPTIONS", "--client-min-messages=warning")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("can't start psql")?;
        let written = feed(&mut psql, script);
        // A psql that has stopped at an error reads no further: its own verdict comes first.
        if !psql.wait()?.success() {
            bail!("psql stopped at the error above");
        }
        written
    }
}

/// Hands psql the script, but for what an older psql doesn't know: the words that a newer pg_dump
/// begins and ends with. Lines keep their numbers.
fn feed(psql: &mut Child, script: impl Read) -> Result<()> {
    let mut script = BufReader::new(script);
    let mut pipe = BufWriter::new(psql.stdin.take().context("no pipe")?);
    let mut line = Vec::new();
    while script.read_until(b'\n', &mut line)? > 0 {
        if line.starts_with(b"\\restrict ") || line.starts_with(b"\\unrestrict ") {
            pipe.write_all(b"\n")?;
        } else {
            pipe.write_all(&line)?;
        }
        line.clear();
    }
    pipe.flush()?;
    Ok(())
}
