//! Asks each scope from the record's side.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::row::is_the_same_for_all;
use super::{Everybody, PersonId, Pointing, Row};
use crate::access::{Access, share_level};
use crate::action::Action;
use crate::directory::ShareLevel;
use crate::document::ScopeName;
use crate::policy_set::{CellRef, Grant, GrantScope, PolicySet, Via};

/// What the other side, which can read tables, answers.
pub trait Records {
    /// The record of a module with that key; several where the key isn't unique.
    fn record(&self, module: &str, record: &str) -> Vec<Rc<Row>>;
    /// The records that point to this one; `only`: of that module.
    fn pointing(&self, module: &str, record: &str, only: Option<&str>) -> Rc<Pointing>;
    /// Whether a rule or a restriction that asks who asks holds for a record, asked by this person.
    fn holds_for(&self, module: &str, record: &str, asked: Asked<'_>, user: &str) -> bool;
}

/// A predicate that depends on who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked<'a> {
    /// A rule of the module, by name.
    Rule(&'a str),
    /// What a restriction demands of the module's records, by name.
    Restriction(&'a str),
}

/// One way in which a person reaches the record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// The scope.
    pub scope: String,
    /// The role.
    pub role: String,
    /// The group through which the role is held.
    pub group: Option<String>,
    /// The setting that it counts by.
    pub when: Option<String>,
    /// It is in reach to be claimed.
    pub claim: bool,
}

/// The record's side of one record: those above, around and named by it.
#[derive(Debug, Default)]
pub(super) struct Around {
    reports: HashSet<PersonId>,
    owners: HashSet<PersonId>,
    creators: HashSet<PersonId>,
    groups: HashSet<String>,
    groups_up: HashSet<String>,
    owner_groups: HashSet<String>,
    owner_groups_up: HashSet<String>,
    shared: Vec<(HashSet<PersonId>, Option<String>, ShareLevel)>,
}

struct Asking<'a> {
    policy: &'a PolicySet,
    everybody: &'a Everybody,
    records: &'a dyn Records,
    decided: RefCell<HashMap<Decided, bool>>,
}

type Decided = (String, String, String, Vec<Option<String>>);

/// Who reaches the record of a module for an action, and in which ways, in the order of
/// [`Everybody`]. Nobody where there is no such record.
pub fn who(
    policy: &PolicySet,
    everybody: &Everybody,
    records: &dyn Records,
    module: &str,
    record: &str,
    action: Action,
) -> Vec<(PersonId, Vec<Way>)> {
    let asking = Asking {
        policy,
        everybody,
        records,
        decided: RefCell::default(),
    };
    let rows = records.record(module, record);
    let named: HashSet<&str> = policy
        .restrictions
        .values()
        .flat_map(|restriction| &restriction.users)
        .map(String::as_str)
        .collect();
    let alike = everybody.alike();
    let mut of_alike: HashMap<usize, Rc<Access>> = HashMap::new();
    let mut found = Vec::new();
    for id in everybody.holders() {
        let person = &everybody.people()[id];
        let is_named = named.contains(person.user.as_str())
            || (person.logins.iter()).any(|login| named.contains(login.as_str()));
        // Most have the access of many others, as far as roles and switches go.
        let access = if is_named {
            Rc::new(everybody.access(policy, id))
        } else {
            let access = of_alike
                .entry(alike[id])
                .or_insert_with(|| Rc::new(everybody.access(policy, id)));
            Rc::clone(access)
        };
        let mut ways = BTreeSet::new();
        for row in &rows {
            ways.extend(asking.ways(id, &access, module, row, action));
        }
        if !ways.is_empty() {
            found.push((id, ways.into_iter().collect()));
        }
    }
    found
}

impl Asking<'_> {
    /// The ways in which a person reaches a record for an action; none if a restriction forbids.
    fn ways(
        &self,
        id: PersonId,
        access: &Access,
        module: &str,
        row: &Row,
        action: Action,
    ) -> Vec<Way> {
        let mut ways = self.granted(id, access, module, row, action, false);
        if action == Action::Read && self.may_claim(id, access, module, row) {
            ways.extend(self.granted(id, access, module, row, Action::Claim, true));
        }
        if !ways.is_empty() && self.is_restricted(id, access, module, row, &CellRef::Action(action))
        {
            ways.clear();
        }
        ways
    }

    /// What can be claimed can be read, unless a restriction narrows claiming alone.
    fn may_claim(&self, id: PersonId, access: &Access, module: &str, row: &Row) -> bool {
        let cell = CellRef::Action(Action::Claim);
        !self.policy.modules[module].owners.is_empty()
            && row.owners.is_empty()
            && !self
                .policy
                .restrictions_on(module)
                .filter(|(name, _)| {
                    let actions = &self.policy.restrictions[*name].actions;
                    actions.contains(&Action::Claim) && !actions.contains(&Action::Read)
                })
                .any(|(name, _)| self.narrows(id, access, module, row, name, &cell))
    }

    fn granted(
        &self,
        id: PersonId,
        access: &Access,
        module: &str,
        row: &Row,
        action: Action,
        claim: bool,
    ) -> Vec<Way> {
        if action == Action::Claim && !row.owners.is_empty() {
            return Vec::new();
        }
        let action = self.policy.writing_action(module, action);
        access
            .grants(self.policy, module, action)
            .filter(|held| held.counts && self.reaches(id, access, module, row, held.grant, action))
            .map(|held| Way {
                scope: held.grant.scope.name(),
                role: held.role.to_owned(),
                group: held.group.map(str::to_owned),
                when: held.grant.when.clone(),
                claim,
            })
            .collect()
    }

    fn reaches(
        &self,
        id: PersonId,
        access: &Access,
        module: &str,
        row: &Row,
        grant: &Grant,
        action: Action,
    ) -> bool {
        match &grant.scope {
            GrantScope::Plain(scope) => self.is_in(id, module, row, *scope, share_level(action)),
            GrantScope::Parent(via) => row
                .parents
                .iter()
                .filter(|(target, _)| via.module.as_ref().is_none_or(|only| only == target))
                .any(|(target, record)| {
                    let rows = self.records.record(target, record);
                    rows.iter()
                        .any(|row| self.is_in_cell(id, access, target, row, &via.cell))
                }),
            GrantScope::Related(via) => self.is_related(id, access, module, row, via),
            GrantScope::Rule(rule) => match row.rules.get(rule) {
                Some(holds) => *holds,
                None => self.decide(id, module, row, Asked::Rule(rule)),
            },
        }
    }

    fn is_related(
        &self,
        id: PersonId,
        access: &Access,
        module: &str,
        row: &Row,
        via: &Via,
    ) -> bool {
        let pointing = self
            .records
            .pointing(module, &row.record, via.module.as_deref());
        pointing.iter().any(|(other, rows)| {
            rows.iter()
                .any(|row| self.is_in_cell(id, access, other, row, &via.cell))
        })
    }

    /// The record is in the reach that the cell names, and no restriction forbids it.
    fn is_in_cell(
        &self,
        id: PersonId,
        access: &Access,
        module: &str,
        row: &Row,
        cell: &CellRef,
    ) -> bool {
        match cell {
            CellRef::Action(action) => !self.ways(id, access, module, row, *action).is_empty(),
            CellRef::Scopes(scopes) => {
                scopes
                    .iter()
                    .any(|scope| self.is_in(id, module, row, *scope, Some(ShareLevel::Read)))
                    && !self.is_restricted(id, access, module, row, cell)
            }
            CellRef::AssignTo(bound) => {
                access
                    .grants(self.policy, module, Action::Assign)
                    .any(|held| {
                        held.counts
                            && held.grant.to == *bound
                            && self.reaches(id, access, module, row, held.grant, Action::Assign)
                    })
                    && !self.is_restricted(id, access, module, row, cell)
            }
        }
    }

    fn is_in(
        &self,
        id: PersonId,
        module: &str,
        row: &Row,
        scope: ScopeName,
        level: Option<ShareLevel>,
    ) -> bool {
        let around = self.around(module, row);
        let person = &self.everybody.people()[id];
        let of =
            |groups: &HashSet<String>| person.groups().iter().any(|group| groups.contains(group));
        match scope {
            ScopeName::All => true,
            ScopeName::Own => around.owners.contains(&id),
            ScopeName::Reports => around.owners.contains(&id) || around.reports.contains(&id),
            ScopeName::Created => around.creators.contains(&id),
            ScopeName::Group => of(&around.groups),
            ScopeName::GroupTree => of(&around.groups_up),
            ScopeName::Colleagues => of(&around.owner_groups),
            ScopeName::ColleaguesTree => of(&around.owner_groups_up),
            ScopeName::Unassigned => {
                !self.policy.modules[module].owners.is_empty() && row.owners.is_empty()
            }
            ScopeName::Shared => around.shared.iter().any(|(people, group, given)| {
                level.is_some_and(|needed| *given >= needed)
                    && (people.contains(&id)
                        || group
                            .as_ref()
                            .is_some_and(|group| person.groups().contains(group)))
            }),
            // The check turns these into grants of their own.
            ScopeName::Parent | ScopeName::Related => false,
        }
    }

    fn is_restricted(
        &self,
        id: PersonId,
        access: &Access,
        module: &str,
        row: &Row,
        cell: &CellRef,
    ) -> bool {
        let cell = self.policy.writing_cell(module, cell);
        self.policy
            .restrictions_on(module)
            .any(|(name, _)| self.narrows(id, access, module, row, name, &cell))
    }

    /// The restriction applies, and what it demands doesn't hold.
    fn narrows(
        &self,
        id: PersonId,
        access: &Access,
        module: &str,
        row: &Row,
        name: &str,
        cell: &CellRef,
    ) -> bool {
        access.restricted(self.policy, name, cell)
            && match self.policy.restrictions[name].modules.get(module) {
                None => false,
                Some(None) => true,
                Some(Some(_)) => match row.restrictions.get(name) {
                    Some(holds) => !holds,
                    None => !self.decide(id, module, row, Asked::Restriction(name)),
                },
            }
    }

    /// Asks a predicate that depends on who asks, once for all who are alike in what it names.
    fn decide(&self, id: PersonId, module: &str, row: &Row, asked: Asked<'_>) -> bool {
        let predicate = match asked {
            Asked::Rule(rule) => self.policy.modules[module].rules.get(rule),
            Asked::Restriction(name) => self.policy.restrictions[name]
                .modules
                .get(module)
                .and_then(Option::as_ref),
        };
        let Some(predicate) = predicate.filter(|predicate| !is_the_same_for_all(predicate)) else {
            return false;
        };
        let person = &self.everybody.people()[id];
        let mut named: Vec<Option<String>> = predicate
            .attributes()
            .iter()
            .map(|name| person.attribute(name).cloned())
            .collect();
        if !(predicate.keys().is_empty() && predicate.roles().is_empty()) {
            named.push(Some(person.user.clone()));
        }
        let key = (
            module.to_owned(),
            row.record.clone(),
            format!("{asked:?}"),
            named,
        );
        if let Some(known) = self.decided.borrow().get(&key) {
            return *known;
        }
        let holds = self
            .records
            .holds_for(module, &row.record, asked, &person.user);
        self.decided.borrow_mut().insert(key, holds);
        holds
    }

    /// Who is around a record. A row is read anew for each question about everybody, so this is
    /// never older than that.
    fn around<'r>(&self, module: &str, row: &'r Row) -> &'r Around {
        row.around.get_or_init(|| self.look_around(module, row))
    }

    fn look_around(&self, module: &str, row: &Row) -> Around {
        let everybody = self.everybody;
        let mut around = Around::default();
        let up = |groups: &HashSet<String>| -> HashSet<String> {
            let mut found = HashSet::new();
            for group in groups {
                everybody.up(group, &mut found);
            }
            found.into_iter().map(str::to_owned).collect()
        };
        for (name, value) in &row.owners {
            around
                .reports
                .extend(everybody.above(self.policy, name, value));
            for owner in everybody.with_key(name, value) {
                around.owners.insert(owner);
                let groups = everybody.people()[owner].groups();
                around.owner_groups.extend(groups.iter().cloned());
            }
        }
        around.groups.extend(row.groups.iter().cloned());
        around.groups_up = up(&around.groups);
        around.owner_groups_up = up(&around.owner_groups);
        if let (Some(creator), Some(value)) = (&self.policy.modules[module].creator, &row.creator) {
            around
                .creators
                .extend(everybody.with_key(&creator.key, value));
        }
        for (key, holder, level) in &row.shares {
            let Some(level) = ShareLevel::from_name(level) else {
                continue;
            };
            around.shared.push(match key {
                Some(key) => (
                    everybody.with_key(key, holder).into_iter().collect(),
                    None,
                    level,
                ),
                None => (HashSet::new(), Some(holder.clone()), level),
            });
        }
        around
    }
}
