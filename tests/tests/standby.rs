//! A streaming standby gives the same access, follows changes, and goes on after a failover.

mod desk;

use std::path::Path;
use std::time::{Duration, Instant};

use celador_identity::KeyRing;
use celador_tests::{access, denied, failure, install, protection, same_lines};
use desk::people::{assume, claims, whoami};
use desk::{document, ids, run, text};
use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options};

const LOGINS: [&str; 6] = [
    "desk_ann",
    "desk_bea",
    "desk_cem",
    "desk_dan",
    "desk_off",
    "desk_stranger",
];
const TABLES: [&str; 6] = ["cases", "lines", "docs", "visits", "visits_old", "boards"];

fn connect(cluster: &Cluster, role: &str) -> Client {
    Client::connect(&cluster.url(role, "postgres"), NoTls).expect("the server is there")
}

fn primary() -> Cluster {
    let cluster = Cluster::start(install(), Options::default()).expect("it starts");
    let mut superuser = connect(&cluster, "postgres");
    run(&mut superuser, "CREATE EXTENSION celador");
    run(&mut superuser, desk::SCHEMA);
    superuser
        .execute("SELECT celador.load_policy($1)", &[&document(desk::MATRIX)])
        .expect("it loads");
    run(
        &mut superuser,
        "GRANT EXECUTE ON FUNCTION celador.assume(text), celador.act_as(text) TO desk_pool",
    );
    cluster
}

/// Waits until the standby has replayed what the primary has written.
fn follow(primary: &mut Client, standby: &mut Client) {
    let written = text(primary, "SELECT pg_current_wal_lsn()::text").expect("a place");
    let replayed = format!("SELECT (pg_last_wal_replay_lsn() >= '{written}')::text");
    let start = Instant::now();
    while text(standby, &replayed).as_deref() != Some("true") {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "it doesn't follow"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Files below a directory that hold the text.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("it can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if std::fs::read(&path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|at| at == text.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_standby_gives_the_same_access_and_takes_over() {
    let primary = primary();
    let standby = primary
        .standby(Options::default())
        .expect("a standby can be made");
    let keys = std::fs::read_to_string(primary.key_file()).expect("there are keys");
    let key = keys.split_whitespace().nth(1).expect("a key");
    assert_eq!(holding(&standby.data(), key), Vec::<String>::new());
    assert!(
        !holding(&standby.data(), "secret-1").is_empty(),
        "it looks into files"
    );

    let mut above = connect(&primary, "postgres");
    let mut beside = connect(&standby, "postgres");
    follow(&mut above, &mut beside);
    let before = access(|role| connect(&primary, role), &LOGINS, &TABLES);
    assert!(before.iter().any(|line| line.contains("secret-2")));
    same_lines(
        &access(|role| connect(&standby, role), &LOGINS, &TABLES),
        &before,
    );
    same_lines(&protection(&mut beside), &protection(&mut above));

    // In sessions that are open, with plans that are kept: a role taken, a record moved, a switch
    // flipped, a person deactivated on the primary.
    let own = "SELECT id FROM cases ORDER BY id";
    let mut people: Vec<(Client, postgres::Statement)> = ["desk_bea", "desk_cem", "desk_dan"]
        .iter()
        .map(|login| {
            let mut client = connect(&standby, login);
            let statement = client.prepare(own).expect("it can be prepared");
            (client, statement)
        })
        .collect();
    let mut sees = |at: usize| -> Vec<i32> {
        let (client, statement) = &mut people[at];
        let rows = client.query(&*statement, &[]).expect("it answers");
        rows.iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(
        (sees(0), sees(1), sees(2)),
        (vec![2], vec![3, 5, 6], vec![4])
    );
    run(
        &mut above,
        "DELETE FROM roles WHERE user_id = 2; UPDATE cases SET owner_id = 3 WHERE id = 4;
         SELECT celador.set_setting('open_team', true, '1')",
    );
    follow(&mut above, &mut beside);
    assert_eq!(
        (sees(0), sees(1), sees(2)),
        (vec![], vec![2, 3, 4, 5, 6], vec![])
    );
    run(&mut above, "UPDATE users SET active = false WHERE id = 3");
    follow(&mut above, &mut beside);
    let (cem, statement) = &mut people[1];
    denied(cem.query(&*statement, &[]));

    // Identities: by the key that was copied beside the backup.
    let mut pool = connect(&standby, "desk_pool");
    let ring = KeyRing::parse(&keys).expect("keys");
    let signed = ring.sign(&claims(&mut pool, "4")).expect("signed");
    assume(&mut pool, &signed);
    assert_eq!(whoami(&mut pool).0.as_deref(), Some("4"));
    run(&mut pool, "SELECT celador.act_as('1')");
    assert_eq!(ids(&mut pool, own), [1, 2, 3, 4, 5, 6]);
    // It is a standby: nothing is written, by anybody.
    for sql in [
        "UPDATE cases SET note = 'x'",
        "SELECT celador.load_policy('')",
    ] {
        assert_eq!(failure(beside.batch_execute(sql)).code, "25006", "{sql}");
    }

    // The primary is gone.
    let lasting = ids(&mut connect(&primary, "desk_ann"), own);
    primary.crash().expect("it stops");
    standby.promote().expect("it takes over");
    let mut ann = connect(&standby, "desk_ann");
    assert_eq!(ids(&mut ann, own), lasting);
    let mut dan = connect(&standby, "desk_dan");
    assert!(ids(&mut dan, own).is_empty());
    assert_eq!(
        ann.execute("UPDATE cases SET owner_id = 4 WHERE id = 1", &[])
            .expect("an administrator assigns"),
        1
    );
    assert_eq!(ids(&mut dan, own), [1]);
    denied(dan.execute("UPDATE cases SET owner_id = 1 WHERE id = 1", &[]));
    assert_eq!(ids(&mut pool, own), [1, 2, 3, 4, 5, 6], "a session goes on");
    beside
        .execute("SELECT celador.load_policy($1)", &[&document(desk::MATRIX)])
        .expect("it loads");
}
