//! Where counts lie: in memory that the server's backends share, or in the backend's own.

use std::ffi::CStr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::prelude::*;

use super::counters::Counters;
use super::denials::Denials;
use super::kept_file;
use super::observed::Observed;
use crate::concerned::Ring;

/// With the version: another version's segment is laid out otherwise.
const NAME: &CStr = match CStr::from_bytes_with_nul(
    concat!("celador ", env!("CARGO_PKG_VERSION"), "\0").as_bytes(),
) {
    Ok(name) => name,
    Err(_) => panic!("a version has no zero bytes"),
};

/// What is shared. All of it begins as zeroes.
#[repr(C)]
pub(super) struct Memory {
    lock: pg_sys::LWLock,
    /// Added to without the lock.
    pub(super) counters: Counters,
    /// Added to under the lock, read without.
    changes: Ring,
    books: Books,
}

/// What is read and written under the lock.
#[repr(C)]
pub(super) struct Books {
    pub(super) observed: Observed,
    pub(super) denials: Denials,
}

/// Shared by all backends.
static SHARED: AtomicPtr<Memory> = AtomicPtr::new(std::ptr::null_mut());
/// This backend's own.
static OWN: AtomicPtr<Memory> = AtomicPtr::new(std::ptr::null_mut());

static mut NEXT_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut NEXT_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// Asks for the memory, where the server starts.
pub(crate) fn at_server_start() {
    // SAFETY: runs once, while the library is loaded; reads and sets the postmaster's hooks.
    unsafe {
        if pg_sys::process_shared_preload_libraries_in_progress {
            NEXT_REQUEST = pg_sys::shmem_request_hook;
            pg_sys::shmem_request_hook = Some(request);
            NEXT_STARTUP = pg_sys::shmem_startup_hook;
            pg_sys::shmem_startup_hook = Some(startup);
        }
    }
}

unsafe extern "C-unwind" fn request() {
    // SAFETY: PostgreSQL calls this where memory may be asked for.
    unsafe {
        if let Some(next) = NEXT_REQUEST {
            next();
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Memory>());
    }
}

unsafe extern "C-unwind" fn startup() {
    // SAFETY: PostgreSQL calls this once it has its memory, in the postmaster; also after a crash.
    unsafe {
        if let Some(next) = NEXT_STARTUP {
            next();
        }
        let mut found = false;
        let memory = pg_sys::ShmemInitStruct(NAME.as_ptr(), size_of::<Memory>(), &mut found);
        if !found {
            begin(memory);
            kept_file::restore(NAME, &mut (*memory.cast::<Memory>()).books);
            pg_sys::on_shmem_exit(Some(at_shutdown), pg_sys::Datum::from(0));
        }
        name_lock(memory.cast());
        SHARED.store(memory.cast(), Ordering::Relaxed);
    }
}

/// The server stops; after a crash what was counted isn't trusted.
unsafe extern "C-unwind" fn at_shutdown(code: i32, _: pg_sys::Datum) {
    let memory = SHARED.load(Ordering::Relaxed);
    // SAFETY: in the postmaster, after all backends; the memory is still there.
    unsafe {
        if code != 0 || memory.is_null() {
            return;
        }
        if let Err(error) = kept_file::save(NAME, &(*memory).books) {
            eprintln!("celador: what was observed can't be kept: {error}");
        }
    }
}

/// Makes the memory what it begins as.
unsafe extern "C-unwind" fn begin(memory: *mut std::ffi::c_void) {
    // SAFETY: the memory is as large as `Memory`, for which zeroes are a value.
    unsafe {
        std::ptr::write_bytes(memory.cast::<Memory>(), 0, 1);
        let memory = memory.cast::<Memory>();
        pg_sys::LWLockInitialize(&raw mut (*memory).lock, pg_sys::LWLockNewTrancheId());
    }
}

unsafe fn name_lock(memory: *mut Memory) {
    // SAFETY: the name lives as long as the process.
    unsafe { pg_sys::LWLockRegisterTranche(i32::from((*memory).lock.tranche), NAME.as_ptr()) }
}

/// The memory, which is asked for if it isn't there yet.
pub(super) fn memory() -> &'static Memory {
    let mut memory = attached();
    if memory.is_null() {
        memory = attach();
    }
    // SAFETY: it is there as long as the process, and written through atomics or under the lock.
    unsafe { &*memory }
}

/// The memory if it has been used before, or NULL.
fn attached() -> *mut Memory {
    let shared = SHARED.load(Ordering::Relaxed);
    if shared.is_null() {
        OWN.load(Ordering::Relaxed)
    } else {
        shared
    }
}

/// Whether [`memory`] is there already, and can't fail.
pub(super) fn is_attached() -> bool {
    !attached().is_null()
}

#[cfg(any(feature = "pg17", feature = "pg18"))]
fn attach() -> *mut Memory {
    let mut found = false;
    // SAFETY: a named segment of the server's, which stays mapped; zeroed by whoever comes first.
    unsafe {
        let memory =
            pg_sys::GetNamedDSMSegment(NAME.as_ptr(), size_of::<Memory>(), Some(begin), &mut found)
                .cast::<Memory>();
        name_lock(memory);
        SHARED.store(memory, Ordering::Relaxed);
        memory
    }
}

#[cfg(any(feature = "pg15", feature = "pg16"))]
fn attach() -> *mut Memory {
    use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};

    // SAFETY: zeroes are a value of `Memory`; what isn't touched takes no room.
    let memory = unsafe { alloc_zeroed(Layout::new::<Memory>()) }.cast::<Memory>();
    if memory.is_null() {
        handle_alloc_error(Layout::new::<Memory>());
    }
    OWN.store(memory, Ordering::Relaxed);
    memory
}

/// Whether all backends count together.
pub(crate) fn is_shared() -> bool {
    memory();
    !SHARED.load(Ordering::Relaxed).is_null()
}

/// The latest changes of the directory, where all backends share them; asks for nothing.
pub(crate) fn shared_ring() -> Option<&'static Ring> {
    let memory = SHARED.load(Ordering::Relaxed);
    // SAFETY: it is there as long as the process, and written through atomics.
    (!memory.is_null()).then(|| unsafe { &(*memory).changes })
}

/// `server` or `backend`: whose counts they are.
pub(super) fn scope() -> &'static str {
    if is_shared() { "server" } else { "backend" }
}

/// Reads or writes the books. `work` calls nothing of PostgreSQL's.
pub(super) fn with_books<T>(work: impl FnOnce(&mut Books) -> T) -> T {
    let books = || {
        // SAFETY: under the lock, or in a backend of one thread, nobody else has the books.
        unsafe { &mut (*attached()).books }
    };
    locked(|| work(books()))
}

/// Keeps the others out. `work` calls nothing of PostgreSQL's.
pub(crate) fn locked<T>(work: impl FnOnce() -> T) -> T {
    struct Release(*mut pg_sys::LWLock);
    impl Drop for Release {
        fn drop(&mut self) {
            // SAFETY: taken below.
            unsafe { pg_sys::LWLockRelease(self.0) }
        }
    }
    let shared = is_shared();
    let memory = attached();
    // SAFETY: the lock is in shared memory, where the process keeps it.
    unsafe {
        let _release = shared.then(|| {
            pg_sys::LWLockAcquire(&raw mut (*memory).lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
            Release(&raw mut (*memory).lock)
        });
        work()
    }
}
