//! S3.7 over generated policies and directories: whoever holds a level reaches all that a lower one
//! reaches, and two levels that each have something of their own can't be compared.

use std::collections::{BTreeMap, BTreeSet};

use celador_policy::{Action, PolicySet};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::world::{Line, MODULES, PEOPLE, ROLES, Scope, World, actions, line, world};
use crate::x_3::{Thing, all_under};

/// Places among the roles.
const READ: usize = 4;
const CUSTOMER_SERVICE: usize = 5;
const SELLER: usize = 6;
const MANAGER: usize = 7;
const ADMINISTRATOR: usize = 8;

/// Whoever is first holds no more than whoever is second.
const ORDER: [(usize, usize); 5] = [
    (READ, CUSTOMER_SERVICE),
    (READ, SELLER),
    (CUSTOMER_SERVICE, MANAGER),
    (SELLER, MANAGER),
    (MANAGER, ADMINISTRATOR),
];

/// How a lower level's scopes are taken over: one choice after the other, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    AsItIs,
    Always,
    Wider,
    All,
}

/// A scope that holds wherever the given one does.
fn wider(scope: &Scope, taken: Taken) -> Scope {
    let mut scope = scope.clone();
    match taken {
        Taken::AsItIs => {}
        Taken::Always => scope.when = false,
        Taken::Wider => {
            scope.name = match scope.name {
                "own" => "reports",
                "group" => "group_tree",
                "colleagues" => "colleagues_tree",
                same => same,
            }
        }
        Taken::All => {
            scope = Scope {
                name: "all",
                when: scope.when,
                reach: None,
                scopes: None,
            }
        }
    }
    scope
}

/// What a level has that stands above others: all of theirs or more, and something of its own.
fn above(lower: &[&Line], own: &Line, taken: &[Taken]) -> Line {
    let mut line = own.clone();
    let mut taken = taken.iter().cycle();
    for (module, cells) in lower.iter().copied().flatten() {
        for (action, scopes) in cells {
            let cell = line.entry(*module).or_default().entry(*action).or_default();
            for scope in scopes {
                cell.push(wider(scope, *taken.next().expect("a cycle")));
            }
        }
    }
    line
}

/// A world with five levels, and how each takes over what is below it.
fn levels() -> impl Strategy<Value = World> {
    let taken = vec(
        select(vec![Taken::AsItIs, Taken::Always, Taken::Wider, Taken::All]),
        7,
    );
    (world(), vec(line(), 5), taken).prop_map(|(mut world, own, taken)| {
        let read = own[0].clone();
        let service = above(&[&read], &own[1], &taken);
        let seller = above(&[&read], &own[2], &taken[1..]);
        let manager = above(&[&service, &seller], &own[3], &taken[2..]);
        let administrator = above(&[&manager], &own[4], &taken[3..]);
        world.matrix.extend([
            (READ, read),
            (CUSTOMER_SERVICE, service),
            (SELLER, seller),
            (MANAGER, manager),
            (ADMINISTRATOR, administrator),
        ]);
        world
    })
}

/// What the person may do who holds that level too: directly, or by a group of his or hers.
fn reached(
    policy: &PolicySet,
    world: &World,
    me: usize,
    level: usize,
    by_group: bool,
) -> BTreeSet<Thing> {
    let mut world = world.clone();
    match world.people[me].groups.first() {
        Some(&group) if by_group => world.groups[group].roles.insert(level),
        Some(_) | None => world.people[me].roles.insert(level),
    };
    all_under(policy, &world, me).into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s3_7_each_level_reaches_all_that_a_lower_one_does(
        world in levels(),
        me in 0..PEOPLE,
        by_group: bool,
    ) {
        let policy = world.policy();
        let reached: BTreeMap<usize, BTreeSet<Thing>> = (READ..=ADMINISTRATOR)
            .map(|level| (level, reached(&policy, &world, me, level, by_group)))
            .collect();
        for (less, more) in ORDER {
            let gone: Vec<_> = reached[&less].difference(&reached[&more]).collect();
            prop_assert!(gone.is_empty(), "{} ⊄ {}: {:?}", ROLES[less], ROLES[more], gone);
        }
    }

    #[test]
    fn s3_7_two_levels_with_something_of_their_own_are_not_comparable(
        world in levels(),
        me in 0..PEOPLE,
        cells in own_cells(),
    ) {
        let [(service_module, service_action), (seller_module, seller_action)] = cells;
        let mut world = world;
        world.restrictions.clear();
        world.people[me].active = true;
        world.people[me].roles.clear();
        world.people[me].groups.clear();
        for level in [CUSTOMER_SERVICE, SELLER] {
            let line = world.matrix.get_mut(&level).expect("a level");
            for (module, action, owner) in [
                (service_module, service_action, CUSTOMER_SERVICE),
                (seller_module, seller_action, SELLER),
            ] {
                let cells = line.entry(module).or_default();
                cells.remove(&action);
                if owner == level {
                    let all = Scope { name: "all", when: false, reach: None, scopes: None };
                    cells.insert(action, vec![all]);
                }
            }
        }
        let policy = world.policy();
        let reached = |level| reached(&policy, &world, me, level, false);
        let (service, seller) = (reached(CUSTOMER_SERVICE), reached(SELLER));
        let only_service = (service_module, service_action.name(), 0);
        let only_seller = (seller_module, seller_action.name(), 0);
        prop_assert!(service.contains(&only_service) && !seller.contains(&only_service));
        prop_assert!(seller.contains(&only_seller) && !service.contains(&only_seller));
    }
}

/// Two different cells. Reading is no example: what may be claimed may be read.
fn own_cells() -> impl Strategy<Value = [(&'static str, Action); 2]> {
    let cells: Vec<(&'static str, Action)> = MODULES
        .into_iter()
        .flat_map(|module| {
            actions(module)
                .into_iter()
                .map(move |action| (module, action))
        })
        .filter(|(_, action)| !matches!(action, Action::Read | Action::Claim))
        .collect();
    let count = cells.len();
    (any::<Index>(), 1..count).prop_map(move |(first, step)| {
        let first = first.index(count);
        [cells[first], cells[(first + step) % count]]
    })
}

/// The levels are no empty ones: often a higher level reaches more than the lower.
#[test]
fn generated_levels_differ() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut wider, mut pairs) = (0, 0);
    for _ in 0..20 {
        let world = levels().new_tree(&mut runner).expect("a world").current();
        let policy = world.policy();
        for me in 0..PEOPLE {
            for (less, more) in ORDER {
                let count = |level| reached(&policy, &world, me, level, false).len();
                wider += usize::from(count(more) > count(less));
                pairs += 1;
            }
        }
    }
    assert!(wider * 2 > pairs, "{wider} of {pairs}");
}
