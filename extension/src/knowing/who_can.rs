//! `celador.who_can()`: everybody who reaches a record, and through what.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use celador_policy::directory::everybody as listing;
use celador_policy::policy_set::{GroupPlace, Link, Owner, ParentTarget, Placement};
use celador_policy::reverse::{self, Asked, PersonId, Pointing, Records, Row, Way, row_sql};
use celador_policy::row_policy::followed::{Key, belongs, keyed, points_to};
use celador_policy::row_policy::predicate_sql;
use celador_policy::{PolicySet, TableName};
use pgrx::prelude::*;

use super::{action, catalog, everybody, live};
use crate::catalog::Catalog;
use crate::identity::Source;
use crate::session;
use crate::spi::{self, Reads};
use crate::{errors, links, relations};

/// `celador.who_can(relation, record, action)`: a line for each person and way.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn who_can(
    relation: pg_sys::Oid,
    record: &str,
    action_name: &str,
) -> TableIterator<
    'static,
    (
        name!(user, String),
        name!(login, Option<String>),
        name!(scope, String),
        name!(role, String),
        name!(group, Option<String>),
        name!(when, Option<String>),
    ),
> {
    let action = action(action_name);
    let catalog = catalog();
    let policy = live(&catalog);
    let modules = modules_of(&catalog, policy, relation);
    if let Some(module) = modules
        .iter()
        .find(|name| policy.modules[**name].key.is_none())
    {
        errors::raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("records of module \"{module}\" have no key"),
            "Map its key: mapping.modules.….key.",
        )
    }
    let everybody = everybody::everybody(&catalog, policy);
    let tables = Tables {
        catalog: &catalog,
        policy,
        records: RefCell::default(),
        pointing: RefCell::default(),
    };
    let of_modules = modules
        .into_iter()
        .filter(|module| !tables.record(module, record).is_empty())
        .map(|module| reverse::who(policy, &everybody, &tables, module, record, action));
    // A record of several modules is in reach where each of them says so.
    let found = of_modules.reduce(in_both).unwrap_or_else(|| {
        notice!("there is no such record");
        Found::new()
    });
    let lines: Vec<_> = found
        .into_iter()
        .flat_map(|(id, ways)| {
            let person = &everybody.people()[id];
            ways.into_iter().map(|way| {
                let scope = if way.claim {
                    format!("claim: {}", way.scope)
                } else {
                    way.scope
                };
                (
                    person.user.clone(),
                    person.login().cloned(),
                    scope,
                    way.role,
                    way.group,
                    way.when,
                )
            })
        })
        .collect();
    TableIterator::new(lines)
}

/// Who reaches the record by one module and by the other, in all those ways.
fn in_both(one: Found, other: Found) -> Found {
    let mut other: HashMap<_, _> = other.into_iter().collect();
    one.into_iter()
        .filter_map(|(id, mut ways)| {
            ways.extend(other.remove(&id)?);
            Some((id, ways))
        })
        .collect()
}

type Found = Vec<(PersonId, Vec<Way>)>;

/// The modules whose records a table holds. A notice tells where something else decides now.
pub(super) fn modules_of<'a>(
    catalog: &Catalog,
    policy: &'a PolicySet,
    relation: pg_sys::Oid,
) -> Vec<&'a str> {
    let table = relations::table_name(relation);
    let name = relations::display_name(relation);
    let refuse = |why: String, hint: &str| -> ! {
        errors::raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("{name} {why}"),
            hint,
        )
    };
    let Some(placement) = table.and_then(|table| policy.tables.get(&table)) else {
        refuse(
            "isn't placed by the policy, or is a partition".to_owned(),
            "Ask about a table of the policy.",
        )
    };
    let modules = placement.holds();
    if modules.is_empty() {
        let followed = placement.modules().into_iter().collect::<Vec<_>>();
        match placement {
            Placement::Module(_)
            | Placement::Child { .. }
            | Placement::Link { .. }
            | Placement::Parts(_) => refuse(
                format!("hangs on records of {}", followed.join(", ")),
                "Ask about the record.",
            ),
            Placement::Readable => refuse(
                "is read by whoever is signed in, and written by nobody".to_owned(),
                "Ask about a table that holds records of a module.",
            ),
            Placement::Open => refuse(
                "is open".to_owned(),
                "The database's own grants say who may.",
            ),
            Placement::Closed => refuse("is closed to everybody".to_owned(), "Place it."),
        }
    }
    if catalog.paused.contains_key(&relation) {
        notice!("{name} is paused: until it is resumed nobody reaches it");
    } else if catalog.observed.contains(&relation) {
        notice!("{name} is observed: nothing is enforced on it");
    }
    modules
}

/// A record: module and key.
type Named = (String, String);
/// A record that others point to, and of which module those are.
type PointedTo = (Named, Option<String>);

/// The records, as [`reverse::who`] asks for them. Read as Celador: only keys, owners, groups and
/// the policy's own predicates.
struct Tables<'a> {
    catalog: &'a Rc<Catalog>,
    policy: &'a PolicySet,
    records: RefCell<HashMap<Named, Vec<Rc<Row>>>>,
    pointing: RefCell<HashMap<PointedTo, Rc<Pointing>>>,
}

impl Tables<'_> {
    fn rows(
        &self,
        module: &str,
        table: &TableName,
        condition: &str,
        values: &[&str],
    ) -> Vec<Rc<Row>> {
        let sql = row_sql(self.policy, module, table, condition);
        let found = as_owner(table, || {
            self.catalog
                .kept(&sql, values.len())
                .rows(values, Reads::Statement)
        });
        found
            .into_iter()
            .filter_map(|columns| Row::from_columns(self.policy, module, columns))
            .map(|mut row| {
                row.shares = self.shares(module, &row.record);
                self.follow_links(module, &mut row);
                Rc::new(row)
            })
            .collect()
    }

    /// Adds what link tables tell of the record.
    fn follow_links(&self, module: &str, row: &mut Row) {
        let of = &self.policy.modules[module];
        let record = row.record.clone();
        let linked = |link: &Link| links::linked(self.catalog, link, &record, Reads::Statement);
        for owner in &of.owners {
            if let Owner::Link(link, key) = owner {
                let owners = linked(link).into_iter();
                row.owners.extend(owners.map(|owner| (key.clone(), owner)));
            }
        }
        for group in &of.groups {
            if let GroupPlace::Link(link) = group {
                row.groups.extend(linked(link));
            }
        }
        for parent in &of.parents {
            if let ParentTarget::Linked { module, link } = &parent.target {
                let parents = linked(link).into_iter();
                row.parents
                    .extend(parents.map(|parent| (module.clone(), parent)));
            }
        }
    }

    fn shares(&self, module: &str, record: &str) -> Vec<(Option<String>, String, String)> {
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                let mut shares = Vec::new();
                for listed in listing::shares_of(&self.policy.directory, module) {
                    if !session::can_be(record, &listed.record_type) {
                        continue;
                    }
                    let kept = self.catalog.kept(&listed.sql, 1);
                    for row in kept.rows(&[record], Reads::Latest) {
                        let mut row = row.into_iter().flatten();
                        if let (Some(holder), Some(level)) = (row.next(), row.next()) {
                            shares.push((listed.key.clone(), holder, level));
                        }
                    }
                }
                shares
            })
        })
    }
}

/// Runs `work` with the rights of the table's owner, as probes do.
fn as_owner<T>(table: &TableName, work: impl FnOnce() -> T) -> T {
    let owner = relations::relation(&table.schema, &table.name).and_then(relations::owner);
    let Some(owner) = owner else {
        errors::raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE,
            format!("table {table} of the policy is gone"),
            "Load a policy without it.",
        )
    };
    spi::with_rights_of(owner, || spi::connected(work))
}

impl Records for Tables<'_> {
    fn record(&self, module: &str, record: &str) -> Vec<Rc<Row>> {
        let asked = (module.to_owned(), record.to_owned());
        if let Some(known) = self.records.borrow().get(&asked) {
            return known.clone();
        }
        let of = &self.policy.modules[module];
        let rows = match &of.key {
            Some(key) if session::can_be(record, &key.type_name) => of
                .tables
                .iter()
                .flat_map(|table| {
                    let condition = format!("{} AND {}", keyed(key, Key::Text), belongs(of));
                    self.rows(module, table, &condition, &[record])
                })
                .collect(),
            Some(_) | None => Vec::new(),
        };
        self.records.borrow_mut().insert(asked, rows.clone());
        rows
    }

    fn pointing(&self, module: &str, record: &str, only: Option<&str>) -> Rc<Pointing> {
        let asked = (
            (module.to_owned(), record.to_owned()),
            only.map(str::to_owned),
        );
        if let Some(known) = self.pointing.borrow().get(&asked) {
            return Rc::clone(known);
        }
        let mut found: Pointing = Vec::new();
        for (other, _, parent) in self.policy.pointing_to(module) {
            if only.is_some_and(|only| only != other) {
                continue;
            }
            if let ParentTarget::Linked { link, .. } = &parent.target {
                let pointing = links::linked_with(self.catalog, link, record, Reads::Statement);
                let rows = pointing.iter().flat_map(|key| self.record(other, key));
                found.push((other.to_owned(), rows.collect()));
                continue;
            }
            if !session::can_be(record, &parent.column.type_name) {
                continue;
            }
            let of = &self.policy.modules[other];
            let condition = format!(
                "{} AND {}",
                points_to(parent, module, Key::Text),
                belongs(of)
            );
            let rows = of
                .tables
                .iter()
                .flat_map(|table| self.rows(other, table, &condition, &[record]))
                .collect();
            found.push((other.to_owned(), rows));
        }
        let found = Rc::new(found);
        self.pointing.borrow_mut().insert(asked, Rc::clone(&found));
        found
    }

    fn holds_for(&self, module: &str, record: &str, asked: Asked<'_>, user: &str) -> bool {
        let of = &self.policy.modules[module];
        let predicate = match asked {
            Asked::Rule(rule) => of.rules.get(rule),
            Asked::Restriction(name) => self
                .policy
                .restrictions
                .get(name)
                .and_then(|restriction| restriction.modules.get(module)?.as_ref()),
        };
        let (Some(predicate), Some(key)) = (predicate, &of.key) else {
            return false;
        };
        let Ok(person) = session::person_of(self.catalog, user, Source::Lent) else {
            return false;
        };
        session::lend(person, || {
            of.tables.iter().any(|table| {
                let sql = format!(
                    "SELECT true FROM {} AS r WHERE {} AND {} AND ({}) IS TRUE",
                    table.sql(),
                    keyed(key, Key::Text),
                    belongs(of),
                    predicate_sql(of, predicate, "r.")
                );
                let found = as_owner(table, || {
                    self.catalog.kept(&sql, 1).rows(&[record], Reads::Statement)
                });
                !found.is_empty()
            })
        })
    }
}
