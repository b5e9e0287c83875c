//! Compiles the policy into row security: plain SQL that is the same whoever asks.
//!
//! What a role may is not in it. The functions of the schema `celador` answer for whoever asks,
//! so giving a role or moving a user needs no DDL.

mod terms;

use crate::action::Action;
use crate::policy_set::{CellRef, Column, GroupPlace, Link, LinkKind, Owner, Placement, PolicySet};
use crate::quote;
use crate::schema::TableName;

use terms::{as_text, child_in_reach, record_in_reach, text};
pub use terms::{
    can_be_given, claim_only_restrictions, creator_is_me, no_owner_sql, one_scope, predicate_sql,
    reach_and_restrictions, reach_sql, reach_terms, readable, restriction_terms,
};

/// The command that a row policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// All commands.
    All,
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

/// One row policy of a table. All of Celador's are restrictive: they narrow, and nothing that is
/// added later widens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPolicy {
    /// Its name.
    pub name: &'static str,
    /// The command.
    pub command: Command,
    /// Which rows are seen.
    pub using: Option<String>,
    /// Which rows may be written.
    pub check: Option<String>,
}

/// The name of the permissive policy that stands beside the restrictive ones where the CRM has
/// none of its own.
pub const PERMISSIVE: &str = "celador_open";
/// The policy for reading; the extension treats its copies in the checks of writes apart.
pub const READ: &str = "celador_read";
/// The policy for adding rows.
pub const CREATE: &str = "celador_create";
/// The policy for changing rows.
pub const UPDATE: &str = "celador_update";
/// The policy for removing rows.
pub const DELETE: &str = "celador_delete";
/// The policy of a table that nobody reaches.
pub const CLOSED: &str = "celador_closed";

const COVERED: &str = "celador.covered()";

impl RowPolicy {
    /// The statement that makes the policy.
    ///
    /// ```sql
    /// CREATE POLICY "celador_read" ON "public"."contacts" AS RESTRICTIVE FOR SELECT TO PUBLIC USING (…)
    /// ```
    pub fn create(&self, table: &TableName) -> String {
        let command = match self.command {
            Command::All => "ALL",
            Command::Select => "SELECT",
            Command::Insert => "INSERT",
            Command::Update => "UPDATE",
            Command::Delete => "DELETE",
        };
        let mut sql = format!(
            "CREATE POLICY {} ON {} AS RESTRICTIVE FOR {command} TO PUBLIC",
            quote::name(self.name),
            table.sql()
        );
        if let Some(using) = &self.using {
            sql.push_str(&format!(" USING ({using})"));
        }
        if let Some(check) = &self.check {
            sql.push_str(&format!(" WITH CHECK ({check})"));
        }
        sql
    }
}

/// The row policies of a table; none for an open one.
pub fn row_policies(set: &PolicySet, table: &TableName) -> Vec<RowPolicy> {
    match set.tables.get(table) {
        None | Some(Placement::Closed) => vec![RowPolicy {
            name: CLOSED,
            command: Command::All,
            using: Some(format!("{COVERED} AND false")),
            check: None,
        }],
        Some(Placement::Open) => Vec::new(),
        Some(Placement::Readable) => {
            let never = format!("{COVERED} AND false");
            policies(
                covered_read(set, &Placement::Readable),
                never.clone(),
                never.clone(),
                never,
            )
        }
        Some(Placement::Module(module)) => module_policies(set, module),
        Some(
            placement @ Placement::Child {
                module,
                column,
                above,
                ..
            },
        ) => {
            let cell = set.writing_cell(module, &CellRef::Action(Action::Update));
            let write = format!(
                "{COVERED} AND {}",
                follows(module, above.as_ref(), &cell, "", column)
            );
            policies(
                covered_read(set, placement),
                write.clone(),
                write.clone(),
                write,
            )
        }
        Some(
            placement @ Placement::Link {
                module,
                kind,
                index,
            },
        ) => {
            let Some(link) = link(set, module, *kind, *index) else {
                return closed();
            };
            let kind = match kind {
                LinkKind::Owner => "owner",
                LinkKind::Group => "group",
            };
            let write = format!(
                "{COVERED} AND celador.may_link({}, {}, {index}, {}, {})",
                text(module),
                text(kind),
                as_text("", &link.record),
                as_text("", &link.other)
            );
            policies(
                covered_read(set, placement),
                write.clone(),
                write.clone(),
                write,
            )
        }
    }
}

fn link<'a>(set: &'a PolicySet, module: &str, kind: LinkKind, index: usize) -> Option<&'a Link> {
    let module = set.modules.get(module)?;
    match kind {
        LinkKind::Owner => match module.owners.get(index)? {
            Owner::Link(link, _) => Some(link),
            Owner::Column(_) => None,
        },
        LinkKind::Group => match module.groups.get(index)? {
            GroupPlace::Link(link) => Some(link),
            GroupPlace::Column(_) => None,
        },
    }
}

fn covered_read(set: &PolicySet, placement: &Placement) -> String {
    format!("{COVERED} AND {}", read_sql(set, placement, ""))
}

/// Which rows of a table that is placed so are read. `alias` is put before the columns: empty, or
/// a name with its dot.
///
/// A table that hangs on accounts by its column `account`:
///
/// ```sql
/// celador.record_in_reach('accounts'::pg_catalog.text, 'read'::pg_catalog.text, CAST(r."account" AS pg_catalog.text))
/// ```
pub fn read_sql(set: &PolicySet, placement: &Placement, alias: &str) -> String {
    let read = CellRef::Action(Action::Read);
    match placement {
        Placement::Closed => "false".to_owned(),
        Placement::Open => "true".to_owned(),
        Placement::Module(module) => readable(set, module, alias),
        Placement::Readable => "celador.is_known()".to_owned(),
        Placement::Child {
            module,
            column,
            above,
            ..
        } => follows(module, above.as_ref(), &read, alias, column),
        Placement::Link {
            module,
            kind,
            index,
        } => link(set, module, *kind, *index).map_or_else(
            || "false".to_owned(),
            |link| record_in_reach(module, &read, alias, &link.record),
        ),
    }
}

/// What a row of a child hangs on is in reach: a record of the module, or through the child `above`.
fn follows(
    module: &str,
    above: Option<&TableName>,
    cell: &CellRef,
    alias: &str,
    column: &Column,
) -> String {
    match above {
        None => record_in_reach(module, cell, alias, column),
        Some(above) => child_in_reach(above, cell, alias, column),
    }
}

fn closed() -> Vec<RowPolicy> {
    vec![RowPolicy {
        name: CLOSED,
        command: Command::All,
        using: Some(format!("{COVERED} AND false")),
        check: None,
    }]
}

fn policies(read: String, create: String, update: String, delete: String) -> Vec<RowPolicy> {
    vec![
        RowPolicy {
            name: READ,
            command: Command::Select,
            using: Some(read),
            check: None,
        },
        RowPolicy {
            name: CREATE,
            command: Command::Insert,
            using: None,
            check: Some(create),
        },
        RowPolicy {
            name: UPDATE,
            command: Command::Update,
            using: Some(update.clone()),
            check: Some(update),
        },
        RowPolicy {
            name: DELETE,
            command: Command::Delete,
            using: Some(delete),
            check: None,
        },
    ]
}

fn module_policies(set: &PolicySet, name: &str) -> Vec<RowPolicy> {
    let module = &set.modules[name];
    let within = |action: Action| reach_and_restrictions(set, name, &CellRef::Action(action), "");
    let mut create = format!("{COVERED} AND {}", within(Action::Create));
    if let Some(creator) = &module.creator {
        create.push_str(&format!(" AND {}", creator_is_me(creator, "")));
    }
    let mut update = vec![within(Action::Update)];
    if can_be_given(module) {
        update.push(within(Action::Assign));
    }
    if !module.owners.is_empty() {
        update.push(within(Action::Claim));
    }
    let update = format!("{COVERED} AND ({})", update.join(" OR "));
    let delete = format!("{COVERED} AND {}", within(Action::Delete));
    let read = covered_read(set, &Placement::Module(name.to_owned()));
    let mut policies = policies(read, create, update, delete);
    // What a row may become is decided from what it was: by the guard, a trigger. The hook takes
    // this out only where it has seen the guard.
    policies[2].check = Some(COVERED.to_owned());
    policies
}
