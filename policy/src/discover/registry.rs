//! The table in which an application lists its own kinds of records, and which table each is.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::names::Name;
use super::words;
use super::{Answer, Question};
use crate::schema::TableName;

/// The list of kinds.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) table: TableName,
    /// The key of a kind → its table.
    pub(super) by_key: BTreeMap<String, TableName>,
    /// The name of a kind → its table.
    pub(super) by_name: BTreeMap<String, TableName>,
}

impl Registry {
    /// A table called so whose rows, where they can be read, are named like tables.
    pub(super) fn find(
        ground: &Ground<'_>,
        ask: &mut dyn FnMut(&Question) -> Vec<Answer>,
    ) -> Option<Self> {
        let mut best: Option<Self> = None;
        for (name, table) in ground.roots() {
            let (Some(key), Some(column)) = (
                table.key(),
                table.column_named(&["model", "name", "class_name"]),
            ) else {
                continue;
            };
            if table.name.ends_with(words::REGISTRY) == 0 {
                continue;
            }
            let question = Question {
                table: name.clone(),
                column: key.to_owned(),
                label: Some(column.to_owned()),
                separator: None,
            };
            let mut found = Self {
                table: name.clone(),
                by_key: BTreeMap::new(),
                by_name: BTreeMap::new(),
            };
            for Answer { value, label } in ask(&question) {
                let Some((label, table)) =
                    label.and_then(|l| table_called(ground, &l).map(|t| (l, t)))
                else {
                    continue;
                };
                found.by_key.insert(value, table.clone());
                found.by_name.insert(label, table);
            }
            let more = best
                .as_ref()
                .is_none_or(|best| found.by_key.len() > best.by_key.len());
            if more {
                best = Some(found);
            }
        }
        best
    }
}

/// The table that a kind's name means: `Account`, `crm.lead`, `App\Models\Deal`. Only one may fit.
pub(super) fn table_called(ground: &Ground<'_>, kind: &str) -> Option<TableName> {
    let class = kind.rsplit(['\\', '/', ':']).next()?;
    let wanted = Name::of_table(class);
    if wanted.words.is_empty() {
        return None;
    }
    let fit = |exact: bool| {
        let mut fitting = ground.roots().filter(|(_, table)| {
            if exact {
                table.name.joined() == wanted.joined()
            } else {
                table.name.words.ends_with(&wanted.words)
            }
        });
        match (fitting.next(), fitting.next()) {
            (Some((name, _)), None) => Some(name.clone()),
            (Some(_) | None, _) => None,
        }
    };
    fit(true).or_else(|| fit(false))
}
