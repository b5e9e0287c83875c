//! A page of the documentation whose commands are run.
//!
//! Blocks marked `sh` and `sql` run one after the other; a block marked `text` right after one is what
//! it prints. What is marked `sh elsewhere` can't run here; the page says what tests it. In the place of
//! `sh restart`, which is for the reader's system, the cluster restarts.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use xtask::cluster::Cluster;
use xtask::postgres::Install;

/// A block of a page.
struct Block {
    language: String,
    text: String,
    /// Where it begins, counted from 1.
    line: usize,
}

/// Runs a page's commands as its reader would: in `dir`, as the superuser `postgres`, in a database.
/// Returns how many blocks ran.
///
/// # Panics
///
/// A command fails, or prints something else than the page says.
pub fn run_page(
    page: &str,
    install: &Install,
    cluster: &Cluster,
    database: &str,
    dir: &Path,
) -> usize {
    let blocks = blocks(&crate::text(page));
    let mut ran = 0;
    for (at, block) in blocks.iter().enumerate() {
        let mut command = match block.language.as_str() {
            "sh" => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-e", "-s"]);
                shell
            }
            "sql" => {
                let mut psql = Command::new(install.program("psql"));
                psql.args(["--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]);
                psql
            }
            "sh restart" => {
                cluster.restart().expect("it restarts");
                continue;
            }
            "text" | "toml" | "sh elsewhere" => continue,
            other => panic!("{page}:{}: nothing runs \"{other}\"", block.line),
        };
        let programs = install.program("psql");
        let programs = programs.parent().expect("a directory").display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = command
            .current_dir(dir)
            .env("PATH", format!("{programs}:{path}"))
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", cluster.port().to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", database)
            .env("PGTZ", "UTC")
            .env("PSQLRC", "/dev/null")
            .env("CELADOR_KEYS", cluster.key_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(block.text.as_bytes()).expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{page}:{}: {printed}{}",
            block.line,
            String::from_utf8_lossy(&output.stderr)
        );
        if let Some(expected) = blocks.get(at + 1).filter(|next| next.language == "text") {
            assert_eq!(
                trimmed(&printed),
                trimmed(&expected.text),
                "{page}:{}",
                expected.line
            );
        }
        ran += 1;
    }
    ran
}

/// Without white space at the ends of lines, and of the whole.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                    line: at + 1,
                });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block doesn't end");
    blocks
}
