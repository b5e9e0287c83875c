//! Reads the catalog from the tables of schema `celador`.

use std::collections::HashSet;

use celador_policy::PolicySet;
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
    let guard = relations::function("guard", &[])?;
    let assume = relations::function("assume", &[text])?;
    let act_as = relations::function("act_as", &[text])?;
    plan_stamp::mark_by(covered);
    let read = || {
        (
            spi::read(LIVE, &[], Reads::Latest),
            oids("SELECT view::pg_catalog.oid FROM celador.registered_views"),
            oids("SELECT relation::pg_catalog.oid FROM celador.protected WHERE observed"),
            spi::read(PAUSED, &[], Reads::Latest),
            oids("SELECT role::pg_catalog.oid FROM celador.guarded_owners"),
            spi::read("SELECT FROM celador.adopted", &[], Reads::Latest).len(),
            spi::read(FUNCTIONS, &[], Reads::Latest),
        )
    };
    let (live, registered, observed, paused, guarded, adopted, functions) =
        spi::with_rights_of(spi::superuser(), || spi::connected(read));
    let paused = paused
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            let relation = row.next()??.parse::<u32>().ok()?;
            Some((pg_sys::Oid::from(relation), row.next()?))
        })
        .collect();
    let mut unfit = None;
    let mut revision = None;
    let policy = match live.into_iter().next().map(<[Option<String>; 3]>::try_from) {
        None => None,
        // What another version compiled isn't read: it could mean something else here.
        Some(Ok([Some(json), by, number])) => match Unfit::of_policy(by.as_deref()) {
            None => {
                revision = number.and_then(|number| number.parse().ok());
                Some(understood(&json))
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
        registered,
        paused,
        guarded,
        adopted,
        covered,
        still_readable,
        readable_now,
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
        signals: [signals.policy, signals.directory],
        ..basis
    })
}

const LIVE: &str = "SELECT p.compiled, p.compiled_by, p.revision FROM celador.policy AS p \
    ORDER BY p.revision DESC LIMIT 1";

const PAUSED: &str = "SELECT relation::pg_catalog.oid, reason FROM celador.paused";

/// What is in every version's tables under the same names: which tables are protected, and who is
/// exempt; and whether the rest can be read.
fn read_basis() -> Catalog {
    watch::count(Counter::PolicyReads, 1);
    let (version, protected, maintenance) = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            (
                spi::read(VERSION, &[], Reads::Latest),
                oids("SELECT relation::pg_catalog.oid FROM celador.protected"),
                oids("SELECT role::pg_catalog.oid FROM celador.maintenance_roles"),
            )
        })
    });
    let version = version.into_iter().flatten().next().flatten();
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

const VERSION: &str = "SELECT e.extversion FROM pg_catalog.pg_extension AS e \
    WHERE e.extname OPERATOR(pg_catalog.=) 'celador'::pg_catalog.name";

/// The OIDs that a query returns. Inside [`spi::connected`].
fn oids(sql: &str) -> HashSet<pg_sys::Oid> {
    spi::read(sql, &[], Reads::Latest)
        .into_iter()
        .filter_map(|row| row.first()?.as_ref()?.parse::<u32>().ok())
        .map(pg_sys::Oid::from)
        .collect()
}

fn understood(json: &str) -> PolicySet {
    match serde_json::from_str(json) {
        Ok(policy) => policy,
        Err(error) => errors::raise(
            PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
            format!("the loaded policy can't be read by this version of the library: {error}"),
            "Load the policy again: SELECT celador.load_policy(document).",
        ),
    }
}

const FUNCTIONS: &str = "\
SELECT p.oid, p.proname FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE n.nspname OPERATOR(pg_catalog.=) 'celador'::pg_catalog.name";
