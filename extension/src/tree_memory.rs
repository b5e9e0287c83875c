//! Memory for trees of PostgreSQL's that outlive a statement.

use pgrx::prelude::*;

/// Memory of its own: what is copied into it lives as long.
pub(crate) struct TreeMemory(pg_sys::MemoryContext);

impl TreeMemory {
    pub(crate) fn new() -> Self {
        // SAFETY: makes a context that lives until it is dropped.
        Self(unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::CacheMemoryContext,
                c"celador trees".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        })
    }

    pub(crate) unsafe fn copy(&self, node: *mut pg_sys::Node) -> *mut pg_sys::Node {
        // SAFETY: the caller's node.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(self.0);
            let copy = copy(node);
            pg_sys::MemoryContextSwitchTo(before);
            copy
        }
    }
}

impl Drop for TreeMemory {
    fn drop(&mut self) {
        // SAFETY: nothing points into it but what is dropped with it. A backend that ends frees
        // everything at once.
        unsafe {
            if !pg_sys::proc_exit_inprogress {
                pg_sys::MemoryContextDelete(self.0);
            }
        }
    }
}

/// A copy in the memory of the moment.
pub(crate) unsafe fn copy(node: *mut pg_sys::Node) -> *mut pg_sys::Node {
    // SAFETY: the caller's node.
    unsafe { pg_sys::copyObjectImpl(node.cast()).cast() }
}
