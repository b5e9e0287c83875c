//! Who may move ownership, from whom, to whom.

use pgrx::prelude::*;

use super::inventory::ask;
use crate::{errors, relations, spi};

/// The two roles of an adoption.
#[derive(Debug, Clone)]
pub(super) struct Roles {
    /// The name of the role that owns afterwards.
    pub(super) owner: String,
    /// Its OID; 0: it is still to be made.
    pub(super) owner_oid: pg_sys::Oid,
    /// The name of the application's login.
    pub(super) app: String,
    pub(super) app_oid: pg_sys::Oid,
}

/// Roles that let a login go around any protection, with what they let it do.
const ESCAPING: &str = "\
SELECT CASE
    WHEN r.rolsuper THEN 'is a superuser'
    WHEN r.rolbypassrls THEN 'has BYPASSRLS'
    WHEN r.rolcreaterole THEN 'has CREATEROLE: it could make a login in anybody''s name'
    WHEN r.rolreplication THEN 'has REPLICATION: it could copy the whole cluster'
    ELSE (SELECT pg_catalog.format('is a member of %s', g.rolname) FROM pg_catalog.pg_roles AS g
      WHERE g.rolname OPERATOR(pg_catalog.=) ANY (ARRAY['pg_read_server_files', 'pg_write_server_files',
          'pg_execute_server_program']::pg_catalog.name[])
        AND pg_catalog.pg_has_role(r.oid, g.oid, 'MEMBER') LIMIT 1)
  END
FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)";

impl Roles {
    /// Looks the roles up, and refuses those that would leave a way around. `create`: the owner
    /// may be missing.
    pub(super) fn find(owner: &str, app: &str, create: bool) -> Self {
        let app_oid = role(app).unwrap_or_else(|| missing(app, "Name the application's login."));
        let owner_oid = role(owner);
        if owner_oid.is_none() && !create {
            missing(
                owner,
                "Make it: CREATE ROLE … NOLOGIN; or have it made: create_owner => true.",
            )
        }
        let roles = Self {
            owner: owner.to_owned(),
            owner_oid: owner_oid.unwrap_or(pg_sys::InvalidOid),
            app: app.to_owned(),
            app_oid,
        };
        roles.may_be_moved_by_me();
        roles.leave_no_way_around();
        roles
    }

    /// Superusers, and who could do each step alone: a member of both roles.
    fn may_be_moved_by_me(&self) {
        // SAFETY: cache look-ups.
        let (superuser, of_app, of_owner) = unsafe {
            let me = pg_sys::GetUserId();
            (
                pg_sys::superuser(),
                pg_sys::has_privs_of_role(me, self.app_oid),
                self.owner_oid != pg_sys::InvalidOid
                    && pg_sys::has_privs_of_role(me, self.owner_oid),
            )
        };
        for (may, role) in [(of_app, &self.app), (of_owner, &self.owner)] {
            if !(superuser || may) {
                errors::denied(
                    format!("you are no member of role \"{role}\""),
                    "Moving ownership is for superusers, and for members of both roles.",
                );
            }
        }
    }

    fn leave_no_way_around(&self) {
        let refuse = |message: String, hint: &str| {
            errors::raise(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                message,
                hint,
            )
        };
        if self.owner == self.app {
            refuse(
                format!("role \"{}\" can't take over from itself", self.app),
                "Name two roles.",
            );
        }
        let rows = ask(ESCAPING, &[&self.app_oid.to_u32().to_string()]);
        if let Some(why) = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next().flatten())
        {
            refuse(
                format!(
                    "role \"{}\" {why}; it would go around any protection",
                    self.app
                ),
                "Take that from it first: ALTER ROLE, or REVOKE the membership.",
            );
        }
        if self.owner_oid == pg_sys::InvalidOid {
            return;
        }
        let flags = ask(
            "SELECT r.rolcanlogin, r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles AS r \
             WHERE r.oid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)",
            &[&self.owner_oid.to_u32().to_string()],
        );
        let flag = |at: usize| {
            let value = flags.first().and_then(|row| row.get(at).cloned().flatten());
            value.as_deref() != Some("f")
        };
        if flag(0) {
            refuse(
                format!(
                    "role \"{}\" can log in: an owner can switch row security off",
                    self.owner
                ),
                "ALTER ROLE … NOLOGIN, or name a role that nobody logs in as.",
            );
        }
        if flag(1) {
            refuse(
                format!(
                    "role \"{}\" sees all rows, and the views that it owns would too",
                    self.owner
                ),
                "Name a role that is no superuser and has no BYPASSRLS.",
            );
        }
        // SAFETY: a cache look-up.
        if unsafe { pg_sys::is_member_of_role_nosuper(self.app_oid, self.owner_oid) } {
            refuse(
                format!(
                    "role \"{}\" is a member of \"{}\", and could become it",
                    self.app, self.owner
                ),
                "REVOKE the membership first.",
            );
        }
    }
}

/// The role of that name.
pub(super) fn role(name: &str) -> Option<pg_sys::Oid> {
    let name = spi::c_string(name);
    // SAFETY: a cache look-up; missing is no error.
    let found = unsafe { pg_sys::get_role_oid(name.as_ptr(), true) };
    (found != pg_sys::InvalidOid).then_some(found)
}

fn missing(name: &str, hint: &str) -> ! {
    errors::raise(
        PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        format!("there is no role \"{name}\""),
        hint,
    )
}

/// For what only superusers may do.
pub(crate) fn only_superusers(what: &str) {
    // SAFETY: a cache look-up.
    if !unsafe { pg_sys::superuser() } {
        errors::denied(
            format!(
                "{what} is for superusers; you are \"{}\"",
                // SAFETY: reads the backend's state.
                relations::role_name(unsafe { pg_sys::GetUserId() })
            ),
            "Have a superuser do it.",
        );
    }
}
