//! The tables as a load finds them.

use std::collections::BTreeMap;

use celador_policy::TableName;
use celador_policy::row_policy::PERMISSIVE;
use pgrx::prelude::*;

use crate::spi::{self, Reads};

/// A table as it is found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) row_security: bool,
    pub(crate) forced: bool,
    /// Whether somebody else's permissive policy is there.
    pub(crate) foreign_permissive: bool,
    /// What Celador put there last; `None`: it isn't protected.
    pub(crate) signature: Option<String>,
    pub(crate) had_row_security: bool,
    pub(crate) had_force: bool,
    pub(crate) is_partition: bool,
    /// PostgreSQL has no row security on it.
    pub(crate) is_foreign: bool,
    /// Closed for a migration.
    pub(super) paused: bool,
    /// Unprotected by choice, until the next load.
    pub(crate) left_out: bool,
    /// Names of Celador's own policies.
    pub(super) policies: Vec<String>,
    /// Names of Celador's own triggers that aren't clones of the parent table's.
    pub(super) triggers: Vec<String>,
}

impl Found {
    /// Row security and FORCE as they were before Celador.
    pub(super) fn before(&self) -> (bool, bool) {
        if self.signature.is_some() {
            (self.had_row_security, self.had_force)
        } else {
            (self.row_security, self.forced)
        }
    }

    /// Whether nothing stands on a table of Celador's own that the policy makes use of.
    pub(crate) fn is_bare(&self) -> bool {
        self.policies.is_empty() && self.triggers.is_empty()
    }

    /// Whether Celador's own permissive policy is there.
    pub(crate) fn stands_open(&self) -> bool {
        self.policies.iter().any(|name| name == PERMISSIVE)
    }
}

const FOUND: &str = "\
SELECT c.oid, n.nspname, c.relname, c.relrowsecurity, c.relforcerowsecurity,
  EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid OPERATOR(pg_catalog.=) c.oid AND p.polpermissive
    AND NOT pg_catalog.starts_with(p.polname::pg_catalog.text, 'celador_')),
  x.policies, x.had_row_security, x.had_force, c.relispartition,
  (SELECT pg_catalog.string_agg(p.polname::pg_catalog.text, ',' ORDER BY p.polname)
    FROM pg_catalog.pg_policy AS p WHERE p.polrelid OPERATOR(pg_catalog.=) c.oid
    AND pg_catalog.starts_with(p.polname::pg_catalog.text, 'celador_')),
  (SELECT pg_catalog.string_agg(t.tgname::pg_catalog.text, ',' ORDER BY t.tgname)
    FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid
    AND t.tgparentid OPERATOR(pg_catalog.=) 0::pg_catalog.oid
    AND pg_catalog.starts_with(t.tgname::pg_catalog.text, '~celador_')),
  EXISTS (SELECT FROM celador.paused AS z WHERE z.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid),
  EXISTS (SELECT FROM celador.left_out AS l WHERE l.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid),
  c.relkind OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN celador.protected AS x ON x.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid
WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'f']::pg_catalog.\"char\"[])
  AND n.nspname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast']::pg_catalog.name[])";

/// Those that DDL may have changed something for: new ones, Celador's own that a restore has left bare,
/// and those with a permissive policy of somebody else's. After each CREATE TEMP TABLE the others need
/// no look.
const UNSETTLED: &str = "\
x.relation IS NULL
OR n.nspname OPERATOR(pg_catalog.=) 'celador'::pg_catalog.name AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t
  WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid AND pg_catalog.starts_with(t.tgname::pg_catalog.text, '~celador_'))
OR EXISTS (SELECT FROM pg_catalog.pg_policy AS p
  WHERE p.polrelid OPERATOR(pg_catalog.=) c.oid AND p.polpermissive
    AND NOT pg_catalog.starts_with(p.polname::pg_catalog.text, 'celador_'))";

/// The tables as they are found.
pub(super) fn find_tables() -> BTreeMap<TableName, (pg_sys::Oid, Found)> {
    find(FOUND)
}

/// The tables that aren't protected as they should be, or may not be.
pub(crate) fn find_unsettled_tables() -> BTreeMap<TableName, (pg_sys::Oid, Found)> {
    find(&format!("{FOUND} AND ({UNSETTLED})"))
}

fn find(sql: &str) -> BTreeMap<TableName, (pg_sys::Oid, Found)> {
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(sql, &[], Reads::Latest))
    });
    let mut tables = BTreeMap::new();
    for row in rows {
        let text = |at: usize| row.get(at).cloned().flatten();
        let names = |at: usize| -> Vec<String> {
            text(at)
                .map(|names| names.split(',').map(str::to_owned).collect())
                .unwrap_or_default()
        };
        let flag = |at: usize| text(at).as_deref() == Some("t");
        // pg_dump leaves out what a load puts on an extension's tables: after a restore Celador knows
        // of it, and it isn't there.
        let restored = text(1).as_deref() == Some("celador") && text(11).is_none();
        let (Some(oid), Some(schema), Some(name)) = (
            text(0).and_then(|oid| oid.parse::<u32>().ok()),
            text(1),
            text(2),
        ) else {
            continue;
        };
        let found = Found {
            row_security: flag(3),
            forced: flag(4),
            foreign_permissive: flag(5),
            signature: text(6).filter(|_| !restored),
            had_row_security: flag(7),
            had_force: flag(8),
            is_partition: flag(9),
            policies: names(10),
            triggers: names(11),
            paused: flag(12),
            left_out: flag(13),
            is_foreign: flag(14),
        };
        tables.insert(
            TableName::new(schema, name),
            (pg_sys::Oid::from(oid), found),
        );
    }
    tables
}
