//! What generated policies ask of other rows: the record that a row hangs on, records that point
//! to it, link tables. Read with the rights of the table's owner, as a referential check does.

use std::cell::Cell;
use std::collections::BTreeMap;

use celador_policy::policy_set::{
    CellRef, Column, GroupPlace, Link, Module, Owner, Parent, ParentTarget, Via,
};
use celador_policy::row_policy::{creator_is_me, reach_and_restrictions, readable};
use celador_policy::{Action, PolicySet, Reach, TableName, quote};
use pgrx::prelude::*;

use crate::session::{self, Person, person};
use crate::spi::{self, Reads};
use crate::{errors, relations};

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
    !fetch(person, table, sql, values, Reads::Statement).is_empty()
}

pub(crate) fn fetch(
    person: &Person,
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
        spi::connected(|| person.catalog.kept(sql, values.len()).rows(values, reads))
    })
}

fn module<'a>(policy: &'a PolicySet, name: &str) -> &'a Module {
    policy.modules.get(name).unwrap_or_else(|| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("there is no module \"{name}\""),
            "Name a module of the loaded policy.",
        )
    })
}

/// Everything that a module's rows must satisfy to be in the reach that `cell` names.
fn condition(policy: &PolicySet, module: &str, cell: &CellRef) -> String {
    if *cell == CellRef::Action(Action::Read) {
        readable(policy, module, "r.")
    } else {
        reach_and_restrictions(policy, module, cell, "r.")
    }
}

/// The row of `r` whose column is the statement's parameter.
///
/// ```sql
/// r."id" OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.int4)
/// ```
pub(crate) fn keyed(column: &Column) -> String {
    format!(
        "r.{} OPERATOR(pg_catalog.=) CAST($1 AS {})",
        quote::name(&column.name),
        column.type_name
    )
}

/// There is a record of the module with that key and the condition holds for it. The statements
/// are written once for each `question`.
fn is_record(
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
        let condition = condition();
        let of = |table: &TableName| {
            format!(
                "SELECT true FROM {} AS r WHERE {} AND {condition}",
                table.sql(),
                keyed(key)
            )
        };
        module.tables.iter().map(of).collect()
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
    let nothing = |cell: &CellRef| *person.reach(name, &cell.text()) == Reach::default();
    let claim = CellRef::Action(Action::Claim);
    if nothing(cell) && (*cell != CellRef::Action(Action::Read) || nothing(&claim)) {
        return false;
    }
    is_record(person, name, record, &cell.text(), || {
        condition(policy, name, cell)
    })
}

/// Whoever calls these by SQL may ask for actions only: scopes written out would ask about rows
/// that nobody granted.
pub(crate) fn asked(cell: &str) -> CellRef {
    let cell = session::cell_ref(cell);
    if !spi::is_internal() && !matches!(cell, CellRef::Action(_)) {
        errors::denied(
            "scopes can't be asked for by SQL",
            "Ask for an action, such as read.",
        );
    }
    cell
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
    let reach = person.reach(name, &asked(cell).text());
    if reach.parents.is_empty() {
        return false;
    }
    let parent = usize::try_from(place)
        .ok()
        .and_then(|at| self::module(person.policy(), name).parents.get(at));
    let Some((target, record)) = parent.and_then(|parent| parent.record(record, kind)) else {
        return false;
    };
    reach
        .parents
        .iter()
        .filter(|via| via.module.as_ref().is_none_or(|only| only == target))
        .any(|via| in_reach(&person, target, &via.cell, record))
}

#[pg_extern]
fn related_in_reach(module: &str, cell: &str, record: &str) -> bool {
    let person = person();
    let reach = person.reach(module, &asked(cell).text());
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
            if !session::can_be(record, &parent.column.type_name) {
                return false;
            }
            let mut conditions = vec![points_to(parent, name)];
            conditions.push(condition(policy, other, &via.cell));
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

/// The row `r` points to the record `$1` of a module.
pub(crate) fn points_to(parent: &Parent, module: &str) -> String {
    let column = quote::name(&parent.column.name);
    let equal = keyed(&parent.column);
    let one_of =
        |column: &str, modules: &BTreeMap<String, String>, write: &dyn Fn(&str) -> String| {
            let kinds: Vec<String> = modules
                .iter()
                .filter(|(_, of)| *of == module)
                .map(|(kind, _)| write(kind))
                .collect();
            format!(
                "CAST(r.{column} AS pg_catalog.text) OPERATOR(pg_catalog.=) ANY (ARRAY[{}])",
                kinds.join(", ")
            )
        };
    match &parent.target {
        ParentTarget::Module(_) => equal,
        ParentTarget::ByType { column, modules } => {
            let kind = |kind: &str| format!("{}::pg_catalog.text", quote::text(kind));
            format!(
                "{equal} AND {}",
                one_of(&quote::name(&column.name), modules, &kind)
            )
        }
        ParentTarget::Joined { separator, modules } => one_of(&column, modules, &|kind| {
            format!(
                "({}::pg_catalog.text OPERATOR(pg_catalog.||) $1)",
                quote::text(&format!("{kind}{separator}"))
            )
        }),
    }
}

/// The link table of an owner or group, and the name of the owner's key.
fn link<'a>(module: &'a Module, kind: &str, place: i32) -> Option<(&'a Link, Option<&'a str>)> {
    let place = usize::try_from(place).ok()?;
    match kind {
        "owner" => match module.owners.get(place)? {
            Owner::Link(link, key) => Some((link, Some(key))),
            Owner::Column(_) => None,
        },
        "group" => match module.groups.get(place)? {
            GroupPlace::Link(link) => Some((link, None)),
            GroupPlace::Column(_) => None,
        },
        _ => None,
    }
}

fn linked(person: &Person, link: &Link, record: &str, reads: Reads) -> Vec<String> {
    if !session::can_be(record, &link.record.type_name) {
        return Vec::new();
    }
    let sql = format!(
        "SELECT CAST(r.{} AS pg_catalog.text) FROM {} AS r WHERE {}",
        quote::name(&link.other.name),
        link.table.sql(),
        keyed(&link.record)
    );
    fetch(person, &link.table, &sql, &[record], reads)
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect()
}

#[pg_extern]
fn link_in_reach(module: &str, cell: &str, kind: &str, place: i32, record: &str) -> bool {
    let person = person();
    let reach = person.reach(module, &asked(cell).text());
    let Some((link, key)) = link(self::module(person.policy(), module), kind, place) else {
        return false;
    };
    let keys = match key {
        Some(key) => match reach.owners.get(key) {
            Some(owners) => owners,
            None => return false,
        },
        None => &reach.groups,
    };
    !keys.is_empty()
        && linked(&person, link, record, Reads::Statement)
            .iter()
            .any(|other| keys.has_text(other))
}

/// The record is there and has no link. Only for whoever reaches something of the module in this
/// way: to others it would tell of records that they don't see.
#[pg_extern]
fn unlinked_in_reach(module: &str, cell: &str, place: i32, record: &str) -> bool {
    let person = person();
    let name = module;
    let module = self::module(person.policy(), name);
    let Some((link, _)) = link(module, "owner", place) else {
        return false;
    };
    *person.reach(name, &asked(cell).text()) != Reach::default()
        && linked(&person, link, record, Reads::Statement).is_empty()
        && is_record(&person, name, record, "is there", || "true".to_owned())
}

/// Whether the person may link a record with an owner or group, or take the link away: by the
/// right to assign; by claiming a record without owner; or, as its creator, for oneself. A link that
/// names nobody (a follower by e-mail, say) is for those who may assign to anybody.
#[pg_extern]
fn may_link(
    module: Option<&str>,
    kind: Option<&str>,
    place: Option<i32>,
    record: Option<&str>,
    other: Option<&str>,
) -> bool {
    let (Some(module), Some(kind), Some(place), Some(record)) = (module, kind, place, record)
    else {
        return false;
    };
    let person = person();
    let policy = person.policy();
    let Some((link, key)) = link(self::module(policy, module), kind, place) else {
        return false;
    };
    let given = person
        .access
        .assign_bounds(policy, module)
        .into_iter()
        .any(|bound| {
            let allowed = match &bound {
                None => true,
                Some(scopes) => {
                    let reach = person.reach(module, &CellRef::Scopes(scopes.clone()).text());
                    reach.all
                        || match key {
                            Some(key) => other.is_some_and(|other| {
                                let owners = reach.owners.get(key);
                                owners.is_some_and(|owners| owners.has_text(other))
                            }),
                            None => other.is_some_and(|other| reach.groups.has_text(other)),
                        }
                }
            };
            allowed && in_reach(&person, module, &CellRef::AssignTo(bound), record)
        });
    let (Some(key), Some(other)) = (key.filter(|_| !given), other) else {
        return given;
    };
    if !person.keys(key).iter().any(|mine| mine == other) {
        return false;
    }
    lock_record(module, record);
    linked(&person, link, record, Reads::Latest).is_empty()
        && (in_reach(&person, module, &CellRef::Action(Action::Claim), record)
            || is_creator(&person, module, record))
}

/// Two who claim the same record wait for each other; the second finds it taken.
fn lock_record(module: &str, record: &str) {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(
                "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(\
                 pg_catalog.concat('celador:', $1, ':', $2), 0))",
                &[Some(module), Some(record)],
                false,
            );
        });
    });
}

fn is_creator(person: &Person, name: &str, record: &str) -> bool {
    let Some(creator) = &module(person.policy(), name).creator else {
        return false;
    };
    is_record(person, name, record, "creator is me", || {
        creator_is_me(creator, "r.")
    })
}
