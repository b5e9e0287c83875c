//! How records are linked with owners and groups, with what they hang on, and what hangs on them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An owner: `"owner_id"`, `{ column, key, nobody }` or `{ table, record, user, key, where, counts }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "this is no owner: write \"column\", { column, key } or { table, record, user, key }"
)]
pub enum OwnerLink {
    /// A column with the owner's `user` key.
    Plain(String),
    /// A column with a key of the owner.
    Column {
        /// The column.
        column: String,
        /// Which key it holds. Left out: `user`.
        key: Option<String>,
        /// Values that stand for nobody, beside NULL: whose record holds one of them has no owner.
        #[serde(default)]
        nobody: Vec<String>,
    },
    /// A link table: a record may have many owners.
    Table {
        /// The link table.
        table: String,
        /// Its column with the record's key.
        record: String,
        /// Its column with a key of the owner.
        user: String,
        /// Which key `user` holds. Left out: `user`.
        key: Option<String>,
        /// Which rows link records of this module: a predicate over the table's columns. A table
        /// that serves several modules has one for each.
        #[serde(rename = "where")]
        filter: Option<String>,
        /// Which of those rows count: the others, such as those marked as deleted, link nothing, and
        /// are read and written like the rest.
        counts: Option<String>,
    },
}

/// A group: `"team_id"` or `{ table, record, group, where, counts }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "this is no group: write \"column\" or { table, record, group }"
)]
pub enum GroupLink {
    /// A column with the group's key.
    Plain(String),
    /// A link table: a record may be filed under many groups.
    Table {
        /// The link table.
        table: String,
        /// Its column with the record's key.
        record: String,
        /// Its column with the group's key.
        group: String,
        /// Which rows link records of this module: a predicate over the table's columns. A table
        /// that serves several modules has one for each.
        #[serde(rename = "where")]
        filter: Option<String>,
        /// Which of those rows count: the others, such as those marked as deleted, link nothing, and
        /// are read and written like the rest.
        counts: Option<String>,
    },
}

/// What a record hangs on: `{ module, column }`, or polymorphic: `{ column, type, modules }`, or
/// `{ column, separator, modules }` where one column holds type and key, or by a link table:
/// `{ module, table, record, parent, where, counts }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "this is no parent: write { module, column }, { column, type, modules }, { column, separator, modules } or { module, table, record, parent }"
)]
pub enum ParentLink {
    /// A column with the key of a record of one module.
    Plain {
        /// The module.
        module: String,
        /// The column with its record's key.
        column: String,
    },
    /// A column with a key, and another that tells of what.
    Polymorphic {
        /// The column with the record's key.
        column: String,
        /// The column that tells the module.
        #[serde(rename = "type")]
        type_column: String,
        /// What the type column says (as text) → module.
        modules: BTreeMap<String, String>,
    },
    /// A column with type and key, such as `party.party,12`.
    Joined {
        /// The column (text).
        column: String,
        /// What stands between the type and the key.
        separator: String,
        /// The type → module.
        modules: BTreeMap<String, String>,
    },
    /// A link table: a record may hang on many of one module.
    Table {
        /// The module.
        module: String,
        /// The link table.
        table: String,
        /// Its column with the key of the record that hangs.
        record: String,
        /// Its column with the key of the record that it hangs on.
        parent: String,
        /// Which rows link records of this module: a predicate over the table's columns. A table
        /// that serves several modules has one for each.
        #[serde(rename = "where")]
        filter: Option<String>,
        /// Which of those rows count: the others, such as those marked as deleted, link nothing, and
        /// are read and written like the rest.
        counts: Option<String>,
    },
}

/// A child: a table that follows the record it hangs on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// The table.
    pub table: String,
    /// Its column with the key of what it hangs on: the record, or the child above.
    pub column: String,
    /// The column by which its own children name it. Left out: the primary key.
    pub key: Option<String>,
    /// Which rows hang there: a predicate over the table's columns. A table whose rows hang on
    /// records of several modules is a child of each, with one for each.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// Tables that hang on this one, to any depth.
    #[serde(default)]
    pub children: Vec<Child>,
}
