//! The loaded policy, read once per backend and again when it changes.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use celador_policy::PolicySet;
use pgrx::prelude::*;

use crate::fold::Question;
use crate::hooks::observe::Asked;
use crate::spi::{self, Kept, Reads};
use crate::version::Unfit;
use crate::watch::{self, Counter};
use crate::{errors, hooks, plan_stamp, relations, session};

/// Everything of the policy that a backend holds.
#[derive(Default)]
pub(crate) struct Catalog {
    /// Why nobody but superusers and maintenance gets at protected tables.
    pub(crate) unfit: Option<Unfit>,
    /// The policy; `None` until one is loaded, and where another version compiled it.
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
    /// `celador.readable_now(oid, tid, xid)`.
    pub(crate) readable_now: pg_sys::Oid,
    /// `celador.guard()`.
    pub(crate) guard: pg_sys::Oid,
    /// `celador.assume(text)`.
    pub(crate) assume: pg_sys::Oid,
    /// `celador.act_as(text)`.
    pub(crate) act_as: pg_sys::Oid,
    /// The functions whose answers may be known while a statement is planned.
    pub(crate) questions_asked: HashMap<pg_sys::Oid, Question>,
    /// The relations whose invalidations tell of a new policy, and of a change of the directory.
    pub(crate) signals: [pg_sys::Oid; 2],
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
    // SAFETY: reads flags: CREATE EXTENSION, or pg_upgrade, hasn't made everything yet.
    if ABSENT.get() || unsafe { pg_sys::creating_extension || pg_sys::IsBinaryUpgrade } {
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
    plan_stamp::forget_marked();
    let catalog = Rc::new(read(signals).unwrap_or_else(|| {
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

fn read(signals: Signals) -> Option<Catalog> {
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

impl Catalog {
    /// Ends the statement where nothing can be decided for a person.
    pub(crate) fn require_fit(&self) {
        if let Some(unfit) = &self.unfit {
            unfit.refuse();
        }
    }

    /// The same database under another policy, which isn't loaded.
    pub(crate) fn under(&self, policy: PolicySet) -> Self {
        Self {
            policy: Some(policy),
            unfit: self.unfit.clone(),
            revision: self.revision,
            of_others: self.of_others,
            protected: self.protected.clone(),
            observed: self.observed.clone(),
            registered: self.registered.clone(),
            maintenance: self.maintenance.clone(),
            paused: self.paused.clone(),
            guarded: self.guarded.clone(),
            adopted: self.adopted,
            covered: self.covered,
            still_readable: self.still_readable,
            readable_now: self.readable_now,
            guard: self.guard,
            assume: self.assume,
            act_as: self.act_as,
            questions_asked: self.questions_asked.clone(),
            signals: self.signals,
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

const FUNCTIONS: &str = "\
SELECT p.oid, p.proname FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
WHERE n.nspname OPERATOR(pg_catalog.=) 'celador'::pg_catalog.name";

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
