//! Tokens: where they go, where they don't, and that SQL changes nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use celador_tests::{cluster, denied, failure};
use postgres::{Client, NoTls};

use crate::stage::{CARRIER, Setup, number, sample, who};

#[test]
fn no_table_view_or_log_tells_a_token() {
    let database = sample();
    database.run(&format!(
        "ALTER DATABASE {} SET log_statement = 'all'",
        database.name()
    ));
    let proxy = Setup::default().start(&database);
    let mut superuser = database.superuser();
    let mut sergio = proxy.login("sergio");
    for sql in [
        "SELECT count(*) FROM accounts",
        "SELECT count(*) FROM contacts",
    ] {
        number(&mut sergio, sql);
        sergio.batch_execute("RESET ALL").expect("reset");
        let activity: String = superuser
            .query_one(
                "SELECT string_agg(a::text, E'\\n') FROM pg_stat_activity AS a",
                &[],
            )
            .expect("told")
            .get(0);
        assert!(
            activity.contains(CARRIER) && !activity.contains("celador1:"),
            "{activity}"
        );
    }
    for sql in [
        "SELECT string_agg(s::text, ' ') FROM pg_settings AS s",
        "SELECT string_agg(s::text, ' ') FROM pg_prepared_statements AS s",
        "SELECT string_agg(s::text, ' ') FROM pg_cursors AS s",
    ] {
        let all: Option<String> = sergio.query_one(sql, &[]).expect("told").get(0);
        assert!(!all.unwrap_or_default().contains("celador1:"), "{sql}");
    }
    let log = cluster().log().expect("there is a log");
    // The statement is there, and what goes with it isn't.
    assert!(log.contains("SELECT celador.assume($1)"));
    assert!(!log.contains("celador1:"));
    let log = proxy.log();
    assert!(
        log.contains("signed in") && !log.contains("celador1:"),
        "{log}"
    );
}

/// Statements that end an identity, and that try to be somebody else.
#[test]
fn sql_becomes_nobody_else() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut sergio = proxy.login("sergio");
    for sql in [
        "SELECT celador.act_as('4')",
        "SELECT celador.assume('celador1:1:1:1:1:1:34:00')",
        "SET ROLE crm_owner",
        "SET ROLE marta",
        "SET SESSION AUTHORIZATION marta",
        "SET celador.identity = 'celador1:1:1:1:1:1:34:00'",
        "SELECT set_config('celador.identity', 'x', false)",
        "SET log_parameter_max_length = -1",
        "ALTER TABLE accounts DISABLE ROW LEVEL SECURITY",
        "ALTER ROLE CURRENT_USER PASSWORD 'known'",
        "ALTER ROLE CURRENT_USER SET search_path = mine",
    ] {
        assert!(sergio.batch_execute(sql).is_err(), "{sql}");
        // In force again with the next transaction, whatever that did to it.
        let before = number(&mut sergio, "SELECT 1::bigint");
        assert_eq!(before, 1);
        is_sergio(&mut sergio, sql);
    }
    for sql in [
        "RESET ALL",
        "DISCARD ALL",
        "RESET SESSION AUTHORIZATION",
        "RESET ROLE",
    ] {
        sergio.batch_execute(sql).expect("everybody may");
        is_sergio(&mut sergio, sql);
    }
    // Where nothing tells, the first statement is denied, and the next isn't.
    for sql in [
        "SELECT celador.end_identity()",
        "SET celador.identity = ''",
        "DO $$ BEGIN EXECUTE 'RESET celador.identity'; END $$",
        "BEGIN; SELECT celador.end_identity(); ROLLBACK",
    ] {
        sergio.batch_execute(sql).expect("everybody may");
        denied(sergio.query("SELECT count(*) FROM accounts", &[]));
        is_sergio(&mut sergio, sql);
    }
}

#[track_caller]
fn is_sergio(client: &mut Client, after: &str) {
    assert_eq!(
        number(client, "SELECT count(*) FROM accounts"),
        551,
        "{after}"
    );
    assert_eq!(who(client).as_deref(), Some("9"), "{after}");
}

/// The proxy's own statement has a name that a client may take: it gets its own token at most.
#[test]
fn a_client_that_takes_the_name_of_the_proxys_statement() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut sergio = proxy.login("sergio");
    sergio
        .batch_execute(
            "PREPARE \"celador: who asks\" (text) AS SELECT 'stolen ' || $1;
             RESET ALL",
        )
        .expect("prepared");
    is_sergio(&mut sergio, "a statement of that name");
    let error = failure(sergio.batch_execute("EXECUTE \"celador: who asks\" ('x')"));
    assert_eq!(error.code, "26000");
    sergio
        .batch_execute(
            "BEGIN; DECLARE \"celador: who asks\" CURSOR WITH HOLD FOR SELECT 1; COMMIT; RESET ALL",
        )
        .expect("declared");
    is_sergio(&mut sergio, "a cursor of that name");
}

/// What somebody had in the session stays where the identity stayed.
#[test]
fn what_a_session_keeps_is_kept() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut sergio = proxy.login("sergio");
    sergio
        .batch_execute(
            "CREATE TEMP TABLE mine AS SELECT id FROM accounts;
             BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT id FROM accounts ORDER BY id; COMMIT;
             PREPARE p AS SELECT count(*) FROM accounts",
        )
        .expect("kept");
    let kept = sergio
        .prepare("SELECT count(*) FROM accounts")
        .expect("prepared");
    sergio.batch_execute("RESET search_path").expect("reset");
    denied(sergio.batch_execute("SELECT celador.act_as('4')"));
    assert_eq!(number(&mut sergio, "SELECT count(*) FROM mine"), 551);
    assert_eq!(
        sergio
            .query("FETCH 5 FROM held", &[])
            .expect("fetched")
            .len(),
        5
    );
    let count: i64 = sergio.query_one(&kept, &[]).expect("runs").get(0);
    assert_eq!(count, 551);
    sergio.batch_execute("EXECUTE p").expect("runs");
}

#[test]
fn a_session_ends_when_its_time_is_over() {
    let database = sample();
    let setup = Setup {
        limits: "session_seconds = 2".to_owned(),
        ..Setup::default()
    };
    let proxy = setup.start(&database);
    let (mut idle, mut busy) = (proxy.login("sergio"), proxy.login("sergio"));
    number(&mut idle, "SELECT count(*) FROM accounts");
    busy.batch_execute("BEGIN").expect("begun");
    std::thread::sleep(Duration::from_millis(2600));
    let error = idle
        .query("SELECT count(*) FROM accounts", &[])
        .expect_err("over");
    assert!(idle.is_closed(), "{error:?}");
    // An open transaction may finish.
    is_sergio(&mut busy, "in a transaction");
    // What ends the connection may come right behind the answer.
    let _ = busy.batch_execute("COMMIT");
    assert!(busy.query("SELECT 1", &[]).is_err());
}

#[test]
fn a_key_that_is_not_the_servers_signs_nobody_in() {
    let database = sample();
    let setup = Setup {
        keys: format!("1 {}\n", "5a".repeat(31) + "00"),
        ..Setup::default()
    };
    let proxy = setup.start(&database);
    // Not one row, and the session ends.
    let output = proxy.psql("sergio", &[], "SELECT count(*) FROM accounts");
    assert!(!output.good && output.out.is_empty(), "{output:?}");
    let log = proxy.wait_for_log("doesn't sign the person in");
    assert!(
        log.contains("code=28000") && !log.contains("celador1:"),
        "{log}"
    );
    let mut sergio = proxy.config("sergio").connect(NoTls).expect("connected");
    assert!(sergio.query("SELECT count(*) FROM accounts", &[]).is_err());
    assert!(sergio.query("SELECT 1", &[]).is_err());
}

/// What goes from the proxy to the server, in the pieces in which it is written.
fn recorded(port: u16) -> (u16, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bound");
    let own = listener.local_addr().expect("bound").port();
    let pieces = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&pieces);
    std::thread::spawn(move || {
        for proxy in listener.incoming().map_while(Result::ok) {
            let mut server = TcpStream::connect(("127.0.0.1", port)).expect("connected");
            let (mut back, mut to_proxy) = (
                server.try_clone().expect("cloned"),
                proxy.try_clone().expect("cloned"),
            );
            std::thread::spawn(move || std::io::copy(&mut back, &mut to_proxy));
            let (mut proxy, kept) = (proxy, Arc::clone(&kept));
            std::thread::spawn(move || {
                let mut piece = vec![0; 64 * 1024];
                while let Ok(read @ 1..) = proxy.read(&mut piece) {
                    kept.lock().expect("kept").push(piece[..read].to_vec());
                    server.write_all(&piece[..read]).expect("passed on");
                }
            });
        }
    });
    (own, pieces)
}

/// Signing in costs no round trip: it goes in one piece with the statement that it is for, and a statement
/// is one piece.
#[test]
fn who_asks_goes_with_what_is_asked() {
    let database = sample();
    let (port, pieces) = recorded(cluster().port());
    let setup = Setup {
        port,
        ..Setup::default()
    };
    let proxy = setup.start(&database);
    let mut sergio = proxy.login("sergio");
    let sent = |work: &mut dyn FnMut()| -> Vec<String> {
        pieces.lock().expect("kept").clear();
        work();
        let pieces = pieces.lock().expect("kept");
        let texts = pieces
            .iter()
            .map(|piece| String::from_utf8_lossy(piece).into_owned());
        texts.collect()
    };
    let count = "SELECT count(*) FROM accounts";
    let first = sent(&mut || sergio.batch_execute(count).expect("counted"));
    let [only] = first.as_slice() else {
        panic!("one piece: {first:?}");
    };
    let signed_in = only.find("celador1:").expect("a token");
    assert!(only.find(count).expect("the statement") > signed_in);
    for _ in 0..3 {
        let next = sent(&mut || sergio.batch_execute(count).expect("counted"));
        let expected = format!("Q\0\0\0\u{22}{count}\0");
        assert_eq!(next, [expected]);
    }
    let reset = sent(&mut || sergio.batch_execute("RESET ALL").expect("reset"));
    assert_eq!(reset.len(), 1);
    let again = sent(&mut || sergio.batch_execute(count).expect("counted"));
    assert!(
        matches!(&*again, [one] if one.contains("celador1:") && one.contains(count)),
        "{again:?}"
    );
}
