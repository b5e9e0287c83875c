//! What is told of tables that several modules share: explained, asked by SQL, written in policies.

mod agency;

use agency::{MAPPING, MATRIX, agency};
use celador_tests::{answers, denied, failure};

#[test]
fn explaining_a_row_of_a_shared_table_leads_to_its_module() {
    let database = agency();
    let explain = |table: &str, key: &str| -> Vec<String> {
        let rows = database.superuser().query(
            "SELECT concat_ws(' ', kind, name, result, source) FROM celador.explain_access($1::text::regclass, $2, 'p2', 'read')",
            &[&table, &key],
        );
        rows.expect("it is explained")
            .iter()
            .map(|row| row.get(0))
            .collect()
    };
    let lines = explain("agency.entries", "4");
    assert!(
        lines.contains(&"module products true the record is one of it".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with("scope own false")),
        "{lines:?}"
    );
    assert!(
        !lines.iter().any(|line| line.contains("projects")),
        "{lines:?}"
    );
    let lines = explain("agency.entries", "2");
    assert!(
        lines.iter().any(|line| line.starts_with("scope all true")),
        "{lines:?}"
    );
    assert_eq!(
        explain("agency.entries", "5"),
        ["record 5 false there is no such record of any module"]
    );
    let lines = explain("agency.files", "1");
    assert_eq!(lines.len(), 3, "{lines:?}");
    let lines = explain("agency.record_squads", "1");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("it links records of module")),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn probes_of_links_answer_for_who_asks() {
    let database = agency();
    let asks = |login: &str, sql: &str| -> bool {
        let row = database
            .login(login)
            .query_one(&format!("SELECT {sql}"), &[]);
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
            .get(0)
    };
    assert!(asks("agency_ben", "celador.may_hang('memos', 0, '1', '1')"));
    assert!(!asks(
        "agency_ben",
        "celador.may_hang('memos', 0, '1', '2')"
    ));
    assert!(!asks(
        "agency_ben",
        "celador.may_hang('memos', 0, '2', '1')"
    ));
    for sql in [
        "celador.may_hang('memos', 9, '1', '1')",
        "celador.may_hang('memos', -1, '1', '1')",
        "celador.may_hang('clients', 0, '1', '1')",
        "celador.may_hang('memos', 0, NULL, '1')",
        "celador.may_hang(NULL, 0, '1', '1')",
        "celador.may_link('memos', 'parent', 0, '1', '1')",
        "celador.link_in_reach('memos', 'read', 'parent', 0, '2')",
    ] {
        assert!(!asks("agency_ben", sql), "{sql}");
    }
    denied(
        database
            .login("agency_ben2")
            .query("SELECT celador.may_hang('memos', 0, '1', '1')", &[]),
    );
    let refused = failure(
        database
            .login("agency_ben")
            .query("SELECT celador.may_hang('gone', 0, '1', '1')", &[]),
    );
    assert_eq!(refused.code, "22023");
}

#[test]
fn no_ddl_and_no_permission_is_in_the_policies_of_shared_tables() {
    let database = agency();
    let policies =
        "SELECT string_agg(pg_get_expr(polqual, polrelid), ' ' ORDER BY oid) FROM pg_policy";
    let read = || -> String {
        database
            .superuser()
            .query_one(policies, &[])
            .expect("a text")
            .get(0)
    };
    let before = read();
    database.load(&format!(
        "{MAPPING}{}",
        MATRIX.replace("read = [\"all\"]", "read = [\"own\"]")
    ));
    assert_eq!(before, read());
    answers(
        &database,
        "agency_ben",
        "SELECT id FROM agency.entries",
        "SELECT id FROM agency.entries WHERE kind IN (1, 2) AND holder = 'p2'",
    );
}
