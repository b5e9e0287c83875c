//! Fields: how they can be shown.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use crate::document::FieldRule;
use crate::field::Field;
use crate::policy_set::{Column, Placement, PolicySet};
use crate::rendering::{FORMS, Rendering};
use crate::rendering_function::FunctionName;
use crate::schema::{TableFacts, TableName};

impl Checker<'_> {
    /// The fields by module. One that the CRM lacks is reported as unmapped.
    pub(super) fn fields(&mut self, set: &PolicySet) -> BTreeMap<String, BTreeMap<String, Field>> {
        let mut known: BTreeMap<String, BTreeMap<String, Field>> = BTreeMap::new();
        let tags = self.tags();
        for (module, fields) in &self.document.matrix.fields {
            for (name, rule) in fields {
                let column = self.field_column(set, module, name);
                let renderings = self.renderings(set, (module, name, rule), column.as_ref(), &tags);
                if let Some(column) = &column
                    && let Some(why) = self.must_be_clear(set, module, column)
                    && !renderings.is_empty()
                    && renderings != [Rendering::Clear]
                {
                    self.problems.add(
                        &["fields", module, name],
                        format!("column \"{}\" can't be masked: it {why}", column.name),
                        "leave the field out, or show it in clear alone",
                    );
                }
                let field = Field {
                    renderings,
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

    /// What fields with a tag are shown as, unless they say otherwise.
    fn tags(&mut self) -> BTreeMap<String, Vec<Rendering>> {
        let mut tags = BTreeMap::new();
        for (tag, rule) in &self.document.matrix.tags {
            let path = ["tags", tag, "renderings"];
            if rule.renderings.is_empty() {
                let remedy = "add renderings = [\"clear\", \"null\"]";
                self.problems
                    .add(&path[..2], "the tag has no rendering", remedy);
            }
            tags.insert(tag.clone(), self.listed(&path, &rule.renderings));
        }
        tags
    }

    /// A list of renderings as it is written.
    fn listed(&mut self, path: &[&str], written: &[String]) -> Vec<Rendering> {
        let mut renderings = Vec::new();
        for written in written {
            let Ok(rendering) = Rendering::parse(written) else {
                self.problems
                    .add(path, format!("\"{written}\" is no rendering"), FORMS);
                continue;
            };
            if renderings.contains(&rendering) {
                let remedy = "write it once";
                self.problems
                    .add(path, format!("\"{written}\" is listed twice"), remedy);
            }
            renderings.push(rendering);
        }
        renderings
    }

    /// What a field can be shown as: what it lists, or else what its tags say.
    fn renderings(
        &mut self,
        set: &PolicySet,
        (module, name, rule): (&str, &str, &FieldRule),
        column: Option<&Column>,
        tags: &BTreeMap<String, Vec<Rendering>>,
    ) -> Vec<Rendering> {
        let path = ["fields", module, name, "renderings"];
        let (renderings, tag) = if rule.renderings.is_empty() {
            let mut says = (rule.tags.iter()).filter_map(|tag| Some((tag, tags.get(tag)?)));
            let Some((tag, renderings)) = says.next() else {
                let remedy = match rule.tags.first() {
                    Some(tag) => format!("add them to [tags.{tag}], or to the field"),
                    None => "add renderings = [\"clear\", \"null\"]".to_owned(),
                };
                self.problems
                    .add(&path[..3], "the field has no rendering", remedy);
                return Vec::new();
            };
            if let Some((other, _)) = says.find(|(_, others)| *others != renderings) {
                self.problems.add(
                    &path[..3],
                    format!("tags \"{tag}\" and \"{other}\" say different things of it"),
                    "list the field's own renderings",
                );
            }
            (renderings.clone(), Some(tag))
        } else {
            (self.listed(&path, &rule.renderings), None)
        };
        let path = match tag {
            Some(_) => &path[..3],
            None => &path[..],
        };
        for rendering in &renderings {
            let Some(column) = column else { break };
            if let Err(types) = rendering.fits(&column.type_name) {
                let said = tag.map_or_else(String::new, |tag| format!(", as tag \"{tag}\" says"));
                self.problems.add(
                    path,
                    format!(
                        "a column of type {} can't be shown as \"{rendering}\"{said}",
                        column.type_name
                    ),
                    format!("\"{rendering}\" is for columns of these types: {types}"),
                );
            }
            if let Rendering::Function(function) = rendering {
                self.known_function(set, module, path, column, function);
            }
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
