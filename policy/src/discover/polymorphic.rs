//! Records that hang on records of several kinds: a column with the key and one with the kind, or
//! both in one column.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::names::Name;
use super::registry::table_called;
use super::words;
use super::{Answer, Question};
use crate::schema::TableName;

/// Columns that name a record of one of several kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Polymorphic {
    /// A column with the key, and one that tells the kind: by its name, or by a key of the registry.
    Typed {
        column: String,
        kind: String,
        by_key: bool,
    },
    /// One column such as `party.party,12`.
    Joined { column: String },
}

/// What stands between kind and key.
pub(super) const SEPARATOR: &str = ",";
/// What the key's column is called beside `content_type`.
const KEYS: [&str; 4] = ["object", "record", "entity", "res"];

/// Whether the rows of a table hang on records of several kinds.
pub(super) fn has_parent(ground: &Ground<'_>, table: &TableName) -> bool {
    find(ground, table).iter().any(|found| match found {
        Polymorphic::Typed { .. } => true,
        Polymorphic::Joined { column } => Name::of_column(column).is(&words::JOINED[..1]),
    })
}

/// All such columns of a table.
pub(super) fn find(ground: &Ground<'_>, table: &TableName) -> Vec<Polymorphic> {
    let facts = ground.table(table);
    let mut found = Vec::new();
    let plain = |column: &&String| ground.references.of_column(table, column).is_none();
    for kind in &facts.clues.columns {
        let name = Name::of_column(kind);
        let matched = name.ends_with(words::KIND);
        let to_registry = ground
            .references
            .of_column(table, kind)
            .is_some_and(|reference| {
                ground
                    .registry
                    .as_ref()
                    .is_some_and(|registry| registry.table == reference.table)
            });
        let before = name.words[..name.words.len() - matched].join("_");
        // `type` by itself tells anything.
        let vague = before.is_empty() && !name.is(&["content_type", "model"]);
        if matched == 0 || vague || !(facts.is_text(kind) || to_registry) {
            continue;
        }
        let key = facts.clues.columns.iter().filter(plain).find(|column| {
            let key = Name::of_column(column);
            let is_key = key.words.len() < Name::of_table(column).words.len();
            let fits = if before.is_empty() {
                key.is(&KEYS)
            } else {
                key.text() == before
            };
            is_key && fits && facts.can_be_key(column)
        });
        if let Some(column) = key {
            let kind = kind.clone();
            found.push(Polymorphic::Typed {
                column: column.clone(),
                kind,
                by_key: to_registry,
            });
        }
    }
    for column in facts.clues.columns.iter().filter(plain) {
        let is_text = matches!(facts.type_of(column), "text" | "varchar");
        if is_text && Name::of_column(column).is(words::JOINED) && ground.registry.is_some() {
            found.push(Polymorphic::Joined {
                column: column.clone(),
            });
        }
    }
    found
}

/// The kinds that a column holds → the table of each; and whether they were read there.
pub(super) fn kinds(
    ground: &Ground<'_>,
    table: &TableName,
    found: &Polymorphic,
    common: &dyn Fn(&TableName) -> bool,
    ask: &mut dyn FnMut(&Question) -> Vec<Answer>,
) -> (BTreeMap<String, TableName>, bool) {
    let question = |column: &String, separator: Option<&str>| Question {
        table: table.clone(),
        column: column.clone(),
        label: None,
        separator: separator.map(str::to_owned),
    };
    let registered = |names: &BTreeMap<String, TableName>| -> BTreeMap<String, TableName> {
        let common = names.iter().filter(|(_, table)| common(table));
        common
            .map(|(kind, table)| (kind.clone(), table.clone()))
            .collect()
    };
    let read = |values: Vec<Answer>,
                known: Option<&BTreeMap<String, TableName>>|
     -> BTreeMap<String, TableName> {
        let count = values.len();
        let values = values.into_iter().map(|answer| answer.value);
        let kinds: BTreeMap<String, TableName> = values
            .filter_map(|value| {
                let table = match known {
                    Some(known) => known.get(&value).cloned(),
                    None => table_called(ground, &value),
                };
                table.map(|table| (value, table))
            })
            .collect();
        // Where most values are no kinds, the column holds something else.
        if kinds.len() * 2 < count {
            BTreeMap::new()
        } else {
            kinds
        }
    };
    let registry = ground.registry.as_ref();
    match found {
        Polymorphic::Typed {
            kind, by_key: true, ..
        } => {
            let Some(registry) = registry else {
                return (BTreeMap::new(), false);
            };
            let held = read(ask(&question(kind, None)), Some(&registry.by_key));
            let was_read = !held.is_empty();
            let mut kinds = registered(&registry.by_key);
            kinds.extend(held);
            (kinds, was_read)
        }
        Polymorphic::Typed {
            kind,
            by_key: false,
            ..
        } => {
            let held = read(ask(&question(kind, None)), None);
            let was_read = !held.is_empty();
            (held, was_read)
        }
        Polymorphic::Joined { column } => {
            let Some(registry) = registry else {
                return (BTreeMap::new(), false);
            };
            let held = read(
                ask(&question(column, Some(SEPARATOR))),
                Some(&registry.by_name),
            );
            let was_read = !held.is_empty();
            let general = Name::of_column(column).is(&words::JOINED[..1]);
            let mut kinds = if general || was_read {
                registered(&registry.by_name)
            } else {
                BTreeMap::new()
            };
            kinds.extend(held);
            (kinds, was_read)
        }
    }
}
