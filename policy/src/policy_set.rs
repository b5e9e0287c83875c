//! The checked policy: what the extension and the proxy take.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::directory::Directory;
use crate::document::{ModuleMode, NoIdentity, ScopeName};
use crate::field::{Field, FieldPermissions};
use crate::permissions::{self, Permissions};
use crate::predicate::Predicate;
use crate::schema::TableName;

pub use crate::cell::{CellRef, GrantScope, Via};
pub use crate::placement::{LinkKind, Part, Placement, RowFilter};

/// A policy in which every name is known, every scope can be decided, and every table is placed.
/// Only [`crate::check::check`] makes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicySet {
    /// The modules.
    pub modules: BTreeMap<String, Module>,
    /// Where each table of the listed schemas belongs.
    #[serde(with = "as_pairs")]
    pub tables: BTreeMap<TableName, Placement>,
    /// The schemas in which every table is placed.
    pub schemas: Vec<String>,
    /// The roles.
    pub roles: BTreeMap<String, Role>,
    /// What roles may.
    #[serde(with = "permissions")]
    pub permissions: Permissions,
    /// The restrictions by name.
    pub restrictions: BTreeMap<String, Restriction>,
    /// The settings by name.
    pub settings: BTreeMap<String, Setting>,
    /// Where users, groups, memberships and roles held are read.
    pub directory: Directory,
    /// What a session without any identity gets.
    #[serde(default)]
    pub no_identity: NoIdentity,
    /// How many groups there may be.
    pub group_limit: Option<u32>,
    /// How many administrators are right; a check says so where there are more.
    #[serde(default)]
    pub administrator_limit: Option<u32>,
    /// After how many days another access review is due.
    #[serde(default)]
    pub review_days: Option<u32>,
    /// Module → field → what is known of it.
    #[serde(default)]
    pub fields: BTreeMap<String, BTreeMap<String, Field>>,
    /// Module → the columns that its tables had when the policy was checked, where any field is masked.
    #[serde(default)]
    pub known_columns: BTreeMap<String, BTreeSet<String>>,
    /// What roles may do with fields.
    #[serde(default, with = "permissions")]
    pub field_permissions: FieldPermissions,
    /// Modules of the matrix that the mapping lacks, and fields as `module.field`.
    pub unmapped: BTreeSet<String>,
}

/// A column of a known type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type below any domain, qualified, as `pg_catalog.int4`.
    pub type_name: String,
}

impl Column {
    /// A column from its name and its type.
    pub(crate) fn of((name, type_name): (&String, &String)) -> Self {
        Self {
            name: name.clone(),
            type_name: type_name.clone(),
        }
    }
}

/// A module of the matrix that the mapping places.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// The tables, all with the columns named below.
    pub tables: Vec<TableName>,
    /// Which rows of them are its records; `None`: all.
    #[serde(default)]
    pub rows: Option<RowFilter>,
    /// The column by which other tables name a record.
    pub key: Option<Column>,
    /// Whose record it is.
    pub owners: Vec<Owner>,
    /// Who created it.
    pub creator: Option<KeyColumn>,
    /// Under which groups it is filed.
    pub groups: Vec<GroupPlace>,
    /// What it hangs on.
    pub parents: Vec<Parent>,
    /// Columns that may change when a record is claimed.
    pub touch: Vec<String>,
    /// Writing its rows is the action `customise`.
    pub configuration: bool,
    /// Whether it is enforced.
    #[serde(default)]
    pub mode: ModuleMode,
    /// Predicates of the rules that speak of this module, over its columns.
    pub rules: BTreeMap<String, Predicate>,
    /// The types of the columns that rules and restrictions name.
    pub column_types: BTreeMap<String, String>,
}

/// A column that holds a key of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// The column.
    pub column: Column,
    /// Which key of the person, for example `user`.
    pub key: String,
}

/// A column that holds a key of the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerColumn {
    /// The column.
    pub column: Column,
    /// Which key of the person.
    pub key: String,
    /// What stands for nobody, beside NULL: values as PostgreSQL prints them.
    #[serde(default)]
    pub nobody: Vec<String>,
}

/// Where a record's owner is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// In a column of the record.
    Column(OwnerColumn),
    /// In a link table.
    Link(Box<Link>, String),
}

/// Where a record's group is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupPlace {
    /// In a column of the record.
    Column(Column),
    /// In a link table.
    Link(Box<Link>),
}

/// A link table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The table.
    pub table: TableName,
    /// The column with the record's key.
    pub record: Column,
    /// The column with the key of the owner, the group or the record above.
    pub other: Column,
    /// Which rows link records of the module; `None`: all.
    #[serde(default)]
    pub rows: Option<RowFilter>,
    /// Which of those count; `None`: all.
    #[serde(default)]
    pub counts: Option<RowFilter>,
}

impl Link {
    /// What must hold for a row to link something, with what stands before its columns.
    pub fn conditions(&self, alias: &str) -> Vec<String> {
        let filters = [&self.rows, &self.counts].into_iter().flatten();
        filters.map(|filter| filter.sql(alias)).collect()
    }
}

/// What a record hangs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The column with the parent's key; with a link table, the record's own key.
    pub column: Column,
    /// Which module's record it is.
    pub target: ParentTarget,
}

/// Which module's record a parent column names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParentTarget {
    /// Always this one's.
    Module(String),
    /// What a type column says.
    ByType {
        /// The type column.
        column: Column,
        /// Its values, as text → module.
        modules: BTreeMap<String, String>,
    },
    /// What stands before the key in the same column. No type with the separator begins another.
    Joined {
        /// What stands between them.
        separator: String,
        /// The type → module.
        modules: BTreeMap<String, String>,
    },
    /// This one's, which a link table tells: a record may hang on many.
    Linked {
        /// The module.
        module: String,
        /// The link table.
        link: Box<Link>,
    },
}

impl Module {
    /// The columns of its tables that decide who reaches a row: while they stay as they are, so do
    /// those who reach it, and what restricts them.
    pub fn deciding_columns(&self) -> BTreeSet<&str> {
        let placing = self.placing_columns().map(|column| column.name.as_str());
        let named = self.column_types.keys().map(String::as_str);
        let filtered = self.rows.iter().flat_map(RowFilter::columns);
        placing.chain(named).chain(filtered).collect()
    }

    /// The columns that hold an owner's key; link tables go by the record's.
    pub fn owner_columns(&self) -> impl Iterator<Item = &OwnerColumn> {
        self.owners.iter().filter_map(|owner| match owner {
            Owner::Column(owner) => Some(owner),
            Owner::Link(..) => None,
        })
    }

    /// The columns that hold a group's key; link tables go by the record's.
    pub fn group_columns(&self) -> impl Iterator<Item = &Column> {
        self.groups.iter().filter_map(|group| match group {
            GroupPlace::Column(group) => Some(group),
            GroupPlace::Link(_) => None,
        })
    }

    /// The columns that say whose a record is, under which groups it is filed, what it hangs on, and
    /// by which it is named.
    pub fn placing_columns(&self) -> impl Iterator<Item = &Column> {
        let owners = self.owner_columns().map(|owner| &owner.column);
        let parents = self.parents.iter().flat_map(|parent| {
            let kind = match &parent.target {
                ParentTarget::ByType { column, .. } => Some(column),
                ParentTarget::Module(_)
                | ParentTarget::Joined { .. }
                | ParentTarget::Linked { .. } => None,
            };
            [Some(&parent.column), kind].into_iter().flatten()
        });
        let creator = self.creator.iter().map(|creator| &creator.column);
        (self.key.iter().chain(owners).chain(self.group_columns()))
            .chain(parents)
            .chain(creator)
    }
}

impl Parent {
    /// The modules whose records this may name.
    pub fn modules(&self) -> Vec<&str> {
        match &self.target {
            ParentTarget::Module(module) | ParentTarget::Linked { module, .. } => vec![module],
            ParentTarget::ByType { modules, .. } | ParentTarget::Joined { modules, .. } => {
                modules.values().map(String::as_str).collect()
            }
        }
    }

    /// The module and the key of the record that a row names: what its column holds and, where
    /// there is one, its type column. Nothing where a link table tells.
    pub fn record<'a>(&'a self, value: &'a str, kind: Option<&str>) -> Option<(&'a str, &'a str)> {
        match &self.target {
            ParentTarget::Module(module) => Some((module, value)),
            ParentTarget::Linked { .. } => None,
            ParentTarget::ByType { modules, .. } => Some((modules.get(kind?)?, value)),
            ParentTarget::Joined { separator, modules } => {
                modules.iter().find_map(|(kind, module)| {
                    let key = value
                        .strip_prefix(kind.as_str())?
                        .strip_prefix(separator.as_str())?;
                    Some((module.as_str(), key))
                })
            }
        }
    }
}

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its last active holder can't lose it.
    pub keep_last_holder: bool,
    /// Whoever holds all of these holds this role too.
    pub implied_by: BTreeSet<String>,
}

/// What one scope of a cell grants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// The rows.
    pub scope: GrantScope,
    /// It counts only while this setting is on.
    pub when: Option<String>,
    /// For `assign`: the new owner or group must be in one of these.
    pub to: Option<BTreeSet<ScopeName>>,
    /// For `read`: how many rows one statement may return to those without `export`.
    #[serde(default)]
    pub rows: Option<u64>,
}

/// What must hold beside every permission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restriction {
    /// Members of these groups, and of groups below them, by key or name.
    pub groups: BTreeSet<String>,
    /// These people, by `user` key or login.
    pub users: BTreeSet<String>,
    /// It applies only while this setting is on.
    pub when: Option<String>,
    /// The actions that it narrows.
    pub actions: BTreeSet<Action>,
    /// Module → what must hold; `None` closes the module.
    pub modules: BTreeMap<String, Option<Predicate>>,
}

/// A switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its value where none is set.
    pub default: bool,
    /// The roles whose holders may set it.
    pub set_by: BTreeSet<String>,
}

impl Restriction {
    /// Whether it names nobody, and so applies to everybody.
    pub fn is_for_everybody(&self) -> bool {
        self.groups.is_empty() && self.users.is_empty()
    }
}

impl PolicySet {
    /// Whether what a table so placed holds is observed, not enforced.
    pub fn observes(&self, placement: &Placement) -> bool {
        let modules = match placement {
            Placement::Module(_)
            | Placement::Child { .. }
            | Placement::Link { .. }
            | Placement::Parts(_) => placement.modules(),
            Placement::Readable | Placement::Open | Placement::Closed => return false,
        };
        // One module that is enforced is enough.
        !modules.is_empty()
            && modules.into_iter().all(|module| {
                let module = self.modules.get(module);
                module.is_some_and(|module| module.mode == ModuleMode::Observe)
            })
    }

    /// The action that decides where `action` is asked for: see [`Self::writing_cell`].
    pub fn writing_action(&self, module: &str, action: Action) -> Action {
        match self.writing_cell(module, &CellRef::Action(action)) {
            CellRef::Action(action) => action,
            CellRef::Scopes(_) | CellRef::AssignTo(_) | CellRef::Field(..) | CellRef::Grant(..) => {
                action
            }
        }
    }

    /// What a role's cell grants.
    pub fn grants(&self, role: &str, module: &str, action: Action) -> &[Grant] {
        self.permissions
            .get(role)
            .and_then(|modules| modules.get(module))
            .and_then(|actions| actions.get(&action))
            .map_or(&[], Vec::as_slice)
    }

    /// The modules of which a role reads a number of rows at once.
    pub fn limited_modules(&self) -> BTreeSet<&str> {
        let cells = self.permissions.values().flatten();
        let limited = cells.filter(|(_, cells)| {
            let mut read = cells.get(&Action::Read).into_iter().flatten();
            read.any(|grant| grant.rows.is_some())
        });
        limited.map(|(module, _)| module.as_str()).collect()
    }

    /// The scopes that a role's cells name, also those that bound an assignment or are asked of
    /// another record.
    pub fn scopes_of(&self, role: &str) -> BTreeSet<ScopeName> {
        let modules = self.permissions.get(role).into_iter().flatten();
        let grants = modules.flat_map(|(_, actions)| actions.values()).flatten();
        let fields = self.field_permissions.get(role).into_iter().flatten();
        let rights = fields.flat_map(|(_, fields)| fields.values().flat_map(BTreeMap::values));
        let grants = grants.chain(rights.flatten());
        let mut scopes = BTreeSet::new();
        for grant in grants {
            match &grant.scope {
                GrantScope::Plain(scope) => {
                    scopes.insert(*scope);
                }
                GrantScope::Parent(via) | GrantScope::Related(via) => match &via.cell {
                    CellRef::Scopes(written) | CellRef::AssignTo(Some(written)) => {
                        scopes.extend(written);
                    }
                    CellRef::Action(_)
                    | CellRef::AssignTo(None)
                    | CellRef::Field(..)
                    | CellRef::Grant(..) => {}
                },
                GrantScope::Rule(_) => {}
            }
            scopes.extend(grant.to.iter().flatten());
        }
        scopes
    }

    /// The cell that decides where a policy names `cell`: the rows of a configuration module are
    /// written by customising.
    pub fn writing_cell(&self, module: &str, cell: &CellRef) -> CellRef {
        let configuration = self
            .modules
            .get(module)
            .is_some_and(|module| module.configuration);
        match cell {
            CellRef::Action(Action::Create | Action::Update | Action::Delete) if configuration => {
                CellRef::Action(Action::Customise)
            }
            CellRef::Action(_)
            | CellRef::Scopes(_)
            | CellRef::AssignTo(_)
            | CellRef::Field(..)
            | CellRef::Grant(..) => cell.clone(),
        }
    }

    /// The link table of a module's owner, group or parent.
    pub fn link(&self, module: &str, kind: LinkKind, index: usize) -> Option<&Link> {
        let module = self.modules.get(module)?;
        match kind {
            LinkKind::Owner => match module.owners.get(index)? {
                Owner::Link(link, _) => Some(link),
                Owner::Column(_) => None,
            },
            LinkKind::Group => match module.groups.get(index)? {
                GroupPlace::Link(link) => Some(link),
                GroupPlace::Column(_) => None,
            },
            LinkKind::Parent => match &module.parents.get(index)?.target {
                ParentTarget::Linked { link, .. } => Some(link),
                ParentTarget::Module(_)
                | ParentTarget::ByType { .. }
                | ParentTarget::Joined { .. } => None,
            },
        }
    }

    /// The restrictions that speak of a module, with what they demand of its rows.
    pub fn restrictions_on<'a>(
        &'a self,
        module: &'a str,
    ) -> impl Iterator<Item = (&'a str, Option<&'a Predicate>)> {
        self.restrictions
            .iter()
            .filter_map(move |(name, restriction)| {
                let predicate = restriction.modules.get(module)?;
                Some((name.as_str(), predicate.as_ref()))
            })
    }

    /// The modules whose records may hang on records of `module`, with the place of the link
    /// among their parents.
    pub fn pointing_to<'a>(
        &'a self,
        module: &'a str,
    ) -> impl Iterator<Item = (&'a str, usize, &'a Parent)> {
        self.modules.iter().flat_map(move |(name, candidate)| {
            candidate
                .parents
                .iter()
                .enumerate()
                .filter(move |(_, parent)| parent.modules().contains(&module))
                .map(move |(index, parent)| (name.as_str(), index, parent))
        })
    }
}

/// A map as a list of pairs: keys of JSON objects are strings only.
mod as_pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Placement, TableName};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<TableName, Placement>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<TableName, Placement>, D::Error> {
        Ok(Vec::<(TableName, Placement)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}
