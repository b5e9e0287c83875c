//! Circles among groups and supervisors.

use std::collections::BTreeSet;

use celador_policy::directory::tree::{self, as_edges, has_circle};
use celador_policy::directory::{Ask, Asked};
use proptest::prelude::*;

use crate::desk::policy;

type Edges = Vec<(String, String)>;

fn edges() -> impl Strategy<Value = Edges> {
    let node = || (0..9_u8).prop_map(|node| node.to_string());
    proptest::collection::vec((node(), node()), 0..14)
}

/// Goes up from a node in every way.
fn is_above_itself(edges: &Edges, node: &str) -> bool {
    let mut met = BTreeSet::new();
    let mut next = vec![node];
    while let Some(at) = next.pop() {
        for (_, above) in edges.iter().filter(|(under, _)| under == at) {
            if above == node {
                return true;
            }
            if met.insert(above) {
                next.push(above);
            }
        }
    }
    false
}

/// Answers as a table of these rows does.
fn table(edges: &Edges) -> impl FnMut(&str, Asked<'_>) -> Vec<Vec<Option<String>>> {
    |_, asked| {
        let nodes = match asked {
            Asked::One(_) => panic!("a list is asked for"),
            Asked::Each(nodes) => nodes,
        };
        let listed = edges.iter().filter(|(node, _)| nodes.contains(node));
        listed
            .map(|(node, above)| vec![Some(node.clone()), Some(above.clone())])
            .collect()
    }
}

#[test]
fn a_long_chain_is_none_and_one_edge_closes_it() {
    let mut chain: Edges = (0..100_000)
        .map(|at| (at.to_string(), (at + 1).to_string()))
        .collect();
    assert!(!has_circle(&chain));
    chain.push(("100000".to_owned(), "50000".to_owned()));
    assert!(has_circle(&chain));
    assert!(as_edges(vec![vec![None, Some("1".to_owned())], vec![]]).is_empty());
}

proptest! {
    #[test]
    fn a_circle_is_found_where_somebody_is_above_oneself(edges in edges()) {
        let found = edges.iter().any(|(node, _)| is_above_itself(&edges, node));
        prop_assert_eq!(has_circle(&edges), found);
    }

    /// Whatever was written: the rows before had no circle.
    #[test]
    fn what_is_written_is_enough_to_find_a_new_one(before in edges(), written in edges()) {
        prop_assume!(!has_circle(&before));
        let set = policy("");
        let tree = tree::of_supervisors(&set.directory).expect("there are supervisors");
        let after: Edges = before.into_iter().chain(written.iter().cloned()).collect();
        let nodes = written.into_iter().map(|(node, _)| node);
        let nodes: BTreeSet<String> = nodes.collect();
        let mut ask = table(&after);
        let ask: &mut Ask<'_> = &mut ask;
        prop_assert_eq!(
            tree.is_circle_above(nodes.into_iter().collect(), ask),
            has_circle(&after)
        );
    }
}
