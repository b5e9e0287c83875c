//! The executor's hooks: a statement over protected tables begins with a person, or with an
//! error; and with the access as it is now.

use std::cell::Cell;
use std::ffi::c_int;

use pgrx::prelude::*;

use super::tree::elements;
use super::{closed_settings, held_locks, injected, log_messages, row_limit, stack_room};
use crate::watch::{self, Counter, Raising};
use crate::{catalog, kept_snapshot, load, plan_stamp, session, spi};

thread_local! {
    /// How many statements run within each other.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A transaction, or a part of it, has ended: after an error nothing runs any more.
pub(crate) fn forget_running() {
    DEPTH.set(0);
}

static mut NEXT_START: pg_sys::ExecutorStart_hook_type = None;
static mut NEXT_RUN: pg_sys::ExecutorRun_hook_type = None;
static mut NEXT_END: pg_sys::ExecutorEnd_hook_type = None;

unsafe extern "C-unwind" {
    fn standard_ExecutorStart(query: *mut pg_sys::QueryDesc, flags: c_int);
    fn standard_ExecutorEnd(query: *mut pg_sys::QueryDesc);
}

#[cfg(not(feature = "pg18"))]
unsafe extern "C-unwind" {
    fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
        once: bool,
    );
}

#[cfg(feature = "pg18")]
unsafe extern "C-unwind" {
    fn standard_ExecutorRun(
        query: *mut pg_sys::QueryDesc,
        direction: pg_sys::ScanDirection::Type,
        count: u64,
    );
}

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT_START = pg_sys::ExecutorStart_hook;
        pg_sys::ExecutorStart_hook = Some(start);
        NEXT_RUN = pg_sys::ExecutorRun_hook;
        pg_sys::ExecutorRun_hook = Some(run);
        NEXT_END = pg_sys::ExecutorEnd_hook;
        pg_sys::ExecutorEnd_hook = Some(end);
    }
}

unsafe extern "C-unwind" fn start(query: *mut pg_sys::QueryDesc, flags: c_int) {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        begin(query);
        match NEXT_START {
            Some(next) => next(query, flags),
            None => standard_ExecutorStart(query, flags),
        }
    }
}

#[cfg(not(feature = "pg18"))]
unsafe extern "C-unwind" fn run(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
    once: bool,
) {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        renew(query);
        DEPTH.set(DEPTH.get() + 1);
        let before = pg_sys::error_context_stack;
        let mut watching = check_watch(before, query);
        if (*query).operation != pg_sys::CmdType::CMD_SELECT
            || (*(*query).plannedstmt).hasModifyingCTE
        {
            pg_sys::error_context_stack = &raw mut watching;
        }
        let receiver = row_limit::count(query);
        match NEXT_RUN {
            Some(next) => next(query, direction, count, once),
            None => standard_ExecutorRun(query, direction, count, once),
        }
        if !receiver.is_null() {
            (*query).dest = receiver;
        }
        DEPTH.set(DEPTH.get().saturating_sub(1));
        pg_sys::error_context_stack = before;
    }
}

#[cfg(feature = "pg18")]
unsafe extern "C-unwind" fn run(
    query: *mut pg_sys::QueryDesc,
    direction: pg_sys::ScanDirection::Type,
    count: u64,
) {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        renew(query);
        DEPTH.set(DEPTH.get() + 1);
        let before = pg_sys::error_context_stack;
        let mut watching = check_watch(before, query);
        if (*query).operation != pg_sys::CmdType::CMD_SELECT
            || (*(*query).plannedstmt).hasModifyingCTE
        {
            pg_sys::error_context_stack = &raw mut watching;
        }
        let receiver = row_limit::count(query);
        match NEXT_RUN {
            Some(next) => next(query, direction, count),
            None => standard_ExecutorRun(query, direction, count),
        }
        if !receiver.is_null() {
            (*query).dest = receiver;
        }
        DEPTH.set(DEPTH.get().saturating_sub(1));
        pg_sys::error_context_stack = before;
    }
}

/// Sees errors while it stands on the stack of contexts; whoever catches one takes it off.
fn check_watch(
    previous: *mut pg_sys::ErrorContextCallback,
    query: *mut pg_sys::QueryDesc,
) -> pg_sys::ErrorContextCallback {
    pg_sys::ErrorContextCallback {
        previous,
        callback: Some(watch::on_check),
        arg: query.cast(),
    }
}

unsafe extern "C-unwind" fn end(query: *mut pg_sys::QueryDesc) {
    // SAFETY: the argument is PostgreSQL's own.
    unsafe {
        session::portal_closed(query as usize);
        row_limit::ended(query);
        let by_client = DEPTH.get() == 0;
        if by_client && pg_sys::IsTransactionBlock() && plan_stamp::grows_old((*query).plannedstmt)
        {
            held_locks::look_again((*query).plannedstmt);
        }
        if by_client {
            // One statement, whatever runs below it.
            watch::flush();
        }
        match NEXT_END {
            Some(next) => next(query),
            None => standard_ExecutorEnd(query),
        }
    }
}

/// A cursor that goes on does so with the access as it is now.
#[pg_guard]
unsafe extern "C-unwind" fn renew(query: *mut pg_sys::QueryDesc) {
    let _raising = Raising::counts_as(Counter::ErrorsExecutor);
    injected::panic_if_asked("run");
    if !spi::is_internal() {
        session::begin_statement();
        if session::portal_goes_on(query as usize) {
            // SAFETY: the statement has been planned.
            unsafe { stack_room::require((*query).plannedstmt) }
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn begin(query: *mut pg_sys::QueryDesc) {
    let _raising = Raising::counts_as(Counter::ErrorsExecutor);
    injected::panic_if_asked("start");
    if spi::is_internal() {
        return;
    }
    session::begin_statement();
    kept_snapshot::renew_plans();
    let Some(catalog) = catalog::current() else {
        return;
    };
    // SAFETY: reads the planned statement and the backend's state.
    unsafe {
        if is_part_of_parallel(query) {
            return;
        }
        let stamped = plan_stamp::is_stamped((*query).plannedstmt);
        if pg_sys::InNoForceRLSOperation() && !stamped {
            return;
        }
        let tables = elements::<pg_sys::RangeTblEntry>((*(*query).plannedstmt).rtable);
        let protected: Vec<pg_sys::Oid> = tables
            .into_iter()
            .filter(|entry| (**entry).rtekind == pg_sys::RTEKind::RTE_RELATION)
            .map(|entry| (*entry).relid)
            .filter(|relation| catalog.protected.contains(relation))
            .collect();
        if protected.is_empty() && !stamped {
            return;
        }
        let first = protected.first().copied().unwrap_or(pg_sys::InvalidOid);
        watch::statement_is(first, (*query).operation);
        watch::count(Counter::Statements, 1);
        if session::is_known() {
            watch::count(Counter::AccessReused, 1);
        }
        let exempt = catalog.sees_all() || super::maintenance::is_on();
        log_messages::are_for(!exempt);
        if !exempt {
            closed_settings::close();
        }
        let person = (!exempt).then(|| {
            catalog.require_fit();
            for relation in &protected {
                load::refuse_paused(&catalog, *relation);
            }
            session::person()
        });
        plan_stamp::compare((*query).plannedstmt, person.as_deref());
        if !exempt {
            plan_stamp::compare_revision((*query).plannedstmt, &catalog);
        }
        row_limit::started(query, &catalog, person.as_deref());
        session::portal_opened(query as usize, person);
    }
}

/// A worker runs a part of a statement that its leader has begun, and looked at. What a function
/// runs in a worker begins there.
unsafe fn is_part_of_parallel(query: *mut pg_sys::QueryDesc) -> bool {
    // SAFETY: a statement has a destination.
    unsafe {
        pg_sys::ParallelWorkerNumber >= 0
            && (*(*query).dest).mydest == pg_sys::CommandDest::DestTupleQueue
    }
}
