//! The proposal as TOML, with a comment that says why beside each key.

use std::fmt::Write as _;

use serde::Serialize;

use super::Proposal;
use super::guess::{Certainty, Guess};
use crate::document::{ModuleMap, says_something, written};
use crate::schema::TableName;

const HEAD: &str = "\
# Where this CRM keeps things, as celador.discover_mapping found it. Beside each key stands why, and
# how certain that is:
#   certain  the catalog proves it: a declared key, of a column or table whose name has one meaning
#   likely   names and keys agree, and nothing speaks against it: look at it
#   guess    something speaks for it; it is not part of the mapping
# What nothing is known of is closed. Look through it, then add who may what: a preset, or your own.
";

/// The keys of a module, in the order in which they are written.
const MODULE_KEYS: [&str; 11] = [
    "table",
    "key",
    "owner",
    "creator",
    "creator_key",
    "group",
    "parent",
    "children",
    "touch",
    "configuration",
    "lacks",
];

pub(super) fn write(proposal: &Proposal) -> String {
    let mut out = String::from(HEAD);
    let mapping = &proposal.mapping;
    out.push_str("\n[mapping]\n");
    key(&mut out, "schemas", &mapping.schemas);
    for (name, tables) in [
        ("readable", &mapping.readable),
        ("closed", &mapping.closed),
        ("open", &mapping.open),
    ] {
        list(&mut out, proposal, name, tables);
    }
    if let Some(users) = &mapping.users {
        out.push_str("\n[mapping.users]\n");
        section(&mut out, proposal, "users", users);
    } else {
        out.push_str(
            "\n# No table of people was found: Celador's own celador.users stands for it.\n",
        );
    }
    if let Some(groups) = &mapping.groups {
        out.push_str("\n[mapping.groups]\n");
        section(&mut out, proposal, "groups", groups);
    }
    for memberships in mapping.memberships.as_slice() {
        out.push('\n');
        comments(&mut out, proposal, None, "memberships");
        out.push_str("[mapping.memberships]\n");
        keys(&mut out, memberships);
    }
    if !mapping.roles_held.is_empty() {
        out.push('\n');
        comments(&mut out, proposal, None, "roles_held");
        comments(&mut out, proposal, None, "roles_held.map");
    }
    for held in mapping.roles_held.as_slice() {
        out.push_str("\n[[mapping.roles_held]]\n");
        keys(&mut out, held);
    }
    for share in mapping.shares.as_slice() {
        out.push_str("\n[[mapping.shares]]\n");
        keys(&mut out, share);
    }
    for (name, module) in &mapping.modules {
        let _ = write!(out, "\n[mapping.modules.{}]\n", written(name));
        self::module(&mut out, proposal, module);
    }
    out
}

/// A value as TOML writes it in one line, without what says nothing.
fn value(value: &toml::Value) -> String {
    let mut short = value.clone();
    crate::document::prune(&mut short);
    short.to_string()
}

fn key(out: &mut String, name: &str, of: &impl Serialize) {
    if let Ok(found) = toml::Value::try_from(of) {
        let _ = writeln!(out, "{} = {}", written(name), value(&found));
    }
}

/// All keys of a table that say something; `map` is written even if it is empty.
fn keys(out: &mut String, of: &impl Serialize) {
    if let Ok(toml::Value::Table(found)) = toml::Value::try_from(of) {
        for (name, found) in found {
            if says_something(&found) || name == "map" {
                let _ = writeln!(out, "{} = {}", written(&name), value(&found));
            }
        }
    }
}

/// Keys with the guesses about `section.key` above each.
fn section(out: &mut String, proposal: &Proposal, section: &str, of: &impl Serialize) {
    let Ok(toml::Value::Table(found)) = toml::Value::try_from(of) else {
        return;
    };
    let mut said: Vec<String> = Vec::new();
    for (name, found) in &found {
        if !says_something(found) {
            continue;
        }
        let about = format!("{section}.{name}");
        for guess in &proposal.guesses {
            if guess.what == about || guess.what.starts_with(&format!("{about}.")) {
                comment(out, guess);
            }
        }
        said.push(about);
        let _ = writeln!(out, "{} = {}", written(name), value(found));
    }
    let rest = |guess: &&Guess| {
        guess.what.starts_with(&format!("{section}."))
            && !said
                .iter()
                .any(|about| guess.what.starts_with(about.as_str()))
    };
    for guess in proposal.guesses.iter().filter(rest) {
        comment(out, guess);
    }
}

fn comments(out: &mut String, proposal: &Proposal, table: Option<&TableName>, what: &str) {
    for guess in &proposal.guesses {
        let here = table.is_none() || guess.relation.as_ref() == table;
        if here && guess.what == what {
            comment(out, guess);
        }
    }
}

/// Names come from the database: one with a line break must not end the comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn comment(out: &mut String, guess: &Guess) {
    let reason = one_line(&guess.reason);
    let value = one_line(&guess.value);
    let _ = match guess.certainty {
        Certainty::Guess => {
            let key = guess.what.rsplit('.').next().unwrap_or_default();
            writeln!(out, "# guess: {key} = {value}: {reason}")
        }
        Certainty::Likely | Certainty::Certain => {
            writeln!(out, "# {}: {value}: {reason}", guess.certainty)
        }
    };
}

/// A list of tables, one a line, each with its reason.
fn list(out: &mut String, proposal: &Proposal, name: &str, tables: &[String]) {
    if tables.is_empty() {
        return;
    }
    let _ = writeln!(out, "{name} = [");
    for table in tables {
        let about = proposal.guesses.iter().find(|guess| {
            let here = guess
                .relation
                .as_ref()
                .is_some_and(|relation| relation.name == *table || relation.to_string() == *table);
            here && (guess.what == name || (name == "closed" && guess.what == "unplaced"))
        });
        let reason = about.map_or_else(String::new, |guess| {
            let what = if guess.what == "unplaced" {
                "unplaced"
            } else {
                guess.certainty.name()
            };
            format!(" # {what}: {}", one_line(&guess.reason))
        });
        let _ = writeln!(out, "  {},{reason}", toml::Value::from(table.as_str()));
    }
    out.push_str("]\n");
}

fn module(out: &mut String, proposal: &Proposal, module: &ModuleMap) {
    let Ok(toml::Value::Table(found)) = toml::Value::try_from(module) else {
        return;
    };
    let tables = module.table.as_slice();
    let relation = proposal
        .guesses
        .iter()
        .filter_map(|guess| guess.relation.as_ref())
        .find(|relation| {
            tables
                .first()
                .is_some_and(|table| relation.name == *table || relation.to_string() == *table)
        });
    if let [_] = tables {
        comments(out, proposal, relation, "module");
    }
    for name in MODULE_KEYS {
        let Some(found) = found.get(name).filter(|found| says_something(found)) else {
            continue;
        };
        match (name, relation) {
            ("children", _) => {
                children(out, proposal, module);
                continue;
            }
            ("table", _) | (_, None) => {}
            (_, Some(_)) => said(out, proposal, relation, name, false),
        }
        let name = if name == "table" && tables.len() > 1 {
            "tables"
        } else {
            name
        };
        let _ = writeln!(out, "{name} = {}", value(found));
    }
    if relation.is_some() {
        for name in MODULE_KEYS {
            said(out, proposal, relation, name, true);
        }
    }
}

/// The guesses about a key: those that are part of the mapping, or those that are only guesses.
fn said(
    out: &mut String,
    proposal: &Proposal,
    relation: Option<&TableName>,
    name: &str,
    only_guesses: bool,
) {
    for guess in &proposal.guesses {
        let here = guess.relation.as_ref() == relation && guess.what == name;
        if here && (guess.certainty == Certainty::Guess) == only_guesses {
            comment(out, guess);
        }
    }
}

fn children(out: &mut String, proposal: &Proposal, module: &ModuleMap) {
    out.push_str("children = [\n");
    for child in &module.children {
        let about = proposal.guesses.iter().find(|guess| {
            let here = guess.relation.as_ref().is_some_and(|relation| {
                relation.name == child.table || relation.to_string() == child.table
            });
            here && guess.what == "child"
        });
        if let Some(guess) = about {
            let _ = writeln!(out, "  # {}: {}", guess.certainty, one_line(&guess.reason));
        }
        if let Ok(found) = toml::Value::try_from(child) {
            let _ = writeln!(out, "  {},", value(&found));
        }
    }
    out.push_str("]\n");
}
