//! The access of whoever asks: computed when it is first needed, and again after a change.
//!
//! Within one statement it doesn't change: it is renewed where a statement begins.

mod known;
mod person;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use celador_policy::directory::Facts;
use celador_policy::document::NoIdentity;
use celador_policy::{Access, PolicySet};
use pgrx::prelude::*;

use crate::catalog::{self, Catalog};
use crate::concerned::AsOf;
use crate::identity::{self, Source, Who};
use crate::watch::{self, Counter, Kind};
use crate::{concerned, errors, hooks, plan_memory, plan_stamp};
pub(crate) use known::stamp_of_same;
pub(crate) use person::{Person, can_be, person_of};

/// Why nobody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nobody {
    /// Why, in a sentence without its point.
    pub(crate) reason: String,
    /// What to do.
    pub(crate) hint: String,
    /// The session has no identity at all, not one that isn't valid.
    missing: bool,
}

impl Nobody {
    pub(crate) fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: hint.into(),
            missing: false,
        }
    }

    /// Nobody, because the session has no identity at all.
    pub(crate) fn missing(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            missing: true,
            ..Self::new(reason, hint)
        }
    }
}

type Asker = Result<Rc<Person>, Nobody>;

thread_local! {
    static CURRENT: RefCell<Option<(u64, Asker)>> = const { RefCell::new(None) };
    /// Who stands in for nobody.
    static STAND_IN: RefCell<Option<Rc<Person>>> = const { RefCell::new(None) };
    static STALE: Cell<bool> = const { Cell::new(false) };
    /// Changes whenever [`asker`] may give somebody else, or another access.
    static VERSION: Cell<u64> = const { Cell::new(1) };
    /// Counts the changes of policy and directory that were told.
    static TOLD: Cell<u64> = const { Cell::new(0) };
    /// Whose eyes are looked through, by `explain_access`.
    static LENT: RefCell<Vec<Rc<Person>>> = const { RefCell::new(Vec::new()) };
    /// Statements over protected tables that have begun and not ended, by address, and for whom;
    /// `None`: for somebody exempt.
    static OPEN: RefCell<BTreeMap<usize, Option<Rc<Person>>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Says that the policy has changed.
pub(crate) fn mark_stale() {
    STALE.set(true);
    TOLD.set(TOLD.get() + 1);
}

/// Says that the directory has changed, wherever messages of PostgreSQL's arrive: raises nothing, reads
/// no table. Where whoever asks isn't concerned, access and plans stay.
pub(crate) fn directory_changed() {
    TOLD.set(TOLD.get() + 1);
    let concerned = CURRENT.with(|current| match current.try_borrow().as_deref() {
        Ok(Some((_, Ok(person)))) => person.is_past(),
        Ok(Some((_, Err(_))) | None) | Err(_) => true,
    });
    if concerned {
        STALE.set(true);
        plan_stamp::forget_marked();
    }
}

/// What the directory told within this transaction isn't true.
fn directory_rolled_back() {
    mark_stale();
    known::forget();
    plan_stamp::forget_marked();
}

/// Another number after each change of policy or directory.
pub(crate) fn directory_version() -> u64 {
    TOLD.get()
}

/// Registers what happens at the end of transactions. Called once.
pub(crate) fn register_callbacks() {
    // SAFETY: the callback raises nothing where a transaction has ended.
    unsafe { pg_sys::RegisterXactCallback(Some(transaction_ended), std::ptr::null_mut()) }
}

unsafe extern "C-unwind" fn transaction_ended(
    event: pg_sys::XactEvent::Type,
    _: *mut std::ffi::c_void,
) {
    match event {
        pg_sys::XactEvent::XACT_EVENT_COMMIT => concerned::committed(),
        pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE => concerned::preparing(),
        pg_sys::XactEvent::XACT_EVENT_ABORT if concerned::rolled_back() => directory_rolled_back(),
        _ => {}
    }
    if matches!(
        event,
        pg_sys::XactEvent::XACT_EVENT_COMMIT
            | pg_sys::XactEvent::XACT_EVENT_ABORT
            | pg_sys::XactEvent::XACT_EVENT_PREPARE
    ) {
        plan_memory::transaction_ended();
        OPEN.with_borrow_mut(BTreeMap::clear);
        LENT.with_borrow_mut(Vec::clear);
        changed();
        hooks::foreign_code::forget();
        hooks::maintenance::end();
        hooks::executor::forget_running();
        hooks::row_limit::forget();
        watch::flush();
        watch::log_pending();
        watch::statement_is(pg_sys::InvalidOid, pg_sys::CmdType::CMD_UNKNOWN);
    }
}

/// A statement over protected tables begins, for that person.
pub(crate) fn portal_opened(statement: usize, person: Option<Rc<Person>>) {
    identity::note_cursor();
    OPEN.with_borrow_mut(|open| open.insert(statement, person));
}

/// A statement goes on, a cursor perhaps: what it has sorted or joined so far is for a person with
/// the same access. Whether it is a person's, over protected tables.
pub(crate) fn portal_goes_on(statement: usize) -> bool {
    let Some(Some(before)) = OPEN.with_borrow(|open| open.get(&statement).cloned()) else {
        return false;
    };
    let now = person();
    if before.stamp != now.stamp {
        errors::raise(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            "your access has changed since the statement began",
            "Run the statement, or open the cursor, again.",
        );
    }
    true
}

/// A statement has ended.
pub(crate) fn portal_closed(statement: usize) {
    let _person = OPEN.with_borrow_mut(|open| open.remove(&statement));
}

/// Whether a statement over protected tables is open: a cursor, or the one that runs.
pub(crate) fn has_open_portals() -> bool {
    OPEN.with_borrow(|open| !open.is_empty())
}

/// While this is the same, so is whoever asks, and the access.
pub(crate) fn version() -> u64 {
    let _renews = identity::epoch();
    VERSION.get()
}

/// The [`version`], where that is known without a look at who has logged in; raises nothing.
pub(crate) fn known_version() -> Option<u64> {
    identity::is_of_login().then(|| VERSION.get())
}

/// Whoever asks may be somebody else from here on.
pub(crate) fn changed() {
    VERSION.set(VERSION.get() + 1);
}

/// Where a statement begins: takes note of changes in other sessions.
pub(crate) fn begin_statement() {
    // SAFETY: what PostgreSQL does itself whenever it takes a lock.
    unsafe {
        pg_sys::AcceptInvalidationMessages();
        // What runs within a parallel statement goes on with the access that it began with.
        if pg_sys::IsInParallelMode() {
            return;
        }
    }
    if is_outdated() {
        STALE.set(false);
        if CURRENT.take().is_some() {
            watch::count(Counter::Invalidations, 1);
        }
        changed();
    }
}

/// Whether something has changed since the access was computed.
fn is_outdated() -> bool {
    let expired = CURRENT.with_borrow(|current| match current {
        Some((_, Ok(person))) => person.access.deadline().is_some_and(|end| end <= now()),
        Some((_, Err(_))) | None => false,
    });
    let other = CURRENT.with_borrow(|current| {
        current
            .as_ref()
            .is_some_and(|(epoch, _)| *epoch != identity::epoch())
    });
    let ended = expired || identity::has_ended(now());
    if ended {
        // Nothing tells of it that the cache of plans would hear.
        plan_stamp::forget_marked();
    }
    STALE.get() || ended || other
}

/// Who asks, with the access as it is now: within a statement, where that has gone on to what others
/// have committed since it began.
pub(crate) fn person_now() -> Rc<Person> {
    // SAFETY: what PostgreSQL does itself whenever it takes a lock.
    unsafe { pg_sys::AcceptInvalidationMessages() }
    let is_lent = LENT.with_borrow(|lent| !lent.is_empty());
    if is_lent || !is_outdated() {
        return person();
    }
    match compute() {
        Ok(person) => person,
        Err(nobody) => stand_in(&nobody).unwrap_or_else(|| refuse(&nobody)),
    }
}

/// Seconds since 1970, at the start of the statement.
pub(crate) fn now() -> f64 {
    // SAFETY: reads the clock.
    seconds(unsafe { pg_sys::GetCurrentTimestamp() })
}

/// Seconds since 1970 of a timestamp of PostgreSQL's, which counts microseconds since 2000.
pub(crate) fn seconds(timestamp: pg_sys::TimestampTz) -> f64 {
    const POSTGRES_EPOCH: f64 = 946_684_800.0;
    timestamp as f64 / 1_000_000.0 + POSTGRES_EPOCH
}

/// Who asks, or why nobody does.
pub(crate) fn asker() -> Asker {
    if let Some(lent) = LENT.with_borrow(|lent| lent.last().cloned()) {
        return Ok(lent);
    }
    let epoch = identity::epoch();
    let known = CURRENT.with_borrow(|current| {
        current
            .as_ref()
            .filter(|(of, _)| *of == epoch)
            .map(|(_, asker)| asker.clone())
    });
    if let Some(asker) = known {
        return asker;
    }
    let start = std::time::Instant::now();
    let asker = compute();
    let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    watch::count(Counter::AccessComputed, 1);
    watch::count(Counter::AccessMicroseconds, took);
    CURRENT.set(Some((epoch, asker.clone())));
    changed();
    asker
}

/// Whether another person's eyes are looked through.
pub(crate) fn is_lent() -> bool {
    LENT.with_borrow(|lent| !lent.is_empty())
}

/// Whether it is known who asks; nothing is computed.
pub(crate) fn is_known() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// The `user` key of who asks, if it is known; nothing is computed.
pub(crate) fn known_user() -> Option<String> {
    CURRENT.with_borrow(|current| match current {
        Some((_, Ok(person))) => Some(person.access.facts().user.clone()),
        Some((_, Err(_))) | None => None,
    })
}

/// Who asks; nobody is an error, or by the policy's choice somebody who may nothing.
pub(crate) fn person() -> Rc<Person> {
    match asker() {
        Ok(person) => person,
        Err(nobody) => stand_in(&nobody).unwrap_or_else(|| refuse(&nobody)),
    }
}

/// Somebody without a key, a role or a right.
fn stand_in(nobody: &Nobody) -> Option<Rc<Person>> {
    if !nobody.missing {
        return None;
    }
    let catalog = catalog::current()?;
    let policy = catalog.policy.as_ref()?;
    if policy.no_identity != NoIdentity::Empty {
        return None;
    }
    if let Some(known) = STAND_IN.with_borrow(Clone::clone)
        && Rc::ptr_eq(&known.catalog, &catalog)
    {
        return Some(known);
    }
    let access = Access::compute(policy, Facts::default());
    let person = Person::new(
        &catalog,
        access,
        Source::Login,
        AsOf::now(directory_version()),
    );
    STAND_IN.set(Some(Rc::clone(&person)));
    Some(person)
}

/// 42501, with why nobody asks and what to do.
pub(crate) fn refuse(nobody: &Nobody) -> ! {
    errors::denied_by(
        Kind::Nobody,
        None,
        format!("nobody is signed in: {}", nobody.reason),
        nobody.hint.clone(),
    )
}

/// Looks through another person's eyes while `work` runs.
pub(crate) fn lend<T>(person: Rc<Person>, work: impl FnOnce() -> T) -> T {
    struct Return;
    impl Drop for Return {
        fn drop(&mut self) {
            LENT.with_borrow_mut(|lent| lent.pop());
            changed();
            plan_stamp::forget_marked();
        }
    }
    LENT.with_borrow_mut(|lent| lent.push(person));
    changed();
    plan_stamp::forget_marked();
    let _return = Return;
    work()
}

fn compute() -> Asker {
    // SAFETY: reads a flag.
    if unsafe { pg_sys::ParallelWorkerNumber } >= 0 {
        return Err(Nobody::new(
            "a parallel worker can't read the directory",
            "Mark the function that reads protected tables PARALLEL RESTRICTED.",
        ));
    }
    if !hooks::are_installed() {
        return Err(Nobody::new(hooks::NOT_PRELOADED, hooks::PRELOAD));
    }
    let Some(catalog) = catalog::current() else {
        return Err(Nobody::new(
            "the extension isn't created in this database",
            "Run CREATE EXTENSION celador.",
        ));
    };
    let policy = policy_of(&catalog)?;
    let (key, source) = match identity::who(&catalog, policy)? {
        Who::User(key, source) => (key, source),
    };
    person_of(&catalog, &key, source)
}

fn policy_of(catalog: &Catalog) -> Result<&PolicySet, Nobody> {
    if let Some(unfit) = &catalog.unfit {
        return Err(Nobody::new(unfit.reason(), unfit.remedy()));
    }
    catalog.policy.as_ref().ok_or_else(|| {
        Nobody::new(
            "no policy is loaded",
            "Run SELECT celador.load_policy(document).",
        )
    })
}
