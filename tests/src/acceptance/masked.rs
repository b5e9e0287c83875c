//! A CRM in which every column is masked that can be.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;

use super::Crm;
use crate::{Database, failure};

impl Crm {
    /// With every column masked that can be: what is saved as it was shown leaves what is stored, and every
    /// recorded statement is sent as everybody, as in `assert_replays`.
    pub fn assert_replays_masked(&self, preset: &str, organizations: &[(&str, &str)]) {
        let database = self.unprotected();
        let masked = self.load_masked(&database, preset);
        println!("{masked} columns are masked");
        assert!(masked > 100);
        self.assert_saving_keeps_what_is_stored(&database);
        self.assert_replays_on(&database, preset, organizations);
    }

    /// Loads the preset with a field for each column of the modules that can be masked, and returns how
    /// many there are. Administrators see and write everything; all others see the least, and write
    /// every field.
    fn load_masked(&self, database: &Database, preset: &str) -> usize {
        let document = self.document(preset);
        let mut fields = self.maskable(database);
        let roles: Vec<&str> = document
            .lines()
            .filter_map(|line| line.strip_prefix("[roles.")?.strip_suffix(']'))
            .filter(|role| !document.contains(&format!("[permissions.{role}]\n\"*\"")))
            .collect();
        for _ in 0..20 {
            let mut text = document.clone();
            for ((module, column), renderings) in &fields {
                text.push_str(&format!(
                    "[fields.{module}.\"{column}\"]\nrenderings = {renderings}\n"
                ));
            }
            for role in &roles {
                text.push_str(&format!(
                    "[permissions.{role}.\"*\".fields.\"*\"]\nwrite = [\"all\"]\n"
                ));
            }
            let mut client = database.superuser();
            let Err(refused) = client.query("SELECT celador.load_policy($1)", &[&text]) else {
                return fields.len();
            };
            let problems = failure::<()>(Err(refused));
            let problems = format!("{}\n{}", problems.message, problems.detail);
            let named = |module: &str, column: &str| {
                let path = [
                    format!("fields.{module}.{column}"),
                    format!("fields.{module}.\"{column}\""),
                ];
                problems.lines().any(|line| {
                    path.iter().any(|path| {
                        line.split_once(path.as_str()).is_some_and(|(_, rest)| {
                            !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                        })
                    })
                })
            };
            let before = fields.len();
            fields.retain(|(module, column), _| !named(module, column));
            assert!(fields.len() < before, "{problems}");
        }
        panic!("the policy is refused again and again");
    }

    /// Everybody saves the rows in reach as they are shown, every column of them as text: nothing that is
    /// stored changes, and most that may be changed are saved.
    fn assert_saving_keeps_what_is_stored(&self, database: &Database) {
        let mut superuser = database.superuser();
        let (mut saved, mut refused, mut reasons) = (0, 0, BTreeSet::new());
        for table in self.modules().into_values().flatten() {
            let before = content(&mut superuser, &table);
            let columns: String = superuser
                .query_one(
                    "SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute AS a
                     WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
                       AND a.attgenerated = '' AND a.attidentity <> 'a'",
                    &[&format!("\"{table}\"")],
                )
                .expect("the catalog can be read")
                .get(0);
            if !columns.split(", ").any(|column| column == "id") {
                continue;
            }
            for person in self.people() {
                let mut session = person.session(database);
                for (id, values) in shown(&mut session, &table, &columns) {
                    let update = format!(
                        "UPDATE \"{table}\" SET ({columns}) = ROW({values}) WHERE id = {id}"
                    );
                    match session.execute(&update, &[]) {
                        Ok(rows) => saved += rows,
                        Err(error) => {
                            let code = error.code().map_or("", |code| code.code());
                            assert_eq!(code, "42501", "{}: {update}: {error:?}", person.name());
                            reasons.extend(error.as_db_error().map(ToString::to_string));
                            refused += 1;
                        }
                    }
                }
                let after = content(&mut superuser, &table);
                assert_eq!(after, before, "{} saved {table}", person.name());
            }
        }
        println!("{saved} rows are saved, {refused} are refused: {reasons:#?}");
        assert!(!reasons.iter().any(|reason| reason.contains("write field")));
        assert!(saved > 100 && refused * 4 < saved, "{saved} and {refused}");
    }

    /// Every column of the modules' tables, with the renderings of its type (of the first table's).
    fn maskable(&self, database: &Database) -> BTreeMap<(String, String), String> {
        let mut client = database.superuser();
        let mut fields = BTreeMap::new();
        for (module, tables) in self.modules() {
            for table in tables {
                let table = table.rsplit('.').next().unwrap_or(&table).to_owned();
                let columns = client.query(
                    "SELECT a.attname::text, t.typname::text FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
                     JOIN pg_type AS t ON t.oid = a.atttypid
                     WHERE c.relname = $1 AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped",
                    &[&table],
                );
                for column in columns.expect("the catalog can be read") {
                    let (name, type_name): (String, String) = (column.get(0), column.get(1));
                    let least = match type_name.as_str() {
                        "text" | "varchar" => "partial(0,2)",
                        "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" => "round(10)",
                        "date" | "timestamp" | "timestamptz" => "year",
                        _ => "null",
                    };
                    fields
                        .entry((module.clone(), name))
                        .or_insert(format!("[\"clear\", \"{least}\"]"));
                }
            }
        }
        fields
    }
}

/// Some rows that the session reads: key, and every column as a literal.
fn shown(session: &mut Client, table: &str, columns: &str) -> Vec<(String, String)> {
    let literals: Vec<String> = columns
        .split(", ")
        .map(|column| format!("quote_nullable({column}::text)"))
        .collect();
    let sql = format!(
        "SELECT quote_literal(id::text), concat_ws(', ', {}) FROM \"{table}\" ORDER BY id LIMIT 12",
        literals.join(", ")
    );
    let rows = session.query(&sql, &[]).unwrap_or_default();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// What a table holds.
fn content(superuser: &mut Client, table: &str) -> Option<String> {
    let sql =
        format!("SELECT md5(string_agg(t::text, '/' ORDER BY t::text)) FROM \"{table}\" AS t");
    let row = superuser.query_one(&sql, &[]).expect("a table can be read");
    row.get(0)
}
