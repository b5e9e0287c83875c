//! Reads what the directory tells of one person: what concerns that person alone by one statement,
//! and of the sets around only those that the person's roles ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::Directory;
use super::facts::Facts;
use super::reader::Reader;
use super::sets::{self, Supervised};
use crate::access::roles_held;
use crate::document::ScopeName;
use crate::policy_set::{Owner, PolicySet};

/// What a statement is asked with, as its parameter `$1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A text.
    One(&'a str),
    /// A list of texts.
    Each(&'a [String]),
}

/// Runs one of the directory's statements and returns its rows, each value as text.
pub type Ask<'a> = dyn FnMut(&str, Asked<'_>) -> Vec<Vec<Option<String>>> + 'a;

/// Why nothing can be told of a person.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The key isn't unique.
    #[error("several users have the key \"{0}\"")]
    Several(String),
    /// The statement didn't return what it should.
    #[error("what the directory tells of a user can't be read: {0}")]
    Form(#[from] serde_json::Error),
}

/// The statements that tell of one person: written once for a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonStatements {
    person: String,
    groups_below: Option<String>,
    members: String,
    supervised: Option<Supervised>,
    /// The keys by which records name people; `None`: the `user` key.
    keys: BTreeMap<String, Option<String>>,
}

/// The sets that grants ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) reports: bool,
    groups_below: bool,
    pub(super) colleagues: bool,
    pub(super) colleagues_tree: bool,
}

impl Needed {
    /// What the grants of these roles ask for, whether or not they count at the moment.
    pub(super) fn by<'a>(policy: &PolicySet, roles: impl Iterator<Item = &'a String>) -> Self {
        let mut needed = Self::default();
        for scope in roles.flat_map(|role| policy.scopes_of(role)) {
            match scope {
                ScopeName::Reports => needed.reports = true,
                ScopeName::GroupTree => needed.groups_below = true,
                ScopeName::Colleagues => needed.colleagues = true,
                ScopeName::ColleaguesTree => needed.colleagues_tree = true,
                ScopeName::Own
                | ScopeName::Created
                | ScopeName::Group
                | ScopeName::Unassigned
                | ScopeName::Shared
                | ScopeName::Parent
                | ScopeName::Related
                | ScopeName::All => {}
            }
        }
        needed
    }
}

impl PersonStatements {
    /// The statements for a policy.
    pub fn of(policy: &PolicySet) -> Self {
        Self::with_keys(&policy.directory, key_names(policy))
    }

    /// The statements for a directory, where records name people by keys of these names.
    pub fn with_keys(directory: &Directory, names: BTreeSet<String>) -> Self {
        Self {
            person: Reader { directory }.statement(),
            groups_below: sets::groups_below(directory),
            members: sets::members(directory),
            supervised: sets::supervised(directory),
            keys: names
                .into_iter()
                .map(|name| {
                    let statement = (name != "user").then(|| sets::keys(directory, &name));
                    (name, statement)
                })
                .collect(),
        }
    }

    /// All of them, in no particular order.
    pub fn all(&self) -> Vec<&str> {
        let mut all = vec![self.person.as_str(), &self.members];
        all.extend(self.groups_below.as_deref());
        if let Some(supervised) = &self.supervised {
            all.extend([supervised.first.as_str(), &supervised.next]);
            all.extend(
                supervised
                    .people
                    .as_ref()
                    .map(|(_, people)| people.as_str()),
            );
        }
        all.extend(self.keys.values().flatten().map(String::as_str));
        all
    }

    /// What the directory tells of the person with that `user` key, which must be one of its type;
    /// `None`: there is no such person. The sets that no role of the person's asks for are empty.
    ///
    /// # Errors
    /// The key isn't unique, or a statement returned something else.
    pub fn read(
        &self,
        policy: &PolicySet,
        user: &str,
        ask: &mut Ask<'_>,
    ) -> Result<Option<Facts>, Unreadable> {
        let told = ask(&self.person, Asked::One(user));
        let mut facts: Facts = match told.as_slice() {
            [] => return Ok(None),
            [row] => match row.first() {
                Some(Some(json)) => serde_json::from_str(json)?,
                Some(None) | None => return Ok(None),
            },
            [..] => return Err(Unreadable::Several(user.to_owned())),
        };
        if !facts.active {
            return Ok(Some(facts));
        }
        let roles = roles_held(policy, &facts.roles);
        let needed = Needed::by(policy, roles.keys());
        if needed.groups_below || needed.colleagues_tree {
            facts.groups_below = self.groups_below(&facts.groups, ask);
        }
        if needed.colleagues {
            facts.colleagues = self.named(self.members(&facts.groups, ask), ask);
        }
        if needed.colleagues_tree {
            facts.colleagues_tree = self.named(self.members(&facts.groups_below, ask), ask);
        }
        if needed.reports {
            facts.reports = self.reports(&facts, ask);
        }
        Ok(Some(facts))
    }

    fn groups_below(&self, groups: &[String], ask: &mut Ask<'_>) -> Vec<String> {
        let mut below: BTreeSet<String> = groups.iter().cloned().collect();
        if let Some(step) = &self.groups_below {
            below.extend(reached(step, step, groups, ask));
        }
        below.into_iter().collect()
    }

    fn members(&self, groups: &[String], ask: &mut Ask<'_>) -> BTreeSet<String> {
        if groups.is_empty() {
            return BTreeSet::new();
        }
        texts(ask(&self.members, Asked::Each(groups))).collect()
    }

    /// The people under supervision. In the supervision table's own key they are what it says:
    /// whoever is no user owns records all the same.
    fn reports(&self, facts: &Facts, ask: &mut Ask<'_>) -> BTreeMap<String, Vec<String>> {
        let Some(supervised) = &self.supervised else {
            return BTreeMap::new();
        };
        let mine = match facts.keys.get(&supervised.from) {
            Some(keys) => keys.as_slice(),
            None => &[],
        };
        let found = reached(&supervised.first, &supervised.next, mine, ask);
        let Some((key, people)) = &supervised.people else {
            return self.named(found, ask);
        };
        let found: Vec<String> = found.into_iter().collect();
        let users = if found.is_empty() {
            BTreeSet::new()
        } else {
            texts(ask(people, Asked::Each(&found))).collect()
        };
        let mut named = self.named(users, ask);
        if let Some(own) = named.get_mut(key) {
            *own = found;
        }
        named
    }

    /// The people, told by `user` key, by each of the keys by which records name people.
    fn named(&self, users: BTreeSet<String>, ask: &mut Ask<'_>) -> BTreeMap<String, Vec<String>> {
        let users: Vec<String> = users.into_iter().collect();
        self.keys
            .iter()
            .map(|(name, statement)| {
                let keys = match statement {
                    None => users.clone(),
                    Some(_) if users.is_empty() => Vec::new(),
                    Some(statement) => {
                        let keys: BTreeSet<String> =
                            texts(ask(statement, Asked::Each(&users))).collect();
                        keys.into_iter().collect()
                    }
                };
                (name.clone(), keys)
            })
            .collect()
    }
}

/// The first column of rows.
fn texts(rows: Vec<Vec<Option<String>>>) -> impl Iterator<Item = String> {
    rows.into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
}

/// Whatever the steps lead to, in circles too.
fn reached(first: &str, next: &str, from: &[String], ask: &mut Ask<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut step = first;
    let mut at = from.to_vec();
    while !at.is_empty() {
        at = texts(ask(step, Asked::Each(&at)))
            .filter(|key| found.insert(key.clone()))
            .collect();
        step = next;
    }
    found
}

/// The names of the keys by which records name people.
fn key_names(policy: &PolicySet) -> BTreeSet<String> {
    let owners = policy
        .modules
        .values()
        .flat_map(|module| &module.owners)
        .map(|owner| match owner {
            Owner::Column(column) => column.key.clone(),
            Owner::Link(_, key) => key.clone(),
        });
    owners.chain(["user".to_owned()]).collect()
}
