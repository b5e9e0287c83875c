//! The loaded policy, read once per backend and again when it changes.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use celador_policy::PolicySet;
use pgrx::prelude::*;

use crate::hooks::observe::Asked;
use crate::spi::{self, Kept, Reads};
use crate::watch::{self, Counter};
use crate::{errors, hooks, relations, session};

/// Everything of the policy that a backend holds.
pub(crate) struct Catalog {
    /// The policy; `None` until one is loaded.
    pub(crate) policy: Option<PolicySet>,
    /// The revision that it is; 0 until one is loaded.
    pub(crate) revision: i32,
    /// How many of the protected tables aren't Celador's own.
    of_others: usize,
    /// The protected tables.
    pub(crate) protected: HashSet<pg_sys::Oid>,
    /// The tables of modules that are observed: nothing is enforced on them.
    pub(crate) observed: HashSet<pg_sys::Oid>,
    /// The views that may show protected rows.
    pub(crate) registered: HashSet<pg_sys::Oid>,
    /// The maintenance roles.
    pub(crate) maintenance: HashSet<pg_sys::Oid>,
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
    /// What statements over an observed table are asked, by table.
    observing: RefCell<HashMap<pg_sys::Oid, Observing>>,
}

/// How often relations had changed when it was written, and what is asked.
type Observing = (u64, Option<Rc<Asked>>);

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
    /// How often a relation has changed.
    static RELATION_CHANGES: Cell<u64> = const { Cell::new(0) };
}

/// Registers what tells of changes. Called once, when the library is loaded.
pub(crate) fn register_callbacks() {
    // SAFETY: the callback touches nothing but flags.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::from(0)) }
}

unsafe extern "C-unwind" fn relation_changed(_: pg_sys::Datum, relation: pg_sys::Oid) {
    ABSENT.set(false);
    RELATION_CHANGES.set(RELATION_CHANGES.get() + 1);
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

/// How many tables were protected, or observed, when the catalog was last read. While the extension is dropped
/// its tables can't be read any more.
pub(crate) fn last_known_protected() -> usize {
    CURRENT.with_borrow(|catalog| {
        catalog
            .as_ref()
            .map_or(0, |catalog| catalog.of_others + catalog.observed.len())
    })
}

/// Whether the table was protected when the catalog was last read; nothing is read.
pub(crate) fn was_protected(table: pg_sys::Oid) -> bool {
    CURRENT.with_borrow(|catalog| {
        catalog
            .as_ref()
            .is_some_and(|catalog| catalog.protected.contains(&table))
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
    watch::count(Counter::PolicyReads, 1);
    let (compiled, protected, observed, registered, maintenance) = spi::with_rights_of(
        spi::superuser(),
        || {
            spi::connected(|| {
                let read = |sql: &str| spi::read(sql, &[], Reads::Latest);
                let oids = |sql: &str| -> HashSet<pg_sys::Oid> {
                    read(sql)
                        .into_iter()
                        .filter_map(|row| row.first()?.as_ref()?.parse::<u32>().ok())
                        .map(pg_sys::Oid::from)
                        .collect()
                };
                (
                    read(
                        "SELECT compiled, revision FROM celador.policy ORDER BY revision DESC LIMIT 1",
                    ),
                    oids(
                        "SELECT relation::pg_catalog.oid FROM celador.protected WHERE NOT observed",
                    ),
                    oids("SELECT relation::pg_catalog.oid FROM celador.protected WHERE observed"),
                    oids("SELECT view::pg_catalog.oid FROM celador.registered_views"),
                    oids("SELECT role::pg_catalog.oid FROM celador.maintenance_roles"),
                )
            })
        },
    );
    let mut live = compiled.into_iter().next().unwrap_or_default().into_iter();
    let compiled = live.next().flatten();
    let revision = live
        .next()
        .flatten()
        .and_then(|revision| revision.parse().ok());
    let policy = match compiled {
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
        revision: revision.unwrap_or(0),
        of_others,
        protected,
        observed,
        registered,
        maintenance,
        covered,
        still_readable,
        guard,
        assume,
        act_as,
        kept: RefCell::default(),
        questions: RefCell::default(),
        materialized: RefCell::default(),
        observing: RefCell::default(),
    })
}

impl Catalog {
    /// The same database under another policy, which isn't loaded.
    pub(crate) fn under(&self, policy: PolicySet) -> Self {
        Self {
            policy: Some(policy),
            revision: self.revision,
            of_others: self.of_others,
            protected: self.protected.clone(),
            observed: self.observed.clone(),
            registered: self.registered.clone(),
            maintenance: self.maintenance.clone(),
            covered: self.covered,
            still_readable: self.still_readable,
            guard: self.guard,
            assume: self.assume,
            act_as: self.act_as,
            kept: RefCell::default(),
            questions: RefCell::default(),
            materialized: RefCell::default(),
            observing: RefCell::default(),
        }
    }

    /// Whether a policy is loaded, and a table of the CRM's is under it.
    pub(crate) fn enforces(&self) -> bool {
        self.policy.is_some() && (self.of_others > 0 || self.observed.is_empty())
    }

    /// What statements over an observed table are asked, written by `write` once and again when a
    /// table has changed; `None`: nothing can be asked.
    pub(crate) fn asked_of(
        &self,
        table: pg_sys::Oid,
        write: impl FnOnce() -> Option<Asked>,
    ) -> Option<Rc<Asked>> {
        let changes = RELATION_CHANGES.get();
        if let Some((as_of, known)) = self.observing.borrow().get(&table)
            && *as_of == changes
        {
            return known.clone();
        }
        let written = write().map(Rc::new);
        self.observing
            .borrow_mut()
            .insert(table, (changes, written.clone()));
        written
    }

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
