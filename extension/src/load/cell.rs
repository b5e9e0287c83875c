//! Changes one cell of the live matrix: a revision of its own, without a look at any table.

use celador_policy::change_cell as changed;
use celador_policy::document::{CellChange, Scope};
use pgrx::JsonB;
use pgrx::prelude::*;

use super::{apply, refuse, revisions};
use crate::{directory_trigger, errors, hooks, knowing, server_minor, version};

/// `celador.change_cell(role, module, action, scopes, reason, base)`: the new revision's number. The
/// scopes are as in a document; none takes the key away.
///
/// ```sql
/// SELECT celador.change_cell('seller', 'contacts', 'read', '["own", "group"]', 'they share a desk');
/// ```
#[pg_extern]
fn change_cell(
    role: Option<String>,
    module: Option<String>,
    action: Option<String>,
    scopes: Option<JsonB>,
    reason: Option<&str>,
    base: Option<i32>,
) -> i32 {
    let (Some(role), Some(module), Some(action)) = (role, module, action) else {
        errors::raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "a cell has a role, a module and an action",
            "SELECT celador.change_cell('seller', 'contacts', 'read', '[\"own\"]').",
        )
    };
    let change = CellChange {
        role,
        module,
        action,
        scopes: scopes.map_or_else(Vec::new, read),
    };
    hooks::require();
    version::require_objects();
    server_minor::require();
    let _timeout = apply::LockTimeout::set();
    revisions::begin(base);
    let catalog = knowing::catalog();
    let live = knowing::live(&catalog);
    apply::may_load();
    let Some(revision) = revisions::revision(None).filter(|it| it.number == catalog.revision)
    else {
        errors::fault("the live revision is another one than the policy in force")
    };
    let mut document = revision.document();
    let set = changed(&mut document, live, &change)
        .unwrap_or_else(|problems| refuse("the cell can't be changed", &problems));
    let revision = apply::store(None, &document, &set, reason);
    directory_trigger::signal("policy");
    revision
}

/// The scopes as a document writes them.
fn read(JsonB(scopes): JsonB) -> Vec<Scope> {
    serde_json::from_value(scopes).unwrap_or_else(|error| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("these are no scopes: {error}"),
            "A list as in a document: [\"own\", {\"scope\": \"colleagues\", \"when\": \"shared_inbox\"}].",
        )
    })
}
