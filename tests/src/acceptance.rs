//! Somebody else's CRMs: schema, data and recorded statements from outside the repository, with a
//! mapping, people and expectations of ours in `tests/crm/`.

mod expectation;
mod masked;
mod replay;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use postgres::Client;

use crate::{Database, cluster, file, text};

/// A CRM of the acceptance folder.
#[derive(Debug)]
pub struct Crm {
    name: &'static str,
    folder: PathBuf,
    people: BTreeMap<String, Person>,
    tables: toml::Table,
    recorded: toml::Table,
}

/// A person of `people.toml`.
#[derive(Debug)]
pub struct Person {
    name: String,
    role: String,
    acts: bool,
    values: BTreeMap<String, String>,
}

impl Crm {
    /// The CRM, or nothing where the acceptance folder isn't there: then this says so.
    pub fn find(name: &'static str) -> Option<Self> {
        let folder = xtask::workspace()
            .join("../shared/acceptance/crm")
            .join(name);
        if !folder.join("schema.sql").exists() {
            // Not eprintln: the test harness would keep it to itself.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: there is no {}",
                folder.display()
            );
            return None;
        }
        let mut document: toml::Table = text(&format!("tests/crm/{name}/people.toml"))
            .parse()
            .expect("people.toml is TOML");
        let tables = take_table(&mut document, "tables");
        let recorded = take_table(&mut document, "recorded");
        let people = take_table(&mut document, "people");
        let people = people.into_iter().map(|(name, values)| {
            let person = Person::new(
                &name,
                values.try_into().expect("a person's values are texts"),
            );
            (name, person)
        });
        Some(Self {
            name,
            folder,
            people: people.collect(),
            tables,
            recorded,
        })
    }

    /// A database with the CRM as it was found and its people, and no policy.
    pub fn unprotected(&self) -> Database {
        let template = format!("celador_{}", self.name);
        Database::from_template(&template, |client| {
            self.load(client, &format!("tests/crm/{}/people.sql", self.name));
        })
    }

    /// Puts the CRM as it was found, Celador and people into an empty database. `people` is a file of
    /// SQL, by its path from the repository's root.
    pub fn load(&self, client: &mut Client, people: &str) {
        let database: String = client
            .query_one("SELECT current_database()::text", &[])
            .expect("a database has a name")
            .get(0);
        let script = |path: PathBuf| {
            let loaded = cluster().psql_file(&database, &path);
            loaded.unwrap_or_else(|error| panic!("{database}: {error:#}"));
        };
        script(self.folder.join("schema.sql"));
        script(self.folder.join("data.sql.gz"));
        client
            .batch_execute("CREATE EXTENSION celador")
            .expect("the extension can be created");
        script(file(people));
    }

    /// The same, under one of the presets, for example `s1-matrix`.
    pub fn preset(&self, preset: &str) -> Database {
        let database = self.unprotected();
        database.load(&self.document(preset));
        database
    }

    /// The mapping with a preset.
    pub fn document(&self, preset: &str) -> String {
        let mapping = text(&format!("tests/crm/{}.toml", self.name));
        format!("{mapping}\n{}", text(&format!("sql/presets/{preset}.toml")))
    }

    /// The modules of the mapping, with their tables.
    pub fn modules(&self) -> BTreeMap<String, Vec<String>> {
        let mut document: toml::Table = text(&format!("tests/crm/{}.toml", self.name))
            .parse()
            .expect("the mapping is TOML");
        let mut mapping = take_table(&mut document, "mapping");
        let modules = take_table(&mut mapping, "modules");
        let tables = |module: &toml::Value| {
            let tables = module.get("table").or_else(|| module.get("tables"));
            match tables {
                Some(toml::Value::Array(tables)) => tables
                    .iter()
                    .filter_map(|table| table.as_str().map(str::to_owned))
                    .collect(),
                Some(table) => table.as_str().map(str::to_owned).into_iter().collect(),
                None => Vec::new(),
            }
        };
        modules
            .iter()
            .map(|(name, module)| (name.clone(), tables(module)))
            .collect()
    }

    /// The people.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// The person of that name.
    pub fn person(&self, name: &str) -> &Person {
        self.people
            .get(name)
            .unwrap_or_else(|| panic!("people.toml has no {name}"))
    }
}

impl Person {
    fn new(name: &str, mut values: BTreeMap<String, String>) -> Self {
        let role = values.remove("role").expect("a person has a role");
        let acts = values.remove("acts").is_some_and(|acts| acts == "yes");
        Self {
            name: name.to_owned(),
            role,
            acts,
            values,
        }
    }

    /// The name in `people.toml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One of the values in `people.toml`.
    pub fn value(&self, name: &str) -> &str {
        self.values
            .get(name)
            .unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    /// A session of this person, in the organization that is given in `people.toml`, if any.
    pub fn session(&self, database: &Database) -> Client {
        let mut client = database.login(&self.role);
        if self.acts {
            client
                .execute("SELECT celador.act_as($1)", &[&self.value("me")])
                .expect("the application may act");
        }
        if let Some(organization) = self.values.get("organization") {
            choose_organization(&mut client, organization);
        }
        client
    }
}

/// What BottleCRM does at the start of each request.
pub fn choose_organization(client: &mut Client, organization: &str) {
    client
        .execute(
            "SELECT pg_catalog.set_config('app.current_org', $1, false)",
            &[&organization],
        )
        .expect("an organization can be chosen");
}

fn take_table(document: &mut toml::Table, key: &str) -> toml::Table {
    match document.remove(key) {
        Some(toml::Value::Table(table)) => table,
        other => panic!("[{key}] should be a table, not {other:?}"),
    }
}

/// Reads a data file of this CRM's directory.
fn data(crm: &Crm, name: &str) -> toml::Table {
    let path = format!("tests/crm/{}/{name}.toml", crm.name);
    assert!(file(&path).exists(), "{path} is missing");
    text(&path)
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}
