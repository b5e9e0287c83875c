//! `cargo xtask demo --crm DIR` on a CRM that nobody here has seen before. PostgreSQL's major
//! version is in `CELADOR_PG`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::{Client, NoTls};
use tempfile::TempDir;

/// As `pg_dump --schema-only` writes it, with its newest words.
const SCHEMA: &str = r"\restrict abc

SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.mitarbeiter (nr integer PRIMARY KEY, kuerzel text, chefin integer, rolle text);
ALTER TABLE public.mitarbeiter OWNER TO werkstatt;
CREATE TABLE public.kunden (nr integer PRIMARY KEY, name text, betreut_von integer);
ALTER TABLE public.kunden OWNER TO werkstatt;
\unrestrict abc
";
const DATA: &str = r"COPY public.mitarbeiter (nr, kuerzel, chefin, rolle) FROM stdin;
1	ute	\N	M
2	veit	1	V
3	wanda	\N	V
\.
COPY public.kunden (nr, name, betreut_von) FROM stdin;
11	Anker	2
12	Birke	2
13	Clever	3
14	Dohle	1
15	Esche	3
\.
";
const PEOPLE: &str = "
CREATE ROLE ute LOGIN;
CREATE ROLE veit LOGIN;
CREATE ROLE app LOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ute, veit, app;
GRANT EXECUTE ON FUNCTION celador.act_as(text) TO app;
";
const MAPPING: &str = r#"
[mapping]
schemas = ["public"]
[mapping.users]
table = "mitarbeiter"
keys = { user = "nr" }
login = "kuerzel"
supervisor = "chefin"
[mapping.roles_held]
table = "mitarbeiter"
user = "nr"
role = "rolle"
map = { M = "manager", V = "seller" }
[mapping.modules.users]
table = "mitarbeiter"
[mapping.modules.accounts]
table = "kunden"
owner = "betreut_von"
"#;
const MATRIX: &str = r#"
[permissions.manager.accounts]
read = ["reports"]
[permissions.seller.accounts]
read = ["own"]
"#;

/// The workshop's CRM in a directory of its own.
fn workshop() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in [
        ("roles.sql", "CREATE ROLE werkstatt;"),
        ("schema.sql", SCHEMA),
        ("data.sql", DATA),
        ("people.sql", PEOPLE),
        ("mapping.toml", MAPPING),
        ("matrix.toml", MATRIX),
        (
            "demo/people",
            "# who\nute\tmanager\nveit\tseller\n3\twanda, seller\tapp\n",
        ),
        ("demo/hidden-row", "veit\tkunden\t13\tread\n"),
        (
            "demo/1.sql",
            "-- Whose customers?\nSELECT name FROM kunden\nORDER BY 1;\n",
        ),
        (
            "demo/2.sql",
            "-- And the staff?\nSELECT count(*) AS staff FROM mitarbeiter",
        ),
    ] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("writes");
    }
    dir
}

fn demo(dir: &Path, more: &[&str]) -> Output {
    let major = std::env::var("CELADOR_PG").unwrap_or_else(|_| "15".into());
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["demo", "--pg", &major, "--crm"])
        .arg(dir)
        .args(more)
        .output()
        .expect("starts")
}

fn shown(output: &Output) -> String {
    assert!(output.status.success(), "{}", complaint(output));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ends a server that was left running, and removes its directory.
struct LeftRunning {
    server: Pid,
    dir: String,
}

impl LeftRunning {
    fn said_in(text: &str) -> Self {
        let (_, rest) = text
            .split_once("goes on running in ")
            .expect("it says where");
        let (dir, rest) = rest
            .split_once("; kill -INT ")
            .expect("it says how to stop it");
        let (pid, _) = rest.split_once(' ').expect("a number");
        Self {
            server: Pid::from_raw(pid.parse().expect("a number")),
            dir: dir.to_owned(),
        }
    }
}

impl Drop for LeftRunning {
    fn drop(&mut self) {
        kill(self.server, Signal::SIGQUIT).expect("it can be stopped as announced");
        while kill(self.server, None).is_ok()
            && Path::new(&self.dir).join("data/postmaster.pid").exists()
        {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        fs::remove_dir_all(&self.dir).expect("its directory can be removed");
    }
}

#[test]
fn somebody_elses_crm_is_shown_and_kept() {
    let dir = workshop();
    let output = demo(dir.path(), &["--keep"]);
    let text = shown(&output);
    let left = LeftRunning::said_in(&complaint(&output));
    let customers = "\
■ Whose customers?

    SELECT name FROM kunden
    ORDER BY 1;

ute, manager    veit, seller    wanda, seller
name            name            name
─────           ─────           ──────
Anker           Anker           Clever
Birke           Birke           Esche
Dohle
";
    assert!(text.contains(customers), "{text}");
    let staff = "\
ute, manager    veit, seller    wanda, seller
staff           staff           staff
─────           ─────           ─────
    0               0               0
";
    assert!(text.contains(staff), "{text}");
    let why = "\
■ Why can't this person read record 13 of kunden?

veit, seller
kind   name  result  source
─────  ────  ──────  ───────────
scope  own   false   role seller
";
    assert!(text.contains(why), "{text}");

    let url = |role: &str| {
        let start = format!("postgres://{role}@");
        let line = text.lines().find(|line| line.starts_with(&start));
        let (url, note) = line.expect("each person's").split_once("  ").expect("who");
        (url.to_owned(), note.to_owned())
    };
    let count = |client: &mut Client| -> i64 {
        client
            .query_one("SELECT count(*) FROM kunden", &[])
            .expect("answers")
            .get(0)
    };
    let mut veit = Client::connect(&url("veit").0, NoTls).expect("connects");
    assert_eq!(count(&mut veit), 2);
    let (app, note) = url("app");
    let mut wanda = Client::connect(&app, NoTls).expect("connects");
    let (_, sql) = note.split_once("after: ").expect("what to run first");
    wanda.simple_query(sql).expect("acts as wanda");
    assert_eq!(count(&mut wanda), 2);
    drop(left);
}

#[test]
fn data_may_be_packed_and_a_hidden_record_is_found() {
    let dir = workshop();
    let gzip = Command::new("gzip")
        .arg(dir.path().join("data.sql"))
        .status();
    assert!(gzip.expect("starts").success());
    fs::remove_file(dir.path().join("demo/hidden-row")).expect("removes");
    let output = demo(dir.path(), &[]);
    let text = shown(&output);
    assert!(
        text.contains("Why can't this person read record 14 of kunden?\n\nveit, seller\n"),
        "{text}"
    );
    assert!(!complaint(&output).contains("goes on running"));
}

#[test]
fn a_missing_file_is_named_with_what_belongs_there() {
    for (file, remedy) in [
        ("schema.sql", "pg_dump --schema-only"),
        ("data.sql", "pg_dump --data-only"),
        ("mapping.toml", "sql/crm/mapping.toml"),
        ("demo/people", "a login, a tab"),
    ] {
        let dir = workshop();
        let path = dir.path().join(file);
        fs::remove_file(&path).expect("removes");
        let output = demo(dir.path(), &[]);
        let text = complaint(&output);
        assert!(!output.status.success(), "{file}");
        assert!(
            text.contains(&format!("{} is missing", path.display())),
            "{text}"
        );
        assert!(text.contains(remedy) && text.contains("--help"), "{text}");
        assert!(
            !text.contains("building"),
            "before anything is built: {text}"
        );
    }
}

#[test]
fn what_cannot_be_understood_is_named() {
    for (file, text, expected) in [
        (
            "demo/people",
            "veit seller\n",
            "line 1: \"veit seller\" should be",
        ),
        ("demo/people", "# nobody yet\n", "names nobody"),
        (
            "demo/hidden-row",
            "xaver\tkunden\t1\tread\n",
            "xaver isn't among the people, who are ute",
        ),
        ("demo/hidden-row", "veit kunden 1\n", "with tabs between"),
        ("demo/2.sql", "-- A question alone\n", "2.sql has no query"),
        ("data.sql.gz", "", "are both there"),
    ] {
        let dir = workshop();
        fs::write(dir.path().join(file), text).expect("writes");
        let output = demo(dir.path(), &[]);
        let said = complaint(&output);
        assert!(!output.status.success(), "{file}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn an_error_in_a_script_stops_the_demo_with_its_line() {
    let dir = workshop();
    fs::write(
        dir.path().join("people.sql"),
        "CREATE ROLE ute LOGIN;\nGRANT nothing TO ute;\n",
    )
    .expect("writes");
    let output = demo(dir.path(), &[]);
    let text = complaint(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains(":2: ERROR:"), "{text}");
    assert!(text.contains("people.sql failed: psql stopped"), "{text}");
}
