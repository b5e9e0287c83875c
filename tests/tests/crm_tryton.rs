//! Tryton, as it is, under two presets.

use celador_tests::acceptance::Crm;
use celador_tests::denied;

#[test]
fn s1_rows_equal_hand_written_clauses() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    crm.assert_preset("s1-matrix");
}

#[test]
fn s4_rows_equal_hand_written_clauses() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    crm.assert_preset("s4-groups-agents");
}

#[test]
fn s1_recorded_statements_replay() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    crm.assert_replays("s1-matrix", &[]);
}

#[test]
fn s4_recorded_statements_replay() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    crm.assert_replays("s4-groups-agents", &[]);
}

/// Tryton reads each screen in a transaction like this one.
#[test]
fn x_7_a_deactivated_user_is_nobody_within_a_repeatable_read_too() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    let database = crm.preset("s1-matrix");
    let mut session = crm.person("alice").session(&database);
    session
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .unwrap();
    let sql = r#"SELECT "a"."id" FROM "sale_opportunity" AS "a""#;
    assert!(!session.query(sql, &[]).unwrap().is_empty());
    database.run("UPDATE res_user SET active = false WHERE login = 'alice'");
    denied(session.query(sql, &[]));
}
