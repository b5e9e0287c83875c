//! What the policy says of an old and a new row together.

use std::collections::BTreeSet;

use celador_policy::document::ScopeName;
use celador_policy::policy_set::{CellRef, Module, OwnerColumn};
use celador_policy::row_policy::{
    nobody_owns, reach_and_restrictions, reach_sql, restriction_terms,
};
use celador_policy::{Action, PolicySet, quote};
use pgrx::prelude::*;

use super::Known;
use crate::session::Person;
use crate::spi::{self, Reads};

/// What the policy says of the old and the new row.
pub(super) struct Verdict {
    pub(super) old_update: bool,
    pub(super) new_update: bool,
    pub(super) old_claim: bool,
    pub(super) had_no_owner: bool,
    pub(super) new_restrictions: bool,
    /// Some right to assign reaches the old row and its bound holds for the new one.
    pub(super) assign: bool,
    /// Each owner column.
    pub(super) owners: Vec<NewOwner>,
}

/// What an owner column becomes.
pub(super) struct NewOwner {
    /// The column's name.
    pub(super) column: String,
    /// Which key of a person it holds.
    pub(super) key: String,
    /// Whom the new row names; `None`: nobody.
    pub(super) value: Option<String>,
    /// The old row names somebody, or the new one does.
    pub(super) matters: bool,
}

impl Verdict {
    /// Asks what the person may, of the old and the new row of a relation of the module.
    pub(super) unsafe fn ask(
        person: &Person,
        known: &Known,
        name: &str,
        module: &Module,
        relation: pg_sys::Relation,
        old: pg_sys::HeapTuple,
        new: pg_sys::HeapTuple,
    ) -> Self {
        let questions = known.questions(person, name, module);
        // SAFETY: both rows are of the relation's row type.
        let row = unsafe { answers(person, relation, questions, &[old, new]) };
        let is_true = |at: usize| row.get(at).cloned().flatten().as_deref() == Some("t");
        let owners = module
            .owner_columns()
            .enumerate()
            .map(|(at, owner)| NewOwner {
                column: owner.column.name.clone(),
                key: owner.key.clone(),
                value: row.get(6 + 2 * at).cloned().flatten(),
                matters: is_true(7 + 2 * at),
            });
        Self {
            old_update: is_true(0),
            new_update: is_true(1),
            old_claim: is_true(2),
            had_no_owner: is_true(3),
            new_restrictions: is_true(4),
            assign: is_true(5),
            owners: owners.collect(),
        }
    }
}

/// Asks of rows of a relation, `$1` and so on: the one row of answers.
pub(super) unsafe fn answers(
    person: &Person,
    relation: pg_sys::Relation,
    sql: &str,
    rows: &[pg_sys::HeapTuple],
) -> Vec<Option<String>> {
    // SAFETY: rows as values of the relation's row type; the owner reads nothing else.
    unsafe {
        let type_id = (*(*relation).rd_rel).reltype;
        let values: Vec<pg_sys::Datum> = rows
            .iter()
            .map(|row| pg_sys::heap_copy_tuple_as_datum(*row, (*relation).rd_att))
            .collect();
        let found = spi::with_rights_of((*(*relation).rd_rel).relowner, || {
            spi::connected(|| {
                person
                    .catalog
                    .kept_of(sql, type_id, rows.len())
                    .rows_of(values, Reads::Statement)
            })
        });
        found.into_iter().next().unwrap_or_default()
    }
}

/// One row with the answers, from the old row `o` and the new row `n`.
///
/// ```sql
/// SELECT (o in reach for update), (n in reach for update), (o in reach for claim), (o has no owner),
///   (n satisfies the restrictions), (o may be assigned to what n says),
///   and for each owner column whom n names, and whether o or n names anybody
/// FROM (SELECT ($1).*) AS o, (SELECT ($2).*) AS n
/// ```
pub(super) fn questions(
    policy: &PolicySet,
    name: &str,
    module: &Module,
    bounds: &[Option<BTreeSet<ScopeName>>],
) -> String {
    let writing = if module.configuration {
        Action::Customise
    } else {
        Action::Update
    };
    let update = CellRef::Action(writing);
    let within = |cell: &CellRef, alias: &str| reach_and_restrictions(policy, name, cell, alias);
    let owners: Vec<&OwnerColumn> = module.owner_columns().collect();
    let no_owner = if owners.is_empty() {
        "false".to_owned()
    } else {
        owners
            .iter()
            .map(|owner| nobody_owns(owner, "o."))
            .collect::<Vec<_>>()
            .join(" AND ")
    };
    let claim = if owners.is_empty() {
        "false".to_owned()
    } else {
        within(&CellRef::Action(Action::Claim), "o.")
    };
    let restrictions: Vec<String> = restriction_terms(policy, name, &update, "n.")
        .into_iter()
        .map(|(_, sql)| sql)
        .collect();
    let restrictions = if restrictions.is_empty() {
        "true".to_owned()
    } else {
        restrictions.join(" AND ")
    };
    let assign: Vec<String> = bounds
        .iter()
        .map(|bound| {
            let old = within(&CellRef::AssignTo(bound.clone()), "o.");
            match bound {
                None => old,
                Some(scopes) => {
                    let new = reach_sql(policy, name, &CellRef::Scopes(scopes.clone()), "n.");
                    format!("({old} AND {new})")
                }
            }
        })
        .collect();
    let assign = if assign.is_empty() {
        "false".to_owned()
    } else {
        assign.join(" OR ")
    };
    let mut answers = vec![
        within(&update, "o."),
        within(&update, "n."),
        claim,
        no_owner,
        restrictions,
        assign,
    ];
    answers.extend(owners.into_iter().flat_map(|owner| {
        let (old, new) = (nobody_owns(owner, "o."), nobody_owns(owner, "n."));
        let name = quote::name(&owner.column.name);
        [
            format!("CASE WHEN NOT {new} THEN CAST(n.{name} AS pg_catalog.text) END"),
            format!("NOT ({old} AND {new})"),
        ]
    }));
    format!(
        "SELECT {} FROM (SELECT ($1).*) AS o, (SELECT ($2).*) AS n",
        answers
            .into_iter()
            .map(|answer| format!("({answer})"))
            .collect::<Vec<_>>()
            .join(", ")
    )
}
