//! Pages whose commands are run, in order, as their reader would run them.

use celador_tests::{file, install, run_page, text};
use postgres::{Client, NoTls};
use tempfile::TempDir;
use xtask::cluster::{Cluster, Options, Preload};

const DATABASE: &str = "crm";

/// The sample CRM on a server that has the extension's files and nothing more; its application's login
/// owns the tables. And a directory with the two parts of a policy.
fn server() -> (Cluster, TempDir) {
    let cluster = Cluster::start(
        install(),
        Options {
            preload: Preload::Nothing,
            ..Options::default()
        },
    )
    .expect("it starts");
    let connect = |database: &str| {
        Client::connect(&cluster.url("postgres", database), NoTls).expect("connects")
    };
    connect("postgres")
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
        .expect("it can be made");
    for script in ["schema.sql", "data.sql"] {
        cluster
            .psql_file(DATABASE, &file(&format!("sql/crm/{script}")))
            .expect("the sample loads");
    }
    connect(DATABASE)
        .batch_execute("REASSIGN OWNED BY crm_owner TO crm_app")
        .expect("it owns them");
    let dir = tempfile::tempdir().expect("a directory");
    for (name, from) in [
        ("mapping.toml", "sql/crm/mapping.toml"),
        ("matrix.toml", "sql/presets/s1-matrix.toml"),
    ] {
        std::fs::write(dir.path().join(name), text(from)).expect("written");
    }
    (cluster, dir)
}

#[test]
fn the_first_hour() {
    let (cluster, dir) = server();
    let ran = run_page(
        "docs/first-hour.md",
        install(),
        &cluster,
        DATABASE,
        dir.path(),
    );
    assert!(ran >= 14, "{ran} blocks");
}
