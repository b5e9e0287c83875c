//! The planner's hook: takes `covered()` out of the statements that it has seen, and refuses
//! those in which a protected table stands without its policy.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};
use std::rc::Rc;

use celador_policy::row_policy::{READ, UPDATE};
use pgrx::prelude::*;

use super::answers::Answers;
use super::injected;
use super::tree::{self, elements, is_a, is_placeholder, view_of};
use super::{closed_settings, copies, functions, maintenance, observe, own_statement, statistics};
use crate::catalog::{self, Catalog};
use crate::plan_memory::{self, Candidate};
use crate::plan_notes;
use crate::plan_stamp::{self, Mark};
use crate::session;
use crate::watch::{self, Counter, Kind, Raising};
use crate::{errors, fold, foreign_tables, kept_snapshot, load, newer_version, relations, spi};

static mut NEXT: pg_sys::planner_hook_type = None;

// The bindings of these are guarded; called directly, errors keep all their fields.
unsafe extern "C-unwind" {
    fn standard_planner(
        parse: *mut pg_sys::Query,
        query_string: *const c_char,
        cursor_options: c_int,
        bound_params: pg_sys::ParamListInfo,
    ) -> *mut pg_sys::PlannedStmt;
}

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT = pg_sys::planner_hook;
        pg_sys::planner_hook = Some(planner);
    }
}

unsafe extern "C-unwind" fn planner(
    parse: *mut pg_sys::Query,
    query_string: *const c_char,
    cursor_options: c_int,
    bound_params: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the arguments are PostgreSQL's own.
    unsafe {
        let mut candidate = None;
        let kept = if bound_params.is_null() {
            recall(parse, query_string, cursor_options, &raw mut candidate)
        } else {
            std::ptr::null_mut()
        };
        if !kept.is_null() {
            return kept;
        }
        let mark = cover(parse, cursor_options);
        let before = plan_stamp::begin_planning();
        let plan = match NEXT {
            Some(next) => next(parse, query_string, cursor_options, bound_params),
            None => standard_planner(parse, query_string, cursor_options, bound_params),
        };
        let mark = plan_stamp::planned(before, mark);
        if mark.stamp != 0 || mark.calls_sql {
            stamp(plan, mark);
        }
        if mark.stamp != 0 && bound_params.is_null() {
            keep(query_string, plan, mark.stamp, &raw mut candidate);
        }
        if spi::is_internal() {
            // Compiling a statement over trees and sets takes longer than running it.
            (*plan).jitFlags = pg_sys::PGJIT_NONE as i32;
        }
        plan
    }
}

/// The plan that is kept for whoever asks, or NULL; then the statement may be worth keeping.
#[pg_guard]
unsafe extern "C-unwind" fn recall(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: c_int,
    candidate: *mut Option<Candidate>,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the planner's own arguments.
    unsafe {
        let Some(text) = plan_memory::noticed(text) else {
            return std::ptr::null_mut();
        };
        // What is planned is told of, what was is not.
        let stamp = stamp_of_asker().filter(|_| !plan_notes::are_taken());
        let Some(stamp) = stamp else {
            return std::ptr::null_mut();
        };
        let key = plan_memory::key(text, query, options, stamp);
        if let Some(plan) = plan_memory::recall(&key, query) {
            kept_snapshot::note_planned(false);
            watch::count(Counter::PlansReused, 1);
            return plan;
        }
        *candidate = Some(Candidate::copy(key, query));
        std::ptr::null_mut()
    }
}

/// The stamp of whoever asks, where a plan depends on nothing else that may change unseen.
fn stamp_of_asker() -> Option<u32> {
    // SAFETY: read the backend's state.
    let restricted =
        unsafe { pg_sys::InNoForceRLSOperation() || pg_sys::InSecurityRestrictedOperation() };
    if spi::is_internal()
        || restricted
        || !fold::is_on()
        || maintenance::is_on()
        || kept_snapshot::is_kept()
    {
        return None;
    }
    let catalog = catalog::current()?;
    if catalog.unfit.is_some() || !catalog.observed.is_empty() || catalog.sees_all() {
        return None;
    }
    session::begin_statement();
    session::asker().ok().map(|person| person.stamp)
}

#[pg_guard]
unsafe extern "C-unwind" fn keep(
    text: *const c_char,
    plan: *mut pg_sys::PlannedStmt,
    stamp: u32,
    candidate: *mut Option<Candidate>,
) {
    // SAFETY: the planner's own arguments.
    unsafe {
        match ((*candidate).take(), catalog::current()) {
            (Some(candidate), Some(catalog)) => candidate.keep(plan, stamp, catalog.signals),
            (Some(_), None) => {}
            (None, _) => plan_memory::notice(text),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn cover(query: *mut pg_sys::Query, options: c_int) -> Mark {
    let _raising = Raising::counts_as(Counter::ErrorsPlanner);
    injected::panic_if_asked("planner");
    if spi::is_internal() {
        // SAFETY: as below.
        unsafe { own_statement::verify(query) }
        return Mark::default();
    }
    let Some(catalog) = catalog::current() else {
        return Mark::default();
    };
    // The answers that are put in are those of now.
    session::begin_statement();
    let cover = Cover {
        catalog,
        answers: Answers::default(),
        calls_sql: Cell::default(),
    };
    // SAFETY: the planner owns the tree, and expects hooks to change it.
    unsafe {
        cover.query(query, &mut Vec::new());
        // WHERE CURRENT OF wants a cursor's table by itself.
        if options & pg_sys::CURSOR_OPT_FAST_PLAN as c_int == 0 {
            cover.answers.pull_up(query);
        }
    }
    Mark {
        stamp: cover.answers.stamp(),
        calls_sql: cover.calls_sql.get(),
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn stamp(plan: *mut pg_sys::PlannedStmt, mark: Mark) {
    if let Some(catalog) = catalog::current() {
        if mark.stamp != 0 {
            watch::count(Counter::PlansMade, 1);
        }
        // SAFETY: the planner's own plan.
        unsafe { plan_stamp::put(plan, mark, catalog.signals) }
    }
}

struct Cover {
    catalog: Rc<Catalog>,
    answers: Answers,
    calls_sql: Cell<bool>,
}

impl Cover {
    /// Covers a query and everything in it. `views`: those through which it is read.
    unsafe fn query(&self, query: *mut pg_sys::Query, views: &mut Vec<pg_sys::Oid>) {
        // SAFETY: walks a rewritten tree by PostgreSQL's own structure.
        unsafe {
            let tables = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            for (at, &entry) in tables.iter().enumerate() {
                match (*entry).rtekind {
                    pg_sys::RTEKind::RTE_RELATION => {
                        self.relation(query, at as i32 + 1, entry, views)
                    }
                    pg_sys::RTEKind::RTE_SUBQUERY => {
                        let view = view_of(entry);
                        views.extend(view);
                        self.query((*entry).subquery, views);
                        if view.is_some() {
                            views.pop();
                        }
                    }
                    // These hold expressions at most, which are walked below.
                    pg_sys::RTEKind::RTE_JOIN
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

    unsafe fn relation(
        &self,
        query: *mut pg_sys::Query,
        place: i32,
        entry: *mut pg_sys::RangeTblEntry,
        views: &[pg_sys::Oid],
    ) {
        // SAFETY: as in `query`.
        unsafe {
            let relation = (*entry).relid;
            if statistics::tell_of_relations(relation) {
                statistics::close(&self.catalog, place, entry);
                return;
            }
            if (*entry).relkind as u8 == b't' {
                copies::refuse_toast(&self.catalog, relation);
                return;
            }
            if (*entry).relkind as u8 == b'm' {
                if !is_placeholder(query, place) {
                    copies::refuse_materialized(&self.catalog, relation);
                }
                return;
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
                return;
            }
            self.must_fit(relation);
            if maintenance::is_on() {
                self.stand_aside(entry);
                return;
            }
            if !self.catalog.sees_all()
                && !relations::owner(relation).is_some_and(spi::is_referential)
            {
                load::refuse_paused(&self.catalog, relation);
            }
            let mut covered = false;
            (*entry).securityQuals = self.strip_list((*entry).securityQuals, &mut covered);
            if covered {
                self.answers.put_in(query, place, entry);
            }
            let written = (*query).resultRelation == place
                && elements::<pg_sys::WithCheckOption>((*query).withCheckOptions)
                    .into_iter()
                    .any(|check| self.mentions_covered((*check).qual));
            if covered {
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
            if covered || written || is_placeholder(query, place) {
                return;
            }
            self.without_policy(relation, views);
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
                if !self.mentions_covered(condition) {
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

    /// Takes `covered()` out of the checks on what is written.
    ///
    /// PostgreSQL puts the SELECT policy into the checks of INSERT and UPDATE where the statement
    /// reads the table. For a module's table the guard decides what a row may become, so those
    /// copies go: a record may be given away, and its creator gets it back by RETURNING.
    unsafe fn checks(&self, query: *mut pg_sys::Query) {
        // SAFETY: as in `query`.
        unsafe {
            let checks = elements::<pg_sys::WithCheckOption>((*query).withCheckOptions);
            if checks.is_empty() {
                return;
            }
            let mut guarded = None;
            let mut kept = std::ptr::null_mut();
            for check in checks {
                let name = if (*check).polname.is_null() {
                    c""
                } else {
                    CStr::from_ptr((*check).polname)
                };
                let name = name.to_bytes();
                if !self.mentions_covered((*check).qual) {
                    kept = pg_sys::lappend(kept, check.cast());
                    continue;
                }
                let guarded = *guarded.get_or_insert_with(|| self.target_is_guarded(query));
                let decided_by_guard = match (*check).kind {
                    pg_sys::WCOKind::WCO_RLS_INSERT_CHECK => guarded && name == READ.as_bytes(),
                    pg_sys::WCOKind::WCO_RLS_UPDATE_CHECK => {
                        guarded && (name == READ.as_bytes() || name == UPDATE.as_bytes())
                    }
                    _ => false,
                };
                if decided_by_guard {
                    continue;
                }
                let mut covered = false;
                (*check).qual = self.strip((*check).qual, &mut covered);
                if (*check).qual.is_null() {
                    let relation = self.target(query);
                    errors::denied(
                        format!(
                            "the guard of {} is missing or disabled",
                            relations::display_name(relation)
                        ),
                        "Load the policy again.",
                    );
                }
                (*check).qual = self.answers.put_in_check(query, (*check).qual);
                if (*check).kind == pg_sys::WCOKind::WCO_RLS_CONFLICT_CHECK
                    && !kept_snapshot::is_kept()
                {
                    self.check_newer(query, check);
                }
                kept = pg_sys::lappend(kept, check.cast());
            }
            (*query).withCheckOptions = kept;
        }
    }

    /// `ON CONFLICT` finds rows that are newer than the snapshot.
    unsafe fn check_newer(&self, query: *mut pg_sys::Query, check: *mut pg_sys::WithCheckOption) {
        // SAFETY: nodes are made in the planner's memory.
        unsafe {
            let newer = newer_version::condition(
                self.catalog.readable_now,
                (*query).resultRelation,
                self.target(query),
            );
            let mut both = pg_sys::lappend(std::ptr::null_mut(), (*check).qual.cast());
            both = pg_sys::lappend(both, newer.cast());
            (*check).qual = pg_sys::makeBoolExpr(pg_sys::BoolExprType::AND_EXPR, both, -1).cast();
        }
    }

    unsafe fn target(&self, query: *mut pg_sys::Query) -> pg_sys::Oid {
        // SAFETY: checks exist only where there is a result relation.
        unsafe {
            let tables = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            let place = usize::try_from((*query).resultRelation - 1).ok();
            place
                .and_then(|place| tables.get(place))
                .map_or(pg_sys::InvalidOid, |entry| (**entry).relid)
        }
    }

    /// The target is a module's table and its guard stands, always enabled.
    unsafe fn target_is_guarded(&self, query: *mut pg_sys::Query) -> bool {
        // SAFETY: the table is locked by the statement already; the descriptor is closed again.
        unsafe {
            let relation = pg_sys::table_open(self.target(query), pg_sys::NoLock as i32);
            let triggers = (*relation).trigdesc;
            let guarded = !triggers.is_null()
                && (0..(*triggers).numtriggers as usize).any(|at| {
                    let trigger = &*(*triggers).triggers.add(at);
                    trigger.tgfoid == self.catalog.guard && trigger.tgenabled as u8 == b'A'
                });
            pg_sys::table_close(relation, pg_sys::NoLock as i32);
            guarded
        }
    }

    unsafe fn strip_list(&self, list: *mut pg_sys::List, covered: &mut bool) -> *mut pg_sys::List {
        // SAFETY: rebuilds a list of expressions.
        unsafe {
            let mut kept = std::ptr::null_mut();
            for expression in elements::<pg_sys::Node>(list) {
                let stripped = self.strip(expression, covered);
                if !stripped.is_null() {
                    kept = pg_sys::lappend(kept, stripped.cast());
                }
            }
            kept
        }
    }

    /// The expression without `covered()`: NULL where nothing is left. Only where it stands by
    /// itself or under AND, as in generated policies.
    unsafe fn strip(&self, node: *mut pg_sys::Node, covered: &mut bool) -> *mut pg_sys::Node {
        // SAFETY: node types are checked before they are read.
        unsafe {
            if self.is_covered(node) {
                *covered = true;
                return std::ptr::null_mut();
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_BoolExpr) {
                let expression = node.cast::<pg_sys::BoolExpr>();
                if (*expression).boolop == pg_sys::BoolExprType::AND_EXPR {
                    (*expression).args = self.strip_list((*expression).args, covered);
                    let left = elements::<pg_sys::Node>((*expression).args);
                    return match left.as_slice() {
                        [] => std::ptr::null_mut(),
                        [one] => *one,
                        [..] => node,
                    };
                }
            }
            node
        }
    }

    unsafe fn mentions_covered(&self, node: *mut pg_sys::Node) -> bool {
        // SAFETY: node types are checked before they are read.
        unsafe {
            if self.is_covered(node) {
                return true;
            }
            is_a(node.cast(), pg_sys::NodeTag::T_BoolExpr) && {
                let expression = node.cast::<pg_sys::BoolExpr>();
                (*expression).boolop == pg_sys::BoolExprType::AND_EXPR
                    && elements::<pg_sys::Node>((*expression).args)
                        .into_iter()
                        .any(|argument| self.is_covered(argument))
            }
        }
    }

    unsafe fn is_covered(&self, node: *mut pg_sys::Node) -> bool {
        // SAFETY: the tag is checked before the node is read.
        unsafe {
            is_a(node.cast(), pg_sys::NodeTag::T_FuncExpr)
                && (*node.cast::<pg_sys::FuncExpr>()).funcid == self.catalog.covered
        }
    }
}
