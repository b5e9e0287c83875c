//! Fields: renderings and who sees which. Kept for later; their names are checked now.

use std::collections::BTreeMap;

use super::Checker;
use crate::document::ScopeName;
use crate::policy_set::{Field, PolicySet};

impl Checker<'_> {
    /// The fields by module. One that the CRM lacks is reported as unmapped.
    pub(super) fn field_rules(
        &mut self,
        set: &PolicySet,
    ) -> BTreeMap<String, BTreeMap<String, Field>> {
        let matrix = &self.document.matrix;
        let mut known: BTreeMap<String, BTreeMap<String, Field>> = BTreeMap::new();
        for (module, fields) in &matrix.fields {
            for (name, rule) in fields {
                let field = Field {
                    column: self.field(set, module, name),
                    renderings: rule.renderings.clone(),
                    tags: rule.tags.clone(),
                };
                known
                    .entry(module.clone())
                    .or_default()
                    .insert(name.clone(), field);
                if rule.renderings.is_empty() {
                    self.problems.add(
                        &["fields", module, name],
                        "the field has no rendering",
                        "add renderings = [\"clear\", \"null\"]",
                    );
                }
            }
        }
        for (role, cells) in &matrix.permissions {
            for (module, cell) in cells {
                for (name, grants) in &cell.fields {
                    let path = ["permissions", role, module, "fields", name];
                    if module == "*" {
                        let remedy = "write it in the cell of a module";
                        self.problems
                            .add(&path, "a field is one of a certain module", remedy);
                        continue;
                    }
                    self.field(set, module, name);
                    let rule = matrix
                        .fields
                        .get(module)
                        .and_then(|fields| fields.get(name));
                    for (rendering, scopes) in grants {
                        let path = [&path[..], &[rendering.as_str()]].concat();
                        let known = rendering == "write"
                            || rule.is_some_and(|rule| rule.renderings.contains(rendering));
                        if !known {
                            self.problems.add(
                                &path,
                                format!("field \"{name}\" has no rendering \"{rendering}\""),
                                format!("add it to [fields.{module}.{name}], or say write"),
                            );
                        }
                        for scope in scopes {
                            let scope = scope.term();
                            self.known_setting(&path, scope.when.as_ref());
                            let known = ScopeName::from_name(&scope.scope).is_some()
                                || scope
                                    .scope
                                    .strip_prefix("rule:")
                                    .is_some_and(|rule| matrix.rules.contains_key(rule));
                            if !known {
                                self.problems.add(
                                    &path,
                                    format!("\"{}\" is no scope", scope.scope),
                                    "name a scope, or a rule as rule:NAME",
                                );
                            }
                        }
                    }
                }
            }
        }
        known
    }

    /// The field's column. Reports the field if the module has none for it.
    fn field(&mut self, set: &PolicySet, module: &str, name: &str) -> Option<String> {
        let Some(known) = set.modules.get(module) else {
            self.unmapped.insert(module.to_owned());
            return None;
        };
        let map = self.document.mapping.modules.get(module);
        let column = map
            .and_then(|map| map.fields.get(name))
            .map_or(name, String::as_str);
        let everywhere = known
            .tables
            .iter()
            .all(|table| self.schema.tables[table].columns.contains_key(column));
        if !everywhere {
            self.unmapped.insert(format!("{module}.{name}"));
        }
        everywhere.then(|| column.to_owned())
    }
}
