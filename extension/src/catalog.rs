//! The loaded policy, read once per backend and again when it changes.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use celador_policy::PolicySet;
use pgrx::prelude::*;

use crate::spi::{self, Kept, Reads};
use crate::{errors, hooks, relations, session};

/// Everything of the policy that a backend holds.
pub(crate) struct Catalog {
    /// The policy; `None` until one is loaded.
    pub(crate) policy: Option<PolicySet>,
    /// How many of the protected tables aren't Celador's own.
    of_others: usize,
    /// The protected tables.
    pub(crate) protected: HashSet<pg_sys::Oid>,
    /// The views that may show protected rows.
    pub(crate) registered: HashSet<pg_sys::Oid>,
    /// The maintenance roles.
    pub(crate) maintenance: HashSet<pg_sys::Oid>,
    /// Protected tables that are closed for a migration, with the reason given.
    pub(crate) paused: HashMap<pg_sys::Oid, Option<String>>,
    /// Owners that log in, and define nothing but temporary objects.
    pub(crate) guarded: HashSet<pg_sys::Oid>,
    /// How many objects `celador.adopt` has moved.
    adopted: usize,
    /// `celador.covered()`.
    pub(crate) covered: pg_sys::Oid,
    /// `celador.still_readable(oid, tid, xid)`.
    pub(crate) still_readable: pg_sys::Oid,
    /// `celador.guard()`.
    pub(crate) guard: pg_sys::Oid,
    /// `celador.assume(text)`.
    pub(crate) assume: pg_sys::Oid,
    /// `celador.act_as(text)`.
    pub(crate) act_as: pg_sys::Oid,
    /// Statements by text: prepared once.
    kept: RefCell<HashMap<String, Rc<Kept>>>,
    /// What is asked of one record of a module: by module and cell, a statement for each table.
    questions: RefCell<HashMap<String, Rc<Vec<String>>>>,
    /// Materialized views: whether they hold protected rows, and of which tables.
    materialized: RefCell<HashMap<pg_sys::Oid, Rc<Vec<pg_sys::Oid>>>>,
}

/// The relations whose invalidations tell of changes.
#[derive(Clone, Copy)]
struct Signals {
    policy: pg_sys::Oid,
    directory: pg_sys::Oid,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Catalog>>> = const { RefCell::new(None) };
    static SIGNALS: Cell<Option<Signals>> = const { Cell::new(None) };
    /// Whether the extension was looked for and not found.
    static ABSENT: Cell<bool> = const { Cell::new(false) };
    static STALE: Cell<bool> = const { Cell::new(true) };
}

/// Registers what tells of changes. Called once, when the library is loaded.
pub(crate) fn register_callbacks() {
    // SAFETY: the callback touches nothing but flags.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::from(0)) }
}

unsafe extern "C-unwind" fn relation_changed(_: pg_sys::Datum, relation: pg_sys::Oid) {
    ABSENT.set(false);
    let all = relation == pg_sys::InvalidOid;
    match SIGNALS.get() {
        None => STALE.set(true),
        Some(signals) => {
            if all || relation == signals.policy {
                STALE.set(true);
                session::mark_stale();
            }
            if relation == signals.directory {
                session::mark_stale();
            }
        }
    }
}

/// The catalog as it is now; `None` where the extension isn't created in this database.
pub(crate) fn current() -> Option<Rc<Catalog>> {
    // SAFETY: reads a flag: CREATE EXTENSION hasn't made everything yet.
    if ABSENT.get() || unsafe { pg_sys::creating_extension } {
        return None;
    }
    // Without preload nothing tells of changes: then it is read each time.
    if !STALE.get()
        && hooks::are_installed()
        && let Some(catalog) = CURRENT.with_borrow(Clone::clone)
    {
        return Some(catalog);
    }
    // In a parallel operation PostgreSQL gives no later snapshot to read by.
    // SAFETY: reads the backend's state.
    if unsafe { pg_sys::IsInParallelMode() }
        && let Some(catalog) = CURRENT.with_borrow(Clone::clone)
    {
        return Some(catalog);
    }
    let Some(signals) = find_signals() else {
        SIGNALS.set(None);
        CURRENT.set(None);
        ABSENT.set(hooks::are_installed());
        return None;
    };
    SIGNALS.set(Some(signals));
    // Cleared first: a change that arrives while the tables are read must be seen again.
    STALE.set(false);
    let catalog = Rc::new(read().unwrap_or_else(|| {
        STALE.set(true);
        errors::fault("the tables of schema celador can't be read")
    }));
    CURRENT.set(Some(Rc::clone(&catalog)));
    Some(catalog)
}

/// How many tables were protected when the catalog was last read. While the extension is dropped
/// its tables can't be read any more.
pub(crate) fn last_known_protected() -> usize {
    CURRENT.with_borrow(|catalog| catalog.as_ref().map_or(0, |catalog| catalog.of_others))
}

/// How many objects were adopted when the catalog was last read.
pub(crate) fn last_known_adopted() -> usize {
    CURRENT.with_borrow(|catalog| catalog.as_ref().map_or(0, |catalog| catalog.adopted))
}

/// Whether the table was paused when the catalog was last read: reads nothing.
pub(crate) fn is_known_paused(relation: pg_sys::Oid) -> bool {
    CURRENT.with_borrow(|catalog| {
        catalog
            .as_ref()
            .is_some_and(|catalog| catalog.paused.contains_key(&relation))
    })
}

fn find_signals() -> Option<Signals> {
    let policy = relations::relation("celador", "policy")?;
    let directory = relations::relation("celador", "directory_version")?;
    (relations::is_ours(policy) && relations::is_ours(directory))
        .then_some(Signals { policy, directory })
}

fn read() -> Option<Catalog> {
    let text = pg_sys::TEXTOID;
    let covered = relations::function("covered", &[])?;
    let version = [pg_sys::OIDOID, pg_sys::TIDOID, pg_sys::XIDOID];
    let still_readable = relations::function("still_readable", &version)?;
    let guard = relations::function("guard", &[])?;
    let assume = relations::function("assume", &[text])?;
    let act_as = relations::function("act_as", &[text])?;
    // Tables that a version before this one hasn't made: nothing is in them until the update.
    let later = |table: &str, sql: &str| -> Vec<Vec<Option<String>>> {
        match relations::relation("celador", table) {
            Some(_) => spi::read(sql, &[], Reads::Latest),
            None => Vec::new(),
        }
    };
    let (compiled, protected, registered, maintenance, paused, guarded, adopted) =
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                let read = |sql: &str| spi::read(sql, &[], Reads::Latest);
                let to_oids = |rows: Vec<Vec<Option<String>>>| -> HashSet<pg_sys::Oid> {
                    rows.into_iter()
                        .filter_map(|row| row.first()?.as_ref()?.parse::<u32>().ok())
                        .map(pg_sys::Oid::from)
                        .collect()
                };
                let oids = |sql: &str| to_oids(read(sql));
                let paused = later(
                    "paused",
                    "SELECT relation::pg_catalog.oid, reason FROM celador.paused",
                );
                let guarded = later(
                    "guarded_owners",
                    "SELECT role::pg_catalog.oid FROM celador.guarded_owners",
                );
                let adopted = later("adopted", "SELECT FROM celador.adopted");
                (
                    read("SELECT compiled FROM celador.policy ORDER BY revision DESC LIMIT 1"),
                    oids("SELECT relation::pg_catalog.oid FROM celador.protected"),
                    oids("SELECT view::pg_catalog.oid FROM celador.registered_views"),
                    oids("SELECT role::pg_catalog.oid FROM celador.maintenance_roles"),
                    paused,
                    to_oids(guarded),
                    adopted.len(),
                )
            })
        });
    let policy = match compiled
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next().flatten())
    {
        None => None,
        Some(json) => match serde_json::from_str(&json) {
            Ok(policy) => Some(policy),
            Err(error) => errors::raise(
                PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
                format!("the loaded policy can't be read by this version of the library: {error}"),
                "Load the policy again: SELECT celador.load_policy(document).",
            ),
        },
    };
    let paused = paused
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            let relation = row.next()??.parse::<u32>().ok()?;
            Some((pg_sys::Oid::from(relation), row.next()?))
        })
        .collect();
    // SAFETY: cache look-ups.
    let of_others = unsafe {
        let own = pg_sys::get_namespace_oid(c"celador".as_ptr(), true);
        protected
            .iter()
            .filter(|table| pg_sys::get_rel_namespace(**table) != own)
            .count()
    };
    Some(Catalog {
        policy,
        of_others,
        protected,
        registered,
        maintenance,
        paused,
        guarded,
        adopted,
        covered,
        still_readable,
        guard,
        assume,
        act_as,
        kept: RefCell::default(),
        questions: RefCell::default(),
        materialized: RefCell::default(),
    })
}

impl Catalog {
    /// The statement, prepared once with text parameters. Inside [`spi::connected`], with the
    /// rights that it is run with.
    pub(crate) fn kept(&self, sql: &str, parameters: usize) -> Rc<Kept> {
        if let Some(kept) = self.kept.borrow().get(sql) {
            return Rc::clone(kept);
        }
        let kept = Rc::new(Kept::prepare(sql, parameters));
        self.kept
            .borrow_mut()
            .insert(sql.to_owned(), Rc::clone(&kept));
        kept
    }

    /// What is asked of one record, written once by `write`.
    pub(crate) fn questions(
        &self,
        module: &str,
        cell: &str,
        write: impl FnOnce() -> Vec<String>,
    ) -> Rc<Vec<String>> {
        let key = format!("{module} {cell}");
        if let Some(known) = self.questions.borrow().get(&key) {
            return Rc::clone(known);
        }
        let written = Rc::new(write());
        self.questions.borrow_mut().insert(key, Rc::clone(&written));
        written
    }

    /// The statement, prepared once with `rows` rows of the type `row` as parameters.
    pub(crate) fn kept_for_rows(&self, sql: &str, row: pg_sys::Oid, rows: usize) -> Rc<Kept> {
        let key = format!("{}:{sql}", row.to_u32());
        if let Some(kept) = self.kept.borrow().get(&key) {
            return Rc::clone(kept);
        }
        let kept = Rc::new(Kept::prepare_typed(sql, &vec![row; rows]));
        self.kept.borrow_mut().insert(key, Rc::clone(&kept));
        kept
    }

    /// Whether the session may see rows as they are stored: superusers and maintenance roles.
    pub(crate) fn is_exempt(&self, role: pg_sys::Oid) -> bool {
        // SAFETY: cache look-ups.
        unsafe {
            pg_sys::superuser_arg(role)
                || (self.maintenance.contains(&role) && pg_sys::has_bypassrls_privilege(role))
        }
    }

    /// Whether rows are seen as they are stored: the session is exempt, and acts with such rights
    /// at the moment. In somebody else's function, index or view it doesn't, nor in what those call.
    pub(crate) fn sees_all(&self) -> bool {
        // SAFETY: cache look-ups.
        unsafe {
            self.is_exempt(pg_sys::GetSessionUserId())
                && pg_sys::has_bypassrls_privilege(pg_sys::GetUserId())
                && (!pg_sys::InSecurityRestrictedOperation()
                    || hooks::maintenance::is_of_exempt_owner())
        }
    }

    /// The materialized views over protected tables that nobody has registered.
    pub(crate) fn closed_materialized_views(&self) -> Vec<pg_sys::Oid> {
        let rows = spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| self.kept(MATERIALIZED, 0).rows(&[], Reads::Latest))
        });
        rows.into_iter()
            .filter_map(|row| row.into_iter().next().flatten()?.parse::<u32>().ok())
            .map(pg_sys::Oid::from)
            .filter(|view| !self.registered.contains(view) && !self.copied_by(*view).is_empty())
            .collect()
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
