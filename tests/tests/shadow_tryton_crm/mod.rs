//! Tryton as the shadow tests use it.

use celador_tests::acceptance::Crm;
use celador_tests::{Database, text};
use postgres::Client;

/// Who may what, told by hand.
pub(crate) const TOLD: &str = "tests/src/shadow/tryton/told.toml";

fn load(crm: &Crm, client: &mut Client) {
    crm.load(client, "tests/src/shadow/tryton/people.sql");
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
            .query("SELECT celador.load_policy($1)", &[&document()])
            .unwrap_or_else(|error| panic!("the policy loads: {error:?}"));
    })
}

/// The policy. The mapping is one of its own: that of `tests/crm/` says more than is told here.
pub(crate) fn document() -> String {
    format!(
        "{}\n{}\n{}",
        text("tests/src/shadow/tryton/mapping.toml"),
        text("sql/presets/s1-matrix.toml"),
        text("tests/src/shadow/tryton/policy.toml")
    )
}
