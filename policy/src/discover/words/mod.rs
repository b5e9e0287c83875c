//! The words that discovery knows. They are few and general: what most CRMs call things, never the
//! name of one CRM's table. Phrases are written in the singular with `_`, and best ones come first.

mod people;
mod tables;

pub(super) use people::*;
pub(super) use tables::*;
