//! Looks at every table of a statement: takes `covered()` out of the policies that it has seen, and
//! refuses protected tables that stand without theirs.

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

use pgrx::prelude::*;

use super::answers::Answers;
use super::row_limit::Carried;
use super::tree::{self, elements, is_placeholder, view_of};
use super::{
    closed_settings, copies, covered, functions, maintenance, masked, observe, statistics,
};
use crate::catalog::Catalog;
use crate::masks::Shown;
use crate::watch::Kind;
use crate::{errors, foreign_tables, kept_snapshot, load, newer_version, relations, spi};

pub(super) struct Cover {
    pub(super) catalog: Rc<Catalog>,
    pub(super) answers: Answers,
    pub(super) calls_sql: Cell<bool>,
    /// Whether a table stands in it under its policy.
    pub(super) protects: Cell<bool>,
}

/// A table of a query that stands there under its policy.
struct Protected {
    place: i32,
    relation: pg_sys::Oid,
    /// Its rows are read: the policy's conditions stand with the table.
    covered: bool,
    /// What its columns show, where that isn't what they hold.
    shown: Option<Rc<Shown>>,
}

impl Cover {
    /// Covers a query and everything in it. `views`: those through which it is read.
    pub(super) unsafe fn query(&self, query: *mut pg_sys::Query, views: &mut Vec<pg_sys::Oid>) {
        // SAFETY: walks a rewritten tree by PostgreSQL's own structure.
        unsafe {
            let protected = self.tables(query, views);
            let through = self.mask(query, &protected);
            let tables = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            for (at, entry) in tables.into_iter().enumerate() {
                if (*entry).rtekind == pg_sys::RTEKind::RTE_SUBQUERY
                    && !through.contains(&(at as i32 + 1))
                {
                    let view = view_of(entry);
                    views.extend(view);
                    self.query((*entry).subquery, views);
                    if view.is_some() {
                        views.pop();
                    }
                }
            }
            self.checks(query);
            if !self.calls_sql.get() && tree::walk_nodes(query, functions::calls_sql) {
                self.calls_sql.set(true);
            }
            for expression in elements::<pg_sys::CommonTableExpr>((*query).cteList) {
                self.query((*expression).ctequery.cast(), views);
            }
            for inner in tree::sub_queries(query) {
                if !self.answers.made(inner) {
                    self.query(inner, views);
                }
            }
        }
    }

    /// Has the rows counted of modules of which some role reads a number: those that the statement puts
    /// together here, and those of its result, by what is returned, where it starts.
    pub(super) unsafe fn limit_rows(
        &self,
        query: *mut pg_sys::Query,
    ) -> Option<NonNull<pg_sys::List>> {
        let limits = !self.catalog.limited_modules().is_empty();
        if !limits || self.catalog.sees_all() || maintenance::is_on() {
            return None;
        }
        let counted = |modules: &[String]| self.answers.limited(modules);
        let mut list = std::ptr::null_mut();
        // SAFETY: walks a rewritten tree, and makes a list in the planner's memory.
        unsafe {
            for table in Carried::new(&self.catalog, &counted).query(query) {
                list = pg_sys::lappend_oid(list, table);
            }
        }
        NonNull::new(list)
    }

    /// Covers the query's own tables. Those that are read or written under their policies are returned.
    unsafe fn tables(&self, query: *mut pg_sys::Query, views: &[pg_sys::Oid]) -> Vec<Protected> {
        // SAFETY: as in `query`.
        unsafe {
            let mut protected = Vec::new();
            let tables = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            for (place, entry) in (1..).zip(tables) {
                match (*entry).rtekind {
                    pg_sys::RTEKind::RTE_RELATION => {
                        protected.extend(self.relation(query, place, entry, views));
                    }
                    // These hold queries, or expressions at most: both are walked.
                    pg_sys::RTEKind::RTE_SUBQUERY
                    | pg_sys::RTEKind::RTE_JOIN
                    | pg_sys::RTEKind::RTE_FUNCTION
                    | pg_sys::RTEKind::RTE_TABLEFUNC
                    | pg_sys::RTEKind::RTE_VALUES
                    | pg_sys::RTEKind::RTE_CTE
                    | pg_sys::RTEKind::RTE_NAMEDTUPLESTORE
                    | pg_sys::RTEKind::RTE_RESULT => {}
                    #[cfg(feature = "pg18")]
                    pg_sys::RTEKind::RTE_GROUP => {}
                    other => {
                        errors::fault(format!("a range table entry of kind {other} isn't known"))
                    }
                }
            }
            protected
        }
    }

    /// Shows whoever asks what the policy renders, and puts that person's answers into the policies. The
    /// places of tables that are read through a sub-select from now on are returned.
    unsafe fn mask(&self, query: *mut pg_sys::Query, protected: &[Protected]) -> Vec<i32> {
        // SAFETY: as in `query`. What is replaced comes first: it makes copies of all that the query
        // holds, but of its own policies.
        unsafe {
            let mut through = Vec::new();
            for table in protected {
                if let Some(shown) = &table.shown {
                    if masked::stands_by_itself(query, table.place) {
                        masked::replace(query, table.place, shown, self.catalog.written_back);
                    } else {
                        through.push(table.place);
                    }
                }
            }
            for table in protected {
                let (query, place) = match &table.shown {
                    Some(shown) if through.contains(&table.place) => {
                        (masked::read_through(query, table.place, shown), 1)
                    }
                    Some(_) | None => (query, table.place),
                };
                if table.covered {
                    self.answer(query, place, table.relation);
                }
            }
            through
        }
    }

    /// The policies of a table that is read.
    unsafe fn answer(&self, query: *mut pg_sys::Query, place: i32, relation: pg_sys::Oid) {
        // SAFETY: as in `query`.
        unsafe {
            let entry = tree::entry(query, place);
            self.answers.put_in(query, place, entry);
            // Off before the plan is made, which `debug_print_plan` would print.
            closed_settings::close();
            let kept = kept_snapshot::is_kept();
            kept_snapshot::note_planned(kept);
            let more = if kept {
                kept_snapshot::condition(self.catalog.still_readable, place)
            } else if tree::is_locked(query, place) {
                newer_version::condition(self.catalog.readable_now, place, relation)
            } else {
                std::ptr::null_mut()
            };
            if !more.is_null() {
                (*entry).securityQuals = pg_sys::lappend((*entry).securityQuals, more.cast());
            }
        }
    }

    unsafe fn relation(
        &self,
        query: *mut pg_sys::Query,
        place: i32,
        entry: *mut pg_sys::RangeTblEntry,
        views: &[pg_sys::Oid],
    ) -> Option<Protected> {
        // SAFETY: as in `query`.
        unsafe {
            let relation = (*entry).relid;
            if statistics::tell_of_relations(relation) {
                statistics::close(&self.catalog, place, entry);
                return None;
            }
            if (*entry).relkind as u8 == b't' {
                copies::refuse_toast(&self.catalog, relation);
                return None;
            }
            if (*entry).relkind as u8 == b'm' {
                if !is_placeholder(query, place) {
                    copies::refuse_materialized(&self.catalog, relation);
                }
                return None;
            }
            if (*entry).relkind as u8 == b'f' && !(self.catalog.sees_all() || maintenance::is_on())
            {
                foreign_tables::refuse_unplaced(&self.catalog, relation);
            }
            let protected = self.catalog.protected.contains(&relation);
            if (*entry).inh && relations::has_heirs(relation) {
                self.heirs(relation, protected);
            }
            if !protected {
                observe::watch(&self.catalog, query, place, views);
                return None;
            }
            self.must_fit(relation);
            if maintenance::is_on() {
                self.stand_aside(entry);
                return None;
            }
            if !self.catalog.sees_all()
                && !relations::owner(relation).is_some_and(spi::is_referential)
            {
                load::refuse_paused(&self.catalog, relation);
            }
            let mut covered = false;
            (*entry).securityQuals =
                covered::strip_list(self.catalog.covered, (*entry).securityQuals, &mut covered);
            let written = (*query).resultRelation == place
                && elements::<pg_sys::WithCheckOption>((*query).withCheckOptions)
                    .into_iter()
                    .any(|check| covered::is_mentioned(self.catalog.covered, (*check).qual));
            if covered || written {
                self.protects.set(true);
                let shown = self.answers.shown(&self.catalog, relation);
                return Some(Protected {
                    place,
                    relation,
                    covered,
                    shown,
                });
            }
            if !is_placeholder(query, place) {
                self.without_policy(relation, views);
            }
            None
        }
    }

    /// Where library, objects and policy don't belong together, protected tables are for those who
    /// are exempt, and for what foreign keys do on their behalf.
    fn must_fit(&self, relation: pg_sys::Oid) {
        let catalog = &self.catalog;
        // SAFETY: reads the session's user.
        let exempt = catalog.is_exempt(unsafe { pg_sys::GetSessionUserId() });
        let referential = || relations::owner(relation).is_some_and(spi::is_referential);
        if !(catalog.sees_all() || exempt && referential()) {
            catalog.require_fit();
        }
    }

    /// Takes Celador's conditions out as a whole.
    unsafe fn stand_aside(&self, entry: *mut pg_sys::RangeTblEntry) {
        // SAFETY: rebuilds a list of expressions.
        unsafe {
            let mut kept = std::ptr::null_mut();
            for condition in elements::<pg_sys::Node>((*entry).securityQuals) {
                if !covered::is_mentioned(self.catalog.covered, condition) {
                    kept = pg_sys::lappend(kept, condition.cast());
                }
            }
            (*entry).securityQuals = kept;
        }
    }

    /// Rows below a table are read with its policy, not with theirs: all of them are protected, or
    /// none is.
    fn heirs(&self, relation: pg_sys::Oid, protected: bool) {
        if self.catalog.sees_all() || maintenance::is_on() {
            return;
        }
        for heir in relations::heirs(relation) {
            if self.catalog.protected.contains(&heir) != protected {
                errors::denied(
                    format!(
                        "of {} and {} below it, one is protected and the other isn't",
                        relations::display_name(relation),
                        relations::display_name(heir)
                    ),
                    "Load the policy again, or take the inheritance away.",
                );
            }
        }
    }

    /// A protected table has reached the planner without its policy.
    unsafe fn without_policy(&self, relation: pg_sys::Oid, views: &[pg_sys::Oid]) {
        if relations::owner(relation).is_some_and(spi::is_referential)
            || self.catalog.sees_all()
            || views
                .iter()
                .any(|view| self.catalog.registered.contains(view))
        {
            return;
        }
        let way = match views.last() {
            Some(view) => format!("view {}", relations::display_name(*view)),
            None => "a view or function of an exempt owner".to_owned(),
        };
        errors::denied_by(
            Kind::Way,
            Some(relation),
            format!(
                "{} is protected, and {way} reads it without its policy",
                relations::display_name(relation)
            ),
            "Make the view security_invoker, give it to an owner without BYPASSRLS, or have a \
             superuser register it: SELECT celador.register_view(view).",
        )
    }
}
