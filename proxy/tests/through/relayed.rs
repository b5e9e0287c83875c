//! Everything else that passes through a session.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator;

use crate::stage::{Setup, number, sample};

#[test]
fn copy_portals_notices_and_large_values() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut marta = proxy.login("marta");
    let mut out = String::new();
    marta
        .copy_out("COPY (SELECT id FROM accounts ORDER BY id) TO STDOUT")
        .expect("begun")
        .read_to_string(&mut out)
        .expect("read");
    assert_eq!(out.lines().count(), 1423);

    marta
        .batch_execute("CREATE TEMP TABLE t (n integer, v text)")
        .expect("made");
    let mut writer = marta.copy_in("COPY t FROM STDIN").expect("begun");
    for n in 0..50_000 {
        writeln!(writer, "{n}\t{}", "x".repeat(40)).expect("written");
    }
    assert_eq!(writer.finish().expect("done"), 50_000);
    let mut writer = marta.copy_in("COPY t FROM STDIN").expect("begun");
    writer.write_all(b"x\ty\n").expect("written");
    assert_eq!(celador_tests::failure(writer.finish()).code, "22P02");
    // Dropped before its end.
    drop(marta.copy_in("COPY t FROM STDIN").expect("begun"));
    assert_eq!(number(&mut marta, "SELECT count(*) FROM t"), 50_000);

    let mut transaction = marta.transaction().expect("begun");
    let portal = transaction
        .bind("SELECT id FROM accounts ORDER BY id", &[])
        .expect("bound");
    let mut fetched = 0;
    for rows in [700, 700, 700] {
        fetched += transaction
            .query_portal(&portal, rows)
            .expect("fetched")
            .len();
    }
    assert_eq!(fetched, 1423);
    transaction.commit().expect("committed");

    let large: String = marta
        .query_one("SELECT repeat('x', 30000000)", &[])
        .expect("large")
        .get(0);
    assert_eq!(large.len(), 30_000_000);
    let length = marta
        .query_one("SELECT length($1::text)", &[&large])
        .expect("large");
    assert_eq!(length.get::<_, i32>(0), 30_000_000);

    marta
        .batch_execute("LISTEN news; NOTIFY news, 'here'")
        .expect("heard");
    let mut notifications = marta.notifications();
    let mut heard = notifications.timeout_iter(Duration::from_secs(5));
    assert_eq!(heard.next().expect("heard").expect("one").payload(), "here");
    drop(heard);
    let notice = proxy.psql(
        "marta",
        &[],
        "DO $$ BEGIN RAISE NOTICE 'look'; END $$; SET client_min_messages = error",
    );
    assert!(
        notice.good && notice.err.contains("NOTICE:  look"),
        "{notice:?}"
    );
}

/// The proxy keeps no message: 200 MB pass in little memory.
#[test]
fn memory_stays_flat() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let before = proxy.peak_memory();
    let mut marta = proxy.login("marta");
    let large: String = marta
        .query_one("SELECT repeat('x', 200000000)", &[])
        .expect("large")
        .get(0);
    assert_eq!(large.len(), 200_000_000);
    let grown = proxy.peak_memory() - before;
    assert!(grown < 20_000, "{grown} kB");
}

#[test]
fn servers_that_go_away() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut sergio = proxy.login("sergio");
    let process = number(&mut sergio, "SELECT pg_backend_pid()::bigint");
    database.run(&format!("SELECT pg_terminate_backend({process})"));
    let error = sergio.query("SELECT 1", &[]).expect_err("ended");
    assert!(sergio.is_closed(), "{error:?}");
    // And clients: the server's session ends with theirs.
    let mut other = proxy.login("sergio");
    let process = number(&mut other, "SELECT pg_backend_pid()::bigint");
    drop(other);
    let until = Instant::now() + Duration::from_secs(10);
    let mut superuser = database.superuser();
    let left = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}");
    while number(&mut superuser, &left) > 0 {
        assert!(Instant::now() < until, "the server's session is left");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn stopping_lets_transactions_finish() {
    let database = sample();
    let mut proxy = Setup::default().start(&database);
    let (mut idle, mut busy) = (proxy.login("sergio"), proxy.login("marta"));
    number(&mut idle, "SELECT 1::bigint");
    busy.batch_execute("BEGIN").expect("begun");
    proxy.terminate();
    proxy.wait_for_log("stopping");
    assert!(idle.query("SELECT 1", &[]).is_err());
    assert!(proxy.config("tomas").connect(postgres::NoTls).is_err());
    assert_eq!(number(&mut busy, "SELECT count(*) FROM accounts"), 1423);
    assert!(!proxy.ended());
    busy.batch_execute("CREATE TABLE pg_temp.t (); UPDATE accounts SET name = 'kept' WHERE id = (SELECT min(id) FROM accounts)")
        .expect("changed");
    // What ends the connection may come right behind the answer.
    let _ = busy.batch_execute("COMMIT");
    let kept = "SELECT count(*) FROM accounts WHERE name = 'kept'";
    assert_eq!(number(&mut database.superuser(), kept), 1);
    let until = Instant::now() + Duration::from_secs(10);
    while !proxy.ended() {
        assert!(Instant::now() < until, "it doesn't stop");
        std::thread::sleep(Duration::from_millis(50));
    }
}
