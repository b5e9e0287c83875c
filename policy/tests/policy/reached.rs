//! Which records the computed `Reach` covers: what the generated policies ask, without a server.

use celador_policy::policy_set::{CellRef, Via};
use celador_policy::predicate::{Me, Value};
use celador_policy::{Access, Action, PolicySet};

use crate::world::{NOW, Row, World};

/// One person's access to a world.
pub(crate) struct Eyes<'a> {
    pub(crate) world: &'a World,
    pub(crate) policy: &'a PolicySet,
    pub(crate) access: Access,
    pub(crate) me: usize,
}

impl<'a> Eyes<'a> {
    pub(crate) fn new(world: &'a World, policy: &'a PolicySet, me: usize) -> Self {
        let access = Access::compute(policy, world.facts(me));
        Self {
            world,
            policy,
            access,
            me,
        }
    }

    /// Whether the person may do that to the record.
    pub(crate) fn may(&self, action: Action, module: &str, at: usize) -> bool {
        let cell = CellRef::Action(action);
        if action != Action::Read {
            return self.covered(module, &cell, at) && self.unrestricted(module, &cell, at);
        }
        let claim = CellRef::Action(Action::Claim);
        let claimed = !self.policy.modules[module].owners.is_empty()
            && self.covered(module, &claim, at)
            && self.unrestricted(module, &claim, at);
        (self.covered(module, &cell, at) || claimed) && self.unrestricted(module, &cell, at)
    }

    fn in_cell(&self, module: &str, cell: &CellRef, at: usize) -> bool {
        match cell {
            CellRef::Action(action) => self.may(*action, module, at),
            CellRef::Scopes(_) | CellRef::AssignTo(_) | CellRef::Field(..) | CellRef::Grant(..) => {
                self.covered(module, cell, at) && self.unrestricted(module, cell, at)
            }
        }
    }

    fn row(&self, module: &str, at: usize) -> &'a Row {
        &self.world.rows[module][at]
    }

    fn covered(&self, module: &str, cell: &CellRef, at: usize) -> bool {
        let reach = self.access.reach(self.policy, module, cell, NOW);
        let row = self.row(module, at);
        let known = &self.policy.modules[module];
        let owned = reach.owners.get("user").is_some_and(|keys| {
            row.owners
                .iter()
                .any(|owner| keys.has_text(&format!("p{owner}")))
        });
        let filed = row
            .groups
            .iter()
            .any(|group| reach.groups.has_text(&format!("g{group}")));
        let any = reach.all
            || owned
            || filed
            || reach.created && row.creator == Some(self.me)
            || reach.unassigned && row.owners.is_empty() && !known.owners.is_empty()
            || reach.shared.has_integer(at as i64)
            || reach.rules.iter().any(|rule| {
                let predicate = known.rules.get(rule).expect("a rule of the module");
                predicate.eval(&|_| region(row), &self.person()) == Some(true)
            })
            || reach
                .parents
                .iter()
                .any(|via| self.parent_lends(module, via, at))
            || reach
                .related
                .iter()
                .any(|via| self.related_lends(module, via, at));
        any && (*cell != CellRef::Action(Action::Claim) || row.owners.is_empty())
    }

    fn parent_lends(&self, module: &str, via: &Via, at: usize) -> bool {
        self.row(module, at).parent.is_some_and(|(target, place)| {
            let mut parents = self.policy.modules[module].parents.iter();
            let known = parents.any(|parent| parent.modules().contains(&target));
            known
                && via.module.as_ref().is_none_or(|only| only == target)
                && self.in_cell(target, &via.cell, place)
        })
    }

    fn related_lends(&self, module: &str, via: &Via, at: usize) -> bool {
        self.policy.pointing_to(module).any(|(other, ..)| {
            self.world.rows[other]
                .iter()
                .enumerate()
                .any(|(place, row)| {
                    row.parent == Some((self.name(module), at))
                        && self.in_cell(other, &via.cell, place)
                })
        })
    }

    fn name(&self, module: &str) -> &'static str {
        let mut names = self.world.rows.keys().copied();
        names
            .find(|name| *name == module)
            .expect("a module of the world")
    }

    fn unrestricted(&self, module: &str, cell: &CellRef, at: usize) -> bool {
        let row = self.row(module, at);
        self.policy
            .restrictions_on(module)
            .filter(|(name, _)| self.access.restricted(self.policy, name, cell))
            .all(|(_, predicate)| {
                predicate.is_some_and(|predicate| {
                    predicate.eval(&|_| region(row), &self.person()) == Some(true)
                })
            })
    }

    fn person(&self) -> Me {
        Me {
            roles: self.access.roles().map(str::to_owned).collect(),
            ..Me::default()
        }
    }
}

fn region(row: &Row) -> Value {
    match row.north {
        None => Value::Null,
        Some(true) => Value::Text("north".to_owned()),
        Some(false) => Value::Text("south".to_owned()),
    }
}
