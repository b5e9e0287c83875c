//! Tryton, as it is, under two presets.

use celador_tests::acceptance::Crm;
use celador_tests::{answers, breaks, denied, is_denied, may_not, sees};

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

/// Whatever can be masked is, for everybody but administrators; and they write all of it.
#[test]
fn recorded_statements_replay_with_every_column_masked() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    crm.assert_replays_masked("s1-matrix", &[]);
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

/// The opportunities of everybody below an employee, as an expert would write it.
const BELOW_ALICE: &str = "employee IN (
  WITH RECURSIVE below(id) AS (
    SELECT 1
    UNION SELECT e.id FROM company_employee AS e JOIN below ON e.supervisor = below.id WHERE e.end_date IS NULL)
  SELECT id FROM below)
  OR id BETWEEN 60 AND 75";

#[test]
fn s1_19_who_supervises_whom_is_in_the_table_of_employees() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    let database = crm.preset("s1-matrix");
    sees(&database, "alice", "sale_opportunity", BELOW_ALICE);
    let count = |client: &mut postgres::Client, employee: i32| -> i64 {
        let sql = "SELECT count(*) FROM sale_opportunity WHERE employee = $1 AND id NOT BETWEEN 60 AND 75";
        let row = client.query_one(sql, &[&employee]);
        row.expect("she may read").get(0)
    };
    // Her own, of an employee who is no user, and of the one below him; of nobody who has left.
    let mut alice = crm.person("alice").session(&database);
    for employee in [1, 4, 5] {
        assert!(count(&mut alice, employee) > 0, "employee {employee}");
    }
    assert!(count(&mut database.superuser(), 6) > 0);
    assert_eq!(count(&mut alice, 6), 0);
    // What changes holds from the next statement on.
    for change in [
        "UPDATE company_employee SET supervisor = NULL WHERE id = 4",
        "UPDATE company_employee SET end_date = NULL WHERE id = 6",
        "UPDATE company_employee SET supervisor = 1 WHERE id = 2",
    ] {
        database.run(change);
        sees(&database, "alice", "sale_opportunity", BELOW_ALICE);
    }
    assert_eq!(count(&mut alice, 4), 0);
    assert!(count(&mut alice, 6) > 0 && count(&mut alice, 2) > 0);
    breaks(
        &database,
        "postgres",
        "UPDATE company_employee SET supervisor = 2 WHERE id = 1",
        "company_employee",
    );
}

#[test]
fn reference_tables_are_read_and_not_written() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    let database = crm.preset("s1-matrix");
    database.run("GRANT ALL ON country_country, currency_currency, product_uom TO tryton_people");
    for login in ["alice", "erin", "admin"] {
        for table in ["country_country", "currency_currency", "product_uom"] {
            let count = format!("SELECT count(*) FROM {table}");
            answers(&database, login, &count, &count);
            may_not(
                &database,
                login,
                &format!("UPDATE {table} SET name = 'x'"),
                table,
            );
            may_not(&database, login, &format!("DELETE FROM {table}"), table);
        }
    }
    is_denied(
        &database,
        "alice",
        "INSERT INTO currency_currency (code, digits, name, rounding) VALUES ('XXX', 2, 'X', 1)",
        "currency_currency",
    );
}
