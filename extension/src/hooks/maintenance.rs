//! While a maintenance role makes or refreshes a materialized view, PostgreSQL acts as the view's
//! owner, in a restricted operation. For the tables' owner the policies that are forced on it
//! stand aside; an exempt owner goes on seeing everything.

use std::cell::Cell;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static EXEMPT_OWNER: Cell<bool> = const { Cell::new(false) };
}

/// Begins. `trusted`: the view belongs to the owner of everything that it reads; `exempt`: to
/// somebody who sees everything anyway.
pub(super) fn begin(trusted: bool, exempt: bool) {
    ON.set(trusted);
    EXEMPT_OWNER.set(exempt);
}

/// Whether policies stand aside.
pub(super) fn is_on() -> bool {
    ON.get()
}

/// Whether the restricted operation at work is of an exempt owner.
pub(crate) fn is_of_exempt_owner() -> bool {
    EXEMPT_OWNER.get()
}

/// Ends; the end of a transaction or of a part of it does so as well.
pub(crate) fn end() {
    ON.set(false);
    EXEMPT_OWNER.set(false);
}
