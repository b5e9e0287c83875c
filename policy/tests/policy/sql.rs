//! The generated SQL: what each table of the small CRM is protected by, and how its directory is read.

use celador_policy::directory::{PersonStatements, sql, tree};
use celador_policy::document::ScopeName;
use celador_policy::policy_set::{CellRef, GrantScope, LinkKind, ParentTarget, Via};
use celador_policy::row_policy::followed::{self, Compared, Followed};
use celador_policy::row_policy::{reach_terms, restriction_terms, row_policies, uncovered};
use celador_policy::{Action, Document, TableName, check};
use proptest::prelude::*;

use crate::desk::policy;
use crate::schema_text::schema;

pub(crate) const MATRIX: &str = r#"
[rules.north]
accounts = "region = 'north'"
[restrictions.regional]
groups = ["Partners"]
module = "accounts"
predicate = "region = me.region"
[restrictions.nobody]
module = "accounts"
"#;

/// The pairs of the document that describes the terms: ``kind  SQL``.
#[test]
fn every_scope_is_written_as_its_documentation_says() {
    let set = policy(MATRIX);
    let examples = include_str!("../../src/row_policy/examples.md");
    let mut blocks = examples.split("```").skip(1).step_by(2);
    let mut written = 0;
    for (module, cell) in [
        ("accounts", CellRef::Action(Action::Read)),
        ("contacts", CellRef::Action(Action::Update)),
        (
            "notes",
            CellRef::Scopes([ScopeName::Own, ScopeName::Created].into()),
        ),
        ("boards", CellRef::Action(Action::Update)),
        ("tasks", CellRef::Action(Action::Read)),
    ] {
        let block = blocks.next().expect("a block for each module");
        let mut expected = block.trim_start_matches("text").trim().lines();
        for (kind, sql) in reach_terms(&set, module, &cell, "") {
            let line = expected.next().unwrap_or_default();
            assert_eq!(format!("{kind}: {sql}"), line, "{module}");
            written += 1;
        }
        for (restriction, sql) in restriction_terms(&set, module, &cell, "r.") {
            let line = expected.next().unwrap_or_default();
            assert_eq!(format!("{restriction}: {sql}"), line, "{module}");
            written += 1;
        }
        assert_eq!(expected.next(), None, "{module}");
    }
    assert_eq!(blocks.next(), None);
    assert!(written > 15);
}

/// All row policies of all tables, one statement a line.
#[test]
fn every_table_gets_the_policies_of_its_place() {
    let set = policy(MATRIX);
    let mut all = String::new();
    for name in [
        "boards",
        "contact_owners",
        "contact_teams",
        "note_files",
        "board_lines",
        "line_marks",
        "mark_notes",
        "letters",
        "currencies",
        "countries",
        "secrets",
        "forgotten",
        "task_accounts",
        "item_teams",
        "item_files",
        "file_pages",
        "entries",
    ] {
        let table = TableName::new("crm", name);
        let policies = row_policies(&set, &table);
        all.push_str(&format!("-- {name}\n"));
        for policy in policies {
            all.push_str(&policy.create(&table));
            all.push_str(";\n");
        }
    }
    assert_same(
        "row_policies.sql",
        include_str!("golden/row_policies.sql"),
        &all,
    );
}

#[test]
fn the_directory_is_read_with_these_statements() {
    let mapped = policy("").directory;
    let elsewhere = crate::desk::MAPPING
        .replace(
            "supervisor = \"boss\"",
            "supervision = { table = \"staff\", user = \"number\", user_key = \"staff\", supervisor = \"above\", where = \"NOT gone\" }\n\
             more_keys = { staff = { table = \"staff\", user = \"person\", key = \"number\" } }",
        )
        .replace(
            "active = \"is_active\"",
            "active = [\"is_active\", { table = \"badges\", user = \"login\", user_key = \"login\", column = \"valid\", where = \"floor = 1\" }, \
             { table = \"staff\", user = \"number\", user_key = \"staff\" }]",
        )
        .replace("\"secrets\"]", "\"secrets\", \"staff\", \"badges\"]");
    let tables = format!(
        "{}crm.staff: number uuid pk, person int8, above uuid, gone bool\n\
         crm.badges: login text, floor int4, valid bool\n",
        crate::desk::TABLES
    );
    let document = Document::from_toml(&elsewhere).expect("a document");
    let elsewhere = check(&document, &elsewhere, &schema(&tables))
        .unwrap_or_else(|problems| panic!("{problems}"))
        .directory;
    let told = crate::desk::MAPPING
        .replace(
            "login = \"login\"\nactive",
            "login = { table = \"sign_ins\", user = \"mail\", user_key = \"mail\", column = \"name\", where = \"kind = 'db'\" }\nactive",
        )
        .replace("login = \"login\" }", "login = \"login\", mail = \"mail\" }")
        .replace(
            "attributes = { region = \"region\" }",
            "attributes = { region = { table = \"places\", user = \"person\", column = \"region\", where = \"NOT stale\" } }\n",
        )
        .replace(
            "[mapping.modules.accounts]",
            "[mapping.shares]\ntable = \"passes\"\nmodule = { column = \"kind\", map = { a = \"accounts\", b = \"boards\" } }\n\
             record = \"record\"\nuser = \"person\"\nlevel = { column = \"rights\", map = { \"1\" = \"read\", \"2\" = \"update\" } }\n\
             [mapping.modules.accounts]",
        )
        .replace("\"secrets\"]", "\"secrets\", \"sign_ins\", \"places\", \"passes\"]");
    let tables = format!(
        "{}crm.sign_ins: mail text, name text, kind text\n\
         crm.places: person int8, region text, stale bool\n\
         crm.passes: kind text, record int8, person int8, rights int2\n",
        crate::desk::TABLES
    );
    let document = Document::from_toml(&told).expect("a document");
    let told = check(&document, &told, &schema(&tables))
        .unwrap_or_else(|problems| panic!("{problems}"))
        .directory;
    let text = "[mapping]\n[rules.r]\nusers = \"login = me('mail') OR login = me.region\"\n";
    let document = Document::from_toml(text).expect("a document");
    let own = check(&document, text, &schema(""))
        .expect("it fits")
        .directory;
    for (name, golden, directory) in [
        (
            "directory_mapped.sql",
            include_str!("golden/directory_mapped.sql"),
            &mapped,
        ),
        (
            "directory_elsewhere.sql",
            include_str!("golden/directory_elsewhere.sql"),
            &elsewhere,
        ),
        (
            "directory_told.sql",
            include_str!("golden/directory_told.sql"),
            &told,
        ),
        (
            "directory_own.sql",
            include_str!("golden/directory_own.sql"),
            &own,
        ),
    ] {
        let keys = directory
            .users
            .keys
            .keys()
            .chain(directory.users.more_keys.keys())
            .cloned();
        let person = PersonStatements::with_keys(directory, keys.collect());
        let trees = [tree::of_groups(directory), tree::of_supervisors(directory)];
        let statements = [
            sql::user_by_login(directory),
            sql::login_twice(directory),
            Some(sql::group_count(directory)),
            Some(sql::holders(directory)),
            Some(sql::active_users(directory)),
        ];
        let all: String = (person.all().into_iter().map(str::to_owned))
            .chain(
                trees
                    .iter()
                    .flatten()
                    .flat_map(|tree| [tree.edges(), tree.above(), tree.nodes_in("celador_new")]),
            )
            .chain(statements.into_iter().flatten())
            .map(|sql| sql + ";\n")
            .collect();
        assert_same(name, golden, &all);
    }
}

/// Compares with what is kept; `BLESS=1` keeps what is.
pub(crate) fn assert_same(name: &str, kept: &str, made: &str) {
    if std::env::var_os("BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy/golden/");
        std::fs::write(format!("{path}{name}"), made).expect("it can be written");
        return;
    }
    for (kept, made) in kept.lines().zip(made.lines()) {
        assert_eq!(kept, made, "{name}");
    }
    assert_eq!(kept.lines().count(), made.lines().count(), "{name}");
}

fn scopes() -> impl Strategy<Value = std::collections::BTreeSet<ScopeName>> {
    let names = [
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
    ];
    let all: Vec<ScopeName> = names
        .iter()
        .filter_map(|name| ScopeName::from_name(name))
        .collect();
    proptest::sample::subsequence(all, 0..=12).prop_map(|scopes| scopes.into_iter().collect())
}

fn grants() -> impl Strategy<Value = GrantScope> {
    let via = || {
        (proptest::option::of("\\PC{0,8}"), scopes()).prop_map(|(module, scopes)| Via {
            module,
            cell: CellRef::Scopes(scopes),
        })
    };
    prop_oneof![
        proptest::sample::select(vec!["own", "all"])
            .prop_map(|name| GrantScope::Plain(ScopeName::from_name(name).expect("a scope"))),
        via().prop_map(GrantScope::Parent),
        via().prop_map(GrantScope::Related),
        "\\PC{0,8}".prop_map(GrantScope::Rule),
    ]
}

proptest! {
    #[test]
    fn a_cell_reads_back_from_its_text(
        cell in prop_oneof![
            proptest::sample::select(Action::ALL.to_vec()).prop_map(CellRef::Action),
            scopes().prop_map(CellRef::Scopes),
            proptest::option::of(scopes()).prop_map(CellRef::AssignTo),
            (proptest::sample::select(Action::ALL.to_vec()), grants())
                .prop_map(|(action, scope)| CellRef::Grant(action, Box::new(scope))),
        ],
    ) {
        prop_assert_eq!(CellRef::from_text(&cell.text()), Some(cell));
    }

    #[test]
    fn other_text_is_no_cell(text in "(=|assign>|)[a-z,*>= ]{0,12}") {
        if let Some(cell) = CellRef::from_text(&text) {
            let order = |text: &str| {
                let (head, names) = match text.strip_prefix('=') {
                    Some(names) => ("=", names),
                    None => text.split_at(text.find('>').map_or(text.len(), |at| at + 1)),
                };
                let mut names: Vec<String> = names.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect();
                names.sort();
                names.dedup();
                (head.to_owned(), names)
            };
            prop_assert_eq!(order(&cell.text()), order(&text));
        }
    }
}

/// The pair of its documentation.
#[test]
fn the_roles_of_a_group_are_asked_for_as_documented() {
    let text = "[mapping]\nschemas = [\"crm\"]\nopen = [\"*\"]\n";
    let document = Document::from_toml(text).expect("a document");
    let set = check(&document, text, &schema(crate::desk::TABLES))
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(
        sql::roles_of_group(&set.directory).as_deref(),
        Some(
            "SELECT 1::pg_catalog.int4, CAST(r.\"role\" AS pg_catalog.text) FROM \"celador\".\"roles_held\" AS r \
             WHERE CAST(r.\"group\" AS pg_catalog.text) OPERATOR(pg_catalog.=) $1"
        )
    );
}

#[test]
fn a_condition_is_taken_from_behind_covered() {
    let set = policy(MATRIX);
    let mut seen = 0;
    for table in set.tables.keys() {
        for policy in row_policies(&set, table) {
            for condition in [&policy.using, &policy.check].into_iter().flatten() {
                let left = uncovered(condition);
                assert!(!left.contains("covered()") && condition.contains("covered()"));
                assert!(condition.ends_with(left) || left == "true", "{condition}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20);
    assert_eq!(uncovered("celador.covered()"), "true");
    assert_eq!(uncovered("celador.covered() AND (a OR b)"), "(a OR b)");
    assert_eq!(uncovered("a"), "a");
}

#[test]
fn an_observed_modules_tables_are_observed_and_get_the_same_policies() {
    let observing = crate::desk::MAPPING.replace(
        "[mapping.modules.accounts]\n",
        "[mapping.modules.accounts]\nmode = \"observe\"\n",
    );
    let text = format!("{observing}{MATRIX}");
    let document = Document::from_toml(&text).expect("a document");
    let observed = check(&document, &text, &schema(crate::desk::TABLES))
        .unwrap_or_else(|problems| panic!("{problems}"));
    let enforced = policy(MATRIX);
    for (table, placement) in &observed.tables {
        assert_eq!(
            row_policies(&observed, table),
            row_policies(&enforced, table)
        );
        let modules = placement.modules();
        let of_accounts = modules.into_iter().eq(["accounts"]);
        assert_eq!(observed.observes(placement), of_accounts, "{table}");
        assert!(!enforced.observes(placement), "{table}");
    }
}

#[test]
fn whoever_decides_cant_be_observed() {
    let observing = crate::desk::MAPPING
        .replace("closed = [\"people\", ", "closed = [")
        .replace(
            "[mapping.modules.accounts]\n",
            "[mapping.modules.staff]\ntable = \"people\"\nmode = \"observe\"\n[mapping.modules.accounts]\n",
        );
    let document = Document::from_toml(&observing).expect("a document");
    let problems = check(&document, &observing, &schema(crate::desk::TABLES))
        .expect_err("it is refused")
        .to_string();
    assert!(
        problems.contains("module \"staff\" can't be observed"),
        "{problems}"
    );
}

/// The pairs of the document that describes what is asked of other rows.
#[test]
fn what_is_asked_of_other_rows_is_written_as_its_documentation_says() {
    let set = policy(MATRIX);
    let read = CellRef::Action(Action::Read);
    let own = CellRef::Scopes([ScopeName::Own].into());
    let via = |module: &str| Via {
        module: Some(module.to_owned()),
        cell: own.clone(),
    };
    let Some(ParentTarget::Linked { link, .. }) = set.modules["tasks"]
        .parents
        .first()
        .map(|parent| &parent.target)
    else {
        panic!("tasks hang on accounts by a link table");
    };
    let one = |followed: Option<Followed>| Vec::from_iter(followed);
    let asked = [
        (
            "a record of boards",
            followed::record(&set, "boards", &own).unwrap_or_default(),
        ),
        (
            "owners of contacts",
            one(followed::links(&set, "contacts", &read, LinkKind::Owner, 0)),
        ),
        (
            "groups of contacts",
            one(followed::links(&set, "contacts", &read, LinkKind::Group, 0)),
        ),
        (
            "any owner of contacts",
            one(followed::any_links(&set, "contacts", LinkKind::Owner, 0)),
        ),
        (
            "boards that tasks are linked with",
            followed::linked_records(&set, link, "boards", &own).unwrap_or_default(),
        ),
        (
            "notes that point to accounts",
            followed::pointing(&set, "accounts", &via("notes")).unwrap_or_default(),
        ),
        (
            "tasks that point to accounts",
            followed::pointing(&set, "accounts", &via("tasks")).unwrap_or_default(),
        ),
    ];
    let mut written = String::new();
    for (what, statements) in asked {
        assert!(!statements.is_empty(), "{what}");
        for Followed { sql, compared } in statements {
            written.push_str(&format!("{what}, by {compared:?}:\n{sql}\n\n"));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/row_policy/followed.md");
    let page = format!(
        "# What is asked of other rows\n\n```text\n{}\n```\n",
        written.trim_end()
    );
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page);
}

#[test]
fn keys_that_are_converted_to_be_compared_are_asked_row_by_row() {
    for (type_name, compared) in [
        ("pg_catalog.int2", Some(Compared::Integers)),
        ("pg_catalog.uuid", Some(Compared::Uuids)),
        ("pg_catalog.varchar", Some(Compared::Texts)),
        ("pg_catalog.bpchar", None),
        ("pg_catalog.numeric", None),
        ("public.citext", None),
    ] {
        assert_eq!(Compared::of(type_name), compared, "{type_name}");
    }
}
