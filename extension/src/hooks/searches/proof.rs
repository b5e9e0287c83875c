//! Whether a condition is of the closed list, and what it compares with is as its proof asks.

use std::ffi::{CStr, c_char, c_void};

use celador_policy::leakproof::{
    self, MOST_STEPS, Operator, Origin, Other, document_is_shallow, pattern_is_sound,
};
use pgrx::prelude::*;

use super::indexes::is_known;
use crate::hooks::tree::{elements, is_a};

/// `internal` and `c` in `pg_language`.
const INTERNAL: u32 = 12;
const C: u32 = 13;
/// The library of `pg_trgm`; only superusers make functions in C.
const TRIGRAMS: &str = "$libdir/pg_trgm";

// Not among pgrx's bindings.
unsafe extern "C-unwind" {
    fn pg_newlocale_from_collation(collation: pg_sys::Oid) -> *mut c_void;
}

/// Why a condition may fail, or be noticed, for all that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hooks) enum Unproven {
    /// It isn't a comparison or call.
    Shape,
    /// It calls a function that isn't on the list.
    Function(pg_sys::Oid),
    /// The function reads characters, and the encoding or the collation could refuse some.
    Characters(pg_sys::Oid),
    /// The operator is somebody's own: so may be its negator, which estimates ask as well.
    Operator(pg_sys::Oid),
    /// What the function compares with isn't known to be sound.
    Other(pg_sys::Oid),
}

/// Whether the condition can't fail, nor be noticed, whatever is in the row.
pub(in crate::hooks) unsafe fn is_proven(node: *mut pg_sys::Node) -> bool {
    // SAFETY: as in `prove`.
    unsafe { prove(node) }.is_ok()
}

/// The proof that the condition can't fail, nor be noticed, whatever is in the row.
pub(in crate::hooks) unsafe fn prove(node: *mut pg_sys::Node) -> Result<(), Unproven> {
    // SAFETY: node types are checked before they are read.
    unsafe {
        if node.is_null() {
            return Err(Unproven::Shape);
        }
        let tag = (*node).type_;
        let all = |list| {
            elements::<pg_sys::Node>(list)
                .into_iter()
                .try_for_each(|part| prove(part))
        };
        if tag == pg_sys::NodeTag::T_Var
            || tag == pg_sys::NodeTag::T_Const
            || tag == pg_sys::NodeTag::T_Param
        {
            Ok(())
        } else if tag == pg_sys::NodeTag::T_RelabelType {
            prove((*node.cast::<pg_sys::RelabelType>()).arg.cast())
        } else if tag == pg_sys::NodeTag::T_NullTest {
            prove((*node.cast::<pg_sys::NullTest>()).arg.cast())
        } else if tag == pg_sys::NodeTag::T_BooleanTest {
            prove((*node.cast::<pg_sys::BooleanTest>()).arg.cast())
        } else if tag == pg_sys::NodeTag::T_BoolExpr {
            all((*node.cast::<pg_sys::BoolExpr>()).args)
        } else if tag == pg_sys::NodeTag::T_OpExpr {
            let operation = node.cast::<pg_sys::OpExpr>();
            pg_sys::set_opfuncid(operation);
            known((*operation).opno)?;
            all((*operation).args)?;
            fits(
                (*operation).opfuncid,
                (*operation).args,
                (*operation).inputcollid,
            )
        } else if tag == pg_sys::NodeTag::T_ScalarArrayOpExpr {
            let operation = node.cast::<pg_sys::ScalarArrayOpExpr>();
            pg_sys::set_sa_opfuncid(operation);
            known((*operation).opno)?;
            all((*operation).args)?;
            fits(
                (*operation).opfuncid,
                (*operation).args,
                (*operation).inputcollid,
            )
        } else if tag == pg_sys::NodeTag::T_FuncExpr {
            let call = node.cast::<pg_sys::FuncExpr>();
            all((*call).args)?;
            call_fits((*call).funcid, (*call).inputcollid)
        } else {
            Err(Unproven::Shape)
        }
    }
}

/// Whether an operator, and whatever it is linked with, is PostgreSQL's or a known extension's.
unsafe fn known(operator: pg_sys::Oid) -> Result<(), Unproven> {
    // SAFETY: catalog look-ups.
    if unsafe { is_known(pg_sys::OperatorRelationId, operator) } {
        Ok(())
    } else {
        Err(Unproven::Operator(operator))
    }
}

/// Whether an operator's function may be asked with these arguments.
unsafe fn fits(
    function: pg_sys::Oid,
    arguments: *mut pg_sys::List,
    collation: pg_sys::Oid,
) -> Result<(), Unproven> {
    // SAFETY: the arguments are expressions.
    unsafe {
        if pg_sys::get_func_leakproof(function) {
            return Ok(());
        }
        let operator = symbol(function)
            .and_then(|(origin, symbol)| leakproof::operator(origin, &symbol))
            .ok_or(Unproven::Function(function))?;
        let arguments = elements::<pg_sys::Node>(arguments);
        let [left, right] = arguments.as_slice() else {
            return Err(Unproven::Shape);
        };
        if operator.reads_characters && !characters_are_plain(collation) {
            return Err(Unproven::Characters(function));
        }
        if !compares_with_fit(operator, *left, *right, collation) {
            return Err(Unproven::Other(function));
        }
        Ok(())
    }
}

unsafe fn compares_with_fit(
    operator: &Operator,
    left: *mut pg_sys::Node,
    right: *mut pg_sys::Node,
    collation: pg_sys::Oid,
) -> bool {
    // SAFETY: the arguments are expressions.
    unsafe {
        match operator.other {
            Other::Anything => true,
            Other::Pattern => patterns(right)
                .is_some_and(|patterns| patterns.iter().all(|pattern| pattern_is_sound(pattern))),
            Other::Query => [left, right]
                .into_iter()
                .any(|side| steps_of_query(side).is_some_and(|steps| steps <= MOST_STEPS)),
            Other::Document => [left, right].into_iter().any(|side| {
                printed(side, pg_sys::JSONBOID).is_some_and(|json| document_is_shallow(&json))
            }),
            Other::Elements => compares_elements(left, collation),
        }
    }
}

/// Whether a function of one text, other than PostgreSQL's leakproof ones, may be asked.
unsafe fn call_fits(function: pg_sys::Oid, collation: pg_sys::Oid) -> Result<(), Unproven> {
    // SAFETY: cache look-ups.
    unsafe {
        if pg_sys::get_func_leakproof(function) {
            return Ok(());
        }
        symbol(function)
            .filter(|(origin, symbol)| {
                *origin == Origin::Core && leakproof::function(symbol).is_some()
            })
            .ok_or(Unproven::Function(function))?;
        if characters_are_plain(collation) {
            Ok(())
        } else {
            Err(Unproven::Characters(function))
        }
    }
}

/// Characters of the database's encoding never fail to be folded or compared.
unsafe fn characters_are_plain(collation: pg_sys::Oid) -> bool {
    // SAFETY: cache look-ups. Opened here, a collation has nothing to say later.
    unsafe {
        let encoded = pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as i32
            || pg_sys::pg_database_encoding_max_length() == 1;
        let known = collation != pg_sys::InvalidOid
            && collation.to_u32() < pg_sys::FirstNormalObjectId
            && pg_sys::get_collation_isdeterministic(collation);
        if encoded && known && collation != pg_sys::DEFAULT_COLLATION_OID {
            pg_sys::ffi::pg_guard_ffi_boundary(|| pg_newlocale_from_collation(collation));
        }
        encoded && known
    }
}

/// What a constant holds; `None` for NULL and for what is no constant of the type.
unsafe fn constant(node: *mut pg_sys::Node, of: pg_sys::Oid) -> Option<pg_sys::Datum> {
    // SAFETY: the tag is checked before the node is read.
    unsafe {
        if !is_a(node.cast(), pg_sys::NodeTag::T_Const) {
            return None;
        }
        let constant = node.cast::<pg_sys::Const>();
        ((*constant).consttype == of && !(*constant).constisnull).then_some((*constant).constvalue)
    }
}

/// A constant pattern, or each of an array of them.
unsafe fn patterns(node: *mut pg_sys::Node) -> Option<Vec<Vec<u8>>> {
    // SAFETY: the values are of the types that are asked for; copies are made.
    unsafe {
        let bytes = |pattern: pg_sys::Datum| {
            let text = pg_sys::text_to_cstring(pattern.cast_mut_ptr());
            CStr::from_ptr(text).to_bytes().to_vec()
        };
        if let Some(pattern) = constant(node, pg_sys::TEXTOID) {
            return Some(vec![bytes(pattern)]);
        }
        let array = constant(node, pg_sys::TEXTARRAYOID)?;
        let mut values: *mut pg_sys::Datum = std::ptr::null_mut();
        let mut nulls: *mut bool = std::ptr::null_mut();
        let mut length = 0;
        pg_sys::deconstruct_array(
            pg_sys::pg_detoast_datum(array.cast_mut_ptr()).cast(),
            pg_sys::TEXTOID,
            -1,
            false,
            b'i' as c_char,
            &mut values,
            &mut nulls,
            &mut length,
        );
        Some(
            (0..length as usize)
                .filter(|at| !*nulls.add(*at))
                .map(|at| bytes(*values.add(at)))
                .collect(),
        )
    }
}

/// How many items a constant query has.
unsafe fn steps_of_query(node: *mut pg_sys::Node) -> Option<usize> {
    // SAFETY: a tsquery begins with its length and the number of its items.
    unsafe {
        let query = constant(node, pg_sys::TSQUERYOID)?;
        let query = pg_sys::pg_detoast_datum(query.cast_mut_ptr()).cast::<pg_sys::TSQueryData>();
        usize::try_from((*query).size).ok()
    }
}

/// A constant of the type, as PostgreSQL writes it.
unsafe fn printed(node: *mut pg_sys::Node, of: pg_sys::Oid) -> Option<Vec<u8>> {
    // SAFETY: the type's own output function.
    unsafe {
        let value = constant(node, of)?;
        let mut output = pg_sys::InvalidOid;
        let mut is_long = false;
        pg_sys::getTypeOutputInfo(of, &mut output, &mut is_long);
        let text = pg_sys::OidOutputFunctionCall(output, value);
        Some(CStr::from_ptr(text).to_bytes().to_vec())
    }
}

/// Whether the elements of an array are compared by a function that is leakproof.
unsafe fn compares_elements(array: *mut pg_sys::Node, collation: pg_sys::Oid) -> bool {
    // SAFETY: cache look-ups.
    unsafe {
        let element = pg_sys::get_base_element_type(pg_sys::exprType(array));
        if element == pg_sys::InvalidOid {
            return false;
        }
        let known = pg_sys::lookup_type_cache(element, pg_sys::TYPECACHE_EQ_OPR as i32);
        let equal = (*known).eq_opr;
        equal != pg_sys::InvalidOid
            && pg_sys::get_func_leakproof(pg_sys::get_opcode(equal))
            && (pg_sys::get_typcollation(element) == pg_sys::InvalidOid
                || collation != pg_sys::InvalidOid)
    }
}

/// The function in C that runs, and whose it is.
unsafe fn symbol(function: pg_sys::Oid) -> Option<(Origin, String)> {
    // SAFETY: a valid tuple of pg_proc begins with FormData_pg_proc; it is released after use.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(function));
        if tuple.is_null() {
            return None;
        }
        let language = (*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>()).prolang;
        let attribute = |number: u32| {
            let mut is_null = false;
            let value = pg_sys::SysCacheGetAttr(cache, tuple, number as i16, &mut is_null);
            if is_null {
                return None;
            }
            let text = pg_sys::text_to_cstring(value.cast_mut_ptr());
            CStr::from_ptr(text).to_str().ok().map(str::to_owned)
        };
        let origin = match language.to_u32() {
            INTERNAL => Some(Origin::Core),
            C if attribute(pg_sys::Anum_pg_proc_probin).as_deref() == Some(TRIGRAMS) => {
                Some(Origin::Trigrams)
            }
            _ => None,
        };
        let found = origin.zip(attribute(pg_sys::Anum_pg_proc_prosrc));
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}
