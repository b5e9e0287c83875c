//! S3.7: the order of the five levels, over all cells of the preset.

use std::collections::BTreeMap;

use celador_policy::directory::{Facts, HeldRole};
use celador_policy::document::ScopeName;
use celador_policy::policy_set::{CellRef, Grant, GrantScope};
use celador_policy::{Access, Action, Document, PolicySet, Reach, check};
use proptest::prelude::*;

use crate::schema_text::schema;

const PRESET: &str = include_str!("../../../sql/presets/s3-levels.toml");

/// Whoever is first holds no more than whoever is second.
const ORDER: [(&str, &str); 5] = [
    ("read", "customer_service"),
    ("read", "seller"),
    ("customer_service", "manager"),
    ("seller", "manager"),
    ("manager", "administrator"),
];

/// The preset on a CRM that has a table for each of its modules, and for one that it doesn't name.
fn policy() -> PolicySet {
    let preset = Document::from_toml(PRESET).expect("the preset");
    let built_in = [
        "users",
        "groups",
        "memberships",
        "roles_held",
        "shares",
        "settings",
    ];
    let cells = preset.matrix.permissions.values().flat_map(BTreeMap::keys);
    let mut modules: Vec<&str> = cells
        .map(String::as_str)
        .filter(|name| *name != "*")
        .collect();
    modules.push("unnamed");
    modules.sort_unstable();
    modules.dedup();
    modules.retain(|name| !built_in.contains(name));
    let mut tables = String::new();
    let mut text = "[mapping]\nschemas = [\"crm\"]\n".to_owned();
    for module in modules {
        tables.push_str(&format!(
            "crm.{module}: id int8 pk, owner text, creator text, team text\n"
        ));
        text.push_str(&format!(
            "[mapping.modules.{module}]\ntable = \"{module}\"\nowner = \"owner\"\ncreator = \"creator\"\ngroup = \"team\"\n"
        ));
    }
    text.push_str(PRESET);
    let document = Document::from_toml(&text).expect("mapping and preset");
    check(&document, &text, &schema(&tables)).expect("the preset fits")
}

/// Each cell of the matrix, whoever has something in it.
fn cells(policy: &PolicySet) -> Vec<(&str, Action)> {
    let modules = policy.modules.keys().map(String::as_str);
    modules
        .flat_map(|module| Action::ALL.map(|action| (module, action)))
        .collect()
}

/// Whether all that the grant gives is given by one of the others.
fn within(grant: &Grant, others: &[Grant]) -> bool {
    others.iter().any(|other| {
        other.when.is_none()
            && other.to.is_none()
            && other.rows.is_none()
            && (other.scope == grant.scope || other.scope == GrantScope::Plain(ScopeName::All))
    })
}

fn is_within(policy: &PolicySet, less: &str, more: &str) -> Result<(), String> {
    for (module, action) in cells(policy) {
        let others = policy.grants(more, module, action);
        if let Some(grant) = policy
            .grants(less, module, action)
            .iter()
            .find(|grant| !within(grant, others))
        {
            return Err(format!("{less} {module} {}: {grant:?}", action.name()));
        }
    }
    Ok(())
}

#[test]
fn s3_7_each_level_is_within_the_next_cell_by_cell() {
    let policy = policy();
    for (less, more) in ORDER {
        assert_eq!(is_within(&policy, less, more), Ok(()), "{less} ⊆ {more}");
        assert!(is_within(&policy, more, less).is_err(), "{more} ⊈ {less}");
    }
}

#[test]
fn s3_7_seller_and_customer_service_are_not_comparable() {
    let policy = policy();
    assert!(is_within(&policy, "seller", "customer_service").is_err());
    assert!(is_within(&policy, "customer_service", "seller").is_err());
}

/// A person as the directory might tell of it.
fn facts() -> impl Strategy<Value = Facts> {
    let keys = || proptest::collection::vec("[pg][0-3]", 0..3);
    (keys(), keys(), keys(), keys()).prop_map(|(groups, reports, colleagues, below)| {
        let by_key = |keys: Vec<String>| BTreeMap::from([("user".to_owned(), keys)]);
        Facts {
            user: "p0".to_owned(),
            active: true,
            keys: by_key(vec!["p0".to_owned()]),
            groups_below: [groups.clone(), below].concat(),
            groups,
            reports: by_key(reports),
            colleagues: by_key(colleagues.clone()),
            colleagues_tree: by_key(colleagues),
            ..Facts::default()
        }
    })
}

/// A record: owner, creator, group.
type Row = (Option<String>, Option<String>, Option<String>);

fn covers(reach: &Reach, action: Action, (owner, creator, group): &Row) -> bool {
    let owned = reach.owners.get("user");
    let any = reach.all
        || owner
            .as_ref()
            .zip(owned)
            .is_some_and(|(owner, keys)| keys.has_text(owner))
        || reach.created && creator.as_deref() == Some("p0")
        || group
            .as_ref()
            .is_some_and(|group| reach.groups.has_text(group))
        || reach.unassigned && owner.is_none();
    any && (action != Action::Claim || owner.is_none())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s3_7_whoever_has_the_next_level_reaches_the_same_rows_and_more(
        facts in facts(),
        row in (
            proptest::option::of("p[0-3]"),
            proptest::option::of("p[0-3]"),
            proptest::option::of("g[0-3]"),
        ),
    ) {
        let policy = policy();
        let with = |role: &str| {
            let mut facts = facts.clone();
            facts.roles.push(HeldRole { source: 0, value: role.to_owned(), group: None });
            Access::compute(&policy, facts)
        };
        for (less, more) in ORDER {
            let (less, more) = (with(less), with(more));
            for (module, action) in cells(&policy) {
                let cell = CellRef::Action(action);
                let few = less.reach(&policy, module, &cell, 0.0);
                let many = more.reach(&policy, module, &cell, 0.0);
                prop_assert!(!covers(&few, action, &row) || covers(&many, action, &row), "{} {}", module, action.name());
            }
        }
    }
}
