//! What the grammar has to have: a run counts the statements with each of these that gave or changed a
//! row.

use super::generator::Statement;

/// What a statement may have, and the words that tell it, one of them.
const FEATURES: [(&str, &[&str]); 20] = [
    ("LEFT JOIN", &[" LEFT JOIN "]),
    ("RIGHT JOIN", &[" RIGHT JOIN "]),
    ("FULL JOIN", &[" FULL JOIN "]),
    ("CROSS JOIN", &[" CROSS JOIN "]),
    ("LATERAL", &[" LATERAL "]),
    (
        "sub-query in WHERE",
        &["EXISTS (SELECT", "IN (SELECT", "= (SELECT", "> (SELECT"],
    ),
    ("sub-query in SELECT", &[", (SELECT"]),
    ("sub-query in FROM", &["FROM (SELECT", "JOIN (SELECT"]),
    ("CTE", &["WITH chosen"]),
    ("recursive CTE", &["WITH RECURSIVE"]),
    ("writing CTE", &["WITH changed"]),
    ("window", &[" OVER ("]),
    ("UNION", &[" UNION "]),
    ("INTERSECT", &[" INTERSECT "]),
    ("EXCEPT", &[" EXCEPT "]),
    ("cursor", &[" CURSOR "]),
    ("PREPARE", &["PREPARE "]),
    ("RETURNING", &[" RETURNING "]),
    ("ON CONFLICT", &[" ON CONFLICT "]),
    ("MERGE", &["MERGE INTO"]),
];
const INNER: &str = "inner JOIN";

/// All of them.
pub fn all() -> impl Iterator<Item = &'static str> {
    FEATURES.iter().map(|(name, _)| *name).chain([INNER])
}

/// Those of a statement.
pub fn of(statement: &Statement) -> impl Iterator<Item = &'static str> {
    let has = |word: &str| statement.steps.iter().any(|step| step.sql.contains(word));
    let inner = statement.steps.iter().any(|step| has_inner_join(&step.sql));
    FEATURES
        .iter()
        .filter(move |(_, words)| words.iter().any(|word| has(word)))
        .map(|(name, _)| *name)
        .chain(inner.then_some(INNER))
}

fn has_inner_join(sql: &str) -> bool {
    sql.match_indices(" JOIN ").any(|(at, _)| {
        let kinds = ["LEFT", "RIGHT", "FULL", "CROSS"];
        !kinds.iter().any(|kind| sql[..at].ends_with(kind))
    })
}
