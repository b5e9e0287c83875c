//! `celador.explain_set()`: why a list has as many rows as it has.

use std::rc::Rc;

use celador_policy::row_policy::followed::belongs;
use pgrx::prelude::*;

use super::who_can::modules_of;
use super::{action, catalog, live};
use crate::explain::{Line, Question, questions};
use crate::identity::Source;
use crate::session;
use crate::spi::{self, Reads};
use crate::{errors, relations};

type Row = (String, String, Option<i64>, Option<i64>, String);

/// `celador.explain_set(relation, user, action)`: how many rows each scope and restriction lets
/// through or takes away, counted in one scan. Where modules share the table, for each of them.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn explain_set(
    relation: pg_sys::Oid,
    user: &str,
    action_name: &str,
) -> TableIterator<
    'static,
    (
        name!(kind, String),
        name!(name, String),
        name!(rows, Option<i64>),
        name!(alone, Option<i64>),
        name!(source, String),
    ),
> {
    let action = action(action_name);
    let catalog = catalog();
    let policy = live(&catalog);
    let modules = modules_of(&catalog, policy, relation);
    let person = match session::person_of(&catalog, user, Source::Lent) {
        Ok(person) => person,
        Err(nobody) => {
            let line = (
                "user".to_owned(),
                user.to_owned(),
                None,
                None,
                nobody.reason,
            );
            return TableIterator::once(line);
        }
    };
    let rows = session::lend(Rc::clone(&person), || {
        let shared = modules.len() > 1;
        let mut rows = Vec::new();
        for module in modules {
            let (lines, questions) = questions(&person, module, action);
            let (scopes, restrictions): (Vec<Question>, Vec<Question>) = questions
                .into_iter()
                .partition(|((kind, ..), _)| kind == "scope");
            let of = belongs(&policy.modules[module]);
            let counts = count(relation, &of, &scopes, &restrictions);
            let mut told = told(lines, scopes, restrictions, counts);
            if shared {
                for (.., source) in &mut told {
                    *source = format!("module {module}: {source}");
                }
            }
            rows.extend(told);
        }
        rows
    });
    TableIterator::new(rows)
}

/// Counts over the rows of the table `r` that are the module's: all, those in reach, those that stay; then for each scope and
/// each restriction those that it decides about, and those that it alone does.
///
/// ```sql
/// SELECT count(*), count(*) FILTER (WHERE q.s0 OR q.s1), count(*) FILTER (WHERE (q.s0 OR q.s1) AND q.r0), …
/// FROM (SELECT (…) IS TRUE AS s0, (…) IS TRUE AS s1, (…) IS TRUE AS r0 FROM "public"."accounts" AS r WHERE true OFFSET 0) AS q
/// ```
fn counting(table: &str, of: &str, scopes: &[Question], restrictions: &[Question]) -> String {
    let names = |prefix: &str, count: usize| -> Vec<String> {
        (0..count).map(|at| format!("q.{prefix}{at}")).collect()
    };
    let (s, r) = (names("s", scopes.len()), names("r", restrictions.len()));
    let any = |names: &[String]| match names {
        [] => "false".to_owned(),
        names => format!("({})", names.join(" OR ")),
    };
    let all = |names: &[String]| match names {
        [] => "true".to_owned(),
        names => format!("({})", names.join(" AND ")),
    };
    let without = |names: &[String], at: usize| -> Vec<String> {
        let mut others = names.to_vec();
        others.remove(at);
        others
    };
    let reached = any(&s);
    let mut conditions = vec![reached.clone(), format!("{reached} AND {}", all(&r))];
    for (at, scope) in s.iter().enumerate() {
        conditions.push(scope.clone());
        conditions.push(format!("{scope} AND NOT {}", any(&without(&s, at))));
    }
    for (at, restriction) in r.iter().enumerate() {
        let removed = format!("{reached} AND NOT {restriction}");
        conditions.push(removed.clone());
        conditions.push(format!("{removed} AND {}", all(&without(&r, at))));
    }
    let counts: Vec<String> = conditions
        .iter()
        .map(|condition| format!("pg_catalog.count(*) FILTER (WHERE {condition})"))
        .collect();
    let questions: Vec<String> = scopes
        .iter()
        .enumerate()
        .map(|(at, (_, sql))| format!("({sql}) IS TRUE AS s{at}"))
        .chain(
            restrictions
                .iter()
                .enumerate()
                .map(|(at, (_, sql))| format!("({sql}) IS TRUE AS r{at}")),
        )
        .collect();
    format!(
        "SELECT pg_catalog.count(*), {} FROM (SELECT {} FROM {table} AS r WHERE {of} OFFSET 0) AS q",
        counts.join(", "),
        questions.join(", ")
    )
}

fn count(
    relation: pg_sys::Oid,
    of: &str,
    scopes: &[Question],
    restrictions: &[Question],
) -> Vec<i64> {
    let (Some(table), Some(owner)) = (relations::table_name(relation), relations::owner(relation))
    else {
        errors::fault("a table without a name")
    };
    let sql = counting(&table.sql(), of, scopes, restrictions);
    let rows = spi::with_rights_of(owner, || {
        spi::connected(|| spi::read(&sql, &[], Reads::Statement))
    });
    rows.into_iter()
        .next()
        .unwrap_or_default()
        .into_iter()
        .map(|count| count.and_then(|count| count.parse().ok()).unwrap_or(0))
        .collect()
}

fn told(
    lines: Vec<Line>,
    scopes: Vec<Question>,
    restrictions: Vec<Question>,
    counts: Vec<i64>,
) -> Vec<Row> {
    let mut counts = counts.into_iter();
    let mut next = || counts.next().unwrap_or(0);
    let (total, reached, kept) = (next(), next(), next());
    let sum = |name: &str, count: i64, source: &str| {
        (
            "total".to_owned(),
            name.to_owned(),
            Some(count),
            None,
            source.to_owned(),
        )
    };
    let mut rows = vec![
        sum("rows", total, "in the table, of the module"),
        sum("reached", reached, "by any scope"),
        sum("left", kept, "when restrictions have taken theirs"),
        sum("hidden", total - kept, "from this user, for this action"),
    ];
    let mut decided: Vec<Row> = scopes
        .into_iter()
        .chain(restrictions)
        .map(|((kind, name, source), _)| {
            let (all, only) = (next(), next());
            let source = match kind.as_str() {
                "scope" => source,
                _ => format!("takes away what is reached; {source}"),
            };
            (kind, name, Some(all), Some(only), source)
        })
        .collect();
    decided.extend(lines.into_iter().map(|(kind, name, result, source)| {
        (kind, name, None, None, format!("{result}: {source}"))
    }));
    decided.sort();
    rows.extend(decided);
    rows
}
