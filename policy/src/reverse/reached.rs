//! Asks each scope from the record's side.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::groups::GroupId;
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
    reports: FxHashSet<PersonId>,
    owners: FxHashSet<PersonId>,
    creators: FxHashSet<PersonId>,
    groups: FxHashSet<GroupId>,
    groups_up: FxHashSet<GroupId>,
    owner_groups: FxHashSet<GroupId>,
    owner_groups_up: FxHashSet<GroupId>,
    shared: Vec<(FxHashSet<PersonId>, Option<GroupId>, ShareLevel)>,
}

/// A person who is asked about. Most have the access of many others, as far as roles and switches
/// go: those are of one class.
#[derive(Clone, Copy)]
struct Asker<'a> {
    id: PersonId,
    class: usize,
    access: &'a Access,
}

/// A grant that counts, and how it is held.
struct Held<'a> {
    grant: &'a Grant,
    role: Rc<str>,
    group: Option<Rc<str>>,
}

/// A class of people, a module and an action.
type HeldBy = (usize, String, Action);

struct Asking<'a> {
    policy: &'a PolicySet,
    everybody: &'a Everybody,
    records: &'a dyn Records,
    /// What is granted to a class in a module, for an action.
    held: RefCell<HashMap<HeldBy, Rc<[Held<'a>]>>>,
}

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
    let asking = Asking::new(policy, everybody, records);
    let rows = records.record(module, record);
    asking.each(|asker| {
        rows.iter()
            .flat_map(|row| asking.ways(asker, module, row, action))
            .collect()
    })
}

impl<'a> Asking<'a> {
    fn new(policy: &'a PolicySet, everybody: &'a Everybody, records: &'a dyn Records) -> Self {
        Self {
            policy,
            everybody,
            records,
            held: RefCell::default(),
        }
    }

    /// Asks about everybody who holds a role. Who has no way isn't told.
    fn each(&self, ways: impl Fn(Asker<'_>) -> BTreeSet<Way>) -> Vec<(PersonId, Vec<Way>)> {
        let restrictions = self.policy.restrictions.values();
        let named: HashSet<&str> = restrictions
            .flat_map(|restriction| &restriction.users)
            .map(String::as_str)
            .collect();
        let alike = self.everybody.alike();
        let mut of_alike: FxHashMap<usize, (usize, Rc<Access>)> = FxHashMap::default();
        let mut classes = 0;
        let mut found = Vec::new();
        for id in self.everybody.holders() {
            let person = &self.everybody.people()[id];
            let is_named = named.contains(person.user.as_str())
                || (person.logins.iter()).any(|login| named.contains(login.as_str()));
            let mut new = || {
                classes += 1;
                (classes, Rc::new(self.everybody.access(self.policy, id)))
            };
            let (class, access) = if is_named {
                new()
            } else {
                of_alike.entry(alike[id]).or_insert_with(new).clone()
            };
            let access = &access;
            let ways = ways(Asker { id, class, access });
            if !ways.is_empty() {
                found.push((id, ways.into_iter().collect()));
            }
        }
        found
    }

    /// The grants of a cell that count for a person.
    fn held(&self, asker: Asker<'_>, module: &str, action: Action) -> Rc<[Held<'a>]> {
        let question = (asker.class, module.to_owned(), action);
        if let Some(known) = self.held.borrow().get(&question) {
            return Rc::clone(known);
        }
        let mut held = Vec::new();
        for (role, group) in asker.access.roles_with_groups() {
            let counts = |grant: &&Grant| {
                let when = grant.when.as_ref();
                when.is_none_or(|setting| asker.access.setting(setting))
            };
            let grants = self.policy.grants(role, module, action).iter();
            held.extend(grants.filter(counts).map(|grant| Held {
                grant,
                role: role.into(),
                group: group.map(Rc::from),
            }));
        }
        let held: Rc<[Held<'a>]> = held.into();
        self.held.borrow_mut().insert(question, Rc::clone(&held));
        held
    }

    /// The ways in which a person reaches a record for an action; none if a restriction forbids.
    fn ways(&self, asker: Asker<'_>, module: &str, row: &Row, action: Action) -> Vec<Way> {
        let mut ways = self.granted(asker, module, row, action, false);
        if action == Action::Read && self.may_claim(asker, module, row) {
            ways.extend(self.granted(asker, module, row, Action::Claim, true));
        }
        if !ways.is_empty() && self.is_restricted(asker, module, row, &CellRef::Action(action)) {
            ways.clear();
        }
        ways
    }

    /// What can be claimed can be read, unless a restriction narrows claiming alone.
    fn may_claim(&self, asker: Asker<'_>, module: &str, row: &Row) -> bool {
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
                .any(|(name, _)| self.narrows(asker, module, row, name, &cell))
    }

    fn granted(
        &self,
        asker: Asker<'_>,
        module: &str,
        row: &Row,
        action: Action,
        claim: bool,
    ) -> Vec<Way> {
        if action == Action::Claim && !row.owners.is_empty() {
            return Vec::new();
        }
        let action = self.policy.writing_action(module, action);
        self.held(asker, module, action)
            .iter()
            .filter(|held| self.reaches(asker, module, row, held.grant, action))
            .map(|held| Way {
                scope: held.grant.scope.name(),
                role: held.role.to_string(),
                group: held.group.as_deref().map(str::to_owned),
                when: held.grant.when.clone(),
                claim,
            })
            .collect()
    }

    fn reaches(
        &self,
        asker: Asker<'_>,
        module: &str,
        row: &Row,
        grant: &Grant,
        action: Action,
    ) -> bool {
        match &grant.scope {
            GrantScope::Plain(scope) => {
                self.is_in(asker.id, module, row, *scope, share_level(action))
            }
            GrantScope::Parent(via) => row
                .parents
                .iter()
                .filter(|(target, _)| via.module.as_ref().is_none_or(|only| only == target))
                .any(|(target, record)| {
                    let rows = self.records.record(target, record);
                    rows.iter()
                        .any(|row| self.is_in_cell(asker, target, row, &via.cell))
                }),
            GrantScope::Related(via) => self.is_related(asker, module, row, via),
            GrantScope::Rule(rule) => match row.rules.get(rule) {
                Some(holds) => *holds,
                None => self.decide(asker.id, module, row, Asked::Rule(rule)),
            },
        }
    }

    fn is_related(&self, asker: Asker<'_>, module: &str, row: &Row, via: &Via) -> bool {
        let pointing = self
            .records
            .pointing(module, &row.record, via.module.as_deref());
        pointing.iter().any(|(other, rows)| {
            rows.iter()
                .any(|row| self.is_in_cell(asker, other, row, &via.cell))
        })
    }

    /// The record is in the reach that the cell names, and no restriction forbids it.
    fn is_in_cell(&self, asker: Asker<'_>, module: &str, row: &Row, cell: &CellRef) -> bool {
        match cell {
            CellRef::Action(action) => !self.ways(asker, module, row, *action).is_empty(),
            // Nothing lends by a field, or by a single grant.
            CellRef::Field(..) | CellRef::Grant(..) => false,
            CellRef::Scopes(scopes) => {
                scopes
                    .iter()
                    .any(|scope| self.is_in(asker.id, module, row, *scope, Some(ShareLevel::Read)))
                    && !self.is_restricted(asker, module, row, cell)
            }
            CellRef::AssignTo(bound) => {
                self.held(asker, module, Action::Assign).iter().any(|held| {
                    held.grant.to == *bound
                        && self.reaches(asker, module, row, held.grant, Action::Assign)
                }) && !self.is_restricted(asker, module, row, cell)
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
        match scope {
            ScopeName::All => true,
            ScopeName::Own => around.owners.contains(&id),
            ScopeName::Reports => around.owners.contains(&id) || around.reports.contains(&id),
            ScopeName::Created => around.creators.contains(&id),
            ScopeName::Group => person.is_in(&around.groups),
            ScopeName::GroupTree => person.is_in(&around.groups_up),
            ScopeName::Colleagues => person.is_in(&around.owner_groups),
            ScopeName::ColleaguesTree => person.is_in(&around.owner_groups_up),
            ScopeName::Unassigned => {
                !self.policy.modules[module].owners.is_empty() && row.owners.is_empty()
            }
            ScopeName::Shared => around.shared.iter().any(|(people, group, given)| {
                level.is_some_and(|needed| *given >= needed)
                    && (people.contains(&id)
                        || group.is_some_and(|group| person.groups().contains(&group)))
            }),
            // The check turns these into grants of their own.
            ScopeName::Parent | ScopeName::Related => false,
        }
    }

    fn is_restricted(&self, asker: Asker<'_>, module: &str, row: &Row, cell: &CellRef) -> bool {
        let cell = self.policy.writing_cell(module, cell);
        self.policy
            .restrictions_on(module)
            .any(|(name, _)| self.narrows(asker, module, row, name, &cell))
    }

    /// The restriction applies, and what it demands doesn't hold.
    fn narrows(
        &self,
        asker: Asker<'_>,
        module: &str,
        row: &Row,
        name: &str,
        cell: &CellRef,
    ) -> bool {
        asker.access.restricted(self.policy, name, cell)
            && match self.policy.restrictions[name].modules.get(module) {
                None => false,
                Some(None) => true,
                Some(Some(_)) => match row.restrictions.get(name) {
                    Some(holds) => !holds,
                    None => !self.decide(asker.id, module, row, Asked::Restriction(name)),
                },
            }
    }

    /// Asks a predicate that depends on who asks, once for all who are alike in what it names.
    fn decide(&self, id: PersonId, module: &str, row: &Row, asked: Asked<'_>) -> bool {
        let (kind, name, predicate) = match asked {
            Asked::Rule(rule) => ("rule", rule, self.policy.modules[module].rules.get(rule)),
            Asked::Restriction(name) => {
                let modules = &self.policy.restrictions[name].modules;
                (
                    "restriction",
                    name,
                    modules.get(module).and_then(Option::as_ref),
                )
            }
        };
        let Some(predicate) = predicate.filter(|predicate| !is_the_same_for_all(predicate)) else {
            return false;
        };
        let user = &self.everybody.people()[id].user;
        // What it depends on, written so that no two are the same text.
        let mut question = format!("{kind} {name:?}");
        for attribute in predicate.attributes() {
            let _ = write!(question, " {:?}", self.everybody.attribute(id, attribute));
        }
        if !(predicate.keys().is_empty() && predicate.roles().is_empty()) {
            let _ = write!(question, " of {user:?}");
        }
        if let Some(known) = row.decided.borrow().get(&question) {
            return *known;
        }
        let holds = self.records.holds_for(module, &row.record, asked, user);
        row.decided.borrow_mut().insert(question, holds);
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
        let up = |groups: &FxHashSet<GroupId>| -> FxHashSet<GroupId> {
            let mut found = FxHashSet::default();
            for group in groups {
                everybody.groups().up(*group, &mut found);
            }
            found
        };
        for (name, value) in &row.owners {
            around
                .reports
                .extend(everybody.above(self.policy, name, value));
            for owner in everybody.with_key(name, value) {
                around.owners.insert(*owner);
                around
                    .owner_groups
                    .extend(everybody.people()[*owner].groups());
            }
        }
        // Nobody is in a group that nobody has spoken of.
        let groups = row.groups.iter();
        around
            .groups
            .extend(groups.filter_map(|group| everybody.groups().find(group)));
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
                Some(key) => {
                    let people = everybody.with_key(key, holder);
                    (people.iter().copied().collect(), None, level)
                }
                None => {
                    let group = everybody.groups().find(holder);
                    (FxHashSet::default(), group, level)
                }
            });
        }
        around
    }
}
