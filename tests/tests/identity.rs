//! Who a session acts for, and that SQL without a key makes it nobody else.

mod desk;

use std::time::{SystemTime, UNIX_EPOCH};

use celador_identity::{Claims, KeyRing};
use celador_tests::{Database, cluster, denied, failure};
use desk::{desk, ids, number, run, text};
use postgres::Client;

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is right")
        .as_secs()
}

fn keys() -> KeyRing {
    let text = std::fs::read_to_string(cluster().key_file()).expect("the key file can be read");
    KeyRing::parse(&text).expect("the key file is right")
}

/// What a proxy would claim for the session.
fn claims(client: &mut Client, user: &str) -> Claims {
    let row = client
        .query_one(
            "SELECT oid::bigint, pg_backend_pid() FROM pg_database WHERE datname = current_database()",
            &[],
        )
        .expect("the session tells what it is");
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is right")
        .as_micros();
    Claims {
        user: user.to_owned(),
        database: u32::try_from(row.get::<_, i64>(0)).expect("an oid"),
        backend: row.get(1),
        serial: u64::try_from(micros).expect("the clock is right"),
        expires: now() + 60,
    }
}

fn token(client: &mut Client, user: &str) -> String {
    keys()
        .sign(&claims(client, user))
        .expect("a token can be signed")
}

/// The desk, whose role `desk_pool` may carry tokens and act as people.
fn carried() -> Database {
    let database = desk();
    database
        .run("GRANT EXECUTE ON FUNCTION celador.assume(text), celador.act_as(text) TO desk_pool");
    database
}

#[track_caller]
fn assume(client: &mut Client, token: &str) {
    client
        .execute("SELECT celador.assume($1)", &[&token])
        .unwrap_or_else(|error| panic!("{error:?}"));
}

#[track_caller]
fn act_as(client: &mut Client, user: &str) {
    run(client, &format!("SELECT celador.act_as('{user}')"));
}

fn whoami(client: &mut Client) -> (Option<String>, Option<String>, Option<String>) {
    let row = client
        .query_one("SELECT \"user\", source, reason FROM celador.whoami()", &[])
        .expect("everybody may ask");
    (row.get(0), row.get(1), row.get(2))
}

/// The session acts for nobody: an error, never an empty table; and it says why.
#[track_caller]
fn is_nobody(client: &mut Client, why: &str) {
    let (user, _, reason) = whoami(client);
    assert_eq!(user, None);
    let reason = reason.expect("there is a reason");
    assert!(reason.contains(why), "{reason}");
    for sql in [
        "SELECT * FROM cases",
        "SELECT 1 FROM cases WHERE false",
        "EXPLAIN SELECT * FROM cases",
        "UPDATE cases SET note = 'x' WHERE false",
        "DELETE FROM cases WHERE false",
        "INSERT INTO cases (id, title) SELECT 10, 'x' WHERE false",
        "COPY cases TO STDOUT",
    ] {
        let error = denied(client.batch_execute(sql));
        assert!(error.message.contains(why), "{sql}: {error:?}");
        assert!(!error.hint.is_empty(), "{sql}: {error:?}");
    }
}

#[track_caller]
fn is(client: &mut Client, user: &str, source: &str) {
    let (found, by, reason) = whoami(client);
    assert_eq!(
        (found.as_deref(), by.as_deref(), reason),
        (Some(user), Some(source), None)
    );
    let own: i32 = user.parse().expect("a number");
    assert_eq!(
        ids(client, "SELECT id FROM cases WHERE owner_id IS NOT NULL"),
        [own]
    );
}

#[test]
fn the_login_is_mapped_to_a_person() {
    let database = desk();
    is(&mut database.login("desk_bea"), "2", "login");
    is(&mut database.login("desk_dan"), "4", "login");
    is_nobody(&mut database.login("desk_stranger"), "no user's login");
    is_nobody(&mut database.login("desk_off"), "deactivated");
    database.run("UPDATE users SET login = 'desk_bea' WHERE id = 4");
    is_nobody(&mut database.login("desk_bea"), "several users");
}

#[test]
fn carriers_have_no_login_mapping() {
    let database = carried();
    database.run("UPDATE users SET login = 'desk_pool' WHERE id = 2");
    is_nobody(&mut database.login("desk_pool"), "carries identities");
    // Also by membership, whether inherited or not.
    database.run(
        "CREATE ROLE desk_carriers; CREATE ROLE desk_heir LOGIN IN ROLE desk_people;
         GRANT EXECUTE ON FUNCTION celador.act_as(text) TO desk_carriers;
         GRANT desk_carriers TO desk_heir;
         UPDATE users SET login = 'desk_heir' WHERE id = 2",
    );
    is_nobody(&mut database.login("desk_heir"), "carries identities");
    let mut stranger = database.login("desk_bea");
    for function in ["celador.act_as('1')", "celador.assume('x')"] {
        denied(stranger.batch_execute(&format!("SELECT {function}")));
    }
}

#[test]
fn a_token_makes_a_person() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    for user in ["2", "4", "2"] {
        let token = token(&mut pool, user);
        assume(&mut pool, &token);
        is(&mut pool, user, "token");
    }
    run(&mut pool, "SELECT celador.end_identity()");
    is_nobody(&mut pool, "carries identities");
    act_as(&mut pool, "4");
    is(&mut pool, "4", "token");
    let token = token(&mut pool, "99");
    assume(&mut pool, &token);
    is_nobody(&mut pool, "no user");
}

#[test]
fn tokens_that_are_not_accepted_leave_nobody() {
    let database = carried();
    let other = carried();
    let mut pool = database.login("desk_pool");
    let mut elsewhere = database.login("desk_pool");
    let first = token(&mut pool, "4");
    let strange =
        KeyRing::parse("1 6f1d2c3b4a5968778695a4b3c2d1e0ff00112233445566778899aabbccddeeff")
            .expect("a key");
    let base = claims(&mut pool, "4");
    let expired = Claims {
        expires: now() - 1,
        ..base.clone()
    };
    let early = Claims {
        serial: 1,
        ..base.clone()
    };
    let foreign_database = claims(&mut other.login("desk_pool"), "4").database;
    let foreign = Claims {
        database: foreign_database,
        ..base.clone()
    };
    let valid = keys().sign(&base).expect("signed");
    let mut bad = vec![
        ("expired", keys().sign(&expired).expect("signed")),
        ("before the session", keys().sign(&early).expect("signed")),
        ("another database", keys().sign(&foreign).expect("signed")),
        ("another backend", token(&mut elsewhere, "4")),
        ("another key", strange.sign(&base).expect("signed")),
        ("no token", "celador1".to_owned()),
        ("empty", String::new()),
        ("long", "a:".repeat(4000)),
    ];
    // Each byte matters.
    for at in (0..valid.len()).step_by(7) {
        let mut bytes = valid.clone().into_bytes();
        bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
        bad.push(("tampered", String::from_utf8(bytes).expect("ascii")));
    }
    for (what, text) in &bad {
        let fresh = token(&mut pool, "2");
        assume(&mut pool, &fresh);
        let error = failure(pool.execute("SELECT celador.assume($1)", &[text]));
        assert_eq!(error.code, "28000", "{what}: {error:?}");
        assert!(
            !error.message.contains(text.as_str()) || text.is_empty(),
            "{error:?}"
        );
        is_nobody(&mut pool, "");
    }
    // Used before, and older than one that was used.
    let used = token(&mut pool, "2");
    assume(&mut pool, &used);
    for (what, text) in [("replayed", &used), ("older", &first), ("older", &valid)] {
        let error = failure(pool.execute("SELECT celador.assume($1)", &[text]));
        assert_eq!(error.code, "28000", "{what}");
        is_nobody(&mut pool, "");
    }
    // In a session that comes after.
    drop(pool);
    let mut later = database.login("desk_pool");
    assert_eq!(
        failure(later.execute("SELECT celador.assume($1)", &[&valid])).code,
        "28000"
    );
    is_nobody(&mut later, "");
}

#[test]
fn failing_to_become_somebody_leaves_nobody() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    for sql in [
        "SELECT celador.act_as('99')",
        "SELECT celador.act_as('5')",
        "SELECT celador.act_as('')",
        "SELECT celador.act_as(NULL)",
        "SELECT celador.assume(NULL)",
        "DO $$ BEGIN PERFORM celador.act_as('99'); EXCEPTION WHEN OTHERS THEN NULL; END $$",
        "DO $$ BEGIN PERFORM celador.assume('x'); EXCEPTION WHEN OTHERS THEN NULL; END $$",
    ] {
        act_as(&mut pool, "2");
        let _ = pool.batch_execute(sql);
        let (user, ..) = whoami(&mut pool);
        assert_eq!(user, None, "after {sql}");
    }
}

#[test]
fn sql_ends_an_identity_and_makes_none() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    for sql in [
        "RESET ALL",
        "DISCARD ALL",
        "RESET celador.identity",
        "SET celador.identity TO DEFAULT",
        "SET celador.identity = ''",
        "SELECT celador.end_identity()",
    ] {
        act_as(&mut pool, "2");
        is(&mut pool, "2", "token");
        run(&mut pool, sql);
        is_nobody(&mut pool, "carries identities");
    }
    // Who is signed in doesn't change with the database role.
    act_as(&mut pool, "2");
    run(&mut pool, "SET ROLE desk_people");
    is(&mut pool, "2", "token");
    run(&mut pool, "RESET ROLE");
    let mut bea = database.login("desk_bea");
    for sql in [
        "SET ROLE desk_people",
        "RESET ALL",
        "DISCARD ALL",
        "SET celador.identity = ''",
    ] {
        run(&mut bea, sql);
        is(&mut bea, "2", "login");
    }
}

#[test]
fn sql_without_a_key_sets_no_identity() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    act_as(&mut pool, "2");
    let good = token(&mut pool, "4");
    for sql in [
        format!("SET celador.identity = '{good}'"),
        format!("SET LOCAL celador.identity = '{good}'"),
        format!("SELECT set_config('celador.identity', '{good}', true)"),
        format!("UPDATE pg_settings SET setting = '{good}' WHERE name = 'celador.identity'"),
        format!("ALTER ROLE desk_pool SET celador.identity = '{good}'"),
        format!(
            "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET celador.identity = '{good}' AS 'SELECT 1'; SELECT pg_temp.f()"
        ),
        "SET celador.identity = 'x'".to_owned(),
        "SET celador.key_file = '/dev/null'".to_owned(),
        "SET celador.other = 'x'".to_owned(),
        "SET SESSION AUTHORIZATION desk_ann".to_owned(),
    ] {
        // Not every form raises: UPDATE pg_settings of a setting that isn't listed does nothing.
        let _ = pool.batch_execute(&sql);
        is(&mut pool, "2", "token");
    }
    // Settings that come with the role or the connection.
    database.run(&format!(
        "ALTER DATABASE {} SET celador.identity = ''",
        database.name()
    ));
    is_nobody(&mut database.login("desk_pool"), "carries identities");
    let _ = database.superuser().batch_execute(&format!(
        "ALTER ROLE desk_pool SET celador.identity = '{good}'"
    ));
    let config = format!(
        "{}?options=-c%20celador.identity%3D{}",
        database.url("desk_pool"),
        good.replace(':', "%3A")
    );
    for url in [database.url("desk_pool"), config] {
        // Refused, or nobody.
        if let Ok(mut client) = Client::connect(&url, postgres::NoTls) {
            assert_eq!(whoami(&mut client).0, None);
        }
    }
    database.run("ALTER ROLE desk_pool RESET ALL");
}

#[test]
fn functions_with_settings_of_their_own_bring_nobody_back() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "CREATE FUNCTION pg_temp.inside(who text) RETURNS text LANGUAGE plpgsql SET celador.identity = '' AS $$
         BEGIN PERFORM celador.act_as(who); RETURN (SELECT \"user\" FROM celador.whoami()); END $$",
    );
    assert_eq!(
        text(&mut pool, "SELECT pg_temp.inside('4')").as_deref(),
        Some("4")
    );
    // Whoever is signed in now, it is not bea again.
    assert_ne!(whoami(&mut pool).0.as_deref(), Some("2"));
}

#[test]
fn a_rollback_brings_nobody_back() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    act_as(&mut pool, "2");
    run(&mut pool, "BEGIN; SELECT celador.act_as('4'); ROLLBACK");
    is_nobody(&mut pool, "rolled back");
    act_as(&mut pool, "2");
    run(&mut pool, "BEGIN; SELECT celador.end_identity(); ROLLBACK");
    assert_eq!(whoami(&mut pool).0, None);
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "BEGIN; SAVEPOINT s; SELECT celador.act_as('4'); ROLLBACK TO s",
    );
    assert_eq!(whoami(&mut pool).0, None);
    run(&mut pool, "COMMIT");
    is_nobody(&mut pool, "rolled back");
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "BEGIN; SAVEPOINT s; SELECT celador.act_as('4'); RELEASE s; ROLLBACK",
    );
    assert_eq!(whoami(&mut pool).0, None);
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "BEGIN; SAVEPOINT s; SELECT celador.act_as('4'); RELEASE s; COMMIT",
    );
    is(&mut pool, "4", "token");
    // An error in the same transaction.
    assert!(
        pool.batch_execute("SELECT celador.act_as('2'); SELECT 1 / 0")
            .is_err()
    );
    is_nobody(&mut pool, "rolled back");
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "DO $$ BEGIN PERFORM celador.act_as('4'); RAISE 'x'; EXCEPTION WHEN OTHERS THEN NULL; END $$",
    );
    assert_eq!(whoami(&mut pool).0, None);
}

#[test]
fn the_identity_stays_while_rows_are_being_read() {
    let database = carried();
    database.run("SET ROLE desk_owner; CREATE FUNCTION first_case() RETURNS text LANGUAGE sql AS 'SELECT title FROM cases LIMIT 1'");
    let mut pool = database.login("desk_pool");
    for sql in [
        "SELECT celador.act_as('4') FROM cases",
        "SELECT title FROM cases WHERE celador.act_as('4') IS NOT NULL",
        "SELECT celador.act_as('4'), count(*) FROM cases",
        "UPDATE cases SET note = celador.act_as('4')::text",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM cases LOOP PERFORM celador.act_as('4'); END LOOP; END $$",
        "DO $$ DECLARE c CURSOR FOR SELECT * FROM cases; BEGIN OPEN c; PERFORM celador.act_as('4'); END $$",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM cases; SELECT celador.act_as('4'); COMMIT",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM cases; FETCH c; SELECT celador.end_identity(); COMMIT",
        "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT first_case(), g FROM generate_series(1, 3) AS g, cases; SELECT celador.act_as('4'); COMMIT",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM cases LOOP COMMIT; PERFORM celador.act_as('4'); END LOOP; END $$",
    ] {
        act_as(&mut pool, "2");
        assert!(pool.batch_execute(sql).is_err(), "{sql}");
        let _ = pool.batch_execute("ROLLBACK");
        let user = whoami(&mut pool).0;
        assert!(
            user.is_none() || user.as_deref() == Some("2"),
            "{sql}: {user:?}"
        );
    }
    // A cursor that was held over a commit doesn't go on for the next person, or for nobody.
    for next in [
        "SELECT celador.act_as('4')",
        "SELECT celador.end_identity()",
        "RESET celador.identity",
        "RESET ALL",
        "SET celador.identity = ''",
    ] {
        act_as(&mut pool, "2");
        run(
            &mut pool,
            "BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT * FROM cases; COMMIT",
        );
        run(&mut pool, next);
        assert!(pool.batch_execute("FETCH ALL FROM held").is_err(), "{next}");
        let _ = pool.batch_execute("CLOSE ALL");
    }
}

#[test]
fn an_expired_token_is_nobody_in_the_middle_of_a_transaction() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    let short = Claims {
        expires: now() + 2,
        ..claims(&mut pool, "2")
    };
    assume(&mut pool, &keys().sign(&short).expect("signed"));
    run(
        &mut pool,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; PREPARE p AS SELECT id FROM cases; EXECUTE p;
         DECLARE c CURSOR FOR SELECT id FROM cases, generate_series(1, 9) ORDER BY 1; FETCH c; SAVEPOINT s",
    );
    std::thread::sleep(std::time::Duration::from_millis(2500));
    for sql in [
        "SELECT id FROM cases",
        "EXECUTE p",
        "FETCH ALL FROM c",
        "UPDATE cases SET note = 'x'",
    ] {
        denied(pool.batch_execute(sql));
        run(&mut pool, "ROLLBACK TO s");
    }
    run(&mut pool, "ROLLBACK");
    is_nobody(&mut pool, "expired");
}

#[test]
fn two_keys_are_valid_while_one_replaces_the_other() {
    let cluster = celador_tests::start(xtask::cluster::Options::default());
    let mut pool =
        Client::connect(&cluster.url("postgres", "postgres"), postgres::NoTls).expect("connected");
    run(
        &mut pool,
        "CREATE EXTENSION celador; SELECT celador.load_policy('[mapping]'); SELECT celador.add_user('ana')",
    );
    let old = std::fs::read_to_string(cluster.key_file()).expect("the key file can be read");
    let new = format!("{old}2 6f1d2c3b4a5968778695a4b3c2d1e0ff00112233445566778899aabbccddeeff\n");
    let ring = |text: &str| KeyRing::parse(text).expect("keys");
    std::fs::write(cluster.key_file(), &new).expect("the key file can be written");
    for text in [&old, &new] {
        let signed = ring(text).sign(&claims(&mut pool, "ana")).expect("signed");
        assume(&mut pool, &signed);
        assert_eq!(whoami(&mut pool).0.as_deref(), Some("ana"));
    }
    // The older key is gone: what it signed isn't accepted any more.
    let only_new = new.lines().last().expect("a line").to_owned() + "\n";
    std::fs::write(cluster.key_file(), only_new).expect("the key file can be written");
    let signed = ring(&old).sign(&claims(&mut pool, "ana")).expect("signed");
    assert_eq!(
        failure(pool.execute("SELECT celador.assume($1)", &[&signed])).code,
        "28000"
    );
    assert_eq!(whoami(&mut pool).0, None);
    // Rights on the file for others, and a broken file: an error, and nobody.
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(cluster.key_file(), &new).expect("the key file can be written");
    for (mode, content) in [(0o644, new.as_str()), (0o600, "2 abc\n"), (0o600, "")] {
        std::fs::write(cluster.key_file(), content).expect("written");
        std::fs::set_permissions(cluster.key_file(), std::fs::Permissions::from_mode(mode))
            .expect("set");
        let signed = ring(&new).sign(&claims(&mut pool, "ana")).expect("signed");
        let error = failure(pool.execute("SELECT celador.assume($1)", &[&signed]));
        assert_eq!(error.code, "F0000", "{error:?}");
        assert!(!error.message.contains("abc"), "{error:?}");
        assert_eq!(whoami(&mut pool).0, None);
    }
}

#[test]
fn no_setting_table_or_log_tells_a_key_or_token() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    let secret = token(&mut pool, "2");
    assume(&mut pool, &secret);
    let file = std::fs::read_to_string(cluster().key_file()).expect("the key file can be read");
    let key = file.split_whitespace().nth(1).expect("a key").to_owned();
    let mut superuser = database.superuser();
    for (client, who) in [(&mut pool, "pool"), (&mut superuser, "superuser")] {
        for sql in [
            "SELECT string_agg(s::text, ' ') FROM pg_settings AS s",
            "SELECT string_agg(s::text, ' ') FROM pg_db_role_setting AS s",
            "SELECT current_setting('celador.identity', true)",
        ] {
            if let Ok(row) = client.query_one(sql, &[]) {
                let all: String = row.get::<_, Option<String>>(0).unwrap_or_default();
                assert!(
                    !all.contains(&key) && !all.contains(&secret),
                    "{who}: {sql}"
                );
            }
        }
    }
    denied(pool.execute("SHOW celador.key_file", &[]));
    denied(pool.execute("SELECT pg_read_file('postgresql.conf')", &[]));
    let log = cluster().log().expect("there is a log");
    assert!(!log.contains(&key) && !log.contains(&secret));
}

#[test]
fn another_session_user_is_another_person() {
    let database = desk();
    let mut superuser = database.superuser();
    for (role, own) in [("desk_bea", 2), ("desk_dan", 4), ("desk_bea", 2)] {
        run(&mut superuser, &format!("SET SESSION AUTHORIZATION {role}"));
        assert_eq!(ids(&mut superuser, "SELECT id FROM cases"), [own]);
    }
    run(&mut superuser, "SET SESSION AUTHORIZATION desk_stranger");
    is_nobody(&mut superuser, "no user's login");
}

#[test]
fn parallel_plans_show_the_same_rows() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    let force = if celador_tests::major() < 16 {
        "force_parallel_mode"
    } else {
        "debug_parallel_query"
    };
    run(
        &mut bea,
        &format!(
            "SET {force} = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
        ),
    );
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);
    assert_eq!(number(&mut bea, "SELECT count(*) FROM cases"), 1);
    run(
        &mut bea,
        "CREATE FUNCTION pg_temp.notes() RETURNS bigint LANGUAGE plpgsql PARALLEL SAFE STABLE
         AS 'BEGIN RETURN (SELECT count(*) FROM public.cases); END'",
    );
    let counted = bea.query("SELECT pg_temp.notes() FROM countries", &[]);
    if let Ok(rows) = counted {
        assert!(rows.iter().all(|row| row.get::<_, i64>(0) == 1));
    }
}

#[test]
fn the_directory_runs_nothing_that_a_tables_owner_wrote() {
    // Celador reads the directory with more rights than a table's owner has.
    for change in [
        "ALTER TABLE users RENAME TO people;
         CREATE VIEW users AS SELECT id, login, active, boss, region, last_seen FROM people WHERE evil()",
        "CREATE TYPE own_text AS (t text);
         CREATE FUNCTION own_cast(own_text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil(); RETURN ''; END $$;
         CREATE CAST (own_text AS text) WITH FUNCTION own_cast(own_text);
         ALTER TABLE users ALTER COLUMN region TYPE own_text USING ROW(region)::own_text",
        "ALTER TABLE users RENAME TO people;
         CREATE TABLE users (LIKE people);
         ALTER TABLE users ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON users USING (evil())",
    ] {
        let database = desk();
        database.run(
            "SET ROLE desk_owner;
             CREATE FUNCTION evil() RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN
               EXECUTE 'CREATE ROLE desk_evil' || (random() * 1e9)::int || ' SUPERUSER';
               RETURN true;
             EXCEPTION WHEN insufficient_privilege THEN RETURN true;
             END $$;",
        );
        // Refused already here, or without effect below.
        let _ = database
            .login("desk_migrator")
            .batch_execute(&format!("SET ROLE desk_owner; {change}"));
        let _ = database.login("desk_bea").query("SELECT * FROM cases", &[]);
        let _ = database.login("desk_stranger").query("SELECT * FROM celador.whoami()", &[]);
        let _ = database
            .login("desk_migrator")
            .batch_execute("SET ROLE desk_owner; UPDATE users SET region = NULL; UPDATE people SET region = NULL");
        let made = number(
            &mut database.superuser(),
            "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, 'desk_evil')",
        );
        assert_eq!(made, 0, "{change}");
    }
}
