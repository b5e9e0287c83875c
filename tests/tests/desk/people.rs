//! Sessions that act for people by tokens, and who they are.

use std::time::{SystemTime, UNIX_EPOCH};

use celador_identity::{Claims, KeyRing};
use celador_tests::{Database, cluster, denied};
use postgres::Client;

use super::{desk, ids, run};

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is right")
        .as_secs()
}

pub(crate) fn keys() -> KeyRing {
    let text = std::fs::read_to_string(cluster().key_file()).expect("the key file can be read");
    KeyRing::parse(&text).expect("the key file is right")
}

/// What a proxy would claim for the session.
pub(crate) fn claims(client: &mut Client, user: &str) -> Claims {
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

pub(crate) fn token(client: &mut Client, user: &str) -> String {
    keys()
        .sign(&claims(client, user))
        .expect("a token can be signed")
}

/// The desk, whose role `desk_pool` may carry tokens and act as people.
pub(crate) fn carried() -> Database {
    let database = desk();
    database
        .run("GRANT EXECUTE ON FUNCTION celador.assume(text), celador.act_as(text) TO desk_pool");
    database
}

#[track_caller]
pub(crate) fn assume(client: &mut Client, token: &str) {
    client
        .execute("SELECT celador.assume($1)", &[&token])
        .unwrap_or_else(|error| panic!("{error:?}"));
}

#[track_caller]
pub(crate) fn act_as(client: &mut Client, user: &str) {
    run(client, &format!("SELECT celador.act_as('{user}')"));
}

pub(crate) fn whoami(client: &mut Client) -> (Option<String>, Option<String>, Option<String>) {
    let row = client
        .query_one("SELECT \"user\", source, reason FROM celador.whoami()", &[])
        .expect("everybody may ask");
    (row.get(0), row.get(1), row.get(2))
}

/// The session acts for nobody: an error, never an empty table; and it says why.
#[track_caller]
pub(crate) fn is_nobody(client: &mut Client, why: &str) {
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
pub(crate) fn is(client: &mut Client, user: &str, source: &str) {
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
