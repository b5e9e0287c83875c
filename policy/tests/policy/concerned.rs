//! Whom a change of the directory concerns.

use celador_policy::directory::concerned::{Changed, Row, Topic, topics_in, topics_of};
use celador_policy::directory::{Facts, GroupNode, HeldRole};
use celador_policy::{Document, PolicySet, TableName, check};

use crate::schema_text::schema;

const TEXT: &str = r#"
[mapping]
schemas = ["crm"]
[mapping.users]
table = "people"
keys = { user = "id", badge = "badge" }
active = "active"
supervisor = "boss"
attributes = { region = "region" }
[mapping.memberships]
table = "people"
user = "id"
group = "team"
[mapping.modules.users]
table = "people"
[mapping.modules.contacts]
table = "contacts"
owner = "owner"
[permissions.seller.contacts]
read = ["own"]
[permissions.peer.contacts]
read = ["colleagues"]
[permissions.lead.contacts]
read = ["reports"]
"#;

fn policy() -> PolicySet {
    let tables = "
crm.people: id int8 pk, badge int4, active bool, boss int8, region text, team text
crm.contacts: id int8 pk, owner int8";
    let read = Document::from_toml(TEXT);
    let checked = read.and_then(|document| check(&document, TEXT, &schema(tables)));
    checked.unwrap_or_else(|problems| panic!("{problems}"))
}

fn row(values: &[&str]) -> Row {
    let value = |value: &&str| (*value != "-").then(|| (*value).to_owned());
    values.iter().map(value).collect()
}

/// What changes concern, as text; `None`: everybody.
fn concerned(
    table: &str,
    columns: &[&str],
    before: &[&[&str]],
    after: &[&[&str]],
) -> Option<String> {
    let policy = policy();
    let changed = Changed {
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        before: before.iter().map(|values| row(values)).collect(),
        after: after.iter().map(|values| row(values)).collect(),
    };
    let is_table = |of: &TableName| of.to_string().replace('"', "") == table;
    topics_in(&policy.directory, &is_table, &changed).map(|topics| format!("{topics:?}"))
}

const PEOPLE: [&str; 6] = ["id", "badge", "active", "boss", "region", "team"];

#[test]
fn changed_rows_concern() {
    let people =
        |before: &[&[&str]], after: &[&[&str]]| concerned("crm.people", &PEOPLE, before, after);
    let kim = ["7", "70", "t", "1", "north", "a"];
    let but = |at: usize, value: &'static str| {
        let mut changed = kim;
        changed[at] = value;
        changed
    };
    assert_eq!(people(&[], &[]).as_deref(), Some("{}"));
    // Others find people by their keys.
    assert_eq!(people(&[], &[&kim]), None);
    assert_eq!(people(&[&kim], &[&but(1, "71")]), None);
    for (at, value) in [(2, "f"), (4, "south"), (4, "-")] {
        let told = people(&[&kim], &[&but(at, value)]);
        assert_eq!(told.as_deref(), Some(r#"{Key("user", "7")}"#));
    }
    let told = people(&[&kim], &[&but(3, "2")]);
    assert_eq!(
        told.as_deref(),
        Some(r#"{Supervisor("1"), Supervisor("2")}"#)
    );
    let told = people(&[&kim], &[&but(5, "-")]);
    assert_eq!(told.as_deref(), Some(r#"{Key("user", "7"), Around("a")}"#));
    // Two who exchange their supervisors.
    let (mut lou, mut new_lou) = (kim, but(3, "1"));
    (lou[0], lou[3], new_lou[0]) = ("8", "2", "8");
    let told = people(&[&kim, &lou], &[&but(3, "2"), &new_lou]);
    assert_eq!(
        told.as_deref(),
        Some(r#"{Supervisor("1"), Supervisor("2")}"#)
    );
    // A column that the trigger doesn't watch, and a table that tells nothing.
    assert_eq!(
        concerned("crm.people", &PEOPLE[..3], &[&kim[..3]], &[]),
        None
    );
    assert_eq!(concerned("crm.contacts", &["id"], &[&["1"]], &[]), None);
}

#[test]
fn changed_rows_of_celadors_own_tables_concern() {
    let told = concerned(
        "celador.roles_held",
        &["user", "group", "role"],
        &[],
        &[&["7", "-", "seller"], &["-", "a", "lead"]],
    );
    assert_eq!(told.as_deref(), Some(r#"{Key("user", "7"), Member("a")}"#));
    let settings = |group| {
        concerned(
            "celador.setting_values",
            &["group", "setting", "value"],
            &[],
            &[&[group, "s", "t"]],
        )
    };
    assert_eq!(settings("a").as_deref(), Some(r#"{Above("a")}"#));
    assert_eq!(settings("-"), None);
    assert_eq!(
        concerned(
            "celador.groups",
            &["group", "name", "parent"],
            &[&["a", "A", "-"]],
            &[]
        ),
        None
    );
}

#[test]
fn topics_of_a_person() {
    let policy = policy();
    let told = |role: &str| {
        let facts = Facts {
            user: "7".to_owned(),
            keys: [("user", "7"), ("badge", "70")]
                .map(|(name, key)| (name.to_owned(), vec![key.to_owned()]))
                .into(),
            roles: vec![HeldRole {
                source: 0,
                value: role.to_owned(),
                group: None,
            }],
            groups: vec!["a".to_owned()],
            group_nodes: ["a", "top"]
                .map(|key| GroupNode {
                    key: key.to_owned(),
                    name: None,
                    parent: None,
                })
                .into(),
            reports: [("user".to_owned(), vec!["9".to_owned()])].into(),
            ..Facts::default()
        };
        let topics = topics_of(&policy, &facts);
        let own = [
            Topic::Key("badge", "70"),
            Topic::Key("user", "7"),
            Topic::Member("a"),
            Topic::Above("a"),
            Topic::Above("top"),
        ];
        assert!(own.iter().all(|topic| topics.contains(topic)));
        let more = topics.into_iter().filter(|topic| !own.contains(topic));
        format!("{:?}", more.collect::<Vec<_>>())
    };
    assert_eq!(told("seller"), "[]");
    assert_eq!(told("peer"), r#"[Around("a")]"#);
    assert_eq!(told("lead"), r#"[Supervisor("7"), Supervisor("9")]"#);
}
