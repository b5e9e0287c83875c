//! What generated policies ask of the person's access, row by row.

use celador_policy::key_set::KeySet;
use celador_policy::policy_set::CellRef;
use pgrx::prelude::*;

use crate::session::{self, person};

/// Everything of the module is in reach.
#[pg_extern]
fn all_in_reach(module: &str, cell: &str) -> bool {
    person().reach(module, cell).all
}

/// Somebody asks: readable tables are for whoever is signed in.
#[pg_extern]
fn is_known() -> bool {
    let _error_for_nobody = person();
    session::asker().is_ok()
}

/// `unassigned`, or `rule:NAME`.
#[pg_extern]
fn holds(module: &str, cell: &str, what: &str) -> bool {
    let reach = person().reach(module, cell);
    match what.strip_prefix("rule:") {
        Some(rule) => reach.rules.contains(rule),
        None => what == "unassigned" && reach.unassigned,
    }
}

/// The restriction applies to the person. To what is no cell every one does.
#[pg_extern]
fn restricted(restriction: &str, cell: &str) -> bool {
    let person = person();
    CellRef::from_text(cell).is_none_or(|cell| {
        person
            .access
            .restricted(person.policy(), restriction, &cell)
    })
}

#[pg_extern]
fn my_key(key: &str) -> Option<String> {
    person().keys(key).first().cloned()
}

#[pg_extern]
fn my_attribute(name: &str) -> Option<String> {
    person()
        .access
        .facts()
        .attributes
        .get(name)
        .cloned()
        .flatten()
}

#[pg_extern]
fn has_role(role: &str) -> bool {
    person().access.has_role(role)
}

/// A key in one of the types that keys have.
pub(crate) trait Key {
    /// Whether it is in the set.
    fn is_in(&self, keys: &KeySet) -> bool;
    /// The key as PostgreSQL prints it.
    fn to_text(&self) -> String;
}

impl Key for i32 {
    fn is_in(&self, keys: &KeySet) -> bool {
        keys.has_integer(i64::from(*self))
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl Key for i64 {
    fn is_in(&self, keys: &KeySet) -> bool {
        keys.has_integer(*self)
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl Key for pgrx::Uuid {
    fn is_in(&self, keys: &KeySet) -> bool {
        keys.has_uuid(u128::from_be_bytes(*self.as_bytes()))
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl Key for &str {
    fn is_in(&self, keys: &KeySet) -> bool {
        keys.has_text(self)
    }
    fn to_text(&self) -> String {
        (*self).to_owned()
    }
}

fn owned(module: &str, cell: &str, key: &str, owner: &impl Key) -> bool {
    person()
        .reach(module, cell)
        .owners
        .get(key)
        .is_some_and(|owners| owner.is_in(owners))
}

fn filed(module: &str, cell: &str, group: &impl Key) -> bool {
    group.is_in(&person().reach(module, cell).groups)
}

fn is_me(key: &str, value: &impl Key) -> bool {
    let text = value.to_text();
    person().keys(key).contains(&text)
}

fn created(module: &str, cell: &str, key: &str, creator: &impl Key) -> bool {
    person().reach(module, cell).created && is_me(key, creator)
}

fn shared(module: &str, cell: &str, record: &impl Key) -> bool {
    record.is_in(&person().reach(module, cell).shared)
}

/// Each question once for each type of key: PostgreSQL picks the one for the column.
macro_rules! for_type {
    ($type:ty, $owner:ident, $group:ident, $creator:ident, $me:ident, $share:ident) => {
        #[pg_extern]
        fn $owner(module: &str, cell: &str, key: &str, owner: $type) -> bool {
            owned(module, cell, key, &owner)
        }
        #[pg_extern]
        fn $group(module: &str, cell: &str, group: $type) -> bool {
            filed(module, cell, &group)
        }
        #[pg_extern]
        fn $creator(module: &str, cell: &str, key: &str, creator: $type) -> bool {
            created(module, cell, key, &creator)
        }
        #[pg_extern]
        fn $me(key: &str, creator: $type) -> bool {
            is_me(key, &creator)
        }
        #[pg_extern]
        fn $share(module: &str, cell: &str, record: $type) -> bool {
            shared(module, cell, &record)
        }
    };
}

for_type!(
    i32,
    owner_in_reach_int4,
    group_in_reach_int4,
    creator_in_reach_int4,
    creator_is_me_int4,
    share_in_reach_int4
);
for_type!(
    i64,
    owner_in_reach_int8,
    group_in_reach_int8,
    creator_in_reach_int8,
    creator_is_me_int8,
    share_in_reach_int8
);
for_type!(
    pgrx::Uuid,
    owner_in_reach_uuid,
    group_in_reach_uuid,
    creator_in_reach_uuid,
    creator_is_me_uuid,
    share_in_reach_uuid
);
for_type!(
    &str,
    owner_in_reach_text,
    group_in_reach_text,
    creator_in_reach_text,
    creator_is_me_text,
    share_in_reach_text
);
