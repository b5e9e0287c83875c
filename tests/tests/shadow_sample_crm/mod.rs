//! The sample CRM as the shadow tests use it.

use celador_tests::shadow::copy::load_plain;
use celador_tests::shadow::sample::SHARES;
use celador_tests::{Database, text};
use postgres::Client;

/// Makes the plain CRM.
pub(crate) fn plain(client: &mut Client) {
    load_plain(
        client,
        &[
            "sql/crm/schema.sql",
            "sql/crm/data.sql",
            "tests/src/shadow/trim.sql",
        ],
    );
}

/// The same data under the policy.
pub(crate) fn protected() -> Database {
    Database::from_template("celador_shadow_protected_sample", |client| {
        client
            .batch_execute("CREATE EXTENSION celador")
            .expect("the extension can be created");
        plain(client);
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
