//! What generated policies ask of the person's access, row by row.
//!
//! Those that are asked most look a value up in a set, which is found once for a statement.

use std::rc::Rc;

use celador_policy::Reach;
use celador_policy::key_set::KeySet;
use celador_policy::policy_set::CellRef;
use pgrx::prelude::*;

use crate::call_memory;
use crate::hooks::raw_function;
use crate::session::{self, Person, person};

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
    holds_what(&person(), module, cell, what)
}

pub(crate) fn holds_what(person: &Person, module: &str, cell: &str, what: &str) -> bool {
    let reach = person.reach(module, cell);
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
    attribute(&person(), name)
}

pub(crate) fn attribute(person: &Person, name: &str) -> Option<String> {
    person
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

/// A set of a person's keys that a value is looked up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// `owner_in_reach(module, cell, key, owner)`.
    Owners,
    /// `group_in_reach(module, cell, group)`.
    Groups,
    /// `share_in_reach(module, cell, record)`.
    Shared,
    /// `creator_in_reach(module, cell, key, creator)`.
    Created,
    /// `creator_is_me(key, creator)`.
    Mine,
}

impl Set {
    /// How many arguments say which set it is; the value comes after them.
    pub(crate) fn names(self) -> usize {
        match self {
            Self::Mine => 1,
            Self::Groups | Self::Shared => 2,
            Self::Owners | Self::Created => 3,
        }
    }

    /// The set that the names say.
    pub(crate) fn of(self, person: &Person, names: &[&str]) -> Keys {
        match (self, names) {
            (Self::Owners, [module, cell, key]) => {
                Keys::Owners(person.reach(module, cell), (*key).to_owned())
            }
            (Self::Groups, [module, cell]) => Keys::Groups(person.reach(module, cell)),
            (Self::Shared, [module, cell]) => Keys::Shared(person.reach(module, cell)),
            (Self::Created, [module, cell, key]) if person.reach(module, cell).created => {
                mine(person, key)
            }
            (Self::Mine, [key]) => mine(person, key),
            (Self::Owners | Self::Groups | Self::Shared | Self::Created | Self::Mine, _) => {
                Keys::Nothing
            }
        }
    }
}

fn mine(person: &Person, key: &str) -> Keys {
    let mut keys = KeySet::default();
    keys.extend(person.keys(key).iter().map(String::as_str));
    Keys::Mine(keys)
}

/// The keys that a value is looked up in.
pub(crate) enum Keys {
    Owners(Rc<Reach>, String),
    Groups(Rc<Reach>),
    Shared(Rc<Reach>),
    Mine(KeySet),
    Nothing,
}

impl Keys {
    /// The keys; `None`: there are none.
    pub(crate) fn set(&self) -> Option<&KeySet> {
        match self {
            Self::Owners(reach, key) => reach.owners.get(key),
            Self::Groups(reach) => Some(&reach.groups),
            Self::Shared(reach) => Some(&reach.shared),
            Self::Mine(keys) => Some(keys),
            Self::Nothing => None,
        }
    }
}

/// The keys that a call has found, for the calls that follow in the same statement.
struct Found {
    version: u64,
    keys: Keys,
    /// Those of `keys`, which they live as long as; NULL: there are none.
    set: *const KeySet,
}

/// Whether the value is among the keys that the other arguments name.
unsafe fn look_up(
    call: pg_sys::FunctionCallInfo,
    set: Set,
    is_in: impl FnOnce(&KeySet, pg_sys::Datum) -> bool,
) -> pg_sys::Datum {
    // SAFETY: a strict function with that many arguments; `fn_extra` is this function's own.
    unsafe {
        let function = (*call).flinfo;
        let arguments = (*call).args.as_slice(set.names() + 1);
        let value = arguments[set.names()].value;
        let known = (*function).fn_extra.cast::<Found>();
        let found = if !known.is_null() && (*known).version == session::version() {
            &*known
        } else {
            let names: Vec<String> = arguments[..set.names()]
                .iter()
                .map(|name| String::from_datum(name.value, false).unwrap_or_default())
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let keys = set.of(&person(), &names);
            // Asked after the person was computed.
            let version = session::version();
            let constant =
                (0..set.names() as i32).all(|name| pg_sys::get_fn_expr_arg_stable(function, name));
            if !constant {
                return pg_sys::Datum::from(keys.set().is_some_and(|keys| is_in(keys, value)));
            }
            keep(function, known, version, keys)
        };
        pg_sys::Datum::from(found.keys.set().is_some_and(|keys| is_in(keys, value)))
    }
}

/// What a call before this one has found, still so: nothing is allocated, and nothing can fail.
unsafe fn look_up_quickly(
    call: pg_sys::FunctionCallInfo,
    set: Set,
    is_in: impl FnOnce(&KeySet, pg_sys::Datum) -> bool,
) -> Option<pg_sys::Datum> {
    // SAFETY: as in `look_up`.
    unsafe {
        let known = (*(*call).flinfo).fn_extra.cast::<Found>();
        if known.is_null() || session::known_version() != Some((*known).version) {
            return None;
        }
        let value = (*(*call).args.as_ptr().add(set.names())).value;
        let keys = (*known).set;
        let among = !keys.is_null() && is_in(&*keys, value);
        Some(pg_sys::Datum::from(among))
    }
}

/// Keeps what was found as long as the call's memory.
unsafe fn keep<'a>(
    function: *mut pg_sys::FmgrInfo,
    known: *mut Found,
    version: u64,
    keys: Keys,
) -> &'a Found {
    // SAFETY: the set lies in what the keys own or share, or in what is kept itself, and is found once they
    // are where they stay.
    unsafe {
        let found = Found {
            version,
            keys,
            set: std::ptr::null(),
        };
        let kept = if known.is_null() {
            call_memory::keep(function, found)
        } else {
            *known = found;
            known
        };
        (*kept).set = (*kept)
            .keys
            .set()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        &*kept
    }
}

unsafe fn is_int4(keys: &KeySet, value: pg_sys::Datum) -> bool {
    keys.has_integer(i64::from(value.value() as i32))
}

unsafe fn is_int8(keys: &KeySet, value: pg_sys::Datum) -> bool {
    keys.has_integer(value.value() as i64)
}

unsafe fn is_uuid(keys: &KeySet, value: pg_sys::Datum) -> bool {
    // SAFETY: a uuid is 16 bytes.
    keys.has_uuid(u128::from_be_bytes(unsafe {
        *value.cast_mut_ptr::<[u8; 16]>()
    }))
}

unsafe fn is_text(keys: &KeySet, value: pg_sys::Datum) -> bool {
    // SAFETY: a text that isn't NULL.
    unsafe { <&str>::from_datum(value, false) }.is_some_and(|value| keys.has_text(value))
}

/// Each question once for each type of key: PostgreSQL picks the one for the column. A text may have to
/// be fetched and can't be looked up without a guard.
macro_rules! look_up {
    ($($set:ident, $is_in:ident, $symbol:ident, $info:ident, $name:ident;)*) => {$(
        look_up!(@one $set, $is_in, $symbol, $info, $name);
    )*};
    (@one $set:ident, is_text, $symbol:ident, $info:ident, $name:ident) => {
        raw_function!(
            #[doc = concat!("`celador.", stringify!($symbol), "`")]
            $symbol, $info, $name
        );
        look_up!(@guarded $set, is_text, $name);
    };
    (@one $set:ident, $is_in:ident, $symbol:ident, $info:ident, $name:ident) => {
        raw_function!(
            #[doc = concat!("`celador.", stringify!($symbol), "`")]
            $symbol, $info, $name,
            |call| unsafe { look_up_quickly(call, Set::$set, |keys, value| $is_in(keys, value)) }
        );
        look_up!(@guarded $set, $is_in, $name);
    };
    (@guarded $set:ident, $is_in:ident, $name:ident) => {
        unsafe fn $name(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: the value is of the type that the function is declared with.
            unsafe { look_up(call, Set::$set, |keys, value| $is_in(keys, value)) }
        }
    };
}

look_up! {
    Owners, is_int4, owner_in_reach_int4_wrapper, pg_finfo_owner_in_reach_int4_wrapper, owner_int4;
    Owners, is_int8, owner_in_reach_int8_wrapper, pg_finfo_owner_in_reach_int8_wrapper, owner_int8;
    Owners, is_uuid, owner_in_reach_uuid_wrapper, pg_finfo_owner_in_reach_uuid_wrapper, owner_uuid;
    Owners, is_text, owner_in_reach_text_wrapper, pg_finfo_owner_in_reach_text_wrapper, owner_text;
    Groups, is_int4, group_in_reach_int4_wrapper, pg_finfo_group_in_reach_int4_wrapper, group_int4;
    Groups, is_int8, group_in_reach_int8_wrapper, pg_finfo_group_in_reach_int8_wrapper, group_int8;
    Groups, is_uuid, group_in_reach_uuid_wrapper, pg_finfo_group_in_reach_uuid_wrapper, group_uuid;
    Groups, is_text, group_in_reach_text_wrapper, pg_finfo_group_in_reach_text_wrapper, group_text;
    Created, is_int4, creator_in_reach_int4_wrapper, pg_finfo_creator_in_reach_int4_wrapper, creator_int4;
    Created, is_int8, creator_in_reach_int8_wrapper, pg_finfo_creator_in_reach_int8_wrapper, creator_int8;
    Created, is_uuid, creator_in_reach_uuid_wrapper, pg_finfo_creator_in_reach_uuid_wrapper, creator_uuid;
    Created, is_text, creator_in_reach_text_wrapper, pg_finfo_creator_in_reach_text_wrapper, creator_text;
    Mine, is_int4, creator_is_me_int4_wrapper, pg_finfo_creator_is_me_int4_wrapper, me_int4;
    Mine, is_int8, creator_is_me_int8_wrapper, pg_finfo_creator_is_me_int8_wrapper, me_int8;
    Mine, is_uuid, creator_is_me_uuid_wrapper, pg_finfo_creator_is_me_uuid_wrapper, me_uuid;
    Mine, is_text, creator_is_me_text_wrapper, pg_finfo_creator_is_me_text_wrapper, me_text;
    Shared, is_int4, share_in_reach_int4_wrapper, pg_finfo_share_in_reach_int4_wrapper, shared_int4;
    Shared, is_int8, share_in_reach_int8_wrapper, pg_finfo_share_in_reach_int8_wrapper, shared_int8;
    Shared, is_uuid, share_in_reach_uuid_wrapper, pg_finfo_share_in_reach_uuid_wrapper, shared_uuid;
    Shared, is_text, share_in_reach_text_wrapper, pg_finfo_share_in_reach_text_wrapper, shared_text;
}
