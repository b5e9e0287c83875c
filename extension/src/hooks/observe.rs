//! Statements over observed tables: nothing is taken from them, and what the policy would take is
//! counted.
//!
//! No policy of Celador's stands on such a table. The planner's hook puts the policy's conditions into
//! the statement itself, where row security would, wrapped in a call that counts and lets pass:
//!
//! ```sql
//! SELECT id FROM accounts
//! SELECT id FROM accounts WHERE (celador.observes_nobody('accounts', 'read', false)
//!   OR celador.observe('accounts', 'read', false, …))
//! ```
//!
//! Without the library preloaded nothing is put in, and nothing is counted.

use std::ffi::CStr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use celador_policy::policy_set::Placement;
use celador_policy::row_policy::{Command, row_policies, uncovered};
use celador_policy::{Action, TableName, quote};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;

use super::tree::{self, elements, is_placeholder};
use crate::catalog::Catalog;
use crate::{placement, relations, spi, watch};

/// The conditions of one table, as PostgreSQL stores expressions.
#[derive(Default)]
pub(crate) struct Asked {
    module: String,
    read: Option<String>,
    update: Option<String>,
    delete: Option<String>,
    /// Of a new row.
    create: Option<String>,
    /// Of a changed row, where no guard decides on it.
    change: Option<String>,
}

/// Has a statement counted that uses the table at `place`.
pub(super) unsafe fn watch(
    catalog: &Rc<Catalog>,
    query: *mut pg_sys::Query,
    place: i32,
    views: &[pg_sys::Oid],
) {
    // SAFETY: the planner owns the tree, and expects hooks to change it.
    unsafe {
        let entry = elements::<pg_sys::RangeTblEntry>((*query).rtable)[place as usize - 1];
        let relation = (*entry).relid;
        if !catalog.observed.contains(&relation)
            || is_placeholder(query, place)
            || catalog.sees_all()
            || pg_sys::InNoForceRLSOperation()
        {
            return;
        }
        let Some(asked) = asked(catalog, relation) else {
            return;
        };
        let checked_as = checked_as(query, entry);
        if pg_sys::has_bypassrls_privilege(checked_as) {
            // A view or function of an exempt owner: the statement as a whole would be refused.
            if !views.iter().any(|view| catalog.registered.contains(view)) {
                watch::refused(&asked.module, Action::Read);
            }
            return;
        }
        let command = (*query).commandType;
        let target = (*query).resultRelation == place;
        let reads = match command {
            pg_sys::CmdType::CMD_INSERT if target => None,
            pg_sys::CmdType::CMD_UPDATE if target => asked.update.as_ref(),
            pg_sys::CmdType::CMD_DELETE if target => asked.delete.as_ref(),
            _ => asked.read.as_ref(),
        };
        if let Some(condition) = reads {
            let condition = at(condition, place);
            (*entry).securityQuals = pg_sys::lappend((*entry).securityQuals, condition.cast());
        }
        if !target {
            return;
        }
        let (kind, writes) = match command {
            pg_sys::CmdType::CMD_INSERT | pg_sys::CmdType::CMD_MERGE => {
                (pg_sys::WCOKind::WCO_RLS_INSERT_CHECK, asked.create.as_ref())
            }
            pg_sys::CmdType::CMD_UPDATE => {
                (pg_sys::WCOKind::WCO_RLS_UPDATE_CHECK, asked.change.as_ref())
            }
            _ => return,
        };
        if let Some(condition) = writes {
            let check = tree::new::<pg_sys::WithCheckOption>(pg_sys::NodeTag::T_WithCheckOption);
            (*check).kind = kind;
            (*check).relname = pg_sys::get_rel_name(relation);
            (*check).qual = at(condition, place);
            (*query).withCheckOptions = pg_sys::lappend((*query).withCheckOptions, check.cast());
        }
    }
}

/// The database role with whose rights the table is read.
unsafe fn checked_as(query: *mut pg_sys::Query, entry: *mut pg_sys::RangeTblEntry) -> pg_sys::Oid {
    // SAFETY: reads the query's own fields.
    unsafe {
        #[cfg(feature = "pg15")]
        let named = {
            let _ = query;
            (*entry).checkAsUser
        };
        #[cfg(not(feature = "pg15"))]
        let named = if (*entry).perminfoindex == 0 {
            pg_sys::InvalidOid
        } else {
            let rights = elements::<pg_sys::RTEPermissionInfo>((*query).rteperminfos);
            (*rights[(*entry).perminfoindex as usize - 1]).checkAsUser
        };
        if named == pg_sys::InvalidOid {
            pg_sys::GetUserId()
        } else {
            named
        }
    }
}

/// A stored condition, over the table at that place.
unsafe fn at(condition: &str, place: i32) -> *mut pg_sys::Node {
    let text = spi::c_string(condition);
    // SAFETY: what `stored` wrote; the node is made in the planner's memory.
    unsafe {
        let node = pg_sys::stringToNode(text.as_ptr()).cast::<pg_sys::Node>();
        if place != 1 {
            pg_sys::ChangeVarNodes(node, 1, place, 0);
        }
        node
    }
}

/// The conditions of a table of an observed module. Nothing depends on the columns that they name,
/// so a migration may have taken one away: then nothing is counted, and nothing fails.
pub(crate) fn asked(catalog: &Rc<Catalog>, relation: pg_sys::Oid) -> Option<Rc<Asked>> {
    // SAFETY: a part of the transaction is begun and rolled back; memory and owner of resources are
    // put back as PL/pgSQL does.
    catalog.asked_of(relation, || unsafe {
        if pg_sys::IsInParallelMode() {
            return None;
        }
        let memory = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::CurrentMemoryContext = memory;
        let result = PgTryBuilder::new(AssertUnwindSafe(|| Ok(ask(catalog, relation))))
            .catch_others(|error| Err(Box::new(error)))
            .execute();
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::CurrentMemoryContext = memory;
        pg_sys::CurrentResourceOwner = owner;
        match result {
            Ok(asked) => asked,
            Err(error) if is_missing(&error) => {
                pgrx::warning!(
                    "{} can't be observed any more: load the policy again",
                    relations::display_name(relation)
                );
                None
            }
            Err(error) => error.rethrow(),
        }
    })
}

/// Whether a condition no longer fits the tables.
fn is_missing(error: &CaughtError) -> bool {
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic {
        ereport: report, ..
    }) = error;
    [
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
        PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION,
        PgSqlErrorCode::ERRCODE_AMBIGUOUS_FUNCTION,
        PgSqlErrorCode::ERRCODE_CANNOT_COERCE,
    ]
    .contains(&report.sql_error_code())
}

fn ask(catalog: &Rc<Catalog>, relation: pg_sys::Oid) -> Option<Asked> {
    let policy = catalog.policy.as_ref()?;
    let table = relations::table_name(relation)?;
    let placement = placement::of(catalog, policy, relation, &table)?;
    // A table that modules share is counted under the first of them.
    let module = &placement.modules().into_iter().next()?.to_owned();
    let mut asked = Asked {
        module: module.clone(),
        ..Asked::default()
    };
    let guarded = !placement.holds().is_empty();
    let grown;
    let policy = if policy.tables.contains_key(&table) {
        policy
    } else {
        let mut with = policy.clone();
        with.tables.insert(table.clone(), placement.clone());
        grown = with;
        &grown
    };
    let mut read = String::new();
    for row_policy in row_policies(policy, &table) {
        let using = row_policy.using.as_deref().map(uncovered);
        let check = row_policy.check.as_deref().map(uncovered);
        let store = |action: Action, writing: bool, condition: Option<&str>| {
            let action = policy.writing_action(module, of_record(&placement, action));
            condition.map(|condition| stored(module, action, writing, condition, &table))
        };
        let also_read = using.map(|using| format!("({read}) AND ({using})"));
        match row_policy.command {
            Command::All => {}
            Command::Select => {
                asked.read = store(Action::Read, false, using);
                read = using.unwrap_or("true").to_owned();
            }
            Command::Insert => asked.create = store(Action::Create, true, check),
            Command::Update => {
                asked.update = store(Action::Update, false, also_read.as_deref());
                asked.change = store(Action::Update, true, check.filter(|_| !guarded));
            }
            Command::Delete => asked.delete = store(Action::Delete, false, also_read.as_deref()),
        }
    }
    Some(asked)
}

/// Writing what follows a record is updating the record, linking it is assigning it.
fn of_record(placement: &Placement, action: Action) -> Action {
    if action == Action::Read {
        return action;
    }
    match placement {
        Placement::Child { .. } => Action::Update,
        Placement::Link { .. } => Action::Assign,
        Placement::Module(_)
        | Placement::Parts(_)
        | Placement::Readable
        | Placement::Open
        | Placement::Closed => action,
    }
}

/// A condition as PostgreSQL stores it, wrapped so that it counts.
fn stored(
    module: &str,
    action: Action,
    writing: bool,
    condition: &str,
    table: &TableName,
) -> String {
    let of = format!(
        "{}::pg_catalog.text, {}::pg_catalog.text, {writing}",
        quote::text(module),
        quote::text(action.name())
    );
    let sql = spi::c_string(&format!(
        "SELECT (celador.observes_nobody({of}) OR celador.observe({of}, ({condition}))) FROM ONLY {}",
        table.sql()
    ));
    // SAFETY: one statement of Celador's own is read and its names are resolved; nothing runs.
    spi::with_rights_of(spi::superuser(), || unsafe {
        let statements = elements::<pg_sys::RawStmt>(pg_sys::pg_parse_query(sql.as_ptr()));
        let query = pg_sys::parse_analyze_fixedparams(
            statements[0],
            sql.as_ptr(),
            std::ptr::null(),
            0,
            std::ptr::null_mut(),
        );
        let targets = elements::<pg_sys::TargetEntry>((*query).targetList);
        let text = pg_sys::nodeToString((*targets[0]).expr.cast());
        CStr::from_ptr(text).to_string_lossy().into_owned()
    })
}
