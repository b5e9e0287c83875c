//! What generated policies ask of other rows: the record that a row hangs on, records that point
//! to it. Read with the rights of the table's owner, as a referential check does.

use std::cell::Cell;
use std::rc::Rc;

use celador_policy::policy_set::{CellRef, Module, ParentTarget, Via};
use celador_policy::row_policy::followed::{self, Key};
use celador_policy::{Action, PolicySet, Reach, TableName};
use pgrx::prelude::*;

use crate::catalog::Catalog;
use crate::session::{self, Person, person};
use crate::spi::{self, Reads};
use crate::{errors, links, relations};

/// How deep probes may ask probes. A checked policy stays below.
const MAX_DEPTH: u32 = 12;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

struct Deeper;

impl Deeper {
    fn enter() -> Self {
        if DEPTH.get() >= MAX_DEPTH {
            DEPTH.set(0);
            errors::raise(
                PgSqlErrorCode::ERRCODE_STATEMENT_TOO_COMPLEX,
                "records lend their reach to each other too deep",
                "Load a policy in which they don't.",
            );
        }
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Deeper {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// Runs a statement over one table with the rights of its owner: is there a row?
fn finds(person: &Person, table: &TableName, sql: &str, values: &[&str]) -> bool {
    !fetch(&person.catalog, table, sql, values, Reads::Statement).is_empty()
}

pub(crate) fn fetch(
    catalog: &Rc<Catalog>,
    table: &TableName,
    sql: &str,
    values: &[&str],
    reads: Reads,
) -> Vec<Vec<Option<String>>> {
    let Some(owner) = relations::relation(&table.schema, &table.name).and_then(relations::owner)
    else {
        errors::raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("table {table} of the policy is gone"),
            "Load a policy without it.",
        )
    };
    let _deeper = Deeper::enter();
    spi::with_rights_of(owner, || {
        spi::connected(|| catalog.kept(sql, values.len()).rows(values, reads))
    })
}

pub(crate) fn module<'a>(policy: &'a PolicySet, name: &str) -> &'a Module {
    policy.modules.get(name).unwrap_or_else(|| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("there is no module \"{name}\""),
            "Name a module of the loaded policy.",
        )
    })
}

/// There is a record of the module with that key and the condition holds for it. The statements
/// are written once for each `question`.
pub(crate) fn is_record(
    person: &Person,
    name: &str,
    record: &str,
    question: &str,
    condition: impl FnOnce() -> String,
) -> bool {
    let module = module(person.policy(), name);
    let Some(key) = &module.key else { return false };
    if !session::can_be(record, &key.type_name) {
        return false;
    }
    let questions = person.catalog.questions(name, question, || {
        followed::records(module, &condition(), Key::Text)
    });
    module
        .tables
        .iter()
        .zip(questions.iter())
        .any(|(table, sql)| finds(person, table, sql, &[record]))
}

/// The record of `name` with that key is in reach.
pub(crate) fn in_reach(person: &Person, name: &str, cell: &CellRef, record: &str) -> bool {
    let policy = person.policy();
    let cell = &policy.writing_cell(name, cell);
    if reaches_nothing(person, name, cell) {
        return false;
    }
    is_record(person, name, record, &cell.text(), || {
        followed::in_reach(policy, name, cell)
    })
}

/// Whoever calls these by SQL may ask for actions only: scopes written out would ask about rows
/// that nobody granted.
pub(crate) fn asked(cell: &str) -> CellRef {
    let cell = asked_of_row(cell);
    if !spi::is_internal() && matches!(cell, CellRef::Field(..)) {
        errors::denied(
            "what is granted of a field can't be asked for by SQL",
            "Ask for an action, such as read.",
        );
    }
    cell
}

/// Masks stand in people's statements, and ask for what is granted of a field as well.
pub(crate) fn asked_of_row(cell: &str) -> CellRef {
    let Some(cell) = CellRef::from_text(cell) else {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("\"{cell}\" names no cell"),
            "Name an action, such as read.",
        )
    };
    if !spi::is_internal() && !matches!(cell, CellRef::Action(_) | CellRef::Field(..)) {
        errors::denied(
            "scopes can't be asked for by SQL",
            "Ask for an action, such as read.",
        );
    }
    cell
}

/// What is granted of a field may go farther than reading, where there is no row to show it: of a record
/// that a person doesn't read nothing is told.
pub(crate) fn goes_beyond_reading(
    person: &Person,
    module: &str,
    cell: &CellRef,
    record: &str,
) -> bool {
    let read = CellRef::Action(Action::Read);
    !spi::is_internal()
        && matches!(cell, CellRef::Field(..))
        && !in_reach(person, module, &read, record)
}

/// What hangs on a record follows it. What hangs on none, or on one that is gone, is for those who
/// reach all of them.
#[pg_extern]
fn record_in_reach(module: Option<&str>, cell: Option<&str>, record: Option<&str>) -> bool {
    let (Some(module), Some(cell)) = (module, cell) else {
        return false;
    };
    let person = person();
    let cell = asked(cell);
    reaches_all(&person, module, &cell)
        || record.is_some_and(|record| in_reach(&person, module, &cell, record))
}

/// No record of the module is in reach; what may be claimed may be read.
pub(crate) fn reaches_nothing(person: &Person, name: &str, cell: &CellRef) -> bool {
    let cell = &person.policy().writing_cell(name, cell);
    let nothing = |cell: &CellRef| *person.reach(name, &cell.text()) == Reach::default();
    let claim = CellRef::Action(Action::Claim);
    nothing(cell) && (*cell != CellRef::Action(Action::Read) || nothing(&claim))
}

/// Every record of the module is in reach, and no restriction narrows that.
pub(crate) fn reaches_all(person: &Person, module: &str, cell: &CellRef) -> bool {
    let policy = person.policy();
    person.reach(module, &cell.text()).all
        && !policy
            .restrictions_on(module)
            .any(|(name, _)| person.access.restricted(policy, name, cell))
}

#[pg_extern]
fn parent_in_reach(
    module: Option<&str>,
    cell: Option<&str>,
    place: Option<i32>,
    record: Option<&str>,
    kind: Option<&str>,
) -> bool {
    let (Some(name), Some(cell), Some(place), Some(record)) = (module, cell, place, record) else {
        return false;
    };
    let person = person();
    let reach = person.reach(name, &asked_of_row(cell).text());
    if reach.parents.is_empty() {
        return false;
    }
    let parent = usize::try_from(place)
        .ok()
        .and_then(|at| self::module(person.policy(), name).parents.get(at));
    let Some(parent) = parent else { return false };
    let above = match &parent.target {
        ParentTarget::Linked { module, link } => {
            let records = links::linked(&person.catalog, link, record, Reads::Statement);
            records
                .into_iter()
                .map(|record| (module.as_str(), record))
                .collect()
        }
        ParentTarget::Module(_) | ParentTarget::ByType { .. } | ParentTarget::Joined { .. } => {
            let record = parent.record(record, kind);
            Vec::from_iter(record.map(|(module, record)| (module, record.to_owned())))
        }
    };
    above.iter().any(|(target, record)| {
        reach
            .parents
            .iter()
            .filter(|via| via.module.as_ref().is_none_or(|only| only == target))
            .any(|via| in_reach(&person, target, &via.cell, record))
    })
}

#[pg_extern]
fn related_in_reach(module: &str, cell: &str, record: &str) -> bool {
    let person = person();
    let reach = person.reach(module, &asked_of_row(cell).text());
    reach
        .related
        .iter()
        .any(|via| is_pointed_to(&person, module, via, record))
}

/// A record that points to this one is in reach.
fn is_pointed_to(person: &Person, name: &str, via: &Via, record: &str) -> bool {
    let policy = person.policy();
    policy
        .pointing_to(name)
        .filter(|(other, ..)| via.module.as_ref().is_none_or(|only| only == other))
        .any(|(other, _, parent)| {
            if let ParentTarget::Linked { link, .. } = &parent.target {
                let pointing = links::linked_with(&person.catalog, link, record, Reads::Statement);
                return pointing
                    .iter()
                    .any(|record| in_reach(person, other, &via.cell, record));
            }
            if !session::can_be(record, &parent.column.type_name) {
                return false;
            }
            let conditions = [
                followed::points_to(parent, name, Key::Text),
                followed::belongs(module(policy, other)),
                followed::in_reach(policy, other, &via.cell),
            ];
            module(policy, other).tables.iter().any(|table| {
                let sql = format!(
                    "SELECT true FROM {} AS r WHERE {} LIMIT 1",
                    table.sql(),
                    conditions.join(" AND ")
                );
                finds(person, table, &sql, &[record])
            })
        })
}
