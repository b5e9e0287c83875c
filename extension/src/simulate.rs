//! `celador.simulate`: a statement as another person would see it, with the rights that the caller
//! has in the database, and without a trace.
//!
//! It runs in a part of the transaction that is always rolled back. A restricted operation keeps it
//! from changing roles, LISTEN, temporary tables and prepared statements; what reads, runs read-only.

use std::ffi::CString;
use std::rc::Rc;

use pgrx::AnyElement;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;

use crate::identity::Source;
use crate::plan_notes::{self, Note, Taking};
use crate::session::{self, Person};
use crate::spi::{self, Reads};
use crate::{catalog, errors, fold, hooks, relations};

/// One statement, and what becomes of it.
struct Statement {
    sql: CString,
    shows: Shows,
}

/// What is shown of a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// The rows of a query.
    Rows,
    /// How many rows the command, of this name, writes.
    Count(&'static str),
    /// How it would be run.
    Plan,
}

/// `celador.simulate("user", sql)`: the rows of a query, or how many rows a write would change, or why
/// it would be denied.
#[pg_extern]
fn simulate(user: Option<&str>, sql: Option<&str>) -> SetOfIterator<'static, AnyElement> {
    let (user, sql) = given(user, sql);
    SetOfIterator::new(as_seen_by(user, read(sql)).into_iter().map(|row| {
        let row = spi::c_string(&row);
        // SAFETY: what PostgreSQL, or serde, has written as JSON.
        unsafe {
            pgrx::direct_function_call_as_datum(
                pg_sys::jsonb_in,
                &[Some(pg_sys::Datum::from(row.as_ptr()))],
            )
            .and_then(|datum| AnyElement::from_polymorphic_datum(datum, false, pg_sys::JSONBOID))
            .unwrap_or_else(|| errors::fault("a row can't be shown as JSON"))
        }
    }))
}

/// `celador.simulate_plan("user", sql)`: how the statement would be planned for that person. It isn't
/// run.
#[pg_extern]
fn simulate_plan(user: Option<&str>, sql: Option<&str>) -> SetOfIterator<'static, String> {
    let (user, sql) = given(user, sql);
    // One statement, or an error.
    read(sql);
    let statement = Statement {
        sql: spi::c_string(&format!("EXPLAIN (COSTS off) {sql}")),
        shows: Shows::Plan,
    };
    SetOfIterator::new(as_seen_by(user, statement))
}

/// `celador.explain_plan("user", sql)`: the plan, and how it came about: what the person's answers made of
/// each condition of the policies, and which searches may use an index.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn explain_plan(
    user: Option<&str>,
    sql: Option<&str>,
) -> TableIterator<
    'static,
    (
        name!(kind, String),
        name!(relation, Option<String>),
        name!(condition, Option<String>),
        name!(result, String),
    ),
> {
    let (user, sql) = given(user, sql);
    let taking = Taking::begin();
    if !fold::is_on() {
        plan_notes::add(Note {
            kind: "setting",
            relation: None,
            condition: Some("celador.fold".to_owned()),
            result: "off: conditions of policies are asked row by row".to_owned(),
        });
    }
    let plan: Vec<String> = simulate_plan(Some(user), Some(sql)).collect();
    let notes = taking.end();
    let plan = plan
        .into_iter()
        .map(|line| ("plan".to_owned(), None, None, line));
    let notes = notes.into_iter().map(|note| {
        (
            note.kind.to_owned(),
            note.relation,
            note.condition,
            note.result,
        )
    });
    TableIterator::new(plan.chain(notes).collect::<Vec<_>>())
}

/// What is to be simulated; NULL is an error.
fn given<'a>(user: Option<&'a str>, sql: Option<&'a str>) -> (&'a str, &'a str) {
    let (Some(user), Some(sql)) = (user, sql) else {
        errors::raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "a user and a statement are needed",
            "SELECT celador.simulate('7', 'SELECT count(*) FROM accounts').",
        )
    };
    (user, sql)
}

/// Runs the statement through the person's eyes, and rolls it back.
fn as_seen_by(user: &str, statement: Statement) -> Vec<String> {
    hooks::injected::panic_if_asked("simulate");
    if session::is_lent() {
        errors::raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "what is simulated can't simulate",
            "Simulate it by itself.",
        );
    }
    hooks::require();
    session::begin_statement();
    let person = see_as(user);
    let role = acting_role(&person);
    no_advisory_locks();
    session::lend(person, || in_vain(role, &statement))
}

/// The person, or an error that says why nobody would see anything so.
fn see_as(user: &str) -> Rc<Person> {
    let Some(catalog) = catalog::current() else {
        errors::fault("the extension isn't created in this database")
    };
    match session::person_of(&catalog, user, Source::Lent) {
        Ok(person) => person,
        Err(nobody) => errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            nobody.reason,
            nobody.hint,
        ),
    }
}

/// The statements that can be simulated.
const KINDS: [(pg_sys::NodeTag, Shows); 5] = [
    (pg_sys::NodeTag::T_SelectStmt, Shows::Rows),
    (pg_sys::NodeTag::T_InsertStmt, Shows::Count("INSERT")),
    (pg_sys::NodeTag::T_UpdateStmt, Shows::Count("UPDATE")),
    (pg_sys::NodeTag::T_DeleteStmt, Shows::Count("DELETE")),
    (pg_sys::NodeTag::T_MergeStmt, Shows::Count("MERGE")),
];

/// Reads one statement that queries or writes rows, and nothing else.
fn read(sql: &str) -> Statement {
    let text = CString::new(sql).unwrap_or_else(|_| refuse_statement());
    // SAFETY: a list of RawStmt, each with a node; tags are read before nodes are.
    unsafe {
        let list = pg_sys::pg_parse_query(text.as_ptr());
        if list.is_null() || (*list).length != 1 {
            refuse_statement();
        }
        let raw = (*(*list).elements).ptr_value.cast::<pg_sys::RawStmt>();
        let tag = (*(*raw).stmt).type_;
        let shows = KINDS.iter().find(|(kind, _)| *kind == tag);
        let shows = shows.map_or_else(|| refuse_statement(), |(_, shows)| *shows);
        Statement { sql: text, shows }
    }
}

fn refuse_statement() -> ! {
    errors::raise(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        "only one statement that queries or writes rows can be simulated",
        "SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE or MERGE.",
    )
}

/// The database role that it runs as: the caller's. Row security holds for no superuser, so there it
/// is the person's own login, if the caller could become that.
fn acting_role(person: &Person) -> pg_sys::Oid {
    // SAFETY: cache look-ups.
    unsafe {
        let caller = pg_sys::GetUserId();
        if !pg_sys::has_bypassrls_privilege(caller) {
            return caller;
        }
        if let Some(login) = &person.access.facts().login {
            let login = spi::c_string(login);
            let role = pg_sys::get_role_oid(login.as_ptr(), true);
            if role != pg_sys::InvalidOid
                && !pg_sys::has_bypassrls_privilege(role)
                && pg_sys::is_member_of_role(caller, role)
            {
                return role;
            }
        }
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "row security doesn't hold for role \"{}\"",
                relations::role_name(caller)
            ),
            "SET ROLE to the role that the application connects as, and simulate with its rights.",
        )
    }
}

const HOLDS_LOCKS: &str = "\
SELECT true FROM pg_catalog.pg_locks AS l
WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
LIMIT 1";

/// A session's advisory locks outlive a rollback, so all of them are released afterwards: there may
/// be none before.
fn no_advisory_locks() {
    let held = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(HOLDS_LOCKS, &[], Reads::Latest))
    });
    if !held.is_empty() {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            "this session holds advisory locks",
            "Simulate in a session and a transaction of its own.",
        );
    }
}

/// Runs the statement as `role`, and rolls back whatever it did.
fn in_vain(role: pg_sys::Oid, statement: &Statement) -> Vec<String> {
    // SAFETY: a part of the transaction is begun and rolled back; memory and owner of resources are
    // put back as PL/pgSQL does, user and read-only mode by the rollback.
    unsafe {
        let memory = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::CurrentMemoryContext = memory;
        let result = PgTryBuilder::new(|| Ok(run(role, statement)))
            .catch_others(|error| Err(Box::new(error)))
            .execute();
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::CurrentMemoryContext = memory;
        pg_sys::CurrentResourceOwner = owner;
        pg_sys::LockReleaseSession(pg_sys::USER_LOCKMETHOD as u16);
        match result {
            Ok(rows) => rows,
            Err(error) => {
                denial(statement, &error).map_or_else(|| error.rethrow(), |row| vec![row])
            }
        }
    }
}

unsafe fn run(role: pg_sys::Oid, statement: &Statement) -> Vec<String> {
    // SAFETY: inside the part that is rolled back; the text outlives the call.
    unsafe {
        pg_sys::XactReadOnly |= !matches!(statement.shows, Shows::Count(_));
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        let restricted =
            pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        pg_sys::SetUserIdAndSecContext(role, context | restricted as i32);
        spi::connected(|| {
            let status = pg_sys::SPI_execute(statement.sql.as_ptr(), false, 0);
            if status < 0 {
                refuse_statement();
            }
            match statement.shows {
                Shows::Count(command) => {
                    let rows = pg_sys::SPI_processed;
                    vec![serde_json::json!({ "command": command, "rows": rows }).to_string()]
                }
                Shows::Rows => rows_as_json(),
                Shows::Plan => spi::read_rows()
                    .into_iter()
                    .filter_map(|row| row.into_iter().next().flatten())
                    .collect(),
            }
        })
    }
}

/// The rows that SPI has just returned.
unsafe fn rows_as_json() -> Vec<String> {
    // SAFETY: SPI_tuptable holds SPI_processed tuples until SPI_finish.
    unsafe {
        let table = pg_sys::SPI_tuptable;
        if table.is_null() {
            return Vec::new();
        }
        let descriptor = pg_sys::BlessTupleDesc((*table).tupdesc);
        (0..pg_sys::SPI_processed as usize)
            .map(|at| {
                let row = pg_sys::heap_copy_tuple_as_datum(*(*table).vals.add(at), descriptor);
                let json = pgrx::direct_function_call::<String>(pg_sys::row_to_json, &[Some(row)]);
                pg_sys::pfree(row.cast_mut_ptr());
                json.unwrap_or_default()
            })
            .collect()
    }
}

/// How a write that was denied is reported; other errors are errors.
fn denial(statement: &Statement, error: &CaughtError) -> Option<String> {
    let (CaughtError::PostgresError(report)
    | CaughtError::ErrorReport(report)
    | CaughtError::RustPanic {
        ereport: report, ..
    }) = error;
    let denied = report.sql_error_code() == PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE;
    let Shows::Count(command) = statement.shows else {
        return None;
    };
    denied.then(|| {
        serde_json::json!({
            "command": command,
            "denied": report.message(),
            "hint": report.hint(),
        })
        .to_string()
    })
}
