//! Children: tables that follow the record they hang on, directly or through other children.

use std::collections::BTreeMap;

use super::{Checker, builtin};
use crate::document::Child;
use crate::policy_set::{Column, Placement, PolicySet};
use crate::schema::TableName;

type Placed = BTreeMap<TableName, Placement>;

impl Checker<'_> {
    /// Places the children of all modules.
    pub(super) fn children(&mut self, set: &PolicySet, placed: &mut Placed) {
        let maps = builtin::builtin_modules(&self.document.mapping);
        let maps: Vec<_> = maps
            .iter()
            .chain(&self.document.mapping.modules)
            .map(|(name, map)| (name.clone(), map.children.clone()))
            .collect();
        for (name, children) in maps {
            let Some(module) = set.modules.get(&name) else {
                continue;
            };
            let path = ["mapping", "modules", name.as_str(), "children"];
            if let (None, Some(child)) = (&module.key, children.first()) {
                self.problems.add(
                    &path,
                    format!(
                        "{} hangs on records of \"{name}\", which have no key",
                        child.table
                    ),
                    "add key = \"…\" to the module",
                );
                continue;
            }
            self.hang(placed, &path, &name, None, &children);
        }
    }

    /// Places children that hang on records, or on the child `above`.
    fn hang(
        &mut self,
        placed: &mut Placed,
        path: &[&str],
        module: &str,
        above: Option<&TableName>,
        children: &[Child],
    ) {
        for (at, child) in children.iter().enumerate() {
            let at = at.to_string();
            let path = [path, &[at.as_str()]].concat();
            let Some(table) = self.table(&path, &child.table) else {
                continue;
            };
            let column_path = [&path[..], &["column"]].concat();
            let Some(column) = self.key_column(&column_path, &table, &child.column) else {
                continue;
            };
            let named = child.key.is_some() || !child.children.is_empty();
            let key = if named {
                self.child_key(&path, &table, child)
            } else {
                None
            };
            if named && key.is_none() {
                continue;
            }
            let placement = Placement::Child {
                module: module.to_owned(),
                column,
                above: above.cloned(),
                key,
            };
            let Some(rows) = self.row_filter(&path, child.filter.as_deref(), &table) else {
                continue;
            };
            self.place(placed, &path, &table, rows.as_ref(), placement);
            let below = [&path[..], &["children"]].concat();
            self.hang(placed, &below, module, Some(&table), &child.children);
        }
    }

    /// The column by which children of a child name it.
    fn child_key(&mut self, path: &[&str], table: &TableName, child: &Child) -> Option<Column> {
        let path = [path, &["key"]].concat();
        if let Some(key) = &child.key {
            return self.key_column(&path, table, key);
        }
        if let [key] = self.schema.tables[table].primary_key.as_slice() {
            let key = key.clone();
            return self.key_column(&path, table, &key);
        }
        self.problems.add(
            &path,
            format!("tables hang on {table}, which has no primary key of one column"),
            "add key = \"…\" to the child",
        );
        None
    }
}
