//! The tables of the report.

use serde::Serialize;

use crate::people::{Division, Level};

/// A table of the report: statements over rows that are in reach by one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// Owners in a column.
    Owner,
    /// Owners in a link table.
    Link,
    /// A tree of groups.
    Tree,
    /// Any of four rules.
    Additive,
    /// Rows that hang on a record.
    Parent,
    /// Records that another points to.
    Related,
    /// Searches by operators that PostgreSQL doesn't trust.
    Search,
    /// Sellers who come one after another, on one session.
    Pool,
}

/// How long a statement may take, as a multiple of what is written by hand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Goal {
    /// This many times as long,
    pub(crate) times: f64,
    /// or this many microseconds longer.
    pub(crate) or_microseconds: f64,
}

impl Group {
    /// All, in the order of the report.
    pub(crate) const ALL: [Self; 8] = [
        Self::Owner,
        Self::Link,
        Self::Tree,
        Self::Additive,
        Self::Parent,
        Self::Related,
        Self::Search,
        Self::Pool,
    ];

    /// Whose rules they are.
    pub(crate) fn division(self) -> Division {
        match self {
            Self::Owner | Self::Link | Self::Parent | Self::Search | Self::Pool => Division::Seller,
            Self::Tree => Division::Territory,
            Self::Additive => Division::Partner,
            Self::Related => Division::Support,
        }
    }

    /// Who asks. The director reaches all contacts, with or without ticket: no peer has a rule that
    /// says so.
    pub(crate) fn levels(self) -> &'static [Level] {
        match self {
            Self::Related => &Level::ALL[..4],
            Self::Owner
            | Self::Link
            | Self::Tree
            | Self::Additive
            | Self::Parent
            | Self::Search
            | Self::Pool => &Level::ALL,
        }
    }

    /// The word for `--only`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Link => "link",
            Self::Tree => "tree",
            Self::Additive => "additive",
            Self::Parent => "parent",
            Self::Related => "related",
            Self::Search => "search",
            Self::Pool => "pool",
        }
    }

    /// The table's title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Owner => "Owner in a column, and everybody below",
            Self::Link => "Owners in a link table",
            Self::Tree => "A tree of groups",
            Self::Additive => "Own, group, shared or rule: any of four",
            Self::Parent => "Notes of contacts (`parent`)",
            Self::Related => "Contacts with a ticket (`related`)",
            Self::Search => "Searches with bound parameters",
            Self::Pool => "Another person in each transaction, on one session",
        }
    }

    /// How long its statements may take.
    pub(crate) const fn goal(self) -> Goal {
        match self {
            Self::Owner | Self::Link | Self::Tree | Self::Additive => Goal {
                times: 1.1,
                or_microseconds: 30.0,
            },
            Self::Parent | Self::Pool => Goal::times(1.3),
            Self::Related => Goal::times(1.5),
            Self::Search => Goal::times(1.25),
        }
    }
}

impl Goal {
    const fn times(times: f64) -> Self {
        Self {
            times,
            or_microseconds: 0.0,
        }
    }
}
