//! A cluster ends with its process, however that ends. Alone in its file: it kills processes that
//! it starts as copies of itself.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use xtask::cluster::{Cluster, Options, Preload};
use xtask::postgres::Install;

const CHILD: &str = "CELADOR_TEST_CHILD";

#[test]
fn a_cluster_ends_when_its_process_is_killed() {
    if std::env::var_os(CHILD).is_some() {
        start_and_wait();
    }
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--nocapture", "a_cluster_ends_when_its_process_is_killed"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let started = lines
        .map(|line| line.expect("reads"))
        .find_map(|line| {
            line.split_once("cluster: ")
                .map(|(_, rest)| rest.to_owned())
        })
        .expect("the child starts a cluster");
    let (port, dir) = started.split_once(' ').expect("port and directory");
    let port: u16 = port.parse().expect("a number");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(Path::new(dir).exists());

    // SIGKILL: nothing in the child gets to clean up.
    child.kill().expect("kills");
    child.wait().expect("ends");
    let start = Instant::now();
    while Path::new(dir).exists() || TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(30), "it lives on");
        sleep(Duration::from_millis(50));
    }
}

fn start_and_wait() -> ! {
    let major = std::env::var("CELADOR_PG").map_or(15, |text| text.parse().expect("a number"));
    let install = Install::ensure(major).expect("PostgreSQL");
    let options = Options {
        preload: Preload::Nothing,
        ..Options::default()
    };
    let cluster = Cluster::start(&install, options).expect("starts");
    println!("cluster: {} {}", cluster.port(), cluster.dir().display());
    loop {
        sleep(Duration::from_secs(60));
    }
}
