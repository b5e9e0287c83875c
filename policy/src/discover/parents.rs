//! What the records of a module hang on.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::guess::{Certainty, Guesses};
use super::links::has_owner_column;
use super::places::{Place, Places};
use super::polymorphic::{self, Polymorphic, SEPARATOR};
use super::references::Reference;
use super::words;
use super::{Answer, Question};
use crate::document::{ModuleMap, OneOrMany, ParentLink};
use crate::schema::TableName;

/// How many records may hang on each other in a row.
const MAX_DEPTH: usize = 4;

/// Which module each table is.
pub(super) type Names = BTreeMap<TableName, String>;

/// One parent, before it is known whether it closes a circle.
struct Found {
    table: TableName,
    link: ParentLink,
    targets: Vec<String>,
    certainty: Certainty,
    value: String,
    reason: String,
}

/// Fills in the parents of all modules. Records never hang on each other in a circle.
pub(super) fn fill(
    ground: &Ground<'_>,
    places: &Places,
    names: &Names,
    modules: &mut BTreeMap<String, ModuleMap>,
    ask: &mut dyn FnMut(&Question) -> Vec<Answer>,
    guesses: &mut Guesses,
) {
    let mut found = Vec::new();
    for table in names
        .keys()
        .filter(|table| !matches!(places.of.get(*table), Some(Place::Directory(_))))
    {
        found.extend(plain(ground, places, names, table, guesses));
        if places.of.get(table) != Some(&Place::Module) {
            continue;
        }
        for columns in polymorphic::find(ground, table) {
            found.extend(of_kinds(
                ground, places, names, table, &columns, ask, guesses,
            ));
        }
    }
    // What is surest closes no circle with what is less sure.
    found.sort_by_key(|parent| std::cmp::Reverse(parent.certainty));
    let mut above: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut links: BTreeMap<String, Vec<ParentLink>> = BTreeMap::new();
    for parent in found {
        let Some(module) = names.get(&parent.table) else {
            continue;
        };
        let mut tried = above.clone();
        tried
            .entry(module.clone())
            .or_default()
            .extend(parent.targets.clone());
        if deep(&tried) {
            let reason = format!(
                "{}; but records would hang on each other in a circle, or too deep",
                parent.reason
            );
            guesses.add(
                &parent.table,
                "parent",
                parent.value,
                Certainty::Guess,
                reason,
            );
            continue;
        }
        above = tried;
        guesses.add(
            &parent.table,
            "parent",
            parent.value,
            parent.certainty,
            parent.reason,
        );
        links.entry(module.clone()).or_default().push(parent.link);
    }
    for (module, mut links) in links {
        if let Some(map) = modules.get_mut(&module) {
            map.parent = if links.len() == 1 {
                OneOrMany::One(links.remove(0))
            } else {
                OneOrMany::Many(links)
            };
        }
    }
}

/// Whether any chain of parents is too long or closes.
fn deep(above: &BTreeMap<String, Vec<String>>) -> bool {
    fn longest(above: &BTreeMap<String, Vec<String>>, module: &str, left: usize) -> bool {
        let next = above.get(module).map_or(&[][..], Vec::as_slice);
        !next.is_empty() && (left == 0 || next.iter().any(|next| longest(above, next, left - 1)))
    }
    above.keys().any(|module| longest(above, module, MAX_DEPTH))
}

/// Parents by a column that refers to one table.
fn plain(
    ground: &Ground<'_>,
    places: &Places,
    names: &Names,
    table: &TableName,
    guesses: &mut Guesses,
) -> Vec<Found> {
    let module = |reference: &&Reference| {
        let hangs = matches!(
            places.of.get(&reference.table),
            Some(Place::Module | Place::Configuration)
        );
        let keyed = ground
            .catalog
            .tables
            .get(&reference.table)
            .is_some_and(|t| t.key() == Some(reference.to.as_str()));
        hangs
            && keyed
            && reference.table != *table
            && !ground.is_tenant(&reference.table)
            && names.contains_key(&reference.table)
            && ground.table(table).can_be_key(&reference.column)
    };
    let is_hub = |reference: &Reference| {
        let kind = places.kinds.name_of(&reference.table);
        kind.is_some_and(|kind| words::HUBS.contains(&kind))
    };
    let telling = ground.telling(table);
    let references: Vec<&Reference> = telling.into_iter().filter(module).collect();
    let hubs = references
        .iter()
        .filter(|reference| is_hub(reference))
        .count();
    let mut found = Vec::new();
    for reference in references {
        let target = &ground.table(&reference.table).name;
        let named = target.joined() == reference.name.joined()
            || target.words.ends_with(&reference.name.words)
            || reference.name.words == target.words;
        let to_settings = matches!(places.of.get(&reference.table), Some(Place::Configuration));
        let hangs = (is_hub(reference)
            && (named || (hubs == 1 && reference.name.words.ends_with(&target.words))))
            || (named
                && reference.required
                && !to_settings
                && says_owner(ground, places, &reference.table));
        let name = names[&reference.table].clone();
        let value = format!("{name} by {}", reference.column);
        if !hangs {
            if !to_settings {
                let reason = format!(
                    "{}; whether the record hangs on it isn't known",
                    reference.shown_by()
                );
                guesses.add(table, "parent", value, Certainty::Guess, reason);
            }
            continue;
        }
        let proved = reference.declared && reference.required && named;
        found.push(Found {
            table: table.clone(),
            link: ParentLink::Plain {
                module: name.clone(),
                column: reference.column.clone(),
            },
            targets: vec![name],
            certainty: Certainty::of(proved),
            value,
            reason: reference.shown_by(),
        });
    }
    found
}

/// Whether a table's records have an owner: then it tells something that they hang on it.
fn says_owner(ground: &Ground<'_>, places: &Places, table: &TableName) -> bool {
    places.links.owners.contains_key(table) || has_owner_column(ground, table)
}

/// A parent of several kinds.
fn of_kinds(
    ground: &Ground<'_>,
    places: &Places,
    names: &Names,
    table: &TableName,
    columns: &Polymorphic,
    ask: &mut dyn FnMut(&Question) -> Vec<Answer>,
    guesses: &mut Guesses,
) -> Option<Found> {
    let common = |target: &TableName| {
        let kind = places.kinds.name_of(target);
        kind.is_some_and(|kind| words::HUBS.contains(&kind) || matches!(kind, "tasks" | "products"))
    };
    let (kinds, was_read) = polymorphic::kinds(ground, table, columns, &common, ask);
    let modules: BTreeMap<String, String> = kinds
        .into_iter()
        .filter(|(_, target)| target != table)
        .filter_map(|(kind, target)| {
            let keyed = ground.table(&target).key().is_some();
            let module = matches!(places.of.get(&target), Some(Place::Module));
            (keyed && module).then(|| names.get(&target).map(|name| (kind, name.clone())))?
        })
        .collect();
    let (value, column) = match columns {
        Polymorphic::Typed { column, kind, .. } => (format!("{column}, {kind}"), column),
        Polymorphic::Joined { column } => (column.clone(), column),
    };
    if modules.is_empty() {
        if let Polymorphic::Typed { .. } = columns {
            let reason = "key and kind of what it hangs on; which kinds there are couldn't be read";
            guesses.add(table, "parent", value, Certainty::Guess, reason);
        }
        return None;
    }
    let reason = if was_read {
        format!(
            "key and kind of what it hangs on; the kinds were read from {}",
            table.name
        )
    } else {
        "key and kind of what it hangs on; it is empty or can't be read: the kinds are those that others hang on".to_owned()
    };
    let targets: Vec<String> = modules.values().cloned().collect();
    let link = match columns {
        Polymorphic::Typed { kind, .. } => ParentLink::Polymorphic {
            column: column.clone(),
            type_column: kind.clone(),
            modules,
        },
        Polymorphic::Joined { .. } => ParentLink::Joined {
            column: column.clone(),
            separator: SEPARATOR.to_owned(),
            modules,
        },
    };
    Some(Found {
        table: table.clone(),
        link,
        targets,
        certainty: Certainty::Likely,
        value,
        reason,
    })
}

/// The modules that a parent may be of.
pub(super) fn targets(link: &ParentLink) -> Vec<String> {
    match link {
        ParentLink::Plain { module, .. } | ParentLink::Table { module, .. } => vec![module.clone()],
        ParentLink::Polymorphic { modules, .. } | ParentLink::Joined { modules, .. } => {
            modules.values().cloned().collect()
        }
    }
}
