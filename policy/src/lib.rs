//! Celador's policy: the document as written, the checked [`PolicySet`], the [`Access`] of one
//! person, and the row security that follows. Pure: no PostgreSQL, no I/O, no clock.
#![forbid(unsafe_code)]

pub mod access;
pub mod action;
mod around;
mod cell;
pub mod check;
pub mod column_mask;
pub mod directory;
pub mod discover;
pub mod document;
pub mod field;
mod giving;
pub mod key_set;
pub mod leakproof;
pub mod lint;
pub mod matrix;
pub mod permissions;
mod placement;
pub mod policy_set;
pub mod predicate;
pub mod problem;
pub mod quote;
pub mod rendering;
pub mod rendering_function;
pub mod reverse;
pub mod row_policy;
pub mod schema;
pub mod server_release;

pub use access::{Access, Reach};
pub use action::Action;
pub use check::{change_cell, check, check_again};
pub use document::Document;
pub use policy_set::PolicySet;
pub use problem::{Problem, Problems};
pub use schema::{Schema, TableName};
