//! What goes to the server's log doesn't go to people: `auto_explain` counts the rows that a filter
//! has removed, and everybody may `SET client_min_messages = log`.

use std::cell::Cell;

use pgrx::prelude::*;

static mut NEXT: pg_sys::emit_log_hook_type = None;

thread_local! {
    /// The last statement over protected tables was a person's; `None`: there was none yet.
    static OF_PERSON: Cell<Option<bool>> = const { Cell::new(None) };
}

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(emit);
    }
}

/// A statement over protected tables is a person's, or somebody's who sees all.
pub(super) fn are_for(person: bool) {
    OF_PERSON.set(Some(person));
}

unsafe extern "C-unwind" fn emit(message: *mut pg_sys::ErrorData) {
    // SAFETY: PostgreSQL's own message.
    unsafe {
        if (*message).elevel == pg_sys::LOG as i32
            && (*message).output_to_client
            && OF_PERSON.get().unwrap_or_else(|| !super::is_superuser())
        {
            (*message).output_to_client = false;
        }
        if let Some(next) = NEXT {
            next(message);
        }
    }
}
