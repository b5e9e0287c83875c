//! The sets of owners and groups that one person's scopes reach. They are the same for every module
//! and action: each is built once, when it is first asked for, and shared.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::directory::Facts;
use crate::document::ScopeName;
use crate::key_set::KeySet;

/// Which owners a union of scopes reaches.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OwnersOf {
    me: bool,
    reports: bool,
    colleagues: bool,
    colleagues_tree: bool,
}

/// Which groups a union of scopes reaches.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GroupsOf {
    mine: bool,
    below: bool,
}

impl OwnersOf {
    /// Adds a scope, if it is one of owners.
    pub(crate) fn add(&mut self, scope: ScopeName) {
        match scope {
            ScopeName::Own => self.me = true,
            ScopeName::Reports => {
                self.me = true;
                self.reports = true;
            }
            ScopeName::Colleagues => self.colleagues = true,
            ScopeName::ColleaguesTree => self.colleagues_tree = true,
            ScopeName::Created
            | ScopeName::Group
            | ScopeName::GroupTree
            | ScopeName::Unassigned
            | ScopeName::Shared
            | ScopeName::Parent
            | ScopeName::Related
            | ScopeName::All => {}
        }
    }

    fn place(self) -> usize {
        [self.me, self.reports, self.colleagues, self.colleagues_tree]
            .into_iter()
            .fold(0, |place, is| place * 2 + usize::from(is))
    }

    fn of(self, facts: &Facts) -> BTreeMap<String, KeySet> {
        let sets = [
            (self.me, &facts.keys),
            (self.reports, &facts.reports),
            (self.colleagues, &facts.colleagues),
            (self.colleagues_tree, &facts.colleagues_tree),
        ];
        let mut owners: BTreeMap<String, KeySet> = BTreeMap::new();
        for (key, values) in sets
            .into_iter()
            .filter(|(is, _)| *is)
            .flat_map(|(_, set)| set)
        {
            let keys = owners.entry(key.clone()).or_default();
            keys.extend(values.iter().map(String::as_str));
        }
        owners
    }
}

impl GroupsOf {
    /// Adds a scope, if it is one of groups.
    pub(crate) fn add(&mut self, scope: ScopeName) {
        if scope == ScopeName::Group {
            self.mine = true;
        } else if scope == ScopeName::GroupTree {
            self.below = true;
        }
    }

    fn of(self, facts: &Facts) -> KeySet {
        let sets = [
            (self.mine, &facts.groups),
            (self.below, &facts.groups_below),
        ];
        let groups = sets
            .into_iter()
            .filter(|(is, _)| *is)
            .flat_map(|(_, set)| set);
        let mut keys = KeySet::default();
        keys.extend(groups.map(String::as_str));
        keys
    }
}

/// The sets that were asked for so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Around {
    owners: [OnceLock<Arc<BTreeMap<String, KeySet>>>; 16],
    groups: [OnceLock<Arc<KeySet>>; 4],
}

impl Around {
    pub(crate) fn owners(&self, which: OwnersOf, facts: &Facts) -> Arc<BTreeMap<String, KeySet>> {
        let owners = self.owners[which.place()].get_or_init(|| Arc::new(which.of(facts)));
        Arc::clone(owners)
    }

    pub(crate) fn groups(&self, which: GroupsOf, facts: &Facts) -> Arc<KeySet> {
        let place = usize::from(which.mine) + 2 * usize::from(which.below);
        Arc::clone(self.groups[place].get_or_init(|| Arc::new(which.of(facts))))
    }
}
