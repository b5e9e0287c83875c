//! Discovery: held against what people have written of the same CRMs by hand.

use std::collections::BTreeSet;
use std::io::Write as _;

use celador_policy::Document;
use celador_tests::acceptance::Crm;
use celador_tests::facts::{Facts, compared, facts, missing};
use celador_tests::{Database, failure, text};
use postgres::Client;

fn mapping(client: &mut Client) -> String {
    client
        .query_one("SELECT celador.discover_mapping('public')", &[])
        .unwrap_or_else(|error| panic!("a mapping is proposed: {error:?}"))
        .get(0)
}

/// The facts that are proposed as certain: `relation`, `what`, `value`.
fn certain(client: &mut Client) -> Vec<(String, String, String)> {
    let sql = "SELECT substr(relation, 8), what, value FROM celador.discover('public') WHERE certainty = 'certain'";
    let rows = client.query(sql, &[]).expect("guesses are proposed");
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

fn tables(client: &mut Client) -> Vec<String> {
    let sql = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace";
    let rows = client.query(sql, &[]).expect("the catalog can be read");
    rows.iter().map(|row| row.get(0)).collect()
}

fn facts_of(document: &str, tables: &[String]) -> Facts {
    let document = Document::from_toml(document).unwrap_or_else(|problems| panic!("{problems}"));
    facts(&document.mapping, tables)
}

/// At least four fifths of what `by_hand` says is proposed; no owner is certain that it doesn't say;
/// and what is proposed can be loaded as it stands, alone and with presets.
fn holds(name: &str, database: &Database, by_hand: &str, presets: &[&str]) {
    let mut client = database.superuser();
    let proposed = mapping(&mut client);
    assert_eq!(proposed, mapping(&mut client), "{name}: equal texts");
    let tables = tables(&mut client);
    let said = facts_of(by_hand, &tables);
    let found = facts_of(&proposed, &tables);
    let (recall, lines) = compared(&said, &found);
    // Not println: the harness would keep it to itself.
    let _ = writeln!(std::io::stderr(), "{name}\n{lines}");
    assert!(
        recall >= 0.8,
        "{name}: {recall}\n{}",
        missing(&said, &found)
    );
    let owners = said.get("owner").cloned().unwrap_or_default();
    for (relation, what, value) in certain(&mut client) {
        let fact = format!("{relation}: {value}");
        assert!(
            what != "owner" || owners.contains(&fact),
            "{name}: {fact} is no owner, and certain"
        );
    }
    let mut documents = vec![proposed.clone()];
    documents.extend(presets.iter().map(|preset| {
        format!(
            "{proposed}\n{}",
            text(&format!("sql/presets/{preset}.toml"))
        )
    }));
    for document in documents {
        let planned = client.query("SELECT * FROM celador.plan_policy($1)", &[&document]);
        planned.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

const PRESETS: [&str; 5] = [
    "s0-groups",
    "s1-matrix",
    "s2-owner-member",
    "s3-levels",
    "s4-groups-agents",
];

#[test]
fn the_sample_is_discovered() {
    holds(
        "sample",
        &Database::sample(),
        &text("sql/crm/mapping.toml"),
        &PRESETS,
    );
}

#[test]
fn bottlecrm_is_discovered() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    // The first preset lets people create by the group that a record has from the start; here groups
    // are in link tables, and the mapping by hand can't have that preset either.
    holds(
        "bottlecrm",
        &crm.unprotected(),
        &text("tests/crm/bottlecrm.toml"),
        &PRESETS[1..],
    );
}

#[test]
fn tryton_is_discovered() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    holds(
        "tryton",
        &crm.unprotected(),
        &text("tests/crm/tryton.toml"),
        &PRESETS,
    );
}

fn made(name: &str) -> Database {
    let database = Database::empty();
    database.run(&text(&format!("tests/discover/{name}.sql")));
    database
}

#[test]
fn other_conventions_are_discovered() {
    for name in ["desk", "suite", "plain"] {
        let by_hand = text(&format!("tests/discover/{name}.toml"));
        holds(name, &made(name), &by_hand, &PRESETS[1..]);
    }
}

#[test]
fn nothing_is_certain_without_foreign_keys() {
    let database = made("plain");
    let proved: BTreeSet<String> = certain(&mut database.superuser())
        .into_iter()
        .map(|(_, what, _)| what)
        .collect();
    // A boolean called is_active is one, whatever refers to what.
    assert_eq!(proved, BTreeSet::from(["users.active".to_owned()]));
}

/// A role whose names everywhere are the test's own.
fn reader(database: &Database, role: &str) {
    database.run(&format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA celador, public TO {role}"
    ));
}

#[test]
fn values_are_read_with_the_rights_of_whoever_asks() {
    let database = made("desk");
    reader(&database, "discover_reader");
    let refused = failure(
        database
            .login("discover_reader")
            .query("SELECT * FROM celador.discover('public')", &[]),
    );
    assert_eq!(refused.code, "42501", "{refused:?}");
    database.run("GRANT EXECUTE ON FUNCTION celador.discover(text[]), celador.discover_mapping(text[]) TO discover_reader");
    let given = |client: &mut Client| {
        let sql = "SELECT count(*) FROM celador.discover('public') WHERE what = 'roles_held.map'";
        client
            .query_one(sql, &[])
            .expect("guesses are proposed")
            .get::<_, i64>(0)
    };
    let mut client = database.login("discover_reader");
    assert_eq!(given(&mut client), 0);
    // One of the two columns isn't enough; rows that are hidden aren't looked for.
    database.run("GRANT SELECT (id) ON roles TO discover_reader");
    assert_eq!(given(&mut client), 0);
    database.run(
        "GRANT SELECT ON roles TO discover_reader; ALTER TABLE roles ENABLE ROW LEVEL SECURITY",
    );
    assert_eq!(given(&mut client), 0);
    database.run("ALTER TABLE roles DISABLE ROW LEVEL SECURITY");
    assert_eq!(given(&mut client), 2);
    assert_eq!(given(&mut database.superuser()), 2);
    drop(client);
    database.run("DROP OWNED BY discover_reader; DROP ROLE discover_reader");
}

#[test]
fn it_runs_nobodys_code_and_changes_nothing() {
    let database = made("desk");
    database.run(
        "CREATE TYPE mood AS ENUM ('admin', 'odd');
         CREATE FUNCTION public.told(mood) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'my code ran'; END$$;
         CREATE CAST (mood AS text) WITH FUNCTION public.told(mood) AS ASSIGNMENT;
         ALTER TABLE users ADD COLUMN role mood DEFAULT 'admin'",
    );
    let mut client = database.superuser();
    client.batch_execute("BEGIN READ ONLY").unwrap();
    let sql = "SELECT value FROM celador.discover('public') WHERE what = 'roles_held.map' AND relation = 'public.users'";
    let rows = client.query(sql, &[]).expect("labels are in the catalog");
    let values: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(values, ["admin = administrator"]);
    mapping(&mut client);
}

#[test]
fn names_cant_break_out_of_the_text() {
    let database = made("desk");
    database.run(
        "CREATE TABLE \"x\n[mapping.users]\ntable = \"\"countries\"\" #\" (id bigint PRIMARY KEY);
         CREATE TABLE \"a\"\"b']\" (id bigint PRIMARY KEY, \"owner_id\" bigint REFERENCES users);
         CREATE TABLE \"dotted.name\" (id bigint PRIMARY KEY)",
    );
    let mut client = database.superuser();
    let proposed = mapping(&mut client);
    let document =
        Document::from_toml(&proposed).unwrap_or_else(|problems| panic!("{problems}\n{proposed}"));
    assert_eq!(
        document.mapping.users.expect("people are found").table,
        "users"
    );
    assert!(
        document
            .mapping
            .closed
            .iter()
            .any(|table| table == "public.dotted.name")
    );
    client
        .query("SELECT * FROM celador.plan_policy($1)", &[&proposed])
        .unwrap_or_else(|error| panic!("{error:?}\n{proposed}"));
}

#[test]
fn a_schema_without_tables_is_an_error() {
    let database = Database::empty();
    let refused = failure(
        database
            .superuser()
            .query("SELECT celador.discover_mapping('nowhere')", &[]),
    );
    assert_eq!(refused.code, "3F000", "{refused:?}");
    assert!(
        refused.message.contains("schema \"nowhere\" has no tables"),
        "{refused:?}"
    );
}

#[test]
fn several_schemas_are_written_with_their_names() {
    let database = made("desk");
    database.run("CREATE SCHEMA billing; CREATE TABLE billing.invoices (id bigint PRIMARY KEY, owner_id bigint REFERENCES users)");
    let mut client = database.superuser();
    let proposed: String = client
        .query_one("SELECT celador.discover_mapping('public', 'billing')", &[])
        .expect("a mapping is proposed")
        .get(0);
    assert!(
        proposed.contains("table = \"billing.invoices\""),
        "{proposed}"
    );
    client
        .query("SELECT * FROM celador.plan_policy($1)", &[&proposed])
        .unwrap_or_else(|error| panic!("{error:?}"));
}
