//! The file with the keys that tokens are signed with.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use celador_identity::{HashKey, KeyRing};
use pgrx::PgSqlErrorCode;
use zeroize::Zeroizing;

use crate::errors;

const MAX_BYTES: u64 = 64 * 1024;

/// Reads the key that values are hashed with. Every statement reads it again.
pub(crate) fn read_hash_key(path: Option<&str>) -> HashKey {
    let path = path.filter(|path| !path.is_empty());
    let found = path.map(|path| {
        let text = load(Path::new(path))?;
        HashKey::parse(&text).map_err(|error| error.to_string())
    });
    match found {
        Some(Ok(Some(key))) => key,
        Some(Ok(None)) | None => errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "values can't be hashed: the file of celador.key_file has no key for it",
            "Add a line of the word hash and 64 hexadecimal digits to it, and keep that line: with \
             another, every hash changes.",
        ),
        Some(Err(problem)) => unusable(&problem),
    }
}

fn unusable(problem: &str) -> ! {
    errors::raise(
        PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR,
        format!("the file of celador.key_file can't be used: {problem}"),
        "It belongs to the server's user, has mode 0600, and has a line for each key: its number \
         (or the word hash) and 64 hexadecimal digits.",
    )
}

/// Reads the keys. Every use reads the file again, so that a rotation takes effect at once and
/// no key stays in memory.
pub(crate) fn read(path: Option<&str>) -> KeyRing {
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "identities can't be signed: celador.key_file is not set",
            "Write lines of a key number and 64 hexadecimal digits to a file outside the data \
             directory, with mode 0600, and name it in postgresql.conf.",
        )
    };
    match load_keys(Path::new(path)) {
        Ok(keys) => keys,
        Err(problem) => unusable(&problem),
    }
}

fn load_keys(path: &Path) -> Result<KeyRing, String> {
    KeyRing::parse(&load(path)?).map_err(|error| error.to_string())
}

/// The text of the file, overwritten in memory when it is dropped.
fn load(path: &Path) -> Result<Zeroizing<String>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.kind().to_string())?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err("others than its owner have rights on it".to_owned());
    }
    // SAFETY: asks for the process' own user.
    if metadata.uid() != unsafe { libc::geteuid() } {
        return Err("it doesn't belong to the server's user".to_owned());
    }
    if metadata.len() > MAX_BYTES {
        return Err("it is too long".to_owned());
    }
    std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| error.kind().to_string())
}

/// What can be told of the key file without telling its keys.
#[derive(Default)]
pub(crate) struct Condition {
    /// Why it can't be used.
    pub(crate) problem: Option<String>,
    /// How long ago it was written, in days.
    pub(crate) days: Option<u64>,
    /// Whether it lies in the data directory.
    pub(crate) inside: bool,
}

/// Looks at the key file.
pub(crate) fn condition(path: Option<&str>) -> Condition {
    let Some(path) = path else {
        return Condition {
            problem: Some("celador.key_file is not set".to_owned()),
            ..Condition::default()
        };
    };
    let path = Path::new(path);
    let written = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    // SAFETY: the server's data directory, a zero-terminated string.
    let data = unsafe { std::ffi::CStr::from_ptr(pgrx::pg_sys::DataDir) };
    let inside = std::fs::canonicalize(data.to_string_lossy().as_ref())
        .and_then(|data| Ok(std::fs::canonicalize(path)?.starts_with(data)));
    Condition {
        problem: load_keys(path).err(),
        days: written
            .ok()
            .and_then(|written| written.elapsed().ok())
            .map(|age| age.as_secs() / (24 * 60 * 60)),
        inside: inside.unwrap_or(false),
    }
}
