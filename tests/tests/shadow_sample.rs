//! The shadow test on the sample CRM: every statement of a person gives through Celador what it
//! gives on a plain database that holds what the person may see.
//!
//! `CELADOR_SEED` and `CELADOR_STATEMENTS` set which statements, and how many.

use celador_tests::shadow::sample::{SHARES, Sample};
use celador_tests::shadow::{Shadows, seed, statements};
use celador_tests::{Database, text};

const FILES: [&str; 3] = [
    "sql/crm/schema.sql",
    "sql/crm/data.sql",
    "tests/src/shadow/trim.sql",
];

/// The same data under the policy.
fn protected() -> Database {
    Database::from_template("celador_shadow_protected", |client| {
        client
            .batch_execute("CREATE EXTENSION celador")
            .expect("the extension can be created");
        celador_tests::shadow::copy::load_plain(client, &FILES);
        let document = document();
        client
            .query("SELECT celador.load_policy($1)", &[&document])
            .unwrap_or_else(|error| panic!("the policy loads: {error:?}"));
        client.batch_execute(SHARES).expect("records can be shared");
    })
}

fn document() -> String {
    format!(
        "{}\n{}",
        Database::preset_document("s1-matrix"),
        text("tests/src/shadow/sample.toml")
    )
}

#[test]
fn statements_give_what_they_give_on_the_shadow() {
    let (seed, statements) = (seed(), statements());
    println!("CELADOR_SEED={seed} CELADOR_STATEMENTS={statements}");
    let oracle = Sample;
    let mut shadows = Shadows::new("sample", &FILES, &oracle);
    let real = protected();
    let report = match shadows.compare(&real, seed, statements) {
        Ok(report) => report,
        Err(difference) => panic!("seed {seed}, {difference}"),
    };
    println!("{report}");
    assert!(
        report.effective * 100 >= report.statements * 60,
        "too few statements do anything: {report}"
    );
    assert!(
        report.writes * 100 >= report.statements * 28,
        "too few writes: {report}"
    );
}
