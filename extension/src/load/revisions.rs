//! Revisions: every load is one, numbered, with its document, who loaded it, and why.

use celador_policy::Document;
use celador_policy::document::Change;
use pgrx::prelude::*;

use crate::spi::{self, Reads};
use crate::{errors, version};

const LIVE: &str = "SELECT p.revision, p.document, p.parsed FROM celador.policy AS p \
    ORDER BY p.revision DESC LIMIT 1";
const NUMBERED: &str = "SELECT p.revision, p.document, p.parsed FROM celador.policy AS p \
    WHERE p.revision OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.int4)";

/// A revision as it is stored.
pub(super) struct Revision {
    pub(super) number: i32,
    /// As it was loaded; `None` where a function made it of the revision before.
    text: Option<String>,
    /// The same in a form that is read faster; `None` where version 0.1.0 stored it.
    parsed: Option<String>,
}

impl Revision {
    /// The document.
    pub(super) fn document(&self) -> Document {
        let parsed = self.parsed.as_deref();
        match (parsed.map(Document::from_stored), &self.text) {
            (Some(Ok(document)), _) => document,
            // Another version may have stored it in another form; the text stays.
            (_, Some(text)) => read(text),
            (_, None) => {
                errors::fault("a stored document can't be read by this version of the library")
            }
        }
    }

    /// The text: as it was loaded, or as the document is written.
    pub(super) fn into_text(self) -> String {
        match self.text {
            Some(text) => text,
            None => written(&self.document()),
        }
    }
}

/// A revision, or the live one.
pub(super) fn revision(number: Option<i32>) -> Option<Revision> {
    // Objects of another version may have other columns.
    version::require_objects();
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| match number {
            Some(number) => spi::read(NUMBERED, &[&number.to_string()], Reads::Latest),
            None => spi::read(LIVE, &[], Reads::Latest),
        })
    });
    let mut row = rows.into_iter().next()?.into_iter();
    Some(Revision {
        number: row.next()??.parse().ok()?,
        text: row.next()?,
        parsed: row.next()?,
    })
}

/// The revision of that number; none is an error.
pub(super) fn numbered(number: i32) -> Revision {
    match revision(Some(number)) {
        Some(revision) => revision,
        None => errors::raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("there is no revision {number}"),
            "SELECT * FROM celador.revisions() lists them.",
        ),
    }
}

/// One load at a time; and, if whoever loads says so, on top of what was looked at.
pub(super) fn begin(base: Option<i32>) {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::run("LOCK TABLE celador.policy IN SHARE ROW EXCLUSIVE MODE"));
    });
    let Some(base) = base else { return };
    let live = revision(None).map_or(0, |live| live.number);
    if live != base {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("the live revision is {live}, not {base}; nothing is changed"),
            "Look at what changed in between: SELECT * FROM celador.revisions(). Then load on top of it.",
        );
    }
}

/// Reads a document that was loaded before.
fn read(document: &str) -> Document {
    match Document::from_toml(document) {
        Ok(document) => document,
        Err(_) => errors::fault("a loaded document can't be read by this version of the library"),
    }
}

/// What a document changes in the live one.
pub(super) fn changes(document: &str) -> Vec<Change> {
    let live = revision(None).map_or_else(Document::default, |live| live.document());
    match live.difference(&read(document)) {
        Ok(changes) => changes,
        Err(error) => errors::fault(format!("the documents can't be compared: {error}")),
    }
}

/// `celador.export_policy(revision)`: the document of a revision, or of the live one, with its keys
/// sorted: equal policies are equal texts.
#[pg_extern]
fn export_policy(number: Option<i32>) -> Option<String> {
    let revision = match number {
        Some(number) => numbered(number),
        None => revision(None)?,
    };
    Some(written(&revision.document()))
}

/// The document's text, sorted.
fn written(document: &Document) -> String {
    match document.to_toml() {
        Ok(sorted) => sorted,
        Err(error) => errors::fault(format!("the document can't be written: {error}")),
    }
}
