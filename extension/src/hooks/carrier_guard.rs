//! A login that carries identities is what its administrator made it: many people share it, and each could
//! give it another password, settings that the others' next sessions begin with, or members.
//!
//! PostgreSQL lets a role alter itself:
//!
//! ```sql
//! ALTER ROLE CURRENT_USER SET search_path = mine, crm
//! ERROR:  role "crm_proxy" carries identities: nobody who is signed in by it changes it
//! ```

use pgrx::prelude::*;

use super::tree::elements;
use crate::catalog::Catalog;
use crate::{errors, identity, relations};

/// Refuses a change of the session's own login, and of a role that it is a member of, where the login carries
/// identities. What a superuser's definer function does for it its author wrote.
pub(super) unsafe fn refuse(catalog: &Catalog, statement: *mut pg_sys::Node) {
    // SAFETY: the statement is PostgreSQL's own; reads the backend's state, and caches.
    unsafe {
        let roles = changed(statement);
        let login = pg_sys::GetSessionUserId();
        if roles.is_empty()
            || pg_sys::superuser_arg(pg_sys::GetUserId())
            || catalog.is_exempt(login)
            || !identity::is_carrier(catalog, login)
        {
            return;
        }
        for role in roles {
            if pg_sys::is_member_of_role_nosuper(login, role) {
                errors::denied(
                    format!(
                        "role \"{}\" carries identities: nobody who is signed in by it changes {}",
                        relations::role_name(login),
                        if role == login {
                            "it".to_owned()
                        } else {
                            format!(
                                "\"{}\", which it is a member of",
                                relations::role_name(role)
                            )
                        }
                    ),
                    "Have an administrator of the server do it.",
                );
            }
        }
    }
}

/// The roles that a statement changes, or whose members it does; one that isn't there PostgreSQL tells of.
unsafe fn changed(statement: *mut pg_sys::Node) -> Vec<pg_sys::Oid> {
    // SAFETY: the node's type is checked before it is read; looks names up.
    unsafe {
        let of = |role: *mut pg_sys::RoleSpec| {
            // NULL: ALTER ROLE ALL, a superuser's.
            let named = (!role.is_null()).then(|| pg_sys::get_rolespec_oid(role, true));
            Vec::from_iter(named)
        };
        let is = |kind: pg_sys::NodeTag| (*statement).type_ == kind;
        if is(pg_sys::NodeTag::T_AlterRoleStmt) {
            of((*statement.cast::<pg_sys::AlterRoleStmt>()).role)
        } else if is(pg_sys::NodeTag::T_AlterRoleSetStmt) {
            of((*statement.cast::<pg_sys::AlterRoleSetStmt>()).role)
        } else if is(pg_sys::NodeTag::T_GrantRoleStmt) {
            let granted = (*statement.cast::<pg_sys::GrantRoleStmt>()).granted_roles;
            elements::<pg_sys::AccessPriv>(granted)
                .into_iter()
                .map(|role| (*role).priv_name)
                .filter(|name| !name.is_null())
                .map(|name| pg_sys::get_role_oid(name, true))
                .collect()
        } else {
            Vec::new()
        }
    }
}
