//! A CRM and a policy told in a file: people, tables, phases, and for each role and table the WHERE
//! clause of each action, written by hand.
//!
//! In a clause `r` is the row, `@NAME` a value of the person (`@me` the key), `@rows(TABLE ACTION)`
//! a sub-select of the keys of the rows of another table that are in reach for an action.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde::Deserialize;

use super::oracle::{Action, Change, Oracle, Record, any};
use crate::text;

/// A CRM as a file tells it.
#[derive(Debug)]
pub struct Told {
    file: File,
    /// Each person in each phase.
    people: BTreeMap<String, Vec<Person>>,
    watchers: BTreeMap<String, Vec<String>>,
    known: Mutex<BTreeMap<Question, String>>,
}

type Question = (usize, String, String, Action);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Tables that everybody reads and nobody writes here. `*` at the end stands for any ending.
    open: Vec<String>,
    /// Tables that no statement touches.
    left_out: Vec<String>,
    hubs: Vec<String>,
    /// Tables that no statement writes: the directory changes in phases.
    unwritten: Vec<String>,
    /// Keys to write into owners, creators (`user`) and groups (`group`), by the name of the key.
    keys: BTreeMap<String, Vec<String>>,
    people: BTreeMap<String, Person>,
    /// The first is how the directory is found again after the last.
    phases: Vec<Phase>,
    tables: BTreeMap<String, Table>,
    /// Role, table (or `*`), cell.
    roles: BTreeMap<String, BTreeMap<String, Cell>>,
    restrictions: Vec<Restriction>,
    /// What the design leaves open.
    #[serde(default)]
    undecided: Vec<Undecided>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    roles: Vec<String>,
    values: BTreeMap<String, String>,
    #[serde(default)]
    nobody: bool,
}

/// What a phase changes of a person.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Changed {
    roles: Option<Vec<String>>,
    values: BTreeMap<String, String>,
    nobody: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phase {
    #[serde(default)]
    tables: String,
    #[serde(default)]
    celador: String,
    #[serde(default)]
    people: BTreeMap<String, Changed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    creator: Option<String>,
    owner: Option<String>,
    /// Which key the owner column holds: `me` if it isn't said.
    owner_key: Option<String>,
    group: Option<String>,
    touch: Vec<String>,
    /// Of a table that says whose the records of another are: the column that names the person.
    names_owner: Option<String>,
    /// Columns that rules and restrictions look at.
    ruled: Vec<String>,
    /// It is read with what it hangs on, and written by who updates that: column, table.
    hangs_on: Option<(String, String)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Cell {
    read: Option<String>,
    create: Option<String>,
    update: Option<String>,
    delete: Option<String>,
    claim: Option<String>,
    /// What must hold before and afterwards.
    assign: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Restriction {
    /// Whom it binds.
    people: Vec<String>,
    table: String,
    /// Which actions; all if none is listed.
    #[serde(default)]
    actions: Vec<Action>,
    must: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undecided {
    people: Vec<String>,
    table: String,
    actions: Vec<Action>,
}

impl Told {
    /// Reads a file of the repository.
    pub fn read(path: &str) -> Self {
        let file: File =
            toml::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut people = BTreeMap::new();
        for (name, person) in &file.people {
            let mut states = vec![person.clone()];
            for phase in &file.phases[1..] {
                let mut next = states.last().expect("phase 0").clone();
                if let Some(changed) = phase.people.get(name) {
                    next.nobody = changed.nobody;
                    next.roles = changed.roles.clone().unwrap_or(next.roles);
                    next.values.extend(changed.values.clone());
                }
                states.push(next);
            }
            people.insert(name.clone(), states);
        }
        let watchers = watchers(&file);
        Self {
            file,
            people,
            watchers,
            known: Mutex::default(),
        }
    }

    fn person(&self, phase: usize, name: &str) -> &Person {
        &self.people[name][phase]
    }

    fn table(&self, table: &str) -> Option<&Table> {
        self.file.tables.get(table)
    }

    fn cells<'a>(&'a self, person: &'a Person, table: &'a str) -> impl Iterator<Item = &'a Cell> {
        person.roles.iter().filter_map(move |role| {
            let cells = self.file.roles.get(role)?;
            cells.get(table).or_else(|| cells.get("*"))
        })
    }

    /// A clause with the person's values in it.
    fn fill(&self, phase: usize, name: &str, clause: &str) -> String {
        let Some((head, rest)) = clause.split_once('@') else {
            return clause.to_owned();
        };
        let (value, tail) = if let Some(rows) = rest.strip_prefix("rows(") {
            let (question, tail) = rows.split_once(')').expect("@rows( is closed");
            let (table, action) = question.rsplit_once(' ').expect("@rows(TABLE ACTION)");
            let action = toml::Value::from(action)
                .try_into()
                .expect("@rows names an action");
            (self.keys_in_reach(phase, name, table, action), tail)
        } else {
            let end = rest
                .find(|c: char| !c.is_ascii_lowercase() && c != '_')
                .unwrap_or(rest.len());
            let (value, tail) = rest.split_at(end);
            let values = &self.person(phase, name).values;
            let found = values
                .get(value)
                .unwrap_or_else(|| panic!("{name} has no {value}"));
            (found.clone(), tail)
        };
        format!("{head}{value}{}", self.fill(phase, name, tail))
    }

    fn keys_in_reach(&self, phase: usize, person: &str, table: &str, action: Action) -> String {
        let reach = self.reach(phase, person, table, action);
        format!("SELECT r.id FROM all_rows.{table} r WHERE {reach}")
    }

    fn answer(&self, phase: usize, name: &str, table: &str, action: Action) -> String {
        if self.is_open(table) {
            return (action == Action::Read).to_string();
        }
        let hangs_on = self.table(table).and_then(|table| table.hangs_on.as_ref());
        if let Some((column, record)) = hangs_on {
            let on = match action {
                Action::Read => Action::Read,
                Action::Create | Action::Update | Action::Delete => Action::Update,
                Action::Claim => return "false".to_owned(),
            };
            // Who reaches all records reaches what hangs on one that is gone.
            if self.reach(phase, name, record, on) == "true" {
                return "true".to_owned();
            }
            let keys = self.keys_in_reach(phase, name, record, on);
            return format!("r.{column} IN ({keys})");
        }
        let person = self.person(phase, name);
        let granted: Vec<String> = self
            .cells(person, table)
            .flat_map(|cell| match action {
                // What may be claimed may be read.
                Action::Read => vec![&cell.read, &cell.claim],
                Action::Create => vec![&cell.create],
                Action::Update => vec![&cell.update],
                Action::Delete => vec![&cell.delete],
                Action::Claim => vec![&cell.claim],
            })
            .flatten()
            .map(|clause| self.fill(phase, name, clause))
            .collect();
        let reach = any(&granted);
        if reach == "false" {
            return reach;
        }
        let binds = |restriction: &&Restriction| {
            restriction.table == table
                && (restriction.actions.is_empty() || restriction.actions.contains(&action))
                && restriction.people.iter().any(|bound| bound == name)
        };
        let mut all = vec![format!("({reach})")];
        for restriction in self.file.restrictions.iter().filter(binds) {
            all.push(format!("({})", self.fill(phase, name, &restriction.must)));
        }
        if all.len() == 1 {
            reach
        } else {
            all.join(" AND ")
        }
    }
}

impl Oracle for Told {
    fn people(&self) -> Vec<&str> {
        self.people.keys().map(String::as_str).collect()
    }

    fn key_of(&self, person: &str) -> String {
        self.person(0, person).values["me"].clone()
    }

    fn owner_key(&self, phase: usize, person: &str, table: &str) -> String {
        let key = self
            .table(table)
            .and_then(|table| table.owner_key.as_deref())
            .unwrap_or("me");
        let values = &self.person(phase, person).values;
        values.get(key).cloned().unwrap_or("NULL".to_owned())
    }

    fn phases(&self) -> usize {
        self.file.phases.len()
    }

    fn change(&self, phase: usize) -> Change {
        let Phase {
            tables, celador, ..
        } = &self.file.phases[phase];
        Change {
            tables: tables.clone(),
            celador: celador.clone(),
        }
    }

    fn concerned(&self, phase: usize) -> Vec<&str> {
        let phases = match phase {
            0 => &self.file.phases[1..],
            _ => &self.file.phases[phase..=phase],
        };
        let people: BTreeSet<&str> = phases
            .iter()
            .flat_map(|phase| phase.people.keys().map(String::as_str))
            .collect();
        people.into_iter().collect()
    }

    fn is_nobody(&self, phase: usize, person: &str) -> bool {
        self.person(phase, person).nobody
    }

    fn reach(&self, phase: usize, person: &str, table: &str, action: Action) -> String {
        let question = (phase, person.to_owned(), table.to_owned(), action);
        let known = |answers: &Mutex<BTreeMap<Question, String>>| {
            let answers = answers.lock().expect("nobody has panicked here");
            answers.get(&question).cloned()
        };
        if let Some(answer) = known(&self.known) {
            return answer;
        }
        let answer = self.answer(phase, person, table, action);
        self.known
            .lock()
            .expect("nobody has panicked here")
            .insert(question, answer.clone());
        answer
    }

    fn assigns(&self, phase: usize, name: &str, table: &str) -> Vec<(String, String)> {
        self.cells(self.person(phase, name), table)
            .flat_map(|cell| &cell.assign)
            .map(|(old, new)| (self.fill(phase, name, old), self.fill(phase, name, new)))
            .collect()
    }

    fn record(&self, table: &str) -> Record<'_> {
        let Some(table) = self.table(table) else {
            return Record::default();
        };
        Record {
            creator: table.creator.as_deref(),
            owner: table.owner.as_deref(),
            group: table.group.as_deref(),
            touch: table.touch.iter().map(String::as_str).collect(),
            names_owner: table.names_owner.as_deref(),
            ruled: table.ruled.iter().map(String::as_str).collect(),
        }
    }

    fn watchers(&self, table: &str) -> Vec<&str> {
        let watchers = self.watchers.get(table);
        watchers.into_iter().flatten().map(String::as_str).collect()
    }

    fn is_open(&self, table: &str) -> bool {
        matches(&self.file.open, table)
    }

    fn is_hub(&self, table: &str) -> bool {
        matches(&self.file.hubs, table)
    }

    fn is_left_out(&self, table: &str) -> bool {
        matches(&self.file.left_out, table)
    }

    fn decided(&self, person: &str, table: &str, action: Action) -> bool {
        let open = |undecided: &Undecided| {
            undecided.table == table
                && undecided.actions.contains(&action)
                && undecided.people.iter().any(|name| name == person)
        };
        action == Action::Read
            || !(self.is_open(table)
                || matches(&self.file.unwritten, table)
                || self.file.undecided.iter().any(open))
    }

    fn candidates(
        &self,
        phase: usize,
        person: &str,
        table: &str,
        column: &str,
    ) -> Option<Vec<String>> {
        let known = self.table(table)?;
        let is = |name: &Option<String>| name.as_deref() == Some(column);
        let (me, kind) = if is(&known.owner) || is(&known.names_owner) {
            let kind = known.owner_key.as_deref().unwrap_or("me");
            (self.owner_key(phase, person, table), kind)
        } else if is(&known.creator) {
            (self.key_of(person), "me")
        } else if is(&known.group) {
            return self.file.keys.get("group").cloned();
        } else {
            return None;
        };
        let others = self.file.keys.get(kind)?;
        let mut keys = vec![me; others.len().div_ceil(2)];
        keys.extend(others.iter().cloned());
        keys.retain(|key| key != "NULL");
        Some(keys)
    }
}

/// Which tables are seen by what is in which others, through any number of steps.
fn watchers(file: &File) -> BTreeMap<String, Vec<String>> {
    let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, table) in &file.tables {
        if let Some((_, record)) = &table.hangs_on {
            direct.entry(record).or_default().insert(name);
        }
    }
    for cells in file.roles.values() {
        for (name, cell) in cells {
            for clause in [&cell.read, &cell.claim].into_iter().flatten() {
                let rows = clause
                    .split("@rows(")
                    .skip(1)
                    .filter_map(|rest| rest.split_once(' '));
                let others = clause
                    .split("all_rows.")
                    .skip(1)
                    .filter_map(|rest| rest.split_once(' '));
                for (other, _) in rows.chain(others) {
                    direct.entry(other).or_default().insert(name);
                }
            }
        }
    }
    let all = direct.keys().map(|table| {
        let mut found: Vec<&str> = vec![table];
        let mut at = 0;
        while at < found.len() {
            for next in direct.get(found[at]).into_iter().flatten() {
                if !found.contains(next) {
                    found.push(next);
                }
            }
            at += 1;
        }
        let others = found[1..].iter().map(|name| (*name).to_owned());
        ((*table).to_owned(), others.collect())
    });
    all.collect()
}

fn matches(patterns: &[String], table: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(head) => table.trim_start_matches('"').starts_with(head),
            None => pattern == table,
        })
}
