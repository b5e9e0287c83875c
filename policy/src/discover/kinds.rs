//! What a table's records are: which module of those that CRMs share.

use std::collections::{BTreeMap, BTreeSet};

use super::ground::Ground;
use super::words;
use crate::schema::TableName;

/// Tables whose records are of a known kind.
#[derive(Debug, Default)]
pub(super) struct Kinds(BTreeMap<TableName, &'static str>);

impl Kinds {
    /// For each known module the table that fits its words best, and no table twice.
    pub(super) fn find(ground: &Ground<'_>, tables: &[TableName]) -> Self {
        let mut fitting = Vec::new();
        for table in tables {
            let name = &ground.table(table).name;
            if ground.is_tenant(table)
                || ground.link(table).is_some()
                || ground.roles.tables.contains(table)
            {
                continue;
            }
            let settings = name.has(words::SETTING);
            for (module, phrases) in words::MODULES {
                for (rank, phrase) in phrases.iter().enumerate() {
                    let matched = name.ends_with(&[phrase]);
                    let fits =
                        !settings || phrase.split('_').any(|word| words::SETTING.contains(&word));
                    if matched > 0 && fits {
                        let extra = name.words.len() - matched;
                        // `sale_sale` is `sale`.
                        let twice = extra == 1 && matched == 1 && name.first() == name.last();
                        let extra = if twice { 0 } else { extra };
                        // More words that fit say more.
                        let worse = rank + extra * 2 + 4 - matched.min(2) * 2;
                        fitting.push((worse, rank, extra, *module, table));
                    }
                }
            }
        }
        fitting.sort();
        let mut found = Self::default();
        let mut taken = BTreeSet::new();
        for (_, _, extra, module, table) in fitting {
            if extra <= 2 && !found.0.contains_key(table) && taken.insert(module) {
                found.0.insert(table.clone(), module);
            }
        }
        found
    }

    /// The known module that the table's records are of.
    pub(super) fn name_of(&self, table: &TableName) -> Option<&'static str> {
        self.0.get(table).copied()
    }
}
