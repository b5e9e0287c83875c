//! What planning makes of a statement's policies and searches, noted while `celador.explain_plan` asks
//! for it.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;

use pgrx::prelude::*;

use crate::relations;

/// Longer conditions are cut: a list of keys says little after the first ones.
const LONGEST: usize = 400;

/// A line of `celador.explain_plan`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) kind: &'static str,
    pub(crate) relation: Option<String>,
    pub(crate) condition: Option<String>,
    pub(crate) result: String,
}

thread_local! {
    static NOTES: RefCell<Option<Vec<Note>>> = const { RefCell::new(None) };
    /// The table whose policy is looked at, and its place in the statement.
    static TABLE: Cell<Option<(pg_sys::Oid, i32)>> = const { Cell::new(None) };
}

/// While it lives, notes are taken. They go with it, after an error too.
pub(crate) struct Taking;

impl Taking {
    pub(crate) fn begin() -> Self {
        NOTES.set(Some(Vec::new()));
        Self
    }

    /// The notes that were taken.
    pub(crate) fn end(self) -> Vec<Note> {
        NOTES.take().unwrap_or_default()
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        NOTES.set(None);
        TABLE.set(None);
    }
}

/// Whether anybody asks for notes.
pub(crate) fn are_taken() -> bool {
    NOTES.with_borrow(Option::is_some)
}

/// A note about the whole statement.
pub(crate) fn add_of_statement(kind: &'static str, result: impl FnOnce() -> &'static str) {
    if are_taken() {
        add(Note {
            kind,
            relation: None,
            condition: None,
            result: result().to_owned(),
        });
    }
}

pub(crate) fn add(note: Note) {
    NOTES.with_borrow_mut(|notes| {
        if let Some(notes) = notes {
            notes.push(note);
        }
    });
}

/// The policy of that table is looked at next.
pub(crate) fn look_at(relation: pg_sys::Oid, place: i32) {
    TABLE.set(Some((relation, place)));
}

/// A condition of a policy, as it is written. `None` where nobody asks.
pub(crate) unsafe fn question(condition: *mut pg_sys::Node) -> Option<String> {
    if !are_taken() {
        return None;
    }
    let (relation, place) = TABLE.get()?;
    // SAFETY: as the caller says.
    Some(unsafe { written(condition, relation, place) })
}

/// What has become of it.
pub(crate) fn answered(question: Option<String>, result: impl FnOnce() -> String) {
    let Some((relation, _)) = TABLE.get() else {
        return;
    };
    if let Some(question) = question {
        add(Note {
            kind: "policy",
            relation: Some(relations::display_name(relation)),
            condition: Some(question),
            result: result(),
        });
    }
}

/// The answer to the last question, as it is written.
pub(crate) unsafe fn answer(condition: *mut pg_sys::Node) -> String {
    // SAFETY: as the caller says.
    TABLE
        .get()
        .map_or_else(String::new, |(relation, place)| unsafe {
            written(condition, relation, place)
        })
}

/// A condition on a table at that place in a statement, as it is written in SQL.
pub(crate) unsafe fn written(
    condition: *mut pg_sys::Node,
    relation: pg_sys::Oid,
    place: i32,
) -> String {
    // SAFETY: a copy is written, with the table as the only one; the texts are PostgreSQL's copies.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        if name.is_null() {
            return String::new();
        }
        let condition: *mut pg_sys::Node = pg_sys::copyObjectImpl(condition.cast()).cast();
        pg_sys::ChangeVarNodes(condition, place, 1, 0);
        let context = pg_sys::deparse_context_for(name, relation);
        let text = pg_sys::deparse_expression(condition, context, false, false);
        shortened(&CStr::from_ptr(text).to_string_lossy())
    }
}

/// On one line, and not longer than can be read.
fn shortened(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
