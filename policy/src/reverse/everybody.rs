//! The whole directory in memory.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::access::Access;
use crate::directory::{Facts, GroupNode, HeldRole, SettingValue, Supervision};
use crate::matrix::PicturedGroup;
use crate::policy_set::PolicySet;

/// A person's place in [`Everybody`].
pub type PersonId = usize;

/// A person, as far as questions about everybody need.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The `user` key.
    pub user: String,
    /// The logins: several where another table tells them.
    pub logins: BTreeSet<String>,
    /// Whether active.
    pub active: bool,
    /// What the supervisor's column holds.
    pub supervisor: Option<String>,
    /// The keys by name.
    pub keys: BTreeMap<String, Vec<String>>,
    /// What is told of the person, by attribute: several things where rows don't agree.
    pub told: BTreeMap<String, BTreeSet<String>>,
    groups: BTreeSet<String>,
    held: BTreeSet<(usize, String)>,
}

impl Person {
    /// The groups that the person is a member of.
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// The login; `None` where there are several.
    pub fn login(&self) -> Option<&String> {
        the_only_one(&self.logins)
    }

    /// The attribute; `None` where rows tell different things.
    pub fn attribute(&self, name: &str) -> Option<&String> {
        self.told.get(name).and_then(the_only_one)
    }

    /// Whether the person has this key.
    pub fn has_key(&self, name: &str, value: &str) -> bool {
        self.keys
            .get(name)
            .is_some_and(|keys| keys.iter().any(|key| key == value))
    }
}

fn the_only_one(told: &BTreeSet<String>) -> Option<&String> {
    told.first().filter(|_| told.len() == 1)
}

/// Everybody, and how they hang together.
#[derive(Debug, Default)]
pub struct Everybody {
    people: Vec<Person>,
    by_key: HashMap<(String, String), Vec<PersonId>>,
    groups: HashMap<String, GroupNode>,
    only_known_groups: bool,
    group_roles: HashMap<String, Vec<(usize, String)>>,
    settings: Vec<SettingValue>,
    /// Person → supervisors, in the supervision table's key.
    above: HashMap<String, Vec<String>>,
    /// For each person a number that those share who are in the same groups and hold the same.
    alike: OnceCell<Vec<usize>>,
}

impl Everybody {
    /// Adds the people, whose keys are complete.
    pub fn new(people: Vec<Person>) -> Self {
        let mut by_key: HashMap<(String, String), Vec<PersonId>> = HashMap::new();
        for (id, person) in people.iter().enumerate() {
            for (name, values) in &person.keys {
                for value in values {
                    by_key
                        .entry((name.clone(), value.clone()))
                        .or_default()
                        .push(id);
                }
            }
        }
        Self {
            people,
            by_key,
            ..Self::default()
        }
    }

    /// Adds a login: a key of the person, and what is told.
    pub fn add_login(&mut self, key: &str, value: &str, login: &str) {
        for id in self.with_key(key, value) {
            self.people[id].logins.insert(login.to_owned());
        }
    }

    /// Adds what is told of an attribute: a key of the person, and what.
    pub fn add_told(&mut self, attribute: &str, key: &str, value: &str, told: &str) {
        for id in self.with_key(key, value) {
            let known = self.people[id].told.entry(attribute.to_owned());
            known.or_default().insert(told.to_owned());
        }
    }

    /// Adds the groups; `only_known`: a membership in another counts for nothing.
    pub fn add_groups(&mut self, groups: impl IntoIterator<Item = GroupNode>, only_known: bool) {
        self.only_known_groups = only_known;
        for node in groups {
            self.groups.insert(node.key.clone(), node);
        }
    }

    /// Adds a membership: a key of the person, and the group. After the groups.
    pub fn add_member(&mut self, key: &str, value: &str, group: &str) {
        if self.only_known_groups && !self.groups.contains_key(group) {
            return;
        }
        for id in self.with_key(key, value) {
            self.people[id].groups.insert(group.to_owned());
        }
    }

    /// Adds a role held by a person, of a source of roles.
    pub fn add_held(&mut self, key: &str, holder: &str, source: usize, value: &str) {
        for id in self.with_key(key, holder) {
            self.people[id].held.insert((source, value.to_owned()));
        }
    }

    /// Adds a role held by a group.
    pub fn add_group_held(&mut self, group: &str, source: usize, value: &str) {
        self.group_roles
            .entry(group.to_owned())
            .or_default()
            .push((source, value.to_owned()));
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

    /// The people with this key.
    pub(super) fn with_key(&self, name: &str, value: &str) -> Vec<PersonId> {
        self.by_key
            .get(&(name.to_owned(), value.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// The group and those above it.
    pub(super) fn up<'a>(&'a self, group: &'a str, found: &mut HashSet<&'a str>) {
        let mut at = Some(group);
        while let Some(key) = at.filter(|key| found.insert(key)) {
            at = self.groups.get(key).and_then(|node| node.parent.as_deref());
        }
    }

    /// Those above a person with the key, and above those.
    pub(super) fn above(&self, policy: &PolicySet, name: &str, value: &str) -> HashSet<PersonId> {
        match &policy.directory.users.supervision {
            None => HashSet::new(),
            Some(Supervision::Column(supervisor)) => {
                let mut found = HashSet::new();
                let mut next = self.with_key(name, value);
                while let Some(id) = next.pop() {
                    let Some(above) = &self.people[id].supervisor else {
                        continue;
                    };
                    for boss in self.with_key(&supervisor.key, above) {
                        if found.insert(boss) {
                            next.push(boss);
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
                        .into_iter()
                        .filter_map(|id| self.people[id].keys.get(&tree.key))
                        .flatten()
                        .map(String::as_str)
                        .collect()
                };
                let mut values: HashSet<&str> = HashSet::new();
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
                    .collect()
            }
        }
    }

    /// What the person may do, without what reaches single records: those above and beside, and
    /// shares, are asked for from the record's side.
    pub fn access(&self, policy: &PolicySet, id: PersonId) -> Access {
        let person = &self.people[id];
        let mut up = HashSet::new();
        for group in &person.groups {
            self.up(group, &mut up);
        }
        let mut roles: Vec<HeldRole> = person
            .held
            .iter()
            .map(|(source, value)| HeldRole {
                source: *source,
                value: value.clone(),
                group: None,
            })
            .collect();
        for group in &person.groups {
            let held = self.group_roles.get(group).into_iter().flatten();
            roles.extend(held.map(|(source, value)| HeldRole {
                source: *source,
                value: value.clone(),
                group: Some(group.clone()),
            }));
        }
        let settings = self
            .settings
            .iter()
            .filter(|value| {
                value
                    .group
                    .as_deref()
                    .is_none_or(|group| up.contains(group) && self.groups.contains_key(group))
            })
            .cloned()
            .collect();
        let facts = Facts {
            user: person.user.clone(),
            login: person.login().cloned(),
            logins: person.logins.iter().cloned().collect(),
            active: person.active,
            groups: person.groups.iter().cloned().collect(),
            group_nodes: up
                .iter()
                .filter_map(|group| self.groups.get(*group).cloned())
                .collect(),
            roles,
            settings,
            ..Facts::default()
        };
        Access::compute(policy, facts)
    }

    /// The groups, as the picture of the matrix shows them.
    pub fn pictured_groups(&self, policy: &PolicySet) -> Vec<PicturedGroup> {
        let mut members: HashMap<&str, usize> = HashMap::new();
        for group in self.people.iter().flat_map(|person| &person.groups) {
            *members.entry(group).or_default() += 1;
        }
        let mut groups: Vec<PicturedGroup> = self
            .groups
            .values()
            .map(|node| PicturedGroup {
                key: node.key.clone(),
                name: node.name.clone(),
                parent: node.parent.clone(),
                members: members.get(node.key.as_str()).copied().unwrap_or(0),
                roles: self
                    .group_roles
                    .get(&node.key)
                    .into_iter()
                    .flatten()
                    .filter_map(|(source, value)| {
                        policy.directory.roles_held.get(*source)?.role_of(value)
                    })
                    .filter(|role| policy.roles.contains_key(*role))
                    .map(str::to_owned)
                    .collect(),
            })
            .collect();
        groups.sort_by(|a, b| a.key.cmp(&b.key));
        groups
    }

    /// For each person a number: those who share it have the same groups and roles. Everybody is
    /// complete when this is first asked.
    pub(super) fn alike(&self) -> &[usize] {
        self.alike.get_or_init(|| {
            let mut numbers = HashMap::new();
            self.people
                .iter()
                .map(|person| {
                    let next = numbers.len();
                    *numbers
                        .entry((&person.groups, &person.held))
                        .or_insert(next)
                })
                .collect()
        })
    }

    /// The people with a role at all, from whichever source.
    pub(super) fn holders(&self) -> impl Iterator<Item = PersonId> {
        (0..self.people.len()).filter(|id| {
            let person = &self.people[*id];
            person.active
                && (!person.held.is_empty()
                    || person
                        .groups
                        .iter()
                        .any(|group| self.group_roles.contains_key(group)))
        })
    }
}
