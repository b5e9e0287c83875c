//! What is wrong with a document: where, what, and what to do about it.

use std::collections::HashSet;
use std::fmt;

/// One problem, with the place in the document that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The keys that lead to the place, for example `["permissions", "seller", "contacts"]`.
    pub path: Vec<String>,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, naming the object.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem at the place that `path` leads to.
    pub fn new(path: &[&str], message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            path: path.iter().map(|&key| key.to_owned()).collect(),
            line: None,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join("."))?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a document; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// Collects problems while a document is checked.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    problems: Vec<Problem>,
}

impl Collector {
    /// Notes a problem.
    pub(crate) fn add(
        &mut self,
        path: &[&str],
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem::new(path, message, remedy));
    }

    /// Whether nothing was noted so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// How many were noted so far.
    pub(crate) fn len(&self) -> usize {
        self.problems.len()
    }

    /// `Ok` if nothing was noted; otherwise the problems, with lines looked up in `text`.
    pub(crate) fn finish(self, text: &str) -> Result<(), Problems> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let located = toml_edit::Document::parse(text).ok();
        let mut problems = self.problems;
        for problem in &mut problems {
            problem.line = located
                .as_ref()
                .and_then(|document| offset_of(document.as_item(), &problem.path))
                .map(|offset| line_of(text, offset));
        }
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        // What stands for many cells is wrong once.
        let mut seen = HashSet::new();
        problems.retain(|problem| seen.insert((problem.path.clone(), problem.message.clone())));
        Err(Problems(problems))
    }
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
}

/// Where the deepest key of `path` that exists is written.
fn offset_of(root: &toml_edit::Item, path: &[String]) -> Option<usize> {
    let mut item = root;
    let mut offset = None;
    for key in path {
        let found = match key.parse::<usize>() {
            Ok(index) => item.get(index),
            Err(_) => item.as_table_like().and_then(|table| {
                let (key, value) = table.get_key_value(key)?;
                offset = key.span().map(|span| span.start).or(offset);
                Some(value)
            }),
        };
        let Some(found) = found else { break };
        item = found;
        if key.parse::<usize>().is_ok() {
            offset = item.span().map(|span| span.start).or(offset);
        }
    }
    offset
}

/// The keys that lead to what is written at a byte offset; none if nothing is known.
pub(crate) fn keys_at(text: &str, offset: usize) -> Vec<String> {
    let mut path = Vec::new();
    if let Ok(document) = toml_edit::Document::parse(text) {
        descend(document.as_item(), offset, &mut path);
    }
    path
}

/// Goes down to `offset`; true where it was found below `item`.
fn descend(item: &toml_edit::Item, offset: usize, path: &mut Vec<String>) -> bool {
    let within =
        |span: Option<std::ops::Range<usize>>| span.is_some_and(|span| span.contains(&offset));
    if let Some(table) = item.as_table_like() {
        for (name, value) in table.iter() {
            path.push(name.to_owned());
            if within(table.key(name).and_then(toml_edit::Key::span))
                || descend(value, offset, path)
            {
                return true;
            }
            path.pop();
        }
    }
    if let Some(tables) = item.as_array_of_tables() {
        for (at, table) in tables.iter().enumerate() {
            path.push(at.to_string());
            for (name, value) in table.iter() {
                path.push(name.to_owned());
                if within(table.key(name).and_then(toml_edit::Key::span))
                    || descend(value, offset, path)
                {
                    return true;
                }
                path.pop();
            }
            path.pop();
        }
    }
    item.as_value().is_some_and(|value| within(value.span()))
}
