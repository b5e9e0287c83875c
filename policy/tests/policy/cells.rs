//! Cells: what wildcards stand for, what links allow, how far records lend their reach.

use std::collections::BTreeSet;

use celador_policy::policy_set::GrantScope;
use celador_policy::{Action, Document, check};

use crate::desk::{checked, policy};
use crate::schema_text::schema;

#[test]
fn s1_23_a_wildcard_stands_for_every_module_and_action() {
    let set =
        policy("[permissions.a]\n'*' = { '*' = ['all'] }\n[permissions.b.'*']\nread = ['own']\n");
    for module in set.modules.keys() {
        for action in Action::ALL {
            let claims = action == Action::Claim;
            let granted = !set.grants("a", module, action).is_empty();
            assert_eq!(
                granted,
                !claims || !set.modules[module].owners.is_empty(),
                "{module}"
            );
        }
        let owned = !set.modules[module].owners.is_empty();
        assert_eq!(
            !set.grants("b", module, Action::Read).is_empty(),
            owned,
            "{module}"
        );
        assert_eq!(set.grants("b", module, Action::Update), [], "{module}");
    }
}

#[test]
fn a_restriction_of_every_module_names_each() {
    let set = policy("[restrictions.x]\nmodule = '*'\nactions = ['update']\n");
    let restriction = &set.restrictions["x"];
    assert_eq!(restriction.modules.len(), set.modules.len());
    // Rows of configuration are written by customising.
    assert_eq!(
        restriction.actions,
        [Action::Update, Action::Customise].into()
    );
    let set = policy("[restrictions.x]\nmodule = 'boards'\nactions = ['read']\n");
    assert_eq!(set.restrictions["x"].actions, [Action::Read].into());
}

#[test]
fn s1_10_reading_may_be_bounded_in_rows() {
    let set = policy(
        "[permissions.a.accounts]\nread = [{ scope = 'all', rows = 1000 }, { scope = 'own', rows = 10 }]\n\
         [permissions.b.accounts]\nread = ['own']\n'*' = [{ scope = 'group', to = ['own'] }]\n",
    );
    let rows: BTreeSet<_> = set
        .grants("a", "accounts", Action::Read)
        .iter()
        .map(|grant| grant.rows)
        .collect();
    assert_eq!(rows, [Some(10), Some(1000)].into());
    assert_eq!(set.limited_modules(), ["accounts"].into());
    assert!(
        set.grants("b", "accounts", Action::Assign)
            .iter()
            .all(|grant| grant.to.is_some())
    );
}

#[test]
fn s1_10_a_number_beside_none_is_no_limit_and_refused() {
    for (cell, said) in [
        (
            "read = [{ scope = 'all', rows = 10 }, 'own']",
            "the number would never count",
        ),
        (
            "export = [{ scope = 'all', rows = 10 }]",
            "\"rows\" limits what is read",
        ),
        (
            "'*' = [{ scope = 'all', rows = 10 }]",
            "\"rows\" limits what is read",
        ),
        (
            "read = [{ scope = 'all', rows = 0 }]",
            "\"rows\" of 0 shows nothing",
        ),
        (
            "read = [{ scope = 'all', rows = 1 }]\n[permissions.a.'*']\nread = ['own']",
            "the number would never count",
        ),
    ] {
        let problems = checked(&format!("[permissions.a.accounts]\n{cell}\n")).expect_err(cell);
        let problems = problems.to_string();
        assert!(problems.contains(said), "{cell}: {problems}");
    }
}

#[test]
fn s1_10_import_alone_creates_nothing() {
    let set = policy("[permissions.a.accounts]\nimport = ['all']\n");
    assert_eq!(set.grants("a", "accounts", Action::Create), []);
    assert_eq!(set.grants("a", "accounts", Action::Import).len(), 1);
}

#[test]
fn owners_in_a_link_table_are_linked_after_creating() {
    // contacts have another owner in a column, so that their owner is known when they are made.
    let set = policy("[permissions.a.contacts]\ncreate = ['own']\n");
    assert_eq!(
        set.grants("a", "contacts", Action::Create)[0].scope,
        plain("own")
    );
    let matrix = "[permissions.a.contacts]\ncreate = ['own', 'reports', 'created']\n";
    let only_links = |creator: &str| {
        let mapping = crate::desk::MAPPING
            .replace("  { column = \"backup\", key = \"login\" },\n", "")
            .replace(
                "[mapping.modules.contacts]\n",
                &format!("[mapping.modules.contacts]\n{creator}\n"),
            );
        let text = format!("{mapping}{matrix}");
        let document = Document::from_toml(&text).expect("a document");
        check(&document, &text, &schema(crate::desk::TABLES))
    };
    let set = only_links("creator = \"backup\"\ncreator_key = \"login\"").expect("it fits");
    let grants = set.grants("a", "contacts", Action::Create);
    assert_eq!(
        grants.iter().map(|grant| &grant.scope).collect::<Vec<_>>(),
        [&plain("created")]
    );
    let problems = only_links("").expect_err("nobody would be its owner");
    assert!(
        problems
            .to_string()
            .contains("owners in a link table, and no creator")
    );
}

#[test]
fn what_is_linked_afterwards_lets_nobody_create() {
    // contacts have their groups in a link table only, and accounts in a column.
    for scope in ["group", "group_tree"] {
        let matrix = format!("[permissions.a.contacts]\ncreate = ['created', '{scope}']\n");
        let creator = |mapping: &str| {
            mapping.replace(
                "[mapping.modules.contacts]\n",
                "[mapping.modules.contacts]\ncreator = 'backup'\ncreator_key = 'login'\n",
            )
        };
        let load = |mapping: String| {
            let text = format!("{}{matrix}", creator(&mapping));
            let document = Document::from_toml(&text).expect("a document");
            check(&document, &text, &schema(crate::desk::TABLES))
        };
        let problems = load(crate::desk::MAPPING.to_owned()).expect_err("nobody could create");
        let [problem] = problems.0.as_slice() else {
            panic!("{problems}");
        };
        assert!(
            problem
                .message
                .contains(&format!("scope \"{scope}\" can't let anybody create"))
        );
        assert!(problem.remedy.contains("lacks = [\"group\"]"));
        // The mapping may say that such scopes grant nothing here; reading by group goes on.
        let mapping = crate::desk::MAPPING.replace(
            "[mapping.modules.contacts]\n",
            "[mapping.modules.contacts]\nlacks = ['group']\n",
        );
        let set = load(mapping).expect("it fits");
        let grants = set.grants("a", "contacts", Action::Create);
        assert_eq!(
            grants.iter().map(|grant| &grant.scope).collect::<Vec<_>>(),
            [&plain("created")]
        );
        let set = policy(&format!(
            "[permissions.a.accounts]\ncreate = ['{scope}']\n[permissions.a.contacts]\nread = ['{scope}']\n"
        ));
        assert_eq!(
            set.grants("a", "accounts", Action::Create)[0].scope,
            plain(scope)
        );
        assert_eq!(
            set.grants("a", "contacts", Action::Read)[0].scope,
            plain(scope)
        );
    }
    for scope in ["colleagues", "colleagues_tree", "unassigned"] {
        let matrix = format!("[permissions.a.contacts]\ncreate = ['{scope}']\n");
        // Another owner in a column is known in time.
        assert_eq!(
            policy(&matrix).grants("a", "contacts", Action::Create)[0].scope,
            plain(scope)
        );
        let text = format!(
            "{}{matrix}",
            crate::desk::MAPPING.replace("  { column = \"backup\", key = \"login\" },\n", "")
        );
        let document = Document::from_toml(&text).expect("a document");
        let problems = check(&document, &text, &schema(crate::desk::TABLES)).expect_err(scope);
        assert!(
            problems
                .to_string()
                .contains("have their owner in a link table"),
            "{problems}"
        );
    }
}

fn plain(name: &str) -> GrantScope {
    GrantScope::Plain(celador_policy::document::ScopeName::from_name(name).expect("a scope"))
}

#[test]
fn records_lend_their_reach_four_deep() {
    let chain = |length: usize| {
        let mut tables = "crm.m0: id int8 pk\n".to_owned();
        let mut text =
            "[mapping]\nschemas = [\"crm\"]\n[mapping.modules.m0]\ntable = \"m0\"\n".to_owned();
        for at in 1..=length {
            let above = at - 1;
            tables.push_str(&format!("crm.m{at}: id int8 pk, up int8\n"));
            text.push_str(&format!(
                "[mapping.modules.m{at}]\ntable = \"m{at}\"\nparent = {{ module = \"m{above}\", column = \"up\" }}\n\
                 [permissions.r.m{at}]\nread = [\"parent\"]\n"
            ));
        }
        let document = Document::from_toml(&text).expect("a document");
        check(&document, &text, &schema(&tables))
    };
    assert!(chain(4).is_ok());
    assert!(
        chain(5)
            .expect_err("too deep")
            .to_string()
            .contains("more than 4 deep")
    );
}
