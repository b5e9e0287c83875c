//! Files with secrets, read again when they change.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use zeroize::Zeroizing;

const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a file that only its owner may read: root, or the proxy's user.
///
/// # Errors
/// Somebody else may read it, or it can't be read. The message names the file, and nothing in it.
pub fn read(path: &Path) -> Result<Zeroizing<String>> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).with_context(|| format!("{shown} can't be read"))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        bail!("{shown}: others than its owner have rights on it; its mode must be 0600");
    }
    if metadata.uid() != geteuid().as_raw() && metadata.uid() != 0 {
        bail!("{shown} doesn't belong to the proxy's user");
    }
    if metadata.len() > MAX_BYTES {
        bail!("{shown} is too long");
    }
    std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .with_context(|| format!("{shown} can't be read"))
}

/// What a file says, read again whenever the file is another one. When it can't be read, nothing is
/// known any more.
pub struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> Result<T>,
    last: Mutex<Option<(Stamp, Arc<T>)>>,
}

/// Device, inode, length, and when it was changed.
type Stamp = (u64, u64, u64, i64, i64);

impl<T> Watched<T> {
    /// For a file, and what reads its text.
    pub fn new(path: &Path, parse: fn(&str) -> Result<T>) -> Self {
        Self {
            path: path.to_owned(),
            parse,
            last: Mutex::new(None),
        }
    }

    /// What the file says now.
    ///
    /// # Errors
    /// It can't be read, or says nothing that can be understood.
    pub fn get(&self) -> Result<Arc<T>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = std::fs::metadata(&self.path).map(|file| {
            (
                file.dev(),
                file.ino(),
                file.len(),
                file.ctime(),
                file.ctime_nsec(),
            )
        });
        if let (Ok(stamp), Some((known, value))) = (&stamp, last.as_ref())
            && stamp == known
        {
            return Ok(Arc::clone(value));
        }
        *last = None;
        let text = read(&self.path)?;
        let value = (self.parse)(&text)
            .with_context(|| format!("{} can't be used", self.path.display()))?;
        let value = Arc::new(value);
        if let Ok(stamp) = stamp {
            *last = Some((stamp, Arc::clone(&value)));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    fn number(text: &str) -> Result<i32> {
        Ok(text.trim().parse()?)
    }

    #[test]
    fn only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "1").unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), good, "{mode:o}");
        }
        assert!(read(&dir.path().join("none")).is_err());
    }

    #[test]
    fn what_was_known_ends_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        };
        let watched = Watched::new(&path, number);
        assert!(watched.get().is_err());
        write("1");
        assert_eq!(*watched.get().unwrap(), 1);
        write("22");
        assert_eq!(*watched.get().unwrap(), 22);
        write("x");
        let error = format!("{:#}", watched.get().unwrap_err());
        assert!(error.contains("can't be used"), "{error}");
        write("3");
        assert_eq!(*watched.get().unwrap(), 3);
        fs::remove_file(&path).unwrap();
        assert!(watched.get().is_err());
    }
}
