//! Why somebody doesn't see a record.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use postgres::Client;

use crate::crm::{HiddenRow, Person, Query};
use crate::demo::{WIDTH, told};
use crate::table::{Block, NARROW, side_by_side};

/// Protected tables whose key is one column, with a query for some keys and one that tells which of
/// given keys are seen. Tables that the given text names come first.
const TABLES: &str = "
SELECT c.oid::regclass::text,
  format('SELECT %1$I::text FROM %2$s ORDER BY %1$I LIMIT 500', a.attname, c.oid::regclass),
  format('SELECT %1$I::text FROM %2$s WHERE %1$I::text = ANY ($1)', a.attname, c.oid::regclass)
FROM pg_class c
JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE EXISTS (SELECT FROM pg_policy p
              WHERE p.polrelid = c.oid AND p.polname LIKE 'celador\\_%')
ORDER BY NULLIF(strpos($1, c.relname), 0), c.oid::regclass::text";

/// Finds a record that one of the people reads and another one doesn't, who sees others in its
/// table if there is such a one.
pub(crate) fn find(
    queries: &[Query],
    admin: &mut Client,
    sessions: &mut [(&Person, Client)],
) -> Result<Option<HiddenRow>> {
    let text: Vec<&str> = queries.iter().map(|query| query.sql.as_str()).collect();
    let tables = admin
        .query(TABLES, &[&text.join("\n")])
        .map_err(told)
        .context("the protected tables can't be listed")?;
    for fewest in [1, 0] {
        for table in &tables {
            let (name, some, seen): (String, String, String) =
                (table.get(0), table.get(1), table.get(2));
            for at in 0..sessions.len() {
                // Whoever may not ask at all sees nothing.
                let Ok(rows) = sessions[at].1.query(&some, &[]) else {
                    continue;
                };
                let keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
                for (person, (_, client)) in sessions.iter_mut().enumerate() {
                    let Ok(rows) = client.query(&seen, &[&keys]) else {
                        continue;
                    };
                    let seen: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
                    let hidden = keys.iter().find(|key| !seen.contains(*key));
                    if let Some(record) = hidden.filter(|_| seen.len() >= fewest) {
                        return Ok(Some(HiddenRow {
                            person,
                            table: name,
                            record: record.clone(),
                            action: "read".to_owned(),
                        }));
                    }
                }
            }
        }
    }
    Ok(None)
}

/// Shows why somebody may not do something with a record.
pub(crate) fn explain(
    hidden: &HiddenRow,
    admin: &mut Client,
    sessions: &mut [(&Person, Client)],
) -> Result<()> {
    let HiddenRow {
        person,
        table,
        record,
        action,
    } = hidden;
    let (person, client) = &mut sessions[*person];
    let title = person.title();
    let who = client
        .query_one("SELECT \"user\", reason FROM celador.whoami()", &[])
        .map_err(told)?;
    let Some(user) = who.get::<_, Option<String>>(0) else {
        let reason: Option<String> = who.get(1);
        bail!("{title} is nobody: {}", reason.unwrap_or_default());
    };
    println!("■ Why can't this person {action} record {record} of {table}?\n");
    let rows = admin
        .query(
            "SELECT kind, name, result, source \
             FROM celador.explain_access($1::text::regclass, $2, $3, $4)",
            &[table, record, &user, action],
        )
        .map_err(told)
        .context("demo/hidden-row can't be explained")?;
    let columns = ["kind", "name", "result", "source"].map(str::to_owned);
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let cell = |at| row.get::<_, Option<String>>(at).unwrap_or_default();
            (0..columns.len()).map(cell).collect()
        })
        .collect();
    let block = Block::table(&title, &columns, &rows, 2 * NARROW);
    print!("{}", side_by_side(&[block], WIDTH));
    let some = |kind, result| rows.iter().any(|row| row[0] == kind && row[2] == result);
    if some("scope", "true") && !some("restriction", "false") {
        println!("In fact that is allowed: choose another record in demo/hidden-row.\n");
    }
    Ok(())
}
