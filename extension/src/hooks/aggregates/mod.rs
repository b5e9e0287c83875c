//! Aggregates without rows: whoever reads nothing of a module and holds `aggregate` sees groups of its records.
//!
//! A query level that names such a table is proven to be of one shape, by a list of what may stand where
//! (see [`shape`]): dimensions to group by and to compare, count, sum and avg, tables around joined by unique
//! columns, so that a record counts once. Everything else is refused. What is proven is put into a query that
//! takes groups of too few records out (see [`release`]), and its table is read by the cell `aggregate`:
//!
//! ```text
//! SELECT stage, sum(amount) FROM deals GROUP BY stage ORDER BY 2
//! SELECT c1, c2 FROM (SELECT c1, c2, n, … OVER … FROM (
//!   SELECT stage AS c1, sum(amount) AS c2, least(count(*), count(amount)) AS n FROM deals GROUP BY stage
//! ) AS q) AS s WHERE n >= 5 AND … ORDER BY 2
//! ```
//!
//! What it gives is released: a query around it does with it what it likes.

mod release;
mod shape;
mod values;

use celador_policy::policy_set::{CellRef, Placement};
use celador_policy::{Action, PolicySet};
use pgrx::prelude::*;

use super::cover::Cover;
use super::tree::{self, elements};
use super::{covered, maintenance};
use crate::fold::text_constant;
use crate::probe::reaches_nothing;
use crate::session::{self, Person};
use crate::watch::Kind;
use crate::{errors, kept_snapshot, placement, relations, spi};
use shape::{Closed, Table};

impl Cover {
    /// Has a level that names tables of which whoever asks sees aggregates alone give no more than that.
    pub(super) unsafe fn release_aggregates(&self, query: *mut pg_sys::Query) {
        let Some(policy) = &self.catalog.policy else {
            return;
        };
        if policy.aggregates.is_empty()
            || self.catalog.sees_all()
            || maintenance::is_on()
            || self.released.borrow().contains(&query)
        {
            return;
        }
        // SAFETY: walks a rewritten tree by PostgreSQL's own structure.
        unsafe {
            let tables: Vec<Table> = self.level(policy, query);
            let closed = tables.iter().filter_map(|table| table.closed.as_ref());
            let closed: Vec<&Closed> = closed.collect();
            let Some(first) = closed.first() else {
                return;
            };
            let proof = if kept_snapshot::is_kept() {
                Err("a transaction that keeps its snapshot doesn't give them".to_owned())
            } else {
                shape::prove(query, &tables)
            };
            let proof = proof.unwrap_or_else(|reason| refuse(first, &reason));
            for table in tables.iter().filter(|table| table.closed.is_some()) {
                self.ask_for_aggregates((*tree::entry(query, table.place)).securityQuals);
            }
            if let Ok(person) = session::asker() {
                self.answers.are_of(&person);
            }
            let inner = release::wrap(query, &proof);
            self.released.borrow_mut().push(inner);
        }
    }

    /// The tables of a level.
    unsafe fn level(&self, policy: &PolicySet, query: *mut pg_sys::Query) -> Vec<Table> {
        // SAFETY: as in `release_aggregates`.
        unsafe {
            let entries = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            let read = (1..).zip(entries).filter(|(place, entry)| {
                (**entry).rtekind == pg_sys::RTEKind::RTE_RELATION
                    && *place != (*query).resultRelation
                    && !tree::is_placeholder(query, *place)
            });
            read.map(|(place, entry)| {
                let relation = (*entry).relid;
                let conditions = elements::<pg_sys::Node>((*entry).securityQuals);
                let foreign_policy =
                    !conditions.is_empty() && !self.catalog.protected.contains(&relation);
                let mentioned = conditions
                    .into_iter()
                    .any(|condition| covered::is_mentioned(self.catalog.covered, condition));
                let closed = if mentioned {
                    self.closed(policy, relation)
                } else {
                    None
                };
                Table {
                    place,
                    relation,
                    closed,
                    foreign_policy,
                }
            })
            .collect()
        }
    }

    /// What is shown of a table of which whoever asks reads nothing, and sees aggregates.
    unsafe fn closed(&self, policy: &PolicySet, relation: pg_sys::Oid) -> Option<Closed> {
        let name = relations::table_name(relation)?;
        let placed = placement::of(&self.catalog, policy, relation, &name)?;
        let Placement::Module(module) = placed else {
            return None;
        };
        let shown = policy.aggregates.get(&module)?;
        let person = session::asker().ok()?;
        if !sees_aggregates_alone(&person, &module) {
            return None;
        }
        let known = policy.modules.get(&module)?;
        let number = |column: &String| {
            let column = spi::c_string(column);
            // SAFETY: a cache look-up.
            unsafe { pg_sys::get_attnum(relation, column.as_ptr()) }
        };
        let parents = known.parents.iter().filter_map(|parent| {
            let [above] = parent.modules()[..] else {
                return None;
            };
            let plain = matches!(
                parent.target,
                celador_policy::policy_set::ParentTarget::Module(_)
            );
            plain.then(|| (number(&parent.column.name), above.to_owned()))
        });
        Some(Closed {
            parents: parents.collect(),
            key: number(&known.key.as_ref()?.name),
            dimensions: shown.dimensions.iter().map(number).collect(),
            measures: shown.measures.iter().map(number).collect(),
            smallest_group: shown.smallest_group,
            names: [&shown.dimensions, &shown.measures]
                .map(|names| names.iter().cloned().collect::<Vec<_>>().join(", ")),
            module,
        })
    }

    /// The policy's questions ask for the cell `aggregate` in the place of `read`.
    ///
    /// ```sql
    /// celador.all_in_reach('deals', 'read')
    /// celador.all_in_reach('deals', 'aggregate')
    /// ```
    unsafe fn ask_for_aggregates(&self, conditions: *mut pg_sys::List) {
        // SAFETY: the planner owns the tree; node types are checked before they are read.
        unsafe {
            for node in tree::find(conditions.cast(), is_call) {
                let call = node.cast::<pg_sys::FuncExpr>();
                if !self.catalog.questions_asked.contains_key(&(*call).funcid) {
                    continue;
                }
                // The cell comes after the module, or the restriction.
                let arguments = (*call).args;
                let Some(cell) = elements::<pg_sys::Node>(arguments).get(1).copied() else {
                    continue;
                };
                let read = text_constant(Some(Action::Read.name()));
                if pg_sys::equal(cell.cast(), read.cast()) {
                    let aggregate = text_constant(Some(Action::Aggregate.name()));
                    (*(*arguments).elements.add(1)).ptr_value = aggregate.cast();
                }
            }
        }
    }
}

unsafe fn is_call(node: *mut pg_sys::Node) -> bool {
    // SAFETY: every node begins with its tag.
    unsafe { (*node).type_ == pg_sys::NodeTag::T_FuncExpr }
}

fn sees_aggregates_alone(person: &Person, module: &str) -> bool {
    let nothing = |action| reaches_nothing(person, module, &CellRef::Action(action));
    nothing(Action::Read) && nothing(Action::Claim) && !nothing(Action::Aggregate)
}

fn refuse(closed: &Closed, reason: &str) -> ! {
    let [dimensions, measures] = &closed.names;
    errors::denied_by(
        Kind::Way,
        None,
        format!(
            "of module \"{}\" you may see aggregates alone: {reason}",
            closed.module
        ),
        format!(
            "Select dimensions ({dimensions}), count(*), and sum or avg of measures ({measures}), grouped by those \
             dimensions; WHERE compares dimensions with constants. Do the rest in a query around it."
        ),
    )
}
