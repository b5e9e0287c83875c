//! What a row may become, from what it was.

use std::collections::BTreeSet;

use celador_policy::Action;
use celador_policy::access::pointing_gives;
use celador_policy::policy_set::{CellRef, KeyColumn, Module, ParentTarget};
use pgrx::prelude::*;

use super::verdict::Verdict;
use super::{Call, Known, OF_NO_MODULE, OUT_OF_REACH, Verdicted, belonging, row};
use crate::probe;
use crate::session::Person;

impl Call {
    /// Whether the old row may become the new one, a record of the module `name`; or what is wrong
    /// and what to do.
    pub(super) unsafe fn becomes(
        &self,
        person: &Person,
        names: &[String],
        name: &str,
        module: &Module,
    ) -> Verdicted {
        // SAFETY: both rows are of the trigger's relation.
        unsafe {
            let old = (*self.data).tg_trigtuple;
            let before = belonging::module_of(person, names, self.relation, old)
                .ok_or_else(|| (OF_NO_MODULE.0.to_owned(), OF_NO_MODULE.1))?;
            let known = Known::of(person, name, module, (*self.relation).rd_id);
            if before == name {
                self.update(person, &known, name, module)?;
            } else {
                self.turns_into(person, before, name)?;
            }
            self.points(person, name, &known, module, (*self.data).tg_newtuple)
        }
    }

    /// A record of one module becomes one of another.
    pub(super) unsafe fn turns_into(
        &self,
        person: &Person,
        before: &str,
        after: &str,
    ) -> Verdicted {
        // SAFETY: both rows are of the trigger's relation.
        unsafe {
            let rows = [(*self.data).tg_trigtuple, (*self.data).tg_newtuple];
            let [old, new] = rows;
            let changed = row::changed_columns(self.relation, old, new);
            let creators = [before, after]
                .into_iter()
                .filter_map(|name| person.policy().modules.get(name)?.creator.as_ref());
            for creator in creators {
                keeps_creator(creator, &changed)?;
            }
            for name in [before, after] {
                if let Some(module) = person.policy().modules.get(name) {
                    let known = Known::of(person, name, module, (*self.relation).rd_id);
                    self.writes_fields(person, &known, name, &changed)?;
                }
            }
            if !belonging::may_become(person, [before, after], self.relation, rows) {
                return Err((
                    format!("you may not make a record of \"{before}\" one of \"{after}\""),
                    "Ask for the actions delete on the one module and create on the other.",
                ));
            }
            Ok(())
        }
    }

    /// Whether the old row may become the new one, or what is wrong and what to do.
    pub(super) unsafe fn update(
        &self,
        person: &Person,
        known: &Known,
        name: &str,
        module: &Module,
    ) -> Verdicted {
        // SAFETY: both rows are of the trigger's relation.
        let changed = unsafe {
            row::changed_columns(
                self.relation,
                (*self.data).tg_trigtuple,
                (*self.data).tg_newtuple,
            )
        };
        if changed.is_empty() {
            // Nothing becomes anything else; the row policy has seen the old row.
            return Ok(());
        }
        if let Some(creator) = &module.creator {
            keeps_creator(creator, &changed)?;
        }
        // SAFETY: the old row is of the trigger's relation.
        unsafe { self.writes_fields(person, known, name, &changed)? };
        if known.is_decided(&changed) {
            return Ok(());
        }
        let identifies = &known.identifies;
        let is_assignment =
            |column: &str| is_assignment(module, column) || identifies.contains(column);
        // SAFETY: as above.
        let verdict = unsafe {
            Verdict::ask(
                person,
                known,
                name,
                module,
                self.relation,
                (*self.data).tg_trigtuple,
                (*self.data).tg_newtuple,
            )
        };
        // One way of naming nobody for another gives the record to nobody new.
        let given = changed.iter().any(|column| {
            let mut owners = verdict.owners.iter();
            let owner = owners.find(|owner| owner.column == *column);
            is_group(module, column)
                || identifies.contains(column)
                || owner.is_some_and(|owner| owner.matters)
        });
        let writes_only_assignment = changed
            .iter()
            .all(|column| is_assignment(column) || module.touch.contains(column));
        if verdict.old_update {
            if !given {
                if !verdict.new_update {
                    return refusal(
                        "the changed row would be out of your reach",
                        "Change it so that it stays in reach.",
                    );
                }
                return Ok(());
            }
            let claims = verdict.old_claim
                && self.claims(person, &verdict)
                && !changed
                    .iter()
                    .any(|column| is_group(module, column) || identifies.contains(column));
            if verdict.assign || claims {
                if !verdict.new_restrictions {
                    return refusal(
                        "a restriction forbids the changed row",
                        "Change it so that the restriction holds.",
                    );
                }
                return Ok(());
            }
            return refusal(
                "changing the owner or group, or what says who a person is, is an assignment, which you may not do",
                "Ask for the action assign, or leave the column as it is.",
            );
        }
        if given && verdict.assign {
            if !writes_only_assignment {
                return refusal(
                    "you may give this record away, and not change it",
                    "Change nothing but the owner or group.",
                );
            }
            return Ok(());
        }
        if verdict.old_claim {
            if !given {
                return refusal(
                    "you may claim this record, and not change it",
                    "Change nothing but the owner, to yourself.",
                );
            }
            if !self.claims(person, &verdict) {
                return refusal(
                    "claiming a record makes yourself its owner",
                    "Set the owner to yourself.",
                );
            }
            if !changed
                .iter()
                .all(|column| is_owner(module, column) || module.touch.contains(column))
            {
                return refusal(
                    "claiming a record changes nothing but its owner",
                    "Change the rest once the record is yours, if you may.",
                );
            }
            return Ok(());
        }
        refusal(OUT_OF_REACH, "Ask for the action update on this module.")
    }

    /// Where a record that points to another brings that one into reach, it points to what is in
    /// reach already (X.8).
    pub(super) unsafe fn points(
        &self,
        person: &Person,
        name: &str,
        known: &Known,
        module: &Module,
        row: pg_sys::HeapTuple,
    ) -> Verdicted {
        let policy = person.policy();
        for parent in known.giving.iter().filter_map(|at| module.parents.get(*at)) {
            // SAFETY: the rows are of the trigger's relation.
            let of = |row| unsafe {
                let value = row::text(self.relation, row, &parent.column.name);
                let kind = match &parent.target {
                    ParentTarget::ByType { column, .. } => {
                        row::text(self.relation, row, &column.name)
                    }
                    ParentTarget::Module(_)
                    | ParentTarget::Joined { .. }
                    | ParentTarget::Linked { .. } => None,
                };
                (value, kind)
            };
            let now = of(row);
            // SAFETY: an update has an old row.
            if self.updating && of(unsafe { (*self.data).tg_trigtuple }) == now {
                continue;
            }
            let (Some(value), kind) = now else { continue };
            let Some((to, record)) = parent.record(&value, kind.as_deref()) else {
                continue;
            };
            let read = CellRef::Action(Action::Read);
            if pointing_gives(policy, name, to)
                && !probe::reaches_all(person, to, &read)
                && !probe::in_reach(person, to, &read, record)
            {
                let what = format!(
                    "column \"{}\" would bring a record of module \"{to}\" into reach that isn't in yours,",
                    parent.column.name
                );
                return Err((what, "Name a record that you may read."));
            }
        }
        Ok(())
    }

    /// The record had no owner, and all of its owners are me now.
    pub(super) fn claims(&self, person: &Person, verdict: &Verdict) -> bool {
        verdict.had_no_owner
            && verdict.owners.iter().all(|owner| match &owner.value {
                None => true,
                Some(value) => person.keys(&owner.key).contains(value),
            })
            && verdict.owners.iter().any(|owner| owner.value.is_some())
    }
}

/// Whoever created a record stays its creator.
fn keeps_creator(creator: &KeyColumn, changed: &BTreeSet<String>) -> Verdicted {
    if changed.contains(&creator.column.name) {
        let what = format!(
            "the creator (column \"{}\") can't be changed",
            creator.column.name
        );
        return Err((what, "Leave the column as it is."));
    }
    Ok(())
}

fn refusal(what: &str, hint: &'static str) -> Verdicted {
    Err((what.to_owned(), hint))
}

fn is_owner(module: &Module, column: &str) -> bool {
    (module.owner_columns()).any(|owner| owner.column.name == column)
}

fn is_group(module: &Module, column: &str) -> bool {
    module.group_columns().any(|group| group.name == column)
}

fn is_assignment(module: &Module, column: &str) -> bool {
    is_owner(module, column) || is_group(module, column)
}
