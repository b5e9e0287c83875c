//! Looks up what PostgreSQL's caches know of tables, functions and roles.

use celador_policy::TableName;
use pgrx::pg_sys;

use crate::spi::{self, Reads, c_string};

/// The table of that name, if there is one.
pub(crate) fn relation(schema: &str, name: &str) -> Option<pg_sys::Oid> {
    let (schema, name) = (c_string(schema), c_string(name));
    // SAFETY: cache look-ups with C strings that outlive the calls.
    unsafe {
        let namespace = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        if namespace == pg_sys::InvalidOid {
            return None;
        }
        let found = pg_sys::get_relname_relid(name.as_ptr(), namespace);
        (found != pg_sys::InvalidOid).then_some(found)
    }
}

// Not among pgrx's bindings.
unsafe extern "C-unwind" {
    fn find_all_inheritors(
        parent: pg_sys::Oid,
        lock: pg_sys::LOCKMODE,
        parents: *mut *mut pg_sys::List,
    ) -> *mut pg_sys::List;
}

/// The table and everything that inherits from it.
pub(crate) fn heirs(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    // SAFETY: a catalog look-up; the list is PostgreSQL's, and never NULL: it begins with the table itself.
    unsafe {
        let list = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            find_all_inheritors(relation, pg_sys::NoLock as i32, std::ptr::null_mut())
        });
        (0..(*list).length as usize)
            .map(|at| (*(*list).elements.add(at)).oid_value)
            .collect()
    }
}

/// The tables that the table inherits from, or is a partition of, directly.
pub(crate) fn above(relation: pg_sys::Oid) -> Vec<pg_sys::Oid> {
    let sql = "SELECT h.inhparent FROM pg_catalog.pg_inherits AS h \
        WHERE h.inhrelid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)";
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(sql, &[&relation.to_u32().to_string()], Reads::Latest))
    });
    rows.into_iter()
        .flatten()
        .flatten()
        .filter_map(|oid| oid.parse::<u32>().ok())
        .map(pg_sys::Oid::from)
        .collect()
}

/// The owner of a table.
pub(crate) fn owner(relation: pg_sys::Oid) -> Option<pg_sys::Oid> {
    with_class(relation, |class| class.relowner)
}

fn with_class<T>(
    relation: pg_sys::Oid,
    read: impl FnOnce(&pg_sys::FormData_pg_class) -> T,
) -> Option<T> {
    // SAFETY: a valid tuple of pg_class begins with FormData_pg_class; it is released after use.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            pg_sys::Datum::from(relation),
        );
        if tuple.is_null() {
            return None;
        }
        let value = read(&*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_class>());
        pg_sys::ReleaseSysCache(tuple);
        Some(value)
    }
}

/// `schema.name` of a relation, for messages.
pub(crate) fn display_name(relation: pg_sys::Oid) -> String {
    // SAFETY: both return NULL or a string in the current memory context.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        format!("{}.{}", text(schema), text(name))
    }
}

/// The name of a table; `None` where it is gone.
pub(crate) fn table_name(relation: pg_sys::Oid) -> Option<TableName> {
    // SAFETY: both return NULL or a string in the current memory context.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        (!name.is_null() && !schema.is_null()).then(|| TableName::new(text(schema), text(name)))
    }
}

/// The name of a database role.
pub(crate) fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: returns NULL when there is no such role.
    text(unsafe { pg_sys::GetUserNameFromId(role, true) })
}

fn text(value: *const std::ffi::c_char) -> String {
    if value.is_null() {
        return "?".to_owned();
    }
    // SAFETY: a zero-terminated string of PostgreSQL's.
    unsafe {
        std::ffi::CStr::from_ptr(value)
            .to_string_lossy()
            .into_owned()
    }
}

/// The function of the schema `celador` with these argument types.
pub(crate) fn function(name: &str, arguments: &[pg_sys::Oid]) -> Option<pg_sys::Oid> {
    let (schema, name) = (c_string("celador"), c_string(name));
    // SAFETY: the list and its strings are palloc'd copies; missing_ok is set.
    unsafe {
        let mut list = std::ptr::null_mut();
        for part in [&schema, &name] {
            list = pg_sys::lappend(
                list,
                pg_sys::makeString(pg_sys::pstrdup(part.as_ptr())).cast(),
            );
        }
        let found = pg_sys::LookupFuncName(list, arguments.len() as i32, arguments.as_ptr(), true);
        (found != pg_sys::InvalidOid).then_some(found)
    }
}

/// Whether the relation belongs to the extension `celador`: a table that somebody else made
/// under that name isn't ours.
pub(crate) fn is_ours(relation: pg_sys::Oid) -> bool {
    let name = c_string("celador");
    // SAFETY: catalog look-ups.
    unsafe {
        let extension = pg_sys::get_extension_oid(name.as_ptr(), true);
        extension != pg_sys::InvalidOid
            && pg_sys::getExtensionOfObject(pg_sys::RelationRelationId, relation) == extension
    }
}

/// Whether the function is one of Celador's: of its schema, in which nobody else may create.
pub(crate) unsafe fn is_ours_function(function: pg_sys::Oid) -> bool {
    // SAFETY: cache look-ups.
    unsafe {
        let namespace = pg_sys::get_namespace_oid(c"celador".as_ptr(), true);
        namespace != pg_sys::InvalidOid && pg_sys::get_func_namespace(function) == namespace
    }
}

/// Whether anything inherits from the table, or is a partition of it.
pub(crate) fn has_heirs(relation: pg_sys::Oid) -> bool {
    with_class(relation, |class| class.relhassubclass).unwrap_or(false)
}

/// Whether values of the column that are equal are the same; `false` where there is no such column.
pub(crate) fn is_compared_exactly(relation: pg_sys::Oid, column: &str) -> bool {
    let name = c_string(column);
    // SAFETY: cache look-ups; the entry is copied from before it is released.
    unsafe {
        let entry = pg_sys::SearchSysCacheAttName(relation, name.as_ptr());
        if entry.is_null() {
            return false;
        }
        let attribute: *mut pg_sys::FormData_pg_attribute = pg_sys::GETSTRUCT(entry).cast();
        let collation = (*attribute).attcollation;
        pg_sys::ReleaseSysCache(entry);
        collation == pg_sys::InvalidOid || pg_sys::get_collation_isdeterministic(collation)
    }
}

/// A column of a row type, counted from 0.
pub(crate) unsafe fn attribute(
    descriptor: pg_sys::TupleDesc,
    at: i32,
) -> *mut pg_sys::FormData_pg_attribute {
    // SAFETY: `at` is below the number of attributes.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            (*descriptor).attrs.as_mut_ptr().add(at as usize)
        }
        #[cfg(feature = "pg18")]
        {
            pg_sys::TupleDescAttr(descriptor, at)
        }
    }
}

/// A column of the table that stands at that place in a statement.
pub(crate) unsafe fn column_at(
    place: i32,
    column: &pg_sys::FormData_pg_attribute,
) -> *mut pg_sys::Var {
    let (of, modifier) = (column.atttypid, column.atttypmod);
    // SAFETY: makes a node in the memory of the moment.
    unsafe {
        pg_sys::makeVar(
            place as _,
            column.attnum,
            of,
            modifier,
            column.attcollation,
            0,
        )
    }
}
