//! Pages whose commands are run, in order, as their reader would run them.

use celador_tests::{file, install, own_install, run_page, text};
use postgres::{Client, NoTls};
use tempfile::TempDir;
use xtask::cluster::{Cluster, Options, Preload};
use xtask::postgres::Install;

const DATABASE: &str = "crm";

/// The sample CRM on a server that has the extension's files and nothing more; its application's login
/// owns the tables. And a directory with a preset.
fn server(install: &Install) -> (Cluster, TempDir) {
    let cluster = Cluster::start(
        install,
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
    std::fs::create_dir(dir.path().join("presets")).expect("made");
    let preset = "presets/s1-matrix.toml";
    std::fs::write(dir.path().join(preset), text(&format!("sql/{preset}"))).expect("written");
    (cluster, dir)
}

#[test]
fn the_first_hour() {
    let (cluster, dir) = server(install());
    let ran = run_page(
        "docs/first-hour.md",
        install(),
        &cluster,
        DATABASE,
        dir.path(),
    );
    assert!(ran >= 24, "{ran} blocks");
}

/// On an installation of its own: the page takes the library away.
#[test]
fn the_runbook() {
    let (_install_dir, install) = own_install();
    let (cluster, dir) = server(&install);
    let mut superuser =
        Client::connect(&cluster.url("postgres", DATABASE), NoTls).expect("connects");
    superuser
        .batch_execute(
            "REASSIGN OWNED BY crm_app TO crm_owner; CREATE EXTENSION celador;
             ALTER DATABASE crm SET session_preload_libraries = 'celador'",
        )
        .expect("it can be made");
    let old = Client::connect(&cluster.url("sergio", "postgres"), NoTls).expect("connects");
    let policy = text("sql/crm/mapping.toml") + &text("sql/presets/s1-matrix.toml");
    Client::connect(&cluster.url("postgres", DATABASE), NoTls)
        .expect("connects")
        .execute("SELECT celador.load_policy($1)", &[&policy])
        .expect("it loads");
    let ran = run_page("RUNBOOK.md", &install, &cluster, DATABASE, dir.path());
    assert!(ran >= 14, "{ran} blocks");
    // The session from before was ended; that of another database wasn't.
    assert!(superuser.batch_execute("SELECT 1").is_err());
    assert!(!old.is_closed());
}
