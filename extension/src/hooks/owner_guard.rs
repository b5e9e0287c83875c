//! Where ownership can't move: an owner that logs in, and that a superuser has named by
//! `celador.guard_owner`, defines nothing but temporary objects. Whatever a definition would run on
//! its tables' rows (an index's function, a new type's conversion, a trigger) it can't bring in.
//!
//! What isn't known to define nothing is refused, so a statement that a later PostgreSQL brings is
//! refused as well.

use pgrx::prelude::*;

use super::tree::elements;
use super::utility::named;
use crate::catalog::Catalog;
use crate::{errors, relations};

/// Whether the statement may define something: all but those that certainly don't.
pub(super) unsafe fn defines(statement: *mut pg_sys::Node) -> bool {
    // SAFETY: every node begins with its tag.
    let tag = unsafe { (*statement).type_ };
    !matches!(
        tag,
        pg_sys::NodeTag::T_TransactionStmt
            | pg_sys::NodeTag::T_PrepareStmt
            | pg_sys::NodeTag::T_ExecuteStmt
            | pg_sys::NodeTag::T_DeallocateStmt
            | pg_sys::NodeTag::T_DeclareCursorStmt
            | pg_sys::NodeTag::T_FetchStmt
            | pg_sys::NodeTag::T_ClosePortalStmt
            | pg_sys::NodeTag::T_CopyStmt
            | pg_sys::NodeTag::T_ExplainStmt
            | pg_sys::NodeTag::T_VariableSetStmt
            | pg_sys::NodeTag::T_VariableShowStmt
            | pg_sys::NodeTag::T_DiscardStmt
            | pg_sys::NodeTag::T_ListenStmt
            | pg_sys::NodeTag::T_NotifyStmt
            | pg_sys::NodeTag::T_UnlistenStmt
            | pg_sys::NodeTag::T_LockStmt
            | pg_sys::NodeTag::T_ConstraintsSetStmt
            | pg_sys::NodeTag::T_CheckPointStmt
            // What these run comes by here.
            | pg_sys::NodeTag::T_CallStmt
            | pg_sys::NodeTag::T_DoStmt
    )
}

/// Refuses a definition by a guarded owner.
pub(super) unsafe fn refuse(catalog: &Catalog, statement: *mut pg_sys::Node) {
    // SAFETY: the statement is PostgreSQL's own.
    unsafe {
        if !is_guarded(catalog) || is_about_temporary(statement) {
            return;
        }
    }
    errors::denied(
        format!(
            "role \"{}\" acts for an owner of protected tables that logs in: it defines nothing but temporary objects",
            // SAFETY: reads the backend's state.
            relations::role_name(unsafe { pg_sys::GetUserId() })
        ),
        "Have a maintenance role do it; or give the tables to a role that nobody logs in as: \
         SELECT celador.adopt(schema, owner, app).",
    );
}

/// Whether the session acts with the rights of a guarded owner. A superuser's definer function may
/// do for it what its author wrote; a maintenance role may become the owner, but isn't in others'
/// definer functions.
pub(crate) fn is_guarded(catalog: &Catalog) -> bool {
    // SAFETY: reads the backend's state, and caches.
    unsafe {
        let (user, session) = (pg_sys::GetUserId(), pg_sys::GetSessionUserId());
        let maintains = catalog.is_exempt(session)
            && !pg_sys::InLocalUserIdChange()
            && !pg_sys::InSecurityRestrictedOperation();
        !maintains
            && !pg_sys::superuser_arg(user)
            && catalog.guarded.iter().any(|owner| {
                pg_sys::has_privs_of_role(user, *owner)
                    || pg_sys::is_member_of_role_nosuper(session, *owner)
            })
    }
}

/// Whether the statement is about objects of the session's temporary schema alone.
unsafe fn is_about_temporary(statement: *mut pg_sys::Node) -> bool {
    // SAFETY: node types are checked before they are read.
    unsafe {
        let is = |kind: pg_sys::NodeTag| (*statement).type_ == kind;
        if is(pg_sys::NodeTag::T_CreateStmt) {
            let statement = statement.cast::<pg_sys::CreateStmt>();
            // A child of a table of others would be read through it.
            is_new_temporary((*statement).relation) && (*statement).inhRelations.is_null()
        } else if is(pg_sys::NodeTag::T_CreateTableAsStmt) {
            let into = (*statement.cast::<pg_sys::CreateTableAsStmt>()).into;
            !into.is_null() && is_new_temporary((*into).rel)
        } else if is(pg_sys::NodeTag::T_ViewStmt) {
            is_new_temporary((*statement.cast::<pg_sys::ViewStmt>()).view)
        } else if is(pg_sys::NodeTag::T_CreateSeqStmt) {
            is_new_temporary((*statement.cast::<pg_sys::CreateSeqStmt>()).sequence)
        } else if is(pg_sys::NodeTag::T_IndexStmt) {
            is_temporary((*statement.cast::<pg_sys::IndexStmt>()).relation)
        } else if is(pg_sys::NodeTag::T_AlterTableStmt) {
            let statement = statement.cast::<pg_sys::AlterTableStmt>();
            is_temporary((*statement).relation)
                && elements::<pg_sys::AlterTableCmd>((*statement).cmds)
                    .into_iter()
                    .all(|command| {
                        let kind = (*command).subtype;
                        kind != pg_sys::AlterTableType::AT_AddInherit
                            && kind != pg_sys::AlterTableType::AT_AttachPartition
                    })
        } else if is(pg_sys::NodeTag::T_RenameStmt) {
            is_temporary((*statement.cast::<pg_sys::RenameStmt>()).relation)
        } else if is(pg_sys::NodeTag::T_TruncateStmt) {
            elements::<pg_sys::RangeVar>((*statement.cast::<pg_sys::TruncateStmt>()).relations)
                .into_iter()
                .all(|relation| is_temporary(relation))
        } else if is(pg_sys::NodeTag::T_VacuumStmt) {
            let tables = (*statement.cast::<pg_sys::VacuumStmt>()).rels;
            !tables.is_null()
                && elements::<pg_sys::VacuumRelation>(tables)
                    .into_iter()
                    .all(|table| is_temporary((*table).relation))
        } else {
            is(pg_sys::NodeTag::T_DropStmt) && drops_temporary(statement.cast())
        }
    }
}

unsafe fn drops_temporary(statement: *mut pg_sys::DropStmt) -> bool {
    // SAFETY: the objects of these kinds are lists of names.
    unsafe {
        let kinds = [
            pg_sys::ObjectType::OBJECT_TABLE,
            pg_sys::ObjectType::OBJECT_VIEW,
            pg_sys::ObjectType::OBJECT_SEQUENCE,
            pg_sys::ObjectType::OBJECT_INDEX,
        ];
        kinds.contains(&(*statement).removeType)
            && elements::<pg_sys::List>((*statement).objects)
                .into_iter()
                .all(|names| is_temporary(pg_sys::makeRangeVarFromNameList(names)))
    }
}

unsafe fn is_new_temporary(relation: *mut pg_sys::RangeVar) -> bool {
    // SAFETY: the statement's own fields.
    unsafe {
        if relation.is_null() {
            return false;
        }
        let named_so = !(*relation).schemaname.is_null()
            && std::ffi::CStr::from_ptr((*relation).schemaname).to_bytes() == b"pg_temp";
        named_so || (*relation).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP
    }
}

/// An existing relation; what isn't there can't be harmed, and PostgreSQL says so.
unsafe fn is_temporary(relation: *mut pg_sys::RangeVar) -> bool {
    // SAFETY: a look-up by name, and a cache look-up.
    unsafe {
        named(relation).is_some_and(|relation| {
            pg_sys::get_rel_persistence(relation) as u8 == pg_sys::RELPERSISTENCE_TEMP
        })
    }
}
