//! REPEATABLE READ and SERIALIZABLE: rows are seen as they were when the transaction began, and
//! only as long as they are in reach as they are now.

mod desk;

use celador_tests::Database;
use desk::{desk, ids, number, run};
use postgres::Client;

const LEVELS: [&str; 2] = ["REPEATABLE READ", "SERIALIZABLE"];

/// A transaction of that person's at that level, which has seen these cases.
fn begun(database: &Database, login: &str, level: &str, sees: &[i32]) -> Client {
    let mut client = database.login(login);
    run(
        &mut client,
        "PREPARE kept AS SELECT id FROM cases ORDER BY id",
    );
    // Planned once where no snapshot is kept.
    for _ in 0..7 {
        assert_eq!(ids(&mut client, "EXECUTE kept"), sees);
    }
    run(&mut client, &format!("BEGIN ISOLATION LEVEL {level}"));
    assert_eq!(ids(&mut client, CASES), sees);
    client
}

const CASES: &str = "SELECT id FROM cases ORDER BY id";

#[test]
fn s0_03_a_record_that_moves_away() {
    for level in LEVELS {
        let database = desk();
        let mut bea = begun(&database, "desk_bea", level, &[2]);
        let mut ann = begun(&database, "desk_ann", level, &[1, 2, 3, 4, 5, 6]);
        let mut dan = begun(&database, "desk_dan", level, &[4]);
        database.run("UPDATE cases SET note = 'once', owner_id = 4 WHERE id = 2");
        database.run("UPDATE cases SET note = 'twice' WHERE id = 2");
        for sql in [
            CASES,
            "EXECUTE kept",
            "SELECT id FROM cases WHERE id = 2",
            "SELECT id FROM cases FOR KEY SHARE",
            "SELECT c.id FROM cases AS c JOIN lines AS l ON l.case_id = c.id",
            "SELECT max(id) FROM cases HAVING max(id) IS NOT NULL",
            "WITH RECURSIVE c AS (SELECT id FROM cases UNION SELECT id + 0 FROM c) SELECT id FROM c",
            "SELECT id FROM lines",
        ] {
            assert_eq!(ids(&mut bea, sql), [0; 0], "{level}: {sql}");
        }
        // Whoever may see it still sees it as it was.
        assert_eq!(ids(&mut ann, CASES), [1, 2, 3, 4, 5, 6], "{level}");
        assert_eq!(
            number(
                &mut ann,
                "SELECT count(*) FROM cases WHERE note = 'secret-2'"
            ),
            1,
            "{level}"
        );
        // Whoever it has come to sees it with the next snapshot.
        assert_eq!(ids(&mut dan, CASES), [4], "{level}");
        run(&mut dan, "COMMIT");
        assert_eq!(ids(&mut dan, "EXECUTE kept"), [2, 4], "{level}");
    }
}

#[test]
fn records_that_are_locked_changed_or_removed() {
    for level in LEVELS {
        let database = desk();
        let mut bea = begun(&database, "desk_bea", level, &[2]);
        // A lock, and a change that is rolled back, or isn't committed yet.
        let mut other = database.superuser();
        run(
            &mut other,
            "BEGIN; SELECT FROM cases FOR UPDATE; UPDATE cases SET owner_id = 4; ROLLBACK;
             BEGIN; SELECT FROM cases FOR SHARE",
        );
        assert_eq!(ids(&mut bea, CASES), [2], "{level}");
        run(
            &mut other,
            "COMMIT; BEGIN; UPDATE cases SET owner_id = 4 WHERE id = 2",
        );
        assert_eq!(ids(&mut bea, CASES), [2], "{level}");
        run(&mut other, "COMMIT");
        assert_eq!(ids(&mut bea, CASES), [0; 0], "{level}");
        // A change that doesn't move it.
        let mut dan = begun(&database, "desk_dan", level, &[2, 4]);
        database.run("UPDATE cases SET title = 'another' WHERE id = 4");
        assert_eq!(ids(&mut dan, CASES), [2, 4], "{level}");
        // What is gone is in nobody's reach.
        database.run("DELETE FROM lines WHERE case_id = 4; DELETE FROM cases WHERE id = 4");
        assert_eq!(ids(&mut dan, CASES), [2], "{level}");
    }
}

#[test]
fn what_the_transaction_itself_writes() {
    for level in LEVELS {
        let database = desk();
        let mut bea = begun(&database, "desk_bea", level, &[2]);
        run(
            &mut bea,
            "SELECT FROM cases FOR UPDATE; UPDATE cases SET note = 'mine';
             INSERT INTO cases (id, title, owner_id) VALUES (20, 'new', 2);
             INSERT INTO lines VALUES (20, 20, 'new'), (21, 20, 'new');
             SAVEPOINT s; UPDATE cases SET note = 'undone'; ROLLBACK TO s",
        );
        assert_eq!(ids(&mut bea, CASES), [2, 20], "{level}");
        assert_eq!(
            ids(&mut bea, "SELECT id FROM lines ORDER BY id"),
            [2, 20, 21],
            "{level}"
        );
        run(&mut bea, "DELETE FROM lines WHERE id = 21");
        run(&mut bea, "COMMIT");
        assert_eq!(
            number(&mut bea, "SELECT count(*) FROM cases WHERE note = 'mine'"),
            1,
            "{level}"
        );
    }
}

#[test]
fn what_hangs_on_a_record_that_moves() {
    for level in LEVELS {
        let database = desk();
        let mut bea = begun(&database, "desk_bea", level, &[2]);
        assert_eq!(ids(&mut bea, "SELECT id FROM lines"), [2]);
        assert_eq!(ids(&mut bea, "SELECT id FROM docs"), [1]);
        // The line goes to another record; the document's link to another person.
        database.run("UPDATE lines SET case_id = 4 WHERE id = 2");
        database.run("UPDATE doc_people SET user_id = 4 WHERE doc_id = 1");
        for sql in [
            "SELECT id FROM lines",
            "SELECT id FROM docs",
            "SELECT doc_id FROM doc_people",
        ] {
            assert_eq!(ids(&mut bea, sql), [0; 0], "{level}: {sql}");
        }
        assert_eq!(ids(&mut bea, CASES), [2], "{level}");
    }
}

#[test]
fn rows_of_partitions() {
    for level in LEVELS {
        let database = desk();
        database.run(
            "SET ROLE desk_owner;
             CREATE TABLE visits_late PARTITION OF visits FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')",
        );
        database.run("INSERT INTO visits VALUES (5, '2022-05-01', 'v5', 2, 2)");
        let mut bea = begun(&database, "desk_bea", level, &[2]);
        let visits = "SELECT id FROM visits ORDER BY id";
        assert_eq!(ids(&mut bea, visits), [1, 2, 5]);
        database.run("UPDATE visits SET owner_id = 4 WHERE id IN (2, 5)");
        assert_eq!(ids(&mut bea, visits), [1], "{level}");
        for partition in ["visits_new", "visits_late"] {
            let direct = format!("SELECT id FROM {partition}");
            // Named directly, if the person may.
            database.run(&format!("GRANT SELECT ON {partition} TO desk_people"));
            assert_eq!(ids(&mut bea, &direct), [0; 0], "{level}: {direct}");
        }
        // One that moves to another partition is a new row there.
        database.run("UPDATE visits SET day = '2021-07-01' WHERE id = 1");
        assert_eq!(ids(&mut bea, visits), [0; 0], "{level}");
    }
}

/// The ways by which a transaction comes to keep its snapshot, with plans from before.
#[test]
fn every_way_into_such_a_transaction() {
    for begin in [
        "BEGIN; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ; BEGIN",
        "SET default_transaction_isolation = 'serializable'; BEGIN",
        "SELECT set_config('default_transaction_isolation', 'repeatable read', false); BEGIN",
        "BEGIN; SET LOCAL transaction_isolation = 'repeatable read'",
    ] {
        let database = desk();
        let mut bea = database.login("desk_bea");
        run(
            &mut bea,
            "SET plan_cache_mode = force_generic_plan;
             CREATE FUNCTION pg_temp.kept() RETURNS SETOF integer LANGUAGE plpgsql
               AS 'BEGIN RETURN QUERY SELECT c.id FROM public.cases AS c ORDER BY c.id; END'",
        );
        let kept = bea.prepare(CASES).expect("it is prepared");
        for _ in 0..3 {
            assert_eq!(bea.query(&kept, &[]).expect("it runs").len(), 1);
            assert_eq!(ids(&mut bea, "SELECT * FROM pg_temp.kept()"), [2]);
        }
        run(&mut bea, begin);
        // The first statement takes the snapshot.
        assert_eq!(number(&mut bea, "SELECT count(*) FROM countries"), 2);
        database.run("UPDATE cases SET owner_id = 4 WHERE id = 2");
        assert_eq!(
            bea.query(&kept, &[]).expect("it runs").len(),
            0,
            "{begin}: prepared"
        );
        assert_eq!(
            ids(&mut bea, "SELECT * FROM pg_temp.kept()"),
            [0; 0],
            "{begin}: in a function"
        );
        run(&mut bea, "ROLLBACK");
        assert_eq!(bea.query(&kept, &[]).expect("it runs").len(), 0);
    }
}

/// What a kept plan costs is paid only where a snapshot is kept.
#[test]
fn plans_are_those_of_the_transaction() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    run(
        &mut bea,
        "SET plan_cache_mode = force_generic_plan; PREPARE kept AS SELECT id FROM cases",
    );
    let mut plan = |begin: &str| {
        run(&mut bea, begin);
        let lines = bea
            .query("EXPLAIN EXECUTE kept", &[])
            .expect("it is explained");
        run(&mut bea, "COMMIT");
        let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
        lines.join("\n").contains("still_readable")
    };
    for _ in 0..2 {
        assert!(!plan("BEGIN"));
        assert!(plan("BEGIN ISOLATION LEVEL REPEATABLE READ"));
    }
}

/// Asked by SQL, the function tells no more than a SELECT would.
#[test]
fn asking_about_others_rows() {
    let database = desk();
    database.run("UPDATE cases SET note = note; UPDATE cases SET note = note");
    let mut bea = begun(&database, "desk_bea", "REPEATABLE READ", &[2]);
    let found = |client: &mut Client, table: &str| -> i64 {
        number(
            client,
            &format!(
                "SELECT count(*) FROM generate_series(1, 60) AS item
                 WHERE celador.still_readable('{table}'::regclass, CAST(format('(0,%s)', item) AS tid), '5'::xid)"
            ),
        )
    };
    let (cases, lines) = (found(&mut bea, "cases"), found(&mut bea, "lines"));
    // Every version of her own case leads to it; no other row does.
    assert!((1..=3).contains(&cases), "{cases}");
    assert_eq!(lines, 1);
    assert_eq!(found(&mut bea, "users"), 0);
    assert_eq!(found(&mut bea, "pg_catalog.pg_authid"), 0);
}
