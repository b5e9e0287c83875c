//! What the guard knows of a table for a person before it sees a row: found once, not for each.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use celador_policy::Action;
use celador_policy::access::pointing_gives;
use celador_policy::policy_set::{CellRef, Module};
use pgrx::pg_sys;

use super::fields::{self, Guarded};
use super::verdict;
use crate::directory_trigger::is_heir;
use crate::session::Person;

/// What is known of a relation that holds records of a module.
pub(crate) struct Known {
    /// The columns that say who a person is: changing them gives what that person reaches to
    /// somebody else, or something to that person.
    pub(super) identifies: BTreeSet<String>,
    /// The columns of which a change is looked at; `None`: a change of any.
    looked_at: Option<BTreeSet<String>>,
    /// The statement that asks what the person may do with the old row and the new, once it is asked.
    questions: OnceCell<String>,
    /// Which of the module's parents bring the record that is pointed to into somebody's reach.
    pub(super) giving: Vec<usize>,
    /// The fields that the person doesn't write in every row.
    pub(super) fields: Vec<Guarded>,
    /// The statement that asks which of them may be written, once it is asked.
    field_questions: OnceCell<String>,
}

impl Known {
    /// What is known of the relation, a table of the module `name`.
    pub(super) fn of(
        person: &Person,
        name: &str,
        module: &Module,
        relation: pg_sys::Oid,
    ) -> Rc<Self> {
        person.guarding(relation, name, || {
            Self::find(person, name, module, relation)
        })
    }

    fn find(person: &Person, name: &str, module: &Module, relation: pg_sys::Oid) -> Self {
        let policy = person.policy();
        let identifies: BTreeSet<String> = (policy.directory.identifying().into_iter())
            .filter(|(root, _)| is_heir(root, relation))
            .flat_map(|(_, columns)| columns)
            .collect();
        let looked_at = passes_by_updating_alone(person, name).then(|| {
            let deciding = module.deciding_columns().into_iter().map(str::to_owned);
            deciding.chain(identifies.iter().cloned()).collect()
        });
        let gives = |to: &str| pointing_gives(policy, name, to);
        let parents = module.parents.iter().enumerate();
        Self {
            identifies,
            looked_at,
            questions: OnceCell::new(),
            fields: fields::guarded(person, name),
            field_questions: OnceCell::new(),
            giving: parents
                .filter(|(_, parent)| parent.modules().into_iter().any(gives))
                .map(|(at, _)| at)
                .collect(),
        }
    }

    /// The statement that asks what the person may do with the old row and the new.
    pub(super) fn questions(&self, person: &Person, name: &str, module: &Module) -> &str {
        self.questions.get_or_init(|| {
            let policy = person.policy();
            let bounds = person.access.assign_bounds(policy, name);
            let bounds: Vec<_> = bounds.into_iter().collect();
            verdict::questions(policy, name, module, &bounds)
        })
    }

    /// The statement that asks which fields the person may write in a row.
    pub(super) fn field_questions(&self, person: &Person, name: &str) -> &str {
        (self.field_questions).get_or_init(|| fields::questions(person, name, &self.fields))
    }

    /// Whether nothing is left to be asked of a row in which these columns change: it has passed the
    /// row policy, and stays in the same reach.
    pub(super) fn is_decided(&self, changed: &BTreeSet<String>) -> bool {
        (self.looked_at.as_ref()).is_some_and(|looked_at| looked_at.is_disjoint(changed))
    }
}

/// Whether a row that the policy for UPDATE lets through is one that the person may change: that
/// policy also lets through what may only be given away or claimed.
fn passes_by_updating_alone(person: &Person, name: &str) -> bool {
    let policy = person.policy();
    let update = CellRef::Action(policy.writing_action(name, Action::Update));
    let reach = |action: Action| person.reach(name, &CellRef::Action(action).text());
    let restricted = policy
        .restrictions_on(name)
        .any(|(restriction, _)| person.access.restricted(policy, restriction, &update));
    let updated = person.reach(name, &update.text());
    !restricted && updated.covers(&reach(Action::Assign)) && updated.covers(&reach(Action::Claim))
}
