//! Other people's clients: the scripts of the acceptance folder, each of which passes without the proxy.
//!
//! They need psycopg, SQLAlchemy, node-postgres and pgjdbc, and minutes: `cargo test -p celador-proxy --test
//! through -- --ignored --nocapture clients` runs those that are there.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use celador_tests::{Database, install};
use postgres_protocol::password::scram_sha_256;

use crate::stage::Setup;

/// Refused on purpose, as docs/proxy.md says.
const REFUSED: [&str; 1] = ["large object API (fastpath function call)"];

#[test]
#[ignore = "takes minutes, and needs clients that aren't part of the repository"]
fn clients_of_others() {
    let folder = xtask::workspace().join("../shared/acceptance/clients");
    let setup_sql = folder.join("setup.sql");
    if !setup_sql.exists() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: there is no {}",
            folder.display()
        );
        return;
    }
    let database = Database::empty();
    database.run(&format!(
        "CREATE ROLE acc LOGIN; ALTER ROLE acc SET log_parameter_max_length = 0;
         ALTER DATABASE {} OWNER TO acc;
         SELECT celador.load_policy('[mapping]'); SELECT celador.add_user('acc');
         GRANT EXECUTE ON FUNCTION celador.assume(text) TO acc",
        database.name()
    ));
    let proxy = Setup {
        user: "acc".to_owned(),
        password: None,
        users: format!("\"acc\" \"{}\"", scram_sha_256(b"acc-pw")),
        ..Setup::default()
    }
    .start(&database);
    let bin = install().program("psql");
    let bin = bin.parent().expect("a directory");
    let with = |program: &Path| {
        let mut command = Command::new(program);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", proxy.port.to_string())
            .env("PGUSER", "acc")
            .env("PGPASSWORD", "acc-pw")
            .env("PGDATABASE", database.name())
            .env("PGBIN", bin)
            .current_dir(&folder);
        command
    };
    let loaded = with(&bin.join("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(&setup_sql)
        .status()
        .expect("psql runs");
    assert!(loaded.success());
    let python = std::env::var("CELADOR_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let jar = "/usr/share/java/postgresql.jar";
    let mut failed = Vec::new();
    let mut ran = 0;
    for (needs, program, arguments) in [
        ("true", "bash", vec!["psql_test.sh"]),
        ("import psycopg2", &*python, vec!["psycopg2_test.py"]),
        (
            "import psycopg, psycopg_pool",
            &python,
            vec!["psycopg3_test.py"],
        ),
        ("import sqlalchemy", &python, vec!["sqlalchemy_test.py"]),
        ("require('pg')", "node", vec!["pg_node_test.js"]),
        (jar, "java", vec!["-cp", jar, "JdbcTest.java"]),
    ] {
        let flag = if program == "node" { "-e" } else { "-c" };
        let there = if program == "java" {
            Path::new(jar).exists()
        } else {
            let asked = Command::new(program).args([flag, needs]).output();
            asked.is_ok_and(|output| output.status.success())
        };
        if !there {
            eprintln!("not run: {arguments:?} needs {needs}");
            continue;
        }
        let output = with(Path::new(program))
            .args(&arguments)
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        eprintln!(
            "{arguments:?}: {last}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(text.contains("PASS"), "{text}");
        let bad = text.lines().filter(|line| line.starts_with("FAIL"));
        let bad = bad.filter(|line| !REFUSED.iter().any(|name| line.contains(name)));
        failed.extend(bad.map(|line| format!("{arguments:?} {line}")));
        ran += 1;
    }
    assert!(ran > 0 && failed.is_empty(), "{failed:#?}");
}
