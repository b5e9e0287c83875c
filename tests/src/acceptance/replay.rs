//! Statements that the real application sent, sent again by people with different rights.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use postgres::types::private::BytesMut;
use postgres::types::{Format, IsNull, ToSql, Type};
use postgres::{Client, SimpleQueryMessage};
use serde_json::Value;

use super::{Crm, Person, choose_organization, data};
use crate::Database;

/// What became of the statements of one person.
#[derive(Debug, Default)]
struct Replay {
    /// Statements that were sent.
    sent: usize,
    /// Statements that gave or changed a row.
    with_rows: usize,
    /// Denials that the list allows.
    denied: usize,
    /// Errors that a superuser gets too.
    failed_before: usize,
    /// Anything else that went wrong, and entries of the list that nothing was denied by.
    problems: Vec<String>,
}

struct Recorded {
    sql: String,
    parameters: Vec<Parameter>,
    phase: String,
}

impl Crm {
    /// Loads the preset and sends every recorded statement as everybody; each statement that fails
    /// does so for a superuser too, or is listed in `denials.toml`.
    pub fn assert_replays(&self, preset: &str, organizations: &[(&str, &str)]) {
        self.assert_replays_in(preset, organizations, |_| {});
    }

    /// The same, in a database that is prepared before the preset is loaded.
    pub fn assert_replays_in(
        &self,
        preset: &str,
        organizations: &[(&str, &str)],
        prepare: impl Fn(&Database),
    ) {
        let database = self.unprotected();
        prepare(&database);
        database.load(&self.document(preset));
        self.assert_replays_on(&database, preset, organizations);
    }

    /// The same, in a database that is under the preset already.
    pub(super) fn assert_replays_on(
        &self,
        database: &Database,
        preset: &str,
        organizations: &[(&str, &str)],
    ) {
        let mut problems = Vec::new();
        for person in self.people() {
            let replay = self.replay(database, preset, person, organizations);
            println!(
                "{preset}, {}: {} statements, {} with rows, {} denied as listed, {} that fail anyway",
                person.name(),
                replay.sent,
                replay.with_rows,
                replay.denied,
                replay.failed_before
            );
            assert!(replay.sent > 250, "the recording is read");
            problems.extend(replay.problems);
        }
        assert!(
            problems.is_empty(),
            "{preset}: {} problems\n{}",
            problems.len(),
            problems.join("\n")
        );
    }

    /// Sends every recorded statement as that person, each in a transaction that is rolled back.
    /// `denials.toml` lists the beginnings of the statements that may be denied. `organizations`
    /// are chosen by the beginning of a phase's name; none leaves the person's own.
    fn replay(
        &self,
        database: &Database,
        preset: &str,
        person: &Person,
        organizations: &[(&str, &str)],
    ) -> Replay {
        let allowed = self.allowed_denials(preset, person);
        let mut used = BTreeSet::new();
        let mut replay = Replay::default();
        let mut superuser = database.superuser();
        let mut session = person.session(database);
        for (number, mut statement) in self.statements().into_iter().enumerate() {
            statement.sent_for(person, &self.recorded);
            let statement = &statement;
            let organization = organizations
                .iter()
                .find(|(phase, _)| statement.phase.starts_with(phase));
            if let Some((_, organization)) = organization {
                choose_organization(&mut session, organization);
                choose_organization(&mut superuser, organization);
            }
            replay.sent += 1;
            let error = match send(&mut session, statement) {
                Ok(rows) => {
                    replay.with_rows += usize::from(rows > 0);
                    continue;
                }
                Err(error) => error,
            };
            // A statement that fails for a superuser too says nothing, whether it fails earlier here.
            let denied = code(&error) == "42501";
            if let Err(before) = send(&mut superuser, statement)
                && (denied || code(&before) == code(&error))
            {
                replay.failed_before += 1;
                continue;
            }
            if let Some(entry) = allowed
                .iter()
                .find(|entry| denied && statement.sql.starts_with(entry.as_str()))
            {
                used.insert(entry);
                replay.denied += 1;
                continue;
            }
            let text = error
                .as_db_error()
                .map_or_else(|| error.to_string(), ToString::to_string);
            let start: String = statement.sql.chars().take(120).collect();
            replay.problems.push(format!(
                "{} statement {number} of {}: {text}: {start}",
                person.name(),
                statement.phase
            ));
        }
        for entry in allowed.iter().filter(|entry| !used.contains(entry)) {
            replay.problems.push(format!(
                "{}: nothing was denied by the entry {entry}",
                person.name()
            ));
        }
        replay
    }

    fn allowed_denials(&self, preset: &str, person: &Person) -> Vec<String> {
        let denials = data(self, "denials");
        let list = denials
            .get(preset)
            .and_then(|preset| preset.get(person.name()));
        list.map(|list| list.clone().try_into().expect("denials are lists of texts"))
            .unwrap_or_default()
    }

    fn statements(&self) -> Vec<Recorded> {
        let path = self.folder.join("queries.jsonl");
        let lines = std::fs::read_to_string(path).expect("queries.jsonl can be read");
        let mut recorded = Vec::new();
        for line in lines.lines() {
            let line: BTreeMap<String, Value> = serde_json::from_str(line).expect("a line is JSON");
            let phase = line
                .get("phase")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let sql = line["sql"].as_str().expect("a line has SQL").to_owned();
            let parameters = parameters(line.get("params").unwrap_or(&Value::Null));
            recorded.push(Recorded {
                sql,
                parameters,
                phase,
            });
        }
        recorded
    }
}

impl Recorded {
    /// The statement as the application sends it when it works for that person: `[recorded]` of
    /// people.toml says where the keys of whoever was recorded stand.
    fn sent_for(&mut self, person: &Person, recorded: &toml::Table) {
        for (name, value) in &person.values {
            let keys = recorded.get(name).and_then(toml::Value::as_array);
            for key in keys.into_iter().flatten().filter_map(toml::Value::as_str) {
                self.sql = self.sql.replace(key, value);
                self.sql = self
                    .sql
                    .replace(&key.replace('-', ""), &value.replace('-', ""));
            }
        }
        let first = recorded
            .get("me_comes_first_in")
            .and_then(toml::Value::as_array);
        let mut first = first.into_iter().flatten().filter_map(toml::Value::as_str);
        if first.any(|part| self.sql.contains(part))
            && let Some(parameter) = self.parameters.first_mut()
        {
            *parameter = Parameter(Some(person.value("me").to_owned()));
        }
    }
}

fn code(error: &postgres::Error) -> &str {
    error.code().map_or("", |code| code.code())
}

/// Gives the number of rows that came back or were changed.
fn send(client: &mut Client, statement: &Recorded) -> Result<u64, postgres::Error> {
    let first = statement.sql.split_whitespace().next().unwrap_or_default();
    if matches!(first, "BEGIN" | "COMMIT" | "ROLLBACK") {
        client.batch_execute(&statement.sql)?;
        client.batch_execute("ROLLBACK")?;
        return Ok(0);
    }
    // Django's foreign keys wait for the COMMIT that never comes here.
    client.batch_execute("BEGIN; SET CONSTRAINTS ALL IMMEDIATE")?;
    let result = execute(client, statement);
    client.batch_execute("ROLLBACK")?;
    result
}

fn execute(client: &mut Client, statement: &Recorded) -> Result<u64, postgres::Error> {
    if statement.parameters.is_empty() {
        let messages = client.simple_query(&statement.sql)?;
        let mut rows = 0;
        for message in messages {
            if let SimpleQueryMessage::CommandComplete(count) = message {
                rows += count;
            }
        }
        return Ok(rows);
    }
    let parameters: Vec<&(dyn ToSql + Sync)> = statement
        .parameters
        .iter()
        .map(|parameter| parameter as &(dyn ToSql + Sync))
        .collect();
    client.execute(&statement.sql, &parameters)
}

fn parameters(list: &Value) -> Vec<Parameter> {
    let list = list.as_array().into_iter().flatten();
    list.map(|value| Parameter(value.as_str().map(str::to_owned)))
        .collect()
}

/// A parameter as its text, whatever type the server takes it for.
#[derive(Debug)]
struct Parameter(Option<String>);

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    postgres::types::to_sql_checked!();
}
