//! Clusters start, restart and leave nothing behind. PostgreSQL alone, without the extension; its
//! major version is in `CELADOR_PG`.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread;

use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options, Preload};
use xtask::postgres::Install;

fn install() -> Install {
    let major = std::env::var("CELADOR_PG").map_or(15, |text| text.parse().expect("a number"));
    Install::ensure(major).expect("PostgreSQL")
}

fn plain() -> Options {
    Options {
        preload: Preload::Nothing,
        ..Options::default()
    }
}

fn connect(cluster: &Cluster) -> Client {
    Client::connect(&cluster.url("postgres", "postgres"), NoTls).expect("connects")
}

#[test]
fn starts_restarts_and_ends() {
    let install = install();
    let options = Options {
        settings: vec![("work_mem".into(), "5MB".into())],
        ..plain()
    };
    let cluster = Cluster::start(&install, options).expect("starts");
    let show = |name: &str| -> String {
        connect(&cluster)
            .query_one(&format!("SHOW {name}"), &[])
            .expect("answers")
            .get(0)
    };
    assert!(show("server_version").starts_with(&format!("{}.", install.major())));
    assert_eq!(show("work_mem"), "5MB");
    assert_eq!(show("session_preload_libraries"), "");
    assert_eq!(Path::new(&show("celador.key_file")), cluster.key_file());
    assert!(!cluster.key_file().starts_with(show("data_directory")));

    let port = cluster.port();
    connect(&cluster)
        .batch_execute("CREATE TABLE kept ()")
        .expect("writes");
    connect(&cluster)
        .batch_execute("ALTER SYSTEM SET work_mem = '6MB'")
        .expect("writes");
    cluster.restart().expect("restarts");
    assert_eq!(cluster.port(), port);
    assert_eq!(show("work_mem"), "6MB");
    connect(&cluster)
        .batch_execute("TABLE kept")
        .expect("the data is still there");

    let dir = cluster.dir().to_owned();
    assert!(dir.exists());
    drop(cluster);
    assert!(!dir.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn key_file_is_the_servers_alone() {
    let install = install();
    let cluster = Cluster::start(&install, plain()).expect("starts");
    let file = cluster.key_file().metadata().expect("is there");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let data = cluster.dir().join("data").metadata().expect("is there");
    assert_eq!(file.uid(), data.uid());
    assert_ne!(file.uid(), 0);
    let text = std::fs::read_to_string(cluster.key_file()).expect("reads");
    // A key for tokens, and one for hashes.
    let lines: Vec<(&str, &str)> = text
        .lines()
        .map(|line| line.split_once(' ').expect("two words"))
        .collect();
    let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["1", "hash"]);
    for (_, key) in lines {
        assert_eq!(key.len(), 64);
        assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

#[test]
fn clusters_start_side_by_side() {
    let install = install();
    let clusters: Vec<Cluster> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Cluster::start(&install, plain()).expect("starts")))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    for cluster in &clusters {
        connect(cluster).batch_execute("SELECT 1").expect("answers");
    }
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let install = install();
    let first = Cluster::start(&install, plain()).expect("starts");
    let options = Options {
        port: Some(first.port()),
        ..plain()
    };
    let error = Cluster::start(&install, options).expect_err("the port is taken");
    assert!(format!("{error:#}").contains("could not bind"), "{error:#}");
}

#[test]
fn a_directory_of_ones_own_is_kept_and_used_again() {
    let install = install();
    let own = tempfile::Builder::new()
        .permissions(PermissionsExt::from_mode(0o755))
        .tempdir()
        .expect("a directory");
    let options = Options {
        dir: Some(own.path().join("cluster")),
        ..plain()
    };
    let first = Cluster::start(&install, options.clone()).expect("starts");
    connect(&first)
        .batch_execute("CREATE TABLE kept ()")
        .expect("writes");

    let error = Cluster::start(&install, options.clone()).expect_err("it runs already");
    assert!(format!("{error:#}").contains("already"), "{error:#}");
    connect(&first)
        .batch_execute("TABLE kept")
        .expect("the refused start leaves the first alone");

    let key = std::fs::read_to_string(first.key_file()).expect("reads");
    drop(first);
    let second = Cluster::start(&install, options).expect("starts again");
    connect(&second)
        .batch_execute("TABLE kept")
        .expect("the data is still there");
    let same = std::fs::read_to_string(second.key_file()).expect("reads");
    assert_eq!(key, same);
}
