//! The shadow of a person: a plain database in which the tables hold what the person may see, and
//! nothing else.
//!
//! Schema `public` has those rows, `hidden` the others, `all_rows` a view of both for each table:
//! whether a row is in reach may depend on rows that aren't. Triggers do as the person's rights.

use postgres::{Client, SimpleQueryMessage};

use super::oracle::{Action, Oracle, trigger};
use super::schema::{Schema, Table};
use super::values::{Row, Values};
use crate::{Database, text};

/// A person's shadow.
pub struct Shadow {
    /// A session in it.
    pub client: Client,
    person: &'static str,
    database: Database,
}

/// The plain CRM: files of SQL, in order.
pub fn load_plain(client: &mut Client, files: &[&str]) {
    for file in files {
        client
            .batch_execute(&text(file))
            .unwrap_or_else(|error| panic!("{file}: {error:?}"));
    }
}

fn template(client: &mut Client, files: &[&str]) {
    load_plain(client, files);
    let schema = Schema::read(client);
    let mut sql = String::from(
        "CREATE SCHEMA hidden; CREATE SCHEMA seen; CREATE SCHEMA all_rows; CREATE SCHEMA oracle;
         SET session_replication_role = replica;",
    );
    for table in schema.whole() {
        let name = &table.name;
        let key = table.key.join(", ");
        sql.push_str(&format!(
            "CREATE TABLE hidden.{name} (LIKE public.{name} INCLUDING GENERATED);
             CREATE UNIQUE INDEX ON hidden.{name} ({key});
             CREATE TABLE seen.{name} (LIKE public.{name} INCLUDING GENERATED);
             CREATE VIEW all_rows.{name} AS SELECT * FROM public.{name} UNION ALL SELECT * FROM hidden.{name};"
        ));
    }
    client
        .batch_execute(&sql)
        .expect("the shadow's schemas can be made");
    client
        .batch_execute(&hide_all(&schema))
        .expect("the shadow's rows can be moved");
    // Small files: the database is copied for each person.
    let names: Vec<String> = schema
        .whole()
        .map(|table| format!("public.{}", table.name))
        .collect();
    client
        .batch_execute(&format!("TRUNCATE {}", names.join(", ")))
        .expect("the tables can be emptied");
}

/// Puts every row among the hidden ones.
fn hide_all(schema: &Schema) -> String {
    let mut sql = String::new();
    for table in schema.whole() {
        let (name, columns) = (&table.name, table.stored().join(", "));
        sql.push_str(&format!(
            "INSERT INTO hidden.{name} ({columns}) SELECT {columns} FROM public.{name};\n"
        ));
    }
    for table in schema.whole() {
        sql.push_str(&format!("DELETE FROM public.{};\n", table.name));
    }
    sql
}

impl std::fmt::Debug for Shadow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shadow")
            .field("person", &self.person)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Shadow {
    /// The shadow of a person, with what is in reach in phase 0.
    pub fn new(
        name: &str,
        files: &[&str],
        person: &'static str,
        oracle: &dyn Oracle,
    ) -> (Self, Schema) {
        let database = Database::from_template(&format!("celador_shadow_{name}"), |client| {
            template(client, files)
        });
        let mut client = database.superuser();
        client
            .batch_execute("SET timezone = 'UTC'; SET client_min_messages = warning")
            .expect("settings can be set");
        let schema = Schema::read(&mut client);
        let mut shadow = Self {
            client,
            person,
            database,
        };
        shadow.fill(&schema, oracle, 0);
        for table in schema.whole() {
            let name = &table.name;
            let sql = format!(
                "CREATE TRIGGER \"~shadow\" BEFORE INSERT OR UPDATE OR DELETE ON public.{name}
                 FOR EACH ROW EXECUTE FUNCTION oracle.{name}()"
            );
            shadow.run(&sql);
        }
        (shadow, schema)
    }

    /// Runs the shadow's own statements.
    pub fn run(&mut self, sql: &str) {
        self.client.batch_execute(sql).unwrap_or_else(|error| {
            panic!(
                "the shadow of {} in {}: {error:?}\n{}",
                self.person,
                self.database.name(),
                sql.get(..2000).unwrap_or(sql)
            )
        });
    }

    /// Sorts the rows anew into those in reach and the others, and sets the rights of a phase.
    pub fn fill(&mut self, schema: &Schema, oracle: &dyn Oracle, phase: usize) {
        let mut sql = String::from("SET session_replication_role = replica;\n");
        sql.push_str(&hide_all(schema));
        for table in schema.whole() {
            let (name, columns) = (&table.name, table.stored().join(", "));
            let reach = oracle.reach(phase, self.person, name, Action::Read);
            sql.push_str(&format!(
                "INSERT INTO seen.{name} ({columns}) SELECT {columns} FROM all_rows.{name} r WHERE {reach};\n"
            ));
        }
        for table in schema.whole() {
            let (name, columns) = (&table.name, table.stored().join(", "));
            let same: Vec<String> = table
                .key
                .iter()
                .map(|key| format!("h.{key} = s.{key}"))
                .collect();
            sql.push_str(&format!(
                "INSERT INTO public.{name} ({columns}) SELECT {columns} FROM seen.{name};
                 DELETE FROM hidden.{name} h USING seen.{name} s WHERE {};
                 DELETE FROM seen.{name};\n",
                same.join(" AND ")
            ));
        }
        sql.push_str("RESET session_replication_role;\n");
        for table in schema.whole() {
            sql.push_str(&trigger(
                oracle,
                phase,
                self.person,
                &table.name,
                &table.stored(),
            ));
            sql.push_str(";\n");
        }
        self.run(&sql);
    }

    /// Rows to take values from.
    pub fn values(&mut self, schema: &Schema) -> Values {
        let mut values = Values::default();
        for table in schema.whole() {
            values
                .visible
                .insert(table.name.clone(), self.rows(table, "public", 80));
            values
                .hidden
                .insert(table.name.clone(), self.rows(table, "hidden", 30));
        }
        values
    }

    fn rows(&mut self, table: &Table, from: &str, most: usize) -> Vec<Row> {
        let key = table.key.join(", ");
        let columns: Vec<&str> = table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let sql = format!(
            "SELECT {} FROM {from}.{} ORDER BY md5(concat({key})), {key} LIMIT {most}",
            columns.join(", "),
            table.name
        );
        self.client
            .simple_query(&sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
            .into_iter()
            .filter_map(|message| {
                let SimpleQueryMessage::Row(row) = message else {
                    return None;
                };
                Some(
                    (0..row.len())
                        .map(|at| row.get(at).map(str::to_owned))
                        .collect(),
                )
            })
            .collect()
    }
}

/// What there is to see of some tables, as one statement: a name, a number of rows and a sum of
/// hashes each. On the shadow, `reach` narrows all rows to those in reach.
pub fn state(tables: &[String], source: impl Fn(&str) -> String) -> String {
    tables
        .iter()
        .map(|table| {
            format!(
                "SELECT '{table}', count(*), sum(('x' || substr(md5(r::text), 1, 12))::bit(48)::bigint) FROM {}",
                source(table)
            )
        })
        .collect::<Vec<_>>()
        .join(" UNION ALL ")
}
