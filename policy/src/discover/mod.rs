//! Discovery: proposes a mapping for a database that nobody has described yet.
//!
//! Foreign keys come first, names second, statistics last. What is certain or likely makes up the
//! [`Proposal`]'s mapping; what is only a guess is written beside it as a comment. A table of which
//! nothing is known is closed. Nothing here reads a row: where values tell more (the names of roles,
//! the kinds of records in a column), the caller is [asked](Question) and may answer nothing.

mod catalog;
mod ground;
mod groups;
mod guess;
mod hosts;
mod kinds;
mod links;
mod modules;
mod names;
mod parents;
mod people;
mod places;
mod polymorphic;
mod references;
mod registry;
mod roles;
mod text;
mod whose;
mod words;

pub use catalog::{CLUES_SQL, Catalog};
pub use guess::{Certainty, Guess};

use crate::document::Mapping;
use crate::schema::TableName;

/// Asks for the different values of a column, and what each is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The table.
    pub table: TableName,
    /// The column.
    pub column: String,
    /// A column of the same table with what a value is called.
    pub label: Option<String>,
    /// Only what stands before the first of these is asked for; values without one aren't.
    pub separator: Option<String>,
}

/// One value of a column, as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The value.
    pub value: String,
    /// What it is called.
    pub label: Option<String>,
}

/// A mapping that is proposed, and what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// What is certain or likely.
    pub mapping: Mapping,
    /// Every guess, also those that aren't part of the mapping, by table.
    pub guesses: Vec<Guess>,
}

impl Proposal {
    /// The mapping as TOML, with a comment for each guess. Equal proposals are equal texts.
    pub fn to_toml(&self) -> String {
        text::write(self)
    }
}

/// Proposes a mapping for the tables of a catalog's schemas.
///
/// `ask` answers questions with values that whoever asks may read; none is a right answer.
pub fn propose(catalog: &Catalog, ask: &mut dyn FnMut(&Question) -> Vec<Answer>) -> Proposal {
    let mut guesses = guess::Guesses::default();
    let ground = ground::Ground::find(catalog, ask, &mut guesses);
    let places = places::find(&ground, &mut guesses);
    let mapping = modules::map(&ground, &places, ask, &mut guesses);
    let mut guesses = guesses.0;
    guesses.sort_by(|one, two| {
        let key = |guess: &Guess| (guess.relation.clone(), guess.what.clone());
        key(one)
            .cmp(&key(two))
            .then(two.certainty.cmp(&one.certainty))
            .then(one.value.cmp(&two.value))
    });
    Proposal { mapping, guesses }
}
