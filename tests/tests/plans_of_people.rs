//! A plan that holds a person's answers never serves another, whatever keeps it.

mod desk;

use celador_tests::shadow::fault::are_tried;
use celador_tests::{Database, folds, plan, small_crm};
use desk::people::{act_as, carried};
use desk::{desk, ids, number, run, text};
use postgres::Client;

/// Everything that keeps a plan: prepared statements, and functions.
const PREPARED: &str = "
PREPARE all_ids AS SELECT id FROM cases ORDER BY id;
PREPARE one(integer) AS SELECT id FROM cases WHERE id = $1;
";
const FUNCTIONS: &str = "
CREATE SCHEMA kept;
GRANT USAGE ON SCHEMA kept TO PUBLIC;
CREATE FUNCTION kept.plpgsql_ids() RETURNS SETOF integer LANGUAGE plpgsql
  AS 'BEGIN RETURN QUERY SELECT c.id FROM public.cases AS c ORDER BY c.id; END';
CREATE FUNCTION kept.sql_ids() RETURNS SETOF integer LANGUAGE sql STABLE
  AS 'SELECT c.id FROM public.cases AS c ORDER BY c.id';
CREATE FUNCTION kept.sql_count() RETURNS bigint LANGUAGE sql
  AS 'SELECT count(*) FROM public.cases';
CREATE FUNCTION kept.plpgsql_count() RETURNS bigint LANGUAGE plpgsql
  AS 'DECLARE n bigint; BEGIN n := kept.sql_count(); RETURN n; END';
";

/// What the person sees by each of them; all must agree.
fn seen(client: &mut Client, who: &str) -> Vec<i32> {
    let all = ids(client, "SELECT id FROM cases ORDER BY id");
    for sql in [
        "EXECUTE all_ids",
        "SELECT * FROM kept.plpgsql_ids()",
        "SELECT * FROM kept.sql_ids()",
    ] {
        assert_eq!(ids(client, sql), all, "{who}: {sql}");
    }
    for sql in ["SELECT kept.sql_count()", "SELECT kept.plpgsql_count()"] {
        assert_eq!(number(client, sql), all.len() as i64, "{who}: {sql}");
    }
    for id in 1..=12 {
        let found = ids(client, &format!("EXECUTE one({id})"));
        assert_eq!(!found.is_empty(), all.contains(&id), "{who}: case {id}");
    }
    all
}

fn alone(database: &Database, user: &str) -> Vec<i32> {
    let mut pool = database.login("desk_pool");
    act_as(&mut pool, user);
    ids(&mut pool, "SELECT id FROM cases ORDER BY id")
}

#[test]
fn people_in_turn_never_share_a_plan() {
    are_served_in_turn(&carried());
}

fn are_served_in_turn(database: &Database) {
    database.run(FUNCTIONS);
    let people = ["1", "2", "3", "4"];
    let expected: Vec<_> = people.iter().map(|user| alone(database, user)).collect();
    assert!(
        expected.windows(2).all(|two| two[0] != two[1]),
        "they see different cases: {expected:?}"
    );
    let parallel = if celador_tests::major() >= 16 {
        "debug_parallel_query"
    } else {
        "force_parallel_mode"
    };
    for settings in [
        String::new(),
        "SET plan_cache_mode = force_generic_plan".to_owned(),
        "SET plan_cache_mode = force_custom_plan".to_owned(),
        format!("SET plan_cache_mode = force_generic_plan; SET {parallel} = on"),
        format!("SET {parallel} = on"),
        "SET celador.fold = off".to_owned(),
    ] {
        let mut pool = database.login("desk_pool");
        run(&mut pool, &settings);
        run(&mut pool, PREPARED);
        for _ in 0..3 {
            for (user, expected) in people.iter().zip(&expected) {
                act_as(&mut pool, user);
                let who = format!("{user} with {settings:?}");
                assert_eq!(&seen(&mut pool, &who), expected, "{who}");
                assert_eq!(&seen(&mut pool, &who), expected, "{who}, again");
            }
        }
    }
}

/// Tried on PostgreSQL 15 before plans that call functions in SQL were marked: somebody without
/// rights got the count of whoever came before.
#[test]
fn people_in_turn_within_one_function_never_share_a_plan() {
    let database = carried();
    database.run(FUNCTIONS);
    let counts: Vec<String> = ["1", "2", "3", "4", "1"]
        .iter()
        .map(|user| alone(&database, user).len().to_string())
        .collect();
    database.run(
        "CREATE FUNCTION kept.in_turn() RETURNS text LANGUAGE plpgsql AS $$
         DECLARE u text; n bigint; all_of_them text := '';
         BEGIN
           FOREACH u IN ARRAY ARRAY['1', '2', '3', '4', '1'] LOOP
             PERFORM celador.act_as(u);
             n := kept.sql_count();
             all_of_them := all_of_them || n || ' ';
           END LOOP;
           RETURN all_of_them;
         END $$",
    );
    let mut pool = database.login("desk_pool");
    let got = text(&mut pool, "SELECT kept.in_turn()").expect("counts");
    assert_eq!(got.split_whitespace().collect::<Vec<_>>(), counts);
}

#[test]
fn whoever_reaches_all_or_nothing_has_a_plan_without_conditions() {
    if !folds() {
        return;
    }
    let database = small_crm(
        "[permissions.worker.companies]\nread = [\"own\"]\n[permissions.chief.companies]\nread = [\"all\"]\n",
    );
    database.run("SELECT celador.give_role('boss', 'chief')");
    let plan = |login: &str, sql: &str| plan(&mut database.login(login), sql);
    let sql = "SELECT name FROM companies WHERE region = 'north'";
    assert_eq!(
        plan("small_boss", sql),
        "Seq Scan on companies\n  Filter: (region = 'north'::text)"
    );
    assert_eq!(plan("small_omar", sql), "Result\n  One-Time Filter: false");
    assert_eq!(
        plan("small_lena", sql),
        "Seq Scan on companies\n  Filter: ((owner = 'lena'::text) AND (region = 'north'::text))"
    );
}

/// PostgreSQL looks for changes where it takes a lock, and not where the transaction holds it: there
/// it is made to look again.
#[test]
fn a_kept_plan_in_an_open_transaction_never_gives_what_was_taken_away() {
    loses_a_role(&desk());
}

fn loses_a_role(database: &Database) {
    let mut session = database.login("desk_bea");
    run(&mut session, "SET plan_cache_mode = force_generic_plan");
    let all = session
        .prepare("SELECT id FROM cases ORDER BY id")
        .expect("a statement");
    let before = session.query(&all, &[]).expect("cases").len();
    assert!(before > 0);
    run(&mut session, "BEGIN");
    for _ in 0..2 {
        assert_eq!(session.query(&all, &[]).expect("cases").len(), before);
    }
    database.run("DELETE FROM roles WHERE user_id = 2");
    let after = session.query(&all, &[]).expect("no error");
    assert_eq!(after.len(), 0, "what was taken away");
    run(&mut session, "ROLLBACK; BEGIN");
    assert_eq!(session.query(&all, &[]).expect("no case").len(), 0);
    // Where another person's role changes, nothing does.
    database.run("INSERT INTO roles VALUES (2, 'seller')");
    run(&mut session, "ROLLBACK; BEGIN");
    assert_eq!(session.query(&all, &[]).expect("cases").len(), before);
    database.run("DELETE FROM roles WHERE user_id = 3");
    assert_eq!(session.query(&all, &[]).expect("the same").len(), before);
}

fn counted(session: &mut Client, name: &str) -> i64 {
    number(
        session,
        &format!("SELECT value::bigint FROM celador.stats() WHERE name = '{name}'"),
    )
}

/// A function goes on with the locks that it has, and looks for no change before its next statement.
#[test]
fn a_function_that_runs_goes_on_without_what_was_taken_away() {
    loses_a_role_meanwhile(&desk());
}

fn loses_a_role_meanwhile(database: &Database) {
    database.run(
        "CREATE FUNCTION twice() RETURNS bigint LANGUAGE plpgsql AS $$
         DECLARE n bigint;
         BEGIN
           FOR i IN 1..2 LOOP
             SELECT count(*) INTO n FROM public.cases;
             IF i = 1 THEN
               PERFORM pg_advisory_lock(4242);
             END IF;
           END LOOP;
           RETURN n;
         END $$",
    );
    let mut superuser = database.superuser();
    run(&mut superuser, "SELECT pg_advisory_lock(4242)");
    let mut session = database.login("desk_bea");
    assert!(number(&mut session, "SELECT count(*) FROM cases") > 0);
    let running = std::thread::spawn(move || session.query_one("SELECT twice()", &[]));
    let waits = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = '{}')",
        database.name()
    );
    while number(&mut superuser, &waits) == 0 {
        assert!(!running.is_finished(), "it waits");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // Committed before it goes on.
    run(&mut superuser, "DELETE FROM roles WHERE user_id = 2");
    run(&mut superuser, "SELECT pg_advisory_unlock(4242)");
    match running.join().expect("it ends") {
        Ok(row) => assert_eq!(row.get::<_, i64>(0), 0, "what was taken away"),
        Err(error) => assert_eq!(error.code().map(|code| code.code()), Some("40001")),
    }
}

/// People who come back on one session get the plans that were made for them; and what changes
/// meanwhile is as if nothing were kept.
#[test]
fn people_who_come_back_get_their_plans_again() {
    if !folds() {
        return;
    }
    come_back(&carried());
}

fn come_back(database: &Database) {
    database.run(
        "CREATE INDEX cases_owner ON cases (owner_id);
         GRANT EXECUTE ON FUNCTION celador.stats() TO desk_pool",
    );
    let people = ["1", "2", "3", "4"];
    let mut pool = database.login("desk_pool");
    run(
        &mut pool,
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off",
    );
    let all = pool
        .prepare("SELECT id FROM cases ORDER BY id")
        .expect("a statement");
    let one = pool
        .prepare("SELECT id FROM cases WHERE id = $1")
        .expect("a statement");
    let titled = pool
        .prepare("SELECT id FROM cases WHERE title = 'x'")
        .expect("a statement");
    let each_alone = || people.map(|user| (user, alone(database, user)));
    let see = |pool: &mut Client, expected: &[(&str, Vec<i32>)]| {
        for (user, expected) in expected {
            run(pool, "BEGIN");
            act_as(pool, user);
            for _ in 0..2 {
                let rows = pool.query(&all, &[]).expect("cases");
                let found: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
                assert_eq!(found, *expected, "{user}");
                assert!(pool.query(&titled, &[]).is_ok(), "{user}");
                for id in 1..=6 {
                    let seen = !pool.query(&one, &[&id]).expect("a case").is_empty();
                    assert_eq!(seen, found.contains(&id), "{user}: case {id}");
                }
            }
            run(pool, "COMMIT");
        }
    };
    // What other sessions plan may be counted too: nothing else runs between the counts.
    let expected = each_alone();
    for _ in 0..3 {
        see(&mut pool, &expected);
    }
    // Other tests' databases may make PostgreSQL drop all that it has kept: then once more.
    let nothing_is_planned_anew = (0..10).any(|_| {
        let before = ["plans_made", "plans_reused"].map(|name| counted(&mut pool, name));
        see(&mut pool, &expected);
        let after = ["plans_made", "plans_reused"].map(|name| counted(&mut pool, name));
        before[0] > 0 && after[0] == before[0] && after[1] > before[1]
    });
    assert!(nothing_is_planned_anew);
    for change in [
        "DELETE FROM roles WHERE user_id = 2",
        "INSERT INTO roles VALUES (2, 'seller')",
        "SELECT celador.set_setting('open_team', true, '1')",
        "UPDATE cases SET owner_id = 2 WHERE id = 6",
        "SELECT celador.share('cases', '1', '2')",
        "DROP INDEX cases_title",
        "DROP INDEX cases_owner",
        "ALTER TABLE cases ADD COLUMN more text; INSERT INTO cases VALUES (7, 'x', 'x', 'ES', 2, 1, 2)",
        "SELECT celador.load_policy(replace(document, 'read = [\"own\", \"shared\"]', 'read = [\"own\"]')) \
         FROM celador.policy ORDER BY revision DESC LIMIT 1",
        "ANALYZE cases",
        "UPDATE users SET active = false WHERE id = 3",
    ] {
        database.run(change);
        if change.contains("active = false") {
            // Nobody is an error, with a plan that is kept too.
            run(&mut pool, "BEGIN");
            assert!(
                pool.batch_execute("SELECT celador.act_as('3')").is_err()
                    || pool.query(&all, &[]).is_err()
            );
            run(&mut pool, "ROLLBACK");
            continue;
        }
        let expected = each_alone();
        see(&mut pool, &expected);
        see(&mut pool, &expected);
    }
    // A setting of the planner's is heard.
    run(&mut pool, "RESET enable_seqscan");
    act_as(&mut pool, "2");
    let look = "SELECT id FROM cases WHERE id = 1 ORDER BY id";
    for _ in 0..3 {
        assert!(plan(&mut pool, look).contains("Seq Scan"), "a small table");
        run(&mut pool, "SET enable_seqscan = off");
        assert!(!plan(&mut pool, look).contains("Seq Scan"), "by its key");
        run(&mut pool, "RESET enable_seqscan");
    }
}

/// A mistake that debug builds make on request, what finds it, and where.
type Fault = (&'static str, fn(&Database), fn() -> Database);

const FAULTS: [Fault; 8] = [
    ("plans outlive an identity", are_served_in_turn, carried),
    ("the directory isn't heard", come_back, carried),
    ("plans are found by anybody", come_back, carried),
    ("settings don't count", come_back, carried),
    ("plans never age", come_back, carried),
    ("the directory isn't heard", loses_a_role, desk),
    ("held locks stay clear", loses_a_role, desk),
    ("stamps aren't compared", loses_a_role_meanwhile, desk),
];

/// The tests are tested.
#[test]
fn faults_in_what_keeps_plans_are_found() {
    if !are_tried() || !folds() {
        return;
    }
    let mut missed = Vec::new();
    for (mistake, finds, stage) in FAULTS {
        if !stage().finds_mistake(mistake, finds) {
            missed.push(mistake);
        }
    }
    assert_eq!(missed, Vec::<&str>::new());
}
