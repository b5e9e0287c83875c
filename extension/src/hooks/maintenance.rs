//! While a maintenance role refreshes a materialized view of the tables' owner, PostgreSQL acts as
//! that owner: the policies that are forced on it stand aside.

use std::cell::Cell;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// Begins, if `trusted`: the view belongs to the owner of everything that it reads.
pub(super) fn begin(trusted: bool) {
    ON.set(trusted);
}

/// Whether such a refresh is at work.
pub(super) fn is_on() -> bool {
    ON.get()
}

/// Ends; the end of a transaction or of a part of it does so as well.
pub(crate) fn end() {
    ON.set(false);
}
