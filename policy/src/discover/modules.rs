//! The mapping itself: the directory, a module for each table of records, its children.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::Ground;
use super::guess::{Certainty, Guesses};
use super::parents::{self, Names};
use super::places::{Place, Places};
use super::whose;
use super::{Answer, Question};
use crate::document::{Child, GroupLink, Mapping, ModuleMap, OneOrMany, OwnerLink, SaidBy};
use crate::schema::TableName;

/// Names of modules that mean the directory.
const DIRECTORY: [&str; 6] = [
    "users",
    "groups",
    "memberships",
    "roles_held",
    "shares",
    "settings",
];

/// The mapping of what was found.
pub(super) fn map(
    ground: &Ground<'_>,
    places: &Places,
    ask: &mut dyn FnMut(&Question) -> Vec<Answer>,
    guesses: &mut Guesses,
) -> Mapping {
    let names = names(ground, places);
    let below = below(places);
    let mut modules = BTreeMap::new();
    for (table, name) in &names {
        let mut map = ModuleMap {
            table: OneOrMany::One(ground.catalog.written(table)),
            configuration: places.of.get(table) == Some(&Place::Configuration),
            children: children(ground, table, &below),
            ..ModuleMap::default()
        };
        key(ground, table, &mut map, guesses);
        if let Some(Place::Directory(kind)) = places.of.get(table) {
            directory(ground, table, kind, &mut map);
        } else {
            whose::fill(ground, table, &places.links, &mut map, guesses);
        }
        modules.insert(name.clone(), map);
    }
    parents::fill(ground, places, &names, &mut modules, ask, guesses);
    note_names(places, &names, &modules, guesses);
    lacks(ground, places, &names, &mut modules);
    together(ground, &names, &mut modules);
    let shares = places.links.shares.iter().filter_map(|(record, share)| {
        let module = names.get(record)?;
        (places.of.get(record) == Some(&Place::Module)).then(|| crate::document::ShareSource {
            module: SaidBy::Always(module.clone()),
            ..share.clone()
        })
    });
    let listed = |place: Place| {
        let of = places.of.iter().filter(move |(_, found)| **found == place);
        of.map(|(table, _)| ground.catalog.written(table)).collect()
    };
    let many = |values: Vec<_>| OneOrMany::Many(values);
    let groups = ground.groups.as_ref();
    Mapping {
        schemas: ground.catalog.schemas.clone(),
        open: listed(Place::Open),
        readable: listed(Place::Readable),
        closed: listed(Place::Closed),
        no_identity: None,
        users: ground.people.as_ref().map(|people| people.source.clone()),
        groups: groups.map(|groups| groups.source.clone()),
        memberships: match groups.and_then(|groups| groups.memberships.clone()) {
            Some(memberships) => OneOrMany::One(memberships),
            None => OneOrMany::default(),
        },
        roles_held: OneOrMany::Many(ground.roles.sources.clone()),
        shares: many(shares.collect()),
        settings: None,
        modules,
    }
}

/// The name of each table that is a module: what CRMs share, or its own.
fn names(ground: &Ground<'_>, places: &Places) -> Names {
    let mut names = Names::new();
    let mut taken = BTreeSet::new();
    let mut give = |table: &TableName, wanted: &str| {
        let mut name = wanted.to_owned();
        while !taken.insert(name.clone()) {
            name.push_str("_2");
        }
        names.insert(table.clone(), name);
    };
    // The directory first: its names are Celador's.
    for (table, place) in &places.of {
        if let Place::Directory(kind) = place {
            let account = ground
                .people
                .as_ref()
                .is_some_and(|p| p.account == *table && p.person != *table);
            give(table, if account { "user_accounts" } else { kind });
        }
    }
    let modules = || {
        places
            .of
            .iter()
            .filter(|(_, place)| matches!(place, Place::Module | Place::Configuration))
    };
    for (table, _) in modules() {
        if let Some(kind) = places.kinds.name_of(table) {
            give(table, kind);
        }
    }
    for (table, _) in modules().filter(|(table, _)| places.kinds.name_of(table).is_none()) {
        let own = table.name.as_str();
        if DIRECTORY.contains(&own) || ground.is_tenant(table) && own == "accounts" {
            give(table, &format!("{own}_of_crm"));
        } else {
            give(table, own);
        }
    }
    names
}

type Below<'a> = BTreeMap<&'a TableName, Vec<(&'a TableName, &'a str)>>;

fn below(places: &Places) -> Below<'_> {
    let mut below: Below<'_> = BTreeMap::new();
    for (table, place) in &places.of {
        if let Place::Child(host) = place {
            below
                .entry(&host.table)
                .or_default()
                .push((table, &host.column));
        }
    }
    below
}

fn children(ground: &Ground<'_>, table: &TableName, below: &Below<'_>) -> Vec<Child> {
    let hanging = below.get(table).map_or(&[][..], Vec::as_slice);
    let child = |(table, column): &(&TableName, &str)| Child {
        table: ground.catalog.written(table),
        column: (*column).to_owned(),
        key: None,
        filter: None,
        children: children(ground, table, below),
    };
    hanging.iter().map(child).collect()
}

/// A table whose primary key has several columns, as that of a partitioned table, may still have one
/// by which it is named.
fn key(ground: &Ground<'_>, table: &TableName, map: &mut ModuleMap, guesses: &mut Guesses) {
    let facts = ground.table(table);
    if facts.key().is_none()
        && facts.facts.primary_key.iter().any(|part| part == "id")
        && facts.can_be_key("id")
    {
        let reason = "of the primary key's columns the one that names a record";
        guesses.add(table, "key", "id", Certainty::Likely, reason);
        map.key = Some("id".to_owned());
    }
}

/// What is whose in the directory's own tables.
fn directory(ground: &Ground<'_>, table: &TableName, kind: &str, map: &mut ModuleMap) {
    let person = ground.references.of(table).iter().find(|reference| {
        ground.person_key(reference).is_some()
            && !ground.is_routine(reference)
            && reference.table != *table
    });
    let creator = ground.references.of(table).iter().find(|reference| {
        reference.name.is(super::words::CREATOR) && ground.person_key(reference).is_some()
    });
    if let (Some(creator), Some(people)) = (creator, &ground.people) {
        map.creator = Some(creator.column.clone());
        map.creator_key = people.written_key(creator);
    }
    let own_key = ground.table(table).key().map(str::to_owned);
    match (kind, &ground.people) {
        ("users", Some(people)) if people.person == *table => {
            map.owner = own_key.map_or_else(OneOrMany::default, |key| {
                OneOrMany::One(OwnerLink::Plain(key))
            });
        }
        ("groups", _) => {
            map.group = own_key.map_or_else(OneOrMany::default, |key| {
                OneOrMany::One(GroupLink::Plain(key))
            });
        }
        ("memberships" | "roles_held", Some(people)) => {
            if let Some(person) = person {
                let link = match people.written_key(person) {
                    None => OwnerLink::Plain(person.column.clone()),
                    Some(key) => OwnerLink::Column {
                        column: person.column.clone(),
                        key: Some(key),
                        nobody: Vec::new(),
                    },
                };
                map.owner = OneOrMany::One(link);
            }
            let group = ground
                .references
                .of(table)
                .iter()
                .find(|r| ground.is_group(&r.table));
            if let Some(group) = group {
                map.group = OneOrMany::One(GroupLink::Plain(group.column.clone()));
            }
        }
        (_, _) => {}
    }
}

fn note_names(
    places: &Places,
    names: &Names,
    modules: &BTreeMap<String, ModuleMap>,
    guesses: &mut Guesses,
) {
    for (table, name) in names {
        if matches!(places.of.get(table), Some(Place::Directory(_))) {
            continue;
        }
        let known = places.kinds.name_of(table).is_some();
        let says = modules.get(name).is_some_and(|map| {
            !map.owner.is_empty()
                || map.creator.is_some()
                || !map.group.is_empty()
                || !map.parent.is_empty()
        });
        let reason = match (known, says) {
            (true, _) => "by its name, a kind of record that CRMs share",
            (false, true) => "its columns say whose its rows are",
            (false, false) => "other tables of its kind are modules",
        };
        guesses.add(table, "module", name, Certainty::Likely, reason);
    }
}

/// Presets speak of modules that CRMs share: what those don't have here is said, so that a scope
/// that needs it grants nothing instead of stopping the load.
fn lacks(
    ground: &Ground<'_>,
    places: &Places,
    names: &Names,
    modules: &mut BTreeMap<String, ModuleMap>,
) {
    let pointed: BTreeSet<String> = modules
        .values()
        .flat_map(|map| map.parent.as_slice())
        .flat_map(parents::targets)
        .collect();
    for (table, name) in names {
        let known = places.kinds.name_of(table).is_some()
            || matches!(places.of.get(table), Some(Place::Directory(_)));
        let Some(map) = modules.get_mut(name).filter(|_| known) else {
            continue;
        };
        let keyed = map.key.is_some() || ground.table(table).key().is_some();
        let missing = [
            ("owner", map.owner.is_empty()),
            ("creator", map.creator.is_none()),
            ("group", map.group.is_empty()),
            ("key", !keyed),
            ("parent", map.parent.is_empty()),
            ("related", !pointed.contains(name)),
        ];
        map.lacks = missing
            .iter()
            .filter(|(_, is)| *is)
            .map(|(what, _)| (*what).to_owned())
            .collect();
    }
}

/// What tables of settings have in common that become one module.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Family {
    first: String,
    /// The column, and its type.
    group: Option<(String, String)>,
    creator: Option<String>,
    creator_key: Option<String>,
    creator_type: String,
}

/// Settings that only have a creator and a group, or nothing, become one module for each family of names.
fn together(ground: &Ground<'_>, names: &Names, modules: &mut BTreeMap<String, ModuleMap>) {
    let mut families: BTreeMap<Family, Vec<String>> = BTreeMap::new();
    let lent: BTreeSet<String> = modules
        .values()
        .flat_map(|map| map.parent.as_slice())
        .flat_map(parents::targets)
        .collect();
    for (table, name) in names {
        let Some(map) = modules.get(name) else {
            continue;
        };
        let plain = map.configuration
            && map.children.is_empty()
            && map.owner.is_empty()
            && map.parent.is_empty()
            && map.lacks.is_empty()
            && map.key.is_none()
            && !lent.contains(name);
        if plain {
            let facts = ground.table(table);
            let creator_type = map
                .creator
                .as_ref()
                .map_or("", |column| facts.type_of(column))
                .to_owned();
            let group = match map.group.as_slice() {
                [] => None,
                [GroupLink::Plain(column)] => {
                    Some((column.clone(), facts.type_of(column).to_owned()))
                }
                [_, ..] => continue,
            };
            let family = Family {
                first: facts.name.first().to_owned(),
                group,
                creator: map.creator.clone(),
                creator_key: map.creator_key.clone(),
                creator_type,
            };
            families.entry(family).or_default().push(name.clone());
        }
    }
    for (family, members) in families {
        let of_groups = if family.group.is_some() {
            "_of_groups"
        } else {
            ""
        };
        let name = format!("{}_settings{of_groups}", family.first);
        if members.len() < 2 || modules.contains_key(&name) {
            continue;
        }
        let gone = members.iter().filter_map(|member| modules.remove(member));
        let tables = gone.flat_map(|map| map.table.as_slice().to_vec()).collect();
        let map = ModuleMap {
            table: OneOrMany::Many(tables),
            creator: family.creator,
            creator_key: family.creator_key,
            group: family.group.map_or_else(OneOrMany::default, |(column, _)| {
                OneOrMany::One(GroupLink::Plain(column))
            }),
            configuration: true,
            ..ModuleMap::default()
        };
        modules.insert(name, map);
    }
}
