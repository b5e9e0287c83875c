//! One cell of a document in force changes: the policy that follows is the one of the whole changed
//! document, and so is what is wrong with it.

use celador_policy::document::{CellChange, Scope, ScopeTerm};
use celador_policy::{Action, Document, PolicySet, Problems, change_cell, check};
use proptest::prelude::*;
use proptest::sample::select;

use crate::desk::{MAPPING, TABLES};
use crate::schema_text::schema;

const MATRIX: &str = r#"
[roles.visitor]
description = "holds no cell yet"
[permissions.seller.accounts]
read = ["own", "group", "rule:near"]
update = ["own"]
assign = [{ scope = "own", to = ["group"] }]
[permissions.seller.contacts]
read = ["own", "parent"]
[permissions.seller."*"]
read = ["created", { scope = "colleagues", when = "open" }]
[permissions.manager."*"]
"*" = ["all"]
[permissions.clerk.boards]
customise = ["own"]
[permissions.clerk.invoices]
read = ["all"]
[rules.near]
accounts = "region = me.region"
[settings.open]
default = true
set_by = ["manager"]
"#;

fn text() -> String {
    format!("{MAPPING}{MATRIX}")
}

fn document() -> Document {
    Document::from_toml(&text()).expect("a document")
}

fn whole(document: &Document) -> Result<PolicySet, Problems> {
    check(document, "", &schema(TABLES))
}

fn live() -> PolicySet {
    whole(&document()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What a line of the matrix says: `seller.accounts.read` and its scopes.
fn change(place: &str, scopes: &str) -> CellChange {
    let mut place = place.split('.').map(str::to_owned);
    let mut next = || place.next().expect("role.module.action");
    CellChange {
        role: next(),
        module: next(),
        action: next(),
        scopes: serde_json::from_str(scopes).expect("scopes"),
    }
}

#[test]
fn the_cell_says_it_from_now_on() {
    let mut changed = document();
    let wider = change("seller.accounts.read", r#"["own", "group", "all"]"#);
    let set = change_cell(&mut changed, &live(), &wider).expect("it is right");
    let told: Vec<String> = document()
        .difference(&changed)
        .expect("documents can be written")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "permissions.seller.accounts.read = [\"own\", \"group\", \"rule:near\"] → [\"own\", \"group\", \"all\"]"
        ]
    );
    assert_eq!(whole(&changed).as_ref(), Ok(&set));
    assert_ne!(set, live());
}

#[test]
fn no_scope_takes_the_key_away() {
    let mut changed = document();
    let none = change("clerk.boards.customise", "[]");
    change_cell(&mut changed, &live(), &none).expect("it is right");
    assert!(!changed.matrix.permissions["clerk"].contains_key("boards"));
    // A role without cells is a role.
    let none = change("clerk.invoices.read", "[]");
    let problems = change_cell(&mut changed, &live(), &none).expect_err("no such module");
    assert!(
        problems
            .to_string()
            .contains("there is no module \"invoices\"")
    );
}

#[test]
fn a_slip_in_a_name_makes_no_role() {
    let mut changed = document();
    let slip = change("saler.accounts.read", r#"["all"]"#);
    let problems = change_cell(&mut changed, &live(), &slip).expect_err("no such role");
    assert_eq!(
        problems.to_string(),
        "permissions.saler: there is no role \"saler\""
    );
    assert_eq!(changed, document());
}

fn scope() -> impl Strategy<Value = Scope> {
    let names: &[&str] = &[
        "own",
        "created",
        "reports",
        "group",
        "group_tree",
        "colleagues",
        "colleagues_tree",
        "unassigned",
        "shared",
        "parent",
        "related",
        "all",
        "rule:near",
        "rule:far",
        "owner",
    ];
    let some = |values: &'static [&'static str]| {
        prop::option::weighted(0.2, select(values).prop_map(str::to_owned))
    };
    let modules: &[&str] = &["accounts", "boards", "contacts", "invoices"];
    let scopes: &[&str] = &["own", "shared", "parent", "all"];
    (
        select(names),
        some(&["open", "shut"]),
        some(modules),
        prop::option::weighted(0.2, select(&[Action::Read, Action::Update][..])),
        some(scopes),
        some(scopes),
        prop::option::weighted(0.1, 0_u64..3),
    )
        .prop_map(|(scope, when, module, reach, scopes, to, rows)| {
            let term = ScopeTerm {
                scope: scope.to_owned(),
                when,
                reach,
                scopes: scopes.map(|scope| vec![scope]),
                module,
                to: to.map(|scope| vec![scope]),
                rows,
            };
            let plain = ScopeTerm {
                scope: scope.to_owned(),
                ..ScopeTerm::default()
            };
            if term == plain {
                Scope::Name(scope.to_owned())
            } else {
                Scope::Term(term)
            }
        })
}

fn any_change() -> impl Strategy<Value = CellChange> {
    let roles: &[&str] = &["seller", "manager", "clerk", "visitor"];
    let mut modules: Vec<String> = live().modules.into_keys().collect();
    modules.push("*".to_owned());
    let actions: &[&str] = &[
        "read",
        "create",
        "update",
        "delete",
        "assign",
        "claim",
        "export",
        "customise",
        "*",
        "see",
    ];
    let scopes = prop::collection::vec(scope(), 0..3);
    (select(roles), select(modules), select(actions), scopes).prop_map(
        |(role, module, action, scopes)| CellChange {
            role: role.to_owned(),
            module,
            action: action.to_owned(),
            scopes,
        },
    )
}

/// Where something is wrong, what, and what to do.
fn told(problems: Problems) -> Vec<(String, String)> {
    let told = problems.0.into_iter();
    told.map(|problem| (problem.to_string(), problem.remedy))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_cell_is_a_changed_document(changes in prop::collection::vec(any_change(), 1..4)) {
        let (mut document, mut set) = (document(), live());
        for change in changes {
            let mut changed = document.clone();
            let found = change_cell(&mut changed, &set, &change);
            match (found, whole(&changed)) {
                (Ok(mut found), Ok(whole)) => {
                    // What was unmapped stays so.
                    prop_assert!(found.unmapped.is_superset(&whole.unmapped));
                    set = found.clone();
                    found.unmapped = whole.unmapped.clone();
                    prop_assert_eq!(found, whole);
                    document = changed;
                }
                (Err(found), Err(whole)) => prop_assert_eq!(told(found), told(whole)),
                (found, whole) => prop_assert!(false, "{:?}, and in the whole {:?}", found.err(), whole.err()),
            }
        }
    }

    #[test]
    fn what_is_stored_is_read_back(changes in prop::collection::vec(any_change(), 0..4)) {
        let mut document = document();
        for change in &changes {
            // Whether the change is right doesn't matter here.
            let _ = change_cell(&mut document, &live(), change);
        }
        let stored = document.to_stored().expect("it can be stored");
        prop_assert_eq!(Document::from_stored(&stored).expect("it can be read"), document);
    }
}

/// The changes aren't all wrong, nor all right.
#[test]
fn generated_changes_are_right_and_wrong() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let right = (0..400)
        .filter(|_| {
            let change = any_change()
                .new_tree(&mut runner)
                .expect("a change")
                .current();
            change_cell(&mut document(), &live(), &change).is_ok()
        })
        .count();
    assert!((100..300).contains(&right), "{right} of 400");
}
