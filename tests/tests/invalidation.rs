//! What changes in one session holds in every other from its next statement on, whatever plans,
//! transactions and cursors are open there.

mod desk;

use std::time::Duration;

use celador_tests::{Database, OpenSessions, cluster_with, denied};
use desk::{ids, number, run};
use postgres::Client;
use xtask::cluster::{Options, Preload};

/// As servers are set up: all sessions share what changes concern.
fn desk() -> Database {
    cluster_with(Options {
        preload: Preload::Shared,
        ..Options::default()
    });
    desk::desk()
}

/// A session with everything that keeps plans or snapshots: prepared statements with generic
/// plans, a plpgsql function with a cached plan, open cursors.
struct Session {
    name: &'static str,
    client: Client,
}

const KEPT: &str = "
SET plan_cache_mode = force_generic_plan;
PREPARE all_ids AS SELECT id FROM cases ORDER BY id;
PREPARE one(integer) AS SELECT id FROM cases WHERE id = $1;
PREPARE change(integer) AS UPDATE cases SET note = note WHERE id = $1;
CREATE FUNCTION pg_temp.all_ids() RETURNS SETOF integer LANGUAGE plpgsql
  AS 'BEGIN RETURN QUERY SELECT c.id FROM public.cases AS c ORDER BY c.id; END';
CREATE FUNCTION pg_temp.sql_ids() RETURNS SETOF integer LANGUAGE sql STABLE
  AS 'SELECT c.id FROM public.cases AS c ORDER BY c.id';
";

/// Sessions of one person: between transactions, inside one that holds locks, and inside a
/// REPEATABLE READ one. Each has run everything several times.
fn sessions(database: &Database, login: &str) -> Vec<Session> {
    [
        ("between transactions", ""),
        ("in a transaction", "BEGIN"),
        (
            "in REPEATABLE READ",
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
        ),
        ("in SERIALIZABLE", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
    ]
    .into_iter()
    .map(|(name, begin)| {
        let mut client = database.login(login);
        run(&mut client, KEPT);
        run(&mut client, begin);
        for _ in 0..3 {
            for sql in ASK {
                let _ = ids(&mut client, sql);
            }
        }
        Session { name, client }
    })
    .collect()
}

const ASK: [&str; 5] = [
    "EXECUTE all_ids",
    "SELECT id FROM cases ORDER BY id",
    "SELECT * FROM pg_temp.all_ids()",
    "SELECT * FROM pg_temp.sql_ids()",
    "WITH c AS (SELECT id FROM cases) SELECT id FROM c ORDER BY id",
];

/// The next statement of each session sees exactly these cases.
#[track_caller]
fn see(sessions: &mut [Session], expected: &[i32]) {
    for session in sessions {
        for sql in ASK {
            assert_eq!(
                ids(&mut session.client, sql),
                expected,
                "{}: {sql}",
                session.name
            );
        }
    }
}

/// The next statement of each session is refused; savepoints keep its transaction.
#[track_caller]
fn are_denied(sessions: &mut [Session]) {
    for session in sessions {
        let _ = session.client.batch_execute("SAVEPOINT s");
        for sql in ASK {
            denied(session.client.batch_execute(sql));
            let _ = session.client.batch_execute("ROLLBACK TO s");
        }
    }
}

#[test]
fn s1_05_a_role_given_and_taken() {
    let database = desk();
    let mut bea = sessions(&database, "desk_bea");
    see(&mut bea, &[2]);
    database.run("DELETE FROM roles WHERE user_id = 2");
    see(&mut bea, &[]);
    database.run("INSERT INTO roles VALUES (2, 'administrator')");
    see(&mut bea, &[1, 2, 3, 4, 5, 6]);
    database.run("UPDATE roles SET role = 'seller' WHERE user_id = 2");
    see(&mut bea, &[2]);
    // One that the map doesn't know gives nothing.
    database.run("UPDATE roles SET role = 'other' WHERE user_id = 2");
    see(&mut bea, &[]);
    database.run("INSERT INTO roles VALUES (2, 'seller') ON CONFLICT DO NOTHING");
    see(&mut bea, &[2]);
    // Whoever is inside a transaction has read the table: TRUNCATE waits for its end.
    bea.truncate(1);
    database.run("TRUNCATE roles");
    see(&mut bea, &[]);
    let mut superuser = database.superuser();
    let mut copy = superuser
        .copy_in("COPY roles FROM STDIN")
        .expect("copying begins");
    std::io::Write::write_all(&mut copy, b"2\tseller\n").expect("it is copied");
    copy.finish().expect("it is copied");
    see(&mut bea, &[2]);
}

#[test]
fn x_7_a_deactivated_user_is_nobody() {
    let database = desk();
    let mut bea = sessions(&database, "desk_bea");
    database.run("UPDATE users SET active = false WHERE id = 2");
    are_denied(&mut bea);
    let mut bea = sessions(&database, "desk_dan");
    database.run("UPDATE users SET login = 'other' WHERE id = 4");
    are_denied(&mut bea);
    database.run("UPDATE users SET login = 'desk_dan' WHERE id = 4");
    see(&mut bea, &[4]);
}

#[test]
fn x_5_a_switch_that_is_flipped() {
    let database = desk();
    let mut cem = sessions(&database, "desk_cem");
    for _ in 0..2 {
        see(&mut cem, &[3, 5, 6]);
        database.run("SELECT celador.set_setting('open_team', true)");
        see(&mut cem, &[2, 3, 5, 6]);
        database.run("SELECT celador.set_setting('open_team', false)");
    }
    // For a group, by one who may.
    run(
        &mut database.login("desk_ann"),
        "SELECT celador.set_setting('open_team', true, '1')",
    );
    see(&mut cem, &[2, 3, 5, 6]);
    denied(
        database
            .login("desk_bea")
            .execute("SELECT celador.set_setting('open_team', true, '2')", &[]),
    );
}

#[test]
fn a_user_who_moves_to_another_group() {
    let database = desk();
    database.run("SELECT celador.set_setting('open_team', true)");
    let mut cem = sessions(&database, "desk_cem");
    see(&mut cem, &[2, 3, 5, 6]);
    database.run("UPDATE members SET team_id = 2 WHERE user_id = 3");
    see(&mut cem, &[1, 3, 4, 5, 6]);
    database.run("DELETE FROM members WHERE user_id = 3");
    see(&mut cem, &[3, 5, 6]);
}

#[test]
fn s0_03_a_record_that_moves() {
    let database = desk();
    let mut bea = sessions(&database, "desk_bea");
    see(&mut bea, &[2]);
    database.run("UPDATE cases SET owner_id = 4 WHERE id = 2");
    see(&mut bea, &[]);
    // REPEATABLE READ and SERIALIZABLE don't see what has become theirs since they began.
    bea.truncate(2);
    database.run("UPDATE cases SET owner_id = 2 WHERE id IN (2, 5)");
    see(&mut bea, &[2, 5]);
    // By a link table.
    let mut documents = database.login("desk_bea");
    run(&mut documents, "BEGIN; PREPARE d AS SELECT id FROM docs");
    assert_eq!(ids(&mut documents, "EXECUTE d"), [1]);
    database.run("UPDATE doc_people SET doc_id = 3 WHERE user_id = 2");
    assert_eq!(ids(&mut documents, "EXECUTE d"), [3]);
}

#[test]
fn a_share_that_is_given_taken_or_ends() {
    let database = desk();
    let mut bea = sessions(&database, "desk_bea");
    database.run("SELECT celador.share('cases', '4', '2')");
    see(&mut bea, &[2, 4]);
    database.run("SELECT celador.unshare('cases', '4', '2')");
    see(&mut bea, &[2]);
    database.run("SELECT celador.share('cases', '4', '2', 'read', now() + interval '5 seconds')");
    see(&mut bea, &[2, 4]);
    std::thread::sleep(Duration::from_millis(5500));
    see(&mut bea, &[2]);
    database.run("SELECT celador.share_with_group('cases', '1', '1')");
    see(&mut bea, &[1, 2]);
    database.run("DELETE FROM members WHERE user_id = 2");
    see(&mut bea, &[2]);
}

#[test]
fn another_policy() {
    let database = desk();
    let mut bea = sessions(&database, "desk_bea");
    // Only values change, so that nothing has to wait for the open transactions.
    let all = desk::MATRIX.replace("read = [\"own\", \"shared\"]", "read = [\"all\"]");
    database.load(&desk::document(&all));
    see(&mut bea, &[1, 2, 3, 4, 5, 6]);
    let none = desk::MATRIX.replace("read = [\"own\", \"shared\"]", "read = []");
    database.load(&desk::document(&none));
    see(&mut bea, &[]);
    database.load(&desk::document(desk::MATRIX));
    see(&mut bea, &[2]);
}

/// Their plans hold no answers, but the policy's conditions.
#[test]
fn statements_prepared_in_a_transaction_are_planned_again_without_folding_too() {
    let database = desk();
    database.run(&format!(
        "ALTER DATABASE {} SET celador.fold = off",
        database.name()
    ));
    let mut bea = OpenSessions::open(&database, "desk_bea", "SELECT count(*) FROM cases");
    let all = desk::MATRIX.replace("read = [\"own\", \"shared\"]", "read = [\"all\"]");
    database.load(&desk::document(&all));
    bea.count(6);
    database.load(&desk::document(desk::MATRIX));
    bea.count(1);
}

#[test]
fn writes_are_decided_by_what_holds_now() {
    let database = desk();
    let mut bea = sessions(&database, "desk_bea");
    database.run("DELETE FROM roles WHERE user_id = 2");
    for session in &mut bea {
        assert_eq!(
            session
                .client
                .execute("EXECUTE change(2)", &[])
                .expect("it runs"),
            0,
            "{}",
            session.name
        );
        let _ = session.client.batch_execute("SAVEPOINT s");
        denied(session.client.execute(
            "INSERT INTO cases (id, title, owner_id) VALUES (10, 'x', 2)",
            &[],
        ));
        let _ = session.client.batch_execute("ROLLBACK TO s");
    }
}

#[test]
fn what_is_rolled_back_changes_nothing_and_ones_own_change_holds_at_once() {
    let database = desk();
    let mut bea = sessions(&database, "desk_bea");
    database.run("BEGIN; DELETE FROM roles WHERE user_id = 2; ROLLBACK");
    see(&mut bea, &[2]);
    let mut ann = database.login("desk_ann");
    run(
        &mut ann,
        "BEGIN; SAVEPOINT s; DELETE FROM roles WHERE user_id = 2",
    );
    see(&mut bea, &[2]);
    run(
        &mut ann,
        "ROLLBACK TO s; DELETE FROM roles WHERE user_id = 1",
    );
    assert!(ids(&mut ann, "SELECT id FROM cases").is_empty());
    run(&mut ann, "ROLLBACK");
    assert_eq!(ids(&mut ann, "SELECT id FROM cases").len(), 6);
}

/// What a cursor gives after its first row.
fn rest(client: &mut Client, cursor: &str) -> usize {
    let _ = client.batch_execute("SAVEPOINT f");
    match client.query(&format!("FETCH ALL FROM {cursor}"), &[]) {
        Ok(rows) => rows.len(),
        Err(error) => {
            let code = error.code().map(|code| code.code().to_owned());
            assert!(
                matches!(code.as_deref(), Some("42501" | "40001")),
                "{cursor}: {error:?}"
            );
            let _ = client.batch_execute("ROLLBACK TO f");
            0
        }
    }
}

#[test]
fn an_open_cursor_gives_no_more_rows() {
    let changes = [
        "DELETE FROM roles WHERE user_id = 1",
        "UPDATE users SET active = false WHERE id = 1",
    ];
    for change in changes {
        let database = desk();
        for begin in ["BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ"] {
            let mut ann = database.login("desk_ann");
            run(
                &mut ann,
                &format!(
                    "{begin};
                     DECLARE plain CURSOR FOR SELECT id FROM cases;
                     DECLARE sorted CURSOR FOR SELECT id FROM cases ORDER BY note;
                     DECLARE crossed CURSOR FOR SELECT c.id FROM cases AS c, generate_series(1, 20);
                     DECLARE materialized CURSOR FOR WITH c AS MATERIALIZED (SELECT id FROM cases ORDER BY note) SELECT id FROM c;
                     DECLARE scrolled SCROLL CURSOR FOR SELECT id FROM cases;
                     DECLARE untouched CURSOR FOR SELECT id FROM cases"
                ),
            );
            let cursors = ["plain", "sorted", "crossed", "materialized", "scrolled"];
            for cursor in cursors {
                run(&mut ann, &format!("FETCH 2 FROM {cursor}"));
            }
            database.run(change);
            for cursor in cursors.into_iter().chain(["untouched"]) {
                assert_eq!(rest(&mut ann, cursor), 0, "{begin}; {change}: {cursor}");
            }
            let _ = ann.batch_execute("SAVEPOINT f");
            match ann.query("FETCH BACKWARD ALL FROM scrolled", &[]) {
                Ok(rows) => assert!(rows.is_empty(), "{change}: backward"),
                Err(_) => run(&mut ann, "ROLLBACK TO f"),
            }
            database.run(
                "UPDATE users SET active = true; INSERT INTO roles VALUES (1, 'administrator') ON CONFLICT DO NOTHING",
            );
        }
    }
}

#[test]
fn a_cursor_goes_on_when_somebody_else_changes() {
    let database = desk();
    let mut ann = database.login("desk_ann");
    run(
        &mut ann,
        "BEGIN; DECLARE sorted CURSOR FOR SELECT id FROM cases ORDER BY note; FETCH 2 FROM sorted",
    );
    database.run("DELETE FROM roles WHERE user_id = 4; UPDATE users SET last_seen = now()");
    assert_eq!(rest(&mut ann, "sorted"), 4);
    // Also in a loop that changes the directory itself, as far as others are concerned.
    run(
        &mut ann,
        "COMMIT; DO $$ DECLARE r record; BEGIN
           FOR r IN SELECT id FROM users WHERE id > 1 ORDER BY id LOOP UPDATE users SET region = 'x' || r.id WHERE id = r.id; END LOOP; END $$",
    );
    assert_eq!(
        number(
            &mut database.superuser(),
            "SELECT count(*) FROM users WHERE region = 'x' || id"
        ),
        4
    );
}

/// How often the directory was read in this database: only Celador reads the memberships here.
fn directory_reads(database: &Database, reader: &mut Client) -> i64 {
    run(reader, "SELECT pg_stat_force_next_flush(); SELECT 1");
    let mut superuser = database.superuser();
    number(
        &mut superuser,
        "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'members'",
    )
}

#[test]
fn unmapped_columns_of_the_users_table_invalidate_nothing() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    run(&mut bea, KEPT);
    let mut login = database.superuser();
    assert_eq!(ids(&mut bea, "EXECUTE all_ids"), [2]);
    let before = directory_reads(&database, &mut bea);
    assert!(before > 0, "the sign tells nothing");
    let start = std::time::Instant::now();
    for at in 0..100 {
        let update = if at % 2 == 0 {
            "UPDATE users SET last_seen = clock_timestamp() WHERE id = 2"
        } else {
            // As an ORM writes it: all columns, most of them unchanged.
            "UPDATE users SET login = 'desk_bea', active = true, boss = 1, region = 'north', last_seen = clock_timestamp() WHERE id = 2"
        };
        run(&mut login, update);
        assert_eq!(ids(&mut bea, "EXECUTE all_ids"), [2]);
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(directory_reads(&database, &mut bea), before);
    // A mapped column does.
    run(&mut login, "UPDATE users SET region = 'west' WHERE id = 2");
    assert_eq!(ids(&mut bea, "EXECUTE all_ids"), [2]);
    assert!(directory_reads(&database, &mut bea) > before);
}

#[test]
fn tables_that_join_the_directory_later_are_watched() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner; CREATE TABLE more_roles () INHERITS (roles); CREATE TABLE more_members () INHERITS (members)",
    );
    let mut bea = sessions(&database, "desk_bea");
    see(&mut bea, &[2]);
    database.run("INSERT INTO more_roles VALUES (2, 'administrator')");
    see(&mut bea, &[1, 2, 3, 4, 5, 6]);
    database.run("DELETE FROM more_roles");
    see(&mut bea, &[2]);
    // And guarded: nobody gives more than he or she holds.
    database.run("GRANT ALL ON more_roles TO desk_people");
    denied(
        database
            .login("desk_bea")
            .execute("INSERT INTO more_roles VALUES (2, 'administrator')", &[]),
    );
}

/// BI tools make many.
#[test]
fn temporary_tables_of_others_invalidate_nothing() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    run(&mut bea, KEPT);
    assert_eq!(ids(&mut bea, "EXECUTE all_ids"), [2]);
    let before = directory_reads(&database, &mut bea);
    let mut other = database.login("desk_cem");
    for command in [
        "CREATE TEMP TABLE jots (id integer PRIMARY KEY, name text DEFAULT 'x')",
        "CREATE TEMP TABLE seen AS SELECT id FROM cases",
        "SELECT id INTO TEMP more FROM cases",
        "CREATE INDEX ON jots (name)",
        "ALTER TABLE jots ADD COLUMN at date",
        "CREATE TEMP VIEW of_jots AS SELECT * FROM jots",
    ] {
        run(&mut other, command);
        assert_eq!(ids(&mut bea, "EXECUTE all_ids"), [2]);
        assert_eq!(directory_reads(&database, &mut bea), before, "{command}");
    }
    run(&mut other, "DROP TABLE seen");
    assert_eq!(ids(&mut bea, "EXECUTE all_ids"), [2]);
    // Below a table of the directory one is heard.
    let mut owner = database.superuser();
    let below = "SET ROLE desk_owner; CREATE TEMP TABLE more_roles () INHERITS (roles); RESET ROLE";
    run(&mut owner, below);
    assert_eq!(ids(&mut bea, "EXECUTE all_ids"), [2]);
    assert!(directory_reads(&database, &mut bea) > before);
}

/// Other DDL tells of a new policy, whatever it is.
#[test]
fn commands_that_change_a_table_of_the_directory_are_heard() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner; CREATE TABLE more_roles () INHERITS (roles); RESET ROLE;
         INSERT INTO more_roles VALUES (2, 'administrator')",
    );
    let mut bea = database.login("desk_bea");
    run(&mut bea, KEPT);
    let all = [1, 2, 3, 4, 5, 6];
    for (command, seen) in [
        ("", &all[..]),
        ("ALTER TABLE more_roles NO INHERIT roles", &[2]),
        ("ALTER TABLE more_roles INHERIT roles", &all),
        ("DROP TABLE more_roles", &[2]),
        (
            "ALTER TABLE roles ALTER COLUMN role TYPE text
             USING CASE user_id WHEN 2 THEN 'administrator' ELSE role END",
            &all,
        ),
    ] {
        database.run(command);
        for sql in ASK {
            assert_eq!(ids(&mut bea, sql), seen, "{command}: {sql}");
        }
    }
}

#[test]
fn triggers_of_the_directory_fire_in_replica_mode_too() {
    let database = desk();
    let mut bea = sessions(&database, "desk_bea");
    database.run("SET session_replication_role = replica; DELETE FROM roles WHERE user_id = 2");
    see(&mut bea, &[]);
}
