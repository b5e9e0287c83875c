//! The two trees of the directory, of groups and of supervisors: nobody is above himself or herself.

use std::collections::{HashMap, HashSet};

use super::fragment::{Typed, common_type, from, listed, where_all};
use super::{Ask, Asked, Directory, Source, Supervision};
use crate::policy_set::Column;
use crate::schema::TableName;

/// What rows of a table say to be above what. A node may have several above.
#[derive(Debug, Clone, Copy)]
pub struct Tree<'a> {
    source: &'a Source,
    node: &'a Column,
    above: &'a Column,
}

/// The tree of groups, if they form one.
pub fn of_groups(directory: &Directory) -> Option<Tree<'_>> {
    let groups = &directory.groups;
    Some(Tree {
        source: &groups.source,
        node: &groups.key,
        above: groups.parent.as_ref()?,
    })
}

/// The tree of supervisors, if there are any.
pub fn of_supervisors(directory: &Directory) -> Option<Tree<'_>> {
    let users = &directory.users;
    match users.supervision.as_ref()? {
        Supervision::Column(supervisor) => Some(Tree {
            source: &users.source,
            node: users.keys.get(&supervisor.key)?,
            above: &supervisor.column,
        }),
        Supervision::Table(tree) => Some(Tree {
            source: &tree.source,
            node: &tree.user,
            above: &tree.supervisor,
        }),
    }
}

impl Tree<'_> {
    /// The table that says it.
    pub fn table(&self) -> &TableName {
        &self.source.table
    }

    /// Lists the whole tree: node and what is above, both text.
    ///
    /// ```sql
    /// SELECT CAST(n."id" AS pg_catalog.text), CAST(n."boss" AS pg_catalog.text) FROM "crm"."people" AS n
    /// WHERE n."id" IS NOT NULL AND n."boss" IS NOT NULL
    /// ```
    pub fn edges(&self) -> String {
        format!(
            "{} FROM {} WHERE {}",
            self.edge(),
            from(self.source, "n"),
            self.counts()
        )
    }

    /// Lists what is above the listed nodes, `$1`, in the same form.
    pub fn above(&self) -> String {
        let type_name = common_type([self.node, self.above]);
        format!(
            "{} FROM {} JOIN {} ON {} OPERATOR(pg_catalog.=) a.k WHERE {}",
            self.edge(),
            listed(&type_name),
            from(self.source, "n"),
            Typed::column("n", self.node).as_type(&type_name),
            self.counts()
        )
    }

    /// Lists the nodes among rows that have been written, `table`: those that have something above.
    pub fn nodes_in(&self, table: &str) -> String {
        format!(
            "SELECT DISTINCT {} FROM {table} AS n WHERE {}",
            Typed::column("n", self.node).text(),
            self.counts()
        )
    }

    /// Whether one of these nodes is above itself, or below one that is. In a tree without a circle
    /// a new one goes through a row that has been written.
    pub fn is_circle_above(&self, nodes: Vec<String>, ask: &mut Ask<'_>) -> bool {
        let statement = self.above();
        let mut met: HashSet<String> = nodes.iter().cloned().collect();
        let mut edges = Vec::new();
        let mut at = nodes;
        while !at.is_empty() {
            let found = as_edges(ask(&statement, Asked::Each(&at)));
            at = found
                .iter()
                .filter(|(_, above)| met.insert(above.clone()))
                .map(|(_, above)| above.clone())
                .collect();
            edges.extend(found);
        }
        has_circle(&edges)
    }

    fn edge(&self) -> String {
        format!(
            "SELECT {}, {}",
            Typed::column("n", self.node).text(),
            Typed::column("n", self.above).text()
        )
    }

    fn counts(&self) -> String {
        let present = [self.node, self.above]
            .map(|column| format!("{} IS NOT NULL", Typed::column("n", column).sql));
        where_all(self.source, "n", &present)
    }
}

/// Rows of two texts: a node and what is above it.
pub fn as_edges(rows: Vec<Vec<Option<String>>>) -> Vec<(String, String)> {
    rows.into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            Some((row.next()??, row.next()??))
        })
        .collect()
}

/// Whether a node is above itself. Takes away what has nothing above it, again and again: what is
/// left is in a circle, or below one.
pub fn has_circle(edges: &[(String, String)]) -> bool {
    let mut above: HashMap<&str, usize> = HashMap::new();
    let mut below: HashMap<&str, Vec<&str>> = HashMap::new();
    for (node, over) in edges {
        *above.entry(node).or_default() += 1;
        above.entry(over).or_default();
        below.entry(over).or_default().push(node);
    }
    let mut top: Vec<&str> = above
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(node, _)| *node)
        .collect();
    let mut left = above.len();
    while let Some(node) = top.pop() {
        left -= 1;
        for under in below.remove(node).into_iter().flatten() {
            if let Some(count) = above.get_mut(under) {
                *count -= 1;
                if *count == 0 {
                    top.push(under);
                }
            }
        }
    }
    left > 0
}
