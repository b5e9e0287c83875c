//! Conditions that a person's answers were put into before: most statements ask of the same tables,
//! and a policy asks as many questions as there are ways to be granted something.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::prelude::*;

use super::{Folded, How};
use crate::plan_notes::Table;
use crate::tree_memory::TreeMemory;

/// How many conditions a policy's statements are remembered for. There is one for each policy of a
/// table and each place that the table has in statements.
const MOST: usize = 512;

/// The conditions that the policies of a catalog put on tables, as statements have them.
#[derive(Default)]
pub(crate) struct Conditions(RefCell<Option<Numbered>>);

struct Numbered {
    memory: TreeMemory,
    /// By table and its place in the statement.
    known: HashMap<(pg_sys::Oid, i32), Vec<(*mut pg_sys::Node, usize)>>,
    count: usize,
}

impl Conditions {
    /// The number of a condition; `None`: there are too many to remember another.
    pub(super) unsafe fn number(
        &self,
        table: Table,
        condition: *mut pg_sys::Node,
    ) -> Option<usize> {
        let mut numbered = self.0.borrow_mut();
        let numbered = numbered.get_or_insert_with(|| Numbered {
            memory: TreeMemory::new(),
            known: HashMap::new(),
            count: 0,
        });
        let known = numbered
            .known
            .entry((table.relation, table.place))
            .or_default();
        // SAFETY: compares trees, and copies one.
        unsafe {
            let same = |known: &&(*mut pg_sys::Node, usize)| {
                pg_sys::equal(known.0.cast(), condition.cast())
            };
            if let Some((_, number)) = known.iter().find(same) {
                return Some(*number);
            }
            if numbered.count == MOST {
                return None;
            }
            let number = numbered.count;
            known.push((numbered.memory.copy(condition), number));
            numbered.count += 1;
            Some(number)
        }
    }
}

/// The conditions with one person's answers in them, by number, and whether sub-selects might have
/// been made.
#[derive(Default)]
pub(crate) struct Answered(RefCell<Option<(TreeMemory, ByNumber)>>);

type ByNumber = HashMap<(usize, How), Kept>;

#[derive(Clone, Copy)]
struct Kept {
    condition: *mut pg_sys::Node,
    answered: bool,
}

impl Answered {
    pub(super) unsafe fn recall(&self, key: (usize, How)) -> Option<Folded> {
        let kept = self.0.borrow();
        let kept = *kept.as_ref()?.1.get(&key)?;
        // SAFETY: the statement gets a copy of its own.
        let condition = unsafe { pg_sys::copyObjectImpl(kept.condition.cast()).cast() };
        Some(Folded {
            condition,
            answered: kept.answered,
            selects: Vec::new(),
        })
    }

    /// Keeps a copy, but of what has sub-selects: each statement knows its own.
    pub(super) unsafe fn keep(&self, key: (usize, How), folded: &Folded) {
        if !folded.selects.is_empty() {
            return;
        }
        let mut kept = self.0.borrow_mut();
        let (memory, kept) = kept.get_or_insert_with(|| (TreeMemory::new(), HashMap::new()));
        // SAFETY: the condition is the statement's.
        let condition = unsafe { memory.copy(folded.condition) };
        let answered = folded.answered;
        kept.insert(
            key,
            Kept {
                condition,
                answered,
            },
        );
    }
}
