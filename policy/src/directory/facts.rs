//! What the directory tells about one person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the directory tells about one person: keys are text, as PostgreSQL prints them. Of the sets
/// `groups_below`, `reports`, `colleagues` and `colleagues_tree` those that no role of the person's
/// asks for are left empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The `user` key.
    pub user: String,
    /// The database role that the person logs in as; `None` where there are several.
    pub login: Option<String>,
    /// All of them, where another table tells.
    #[serde(default)]
    pub logins: Vec<String>,
    /// Whether the person is active.
    pub active: bool,
    /// The person's keys by key name.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Option<String>>,
    /// Roles, held directly or through a group.
    pub roles: Vec<HeldRole>,
    /// The groups that the person is a member of.
    pub groups: Vec<String>,
    /// Those groups and all below them.
    #[serde(default)]
    pub groups_below: Vec<String>,
    /// Those groups and all above them.
    pub group_nodes: Vec<GroupNode>,
    /// Keys of everybody under the person's supervision, by key name.
    #[serde(default)]
    pub reports: BTreeMap<String, Vec<String>>,
    /// Keys of the members of the person's groups, by key name.
    #[serde(default)]
    pub colleagues: BTreeMap<String, Vec<String>>,
    /// Keys of the members of those groups and the groups below them, by key name.
    #[serde(default)]
    pub colleagues_tree: BTreeMap<String, Vec<String>>,
    /// Values of settings for everybody, or for one of `group_nodes`.
    pub settings: Vec<SettingValue>,
    /// Records given to the person or to one of the person's groups, not yet ended.
    pub shares: Vec<Share>,
}

/// A role held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRole {
    /// Which of [`super::Directory::roles_held`] says so, counted from 0.
    pub source: usize,
    /// What its column says.
    pub value: String,
    /// The group through which it is held.
    pub group: Option<String>,
}

/// A group with its place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNode {
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: Option<String>,
    /// The key of the group above.
    pub parent: Option<String>,
}

/// A value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingValue {
    /// The group; `None` is everybody.
    pub group: Option<String>,
    /// The setting.
    pub setting: String,
    /// Its value.
    pub value: bool,
}

/// A record given to the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The module.
    pub module: String,
    /// The record's key.
    pub record: String,
    /// What it allows; a level that isn't known allows nothing.
    pub level: String,
    /// When it ends, in seconds since 1970.
    pub expires: Option<f64>,
    /// The group through which it is given.
    pub group: Option<String>,
}

/// What a share allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShareLevel {
    /// To read.
    Read,
    /// To read and update.
    Update,
    /// To read, update and delete.
    Delete,
}

impl ShareLevel {
    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "update" => Some(Self::Update),
            "delete" => Some(Self::Delete),
            _ => None,
        }
    }
}
