//! Discovery: proposes a mapping for the tables of a database. Everything here runs with the rights
//! of whoever calls it: PostgreSQL's catalogs, which everybody may read, and values of tables that the
//! caller may read whole.

use celador_policy::discover::{Answer, CLUES_SQL, Catalog, Proposal, Question, propose};
use celador_policy::schema::SCHEMA_SQL;
use celador_policy::{Schema, TableName, quote};
use pgrx::prelude::*;

use crate::errors;
use crate::spi::{self, Reads};

/// How many rows of a table are looked at for values, and how many values are taken.
const ROWS: u32 = 10_000;
const VALUES: u32 = 1_000;

/// Whether the caller may read the columns, and nothing hides rows of the table from them. The
/// label's name is empty where there is none.
const MAY_READ: &str = "\
SELECT 1 FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND c.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name
  AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p']::pg_catalog.\"char\"[])
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_column_privilege(c.oid, $3, 'SELECT')
  AND ($4 OPERATOR(pg_catalog.=) '' OR pg_catalog.has_column_privilege(c.oid, $4, 'SELECT'))
  AND NOT pg_catalog.row_security_active(c.oid)";

type Row = (Option<String>, String, String, String, String);

/// `celador.discover(schemas)`: what is proposed of each table, how certain it is, and why.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn discover(
    schemas: Vec<Option<String>>,
) -> TableIterator<
    'static,
    (
        name!(relation, Option<String>),
        name!(what, String),
        name!(value, String),
        name!(certainty, String),
        name!(reason, String),
    ),
> {
    let rows: Vec<Row> = proposal(schemas)
        .guesses
        .into_iter()
        .map(|guess| {
            let relation = guess.relation.as_ref().map(TableName::to_string);
            let certainty = guess.certainty.name().to_owned();
            (relation, guess.what, guess.value, certainty, guess.reason)
        })
        .collect();
    TableIterator::new(rows)
}

/// `celador.discover_mapping(schemas)`: the mapping that is proposed, as TOML with its reasons.
#[pg_extern]
fn discover_mapping(schemas: Vec<Option<String>>) -> String {
    proposal(schemas).to_toml()
}

fn proposal(schemas: Vec<Option<String>>) -> Proposal {
    let schemas: Vec<String> = schemas.into_iter().flatten().collect();
    let (schema, clues) = spi::connected(|| (one_value(SCHEMA_SQL), one_value(CLUES_SQL)));
    let schema = match Schema::from_json(&schema) {
        Ok(schema) => schema,
        Err(error) => errors::fault(format!("the database's tables can't be read: {error}")),
    };
    let missing = schemas
        .iter()
        .find(|name| !schema.tables.keys().any(|table| table.schema == **name));
    if let Some(name) = missing {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
            format!("schema \"{name}\" has no tables"),
            "Name the schemas in which the CRM keeps its tables: celador.discover('public').",
        );
    }
    if schemas.is_empty() {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "no schema is named",
            "Name the schemas in which the CRM keeps its tables: celador.discover('public').",
        );
    }
    let catalog = match Catalog::from_json(schema.clone(), &clues, &schemas) {
        Ok(catalog) => catalog,
        Err(error) => errors::fault(format!("the catalog's clues can't be read: {error}")),
    };
    propose(&catalog, &mut |question| answers(&schema, question))
}

/// The one value of a statement of Celador's own. Inside [`spi::connected`].
fn one_value(sql: &str) -> String {
    let rows = spi::read(sql, &[], Reads::Latest);
    let value = rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next().flatten());
    value.unwrap_or_default()
}

/// The values of a column, where the caller may read them.
fn answers(schema: &Schema, question: &Question) -> Vec<Answer> {
    let columns = [Some(&question.column), question.label.as_ref()];
    // A type of somebody else's may have a cast that runs their code.
    let built_in = columns.into_iter().flatten().all(|column| {
        let facts = schema
            .tables
            .get(&question.table)
            .and_then(|table| table.columns.get(column));
        facts.is_some_and(|facts| facts.type_name.starts_with("pg_catalog."))
    });
    if !built_in {
        return Vec::new();
    }
    let label = question.label.as_deref().unwrap_or_default();
    let TableName { schema, name } = &question.table;
    let rows = spi::connected(|| {
        let may = spi::read(
            MAY_READ,
            &[schema, name, &question.column, label],
            Reads::Latest,
        );
        if may.is_empty() {
            return Vec::new();
        }
        spi::read(&values_sql(question), &[], Reads::Latest)
    });
    rows.into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            Some(Answer {
                value: row.next()??,
                label: row.next().flatten(),
            })
        })
        .collect()
}

/// The different values among the first rows, in a stable order.
fn values_sql(question: &Question) -> String {
    let column = format!("{}::pg_catalog.text", quote::name(&question.column));
    let value = match &question.separator {
        None => column,
        Some(separator) => {
            let separator = quote::text(separator);
            format!(
                "CASE WHEN pg_catalog.strpos({column}, {separator}) OPERATOR(pg_catalog.>) 0 \
                 THEN pg_catalog.split_part({column}, {separator}, 1) END"
            )
        }
    };
    let label = match &question.label {
        None => "NULL::pg_catalog.text".to_owned(),
        Some(label) => format!("{}::pg_catalog.text", quote::name(label)),
    };
    let table = question.table.sql();
    format!(
        "SELECT s.value, pg_catalog.min(s.label) FROM (SELECT {value} AS value, {label} AS label \
         FROM {table} LIMIT {ROWS}) AS s WHERE s.value IS NOT NULL GROUP BY s.value \
         ORDER BY s.value COLLATE \"C\" LIMIT {VALUES}"
    )
}
