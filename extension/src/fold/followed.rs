//! Questions about other rows become sub-selects, which PostgreSQL plans with the statement.
//!
//! ```sql
//! celador.link_in_reach('contacts', 'read', 'owner', 0, CAST(id AS text))
//! EXISTS (SELECT true FROM contact_owners AS r WHERE r.contact = contacts.id AND r.person = 42)
//! ```
//!
//! They are read with the rights of the tables' owners, as the functions read.

use std::collections::{BTreeMap, BTreeSet};

use celador_policy::key_set::KeySet;
use celador_policy::policy_set::{CellRef, LinkKind, Parent, ParentTarget, Via};
use celador_policy::row_policy::followed::{self, Compared, Followed};
use pgrx::prelude::*;

use super::{Answer, Fold, constant_bool, expression_tree_mutator, keys};
use crate::hooks::injected::mistake;
use crate::hooks::own_statement;
use crate::hooks::tree::{self, elements};
use crate::probe::{module, reaches_nothing};
use crate::{relations, spi};

/// Sub-selects in sub-selects: what lies deeper is asked row by row.
const DEEPEST: u32 = 4;

impl Fold<'_> {
    fn may_follow(&self) -> bool {
        self.how.follow && self.depth < DEEPEST
    }

    /// The record with that key is in the reach that `cell` names.
    pub(super) unsafe fn record(
        &mut self,
        name: &str,
        cell: &CellRef,
        key: *mut pg_sys::Node,
    ) -> Option<Answer> {
        let records = followed::record(self.person.policy(), name, cell)?;
        // SAFETY: the key is an argument of one of Celador's functions.
        unsafe { self.any(records, key) }
    }

    /// The record that a row hangs on lends it its reach.
    pub(super) unsafe fn parent(
        &mut self,
        parent: &Parent,
        lent: &BTreeSet<Via>,
        [key, kind]: [*mut pg_sys::Node; 2],
    ) -> Option<Answer> {
        let policy = self.person.policy();
        let cells = |target: &str| -> BTreeSet<CellRef> {
            lent.iter()
                .filter(|via| via.module.as_ref().is_none_or(|only| only == target))
                .filter(|via| !reaches_nothing(self.person, target, &via.cell))
                .map(|via| policy.writing_cell(target, &via.cell))
                .collect()
        };
        // SAFETY: the arguments of one of Celador's functions.
        unsafe {
            match &parent.target {
                ParentTarget::Module(target) => {
                    let mut records = Vec::new();
                    for cell in cells(target) {
                        records.extend(followed::record(policy, target, &cell)?);
                    }
                    self.any(records, key)
                }
                ParentTarget::Linked { module, link } => {
                    let mut records = Vec::new();
                    for cell in cells(module) {
                        records.extend(followed::linked_records(policy, link, module, &cell)?);
                    }
                    self.any(records, key)
                }
                ParentTarget::ByType { modules, .. } => {
                    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
                    for (kind, target) in modules {
                        kinds.entry(target).or_default().push(kind);
                    }
                    let mut any = Vec::new();
                    for (target, kinds) in kinds {
                        let mut records = Vec::new();
                        for cell in cells(target) {
                            records.extend(followed::record(policy, target, &cell)?);
                        }
                        let records = self.any(records, key)?.into_node();
                        let mut names = KeySet::default();
                        names.extend(kinds);
                        let is_kind = keys::condition(kind, &names, self.how.lists)?.into_node();
                        any.push(both(is_kind, records));
                    }
                    Some(Answer::Condition(one_of(any)))
                }
                ParentTarget::Joined { .. } => None,
            }
        }
    }

    /// A record that points to this one is in the reach that lends it its own.
    pub(super) unsafe fn related(
        &mut self,
        name: &str,
        lent: &BTreeSet<Via>,
        key: *mut pg_sys::Node,
    ) -> Option<Answer> {
        let mut records = Vec::new();
        for via in lent {
            records.extend(followed::pointing(self.person.policy(), name, via)?);
        }
        // SAFETY: the key is an argument of one of Celador's functions.
        unsafe { self.any(records, key) }
    }

    /// The record is linked with an owner or group in reach.
    pub(super) unsafe fn link(
        &mut self,
        name: &str,
        cell: &CellRef,
        (kind, place): (LinkKind, usize),
        key: *mut pg_sys::Node,
    ) -> Option<Answer> {
        let links = followed::links(self.person.policy(), name, cell, kind, place)?;
        // SAFETY: the key is an argument of one of Celador's functions.
        unsafe { self.any(vec![links], key) }
    }

    /// The record, which is there, has no link to an owner.
    pub(super) unsafe fn unlinked(
        &mut self,
        name: &str,
        place: usize,
        key: *mut pg_sys::Node,
    ) -> Option<Answer> {
        // What isn't a record of the module has no owner, and isn't there either.
        if module(self.person.policy(), name).rows.is_some() {
            return None;
        }
        let links = followed::any_links(self.person.policy(), name, LinkKind::Owner, place)?;
        // SAFETY: the key is an argument of one of Celador's functions.
        unsafe {
            let any = self.any(vec![links], key)?.into_node();
            if mistake("NOT is lost") {
                return Some(Answer::Condition(any));
            }
            let not = pg_sys::makeBoolExpr(
                pg_sys::BoolExprType::NOT_EXPR,
                pg_sys::lappend(std::ptr::null_mut(), any.cast()),
                -1,
            );
            Some(Answer::Condition(not.cast()))
        }
    }

    /// `EXISTS (…) OR EXISTS (…)`.
    unsafe fn any(&mut self, statements: Vec<Followed>, key: *mut pg_sys::Node) -> Option<Answer> {
        if !self.may_follow() {
            return None;
        }
        // SAFETY: as the callers say.
        unsafe {
            let column = column(key)?;
            let mut any = Vec::new();
            for statement in statements {
                any.push(self.exists(&statement, column)?);
            }
            Some(Answer::Condition(one_of(any)))
        }
    }

    /// `EXISTS (statement)` with the column as `$1`.
    unsafe fn exists(
        &mut self,
        statement: &Followed,
        column: *mut pg_sys::Var,
    ) -> Option<*mut pg_sys::Node> {
        // SAFETY: the statement is Celador's own, and looked at once more as PostgreSQL understands
        // it. Nodes are made in the planner's memory.
        unsafe {
            let type_id = (*column).vartype;
            if compared(type_id)? != statement.compared {
                return None;
            }
            let query = spi::with_rights_of(spi::superuser(), || {
                spi::connected(|| self.person.catalog.kept_of(&statement.sql, type_id, 1)).query()
            });
            own_statement::verify(query);
            read_as_owners(query);
            let conditions = (*(*query).jointree).quals;
            let mut inner = Fold {
                person: self.person,
                table: self.table,
                folded: false,
                how: self.how,
                depth: self.depth + 1,
                unanswered: false,
                selects: Vec::new(),
            };
            let conditions = inner.node(with_column(conditions, column));
            if inner.unanswered {
                return None;
            }
            self.folded |= inner.folded;
            if constant_bool(conditions) == Some(false) {
                return Some(conditions);
            }
            if mistake("any record will do") {
                return Some(pg_sys::makeBoolConst(true, false));
            }
            (*(*query).jointree).quals = conditions;
            (*query).hasSubLinks = !inner.selects.is_empty();
            let link = tree::new::<pg_sys::SubLink>(pg_sys::NodeTag::T_SubLink);
            (*link).subLinkType = pg_sys::SubLinkType::EXISTS_SUBLINK;
            (*link).subselect = query.cast();
            (*link).location = -1;
            self.selects.push(link);
            Some(link.cast())
        }
    }
}

impl Answer {
    fn into_node(self) -> *mut pg_sys::Node {
        match self {
            // SAFETY: makes a node in the planner's memory.
            Self::Bool(value) => unsafe { pg_sys::makeBoolConst(value, false) },
            Self::Condition(node) => node,
            Self::Text(_) => crate::errors::fault("a text is no condition"),
        }
    }
}

/// The column that a key is the text of.
unsafe fn column(mut key: *mut pg_sys::Node) -> Option<*mut pg_sys::Var> {
    // SAFETY: node types are checked before they are read.
    unsafe {
        while !key.is_null() {
            let tag = (*key).type_;
            if tag == pg_sys::NodeTag::T_Var {
                return Some(key.cast());
            }
            key = if tag == pg_sys::NodeTag::T_RelabelType {
                (*key.cast::<pg_sys::RelabelType>()).arg.cast()
            } else if tag == pg_sys::NodeTag::T_CoerceViaIO {
                (*key.cast::<pg_sys::CoerceViaIO>()).arg.cast()
            } else {
                return None;
            };
        }
    }
    None
}

fn compared(type_id: pg_sys::Oid) -> Option<Compared> {
    match type_id {
        pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID => Some(Compared::Integers),
        pg_sys::UUIDOID => Some(Compared::Uuids),
        pg_sys::TEXTOID | pg_sys::VARCHAROID => Some(Compared::Texts),
        _ => None,
    }
}

/// Each table is read with the rights of its owner.
unsafe fn read_as_owners(query: *mut pg_sys::Query) {
    // SAFETY: the query's own entries.
    unsafe {
        for entry in elements::<pg_sys::RangeTblEntry>((*query).rtable) {
            let owner = relations::owner((*entry).relid).unwrap_or_else(spi::superuser);
            #[cfg(feature = "pg15")]
            {
                (*entry).checkAsUser = owner;
            }
            #[cfg(not(feature = "pg15"))]
            {
                let rights = elements::<pg_sys::RTEPermissionInfo>((*query).rteperminfos);
                let right = rights[(*entry).perminfoindex as usize - 1];
                (*right).checkAsUser = owner;
            }
        }
    }
}

/// The condition with a column of the statement around in the place of `$1`.
unsafe fn with_column(condition: *mut pg_sys::Node, column: *mut pg_sys::Var) -> *mut pg_sys::Node {
    // SAFETY: the copy is the sub-select's own; the mutator gets it back as its context.
    unsafe {
        let column = pg_sys::copyObjectImpl(column.cast()).cast::<pg_sys::Node>();
        pg_sys::IncrementVarSublevelsUp(column, 1, 0);
        put_column(condition, column.cast())
    }
}

unsafe extern "C-unwind" fn put_column(
    node: *mut pg_sys::Node,
    column: *mut std::ffi::c_void,
) -> *mut pg_sys::Node {
    // SAFETY: node types are checked before they are read.
    unsafe {
        if !node.is_null() && (*node).type_ == pg_sys::NodeTag::T_Param {
            return column.cast();
        }
        expression_tree_mutator(node, Some(put_column), column)
    }
}

unsafe fn both(left: *mut pg_sys::Node, right: *mut pg_sys::Node) -> *mut pg_sys::Node {
    // SAFETY: makes nodes in the planner's memory.
    unsafe {
        for side in [left, right] {
            if constant_bool(side) == Some(false) {
                return side;
            }
        }
        let mut sides = pg_sys::lappend(std::ptr::null_mut(), left.cast());
        sides = pg_sys::lappend(sides, right.cast());
        pg_sys::makeBoolExpr(pg_sys::BoolExprType::AND_EXPR, sides, -1).cast()
    }
}

/// OR, without what is false.
unsafe fn one_of(conditions: Vec<*mut pg_sys::Node>) -> *mut pg_sys::Node {
    // SAFETY: makes nodes in the planner's memory.
    unsafe {
        let open = conditions
            .into_iter()
            .filter(|condition| constant_bool(*condition) != Some(false));
        let open: Vec<_> = open.collect();
        match open.as_slice() {
            [] => pg_sys::makeBoolConst(false, false),
            [one] => *one,
            [..] => {
                let list = open.iter().fold(std::ptr::null_mut(), |list, condition| {
                    pg_sys::lappend(list, condition.cast())
                });
                pg_sys::makeBoolExpr(pg_sys::BoolExprType::OR_EXPR, list, -1).cast()
            }
        }
    }
}
