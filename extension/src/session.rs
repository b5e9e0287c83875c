//! The access of whoever asks: computed when it is first needed, and again after a change.
//!
//! Within one statement it doesn't change: it is renewed where a statement begins.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use celador_policy::directory::{Facts, sql};
use celador_policy::document::NoIdentity;
use celador_policy::policy_set::{CellRef, Owner};
use celador_policy::{Access, PolicySet, Reach};
use pgrx::prelude::*;

use crate::catalog::{self, Catalog};
use crate::identity::{self, Source, Who};
use crate::spi::{self, Reads};
use crate::watch::{self, Counter, Kind};
use crate::{errors, hooks};

/// A person, with what that person may do.
pub(crate) struct Person {
    /// The policy that the access was computed from.
    pub(crate) catalog: Rc<Catalog>,
    /// What the person may do.
    pub(crate) access: Access,
    /// How the session came to this person.
    pub(crate) source: Source,
    computed_at: f64,
    reaches: RefCell<HashMap<String, BTreeMap<String, Rc<Reach>>>>,
}

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
    /// Counts the changes of policy and directory that were told.
    static VERSION: Cell<u64> = const { Cell::new(0) };
    /// Whose eyes are looked through, by `explain_access`.
    static LENT: RefCell<Vec<Rc<Person>>> = const { RefCell::new(Vec::new()) };
    /// Statements over protected tables that have begun and not ended, by address, and for whom;
    /// `None`: for somebody exempt.
    static OPEN: RefCell<BTreeMap<usize, Option<Rc<Person>>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Says that policy or directory have changed.
pub(crate) fn mark_stale() {
    STALE.set(true);
    VERSION.set(VERSION.get() + 1);
}

/// Another number after each change of policy or directory.
pub(crate) fn directory_version() -> u64 {
    VERSION.get()
}

/// Registers what happens at the end of transactions. Called once.
pub(crate) fn register_callbacks() {
    // SAFETY: the callback touches nothing but flags.
    unsafe { pg_sys::RegisterXactCallback(Some(transaction_ended), std::ptr::null_mut()) }
}

unsafe extern "C-unwind" fn transaction_ended(
    event: pg_sys::XactEvent::Type,
    _: *mut std::ffi::c_void,
) {
    if matches!(
        event,
        pg_sys::XactEvent::XACT_EVENT_COMMIT
            | pg_sys::XactEvent::XACT_EVENT_ABORT
            | pg_sys::XactEvent::XACT_EVENT_PREPARE
    ) {
        OPEN.with_borrow_mut(BTreeMap::clear);
        LENT.with_borrow_mut(Vec::clear);
        hooks::foreign_code::forget();
        hooks::maintenance::end();
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
/// the same access.
pub(crate) fn portal_goes_on(statement: usize) {
    let Some(Some(before)) = OPEN.with_borrow(|open| open.get(&statement).cloned()) else {
        return;
    };
    let now = person();
    let same = Rc::ptr_eq(&before, &now)
        || (before.access.facts() == now.access.facts() && before.policy() == now.policy());
    if !same {
        errors::raise(
            PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
            "your access has changed since the statement began",
            "Run the statement, or open the cursor, again.",
        );
    }
}

/// A statement has ended.
pub(crate) fn portal_closed(statement: usize) {
    let _person = OPEN.with_borrow_mut(|open| open.remove(&statement));
}

/// Whether a statement over protected tables is open: a cursor, or the one that runs.
pub(crate) fn has_open_portals() -> bool {
    OPEN.with_borrow(|open| !open.is_empty())
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
    STALE.get() || expired || other || identity::has_ended(now())
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
    let person = Rc::new(Person {
        access: Access::compute(policy, Facts::default()),
        catalog: Rc::clone(&catalog),
        source: Source::Login,
        computed_at: now(),
        reaches: RefCell::default(),
    });
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
        }
    }
    LENT.with_borrow_mut(|lent| lent.push(person));
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
        return Err(Nobody::new(
            "celador is not preloaded in this session",
            hooks::PRELOAD,
        ));
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

/// The person with that `user` key.
pub(crate) fn person_of(catalog: &Rc<Catalog>, key: &str, source: Source) -> Asker {
    let policy = policy_of(catalog)?;
    let Some(facts) = facts(catalog, policy, key) else {
        return Err(Nobody::new(
            format!("there is no user \"{key}\""),
            "Add the user to the directory, or correct who is signed in.",
        ));
    };
    if !facts.active {
        return Err(Nobody::new(
            format!("user \"{key}\" is deactivated"),
            "Activate the user in the directory.",
        ));
    }
    Ok(Rc::new(Person {
        access: Access::compute(policy, facts),
        catalog: Rc::clone(catalog),
        source,
        computed_at: now(),
        reaches: RefCell::default(),
    }))
}

fn facts(catalog: &Rc<Catalog>, policy: &PolicySet, key: &str) -> Option<Facts> {
    let user = &policy.directory.users.keys["user"];
    if !can_be(key, &user.type_name) {
        return None;
    }
    let statement = sql::facts(&policy.directory, &key_names(policy));
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| catalog.kept(&statement, 1).rows(&[key], Reads::Latest))
    });
    let json = match rows.as_slice() {
        [] => return None,
        [row] => row.first().cloned().flatten()?,
        [..] => errors::raise(
            PgSqlErrorCode::ERRCODE_CARDINALITY_VIOLATION,
            format!("several users have the key \"{key}\""),
            "Make the key unique in the users' table.",
        ),
    };
    match serde_json::from_str(&json) {
        Ok(facts) => Some(facts),
        Err(error) => errors::fault(format!(
            "what the directory tells of a user can't be read: {error}"
        )),
    }
}

/// The names of the keys by which records name people.
fn key_names(policy: &PolicySet) -> BTreeSet<String> {
    let owners = policy
        .modules
        .values()
        .flat_map(|module| &module.owners)
        .map(|owner| match owner {
            Owner::Column(column) => column.key.clone(),
            Owner::Link(_, key) => key.clone(),
        });
    owners.chain(["user".to_owned()]).collect()
}

/// Whether a text can be a value of a key's type; one that can't names nothing.
pub(crate) fn can_be(key: &str, type_name: &str) -> bool {
    match type_name {
        "pg_catalog.int2" => key.parse::<i16>().is_ok(),
        "pg_catalog.int4" => key.parse::<i32>().is_ok(),
        "pg_catalog.int8" => key.parse::<i64>().is_ok(),
        "pg_catalog.uuid" => {
            key.len() == 36
                && key.char_indices().all(|(at, c)| match at {
                    8 | 13 | 18 | 23 => c == '-',
                    _ => c.is_ascii_hexdigit(),
                })
        }
        "pg_catalog.text" | "pg_catalog.varchar" | "pg_catalog.bpchar" => true,
        _ => false,
    }
}

impl Person {
    /// The policy.
    pub(crate) fn policy(&self) -> &PolicySet {
        match &self.catalog.policy {
            Some(policy) => policy,
            None => errors::fault("a person without a policy"),
        }
    }

    /// What the person reaches of a module, in the way that `cell` names. A cell or module that
    /// isn't one reaches nothing, without a word: LEAKPROOF functions ask here, with whatever
    /// stands in rows that the person may not see.
    pub(crate) fn reach(&self, module: &str, cell: &str) -> Rc<Reach> {
        if let Some(reach) = self
            .reaches
            .borrow()
            .get(module)
            .and_then(|cells| cells.get(cell))
        {
            return Rc::clone(reach);
        }
        let policy = self.policy();
        let Some(named) = CellRef::from_text(cell).filter(|_| policy.modules.contains_key(module))
        else {
            return Rc::default();
        };
        let reach = Rc::new(self.access.reach(policy, module, &named, self.computed_at));
        self.reaches
            .borrow_mut()
            .entry(module.to_owned())
            .or_default()
            .insert(cell.to_owned(), Rc::clone(&reach));
        reach
    }

    /// The person's keys of that name.
    pub(crate) fn keys(&self, name: &str) -> &[String] {
        self.access
            .facts()
            .keys
            .get(name)
            .map_or(&[], Vec::as_slice)
    }
}
