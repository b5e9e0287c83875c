//! Puts the answers of whoever asks into the conditions of a statement's protected tables.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use pgrx::prelude::*;

use super::pull_up;
use super::tree::{elements, is_a};
use crate::plan_notes::{self, Table};
use crate::session::{self, Person};
use crate::{fold, kept_snapshot};

/// The answers that a statement holds.
#[derive(Default)]
pub(super) struct Answers {
    /// Who asks, once a protected table is met; `None`: nobody does.
    asker: OnceCell<Option<Rc<Person>>>,
    stamp: Cell<u32>,
    /// The sub-selects of policies.
    selects: RefCell<Vec<*mut pg_sys::Query>>,
    /// Those of them that could stand in WHERE.
    movable: RefCell<Vec<Movable>>,
}

/// A condition on a table that could stand in WHERE.
struct Movable {
    query: *mut pg_sys::Query,
    /// Where it stands.
    list: *mut *mut pg_sys::List,
    condition: *mut pg_sys::Node,
}

impl Answers {
    /// The stamp of the person whose answers they are; 0: there are none.
    pub(super) fn stamp(&self) -> u32 {
        self.stamp.get()
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
            self.fold(query, Table { relation, place }, condition, false)
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
                let condition = self.fold(query, Table { relation, place }, condition, follow);
                folded = pg_sys::lappend(folded, condition.cast());
            }
            (*entry).securityQuals = folded;
            if follow && pull_up::fits(query, place) {
                self.note_movable(query, &raw mut (*entry).securityQuals);
            }
        }
    }

    /// Notes the sub-selects of policies that are conditions by themselves, or under AND.
    unsafe fn note_movable(&self, query: *mut pg_sys::Query, list: *mut *mut pg_sys::List) {
        // SAFETY: node types are checked before they are read.
        unsafe {
            for condition in elements::<pg_sys::Node>(*list) {
                if is_a(condition.cast(), pg_sys::NodeTag::T_BoolExpr) {
                    let expression = condition.cast::<pg_sys::BoolExpr>();
                    if (*expression).boolop == pg_sys::BoolExprType::AND_EXPR {
                        self.note_movable(query, &raw mut (*expression).args);
                    }
                } else if is_a(condition.cast(), pg_sys::NodeTag::T_SubLink) {
                    let select = (*condition.cast::<pg_sys::SubLink>()).subselect;
                    if self.selects.borrow().contains(&select.cast()) {
                        self.movable.borrow_mut().push(Movable {
                            query,
                            list,
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
                list,
                condition,
            } in movable
            {
                *list = pg_sys::list_delete_ptr(*list, condition.cast());
                pull_up::add(query, condition);
            }
        }
    }

    unsafe fn fold(
        &self,
        query: *mut pg_sys::Query,
        table: Table,
        condition: *mut pg_sys::Node,
        follow: bool,
    ) -> *mut pg_sys::Node {
        let asker = self.asker.get_or_init(|| session::asker().ok());
        let Some(person) = asker.as_ref().filter(|_| fold::is_on()) else {
            return condition;
        };
        // SAFETY: as in `query`.
        unsafe {
            let folded = fold::answers(condition, table, person, follow);
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
