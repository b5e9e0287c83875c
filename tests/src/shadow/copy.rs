//! The shadow of a person: a plain database in which the tables hold what the person may see, and
//! nothing else.
//!
//! Schema `public` has those rows, `hidden` the others, `all_rows` a view of both for each table:
//! whether a row is in reach may depend on rows that aren't. Where a table has fields, `public` has what
//! is shown, and `stored` what is: see [`stored`]. Triggers do as the person's rights.

use std::collections::BTreeMap;

use postgres::{Client, SimpleQueryMessage};

use super::alike::{kind, ruled_kind};
use super::fields::hash_function;
use super::oracle::{Action, Oracle, any, trigger};
use super::schema::{Schema, Table};
use super::stored;
use super::values::{Pool, Rights, Row, Values};
use crate::{Database, cluster, text};

/// A person's shadow.
pub struct Shadow {
    /// A session in it.
    pub client: Client,
    person: String,
    database: Database,
    /// The trigger functions as they are, by table.
    triggers: BTreeMap<String, String>,
}

/// The database role of whoever is nobody: it has no right to anything but open tables.
pub const NOBODY: &str = "shadow_nobody";

/// The plain CRM: files of SQL, in order.
pub fn load_plain(client: &mut Client, files: &[&str]) {
    for file in files {
        client
            .batch_execute(&text(file))
            .unwrap_or_else(|error| panic!("{file}: {error:?}"));
    }
}

fn key_file() -> String {
    let path = cluster().key_file();
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn template(client: &mut Client, load: &dyn Fn(&mut Client), oracle: &dyn Oracle) {
    load(client);
    let schema = Schema::read(client, oracle);
    let mut sql = format!(
        "CREATE SCHEMA hidden; CREATE SCHEMA all_rows; CREATE SCHEMA oracle; CREATE SCHEMA stored;
         {};
         DO $$ BEGIN
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{NOBODY}') THEN CREATE ROLE {NOBODY}; END IF;
         END $$;
         GRANT USAGE ON SCHEMA public TO {NOBODY};
         SET session_replication_role = replica;",
        hash_function(&key_file())
    );
    for table in schema.whole() {
        let name = &table.name;
        let key = table.key.join(", ");
        sql.push_str(&format!(
            "CREATE TABLE hidden.{name} (LIKE public.{name} INCLUDING GENERATED);
             CREATE UNIQUE INDEX ON hidden.{name} ({key});
             {} CREATE VIEW all_rows.{name} AS SELECT * FROM {}.{name} UNION ALL SELECT * FROM hidden.{name};",
            if table.fields.is_empty() { String::new() } else { stored::tables(table) },
            table.place()
        ));
        if oracle.is_open(name) {
            sql.push_str(&format!("GRANT SELECT ON public.{name} TO {NOBODY};"));
        }
    }
    // Every row is hidden until somebody sees it.
    for table in schema.whole() {
        let (name, columns) = (&table.name, table.stored().join(", "));
        sql.push_str(&format!(
            "INSERT INTO hidden.{name} ({columns}) SELECT {columns} FROM public.{name};
             DELETE FROM public.{name};\n"
        ));
    }
    client
        .batch_execute(&sql)
        .unwrap_or_else(|error| panic!("the shadow's schemas can be made: {error:?}"));
    // Small files: the database is copied for each person.
    let names: Vec<String> = schema
        .whole()
        .map(|table| format!("public.{}", table.name))
        .collect();
    client
        .batch_execute(&format!("VACUUM FULL {}", names.join(", ")))
        .expect("the empty tables can be made small");
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
    /// The shadow of a person, with what is in reach in phase 0. `load` makes the plain CRM.
    pub fn new(
        name: &str,
        load: &dyn Fn(&mut Client),
        person: &str,
        oracle: &dyn Oracle,
    ) -> (Self, Schema) {
        let database = Database::from_template(&format!("celador_shadow_{name}"), |client| {
            template(client, load, oracle)
        });
        let mut client = database.superuser();
        client
            .batch_execute("SET timezone = 'UTC'; SET client_min_messages = warning")
            .expect("settings can be set");
        let schema = Schema::read(&mut client, oracle);
        let mut shadow = Self {
            client,
            person: person.to_owned(),
            database,
            triggers: BTreeMap::new(),
        };
        shadow.fill(&schema, oracle, 0, |_| true);
        let triggers: Vec<String> = schema
            .whole()
            .map(|Table { name, fields, .. }| {
                let trigger = |trigger: &str, schema: &str| {
                    format!(
                        "CREATE TRIGGER \"{trigger}\" BEFORE INSERT OR UPDATE OR DELETE ON public.{name}
                         FOR EACH ROW EXECUTE FUNCTION {schema}.{name}();"
                    )
                };
                let rights = trigger("~shadow", "oracle");
                if fields.is_empty() {
                    rights
                } else {
                    rights + &trigger("~stores", "stored")
                }
            })
            .collect();
        shadow.run(&triggers.concat());
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

    /// Moves the rows that come into reach or leave it, and sets the rights of a phase, in some tables.
    pub fn fill(
        &mut self,
        schema: &Schema,
        oracle: &dyn Oracle,
        phase: usize,
        suits: impl Fn(&Table) -> bool,
    ) {
        let tables: Vec<&Table> = schema.whole().filter(|table| suits(table)).collect();
        // What is in reach depends on all rows, which don't change as they move.
        let mut sql = String::from("SET session_replication_role = replica;\n");
        for table in &tables {
            let (name, columns) = (&table.name, table.stored().join(", "));
            let reach = oracle.reach(phase, &self.person, name, Action::Read);
            if !table.fields.is_empty() {
                sql.push_str(&stored::move_rows(table, &reach));
                continue;
            }
            let mut move_rows = |from: &str, to: &str, condition: &str| {
                sql.push_str(&format!(
                    "WITH moved AS (DELETE FROM {from}.{name} r WHERE {condition} RETURNING {columns})
                     INSERT INTO {to}.{name} ({columns}) SELECT {columns} FROM moved;\n"
                ));
            };
            move_rows("public", "hidden", &format!("({reach}) IS NOT TRUE"));
            move_rows("hidden", "public", &reach);
        }
        for table in tables.iter().filter(|table| !table.fields.is_empty()) {
            sql.push_str(&stored::show(
                table,
                &oracle.fields(phase, &self.person, &table.name),
            ));
        }
        sql.push_str("RESET session_replication_role;\n");
        for table in &tables {
            let mut text = trigger(oracle, phase, &self.person, table);
            if !table.fields.is_empty() {
                let fields = oracle.fields(phase, &self.person, &table.name);
                text = format!("{text};\n{}", stored::trigger(table, &fields));
            }
            if self.triggers.get(&table.name) != Some(&text) {
                sql.push_str(&text);
                sql.push_str(";\n");
                self.triggers.insert(table.name.clone(), text);
            }
        }
        self.run(&sql);
    }

    /// Rows to take values from.
    pub fn values(&mut self, schema: &Schema, oracle: &dyn Oracle, phase: usize) -> Values {
        let mut values = Values::default();
        for table in schema.whole() {
            let name = &table.name;
            let holds = |condition: &str| format!("({condition}) IS TRUE");
            let reach = |action| holds(&oracle.reach(phase, &self.person, name, action));
            let given: Vec<String> = oracle
                .assigns(phase, &self.person, name)
                .into_iter()
                .map(|(old, _)| old)
                .collect();
            let rights = [
                reach(Action::Update),
                reach(Action::Delete),
                reach(Action::Claim),
                holds(&any(&given)),
            ];
            let kind = kind(oracle, phase, &self.person, name);
            for mut row in self.rows(table, ("public", &kind), &rights, 80) {
                let rights = row.split_off(row.len() - rights.len());
                let is = |at: usize| rights[at].as_deref() == Some("t");
                let rights = Rights {
                    update: is(0),
                    delete: is(1),
                    claim: is(2),
                    assign: is(3),
                };
                values.put_seen(name, &row, rights);
            }
            if !table.fields.is_empty() {
                for row in self.rows(table, ("stored", &kind), &[], 80) {
                    values.put(Pool::Stored, name, row);
                }
            }
            let ruled = ruled_kind(oracle, name);
            for row in self.rows(table, ("hidden", &ruled), &[], 30) {
                values.put(Pool::Hidden, name, row);
            }
        }
        values
    }

    /// Rows, and what is asked of each: of every kind one, then of every kind another, and so on.
    fn rows(
        &mut self,
        table: &Table,
        (from, kind): (&str, &str),
        asked: &[String],
        most: usize,
    ) -> Vec<Row> {
        let key = table.key.join(", ");
        let columns = table
            .columns
            .iter()
            .map(|column| format!("r.{}", column.name));
        let outputs: Vec<String> = columns.chain(asked.iter().cloned()).collect();
        let sql = format!(
            "SELECT {} FROM (SELECT r.*, row_number() OVER (PARTITION BY {kind} ORDER BY md5(concat({key})), {key}) AS \"~nth\" FROM {from}.{} r) r
             ORDER BY \"~nth\", md5(concat({key})), {key} LIMIT {most}",
            outputs.join(", "),
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
