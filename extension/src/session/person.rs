//! A person, with what the directory tells and what that person may do.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use celador_policy::directory::{Facts, Unreadable};
use celador_policy::policy_set::CellRef;
use celador_policy::{Access, PolicySet, Reach};
use pgrx::prelude::*;

use super::{Asker, Nobody, known, now, policy_of};
use crate::catalog::{self, Catalog};
use crate::concerned::AsOf;
use crate::fold::Answered;
use crate::guard::Known;
use crate::identity::Source;
use crate::masks::KnownShown;
use crate::spi;
use crate::{errors, plan_stamp};

type Guarding = (u64, BTreeMap<String, Rc<Known>>);

/// A person, with what that person may do.
pub(crate) struct Person {
    /// The policy that the access was computed from.
    pub(crate) catalog: Rc<Catalog>,
    /// What the person may do.
    pub(crate) access: Access,
    /// How the session came to this person.
    pub(crate) source: Source,
    pub(super) computed_at: f64,
    /// Until which change of the directory the access is as it would be computed.
    as_of: AsOf,
    /// Plans that hold answers of the same access have the same stamp.
    pub(crate) stamp: u32,
    reaches: RefCell<HashMap<String, BTreeMap<String, Rc<Reach>>>>,
    /// Conditions with this person's answers in them.
    pub(crate) answered: Answered,
    /// What tables show to this person.
    pub(crate) shown: KnownShown,
    row_limits: RefCell<HashMap<String, Option<u64>>>,
    /// What the guard knows of relations: how often relations had changed, and by module.
    guarding: RefCell<HashMap<pg_sys::Oid, Guarding>>,
}

/// The person with that `user` key: known, or computed.
pub(crate) fn person_of(catalog: &Rc<Catalog>, key: &str, source: Source) -> Asker {
    let policy = policy_of(catalog)?;
    if let Some(person) = known::find(catalog, key, source) {
        return Ok(person);
    }
    // A change that is told of from here on is seen again.
    let as_of = AsOf::now(super::directory_version());
    let Some(facts) = facts(catalog, policy, key) else {
        return Err(Nobody::new(
            format!("there is no user \"{key}\""),
            "A user is named by key, not by login: correct it, or add the user to the directory.",
        ));
    };
    if !facts.active {
        return Err(Nobody::new(
            format!("user \"{key}\" is deactivated"),
            "Activate the user in the directory.",
        ));
    }
    let access = Access::compute(policy, facts);
    let person = Person::new(catalog, access, source, as_of);
    known::remember(&person);
    Ok(person)
}

fn facts(catalog: &Rc<Catalog>, policy: &PolicySet, key: &str) -> Option<Facts> {
    let user = &policy.directory.users.keys["user"];
    if !can_be(key, &user.type_name) {
        return None;
    }
    let told = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            let statements = catalog.person_statements(policy);
            statements.read(policy, key, &mut |sql, asked| {
                catalog.ask_directory(sql, asked)
            })
        })
    });
    match told {
        Ok(facts) => facts,
        Err(several @ Unreadable::Several(_)) => errors::raise(
            PgSqlErrorCode::ERRCODE_CARDINALITY_VIOLATION,
            several.to_string(),
            "Make the key unique in the users' table.",
        ),
        Err(form @ Unreadable::Form(_)) => errors::fault(form.to_string()),
    }
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
    pub(super) fn new(
        catalog: &Rc<Catalog>,
        access: Access,
        source: Source,
        as_of: AsOf,
    ) -> Rc<Self> {
        let mut person = Self {
            access,
            catalog: Rc::clone(catalog),
            source,
            computed_at: now(),
            as_of,
            stamp: 0,
            reaches: RefCell::default(),
            answered: Answered::default(),
            shown: KnownShown::default(),
            row_limits: RefCell::default(),
            guarding: RefCell::default(),
        };
        person.stamp = plan_stamp::of(&person);
        Rc::new(person)
    }

    /// Whether the directory may have changed what the person may do since that was computed; raises
    /// nothing.
    pub(super) fn is_past(&self) -> bool {
        let told = super::directory_version();
        let policy = self.catalog.policy.as_ref();
        policy.is_none_or(|policy| self.as_of.is_past(told, policy, self.access.facts()))
    }

    /// How many keys the person holds in memory.
    pub(super) fn keys_held(&self) -> usize {
        let facts = self.access.facts();
        let sets = [&facts.reports, &facts.colleagues, &facts.colleagues_tree];
        let people: usize = sets
            .into_iter()
            .flat_map(|set| set.values())
            .map(Vec::len)
            .sum();
        people + facts.groups_below.len() + facts.group_nodes.len() + facts.shares.len()
    }

    /// Whether whatever a policy asks has the same answer for both, as they were computed.
    pub(crate) fn has_same_access(&self, other: &Self) -> bool {
        let facts = self.access.facts();
        let live = |end: f64, person: &Self| end > person.computed_at;
        facts == other.access.facts()
            && (Rc::ptr_eq(&self.catalog, &other.catalog) || self.policy() == other.policy())
            && facts
                .shares
                .iter()
                .filter_map(|share| share.expires)
                .all(|end| live(end, self) == live(end, other))
    }

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

    /// How many rows of the module one statement may return to the person; `None`: as many as there are.
    pub(crate) fn row_limit(&self, module: &str) -> Option<u64> {
        if let Some(known) = self.row_limits.borrow().get(module) {
            return *known;
        }
        let (policy, now) = (self.policy(), self.computed_at);
        let limit = self.access.row_limit(policy, module, now);
        let mut known = self.row_limits.borrow_mut();
        known.insert(module.to_owned(), limit);
        limit
    }

    /// What the guard knows of a relation that holds records of the module, found by `find` once
    /// and again when a relation has changed.
    pub(crate) fn guarding(
        &self,
        relation: pg_sys::Oid,
        module: &str,
        find: impl FnOnce() -> Known,
    ) -> Rc<Known> {
        let changes = catalog::relation_changes();
        if let Some((as_of, known)) = self.guarding.borrow().get(&relation)
            && *as_of == changes
            && let Some(known) = known.get(module)
        {
            return Rc::clone(known);
        }
        let found = Rc::new(find());
        let mut guarding = self.guarding.borrow_mut();
        let (as_of, known) = guarding.entry(relation).or_default();
        if *as_of != changes {
            (*as_of, *known) = (changes, BTreeMap::new());
        }
        known.insert(module.to_owned(), Rc::clone(&found));
        found
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
