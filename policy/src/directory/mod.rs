//! The directory: users, groups, memberships, roles held, shares and values of settings.
//!
//! The same texts of SQL read it, through either door: [`PersonStatements`] tell about one person
//! what becomes [`Facts`].

pub mod concerned;
pub mod everybody;
mod facts;
mod fragment;
pub mod listing;
mod person;
mod reader;
mod sets;
pub mod sql;
pub mod tree;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use facts::{Facts, GroupNode, HeldRole, SettingValue, Share, ShareLevel};
pub use person::{Ask, Asked, PersonStatements, Unreadable};

use crate::policy_set::{Column, KeyColumn};
use crate::predicate::Predicate;
use crate::schema::TableName;

/// Where the directory is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Directory {
    /// The people.
    pub users: Users,
    /// The groups.
    pub groups: Groups,
    /// Who is in which group.
    pub memberships: Vec<Membership>,
    /// Who holds which role.
    pub roles_held: Vec<RoleHeld>,
    /// Which records are given to whom.
    pub shares: Vec<SharedFrom>,
    /// Values of settings.
    pub settings: Settings,
}

/// A table that is read, and which of its rows count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The table.
    pub table: TableName,
    /// Which rows count.
    pub filter: Option<Predicate>,
    /// The types of the filter's columns.
    pub filter_types: BTreeMap<String, String>,
}

/// The people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Users {
    /// The table.
    pub source: Source,
    /// Key name → column. Always has `user`.
    pub keys: BTreeMap<String, Column>,
    /// Key name → where else it is.
    pub more_keys: BTreeMap<String, Elsewhere>,
    /// The database role that a person logs in as.
    pub login: Option<Told>,
    /// What says whether the person is active: each must say so.
    pub active: Vec<Active>,
    /// Who supervises whom.
    pub supervision: Option<Supervision>,
    /// Attribute → where it is told.
    pub attributes: BTreeMap<String, Told>,
}

/// Where something is told of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Told {
    /// In a column of the users' table.
    Column(Column),
    /// In another table.
    Table(Box<ToldElsewhere>),
}

/// A table that tells something of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToldElsewhere {
    /// The table.
    pub source: Source,
    /// The person.
    pub user: KeyColumn,
    /// Its column with what is told.
    pub value: Column,
}

/// Something that says whether a person is active.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Active {
    /// A column of the users' table.
    Column(Column),
    /// Another table.
    Table(Box<ActiveTable>),
}

/// A table with a row of each active person; all of the person's rows say so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveTable {
    /// The table.
    pub source: Source,
    /// The person.
    pub user: KeyColumn,
    /// What says so; `None`: a row is enough.
    pub column: Option<Column>,
}

/// Who supervises whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Supervision {
    /// A column of the users' table holds a key of the supervisor, one of those in the same table.
    Column(KeyColumn),
    /// Another table holds a key of both.
    Table(Box<SupervisionTable>),
}

/// A table that tells who supervises whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SupervisionTable {
    /// The table.
    pub source: Source,
    /// The person.
    pub user: Column,
    /// Who is above.
    pub supervisor: Column,
    /// Which key both hold.
    pub key: String,
}

/// A value of a person that another table keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The table.
    pub source: Source,
    /// Its column with the person's `user` key.
    pub user: Column,
    /// Its column with the value.
    pub value: Column,
}

/// The groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Groups {
    /// The table.
    pub source: Source,
    /// The group's key.
    pub key: Column,
    /// Its name.
    pub name: Option<Column>,
    /// The group above.
    pub parent: Option<Column>,
}

/// Who is in which group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The table.
    pub source: Source,
    /// The person.
    pub user: KeyColumn,
    /// The group.
    pub group: Column,
}

/// Who holds which role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleHeld {
    /// The table.
    pub source: Source,
    /// A person or a group.
    pub holder: Holder,
    /// The column that tells the role.
    pub role: Column,
    /// What it says → role; `None`: it says the role's name.
    pub map: Option<BTreeMap<String, String>>,
}

/// Who holds a role, or has been given a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// A person.
    User(KeyColumn),
    /// Each member of a group.
    Group(Column),
}

/// Which records are given to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedFrom {
    /// The table.
    pub source: Source,
    /// The module of the records.
    pub module: Said,
    /// The record's key.
    pub record: Column,
    /// To whom.
    pub holder: Holder,
    /// What it allows.
    pub level: Said,
    /// When it ends.
    pub expires: Option<Column>,
}

/// Something that a column says in each row, or that is the same for all rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// By a column.
    Column(Column),
    /// By a column in other words: what it says, as text → what that stands for.
    Words(Column, BTreeMap<String, String>),
    /// Always this.
    Always(String),
}

/// Values of settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The table.
    pub source: Source,
    /// The group; NULL means everybody.
    pub group: Option<Column>,
    /// The setting's name.
    pub setting: Column,
    /// Its value.
    pub value: Column,
}

impl RoleHeld {
    /// The role that a value of the column stands for.
    pub fn role_of<'a>(&'a self, value: &'a str) -> Option<&'a str> {
        match &self.map {
            Some(map) => map.get(value).map(String::as_str),
            None => Some(value),
        }
    }
}

impl Directory {
    /// The columns, by table, that say who a person is and what is in that person's reach: keys,
    /// login, whether active, who is above, attributes, and the group in the people's own table.
    /// Roles and memberships in tables of their own are left out.
    pub fn identifying(&self) -> BTreeMap<TableName, BTreeSet<String>> {
        let mut columns = self.of_people();
        let people = &self.users.source.table;
        let groups = self
            .memberships
            .iter()
            .filter(|membership| membership.source.table == *people)
            .map(|membership| membership.group.name.clone());
        columns.entry(people.clone()).or_default().extend(groups);
        columns
    }

    /// What is read of the people themselves, wherever it is.
    fn of_people(&self) -> BTreeMap<TableName, BTreeSet<String>> {
        let mut watched: BTreeMap<TableName, BTreeSet<String>> = BTreeMap::new();
        let mut watch = |source: &Source, columns: Vec<Option<&Column>>| {
            let entry = watched.entry(source.table.clone()).or_default();
            entry.extend(
                columns
                    .into_iter()
                    .flatten()
                    .map(|column| column.name.clone()),
            );
            entry.extend(source.filter_types.keys().cloned());
        };
        let users = &self.users;
        let mut columns: Vec<Option<&Column>> = users.keys.values().map(Some).collect();
        for told in users.attributes.values().chain(&users.login) {
            match told {
                Told::Column(column) => columns.push(Some(column)),
                Told::Table(place) => watch(
                    &place.source,
                    vec![Some(&place.user.column), Some(&place.value)],
                ),
            }
        }
        for active in &users.active {
            match active {
                Active::Column(column) => columns.push(Some(column)),
                Active::Table(place) => watch(
                    &place.source,
                    vec![Some(&place.user.column), place.column.as_ref()],
                ),
            }
        }
        match &users.supervision {
            None => {}
            Some(Supervision::Column(supervisor)) => columns.push(Some(&supervisor.column)),
            Some(Supervision::Table(tree)) => {
                watch(&tree.source, vec![Some(&tree.user), Some(&tree.supervisor)]);
            }
        }
        watch(&users.source, columns);
        for place in users.more_keys.values() {
            watch(&place.source, vec![Some(&place.user), Some(&place.value)]);
        }
        watched
    }

    /// The tables that the directory is read from, with the columns that matter: a change of
    /// any other column changes nobody's access.
    pub fn watched(&self) -> BTreeMap<TableName, BTreeSet<String>> {
        let mut watched: BTreeMap<TableName, BTreeSet<String>> = self.of_people();
        let mut watch = |source: &Source, columns: Vec<Option<&Column>>| {
            let entry = watched.entry(source.table.clone()).or_default();
            entry.extend(
                columns
                    .into_iter()
                    .flatten()
                    .map(|column| column.name.clone()),
            );
            entry.extend(source.filter_types.keys().cloned());
        };
        let groups = &self.groups;
        watch(
            &groups.source,
            vec![
                Some(&groups.key),
                groups.name.as_ref(),
                groups.parent.as_ref(),
            ],
        );
        for membership in &self.memberships {
            watch(
                &membership.source,
                vec![Some(&membership.user.column), Some(&membership.group)],
            );
        }
        for held in &self.roles_held {
            watch(
                &held.source,
                vec![Some(held.holder.column()), Some(&held.role)],
            );
        }
        for share in &self.shares {
            watch(
                &share.source,
                vec![
                    share.module.column(),
                    Some(&share.record),
                    Some(share.holder.column()),
                    share.level.column(),
                    share.expires.as_ref(),
                ],
            );
        }
        let settings = &self.settings;
        watch(
            &settings.source,
            vec![
                settings.group.as_ref(),
                Some(&settings.setting),
                Some(&settings.value),
            ],
        );
        watched
    }
}

impl Holder {
    /// The column with the holder's key.
    pub fn column(&self) -> &Column {
        match self {
            Self::User(user) => &user.column,
            Self::Group(group) => group,
        }
    }
}

impl Said {
    fn column(&self) -> Option<&Column> {
        match self {
            Self::Column(column) | Self::Words(column, _) => Some(column),
            Self::Always(_) => None,
        }
    }
}
