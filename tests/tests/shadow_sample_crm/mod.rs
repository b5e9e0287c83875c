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
        Database::preset_document("s1-matrix")
            .lines()
            .map(open)
            .collect::<String>(),
        text("tests/src/shadow/sample.toml")
    )
}

/// A cell in braces takes no fields from behind it: its actions on lines of their own.
///
/// `leads = { read = ["all"], create = ["own"] }`: `leads.read = ["all"]`, `leads.create = ["own"]`.
fn open(line: &str) -> String {
    let cell = line.split_once(" = { ").and_then(|(module, rest)| {
        let (actions, _) = rest.rsplit_once(" }")?;
        let module = module.trim();
        let is_name = module.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let is_cell = actions.starts_with("read = ") || actions.starts_with("create = ");
        (is_name && is_cell).then_some((module, actions))
    });
    let Some((module, actions)) = cell else {
        return format!("{line}\n");
    };
    let (mut depth, mut opened) = (0_i32, format!("{module}."));
    for c in actions.chars() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            opened.push_str(&format!("\n{module}."));
        } else if !opened.ends_with('.') || c != ' ' {
            opened.push(c);
        }
    }
    opened + "\n"
}
