//! A cluster of its own with the data twice: once under Celador, once under peers' policies.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use celador_identity::KeyRing;
use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options, Preload};
use xtask::postgres::Install;

use crate::backend::Backend;
use crate::peers::{self, Peer};
use crate::people::{Division, Staff};

/// The database under Celador.
pub(crate) const CELADOR: &str = "bench_celador";
/// The same without: for what is written by hand, and for peers.
const PLAIN: &str = "bench_plain";

/// How large the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Contacts.
    pub(crate) rows: i32,
    /// People and groups.
    pub(crate) staff: Staff,
}

/// The cluster, with the data in it.
pub(crate) struct Databases {
    cluster: Cluster,
    keys: KeyRing,
}

impl Databases {
    /// Starts a cluster and fills it, or starts the one in the directory again.
    pub(crate) fn set_up(install: &Install, size: Size, dir: Option<PathBuf>) -> Result<Self> {
        let memory = memory()?;
        let buffers = (i64::from(size.rows) * 4 / 1024 + 128).min(memory * 2 / 5);
        let settings = [
            ("shared_buffers", format!("{buffers}MB")),
            ("work_mem", "64MB".to_owned()),
            ("jit", "off".to_owned()),
            ("max_parallel_workers_per_gather", "0".to_owned()),
            ("max_connections", "400".to_owned()),
            ("max_wal_size", "16GB".to_owned()),
            ("synchronous_commit", "off".to_owned()),
            ("full_page_writes", "off".to_owned()),
            ("wal_level", "minimal".to_owned()),
            ("max_wal_senders", "0".to_owned()),
        ];
        let options = Options {
            preload: Preload::Nothing,
            dir,
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            ..Options::default()
        };
        let cluster = Cluster::start(install, options)?;
        let keys = fs::read_to_string(cluster.key_file())
            .map(|text| KeyRing::parse(&text))
            .context("the key file can't be read")??;
        let databases = Self { cluster, keys };
        databases.fill(size)?;
        Ok(databases)
    }

    /// The keys that tokens are signed with.
    pub(crate) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// A session of the superuser with the data as it is.
    pub(crate) fn plain(&self) -> Result<Client> {
        self.superuser(PLAIN)
    }

    /// A session for what is written by hand: no policy is for it.
    pub(crate) fn hand(&self, timeout: Duration) -> Result<Backend> {
        Backend::connect(&self.cluster.url("bench_hand", PLAIN), timeout)
    }

    /// A session under a peer's policies.
    pub(crate) fn peer(&self, role: &str, person: i32, timeout: Duration) -> Result<Backend> {
        let mut backend = Backend::connect(&self.cluster.url(role, PLAIN), timeout)?;
        (backend.client).batch_execute(&format!("SET bench.me = '{person}'"))?;
        Ok(backend)
    }

    /// A session under Celador, which acts for a person.
    pub(crate) fn person(&self, person: i32, timeout: Duration) -> Result<Backend> {
        self.acting(CELADOR, person, timeout)
    }

    /// A session in a database under Celador, which acts for a person.
    pub(crate) fn acting(&self, database: &str, person: i32, timeout: Duration) -> Result<Backend> {
        let mut backend = self.carrier(database, timeout)?;
        let token = backend.token(&self.keys, person)?;
        (backend.client).execute("SELECT celador.assume($1)", &[&token])?;
        Ok(backend)
    }

    /// A session that may act for anybody, and doesn't yet.
    pub(crate) fn carrier(&self, database: &str, timeout: Duration) -> Result<Backend> {
        Backend::connect(&self.cluster.url("bench_app", database), timeout)
    }

    /// Takes away what statements that were rolled back have left.
    pub(crate) fn clean(&self) -> Result<()> {
        for database in [CELADOR, PLAIN] {
            self.superuser(database)?.batch_execute("VACUUM contacts")?;
        }
        Ok(())
    }

    /// Runs `work` while the library is loaded where the server starts, as servers are set up: all sessions
    /// share memory. What is written by hand is measured without.
    pub(crate) fn preloaded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.restarted("ALTER SYSTEM SET shared_preload_libraries = 'celador'")?;
        let result = work();
        self.restarted("ALTER SYSTEM RESET shared_preload_libraries")?;
        result
    }

    fn restarted(&self, change: &str) -> Result<()> {
        self.superuser("postgres")?.batch_execute(change)?;
        self.cluster.restart()
    }

    /// A session of the superuser.
    pub(crate) fn superuser(&self, database: &str) -> Result<Client> {
        Ok(Client::connect(
            &self.cluster.url("postgres", database),
            NoTls,
        )?)
    }

    /// A new database with the extension.
    pub(crate) fn fresh(&self, database: &str) -> Result<Client> {
        let mut server = self.superuser("postgres")?;
        server.batch_execute(&format!("DROP DATABASE IF EXISTS {database}"))?;
        server.batch_execute(&format!("CREATE DATABASE {database}"))?;
        preload(&mut server, database)?;
        let mut client = self.superuser(database)?;
        client.batch_execute(EXTENSION)?;
        Ok(client)
    }

    /// A database with a directory five times as large and few records. Returns its name.
    pub(crate) fn directory(&self, staff: Staff) -> Result<(&'static str, Staff)> {
        let database = "bench_directory";
        let staff = Staff {
            users: staff.users * 5,
            groups: staff.groups * 5,
        };
        let mut client = self.fresh(database)?;
        (self.cluster).psql(database, script(Size { rows: 2_000, staff })?.as_bytes())?;
        client.batch_execute(GRANTS)?;
        client.batch_execute("VACUUM (ANALYZE)")?;
        load_policy(&mut client)?;
        Ok((database, staff))
    }

    fn fill(&self, size: Size) -> Result<()> {
        let label = format!(
            "contacts: {}, users: {}, groups: {}",
            size.rows, size.staff.users, size.staff.groups
        );
        let mut server = self.superuser("postgres")?;
        let found = server.query_opt(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1",
            &[&CELADOR],
        )?;
        let found: Option<Option<String>> = found.map(|row| row.get(0));
        match found {
            None => self.generate(&mut server, size, &label)?,
            Some(found) if found.as_deref() == Some(&label) => {
                let mut client = self.superuser(CELADOR)?;
                client.batch_execute("SELECT celador.uninstall(); DROP EXTENSION celador")?;
            }
            Some(found) => bail!(
                "the cluster in {} has other data: {}",
                self.cluster.dir().display(),
                found.unwrap_or_else(|| "not complete".to_owned())
            ),
        }
        let mut client = self.superuser(CELADOR)?;
        client.batch_execute(EXTENSION)?;
        load_policy(&mut client)?;
        for database in [CELADOR, PLAIN] {
            let mut client = self.superuser(database)?;
            client.batch_execute("VACUUM")?;
            client.batch_execute("SELECT bench_warm.read_all()").ok();
        }
        server.batch_execute("CHECKPOINT")?;
        Ok(())
    }

    fn generate(&self, server: &mut Client, size: Size, label: &str) -> Result<()> {
        eprintln!("making the data: {label}");
        server.batch_execute(&format!("CREATE DATABASE {PLAIN}"))?;
        server.batch_execute(&roles())?;
        self.cluster.psql(PLAIN, script(size)?.as_bytes())?;
        let mut client = self.superuser(PLAIN)?;
        for (extension, then) in [
            ("pg_trgm", "CREATE INDEX ON contacts USING gin (name gin_trgm_ops) WITH (fastupdate = off)"),
            ("pg_prewarm", "CREATE SCHEMA bench_warm; CREATE FUNCTION bench_warm.read_all() RETURNS bigint LANGUAGE sql
               AS 'SELECT sum(pg_prewarm(oid)) FROM pg_class WHERE relnamespace = ''public''::regnamespace AND relkind IN (''r'', ''i'')'"),
        ] {
            let there = client.query_opt("SELECT FROM pg_available_extensions WHERE name = $1", &[&extension])?;
            if there.is_some() {
                client.batch_execute(&format!("CREATE EXTENSION {extension}; {then}"))?;
            }
        }
        client.batch_execute(GRANTS)?;
        client.batch_execute("VACUUM (ANALYZE)")?;
        drop(client);
        // The same pages and the same statistics, so that plans differ by what is measured alone.
        server.batch_execute(&format!(
            "CREATE DATABASE {CELADOR} TEMPLATE {PLAIN} STRATEGY = file_copy"
        ))?;
        preload(server, CELADOR)?;
        peers::create(&mut self.superuser(PLAIN)?)?;
        server.batch_execute(&format!("COMMENT ON DATABASE {CELADOR} IS '{label}'"))?;
        Ok(())
    }
}

const EXTENSION: &str = "CREATE EXTENSION celador;
    GRANT EXECUTE ON FUNCTION celador.assume(text), celador.stats() TO bench_app";
const GRANTS: &str = "GRANT USAGE ON SCHEMA public TO bench_people;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bench_people";

/// Only where it is needed: what is written by hand pays for no library.
fn preload(server: &mut Client, database: &str) -> Result<()> {
    Ok(server.batch_execute(&format!(
        "ALTER DATABASE {database} SET session_preload_libraries = celador"
    ))?)
}

fn load_policy(client: &mut Client) -> Result<()> {
    client
        .query_one("SELECT celador.load_policy($1)", &[&file("policy.toml")?])
        .context("the policy doesn't load")?;
    Ok(())
}

fn roles() -> String {
    let mut text = "CREATE ROLE bench_people;
        CREATE ROLE bench_hand LOGIN BYPASSRLS IN ROLE bench_people;
        CREATE ROLE bench_app LOGIN IN ROLE bench_people;"
        .to_owned();
    for division in Division::ALL {
        for peer in Peer::ALL {
            text.push_str(&format!(
                "CREATE ROLE {} LOGIN IN ROLE bench_people;",
                peer.role(division)
            ));
        }
    }
    text
}

/// What psql runs to make the data.
fn script(Size { rows, staff }: Size) -> Result<String> {
    let variables = [
        ("rows", rows),
        ("users", staff.users),
        ("groups", staff.groups),
        ("division", staff.division()),
        ("office", staff.office()),
        ("team", staff.team()),
    ];
    let mut text: String = variables
        .iter()
        .map(|(name, value)| format!("\\set {name} {value}\n"))
        .collect();
    for name in ["people.sql", "records.sql", "indexes.sql"] {
        text.push_str(&file(name)?);
    }
    Ok(text)
}

fn file(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(name);
    fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))
}

/// The machine's memory in megabytes.
fn memory() -> Result<i64> {
    let text = fs::read_to_string("/proc/meminfo").context("/proc/meminfo can't be read")?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<i64>().ok())
        .context("/proc/meminfo doesn't tell the memory")?;
    Ok(kilobytes / 1024)
}
