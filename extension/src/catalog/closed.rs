//! What holds rows or values of protected tables beside them.

use std::rc::Rc;

use pgrx::pg_sys;

use super::Catalog;
use crate::spi::{self, Reads};

impl Catalog {
    /// What holds rows, values or statistics of protected tables: they themselves, Celador's own,
    /// the materialized views over them that nobody has registered, and the indexes and TOAST
    /// tables of all of these.
    pub(crate) fn closed_relations(&self) -> Vec<pg_sys::Oid> {
        self.closed("SELECT CAST(c.relation AS pg_catalog.oid) FROM closed AS c")
    }

    /// The extended statistics of these.
    pub(crate) fn closed_statistics(&self) -> Vec<pg_sys::Oid> {
        self.closed(
            "SELECT s.oid FROM closed AS c JOIN pg_catalog.pg_statistic_ext AS s \
             ON s.stxrelid OPERATOR(pg_catalog.=) c.relation",
        )
    }

    fn closed(&self, what: &str) -> Vec<pg_sys::Oid> {
        let oids = |rows: Vec<Vec<Option<String>>>| -> Vec<pg_sys::Oid> {
            rows.into_iter()
                .filter_map(|row| row.into_iter().next().flatten()?.parse::<u32>().ok())
                .map(pg_sys::Oid::from)
                .collect()
        };
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                let views = oids(self.kept(MATERIALIZED, 0).rows(&[], Reads::Latest))
                    .into_iter()
                    .filter(|view| {
                        !self.registered.contains(view) && !self.copied_by(*view).is_empty()
                    });
                let tables: Vec<String> = self
                    .protected
                    .iter()
                    .copied()
                    .chain(views)
                    .map(|relation| relation.to_u32().to_string())
                    .collect();
                let statement = format!("{CLOSED} {what}");
                oids(
                    self.kept(&statement, 1)
                        .rows(&[&tables.join(",")], Reads::Latest),
                )
            })
        })
    }

    /// The protected tables that a materialized view was made from, directly or through views; 0
    /// among them stands for what a function may have read.
    pub(crate) fn copied_by(&self, view: pg_sys::Oid) -> Rc<Vec<pg_sys::Oid>> {
        if let Some(known) = self.materialized.borrow().get(&view) {
            return Rc::clone(known);
        }
        let found = spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                self.kept(COPIED_BY, 1)
                    .rows(&[&view.to_u32().to_string()], Reads::Latest)
            })
        });
        let tables: Vec<pg_sys::Oid> = found
            .into_iter()
            .filter_map(|row| row.into_iter().next().flatten()?.parse::<u32>().ok())
            .map(pg_sys::Oid::from)
            .filter(|table| *table == pg_sys::InvalidOid || self.protected.contains(table))
            .collect();
        let tables = Rc::new(tables);
        self.materialized
            .borrow_mut()
            .insert(view, Rc::clone(&tables));
        tables
    }
}

const MATERIALIZED: &str = "\
SELECT c.oid FROM pg_catalog.pg_class AS c
WHERE c.relkind OPERATOR(pg_catalog.=) 'm'::pg_catalog.\"char\"";

/// `$1`: tables and views, separated by commas.
const CLOSED: &str = "\
WITH heap(relation) AS (
  SELECT CAST(t.relation AS pg_catalog.oid) FROM pg_catalog.unnest(pg_catalog.string_to_array($1, ',')) AS t(relation)
  UNION
  SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n
    ON n.oid OPERATOR(pg_catalog.=) c.relnamespace AND n.nspname OPERATOR(pg_catalog.=) 'celador'::pg_catalog.name),
closed(relation) AS (
  SELECT heap.relation FROM heap
  UNION
  SELECT i.indexrelid FROM heap JOIN pg_catalog.pg_index AS i ON i.indrelid OPERATOR(pg_catalog.=) heap.relation
  UNION
  SELECT c.reltoastrelid FROM heap JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) heap.relation)";

const COPIED_BY: &str = "\
WITH RECURSIVE reads(relation) AS (
  SELECT CAST($1 AS pg_catalog.oid)
  UNION
  SELECT d.refobjid FROM reads
  JOIN pg_catalog.pg_rewrite AS w ON w.ev_class OPERATOR(pg_catalog.=) reads.relation
  JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    AND d.objid OPERATOR(pg_catalog.=) w.oid
    AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) d.refobjid
  WHERE d.refobjid OPERATOR(pg_catalog.<>) reads.relation)
SELECT reads.relation FROM reads
UNION ALL
SELECT 0::pg_catalog.oid WHERE EXISTS (
  SELECT FROM reads
  JOIN pg_catalog.pg_rewrite AS w ON w.ev_class OPERATOR(pg_catalog.=) reads.relation
  JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    AND d.objid OPERATOR(pg_catalog.=) w.oid
    AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass)";
