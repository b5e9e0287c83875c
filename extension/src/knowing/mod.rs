//! What a DBA wants to know: what is worth a second look, who may what, who reaches a record.
//! Everything here reads, and tells of policy, catalogs and directory, never of what records hold.

mod everybody;
mod explain_set;
mod findings;
mod holders;
mod matrix;
mod personal_data;
mod review;
mod who_can;

use celador_policy::{Action, PolicySet};
use pgrx::prelude::*;

use crate::catalog::{self, Catalog};
use crate::errors;

/// The live policy, or an error that says there is none.
pub(crate) fn live(catalog: &Catalog) -> &PolicySet {
    if let Some(unfit) = &catalog.unfit {
        unfit.refuse()
    }
    catalog.policy.as_ref().unwrap_or_else(|| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "no policy is loaded",
            "Run SELECT celador.load_policy(document).",
        )
    })
}

/// The catalog, or an error that says that the extension isn't there.
pub(crate) fn catalog() -> std::rc::Rc<Catalog> {
    crate::session::begin_statement();
    catalog::current().unwrap_or_else(|| errors::fault("the extension is being created or is gone"))
}

/// The action of that name, or an error.
pub(crate) fn action(name: &str) -> Action {
    Action::from_name(name).unwrap_or_else(|| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("\"{name}\" is no action"),
            "read, create, update, delete, assign, claim, import, export or customise.",
        )
    })
}
