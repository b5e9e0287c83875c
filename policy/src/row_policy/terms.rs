//! The conditions of row policies: what each scope and restriction asks of a row.
//!
#![doc = include_str!("examples.md")]

use crate::action::Action;
use crate::policy_set::{
    CellRef, Column, GroupPlace, KeyColumn, Module, Owner, OwnerColumn, ParentTarget, PolicySet,
};
use crate::predicate::{Predicate, RenderedColumn};
use crate::quote;
use crate::schema::TableName;

/// What the SELECT policy demands: in reach for reading, or for being claimed.
pub fn readable(set: &PolicySet, name: &str, alias: &str) -> String {
    let (read, claim) = (
        CellRef::Action(Action::Read),
        CellRef::Action(Action::Claim),
    );
    let mut reach = vec![reach_sql(set, name, &read, alias)];
    if !set.modules[name].owners.is_empty() {
        let mut claimed = vec![reach_sql(set, name, &claim, alias)];
        claimed.extend(claim_only_restrictions(set, name, alias));
        reach.push(and(claimed));
    }
    let mut all = vec![or(reach)];
    all.extend(restrictions_sql(set, name, &read, alias));
    and(all)
}

/// What narrows claiming and not reading: it narrows what is read for being claimed.
pub fn claim_only_restrictions(set: &PolicySet, name: &str, alias: &str) -> Vec<String> {
    restriction_terms(set, name, &CellRef::Action(Action::Claim), alias)
        .into_iter()
        .filter(|(restriction, _)| {
            let actions = &set.restrictions[restriction].actions;
            actions.contains(&Action::Claim) && !actions.contains(&Action::Read)
        })
        .map(|(_, sql)| sql)
        .collect()
}

/// The record has no owner, asked as a term of the reach that `cell` names.
pub fn no_owner_sql(set: &PolicySet, name: &str, cell: &CellRef, alias: &str) -> String {
    let head = format!("{}, {}", text(name), text(&cell.text()));
    no_owner(&set.modules[name], &head, alias)
}

/// The row is in reach, and every restriction that applies holds.
pub fn reach_and_restrictions(
    set: &PolicySet,
    module: &str,
    cell: &CellRef,
    alias: &str,
) -> String {
    let mut all = vec![reach_sql(set, module, cell, alias)];
    all.extend(restrictions_sql(set, module, cell, alias));
    and(all)
}

/// The terms of a module's reach, with the scope or scopes that each stands for. `alias` is put
/// before the columns: empty, or a name with its dot.
pub fn reach_terms(
    set: &PolicySet,
    name: &str,
    cell: &CellRef,
    alias: &str,
) -> Vec<(&'static str, String)> {
    let module = &set.modules[name];
    let head = format!(
        "{}, {}",
        text(name),
        text(&set.writing_cell(name, cell).text())
    );
    let mut terms = vec![("all", format!("celador.all_in_reach({head})"))];
    for (index, owner) in module.owners.iter().enumerate() {
        match owner {
            Owner::Column(owner) => {
                let owned = format!(
                    "celador.owner_in_reach({head}, {}, {})",
                    text(&owner.key),
                    key_argument(alias, &owner.column)
                );
                terms.push((
                    "owner",
                    if owner.nobody.is_empty() {
                        owned
                    } else {
                        format!("({owned} AND NOT {})", nobody_owns(owner, alias))
                    },
                ));
            }
            Owner::Link(..) => {
                if let Some(key) = &module.key {
                    let record = as_text(alias, key);
                    terms.push((
                        "owner",
                        format!(
                            "celador.link_in_reach({head}, {}, {index}, {record})",
                            text("owner")
                        ),
                    ));
                }
            }
        }
    }
    for (index, group) in module.groups.iter().enumerate() {
        match group {
            GroupPlace::Column(group) => terms.push((
                "group",
                format!(
                    "celador.group_in_reach({head}, {})",
                    key_argument(alias, group)
                ),
            )),
            GroupPlace::Link(_) => {
                if let Some(key) = &module.key {
                    terms.push((
                        "group",
                        format!(
                            "celador.link_in_reach({head}, {}, {index}, {})",
                            text("group"),
                            as_text(alias, key)
                        ),
                    ));
                }
            }
        }
    }
    if let Some(creator) = &module.creator {
        terms.push((
            "created",
            format!(
                "celador.creator_in_reach({head}, {}, {})",
                text(&creator.key),
                key_argument(alias, &creator.column)
            ),
        ));
    }
    if !module.owners.is_empty() {
        terms.push((
            "unassigned",
            format!(
                "(celador.holds({head}, {}) AND {})",
                text("unassigned"),
                no_owner(module, &head, alias)
            ),
        ));
    }
    if let Some(key) = &module.key {
        terms.push((
            "shared",
            format!(
                "celador.share_in_reach({head}, {})",
                key_argument(alias, key)
            ),
        ));
    }
    terms.extend(lent_terms(set, name, module, &head, alias));
    for (rule, predicate) in &module.rules {
        let what = format!("rule:{rule}");
        terms.push((
            "rule",
            format!(
                "(celador.holds({head}, {}) AND {})",
                text(&what),
                predicate_sql(module, predicate, alias)
            ),
        ));
    }
    terms
}

/// The terms that other records lend: `parent` and `related`.
fn lent_terms(
    set: &PolicySet,
    name: &str,
    module: &Module,
    head: &str,
    alias: &str,
) -> Vec<(&'static str, String)> {
    let mut terms = Vec::new();
    for (index, parent) in module.parents.iter().enumerate() {
        let kind = match &parent.target {
            ParentTarget::Module(_) | ParentTarget::Joined { .. } | ParentTarget::Linked { .. } => {
                "NULL::pg_catalog.text".to_owned()
            }
            ParentTarget::ByType { column, .. } => as_text(alias, column),
        };
        terms.push((
            "parent",
            format!(
                "celador.parent_in_reach({head}, {index}, {}, {kind})",
                as_text(alias, &parent.column)
            ),
        ));
    }
    if let Some(key) = &module.key
        && set.pointing_to(name).next().is_some()
    {
        terms.push((
            "related",
            format!("celador.related_in_reach({head}, {})", as_text(alias, key)),
        ));
    }
    terms
}

/// The row is in reach: any of the terms holds. Only what has no owner is there to be claimed.
pub fn reach_sql(set: &PolicySet, name: &str, cell: &CellRef, alias: &str) -> String {
    let any = or(reach_terms(set, name, cell, alias)
        .into_iter()
        .map(|(_, sql)| sql)
        .collect());
    if *cell == CellRef::Action(Action::Claim) {
        and(vec![any, no_owner_sql(set, name, cell, alias)])
    } else {
        any
    }
}

/// The record has no owner; false where the module has nothing for owners.
fn no_owner(module: &Module, head: &str, alias: &str) -> String {
    let mut none = Vec::new();
    for (index, owner) in module.owners.iter().enumerate() {
        none.push(match (owner, &module.key) {
            (Owner::Column(owner), _) => nobody_owns(owner, alias),
            (Owner::Link(..), Some(key)) => format!(
                "celador.unlinked_in_reach({head}, {index}, {})",
                as_text(alias, key)
            ),
            (Owner::Link(..), None) => "false".to_owned(),
        });
    }
    if none.is_empty() {
        "false".to_owned()
    } else {
        and(none)
    }
}

/// The column names no owner.
///
/// With `nobody = ["1"]`:
///
/// ```sql
/// ("owner" IS NULL OR CAST("owner" AS pg_catalog.text) OPERATOR(pg_catalog.=) ANY (ARRAY['1'::pg_catalog.text]))
/// ```
pub fn nobody_owns(owner: &OwnerColumn, alias: &str) -> String {
    let missing = format!("{} IS NULL", column(alias, &owner.column));
    if owner.nobody.is_empty() {
        return missing;
    }
    let values: Vec<String> = owner.nobody.iter().map(|value| text(value)).collect();
    format!(
        "({missing} OR {} OPERATOR(pg_catalog.=) ANY (ARRAY[{}]))",
        as_text(alias, &owner.column),
        values.join(", ")
    )
}

/// What each restriction on the module demands, by name.
///
/// ```sql
/// (NOT celador.restricted('emea'::pg_catalog.text, 'read'::pg_catalog.text) OR (("region" OPERATOR(pg_catalog.=) 'EMEA'::pg_catalog.text) IS TRUE))
/// ```
pub fn restriction_terms(
    set: &PolicySet,
    name: &str,
    cell: &CellRef,
    alias: &str,
) -> Vec<(String, String)> {
    let module = &set.modules[name];
    let cell = set.writing_cell(name, cell);
    set.restrictions_on(name)
        .map(|(restriction, predicate)| {
            let applies = format!(
                "celador.restricted({}, {})",
                text(restriction),
                text(&cell.text())
            );
            let sql = match predicate {
                None => format!("NOT {applies}"),
                Some(predicate) => {
                    format!(
                        "(NOT {applies} OR ({} IS TRUE))",
                        predicate_sql(module, predicate, alias)
                    )
                }
            };
            (restriction.to_owned(), sql)
        })
        .collect()
}

fn restrictions_sql(set: &PolicySet, name: &str, cell: &CellRef, alias: &str) -> Vec<String> {
    restriction_terms(set, name, cell, alias)
        .into_iter()
        .map(|(_, sql)| sql)
        .collect()
}

/// `celador.creator_is_me('user', "created_by")`.
pub fn creator_is_me(creator: &KeyColumn, alias: &str) -> String {
    format!(
        "celador.creator_is_me({}, {})",
        text(&creator.key),
        key_argument(alias, &creator.column)
    )
}

/// Whether the module has an owner or a group that a record can be given to.
pub fn can_be_given(module: &Module) -> bool {
    !module.owners.is_empty() || !module.groups.is_empty()
}

pub(super) fn record_in_reach(module: &str, cell: &CellRef, alias: &str, key: &Column) -> String {
    format!(
        "celador.record_in_reach({}, {}, {})",
        text(module),
        text(&cell.text()),
        as_text(alias, key)
    )
}

/// The record is in reach on which a row of the child `table` hangs.
pub(super) fn child_in_reach(
    table: &TableName,
    cell: &CellRef,
    alias: &str,
    key: &Column,
) -> String {
    format!(
        "celador.child_in_reach({}, {}, {}, {})",
        text(&table.schema),
        text(&table.name),
        text(&cell.text()),
        as_text(alias, key)
    )
}

/// A predicate over a module's columns.
pub fn predicate_sql(module: &Module, predicate: &Predicate, alias: &str) -> String {
    let columns = |name: &str| {
        let type_name = module.column_types.get(name)?.clone();
        Some(RenderedColumn {
            sql: format!("{alias}{}", quote::name(name)),
            type_name,
        })
    };
    // The check has rendered it before; what can't be rendered lets nothing through.
    predicate
        .render(&columns)
        .map_or_else(|_| "false".to_owned(), |sql| format!("({sql})"))
}

fn column(alias: &str, column: &Column) -> String {
    format!("{alias}{}", quote::name(&column.name))
}

/// A column as the argument of a function that has a form for each type of key.
pub(super) fn key_argument(alias: &str, key: &Column) -> String {
    match key.type_name.as_str() {
        "pg_catalog.int2" => format!("CAST({} AS pg_catalog.int4)", column(alias, key)),
        "pg_catalog.varchar" | "pg_catalog.bpchar" => as_text(alias, key),
        _ => column(alias, key),
    }
}

pub(super) fn as_text(alias: &str, key: &Column) -> String {
    format!("CAST({} AS pg_catalog.text)", column(alias, key))
}

pub(super) fn text(value: &str) -> String {
    format!("{}::pg_catalog.text", quote::text(value))
}

fn and(conditions: Vec<String>) -> String {
    match conditions.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", conditions.join(" AND ")),
    }
}

fn or(conditions: Vec<String>) -> String {
    match conditions.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", conditions.join(" OR ")),
    }
}
