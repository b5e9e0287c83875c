//! A value is one of some keys.

use celador_policy::key_set::KeySet;
use pgrx::prelude::*;

use super::Answer;
use crate::hooks::injected::mistake;
use crate::hooks::tree;

/// More keys than this stay in the backend's memory: a list of them would be planned for longer than
/// it saves.
const MOST: usize = 100;

/// How keys of a type are compared and kept.
struct Type {
    oid: pg_sys::Oid,
    array: pg_sys::Oid,
    /// `=` in `pg_catalog`.
    equal: u32,
    length: i16,
    by_value: bool,
    align: u8,
}

const INT4: Type = Type {
    oid: pg_sys::INT4OID,
    array: pg_sys::INT4ARRAYOID,
    equal: 96,
    length: 4,
    by_value: true,
    align: b'i',
};
const INT8: Type = Type {
    oid: pg_sys::INT8OID,
    array: pg_sys::INT8ARRAYOID,
    equal: 410,
    length: 8,
    by_value: true,
    align: b'd',
};
const UUID: Type = Type {
    oid: pg_sys::UUIDOID,
    array: pg_sys::UUIDARRAYOID,
    equal: 2972,
    length: 16,
    by_value: false,
    align: b'c',
};
const TEXT: Type = Type {
    oid: pg_sys::TEXTOID,
    array: pg_sys::TEXTARRAYOID,
    equal: 98,
    length: -1,
    by_value: false,
    align: b'i',
};

/// `value = ANY (keys)`, or `None` where that is better asked row by row. `lists`: one key too is a list.
///
/// ```sql
/// celador.owner_in_reach('contacts', 'read', 'user', owner_id)
/// owner_id = 42
/// owner_id = ANY ('{42,43}'::int4[])
/// ```
pub(super) unsafe fn condition(
    value: *mut pg_sys::Node,
    keys: &KeySet,
    lists: bool,
) -> Option<Answer> {
    // SAFETY: the value is an argument of one of Celador's functions.
    unsafe {
        if keys.len() > MOST {
            return None;
        }
        let (kind, collation) = kind(value)?;
        let mut values = kind.values(keys);
        if mistake("a key is lost") {
            values.pop();
        }
        Some(match values.as_slice() {
            [] => Answer::Bool(false),
            [one] if !lists => Answer::Condition(equals(&kind, value, *one, collation)),
            [..] => Answer::Condition(is_any(&kind, value, values, collation).cast()),
        })
    }
}

/// `value = ANY (keys)`, however many there are.
pub(super) unsafe fn any(
    value: *mut pg_sys::Node,
    keys: &KeySet,
) -> Option<*mut pg_sys::ScalarArrayOpExpr> {
    // SAFETY: the value is an argument of one of Celador's functions.
    unsafe {
        let (kind, collation) = kind(value)?;
        Some(is_any(&kind, value, kind.values(keys), collation))
    }
}

/// Whether a value of the type is among the keys.
pub(super) unsafe fn holds(keys: &KeySet, of: pg_sys::Oid, value: pg_sys::Datum) -> bool {
    // SAFETY: the value is of that type.
    unsafe {
        if of == INT4.oid {
            keys.has_integer(i64::from(value.value() as i32))
        } else if of == INT8.oid {
            keys.has_integer(value.value() as i64)
        } else if of == UUID.oid {
            keys.has_uuid(u128::from_be_bytes(*value.cast_mut_ptr::<[u8; 16]>()))
        } else {
            of == TEXT.oid
                && <&str>::from_datum(value, false).is_some_and(|value| keys.has_text(value))
        }
    }
}

/// The type and collation of a value that keys are compared with. Where texts that differ may be
/// equal there is none.
unsafe fn kind(value: *mut pg_sys::Node) -> Option<(Type, pg_sys::Oid)> {
    // SAFETY: the value is an expression.
    unsafe {
        if value.is_null() {
            return None;
        }
        let of = pg_sys::exprType(value);
        let collation = pg_sys::exprCollation(value);
        let kind = [INT4, INT8, UUID, TEXT]
            .into_iter()
            .find(|kind| kind.oid == of)?;
        let exact = of != TEXT.oid
            || collation != pg_sys::InvalidOid && pg_sys::get_collation_isdeterministic(collation);
        exact.then_some((kind, collation))
    }
}

impl Type {
    /// Those of the keys that can be values of the type.
    fn values(&self, keys: &KeySet) -> Vec<pg_sys::Datum> {
        if self.oid == INT4.oid {
            let integers = keys.integers().into_iter();
            integers
                .filter_map(|key| i32::try_from(key).ok()?.into_datum())
                .collect()
        } else if self.oid == INT8.oid {
            let integers = keys.integers().into_iter();
            integers.filter_map(IntoDatum::into_datum).collect()
        } else if self.oid == UUID.oid {
            let uuids = keys.uuids().into_iter();
            uuids
                .filter_map(|key| pgrx::Uuid::from_bytes(key.to_be_bytes()).into_datum())
                .collect()
        } else {
            let texts = keys.texts().into_iter();
            texts.filter_map(IntoDatum::into_datum).collect()
        }
    }
}

unsafe fn equals(
    kind: &Type,
    value: *mut pg_sys::Node,
    key: pg_sys::Datum,
    collation: pg_sys::Oid,
) -> *mut pg_sys::Node {
    // SAFETY: makes nodes in the planner's memory.
    unsafe {
        let key = pg_sys::makeConst(
            kind.oid,
            -1,
            collation,
            i32::from(kind.length),
            key,
            false,
            kind.by_value,
        );
        pg_sys::make_opclause(
            pg_sys::Oid::from(kind.equal),
            pg_sys::BOOLOID,
            false,
            value.cast(),
            key.cast(),
            pg_sys::InvalidOid,
            collation,
        )
        .cast()
    }
}

unsafe fn is_any(
    kind: &Type,
    value: *mut pg_sys::Node,
    mut keys: Vec<pg_sys::Datum>,
    collation: pg_sys::Oid,
) -> *mut pg_sys::ScalarArrayOpExpr {
    // SAFETY: makes nodes in the planner's memory; the planner looks the function up.
    unsafe {
        let array = pg_sys::construct_array(
            keys.as_mut_ptr(),
            keys.len() as i32,
            kind.oid,
            i32::from(kind.length),
            kind.by_value,
            kind.align as std::ffi::c_char,
        );
        let list = pg_sys::makeConst(
            kind.array,
            -1,
            collation,
            -1,
            pg_sys::Datum::from(array),
            false,
            false,
        );
        let any = tree::new::<pg_sys::ScalarArrayOpExpr>(pg_sys::NodeTag::T_ScalarArrayOpExpr);
        (*any).opno = pg_sys::Oid::from(kind.equal);
        (*any).useOr = true;
        (*any).inputcollid = collation;
        (*any).location = -1;
        (*any).args = pg_sys::lappend(std::ptr::null_mut(), value.cast());
        (*any).args = pg_sys::lappend((*any).args, list.cast());
        (*any).opfuncid = pg_sys::get_opcode((*any).opno);
        any
    }
}
