//! What the directory of a CRM holds.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// For `--help`.
pub(crate) const LAYOUT: &str = "\
What DIR holds (sql/crm is one):
  roles.sql         CREATE ROLE for the database roles that schema.sql names, if any
  schema.sql        the tables, as pg_dump --schema-only writes them
  data.sql          their rows (pg_dump --data-only), or data.sql.gz
  people.sql        what the demo needs beside them, if anything: logins, owner, grants, shares
  mapping.toml      where the CRM keeps things
  matrix.toml       who may what [default: sql/presets/s1-matrix.toml]
  demo/*.sql        a query each; the first line is a comment with the question
  demo/people       who asks, a line each, with tabs between the words:
                      LOGIN  LABEL          connects as that database role
                      USER   LABEL  ROLE    connects as ROLE and acts as USER, a key of the CRM
  demo/hidden-row   LOGIN or USER, table, record, action, with tabs: why that person may not
                    [default: a record that one of them reads and another one doesn't]

psql runs the scripts in this order, as a superuser, in an empty database that has the extension.
people.sql says what isn't in schema.sql:
  - the owner of the tables is a role that nobody logs in as;
  - logins of the people, or of the application, have grants on the tables;
  - a ROLE that acts as others has EXECUTE on celador.act_as, and no person of its own;
  - what the application sets when somebody signs in: ALTER ROLE … SET name = value.";

/// A CRM as its directory has it, all read but the scripts.
pub(crate) struct Crm {
    /// What psql runs, in order.
    pub(crate) scripts: Vec<PathBuf>,
    /// Mapping and matrix.
    pub(crate) policy: String,
    pub(crate) queries: Vec<Query>,
    pub(crate) people: Vec<Person>,
    /// Without one the demo looks for one.
    pub(crate) hidden: Option<HiddenRow>,
}

/// A question, and how it is asked.
pub(crate) struct Query {
    pub(crate) question: String,
    pub(crate) sql: String,
}

/// Somebody who asks.
pub(crate) struct Person {
    /// The login, or the user to act as.
    pub(crate) name: String,
    pub(crate) label: String,
    /// The database role to connect as, where the person has no login.
    pub(crate) through: Option<String>,
}

/// A record that somebody among the people may not read, update…
pub(crate) struct HiddenRow {
    pub(crate) person: usize,
    pub(crate) table: String,
    pub(crate) record: String,
    pub(crate) action: String,
}

impl Person {
    /// The database role that this person's session belongs to.
    pub(crate) fn role(&self) -> &str {
        self.through.as_ref().unwrap_or(&self.name)
    }

    /// What to call this person: a user's key says little.
    pub(crate) fn title(&self) -> String {
        match self.through {
            None => format!("{}, {}", self.name, self.label),
            Some(_) => self.label.clone(),
        }
    }
}

impl Crm {
    /// Reads the directory.
    ///
    /// # Errors
    ///
    /// A file is missing, or can't be understood; the message says what belongs there.
    pub(crate) fn read(dir: &Path, matrix: Option<&Path>, preset: &Path) -> Result<Self> {
        if !dir.is_dir() {
            bail!("{} isn't a directory; {SEE_HELP}", dir.display());
        }
        let own = dir.join("matrix.toml");
        let matrix = match matrix {
            Some(matrix) => matrix,
            None if own.exists() => &own,
            None => preset,
        };
        let mapping = needed(
            &dir.join("mapping.toml"),
            "the mapping, which says where this CRM keeps users, owners and records: begin with a \
             copy of sql/crm/mapping.toml; docs/policy-reference.md lists every key",
        )?;
        let matrix = needed(matrix, "a matrix, such as those in sql/presets")?;
        let demo = dir.join("demo");
        let people = people(&demo.join("people"))?;
        Ok(Self {
            scripts: scripts(dir)?,
            policy: format!("{mapping}\n{matrix}"),
            queries: queries(&demo)?,
            hidden: hidden_row(&demo.join("hidden-row"), &people)?,
            people,
        })
    }
}

const SEE_HELP: &str = "`cargo xtask demo --help` says what it should hold";

fn scripts(dir: &Path) -> Result<Vec<PathBuf>> {
    let schema = dir.join("schema.sql");
    if !schema.exists() {
        bail!(
            "{} is missing: the CRM's tables, as `pg_dump --schema-only` writes them; {SEE_HELP}",
            schema.display()
        );
    }
    let plain = dir.join("data.sql");
    let packed = dir.join("data.sql.gz");
    let data = match (plain.exists(), packed.exists()) {
        (true, false) => plain,
        (false, true) => packed,
        (true, true) => bail!(
            "{} and {} are both there: remove the one that isn't meant",
            plain.display(),
            packed.display()
        ),
        (false, false) => bail!(
            "{} is missing: the tables' rows, as `pg_dump --data-only` writes them, data.sql.gz, or \
             an empty file if schema.sql has them already; {SEE_HELP}",
            plain.display()
        ),
    };
    let optional = |name: &str| Some(dir.join(name)).filter(|path| path.exists());
    let scripts = [
        optional("roles.sql"),
        Some(schema),
        Some(data),
        optional("people.sql"),
    ];
    Ok(scripts.into_iter().flatten().collect())
}

fn people(path: &Path) -> Result<Vec<Person>> {
    let mut people = Vec::new();
    let text = needed(
        path,
        "who asks, a line each: a login, a tab, what to call that person, for example \
         \"sergio\tseller\"",
    )?;
    for (number, line) in lines(&text) {
        let words: Vec<&str> = line.split('\t').map(str::trim).collect();
        let (name, label, through) = match words.as_slice() {
            [name, label] => (name, label, None),
            [name, label, role] => (name, label, Some((*role).to_owned())),
            _ => bail!(
                "{}, line {number}: \"{line}\" should be a login, a tab and a label, or a user, a \
                 label and a database role that acts as that user, with tabs between them",
                path.display()
            ),
        };
        people.push(Person {
            name: (*name).to_owned(),
            label: (*label).to_owned(),
            through,
        });
    }
    if people.is_empty() {
        bail!("{} names nobody; {SEE_HELP}", path.display());
    }
    Ok(people)
}

fn queries(demo: &Path) -> Result<Vec<Query>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(demo).with_context(|| format!("can't read {}", demo.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!(
            "{} has no queries: write some, a file *.sql each, such as those in sql/crm/demo",
            demo.display()
        );
    }
    paths.sort();
    let mut queries = Vec::new();
    for path in paths {
        let text = needed(&path, "a query")?;
        let (question, sql) = match text.split_once('\n') {
            Some((first, rest)) if first.starts_with("--") => {
                (first.trim_start_matches('-').trim().to_owned(), rest)
            }
            Some(_) | None => {
                let name = path.file_stem().unwrap_or_default();
                (name.to_string_lossy().into_owned(), text.as_str())
            }
        };
        if sql.trim().is_empty() {
            bail!("{} has no query", path.display());
        }
        queries.push(Query {
            question,
            sql: sql.trim_end().to_owned(),
        });
    }
    Ok(queries)
}

fn hidden_row(path: &Path, people: &[Person]) -> Result<Option<HiddenRow>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = needed(path, "a record that one of the people doesn't see")?;
    let mut found = lines(&text).map(|(_, line)| line.split('\t').map(str::trim));
    let words: Vec<&str> = found.next().into_iter().flatten().collect();
    let &[name, table, record, action] = words.as_slice() else {
        bail!(
            "{} should have one of the people, a table, a record and an action, with tabs between \
             them",
            path.display()
        );
    };
    let person = people
        .iter()
        .position(|person| person.name == name)
        .with_context(|| {
            let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
            format!(
                "{}: {name} isn't among the people, who are {}",
                path.display(),
                names.join(", ")
            )
        })?;
    Ok(Some(HiddenRow {
        person,
        table: table.to_owned(),
        record: record.to_owned(),
        action: action.to_owned(),
    }))
}

/// The lines that say something, numbered from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines
        .map(|(at, line)| (at + 1, line.trim_end()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn needed(path: &Path, what: &str) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{} is missing: {what}; {SEE_HELP}", path.display())
        }
        result => result.with_context(|| format!("can't read {}", path.display())),
    }
}
