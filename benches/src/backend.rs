//! A session whose server process is watched: how much CPU time a statement takes there.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use celador_identity::{Claims, KeyRing};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{Client, NoTls, Statement};

use crate::values::{Rows, Value};

/// How long a process may take to fall asleep after its answer.
const SLEEPS_WITHIN: Duration = Duration::from_secs(10);

/// A session, and the process that serves it.
pub(crate) struct Backend {
    /// The session.
    pub(crate) client: Client,
    pid: i32,
    database: u32,
    serial: u64,
    schedule: File,
    state: File,
}

/// How an execution ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With these rows, after that much CPU time of the server.
    With(Rows, Duration),
    /// By the statement timeout.
    TimedOut,
}

/// What is executed.
pub(crate) enum Code {
    /// A statement that the server has prepared.
    Prepared(Statement),
    /// A text that is parsed and planned each time.
    Text(String),
}

impl Backend {
    /// Connects; statements run no longer than `timeout`.
    pub(crate) fn connect(url: &str, timeout: Duration) -> Result<Self> {
        let mut client =
            Client::connect(url, NoTls).with_context(|| format!("can't connect to {url}"))?;
        client.batch_execute(&format!("SET statement_timeout = {}", timeout.as_millis()))?;
        let row = client.query_one(
            "SELECT pg_backend_pid(), oid::bigint FROM pg_database WHERE datname = current_database()",
            &[],
        )?;
        let pid: i32 = row.get(0);
        let open = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            File::open(&path).with_context(|| format!("can't read {path}"))
        };
        Ok(Self {
            client,
            pid,
            database: u32::try_from(row.get::<_, i64>(1))?,
            serial: 0,
            schedule: open("schedstat")?,
            state: open("stat")?,
        })
    }

    /// A token that makes the session somebody's.
    pub(crate) fn token(&mut self, keys: &KeyRing, user: i32) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        // Each token's is higher than the last one's.
        self.serial = u64::try_from(now.as_micros())?.max(self.serial + 1);
        Ok(keys.sign(&Claims {
            user: user.to_string(),
            database: self.database,
            backend: self.pid,
            serial: self.serial,
            expires: now.as_secs() + 12 * 3600,
        })?)
    }

    /// Prepares a statement.
    pub(crate) fn prepare(&mut self, sql: &str, types: &[Type]) -> Result<Statement> {
        self.client
            .prepare_typed(sql, types)
            .with_context(|| format!("can't prepare {sql}"))
    }

    /// Executes once. With `undo`, within a transaction that is rolled back, and that isn't measured.
    pub(crate) fn execute(&mut self, code: &Code, values: &[Value], undo: bool) -> Result<Ended> {
        if undo {
            self.client.batch_execute("BEGIN")?;
        }
        let before = self.cpu()?;
        let result = rows(&mut self.client, code, values);
        let took = self.cpu()? - before;
        if undo {
            self.client.batch_execute("ROLLBACK")?;
        }
        match result {
            Ok(rows) => Ok(Ended::With(rows, took)),
            Err(error) if error.code() == Some(&postgres::error::SqlState::QUERY_CANCELED) => {
                Ok(Ended::TimedOut)
            }
            Err(error) => Err(error).with_context(|| match code {
                Code::Prepared(_) => "a prepared statement failed".to_owned(),
                Code::Text(sql) => format!("{sql} failed"),
            }),
        }
    }

    /// Executes once, and measures nothing.
    pub(crate) fn run(&mut self, code: &Code, values: &[Value]) -> Result<Rows> {
        Ok(rows(&mut self.client, code, values)?)
    }

    /// The CPU time of the server's process so far. It counts what has run when a process sleeps, so
    /// that is waited for.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut before = None;
        let begin = Instant::now();
        loop {
            let asleep = process_state(&text(&self.state)?) == Some('S');
            let line = text(&self.schedule)?;
            let ran = line
                .split_whitespace()
                .next()
                .and_then(|nanoseconds| nanoseconds.parse().ok())
                .map(Duration::from_nanos)
                .with_context(|| format!("/proc/{}/schedstat says {line:?}", self.pid))?;
            // Twice the same: the process isn't on its way to sleep.
            if asleep && before == Some(ran) {
                return Ok(ran);
            }
            before = asleep.then_some(ran);
            if !asleep {
                // It may need this core.
                thread::sleep(Duration::from_micros(20));
            }
            if begin.elapsed() > SLEEPS_WITHIN {
                bail!("the server's process {} is busy and shouldn't be", self.pid);
            }
        }
    }
}

fn rows(client: &mut Client, code: &Code, values: &[Value]) -> Result<Rows, postgres::Error> {
    let mut rows = Rows::default();
    let mut found = match code {
        Code::Prepared(statement) => {
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(Value::bound).collect();
            client.query_raw(statement, values)?
        }
        Code::Text(sql) => {
            let values: Vec<_> = (values.iter())
                .map(|value| (value.bound(), value.type_of()))
                .collect();
            client.query_typed_raw(sql, values)?
        }
    };
    while let Some(row) = found.next()? {
        rows.add(&row);
    }
    rows.count = found.rows_affected().unwrap_or_default();
    Ok(rows)
}

fn text(file: &File) -> Result<String> {
    let mut bytes = [0; 1024];
    let length = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// The third field of `/proc/PID/stat`; the second, the name, is in brackets.
fn process_state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}
