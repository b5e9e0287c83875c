//! Changes of the schema by those who may make them: what was protected stays so, what is new is
//! closed or belongs where its parent does.

mod desk;

use celador_tests::denied;
use desk::{desk, ids, number, refused, run};

#[test]
fn truncate_is_refused_also_by_cascade() {
    let database = desk();
    database.run("GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO desk_people");
    for sql in [
        "TRUNCATE cases CASCADE",
        "TRUNCATE visits",
        "TRUNCATE visits_old",
        "TRUNCATE countries CASCADE",
        "TRUNCATE ONLY lines",
    ] {
        refused(&database, "desk_bea", sql);
        refused(&database, "desk_ann", sql);
    }
}

#[test]
fn a_permissive_policy_added_later_widens_nothing() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner;
         CREATE POLICY everything ON cases USING (true) WITH CHECK (true);
         CREATE POLICY of_bea ON cases TO desk_bea USING (true);
         CREATE POLICY reading ON lines FOR SELECT USING (true)",
    );
    let mut bea = database.login("desk_bea");
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);
    assert_eq!(ids(&mut bea, "SELECT id FROM lines"), [2]);
    assert_eq!(
        bea.execute("UPDATE cases SET note = 'x'", &[])
            .expect("it runs"),
        1
    );
    refused(
        &database,
        "desk_bea",
        "INSERT INTO cases (id, title, owner_id) VALUES (10, 'x', 4)",
    );
}

#[test]
fn policies_of_the_crm_hold_beside_ours() {
    let database = desk::bare();
    database.run(
        "SET ROLE desk_owner;
         ALTER TABLE cases ENABLE ROW LEVEL SECURITY;
         CREATE POLICY spanish ON cases USING (country = 'ES')",
    );
    database.load(&desk::document(desk::MATRIX));
    assert_eq!(
        ids(
            &mut database.login("desk_ann"),
            "SELECT id FROM cases ORDER BY id"
        ),
        [1, 2, 5, 6]
    );
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM cases"),
        [2]
    );
    assert!(ids(&mut database.login("desk_dan"), "SELECT id FROM cases").is_empty());
}

#[test]
fn x_6_tables_that_come_later_are_closed_or_belong_where_their_parent_does() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner;
         CREATE TABLE later (note text);
         CREATE TABLE visits_2022 PARTITION OF visits FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
         CREATE TABLE visits_2023 PARTITION OF visits FOR VALUES FROM ('2023-01-01') TO ('2024-01-01') PARTITION BY RANGE (day);
         CREATE TABLE visits_2023_all PARTITION OF visits_2023 DEFAULT;
         CREATE TABLE elsewhere.visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         CREATE TABLE elsewhere.more_cases () INHERITS (cases);
         GRANT ALL ON ALL TABLES IN SCHEMA public, elsewhere TO desk_people",
    );
    database.run(
        "INSERT INTO later VALUES ('hidden');
         INSERT INTO visits VALUES (22, '2022-05-01', 'mine', 2, 2), (23, '2022-05-01', 'hidden', 4, 4),
           (32, '2023-05-01', 'mine', 2, 2), (33, '2023-05-01', 'hidden', 4, 4),
           (42, '2024-05-01', 'mine', 2, 2), (43, '2024-05-01', 'hidden', 4, 4);
         INSERT INTO elsewhere.more_cases (id, title, note, owner_id) VALUES (52, 'mine', 'mine', 2), (53, 'x', 'hidden', 4)",
    );
    for table in [
        "later",
        "visits_2022",
        "visits_2023",
        "visits_2023_all",
        "elsewhere.visits_2024",
        "elsewhere.more_cases",
        "visits",
        "cases",
    ] {
        let hidden = number(
            &mut database.login("desk_bea"),
            &format!("SELECT count(*) FROM {table} WHERE note = 'hidden'"),
        );
        assert_eq!(hidden, 0, "{table}");
        let mut bea = database.login("desk_bea");
        assert_eq!(
            bea.execute(
                &format!("UPDATE {table} SET note = 'x' WHERE note = 'hidden'"),
                &[]
            )
            .unwrap_or(0),
            0
        );
    }
    for (table, own) in [
        ("visits_2022", 22),
        ("elsewhere.visits_2024", 42),
        ("elsewhere.more_cases", 52),
    ] {
        assert_eq!(
            ids(
                &mut database.login("desk_bea"),
                &format!("SELECT id FROM {table}")
            ),
            [own],
            "{table}"
        );
    }
    refused(&database, "desk_bea", "INSERT INTO later VALUES ('x')");
}

#[test]
fn a_table_made_again_under_its_name_is_protected() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner;
         DROP TABLE boards;
         CREATE TABLE boards (id integer PRIMARY KEY, name text, owner_id integer);
         ALTER TABLE cases RENAME TO cases_before;
         CREATE TABLE cases (LIKE cases_before);
         GRANT ALL ON boards, cases, cases_before TO desk_people",
    );
    database.run(
        "INSERT INTO boards VALUES (1, 'hidden', 4);
         INSERT INTO cases SELECT * FROM cases_before",
    );
    let count = |login: &str, table: &str| {
        number(
            &mut database.login(login),
            &format!("SELECT count(*) FROM {table}"),
        )
    };
    assert_eq!(count("desk_bea", "boards"), 0);
    assert_eq!(count("desk_bea", "cases"), 1);
    assert!(count("desk_bea", "cases_before") <= 1);
    refused(
        &database,
        "desk_bea",
        "INSERT INTO cases (id, title, owner_id) VALUES (10, 'x', 4)",
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 4 WHERE id = 2",
    );
}

/// What a member of the owner's role tries.
#[test]
fn ddl_that_would_take_protection_away_is_refused() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner; CREATE TABLE elsewhere.like_cases (LIKE cases);
         CREATE TABLE elsewhere.like_visits (LIKE visits);
         CREATE TABLE elsewhere.parted (LIKE visits) PARTITION BY RANGE (day);
         CREATE TABLE elsewhere.above (id integer, title text);
         CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    );
    for sql in [
        "ALTER TABLE cases DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE cases NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE visits_old DISABLE ROW LEVEL SECURITY",
        "DROP POLICY celador_read ON cases",
        "DROP POLICY celador_create ON cases",
        "DROP POLICY celador_read ON visits_old",
        "ALTER POLICY celador_read ON cases USING (true)",
        "ALTER POLICY celador_create ON cases WITH CHECK (true)",
        "ALTER POLICY celador_read ON cases TO desk_owner",
        "ALTER POLICY celador_read ON cases RENAME TO other",
        "ALTER TABLE cases DISABLE TRIGGER ALL",
        "ALTER TABLE cases DISABLE TRIGGER USER",
        "ALTER TABLE cases DISABLE TRIGGER \"~celador_guard\"",
        "ALTER TABLE cases ENABLE TRIGGER \"~celador_guard\"",
        "ALTER TABLE cases ENABLE REPLICA TRIGGER \"~celador_guard\"",
        "DROP TRIGGER \"~celador_guard\" ON cases",
        "ALTER TRIGGER \"~celador_guard\" ON cases RENAME TO a",
        "CREATE OR REPLACE TRIGGER \"~celador_guard\" BEFORE INSERT ON cases FOR EACH ROW EXECUTE FUNCTION nothing()",
        "ALTER TABLE visits_old DISABLE TRIGGER ALL",
        "ALTER TABLE members DISABLE TRIGGER USER",
        "DROP TRIGGER \"~celador_directory_update\" ON users",
        "DROP TRIGGER \"~celador_roles\" ON roles",
        "CREATE RULE r AS ON INSERT TO cases DO ALSO SELECT 1",
        "CREATE RULE r AS ON UPDATE TO cases DO INSTEAD NOTHING",
        "ALTER TABLE cases INHERIT elsewhere.above",
        "ALTER TABLE visits DETACH PARTITION visits_old; ALTER TABLE elsewhere.parted ATTACH PARTITION visits_old FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
    ] {
        refused(
            &database,
            "desk_migrator",
            &format!("BEGIN; SET LOCAL ROLE desk_owner; {sql}; COMMIT"),
        );
    }
    // What is left shows nothing more.
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM cases"),
        [2]
    );
}

#[test]
fn what_is_attached_to_a_protected_table_is_protected_or_refused() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner;
         CREATE TABLE elsewhere.visits_2030 (LIKE visits);
         GRANT ALL ON elsewhere.visits_2030 TO desk_people",
    );
    let mut migrator = database.login("desk_migrator");
    let attached = migrator.batch_execute(
        "SET ROLE desk_owner;
         ALTER TABLE visits ATTACH PARTITION elsewhere.visits_2030 FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
    );
    if attached.is_err() {
        denied(attached);
        return;
    }
    database.run("INSERT INTO visits VALUES (60, '2030-05-01', 'hidden', 4, 4)");
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM elsewhere.visits_2030"
        ),
        0
    );
}

#[test]
fn a_role_with_the_right_to_make_triggers_is_no_other_person() {
    // Whoever may make triggers could have others run what he wrote.
    let database = desk();
    database.run("GRANT TRIGGER ON cases TO desk_bea; GRANT CREATE ON SCHEMA public TO desk_bea");
    let mut bea = database.login("desk_bea");
    run(
        &mut bea,
        "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    );
    denied(bea.execute(
        "CREATE TRIGGER a AFTER UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION spy()",
        &[],
    ));
}

#[test]
fn the_extension_is_not_dropped_while_it_protects() {
    let database = desk();
    let mut superuser = database.superuser();
    assert!(superuser.batch_execute("DROP EXTENSION celador").is_err());
    let cascaded = superuser.batch_execute("DROP EXTENSION celador CASCADE");
    assert!(cascaded.is_err(), "the tables stand without their policies");
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM cases"),
        [2]
    );
}
