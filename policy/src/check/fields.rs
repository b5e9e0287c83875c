//! Fields: how they can be shown, and which roles see and write them how.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Checker;
use super::cells::Place;
use crate::action::Action;
use crate::document::{Cell, FieldRule, Scope};
use crate::field::{Field, FieldPermissions, FieldRight, FieldRights};
use crate::permissions;
use crate::policy_set::{Column, Placement, PolicySet};
use crate::rendering::{FORMS, Rendering};
use crate::rendering_function::FunctionName;
use crate::schema::{TableFacts, TableName};

impl Checker<'_> {
    /// The fields by module. One that the CRM lacks is reported as unmapped.
    pub(super) fn fields(&mut self, set: &PolicySet) -> BTreeMap<String, BTreeMap<String, Field>> {
        let mut known: BTreeMap<String, BTreeMap<String, Field>> = BTreeMap::new();
        for (module, fields) in &self.document.matrix.fields {
            for (name, rule) in fields {
                let column = self.field_column(set, module, name);
                if let Some(column) = &column
                    && let Some(why) = self.must_be_clear(set, module, column)
                    && rule.renderings != ["clear"]
                {
                    self.problems.add(
                        &["fields", module, name],
                        format!("column \"{}\" can't be masked: it {why}", column.name),
                        "leave the field out, or show it in clear alone",
                    );
                }
                let field = Field {
                    renderings: self.renderings(set, module, name, rule, column.as_ref()),
                    column,
                    tags: rule.tags.clone(),
                };
                known
                    .entry(module.clone())
                    .or_default()
                    .insert(name.clone(), field);
            }
        }
        self.masked_tables(set, &known);
        known
    }

    /// The columns of modules that mask any field.
    pub(super) fn known_columns(&self, set: &PolicySet) -> BTreeMap<String, BTreeSet<String>> {
        let fields = set.fields.iter();
        let masking = fields.filter(|(_, fields)| fields.values().any(Field::masks));
        masking
            .filter_map(|(module, _)| {
                let tables = set.modules.get(module)?.tables.iter();
                let columns = tables.flat_map(|table| self.schema.tables[table].columns.keys());
                Some((module.clone(), columns.cloned().collect()))
            })
            .collect()
    }

    /// Tells of what would show masked columns beside their masks: tables above those that hold them,
    /// columns that are generated from them, and modules that share a table with theirs.
    fn masked_tables(
        &mut self,
        set: &PolicySet,
        fields: &BTreeMap<String, BTreeMap<String, Field>>,
    ) {
        let masks = |module: &str, column: &str| {
            let mut fields = fields.get(module).into_iter().flat_map(BTreeMap::values);
            fields.find(|field| {
                field.masks()
                    && field
                        .column
                        .as_ref()
                        .is_some_and(|known| known.name == column)
            })
        };
        for (module, name, field) in fields.iter().flat_map(|(module, fields)| {
            let masked = fields.iter().filter(|(_, field)| field.masks());
            masked.map(move |(name, field)| (module, name, field))
        }) {
            let (Some(column), Some(known)) = (&field.column, set.modules.get(module)) else {
                continue;
            };
            let path = ["fields", module.as_str(), name.as_str()];
            for table in &known.tables {
                let facts = &self.schema.tables[table];
                for above in &facts.inherits {
                    let shows = (self.schema.tables.get(above))
                        .is_some_and(|facts| facts.columns.contains_key(&column.name));
                    let holds = (set.tables.get(above)).map_or_else(Vec::new, Placement::holds);
                    let masked = holds
                        .iter()
                        .all(|other| masks(other, &column.name).is_some());
                    if shows && (holds.is_empty() || !masked) {
                        self.problems.add(
                            &path,
                            format!("column \"{}\" of {table} is read through {above} too, where it isn't masked", column.name),
                            format!("add the field to the module of {above}, or make {above} a table of module \"{module}\""),
                        );
                    }
                }
                for (other, generated) in &facts.columns {
                    if generated.generated_from.contains(&column.name)
                        && masks(module, other).is_none()
                    {
                        self.problems.add(
                            &path,
                            format!(
                                "column \"{other}\" of {table} is generated from column \"{}\"",
                                column.name
                            ),
                            format!(
                                "add [fields.{module}.{other}] with renderings that hide as much"
                            ),
                        );
                    }
                }
                for other in (set.tables.get(table)).map_or_else(Vec::new, Placement::holds) {
                    let otherwise = masks(other, &column.name)
                        .filter(|other| other.renderings != field.renderings);
                    if otherwise.is_some() && other > module.as_str() {
                        self.problems.add(
                            &path,
                            format!("column \"{}\" of {table} is rendered otherwise by module \"{other}\"", column.name),
                            "give it the same renderings in both: some rows may be records of both",
                        );
                    }
                }
            }
        }
    }

    fn renderings(
        &mut self,
        set: &PolicySet,
        module: &str,
        name: &str,
        rule: &FieldRule,
        column: Option<&Column>,
    ) -> Vec<Rendering> {
        let path = ["fields", module, name, "renderings"];
        if rule.renderings.is_empty() {
            let remedy = "add renderings = [\"clear\", \"null\"]";
            self.problems
                .add(&path[..3], "the field has no rendering", remedy);
        }
        let mut renderings = Vec::new();
        for written in &rule.renderings {
            let Ok(rendering) = Rendering::parse(written) else {
                self.problems
                    .add(&path, format!("\"{written}\" is no rendering"), FORMS);
                continue;
            };
            if let Some(column) = column
                && let Err(types) = rendering.fits(&column.type_name)
            {
                self.problems.add(
                    &path,
                    format!(
                        "a column of type {} can't be shown as \"{written}\"",
                        column.type_name
                    ),
                    format!("\"{written}\" is for columns of these types: {types}"),
                );
            }
            if let (Some(column), Rendering::Function(function)) = (column, &rendering) {
                self.known_function(set, module, &path, column, function);
            }
            if renderings.contains(&rendering) {
                let remedy = "write it once";
                self.problems
                    .add(&path, format!("\"{written}\" is listed twice"), remedy);
            }
            renderings.push(rendering);
        }
        renderings
    }

    /// Tells of a function that can't show the column.
    fn known_function(
        &mut self,
        set: &PolicySet,
        module: &str,
        path: &[&str],
        column: &Column,
        function: &FunctionName,
    ) {
        let type_name = &column.type_name;
        let known = self.schema.functions.get(function);
        let known = known.map_or(&[][..], Vec::as_slice);
        let mut of_type = known.iter();
        let of_type = of_type.find(|facts| facts.arguments == [type_name.as_str()]);
        // Any other: what is wrong is its signature.
        let Some(facts) = of_type.or(known.first()) else {
            self.problems.add(
                path,
                format!("there is no function {function}"),
                "create it first, and name it with its schema",
            );
            return;
        };
        let tables = set
            .modules
            .get(module)
            .map_or(&[][..], |known| &known.tables);
        let mut owners = tables.iter().map(|table| &self.schema.tables[table].owner);
        if let Some((problem, remedy)) = owners.find_map(|owner| facts.unfit(type_name, owner)) {
            self.problems
                .add(path, format!("function {function} {problem}"), remedy);
        }
    }

    /// Why everybody sees the column as it is stored: what is compared across tables, or says who
    /// reaches the row, would otherwise mean another thing to each person.
    fn must_be_clear(
        &self,
        set: &PolicySet,
        module: &str,
        column: &Column,
    ) -> Option<&'static str> {
        let known = set.modules.get(module)?;
        if known
            .placing_columns()
            .any(|placing| placing.name == column.name)
        {
            return Some("says who reaches the record, or names it");
        }
        let of_tables = |wanted: &dyn Fn(&TableName, &TableFacts) -> bool| {
            let mut tables = known.tables.iter();
            tables.any(|table| {
                self.schema
                    .tables
                    .get(table)
                    .is_some_and(|facts| wanted(table, facts))
            })
        };
        let refers = |_: &TableName, facts: &TableFacts| {
            let mut keys = facts.foreign_keys.iter();
            keys.any(|key| key.columns.contains(&column.name))
        };
        let is_referred_to = |table: &TableName, facts: &TableFacts| {
            let mut keys = self
                .schema
                .tables
                .values()
                .flat_map(|other| &other.foreign_keys);
            facts.primary_key.contains(&column.name) && keys.any(|key| key.table == *table)
        };
        if of_tables(&refers) {
            Some("refers to another table")
        } else if of_tables(&is_referred_to) {
            Some("is what other tables refer to")
        } else {
            None
        }
    }

    /// What roles may do with fields, with wildcards written out.
    pub(super) fn field_permissions(&mut self, set: &PolicySet) -> FieldPermissions {
        let mut found = FieldPermissions::new();
        for (role, cells) in &self.document.matrix.permissions {
            let mut of_role: BTreeMap<String, BTreeMap<String, FieldRights>> = BTreeMap::new();
            for (written, cell) in cells {
                self.known_fields(set, role, written, cell);
                let every = written == "*";
                let modules = (set.fields.iter())
                    .filter(|(module, _)| every || *module == written)
                    .filter(|(module, _)| set.modules.contains_key(*module));
                for (module, fields) in modules {
                    let of_module = of_role.entry(module.clone()).or_default();
                    for (name, field) in fields.iter().filter(|(_, field)| field.column.is_some()) {
                        let path = ["permissions", role, written];
                        let rights = self.rights(set, &path, (module, name, field), cell);
                        let known = of_module.entry(name.clone()).or_default();
                        for (right, grants) in rights {
                            let known = known.entry(right).or_default();
                            known.extend(grants);
                            known.sort();
                            known.dedup();
                        }
                    }
                }
            }
            let of_role: BTreeMap<_, _> = of_role
                .into_iter()
                .map(|(module, fields)| (module, Arc::new(fields)))
                .collect();
            if !of_role.is_empty() {
                found.insert(role.clone(), of_role);
            }
        }
        permissions::share(&mut found);
        found
    }

    /// What a cell grants of one field: by its name, by `fields."*"`, and by the action `"*"`, which
    /// stands for the most revealing rendering and for writing.
    fn rights(
        &mut self,
        set: &PolicySet,
        path: &[&str],
        (module, name, field): (&str, &str, &Field),
        cell: &Cell,
    ) -> FieldRights {
        let mut rights = FieldRights::new();
        let mut grant = |path: Vec<&str>, right: FieldRight, scopes: &[Scope], quiet| {
            let action = match right {
                FieldRight::Shown(_) => Action::Read,
                FieldRight::Write => Action::Update,
            };
            let place = Place {
                path,
                module,
                action,
                quiet,
            };
            let grants = scopes
                .iter()
                .filter_map(|scope| self.grant(set, &place, scope));
            let grants: Vec<_> = grants.collect();
            if !grants.is_empty() {
                rights.entry(right).or_default().extend(grants);
            }
        };
        for (written, every) in [(name, false), ("*", true)] {
            for (right, scopes) in cell.fields.get(written).into_iter().flatten() {
                let path = [path, &["fields", written, right]].concat();
                let quiet = every || path[2] == "*";
                // One that isn't a right was told of with the cell.
                match FieldRight::parse(right) {
                    Ok(FieldRight::Shown(rendering)) if !field.renderings.contains(&rendering) => {}
                    Ok(right) => grant(path, right, scopes, quiet),
                    Err(_) => {}
                }
            }
        }
        if let Some(scopes) = cell.actions.get("*") {
            let first = field.renderings.first().cloned().map(FieldRight::Shown);
            for right in first.into_iter().chain([FieldRight::Write]) {
                grant([path, &["*"]].concat(), right, scopes, true);
            }
        }
        rights
    }

    /// Tells of fields and rights in a cell that nobody has defined.
    fn known_fields(&mut self, set: &PolicySet, role: &str, module: &str, cell: &Cell) {
        let rules = self.document.matrix.fields.get(module);
        if module != "*" && !set.modules.contains_key(module) {
            self.unmapped.insert(module.to_owned());
        }
        for (name, rights) in &cell.fields {
            let path = ["permissions", role, module, "fields", name];
            if module == "*" && name != "*" {
                let remedy = "write it in the cell of a module, or say fields.\"*\"";
                self.problems
                    .add(&path, "a field is one of a certain module", remedy);
                continue;
            }
            let rule = rules.and_then(|fields| fields.get(name));
            if name != "*" && rule.is_none() {
                self.problems.add(
                    &path,
                    format!("nothing says how field \"{name}\" can be shown"),
                    format!("add [fields.{module}.{name}] with its renderings"),
                );
                continue;
            }
            for (written, scopes) in rights {
                let path = [&path[..], &[written.as_str()]].concat();
                let known = match FieldRight::parse(written) {
                    Err(_) => false,
                    Ok(FieldRight::Write) => true,
                    Ok(FieldRight::Shown(rendering)) => rule.is_none_or(|rule| {
                        let mut listed = rule.renderings.iter().map(|text| Rendering::parse(text));
                        listed.any(|listed| listed == Ok(rendering.clone()))
                    }),
                };
                if !known {
                    self.problems.add(
                        &path,
                        format!("field \"{name}\" has no rendering \"{written}\""),
                        format!("add it to [fields.{module}.{name}], or say write"),
                    );
                }
                if scopes.is_empty() {
                    let remedy = "name a scope, or leave the line out";
                    self.problems
                        .add(&path, "a list of scopes is empty", remedy);
                }
            }
        }
    }

    /// The field's column. Reports the field if the module has none for it.
    fn field_column(&mut self, set: &PolicySet, module: &str, name: &str) -> Option<Column> {
        let Some(known) = set.modules.get(module) else {
            self.unmapped.insert(module.to_owned());
            return None;
        };
        let map = self.document.mapping.modules.get(module);
        let column = map
            .and_then(|map| map.fields.get(name))
            .map_or(name, String::as_str);
        let mut found = None;
        for table in &known.tables {
            let Some(facts) = self.schema.tables[table].columns.get(column) else {
                self.unmapped.insert(format!("{module}.{name}"));
                return None;
            };
            let first: &Column = found.get_or_insert(Column {
                name: column.to_owned(),
                type_name: facts.type_name.clone(),
            });
            if first.type_name != facts.type_name {
                self.problems.add(
                    &["fields", module, name],
                    format!(
                        "column \"{column}\" differs in type between the tables of \"{module}\""
                    ),
                    "make each table a module",
                );
            }
        }
        found
    }
}
