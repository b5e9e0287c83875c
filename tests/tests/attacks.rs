//! The collected attacks on a CRM, where they are at hand: `acceptance/attacks` in the directory
//! `shared` beside the repository.
//!
//! Over both protocols, an attack may succeed only if `accepted.txt` says so, with the reason; each that it
//! lists must succeed somewhere; and every honest statement must give the exact result.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use celador_tests::{file, install, start, text};
use serde_json::Value;
use xtask::cluster::{Cluster, Options};

/// The people, in the order of their keys: the pool acts for a key, the collection names logins.
const PEOPLE: &str =
    "'adam','alice','bob','carol','dave','erin','frank','grace','heidi','mallory','ivan'";

#[test]
fn attacks_by_simple_queries_see_and_change_nothing() {
    nothing_is_seen("simple");
}

#[test]
fn attacks_by_prepared_statements_see_and_change_nothing() {
    nothing_is_seen("extended");
}

fn nothing_is_seen(protocol: &str) {
    let Some(collection) = collection() else {
        return;
    };
    let outcome = Run::new(protocol).all(&collection, protocol);
    let accepted = names("tests/attacks/accepted.txt");
    let mut problems = outcome.problems(|name| accepted.contains_key(name));
    // Other builds have less in contrib, or no XML, and a message may come too late for a prepared statement.
    let all = celador_tests::major() == 15 && protocol == "simple";
    let listed = accepted.keys().filter(|_| all);
    problems.extend(
        listed
            .filter(|name| !outcome.leaks(name))
            .map(|name| format!("{name} is listed, and doesn't succeed: remove it from the list")),
    );
    problems.extend(outcome.wrong.iter().cloned());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Where the collection lies; says so when it isn't there.
fn collection() -> Option<PathBuf> {
    let collection = file("../shared/acceptance/attacks");
    if !collection.join("run.py").exists() {
        println!("skipped: the collection of attacks isn't there");
        return None;
    }
    Some(collection)
}

/// Name → what stands behind it on the line.
fn names(path: &str) -> BTreeMap<String, String> {
    text(path)
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, reason) = line.split_once(' ').unwrap_or((line, ""));
            (name.to_owned(), reason.trim().to_owned())
        })
        .collect()
}

/// A cluster for a run, and a directory for its files.
struct Run {
    cluster: Cluster,
    dir: PathBuf,
}

/// What a run has found.
struct Outcome {
    /// Attack → verdict and detail.
    attacks: BTreeMap<String, (String, String)>,
    /// Honest statements with a wrong result.
    wrong: Vec<String>,
}

impl Run {
    fn new(name: &str) -> Self {
        let mut settings = vec![("max_prepared_transactions", "10")];
        // The package of PostgreSQL 16 comes without it: some attacks have nothing to look at there.
        let statements = "pg_stat_statements";
        if install().has_extension(statements).expect("it says so") {
            settings.push(("shared_preload_libraries", statements));
        }
        let settings = settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let cluster = start(Options {
            settings: settings.collect(),
            ..Options::default()
        });
        let dir = file("target/attacks").join(format!("{name}-{}", celador_tests::major()));
        if dir.exists() {
            fs::remove_dir_all(&dir).unwrap();
        }
        fs::create_dir_all(&dir).unwrap();
        Self { cluster, dir }
    }

    /// Makes the database, and runs every attack and every honest statement.
    fn all(&self, collection: &Path, protocol: &str) -> Outcome {
        let recreate = self.recreate(collection);
        done(Command::new("sh").arg("-c").arg(&recreate));
        let (found, port) = (self.dir.join("found.json"), self.cluster.port());
        let output = Command::new("python3")
            .env("PYTHONPATH", psycopg())
            .arg(collection.join("run.py"))
            .args(["--legit", "--protocol", protocol, "--pool-user", "crm_pool"])
            .arg("--dsn-template")
            .arg(format!(
                "host=127.0.0.1 port={port} dbname=crm user={{user}} sslmode=disable"
            ))
            .arg("--admin-dsn")
            .arg(format!(
                "host=127.0.0.1 port={port} dbname=crm user=postgres"
            ))
            .arg("--switch-sql")
            .arg(format!(
                "SELECT celador.act_as(array_position(ARRAY[{PEOPLE}], '{{user}}')::text)"
            ))
            .arg("--recreate")
            .arg(&recreate)
            .arg("--json")
            .arg(&found)
            .env("PATH", path_with_psql())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        fs::write(self.dir.join("printed.txt"), printed.as_bytes()).unwrap();
        let report = fs::read_to_string(&found).unwrap_or_else(|_| {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!(
                "the run ended early: {errors}\n{}",
                self.cluster.log().unwrap_or_default()
            )
        });
        Outcome::read(&report, &printed)
    }

    /// A command that makes the database anew.
    fn recreate(&self, collection: &Path) -> String {
        let psql = install().program("psql");
        let psql = format!(
            "{} --no-psqlrc --quiet --output=/dev/null --set=ON_ERROR_STOP=1",
            psql.display()
        );
        let file = |path: PathBuf| format!("--file={}", path.display());
        format!(
            "set -e; {psql} {server} -c 'DROP DATABASE IF EXISTS crm WITH (FORCE)' -c 'CREATE DATABASE crm'; \
             {psql} {database} -c 'CREATE EXTENSION celador' {schema} {data} {extensions} {grants}; \
             printf '%s' \"SELECT celador.load_policy(:'policy')\" | \
             {psql} {database} --set=policy=\"$(cat {policy})\"",
            server = self.cluster.url("postgres", "postgres"),
            database = self.cluster.url("postgres", "crm"),
            schema = file(collection.join("schema.sql")),
            data = file(collection.join("data.sql")),
            extensions = file(collection.join("extensions.sql")),
            grants = file(celador_tests::file("tests/attacks/grants.sql")),
            policy = celador_tests::file("tests/attacks/policy.toml").display(),
        )
    }
}

impl Outcome {
    fn read(report: &str, printed: &str) -> Self {
        let report: Value = serde_json::from_str(report).unwrap();
        let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let attacks: BTreeMap<String, (String, String)> = report["attacks"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, found)| (name.clone(), (string(&found[0]), string(&found[1]))))
            .collect();
        assert!(
            attacks.len() > 200,
            "only {} attacks were run",
            attacks.len()
        );
        let tried: u64 = report["legit"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(|person| person[1].as_u64())
            .sum();
        assert!(tried > 150, "only {tried} honest statements were run");
        let wrong = printed.lines().filter(|line| line.starts_with("WRONG"));
        Self {
            attacks,
            wrong: wrong.map(str::to_owned).collect(),
        }
    }

    fn leaks(&self, name: &str) -> bool {
        self.attacks
            .get(name)
            .is_some_and(|(verdict, _)| verdict == "LEAK")
    }

    /// Every attack that wasn't held, but for the leaks that are expected.
    fn problems(&self, expected: impl Fn(&str) -> bool) -> Vec<String> {
        self.attacks
            .iter()
            .filter(|(name, (verdict, _))| {
                verdict != "OK" && !(verdict == "LEAK" && expected(name))
            })
            .map(|(name, (verdict, detail))| format!("{verdict} {name}: {detail}"))
            .collect()
    }
}

/// Where Python finds psycopg: below `target/`, installed at the first need.
fn psycopg() -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let packages = file("target/attacks/packages");
    fs::create_dir_all(&packages).expect("a directory can be made");
    // Versions are tested side by side.
    let lock = fs::File::create(packages.join(".lock")).expect("a file can be made");
    lock.lock().expect("it can be locked");
    let imports = Command::new("python3")
        .args([
            "-c",
            "import psycopg; assert psycopg.pq.__impl__ == 'binary'",
        ])
        .env("PYTHONPATH", &packages)
        .output();
    if !imports.is_ok_and(|output| output.status.success()) {
        xtask::pip::install("psycopg[binary]>=3.1,<4", &packages).expect("psycopg is installed");
    }
    packages
}

/// The search path for programs, with the installation's psql.
fn path_with_psql() -> std::ffi::OsString {
    let psql = install().program("psql");
    let mut path = psql.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

#[track_caller]
fn done(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
