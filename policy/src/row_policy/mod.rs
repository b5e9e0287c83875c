//! Compiles the policy into row security: plain SQL that is the same whoever asks.
//!
//! What a role may is not in it. The functions of the schema `celador` answer for whoever asks,
//! so giving a role or moving a user needs no DDL.

pub mod followed;
mod terms;

use crate::action::Action;
use crate::policy_set::{CellRef, Column, LinkKind, Part, Placement, PolicySet};
use crate::quote;
use crate::schema::TableName;

use terms::{as_text, child_in_reach, record_in_reach, text};
pub use terms::{
    can_be_given, claim_only_restrictions, creator_is_me, no_owner_sql, nobody_owns, predicate_sql,
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

/// What a condition of a row policy demands beside `celador.covered()`.
pub fn uncovered(condition: &str) -> &str {
    if condition == COVERED {
        return "true";
    }
    condition
        .strip_prefix(COVERED)
        .and_then(|rest| rest.strip_prefix(" AND "))
        .unwrap_or(condition)
}

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
        Some(placement) => policies(demands(set, placement)),
    }
}

/// What each command demands of a row.
struct Demands {
    read: String,
    create: String,
    update: String,
    /// What an updated row must satisfy; `None`: the guard decides.
    updated: Option<String>,
    delete: String,
}

impl Demands {
    /// The same for every command that writes.
    fn of(read: String, write: String) -> Self {
        Self {
            read,
            create: write.clone(),
            update: write.clone(),
            updated: Some(write.clone()),
            delete: write,
        }
    }
}

fn demands(set: &PolicySet, placement: &Placement) -> Demands {
    let read = read_sql(set, placement, "");
    match placement {
        Placement::Readable | Placement::Open | Placement::Closed => {
            Demands::of(read, "false".to_owned())
        }
        Placement::Module(module) => of_module(set, read, module),
        Placement::Child {
            module,
            column,
            above,
            ..
        } => {
            let cell = child_cell(set, module, above.as_ref());
            Demands::of(read, follows(module, above.as_ref(), &cell, "", column))
        }
        Placement::Link {
            module,
            kind,
            index,
        } => {
            let write = link_written(set, module, *kind, *index);
            Demands::of(read, write)
        }
        Placement::Parts(parts) => {
            let each: Vec<Demands> = parts.iter().map(|part| demands(set, &part.place)).collect();
            let all = |of: &dyn Fn(&Demands) -> &str| in_every_part(parts, &each, "", of);
            Demands {
                read,
                create: all(&|part| &part.create),
                update: all(&|part| &part.update),
                // Modules share a table with modules alone: the check sees to it.
                updated: each
                    .iter()
                    .all(|part| part.updated.is_some())
                    .then(|| all(&|part| part.updated.as_deref().unwrap_or("false"))),
                delete: all(&|part| &part.delete),
            }
        }
    }
}

/// The row belongs somewhere, and satisfies what is demanded wherever it belongs.
///
/// Rows that hang on accounts, and rows that hang on contacts:
///
/// ```sql
/// ((("kind" OPERATOR(pg_catalog.=) 'a'::pg_catalog.text) IS TRUE) OR (("kind" OPERATOR(pg_catalog.=) 'c'::pg_catalog.text) IS TRUE))
/// AND (NOT (("kind" OPERATOR(pg_catalog.=) 'a'::pg_catalog.text) IS TRUE) OR …)
/// AND (NOT (("kind" OPERATOR(pg_catalog.=) 'c'::pg_catalog.text) IS TRUE) OR …)
/// ```
fn in_every_part<T>(
    parts: &[Part],
    each: &[T],
    alias: &str,
    demanded: &dyn Fn(&T) -> &str,
) -> String {
    let rows: Vec<String> = parts.iter().map(|part| part.rows.sql(alias)).collect();
    if let ([rows], [one]) = (rows.as_slice(), each) {
        return format!("({rows} AND {})", demanded(one));
    }
    let mut all = vec![format!("({})", rows.join(" OR "))];
    all.extend(
        rows.iter()
            .zip(each)
            .map(|(rows, part)| format!("(NOT {rows} OR {})", demanded(part))),
    );
    format!("({})", all.join(" AND "))
}

/// Whether a link may be written: the right to assign for owners and groups; for what a record
/// hangs on the right to change it.
fn link_written(set: &PolicySet, module: &str, kind: LinkKind, index: usize) -> String {
    let Some(link) = set.link(module, kind, index) else {
        return "false".to_owned();
    };
    let (record, other) = (as_text("", &link.record), as_text("", &link.other));
    match kind {
        LinkKind::Owner | LinkKind::Group => format!(
            "celador.may_link({}, {}, {index}, {record}, {other})",
            text(module),
            text(kind.name()),
        ),
        LinkKind::Parent => format!(
            "celador.may_hang({}, {index}, {record}, {other})",
            text(module)
        ),
    }
}

/// Writing a child is updating the record.
fn child_cell(set: &PolicySet, module: &str, above: Option<&TableName>) -> CellRef {
    let update = CellRef::Action(Action::Update);
    let modules = above
        .and_then(|above| set.tables.get(above))
        .map_or_else(Default::default, Placement::modules);
    let mut cells = modules
        .into_iter()
        .chain([module])
        .map(|module| set.writing_cell(module, &update));
    let first = cells.next().unwrap_or_else(|| update.clone());
    // Where some of the records above are configuration, each is asked in its own way.
    if cells.all(|cell| cell == first) {
        first
    } else {
        update
    }
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
        } => set.link(module, *kind, *index).map_or_else(
            || "false".to_owned(),
            |link| record_in_reach(module, &read, alias, &link.record),
        ),
        Placement::Parts(parts) => {
            let each: Vec<String> = parts
                .iter()
                .map(|part| read_sql(set, &part.place, alias))
                .collect();
            in_every_part(parts, &each, alias, &|part| part)
        }
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

fn policies(demands: Demands) -> Vec<RowPolicy> {
    let covered = |demand: String| Some(format!("{COVERED} AND {demand}"));
    // What a row may become is decided from what it was: by the guard, a trigger. The hook takes
    // this out only where it has seen the guard.
    let updated = demands
        .updated
        .map_or_else(|| Some(COVERED.to_owned()), covered);
    vec![
        RowPolicy {
            name: READ,
            command: Command::Select,
            using: covered(demands.read),
            check: None,
        },
        RowPolicy {
            name: CREATE,
            command: Command::Insert,
            using: None,
            check: covered(demands.create),
        },
        RowPolicy {
            name: UPDATE,
            command: Command::Update,
            using: covered(demands.update),
            check: updated,
        },
        RowPolicy {
            name: DELETE,
            command: Command::Delete,
            using: covered(demands.delete),
            check: None,
        },
    ]
}

fn of_module(set: &PolicySet, read: String, name: &str) -> Demands {
    let module = &set.modules[name];
    let within = |action: Action| reach_and_restrictions(set, name, &CellRef::Action(action), "");
    let mut create = within(Action::Create);
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
    Demands {
        read,
        create,
        update: format!("({})", update.join(" OR ")),
        updated: None,
        delete: within(Action::Delete),
    }
}
