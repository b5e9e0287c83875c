//! Plans of people who come back. A pool serves somebody else with every transaction, and each
//! time PostgreSQL forgets the plans of the one before: here they are kept by whose they are.
//!
//! A plan is found again by the statement, the stamp of the person's access, the database role and
//! the settings of the planner. What changes a table, a function or a type that it depends on makes
//! all of them go. Where it starts it is compared with whoever asks, as any stamped plan is.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_char, c_int};
use std::hash::{Hash, Hasher};

use pgrx::prelude::*;
use rustc_hash::FxHasher;

use crate::hooks::injected::mistake;
use crate::hooks::tree::{elements, oids};
use crate::{plan_stamp, planner_settings};

/// How many plans a backend keeps, and of what size in all.
const MOST_PLANS: usize = 512;
const MOST_BYTES: usize = 16 << 20;
/// How many statements are noticed, to see which come again.
const MOST_NOTICED: usize = 4096;

/// By what a plan is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    text: u64,
    place: [i32; 2],
    options: c_int,
    stamp: u32,
    role: u32,
    settings: u64,
}

struct Kept {
    query: *mut pg_sys::Query,
    plan: *mut pg_sys::PlannedStmt,
    memory: pg_sys::MemoryContext,
    bytes: usize,
    used: u64,
}

#[derive(Default)]
struct Memory {
    plans: HashMap<Key, Kept>,
    bytes: usize,
    uses: u64,
    /// What the plans depend on: relations, and entries of PostgreSQL's other caches.
    relations: HashSet<pg_sys::Oid>,
    items: HashSet<(i32, u32)>,
    /// Statements that a plan with answers was made for.
    noticed: HashSet<u64>,
    /// What may still be running, by the transaction in which it was dropped.
    dropped: Vec<(u64, pg_sys::MemoryContext)>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
    static OUTDATED: Cell<bool> = const { Cell::new(false) };
    static TRANSACTION: Cell<u64> = const { Cell::new(0) };
}

/// Registers what tells of changes. Called once, when the library is loaded.
pub(crate) fn register_callbacks() {
    use pg_sys::SysCacheIdentifier::{
        AMOPOPID, FOREIGNDATAWRAPPEROID, FOREIGNSERVEROID, NAMESPACEOID, OPEROID, PROCOID, TYPEOID,
    };
    // SAFETY: the callbacks touch nothing but flags.
    unsafe {
        pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::from(0));
        for cache in [PROCOID, TYPEOID] {
            pg_sys::CacheRegisterSyscacheCallback(
                cache as i32,
                Some(item_changed),
                pg_sys::Datum::from(0),
            );
        }
        for cache in [
            NAMESPACEOID,
            OPEROID,
            AMOPOPID,
            FOREIGNSERVEROID,
            FOREIGNDATAWRAPPEROID,
        ] {
            pg_sys::CacheRegisterSyscacheCallback(
                cache as i32,
                Some(all_changed),
                pg_sys::Datum::from(0),
            );
        }
    }
}

unsafe extern "C-unwind" fn relation_changed(_: pg_sys::Datum, relation: pg_sys::Oid) {
    let known = MEMORY.with(|memory| {
        memory
            .try_borrow()
            .map_or(true, |memory| memory.relations.contains(&relation))
    });
    if known || relation == pg_sys::InvalidOid {
        OUTDATED.set(true);
    }
}

unsafe extern "C-unwind" fn item_changed(_: pg_sys::Datum, cache: c_int, hash: u32) {
    if plan_stamp::is_mark(cache, hash) {
        return;
    }
    let known = MEMORY.with(|memory| {
        memory
            .try_borrow()
            .map_or(true, |memory| memory.items.contains(&(cache, hash)))
    });
    if known || hash == 0 {
        OUTDATED.set(true);
    }
}

unsafe extern "C-unwind" fn all_changed(_: pg_sys::Datum, _: c_int, _: u32) {
    OUTDATED.set(true);
}

/// The catalog is read anew: what was planned by the one before goes.
pub(crate) fn forget() {
    OUTDATED.set(true);
}

/// A transaction has ended, and with it all that ran in it.
pub(crate) fn transaction_ended() {
    TRANSACTION.set(TRANSACTION.get() + 1);
}

/// The number of a statement's text, where it was noticed before.
pub(crate) unsafe fn noticed(text: *const c_char) -> Option<u64> {
    // SAFETY: the caller's C string.
    let number = unsafe { number(text)? };
    MEMORY.with_borrow(|memory| memory.noticed.contains(&number).then_some(number))
}

/// A statement has got a plan that holds answers: if it comes again, that is kept.
pub(crate) unsafe fn notice(text: *const c_char) {
    // SAFETY: the caller's C string.
    let Some(number) = (unsafe { number(text) }) else {
        return;
    };
    MEMORY.with_borrow_mut(|memory| {
        if memory.noticed.len() >= MOST_NOTICED {
            memory.noticed.clear();
        }
        memory.noticed.insert(number);
    });
}

unsafe fn number(text: *const c_char) -> Option<u64> {
    if text.is_null() {
        return None;
    }
    let mut hasher = FxHasher::default();
    // SAFETY: the caller's C string.
    unsafe { CStr::from_ptr(text) }.to_bytes().hash(&mut hasher);
    Some(hasher.finish())
}

/// By what the plan of a statement is found for the person with that stamp.
pub(crate) unsafe fn key(text: u64, query: *mut pg_sys::Query, options: c_int, stamp: u32) -> Key {
    // SAFETY: reads the query and the backend's state.
    unsafe {
        Key {
            text,
            place: [(*query).stmt_location, (*query).stmt_len],
            options,
            stamp: if mistake("plans are found by anybody") {
                0
            } else {
                stamp
            },
            role: pg_sys::GetUserId().to_u32(),
            settings: if mistake("settings don't count") {
                0
            } else {
                planner_settings::fingerprint()
            },
        }
    }
}

/// The plan that is kept for the statement, its tables locked. It is read only, and lives at least
/// until the transaction ends.
pub(crate) unsafe fn recall(
    key: &Key,
    query: *mut pg_sys::Query,
) -> Option<*mut pg_sys::PlannedStmt> {
    drop_outdated();
    let plan = MEMORY.with_borrow_mut(|memory| {
        memory.uses += 1;
        let uses = memory.uses;
        let kept = memory.plans.get_mut(key)?;
        // SAFETY: compares two trees.
        unsafe { pg_sys::equal(kept.query.cast(), query.cast()) }.then(|| {
            kept.used = uses;
            kept.plan
        })
    })?;
    // SAFETY: the plan's own tables, as PostgreSQL locks them for a plan that it has kept.
    unsafe {
        for entry in elements::<pg_sys::RangeTblEntry>((*plan).rtable) {
            if (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION {
                pg_sys::LockRelationOid((*entry).relid, (*entry).rellockmode);
            }
        }
    }
    (!OUTDATED.get()).then_some(plan)
}

/// A copy of a statement that may be worth keeping, before the planner changes it.
pub(crate) struct Candidate {
    key: Key,
    query: *mut pg_sys::Query,
    memory: pg_sys::MemoryContext,
}

impl Candidate {
    /// Copies the statement. Unless it is kept, the copy goes with the memory of the moment.
    pub(crate) unsafe fn copy(key: Key, query: *mut pg_sys::Query) -> Self {
        // SAFETY: the copy is made in a context of its own.
        unsafe {
            let memory = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"celador plan".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            let before = pg_sys::MemoryContextSwitchTo(memory);
            let query = pg_sys::copyObjectImpl(query.cast()).cast();
            pg_sys::MemoryContextSwitchTo(before);
            Self { key, query, memory }
        }
    }

    /// Keeps the plan, which has this stamp. `signal`: the relation that stands for the policy, as the
    /// stamp does.
    pub(crate) unsafe fn keep(
        self,
        plan: *mut pg_sys::PlannedStmt,
        stamp: u32,
        signal: pg_sys::Oid,
    ) {
        // SAFETY: the plan is copied; its lists hold what PostgreSQL's planner puts there.
        unsafe {
            let other = stamp != self.key.stamp && !mistake("plans are found by anybody");
            if other || (*plan).transientPlan || OUTDATED.get() {
                pg_sys::MemoryContextDelete(self.memory);
                return;
            }
            let before = pg_sys::MemoryContextSwitchTo(self.memory);
            let plan: *mut pg_sys::PlannedStmt = pg_sys::copyObjectImpl(plan.cast()).cast();
            pg_sys::MemoryContextSwitchTo(before);
            pg_sys::MemoryContextSetParent(self.memory, pg_sys::CacheMemoryContext);
            let bytes = pg_sys::MemoryContextMemAllocated(self.memory, true);
            let relations = oids((*plan).relationOids)
                .into_iter()
                .filter(|relation| *relation != signal);
            let items = elements::<pg_sys::PlanInvalItem>((*plan).invalItems);
            let items = items
                .iter()
                .map(|item| ((**item).cacheId, (**item).hashValue));
            MEMORY.with_borrow_mut(|memory| {
                memory.relations.extend(relations);
                memory.items.extend(items);
                memory.put(
                    self.key,
                    Kept {
                        query: self.query,
                        plan,
                        memory: self.memory,
                        bytes,
                        used: 0,
                    },
                );
            });
        }
    }
}

impl Memory {
    fn put(&mut self, key: Key, mut kept: Kept) {
        self.uses += 1;
        kept.used = self.uses;
        self.bytes += kept.bytes;
        if let Some(before) = self.plans.insert(key, kept) {
            self.drop_later(before);
        }
        while self.plans.len() > MOST_PLANS || (self.bytes > MOST_BYTES && self.plans.len() > 1) {
            let oldest = self.plans.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                return;
            };
            if let Some(kept) = self.plans.remove(&oldest) {
                self.drop_later(kept);
            }
        }
    }

    /// A plan that is dropped may be running: it goes when the transaction has ended.
    fn drop_later(&mut self, kept: Kept) {
        self.bytes -= kept.bytes;
        self.dropped.push((TRANSACTION.get(), kept.memory));
    }
}

/// Drops all plans where one may be outdated, and frees what was dropped before this transaction.
fn drop_outdated() {
    let freed = MEMORY.with_borrow_mut(|memory| {
        if OUTDATED.replace(false) && !mistake("plans never age") {
            let plans: Vec<Kept> = memory.plans.drain().map(|(_, kept)| kept).collect();
            for kept in plans {
                memory.drop_later(kept);
            }
            memory.relations.clear();
            memory.items.clear();
        }
        let now = TRANSACTION.get();
        let (kept, freed) = std::mem::take(&mut memory.dropped)
            .into_iter()
            .partition(|(then, _)| *then == now);
        memory.dropped = kept;
        freed
    });
    let freed: Vec<(u64, pg_sys::MemoryContext)> = freed;
    for (_, context) in freed {
        // SAFETY: nothing that ran in that transaction runs any more.
        unsafe { pg_sys::MemoryContextDelete(context) }
    }
}
