//! What the policy says of an old and a new row together.

use std::collections::BTreeSet;

use celador_policy::document::ScopeName;
use celador_policy::policy_set::{CellRef, Module, Owner};
use celador_policy::row_policy::{reach_and_restrictions, reach_sql, restriction_terms};
use celador_policy::{Action, PolicySet, quote};
use pgrx::prelude::*;

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
    /// Key name and value of each owner column of the new row.
    pub(super) owners: Vec<(String, Option<String>)>,
}

impl Verdict {
    /// Asks what the person may, of the old and the new row of a relation of the module.
    pub(super) unsafe fn ask(
        person: &Person,
        name: &str,
        module: &Module,
        relation: pg_sys::Relation,
        old: pg_sys::HeapTuple,
        new: pg_sys::HeapTuple,
    ) -> Self {
        let policy = person.policy();
        let bounds: Vec<Option<BTreeSet<ScopeName>>> = person
            .access
            .assign_bounds(policy, name)
            .into_iter()
            .collect();
        let sql = questions(policy, name, module, &bounds);
        // SAFETY: rows as values of the relation's row type; the owner reads nothing else.
        let row = unsafe {
            let descriptor = (*relation).rd_att;
            let type_id = (*(*relation).rd_rel).reltype;
            let values = vec![
                pg_sys::heap_copy_tuple_as_datum(old, descriptor),
                pg_sys::heap_copy_tuple_as_datum(new, descriptor),
            ];
            spi::with_rights_of((*(*relation).rd_rel).relowner, || {
                spi::connected(|| {
                    person
                        .catalog
                        .kept_for_rows(&sql, type_id, 2)
                        .rows_of(values, Reads::Statement)
                })
            })
        };
        let row = row.into_iter().next().unwrap_or_default();
        let is_true = |at: usize| row.get(at).cloned().flatten().as_deref() == Some("t");
        let owners = module.owners.iter().filter_map(|owner| match owner {
            Owner::Column(column) => Some(column.key.clone()),
            Owner::Link(..) => None,
        });
        Self {
            old_update: is_true(0),
            new_update: is_true(1),
            old_claim: is_true(2),
            had_no_owner: is_true(3),
            new_restrictions: is_true(4),
            assign: is_true(5),
            owners: owners
                .enumerate()
                .map(|(at, key)| (key, row.get(6 + at).cloned().flatten()))
                .collect(),
        }
    }
}

/// One row with the answers, from the old row `o` and the new row `n`.
///
/// ```sql
/// SELECT (o in reach for update), (n in reach for update), (o in reach for claim), (o has no owner),
///   (n satisfies the restrictions), (o may be assigned to what n says), n's owners
/// FROM (SELECT ($1).*) AS o, (SELECT ($2).*) AS n
/// ```
fn questions(
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
    let owners: Vec<String> = module
        .owners
        .iter()
        .filter_map(|owner| match owner {
            Owner::Column(owner) => Some(quote::name(&owner.column.name)),
            Owner::Link(..) => None,
        })
        .collect();
    let no_owner = if owners.is_empty() {
        "false".to_owned()
    } else {
        owners
            .iter()
            .map(|owner| format!("o.{owner} IS NULL"))
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
    answers.extend(
        owners
            .iter()
            .map(|owner| format!("CAST(n.{owner} AS pg_catalog.text)")),
    );
    format!(
        "SELECT {} FROM (SELECT ($1).*) AS o, (SELECT ($2).*) AS n",
        answers
            .into_iter()
            .map(|answer| format!("({answer})"))
            .collect::<Vec<_>>()
            .join(", ")
    )
}
