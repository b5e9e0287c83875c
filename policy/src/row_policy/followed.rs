//! What generated policies ask of other rows, as statements over them: the record that a row hangs
//! on, the records that point to it, its links. `$1` is the key that is followed.
//!
//! Notes hang on accounts, and are read by whoever reads the account. What
//! `celador.parent_in_reach('notes', 'read', 0, "record", NULL)` asks of the account:
//!
//! ```sql
//! SELECT true FROM "public"."accounts" AS r WHERE r."id" OPERATOR(pg_catalog.=) $1 AND true AND (…)
//! ```
//!
#![doc = include_str!("followed.md")]

use std::collections::BTreeMap;

use super::terms::{key_argument, text};
use super::{reach_and_restrictions, readable};
use crate::action::Action;
use crate::policy_set::{
    CellRef, Column, Link, LinkKind, Module, Owner, Parent, ParentTarget, PolicySet, RowFilter, Via,
};
use crate::quote;

/// How `$1` is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// As text that can be a value of the column that it is compared with.
    Text,
    /// As a value whose type compares with the column's: see [`Compared`].
    Value,
}

/// Types of keys whose values can be compared as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Whole numbers of any size.
    Integers,
    /// `uuid`.
    Uuids,
    /// `text` and `varchar`. Not `character`, whose trailing blanks count in some comparisons only.
    Texts,
}

impl Compared {
    /// What a type of that name, as `pg_catalog.int4`, compares with; `None`: it is converted.
    pub fn of(type_name: &str) -> Option<Self> {
        Some(match type_name {
            "pg_catalog.int2" | "pg_catalog.int4" | "pg_catalog.int8" => Self::Integers,
            "pg_catalog.uuid" => Self::Uuids,
            "pg_catalog.text" | "pg_catalog.varchar" => Self::Texts,
            _ => return None,
        })
    }
}

/// A statement that returns a row for each row that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The statement; `$1` is given as [`Key::Value`].
    pub sql: String,
    /// What `$1` must compare with.
    pub compared: Compared,
}

/// The row of `r` whose column is `$1`.
///
/// ```sql
/// r."id" OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.int4)
/// r."id" OPERATOR(pg_catalog.=) $1
/// ```
pub fn keyed(column: &Column, key: Key) -> String {
    keyed_in("r.", column, key)
}

fn keyed_in(alias: &str, column: &Column, key: Key) -> String {
    let name = quote::name(&column.name);
    match key {
        Key::Text => format!(
            "{alias}{name} OPERATOR(pg_catalog.=) CAST($1 AS {})",
            column.type_name
        ),
        Key::Value => format!("{alias}{name} OPERATOR(pg_catalog.=) $1"),
    }
}

/// What the row of `r` must satisfy beside others to be a record of the module.
pub fn belongs(module: &Module) -> String {
    let rows = module.rows.as_ref();
    rows.map_or_else(|| "true".to_owned(), |rows: &RowFilter| rows.sql("r."))
}

/// Everything that the row `r` must satisfy to be in the reach of a module that `cell` names.
pub fn in_reach(set: &PolicySet, module: &str, cell: &CellRef) -> String {
    if *cell == CellRef::Action(Action::Read) {
        readable(set, module, "r.")
    } else {
        reach_and_restrictions(set, module, cell, "r.")
    }
}

/// The records of the module with the key `$1` for which the condition holds: a statement for each
/// of its tables. None where records have no key.
pub fn records(module: &Module, condition: &str, key: Key) -> Vec<String> {
    let Some(column) = &module.key else {
        return Vec::new();
    };
    let conditions = [keyed(column, key), belongs(module), condition.to_owned()];
    let of = |table: &crate::TableName| select(&table.sql(), &conditions);
    module.tables.iter().map(of).collect()
}

fn select(tables: &str, conditions: &[String]) -> String {
    format!(
        "SELECT true FROM {tables} AS r WHERE {}",
        conditions.join(" AND ")
    )
}

/// The records of `name` with the key `$1` in the reach that `cell` names; `None` where their key is
/// converted to be compared.
pub fn record(set: &PolicySet, name: &str, cell: &CellRef) -> Option<Vec<Followed>> {
    let module = set.modules.get(name)?;
    let compared = Compared::of(&module.key.as_ref()?.type_name)?;
    let condition = in_reach(set, name, &set.writing_cell(name, cell));
    let all = records(module, &condition, Key::Value);
    Some(
        all.into_iter()
            .map(|sql| Followed { sql, compared })
            .collect(),
    )
}

/// The rows that link the record `$1` with an owner or group in the reach that `cell` names.
///
/// ```sql
/// SELECT true FROM "public"."contact_owners" AS r WHERE r."contact" OPERATOR(pg_catalog.=) $1
///   AND celador.owner_in_reach('contacts'::pg_catalog.text, 'read'::pg_catalog.text, 'user'::pg_catalog.text, r."person")
/// ```
pub fn links(
    set: &PolicySet,
    name: &str,
    cell: &CellRef,
    kind: LinkKind,
    index: usize,
) -> Option<Followed> {
    let link = set.link(name, kind, index)?;
    let head = format!("{}, {}", text(name), text(&cell.text()));
    let other = key_argument("r.", &link.other);
    let reached = match (kind, set.modules.get(name)?.owners.get(index)) {
        (LinkKind::Owner, Some(Owner::Link(_, key))) => {
            format!("celador.owner_in_reach({head}, {}, {other})", text(key))
        }
        (LinkKind::Group, _) => format!("celador.group_in_reach({head}, {other})"),
        (LinkKind::Owner | LinkKind::Parent, _) => return None,
    };
    linked(link, Some(reached))
}

/// The rows that link the record `$1` with anything: one that names nothing links nothing.
pub fn any_links(set: &PolicySet, name: &str, kind: LinkKind, index: usize) -> Option<Followed> {
    let link = set.link(name, kind, index)?;
    let something = format!("r.{} IS NOT NULL", quote::name(&link.other.name));
    linked(link, Some(something))
}

fn linked(link: &Link, condition: Option<String>) -> Option<Followed> {
    let mut conditions = vec![keyed(&link.record, Key::Value)];
    conditions.extend(link.conditions("r."));
    conditions.extend(condition);
    Some(Followed {
        sql: select(&link.table.sql(), &conditions),
        compared: Compared::of(&link.record.type_name)?,
    })
}

/// The records of `target` in the reach that `cell` names with which a link table links the record
/// `$1`.
///
/// ```sql
/// SELECT true FROM "public"."task_accounts" AS l, "public"."accounts" AS r
/// WHERE l."task" OPERATOR(pg_catalog.=) $1 AND r."id" OPERATOR(pg_catalog.=) l."account" AND true AND (…)
/// ```
pub fn linked_records(
    set: &PolicySet,
    link: &Link,
    target: &str,
    cell: &CellRef,
) -> Option<Vec<Followed>> {
    joined(set, link, [&link.record, &link.other], target, cell)
}

/// Like [`linked_records`], the other way: `$1` is what they are linked with.
pub fn records_linked_with(
    set: &PolicySet,
    link: &Link,
    pointing: &str,
    cell: &CellRef,
) -> Option<Vec<Followed>> {
    joined(set, link, [&link.other, &link.record], pointing, cell)
}

fn joined(
    set: &PolicySet,
    link: &Link,
    [from, to]: [&Column; 2],
    name: &str,
    cell: &CellRef,
) -> Option<Vec<Followed>> {
    let module = set.modules.get(name)?;
    let key = module.key.as_ref()?;
    let compared = Compared::of(&from.type_name)?;
    if Compared::of(&key.type_name)? != Compared::of(&to.type_name)? {
        return None;
    }
    let mut conditions = vec![keyed_in("l.", from, Key::Value)];
    conditions.extend(link.conditions("l."));
    conditions.extend([
        format!(
            "r.{} OPERATOR(pg_catalog.=) l.{}",
            quote::name(&key.name),
            quote::name(&to.name)
        ),
        belongs(module),
        in_reach(set, name, &set.writing_cell(name, cell)),
    ]);
    let of = |table: &crate::TableName| Followed {
        sql: select(
            &format!("{} AS l, {}", link.table.sql(), table.sql()),
            &conditions,
        ),
        compared,
    };
    Some(module.tables.iter().map(of).collect())
}

/// The records that point to the record `$1` of a module, in the reach that lends theirs.
pub fn pointing(set: &PolicySet, name: &str, via: &Via) -> Option<Vec<Followed>> {
    let mut all = Vec::new();
    for (other, _, parent) in set.pointing_to(name) {
        if via.module.as_ref().is_some_and(|only| only != other) {
            continue;
        }
        match &parent.target {
            ParentTarget::Linked { link, .. } => {
                all.extend(records_linked_with(set, link, other, &via.cell)?);
            }
            ParentTarget::Joined { .. } => return None,
            ParentTarget::Module(_) | ParentTarget::ByType { .. } => {
                let compared = Compared::of(&parent.column.type_name)?;
                let module = &set.modules[other];
                let conditions = [
                    points_to(parent, name, Key::Value),
                    belongs(module),
                    in_reach(set, other, &via.cell),
                ];
                let of = |table: &crate::TableName| Followed {
                    sql: select(&table.sql(), &conditions),
                    compared,
                };
                all.extend(module.tables.iter().map(of));
            }
        }
    }
    Some(all)
}

/// The row `r` points to the record `$1` of a module, by itself. What holds type and key in one
/// column is asked by [`Key::Text`].
pub fn points_to(parent: &Parent, module: &str, key: Key) -> String {
    let column = quote::name(&parent.column.name);
    let equal = keyed(&parent.column, key);
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
        ParentTarget::Linked { .. } => "false".to_owned(),
        ParentTarget::ByType { column, modules } => {
            format!(
                "{equal} AND {}",
                one_of(&quote::name(&column.name), modules, &text)
            )
        }
        ParentTarget::Joined { separator, modules } => one_of(&column, modules, &|kind| {
            format!(
                "({} OPERATOR(pg_catalog.||) $1)",
                text(&format!("{kind}{separator}"))
            )
        }),
    }
}
