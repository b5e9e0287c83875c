//! The statements that are measured, as data.
//!
//! `{contacts c}` stands for the table under that name, `{may c}` for the condition that somebody
//! writes by hand and that the others get from policies, `{me}` for the person's key.

use serde::Serialize;

use crate::people::{Division, Level};
use crate::values::Kind;

/// A table of the report: statements over rows that are in reach by one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// Owners in a column.
    Owner,
    /// Owners in a link table.
    Link,
    /// A tree of groups.
    Tree,
    /// Any of four rules.
    Additive,
    /// Rows that hang on a record.
    Parent,
    /// Records that another points to.
    Related,
    /// Searches by operators that PostgreSQL doesn't trust.
    Search,
    /// Sellers who come one after another, on one session.
    Pool,
}

/// How long a statement may take, as a multiple of what is written by hand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Goal {
    /// This many times as long,
    pub(crate) times: f64,
    /// or this many microseconds longer.
    pub(crate) or_microseconds: f64,
}

/// A bound parameter: taken from rows that are in reach, and from some that aren't.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    /// The table with its alias, as in `{contacts c}`.
    pub(crate) source: (&'static str, &'static str),
    /// The value, from the row.
    pub(crate) value: &'static str,
    /// The value's kind.
    pub(crate) kind: Kind,
    /// How many values are bound, one after another.
    pub(crate) count: i64,
}

/// A statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// The table of the report.
    pub(crate) group: Group,
    /// What it does.
    pub(crate) operation: &'static str,
    /// The text.
    pub(crate) sql: &'static str,
    /// What is bound to `$1`.
    pub(crate) parameter: Option<Parameter>,
    /// It changes rows, and is rolled back.
    pub(crate) writes: bool,
    /// How long it may take.
    pub(crate) goal: Goal,
}

impl Group {
    /// All, in the order of the report.
    pub(crate) const ALL: [Self; 8] = [
        Self::Owner,
        Self::Link,
        Self::Tree,
        Self::Additive,
        Self::Parent,
        Self::Related,
        Self::Search,
        Self::Pool,
    ];

    /// Whose rules they are.
    pub(crate) fn division(self) -> Division {
        match self {
            Self::Owner | Self::Link | Self::Parent | Self::Search | Self::Pool => Division::Seller,
            Self::Tree => Division::Territory,
            Self::Additive => Division::Partner,
            Self::Related => Division::Support,
        }
    }

    /// Who asks. The director reaches all contacts, with or without ticket: no peer has a rule that
    /// says so.
    pub(crate) fn levels(self) -> &'static [Level] {
        match self {
            Self::Related => &Level::ALL[..4],
            Self::Owner
            | Self::Link
            | Self::Tree
            | Self::Additive
            | Self::Parent
            | Self::Search
            | Self::Pool => &Level::ALL,
        }
    }

    /// The word for `--only`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Link => "link",
            Self::Tree => "tree",
            Self::Additive => "additive",
            Self::Parent => "parent",
            Self::Related => "related",
            Self::Search => "search",
            Self::Pool => "pool",
        }
    }

    /// The table's title.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Owner => "Owner in a column, and everybody below",
            Self::Link => "Owners in a link table",
            Self::Tree => "A tree of groups",
            Self::Additive => "Own, group, shared or rule: any of four",
            Self::Parent => "Notes of contacts (`parent`)",
            Self::Related => "Contacts with a ticket (`related`)",
            Self::Search => "Searches with bound parameters",
            Self::Pool => "Another person in each transaction, on one session",
        }
    }
}

const fn goal(times: f64, or_microseconds: f64) -> Goal {
    Goal {
        times,
        or_microseconds,
    }
}

const PLAIN: Goal = goal(1.1, 30.0);

const fn of(
    source: (&'static str, &'static str),
    value: &'static str,
    kind: Kind,
    count: i64,
) -> Option<Parameter> {
    Some(Parameter {
        source,
        value,
        kind,
        count,
    })
}

const CONTACT: (&str, &str) = ("contacts", "c");
const PROJECT: (&str, &str) = ("projects", "p");
const NOTE: (&str, &str) = ("notes", "n");
const CONTACT_KEY: Option<Parameter> = of(CONTACT, "c.id", Kind::Int, 12);
const CONTACT_REGION: Option<Parameter> = of(CONTACT, "c.region", Kind::Text, 2);

const fn read(
    group: Group,
    operation: &'static str,
    goal: Goal,
    parameter: Option<Parameter>,
    sql: &'static str,
) -> Measured {
    Measured {
        group,
        operation,
        sql,
        parameter,
        writes: false,
        goal,
    }
}

const KEY: &str = "SELECT c.id, c.name, c.email FROM {contacts c} WHERE {may c} AND c.id = $1";
const LIST: &str = "SELECT c.id, c.name, c.created_at FROM {contacts c} WHERE {may c} ORDER BY c.created_at DESC LIMIT 50";
const COUNT: &str = "SELECT count(*) FROM {contacts c} WHERE {may c}";
const JOIN: &str = "SELECT d.stage, count(*), sum(d.amount) FROM {contacts c} JOIN {deals d} ON d.contact_id = c.id WHERE {may c} AND {may d} AND c.region = $1 GROUP BY d.stage";

/// All of them. Those that write come last in their group.
pub(crate) const STATEMENTS: [Measured; 36] = [
    read(Group::Owner, "key", PLAIN, CONTACT_KEY, KEY),
    read(
        Group::Owner,
        "e-mail",
        PLAIN,
        of(CONTACT, "c.email", Kind::Text, 12),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.email = $1",
    ),
    read(Group::Owner, "list", PLAIN, None, LIST),
    read(Group::Owner, "count", PLAIN, None, COUNT),
    read(
        Group::Owner,
        "aggregate",
        PLAIN,
        None,
        "SELECT c.region, count(*), sum(c.amount) FROM {contacts c} WHERE {may c} GROUP BY c.region",
    ),
    read(Group::Owner, "join", PLAIN, CONTACT_REGION, JOIN),
    Measured {
        group: Group::Owner,
        operation: "update one",
        sql: "UPDATE {contacts c} SET calls = c.calls + 1 WHERE {may c} AND c.id = $1",
        parameter: CONTACT_KEY,
        writes: true,
        goal: PLAIN,
    },
    Measured {
        group: Group::Owner,
        operation: "insert one",
        sql: "INSERT INTO contacts VALUES (1000000000 + $1, 'Nora Novak', 'novak.nora' || $1, {me}, 1, 'R01', 10, '2020-01-01', '{\"code\": 1}', 'nora')",
        parameter: CONTACT_KEY,
        writes: true,
        goal: PLAIN,
    },
    read(
        Group::Link,
        "key",
        PLAIN,
        of(PROJECT, "p.id", Kind::Int, 12),
        "SELECT p.id, p.name, p.amount FROM {projects p} WHERE {may p} AND p.id = $1",
    ),
    read(
        Group::Link,
        "list",
        PLAIN,
        None,
        "SELECT p.id, p.name, p.created_at FROM {projects p} WHERE {may p} ORDER BY p.created_at DESC LIMIT 50",
    ),
    read(
        Group::Link,
        "count",
        PLAIN,
        None,
        "SELECT count(*) FROM {projects p} WHERE {may p}",
    ),
    read(
        Group::Link,
        "join",
        PLAIN,
        of(PROJECT, "p.region", Kind::Text, 2),
        "SELECT d.stage, count(*), sum(d.amount) FROM {projects p} JOIN {deals d} ON d.project_id = p.id WHERE {may p} AND {may d} AND p.region = $1 GROUP BY d.stage",
    ),
    read(Group::Tree, "key", PLAIN, CONTACT_KEY, KEY),
    read(Group::Tree, "list", PLAIN, None, LIST),
    read(Group::Tree, "count", PLAIN, None, COUNT),
    read(Group::Tree, "join", PLAIN, CONTACT_REGION, JOIN),
    read(Group::Additive, "key", PLAIN, CONTACT_KEY, KEY),
    read(Group::Additive, "list", PLAIN, None, LIST),
    read(Group::Additive, "count", goal(1.3, 30.0), None, COUNT),
    read(Group::Additive, "join", PLAIN, CONTACT_REGION, JOIN),
    read(
        Group::Parent,
        "key",
        goal(1.3, 0.0),
        of(NOTE, "n.id", Kind::Int, 12),
        "SELECT n.id, n.body FROM {notes n} WHERE {may n} AND n.id = $1",
    ),
    read(
        Group::Parent,
        "list",
        goal(1.3, 0.0),
        None,
        "SELECT n.id, n.body, n.created_at FROM {notes n} WHERE {may n} ORDER BY n.created_at DESC LIMIT 50",
    ),
    read(
        Group::Parent,
        "of one contact",
        goal(1.3, 0.0),
        of(NOTE, "n.contact_id", Kind::Int, 12),
        "SELECT n.id, n.body, n.created_at FROM {notes n} WHERE {may n} AND n.contact_id = $1",
    ),
    read(
        Group::Parent,
        "count",
        goal(1.3, 0.0),
        None,
        "SELECT count(*) FROM {notes n} WHERE {may n}",
    ),
    read(Group::Related, "key", goal(1.5, 0.0), CONTACT_KEY, KEY),
    read(Group::Related, "list", goal(1.5, 0.0), None, LIST),
    read(Group::Related, "count", goal(1.5, 0.0), None, COUNT),
    read(
        Group::Search,
        "LIKE 'x%'",
        goal(1.25, 0.0),
        of(
            CONTACT,
            "split_part(c.email, '.', 1) || '.%'",
            Kind::Text,
            8,
        ),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.email LIKE $1",
    ),
    read(
        Group::Search,
        "ILIKE '%x%'",
        goal(1.25, 0.0),
        of(
            CONTACT,
            "'%' || split_part(c.email, '.', 1) || '%'",
            Kind::Text,
            8,
        ),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.name ILIKE $1",
    ),
    read(
        Group::Search,
        "full text",
        goal(1.25, 0.0),
        of(CONTACT, "(tsvector_to_array(c.search))[2]", Kind::Text, 8),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.search @@ plainto_tsquery('simple', $1)",
    ),
    read(
        Group::Search,
        "jsonb @>",
        goal(1.25, 0.0),
        of(
            CONTACT,
            "jsonb_build_object('code', c.profile -> 'code')",
            Kind::Json,
            8,
        ),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.profile @> $1",
    ),
    read(
        Group::Search,
        "numeric range",
        goal(1.25, 0.0),
        of(CONTACT, "c.region", Kind::Text, 2),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.region = $1 AND c.amount < 5",
    ),
    read(
        Group::Search,
        "lower(x) =",
        goal(1.25, 0.0),
        of(CONTACT, "lower(c.name)", Kind::Text, 8),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND lower(c.name) = $1",
    ),
    read(Group::Pool, "key", goal(1.3, 0.0), CONTACT_KEY, KEY),
    read(Group::Pool, "list", goal(1.3, 0.0), None, LIST),
    read(Group::Pool, "join", goal(1.3, 0.0), CONTACT_REGION, JOIN),
];
