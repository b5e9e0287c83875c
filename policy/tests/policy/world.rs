//! A small CRM with people, groups, records and a matrix, generated.
//!
//! Accounts have their owners and groups in link tables. Contacts have both in columns, and hang
//! on accounts. Notes have a creator, and hang on accounts or contacts.

use std::collections::{BTreeMap, BTreeSet};

use celador_policy::Action;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

pub(crate) const PEOPLE: usize = 5;
pub(crate) const GROUPS: usize = 4;
/// Worlds have cells for the first four, and nobody holds another than the first three.
pub(crate) const ROLES: [&str; 9] = [
    "r0",
    "r1",
    "r2",
    "both",
    "read",
    "customer_service",
    "seller",
    "manager",
    "administrator",
];
pub(crate) const MODULES: [&str; 3] = ["accounts", "contacts", "notes"];
/// When the access is computed; shares end before or after.
pub(crate) const NOW: f64 = 1000.0;

/// A person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) active: bool,
    pub(crate) supervisor: Option<usize>,
    pub(crate) groups: BTreeSet<usize>,
    pub(crate) roles: BTreeSet<usize>,
}

/// A group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) parent: Option<usize>,
    pub(crate) roles: BTreeSet<usize>,
    pub(crate) setting: Option<bool>,
}

/// A record.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) owners: BTreeSet<usize>,
    pub(crate) creator: Option<usize>,
    pub(crate) groups: BTreeSet<usize>,
    /// Module and place of the record that it hangs on.
    pub(crate) parent: Option<(&'static str, usize)>,
    pub(crate) north: Option<bool>,
}

/// A record given to a person or to a group.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) module: &'static str,
    pub(crate) record: usize,
    pub(crate) to: Result<usize, usize>,
    pub(crate) level: &'static str,
    pub(crate) expires: Option<f64>,
}

/// A scope as it is written in a cell.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) name: &'static str,
    pub(crate) when: bool,
    /// `parent`, `related`: what is asked of the other record.
    pub(crate) reach: Option<Action>,
    pub(crate) scopes: Option<Vec<&'static str>>,
}

/// A restriction.
#[derive(Debug, Clone)]
pub(crate) struct Restriction {
    pub(crate) groups: BTreeSet<usize>,
    pub(crate) people: BTreeSet<usize>,
    pub(crate) modules: Vec<&'static str>,
    pub(crate) actions: Vec<Action>,
    pub(crate) when: bool,
    pub(crate) predicate: Option<&'static str>,
}

/// Module → action → scopes.
pub(crate) type Line = BTreeMap<&'static str, BTreeMap<Action, Vec<Scope>>>;
/// Role → its line.
pub(crate) type Matrix = BTreeMap<usize, Line>;

/// Everything.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) people: Vec<Person>,
    pub(crate) groups: Vec<Group>,
    pub(crate) everybody: Option<bool>,
    pub(crate) rows: BTreeMap<&'static str, Vec<Row>>,
    pub(crate) given: Vec<Given>,
    pub(crate) matrix: Matrix,
    pub(crate) restrictions: Vec<Restriction>,
}

fn above(at: usize) -> BoxedStrategy<Option<usize>> {
    if at == 0 {
        Just(None).boxed()
    } else {
        prop::option::weighted(0.7, 0..at).boxed()
    }
}

fn some_of(count: usize, most: usize) -> impl Strategy<Value = BTreeSet<usize>> {
    btree_set(0..count, 0..=most)
}

fn person(at: usize) -> impl Strategy<Value = Person> {
    (
        prop::bool::weighted(0.9),
        above(at),
        some_of(GROUPS, 2),
        some_of(3, 2),
    )
        .prop_map(|(active, supervisor, groups, roles)| Person {
            active,
            supervisor,
            groups,
            roles,
        })
}

fn group(at: usize) -> impl Strategy<Value = Group> {
    (above(at), some_of(3, 1), any::<Option<bool>>()).prop_map(|(parent, roles, setting)| Group {
        parent,
        roles,
        setting,
    })
}

fn row(module: &'static str) -> impl Strategy<Value = Row> {
    let most = match module {
        "accounts" => 2,
        "contacts" => 1,
        _ => 0,
    };
    let parent = match module {
        "contacts" => prop::option::of((Just("accounts"), 0..ROWS)).boxed(),
        "notes" => prop::option::of((select(vec!["accounts", "contacts"]), 0..ROWS)).boxed(),
        _ => Just(None).boxed(),
    };
    (
        some_of(PEOPLE, most),
        prop::option::of(0..PEOPLE),
        some_of(GROUPS, most),
        parent,
        any::<Option<bool>>(),
    )
        .prop_map(|(owners, creator, groups, parent, north)| Row {
            owners,
            creator,
            groups,
            parent,
            north,
        })
}

const ROWS: usize = 4;

fn given() -> impl Strategy<Value = Given> {
    (
        select(MODULES.to_vec()),
        0..ROWS,
        prop_oneof![(0..PEOPLE).prop_map(Ok), (0..GROUPS).prop_map(Err)],
        select(vec!["read", "update", "delete", "other"]),
        select(vec![None, Some(NOW - 1.0), Some(NOW + 1.0)]),
    )
        .prop_map(|(module, record, to, level, expires)| Given {
            module,
            record,
            to,
            level,
            expires,
        })
}

/// The scopes that a module has something for.
fn names(module: &str) -> Vec<&'static str> {
    let mut names = vec!["created", "shared", "rule:north", "all"];
    if module != "notes" {
        names.extend([
            "own",
            "reports",
            "group",
            "group_tree",
            "colleagues",
            "colleagues_tree",
            "unassigned",
            "related",
        ]);
    }
    if module != "accounts" {
        names.push("parent");
    }
    names
}

fn scope(module: &'static str) -> impl Strategy<Value = Scope> {
    let written = vec![
        "own",
        "created",
        "reports",
        "group",
        "colleagues_tree",
        "unassigned",
    ];
    (
        select(names(module)),
        prop::bool::weighted(0.3),
        select(vec![
            None,
            Some(Action::Read),
            Some(Action::Update),
            Some(Action::Claim),
        ]),
        prop::option::of(subsequence(written, 1..=2)),
    )
        .prop_map(|(name, when, reach, scopes)| match name {
            // Scopes that are written out end the chain: no circles.
            "related" => Scope {
                name,
                when,
                reach: None,
                scopes: Some([scopes.unwrap_or_default(), vec!["created"]].concat()),
            },
            "parent" => Scope {
                name,
                when,
                reach: reach.filter(|_| scopes.is_none()),
                scopes,
            },
            _ => Scope {
                name,
                when,
                reach: None,
                scopes: None,
            },
        })
}

/// The actions that are asked about.
pub(crate) fn actions(module: &str) -> Vec<Action> {
    Action::ALL
        .into_iter()
        .filter(|action| *action != Action::Claim || module != "notes")
        .collect()
}

fn cells(
    module: &'static str,
) -> impl Strategy<Value = (&'static str, BTreeMap<Action, Vec<Scope>>)> {
    btree_map(select(actions(module)), vec(scope(module), 1..3), 0..5)
        .prop_map(move |cells| (module, cells))
}

/// A role's cells.
pub(crate) fn line() -> impl Strategy<Value = Line> {
    (cells("accounts"), cells("contacts"), cells("notes"))
        .prop_map(|(accounts, contacts, notes)| [accounts, contacts, notes].into())
}

fn matrix() -> impl Strategy<Value = Matrix> {
    vec(line(), 4).prop_map(|lines| lines.into_iter().enumerate().collect())
}

/// A restriction.
pub(crate) fn restriction() -> impl Strategy<Value = Restriction> {
    (
        some_of(GROUPS, 2),
        some_of(PEOPLE, 2),
        subsequence(MODULES.to_vec(), 1..=2),
        subsequence(Action::ALL.to_vec(), 0..=4),
        any::<bool>(),
        select(vec![
            None,
            Some("region = 'north'"),
            Some("region <> 'north'"),
            Some("has_role('r2') OR region IS NULL"),
        ]),
    )
        .prop_map(
            |(groups, people, modules, actions, when, predicate)| Restriction {
                groups,
                people,
                modules,
                actions,
                when,
                predicate,
            },
        )
}

/// A world.
pub(crate) fn world() -> impl Strategy<Value = World> {
    let people: Vec<_> = (0..PEOPLE).map(person).collect();
    let groups: Vec<_> = (0..GROUPS).map(group).collect();
    let rows = MODULES.map(|module| vec(row(module), ROWS));
    (
        people,
        groups,
        any::<Option<bool>>(),
        rows,
        vec(given(), 0..6),
        matrix(),
        vec(restriction(), 0..3),
    )
        .prop_map(
            |(people, groups, everybody, rows, given, matrix, restrictions)| World {
                people,
                groups,
                everybody,
                rows: MODULES.into_iter().zip(rows).collect(),
                given,
                matrix,
                restrictions,
            },
        )
}

/// A role that may be added, by place.
pub(crate) fn role(index: Index) -> usize {
    index.index(3)
}
