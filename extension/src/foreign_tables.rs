//! Foreign tables, on which PostgreSQL has no row security: the policy leaves them open, or they aren't
//! in its schemas. None comes to be there, and people don't read one that has.

use celador_policy::policy_set::Placement;
use pgrx::pg_sys;

use crate::catalog::Catalog;
use crate::spi::{self, Reads};
use crate::watch::Kind;
use crate::{errors, placement, relations};

/// Whether the command that the event trigger fires for concerns a table (`$1`): itself, one above it,
/// or its schema (`$2`).
const CONCERNED: &str = "\
WITH RECURSIVE up(relation) AS (
  SELECT CAST($1 AS pg_catalog.oid)
  UNION
  SELECT h.inhparent FROM up AS u
  JOIN pg_catalog.pg_inherits AS h ON h.inhrelid OPERATOR(pg_catalog.=) u.relation)
SELECT 1 FROM pg_catalog.pg_event_trigger_ddl_commands() AS d
WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
    AND EXISTS (SELECT FROM up AS u WHERE u.relation OPERATOR(pg_catalog.=) d.objid)
  OR d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
    AND d.objid OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid)
LIMIT 1";

/// Ends the command that has brought a foreign table to where the policy would close a table. Others
/// go on: what is there already would stop all DDL.
pub(crate) fn refuse_brought(relation: pg_sys::Oid) {
    // SAFETY: a cache look-up.
    let schema = unsafe { pg_sys::get_rel_namespace(relation) };
    let oids = [relation, schema].map(|oid| oid.to_u32().to_string());
    let brought = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(CONCERNED, &[&oids[0], &oids[1]], Reads::Latest))
    });
    if !brought.is_empty() {
        errors::denied_by(
            Kind::Schema,
            Some(pg_sys::InvalidOid),
            format!(
                "{} is a foreign table, and PostgreSQL has no row security on those: it couldn't be closed here",
                relations::display_name(relation)
            ),
            "Keep it in a schema that the policy doesn't list, below none of the policy's tables.",
        );
    }
}

/// Ends a statement of somebody who isn't exempt over such a table, however it came to be there.
pub(crate) fn refuse_unplaced(catalog: &Catalog, relation: pg_sys::Oid) {
    let (Some(policy), Some(name)) = (&catalog.policy, relations::table_name(relation)) else {
        return;
    };
    let open = match placement::of(catalog, policy, relation, &name) {
        Some(placement) => placement == Placement::Open,
        None => !policy.schemas.contains(&name.schema),
    };
    if !open {
        errors::denied_by(
            Kind::Way,
            Some(relation),
            format!("{name} is a foreign table that the policy doesn't leave open"),
            "Have it moved to a schema that the policy doesn't list, or listed in mapping.open.",
        );
    }
}
