//! S3.9: a change is simulated before it goes live, and a statement as anybody would see it.

mod desk;

use std::collections::BTreeMap;

use celador_tests::{Database, denied, failure, sees};
use desk::{MATRIX, desk, document, ids, number, picture, run, text};
use postgres::Client;

fn simulate(client: &mut Client, user: &str, sql: &str) -> Vec<String> {
    try_simulate(client, user, sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

fn try_simulate(
    client: &mut Client,
    user: &str,
    sql: &str,
) -> Result<Vec<String>, postgres::Error> {
    let rows = client.query("SELECT celador.simulate($1, $2)::text", &[&user, &sql])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A login that may simulate, with the rights of the people.
fn auditor(database: &Database) -> Client {
    database.ensure_login("sim_auditor", "IN ROLE desk_people");
    database.run(
        "GRANT EXECUTE ON FUNCTION celador.simulate(text, text), celador.simulate_policy(text, text[]) TO sim_auditor",
    );
    database.login("sim_auditor")
}

#[test]
fn s3_9_a_query_is_seen_as_the_person_sees_it() {
    let database = desk();
    let mut auditor = auditor(&database);
    let cases = "SELECT id, title FROM cases ORDER BY id";
    assert_eq!(
        simulate(&mut auditor, "2", cases),
        [r#"{"id": 2, "title": "of bea"}"#]
    );
    sees(&database, "desk_bea", "cases", "id = 2");
    assert_eq!(simulate(&mut auditor, "1", cases).len(), 6);
    // The caller is nobody still.
    denied(auditor.query("SELECT id FROM cases", &[]));
    // A superuser reads as the person's login does, not as a superuser.
    assert_eq!(
        simulate(&mut database.superuser(), "2", cases),
        [r#"{"id": 2, "title": "of bea"}"#]
    );
    assert_eq!(
        simulate(&mut auditor, "2", "SELECT 12345678901234567890.123 AS n; "),
        [r#"{"n": 12345678901234567890.123}"#]
    );
    // How it would be planned: not run.
    run(
        &mut database.superuser(),
        "GRANT EXECUTE ON FUNCTION celador.simulate_plan(text, text) TO sim_auditor",
    );
    let plan = text(
        &mut auditor,
        "SELECT string_agg(line, ' ') FROM celador.simulate_plan('2', 'DELETE FROM cases') AS line",
    )
    .expect("a plan");
    assert!(
        plan.contains("Delete on cases") && !plan.contains("cost="),
        "{plan}"
    );
    let refused = failure(try_simulate(&mut auditor, "5", "SELECT 1"));
    assert!(refused.message.contains("deactivated"), "{refused:?}");
    assert!(
        failure(try_simulate(&mut auditor, "99", "SELECT 1"))
            .message
            .contains("there is no user")
    );
}

#[test]
fn s3_9_writes_are_tried_and_rolled_back() {
    let database = desk();
    let mut auditor = auditor(&database);
    let before = picture(&database);
    let rows = |database: &Database| {
        text(
            &mut database.superuser(),
            "SELECT string_agg(c::text, ',' ORDER BY id) FROM cases AS c",
        )
    };
    let stored = rows(&database);
    assert_eq!(
        simulate(&mut auditor, "2", "UPDATE cases SET note = 'x'"),
        [r#"{"rows": 1, "command": "UPDATE"}"#]
    );
    assert_eq!(
        simulate(&mut auditor, "1", "DELETE FROM cases WHERE id > 4"),
        [r#"{"rows": 2, "command": "DELETE"}"#]
    );
    let denied_write = simulate(
        &mut auditor,
        "2",
        "UPDATE cases SET owner_id = 4 WHERE id = 2",
    );
    assert!(
        denied_write[0].contains("\"denied\"") && denied_write[0].contains("assignment"),
        "{denied_write:?}"
    );
    let forged = simulate(
        &mut auditor,
        "2",
        "INSERT INTO cases (id, title, owner_id) VALUES (70, 'x', 4)",
    );
    assert!(forged[0].contains("row-level security"), "{forged:?}");
    // Another error is an error.
    let twice = failure(try_simulate(
        &mut auditor,
        "2",
        "INSERT INTO cases (id, title, owner_id) VALUES (1, 'x', 2)",
    ));
    assert_eq!(twice.code, "23505");
    assert_eq!(rows(&database), stored);
    assert_eq!(picture(&database), before);
}

#[test]
fn s3_9_nothing_gets_out_of_a_simulation() {
    let database = desk();
    run(
        &mut database.superuser(),
        "CREATE FUNCTION public.tries(sql text) RETURNS text LANGUAGE plpgsql AS
           $$ BEGIN EXECUTE sql; RETURN 'done'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$;
         CREATE SEQUENCE public.counted;
         GRANT ALL ON SEQUENCE public.counted TO PUBLIC;
         GRANT desk_owner TO desk_people",
    );
    let mut auditor = auditor(&database);
    // One statement that queries or writes.
    for sql in [
        "SELECT 1; SELECT 2",
        "",
        "COMMIT",
        "SET ROLE desk_owner",
        "CREATE TABLE sim_left (id int)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "NOTIFY x",
        "LISTEN x",
        "DO $$ BEGIN NULL; END $$",
        "COPY cases TO STDOUT",
        "CALL nothing()",
        "EXPLAIN ANALYZE SELECT 1",
    ] {
        let refused = failure(try_simulate(&mut auditor, "2", sql));
        assert_eq!(refused.code, "0A000", "{sql}: {refused:?}");
    }
    // Reading is read-only.
    for sql in [
        "SELECT nextval('counted')",
        "SELECT 1 INTO sim_left",
        "WITH w AS (DELETE FROM cases RETURNING id) SELECT * FROM w",
        "SELECT id FROM cases FOR UPDATE",
    ] {
        let refused = failure(try_simulate(&mut auditor, "1", sql));
        assert_eq!(refused.code, "25006", "{sql}: {refused:?}");
    }
    // Nor does a function get out.
    for sql in [
        "SET transaction_read_only = off",
        "SET ROLE desk_owner",
        "SET SESSION AUTHORIZATION desk_ann",
        "SELECT celador.end_identity()",
        "SELECT celador.simulate(''1'', ''SELECT 1'')",
        "CREATE TEMP TABLE sim_left (id int)",
        "LISTEN sim",
        "PREPARE sim_left AS SELECT 1",
        "DELETE FROM cases",
        "COMMIT",
        "DISCARD ALL",
    ] {
        let told = simulate(&mut auditor, "2", &format!("SELECT tries('{sql}') AS told"));
        assert!(!told[0].contains("done"), "{sql}: {told:?}");
    }
    // An identity that is ended within is lent on.
    assert_eq!(
        simulate(
            &mut auditor,
            "2",
            "SELECT id FROM cases WHERE tries('RESET celador.identity') = 'done'"
        ),
        [r#"{"id": 2}"#]
    );
    // What it leaves in the session goes.
    simulate(&mut auditor, "2", "SELECT pg_advisory_lock(42)");
    simulate(
        &mut auditor,
        "2",
        "SELECT set_config('work_mem', '77MB', false)",
    );
    assert_eq!(
        number(
            &mut database.superuser(),
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        0
    );
    assert_ne!(text(&mut auditor, "SHOW work_mem").as_deref(), Some("77MB"));
    run(&mut auditor, "SELECT pg_advisory_lock(42)");
    let refused = failure(try_simulate(&mut auditor, "2", "SELECT 1"));
    assert!(refused.message.contains("advisory"), "{refused:?}");
    run(&mut auditor, "SELECT pg_advisory_unlock(42)");
    // Whoever is signed in is signed in still, and may sign out.
    run(
        &mut database.superuser(),
        "GRANT EXECUTE ON FUNCTION celador.simulate(text, text) TO desk_dan",
    );
    let mut dan = database.login("desk_dan");
    assert_eq!(ids(&mut dan, "SELECT id FROM cases"), [4]);
    assert_eq!(
        simulate(&mut dan, "2", "SELECT id FROM cases"),
        [r#"{"id": 2}"#]
    );
    assert!(try_simulate(&mut dan, "2", "SELECT 1/0").is_err());
    assert_eq!(ids(&mut dan, "SELECT id FROM cases"), [4]);
    run(&mut dan, "SELECT celador.end_identity()");
}

#[test]
fn s3_9_it_has_the_callers_rights_and_not_more() {
    let database = desk();
    let mut auditor = auditor(&database);
    run(
        &mut database.superuser(),
        "CREATE TABLE elsewhere.safe (id int); INSERT INTO elsewhere.safe VALUES (1)",
    );
    denied(try_simulate(
        &mut auditor,
        "1",
        "SELECT * FROM elsewhere.safe",
    ));
    // Nobody simulates unless granted.
    let mut ann = database.login("desk_ann");
    denied(try_simulate(&mut ann, "2", "SELECT 1"));
    denied(ann.query("SELECT * FROM celador.simulate_policy('')", &[]));
    // A superuser says as which role, where the person has no login.
    let mut superuser = database.superuser();
    run(&mut superuser, "UPDATE users SET login = NULL WHERE id = 2");
    let refused = failure(try_simulate(&mut superuser, "2", "SELECT id FROM cases"));
    assert!(refused.hint.contains("SET ROLE"), "{refused:?}");
    run(
        &mut superuser,
        "GRANT EXECUTE ON FUNCTION celador.simulate(text, text) TO desk_people; SET ROLE desk_people",
    );
    assert_eq!(
        simulate(&mut superuser, "2", "SELECT id FROM cases"),
        [r#"{"id": 2}"#]
    );
    // From within, there is no way back to the superuser.
    run(
        &mut superuser,
        "RESET ROLE;
         CREATE FUNCTION public.climbs() RETURNS text LANGUAGE plpgsql AS
           $$ BEGIN RESET ROLE; RETURN current_user; EXCEPTION WHEN OTHERS THEN RETURN 'refused'; END $$;
         SET ROLE desk_people",
    );
    assert_eq!(
        simulate(&mut superuser, "2", "SELECT climbs() AS told"),
        [r#"{"told": "refused"}"#]
    );
}

#[test]
fn s3_9_a_panic_in_a_simulation_is_an_error() {
    let database = desk();
    let mut superuser = database.superuser();
    run(&mut superuser, "SET celador.panic_in = 'simulate'");
    assert_eq!(
        failure(try_simulate(&mut superuser, "2", "SELECT 1")).code,
        "XX000"
    );
    run(&mut superuser, "RESET celador.panic_in");
    assert_eq!(simulate(&mut superuser, "2", "SELECT 1 AS n").len(), 1);
}

type Simulated = BTreeMap<(String, String, String), (i64, i64)>;

fn simulated(client: &mut Client, document: &str) -> Simulated {
    client
        .query("SELECT * FROM celador.simulate_policy($1)", &[&document])
        .unwrap_or_else(|error| panic!("{error:?}"))
        .iter()
        .map(|row| {
            (
                (row.get(0), row.get(1), row.get(2)),
                (row.get(3), row.get(4)),
            )
        })
        .collect()
}

/// How many rows a login reaches by a statement that is rolled back; denied are none.
fn reached(client: &mut Client, sql: &str) -> i64 {
    let mut transaction = client.transaction().expect("a transaction begins");
    match transaction.execute(sql, &[]) {
        Ok(rows) => rows as i64,
        Err(error) => {
            let code = error.code().map(|code| code.code().to_owned());
            assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error:?}");
            0
        }
    }
}

#[test]
fn s3_9_the_counts_are_those_after_the_load() {
    let database = desk();
    let next = document(
        &MATRIX
            .replace(
                "read = [\"own\", \"shared\"]",
                "read = [\"reports\", \"group\"]",
            )
            .replace("delete = [\"own\"]", "delete = [\"group\"]")
            .replace(
                "claim = [\"unassigned\"]",
                "read = [\"unassigned\"]\nupdate = [\"own\"]",
            )
            .replacen(
                "read = [\"own\", { scope = \"group\", when = \"open_team\" }]\n",
                "",
                1,
            ),
    );
    let before_load = picture(&database);
    let told = simulated(&mut database.superuser(), &next);
    assert_eq!(picture(&database), before_load);
    let logins = [
        ("1", "desk_ann"),
        ("2", "desk_bea"),
        ("3", "desk_cem"),
        ("4", "desk_dan"),
    ];
    let tables = [
        ("cases", "title"),
        ("lines", "text"),
        ("docs", "title"),
        ("doc_people", "doc_id"),
        ("visits", "note"),
        ("boards", "name"),
        ("users", "region"),
        ("roles", "role"),
    ];
    let count = |database: &Database, side: fn(&(i64, i64)) -> i64| {
        let mut differ = Vec::new();
        for (user, login) in logins {
            let mut client = database.login(login);
            for (table, column) in tables {
                for (action, sql) in [
                    ("read", format!("SELECT FROM {table}")),
                    ("update", format!("UPDATE {table} SET {column} = {column}")),
                ] {
                    let key = (
                        format!("public.{table}"),
                        user.to_owned(),
                        action.to_owned(),
                    );
                    let found = reached(&mut client, &sql);
                    let expected = told.get(&key).map(side);
                    if expected != Some(found) {
                        differ.push(format!("{key:?}: told {expected:?}, found {found}"));
                    }
                }
            }
            let key = (
                "public.visits".to_owned(),
                user.to_owned(),
                "delete".to_owned(),
            );
            let found = reached(&mut client, "DELETE FROM visits WHERE id > 0");
            assert_eq!(told.get(&key).map(side), Some(found), "{key:?}");
        }
        assert_eq!(differ, Vec::<String>::new());
    };
    count(&database, |(before, _)| *before);
    database.load(&next);
    count(&database, |(_, after)| *after);
    // Something differs, or the test says nothing.
    assert!(told.values().any(|(before, after)| before < after));
    assert!(told.values().any(|(before, after)| before > after));
    // Partitions are counted with their table, and whoever isn't active isn't there.
    assert!(
        told.keys()
            .all(|(table, user, _)| table != "public.visits_old" && user != "5")
    );
}

#[test]
fn s3_9_people_are_chosen_and_a_wrong_document_is_refused() {
    let database = desk();
    let mut superuser = database.superuser();
    let rows = number(
        &mut superuser,
        "SELECT count(DISTINCT \"user\") FROM celador.simulate_policy(celador.export_policy(), ARRAY['2', '4'])",
    );
    assert_eq!(rows, 2);
    // Before the first load everything is open.
    let bare = desk::bare();
    let told = simulated(&mut bare.superuser(), &document(MATRIX));
    let key = |action: &str| ("public.cases".to_owned(), "2".to_owned(), action.to_owned());
    assert_eq!(told[&key("read")], (6, 1));
    assert_eq!(told[&key("delete")], (6, 1));
    let wrong =
        failure(superuser.query("SELECT * FROM celador.simulate_policy('[nonsense]')", &[]));
    assert_eq!(wrong.code, "22023", "{wrong:?}");
    run(&mut superuser, "SET statement_timeout = '1ms'");
    let slow = failure(superuser.query(
        "SELECT * FROM celador.simulate_policy(celador.export_policy())",
        &[],
    ));
    assert_eq!(slow.code, "57014", "{slow:?}");
}
