//! Children of children: each row follows the row above it, up to the record.

use celador_policy::policy_set::{CellRef, Column, Placement, RowFilter};
use celador_policy::row_policy::followed::{Key, keyed};
use celador_policy::{TableName, quote};
use pgrx::prelude::*;

use crate::probe::{asked, fetch, in_reach, reaches_all};
use crate::session::{self, Person, person};
use crate::spi::Reads;

/// What hangs on a row of the child `table` follows the record that this row follows.
#[pg_extern]
fn child_in_reach(
    schema: Option<&str>,
    table: Option<&str>,
    cell: Option<&str>,
    row: Option<&str>,
) -> bool {
    let (Some(schema), Some(table), Some(cell)) = (schema, table, cell) else {
        return false;
    };
    let person = person();
    let cell = asked(cell);
    let table = TableName::new(schema, table);
    let policy = person.policy();
    let Some(placement) = policy.tables.get(&table) else {
        return false;
    };
    let places = children(placement);
    // Who reaches every record that rows of the child may hang on reaches what hangs on nothing.
    let all = places.iter().all(|child| {
        let cell = policy.writing_cell(child.module, &cell);
        reaches_all(&person, child.module, &cell)
    });
    (!places.is_empty() && all) || row.is_some_and(|row| follows(&person, &table, &cell, row))
}

/// A place of a child's rows.
struct Child<'a> {
    rows: Option<&'a RowFilter>,
    module: &'a str,
    column: &'a Column,
    above: Option<&'a TableName>,
    key: Option<&'a Column>,
}

fn children(placement: &Placement) -> Vec<Child<'_>> {
    let places = placement.places().into_iter();
    places
        .filter_map(|(rows, place)| match place {
            Placement::Child {
                module,
                column,
                above,
                key,
            } => Some(Child {
                rows,
                module,
                column,
                above: above.as_ref(),
                key: key.as_ref(),
            }),
            Placement::Module(_)
            | Placement::Link { .. }
            | Placement::Parts(_)
            | Placement::Readable
            | Placement::Open
            | Placement::Closed => None,
        })
        .collect()
}

/// Such a row is there, and it hangs on a record in reach, wherever it belongs.
fn follows(person: &Person, table: &TableName, cell: &CellRef, row: &str) -> bool {
    let Some(placement) = person.policy().tables.get(table) else {
        return false;
    };
    let name = table.sql();
    let mut found = Vec::new();
    for (at, child) in children(placement).into_iter().enumerate() {
        let Some(key) = child.key else { return false };
        if !session::can_be(row, &key.type_name) {
            return false;
        }
        let question = person.catalog.questions(&name, &format!("above {at}"), || {
            let mut conditions = vec![keyed(key, Key::Text)];
            conditions.extend(child.rows.map(|rows| rows.sql("r.")));
            vec![format!(
                "SELECT CAST(r.{} AS pg_catalog.text) FROM {name} AS r WHERE {}",
                quote::name(&child.column.name),
                conditions.join(" AND ")
            )]
        });
        let above = question
            .iter()
            .flat_map(|sql| fetch(&person.catalog, table, sql, &[row], Reads::Statement))
            .map(|found| found.into_iter().next().flatten());
        found.extend(above.map(|above| match (above, child.above) {
            (None, _) => false,
            (Some(record), None) => in_reach(person, child.module, cell, &record),
            (Some(row), Some(above)) => follows(person, above, cell, &row),
        }));
    }
    // Where the key isn't unique, everything that it names must be in reach.
    !found.is_empty() && found.into_iter().all(|in_reach| in_reach)
}
