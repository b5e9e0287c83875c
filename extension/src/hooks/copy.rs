//! COPY of protected tables: TO for those who may export, FROM for those who may import.
//!
//! PostgreSQL copies into no table with row security. Here the rows are read as COPY reads them, and
//! inserted by a statement that is covered like any other, so policies and the guard decide on each:
//!
//! ```sql
//! COPY contacts (id, name) FROM STDIN
//! INSERT INTO contacts (id, name) OVERRIDING SYSTEM VALUE
//!   SELECT (c.r).id, (c.r).name FROM (SELECT celador.copied_rows(NULL::contacts) AS r OFFSET 0) AS c
//! ```
//!
//! What goes wrong with a row says so with its line, as COPY does.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};

use celador_policy::policy_set::{CellRef, Placement};
use celador_policy::{Action, quote};
use pgrx::prelude::*;

use super::injected::mistake;
use super::tree::{elements, is_a};
use super::utility::named;
use super::{maintenance, statistics};
use crate::catalog::{self, Catalog};
use crate::relations::attribute;
use crate::watch::Kind;
use crate::{errors, load, placement, relations, session, spi};

// The bindings of these are guarded; called directly, errors keep all their fields.
unsafe extern "C-unwind" {
    fn BeginCopyFrom(
        state: *mut pg_sys::ParseState,
        relation: pg_sys::Relation,
        condition: *mut pg_sys::Node,
        file: *const c_char,
        is_program: bool,
        source: *mut c_void,
        columns: *mut pg_sys::List,
        options: *mut pg_sys::List,
    ) -> *mut c_void;
    fn NextCopyFrom(
        copying: *mut c_void,
        context: *mut pg_sys::ExprContext,
        values: *mut pg_sys::Datum,
        nulls: *mut bool,
    ) -> bool;
    fn EndCopyFrom(copying: *mut c_void);
    fn CopyFromErrorCallback(copying: *mut c_void);
    fn SPI_connect() -> c_int;
    fn SPI_execute(sql: *const c_char, read_only: bool, most: std::ffi::c_long) -> c_int;
    fn SPI_finish() -> c_int;
    fn make_parsestate(parent: *mut pg_sys::ParseState) -> *mut pg_sys::ParseState;
    fn table_close(relation: pg_sys::Relation, lock: c_int);
    fn heap_form_tuple(
        descriptor: pg_sys::TupleDesc,
        values: *mut pg_sys::Datum,
        nulls: *mut bool,
    ) -> pg_sys::HeapTuple;
    fn HeapTupleHeaderGetDatum(tuple: pg_sys::HeapTupleHeader) -> pg_sys::Datum;
    fn MemoryContextRegisterResetCallback(
        context: pg_sys::MemoryContext,
        callback: *mut pg_sys::MemoryContextCallback,
    );
}

/// A COPY FROM that is under way, in the memory of its statement.
struct Copying {
    relation: pg_sys::Relation,
    sql: *const c_char,
    /// PostgreSQL's own state of it.
    state: *mut c_void,
    context: *mut pg_sys::ExprContext,
    values: *mut pg_sys::Datum,
    nulls: *mut bool,
    /// Ends it, however the statement ends.
    ends: pg_sys::MemoryContextCallback,
}

thread_local! {
    static COPYING: Cell<*mut Copying> = const { Cell::new(std::ptr::null_mut()) };
}

/// What may be copied, before PostgreSQL does it.
pub(super) unsafe fn look(statement: *mut pg_sys::CopyStmt) {
    // SAFETY: the statement's own fields.
    unsafe {
        let (Some(catalog), Some(table)) = (catalog::current(), named((*statement).relation))
        else {
            return;
        };
        if statistics::tell_of_relations(table) && !catalog.sees_all() {
            errors::denied(
                format!(
                    "{} holds values of protected tables, and COPY would read all of it",
                    relations::display_name(table)
                ),
                "Copy what a query says of it.",
            );
        }
        if !catalog.protected.contains(&table) || catalog.is_exempt(pg_sys::GetSessionUserId()) {
            return;
        }
        // By an effective user whom row security doesn't reach, in a session that isn't exempt: it would
        // read the heap without being planned.
        if pg_sys::has_bypassrls_privilege(pg_sys::GetUserId()) {
            errors::denied_by(
                Kind::Way,
                Some(table),
                format!(
                    "{} is protected, and COPY would read it without its policy",
                    relations::display_name(table)
                ),
                "Copy it in a session of a maintenance role.",
            );
        }
        if !(*statement).is_from {
            let what = "Ask for the action export, or copy a query: COPY (SELECT …) TO.";
            require(&catalog, table, Action::Export, Action::Read, what);
        }
    }
}

/// Bulk needs a right of its own, as far as the person may act row by row.
fn require(
    catalog: &Catalog,
    table: pg_sys::Oid,
    bulk: Action,
    single: Action,
    hint: &'static str,
) {
    let Some(policy) = &catalog.policy else {
        return;
    };
    if mistake("bulk is as single rows") {
        return;
    }
    load::refuse_paused(catalog, table);
    let person = session::person();
    if session::asker().is_err() {
        return;
    }
    let name = relations::table_name(table);
    let placement = name.and_then(|name| placement::of(catalog, policy, table, &name));
    let Some(placement) = placement else {
        return;
    };
    for (_, place) in placement.places() {
        let (module, single) = match place {
            Placement::Module(module) => (module, single),
            // Writing what hangs on a record is changing the record.
            Placement::Child { module, .. } | Placement::Link { module, .. } => {
                let single = if single == Action::Create {
                    Action::Update
                } else {
                    single
                };
                (module, single)
            }
            Placement::Readable | Placement::Closed if single == Action::Create => {
                errors::denied_by(
                    Kind::Way,
                    Some(table),
                    format!(
                        "{} is written by maintenance alone",
                        relations::display_name(table)
                    ),
                    "Have a maintenance role copy into it.",
                )
            }
            Placement::Readable | Placement::Open | Placement::Closed | Placement::Parts(_) => {
                continue;
            }
        };
        let reach = |action: Action| {
            let action = policy.writing_action(module, action);
            person.reach(module, &CellRef::Action(action).text())
        };
        let bulk_reach = person.reach(module, &CellRef::Action(bulk).text());
        if !bulk_reach.covers(&reach(single)) || *bulk_reach == celador_policy::Reach::default() {
            errors::denied_by(
                Kind::Way,
                Some(table),
                format!(
                    "you may not {} all that you may {} of module \"{module}\"",
                    bulk.name(),
                    single.name()
                ),
                hint,
            );
        }
    }
}

/// Copies into a protected table, for somebody whom its policy is for; or `false`: PostgreSQL does it.
pub(super) unsafe fn from(
    statement: *mut pg_sys::CopyStmt,
    text: *const c_char,
    completion: *mut pg_sys::QueryCompletion,
) -> bool {
    // SAFETY: the statement's own fields. What is allocated lives as long as the statement, and an error
    // ends the copying with it.
    unsafe {
        let copying = prepare(statement);
        if copying.is_null() {
            return false;
        }
        let state = make_parsestate(std::ptr::null_mut());
        (*state).p_sourcetext = text;
        (*copying).state = BeginCopyFrom(
            state,
            (*copying).relation,
            std::ptr::null_mut(),
            std::ptr::null(),
            false,
            std::ptr::null_mut(),
            (*statement).attlist,
            (*statement).options,
        );
        (*copying).ends.func = Some(ended);
        MemoryContextRegisterResetCallback(pg_sys::CurrentMemoryContext, &raw mut (*copying).ends);
        COPYING.set(copying);
        let mut line = pg_sys::ErrorContextCallback {
            previous: pg_sys::error_context_stack,
            callback: Some(CopyFromErrorCallback),
            arg: (*copying).state,
        };
        pg_sys::error_context_stack = &raw mut line;
        SPI_connect();
        SPI_execute((*copying).sql, false, 0);
        let rows = pg_sys::SPI_processed;
        SPI_finish();
        pg_sys::error_context_stack = line.previous;
        COPYING.set(std::ptr::null_mut());
        EndCopyFrom((*copying).state);
        table_close((*copying).relation, pg_sys::NoLock as c_int);
        if !completion.is_null() {
            (*completion).commandTag = pg_sys::CommandTag::CMDTAG_COPY;
            (*completion).nprocessed = rows;
        }
        true
    }
}

unsafe extern "C-unwind" fn ended(_: *mut c_void) {
    COPYING.set(std::ptr::null_mut());
}

/// What is to be done; NULL: PostgreSQL does it.
#[pg_guard]
unsafe extern "C-unwind" fn prepare(statement: *mut pg_sys::CopyStmt) -> *mut Copying {
    let nothing = std::ptr::null_mut();
    // SAFETY: the statement's own fields. The table is closed when it is copied, or with the transaction.
    unsafe {
        if !(*statement).is_from || spi::is_internal() {
            return nothing;
        }
        let (Some(catalog), Some(table)) = (catalog::current(), named((*statement).relation))
        else {
            return nothing;
        };
        if !catalog.protected.contains(&table)
            || catalog.is_exempt(pg_sys::GetSessionUserId())
            || maintenance::is_on()
        {
            return nothing;
        }
        refuse_what_is_not_copied(statement, table);
        let what = "Ask for the action import, as far as you may create, or use INSERT.";
        require(&catalog, table, Action::Import, Action::Create, what);
        let relation = pg_sys::table_open(table, pg_sys::RowExclusiveLock as i32);
        require_insert(statement, relation);
        let columns = (*(*relation).rd_att).natts as usize;
        let size = size_of::<Copying>();
        let copying = pg_sys::palloc0(size).cast::<Copying>();
        (*copying).relation = relation;
        (*copying).sql = pg_sys::pstrdup(spi::c_string(&insert(statement, relation)).as_ptr());
        (*copying).context = pg_sys::CreateStandaloneExprContext();
        (*copying).values = pg_sys::palloc0(columns * size_of::<pg_sys::Datum>()).cast();
        (*copying).nulls = pg_sys::palloc0(columns).cast();
        copying
    }
}

unsafe fn refuse_what_is_not_copied(statement: *mut pg_sys::CopyStmt, table: pg_sys::Oid) {
    // SAFETY: the statement's own fields.
    unsafe {
        let options = elements::<pg_sys::DefElem>((*statement).options);
        let lenient = options
            .into_iter()
            .any(|option| CStr::from_ptr((*option).defname).to_bytes() == b"on_error");
        let what = if !(*statement).filename.is_null() {
            "a file or program of the server"
        } else if !(*statement).whereClause.is_null() {
            "rows that a condition chooses"
        } else if lenient {
            "rows without those that have errors"
        } else {
            return;
        };
        errors::raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!(
                "{} is protected: {what} can't be copied into it",
                relations::display_name(table)
            ),
            "Use COPY … FROM STDIN (\\copy in psql), or copy into a table of your own, and INSERT from it.",
        );
    }
}

/// The right to INSERT, before the client is asked for rows.
unsafe fn require_insert(statement: *mut pg_sys::CopyStmt, relation: pg_sys::Relation) {
    // SAFETY: the relation is open.
    unsafe {
        let (table, user) = ((*relation).rd_id, pg_sys::GetUserId());
        let insert = pg_sys::ACL_INSERT as pg_sys::AclMode;
        let is_allowed = |result| result == pg_sys::AclResult::ACLCHECK_OK;
        if is_allowed(pg_sys::pg_class_aclcheck(table, user, insert)) {
            return;
        }
        let columns = elements::<pg_sys::Node>((*statement).attlist);
        let allowed = !columns.is_empty()
            && columns.into_iter().all(|name| {
                let name = spi::c_string(&string(name));
                // One that isn't there is told of by COPY.
                let column = pg_sys::get_attnum(table, name.as_ptr());
                column == 0
                    || is_allowed(pg_sys::pg_attribute_aclcheck(table, column, user, insert))
            });
        if !allowed {
            pg_sys::aclcheck_error(
                pg_sys::AclResult::ACLCHECK_NO_PRIV,
                pg_sys::ObjectType::OBJECT_TABLE,
                (*(*relation).rd_rel).relname.data.as_ptr(),
            );
        }
    }
}

/// The columns that are listed; without a list, or where all may be written, every one: what isn't copied
/// has its default then.
unsafe fn insert(statement: *mut pg_sys::CopyStmt, relation: pg_sys::Relation) -> String {
    // SAFETY: the relation is open; a list of columns holds strings.
    unsafe {
        let listed: Vec<String> = elements::<pg_sys::Node>((*statement).attlist)
            .into_iter()
            .map(|name| string(name))
            .collect();
        let all = listed.is_empty()
            || pg_sys::pg_class_aclcheck(
                (*relation).rd_id,
                pg_sys::GetUserId(),
                pg_sys::ACL_INSERT as pg_sys::AclMode,
            ) == pg_sys::AclResult::ACLCHECK_OK;
        let descriptor = (*relation).rd_att;
        let columns: Vec<String> = (0..(*descriptor).natts)
            .map(|at| &*attribute(descriptor, at))
            .filter(|column| !column.attisdropped && column.attgenerated == 0)
            .map(|column| {
                CStr::from_ptr(column.attname.data.as_ptr())
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|column| all || listed.contains(column))
            .map(|column| quote::name(&column))
            .collect();
        let table = relations::table_name((*relation).rd_id)
            .unwrap_or_else(|| errors::fault("a table without a name"))
            .sql();
        let values = columns.iter().map(|column| format!("(c.r).{column}"));
        let values: Vec<String> = values.collect();
        format!(
            "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE SELECT {} \
             FROM (SELECT celador.copied_rows(NULL::{table}) AS r OFFSET 0) AS c",
            columns.join(", "),
            values.join(", ")
        )
    }
}

unsafe fn string(node: *mut pg_sys::Node) -> String {
    // SAFETY: the tag is read before the node is.
    unsafe {
        if !is_a(node.cast(), pg_sys::NodeTag::T_String) {
            errors::fault("a column's name is a string");
        }
        let text = (*node.cast::<pg_sys::String>()).sval;
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

#[doc(hidden)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn pg_finfo_copied_rows_wrapper() -> &'static pg_sys::Pg_finfo_record {
    const INFO: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &INFO
}

/// `celador.copied_rows(anyelement)`: the rows that COPY reads, one by one.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C-unwind" fn copied_rows_wrapper(
    call: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: called for a set; no frame here holds anything, so errors pass.
    unsafe {
        let copying = may_copy(call);
        let set = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
        (*call).isnull = false;
        let found = NextCopyFrom(
            (*copying).state,
            (*copying).context,
            (*copying).values,
            (*copying).nulls,
        );
        if !found {
            (*set).isDone = pg_sys::ExprDoneCond::ExprEndResult;
            (*call).isnull = true;
            return pg_sys::Datum::from(0);
        }
        (*set).isDone = pg_sys::ExprDoneCond::ExprMultipleResult;
        let descriptor = (*(*copying).relation).rd_att;
        let row = heap_form_tuple(descriptor, (*copying).values, (*copying).nulls);
        HeapTupleHeaderGetDatum((*row).t_data)
    }
}

/// The COPY that is under way, if it is the one that the call belongs to.
#[pg_guard]
unsafe extern "C-unwind" fn may_copy(call: pg_sys::FunctionCallInfo) -> *mut Copying {
    let copying = COPYING.get();
    // SAFETY: a function's own call; the copying is there as long as it isn't cleared.
    unsafe {
        let set = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
        let by_value = pg_sys::SetFunctionReturnMode::SFRM_ValuePerCall as i32;
        let fits = !copying.is_null()
            && is_a(set.cast(), pg_sys::NodeTag::T_ReturnSetInfo)
            && (*set).allowedModes & by_value != 0
            && pg_sys::get_fn_expr_rettype((*call).flinfo)
                == (*(*(*copying).relation).rd_rel).reltype;
        if !fits {
            errors::denied(
                "celador.copied_rows() is for COPY alone",
                "Use COPY … FROM STDIN.",
            );
        }
    }
    copying
}
