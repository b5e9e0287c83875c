//! Which rows are alike for a person: those for which the same parts of what the oracle says hold.
//!
//! Of a thousand rows one may be reached by a share alone. Rows are taken from each kind in turn, so
//! that a run comes to that one too.

use std::collections::BTreeSet;

use super::oracle::{Action, Oracle};

/// The parts of a condition that OR and AND join, at any depth of brackets.
///
/// A BETWEEN stays whole: AND counts only where the part before it ends with a bracket.
pub fn parts(condition: &str) -> Vec<&str> {
    let condition = unwrapped(condition.trim());
    let alternatives = split(condition, " OR ");
    if alternatives.len() > 1 {
        return alternatives.into_iter().flat_map(parts).collect();
    }
    let demands = split(condition, " AND ");
    let whole = demands.len() - 1;
    if whole > 0 && demands[..whole].iter().all(|demand| demand.ends_with(')')) {
        return demands.into_iter().flat_map(parts).collect();
    }
    vec![condition]
}

/// SQL that says of which kind a row `r` of a table is for a person, as text.
pub fn kind(oracle: &dyn Oracle, phase: usize, person: &str, table: &str) -> String {
    let record = oracle.record(table);
    let mut conditions: Vec<String> = [Action::Read, Action::Update, Action::Delete, Action::Claim]
        .into_iter()
        .map(|action| oracle.reach(phase, person, table, action))
        .collect();
    let given = oracle.assigns(phase, person, table);
    conditions.extend(given.into_iter().map(|(old, _)| old));
    for field in oracle.fields(phase, person, table) {
        conditions.extend(field.cases.into_iter().map(|(condition, _)| condition));
        conditions.push(field.write);
    }
    if let Some(owner) = record.owner {
        let me = oracle.owner_key(phase, person, table);
        conditions.push(format!("r.{owner} IS NULL OR r.{owner} = {me}"));
    }
    if let Some(creator) = record.creator {
        conditions.push(format!("r.{creator} = {}", oracle.key_of(person)));
    }
    let parts: BTreeSet<&str> = conditions
        .iter()
        .flat_map(|condition| parts(condition))
        .filter(|part| !matches!(*part, "true" | "false"))
        .collect();
    if parts.is_empty() {
        return "''".to_owned();
    }
    let holds: Vec<String> = parts
        .iter()
        .map(|part| format!("(({part}) IS TRUE)::int"))
        .collect();
    format!("concat({})", holds.join(", "))
}

/// SQL that says of which kind a row `r` of a table is for what rules look at, as text.
pub fn ruled_kind(oracle: &dyn Oracle, table: &str) -> String {
    let ruled = oracle.record(table).ruled;
    let columns = ruled.iter().map(|column| format!(", r.{column}::text"));
    format!("concat_ws('|', ''{})", columns.collect::<String>())
}

/// What stands between the brackets, if they are around all of it.
fn unwrapped(condition: &str) -> &str {
    let inner = condition
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    match inner {
        Some(inner) if is_balanced(inner) => unwrapped(inner.trim()),
        _ => condition,
    }
}

fn is_balanced(sql: &str) -> bool {
    let (mut depth, mut quoted) = (0_i32, false);
    for byte in sql.bytes() {
        match byte {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// Splits where a word stands outside of brackets and strings.
fn split<'a>(condition: &'a str, word: &str) -> Vec<&'a str> {
    let (mut depth, mut quoted, mut from) = (0_i32, false, 0);
    let mut found = Vec::new();
    for (at, byte) in condition.bytes().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth -= 1,
            b' ' if !quoted && depth == 0 && condition[at..].starts_with(word) => {
                found.push(&condition[from..at]);
                from = at + word.len();
            }
            _ => {}
        }
    }
    found.push(&condition[from..]);
    found
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_condition_falls_into_what_its_rows_are_reached_by() {
        assert_eq!(
            parts(
                "((r.owner IN (1, 2)) OR (r.id IN (SELECT a FROM b WHERE c OR d))) AND r.state <> 'a OR b'"
            ),
            [
                "r.owner IN (1, 2)",
                "r.id IN (SELECT a FROM b WHERE c OR d)",
                "r.state <> 'a OR b'"
            ]
        );
        assert_eq!(
            parts("(r.team BETWEEN 1 AND 12)"),
            ["r.team BETWEEN 1 AND 12"]
        );
        assert_eq!(parts("(a) AND (b)"), ["a", "b"]);
    }
}
