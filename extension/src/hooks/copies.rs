//! Copies of protected rows, which PostgreSQL puts no row security on: materialized views, and the
//! tables of large values.

use celador_policy::Action;
use celador_policy::policy_set::{CellRef, Placement};
use pgrx::pg_sys;

use crate::catalog::Catalog;
use crate::watch::Kind;
use crate::{errors, masks, probe, relations, session};

/// Large values lie in a table beside theirs, which `pg_read_all_data` reads.
pub(super) fn refuse_toast(catalog: &Catalog, relation: pg_sys::Oid) {
    if !catalog.sees_all() && catalog.closed_relations().contains(&relation) {
        errors::denied_by(
            Kind::Way,
            Some(relation),
            format!(
                "{} holds values of a protected table",
                relations::display_name(relation)
            ),
            "Read the table itself.",
        );
    }
}

/// A materialized view over protected tables is open to those who see everything in them, every field in
/// clear.
pub(super) fn refuse_materialized(catalog: &Catalog, view: pg_sys::Oid) {
    if catalog.sees_all() || catalog.registered.contains(&view) {
        return;
    }
    let copied = catalog.copied_by(view);
    if copied.is_empty() || copied.iter().all(|table| reads_all(catalog, *table)) {
        return;
    }
    errors::denied_by(
        Kind::Way,
        Some(view),
        format!(
            "materialized view {} holds rows of protected tables",
            relations::display_name(view)
        ),
        "It is open to those who may read every row and field of these tables, and to all once a \
         superuser registers it: SELECT celador.register_view(view).",
    )
}

fn reads_all(catalog: &Catalog, table: pg_sys::Oid) -> bool {
    let Some(policy) = &catalog.policy else {
        return false;
    };
    let Some(name) = relations::table_name(table) else {
        return false;
    };
    let Some(placement) = policy.tables.get(&name) else {
        return false;
    };
    let modules = match placement {
        // Some rows may belong nowhere.
        Placement::Parts(_) | Placement::Closed => return false,
        Placement::Open => return true,
        Placement::Readable => {
            let _error_for_nobody = session::person();
            return session::asker().is_ok();
        }
        Placement::Module(_) | Placement::Child { .. } | Placement::Link { .. } => {
            placement.modules()
        }
    };
    let person = session::person();
    let read = CellRef::Action(Action::Read);
    let mut modules = modules.into_iter();
    modules.all(|module| probe::reaches_all(&person, module, &read))
        && masks::shown(catalog, table, Some(&person)).is_none_or(|shown| shown.is_everything())
}
