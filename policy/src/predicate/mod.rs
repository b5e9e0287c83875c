//! Conditions on a row, as a policy writes them: a small subset of SQL.
//!
//! A predicate compares columns with literals, with each other, or with the person who asks:
//! `me()` is that person's key, `me('employee')` another key, `me.region` an attribute,
//! `has_role('seller')` true for those who hold the role. There are `= <> != < <= > >=`,
//! `IN`, `BETWEEN`, `LIKE`, `ILIKE`, `IS NULL`, `AND`, `OR`, `NOT`, and a boolean column by
//! itself. Nothing else: what isn't understood exactly is refused, with a remedy.
//!
//! Literals take the type of the column that they are compared with: numbers are for numeric
//! columns, `TRUE` and `FALSE` for boolean ones, strings for all others. Days and times are written
//! in the one form that no setting of a session reads differently: `'2026-12-31'`,
//! `'2026-12-31 23:59:00'`, and with an offset, `'2026-12-31 23:59:00+00'`, for `timestamptz`.
//!
#![doc = include_str!("examples.md")]

mod eval;
mod lex;
mod number;
mod parse;
mod render;
mod reserved;
mod type_family;

#[cfg(test)]
mod parse_test;
#[cfg(test)]
mod property_test;
#[cfg(test)]
mod refused_test;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use eval::{Me, Value};
pub use lex::{MAX_BYTES, MAX_DEPTH};
pub use number::{NotANumber, Number};
pub use render::{RenderError, RenderedColumn};

/// The key of a person that `me()` without a name stands for.
pub const USER_KEY: &str = "user";

/// A condition on a row and on the person who asks.
///
/// As in SQL it is true, false or unknown; a row is in reach only if it is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Predicate {
    /// All hold. Never empty when parsed, and never an `And` inside an `And`.
    And(Vec<Predicate>),
    /// At least one holds. Never empty when parsed, and never an `Or` inside an `Or`.
    Or(Vec<Predicate>),
    /// The condition is false.
    Not(Box<Predicate>),
    /// `left op right`
    Compare {
        /// The left side.
        left: Operand,
        /// How the sides are compared.
        op: Comparison,
        /// The right side.
        right: Operand,
    },
    /// `operand [NOT] IN (list)`
    In {
        /// What is looked for.
        operand: Operand,
        /// The values it may have. Never empty when parsed.
        list: Vec<Operand>,
        /// `NOT IN`
        negated: bool,
    },
    /// `operand [NOT] BETWEEN low AND high`
    Between {
        /// What is compared.
        operand: Operand,
        /// The least value, included.
        low: Operand,
        /// The greatest value, included.
        high: Operand,
        /// `NOT BETWEEN`
        negated: bool,
    },
    /// `operand IS [NOT] NULL`
    IsNull {
        /// What may be missing.
        operand: Operand,
        /// `IS NOT NULL`
        negated: bool,
    },
    /// `operand [NOT] LIKE pattern`
    Like {
        /// A text.
        operand: Operand,
        /// `%` stands for any characters, `_` for one.
        pattern: String,
        /// `ILIKE`
        case_insensitive: bool,
        /// `NOT LIKE`
        negated: bool,
    },
    /// `has_role('name')`: the person holds the role.
    HasRole(String),
    /// A boolean column by itself.
    Flag(String),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operand {
    /// A column of the row, by its name as the catalog has it.
    Column(String),
    /// `'text'`
    Text(String),
    /// `5`, `-0.5`
    Number(Number),
    /// `TRUE`, `FALSE`
    Bool(bool),
    /// `me()`, `me('employee')`: a key of the person, [`USER_KEY`] if none is named.
    Me(Option<String>),
    /// `me.region`: an attribute of the person.
    Attribute(String),
}

/// How two sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>` or `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Why a text isn't a predicate. Printed it is the message and the place; the remedy is apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", at_character(.offset))]
pub struct PredicateError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// Where it is, in characters from the beginning of the text (the first is 0), if known.
    pub offset: Option<usize>,
}

impl PredicateError {
    fn new(message: impl Into<String>, remedy: impl Into<String>, offset: Option<usize>) -> Self {
        Self {
            message: message.into(),
            remedy: remedy.into(),
            offset,
        }
    }
}

fn at_character(offset: &Option<usize>) -> String {
    offset.map_or_else(String::new, |offset| format!(" (character {})", offset + 1))
}

impl Operand {
    /// Its value is in the text of the predicate.
    pub fn is_literal(&self) -> bool {
        match self {
            Self::Text(_) | Self::Number(_) | Self::Bool(_) => true,
            Self::Column(_) | Self::Me(_) | Self::Attribute(_) => false,
        }
    }
}

impl Predicate {
    /// The columns of the row that decide.
    pub fn columns(&self) -> BTreeSet<&str> {
        self.mentioned(|mention| match mention {
            Mention::Flag(column) => Some(column),
            Mention::Operand(Operand::Column(column)) => Some(column.as_str()),
            Mention::Role(_) | Mention::Operand(_) => None,
        })
    }

    /// The roles that `has_role` asks for.
    pub fn roles(&self) -> BTreeSet<&str> {
        self.mentioned(|mention| match mention {
            Mention::Role(role) => Some(role),
            Mention::Flag(_) | Mention::Operand(_) => None,
        })
    }

    /// The attributes of the person that decide.
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.mentioned(|mention| match mention {
            Mention::Operand(Operand::Attribute(name)) => Some(name),
            Mention::Role(_) | Mention::Flag(_) | Mention::Operand(_) => None,
        })
    }

    /// The keys of the person that decide; `me()` counts as [`USER_KEY`].
    pub fn keys(&self) -> BTreeSet<&str> {
        self.mentioned(|mention| match mention {
            Mention::Operand(Operand::Me(key)) => Some(key.as_deref().unwrap_or(USER_KEY)),
            Mention::Role(_) | Mention::Flag(_) | Mention::Operand(_) => None,
        })
    }

    /// The same condition on other columns: from a matrix's field names to a table's columns.
    ///
    /// # Errors
    /// The first error of `rename`.
    pub fn rename_columns<E>(&self, rename: impl Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        self.renamed(&rename)
    }

    fn renamed<E>(&self, rename: &impl Fn(&str) -> Result<String, E>) -> Result<Self, E> {
        let operand = |operand: &Operand| match operand {
            Operand::Column(column) => rename(column).map(Operand::Column),
            Operand::Text(_)
            | Operand::Number(_)
            | Operand::Bool(_)
            | Operand::Me(_)
            | Operand::Attribute(_) => Ok(operand.clone()),
        };
        let all = |parts: &[Self]| -> Result<Vec<Self>, E> {
            parts.iter().map(|part| part.renamed(rename)).collect()
        };
        Ok(match self {
            Self::And(parts) => Self::And(all(parts)?),
            Self::Or(parts) => Self::Or(all(parts)?),
            Self::Not(inner) => Self::Not(Box::new(inner.renamed(rename)?)),
            Self::Compare { left, op, right } => Self::Compare {
                left: operand(left)?,
                op: *op,
                right: operand(right)?,
            },
            Self::In {
                operand: value,
                list,
                negated,
            } => Self::In {
                operand: operand(value)?,
                list: list.iter().map(operand).collect::<Result<_, E>>()?,
                negated: *negated,
            },
            Self::Between {
                operand: value,
                low,
                high,
                negated,
            } => Self::Between {
                operand: operand(value)?,
                low: operand(low)?,
                high: operand(high)?,
                negated: *negated,
            },
            Self::IsNull {
                operand: value,
                negated,
            } => Self::IsNull {
                operand: operand(value)?,
                negated: *negated,
            },
            Self::Like {
                operand: value,
                pattern,
                case_insensitive,
                negated,
            } => Self::Like {
                operand: operand(value)?,
                pattern: pattern.clone(),
                case_insensitive: *case_insensitive,
                negated: *negated,
            },
            Self::HasRole(role) => Self::HasRole(role.clone()),
            Self::Flag(column) => Self::Flag(rename(column)?),
        })
    }

    fn mentioned<'a>(
        &'a self,
        select: impl Fn(Mention<'a>) -> Option<&'a str>,
    ) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        self.visit(&mut |mention| found.extend(select(mention)));
        found
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(Mention<'a>)) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.visit(see)),
            Self::Not(inner) => inner.visit(see),
            Self::Compare { left, op: _, right } => {
                see(Mention::Operand(left));
                see(Mention::Operand(right));
            }
            Self::In {
                operand,
                list,
                negated: _,
            } => {
                see(Mention::Operand(operand));
                list.iter().for_each(|item| see(Mention::Operand(item)));
            }
            Self::Between {
                operand,
                low,
                high,
                negated: _,
            } => {
                for part in [operand, low, high] {
                    see(Mention::Operand(part));
                }
            }
            Self::IsNull {
                operand,
                negated: _,
            }
            | Self::Like {
                operand,
                pattern: _,
                case_insensitive: _,
                negated: _,
            } => see(Mention::Operand(operand)),
            Self::HasRole(role) => see(Mention::Role(role)),
            Self::Flag(column) => see(Mention::Flag(column)),
        }
    }
}

/// What a predicate names.
enum Mention<'a> {
    Operand(&'a Operand),
    Role(&'a str),
    Flag(&'a str),
}
