//! Counters for monitoring: by database, since the server started.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pgrx::prelude::*;

use super::memory::{is_attached, memory, scope};
use crate::catalog;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Counter {
    /// Statements over protected tables that began.
    Statements,
    /// Of these: for somebody whose access was known already.
    AccessReused,
    /// How often the access of a person was computed.
    AccessComputed,
    /// How long that took, in microseconds.
    AccessMicroseconds,
    /// How often policy, directory or identity had changed where a statement began.
    Invalidations,
    /// How often the policy was read.
    PolicyReads,
    /// Plans that were made for a person.
    PlansMade,
    /// Plans that a person got again.
    PlansReused,
    TokensAccepted,
    TokensRefused,
    DeniedNobody,
    DeniedCheck,
    DeniedGuard,
    DeniedWay,
    DeniedUncovered,
    DeniedSchema,
    DeniedOther,
    /// Denials that made room for later ones in `celador.denials()`.
    DenialsForgotten,
    ObservedRows,
    ObservedWrites,
    /// What was observed of people for whom `celador.observed()` had no line left.
    ObservedUnnamed,
    ErrorsPlanner,
    ErrorsExecutor,
    ErrorsUtility,
    ErrorsGuard,
    ErrorsEvent,
}

const NAMES: [&str; 26] = [
    "statements",
    "access_reused",
    "access_computed",
    "access_microseconds",
    "invalidations",
    "policy_reads",
    "plans_made",
    "plans_reused",
    "tokens_accepted",
    "tokens_refused",
    "denied_nobody",
    "denied_check",
    "denied_guard",
    "denied_way",
    "denied_uncovered",
    "denied_schema",
    "denied_other",
    "denials_forgotten",
    "observed_rows",
    "observed_writes",
    "observed_unnamed",
    "errors_planner",
    "errors_executor",
    "errors_utility",
    "errors_guard",
    "errors_event",
];

/// How many databases are counted apart; those that come later are counted together.
const DATABASES: usize = 64;

/// The counters of one database.
#[repr(C)]
struct OfDatabase {
    /// 0: nobody's yet.
    database: AtomicU32,
    counts: [AtomicU64; NAMES.len()],
}

/// The counters of all databases.
#[repr(C)]
pub(super) struct Counters {
    databases: [OfDatabase; DATABASES],
    others: [AtomicU64; NAMES.len()],
}

thread_local! {
    static OURS: Cell<Option<&'static [AtomicU64; NAMES.len()]>> = const { Cell::new(None) };
    /// The error that is being raised is what Celador has to say, and no fault.
    static DELIBERATE: Cell<bool> = const { Cell::new(false) };
}

/// This database's counters.
fn ours() -> &'static [AtomicU64; NAMES.len()] {
    if let Some(ours) = OURS.get() {
        return ours;
    }
    let counters = &memory().counters;
    // SAFETY: set when the backend connected.
    let id = unsafe { pg_sys::MyDatabaseId }.to_u32();
    if id == 0 {
        return &counters.others;
    }
    let free_or_ours = |of: &&OfDatabase| match of.database.compare_exchange(
        0,
        id,
        Ordering::Relaxed,
        Ordering::Relaxed,
    ) {
        Ok(_) => true,
        Err(taken_by) => taken_by == id,
    };
    let ours = counters
        .databases
        .iter()
        .find(free_or_ours)
        .map_or(&counters.others, |of| &of.counts);
    OURS.set(Some(ours));
    ours
}

/// Adds to a counter.
pub(crate) fn count(counter: Counter, by: u64) {
    ours()[counter as usize].fetch_add(by, Ordering::Relaxed);
}

/// Says that the error which is raised next is meant: it is no fault of the hook's.
pub(crate) fn deliberate() {
    DELIBERATE.set(true);
}

/// Stands where a hook does Celador's work: counts an error that leaves it, and isn't meant.
pub(crate) struct Raising(Counter);

impl Raising {
    pub(crate) fn counts_as(counter: Counter) -> Self {
        DELIBERATE.set(false);
        Self(counter)
    }
}

impl Drop for Raising {
    fn drop(&mut self) {
        if std::thread::panicking() && !DELIBERATE.get() {
            // Once, by the innermost.
            DELIBERATE.set(true);
            // Asking for the memory could fail, and a second error would end the server.
            if is_attached() {
                count(self.0, 1);
            }
        }
    }
}

/// `celador.stats()`: what this database's backends have counted, by name.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn stats() -> TableIterator<'static, (name!(name, String), name!(value, i64), name!(scope, String))>
{
    let counts = ours();
    let mut rows: Vec<_> = NAMES
        .iter()
        .zip(counts)
        .map(|(name, count)| {
            let value = i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            ((*name).to_owned(), value, scope().to_owned())
        })
        .collect();
    let live = catalog::current().map_or(0, |catalog| catalog.revision);
    rows.push((
        "policy_revision".to_owned(),
        i64::from(live),
        "database".to_owned(),
    ));
    TableIterator::new(rows)
}
