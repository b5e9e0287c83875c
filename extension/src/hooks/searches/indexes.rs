//! The indexes that a proof covers: what an index does with an operator is part of it.

use std::ffi::CStr;

use pgrx::prelude::*;

use crate::hooks::tree::elements;

/// Contributed modules whose ways to index are known.
const KNOWN: [&CStr; 3] = [c"pg_trgm", c"btree_gin", c"btree_gist"];

/// Those of PostgreSQL's own kinds, in ways that are known.
pub(super) unsafe fn known(indexes: *mut pg_sys::List) -> *mut pg_sys::List {
    // SAFETY: the planner's own structures.
    unsafe {
        let mut known = std::ptr::null_mut();
        for index in elements::<pg_sys::IndexOptInfo>(indexes) {
            let columns = (*index).nkeycolumns as usize;
            if (*index).relam.to_u32() < pg_sys::FirstNormalObjectId
                && (0..columns).all(|at| {
                    is_known(pg_sys::OperatorFamilyRelationId, *(*index).opfamily.add(at))
                })
            {
                known = pg_sys::lappend(known, index.cast());
            }
        }
        known
    }
}

/// Whether an object of that catalog is PostgreSQL's or a known module's.
pub(super) unsafe fn is_known(catalog: pg_sys::Oid, object: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups; the name is PostgreSQL's copy.
    unsafe {
        if object.to_u32() < pg_sys::FirstNormalObjectId {
            return true;
        }
        let extension = pg_sys::getExtensionOfObject(catalog, object);
        if extension == pg_sys::InvalidOid {
            return false;
        }
        let name = pg_sys::get_extension_name(extension);
        !name.is_null() && KNOWN.contains(&CStr::from_ptr(name))
    }
}
