//! The statements that are measured, as data.
//!
//! `{contacts c}` stands for the table under that name, `{may c}` for the condition that somebody
//! writes by hand and that the others get from policies, `{me}` for the person's key.

use crate::groups::{Goal, Group};
use crate::values::Kind;

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
    parameter: Option<Parameter>,
    sql: &'static str,
) -> Measured {
    Measured {
        group,
        operation,
        sql,
        parameter,
        writes: false,
        goal: group.goal(),
    }
}

const fn write(
    group: Group,
    operation: &'static str,
    parameter: Option<Parameter>,
    sql: &'static str,
) -> Measured {
    let writes = true;
    Measured {
        writes,
        ..read(group, operation, parameter, sql)
    }
}

const KEY: &str = "SELECT c.id, c.name, c.email FROM {contacts c} WHERE {may c} AND c.id = $1";
const LIST: &str = "SELECT c.id, c.name, c.created_at FROM {contacts c} WHERE {may c} ORDER BY c.created_at DESC LIMIT 50";
const COUNT: &str = "SELECT count(*) FROM {contacts c} WHERE {may c}";
const JOIN: &str = "SELECT d.stage, count(*), sum(d.amount) FROM {contacts c} JOIN {deals d} ON d.contact_id = c.id WHERE {may c} AND {may d} AND c.region = $1 GROUP BY d.stage";

/// All of them. Those that write come last in their group.
pub(crate) const STATEMENTS: [Measured; 36] = [
    read(Group::Owner, "key", CONTACT_KEY, KEY),
    read(
        Group::Owner,
        "e-mail",
        of(CONTACT, "c.email", Kind::Text, 12),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.email = $1",
    ),
    read(Group::Owner, "list", None, LIST),
    read(Group::Owner, "count", None, COUNT),
    read(
        Group::Owner,
        "aggregate",
        None,
        "SELECT c.region, count(*), sum(c.amount) FROM {contacts c} WHERE {may c} GROUP BY c.region",
    ),
    read(Group::Owner, "join", CONTACT_REGION, JOIN),
    write(
        Group::Owner,
        "update one",
        CONTACT_KEY,
        "UPDATE {contacts c} SET calls = c.calls + 1 WHERE {may c} AND c.id = $1",
    ),
    write(
        Group::Owner,
        "insert one",
        CONTACT_KEY,
        "INSERT INTO contacts VALUES (1000000000 + $1, 'Nora Novak', 'novak.nora' || $1, {me}, 1, 'R01', 10, '2020-01-01', '{\"code\": 1}', 'nora')",
    ),
    read(
        Group::Link,
        "key",
        of(PROJECT, "p.id", Kind::Int, 12),
        "SELECT p.id, p.name, p.amount FROM {projects p} WHERE {may p} AND p.id = $1",
    ),
    read(
        Group::Link,
        "list",
        None,
        "SELECT p.id, p.name, p.created_at FROM {projects p} WHERE {may p} ORDER BY p.created_at DESC LIMIT 50",
    ),
    read(
        Group::Link,
        "count",
        None,
        "SELECT count(*) FROM {projects p} WHERE {may p}",
    ),
    read(
        Group::Link,
        "join",
        of(PROJECT, "p.region", Kind::Text, 2),
        "SELECT d.stage, count(*), sum(d.amount) FROM {projects p} JOIN {deals d} ON d.project_id = p.id WHERE {may p} AND {may d} AND p.region = $1 GROUP BY d.stage",
    ),
    read(Group::Tree, "key", CONTACT_KEY, KEY),
    read(Group::Tree, "list", None, LIST),
    read(Group::Tree, "count", None, COUNT),
    read(Group::Tree, "join", CONTACT_REGION, JOIN),
    read(Group::Additive, "key", CONTACT_KEY, KEY),
    read(Group::Additive, "list", None, LIST),
    Measured {
        goal: Goal {
            times: 1.3,
            or_microseconds: 30.0,
        },
        ..read(Group::Additive, "count", None, COUNT)
    },
    read(Group::Additive, "join", CONTACT_REGION, JOIN),
    read(
        Group::Parent,
        "key",
        of(NOTE, "n.id", Kind::Int, 12),
        "SELECT n.id, n.body FROM {notes n} WHERE {may n} AND n.id = $1",
    ),
    read(
        Group::Parent,
        "list",
        None,
        "SELECT n.id, n.body, n.created_at FROM {notes n} WHERE {may n} ORDER BY n.created_at DESC LIMIT 50",
    ),
    read(
        Group::Parent,
        "of one contact",
        of(NOTE, "n.contact_id", Kind::Int, 12),
        "SELECT n.id, n.body, n.created_at FROM {notes n} WHERE {may n} AND n.contact_id = $1",
    ),
    read(
        Group::Parent,
        "count",
        None,
        "SELECT count(*) FROM {notes n} WHERE {may n}",
    ),
    read(Group::Related, "key", CONTACT_KEY, KEY),
    read(Group::Related, "list", None, LIST),
    read(Group::Related, "count", None, COUNT),
    read(
        Group::Search,
        "LIKE 'x%'",
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
        of(CONTACT, "(tsvector_to_array(c.search))[2]", Kind::Text, 8),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.search @@ plainto_tsquery('simple', $1)",
    ),
    read(
        Group::Search,
        "jsonb @>",
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
        of(CONTACT, "c.region", Kind::Text, 2),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND c.region = $1 AND c.amount < 5",
    ),
    read(
        Group::Search,
        "lower(x) =",
        of(CONTACT, "lower(c.name)", Kind::Text, 8),
        "SELECT c.id, c.name FROM {contacts c} WHERE {may c} AND lower(c.name) = $1",
    ),
    read(Group::Pool, "key", CONTACT_KEY, KEY),
    read(Group::Pool, "list", None, LIST),
    read(Group::Pool, "join", CONTACT_REGION, JOIN),
];
