//! A plan that holds a person's answers is for that person's access alone.
//!
//! Such a plan carries a stamp. Where it starts, the stamp is compared: another one is an error,
//! never rows. What makes the answers old makes PostgreSQL forget the plans that hold them: a
//! change of identity those of this backend, a change of policy or directory those of all.
//! Whatever is planned under a policy carries that policy's revision: masks stand in plans for anybody too.
//! Plans that call functions in SQL are marked as well: such a function keeps its own plans for
//! as long as the plan that calls it.

use std::cell::Cell;
use std::ptr::NonNull;

use pgrx::prelude::*;

use crate::catalog::Catalog;
use crate::errors;
use crate::hooks::injected::mistake;
use crate::hooks::tree;
use crate::session::{self, Person};

/// The stamp stands among the things whose change makes a plan invalid, as one of a cache that
/// PostgreSQL doesn't have.
const STAMP: i32 = -1;
/// So does the revision of the policy, counted from 1.
const REVISION: i32 = -2;
/// So do the tables whose rows the result carries, where rows are limited.
const CARRIED: i32 = -3;

thread_local! {
    static LAST: Cell<u32> = const { Cell::new(0) };
    /// By what the cache of plans knows plans that are marked; 0: nothing is marked yet.
    static MARK: Cell<u32> = const { Cell::new(0) };
    /// The stamp of the answers that the planner has asked for while it plans a statement.
    static NOTED: Cell<u32> = const { Cell::new(0) };
}

/// What a statement's plan has to carry. Passed through C.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    /// The stamp of the person whose answers it holds; 0: it holds none.
    pub(crate) stamp: u32,
    /// It calls a function in SQL.
    pub(crate) calls_sql: bool,
    /// The policy's revision, counted from 1; 0: it is about no protected table.
    pub(crate) revision: u32,
    /// The tables whose rows its result carries, where those of some role are limited: oids.
    pub(crate) carried: Option<NonNull<pg_sys::List>>,
}

/// A policy's revision, as plans carry it.
pub(crate) fn revision(catalog: &Catalog) -> u32 {
    u32::try_from(catalog.revision).unwrap_or(0) + 1
}

/// A stamp for a person whose access has just been computed: the known one, if it is the same as
/// somebody's before.
pub(crate) fn of(person: &Person) -> u32 {
    session::stamp_of_same(person).unwrap_or_else(|| {
        let next = LAST.get().checked_add(1).unwrap_or_else(|| {
            errors::raise(
                PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                "this session has served too many people",
                "Connect again.",
            )
        });
        LAST.set(next);
        next
    })
}

/// The planner has been given an answer of the person with that stamp.
pub(crate) fn note_answer(stamp: u32) {
    NOTED.set(stamp);
}

/// A statement's planning begins. Returns what [`planned`] takes.
pub(crate) fn begin_planning() -> u32 {
    NOTED.replace(0)
}

/// A statement is planned: the mark that its plan has to carry.
pub(crate) fn planned(before: u32, mark: Mark) -> Mark {
    let noted = NOTED.replace(before);
    Mark {
        stamp: if noted == 0 { mark.stamp } else { noted },
        ..mark
    }
}

/// Tells by which function plans are marked. Called when the catalog is read.
pub(crate) fn mark_by(function: pg_sys::Oid) {
    // SAFETY: a cache look-up.
    let hash = unsafe {
        pg_sys::GetSysCacheHashValue(
            pg_sys::SysCacheIdentifier::PROCOID as i32,
            pg_sys::Datum::from(function),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
            pg_sys::Datum::from(0),
        )
    };
    MARK.set(hash);
}

/// Puts the mark on a plan, and with it the relation that stands for the policy.
pub(crate) unsafe fn put(plan: *mut pg_sys::PlannedStmt, mark: Mark, policy: pg_sys::Oid) {
    // SAFETY: the plan has just been made, in this memory context.
    unsafe {
        let items = &mut (*plan).invalItems;
        if mark.stamp != 0 || mark.calls_sql {
            let marked = item(pg_sys::SysCacheIdentifier::PROCOID as i32, MARK.get());
            *items = pg_sys::lappend(*items, marked.cast());
        }
        if mark.revision != 0 || mark.stamp != 0 {
            (*plan).relationOids = pg_sys::lappend_oid((*plan).relationOids, policy);
        }
        if mark.revision != 0 {
            *items = pg_sys::lappend(*items, item(REVISION, mark.revision).cast());
        }
        if mark.stamp != 0 {
            *items = pg_sys::lappend(*items, item(STAMP, mark.stamp).cast());
        }
        for table in mark
            .carried
            .into_iter()
            .flat_map(|tables| tree::oids(tables.as_ptr()))
        {
            *items = pg_sys::lappend(*items, item(CARRIED, table.to_u32()).cast());
        }
    }
}

unsafe fn item(cache: i32, value: u32) -> *mut pg_sys::PlanInvalItem {
    // SAFETY: a node of PostgreSQL's, in the planner's memory.
    unsafe {
        let item = tree::new::<pg_sys::PlanInvalItem>(pg_sys::NodeTag::T_PlanInvalItem);
        (*item).cacheId = cache;
        (*item).hashValue = value;
        item
    }
}

/// What a plan carries of a kind.
unsafe fn said(plan: *mut pg_sys::PlannedStmt, kind: i32) -> Option<u32> {
    // SAFETY: invalItems is a list of PlanInvalItems.
    unsafe {
        let items = tree::elements::<pg_sys::PlanInvalItem>((*plan).invalItems);
        let mut items = items.into_iter();
        items
            .find(|item| (**item).cacheId == kind)
            .map(|item| (*item).hashValue)
    }
}

/// The tables whose rows the plan's result carries, where those of some role are limited.
pub(crate) unsafe fn carried(plan: *mut pg_sys::PlannedStmt) -> Vec<pg_sys::Oid> {
    // SAFETY: invalItems is a list of PlanInvalItems.
    unsafe {
        let items = tree::elements::<pg_sys::PlanInvalItem>((*plan).invalItems);
        let carried = items.iter().filter(|item| (***item).cacheId == CARRIED);
        carried
            .map(|item| pg_sys::Oid::from((**item).hashValue))
            .collect()
    }
}

/// Whether the plan holds a person's answers.
pub(crate) unsafe fn is_stamped(plan: *mut pg_sys::PlannedStmt) -> bool {
    // SAFETY: the caller's.
    unsafe { said(plan, STAMP).is_some() }
}

/// Whether the plan grows old when what protects changes: it holds a person's answers, or a policy's
/// conditions.
pub(crate) unsafe fn grows_old(plan: *mut pg_sys::PlannedStmt) -> bool {
    // SAFETY: the caller's.
    unsafe { said(plan, STAMP).is_some() || said(plan, REVISION).is_some() }
}

/// A plan that holds answers starts, for that person (`None`: for somebody exempt).
pub(crate) unsafe fn compare(plan: *mut pg_sys::PlannedStmt, person: Option<&Person>) {
    // SAFETY: the caller's.
    let Some(stamp) = (unsafe { said(plan, STAMP) }) else {
        return;
    };
    if person.is_some_and(|person| person.stamp == stamp) || mistake("stamps aren't compared") {
        return;
    }
    forget_marked();
    too_old("your access has changed since the statement was planned")
}

/// A plan under a policy starts, while that policy is in force.
pub(crate) unsafe fn compare_revision(plan: *mut pg_sys::PlannedStmt, catalog: &Catalog) {
    // SAFETY: the caller's.
    let planned = unsafe { said(plan, REVISION) };
    if planned.is_some_and(|planned| planned != revision(catalog))
        && !mistake("revisions aren't compared")
    {
        too_old("the policy has changed since the statement was planned")
    }
}

fn too_old(what: &str) -> ! {
    errors::raise(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        what,
        "Run the transaction again.",
    )
}

/// Whether an entry of PostgreSQL's caches is the one by which plans are marked.
pub(crate) fn is_mark(cache: i32, hash: u32) -> bool {
    let mark = MARK.get();
    cache == pg_sys::SysCacheIdentifier::PROCOID as i32 && mark != 0 && hash == mark
}

/// Makes the cache of plans forget the marked ones of this backend.
pub(crate) fn forget_marked() {
    let mark = MARK.get();
    if mark != 0 {
        // SAFETY: runs what a change of that function would: flags are set, nothing is read.
        unsafe { pg_sys::CallSyscacheCallbacks(pg_sys::SysCacheIdentifier::PROCOID as i32, mark) }
    }
}
