//! The groups of [`super::Everybody`], by number.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::directory::GroupNode;

/// A group's place in [`Groups`].
pub(super) type GroupId = usize;

/// All groups that are spoken of, and what is known of those that there are.
#[derive(Debug)]
pub(super) struct Groups {
    /// A membership in another than those that there are counts for nothing.
    only_nodes: bool,
    keys: Vec<String>,
    ids: FxHashMap<String, GroupId>,
    nodes: FxHashMap<GroupId, Node>,
}

#[derive(Debug)]
struct Node {
    name: Option<String>,
    parent: Option<GroupId>,
}

impl Groups {
    /// None yet.
    pub(super) fn new(only_nodes: bool) -> Self {
        Self {
            only_nodes,
            keys: Vec::new(),
            ids: FxHashMap::default(),
            nodes: FxHashMap::default(),
        }
    }

    /// Adds a group that there is.
    pub(super) fn add(&mut self, node: GroupNode) {
        let id = self.known(&node.key);
        let parent = node.parent.map(|parent| self.known(&parent));
        let name = node.name;
        self.nodes.insert(id, Node { name, parent });
    }

    /// The number of a group, a new one if it hasn't been spoken of.
    pub(super) fn known(&mut self, key: &str) -> GroupId {
        if let Some(id) = self.ids.get(key) {
            return *id;
        }
        let id = self.keys.len();
        self.keys.push(key.to_owned());
        self.ids.insert(key.to_owned(), id);
        id
    }

    /// The number of a group that somebody is a member of, if that counts.
    pub(super) fn of_member(&mut self, key: &str) -> Option<GroupId> {
        if !self.only_nodes {
            return Some(self.known(key));
        }
        self.find(key).filter(|group| self.is_node(*group))
    }

    /// The number of a group; `None`: nobody has spoken of it.
    pub(super) fn find(&self, key: &str) -> Option<GroupId> {
        self.ids.get(key).copied()
    }

    pub(super) fn key(&self, group: GroupId) -> &str {
        &self.keys[group]
    }

    /// Whether there is the group.
    pub(super) fn is_node(&self, group: GroupId) -> bool {
        self.nodes.contains_key(&group)
    }

    /// What is known of a group.
    pub(super) fn node(&self, group: GroupId) -> Option<GroupNode> {
        let node = self.nodes.get(&group)?;
        Some(GroupNode {
            key: self.key(group).to_owned(),
            name: node.name.clone(),
            parent: node.parent.map(|parent| self.key(parent).to_owned()),
        })
    }

    /// The groups that there are.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (GroupId, GroupNode)> {
        let ids = self.nodes.keys().copied();
        ids.filter_map(|group| Some((group, self.node(group)?)))
    }

    /// The group and those above it.
    pub(super) fn up(&self, group: GroupId, found: &mut FxHashSet<GroupId>) {
        let mut at = Some(group);
        while let Some(group) = at.filter(|group| found.insert(*group)) {
            at = self.nodes.get(&group).and_then(|node| node.parent);
        }
    }
}
