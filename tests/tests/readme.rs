//! What README.md shows is so.

use celador_tests::{Database, failure, text};

/// The text between the fences of the blocks of that language.
fn blocks(language: &str) -> String {
    let readme = text("README.md");
    let fence = format!("```{language}\n");
    let blocks = readme.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split_once("```").expect("the block ends").0)
        .collect()
}

#[test]
fn the_policy_is_taken_from_the_sample() {
    let files = [
        "sql/crm/mapping.toml",
        "sql/presets/s1-matrix.toml",
        "sql/crm/fields.toml",
    ];
    let files: String = files.map(text).concat();
    let known: Vec<&str> = files.lines().map(str::trim).collect();
    let shown = blocks("toml");
    let lines = shown
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut read = 0;
    for line in lines {
        assert!(known.contains(&line.trim()), "{line}");
        read += 1;
    }
    assert!(read > 10, "{shown}");
}

#[test]
fn people_count_what_is_written() {
    let database = Database::preset("s1-matrix");
    let accounts: i64 = database
        .superuser()
        .query_one("SELECT count(*) FROM accounts", &[])
        .unwrap()
        .get(0);
    assert_eq!(accounts, 2000);
    let shown = blocks("sql");
    let mut asked = 0;
    for line in shown.lines() {
        let Some((sql, expected)) = line.split_once("-- as ") else {
            continue;
        };
        let (login, rest) = expected.split_once(',').expect("who it is");
        let (_, result) = rest.split_once(':').expect("what comes of it");
        let mut client = database.login(login);
        match result.trim().strip_prefix("ERROR: ") {
            Some(message) => {
                let failure = failure(client.query(sql.trim(), &[]));
                assert_eq!(failure.code, "42501", "{line}");
                assert!(failure.message.contains(message), "{line}: {failure:?}");
            }
            None => {
                let count: i64 = client.query_one(sql.trim(), &[]).unwrap().get(0);
                assert_eq!(count.to_string(), result.trim(), "{line}");
            }
        }
        asked += 1;
    }
    assert_eq!(asked, 4, "{shown}");
}

#[test]
fn fields_show_what_is_written() {
    let database = Database::sample();
    let fields = text("sql/crm/fields.toml");
    database.load(&format!(
        "{}\n{fields}",
        Database::preset_document("s1-matrix")
    ));
    let shown = blocks("sql");
    let mut asked = 0;
    for line in shown.lines() {
        let Some((sql, expected)) = line.split_once("-- for ") else {
            continue;
        };
        let (login, rest) = expected.split_once(": ").expect("who it is");
        let result = rest.split_whitespace().next().expect("what comes of it");
        let count: i64 = database
            .login(login)
            .query_one(sql.trim(), &[])
            .unwrap()
            .get(0);
        assert_eq!(count.to_string(), result, "{line}");
        asked += 1;
    }
    assert_eq!(asked, 3, "{shown}");
}

#[test]
fn the_explanation_is_what_is_written() {
    let database = Database::preset("s1-matrix");
    let shown = blocks("sql");
    let mut lines = shown
        .lines()
        .skip_while(|line| !line.contains("celador.explain_access"));
    let sql = lines.next().expect("a call").trim_end_matches(';');
    let written: Vec<Vec<&str>> = lines
        .map_while(|line| line.strip_prefix("--"))
        .skip(1)
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let mut client = database.superuser();
    let rows = client.query(sql, &[]).unwrap();
    let found: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| (0..4).map(|at| row.get(at)).collect())
        .collect();
    assert_eq!(found, written);
}
