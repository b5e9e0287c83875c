//! Rows as a trigger has them.

use std::collections::{BTreeMap, BTreeSet};

use pgrx::prelude::*;

use crate::catalog::Catalog;
use crate::relations::attribute;
use crate::spi;

// Not among pgrx's bindings. It raises nothing for values that are detoasted.
unsafe extern "C-unwind" {
    fn datumIsEqual(
        left: pg_sys::Datum,
        right: pg_sys::Datum,
        by_value: bool,
        length: std::ffi::c_int,
    ) -> bool;
}

/// The columns in which the rows differ, compared as they are stored: an equality that a
/// type defines (without regard to case, say) would hide changes.
pub(super) unsafe fn changed_columns(
    relation: pg_sys::Relation,
    old_row: pg_sys::HeapTuple,
    new_row: pg_sys::HeapTuple,
) -> BTreeSet<String> {
    // SAFETY: both tuples are of the relation's descriptor.
    unsafe {
        let descriptor = (*relation).rd_att;
        let mut changed = BTreeSet::new();
        for at in 0..(*descriptor).natts {
            let attribute = &*attribute(descriptor, at);
            if attribute.attisdropped || attribute.attgenerated != 0 {
                continue;
            }
            let (mut old_null, mut new_null) = (false, false);
            let old = pg_sys::heap_getattr(old_row, at + 1, descriptor, &mut old_null);
            let new = pg_sys::heap_getattr(new_row, at + 1, descriptor, &mut new_null);
            let same = match (old_null, new_null) {
                (true, true) => true,
                (false, false) => same_image(old, new, attribute),
                (true, false) | (false, true) => false,
            };
            if !same {
                changed.insert(name_of(attribute));
            }
        }
        changed
    }
}

/// The row's columns as text, by name; generated ones left out.
pub(super) unsafe fn columns(
    relation: pg_sys::Relation,
    row: pg_sys::HeapTuple,
) -> BTreeMap<String, Option<String>> {
    // SAFETY: the row is of the relation's descriptor; a value is zero-terminated.
    unsafe {
        let descriptor = (*relation).rd_att;
        (0..(*descriptor).natts)
            .map(|at| (at, &*attribute(descriptor, at)))
            .filter(|(_, attribute)| !attribute.attisdropped && attribute.attgenerated == 0)
            .map(|(at, attribute)| {
                let value = pg_sys::SPI_getvalue(row, descriptor, at + 1);
                let text = (!value.is_null()).then(|| {
                    std::ffi::CStr::from_ptr(value)
                        .to_string_lossy()
                        .into_owned()
                });
                (name_of(attribute), text)
            })
            .collect()
    }
}

/// A column of the row as text; `None`: it is NULL, or the relation has no such column.
pub(super) unsafe fn text(
    relation: pg_sys::Relation,
    row: pg_sys::HeapTuple,
    column: &str,
) -> Option<String> {
    // SAFETY: the row is of the relation's descriptor; a value is zero-terminated.
    unsafe {
        let descriptor = (*relation).rd_att;
        let name = spi::c_string(column);
        let value = pg_sys::SPI_getvalue(
            row,
            descriptor,
            pg_sys::SPI_fnumber(descriptor, name.as_ptr()),
        );
        (!value.is_null()).then(|| {
            std::ffi::CStr::from_ptr(value)
                .to_string_lossy()
                .into_owned()
        })
    }
}

/// Whether the row's column has a value of its own: neither NULL nor the column's default. A default that
/// is another each time can't be told from a value.
pub(super) unsafe fn is_given(
    relation: pg_sys::Relation,
    row: pg_sys::HeapTuple,
    column: &str,
) -> bool {
    // SAFETY: the row is of the relation's descriptor; a default is an expression without columns, which
    // PostgreSQL has evaluated for the statement already, with the same rights.
    unsafe {
        let descriptor = (*relation).rd_att;
        let found = (0..(*descriptor).natts).map(|at| &*attribute(descriptor, at));
        let mut found = found.filter(|attribute| !attribute.attisdropped);
        let Some(attribute) = found.find(|attribute| name_of(attribute) == column) else {
            return true;
        };
        let mut null = false;
        let number = i32::from(attribute.attnum);
        let value = pg_sys::heap_getattr(row, number, descriptor, &mut null);
        if null || attribute.attgenerated != 0 {
            return false;
        }
        let default = pg_sys::build_column_default(relation, number);
        if default.is_null() || pg_sys::contain_volatile_functions(default) {
            return true;
        }
        let context = pg_sys::CreateStandaloneExprContext();
        let state = pg_sys::ExecInitExpr(
            pg_sys::expression_planner(default.cast()),
            std::ptr::null_mut(),
        );
        let mut none = false;
        let default = pg_sys::ExecEvalExprSwitchContext(state, context, &raw mut none);
        let given = none || !same_image(value, default, attribute);
        pg_sys::FreeExprContext(context, false);
        given
    }
}

const BOUND: &str = "SELECT pg_catalog.pg_get_partition_constraintdef(CAST($1 AS pg_catalog.oid))";

/// Whether the row may stay in the partition.
pub(super) unsafe fn fits_partition(
    catalog: &Catalog,
    relation: pg_sys::Relation,
    row: pg_sys::HeapTuple,
) -> bool {
    // SAFETY: the statement reads the one row, as the table's owner.
    unsafe {
        let bound = spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                let id = (*relation).rd_id.to_u32().to_string();
                catalog.kept(BOUND, 1).rows(&[&id], spi::Reads::Latest)
            })
        });
        let Some(bound) = bound
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next().flatten())
        else {
            return true;
        };
        let sql = format!("SELECT ({bound}) FROM (SELECT ($1).*) AS n");
        let value = pg_sys::heap_copy_tuple_as_datum(row, (*relation).rd_att);
        let rows = spi::with_rights_of((*(*relation).rd_rel).relowner, || {
            spi::connected(|| {
                catalog
                    .kept_of(&sql, (*(*relation).rd_rel).reltype, 1)
                    .rows_of(vec![value], spi::Reads::Statement)
            })
        });
        let first = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        // A bound that is NULL holds, as a check does.
        first.flatten().as_deref() != Some("f")
    }
}

/// Puts a value, written as text, into a column that is NULL; another value stays.
pub(super) unsafe fn fill(
    relation: pg_sys::Relation,
    row: pg_sys::HeapTuple,
    name: &str,
    value: &str,
) -> pg_sys::HeapTuple {
    // SAFETY: the row is of the relation's descriptor; the value of the column's type.
    unsafe {
        let descriptor = (*relation).rd_att;
        for at in 0..(*descriptor).natts {
            let attribute = &*attribute(descriptor, at);
            if attribute.attisdropped || name_of(attribute) != name {
                continue;
            }
            let mut null = false;
            pg_sys::heap_getattr(row, at + 1, descriptor, &mut null);
            if !null {
                return row;
            }
            let (mut input, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::getTypeInputInfo(attribute.atttypid, &mut input, &mut parameter);
            let text = spi::c_string(value);
            let mut datum = pg_sys::OidInputFunctionCall(
                input,
                text.as_ptr().cast_mut(),
                parameter,
                attribute.atttypmod,
            );
            let (mut column, mut is_null) = (at + 1, false);
            return pg_sys::heap_modify_tuple_by_cols(
                row,
                descriptor,
                1,
                &raw mut column,
                &raw mut datum,
                &raw mut is_null,
            );
        }
    }
    row
}

unsafe fn name_of(attribute: &pg_sys::FormData_pg_attribute) -> String {
    // SAFETY: a name is zero-terminated.
    unsafe {
        std::ffi::CStr::from_ptr(attribute.attname.data.as_ptr())
            .to_string_lossy()
            .into_owned()
    }
}

unsafe fn same_image(
    old: pg_sys::Datum,
    new: pg_sys::Datum,
    attribute: &pg_sys::FormData_pg_attribute,
) -> bool {
    // SAFETY: both are values of the attribute's type.
    unsafe {
        if datumIsEqual(old, new, attribute.attbyval, i32::from(attribute.attlen)) {
            return true;
        }
        if attribute.attlen != -1 {
            return false;
        }
        // The same value may be stored compressed, or elsewhere.
        let (old, new) = (
            pg_sys::pg_detoast_datum(old.cast_mut_ptr()),
            pg_sys::pg_detoast_datum(new.cast_mut_ptr()),
        );
        datumIsEqual(
            pg_sys::Datum::from(old),
            pg_sys::Datum::from(new),
            false,
            -1,
        )
    }
}
