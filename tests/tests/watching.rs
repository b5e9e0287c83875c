//! What Celador counts while it works: statistics, and who was denied what.

mod desk;

use celador_tests::{Database, cluster_with, denied, failure};
use desk::{MATRIX, document, number, run};
use postgres::{Client, NoTls};
use xtask::cluster::{Options, Preload};

fn shared() -> Options {
    Options {
        preload: Preload::Shared,
        settings: vec![("log_min_messages".into(), "warning".into())],
        ..Options::default()
    }
}

fn desk() -> Database {
    cluster_with(shared());
    desk::desk()
}

fn stat(client: &mut Client, name: &str) -> i64 {
    number(
        client,
        &format!("SELECT value FROM celador.stats() WHERE name = '{name}'"),
    )
}

fn denials(database: &Database) -> Vec<String> {
    database
        .superuser()
        .query(
            "SELECT concat_ws('|', \"user\", login, kind, module, relation, action, times)
             FROM celador.denials() ORDER BY last_at",
            &[],
        )
        .expect("the log")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn denials_are_noted_with_who_and_what_and_no_values() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    denied(bea.execute("UPDATE cases SET owner_id = 4 WHERE id = 2", &[]));
    denied(bea.execute("UPDATE cases SET owner_id = 4 WHERE id = 2", &[]));
    denied(bea.execute(
        "INSERT INTO cases (id, title, owner_id) VALUES (70, 'secret-title', 4)",
        &[],
    ));
    // One that is caught counts too.
    run(
        &mut bea,
        "DO $$ BEGIN
           INSERT INTO lines VALUES (90, 1, 'x');
         EXCEPTION WHEN insufficient_privilege THEN NULL;
         END $$",
    );
    denied(
        database
            .login("desk_stranger")
            .query("SELECT * FROM docs", &[]),
    );
    // Others' refusals aren't Celador's.
    denied(bea.execute("CREATE TABLE elsewhere.x (id int)", &[]));
    run(
        &mut database.superuser(),
        "CREATE TABLE elsewhere.own (id int); ALTER TABLE elsewhere.own ENABLE ROW LEVEL SECURITY;
         GRANT ALL ON elsewhere.own TO desk_people",
    );
    denied(bea.batch_execute("BEGIN; SELECT FROM cases; INSERT INTO elsewhere.own VALUES (1)"));
    run(&mut bea, "ROLLBACK");
    assert_eq!(
        denials(&database),
        [
            "2|desk_bea|guard|cases|public.cases|update|2",
            "2|desk_bea|check|cases|public.cases|create|1",
            "2|desk_bea|check|cases|public.lines|create|1",
            "desk_stranger|nobody|docs|public.docs|read|1",
        ]
    );
    let mut superuser = database.superuser();
    assert_eq!(stat(&mut superuser, "denied_guard"), 2);
    assert_eq!(stat(&mut superuser, "denied_check"), 2);
    assert_eq!(stat(&mut superuser, "denied_nobody"), 1);
    // For nobody unless granted.
    denied(bea.query("SELECT * FROM celador.denials()", &[]));
    denied(bea.query("SELECT * FROM celador.stats()", &[]));
}

#[test]
fn nobody_hides_others_by_being_denied_often() {
    cluster_with(shared());
    let database = desk::bare();
    run(
        &mut database.superuser(),
        "SET ROLE desk_owner;
         DO $$ BEGIN FOR n IN 1..300 LOOP EXECUTE format('CREATE TABLE spam_%s (id int)', n); END LOOP; END $$",
    );
    database.load(&document(MATRIX).replace("open = [", "closed = [\"spam_*\"]\nopen = ["));
    let mut bea = database.login("desk_bea");
    denied(bea.execute("UPDATE cases SET owner_id = 4 WHERE id = 2", &[]));
    run(
        &mut database.login("desk_stranger"),
        "DO $$ BEGIN
           FOR n IN 1..300 LOOP
             FOR what IN 1..4 LOOP
               BEGIN
                 EXECUTE format((ARRAY['SELECT FROM spam_%s', 'DELETE FROM spam_%s', 'UPDATE spam_%s SET id = 1',
                   'INSERT INTO spam_%s VALUES (1)'])[what], n);
               EXCEPTION WHEN insufficient_privilege THEN NULL;
               END;
             END LOOP;
           END LOOP;
         END $$",
    );
    let noted = denials(&database);
    assert!(
        noted
            .iter()
            .any(|line| line.starts_with("2|desk_bea|guard"))
    );
    assert!(noted.len() <= 1024, "{}", noted.len());
    let mut superuser = database.superuser();
    assert_eq!(stat(&mut superuser, "denied_nobody"), 1200);
    assert!(stat(&mut superuser, "denials_forgotten") > 0);
}

#[test]
fn the_servers_log_gets_them_if_a_superuser_says_so() {
    let database = desk();
    let mut superuser = database.superuser();
    run(
        &mut superuser,
        &format!(
            "ALTER DATABASE {} SET celador.log_denials = on",
            database.name()
        ),
    );
    let mut dan = database.login("desk_dan");
    assert!(dan.batch_execute("SET celador.log_denials = off").is_err());
    denied(dan.execute("UPDATE cases SET owner_id = 2 WHERE id = 4", &[]));
    denied(dan.execute(
        "INSERT INTO cases (id, title, owner_id) VALUES (70, 'x', 2)",
        &[],
    ));
    // What is logged is so before the next statement.
    run(&mut dan, "SELECT 1");
    let log = cluster_with(shared()).log().expect("a log");
    for kind in ["guard, update", "check, create"] {
        assert!(
            log.contains(&format!("celador denied: user \"4\", {kind} of table")),
            "{kind}: {log}"
        );
    }
}

#[test]
fn work_is_counted_for_the_database() {
    let database = desk();
    let mut superuser = database.superuser();
    let mut bea = database.login("desk_bea");
    let names = [
        "statements",
        "access_computed",
        "access_reused",
        "invalidations",
        "policy_reads",
    ];
    let read = |client: &mut Client| names.map(|name| stat(client, name));
    // Planned with it, and run with it. Other tests' work may make PostgreSQL say that all has changed: then
    // once more.
    let computed_once = (0..10).any(|_| {
        bea = database.login("desk_bea");
        let before = read(&mut superuser);
        for _ in 0..5 {
            number(&mut bea, "SELECT count(*) FROM cases");
        }
        let after = read(&mut superuser);
        assert_eq!(after[0] - before[0], 5);
        after[1] - before[1] == 1 && after[2] - before[2] == 5
    });
    assert!(computed_once);
    let after = read(&mut superuser);
    // Her role is taken: the access is computed again.
    run(&mut superuser, "DELETE FROM roles WHERE user_id = 2");
    number(&mut bea, "SELECT count(*) FROM cases");
    let later = read(&mut superuser);
    assert!(later[1] > after[1] && later[3] > after[3]);
    assert_eq!(stat(&mut superuser, "policy_revision"), 1);
    assert_eq!(
        number(
            &mut superuser,
            "SELECT count(*) FROM celador.stats() WHERE scope = 'server'"
        ),
        26
    );
    // Errors of a hook are counted, and denials aren't errors.
    let errors = stat(&mut superuser, "errors_planner");
    run(&mut superuser, "SET celador.panic_in = 'planner'");
    assert_eq!(failure(superuser.batch_execute("SELECT 1")).code, "XX000");
    run(&mut superuser, "RESET celador.panic_in");
    assert_eq!(stat(&mut superuser, "errors_planner"), errors + 1);
    assert!(stat(&mut superuser, "access_microseconds") > 0);
}

#[test]
fn tokens_are_counted() {
    let database = desk();
    let mut superuser = database.superuser();
    run(
        &mut superuser,
        "GRANT EXECUTE ON FUNCTION celador.assume(text), celador.act_as(text) TO desk_pool",
    );
    let mut pool = database.login("desk_pool");
    assert!(
        pool.batch_execute("SELECT celador.assume('nonsense')")
            .is_err()
    );
    run(&mut pool, "SELECT celador.act_as('2')");
    assert_eq!(stat(&mut superuser, "tokens_refused"), 1);
    assert_eq!(stat(&mut superuser, "tokens_accepted"), 1);
    assert!(denials(&database)[0].contains("desk_pool|token"));
}

#[test]
fn a_backend_that_shares_nothing_says_so() {
    let cluster = celador_tests::start(Options::default());
    let mut superuser =
        Client::connect(&cluster.url("postgres", "postgres"), NoTls).expect("a session");
    run(&mut superuser, "CREATE EXTENSION celador");
    run(&mut superuser, desk::SCHEMA);
    let observing = document(MATRIX).replace(
        "[mapping.modules.cases]\n",
        "[mapping.modules.cases]\nmode = \"observe\"\n",
    );
    let loaded = superuser.query("SELECT celador.load_policy($1)", &[&observing]);
    let scope: String = superuser
        .query_one("SELECT scope FROM celador.stats() LIMIT 1", &[])
        .expect("statistics")
        .get(0);
    if celador_tests::major() < 17 {
        let refused = failure(loaded);
        assert_eq!(refused.code, "55000");
        assert!(
            refused.hint.contains("shared_preload_libraries"),
            "{refused:?}"
        );
        assert_eq!(scope, "backend");
    } else {
        loaded.expect("it loads");
        assert_eq!(scope, "server");
    }
}
