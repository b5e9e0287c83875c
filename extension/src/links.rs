//! Link tables: what generated policies ask of the rows that link records with owners, with groups,
//! and with what they hang on. Read with the rights of the table's owner.

use std::rc::Rc;

use celador_policy::policy_set::{CellRef, Column, Link, LinkKind, Owner, ParentTarget};
use celador_policy::row_policy::creator_is_me;
use celador_policy::row_policy::followed::{Key, keyed};
use celador_policy::{Action, PolicySet, Reach, quote};
use pgrx::prelude::*;

use crate::catalog::Catalog;
use crate::probe::{
    asked_of_row, fetch, goes_beyond_reading, in_reach, is_record, module, reaches_all,
};
use crate::session::{self, Person, person};
use crate::spi::{self, Reads};

/// The link table of an owner or group, and the name of the owner's key.
fn link<'a>(
    policy: &'a PolicySet,
    name: &str,
    kind: &str,
    place: i32,
) -> Option<(&'a Link, Option<&'a str>)> {
    let place = usize::try_from(place).ok()?;
    let kinds = [LinkKind::Owner, LinkKind::Group];
    let kind = kinds.into_iter().find(|known| known.name() == kind)?;
    let key = match (kind, module(policy, name).owners.get(place)) {
        (LinkKind::Owner, Some(Owner::Link(_, key))) => Some(key.as_str()),
        (LinkKind::Owner | LinkKind::Group | LinkKind::Parent, _) => None,
    };
    Some((policy.link(name, kind, place)?, key))
}

/// What the record is linked with, by the rows that count.
pub(crate) fn linked(
    catalog: &Rc<Catalog>,
    link: &Link,
    record: &str,
    reads: Reads,
) -> Vec<String> {
    follow(catalog, link, [&link.record, &link.other], record, reads)
}

/// The records that are linked with something, by the rows that count.
pub(crate) fn linked_with(
    catalog: &Rc<Catalog>,
    link: &Link,
    other: &str,
    reads: Reads,
) -> Vec<String> {
    follow(catalog, link, [&link.other, &link.record], other, reads)
}

/// ```sql
/// SELECT CAST(r."team" AS pg_catalog.text) FROM "crm"."entity_teams" AS r
/// WHERE r."entity" OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.int8) AND ((r."kind" OPERATOR(pg_catalog.=) 'a'::pg_catalog.text) IS TRUE)
/// ```
fn follow(
    catalog: &Rc<Catalog>,
    link: &Link,
    [from, to]: [&Column; 2],
    key: &str,
    reads: Reads,
) -> Vec<String> {
    if !session::can_be(key, &from.type_name) {
        return Vec::new();
    }
    let mut conditions = vec![keyed(from, Key::Text)];
    conditions.extend(link.conditions("r."));
    let sql = format!(
        "SELECT CAST(r.{} AS pg_catalog.text) FROM {} AS r WHERE {}",
        quote::name(&to.name),
        link.table.sql(),
        conditions.join(" AND ")
    );
    fetch(catalog, &link.table, &sql, &[key], reads)
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect()
}

#[pg_extern]
fn link_in_reach(module: &str, cell: &str, kind: &str, place: i32, record: &str) -> bool {
    let person = person();
    let cell = asked_of_row(cell);
    let reach = person.reach(module, &cell.text());
    let Some((link, key)) = link(person.policy(), module, kind, place) else {
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
        && !goes_beyond_reading(&person, module, &cell, record)
        && linked(&person.catalog, link, record, Reads::Statement)
            .iter()
            .any(|other| keys.has_text(other))
}

/// The record is there and has no link. Only for whoever reaches something of the module in this
/// way: to others it would tell of records that they don't see.
#[pg_extern]
fn unlinked_in_reach(module: &str, cell: &str, place: i32, record: &str) -> bool {
    let person = person();
    let name = module;
    let Some((link, _)) = link(person.policy(), name, "owner", place) else {
        return false;
    };
    let cell = asked_of_row(cell);
    *person.reach(name, &cell.text()) != Reach::default()
        && !goes_beyond_reading(&person, name, &cell, record)
        && linked(&person.catalog, link, record, Reads::Statement).is_empty()
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
    let Some((link, key)) = link(policy, module, kind, place) else {
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
    linked(&person.catalog, link, record, Reads::Latest).is_empty()
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

/// Whether the person may link a record with one that it hangs on, or take the link away: whoever
/// reads that one and may change the record; or its creator, while it hangs on nothing by this table.
#[pg_extern]
fn may_hang(
    module: Option<&str>,
    place: Option<i32>,
    record: Option<&str>,
    above: Option<&str>,
) -> bool {
    let (Some(module), Some(place), Some(record)) = (module, place, record) else {
        return false;
    };
    let person = person();
    let parents = &self::module(person.policy(), module).parents;
    let parent = usize::try_from(place).ok().and_then(|at| parents.get(at));
    let Some(ParentTarget::Linked {
        module: target,
        link,
    }) = parent.map(|parent| &parent.target)
    else {
        return false;
    };
    let reaches = |module: &str, action: Action, record: &str| {
        let cell = person
            .policy()
            .writing_cell(module, &CellRef::Action(action));
        reaches_all(&person, module, &cell) || in_reach(&person, module, &cell, record)
    };
    let reads = match above {
        Some(above) => reaches(target, Action::Read, above),
        None => reaches_all(&person, target, &CellRef::Action(Action::Read)),
    };
    reads
        && (reaches(module, Action::Update, record)
            || (linked(&person.catalog, link, record, Reads::Latest).is_empty()
                && is_creator(&person, module, record)))
}
