//! The loaded policy, read once per backend and again when it changes.

mod closed;
mod read;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use celador_policy::PolicySet;
use celador_policy::directory::{Asked, PersonStatements};
use pgrx::prelude::*;

use crate::fold::{Conditions, Question};
use crate::hooks::injected::mistake;
use crate::hooks::observe;
use crate::hooks::row_limit::Limited;
use crate::masks::KnownMasks;
use crate::spi::{self, Kept, Reads};
use crate::version::Unfit;
use crate::{errors, hooks, plan_memory, plan_stamp, relations, session};

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
    /// `celador.written_back(anyelement, anyelement, anyelement, boolean, text)`.
    pub(crate) written_back: pg_sys::Oid,
    /// `celador.row_counts(text)`.
    pub(crate) row_counts: pg_sys::Oid,
    /// `celador.guard()`.
    pub(crate) guard: pg_sys::Oid,
    /// `celador.assume(text)`.
    pub(crate) assume: pg_sys::Oid,
    /// `celador.act_as(text)`.
    pub(crate) act_as: pg_sys::Oid,
    /// The functions whose answers may be known while a statement is planned.
    pub(crate) questions_asked: HashMap<pg_sys::Oid, Question>,
    /// The relation whose invalidations tell of a new policy.
    pub(crate) signal: pg_sys::Oid,
    /// Whether what is equal in the directory is printed alike.
    is_exact: OnceCell<bool>,
    /// The statements that tell of one person.
    person_statements: OnceCell<PersonStatements>,
    /// Statements by text: prepared once.
    kept: RefCell<HashMap<String, Rc<Kept>>>,
    /// What is asked of one record of a module: by module and cell, a statement for each table.
    questions: RefCell<HashMap<String, Rc<Vec<String>>>>,
    /// Materialized views: whether they hold protected rows, and of which tables.
    materialized: RefCell<HashMap<pg_sys::Oid, Rc<Vec<pg_sys::Oid>>>>,
    /// What statements over an observed table are asked, by table.
    observing: RefCell<HashMap<pg_sys::Oid, Observing>>,
    /// The conditions that policies put on tables, as statements have had them.
    pub(crate) conditions: Conditions,
    /// The masks of tables.
    pub(crate) masks: KnownMasks,
    /// The modules of which roles read a number of rows at once.
    limited_modules: OnceCell<BTreeSet<String>>,
    /// Those of each table.
    pub(crate) limited: Limited,
}

/// How often relations had changed when it was written, and what is asked.
type Observing = (u64, Option<Rc<observe::Asked>>);

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

/// How often a relation has changed, as far as this backend has heard.
pub(crate) fn relation_changes() -> u64 {
    RELATION_CHANGES.get()
}

/// Registers what tells of changes. Called once, when the library is loaded.
pub(crate) fn register_callbacks() {
    // SAFETY: the callback touches nothing but flags.
    unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), pg_sys::Datum::from(0)) }
}

unsafe extern "C-unwind" fn relation_changed(_: pg_sys::Datum, relation: pg_sys::Oid) {
    ABSENT.set(false);
    let all = relation == pg_sys::InvalidOid;
    let signals = SIGNALS.get();
    if signals.is_none_or(|signals| relation != signals.directory) {
        RELATION_CHANGES.set(RELATION_CHANGES.get() + 1);
    }
    match signals {
        None => STALE.set(true),
        Some(signals) => {
            if all || relation == signals.policy {
                STALE.set(true);
                session::mark_stale();
            }
            if relation == signals.directory && !mistake("the directory isn't heard") {
                session::directory_changed();
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
    plan_memory::forget();
    let catalog = Rc::new(read::read(signals).unwrap_or_else(|| {
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
            written_back: self.written_back,
            row_counts: self.row_counts,
            guard: self.guard,
            assume: self.assume,
            act_as: self.act_as,
            questions_asked: self.questions_asked.clone(),
            signal: self.signal,
            is_exact: OnceCell::default(),
            person_statements: OnceCell::default(),
            kept: RefCell::default(),
            questions: RefCell::default(),
            materialized: RefCell::default(),
            observing: RefCell::default(),
            conditions: Conditions::default(),
            masks: KnownMasks::default(),
            limited_modules: OnceCell::default(),
            limited: Limited::default(),
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
        write: impl FnOnce() -> Option<observe::Asked>,
    ) -> Option<Rc<observe::Asked>> {
        let changes = relation_changes();
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

    /// Runs one of the directory's statements as of now. Inside [`spi::connected`], with the rights
    /// that it is run with.
    pub(crate) fn ask_directory(&self, sql: &str, asked: Asked<'_>) -> Vec<Vec<Option<String>>> {
        let list = match asked {
            Asked::One(value) => return self.kept(sql, 1).rows(&[value], Reads::Latest),
            Asked::Each(list) => list,
        };
        let known = self.kept.borrow().get(sql).map(Rc::clone);
        let kept = known.unwrap_or_else(|| {
            let kept = Rc::new(Kept::prepare_listed(sql));
            let key = sql.to_owned();
            self.kept.borrow_mut().insert(key, Rc::clone(&kept));
            kept
        });
        spi::in_memory(|| kept.rows_listed(list, Reads::Latest))
    }

    /// Whether values of the directory's columns that are equal are printed alike: no collation says
    /// otherwise.
    pub(crate) fn directory_is_exact(&self, policy: &PolicySet) -> bool {
        *self.is_exact.get_or_init(|| {
            let watched = policy.directory.watched();
            watched.into_iter().all(|(table, columns)| {
                relations::relation(&table.schema, &table.name).is_some_and(|relation| {
                    columns
                        .iter()
                        .all(|column| relations::is_compared_exactly(relation, column))
                })
            })
        })
    }

    /// The statements that tell of one person.
    pub(crate) fn person_statements(&self, policy: &PolicySet) -> &PersonStatements {
        self.person_statements
            .get_or_init(|| PersonStatements::of(policy))
    }

    /// The statement, prepared once with `count` parameters of the type.
    pub(crate) fn kept_of(&self, sql: &str, type_id: pg_sys::Oid, count: usize) -> Rc<Kept> {
        let key = format!("{}:{sql}", type_id.to_u32());
        if let Some(kept) = self.kept.borrow().get(&key) {
            return Rc::clone(kept);
        }
        let kept = Rc::new(Kept::prepare_typed(sql, &vec![type_id; count]));
        self.kept.borrow_mut().insert(key, Rc::clone(&kept));
        kept
    }

    /// The modules of which roles read a number of rows at once.
    pub(crate) fn limited_modules(&self) -> &BTreeSet<String> {
        self.limited_modules.get_or_init(|| {
            let limited = self.policy.as_ref().map(PolicySet::limited_modules);
            limited.into_iter().flatten().map(str::to_owned).collect()
        })
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
}
