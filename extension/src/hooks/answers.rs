//! Puts the answers of whoever asks into the conditions of a statement's protected tables.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use pgrx::prelude::*;

use super::pull_up;
use super::tree::{self, elements, is_a};
use crate::catalog::Catalog;
use crate::fold::How;
use crate::masks::{self, Shown};
use crate::plan_notes::{self, Table};
use crate::session::{self, Person};
use crate::{fold, kept_snapshot};

/// The answers that a statement holds.
#[derive(Default)]
pub(super) struct Answers {
    /// Who asks, once a protected table is met; `None`: nobody does.
    asker: OnceCell<Option<Rc<Person>>>,
    stamp: Cell<u32>,
    /// Whether the statement has grouping sets, at any level.
    grouping_sets: bool,
    /// The sub-selects of policies.
    selects: RefCell<Vec<*mut pg_sys::Query>>,
    /// Those of them that could stand in WHERE.
    movable: RefCell<Vec<Movable>>,
}

/// A condition on a table that could stand in WHERE.
struct Movable {
    query: *mut pg_sys::Query,
    /// The table that it is a condition on.
    place: i32,
    condition: *mut pg_sys::Node,
}

/// What holds if all of its parts do.
unsafe fn conjunction(condition: *mut pg_sys::Node) -> Option<*mut pg_sys::BoolExpr> {
    // SAFETY: the tag is read before the node is.
    unsafe {
        if !is_a(condition.cast(), pg_sys::NodeTag::T_BoolExpr) {
            return None;
        }
        let expression = condition.cast::<pg_sys::BoolExpr>();
        ((*expression).boolop == pg_sys::BoolExprType::AND_EXPR).then_some(expression)
    }
}

/// The conditions without that one.
unsafe fn without(
    conditions: *mut pg_sys::List,
    condition: *mut pg_sys::Node,
) -> *mut pg_sys::List {
    // SAFETY: the lists are the statement's own.
    unsafe {
        for part in elements::<pg_sys::Node>(conditions) {
            if let Some(all) = conjunction(part) {
                (*all).args = without((*all).args, condition);
            }
        }
        pg_sys::list_delete_ptr(conditions, condition.cast())
    }
}

impl Answers {
    /// The answers to a statement; none yet.
    pub(super) unsafe fn to(statement: *mut pg_sys::Query) -> Self {
        Self {
            // SAFETY: walks the statement.
            grouping_sets: unsafe { tree::has_grouping_sets(statement) },
            ..Self::default()
        }
    }

    /// The person whose answers are put in; `None`: nobody asks, or conditions are asked row by row.
    fn person(&self) -> Option<&Person> {
        let asker = self.asker.get_or_init(|| session::asker().ok());
        asker.as_deref().filter(|_| fold::is_on())
    }

    /// What the table's columns show to whoever asks, where that isn't what they hold.
    pub(super) fn shown(&self, catalog: &Catalog, relation: pg_sys::Oid) -> Option<Rc<Shown>> {
        let person = self.person();
        let shown = masks::shown(catalog, relation, person)?;
        if let Some(person) = person
            && shown.answered
        {
            self.stamp.set(person.stamp);
        }
        (!shown.is_everything()).then_some(shown)
    }

    /// Which of these modules have a number of rows for whoever asks. All might, where that isn't known.
    pub(super) fn limited(&self, modules: &[String]) -> Vec<String> {
        let Some(person) = self.person().filter(|_| !modules.is_empty()) else {
            return modules.to_vec();
        };
        self.stamp.set(person.stamp);
        let limited = modules.iter();
        let limited = limited.filter(|module| person.row_limit(module).is_some());
        limited.cloned().collect()
    }

    /// The stamp of the person whose answers they are; 0: there are none.
    pub(super) fn stamp(&self) -> u32 {
        self.stamp.get()
    }

    fn how(&self, follow: bool) -> How {
        let lists = cfg!(not(feature = "pg18")) && self.grouping_sets;
        How { follow, lists }
    }

    /// Whether it is a sub-select of a policy.
    pub(super) fn made(&self, query: *mut pg_sys::Query) -> bool {
        self.selects.borrow().contains(&query)
    }

    /// The condition on what is written with the answers of whoever asks in it.
    pub(super) unsafe fn put_in_check(
        &self,
        query: *mut pg_sys::Query,
        relation: pg_sys::Oid,
        condition: *mut pg_sys::Node,
    ) -> *mut pg_sys::Node {
        // SAFETY: as the caller says.
        unsafe {
            let place = (*query).resultRelation;
            self.fold(query, Table { relation, place }, condition, self.how(false))
        }
    }

    /// The conditions on a table with the answers of whoever asks in them.
    pub(super) unsafe fn put_in(
        &self,
        query: *mut pg_sys::Query,
        place: i32,
        entry: *mut pg_sys::RangeTblEntry,
    ) {
        // SAFETY: rebuilds a list of expressions.
        unsafe {
            // A transaction that keeps its snapshot asks what other rows are now.
            let follow = !kept_snapshot::is_kept();
            let relation = (*entry).relid;
            let mut folded = std::ptr::null_mut();
            for condition in elements::<pg_sys::Node>((*entry).securityQuals) {
                let how = self.how(follow);
                let condition = self.fold(query, Table { relation, place }, condition, how);
                folded = pg_sys::lappend(folded, condition.cast());
            }
            (*entry).securityQuals = folded;
            if follow && pull_up::fits(query, place) {
                self.note_movable(query, place, (*entry).securityQuals);
            }
        }
    }

    /// Notes the sub-selects of policies that are conditions by themselves, or under AND.
    unsafe fn note_movable(&self, query: *mut pg_sys::Query, place: i32, list: *mut pg_sys::List) {
        // SAFETY: node types are checked before they are read.
        unsafe {
            for condition in elements::<pg_sys::Node>(list) {
                if let Some(all) = conjunction(condition) {
                    self.note_movable(query, place, (*all).args);
                } else if is_a(condition.cast(), pg_sys::NodeTag::T_SubLink) {
                    let select = (*condition.cast::<pg_sys::SubLink>()).subselect;
                    if self.selects.borrow().contains(&select.cast()) {
                        self.movable.borrow_mut().push(Movable {
                            query,
                            place,
                            condition,
                        });
                    }
                }
            }
        }
    }

    /// Moves sub-selects of policies to WHERE, where the statement allows it.
    pub(super) unsafe fn pull_up(&self, statement: *mut pg_sys::Query) {
        let movable = self.movable.take();
        // SAFETY: the lists are those of the statement's tables and conditions.
        unsafe {
            if movable.is_empty() {
                return;
            }
            let silent = pull_up::tells_nothing(statement, &self.selects.borrow());
            let where_they_stand = if silent {
                "they stand in WHERE, where PostgreSQL joins them"
            } else {
                "they stay with their tables: the statement could tell of a row before they are asked"
            };
            plan_notes::add_of_statement("sub-selects", where_they_stand);
            if !silent {
                return;
            }
            for Movable {
                query,
                place,
                condition,
            } in movable
            {
                let entry = tree::entry(query, place);
                (*entry).securityQuals = without((*entry).securityQuals, condition);
                pull_up::add(query, condition);
            }
        }
    }

    unsafe fn fold(
        &self,
        query: *mut pg_sys::Query,
        table: Table,
        condition: *mut pg_sys::Node,
        how: How,
    ) -> *mut pg_sys::Node {
        let Some(person) = self.person() else {
            return condition;
        };
        // SAFETY: as in `query`.
        unsafe {
            let folded = fold::answers(condition, table, person, how);
            if folded.answered {
                self.stamp.set(person.stamp);
            }
            if !folded.selects.is_empty() {
                (*query).hasSubLinks = true;
                let selects = folded.selects.iter();
                let selects = selects.map(|select| (**select).subselect.cast());
                self.selects.borrow_mut().extend(selects);
            }
            folded.condition
        }
    }
}
