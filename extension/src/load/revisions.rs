//! Revisions: every load is one, numbered, with its document, who loaded it, and why.

use celador_policy::Document;
use celador_policy::document::Change;
use pgrx::prelude::*;

use crate::errors;
use crate::spi::{self, Reads};

const LIVE: &str = "SELECT p.revision, p.document FROM celador.policy AS p \
    ORDER BY p.revision DESC LIMIT 1";
const NUMBERED: &str = "SELECT p.revision, p.document FROM celador.policy AS p \
    WHERE p.revision OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.int4)";

/// The number and the document of a revision, or of the live one.
pub(super) fn revision(number: Option<i32>) -> Option<(i32, String)> {
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| match number {
            Some(number) => spi::read(NUMBERED, &[&number.to_string()], Reads::Latest),
            None => spi::read(LIVE, &[], Reads::Latest),
        })
    });
    let mut row = rows.into_iter().next()?.into_iter();
    Some((row.next()??.parse().ok()?, row.next()??))
}

/// The document of a revision; none of that number is an error.
pub(super) fn numbered(number: i32) -> String {
    match revision(Some(number)) {
        Some((_, document)) => document,
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
    let live = revision(None).map_or(0, |(number, _)| number);
    if live != base {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("the live revision is {live}, not {base}; nothing is changed"),
            "Look at what changed in between: SELECT * FROM celador.revisions(). Then load on top of it.",
        );
    }
}

/// Reads a document that was loaded before.
pub(super) fn read(document: &str) -> Document {
    match Document::from_toml(document) {
        Ok(document) => document,
        Err(_) => errors::fault("a loaded document can't be read by this version of the library"),
    }
}

/// What a document changes in the live one.
pub(super) fn changes(document: &str) -> Vec<Change> {
    let live = revision(None).map_or_else(Document::default, |(_, live)| read(&live));
    match live.difference(&read(document)) {
        Ok(changes) => changes,
        Err(error) => errors::fault(format!("the documents can't be compared: {error}")),
    }
}

/// `celador.export_policy(revision)`: the document of a revision, or of the live one, with its keys
/// sorted: equal policies are equal texts.
#[pg_extern]
fn export_policy(number: Option<i32>) -> Option<String> {
    let document = match number {
        Some(number) => numbered(number),
        None => revision(None)?.1,
    };
    match read(&document).to_toml() {
        Ok(sorted) => Some(sorted),
        Err(error) => errors::fault(format!("the document can't be written: {error}")),
    }
}
