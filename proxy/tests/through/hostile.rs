//! A client that doesn't keep to the protocol gets an error or a closed connection, never a session.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use celador_tests::Database;

use crate::stage::{Proxy, Setup, number, sample};

/// All that the proxy sends until it closes.
fn answer(mut socket: TcpStream, bytes: &[u8]) -> Vec<u8> {
    // It may have closed already.
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    rest(&mut socket)
}

fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match socket.read(&mut part) {
            Ok(0) => return answer,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("neither an answer nor an end: {error}; so far {answer:?}"),
        }
    }
}

fn startup(version: u32, pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    [&(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()
}

const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

fn has(answer: &[u8], text: &str) -> bool {
    answer
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

fn still_serves(proxy: &Proxy) {
    assert_eq!(
        number(&mut proxy.login("sergio"), "SELECT count(*) FROM accounts"),
        551
    );
}

#[test]
fn before_there_is_a_session() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let good = startup(
        3 << 16,
        &[("user", "sergio"), ("database", database.name())],
    );
    let asked = |bytes: &[u8]| answer(proxy.socket(), bytes);
    let closed: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0; 64],
        &[0xff; 64],
        // TLS at once, which isn't offered.
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3],
        &[0, 0, 0, 4],
        &[0, 0, 0x27, 0x11],
        &[&GSS[..], &GSS].concat(),
        &[&SSL[..], &SSL].concat(),
    ];
    for bytes in closed {
        let answer = asked(bytes);
        assert!(answer.is_empty() || answer == b"N", "{bytes:?}: {answer:?}");
    }
    for (bytes, code) in [
        (startup(2 << 16, &[]), "0A000"),
        (startup(3 << 16, &[]), "28000"),
        (
            startup(3 << 16, &[("user", "sergio"), ("replication", "true")]),
            "0A000",
        ),
        (
            startup(3 << 16, &[("user", "sergio"), ("user", "marta")]),
            "08P01",
        ),
        // Something else than a proof, and a second startup packet in its place.
        (
            [good.as_slice(), b"Q\0\0\0\x0dSELECT 1\0"].concat(),
            "08P01",
        ),
        ([good.as_slice(), &good].concat(), "08P01"),
        ([good.as_slice(), b"p\x7f\xff\xff\xff"].concat(), "08P01"),
        ([good.as_slice(), b"p\0\0\0\x0bsecret\0"].concat(), "08P01"),
        (
            [good.as_slice(), b"p\0\0\0\x10SCRAM-SHA-1\0"].concat(),
            "08P01",
        ),
    ] {
        let answer = asked(&bytes);
        assert!(
            has(&answer, "FATAL") && has(&answer, code),
            "{code}: {answer:?}"
        );
        // Never AuthenticationOk, never ReadyForQuery.
        assert!(!has(&answer, "R\0\0\0\x08\0\0\0\0") && !has(&answer, "Z\0\0\0\x05"));
    }
    // Both kinds of encryption are asked for once, in either order, and then there is a session.
    for both in [[SSL, GSS].concat(), [GSS, SSL].concat()] {
        let answer = asked(&[both, good.clone(), b"x".to_vec()].concat());
        assert!(answer.starts_with(b"NNR"), "{answer:?}");
    }
    // A newer protocol is negotiated down.
    let newer = startup(3 << 16 | 9999, &[("user", "sergio"), ("_pq_.x", "1")]);
    let answer = asked(&[newer, b"x".to_vec()].concat());
    assert!(
        answer.starts_with(b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0R"),
        "{answer:?}"
    );
    // Cancel requests are never answered.
    let cancel = [&[0, 0, 0, 16, 4, 210, 22, 46][..], &[0; 8]].concat();
    assert_eq!(asked(&cancel), b"");
    still_serves(&proxy);
}

/// Whoever isn't known is asked as those who are: as many bytes, as many iterations, and each time the same salt.
#[test]
fn an_unknown_user_can_not_be_told_apart() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let first = |user: &str| {
        let mut bytes = startup(3 << 16, &[("user", user), ("database", database.name())]);
        let message = b"n,,n=,r=rOprNGfwEbeRWgbNEkqO";
        bytes.extend([b'p', 0, 0, 0, 22 + message.len() as u8]);
        bytes.extend(b"SCRAM-SHA-256\0");
        bytes.extend((message.len() as u32).to_be_bytes());
        bytes.extend(message);
        bytes.push(b'x');
        let answer = String::from_utf8_lossy(&answer(proxy.socket(), &bytes)).into_owned();
        let salt = answer.split(",s=").nth(1).expect("a salt").to_owned();
        let salt = salt.split('E').next().map(|_| salt[..30].to_owned());
        (answer.len(), salt.expect("a salt"))
    };
    let (known, other) = (first("sergio"), first("sergix"));
    assert_eq!(known.0, other.0);
    assert_eq!(first("sergix"), other);
    assert_eq!(first("sergio"), known);
    assert_ne!(known.1, other.1);
    assert!(
        other.1.ends_with("==,i=4") || other.1.contains(",i="),
        "{other:?}"
    );
}

#[test]
fn whoever_takes_too_long_or_comes_too_often() {
    let database = sample();
    let setup = Setup {
        limits: "authentication_seconds = 2\nunauthenticated_per_address = 3\nclients = 2"
            .to_owned(),
        ..Setup::default()
    };
    let proxy = setup.start(&database);
    let started = Instant::now();
    let mut slow: Vec<_> = (0..3).map(|_| proxy.socket()).collect();
    slow[1].write_all(&[0, 0]).expect("sent");
    let begun = startup(
        3 << 16,
        &[("user", "sergio"), ("database", database.name())],
    );
    slow[2].write_all(&begun).expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(answer(proxy.socket(), &SSL), b"", "a fourth from there");
    for socket in &mut slow {
        rest(socket);
    }
    let took = started.elapsed();
    assert!((1500..8000).contains(&took.as_millis()), "{took:?}");
    // Those who have signed in are counted apart.
    let (_one, _two) = (proxy.login("sergio"), proxy.login("marta"));
    let third = proxy.config("tomas").connect(postgres::NoTls);
    assert_eq!(celador_tests::failure(third).code, "53300");
    drop(_one);
    std::thread::sleep(Duration::from_millis(300));
    still_serves(&proxy);
}

/// A session by hand, to send in it what no driver sends.
pub(crate) fn signed_in(proxy: &Proxy, database: &str, minor: u32) -> (TcpStream, Vec<u8>) {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
    use postgres_protocol::message::frontend;
    let mut socket = proxy.socket();
    let pairs = [("user", "sergio"), ("database", database)];
    socket
        .write_all(&startup(3 << 16 | minor, &pairs))
        .expect("sent");
    let mut scram = ScramSha256::new(b"sergio-pw", ChannelBinding::unsupported());
    assert_eq!(message(&mut socket).0, b'R');
    let mut bytes = bytes::BytesMut::new();
    frontend::sasl_initial_response("SCRAM-SHA-256", scram.message(), &mut bytes).expect("written");
    socket.write_all(&bytes).expect("sent");
    scram
        .update(&message(&mut socket).1[4..])
        .expect("continued");
    bytes.clear();
    frontend::sasl_response(scram.message(), &mut bytes).expect("written");
    socket.write_all(&bytes).expect("sent");
    scram.finish(&message(&mut socket).1[4..]).expect("proven");
    let mut key = Vec::new();
    loop {
        let (kind, body) = message(&mut socket);
        match kind {
            b'K' => key = body,
            b'Z' => return (socket, key),
            b'R' | b'S' => {}
            other => panic!("{other} {body:?}"),
        }
    }
}

fn message(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 5];
    socket.read_exact(&mut header).expect("a header");
    let [kind, length @ ..] = header;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    socket.read_exact(&mut body).expect("a body");
    (kind, body)
}

pub(crate) fn query(sql: &str) -> Vec<u8> {
    let length = (sql.len() as u32 + 5).to_be_bytes();
    [&b"Q"[..], &length, sql.as_bytes(), b"\0"].concat()
}

fn kinds(socket: &mut TcpStream, ready: usize) -> String {
    let mut kinds = String::new();
    while kinds.matches('Z').count() < ready {
        let (kind, body) = message(socket);
        if kind == b'E' {
            eprintln!("an error: {}", String::from_utf8_lossy(&body));
        }
        kinds.push(char::from(kind));
    }
    kinds
}

#[test]
fn in_a_session() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    // A function call is refused, and the session goes on; in a transaction too.
    let (mut socket, _) = signed_in(&proxy, database.name(), 0);
    let call = [&b"F\0\0\0\x0e"[..], &[0, 0, 4, 210, 0, 0, 0, 0, 0, 0]].concat();
    socket.write_all(&call).expect("sent");
    let (kind, body) = message(&mut socket);
    assert!(kind == b'E' && has(&body, "0A000") && has(&body, "ERROR"));
    assert_eq!(message(&mut socket), (b'Z', b"I".to_vec()));
    socket.write_all(&query("BEGIN")).expect("sent");
    assert_eq!(kinds(&mut socket, 1), "CZ");
    // Byte by byte.
    for byte in &call {
        socket.write_all(&[*byte]).expect("sent");
    }
    assert_eq!(message(&mut socket).0, b'E');
    assert_eq!(message(&mut socket), (b'Z', b"T".to_vec()));
    socket
        .write_all(&query("SELECT count(*) FROM accounts"))
        .expect("sent");
    assert_eq!(kinds(&mut socket, 1), "TDCZ");

    // What ends a session.
    for (bytes, code) in [
        (b"p\0\0\0\x05x".to_vec(), "08P01"),
        (b"!\0\0\0\x04".to_vec(), "08P01"),
        (b"Q\0\0\0\x03".to_vec(), "08P01"),
        (b"Q\x7f\xff\xff\xff".to_vec(), "08P01"),
        (b"E\0\0\xff\xff".to_vec(), "08P01"),
        (startup(3 << 16, &[("user", "marta")]), "08P01"),
        ([query("SELECT 1"), call.clone()].concat(), "0A000"),
    ] {
        let (socket, _) = signed_in(&proxy, database.name(), 0);
        let answer = answer(socket, &bytes);
        assert!(
            has(&answer, "FATAL") && has(&answer, code),
            "{bytes:?}: {answer:?}"
        );
    }
    // Half of a message, and gone.
    let (mut socket, _) = signed_in(&proxy, database.name(), 0);
    socket.write_all(b"Q\0\0\x01\0SELECT").expect("sent");
    socket.shutdown(Shutdown::Write).expect("shut");
    rest(&mut socket);
    still_serves(&proxy);
}

/// One write with several batches, an error in the middle of each kind; the answers are PostgreSQL's.
#[test]
fn pipelines() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let parse = |name: &str, sql: &str| {
        let length = (name.len() + sql.len() + 8) as u32;
        [
            b"P",
            &length.to_be_bytes()[..],
            name.as_bytes(),
            b"\0",
            sql.as_bytes(),
            b"\0\0\0",
        ]
        .concat()
    };
    let bind = |name: &str| {
        let length = (name.len() + 12) as u32;
        [
            b"B",
            &length.to_be_bytes()[..],
            b"\0",
            name.as_bytes(),
            b"\0\0\0\0\0\0\0",
        ]
        .concat()
    };
    let execute = b"E\0\0\0\x09\0\0\0\0\0".to_vec();
    let sync = b"S\0\0\0\x04".to_vec();
    let run = |sql: &str| [parse("", sql), bind(""), execute.clone()].concat();
    let (mut socket, _) = signed_in(&proxy, database.name(), 0);
    let all = [
        run("SELECT count(*) FROM accounts"),
        sync.clone(),
        run("SELECT 1"),
        run("SELECT 1/0"),
        run("SELECT 2"),
        sync.clone(),
        query("RESET ALL; SELECT 1/0"),
        query("SELECT 3"),
        run("SELECT 4"),
        sync.clone(),
    ]
    .concat();
    socket.write_all(&all).expect("sent");
    assert_eq!(kinds(&mut socket, 5), "12DCZ12DC1EZCEZTDCZ12DCZ");
    // A session that begins with something that asks nothing.
    for ahead in [sync.clone(), b"C\0\0\0\x06S\0".to_vec()] {
        let (mut socket, _) = signed_in(&proxy, database.name(), 0);
        let count = query("SELECT count(*) FROM accounts");
        socket
            .write_all(&[ahead.clone(), sync.clone(), count].concat())
            .expect("sent");
        let expected = if ahead == sync { "ZZTDCZ" } else { "3ZTDCZ" };
        assert_eq!(kinds(&mut socket, expected.matches('Z').count()), expected);
    }
    // The unnamed statement stays, though somebody is signed in between.
    socket
        .write_all(&[parse("", "SELECT count(*) FROM accounts"), sync.clone()].concat())
        .expect("sent");
    assert_eq!(kinds(&mut socket, 1), "1Z");
    socket
        .write_all(
            &[
                parse("r", "RESET ALL"),
                bind("r"),
                execute.clone(),
                sync.clone(),
            ]
            .concat(),
        )
        .expect("sent");
    assert_eq!(kinds(&mut socket, 1), "12CZ");
    socket
        .write_all(&[bind(""), execute.clone(), sync.clone()].concat())
        .expect("sent");
    assert_eq!(message(&mut socket).0, b'2');
    assert!(has(&message(&mut socket).1, "551"));
    assert_eq!(kinds(&mut socket, 1), "CZ");
    // COPY by the extended protocol, with a Sync ahead of the data.
    socket
        .write_all(&query("CREATE TEMP TABLE t (n integer)"))
        .expect("sent");
    assert_eq!(kinds(&mut socket, 1), "CZ");
    let data = b"d\0\0\0\x067\nc\0\0\0\x04".to_vec();
    socket
        .write_all(&[run("COPY t FROM STDIN"), sync.clone(), data, sync.clone()].concat())
        .expect("sent");
    assert_eq!(kinds(&mut socket, 1), "12GCZ");
    socket.write_all(&query("DISCARD ALL")).expect("sent");
    assert_eq!(kinds(&mut socket, 1), "CZ");
    socket
        .write_all(&query("SELECT count(*) FROM accounts"))
        .expect("sent");
    assert_eq!(kinds(&mut socket, 1), "TDCZ");
}

/// What was sent before the goodbye is done, though nobody waits for the answers.
#[test]
fn goodbye_behind_statements() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let name = "SELECT count(*) FROM accounts WHERE owner_id = 9 AND name = 'bye'";
    let (mut socket, _) = signed_in(&proxy, database.name(), 0);
    let all = [
        query("UPDATE accounts SET name = 'hi' WHERE owner_id = 9"),
        query("SELECT pg_sleep(0.3)"),
        query("UPDATE accounts SET name = 'bye' WHERE owner_id = 9"),
        b"X\0\0\0\x04".to_vec(),
    ];
    socket.write_all(&all.concat()).expect("sent");
    let answer = rest(&mut socket);
    assert!(!has(&answer, "FATAL"));
    assert!(number(&mut database.superuser(), name) > 0);
}

/// Whose key it is decides what is cancelled; the server's own key cancels nothing here.
fn sleeping(database: &Database) -> i64 {
    number(
        &mut database.superuser(),
        "SELECT count(*) FROM pg_stat_activity
         WHERE query = 'SELECT pg_sleep(30)' AND state = 'active' AND wait_event = 'PgSleep'
           AND datname = current_database()",
    )
}

#[test]
fn cancelling() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    for (minor, length) in [(0, 8), (2, 36)] {
        let (mut mine, key) = signed_in(&proxy, database.name(), minor);
        let (mut other, other_key) = signed_in(&proxy, database.name(), minor);
        assert_eq!((key.len(), other_key.len()), (length, length));
        let cancel = |process: &[u8], secret: &[u8]| {
            let size = 8 + process.len() as u32 + secret.len() as u32;
            let code = [4u8, 210, 22, 46];
            assert_eq!(
                answer(
                    proxy.socket(),
                    &[&size.to_be_bytes()[..], &code, process, secret].concat()
                ),
                b""
            );
        };
        for socket in [&mut mine, &mut other] {
            socket
                .write_all(&query("SELECT pg_sleep(30)"))
                .expect("sent");
        }
        // A request that comes before the statement runs cancels nothing, or the signing in.
        let begun = Instant::now();
        while sleeping(&database) < 2 {
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing runs");
            std::thread::sleep(Duration::from_millis(20));
        }
        // The right process with another's key, a wrong key, and a part of the right one.
        cancel(&key[..4], &other_key[4..]);
        cancel(&key[..4], &vec![7; length - 4]);
        cancel(&other_key[..4], &key[4..]);
        if minor == 2 {
            cancel(&key[..4], &key[4..8]);
        }
        let started = Instant::now();
        cancel(&key[..4], &key[4..]);
        let canceled = loop {
            match message(&mut mine) {
                (b'E', body) => break body,
                (b'T', _) => {}
                other => panic!("{other:?}"),
            }
        };
        assert!(has(&canceled, "57014"));
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(message(&mut mine).0, b'Z');
        let process = i32::from_be_bytes(key[..4].try_into().expect("a number"));
        let passed_on = format!("a cancel request is passed on process={process}\n");
        assert_eq!(proxy.log().matches(&passed_on).count(), 1);
        // PostgreSQL signals the process, and then its group. Twice, on busy machines, the next statement was cancelled
        // as well; whether by the second signal isn't known. The one after that never was.
        let mut next = || {
            mine.write_all(&query("SELECT count(*) FROM accounts"))
                .expect("sent");
            kinds(&mut mine, 1)
        };
        let answers = next();
        assert!(
            answers == "TDCZ" || answers == "EZ" && next() == "TDCZ",
            "{answers}\n{}",
            proxy.log()
        );
        // The other one still sleeps.
        assert_eq!(sleeping(&database), 1);
        cancel(&other_key[..4], &other_key[4..]);
        assert_eq!(kinds(&mut other, 1), "TEZ");
    }
}
