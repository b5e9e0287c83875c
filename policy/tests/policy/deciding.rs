//! What the guard needn't ask of a row: it has passed the row policy, and stays in the same reach.

use celador_policy::policy_set::CellRef;
use celador_policy::row_policy::reach_and_restrictions;
use celador_policy::{Action, PolicySet};
use proptest::prelude::*;

use crate::desk::policy;
use crate::reached::Eyes;
use crate::sql::MATRIX;
use crate::world::{MODULES, NOW, PEOPLE, World, world};

/// The columns that stand behind the alias in a generated condition.
fn columns_in<'a>(sql: &'a str, alias: &str) -> Vec<&'a str> {
    let begin = format!("{alias}\"");
    let named = sql.split(begin.as_str()).skip(1);
    named.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn conditions_speak_of_deciding_columns_alone() {
    let set = policy(MATRIX);
    let mut spoken = 0;
    for (name, module) in &set.modules {
        let deciding = module.deciding_columns();
        for action in Action::ALL {
            let sql = reach_and_restrictions(&set, name, &CellRef::Action(action), "o.");
            for column in columns_in(&sql, "o.") {
                assert!(deciding.contains(column), "{name}.{column}: {sql}");
                spoken += 1;
            }
        }
    }
    assert!(spoken > 200, "{spoken}");
    let accounts = set.modules["accounts"].deciding_columns();
    assert!(
        accounts.contains("owner") && accounts.contains("region"),
        "{accounts:?}"
    );
    assert!(!accounts.contains("changed"), "{accounts:?}");
}

/// Where updating covers giving away and claiming, as the guard sees it; and how many records it is
/// more than nothing for.
fn covered(policy: &PolicySet, world: &World, me: usize) -> Result<usize, TestCaseError> {
    let eyes = Eyes::new(world, policy, me);
    let mut found = 0;
    for module in MODULES {
        let update = CellRef::Action(policy.writing_action(module, Action::Update));
        let reach = |cell: &CellRef| eyes.access.reach(policy, module, cell, NOW);
        let restricted = (policy.restrictions_on(module))
            .any(|(name, _)| eyes.access.restricted(policy, name, &update));
        for action in [Action::Assign, Action::Claim] {
            let other = CellRef::Action(action);
            if restricted || !reach(&update).covers(&reach(&other)) {
                continue;
            }
            for at in 0..world.rows[module].len() {
                if eyes.may(action, module, at) {
                    found += 1;
                    let writing = policy.writing_action(module, Action::Update);
                    prop_assert!(
                        eyes.may(writing, module, at),
                        "p{} {} {}[{}]",
                        me,
                        action.name(),
                        module,
                        at
                    );
                }
            }
        }
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_covered_is_reached(world in world()) {
        let policy = world.policy();
        for me in 0..PEOPLE {
            covered(&policy, &world, me)?;
        }
    }
}

#[test]
fn generated_worlds_have_something_covered() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let found: usize = (0..300)
        .map(|_| {
            let world = world().new_tree(&mut runner).expect("a world").current();
            let policy = world.policy();
            (0..PEOPLE)
                .map(|me| covered(&policy, &world, me).expect("it is reached"))
                .sum::<usize>()
        })
        .sum();
    assert!(found > 40, "{found}");
}
