//! Where a table belongs, and which of its rows belong there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::policy_set::Column;
use crate::predicate::{Predicate, RenderedColumn};
use crate::quote;
use crate::schema::TableName;

/// Where a table belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// It holds records of a module.
    Module(String),
    /// It follows the records of a module.
    Child {
        /// The module.
        module: String,
        /// The column with the key of what it hangs on.
        column: Column,
        /// The child that it hangs on; `None`: the record itself.
        #[serde(default)]
        above: Option<TableName>,
        /// The column by which its own children name it.
        #[serde(default)]
        key: Option<Column>,
    },
    /// It links the records of a module with their owners or groups, or with what they hang on.
    Link {
        /// The module.
        module: String,
        /// Which kind of link.
        kind: LinkKind,
        /// Which of the module's owners, groups or parents it is, counted from 0.
        index: usize,
    },
    /// Its rows belong to several places, or only some of them to one. A row is in reach where
    /// every place that it belongs to says so; one that belongs nowhere is out of reach.
    Parts(Vec<Part>),
    /// Read by whoever is signed in, written by nobody but maintenance roles.
    Readable,
    /// As the database's own grants say.
    Open,
    /// Nobody but maintenance roles.
    Closed,
}

/// The rows of a table that belong to one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which rows.
    pub rows: RowFilter,
    /// The place: a module, a child or a link.
    pub place: Placement,
}

/// What a link table links records with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkKind {
    /// Owners.
    Owner,
    /// Groups.
    Group,
    /// Records that they hang on.
    Parent,
}

impl LinkKind {
    /// The name by which generated SQL calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Group => "group",
            Self::Parent => "parent",
        }
    }
}

/// A condition on the rows of a table, whoever asks: columns of PostgreSQL's own types, and literals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFilter {
    /// The condition.
    pub predicate: Predicate,
    /// The types of its columns.
    pub types: BTreeMap<String, String>,
}

impl RowFilter {
    /// The condition, true or false. `alias` is put before the columns: empty, or a name with its dot.
    ///
    /// ```sql
    /// (("kind" OPERATOR(pg_catalog.=) 'Account'::pg_catalog.text) IS TRUE)
    /// ```
    pub fn sql(&self, alias: &str) -> String {
        let columns = |name: &str| {
            Some(RenderedColumn {
                sql: format!("{alias}{}", quote::name(name)),
                type_name: self.types.get(name)?.clone(),
            })
        };
        // The check has rendered it before; what can't be rendered lets nothing through.
        self.predicate.render(&columns).map_or_else(
            |_| "false".to_owned(),
            |condition| format!("({condition} IS TRUE)"),
        )
    }

    /// The columns that decide.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }
}

impl Placement {
    /// The places of the rows; those of a table that isn't split are all in one.
    pub fn places(&self) -> Vec<(Option<&RowFilter>, &Self)> {
        match self {
            Self::Parts(parts) => parts
                .iter()
                .map(|part| (Some(&part.rows), &part.place))
                .collect(),
            Self::Module(_)
            | Self::Child { .. }
            | Self::Link { .. }
            | Self::Readable
            | Self::Open
            | Self::Closed => vec![(None, self)],
        }
    }

    /// The module that the place is about.
    fn module(&self) -> Option<&str> {
        match self {
            Self::Module(module) | Self::Child { module, .. } | Self::Link { module, .. } => {
                Some(module)
            }
            Self::Parts(_) | Self::Readable | Self::Open | Self::Closed => None,
        }
    }

    /// The modules whose records decide who reaches the rows.
    pub fn modules(&self) -> BTreeSet<&str> {
        let places = self.places();
        places
            .into_iter()
            .filter_map(|(_, place)| place.module())
            .collect()
    }

    /// The modules whose records the rows are.
    pub fn holds(&self) -> Vec<&str> {
        let places = self.places();
        places
            .into_iter()
            .filter_map(|(_, place)| match place {
                Self::Module(module) => Some(module.as_str()),
                Self::Child { .. }
                | Self::Link { .. }
                | Self::Parts(_)
                | Self::Readable
                | Self::Open
                | Self::Closed => None,
            })
            .collect()
    }
}
