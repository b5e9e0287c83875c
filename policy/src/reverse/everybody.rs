//! The whole directory in memory.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use rustc_hash::{FxHashMap, FxHashSet};

use super::groups::{GroupId, Groups};
use crate::access::Access;
use crate::directory::{Directory, Facts, GroupNode, HeldRole, SettingValue, Supervision};
use crate::matrix::PicturedGroup;
use crate::policy_set::PolicySet;

/// A person's place in [`Everybody`].
pub type PersonId = usize;

/// A role as a source of roles tells it: a place in [`Everybody`]'s list of them.
type HeldId = usize;

/// A person, as far as questions about everybody need.
#[derive(Debug, Default)]
pub struct Person {
    /// The `user` key.
    pub user: String,
    /// The logins: several where another table tells them.
    pub logins: BTreeSet<String>,
    /// Whether active.
    pub active: bool,
    /// What the supervisor's column holds.
    supervisor: Option<String>,
    /// The key by which the supervision table names people, where there is one.
    tree_keys: Vec<String>,
    /// In the order of the attributes' names.
    told: Vec<Told>,
    /// Sorted, each once; so is what is held.
    groups: Vec<GroupId>,
    held: Vec<HeldId>,
}

/// What is told of an attribute.
#[derive(Debug, Clone, Default)]
enum Told {
    #[default]
    Nothing,
    One(String),
    /// Rows don't agree.
    Several,
}

impl Person {
    /// The login; `None` where there are several.
    pub fn login(&self) -> Option<&String> {
        self.logins.first().filter(|_| self.logins.len() == 1)
    }

    /// Whether the person is in the group.
    pub(super) fn is_in(&self, groups: &FxHashSet<GroupId>) -> bool {
        self.groups.iter().any(|group| groups.contains(group))
    }

    /// The groups that the person is a member of.
    pub(super) fn groups(&self) -> &[GroupId] {
        &self.groups
    }
}

/// People of one key: mostly one.
#[derive(Debug)]
enum Named {
    One(PersonId),
    Several(Vec<PersonId>),
}

/// Everybody, and how they hang together.
#[derive(Debug)]
pub struct Everybody {
    /// The names of the attributes, in their order.
    attributes: Vec<String>,
    /// The key by which a supervision table names people.
    tree_key: Option<String>,
    people: Vec<Person>,
    /// By the key's name and the key.
    by_key: HashMap<String, FxHashMap<String, Named>>,
    groups: Groups,
    /// Roles as their sources tell them: which source, and what it says.
    held: Vec<(usize, String)>,
    held_ids: HashMap<(usize, String), HeldId>,
    group_roles: FxHashMap<GroupId, Vec<HeldId>>,
    settings: Vec<SettingValue>,
    /// Person → supervisors, in the supervision table's key.
    above: FxHashMap<String, Vec<String>>,
    /// For each person a number that those share who are in the same groups and hold the same.
    alike: OnceCell<Vec<usize>>,
}

/// Puts something where it belongs in a sorted list, once.
fn put<T: Ord>(list: &mut Vec<T>, new: T) {
    if let Err(at) = list.binary_search(&new) {
        list.insert(at, new);
    }
}

impl Everybody {
    /// Nobody yet.
    pub fn new(directory: &Directory) -> Self {
        let users = &directory.users;
        let tree_key = match &users.supervision {
            Some(Supervision::Table(tree)) => Some(tree.key.clone()),
            Some(Supervision::Column(_)) | None => None,
        };
        let names = users.keys.keys().chain(users.more_keys.keys());
        Self {
            attributes: users.attributes.keys().cloned().collect(),
            tree_key,
            people: Vec::new(),
            by_key: names
                .map(|name| (name.clone(), FxHashMap::default()))
                .collect(),
            groups: Groups::new(directory.groups.source.filter.is_some()),
            held: Vec::new(),
            held_ids: HashMap::new(),
            group_roles: FxHashMap::default(),
            settings: Vec::new(),
            above: FxHashMap::default(),
            alike: OnceCell::new(),
        }
    }

    /// Adds a person.
    pub fn add_person(
        &mut self,
        user: String,
        login: Option<String>,
        active: bool,
        supervisor: Option<String>,
    ) -> PersonId {
        self.people.push(Person {
            user,
            logins: login.into_iter().collect(),
            active,
            supervisor,
            told: vec![Told::Nothing; self.attributes.len()],
            ..Person::default()
        });
        self.people.len() - 1
    }

    /// Adds a key of a person.
    pub fn add_key(&mut self, id: PersonId, name: &str, value: String) {
        if self.tree_key.as_deref() == Some(name) {
            self.people[id].tree_keys.push(value.clone());
        }
        let Some(by_value) = self.by_key.get_mut(name) else {
            return;
        };
        match by_value.get_mut(&value) {
            None => {
                by_value.insert(value, Named::One(id));
            }
            Some(Named::Several(people)) => people.push(id),
            Some(one @ Named::One(_)) => {
                if let Named::One(first) = *one {
                    *one = Named::Several(vec![first, id]);
                }
            }
        }
    }

    /// Adds what is told of the attribute with that place among their names.
    pub fn tell(&mut self, id: PersonId, attribute: usize, told: String) {
        let known = &mut self.people[id].told[attribute];
        match known {
            Told::Nothing => *known = Told::One(told),
            Told::One(same) if *same == told => {}
            Told::One(_) | Told::Several => *known = Told::Several,
        }
    }

    /// Adds a login: a key of the person, and what is told.
    pub fn add_login(&mut self, key: &str, value: &str, login: &str) {
        for id in self.with_key(key, value).to_vec() {
            self.people[id].logins.insert(login.to_owned());
        }
    }

    /// Adds what is told of an attribute: a key of the person, and what.
    pub fn add_told(&mut self, attribute: &str, key: &str, value: &str, told: &str) {
        if let Some(place) = self.attribute_place(attribute) {
            for id in self.with_key(key, value).to_vec() {
                self.tell(id, place, told.to_owned());
            }
        }
    }

    /// Adds a group.
    pub fn add_group(&mut self, node: GroupNode) {
        self.groups.add(node);
    }

    /// Adds a membership: a key of the person, and the group. After the groups.
    pub fn add_member(&mut self, key: &str, value: &str, group: &str) {
        let Some(group) = self.groups.of_member(group) else {
            return;
        };
        for id in self.with_key(key, value).to_vec() {
            put(&mut self.people[id].groups, group);
        }
    }

    /// Adds a role held by a person, of a source of roles.
    pub fn add_held(&mut self, key: &str, holder: &str, source: usize, value: &str) {
        let held = self.held_id(source, value);
        for id in self.with_key(key, holder).to_vec() {
            put(&mut self.people[id].held, held);
        }
    }

    /// Adds a role held by a group.
    pub fn add_group_held(&mut self, group: &str, source: usize, value: &str) {
        let held = self.held_id(source, value);
        let group = self.groups.known(group);
        self.group_roles.entry(group).or_default().push(held);
    }

    fn held_id(&mut self, source: usize, value: &str) -> HeldId {
        let next = self.held.len();
        let told = (source, value.to_owned());
        let id = *self.held_ids.entry(told.clone()).or_insert(next);
        if id == next {
            self.held.push(told);
        }
        id
    }

    /// Adds a value of a setting.
    pub fn add_setting(&mut self, value: SettingValue) {
        self.settings.push(value);
    }

    /// Adds who is above whom, in the supervision table's key.
    pub fn add_above(&mut self, person: &str, supervisor: &str) {
        self.above
            .entry(person.to_owned())
            .or_default()
            .push(supervisor.to_owned());
    }

    /// The people in the order in which they were added.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The keys of the groups that a person is a member of, in their order.
    pub fn groups_of(&self, id: PersonId) -> BTreeSet<&str> {
        let groups = self.people[id].groups.iter();
        groups.map(|group| self.groups.key(*group)).collect()
    }

    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// What is told of an attribute; `None` where rows tell different things.
    pub(super) fn attribute(&self, id: PersonId, name: &str) -> Option<&str> {
        match &self.people[id].told[self.attribute_place(name)?] {
            Told::One(told) => Some(told),
            Told::Nothing | Told::Several => None,
        }
    }

    fn attribute_place(&self, name: &str) -> Option<usize> {
        self.attributes.iter().position(|known| known == name)
    }

    /// The people with this key.
    pub fn with_key(&self, name: &str, value: &str) -> &[PersonId] {
        match self
            .by_key
            .get(name)
            .and_then(|by_value| by_value.get(value))
        {
            None => &[],
            Some(Named::One(id)) => std::slice::from_ref(id),
            Some(Named::Several(people)) => people,
        }
    }

    /// Those above a person with the key, and above those.
    pub(super) fn above(&self, policy: &PolicySet, name: &str, value: &str) -> FxHashSet<PersonId> {
        match &policy.directory.users.supervision {
            None => FxHashSet::default(),
            Some(Supervision::Column(supervisor)) => {
                let mut found = FxHashSet::default();
                let mut next = self.with_key(name, value).to_vec();
                while let Some(id) = next.pop() {
                    let Some(above) = &self.people[id].supervisor else {
                        continue;
                    };
                    for boss in self.with_key(&supervisor.key, above) {
                        if found.insert(*boss) {
                            next.push(*boss);
                        }
                    }
                }
                found
            }
            Some(Supervision::Table(tree)) => {
                let mut next: Vec<&str> = if tree.key == name {
                    vec![value]
                } else {
                    self.with_key(name, value)
                        .iter()
                        .flat_map(|id| &self.people[*id].tree_keys)
                        .map(String::as_str)
                        .collect()
                };
                let mut values: FxHashSet<&str> = FxHashSet::default();
                while let Some(at) = next.pop() {
                    for above in self.above.get(at).into_iter().flatten() {
                        if values.insert(above) {
                            next.push(above);
                        }
                    }
                }
                let people = values.into_iter();
                people
                    .flat_map(|value| self.with_key(&tree.key, value))
                    .copied()
                    .collect()
            }
        }
    }

    /// What the person may do, without what reaches single records: those above and beside, and
    /// shares, are asked for from the record's side.
    pub fn access(&self, policy: &PolicySet, id: PersonId) -> Access {
        let person = &self.people[id];
        let mut up = FxHashSet::default();
        for group in &person.groups {
            self.groups.up(*group, &mut up);
        }
        let role = |held: &HeldId, group: Option<GroupId>| {
            let (source, value) = &self.held[*held];
            HeldRole {
                source: *source,
                value: value.clone(),
                group: group.map(|group| self.groups.key(group).to_owned()),
            }
        };
        let mut roles: Vec<HeldRole> = person.held.iter().map(|held| role(held, None)).collect();
        for group in &person.groups {
            let held = self.group_roles.get(group).into_iter().flatten();
            roles.extend(held.map(|held| role(held, Some(*group))));
        }
        let concerns = |value: &&SettingValue| {
            value.group.as_deref().is_none_or(|group| {
                let group = self.groups.find(group);
                group.is_some_and(|group| up.contains(&group) && self.groups.is_node(group))
            })
        };
        let facts = Facts {
            user: person.user.clone(),
            login: person.login().cloned(),
            logins: person.logins.iter().cloned().collect(),
            active: person.active,
            groups: self.groups_of(id).into_iter().map(str::to_owned).collect(),
            group_nodes: up
                .iter()
                .filter_map(|group| self.groups.node(*group))
                .collect(),
            roles,
            settings: self.settings.iter().filter(concerns).cloned().collect(),
            ..Facts::default()
        };
        Access::compute(policy, facts)
    }

    /// The groups, as the picture of the matrix shows them.
    pub fn pictured_groups(&self, policy: &PolicySet) -> Vec<PicturedGroup> {
        let mut members: FxHashMap<GroupId, usize> = FxHashMap::default();
        for group in self.people.iter().flat_map(|person| &person.groups) {
            *members.entry(*group).or_default() += 1;
        }
        let role = |held: &HeldId| {
            let (source, value) = &self.held[*held];
            policy.directory.roles_held.get(*source)?.role_of(value)
        };
        let mut groups: Vec<PicturedGroup> = self
            .groups
            .nodes()
            .map(|(group, node)| PicturedGroup {
                members: members.get(&group).copied().unwrap_or(0),
                roles: (self.group_roles.get(&group).into_iter().flatten())
                    .filter_map(role)
                    .filter(|role| policy.roles.contains_key(*role))
                    .map(str::to_owned)
                    .collect(),
                key: node.key,
                name: node.name,
                parent: node.parent,
            })
            .collect();
        groups.sort_by(|a, b| a.key.cmp(&b.key));
        groups
    }

    /// For each person a number: those who share it have the same groups and roles. Everybody is
    /// complete when this is first asked.
    pub(super) fn alike(&self) -> &[usize] {
        self.alike.get_or_init(|| {
            let mut numbers: FxHashMap<(&[GroupId], &[HeldId]), usize> = FxHashMap::default();
            let mut alike = Vec::with_capacity(self.people.len());
            for person in &self.people {
                let next = numbers.len();
                let same = (person.groups.as_slice(), person.held.as_slice());
                alike.push(*numbers.entry(same).or_insert(next));
            }
            alike
        })
    }

    /// The people with a role at all, from whichever source.
    pub(super) fn holders(&self) -> impl Iterator<Item = PersonId> {
        (0..self.people.len()).filter(|id| {
            let person = &self.people[*id];
            let mut groups = person.groups.iter();
            person.active
                && (!person.held.is_empty()
                    || groups.any(|group| self.group_roles.contains_key(group)))
        })
    }
}
