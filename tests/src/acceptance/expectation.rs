//! What people should see, as WHERE clauses written by hand, and what they do see.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;
use postgres::error::SqlState;

use super::{Crm, Person, data};
use crate::Database;

/// The rows of each table, by their place in it.
type Seen = BTreeMap<String, BTreeSet<String>>;

impl Crm {
    /// Loads the preset and compares what everybody sees in every table with the clauses in
    /// `PRESET.toml`. At least 15 modules show rows to somebody, and at least five people differ.
    pub fn assert_preset(&self, preset: &str) {
        let database = self.preset(preset);
        let seen = self.assert_rows(&database, preset);
        let shown = |table: &String| {
            seen.values()
                .any(|rows| rows.get(table).is_some_and(|rows| !rows.is_empty()))
        };
        let modules = self.modules();
        let modules: Vec<&String> = modules
            .iter()
            .filter(|(_, tables)| tables.iter().any(shown))
            .map(|(name, _)| name)
            .collect();
        assert!(modules.len() >= 15, "{modules:?}");
        let different: BTreeSet<&Seen> = seen.values().collect();
        assert!(
            different.len() >= 5,
            "only {} people see different rows",
            different.len()
        );
    }

    fn assert_rows(&self, database: &Database, preset: &str) -> BTreeMap<String, Seen> {
        let expected = data(self, preset);
        let mut superuser = database.superuser();
        let tables = tables(&mut superuser);
        let mut differences = Vec::new();
        let mut everybody = BTreeMap::new();
        for person in self.people() {
            let clauses = self.clauses(&expected, person);
            for table in clauses
                .keys()
                .filter(|table| *table != "*" && !tables.contains_key(*table))
            {
                differences.push(format!("{}: there is no table {table}", person.name()));
            }
            let mut session = person.session(database);
            let mut seen = Seen::new();
            for (table, organized) in &tables {
                let mut clause = self.clause(&clauses, table);
                if *organized {
                    clause = format!("({clause}) AND ({})", person.fill(self.own_policy()));
                }
                let should = rows(&mut superuser, table, &clause).unwrap_or_else(|error| {
                    panic!("{}: {table}: {clause}: {error}", person.name())
                });
                let does = match rows(&mut session, table, "true") {
                    Ok(rows) => rows,
                    // An open table that the database's own grants close.
                    Err(error)
                        if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
                            && self.is(table, "open") =>
                    {
                        continue;
                    }
                    Err(error) => panic!("{}: {table}: {error:?}", person.name()),
                };
                if does != should {
                    differences.push(format!(
                        "{} in {table}: {} rows too many {:?}, {} missing {:?} of WHERE {clause}",
                        person.name(),
                        does.difference(&should).count(),
                        does.difference(&should).take(3).collect::<Vec<_>>(),
                        should.difference(&does).count(),
                        should.difference(&does).take(3).collect::<Vec<_>>(),
                    ));
                }
                seen.insert(table.clone(), does);
            }
            everybody.insert(person.name().to_owned(), seen);
        }
        assert!(
            differences.is_empty(),
            "{preset}: {} differences\n{}",
            differences.len(),
            differences.join("\n")
        );
        everybody
    }

    fn clauses(&self, expected: &toml::Table, person: &Person) -> BTreeMap<String, String> {
        let Some(clauses) = expected.get(person.name()) else {
            return BTreeMap::new();
        };
        let clauses: BTreeMap<String, String> =
            clauses.clone().try_into().expect("clauses are texts");
        clauses
            .into_iter()
            .map(|(table, clause)| (table, person.fill(&clause)))
            .collect()
    }

    /// The clause for a table: its own, that of what it hangs on, or that for every table.
    fn clause(&self, clauses: &BTreeMap<String, String>, table: &str) -> String {
        if self.is(table, "open") {
            return "true".to_owned();
        }
        if self.is(table, "closed") {
            return "false".to_owned();
        }
        if let Some(clause) = clauses.get(table) {
            return self.with_rows(clauses, clause);
        }
        if let Some(everything) = clauses.get("*") {
            return everything.clone();
        }
        let hangs_on = self
            .tables
            .get("hangs_on")
            .and_then(|all| all.get(table))
            .and_then(toml::Value::as_array);
        match hangs_on.map(Vec::as_slice) {
            Some([toml::Value::String(column), toml::Value::String(other)]) => {
                format!(
                    "\"{column}\" IN (SELECT id FROM \"{other}\" WHERE {})",
                    self.clause(clauses, other)
                )
            }
            _ => "false".to_owned(),
        }
    }

    /// Replaces `@rows(TABLE)` by the keys of the rows that the same person sees there.
    fn with_rows(&self, clauses: &BTreeMap<String, String>, clause: &str) -> String {
        let Some((head, rest)) = clause.split_once("@rows(") else {
            return clause.to_owned();
        };
        let (table, tail) = rest.split_once(')').expect("@rows( is closed");
        let rows = format!(
            "SELECT id FROM \"{table}\" WHERE {}",
            self.clause(clauses, table)
        );
        format!("{head}{rows}{}", self.with_rows(clauses, tail))
    }

    /// What the CRM's own policies demand.
    fn own_policy(&self) -> &str {
        self.tables
            .get("own_policy")
            .and_then(toml::Value::as_str)
            .expect("people.toml says what the CRM's policies demand")
    }

    /// Whether people.toml lists the table as open or closed.
    fn is(&self, table: &str, what: &str) -> bool {
        let patterns = self.tables.get(what).and_then(toml::Value::as_array);
        patterns
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str)
            .any(|pattern| like(pattern, table))
    }
}

impl Person {
    fn fill(&self, clause: &str) -> String {
        self.values
            .iter()
            .fold(clause.to_owned(), |clause, (name, value)| {
                clause.replace(&format!("@{name}"), value)
            })
    }
}

/// Whether a name matches a pattern with one `*` at its end, or is it.
fn like(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |head| name.starts_with(head))
}

/// The tables of the CRM, and whether the CRM has policies of its own on them.
fn tables(superuser: &mut Client) -> BTreeMap<String, bool> {
    let tables = superuser
        .query(
            r"SELECT c.relname::text, EXISTS (SELECT FROM pg_policy AS p
                WHERE p.polrelid = c.oid AND p.polname NOT LIKE 'celador\_%')
              FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'",
            &[],
        )
        .expect("the catalog can be read");
    tables.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn rows(
    client: &mut Client,
    table: &str,
    clause: &str,
) -> Result<BTreeSet<String>, postgres::Error> {
    let sql = format!("SELECT ctid::text FROM public.\"{table}\" WHERE {clause}");
    Ok(client
        .query(&sql, &[])?
        .iter()
        .map(|row| row.get(0))
        .collect())
}
