//! Which tables go with the rows of another: lines, links, histories.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::Ground;
use super::guess::Certainty;
use super::kinds::Kinds;
use super::links::{Links, has_owner_column};
use super::names::Name;
use super::places::Place;
use super::polymorphic;
use super::references::Reference;
use super::words;
use crate::schema::TableName;

/// What a table's rows hang on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) table: TableName,
    pub(super) column: String,
    pub(super) certainty: Certainty,
    pub(super) reason: String,
}

/// Whether a table of this name holds settings or rules.
pub(super) fn is_configuration(name: &Name) -> bool {
    name.ends_with(words::CONFIGURATION) > 0 || name.has(words::SETTING)
}

type Placed = BTreeMap<TableName, Place>;

/// The tables of `business` that go with others.
pub(super) fn find(
    ground: &Ground<'_>,
    business: &[TableName],
    kinds: &Kinds,
    links: &Links,
    placed: &Placed,
) -> BTreeMap<TableName, Host> {
    let mut hosted = BTreeMap::new();
    for table in business.iter().filter(|table| !placed.contains_key(*table)) {
        let stands = kinds.name_of(table).is_some()
            || links.has(table)
            || (has_owner_column(ground, table)
                && ground.link(table).is_none()
                && !ground.table(table).name.has(words::PART));
        if stands || ground.is_tenant(table) {
            continue;
        }
        let can_host = |reference: &Reference| {
            let place = placed.get(&reference.table);
            let hosts = match place {
                None => business.contains(&reference.table) && !ground.is_tenant(&reference.table),
                Some(Place::Directory(module)) => matches!(*module, "users" | "groups"),
                Some(
                    Place::Module
                    | Place::Configuration
                    | Place::Child(_)
                    | Place::Link
                    | Place::Readable
                    | Place::Closed
                    | Place::Open,
                ) => false,
            };
            hosts
                && reference.table != *table
                && ground
                    .catalog
                    .tables
                    .get(&reference.table)
                    .is_some_and(|host| host.key() == Some(reference.to.as_str()))
        };
        let found = host(ground, table, kinds, &can_host)
            .or_else(|| told_after(ground, table, business, placed));
        if let Some(host) = found {
            hosted.insert(table.clone(), host);
        }
    }
    hosted
}

fn host(
    ground: &Ground<'_>,
    table: &TableName,
    kinds: &Kinds,
    can_host: &dyn Fn(&Reference) -> bool,
) -> Option<Host> {
    let name = &ground.table(table).name;
    let is_link = ground.link(table).is_some();
    let in_directory = |reference: &Reference| {
        ground.is_group(&reference.table) || ground.person_key(reference).is_some()
    };
    let is_settings = |reference: &Reference| {
        is_configuration(&ground.table(&reference.table).name)
            && kinds.name_of(&reference.table).is_none()
    };
    let mut best: Option<(i32, &Reference, bool, bool)> = None;
    for reference in ground.telling(table) {
        if !can_host(reference) {
            continue;
        }
        let target = &ground.table(&reference.table).name;
        // In `account_tax`, `account` may be the family and not the table `account_account`.
        let family = target.words.len() > 1 && target.first() == target.last();
        let named = reference.name.joined() == target.joined()
            || target.words.ends_with(&reference.name.words);
        let continues = named && name.continues(target) && (!family || reference.cascades);
        let directory = in_directory(reference);
        // A person or a group is what a row is filed under, not what it is a part of.
        if directory && !continues && !name.words.ends_with(&target.words) {
            continue;
        }
        let kind = kinds.name_of(&reference.table);
        let hub = kind.is_some_and(|kind| words::HUBS.contains(&kind));
        let whole = name.words.starts_with(&target.words);
        let mut score = i32::from(reference.required) * 4
            + i32::from(reference.cascades) * 3
            + i32::from(continues) * 4
            + i32::from(whole)
            // A label or a solution is nothing by itself.
            + i32::from(is_link && hub) * 3;
        if directory || is_settings(reference) {
            score -= 2;
        }
        if best.is_none_or(|(most, _, _, _)| score > most) {
            best = Some((score, reference, continues, named && hub));
        }
    }
    let (score, reference, continues, of_hub) = best?;
    let leaf = ground.references.to(table).next().is_none();
    let part = name.has(words::PART) || name.has(words::HISTORY);
    let configuration = (is_configuration(name) && !continues) || is_settings(reference);
    let only = ground
        .telling(table)
        .iter()
        .filter(|other| can_host(other))
        .count()
        == 1;
    let known = polymorphic::has_parent(ground, table);
    let hangs = is_link
        || score >= 7
        || (continues && (reference.required || part))
        || (reference.cascades && leaf && only && !known)
        || (reference.required && of_hub && leaf && !configuration && !known);
    if !hangs {
        return None;
    }
    let proved =
        reference.declared && reference.required && reference.cascades && (continues || is_link);
    let mut reason = reference.shown_by();
    if reference.required {
        reason.push_str(", always filled in");
    }
    if reference.cascades {
        reason.push_str(", deleted with it");
    }
    if continues {
        reason.push_str("; its name says so too");
    }
    Some(Host {
        table: reference.table.clone(),
        column: reference.column.clone(),
        certainty: Certainty::of(proved),
        reason,
    })
}

/// A history that no key ties to what it tells of: its name does, and a column of that key.
fn told_after(
    ground: &Ground<'_>,
    table: &TableName,
    business: &[TableName],
    placed: &Placed,
) -> Option<Host> {
    let facts = ground.table(table);
    if !facts.name.has(words::HISTORY) {
        return None;
    }
    let of = business
        .iter()
        .filter(|other| *other != table && placed.get(*other).is_none())
        .filter(|other| {
            facts
                .name
                .words
                .starts_with(&ground.table(other).name.words)
        })
        .max_by_key(|other| ground.table(other).name.words.len())?;
    let key = ground.table(of).key()?;
    let same_type = |column: &&str| facts.type_of(column) == ground.table(of).type_of(key);
    let column = facts
        .clues
        .columns
        .iter()
        .map(String::as_str)
        .find(|column| *column == key && facts.key() != Some(*column));
    let column = column.filter(same_type)?;
    Some(Host {
        table: of.clone(),
        column: column.to_owned(),
        certainty: Certainty::Likely,
        reason: format!(
            "by its name it tells what {} was, and {column} has its key's type",
            of.name
        ),
    })
}

/// Master data: tables that name neither people nor records, in a family that has settings.
pub(super) fn settings(ground: &Ground<'_>, kinds: &Kinds, placed: &Placed) -> BTreeSet<TableName> {
    let mut families = BTreeSet::new();
    for (_, table) in ground.roots() {
        if table.name.has(&["configuration", "config", "setting"]) && table.name.words.len() > 1 {
            families.insert(table.name.first().to_owned());
        }
    }
    let mut found: BTreeSet<TableName> = ground
        .roots()
        .filter(|(name, table)| {
            !placed.contains_key(*name)
                && kinds.name_of(name).is_none()
                && families.contains(table.name.first())
                // What has a number is a document.
                && table.column_named(&["number"]).is_none()
        })
        .map(|(name, _)| name.clone())
        .collect();
    loop {
        let names_record = |table: &TableName| {
            ground.telling(table).iter().any(|reference| {
                let person = ground.person_key(reference).is_some();
                let record = kinds.name_of(&reference.table).is_some()
                    || (!placed.contains_key(&reference.table)
                        && !found.contains(&reference.table)
                        && !is_configuration(&ground.table_name(&reference.table)));
                person || (record && !ground.is_group(&reference.table))
            }) || polymorphic::has_parent(ground, table)
        };
        let out: Vec<TableName> = found
            .iter()
            .filter(|table| names_record(table))
            .cloned()
            .collect();
        if out.is_empty() {
            return found;
        }
        found.retain(|table| !out.contains(table));
    }
}
