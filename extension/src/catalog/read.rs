//! Reads the catalog from the tables of schema `celador`.

use std::collections::{HashMap, HashSet};

use pgrx::prelude::*;

use super::{Catalog, Signals};
use crate::fold::Question;
use crate::spi::{self, Reads};
use crate::version::Unfit;
use crate::watch::{self, Counter};
use crate::{errors, plan_stamp, relations};

pub(super) fn read(signals: Signals) -> Option<Catalog> {
    let text = pg_sys::TEXTOID;
    let basis = read_basis();
    if basis.unfit.is_some() {
        return Some(basis);
    }
    let covered = relations::function("covered", &[])?;
    let version = [pg_sys::OIDOID, pg_sys::TIDOID, pg_sys::XIDOID];
    let still_readable = relations::function("still_readable", &version)?;
    let readable_now = relations::function("readable_now", &version)?;
    let any = pg_sys::ANYELEMENTOID;
    let written_back = [any, any, any, pg_sys::BOOLOID, text];
    let written_back = relations::function("written_back", &written_back)?;
    let row_counts = relations::function("row_counts", &[text])?;
    let guard = relations::function("guard", &[])?;
    let assume = relations::function("assume", &[text])?;
    let act_as = relations::function("act_as", &[text])?;
    plan_stamp::mark_by(covered);
    let (live, mut lists, functions) = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            (
                spi::read(LIVE, &[], Reads::Latest),
                Lists::read(LISTS),
                spi::read(&functions(), &[], Reads::Latest),
            )
        })
    });
    let observed = lists.oids("observed");
    let paused = lists.of("paused");
    let paused = paused
        .into_iter()
        .filter_map(|(relation, reason)| Some((oid(&relation)?, reason)))
        .collect();
    let adopted = lists.of("adopted").pop();
    let mut unfit = None;
    let mut revision = None;
    let policy = match live.into_iter().next().map(<[Option<String>; 3]>::try_from) {
        None => None,
        // What another version compiled isn't read: it could mean something else here.
        Some(Ok([Some(json), by, number])) => match Unfit::of_policy(by.as_deref()) {
            None => {
                revision = number.and_then(|number| number.parse().ok());
                serde_json::from_str(&json)
                    .inspect_err(|error| unfit = Some(Unfit::Unreadable(error.to_string())))
                    .ok()
            }
            other => {
                unfit = other;
                None
            }
        },
        Some(_) => errors::fault("the live policy has no text"),
    };
    let mut basis = basis;
    basis.protected.retain(|table| !observed.contains(table));
    Some(Catalog {
        unfit,
        policy,
        revision: revision.unwrap_or(0),
        observed,
        registered: lists.oids("registered"),
        paused,
        guarded: lists.oids("guarded"),
        adopted: adopted
            .and_then(|(count, _)| count.parse().ok())
            .unwrap_or(0),
        covered,
        still_readable,
        readable_now,
        written_back,
        row_counts,
        guard,
        assume,
        act_as,
        questions_asked: functions
            .into_iter()
            .filter_map(|row| {
                let mut row = row.into_iter().flatten();
                let function = row.next()?.parse::<u32>().ok()?;
                Some((
                    pg_sys::Oid::from(function),
                    Question::from_name(&row.next()?)?,
                ))
            })
            .collect(),
        signal: signals.policy,
        ..basis
    })
}

const LIVE: &str = "SELECT p.compiled, p.compiled_by, p.revision FROM celador.policy AS p \
    ORDER BY p.revision DESC LIMIT 1";

/// What is short, in one statement: a new session waits for each.
const LISTS: &str = "\
SELECT 'registered', CAST(CAST(v.view AS pg_catalog.oid) AS pg_catalog.text), NULL FROM celador.registered_views AS v
UNION ALL SELECT 'observed', CAST(CAST(x.relation AS pg_catalog.oid) AS pg_catalog.text), NULL
  FROM celador.protected AS x WHERE x.observed
UNION ALL SELECT 'paused', CAST(CAST(z.relation AS pg_catalog.oid) AS pg_catalog.text), z.reason FROM celador.paused AS z
UNION ALL SELECT 'guarded', CAST(CAST(g.role AS pg_catalog.oid) AS pg_catalog.text), NULL FROM celador.guarded_owners AS g
UNION ALL SELECT 'adopted', CAST(pg_catalog.count(*) AS pg_catalog.text), NULL FROM celador.adopted";

/// The rows of several lists: the list's name, what is listed, and something about it.
struct Lists(HashMap<String, Vec<(String, Option<String>)>>);

impl Lists {
    /// Runs a statement that returns them. Inside [`spi::connected`].
    fn read(sql: &str) -> Self {
        let mut lists: HashMap<String, Vec<(String, Option<String>)>> = HashMap::new();
        for row in spi::read(sql, &[], Reads::Latest) {
            let mut row = row.into_iter();
            if let (Some(Some(list)), Some(Some(listed)), Some(about)) =
                (row.next(), row.next(), row.next())
            {
                lists.entry(list).or_default().push((listed, about));
            }
        }
        Self(lists)
    }

    fn of(&mut self, list: &str) -> Vec<(String, Option<String>)> {
        self.0.remove(list).unwrap_or_default()
    }

    fn oids(&mut self, list: &str) -> HashSet<pg_sys::Oid> {
        let listed = self.of(list).into_iter();
        listed.filter_map(|(listed, _)| oid(&listed)).collect()
    }
}

fn oid(text: &str) -> Option<pg_sys::Oid> {
    text.parse::<u32>().ok().map(pg_sys::Oid::from)
}

/// What is in every version's tables under the same names: which tables are protected, and who is
/// exempt; and whether the rest can be read.
fn read_basis() -> Catalog {
    watch::count(Counter::PolicyReads, 1);
    let mut lists = spi::with_rights_of(spi::superuser(), || spi::connected(|| Lists::read(BASIS)));
    let version = lists.of("version").pop().map(|(version, _)| version);
    let protected = lists.oids("protected");
    let maintenance = lists.oids("maintenance");
    // SAFETY: cache look-ups.
    let of_others = unsafe {
        let own = pg_sys::get_namespace_oid(c"celador".as_ptr(), true);
        protected
            .iter()
            .filter(|table| pg_sys::get_rel_namespace(**table) != own)
            .count()
    };
    Catalog {
        unfit: Unfit::of_objects(&version.unwrap_or_default()),
        of_others,
        protected,
        maintenance,
        ..Catalog::default()
    }
}

const BASIS: &str = "\
SELECT 'version', e.extversion, NULL FROM pg_catalog.pg_extension AS e
  WHERE e.extname OPERATOR(pg_catalog.=) 'celador'::pg_catalog.name
UNION ALL SELECT 'protected', CAST(CAST(x.relation AS pg_catalog.oid) AS pg_catalog.text), NULL FROM celador.protected AS x
UNION ALL SELECT 'maintenance', CAST(CAST(m.role AS pg_catalog.oid) AS pg_catalog.text), NULL
  FROM celador.maintenance_roles AS m";

/// Finds the functions by name, not by schema: that has no index.
fn functions() -> String {
    let names = Question::NAMES.map(|(name, _)| format!("'{name}'"));
    format!(
        "SELECT p.oid, p.proname FROM pg_catalog.pg_proc AS p \
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
         WHERE n.nspname OPERATOR(pg_catalog.=) 'celador'::pg_catalog.name \
         AND p.proname OPERATOR(pg_catalog.=) ANY (ARRAY[{}]::pg_catalog.name[])",
        names.join(", ")
    )
}
