//! What planning makes of a statement's policies and searches, noted while `celador.explain_plan` asks
//! for it.

use std::cell::RefCell;
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
    }
}

/// Whether anybody asks for notes.
pub(crate) fn are_taken() -> bool {
    NOTES.with_borrow(Option::is_some)
}

/// A note about the whole statement.
pub(crate) fn add_of_statement(kind: &'static str, result: &str) {
    if are_taken() {
        add(Note {
            kind,
            relation: None,
            condition: None,
            result: result.to_owned(),
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

/// A table at its place in a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) relation: pg_sys::Oid,
    pub(crate) place: i32,
}

impl Table {
    /// A note about a condition on the table.
    pub(crate) fn note(self, kind: &'static str, condition: String, result: String) {
        add(Note {
            kind,
            relation: Some(relations::display_name(self.relation)),
            condition: Some(condition),
            result,
        });
    }

    /// A condition on the table, as it is written in SQL.
    pub(crate) unsafe fn written(self, condition: *mut pg_sys::Node) -> String {
        // SAFETY: a copy is written, with the table as the only one; the texts are PostgreSQL's copies.
        unsafe {
            let name = pg_sys::get_rel_name(self.relation);
            if name.is_null() {
                return String::new();
            }
            let condition: *mut pg_sys::Node = pg_sys::copyObjectImpl(condition.cast()).cast();
            pg_sys::ChangeVarNodes(condition, self.place, 1, 0);
            let context = pg_sys::deparse_context_for(name, self.relation);
            let text = pg_sys::deparse_expression(condition, context, false, false);
            shortened(&CStr::from_ptr(text).to_string_lossy())
        }
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
