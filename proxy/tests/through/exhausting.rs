//! Clients that leave in the middle, or never read, take nothing from others.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::hostile::{query, signed_in};
use crate::stage::{Setup, number, sample};

/// A server that has nothing to write doesn't notice by itself that its client is gone.
#[test]
fn a_statement_ends_with_its_client() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut superuser = database.superuser();
    for goodbye in [b"".as_slice(), b"X\0\0\0\x04", b"X\0\0\x27\x10"] {
        let (mut socket, _) = signed_in(&proxy, database.name(), 0);
        let sleep = query("SELECT pg_sleep(600)");
        socket.write_all(&sleep).expect("sent");
        let sleeping = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = '{}'",
            database.name()
        );
        let mut wait = |wanted: i64| {
            let until = Instant::now() + Duration::from_secs(30);
            while number(&mut superuser, &sleeping) != wanted {
                assert!(Instant::now() < until, "{wanted} after {goodbye:?}");
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        wait(1);
        socket.write_all(goodbye).expect("sent");
        drop(socket);
        wait(0);
    }
}

/// Answers of the proxy's own, and messages that the server never answers, don't pile up.
#[test]
fn who_never_reads_is_turned_away() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let parse = b"P\0\0\0\x10\0SELECT 1\0\0\0".to_vec();
    for (first, flood) in [(Vec::new(), b"F\0\0\0\x04"), (parse, b"c\0\0\0\x04")] {
        let (mut socket, _) = signed_in(&proxy, database.name(), 0);
        let before = proxy.peak_memory();
        socket.write_all(&first).expect("sent");
        let many = flood.repeat(10_000);
        // 20 MB, each message of which would take 185 bytes or one.
        let sent = (0..400).take_while(|_| socket.write_all(&many).is_ok());
        let sent = sent.count();
        let grown = proxy.peak_memory() - before;
        assert!(sent < 400, "it reads on: {flood:?}");
        assert!(grown < 20_000, "{grown} kB");
    }
}
