//! TLS, on both sides.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use celador_tests::{Database, cluster};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::stage::{Setup, sample};

/// An authority, and a certificate of its.
struct Authority {
    root: String,
    certificate: String,
    key: String,
}

impl Authority {
    fn for_name(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "the authority");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("params");
        let certificate = params.signed_by(&key, &issuer).expect("signed");
        Self {
            root: issuer.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn secret(path: &Path, text: &str) -> String {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("closed");
    path.display().to_string()
}

/// A proxy's side of TLS, its files in the directory.
fn listen(dir: &Path, mode: &str, authority: &Authority) -> String {
    format!(
        "mode = {mode:?}, certificate = {:?}, key = {:?}",
        secret(&dir.join("crt"), &authority.certificate),
        secret(&dir.join("key"), &authority.key)
    )
}

/// Whether server and clients of the tested package have TLS; a line tells where they haven't.
fn package_has_tls(database: &Database) -> bool {
    let library: String = database
        .superuser()
        .query_one("SHOW ssl_library", &[])
        .expect("told")
        .get(0);
    if library.is_empty() {
        eprintln!("not tested: the server's package has no TLS");
    }
    !library.is_empty()
}

/// Bytes in clear behind the request for TLS, as somebody between would put them: never a session, and never
/// as if they had come encrypted.
#[test]
fn what_was_sent_in_clear() {
    let database = sample();
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::for_name("127.0.0.1");
    let proxy = Setup {
        listen_tls: listen(dir.path(), "require", &authority),
        ..Setup::default()
    }
    .start(&database);
    let startup = b"\0\0\0\x15\0\x03\0\0user\0sergio\0\0";
    let mut socket = proxy.socket();
    socket
        .write_all(
            &[
                &[0, 0, 0, 8, 4, 210, 22, 47],
                &startup[..],
                b"Q\0\0\0\x0dSELECT 1\0",
            ]
            .concat(),
        )
        .expect("sent");
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    // `S`, then at most an alert of TLS.
    assert_eq!(answer.first(), Some(&b'S'));
    assert!(answer.len() == 1 || answer[1] == 0x15, "{answer:?}");
    assert!(!proxy.log().contains("signed in"));
}

#[test]
fn clients() {
    let database = sample();
    if !package_has_tls(&database) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::for_name("127.0.0.1");
    let stranger = Authority::for_name("127.0.0.1");
    let root = secret(&dir.path().join("root"), &authority.root);
    let other_root = secret(&dir.path().join("other"), &stranger.root);
    let count = "SELECT count(*) FROM accounts";
    let proxy = Setup {
        listen_tls: listen(dir.path(), "require", &authority),
        ..Setup::default()
    }
    .start(&database);
    let of = |mode: &str, root: &str| {
        let settings = [("PGSSLMODE", mode), ("PGSSLROOTCERT", root)];
        proxy.psql("sergio", &settings, count)
    };
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let output = of(mode, &root);
        assert_eq!(output.out, "551", "{mode}: {output:?}");
    }
    assert!(!of("verify-full", &other_root).good);
    let plain = of("disable", &root);
    assert!(
        !plain.good && plain.err.contains("without TLS"),
        "{plain:?}"
    );

    let proxy = Setup {
        listen_tls: listen(dir.path(), "prefer", &authority),
        ..Setup::default()
    }
    .start(&database);
    for mode in ["disable", "require"] {
        let settings = [("PGSSLMODE", mode), ("PGSSLROOTCERT", root.as_str())];
        assert_eq!(proxy.psql("sergio", &settings, count).out, "551", "{mode}");
    }
}

/// Gives the cluster a certificate of the authority's.
fn serve(database: &Database, authority: &Authority) {
    let data = cluster().data();
    let owner = fs::metadata(&data).expect("the data directory");
    for (name, text) in [
        ("server.crt", &authority.certificate),
        ("server.key", &authority.key),
    ] {
        let path = data.join(name);
        secret(&path, text);
        chown(&path, Some(owner.uid()), Some(owner.gid())).expect("given");
    }
    database.run("ALTER SYSTEM SET ssl = on");
    database.run("SELECT pg_reload_conf()");
    // Sessions tell of the setting before the postmaster has read the certificate.
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let mut socket = TcpStream::connect(("127.0.0.1", cluster().port())).expect("connected");
        let request = [0, 0, 0, 8, 4, 210, 22, 47];
        socket.write_all(&request).expect("sent");
        let mut answer = [0];
        socket.read_exact(&mut answer).expect("answered");
        if answer == *b"S" {
            return;
        }
        assert!(Instant::now() < until, "the server has no TLS");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_server() {
    // A cluster of its own would take longer; without TLS the others don't notice.
    let database = sample();
    if !package_has_tls(&database) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    // For a name that isn't the one by which it is reached.
    let authority = Authority::for_name("db.example");
    let stranger = Authority::for_name("127.0.0.1");
    let encrypted = Setup {
        upstream_tls: "mode = \"require\"".to_owned(),
        ..Setup::default()
    };
    let proxy = encrypted.start(&database);
    let output = proxy.psql("sergio", &[("PGSSLMODE", "disable")], "SELECT 1");
    assert!(!output.good, "{output:?}");
    proxy.wait_for_log("no TLS");
    serve(&database, &authority);
    let root = secret(&dir.path().join("root"), &authority.root);
    let other_root = secret(&dir.path().join("other"), &stranger.root);
    for (tls, good) in [
        ("mode = \"require\"".to_owned(), true),
        (
            format!("mode = \"verify-ca\", root_certificate = {root:?}"),
            true,
        ),
        (
            format!("mode = \"verify-ca\", root_certificate = {other_root:?}"),
            false,
        ),
        (
            format!("mode = \"verify-full\", root_certificate = {root:?}"),
            false,
        ),
    ] {
        let proxy = Setup {
            upstream_tls: tls.clone(),
            ..Setup::default()
        }
        .start(&database);
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let output = proxy.psql("sergio", &[("PGSSLMODE", "disable")], sql);
        assert_eq!(output.good, good, "{tls}: {output:?}");
        if good {
            assert_eq!(output.out, "t", "{tls}");
        }
    }
    // The name is right as well.
    let named = Authority::for_name("127.0.0.1");
    serve(&database, &named);
    let root = secret(&dir.path().join("root"), &named.root);
    let proxy = Setup {
        upstream_tls: format!("mode = \"verify-full\", root_certificate = {root:?}"),
        ..Setup::default()
    }
    .start(&database);
    let output = proxy.psql(
        "sergio",
        &[("PGSSLMODE", "disable")],
        "SELECT count(*) FROM accounts",
    );
    assert_eq!(output.out, "551", "{output:?}");
}
