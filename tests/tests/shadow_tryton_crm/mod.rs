//! Tryton as the shadow tests use it.

use celador_tests::acceptance::Crm;
use celador_tests::shadow::copy::load_plain;
use celador_tests::{Database, text};
use postgres::Client;

/// Who may what, told by hand.
pub(crate) const TOLD: &str = "tests/src/shadow/tryton/told.toml";

fn load(crm: &Crm, client: &mut Client) {
    crm.load(client);
    load_plain(client, &["tests/src/shadow/tryton/people.sql"]);
}

/// Makes the plain CRM.
pub(crate) fn plain(crm: &Crm, client: &mut Client) {
    load(crm, client);
    client
        .batch_execute("DROP EXTENSION celador CASCADE")
        .expect("the extension can be dropped where nothing is protected");
}

/// The same data under the policy.
pub(crate) fn protected(crm: &Crm) -> Database {
    Database::from_template("celador_shadow_protected_tryton", |client| {
        load(crm, client);
        client
            .query("SELECT celador.load_policy($1)", &[&document(crm)])
            .unwrap_or_else(|error| panic!("the policy loads: {error:?}"));
    })
}

/// The policy.
pub(crate) fn document(crm: &Crm) -> String {
    format!(
        "{}\n{}",
        crm.document("s1-matrix"),
        text("tests/src/shadow/tryton/policy.toml")
    )
}
