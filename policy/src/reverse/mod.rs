//! From a record to the people: who reaches it, and through what.
//!
//! Computing the access of each of 20,000 people would take long. Instead the whole directory is
//! held as [`Everybody`], what decides about the record as a [`Row`], and each scope is asked from
//! the record's side: its owners and those above them, its groups and those above them.

mod everybody;
mod groups;
mod reached;
mod row;

pub use everybody::{Everybody, Person, PersonId};
pub use reached::{Asked, Records, Way, who};
pub use row::{Pointing, Row, row_sql};
