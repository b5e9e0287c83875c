//! Signed tokens: what is accepted, what isn't, and that nothing tells a key.

mod desk;

use celador_identity::{Claims, KeyRing};
use celador_tests::{cluster, denied, failure};
use desk::people::{act_as, assume, carried, claims, is, is_nobody, keys, now, token, whoami};
use desk::run;
use postgres::Client;

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
