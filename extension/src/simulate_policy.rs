//! `celador.simulate_policy`: how many rows each person reaches under the live policy, and how many
//! under another one. The conditions of both are evaluated; nothing is loaded or locked.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use celador_policy::directory::sql;
use celador_policy::policy_set::Placement;
use celador_policy::row_policy::{Command, row_policies, uncovered};
use celador_policy::{PolicySet, TableName};
use pgrx::prelude::*;

use crate::catalog::{self, Catalog};
use crate::identity::Source;
use crate::session::{self, Person};
use crate::spi::{self, Reads};
use crate::{errors, hooks, load, relations};

/// What is counted, in the order of the counts.
const ACTIONS: [&str; 3] = ["read", "update", "delete"];

type Counts = [i64; 3];
type Row = (String, String, String, i64, i64);

/// How often a long run says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// One side of the comparison: a policy, and everybody under it.
struct Side {
    catalog: Rc<Catalog>,
    /// In the order of the users; `None` for those who are nobody there.
    people: Vec<Option<Rc<Person>>>,
}

/// `celador.simulate_policy(document, users)`: by table, person and action. `users` are keys; NULL
/// stands for everybody who is active on either side.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn simulate_policy(
    document: Option<&str>,
    users: Option<Vec<Option<String>>>,
) -> TableIterator<
    'static,
    (
        name!(relation, String),
        name!(user, String),
        name!(action, String),
        name!(before, i64),
        name!(after, i64),
    ),
> {
    hooks::injected::panic_if_asked("simulate");
    let Some(document) = document else {
        errors::raise(
            PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            "there is no document to simulate",
            "SELECT * FROM celador.simulate_policy('…').",
        )
    };
    let (_, set) = load::checked(document);
    session::begin_statement();
    let Some(live) = catalog::current() else {
        errors::fault("the extension isn't created in this database")
    };
    let next = Rc::new(live.under(set));
    let users: Vec<String> = match users {
        Some(users) => users.into_iter().flatten().collect::<BTreeSet<_>>(),
        None => active(&live).chain(active(&next)).collect(),
    }
    .into_iter()
    .collect();
    let sides = [Side::of(live, &users), Side::of(next, &users)];
    let tables = tables(&sides);
    let mut rows = Vec::new();
    let mut told = Instant::now();
    for (at, (table, relation)) in tables.iter().enumerate() {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            pgrx::notice!("table {} of {}: {table}", at + 1, tables.len());
        }
        let [before, after] = sides.each_ref().map(|side| side.counts(table, *relation));
        for ((user, before), after) in users.iter().zip(before).zip(after) {
            rows.extend(ACTIONS.iter().enumerate().map(|(at, action)| -> Row {
                let (table, user) = (table.to_string(), user.clone());
                (table, user, (*action).to_owned(), before[at], after[at])
            }));
        }
    }
    TableIterator::new(rows)
}

/// The keys of those who are active in the directory of a policy.
fn active(catalog: &Catalog) -> impl Iterator<Item = String> + use<> {
    let rows = catalog.policy.as_ref().map_or_else(Vec::new, |policy| {
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| spi::read(&sql::active_users(&policy.directory), &[], Reads::Latest))
        })
    });
    rows.into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
}

/// The tables that either side places otherwise than open, without those below another of them: a
/// table's rows include theirs.
fn tables(sides: &[Side]) -> Vec<(TableName, pg_sys::Oid)> {
    let names: BTreeSet<&TableName> = sides
        .iter()
        .filter_map(|side| side.catalog.policy.as_ref())
        .flat_map(|policy| &policy.tables)
        .filter(|(_, placement)| **placement != Placement::Open)
        .map(|(table, _)| table)
        .collect();
    let found: Vec<(TableName, pg_sys::Oid)> = names
        .into_iter()
        .filter_map(|table| {
            let relation = relations::relation(&table.schema, &table.name)?;
            Some((table.clone(), relation))
        })
        .collect();
    let below: BTreeSet<u32> = found
        .iter()
        .filter(|(_, relation)| relations::has_heirs(*relation))
        .flat_map(|(_, relation)| relations::heirs(*relation).into_iter().skip(1))
        .map(pg_sys::Oid::to_u32)
        .collect();
    found
        .into_iter()
        .filter(|(_, relation)| !below.contains(&relation.to_u32()))
        .collect()
}

impl Side {
    fn of(catalog: Rc<Catalog>, users: &[String]) -> Self {
        let people = users
            .iter()
            .map(|user| session::person_of(&catalog, user, Source::Lent).ok())
            .collect();
        Self { catalog, people }
    }

    /// What each person reaches of a table.
    fn counts(&self, table: &TableName, relation: pg_sys::Oid) -> Vec<Counts> {
        let Some(owner) = relations::owner(relation) else {
            errors::fault(format!("table {table} is gone"))
        };
        let count = |conditions: &[String; 3]| {
            let columns = conditions
                .each_ref()
                .map(|condition| format!("pg_catalog.count(*) FILTER (WHERE {condition})"));
            let sql = format!("SELECT {} FROM {}", columns.join(", "), table.sql());
            let rows = spi::with_rights_of(owner, || {
                spi::connected(|| spi::read(&sql, &[], Reads::Statement))
            });
            let row = rows.into_iter().next().unwrap_or_default();
            [0, 1, 2].map(|at| {
                let count: Option<&String> = row.get(at).and_then(Option::as_ref);
                count.and_then(|count| count.parse().ok()).unwrap_or(0)
            })
        };
        let policy = self.catalog.policy.as_ref();
        let Some(conditions) = policy.and_then(|policy| conditions(policy, table)) else {
            // Nothing is enforced on it.
            let all = count(&["true", "true", "true"].map(str::to_owned));
            return vec![all; self.people.len()];
        };
        self.people
            .iter()
            .map(|person| match person {
                None => Counts::default(),
                Some(person) => {
                    pgrx::check_for_interrupts!();
                    session::lend(Rc::clone(person), || count(&conditions))
                }
            })
            .collect()
    }
}

/// What a row must satisfy to be read, updated, deleted; `None`: nothing is enforced on the table.
/// PostgreSQL asks the policy for reading of rows that are updated or deleted too.
fn conditions(set: &PolicySet, table: &TableName) -> Option<[String; 3]> {
    let placement = set.tables.get(table)?;
    if *placement == Placement::Open || set.observes(placement) {
        return None;
    }
    let policies = row_policies(set, table);
    let using = |command: Command| {
        let of = policies
            .iter()
            .filter(|policy| policy.command == command || policy.command == Command::All);
        let all: Vec<&str> = of
            .filter_map(|policy| policy.using.as_deref())
            .map(uncovered)
            .collect();
        format!("({})", all.join(") AND ("))
    };
    let read = using(Command::Select);
    let both = |command| format!("{read} AND {}", using(command));
    Some([read.clone(), both(Command::Update), both(Command::Delete)])
}
