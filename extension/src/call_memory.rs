//! What a function keeps from one call for those that follow in the same statement.

use std::ffi::c_void;

use pgrx::prelude::*;

/// Keeps the value as long as the memory of the function's calls, in its `fn_extra`.
pub(crate) unsafe fn keep<T>(function: *mut pg_sys::FmgrInfo, value: T) -> *mut T {
    // SAFETY: the callback is allocated in the memory that it belongs to.
    unsafe {
        let size = size_of::<pg_sys::MemoryContextCallback>();
        let callback = pg_sys::MemoryContextAllocZero((*function).fn_mcxt, size)
            .cast::<pg_sys::MemoryContextCallback>();
        let kept = Box::into_raw(Box::new(value));
        (*callback).func = Some(drop_kept::<T>);
        (*callback).arg = kept.cast();
        pg_sys::MemoryContextRegisterResetCallback((*function).fn_mcxt, callback);
        (*function).fn_extra = kept.cast();
        kept
    }
}

unsafe extern "C-unwind" fn drop_kept<T>(kept: *mut c_void) {
    // SAFETY: made by Box::into_raw, and dropped once: with the memory of the call.
    drop(unsafe { Box::from_raw(kept.cast::<T>()) });
}
