//! Aggregates: which columns of a module groups are made by, and which are summed up.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use crate::action::Action;
use crate::policy_set::{Aggregates, Module, PolicySet};

/// Fewer records than that are no group.
const SMALLEST_GROUP: u32 = 5;

/// What can be summed up.
const NUMBERS: [&str; 6] = [
    "pg_catalog.int2",
    "pg_catalog.int4",
    "pg_catalog.int8",
    "pg_catalog.numeric",
    "pg_catalog.float4",
    "pg_catalog.float8",
];

impl Checker<'_> {
    /// What is shown of modules by the action `aggregate`. A cell that grants it says nothing else.
    pub(super) fn aggregates(&mut self, set: &PolicySet) -> BTreeMap<String, Aggregates> {
        let mut known = BTreeMap::new();
        for (name, rule) in &self.document.matrix.aggregates {
            let path = ["aggregates", name.as_str()];
            let Some(module) = set.modules.get(name) else {
                self.unmapped.insert(name.clone());
                continue;
            };
            if module.key.is_none() || module.tables.len() != 1 {
                self.problems.add(
                    &path,
                    format!("records of module \"{name}\" can't be counted: it has no key, or several tables"),
                    "map the key, and one table",
                );
                continue;
            }
            let smallest_group = rule.smallest_group.unwrap_or(SMALLEST_GROUP);
            if smallest_group < SMALLEST_GROUP {
                self.problems.add(
                    &[path[0], path[1], "smallest_group"],
                    format!("groups of {smallest_group} tell of records"),
                    format!("write at least {SMALLEST_GROUP}"),
                );
            }
            let dimensions = self.aggregate_columns((name, module), "dimensions", &rule.dimensions);
            let measures = self.aggregate_columns((name, module), "measures", &rule.measures);
            known.insert(
                name.clone(),
                Aggregates {
                    dimensions,
                    measures,
                    smallest_group,
                },
            );
        }
        for (role, cells) in &self.document.matrix.permissions {
            for module in cells.iter().filter_map(|(module, cell)| {
                let granted = cell.actions.contains_key(Action::Aggregate.name());
                (granted && module != "*").then_some(module)
            }) {
                if set.modules.contains_key(module) && !known.contains_key(module) {
                    self.problems.add(
                        &["permissions", role, module, Action::Aggregate.name()],
                        format!("nothing says what is shown of module \"{module}\" by aggregates"),
                        format!("add [aggregates.{module}] with dimensions and measures"),
                    );
                }
            }
        }
        known
    }

    fn aggregate_columns(
        &mut self,
        (name, module): (&str, &Module),
        key: &str,
        fields: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let path = ["aggregates", name, key];
        let renamed = |field: &String| {
            let map = self.document.mapping.modules.get(name);
            let column = map.and_then(|map| map.fields.get(field));
            column.unwrap_or(field).clone()
        };
        let columns: BTreeSet<String> = fields.iter().map(renamed).collect();
        let mut found = BTreeSet::new();
        for column in columns {
            let facts = &self.schema.tables[&module.tables[0]];
            let Some(known) = facts.columns.get(&column) else {
                self.unmapped.insert(format!("{name}.{column}"));
                continue;
            };
            let is_key = module.key.as_ref().is_some_and(|key| key.name == column);
            let fits = if key == "measures" {
                NUMBERS.contains(&known.type_name.as_str())
            } else {
                known.type_name.starts_with("pg_catalog.")
            };
            if is_key {
                self.problems.add(
                    &path,
                    format!("column \"{column}\" is the key: each record would be a group"),
                    "leave it out",
                );
            } else if !fits {
                self.problems.add(
                    &path,
                    format!("column \"{column}\" is of type {}", known.type_name),
                    "measures are numbers, dimensions of a built-in type",
                );
            } else {
                found.insert(column);
            }
        }
        found
    }
}
