//! The modules of the mapping.

use std::collections::BTreeMap;

use super::Checker;
use super::builtin::builtin_modules;
use crate::document::ModuleMap;
use crate::policy_set::{Column, GroupPlace, KeyColumn, Module, Owner, ParentTarget, RowFilter};
use crate::schema::{TableName, is_key_type};

/// What a CRM may have nothing for.
const LACKS: [&str; 6] = ["owner", "creator", "group", "key", "parent", "related"];

impl Checker<'_> {
    /// The mapped modules, and the built-in ones that the mapping leaves to Celador's tables.
    pub(super) fn modules(&mut self) -> BTreeMap<String, Module> {
        let mapping = &self.document.mapping;
        let mut maps = builtin_modules(mapping);
        maps.extend(
            mapping
                .modules
                .iter()
                .map(|(name, map)| (name.clone(), map.clone())),
        );
        let mut modules = BTreeMap::new();
        for (name, map) in &maps {
            if let Some(module) = self.module(name, map, &maps) {
                modules.insert(name.clone(), module);
            }
        }
        modules
    }

    fn module(
        &mut self,
        name: &str,
        map: &ModuleMap,
        all: &BTreeMap<String, ModuleMap>,
    ) -> Option<Module> {
        let path = ["mapping", "modules", name];
        let tables: Vec<TableName> = map
            .table
            .as_slice()
            .iter()
            .filter_map(|table| self.table(&[&path[..], &["table"]].concat(), table))
            .collect();
        let Some(first) = tables.first().cloned() else {
            if map.table.is_empty() {
                self.problems.add(
                    &path,
                    format!("module \"{name}\" has no table"),
                    "add table = \"…\"",
                );
            }
            return None;
        };
        let rows = self.row_filter(&path, map.filter.as_deref(), &first)?;
        let mut module = Module {
            key: self.module_key(&path, map, &first),
            rows,
            touch: map.touch.clone(),
            configuration: map.configuration,
            mode: map.mode.unwrap_or_default(),
            ..Module::default()
        };
        module.creator = map.creator.as_ref().and_then(|column| {
            let path = [&path[..], &["creator"]].concat();
            let key = self.key_name(&path, map.creator_key.as_deref());
            Some(KeyColumn {
                column: self.key_column(&path, &first, column)?,
                key,
            })
        });
        for owner in map.owner.as_slice() {
            module
                .owners
                .extend(self.owner(&path, &first, owner, module.key.as_ref()));
        }
        for group in map.group.as_slice() {
            module
                .groups
                .extend(self.group_place(&path, &first, group, module.key.as_ref()));
        }
        for parent in map.parent.as_slice() {
            module
                .parents
                .extend(self.parent(&path, &first, parent, all, module.key.as_ref()));
        }
        for table in &tables {
            for column in &map.touch {
                self.column(&[&path[..], &["touch"]].concat(), table, column);
            }
            for column in map.fields.values() {
                self.column(&[&path[..], &["fields"]].concat(), table, column);
            }
        }
        if let Some(column) = map.touch.iter().find(|column| decides(&module, column)) {
            self.problems.add(
                &[&path[..], &["touch"]].concat(),
                format!("column \"{column}\" decides who reaches the record"),
                "list only columns like updated_at, which may change with a claim",
            );
        }
        for table in &tables[1..] {
            self.same_columns(&path, &module, &first, table);
        }
        if let Some(unknown) = map
            .lacks
            .iter()
            .find(|lack| !LACKS.contains(&lack.as_str()))
        {
            self.problems.add(
                &[&path[..], &["lacks"]].concat(),
                format!("\"{unknown}\" is nothing that a module can lack"),
                "owner, creator, group, key, parent or related",
            );
        }
        module.tables = tables;
        Some(module)
    }

    fn module_key(&mut self, path: &[&str], map: &ModuleMap, table: &TableName) -> Option<Column> {
        if let Some(key) = &map.key {
            return self.key_column(&[path, &["key"]].concat(), table, key);
        }
        if map.table.as_slice().len() > 1 {
            // Each table counts for itself: a key of one may name another record in the next.
            return None;
        }
        match self.schema.tables[table].primary_key.as_slice() {
            [key] => {
                let facts = &self.schema.tables[table].columns[key];
                is_key_type(&facts.type_name).then(|| Column {
                    name: key.clone(),
                    type_name: facts.type_name.clone(),
                })
            }
            _ => None,
        }
    }

    pub(super) fn key_name(&mut self, path: &[&str], key: Option<&str>) -> String {
        let key = key.unwrap_or("user");
        let known = key == "user"
            || match &self.document.mapping.users {
                Some(users) => users.keys.contains_key(key) || users.more_keys.contains_key(key),
                None => true,
            };
        if !known {
            self.problems.add(
                path,
                format!("nobody has a key called \"{key}\""),
                "name a key of mapping.users.keys or mapping.users.more_keys",
            );
        }
        key.to_owned()
    }

    /// Every table of a module has the columns that its scopes need.
    fn same_columns(
        &mut self,
        path: &[&str],
        module: &Module,
        first: &TableName,
        table: &TableName,
    ) {
        let mut columns: Vec<&Column> = module.key.iter().collect();
        for owner in &module.owners {
            match owner {
                Owner::Column(column) => columns.push(&column.column),
                Owner::Link(..) => self.problems.add(
                    path,
                    format!(
                        "module of several tables ({first}, {table}) has an owner by link table"
                    ),
                    "make each table a module",
                ),
            }
        }
        for group in &module.groups {
            match group {
                GroupPlace::Column(column) => columns.push(column),
                GroupPlace::Link(_) => self.problems.add(
                    path,
                    format!(
                        "module of several tables ({first}, {table}) has a group by link table"
                    ),
                    "make each table a module",
                ),
            }
        }
        for parent in &module.parents {
            match &parent.target {
                ParentTarget::Linked { .. } => self.problems.add(
                    path,
                    format!(
                        "module of several tables ({first}, {table}) has a parent by link table"
                    ),
                    "make each table a module",
                ),
                ParentTarget::Module(_)
                | ParentTarget::ByType { .. }
                | ParentTarget::Joined { .. } => columns.push(&parent.column),
            }
        }
        columns.extend(module.creator.iter().map(|creator| &creator.column));
        let filtered: Vec<Column> = module
            .rows
            .iter()
            .flat_map(|rows| &rows.types)
            .map(Column::of)
            .collect();
        columns.extend(&filtered);
        for column in columns {
            if let Some(found) = self.column(path, table, &column.name)
                && found.type_name != column.type_name
            {
                self.problems.add(
                    path,
                    format!(
                        "column \"{}\" differs in type between {first} and {table}",
                        column.name
                    ),
                    "make each table a module",
                );
            }
        }
    }
}

/// Whether the column decides who reaches a record.
fn decides(module: &Module, name: &str) -> bool {
    let filtered = module.rows.iter().flat_map(RowFilter::columns);
    (module.placing_columns().map(|column| column.name.as_str()))
        .chain(filtered)
        .any(|column| column == name)
}
