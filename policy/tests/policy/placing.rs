//! Where tables end up, and what a CRM may lack.

use std::collections::BTreeSet;

use celador_policy::policy_set::{GrantScope, Placement};
use celador_policy::{Action, Document, PolicySet, Problems, TableName, check, check_again};

use crate::desk::{checked, policy};
use crate::schema_text::schema;

const TABLES: &str = "
crm.orders partitioned: id int8 pk, owner text
crm.orders_2025 under crm.orders: id int8 pk, owner text
crm.orders_2026 under crm.orders: id int8 pk, owner text
crm.log: id int8 pk, order_id int8 -> crm.orders
other.people: id text pk
";

fn placed(mapping: &str) -> Result<PolicySet, Problems> {
    let text = format!(
        "[mapping]\nschemas = [\"crm\"]\n{mapping}\n[mapping.modules.orders]\ntable = \"orders\"\nowner = \"owner\"\n"
    );
    let tables = if mapping.contains("# foreign") {
        TABLES.replace("crm.log:", "crm.log foreign:")
    } else {
        TABLES.to_owned()
    };
    Document::from_toml(&text).and_then(|document| check(&document, &text, &schema(&tables)))
}

fn place<'a>(set: &'a PolicySet, table: &str) -> &'a Placement {
    &set.tables[&TableName::new("crm", table)]
}

#[test]
fn a_partition_belongs_where_its_table_belongs_whatever_a_pattern_says() {
    let set = placed("open = [\"*\"]").expect("it fits");
    let orders = Placement::Module("orders".to_owned());
    assert_eq!(place(&set, "orders"), &orders);
    assert_eq!(place(&set, "orders_2025"), &orders);
    assert_eq!(place(&set, "log"), &Placement::Open);
    // Celador's own tables are never open.
    for (table, placement) in &set.tables {
        assert!(
            table.schema != "celador" || *placement != Placement::Open,
            "{table}"
        );
    }
}

#[test]
fn what_came_after_a_load_is_closed_when_the_document_is_checked_again() {
    let refused = placed("").expect_err("the log is placed nowhere");
    assert!(
        refused.to_string().contains("crm.log is not placed"),
        "{refused}"
    );
    let text = "[mapping]\nschemas = [\"crm\"]\n[mapping.modules.orders]\ntable = \"orders\"\nowner = \"owner\"\n";
    let document = Document::from_toml(text).expect("it is read");
    let set = check_again(&document, text, &schema(TABLES)).expect("it fits");
    assert_eq!(place(&set, "log"), &Placement::Closed);
    assert_eq!(
        place(&set, "orders_2025"),
        &Placement::Module("orders".to_owned())
    );
    // Anything else that is wrong still is.
    let wrong = text.replace("\"owner\"", "\"keeper\"");
    let document = Document::from_toml(&wrong).expect("it is read");
    assert!(check_again(&document, &wrong, &schema(TABLES)).is_err());
}

#[test]
fn what_is_closed_stays_closed() {
    let set = placed("open = [\"*\"]\nclosed = [\"l*\", \"orders_2025\"]").expect("it fits");
    assert_eq!(place(&set, "log"), &Placement::Closed);
    assert_eq!(place(&set, "orders_2025"), &Placement::Closed);
    assert_eq!(
        place(&set, "orders_2026"),
        &Placement::Module("orders".to_owned())
    );
}

#[test]
fn what_is_readable_is_neither_open_nor_closed() {
    let set = placed("open = [\"*\"]\nreadable = [\"l*\"]").expect("it fits");
    assert_eq!(place(&set, "log"), &Placement::Readable);
    let set = placed("closed = [\"log\"]\nreadable = [\"*\"]").expect("it fits");
    assert_eq!(place(&set, "log"), &Placement::Closed);
    // A pattern never reaches what something said more of, nor what inherits from it.
    let orders = Placement::Module("orders".to_owned());
    assert_eq!(place(&set, "orders_2025"), &orders);
    for (table, placement) in &set.tables {
        assert!(
            table.schema != "celador" || *placement != Placement::Readable,
            "{table}"
        );
    }
    assert!(placed("readable = [\"log\"] # foreign").is_err());
}

#[test]
fn children_hang_on_children_to_any_depth() {
    let set = policy("");
    let child = |table: &str| {
        let Placement::Child {
            module,
            column,
            above,
            key,
        } = place(&set, table)
        else {
            panic!("{table} is no child");
        };
        (
            module.clone(),
            column.name.clone(),
            above.as_ref().map(|above| above.name.clone()),
            key.as_ref().map(|key| key.name.clone()),
        )
    };
    let text = |text: &str| Some(text.to_owned());
    let boards = || "boards".to_owned();
    // The key is the primary key unless the mapping says otherwise.
    assert_eq!(
        child("board_lines"),
        (boards(), "board".to_owned(), None, text("id"))
    );
    assert_eq!(
        child("line_marks"),
        (boards(), "line".to_owned(), text("board_lines"), text("id"))
    );
    assert_eq!(
        child("mark_notes"),
        (boards(), "mark".to_owned(), text("line_marks"), None)
    );
}

#[test]
fn a_value_with_type_and_key_names_one_record() {
    let set = policy("");
    let [parent] = set.modules["letters"].parents.as_slice() else {
        panic!("one parent");
    };
    for (value, found) in [
        ("a,12", Some(("accounts", "12"))),
        ("b,12", Some(("boards", "12"))),
        ("a,", Some(("accounts", ""))),
        ("a,1,2", Some(("accounts", "1,2"))),
        ("a", None),
        ("a12", None),
        ("A,12", None),
        ("c,12", None),
        (" a,12", None),
        (",12", None),
        ("", None),
    ] {
        assert_eq!(parent.record(value, None), found, "{value:?}");
    }
    // What another column says is no matter here, and all that matters where the type has its own.
    assert_eq!(parent.record("12", Some("a")), None);
    let [parent] = set.modules["notes"].parents.as_slice() else {
        panic!("one parent");
    };
    assert_eq!(parent.record("12", Some("a")), Some(("accounts", "12")));
    assert_eq!(parent.record("a,12", None), None);
    assert_eq!(parent.record("12", Some("c")), None);
}

#[test]
fn x_6_a_table_that_nobody_placed_stops_the_load() {
    for (mapping, message) in [
        (
            "",
            "table crm.log is not placed; its foreign keys lead to crm.orders (module orders)",
        ),
        ("closed = [\"log\"] # foreign", "crm.log is a foreign table"),
        (
            "open = [\"log\", \"orders_2025\"]",
            "crm.orders_2025 is placed twice",
        ),
        (
            "closed = [\"log\"]\n[mapping.users]\ntable = \"other.people\"\nkeys = { user = \"id\" }",
            "the directory is read from other.people, which is not placed",
        ),
    ] {
        let problems = placed(mapping).expect_err(mapping);
        assert!(
            problems.to_string().contains(message),
            "{mapping}: {problems}"
        );
    }
    assert!(placed("open = [\"log\"] # foreign").is_ok());
}

#[test]
fn a_mapping_lists_its_schemas() {
    let text = "[mapping.modules.people]\ntable = \"other.people\"\n";
    let document = Document::from_toml(text).expect("a document");
    let problems = check(&document, text, &schema(TABLES)).expect_err("no schemas");
    assert!(
        problems.to_string().contains("no schema is listed"),
        "{problems}"
    );
}

#[test]
fn what_shows_the_rows_of_a_protected_table_is_not_open() {
    let text = "[mapping]\nschemas = [\"crm\"]\nopen = [\"orders\", \"log\", \"orders_2025\"]\n\
                [mapping.modules.late]\ntable = \"orders_2026\"\n";
    let document = Document::from_toml(text).expect("a document");
    let problems = check(&document, text, &schema(TABLES)).expect_err("open above a module");
    assert!(
        problems
            .to_string()
            .contains("crm.orders is open, and shows the rows of crm.orders_2026")
    );
}

#[test]
fn what_the_crm_lacks_is_reported_and_grants_nothing() {
    let set = policy(
        "[permissions.r.gone]\nread = ['all']\n\
         [permissions.r.accounts]\nread = [{ scope = 'related', module = 'missing' }]\n\
         [permissions.r.accounts.fields]\nnick = { clear = ['own'] }\n\
         [fields.accounts.nick]\nrenderings = ['clear']\n\
         [fields.accounts.phone]\nrenderings = ['clear']\n\
         [rules.x]\nabsent = 'id = 1'\n\
         [restrictions.x]\nmodule = 'nowhere'\n\
         [roles.a]\n[settings.s]\nset_by = ['a']\n",
    );
    let expected = [
        "gone",
        "missing",
        "accounts.nick",
        "accounts.phone",
        "absent",
        "nowhere",
    ];
    assert_eq!(set.unmapped, BTreeSet::from(expected.map(str::to_owned)));
    assert_eq!(set.grants("r", "accounts", Action::Read), []);
    assert!(set.restrictions["x"].modules.is_empty());
    let rule = GrantScope::Rule("setting:s".to_owned());
    assert_eq!(set.grants("a", "settings", Action::Update)[0].scope, rule);
}

#[test]
fn keys_of_several_tables_name_no_record_unless_the_mapping_says_so() {
    let tables = "crm.a: id int8 pk, owner text\ncrm.b: id int8 pk, owner text\n";
    for (key, known) in [("", false), ("key = \"id\"\n", true)] {
        let text = format!(
            "[mapping]\nschemas = [\"crm\"]\n[mapping.modules.m]\ntable = [\"a\", \"b\"]\nowner = \"owner\"\n{key}"
        );
        let document = Document::from_toml(&text).expect("a document");
        let set = check(&document, &text, &schema(tables)).expect("it fits");
        assert_eq!(set.modules["m"].key.is_some(), known);
    }
}

#[test]
fn a_checked_policy_reads_back_from_json() {
    let set = policy(
        "[permissions.a.accounts]\nread = ['own', { scope = 'related', scopes = ['created'], module = 'notes' }]\n",
    );
    let json = serde_json::to_string(&set).expect("it is written");
    assert_eq!(
        serde_json::from_str::<PolicySet>(&json).expect("it is read"),
        set
    );
    assert!(checked("[permissions.a.accounts]\nread = []\n").is_ok());
}

#[test]
fn a_table_that_modules_share_has_a_part_for_each() {
    let set = policy("");
    let parts = |table: &str| -> Vec<(String, String)> {
        let Placement::Parts(parts) = place(&set, table) else {
            panic!("{table} is in one place");
        };
        parts
            .iter()
            .map(|part| {
                let modules: Vec<&str> = part.place.modules().into_iter().collect();
                (part.rows.sql("r."), modules.join(" "))
            })
            .collect()
    };
    let kind = |kind: &str, module: &str| {
        let sql =
            format!("((r.\"kind\" OPERATOR(pg_catalog.=) '{kind}'::pg_catalog.text) IS TRUE)");
        (sql, module.to_owned())
    };
    let both = [kind("c", "calls"), kind("t", "tasks")];
    assert_eq!(parts("item_teams"), both);
    assert_eq!(parts("item_files"), both);
    let modules: Vec<String> = parts("entries").into_iter().map(|part| part.1).collect();
    assert_eq!(modules, ["products", "projects"]);
    assert_eq!(place(&set, "entries").holds(), ["products", "projects"]);
    assert!(place(&set, "item_files").holds().is_empty());
    // What hangs on a shared child hangs on it once, whatever that one hangs on.
    let Placement::Child { above, .. } = place(&set, "file_pages") else {
        panic!("pages are children");
    };
    assert_eq!(above.as_ref(), Some(&TableName::new("crm", "item_files")));
}

#[test]
fn keys_may_be_filled_up_with_blanks_and_of_no_other_type() {
    for (type_name, fits) in [
        ("bpchar", true),
        ("varchar", true),
        ("numeric", false),
        ("char", false),
    ] {
        let tables = TABLES.replace("owner text", &format!("owner {type_name}"));
        let text = "[mapping]\nschemas = [\"crm\"]\nclosed = [\"log\"]\n[mapping.modules.orders]\ntable = \"orders\"\nowner = \"owner\"\n";
        let document = Document::from_toml(text).expect("a document");
        assert_eq!(
            check(&document, text, &schema(&tables)).is_ok(),
            fits,
            "{type_name}"
        );
    }
}
