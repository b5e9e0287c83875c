//! A table that holds records of several modules: which of them a row is one of, and what it takes
//! to make a record of one module a record of another.

use celador_policy::policy_set::CellRef;
use celador_policy::row_policy::reach_and_restrictions;
use celador_policy::{Action, PolicySet};
use pgrx::prelude::*;

use super::verdict::answers;
use crate::session::Person;

/// The one module of `names` whose record the row is; `None`: of none, or of several.
pub(super) unsafe fn module_of<'a>(
    person: &Person,
    names: &'a [String],
    relation: pg_sys::Relation,
    row: pg_sys::HeapTuple,
) -> Option<&'a str> {
    let policy = person.policy();
    let filter = |name: &String| {
        policy
            .modules
            .get(name)
            .and_then(|module| module.rows.as_ref())
    };
    if let ([only], None) = (names, names.first().and_then(filter)) {
        return Some(only);
    }
    let belongs: Vec<String> = names
        .iter()
        .map(|name| filter(name).map_or_else(|| "false".to_owned(), |rows| rows.sql("r.")))
        .collect();
    let sql = format!("SELECT {} FROM (SELECT ($1).*) AS r", belongs.join(", "));
    // SAFETY: the row is of the relation's row type.
    let told = unsafe { answers(person, relation, &sql, &[row]) };
    let mut found = names
        .iter()
        .zip(told)
        .filter(|(_, told)| told.as_deref() == Some("t"))
        .map(|(name, _)| name.as_str());
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// Whether the person may make the old row, a record of the first module, the new one, a record of
/// the second: it takes removing the one and creating the other.
pub(super) unsafe fn may_become(
    person: &Person,
    [before, after]: [&str; 2],
    relation: pg_sys::Relation,
    rows: [pg_sys::HeapTuple; 2],
) -> bool {
    let sql = becoming(person.policy(), before, after);
    // SAFETY: both rows are of the relation's row type.
    let told = unsafe { answers(person, relation, &sql, &rows) };
    told.first().cloned().flatten().as_deref() == Some("t")
}

/// ```sql
/// SELECT (o in reach for delete) AND (n in reach for create) FROM (SELECT ($1).*) AS o, (SELECT ($2).*) AS n
/// ```
fn becoming(policy: &PolicySet, before: &str, after: &str) -> String {
    let within = |module: &str, action: Action, alias: &str| {
        reach_and_restrictions(policy, module, &CellRef::Action(action), alias)
    };
    format!(
        "SELECT {} AND {} FROM (SELECT ($1).*) AS o, (SELECT ($2).*) AS n",
        within(before, Action::Delete, "o."),
        within(after, Action::Create, "n.")
    )
}
