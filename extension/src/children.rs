//! Children of children: each row follows the row above it, up to the record.

use celador_policy::policy_set::{CellRef, Placement};
use celador_policy::{TableName, quote};
use pgrx::prelude::*;

use crate::probe::{asked, fetch, in_reach, keyed, reaches_all};
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
    let Some(Placement::Child { module, .. }) = person.policy().tables.get(&table) else {
        return false;
    };
    reaches_all(&person, module, &cell)
        || row.is_some_and(|row| follows(&person, &table, &cell, row))
}

/// Such a row is there, and it hangs on a record in reach.
fn follows(person: &Person, table: &TableName, cell: &CellRef, row: &str) -> bool {
    let Some(Placement::Child {
        module,
        column,
        above,
        key: Some(key),
    }) = person.policy().tables.get(table)
    else {
        return false;
    };
    if !session::can_be(row, &key.type_name) {
        return false;
    }
    let name = table.sql();
    let question = person.catalog.questions(&name, "above", || {
        vec![format!(
            "SELECT CAST(r.{} AS pg_catalog.text) FROM {name} AS r WHERE {}",
            quote::name(&column.name),
            keyed(key)
        )]
    });
    let found: Vec<Option<String>> = question
        .iter()
        .flat_map(|sql| fetch(person, table, sql, &[row], Reads::Statement))
        .map(|found| found.into_iter().next().flatten())
        .collect();
    // Where the key isn't unique, everything that it names must be in reach.
    !found.is_empty()
        && found.iter().all(|found| {
            found.as_ref().is_some_and(|found| match above {
                None => in_reach(person, module, cell, found),
                Some(above) => follows(person, above, cell, found),
            })
        })
}
