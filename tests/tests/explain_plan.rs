//! `celador.explain_plan`: a plan, and how it came about.

mod desk;

use celador_tests::{Database, denied, failure, folds};
use desk::run;
use postgres::Client;

const MATRIX: &str = r#"
[permissions.seller]
docs = { read = ["own"] }
cases = { read = ["own", "rule:spanish"] }
[permissions.administrator]
"*" = { "*" = ["all"] }
[rules.spanish]
cases = "country = 'ES'"
"#;

fn staged() -> Database {
    let database = desk::bare();
    database.ensure_login("plan_reader", "IN ROLE desk_people");
    database.run(
        "SET ROLE desk_owner;
         CREATE INDEX cases_prefix ON cases (title text_pattern_ops);
         RESET ROLE; ANALYZE",
    );
    database.load(&format!("{}\n{MATRIX}", desk::MAPPING));
    database.run(
        "GRANT USAGE ON SCHEMA celador TO plan_reader;
         GRANT EXECUTE ON FUNCTION celador.explain_plan(text, text) TO plan_reader",
    );
    database
}

/// The lines, each as `kind | relation | condition | result`.
fn explained(session: &mut Client, user: &str, sql: &str) -> Result<Vec<String>, postgres::Error> {
    let lines = session.query(
        "SELECT concat_ws(' | ', kind, relation, condition, result) FROM celador.explain_plan($1, $2)",
        &[&user, &sql],
    )?;
    Ok(lines.iter().map(|line| line.get(0)).collect())
}

#[track_caller]
fn tells(session: &mut Client, user: &str, sql: &str, expected: &str) {
    let lines = explained(session, user, sql).expect("it is explained");
    assert!(
        lines.iter().any(|line| line.contains(expected)),
        "{expected}\n{}",
        lines.join("\n")
    );
}

#[test]
fn what_the_policy_became_stands_beside_the_plan() {
    if !folds() {
        return;
    }
    let database = staged();
    let mut reader = database.login("plan_reader");
    let cases = "SELECT title FROM cases";
    let owner = "policy | public.cases | celador.owner_in_reach('cases'::text, 'read'::text, 'user'::text, owner_id) | ";
    tells(
        &mut reader,
        "2",
        cases,
        "Filter: ((owner_id = 2) OR (country = 'ES'::text))",
    );
    tells(&mut reader, "2", cases, &format!("{owner}(owner_id = 2)"));
    tells(
        &mut reader,
        "2",
        cases,
        "| celador.all_in_reach('cases'::text, 'read'::text) | false",
    );
    tells(
        &mut reader,
        "1",
        cases,
        "| celador.all_in_reach('cases'::text, 'read'::text) | true",
    );
    // As often as it is asked for: a plan that was kept would tell nothing.
    for _ in 0..3 {
        tells(&mut reader, "2", cases, &format!("{owner}(owner_id = 2)"));
    }
    // A link, and where it stands.
    let docs = "SELECT title FROM docs";
    tells(
        &mut reader,
        "2",
        docs,
        "| (EXISTS (SELECT true FROM doc_people r WHERE ((r.doc_id = docs.id) AND (r.user_id = 2))))",
    );
    tells(&mut reader, "2", docs, "sub-selects | they stand in WHERE");
    tells(
        &mut reader,
        "2",
        "SELECT title FROM docs WHERE 1 / length(title) > 0",
        "sub-selects | they stay with their tables",
    );
    // What is written.
    tells(
        &mut reader,
        "1",
        "UPDATE cases SET title = title",
        "| celador.all_in_reach('cases'::text, 'update'::text) | true",
    );
    run(&mut reader, "SET celador.fold = off");
    tells(&mut reader, "2", cases, "setting | celador.fold | off");
    assert!(
        explained(&mut reader, "2", cases)
            .expect("lines")
            .iter()
            .all(|line| !line.starts_with("policy"))
    );
}

#[test]
fn why_a_search_may_use_an_index_or_not() {
    let database = staged();
    let mut reader = database.login("plan_reader");
    run(&mut reader, "SET enable_seqscan = off");
    let search = |condition: &str| format!("SELECT id FROM cases WHERE {condition}");
    let mut tells = |condition: &str, expected: &str| {
        tells(&mut reader, "2", &search(condition), expected);
    };
    tells(
        "title LIKE 'far%'",
        "search | public.cases | (title ~~ 'far%'::text) | may find rows by index cases_prefix",
    );
    tells("id = 7", "| (id = 7) | may find rows by index cases_pkey");
    tells(
        "title LIKE 'far\\'",
        "function textlike could fail on what it compares with",
    );
    tells(
        "1 / id = 0",
        "function int4div could fail, or tell of a hidden row",
    );
    tells("country || 'x' = 'y'", "function textcat could fail");
    tells("country = 'FR'", "none fits, or another way is cheaper");
    let mut reader = database.login("plan_reader");
    run(
        &mut reader,
        "SET celador.search_by_index = off; SET enable_seqscan = off",
    );
    self::tells(
        &mut reader,
        "2",
        &search("title LIKE 'far%'"),
        "asked after the policy: celador.search_by_index is off",
    );
}

#[test]
fn it_is_a_door_and_nothing_runs() {
    let database = staged();
    for login in ["desk_bea", "desk_ann"] {
        denied(explained(
            &mut database.login(login),
            "1",
            "SELECT 1 FROM cases",
        ));
    }
    let mut reader = database.login("plan_reader");
    let told = explained(
        &mut reader,
        "1",
        "DELETE FROM cases WHERE 1 / (id - id) = 0",
    );
    assert!(told.is_ok_and(|lines| lines.iter().any(|line| line.contains("Delete on cases"))));
    let error = failure(explained(&mut reader, "99", "SELECT 1"));
    assert_eq!(error.code, "22023", "{error:?}");
    for sql in ["SELECT 1; SELECT 2", "DROP TABLE cases"] {
        let error = failure(explained(&mut reader, "1", sql));
        assert_eq!(error.code, "0A000", "{error:?}");
    }
    // After an error notes are no longer taken.
    let error = failure(explained(&mut reader, "1", "SELECT nothing FROM cases"));
    assert_eq!(error.code, "42703", "{error:?}");
    assert!(explained(&mut reader, "2", "SELECT 1 FROM cases").is_ok());
}
