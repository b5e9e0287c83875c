//! Column masks as expressions: what a policy makes of a table's columns, and what is left of that
//! for one person.
//!
//! ```sql
//! CASE WHEN celador.owner_in_reach('contacts', '["phone","clear"]', 'user', owner_id) THEN phone ELSE NULL END
//! ```
//!
//! becomes, for whoever sees every phone, nothing at all, and for others:
//!
//! ```sql
//! CASE WHEN owner_id = 42 THEN phone ELSE NULL END
//! ```

mod expression;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use celador_policy::PolicySet;
use celador_policy::column_mask::{column_masks, is_known};
use celador_policy::policy_set::Placement;
use pgrx::prelude::*;

use crate::catalog::{self, Catalog};
use crate::fold::How;
use crate::hooks::injected::mistake;
use crate::plan_notes::{self, Table};
use crate::session::Person;
use crate::tree_memory::{self, TreeMemory};
use crate::{fold, placement, relations};

/// A node of an expression over a table at place 1.
type Node = *mut pg_sys::Node;

/// What the policy makes of a table's columns, whoever asks.
pub(crate) struct Masks {
    columns: Vec<Mask>,
    _memory: TreeMemory,
}

struct Mask {
    column: i16,
    /// Conditions, and what the rows show that satisfy them: the first counts.
    cases: Vec<(Node, Node)>,
    otherwise: Node,
    /// In which rows the column may be written.
    write: Node,
    field: String,
}

/// What a table's columns show, as far as it isn't what they hold.
pub(crate) struct Shown {
    columns: Vec<ShownColumn>,
    /// Whether a person's answers are in it: also in what is left out.
    pub(crate) answered: bool,
    _memory: TreeMemory,
}

/// A mask is one expression: it has no sub-selects.
const ROW_BY_ROW: How = How {
    follow: false,
    lists: false,
};

/// A column that shows something else than what it holds.
struct ShownColumn {
    column: i16,
    shown: Node,
    /// In which rows it may be written.
    write: Node,
    field: String,
}

/// By table: how often relations had changed, and its masks.
#[derive(Default)]
pub(crate) struct KnownMasks(RefCell<HashMap<pg_sys::Oid, (u64, Rc<Masks>)>>);

/// By table: its masks, and what one person is shown.
#[derive(Default)]
pub(crate) struct KnownShown(RefCell<HashMap<pg_sys::Oid, OfMasks>>);

type OfMasks = (Rc<Masks>, Rc<Shown>);

/// What the table's columns show to the person (to anybody, asked row by row, where statements aren't
/// planned for whoever asks); `None`: what they hold.
pub(crate) fn shown(
    catalog: &Catalog,
    relation: pg_sys::Oid,
    person: Option<&Person>,
) -> Option<Rc<Shown>> {
    let masks = masks_of(catalog, relation).filter(|_| !mistake("a field is forgotten"))?;
    // SAFETY: the masks are the table's.
    let shown = unsafe {
        match person {
            Some(person) => of_person(person, relation, &masks),
            None => Rc::new(masks.for_anybody()),
        }
    };
    Some(shown)
}

fn masks_of(catalog: &Catalog, relation: pg_sys::Oid) -> Option<Rc<Masks>> {
    let policy = catalog.policy.as_ref()?;
    if policy.known_columns.is_empty() {
        return None;
    }
    let changes = catalog::relation_changes();
    let known = catalog.masks.0.borrow().get(&relation).cloned();
    let masks = match known {
        Some((as_of, masks)) if as_of == changes => masks,
        Some(_) | None => {
            let name = relations::table_name(relation)?;
            let placement = placement::of(catalog, policy, relation, &name);
            let masks = match &placement {
                // SAFETY: the relation is a table of the policy's.
                Some(placement) => unsafe { Masks::parse(relation, policy, placement) },
                None => Masks::none(),
            };
            let masks = Rc::new(masks);
            let known = (changes, Rc::clone(&masks));
            catalog.masks.0.borrow_mut().insert(relation, known);
            masks
        }
    };
    (!masks.columns.is_empty()).then_some(masks)
}

unsafe fn of_person(person: &Person, relation: pg_sys::Oid, masks: &Rc<Masks>) -> Rc<Shown> {
    let known = person.shown.0.borrow().get(&relation).cloned();
    if let Some((of, shown)) = known
        && Rc::ptr_eq(&of, masks)
        && !plan_notes::are_taken()
    {
        return shown;
    }
    // SAFETY: the masks are the table's.
    let shown = Rc::new(unsafe { masks.for_person(person, relation) });
    let known = (Rc::clone(masks), Rc::clone(&shown));
    person.shown.0.borrow_mut().insert(relation, known);
    shown
}

impl Masks {
    fn none() -> Self {
        Self {
            columns: Vec::new(),
            _memory: TreeMemory::new(),
        }
    }

    unsafe fn parse(relation: pg_sys::Oid, policy: &PolicySet, placement: &Placement) -> Self {
        let columns = column_masks(policy, placement, "");
        if columns.is_empty() {
            return Self::none();
        }
        let memory = TreeMemory::new();
        let is_known =
            |column: &str| is_known(policy, placement, column) || mistake("every column is known");
        // SAFETY: as the caller says.
        let columns = unsafe { expression::parse(relation, &columns, is_known, &memory) };
        Self {
            columns,
            _memory: memory,
        }
    }

    /// Every condition is asked row by row.
    unsafe fn for_anybody(&self) -> Shown {
        let memory = TreeMemory::new();
        // SAFETY: copies trees.
        let columns = self.columns.iter().map(|mask| unsafe {
            let shown = expression::first_of(&mask.cases, mask.otherwise);
            mask.shown_as(shown, mask.write, &memory)
        });
        Shown {
            columns: columns.collect(),
            answered: false,
            _memory: memory,
        }
    }

    /// With the person's answers in the conditions.
    unsafe fn for_person(&self, person: &Person, relation: pg_sys::Oid) -> Shown {
        let memory = TreeMemory::new();
        let table = Table { relation, place: 1 };
        let mut answered = false;
        let mut columns = Vec::new();
        // SAFETY: the answers are put into a copy.
        let mut fold = |condition: Node| unsafe {
            let condition = tree_memory::copy(condition);
            let folded = fold::answers(condition, table, person, ROW_BY_ROW);
            answered |= folded.answered;
            folded.condition
        };
        for mask in &self.columns {
            let (mut cases, mut otherwise) = (Vec::new(), mask.otherwise);
            for (condition, rendering) in &mask.cases {
                let condition = fold(*condition);
                // SAFETY: the node is a condition.
                match unsafe { fold::constant_bool(condition) } {
                    Some(true) => {
                        otherwise = *rendering;
                        break;
                    }
                    Some(false) if mistake("all renderings are granted") => {
                        otherwise = *rendering;
                        break;
                    }
                    Some(false) => {}
                    None => cases.push((condition, *rendering)),
                }
            }
            // SAFETY: the nodes are the mask's.
            unsafe {
                let shown = expression::first_of(&cases, otherwise);
                let is_stored = expression::is_column(shown, mask.column);
                note(table, mask, shown);
                if !is_stored {
                    columns.push(mask.shown_as(shown, fold(mask.write), &memory));
                }
            }
        }
        Shown {
            columns,
            answered,
            _memory: memory,
        }
    }
}

impl Mask {
    /// The column, shown so.
    unsafe fn shown_as(&self, shown: Node, write: Node, memory: &TreeMemory) -> ShownColumn {
        // SAFETY: copies trees.
        unsafe {
            ShownColumn {
                column: self.column,
                shown: memory.copy(shown),
                write: memory.copy(write),
                field: self.field.clone(),
            }
        }
    }
}

unsafe fn note(table: Table, mask: &Mask, shown: Node) {
    if !plan_notes::are_taken() {
        return;
    }
    // SAFETY: both are expressions over the table at place 1.
    unsafe {
        let column = expression::column(table.relation, mask.column);
        table.note("mask", table.written(column), table.written(shown));
    }
}

impl Shown {
    /// Whether every column shows what it holds.
    pub(crate) fn is_everything(&self) -> bool {
        self.columns.is_empty()
    }

    fn find(&self, column: i16) -> Option<&ShownColumn> {
        let mut columns = self.columns.iter();
        columns.find(|masked| masked.column == column)
    }

    /// What the column shows of the table at that place, as the statement's own; `None`: what it holds.
    pub(crate) unsafe fn column(&self, column: i16, place: i32) -> Option<Node> {
        // SAFETY: the expression is over place 1 alone.
        self.find(column)
            .map(|masked| unsafe { at_place(masked.shown, place) })
    }

    /// Whether a masked column of the table at that place may be written, as the statement's own condition,
    /// and the field that it is.
    pub(crate) unsafe fn write(&self, column: i16, place: i32) -> Option<(Node, &str)> {
        // SAFETY: the condition is over place 1 alone.
        self.find(column)
            .map(|masked| unsafe { (at_place(masked.write, place), masked.field.as_str()) })
    }

    /// The columns that show something else than what they hold.
    pub(crate) fn masked(&self) -> impl Iterator<Item = i16> + '_ {
        self.columns.iter().map(|masked| masked.column)
    }
}

unsafe fn at_place(expression: Node, place: i32) -> Node {
    // SAFETY: the caller's expression is over place 1 alone.
    unsafe {
        let expression = tree_memory::copy(expression);
        if place != 1 {
            pg_sys::ChangeVarNodes(expression, 1, place, 0);
        }
        expression
    }
}
