//! Where installations and clusters lie: a place that the servers' user can reach.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::server_user::ServerUser;
use crate::workspace;

/// `target/`, or a directory of our own below the system's temporary directory when the servers'
/// user can't reach `target/` (a clone in root's home, for example).
pub(crate) fn runtime_dir(user: &ServerUser) -> Result<PathBuf> {
    let target = workspace().join("target");
    fs::create_dir_all(&target).with_context(|| format!("can't create {}", target.display()))?;
    if user.can_enter(&target) {
        return Ok(target);
    }
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    let name = format!("celador-{}-{:016x}", Uid::effective(), hasher.finish());
    let dir = std::env::temp_dir().join(name);
    if !dir.exists() {
        eprintln!(
            "xtask: the servers' user can't reach {}; using {}",
            target.display(),
            dir.display()
        );
        fs::DirBuilder::new()
            .mode(0o755)
            .create(&dir)
            .with_context(|| format!("can't create {}", dir.display()))?;
    }
    // The name can be guessed, so somebody else may have made it first.
    let found = fs::symlink_metadata(&dir)?;
    if !found.is_dir() || found.uid() != Uid::effective().as_raw() {
        bail!("{} isn't a directory of ours; remove it", dir.display());
    }
    make_dir(&dir)?;
    if !user.can_enter(&dir) {
        bail!(
            "the servers' user can't reach {}; set TMPDIR to a directory that everybody can enter",
            dir.display()
        );
    }
    Ok(dir)
}

/// Creates a directory unless it exists, and lets everybody enter it whatever the umask is.
pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)
        .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("can't create {}", dir.display()))
}
