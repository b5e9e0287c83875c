//! Ends a cluster when the process that started it ends, however that happens.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};

use crate::server_user::ServerUser;

/// Waits at a pipe that only we hold: its end is our end. Arguments: the cluster's directory, the
/// signal for the server, `remove` or `keep`.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r word
[ "$word" = dismissed ] && exit 0
if pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null); then
    kill -s "$2" "$pid"
    tries=0
    # It removes the file when it ends. Until somebody collects it, its pid stays.
    while [ -e "$1/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 500 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
fi
[ "$3" = remove ] && rm -rf -- "$1"
exit 0
"#;

/// A shell that ends the cluster as soon as this value is dropped or our process is gone.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
}

impl Watchdog {
    pub(super) fn start(user: &ServerUser, dir: &Path, keep: bool) -> Result<Self> {
        // What is kept is shut down in order; what is removed needn't be.
        let (signal, end) = if keep {
            ("INT", "keep")
        } else {
            ("QUIT", "remove")
        };
        let child = user
            .command("/bin/sh")
            .args(["-c", SCRIPT, "celador-watchdog"])
            .arg(dir)
            .args([signal, end])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal is for us alone.
            .process_group(0)
            .spawn()
            .context("can't start /bin/sh")?;
        Ok(Self { child })
    }

    /// Lets the server live on.
    pub(super) fn dismiss(mut self) -> Result<()> {
        let mut pipe = self.child.stdin.take().context("no pipe")?;
        pipe.write_all(b"dismissed\n")?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Nothing is left to do if this fails.
        let _ = self.child.wait();
    }
}
