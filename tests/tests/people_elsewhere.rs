//! Who supervises whom and who is active, where other tables than the users' tell.

mod firm;

use celador_tests::{Database, breaks, denied, failure, sees};
use firm::{MAPPING, MATRIX, bare, firm, under};
use postgres::Client;

/// The orders that a session sees, by a prepared statement.
#[track_caller]
fn orders(client: &mut Client) -> Vec<i32> {
    let rows = client.query("EXECUTE orders", &[]);
    rows.unwrap_or_else(|error| panic!("{error:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

fn prepared(database: &Database, login: &str, begin: &str) -> Client {
    let mut client = database.login(login);
    for sql in [
        "SET plan_cache_mode = force_generic_plan",
        "PREPARE orders AS SELECT id FROM orders ORDER BY id",
        begin,
    ] {
        client
            .batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    client
}

#[test]
fn s1_19_reports_by_a_table_of_employees() {
    let database = firm();
    // An employee who is no user passes supervision on, and owns orders.
    sees(
        &database,
        "firm_ann",
        "orders",
        "staff_id IN (1, 2, 3, 4, 7)",
    );
    sees(&database, "firm_bea", "orders", "staff_id IN (2, 3, 4)");
    sees(&database, "firm_cem", "orders", "staff_id = 4");
    // Eve has two posts: each of those above reaches what she does in the one below.
    sees(&database, "firm_dan", "orders", "staff_id IN (5, 6)");
    sees(&database, "firm_eve", "orders", "staff_id IN (6, 7)");
    // By another key of the same people: whoever is supervised in one post is.
    sees(&database, "firm_ann", "letters", "author IN (1, 2, 3, 5)");
    sees(&database, "firm_dan", "letters", "author IN (4, 5)");
    sees(&database, "firm_cem", "letters", "author = 3");
}

#[test]
fn s1_19_rows_that_do_not_count_supervise_nobody() {
    let database = firm();
    database.run("UPDATE staff SET gone = true WHERE id = 3");
    sees(&database, "firm_ann", "orders", "staff_id IN (1, 2, 7)");
    sees(&database, "firm_bea", "orders", "staff_id = 2");
    // A circle among them is no circle.
    database.run("UPDATE staff SET boss = 3 WHERE id = 3");
    sees(&database, "firm_bea", "orders", "staff_id = 2");
    breaks(
        &database,
        "postgres",
        "UPDATE staff SET gone = false WHERE id = 3",
        "staff",
    );
}

#[test]
fn a_change_of_supervision_holds_at_once() {
    let database = firm();
    let mut sessions = ["", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ"]
        .map(|begin| prepared(&database, "firm_bea", begin));
    for (change, seen) in [
        ("SELECT 1", [2, 3, 4, 12].as_slice()),
        (
            "UPDATE staff SET boss = 2 WHERE id = 5",
            &[2, 3, 4, 5, 6, 12],
        ),
        ("UPDATE staff SET boss = NULL WHERE id = 3", &[2, 5, 6]),
        ("DELETE FROM user_staff WHERE staff_id = 2", &[]),
        ("INSERT INTO user_staff VALUES (2, 2)", &[2, 5, 6]),
        ("UPDATE staff SET gone = true WHERE id = 6", &[2, 5]),
    ] {
        database.run(change);
        for session in &mut sessions {
            assert_eq!(orders(session), seen, "{change}");
        }
    }
}

/// How often the directory was read: only Celador reads the links of users and employees.
fn directory_reads(database: &Database, reader: &mut Client) -> i64 {
    reader
        .batch_execute("SELECT pg_stat_force_next_flush(); SELECT 1")
        .expect("statistics are told");
    let sql = "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'user_staff'";
    let row = database.superuser().query_one(sql, &[]);
    row.expect("it can be read").get(0)
}

#[test]
fn unmapped_columns_elsewhere_invalidate_nothing() {
    let database = firm();
    let mut bea = prepared(&database, "firm_bea", "");
    assert_eq!(orders(&mut bea), [2, 3, 4, 12]);
    let before = directory_reads(&database, &mut bea);
    assert!(before > 0, "the sign tells nothing");
    for update in [
        "UPDATE staff SET desk = 'x' || id",
        "UPDATE staff SET boss = boss, gone = gone, desk = 'y'",
        "UPDATE badges SET used = clock_timestamp()",
        "UPDATE badges SET valid = valid, used = clock_timestamp()",
    ] {
        database.run(update);
        assert_eq!(orders(&mut bea), [2, 3, 4, 12]);
        assert_eq!(directory_reads(&database, &mut bea), before, "{update}");
    }
    // What is mapped does, at least those whom it concerns.
    for (update, concerned) in [
        ("UPDATE staff SET boss = 5 WHERE id = 7", "firm_bea"),
        (
            "UPDATE badges SET floor = 3 WHERE login = 'firm_cem'",
            "firm_cem",
        ),
        (
            "UPDATE badges SET valid = false WHERE login = 'firm_dan'",
            "firm_dan",
        ),
        ("DELETE FROM badges WHERE login = 'firm_cem'", "firm_cem"),
    ] {
        let mut concerned = prepared(&database, concerned, "");
        // Whoever isn't active gets an error.
        let _ = concerned.batch_execute("EXECUTE orders");
        let before = directory_reads(&database, &mut concerned);
        database.run(update);
        assert_eq!(orders(&mut bea), [2, 3, 4, 12]);
        let _ = concerned.batch_execute("EXECUTE orders");
        assert!(
            directory_reads(&database, &mut concerned) > before,
            "{update}"
        );
    }
}

#[test]
fn nobody_comes_to_supervise_himself() {
    let database = firm();
    for sql in [
        "UPDATE staff SET boss = 1 WHERE id = 1",
        "UPDATE staff SET boss = 4 WHERE id = 1",
        "UPDATE staff SET boss = CASE id WHEN 5 THEN 6 ELSE 5 END WHERE id IN (5, 6)",
        "INSERT INTO staff VALUES (9, 9)",
    ] {
        breaks(&database, "postgres", sql, "staff");
    }
    let refused = failure(
        database
            .superuser()
            .execute("UPDATE staff SET boss = 4 WHERE id = 1", &[]),
    );
    assert!(refused.message.contains("public.staff"), "{refused:?}");
    assert!(!refused.hint.is_empty());
}

#[test]
fn several_may_supervise_one_and_none_in_a_circle() {
    let mapping = MAPPING.replace(
        r#"supervision = { table = "staff", user = "id", user_key = "staff", supervisor = "boss", where = "NOT gone" }"#,
        r#"supervision = { table = "leads", user = "staff_id", user_key = "staff", supervisor = "lead_id" }"#,
    );
    let database = under(&mapping, MATRIX);
    sees(&database, "firm_dan", "orders", "staff_id IN (5, 6)");
    database.run("INSERT INTO leads VALUES (4, 5), (2, 5)");
    sees(&database, "firm_dan", "orders", "staff_id BETWEEN 2 AND 6");
    sees(
        &database,
        "firm_ann",
        "orders",
        "staff_id IN (1, 2, 3, 4, 7)",
    );
    // A way round is found beside a way up.
    for sql in [
        "INSERT INTO leads VALUES (2, 4)",
        "INSERT INTO leads VALUES (1, 3)",
        "INSERT INTO leads VALUES (5, 1), (1, 6)",
        "UPDATE leads SET lead_id = 4 WHERE staff_id = 3",
    ] {
        breaks(&database, "postgres", sql, "leads");
    }
    database.run("INSERT INTO leads VALUES (NULL, 4), (4, NULL)");
    // What is there when a policy is loaded is looked at as well.
    let database = bare();
    database.run("INSERT INTO leads VALUES (2, 4)");
    let document = format!("{mapping}{MATRIX}");
    let refused = failure(
        database
            .superuser()
            .query("SELECT celador.load_policy($1)", &[&document]),
    );
    assert_eq!(refused.code, "22023");
    assert!(
        refused
            .message
            .contains("supervisors of public.leads form a circle"),
        "{refused:?}"
    );
    assert!(!refused.hint.is_empty());
}

#[test]
fn supervision_by_a_key_of_the_users_table() {
    let mapping = MAPPING.replace(
        r#"supervision = { table = "staff", user = "id", user_key = "staff", supervisor = "boss", where = "NOT gone" }"#,
        r#"supervision = { table = "leads", user = "staff_id", supervisor = "lead_id" }"#,
    );
    let database = bare();
    database.run("DELETE FROM leads; INSERT INTO leads VALUES (3, 2), (2, 1)");
    database.load(&format!("{mapping}{MATRIX}"));
    // The numbers are those of users now: bea, and cem below her.
    sees(&database, "firm_ann", "letters", "author IN (1, 2, 3)");
    sees(&database, "firm_bea", "letters", "author IN (2, 3)");
    sees(&database, "firm_bea", "orders", "staff_id IN (2, 4)");
}

#[test]
fn x_7_active_is_who_is_so_by_every_place_that_tells() {
    let database = firm();
    // The badge on another floor doesn't count, and two that are valid are no harm.
    for login in ["firm_ann", "firm_eve", "firm_new"] {
        assert_eq!(
            database
                .login(login)
                .query("SELECT FROM countries", &[])
                .expect("somebody")
                .len(),
            2,
            "{login}"
        );
    }
    denied(database.login("firm_off").query("SELECT FROM orders", &[]));
    for (off, on) in [
        (
            "UPDATE badges SET valid = false WHERE login = 'firm_bea'",
            "UPDATE badges SET valid = true WHERE login = 'firm_bea'",
        ),
        (
            "UPDATE badges SET valid = NULL WHERE login = 'firm_bea'",
            "UPDATE badges SET valid = true WHERE login = 'firm_bea'",
        ),
        (
            "UPDATE badges SET floor = 2 WHERE login = 'firm_bea'",
            "UPDATE badges SET floor = 1 WHERE login = 'firm_bea'",
        ),
        (
            "DELETE FROM badges WHERE login = 'firm_bea'",
            "INSERT INTO badges VALUES ('firm_bea', 1, true)",
        ),
        (
            "INSERT INTO badges VALUES ('firm_bea', 1, false)",
            "DELETE FROM badges WHERE login = 'firm_bea' AND NOT valid",
        ),
        (
            "UPDATE users SET active = false WHERE id = 2",
            "UPDATE users SET active = true WHERE id = 2",
        ),
    ] {
        let mut sessions = ["", "BEGIN ISOLATION LEVEL REPEATABLE READ"]
            .map(|begin| prepared(&database, "firm_bea", begin));
        for session in &mut sessions {
            assert_eq!(orders(session), [2, 3, 4, 12], "{on}");
        }
        database.run(off);
        for session in &mut sessions {
            denied(session.query("EXECUTE orders", &[]));
        }
        // Her orders are still those of somebody whom ann supervises.
        sees(
            &database,
            "firm_ann",
            "orders",
            "staff_id IN (1, 2, 3, 4, 7)",
        );
        database.run(on);
    }
}

#[test]
fn a_row_elsewhere_is_enough_where_no_column_is_named() {
    let mapping = MAPPING.replace(
        r#"active = ["active", { table = "badges", user = "login", user_key = "login", column = "valid", where = "floor = 1" }]"#,
        r#"active = { table = "user_staff", user = "user_id" }"#,
    );
    let database = under(&mapping, MATRIX);
    sees(&database, "firm_eve", "orders", "staff_id IN (6, 7)");
    // Whatever his badge says.
    assert!(
        database
            .login("firm_new")
            .query("SELECT FROM orders", &[])
            .is_err()
    );
    database.run("DELETE FROM user_staff WHERE staff_id = 6");
    sees(&database, "firm_eve", "orders", "staff_id = 7");
    database.run("DELETE FROM user_staff WHERE staff_id = 7");
    denied(database.login("firm_eve").query("SELECT FROM orders", &[]));
}

#[test]
fn s2_07_the_last_holder_is_an_active_one() {
    let matrix = format!("{MATRIX}[roles.administrator]\nkeep_last_holder = true\n");
    let mapping = MAPPING.replace(
        r#"closed = ["leads", "badges", "user_staff"]"#,
        r#"closed = ["leads", "user_staff"]"#,
    ) + "[mapping.modules.badges]\ntable = \"badges\"\n";
    let database = bare();
    database.run("INSERT INTO roles VALUES (4, 'administrator')");
    database.load(&format!("{mapping}{matrix}"));
    // Dan and whoever logs in nowhere: one of them may go, not both.
    celador_tests::may(
        &database,
        "firm_dan",
        "UPDATE badges SET valid = false WHERE login = 'firm_root'",
        "SELECT NOT valid FROM badges WHERE login = 'firm_root'",
    );
    breaks(
        &database,
        "firm_dan",
        "UPDATE badges SET valid = false WHERE login = 'firm_dan'",
        "badges",
    );
    breaks(
        &database,
        "firm_dan",
        "DELETE FROM badges WHERE login = 'firm_dan'",
        "badges",
    );
}
