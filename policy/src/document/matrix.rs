//! The matrix: who may what. Portable between CRMs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OneOrMany;
use crate::action::Action;

/// Everything in the document beside `[mapping]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(default)]
pub struct Matrix {
    /// `[roles.NAME]`: what is to be said of a role itself.
    pub roles: BTreeMap<String, RoleRule>,
    /// `[permissions.ROLE.MODULE]`: the cells. `"*"` as a module stands for all, later ones too.
    pub permissions: BTreeMap<String, BTreeMap<String, Arc<Cell>>>,
    /// `[rules.NAME]`: named predicates, used as the scope `rule:NAME`.
    pub rules: BTreeMap<String, RuleMap>,
    /// `[restrictions.NAME]`: what must hold beside every permission.
    pub restrictions: BTreeMap<String, Restriction>,
    /// `[settings.NAME]`: switches on groups, inherited down the tree.
    pub settings: BTreeMap<String, SettingRule>,
    /// `[fields.MODULE.FIELD]`: renderings of a field.
    pub fields: BTreeMap<String, BTreeMap<String, FieldRule>>,
    /// `[tags.NAME]`: what fields with the tag are shown as, unless they say otherwise.
    pub tags: BTreeMap<String, TagRule>,
    /// `[limits]`: bounds on the document and the directory.
    pub limits: Limits,
}

/// `[roles.NAME]`: what is to be said of a role itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RoleRule {
    /// What the role is for.
    pub description: String,
    /// The role's last active holder can't lose it.
    pub keep_last_holder: bool,
    /// A user who holds all of these together has this role too.
    pub implied_by: Vec<String>,
}

/// `[permissions.ROLE.MODULE]`: action → scopes. `"*"` as an action stands for all of them, and for
/// every field in its most revealing rendering and for writing.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Cell {
    /// By field: rendering → scopes, and `write` → scopes. `"*"` as a field stands for all of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldCell>,
    /// By tag: the same for each field of the module that has the tag.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, FieldCell>,
    /// The scopes by action.
    #[serde(flatten)]
    pub actions: BTreeMap<String, Vec<Scope>>,
}

/// A scope: `"own"`, or `{ scope = "own", when = "setting" }` with what narrows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Scope {
    /// Only its name.
    Name(String),
    /// A name and what narrows it.
    Term(ScopeTerm),
}

/// A scope with what narrows it.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeTerm {
    /// The scope's name.
    pub scope: String,
    /// It counts only while this setting is on for (one of) the user's groups.
    pub when: Option<String>,
    /// `parent`, `related`: the other record must be in reach for this action.
    pub reach: Option<Action>,
    /// `parent`, `related`: the other record must be in one of these scopes, whatever its cells.
    pub scopes: Option<Vec<String>>,
    /// `parent`, `related`: only by way of this module.
    pub module: Option<String>,
    /// `assign`: the new owner or group must be in one of these scopes.
    pub to: Option<Vec<String>>,
    /// `read`: how many rows of the module one statement may return to those without `export`. All scopes
    /// of a cell have a number, or none; of several numbers the largest counts.
    pub rows: Option<u64>,
}

/// The names of scopes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ScopeName {
    /// I am (one of) its owner(s).
    Own,
    /// I am its creator.
    Created,
    /// An owner is me or anybody under my supervision, transitively.
    Reports,
    /// It is filed under one of my groups.
    Group,
    /// It is filed under one of my groups or a group below them.
    GroupTree,
    /// An owner belongs to one of my groups.
    Colleagues,
    /// An owner belongs to one of my groups or a group below them.
    ColleaguesTree,
    /// It has no owner.
    Unassigned,
    /// A share gives it to me or my group, at a level that covers the action.
    Shared,
    /// The record it hangs on is in reach.
    Parent,
    /// A record of another module that points to it is in reach.
    Related,
    /// Always.
    All,
}

/// `fields.NAME` in a cell: rendering → scopes, and `write` → scopes.
pub type FieldCell = BTreeMap<String, Vec<Scope>>;

/// A field's grant as it is written.
pub type FieldGrant = Vec<Scope>;

/// `[rules.NAME]`: predicate by module.
pub type RuleMap = BTreeMap<String, String>;

/// `[restrictions.NAME]`: what must hold for those whom it names, or for everybody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Restriction {
    /// The members of these groups (keys or names), and of groups below them.
    pub groups: BTreeSet<String>,
    /// Refused: a role that is added would take access away.
    #[schemars(skip)]
    pub roles: BTreeSet<String>,
    /// These people (their `user` keys or logins).
    pub users: BTreeSet<String>,
    /// The module or modules; `"*"` stands for all, later ones too.
    pub module: OneOrMany<String>,
    /// The actions that it narrows. Left out: all of them.
    pub actions: BTreeSet<Action>,
    /// It applies only while this setting is on for (one of) the user's groups.
    pub when: Option<String>,
    /// What must hold for the row. Left out: nothing of the module is in reach.
    pub predicate: Option<String>,
}

/// `[settings.NAME]`: a switch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SettingRule {
    /// Its value where none is set.
    pub default: bool,
    /// The roles whose holders may set it.
    pub set_by: BTreeSet<String>,
}

/// `[fields.MODULE.FIELD]`: renderings of a field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldRule {
    /// The renderings, most revealing first: `clear`, `null`, `constant(TEXT)`, `partial(LEFT,RIGHT)`,
    /// `email`, `hash`, `year`, `month`, `round(NUMBER)`, `function(SCHEMA.NAME)`. Whoever is granted none
    /// sees the last. Left out: what the field's tags say.
    pub renderings: Vec<String>,
    /// What the field holds, for example `personal`.
    pub tags: BTreeSet<String>,
}

/// `[tags.NAME]`: what fields with the tag are shown as, unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TagRule {
    /// The renderings of fields that list none, most revealing first. Where two tags of a field differ,
    /// the field lists its own.
    pub renderings: Vec<String>,
}

/// `[limits]`: bounds on the document and the directory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The closed set of roles: any other role in the matrix is refused.
    pub roles: Option<BTreeSet<String>>,
    /// How many groups there may be in `celador.groups` or the mapped table.
    pub groups: Option<u32>,
    /// How many administrators `celador.check()` finds right; 5 if left out.
    pub administrators: Option<u32>,
    /// After how many days `celador.check()` asks for another access review; 180 if left out.
    pub review_days: Option<u32>,
}

impl ScopeName {
    const NAMES: [(Self, &'static str); 12] = [
        (Self::Own, "own"),
        (Self::Created, "created"),
        (Self::Reports, "reports"),
        (Self::Group, "group"),
        (Self::GroupTree, "group_tree"),
        (Self::Colleagues, "colleagues"),
        (Self::ColleaguesTree, "colleagues_tree"),
        (Self::Unassigned, "unassigned"),
        (Self::Shared, "shared"),
        (Self::Parent, "parent"),
        (Self::Related, "related"),
        (Self::All, "all"),
    ];

    /// The name in documents.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(scope, _)| *scope == self)
            .map_or("", |(_, name)| name)
    }

    /// The scope of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(scope, _)| *scope)
    }
}

impl Scope {
    /// The scope with everything that narrows it.
    pub fn term(&self) -> ScopeTerm {
        match self {
            Self::Name(name) => ScopeTerm {
                scope: name.clone(),
                ..ScopeTerm::default()
            },
            Self::Term(term) => term.clone(),
        }
    }
}
