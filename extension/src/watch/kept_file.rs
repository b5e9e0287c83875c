//! The books outlive a restart of the server in a file of its data directory. A crash loses them.

use std::ffi::CStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::memory::Books;

/// Where PostgreSQL's own statistics wait for the next start.
const FILE: &str = "pg_stat/celador.stat";
const NEW: &str = "pg_stat/celador.stat.tmp";

/// Writes the books down. Errors are the caller's to tell.
pub(super) fn save(name: &CStr, books: &Books) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(NEW)?;
    file.write_all(name.to_bytes_with_nul())?;
    // SAFETY: the books are plain numbers and bytes, without pointers.
    file.write_all(unsafe {
        std::slice::from_raw_parts(std::ptr::from_ref(books).cast::<u8>(), size_of::<Books>())
    })?;
    file.sync_all()?;
    fs::rename(NEW, FILE)
}

/// Fills the books, which are zeroes, from the file; it is used once. What another version wrote, or
/// isn't whole, is left out.
pub(super) fn restore(name: &CStr, books: &mut Books) {
    let Ok(bytes) = fs::read(FILE) else { return };
    let _gone = fs::remove_file(FILE);
    let Some(bytes) = bytes.strip_prefix(name.to_bytes_with_nul()) else {
        return;
    };
    if bytes.len() != size_of::<Books>() {
        return;
    }
    // SAFETY: as many bytes as the books have; any bytes are numbers and bytes.
    unsafe {
        std::ptr::copy_nonoverlapping(
            bytes.as_ptr(),
            std::ptr::from_mut(books).cast::<u8>(),
            bytes.len(),
        );
    }
    if !(books.observed.is_sound() && books.denials.is_sound()) {
        // SAFETY: zeroes are a value of the books.
        unsafe { std::ptr::write_bytes(books, 0, 1) }
    }
}
