//! What counts rows and blocks is closed to people.

use celador_tests::offers;

use crate::stage::{Session, stage};

/// Every way to a counter that a person has.
const WAYS: &[&str] = &[
    "SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables",
    "SELECT * FROM pg_stat_user_tables",
    "SELECT * FROM pg_stat_all_indexes",
    "SELECT * FROM pg_statio_user_tables",
    "SELECT * FROM pg_statio_user_indexes",
    "SELECT * FROM pg_stat_database",
    "SELECT * FROM pg_stat_bgwriter",
    "SELECT * FROM pg_stat_user_functions",
    "SELECT * FROM pg_stat_xact_user_functions",
    "SELECT * FROM pg_locks",
    "SELECT pg_lock_status()",
    "SELECT pg_stat_get_tuples_fetched('find.things'::regclass)",
    "SELECT pg_stat_get_xact_tuples_fetched('find.things'::regclass)",
    "SELECT pg_stat_get_xact_blocks_fetched('find.things'::regclass)",
    "SELECT pg_stat_get_dead_tuples('find.things'::regclass)",
    "SELECT pg_stat_get_db_tuples_fetched(oid) FROM pg_database",
    "SELECT OPERATOR(yard.@@@@) 'find.things'::regclass::oid",
    "SELECT yard.last('find.things'::regclass::oid)",
    "INSERT INTO yard.checked VALUES ('find.things'::regclass)",
    "SELECT 'find.things'::regclass::oid::yard.small",
    "EXECUTE shown(pg_stat_get_tuples_fetched('find.things'::regclass))",
    "DO $$ BEGIN RAISE NOTICE '%', pg_stat_get_tuples_fetched('find.things'::regclass); END $$",
    "SELECT yard.asked()",
    "SELECT 1 FROM find.things HAVING pg_stat_get_tuples_fetched('find.things'::regclass) > 0",
];

const OWN: &[&str] = &[
    "CREATE OPERATOR yard.@@@@ (RIGHTARG = oid, FUNCTION = pg_stat_get_tuples_fetched)",
    "CREATE AGGREGATE yard.last(oid) (SFUNC = pg_catalog.oidlarger, STYPE = oid, FINALFUNC = pg_stat_get_tuples_fetched)",
    "CREATE TABLE yard.checked (x oid, CHECK (pg_stat_get_tuples_fetched(x) < 0))",
    "CREATE DOMAIN yard.small AS oid CHECK (pg_stat_get_tuples_fetched(VALUE) < 0)",
    "CREATE FUNCTION yard.asked() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT pg_stat_get_tuples_fetched(''find.things''::regclass)'",
    "PREPARE shown(bigint) AS SELECT $1",
];

#[test]
fn counters_are_closed_to_people_whatever_way_they_come() {
    let Some(database) = stage() else {
        return;
    };
    let mut ruth = Session::of(&database, "find_ruth");
    ruth.set(OWN);
    for way in WAYS {
        let got = ruth.run(way);
        assert!(
            got.starts_with("ERROR 42501 pg_") && got.contains("out of your reach"),
            "{way}\n{got}"
        );
    }
    // What an application asks before it counts: rows of all, as `pg_class.reltuples` tells them.
    let live = ruth.run("SELECT n_live_tup > 0 FROM pg_stat_all_tables WHERE relname = 'things'");
    assert!(!live.contains("ERROR"), "{live}");
    // What sessions do is no count of rows.
    assert_eq!(ruth.run("SELECT count(*) > 0 FROM pg_stat_activity"), "t");
    assert_eq!(
        ruth.run("SELECT count(*) FROM pg_stat_progress_vacuum"),
        "0"
    );
}

#[test]
fn people_of_a_pool_are_people() {
    let Some(database) = stage() else {
        return;
    };
    let mut pool = Session::of(&database, "find_pool");
    for _ in 0..2 {
        let got = pool.run("SELECT * FROM pg_stat_user_tables");
        assert!(got.starts_with("ERROR 42501"), "{got}");
        pool.run("SELECT celador.act_as('2')");
    }
}

/// A login that watches the server and stands for nobody still does; one that stands for somebody doesn't.
#[test]
fn counters_are_open_to_those_who_watch_and_to_maintenance() {
    let Some(database) = stage() else {
        return;
    };
    for login in ["postgres", "find_watch"] {
        let mut session = Session::of(&database, login);
        for view in ["pg_stat_user_tables", "pg_stat_database", "pg_locks"] {
            let got = session.run(&format!("SELECT count(*) > 0 FROM {view}"));
            assert_eq!(got, "t", "{login}: {view}");
        }
    }
    database.run("INSERT INTO find.staff VALUES (4, 'find_watch', 'seller')");
    let got = Session::of(&database, "find_watch").run("SELECT * FROM pg_stat_user_tables");
    assert!(got.starts_with("ERROR 42501"), "{got}");
}

#[test]
fn statements_are_not_counted_by_other_extensions_either() {
    let Some(database) = stage() else {
        return;
    };
    if !offers("pg_stat_statements") {
        return;
    }
    database
        .run("CREATE EXTENSION pg_stat_statements; GRANT SELECT ON pg_stat_statements TO PUBLIC");
    let got = Session::of(&database, "find_ruth").run("SELECT * FROM pg_stat_statements");
    assert!(
        got.starts_with("ERROR 42501 pg_stat_statements counts"),
        "{got}"
    );
}

/// What would go to the log isn't sent to the client, and a plan isn't printed.
#[test]
fn plans_with_counts_and_estimates_stay_in_the_log() {
    let Some(database) = stage() else {
        return;
    };
    let for_ruth = |settings: &[&str]| {
        for setting in settings {
            let name = database.name();
            database.run(&format!(
                "ALTER ROLE find_ruth IN DATABASE {name} {setting}"
            ));
        }
        Session::of(&database, "find_ruth")
    };
    let mut ruth = for_ruth(&[
        "SET client_min_messages = log",
        "SET auto_explain.log_min_duration = 0",
        "SET auto_explain.log_analyze = on",
        "SET session_preload_libraries = 'auto_explain', 'celador'",
    ]);
    assert_eq!(ruth.run("SHOW auto_explain.log_analyze"), "on");
    let query = "SELECT count(*) FROM find.things WHERE email = 'hidden7@example.net'";
    assert_eq!(ruth.run(query), "0");

    let mut ruth = for_ruth(&[
        "RESET ALL",
        "SET client_min_messages = log",
        "SET debug_print_plan = on",
    ]);
    assert_eq!(ruth.run("SELECT count(*) FROM find.things"), "50");
    assert_eq!(ruth.run("SELECT count(*) FROM find.staff"), "1");
    let mut ruth = for_ruth(&["RESET ALL"]);
    let got = ruth.run("SET debug_print_plan = on");
    assert!(got.starts_with("ERROR 42501"), "{got}");
}

#[test]
fn explain_tells_no_pages_of_planning() {
    let Some(database) = stage() else {
        return;
    };
    let mut ruth = Session::of(&database, "find_ruth");
    for options in ["BUFFERS", "BUFFERS on, COSTS on", "BUFFERS, FORMAT JSON"] {
        let plan = ruth.run(&format!(
            "EXPLAIN ({options}) SELECT id FROM find.things WHERE email = 'x'"
        ));
        assert!(
            plan.contains("things") && !plan.contains("hit") && !plan.contains("Hit"),
            "{plan}"
        );
    }
}
