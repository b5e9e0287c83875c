//! A database for one test: made from a template, dropped afterwards.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, NoTls};
use xtask::cluster::Cluster;

use crate::{cluster, text};

/// A database for one test. Its people are database roles of the cluster, so that tests that
/// create roles must name them apart.
#[derive(Debug)]
pub struct Database {
    cluster: &'static Cluster,
    name: String,
}

/// Templates are made one at a time, and copied while nobody is connected.
static TEMPLATES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static NEXT: AtomicU32 = AtomicU32::new(1);

/// Whether the server's package has a contributed module; a line tells where it hasn't.
pub fn offers(extension: &str) -> bool {
    let there = connect(cluster(), "postgres", "postgres")
        .query_opt(
            "SELECT FROM pg_available_extensions WHERE name = $1",
            &[&extension],
        )
        .unwrap_or_else(|error| panic!("the server is asked: {error:?}"))
        .is_some();
    if !there {
        eprintln!("not tested: the server's package has no {extension}");
    }
    there
}

impl Database {
    /// With the extension and nothing else.
    pub fn empty() -> Self {
        Self::from_template("celador_empty", |client| {
            client
                .batch_execute("CREATE EXTENSION celador")
                .expect("the extension can be created");
        })
    }

    /// With the sample CRM and its data, and no policy.
    pub fn sample() -> Self {
        Self::from_template("celador_sample", |client| {
            client
                .batch_execute("CREATE EXTENSION celador")
                .expect("the extension can be created");
            client
                .batch_execute(&text("sql/crm/schema.sql"))
                .expect("the sample's schema loads");
            client
                .batch_execute(&text("sql/crm/data.sql"))
                .expect("the sample's data loads");
        })
    }

    /// With the sample CRM under one of the presets, for example `s1-matrix`.
    pub fn preset(preset: &str) -> Self {
        let database = Self::sample();
        database.load(&Self::preset_document(preset));
        database
    }

    /// The sample CRM's mapping with a preset.
    pub fn preset_document(preset: &str) -> String {
        format!(
            "{}\n{}",
            text("sql/crm/mapping.toml"),
            text(&format!("sql/presets/{preset}.toml"))
        )
    }

    /// A copy of the template of that name, which `make` fills the first time.
    pub fn from_template(template: &str, make: impl FnOnce(&mut Client)) -> Self {
        let cluster = cluster();
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut made = TEMPLATES
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut server = connect(cluster, "postgres", "postgres");
        if !made.iter().any(|known| known == template) {
            execute(&mut server, &format!("CREATE DATABASE {template}"));
            make(&mut connect(cluster, "postgres", template));
            made.push(template.to_owned());
        }
        execute(
            &mut server,
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        );
        Self { cluster, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A session of the superuser, who is exempt.
    pub fn superuser(&self) -> Client {
        self.login("postgres")
    }

    /// A new session of a database role.
    pub fn login(&self, role: &str) -> Client {
        connect(self.cluster, role, &self.name)
    }

    /// The address for a database role.
    pub fn url(&self, role: &str) -> String {
        self.cluster.url(role, &self.name)
    }

    /// Runs statements as the superuser.
    pub fn run(&self, sql: &str) {
        execute(&mut self.superuser(), sql);
    }

    /// Makes a login, with options as in CREATE ROLE, unless another test of the program has: roles are
    /// the cluster's.
    pub fn ensure_login(&self, name: &str, options: &str) {
        self.run(&format!(
            "DO $$ BEGIN CREATE ROLE {name} LOGIN {options};
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        ));
    }

    /// Whether what `finds` asserts fails in a database in which debug builds of the extension make this
    /// mistake.
    pub fn finds_mistake(&self, mistake: &str, finds: fn(&Self)) -> bool {
        self.run(&format!(
            "ALTER DATABASE {} SET celador.mistake = $${mistake}$$",
            self.name
        ));
        std::panic::catch_unwind(|| finds(self)).is_err()
    }

    /// Loads a policy document.
    pub fn load(&self, document: &str) {
        self.superuser()
            .query("SELECT celador.load_policy($1)", &[&document])
            .unwrap_or_else(|error| panic!("the policy loads: {error:?}"));
    }

    /// Grants what an application's people have on every table.
    pub fn grant_all(&self, schema: &str, role: &str) {
        self.run(&format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
        ));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let mut server = connect(self.cluster, "postgres", "postgres");
            execute(
                &mut server,
                &format!("DROP DATABASE {} WITH (FORCE)", self.name),
            );
        }
    }
}

fn connect(cluster: &Cluster, role: &str, database: &str) -> Client {
    Client::connect(&cluster.url(role, database), NoTls)
        .unwrap_or_else(|error| panic!("{role} can't connect to {database}: {error:?}"))
}

#[track_caller]
fn execute(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}
