//! Becoming somebody else: settings, roles, rollbacks, what a pooled session leaves behind.

use celador_tests::Database;

use crate::stage::{Attacker, shows_only_mine, stage, tries};

/// The keys of the people.
const RUTH: &str = "SELECT celador.act_as('2')";
const BERT: &str = "SELECT celador.act_as('3')";
const VERA: &str = "SELECT celador.act_as('1')";

#[test]
fn settings_and_roles() {
    let database = stage();
    for attempt in [
        "SET celador.identity = '1'",
        "SELECT set_config('celador.identity', '1', false)",
        "UPDATE pg_settings SET setting = '1' WHERE name = 'celador.identity'",
        "ALTER ROLE atk_ruth SET celador.identity = '1'",
        "CREATE FUNCTION yard.f() RETURNS SETOF text LANGUAGE sql SET celador.identity = '1' AS 'SELECT title FROM shop.deals'",
        "SET SESSION AUTHORIZATION atk_vera",
        "SET ROLE atk_vera",
        "SET ROLE atk_owner",
        "SET ROLE atk_people",
        "SET row_security = off",
        "SET session_replication_role = replica",
        "SET session_preload_libraries = ''",
        "SET local_preload_libraries = ''",
        "LOAD 'celador'",
        "DISCARD ALL",
        "RESET ALL",
        "SELECT celador.end_identity()",
        "SELECT celador.act_as('1')",
        "SELECT celador.assume('1')",
        "SELECT celador.load_policy('')",
        "SELECT celador.register_view('shop.super_titles')",
        "SELECT celador.add_maintenance_role('atk_ruth')",
        "INSERT INTO celador.registered_views (view) VALUES ('shop.super_titles')",
        "INSERT INTO celador.maintenance_roles (role) VALUES ('atk_ruth')",
        "UPDATE celador.policy SET compiled = '{}'",
        "DELETE FROM celador.protected",
        "SELECT celador.give_role('2', 'administrator')",
        "UPDATE shop.staff SET role = 'administrator'",
        "INSERT INTO shop.staff VALUES (9, 'atk_ruth', 1, 'administrator', NULL)",
        "SELECT * FROM celador.explain_access('shop.deals', '11', '3', 'read')",
    ] {
        shows_only_mine(
            &database,
            &[
                attempt,
                "RESET row_security",
                "SELECT title FROM shop.deals",
                "SELECT * FROM shop.super_titles",
            ],
        );
    }
}

/// What the pool sees after the statements, as whoever it then acts for.
fn pooled(database: &Database, statements: &[&str]) -> String {
    Attacker::new(database, "atk_pool").tries(statements)
}

#[test]
fn the_person_before_does_not_come_back() {
    let database = stage();
    let read = "SELECT title FROM shop.deals";
    for way in [
        &["BEGIN", RUTH, "ROLLBACK"][..],
        &["BEGIN", "SAVEPOINT s", RUTH, "ROLLBACK TO s"],
        &["BEGIN", "SAVEPOINT s", RUTH, "RELEASE s", "ROLLBACK"],
        &[
            "BEGIN",
            "SAVEPOINT s",
            "SAVEPOINT t",
            RUTH,
            "RELEASE t",
            "ROLLBACK TO s",
            "COMMIT",
        ],
        &[
            "DO $$ BEGIN PERFORM celador.act_as('2'); RAISE 'x'; EXCEPTION WHEN OTHERS THEN NULL; END $$",
        ],
        &["BEGIN", RUTH, "SELECT 1/0", "COMMIT"],
        &[RUTH, "SET celador.identity = ''"],
        &[RUTH, "RESET celador.identity"],
        &[RUTH, "DISCARD ALL"],
        &[RUTH, "BEGIN", "SELECT celador.end_identity()", "ROLLBACK"],
        &[
            "BEGIN",
            RUTH,
            "PREPARE TRANSACTION 'own'",
            "ROLLBACK PREPARED 'own'",
        ],
        &[RUTH, "SELECT celador.act_as('99')"],
        &[RUTH, "SET ROLE atk_people", "RESET ROLE"],
        &[RUTH, "DECLARE c CURSOR WITH HOLD FOR SELECT 1"],
    ] {
        let mut statements = vec![BERT, read];
        statements.extend(way);
        let before = pooled(&database, &[BERT, read]);
        assert!(
            before.contains("HIDDEN"),
            "bert's rows are hidden to ruth only: {before}"
        );
        let mut session = Attacker::new(&database, "atk_pool");
        session.tries(&statements);
        let seen = session.tries(&[read, "FETCH ALL FROM c"]);
        assert!(!seen.contains("HIDDEN"), "{way:?}\n{seen}");
    }
}

#[test]
fn what_a_session_leaves_to_the_next_person() {
    let database = stage();
    for (left, read) in [
        (
            &["CREATE TEMP TABLE t AS SELECT title FROM shop.deals"][..],
            "SELECT * FROM t",
        ),
        (
            &["CREATE TEMP VIEW t AS SELECT title FROM shop.deals"],
            "SELECT * FROM t",
        ),
        (
            &["PREPARE p AS SELECT title FROM shop.deals", "EXECUTE p"],
            "EXECUTE p",
        ),
        (
            &[
                "SET plan_cache_mode = force_generic_plan",
                "PREPARE p AS SELECT (SELECT string_agg(title, ',') FROM shop.deals)",
                "EXECUTE p",
            ],
            "EXECUTE p",
        ),
        (
            &["DECLARE c CURSOR WITH HOLD FOR SELECT title FROM shop.deals"],
            "FETCH ALL FROM c",
        ),
        (
            &[
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT title FROM shop.deals",
                "COMMIT",
            ],
            "FETCH ALL FROM c",
        ),
        (
            &["SELECT shop.owner_asks('deals')"],
            "SELECT shop.owner_asks('deals')",
        ),
        (
            &["SELECT * FROM shop.person_titles()"],
            "SELECT * FROM shop.person_titles()",
        ),
        (
            &["BEGIN", "SELECT * FROM shop.person_titles()"],
            "SELECT * FROM shop.person_titles()",
        ),
        (
            &[
                "BEGIN",
                "DECLARE c CURSOR FOR SELECT * FROM shop.owner_titles()",
                "FETCH 1 FROM c",
            ],
            "FETCH ALL FROM c",
        ),
    ] {
        let mut session = Attacker::new(&database, "atk_pool");
        let bert = session.tries(&[BERT]) + &session.tries(left);
        let seen = session.tries(&[RUTH, read, "SELECT title FROM shop.deals"]);
        assert!(
            !seen.contains("HIDDEN"),
            "{left:?}\nbert: {bert}\nruth: {seen}"
        );
    }
}

#[test]
fn a_superuser_who_becomes_another_login() {
    let database = stage();
    let mut session = Attacker::new(&database, "postgres");
    let vera = session.tries(&[
        "SET SESSION AUTHORIZATION atk_vera",
        "SELECT title FROM shop.deals",
    ]);
    assert!(vera.contains("HIDDEN"), "{vera}");
    let ruth = session.tries(&[
        "SET SESSION AUTHORIZATION atk_ruth",
        "SELECT title FROM shop.deals",
    ]);
    assert!(ruth.contains("MINE") && !ruth.contains("HIDDEN"), "{ruth}");
    let none = session.tries(&[
        "SET SESSION AUTHORIZATION atk_none",
        "SELECT title FROM shop.deals",
    ]);
    assert!(!none.contains("MINE") && !none.contains("HIDDEN"), "{none}");
}

#[test]
fn a_role_taken_while_a_session_is_open() {
    let database = stage();
    let mut vera = Attacker::new(&database, "atk_vera");
    let all = vera.tries(&[
        "PREPARE p AS SELECT title FROM shop.deals",
        "EXECUTE p",
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "DECLARE c CURSOR FOR SELECT title FROM shop.deals ORDER BY id DESC",
        "FETCH 1 FROM c",
    ]);
    assert!(all.contains("HIDDEN"), "{all}");
    database.run("UPDATE shop.staff SET role = 'seller' WHERE id = 1");
    let seen = vera.tries(&[
        "FETCH ALL FROM c",
        "EXECUTE p",
        "SELECT title FROM shop.deals",
        "ROLLBACK",
        "EXECUTE p",
    ]);
    assert!(!seen.contains("HIDDEN"), "{seen}");
}

#[test]
fn nobody_gets_an_error() {
    let database = stage();
    for statements in [
        &["SELECT title FROM shop.deals"][..],
        &["UPDATE shop.deals SET amount = 1"],
        &["SELECT count(*) FROM shop.notes"],
    ] {
        let seen = tries(&database, "atk_pool", statements);
        assert!(seen.contains("nobody is signed in"), "{seen}");
    }
    let vera = tries(
        &database,
        "atk_pool",
        &[VERA, "SELECT title FROM shop.deals"],
    );
    assert!(vera.contains("HIDDEN"), "{vera}");
}
