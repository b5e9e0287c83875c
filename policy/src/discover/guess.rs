//! A guess: what discovery proposes, how certain it is, and why.

use std::fmt;

use crate::schema::TableName;

/// How certain a guess is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Something speaks for it. It isn't part of the mapping: it is written there as a comment.
    Guess,
    /// Names and keys agree, and nothing speaks against it. Look at it before it is loaded.
    Likely,
    /// The catalog proves it: a declared key, of a column or table whose name has one meaning.
    Certain,
}

impl Certainty {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }

    /// Certain where the key is declared, likely where names alone tell of it.
    pub(super) fn of(declared: bool) -> Self {
        if declared {
            Self::Certain
        } else {
            Self::Likely
        }
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What discovery proposes of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// The table; none where it is about the database as a whole.
    pub relation: Option<TableName>,
    /// The key of the mapping, such as `owner` or `users.login`; `unplaced` where no place was found.
    pub what: String,
    /// Its value, written as in the mapping.
    pub value: String,
    /// How certain it is.
    pub certainty: Certainty,
    /// Why.
    pub reason: String,
}

/// Collects guesses.
#[derive(Debug, Default)]
pub(super) struct Guesses(pub(super) Vec<Guess>);

impl Guesses {
    pub(super) fn add(
        &mut self,
        relation: &TableName,
        what: &str,
        value: impl Into<String>,
        certainty: Certainty,
        reason: impl Into<String>,
    ) {
        let guess = Guess {
            relation: Some(relation.clone()),
            what: what.to_owned(),
            value: value.into(),
            certainty,
            reason: reason.into(),
        };
        if !self.0.contains(&guess) {
            self.0.push(guess);
        }
    }
}
