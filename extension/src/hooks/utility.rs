//! The hook on utility statements: what isn't planned is looked at here.

use std::ffi::{CStr, c_char};

use pgrx::prelude::*;

use super::injected;
use super::tree::elements;
use super::{carrier_guard, copy, extension, maintenance, owner_guard};
use crate::watch::{Counter, Kind, Raising};
use crate::{catalog, errors, identity, kept_snapshot, relations, session, spi};

static mut NEXT: pg_sys::ProcessUtility_hook_type = None;

unsafe extern "C-unwind" {
    fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        query_string: *const c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        params: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        destination: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(utility);
    }
}

unsafe extern "C-unwind" fn utility(
    statement: *mut pg_sys::PlannedStmt,
    query_string: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    destination: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        if owner_guard::defines((*statement).utilityStmt) {
            refuse((*statement).utilityStmt);
        }
        let statement = if concerns((*statement).utilityStmt) {
            look(statement)
        } else {
            statement
        };
        let command = (*statement).utilityStmt;
        if (*command).type_ == pg_sys::NodeTag::T_CopyStmt
            && copy::from(command.cast(), query_string, completion)
        {
            return;
        }
        let next = NEXT.unwrap_or(standard_ProcessUtility);
        let begun = maintenance::is_on() || maintenance::is_of_exempt_owner();
        next(
            statement,
            query_string,
            read_only_tree,
            context,
            params,
            environment,
            destination,
            completion,
        );
        // BEGIN or SET may have made it a transaction that keeps its snapshot.
        kept_snapshot::renew_plans();
        if begun && is_of_materialized_view((*statement).utilityStmt) {
            maintenance::end();
        }
    }
}

/// Refuses what a definition may not do, whoever's it is.
#[pg_guard]
unsafe extern "C-unwind" fn refuse(definition: *mut pg_sys::Node) {
    if spi::is_internal() {
        return;
    }
    if let Some(catalog) = catalog::current() {
        // SAFETY: the statement is PostgreSQL's own.
        unsafe {
            owner_guard::refuse(&catalog, definition);
            carrier_guard::refuse(&catalog, definition);
        }
    }
}

unsafe fn is_of_materialized_view(statement: *mut pg_sys::Node) -> bool {
    // SAFETY: every node begins with its tag.
    let tag = unsafe { (*statement).type_ };
    tag == pg_sys::NodeTag::T_RefreshMatViewStmt || tag == pg_sys::NodeTag::T_CreateTableAsStmt
}

/// The statements that [`look`] has something to say about.
unsafe fn concerns(statement: *mut pg_sys::Node) -> bool {
    // SAFETY: every node begins with its tag.
    unsafe {
        matches!(
            (*statement).type_,
            pg_sys::NodeTag::T_RefreshMatViewStmt
                | pg_sys::NodeTag::T_ExecuteStmt
                | pg_sys::NodeTag::T_FetchStmt
                | pg_sys::NodeTag::T_CopyStmt
                | pg_sys::NodeTag::T_CreateTableAsStmt
                | pg_sys::NodeTag::T_ExplainStmt
                | pg_sys::NodeTag::T_DeclareCursorStmt
                | pg_sys::NodeTag::T_DropStmt
                | pg_sys::NodeTag::T_DropOwnedStmt
        )
    }
}

/// Looks at a statement, and returns the one to go on with.
#[pg_guard]
unsafe extern "C-unwind" fn look(planned: *mut pg_sys::PlannedStmt) -> *mut pg_sys::PlannedStmt {
    let _raising = Raising::counts_as(Counter::ErrorsUtility);
    injected::panic_if_asked("utility");
    if spi::is_internal() {
        return planned;
    }
    // Before a kept plan or an open cursor is used.
    session::begin_statement();
    // SAFETY: node types are checked before they are read.
    unsafe {
        // Read now: while the extension is dropped, it couldn't be.
        catalog::current();
        let statement = (*planned).utilityStmt;
        let tag = (*statement).type_;
        if tag == pg_sys::NodeTag::T_FetchStmt || tag == pg_sys::NodeTag::T_DeclareCursorStmt {
            identity::close_cursors_of_others();
        }
        if tag == pg_sys::NodeTag::T_DropStmt {
            extension::refuse_statement(statement.cast());
        }
        if tag == pg_sys::NodeTag::T_ExplainStmt {
            return explain(planned);
        }
        if tag == pg_sys::NodeTag::T_CreateTableAsStmt
            && catalog::current().is_some_and(|catalog| catalog.sees_all())
        {
            maintenance::begin(false, true);
        }
        if tag == pg_sys::NodeTag::T_RefreshMatViewStmt {
            refresh(statement.cast());
        } else if tag == pg_sys::NodeTag::T_CopyStmt {
            copy::look(statement.cast());
        }
    }
    planned
}

/// What EXPLAIN tells of rows out of reach: estimates, and the pages that planning has read.
#[cfg(any(feature = "pg15", feature = "pg16"))]
const CLOSED_IN_EXPLAIN: [&CStr; 2] = [c"costs", c"buffers"];
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
const CLOSED_IN_EXPLAIN: [&CStr; 3] = [c"costs", c"buffers", c"memory"];

/// Estimates come from statistics of all rows, and EXPLAIN ANALYZE counts the rows that a filter
/// removed: both tell of rows out of reach. People see the plan's shape.
///
/// ```sql
/// EXPLAIN SELECT FROM contacts WHERE region = 'EMEA'
/// EXPLAIN (COSTS off) SELECT FROM contacts WHERE region = 'EMEA'
/// ```
unsafe fn explain(planned: *mut pg_sys::PlannedStmt) -> *mut pg_sys::PlannedStmt {
    // SAFETY: changes a copy of the statement; options are DefElems.
    unsafe {
        let Some(catalog) = catalog::current() else {
            return planned;
        };
        if !catalog.enforces() || catalog.sees_all() {
            return planned;
        }
        let copy = pg_sys::copyObjectImpl(planned.cast()).cast::<pg_sys::PlannedStmt>();
        let statement = (*copy).utilityStmt.cast::<pg_sys::ExplainStmt>();
        for option in elements::<pg_sys::DefElem>((*statement).options) {
            let name = CStr::from_ptr((*option).defname).to_bytes();
            if name == b"analyze" && pg_sys::defGetBoolean(option) {
                errors::denied(
                    "EXPLAIN ANALYZE counts rows that are out of your reach",
                    "Use EXPLAIN without ANALYZE, or have a maintenance role run it.",
                );
            }
        }
        for closed in CLOSED_IN_EXPLAIN {
            let off = pg_sys::makeDefElem(
                pg_sys::pstrdup(closed.as_ptr()),
                pg_sys::makeString(pg_sys::pstrdup(c"off".as_ptr())).cast(),
                -1,
            );
            // The last one counts.
            (*statement).options = pg_sys::lappend((*statement).options, off.cast());
        }
        copy
    }
}

pub(super) unsafe fn named(range: *mut pg_sys::RangeVar) -> Option<pg_sys::Oid> {
    // SAFETY: looks a name up without locking it; missing is no error.
    unsafe {
        if range.is_null() {
            return None;
        }
        let found = pg_sys::RangeVarGetRelidExtended(
            range,
            pg_sys::NoLock as i32,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        );
        (found != pg_sys::InvalidOid).then_some(found)
    }
}

/// A materialized view over protected tables is refreshed by maintenance only.
unsafe fn refresh(statement: *mut pg_sys::RefreshMatViewStmt) {
    // SAFETY: the statement's own fields.
    unsafe {
        let (Some(catalog), Some(view)) = (catalog::current(), named((*statement).relation)) else {
            return;
        };
        let copied = catalog.copied_by(view);
        if copied.is_empty() {
            return;
        }
        if catalog.sees_all() {
            // The refresh acts as the view's owner. What the tables' owner wrote sees all of them
            // then; what somebody else wrote is filtered like that person's statements.
            let owner = relations::owner(view);
            let known: Vec<_> = copied
                .iter()
                .filter(|table| **table != pg_sys::InvalidOid)
                .collect();
            let trusted =
                !known.is_empty() && known.iter().all(|table| relations::owner(**table) == owner);
            maintenance::begin(trusted, owner.is_some_and(|owner| catalog.is_exempt(owner)));
            return;
        }
        errors::denied_by(
            Kind::Way,
            Some(view),
            format!(
                "materialized view {} holds rows of protected tables",
                relations::display_name(view)
            ),
            "Have a maintenance role refresh it.",
        )
    }
}
