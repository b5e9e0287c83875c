//! X.3: grants add up, restrictions subtract; and what is computed is what the design says.

use celador_policy::PolicySet;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::reached::Eyes;
use crate::world::{MODULES, PEOPLE, World, actions, restriction, role, world};

/// Module, action, record.
pub(crate) type Thing = (&'static str, &'static str, usize);

fn all(world: &World, me: usize) -> Vec<Thing> {
    all_under(&world.policy(), world, me)
}

/// Everything that the person may do under the world's policy.
pub(crate) fn all_under(policy: &PolicySet, world: &World, me: usize) -> Vec<Thing> {
    let eyes = Eyes::new(world, policy, me);
    let mut found = Vec::new();
    for module in MODULES {
        for action in actions(module) {
            for at in 0..world.rows[module].len() {
                if eyes.may(action, module, at) {
                    found.push((module, action.name(), at));
                }
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn access_is_what_the_design_says(world in world()) {
        let policy = world.policy();
        for me in 0..PEOPLE {
            let eyes = Eyes::new(&world, &policy, me);
            for module in MODULES {
                for action in actions(module) {
                    for at in 0..world.rows[module].len() {
                        prop_assert_eq!(
                            eyes.may(action, module, at),
                            world.may(me, action, module, at),
                            "p{} {} {}[{}]", me, action.name(), module, at
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn x_3_adding_a_role_never_removes_access(world in world(), me in 0..PEOPLE, added: Index) {
        let before = all(&world, me);
        let mut more = world.clone();
        more.people[me].roles.insert(role(added));
        let after = all(&more, me);
        for thing in &before {
            prop_assert!(after.contains(thing), "{:?} is gone", thing);
        }
    }

    #[test]
    fn x_3_adding_a_restriction_never_adds_access(
        world in world(),
        me in 0..PEOPLE,
        added in restriction(),
    ) {
        let before = all(&world, me);
        let mut less = world.clone();
        less.restrictions.push(added);
        for thing in all(&less, me) {
            prop_assert!(before.contains(&thing), "{:?} has come", thing);
        }
    }
}

/// The worlds are no empty ones: about as much is reached as isn't.
#[test]
fn generated_worlds_have_something_to_reach() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut reached, mut asked) = (0, 0);
    for _ in 0..50 {
        let world = world().new_tree(&mut runner).expect("a world").current();
        for me in 0..PEOPLE {
            reached += all(&world, me).len();
            asked += MODULES
                .iter()
                .map(|module| actions(module).len() * world.rows[module].len())
                .sum::<usize>();
        }
    }
    assert!(reached * 20 > asked, "{reached} of {asked}");
    assert!(reached * 2 < asked, "{reached} of {asked}");
}
