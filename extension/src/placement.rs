//! Where the policy places a table: by its name, or as the tables above it say.

use std::collections::HashMap;

use celador_policy::policy_set::Placement;
use celador_policy::{PolicySet, TableName};
use pgrx::pg_sys;

use crate::catalog::Catalog;
use crate::spi::{self, Reads};

/// The placement of a table of that name; `None`: the policy doesn't know it.
pub(crate) fn of(
    catalog: &Catalog,
    policy: &PolicySet,
    relation: pg_sys::Oid,
    name: &TableName,
) -> Option<Placement> {
    if let Some(placement) = policy.tables.get(name) {
        return Some(placement.clone());
    }
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            let sql = above("h.inhrelid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)");
            let relation = relation.to_u32().to_string();
            catalog.kept(&sql, 1).rows(&[&relation], Reads::Latest)
        })
    });
    inherited(policy, by_relation(rows).get(&relation)?)
}

/// What the tables above say: of several, the closed one.
pub(crate) fn inherited(policy: &PolicySet, above: &[TableName]) -> Option<Placement> {
    let placed: Vec<&Placement> = above
        .iter()
        .filter_map(|table| policy.tables.get(table))
        .collect();
    let closed = placed
        .iter()
        .find(|placement| ***placement == Placement::Closed);
    closed
        .or(placed.first())
        .map(|placement| (**placement).clone())
}

/// The tables above those that aren't protected yet, the nearest first.
pub(crate) fn above_unprotected() -> HashMap<pg_sys::Oid, Vec<TableName>> {
    const UNPROTECTED: &str = "NOT EXISTS (SELECT FROM celador.protected AS x \
        WHERE x.relation::pg_catalog.oid OPERATOR(pg_catalog.=) h.inhrelid)";
    by_relation(spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(&above(UNPROTECTED), &[], Reads::Latest))
    }))
}

/// The tables above those of which `which` holds, the nearest first.
fn above(which: &str) -> String {
    format!(
        "WITH RECURSIVE above(relation, parent, distance) AS (
           SELECT h.inhrelid, h.inhparent, 1 FROM pg_catalog.pg_inherits AS h WHERE {which}
           UNION ALL
           SELECT a.relation, h.inhparent, a.distance OPERATOR(pg_catalog.+) 1 FROM above AS a
           JOIN pg_catalog.pg_inherits AS h ON h.inhrelid OPERATOR(pg_catalog.=) a.parent)
         SELECT a.relation, n.nspname, c.relname FROM above AS a
         JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) a.parent
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
         ORDER BY a.relation, a.distance, n.nspname, c.relname"
    )
}

fn by_relation(rows: Vec<Vec<Option<String>>>) -> HashMap<pg_sys::Oid, Vec<TableName>> {
    let mut found: HashMap<pg_sys::Oid, Vec<TableName>> = HashMap::new();
    for row in rows {
        let text = |at: usize| row.get(at).cloned().flatten();
        if let (Some(relation), Some(schema), Some(name)) = (
            text(0).and_then(|oid| oid.parse::<u32>().ok()),
            text(1),
            text(2),
        ) {
            found
                .entry(pg_sys::Oid::from(relation))
                .or_default()
                .push(TableName::new(schema, name));
        }
    }
    found
}
