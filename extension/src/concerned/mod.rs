//! Whom changes of the directory concern, so that nobody else's access is computed anew.
//!
//! A transaction that changes the directory keeps the topics of its changes, and adds them to the [`Ring`]
//! once its changes are visible and before PostgreSQL sends what tells the other backends. So whoever is
//! told finds them there; and whoever finds them earlier sees the changes. Where the ring can't tell,
//! everybody is concerned: without shared memory, on a standby, in the transaction itself.

mod ring;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use celador_policy::PolicySet;
use celador_policy::directory::Facts;
use celador_policy::directory::concerned::{Topic, topics_of};
use pgrx::prelude::*;
use rustc_hash::{FxHashSet, FxHasher};

use crate::directory_trigger;
use crate::hooks::injected::mistake;
use crate::watch;
pub(crate) use ring::Ring;

/// What this transaction's changes are about; `None`: everybody.
type Changes = Option<BTreeSet<u64>>;

thread_local! {
    /// `None`: this transaction has changed nothing of the directory.
    static CHANGES: RefCell<Option<Changes>> = const { RefCell::new(None) };
}

/// How far somebody's facts are known to be as they are.
#[derive(Debug, Default)]
pub(crate) struct AsOf {
    /// How many changes had been told of.
    told: Cell<u64>,
    /// How much of the ring had been read; `None`: it can't be relied on.
    read: Cell<Option<u64>>,
    topics: OnceCell<FxHashSet<u64>>,
}

impl AsOf {
    /// Before facts are read, of which changes that come later are told again.
    pub(crate) fn now(told: u64) -> Self {
        // SAFETY: reads the backend's state.
        let is_standby = unsafe { pg_sys::RecoveryInProgress() };
        let ring = watch::shared_ring().filter(|_| !is_standby);
        Self {
            told: Cell::new(told),
            read: Cell::new(ring.map(Ring::end)),
            topics: OnceCell::new(),
        }
    }

    /// Whether a change may have come that concerns the person with these facts, when so many have been
    /// told of; raises nothing.
    pub(crate) fn is_past(&self, told: u64, policy: &PolicySet, facts: &Facts) -> bool {
        if self.told.get() == told {
            return false;
        }
        let own = CHANGES.with(|changes| changes.try_borrow().map_or(true, |own| own.is_some()));
        let (Some(read), Some(ring), false) = (self.read.get(), watch::shared_ring(), own) else {
            return true;
        };
        let topics = self.topics.get_or_init(|| numbers_of(policy, facts));
        let everybody = number(None);
        let (concerned, end) = ring.holds_since(read, |number| {
            number == everybody || topics.contains(&number)
        });
        if concerned && !mistake("nobody is concerned") {
            return true;
        }
        self.told.set(told);
        self.read.set(Some(end));
        false
    }
}

fn numbers_of(policy: &PolicySet, facts: &Facts) -> FxHashSet<u64> {
    let topics = topics_of(policy, facts);
    topics.iter().map(|topic| number(Some(topic))).collect()
}

/// What stands for a topic in this database; `None`: for everybody. Two topics may have the same number:
/// somebody's access is computed without need.
fn number(topic: Option<&Topic<'_>>) -> u64 {
    let mut hasher = FxHasher::default();
    // SAFETY: reads the backend's state.
    unsafe { pg_sys::MyDatabaseId }.to_u32().hash(&mut hasher);
    topic.hash(&mut hasher);
    hasher.finish()
}

/// This transaction has changed what concerns these topics; `None`: everybody.
pub(crate) fn changed(topics: Option<&BTreeSet<Topic<'_>>>) {
    let numbers: Changes =
        topics.map(|topics| topics.iter().map(|topic| number(Some(topic))).collect());
    // Asked for here: where a transaction ends nothing may fail.
    watch::is_shared();
    CHANGES.with_borrow_mut(|changes| {
        *changes = Some(match (changes.take(), numbers) {
            (None, numbers) => numbers,
            (Some(Some(mut all)), Some(numbers)) => {
                all.extend(numbers);
                Some(all)
            }
            (Some(_), _) => None,
        });
    });
}

/// The transaction has committed, and its changes are visible.
pub(crate) fn committed() {
    let Some(changes) = CHANGES.take() else {
        return;
    };
    let Some(ring) = watch::shared_ring() else {
        return;
    };
    let add = |numbers: &[u64]| watch::locked(|| ring.add(numbers.iter().copied()));
    match changes.filter(|numbers| numbers.len() <= Ring::most()) {
        Some(numbers) => add(&numbers.into_iter().collect::<Vec<u64>>()),
        None => add(&[number(None)]),
    }
}

/// The transaction is about to be prepared: another backend will commit it, and nothing will be added then.
pub(crate) fn preparing() {
    if CHANGES.take().is_some() {
        directory_trigger::signal("policy");
    }
}

/// The transaction has been rolled back. Whether it had changed the directory, and some backend's memory
/// may be of what it had written.
pub(crate) fn rolled_back() -> bool {
    CHANGES.take().is_some()
}
