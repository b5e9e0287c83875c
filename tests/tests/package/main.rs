//! The packages, on a PostgreSQL that was set up by other means: what they hold, and that it works.

mod day;
#[path = "../desk/mod.rs"]
mod desk;
mod upgrade;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use celador_tests::{failure, install, major, own_install, text};
use desk::{document, ids, run};
use postgres::{Client, NoTls};
use tempfile::TempDir;
use xtask::cluster::{Cluster, Options, Preload};
use xtask::extension::Profile;
use xtask::package::package;
use xtask::postgres::Install;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A PostgreSQL that has never seen the extension.
fn bare_server() -> (TempDir, Install) {
    let (dir, install) = own_install();
    std::fs::remove_file(
        install
            .library_dir()
            .expect("it has one")
            .join("celador.so"),
    )
    .expect("the library goes");
    for entry in std::fs::read_dir(install.extension_dir().expect("it has one")).expect("reads") {
        let path = entry.expect("an entry").path();
        if name(&path).contains("celador") {
            std::fs::remove_file(path).expect("control and scripts go");
        }
    }
    let pg_config = install.program("pg_config");
    (dir, Install::at(&pg_config).expect("it is there"))
}

fn name(path: &Path) -> String {
    path.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// The archive and Debian's package, made once, in copies in a directory that goes away.
fn packages() -> (TempDir, PathBuf, PathBuf) {
    static MADE: OnceLock<(String, String)> = OnceLock::new();
    let stock = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("packages-{}", major()));
    let (archive, debian) = MADE.get_or_init(|| {
        let made = package(install(), &stock, Profile::Dev).expect("they can be made");
        let [archive, debian] = <[PathBuf; 2]>::try_from(made).expect("two of them");
        (name(&archive), name(&debian))
    });
    let dir = tempfile::tempdir().expect("a directory");
    for file in [archive, debian] {
        std::fs::copy(stock.join(file), dir.path().join(file)).expect("copied");
    }
    let (archive, debian) = (dir.path().join(archive), dir.path().join(debian));
    (dir, archive, debian)
}

fn done(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Files below a directory, by their path in it.
fn files(dir: &Path) -> BTreeSet<String> {
    let listed = done(
        Command::new("find")
            .args([".", "-type", "f"])
            .current_dir(dir),
    );
    listed
        .lines()
        .map(|line| line.trim_start_matches("./").to_owned())
        .collect()
}

/// The scripts of this repository.
fn scripts() -> Vec<String> {
    let dir = xtask::workspace().join("extension/sql");
    let mut found: Vec<String> = std::fs::read_dir(dir)
        .expect("reads")
        .map(|entry| name(&entry.expect("an entry").path()))
        .collect();
    found.sort();
    assert!(
        found
            .iter()
            .any(|script| script.ends_with(&format!("--{VERSION}.sql")))
    );
    found
}

/// What README says after installing, on a cluster without the library in its configuration; a policy
/// in force, taken back, the extension dropped.
fn works(install: &Install) {
    let options = Options {
        preload: Preload::Nothing,
        ..Options::default()
    };
    let cluster = Cluster::start(install, options).expect("it starts");
    let connect = |role: &str| {
        Client::connect(&cluster.url(role, "postgres"), NoTls).expect("the server is there")
    };
    run(&mut connect("postgres"), desk::SCHEMA);
    let before = schema(&cluster, install, "postgres");
    run(
        &mut connect("postgres"),
        "ALTER DATABASE postgres SET session_preload_libraries = 'celador'; CREATE EXTENSION celador",
    );
    let mut superuser = connect("postgres");
    superuser
        .execute("SELECT celador.load_policy($1)", &[&document(desk::MATRIX)])
        .expect("it loads");
    assert_eq!(ids(&mut connect("desk_bea"), "SELECT id FROM cases"), [2]);
    failure(superuser.batch_execute("DROP EXTENSION celador"));
    run(
        &mut superuser,
        "SELECT celador.load_policy(''); DROP EXTENSION celador; DROP SCHEMA celador",
    );
    // Nothing is left of it.
    assert_eq!(schema(&cluster, install, "postgres"), before);
    assert_eq!(
        ids(&mut connect("desk_bea"), "SELECT id FROM cases ORDER BY id"),
        [1, 2, 3, 4, 5, 6]
    );
}

/// What `pg_dump` says of a database's schema; newer ones begin and end with a word of chance.
fn schema(cluster: &Cluster, install: &Install, database: &str) -> String {
    let dump = done(
        Command::new(install.program("pg_dump"))
            .arg("--schema-only")
            .arg(cluster.url("postgres", database)),
    );
    let lines = dump.lines().filter(|line| !line.starts_with('\\'));
    lines.map(unnamed).collect::<Vec<_>>().join("\n")
}

/// Since 18 NOT NULL has a name, which a script from 15 doesn't say.
fn unnamed(line: &str) -> String {
    match line.split_once(" CONSTRAINT ") {
        Some((column, rest)) if rest.ends_with("_not_null NOT NULL,") => {
            format!("{column} NOT NULL,")
        }
        Some(_) | None => line.to_owned(),
    }
}

#[test]
fn the_archive_is_put_in_place_by_hand_and_serves_a_whole_day() {
    let (dir, archive, _) = packages();
    done(
        Command::new("tar")
            .args(["--extract", "--file"])
            .arg(&archive)
            .current_dir(dir.path()),
    );
    let tree = dir.path().join(name(&archive).trim_end_matches(".tar.gz"));
    let held = files(&tree);
    for script in scripts() {
        assert!(
            held.contains(&format!("share/extension/{script}")),
            "{held:?}"
        );
    }
    for file in [
        "lib/celador.so",
        "share/extension/celador.control",
        "META.json",
        "doc/README.md",
        "doc/RUNBOOK.md",
        "doc/SECURITY.md",
        "doc/LICENSE-MIT",
        "doc/LICENSE-APACHE",
        "doc/docs/first-hour.md",
        "doc/docs/rights.md",
        "doc/docs/policy-reference.md",
        "doc/presets/s1-matrix.toml",
    ] {
        assert!(held.contains(file), "{file}: {held:?}");
    }
    let (_root, server) = bare_server();
    let cluster = Cluster::start(
        &server,
        Options {
            preload: Preload::Nothing,
            ..Options::default()
        },
    )
    .expect("it starts");
    let mut client =
        Client::connect(&cluster.url("postgres", "postgres"), NoTls).expect("connects");
    failure(client.batch_execute("CREATE EXTENSION celador"));
    drop((client, cluster));
    for (from, to) in [
        ("lib", server.library_dir().expect("it has one")),
        (
            "share/extension",
            server.extension_dir().expect("it has one"),
        ),
    ] {
        done(
            Command::new("cp")
                .args(["--recursive", "--no-target-directory"])
                .arg(tree.join(from))
                .arg(to),
        );
    }
    day::whole(&server);
    upgrade::with_data(&server);
}

#[test]
fn debians_package_is_installed_and_removed_by_dpkg() {
    let (dir, _, debian) = packages();
    let major = major();
    let fields = done(Command::new("dpkg-deb").arg("--field").arg(&debian));
    assert!(
        fields.contains(&format!("Package: postgresql-{major}-celador\n")),
        "{fields}"
    );
    assert!(
        fields.contains(&format!("Version: {VERSION}-1\n")),
        "{fields}"
    );
    assert!(
        fields.contains(&format!("Depends: postgresql-{major}, ")),
        "{fields}"
    );

    // A root of its own, into which Debian's layout of this PostgreSQL is put.
    let (root, server) = bare_server();
    let root = root.path();
    let before = files(root);
    let places = [
        (
            format!("usr/lib/postgresql/{major}/lib"),
            server.library_dir(),
        ),
        (
            format!("usr/share/postgresql/{major}/extension"),
            server.extension_dir(),
        ),
    ];
    for (place, real) in &places {
        let (place, real) = (root.join(place), real.as_ref().expect("it has one"));
        if !place.exists() {
            std::fs::create_dir_all(place.parent().expect("one")).expect("made");
            std::os::unix::fs::symlink(real, &place).expect("linked");
        }
    }
    let admin = dir.path().join("dpkg");
    for part in ["updates", "info", "triggers"] {
        std::fs::create_dir_all(admin.join(part)).expect("made");
    }
    for file in ["status", "available"] {
        std::fs::write(admin.join(file), "").expect("written");
    }
    let dpkg = || {
        let mut command = Command::new("dpkg");
        command
            .arg(format!("--instdir={}", root.display()))
            .arg(format!("--admindir={}", admin.display()))
            .arg(format!("--log={}", admin.join("log").display()))
            .args([
                "--force-depends",
                "--force-not-root",
                "--force-script-chrootless",
            ]);
        command
    };
    done(dpkg().arg("--install").arg(&debian));
    let held = files(root);
    let documents = format!("usr/share/doc/postgresql-{major}-celador");
    for file in [
        "copyright",
        "README.md",
        "RUNBOOK.md",
        "docs/first-hour.md",
        "LICENSE-MIT",
    ] {
        assert!(held.contains(&format!("{documents}/{file}")), "{file}");
    }
    let there: BTreeSet<String> = files(&server.extension_dir().expect("it has one"));
    for script in scripts() {
        assert!(there.contains(&script), "{script}");
    }
    works(&server);
    done(dpkg().args(["--purge", &format!("postgresql-{major}-celador")]));
    assert_eq!(files(root), before);
}

/// PGXN reads META.json; PostgreSQL the control file.
#[test]
fn what_is_said_of_the_extension_is_so() {
    let meta: serde_json::Value =
        serde_json::from_str(&text("extension/META.json")).expect("it is JSON");
    let word = |pointer: &str| {
        meta.pointer(pointer)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_else(|| panic!("{pointer} is missing"))
            .to_owned()
    };
    // What version 1.0.0 of PGXN's format wants.
    for pointer in [
        "/name",
        "/abstract",
        "/version",
        "/maintainer/0",
        "/meta-spec/version",
        "/meta-spec/url",
    ] {
        assert!(!word(pointer).is_empty(), "{pointer}");
    }
    assert_eq!(word("/name"), "celador");
    assert_eq!(word("/version"), VERSION);
    assert_eq!(word("/provides/celador/version"), VERSION);
    assert_eq!(word("/meta-spec/version"), "1.0.0");
    for pointer in ["/provides/celador/file", "/provides/celador/docfile"] {
        let file = word(pointer);
        assert!(xtask::workspace().join(&file).exists(), "{file}");
    }
    let licences = meta["license"].as_object().expect("licences by name");
    assert_eq!(licences.len(), 2);
    assert!(["stable", "testing", "unstable"].contains(&word("/release_status").as_str()));
    assert!(meta["tags"].as_array().expect("tags").len() > 3);
    assert!(
        meta.pointer("/prereqs/runtime/requires/PostgreSQL")
            .is_some()
    );

    let control = text("extension/celador.control");
    for line in [
        format!("default_version = '{VERSION}'"),
        "module_pathname = '$libdir/celador'".to_owned(),
        "relocatable = false".to_owned(),
        "schema = celador".to_owned(),
        "superuser = true".to_owned(),
        "trusted = false".to_owned(),
    ] {
        assert!(control.lines().any(|known| known == line), "{line}");
    }
    assert!(control.contains(&word("/abstract").replace('\'', "''")));
}
