//! The sample CRM as the shadow tests use it.

use celador_tests::shadow::copy::load_plain;
use celador_tests::shadow::sample::SHARES;
use celador_tests::{Database, text};

/// What makes the plain CRM.
pub(crate) const FILES: [&str; 3] = [
    "sql/crm/schema.sql",
    "sql/crm/data.sql",
    "tests/src/shadow/trim.sql",
];

/// The same data under the policy.
pub(crate) fn protected() -> Database {
    Database::from_template("celador_shadow_protected", |client| {
        client
            .batch_execute("CREATE EXTENSION celador")
            .expect("the extension can be created");
        load_plain(client, &FILES);
        client
            .query("SELECT celador.load_policy($1)", &[&document()])
            .unwrap_or_else(|error| panic!("the policy loads: {error:?}"));
        client.batch_execute(SHARES).expect("records can be shared");
    })
}

/// The policy.
pub(crate) fn document() -> String {
    format!(
        "{}\n{}",
        Database::preset_document("s1-matrix"),
        text("tests/src/shadow/sample.toml")
    )
}
