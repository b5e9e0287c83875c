//! Many sessions of several people at once, with failures, resets, cancels and reconnects mixed in: nobody
//! gets another's result.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::stage::{PEOPLE, Proxy, Setup, number, sample};

const SESSIONS: usize = 6;
/// How many disturbances there are: each session meets all of them, in an order of its own.
const TURNS: usize = 11;

/// How many accounts each person has, directly.
fn expected(login: &str) -> i64 {
    match login {
        "sergio" => 551,
        "tomas" => 851,
        "marta" => 1423,
        other => panic!("{other}"),
    }
}

/// One person's session, over and over. What it counted, and how often it was told an error instead.
fn session(proxy: &Proxy, login: &str, seed: usize) -> (usize, usize) {
    let (mut counted, mut errors) = (0, 0);
    let mut client: Option<Client> = None;
    for turn in seed..seed + TURNS {
        let open = match client.as_mut() {
            Some(open) if !open.is_closed() => open,
            _ => client.insert(proxy.config(login).connect(NoTls).expect("connected")),
        };
        // Each goes on from what the one before has left.
        let disturbance = match turn % TURNS {
            0 => "RESET ALL",
            1 => "DISCARD ALL",
            2 => "SELECT 1/0",
            3 => "BEGIN; SELECT celador.end_identity(); ROLLBACK",
            4 => "SELECT celador.act_as('4')",
            5 => "SELECT celador.end_identity()",
            6 => "BEGIN; SELECT count(*) FROM accounts; SELECT 1/0",
            7 => "SET statement_timeout = 1; SELECT pg_sleep(1)",
            8 => "SELECT celador.assume('x')",
            9 => "SELECT pg_terminate_backend(pg_backend_pid())",
            _ => "SELECT 1",
        };
        let _ = open.batch_execute(disturbance);
        let _ = open.batch_execute("ROLLBACK; SET statement_timeout = 0");
        for _ in 0..2 {
            match open.query_one(
                "SELECT count(*), min(\"user\") FROM accounts, celador.whoami()",
                &[],
            ) {
                Ok(row) => {
                    assert_eq!(
                        row.get::<_, i64>(0),
                        expected(login),
                        "{login} after {disturbance}"
                    );
                    counted += 1;
                }
                Err(error) => {
                    let code = error.code().map(|code| code.code().to_owned());
                    let allowed =
                        matches!(code.as_deref(), None | Some("42501" | "57014" | "57P01"));
                    assert!(allowed, "{login} after {disturbance}: {error:?}");
                    errors += 1;
                }
            }
        }
    }
    (counted, errors)
}

#[test]
fn nobody_gets_the_rows_of_another() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Cancels whoever it can, all the time.
        scope.spawn(|| {
            let mut tomas = proxy.login("tomas");
            while !done.load(Ordering::Relaxed) {
                let token = tomas.cancel_token();
                scope.spawn(move || {
                    sleep(Duration::from_millis(3));
                    let _ = token.cancel_query(NoTls);
                });
                let _ = tomas.batch_execute("SELECT count(*) FROM accounts, contacts");
                sleep(Duration::from_millis(20));
            }
        });
        let running: Vec<_> = (0..SESSIONS)
            .map(|at| {
                let (proxy, login) = (&proxy, PEOPLE[at % 3].0);
                scope.spawn(move || session(proxy, login, 2 * at))
            })
            .collect();
        let ended: Vec<_> = running.into_iter().map(|thread| thread.join()).collect();
        done.store(true, Ordering::Relaxed);
        let (mut counted, mut errors) = (0, 0);
        for result in ended {
            let (more, bad) = result.expect("each sees its own");
            counted += more;
            errors += bad;
        }
        assert_eq!(counted + errors, SESSIONS * TURNS * 2);
        assert!(errors < counted, "{counted} counted, {errors} errors");
    });
    // None is left behind on the server.
    let left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'crm_proxy' AND datname = current_database()";
    let until = Instant::now() + Duration::from_secs(10);
    let mut superuser = database.superuser();
    while number(&mut superuser, left) > 0 {
        assert!(Instant::now() < until, "sessions are left");
        sleep(Duration::from_millis(50));
    }
}
