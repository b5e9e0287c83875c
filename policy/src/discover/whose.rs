//! Whose a record is: its owner, its creator, its group.

use super::ground::Ground;
use super::guess::{Certainty, Guesses};
use super::links::Links;
use super::references::Reference;
use super::words;
use crate::document::{GroupLink, ModuleMap, OneOrMany, OwnerLink};
use crate::schema::TableName;

/// Fills in owner, creator and group of a module's first table, and what a claim may touch.
pub(super) fn fill(
    ground: &Ground<'_>,
    table: &TableName,
    links: &Links,
    map: &mut ModuleMap,
    guesses: &mut Guesses,
) {
    creator(ground, table, map, guesses);
    match links.owners.get(table) {
        Some((_, link)) => map.owner = OneOrMany::One(link.clone()),
        None => owner_column(ground, table, map, guesses),
    }
    match links.groups.get(table) {
        Some((_, link)) => map.group = OneOrMany::One(link.clone()),
        None => group_column(ground, table, map, guesses),
    }
    if !map.owner.is_empty() {
        touch(ground, table, map, guesses);
    }
}

fn people<'a>(ground: &'a Ground<'_>, table: &'a TableName) -> impl Iterator<Item = &'a Reference> {
    let facts = ground.table(table);
    let all = ground.references.of(table).iter();
    all.filter(|r| {
        ground.person_key(r).is_some() && facts.can_be_key(&r.column) && r.table != *table
    })
}

fn creator(ground: &Ground<'_>, table: &TableName, map: &mut ModuleMap, guesses: &mut Guesses) {
    let named = |phrases: &[&str]| {
        phrases
            .iter()
            .find_map(|phrase| people(ground, table).find(|r| r.name.is(&[phrase])))
    };
    let (reference, sure) = match (named(words::CREATOR), named(words::DOER)) {
        (Some(reference), _) => (reference, true),
        (None, Some(reference)) => (reference, false),
        (None, None) => return,
    };
    let certainty = Certainty::of(reference.declared && sure);
    guesses.add(
        table,
        "creator",
        &reference.column,
        certainty,
        reference.shown_by(),
    );
    map.creator = Some(reference.column.clone());
    map.creator_key = ground
        .people
        .as_ref()
        .and_then(|people| people.written_key(reference));
}

fn link(ground: &Ground<'_>, reference: &Reference) -> OwnerLink {
    match ground
        .people
        .as_ref()
        .and_then(|people| people.written_key(reference))
    {
        None => OwnerLink::Plain(reference.column.clone()),
        Some(key) => OwnerLink::Column {
            column: reference.column.clone(),
            key: Some(key),
            nobody: Vec::new(),
        },
    }
}

fn owner_column(
    ground: &Ground<'_>,
    table: &TableName,
    map: &mut ModuleMap,
    guesses: &mut Guesses,
) {
    let name = &ground.table(table).name;
    let tells_what_was = name.has(words::HISTORY);
    // `ticket_owner` of tickets is their owner.
    let own = |reference: &Reference| {
        reference.name.is(words::OWNER)
            || (reference.name.ends_with(words::OWNER) > 0
                && reference.name.without(name).is(words::OWNER))
    };
    let rank = |reference: &&Reference| {
        words::OWNER
            .iter()
            .position(|word| reference.name.ends_with(&[word]) > 0)
    };
    let mut strong: Vec<&Reference> = people(ground, table).filter(|r| own(r)).collect();
    strong.sort_by_key(rank);
    let mut weak: Vec<&Reference> = people(ground, table)
        .filter(|r| r.name.is(words::PERSON))
        .collect();
    weak.sort_by_key(|r| words::PERSON.iter().position(|word| r.name.is(&[word])));
    let chosen = strong.first().or(weak.first()).copied();
    for reference in people(ground, table) {
        let routine = [words::CREATOR, words::CHANGER]
            .iter()
            .any(|phrases| reference.name.is(phrases));
        let used = map.creator.as_ref() == Some(&reference.column);
        if chosen == Some(reference) && !tells_what_was {
            let sure = strong.len() == 1 && reference.declared && reference.name.is(words::OWNER);
            let reason = if strong.contains(&reference) {
                format!(
                    "{}; its name says whose the record is",
                    reference.shown_by()
                )
            } else {
                format!(
                    "{}; the only person that the record is filed under",
                    reference.shown_by()
                )
            };
            guesses.add(
                table,
                "owner",
                &reference.column,
                Certainty::of(sure),
                reason,
            );
            map.owner = OneOrMany::One(link(ground, reference));
        } else if !routine && !used {
            let reason = format!(
                "{}; what that person has to do with it isn't known",
                reference.shown_by()
            );
            guesses.add(table, "owner", &reference.column, Certainty::Guess, reason);
        }
    }
}

fn group_column(
    ground: &Ground<'_>,
    table: &TableName,
    map: &mut ModuleMap,
    guesses: &mut Guesses,
) {
    let Some(groups) = &ground.groups else { return };
    let called = ground.table(&groups.table).name.clone();
    let all = ground.references.of(table).iter();
    let to_group: Vec<&Reference> = all
        .filter(|r| r.table == groups.table && groups.table != *table)
        .collect();
    let plain = |r: &Reference| r.name.is(words::GROUP) || called.words.ends_with(&r.name.words);
    let chosen = to_group.iter().find(|r| plain(r)).copied();
    for reference in &to_group {
        if Some(*reference) == chosen {
            let certainty = Certainty::of(reference.declared);
            guesses.add(
                table,
                "group",
                &reference.column,
                certainty,
                reference.shown_by(),
            );
            map.group = OneOrMany::One(GroupLink::Plain(reference.column.clone()));
        } else {
            let reason = format!(
                "{}; a group, but by its name not the one it is filed under",
                reference.shown_by()
            );
            guesses.add(table, "group", &reference.column, Certainty::Guess, reason);
        }
    }
}

fn touch(ground: &Ground<'_>, table: &TableName, map: &mut ModuleMap, guesses: &mut Guesses) {
    let facts = ground.table(table);
    let at = facts
        .column_named(words::CHANGED)
        .filter(|column| facts.is_time(column));
    let by = people(ground, table)
        .find(|r| r.name.is(words::CHANGER))
        .map(|r| r.column.as_str());
    let decides = map.owner.as_slice().iter().any(|owner| match owner {
        OwnerLink::Plain(column) | OwnerLink::Column { column, .. } => Some(column.as_str()) == by,
        OwnerLink::Table { .. } => false,
    });
    map.touch = at
        .into_iter()
        .chain(by.filter(|_| !decides))
        .map(str::to_owned)
        .collect();
    if !map.touch.is_empty() {
        let reason = "when and by whom it was changed";
        guesses.add(
            table,
            "touch",
            map.touch.join(", "),
            Certainty::Likely,
            reason,
        );
    }
}
