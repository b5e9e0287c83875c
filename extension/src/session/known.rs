//! The people whose access this backend has computed: who comes again needs no new computation while
//! policy and directory stay the same, and the same access has the same stamp again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use pgrx::pg_sys;

use super::Person;
use crate::catalog::Catalog;
use crate::identity::Source;

/// How many people are remembered.
const MOST: usize = 64;
/// How many keys, of people, groups and records, those people may have between them. A key takes
/// about 100 bytes.
const MOST_KEYS: usize = 200_000;

struct Known {
    keys: usize,
    person: Rc<Person>,
}

thread_local! {
    /// The one that was asked for last comes first.
    static KNOWN: RefCell<VecDeque<Known>> = const { RefCell::new(VecDeque::new()) };
}

/// The person with that key, if the access is as it would be computed now.
pub(super) fn find(catalog: &Rc<Catalog>, user: &str, source: Source) -> Option<Rc<Person>> {
    // SAFETY: what PostgreSQL does itself whenever it takes a lock. Within a parallel statement
    // nothing changes.
    unsafe {
        if !pg_sys::IsInParallelMode() {
            pg_sys::AcceptInvalidationMessages();
        }
    }
    KNOWN.with_borrow_mut(|known| {
        let at = known.iter().position(|known| {
            let person = &known.person;
            person.source == source
                && person.access.facts().user == user
                && Rc::ptr_eq(&person.catalog, catalog)
                && !person.is_past()
        })?;
        let found = known.remove(at)?;
        let ended = found.person.access.deadline();
        if ended.is_some_and(|end| end <= super::now()) {
            return None;
        }
        let person = Rc::clone(&found.person);
        known.push_front(found);
        Some(person)
    })
}

/// The stamp of somebody known with the same access.
pub(crate) fn stamp_of_same(person: &Person) -> Option<u32> {
    KNOWN.with_borrow(|known| {
        let same = known
            .iter()
            .find(|known| known.person.has_same_access(person));
        same.map(|known| known.person.stamp)
    })
}

/// Forgets everybody.
pub(super) fn forget() {
    let _forgotten = KNOWN.take();
}

/// Remembers a person.
pub(super) fn remember(person: &Rc<Person>) {
    let added = Known {
        keys: person.keys_held(),
        person: Rc::clone(person),
    };
    // Dropped after the list is free again.
    let _forgotten: Vec<Known> = KNOWN.with_borrow_mut(|known| {
        let replaced = |known: &Known| {
            known.person.stamp == person.stamp && known.person.source == person.source
        };
        let mut left = MOST_KEYS.saturating_sub(added.keys);
        let (mut kept, mut forgotten) = (VecDeque::from([added]), Vec::new());
        for known in known.drain(..) {
            if replaced(&known) || kept.len() == MOST || known.keys > left {
                forgotten.push(known);
            } else {
                left -= known.keys;
                kept.push_back(known);
            }
        }
        *known = kept;
        forgotten
    });
}
