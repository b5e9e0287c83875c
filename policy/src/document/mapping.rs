//! The mapping: where a CRM keeps its users, groups, owners and records.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Child, GroupLink, OneOrMany, OwnerLink, ParentLink};

/// `[mapping]`: where a CRM keeps things. One per CRM, whatever the matrix.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Schemas in which every table is placed: as a module, a child of one, readable, open or closed.
    pub schemas: Vec<String>,
    /// Tables that everybody may use as the database's own grants say. `*` stands for any
    /// characters; a name without a schema is looked for in `schemas`.
    pub open: Vec<String>,
    /// Reference tables: whoever is signed in reads them, nobody but maintenance roles writes them.
    /// Patterns as in `open`.
    pub readable: Vec<String>,
    /// Tables that nobody but maintenance roles reaches. Patterns as in `open`.
    pub closed: Vec<String>,
    /// What a session without any identity gets on a protected table: an `error`, or `empty` tables.
    /// Left out: an error, so that a migration that nobody signed in doesn't report success.
    pub no_identity: Option<NoIdentity>,
    /// The people. Left out: Celador's own tables `celador.users` and `celador.user_keys`.
    pub users: Option<UserSource>,
    /// The groups and their tree. Left out: `celador.groups`.
    pub groups: Option<GroupSource>,
    /// Who is in which group. Left out: `celador.memberships`.
    pub memberships: OneOrMany<MembershipSource>,
    /// Who holds which role. Left out: `celador.roles_held`.
    pub roles_held: OneOrMany<RoleSource>,
    /// Records given to users or groups, beside those in `celador.shares`.
    pub shares: OneOrMany<ShareSource>,
    /// Values of settings. Left out: `celador.setting_values`.
    pub settings: Option<SettingSource>,
    /// The modules: the columns of the matrix.
    pub modules: BTreeMap<String, ModuleMap>,
}

/// What a session without any identity gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoIdentity {
    /// An error.
    #[default]
    Error,
    /// No rows, and no right to write any.
    Empty,
}

/// `[mapping.users]`: the CRM's own table of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSource {
    /// The table, with or without its schema.
    pub table: String,
    /// The keys by which records name a person: key name → column. `user` must be there.
    pub keys: BTreeMap<String, String>,
    /// The database role that a person logs in as: a column, or another table as in `attributes`.
    pub login: Option<ValueSource>,
    /// What says whether the person is active: a column (boolean), or another table. Of several,
    /// each must say so.
    #[serde(default)]
    pub active: OneOrMany<ActiveSource>,
    /// The column with the supervisor's `user` key, or with the key that `supervisor_key` names.
    pub supervisor: Option<String>,
    /// Which key `supervisor` holds. Left out: `user`.
    pub supervisor_key: Option<String>,
    /// Who supervises whom, where another table tells. Instead of `supervisor`.
    pub supervision: Option<SupervisionSource>,
    /// Attributes for predicates: name → a column, or another table. Of several rows there all must
    /// say the same, or the person hasn't the attribute.
    #[serde(default)]
    pub attributes: BTreeMap<String, ValueSource>,
    /// Further keys in other tables: key name → where it is.
    #[serde(default)]
    pub more_keys: BTreeMap<String, KeySource>,
    /// Which rows count: a predicate over the table's columns.
    #[serde(rename = "where")]
    pub filter: Option<String>,
}

/// Something that is told of a person: `"login"` or `{ table, user, column }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "this tells nothing of a person: write \"column\" or { table, user, column }"
)]
pub enum ValueSource {
    /// A column of the users' table.
    Plain(String),
    /// A column of another table.
    Table {
        /// The table.
        table: String,
        /// Its column with a key of the person.
        user: String,
        /// Which key `user` holds. Left out: `user`.
        user_key: Option<String>,
        /// Its column with the value.
        column: String,
        /// Which rows count: a predicate over the table's columns.
        #[serde(rename = "where")]
        filter: Option<String>,
    },
}

/// What says that a person is active: `"is_active"` or `{ table, user, column }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "this says nothing of who is active: write \"column\" or { table, user, column }"
)]
pub enum ActiveSource {
    /// A column of the users' table (boolean).
    Plain(String),
    /// Another table: it must have a row of the person, and all of the person's rows must say so.
    Table {
        /// The table.
        table: String,
        /// Its column with a key of the person.
        user: String,
        /// Which key `user` holds. Left out: `user`.
        user_key: Option<String>,
        /// Its column that says so (boolean). Left out: a row is enough.
        column: Option<String>,
        /// Which rows count: a predicate over the table's columns.
        #[serde(rename = "where")]
        filter: Option<String>,
    },
}

/// `[mapping.users.supervision]`: who supervises whom, in another table. It holds in its own keys:
/// whoever is named there without being among the users supervises and is supervised too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SupervisionSource {
    /// The table.
    pub table: String,
    /// Its column with a key of the person.
    pub user: String,
    /// Which key `user` and `supervisor` hold. Left out: `user`.
    pub user_key: Option<String>,
    /// Its column with the same key of the supervisor.
    pub supervisor: String,
    /// Which rows count: a predicate over the table's columns.
    #[serde(rename = "where")]
    pub filter: Option<String>,
}

/// `[mapping.users.more_keys.NAME]`: a further key of a person, kept in another table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySource {
    /// The table.
    pub table: String,
    /// Its column with the person's `user` key.
    pub user: String,
    /// Its column with the further key.
    pub key: String,
    /// Which rows count: a predicate over the table's columns.
    #[serde(rename = "where")]
    pub filter: Option<String>,
}

/// `[mapping.groups]`: the CRM's own table of groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSource {
    /// The table.
    pub table: String,
    /// The column with the group's key.
    pub key: String,
    /// The column with the group's name, by which restrictions speak of it.
    pub name: Option<String>,
    /// The column with the key of the group above.
    pub parent: Option<String>,
    /// Which rows count: a predicate over the table's columns.
    #[serde(rename = "where")]
    pub filter: Option<String>,
}

/// `[mapping.memberships]`: who is in which group. May be a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipSource {
    /// The table.
    pub table: String,
    /// The column with a key of the person.
    pub user: String,
    /// Which key `user` holds. Left out: `user`.
    pub user_key: Option<String>,
    /// The column with the group's key.
    pub group: String,
    /// Which rows count: a predicate over the table's columns.
    #[serde(rename = "where")]
    pub filter: Option<String>,
}

/// `[mapping.roles_held]`: who holds which role. May be a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleSource {
    /// The table.
    pub table: String,
    /// The column with a key of the person. Either this or `group`.
    pub user: Option<String>,
    /// Which key `user` holds. Left out: `user`.
    pub user_key: Option<String>,
    /// The column with the key of the group that holds the role.
    pub group: Option<String>,
    /// The column that tells the role.
    pub role: String,
    /// What the column says (as text) → role. A value that isn't listed gives no role.
    pub map: BTreeMap<String, String>,
    /// Which rows count: a predicate over the table's columns.
    #[serde(rename = "where")]
    pub filter: Option<String>,
}

/// `[[mapping.shares]]`: a table of the CRM's that gives single records to users or groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareSource {
    /// The table.
    pub table: String,
    /// The module whose records it gives, or the column that tells it, as in `level`.
    pub module: SaidBy,
    /// The column with the record's key.
    pub record: String,
    /// The column with a key of the person. Either this or `group`.
    pub user: Option<String>,
    /// Which key `user` holds. Left out: `user`.
    pub user_key: Option<String>,
    /// The column with the group's key.
    pub group: Option<String>,
    /// What a share allows: `read`, `update` (and read) or `delete` (and both); or the column that
    /// tells it. Left out: `read`.
    #[serde(default = "read")]
    pub level: SaidBy,
    /// The column with the time at which the share ends (timestamptz).
    pub expires: Option<String>,
    /// Which rows count: a predicate over the table's columns.
    #[serde(rename = "where")]
    pub filter: Option<String>,
}

fn read() -> SaidBy {
    SaidBy::Always("read".to_owned())
}

/// Something that is the same for all rows, or that a column says in each: `"read"` or
/// `{ column, map }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "this says nothing: write \"word\" or { column, map }"
)]
pub enum SaidBy {
    /// The same for all rows.
    Always(String),
    /// A column says it.
    Column {
        /// The column.
        column: String,
        /// What it says (as text) → what that stands for. A row that says something else gives
        /// nothing.
        map: BTreeMap<String, String>,
    },
}

/// `[mapping.settings]`: the CRM's own table of switches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingSource {
    /// The table.
    pub table: String,
    /// The column with the group's key; NULL means everybody.
    pub group: Option<String>,
    /// The column with the setting's name.
    pub setting: String,
    /// The column with its value (boolean).
    pub value: String,
}

/// `[mapping.modules.NAME]`: the table or tables of a module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModuleMap {
    /// The table, or several with the same columns (`tables` reads the same).
    #[serde(alias = "tables")]
    pub table: OneOrMany<String>,
    /// Which of their rows are records of this module: a predicate over the columns. A table that
    /// holds records of several modules has one for each.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// The column by which other tables and shares name a record. Left out: the primary key; of
    /// several tables none, for the same key may be in two of them.
    pub key: Option<String>,
    /// Whose record it is: a column, or a link table. Several are allowed.
    pub owner: OneOrMany<OwnerLink>,
    /// The column with the key of the person who created the record.
    pub creator: Option<String>,
    /// Which key `creator` holds. Left out: `user`.
    pub creator_key: Option<String>,
    /// The group under which a record is filed: a column, or a link table. Several are allowed.
    pub group: OneOrMany<GroupLink>,
    /// What a record hangs on.
    pub parent: OneOrMany<ParentLink>,
    /// Tables that have no permissions of their own: they are read with the record that they
    /// hang on, and written by those who may update it.
    pub children: Vec<Child>,
    /// Columns that may change when a record is claimed, such as `updated_at`.
    pub touch: Vec<String>,
    /// The matrix' names of fields → columns, where they differ.
    pub fields: BTreeMap<String, String>,
    /// The rows are configuration: writing them is the action `customise`.
    pub configuration: bool,
    /// `enforce`, or `observe`: nothing of the module is enforced, and what would be hidden or refused
    /// is counted. Left out: `enforce`.
    pub mode: Option<ModuleMode>,
    /// What the CRM has nothing for here: `owner`, `creator`, `group`, `key`, `parent`,
    /// `related`. A scope of the matrix that needs it grants nothing, instead of stopping the load.
    pub lacks: BTreeSet<String>,
}

/// Whether a module is enforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModuleMode {
    /// It is.
    #[default]
    Enforce,
    /// Nothing is hidden or refused; what would be is counted.
    Observe,
}
