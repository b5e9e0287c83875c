//! What roles may do with fields: by their names, by their tags, and by wildcards.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Checker;
use super::cells::Place;
use crate::action::Action;
use crate::document::{Cell, FieldCell, Scope};
use crate::field::{Field, FieldPermissions, FieldRight, FieldRights};
use crate::permissions;
use crate::policy_set::PolicySet;
use crate::rendering::{FORMS, Rendering};

impl Checker<'_> {
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

    /// What a cell grants of one field: by its name, by its tags, by `fields."*"`, and by the action `"*"`,
    /// which stands for the most revealing rendering and for writing.
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
        let named = [(name, false), ("*", true)].into_iter();
        let named = named.map(|(written, every)| ("fields", written, every, &cell.fields));
        let tagged = field
            .tags
            .iter()
            .map(|tag| ("tags", tag.as_str(), true, &cell.tags));
        for (kind, written, every, of_cell) in named.chain(tagged) {
            for (right, scopes) in of_cell.get(written).into_iter().flatten() {
                let path = [path, &[kind, written, right]].concat();
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

    /// Tells of fields, tags and rights in a cell that nobody has defined.
    fn known_fields(&mut self, set: &PolicySet, role: &str, module: &str, cell: &Cell) {
        if module != "*" && !set.modules.contains_key(module) {
            self.unmapped.insert(module.to_owned());
        }
        let fields = set.fields.get(module);
        for (name, rights) in &cell.fields {
            let path = ["permissions", role, module, "fields", name];
            if module == "*" && name != "*" {
                let remedy = "write it in the cell of a module, or say fields.\"*\"";
                self.problems
                    .add(&path, "a field is one of a certain module", remedy);
                continue;
            }
            let field = fields.and_then(|fields| fields.get(name));
            if name != "*" && field.is_none() {
                self.problems.add(
                    &path,
                    format!("nothing says how field \"{name}\" can be shown"),
                    format!("add [fields.{module}.{name}] with its renderings"),
                );
                continue;
            }
            self.known_rights(&path, rights, &|rendering| {
                let lacks = field.is_some_and(|field| !field.renderings.contains(rendering));
                lacks.then(|| {
                    (
                        format!("field \"{name}\" has no rendering \"{rendering}\""),
                        format!("add it to [fields.{module}.{name}], or say write"),
                    )
                })
            });
        }
        for (tag, rights) in &cell.tags {
            let path = ["permissions", role, module, "tags", tag];
            let modules = set.fields.iter();
            let modules = modules.filter(|(known, _)| module == "*" || *known == module);
            let fields = modules.flat_map(|(_, fields)| fields.values());
            let tagged: Vec<&Field> = fields.filter(|field| field.tags.contains(tag)).collect();
            if tagged.is_empty() {
                self.problems.add(
                    &path,
                    format!("no field has the tag \"{tag}\""),
                    format!("write tags = [\"{tag}\"] where the field is defined"),
                );
                continue;
            }
            self.known_rights(&path, rights, &|rendering| {
                let mut fields = tagged.iter();
                let lacks = !fields.any(|field| field.renderings.contains(rendering));
                lacks.then(|| {
                    (
                        format!("no field with tag \"{tag}\" has the rendering \"{rendering}\""),
                        format!("add it to [tags.{tag}], or say write"),
                    )
                })
            });
        }
    }

    /// Tells of rights that are none, of renderings that `lacks` says something of, and of empty lists of
    /// scopes.
    fn known_rights(
        &mut self,
        path: &[&str],
        rights: &FieldCell,
        lacks: &dyn Fn(&Rendering) -> Option<(String, String)>,
    ) {
        for (written, scopes) in rights {
            let path = [path, &[written.as_str()]].concat();
            let wrong = match FieldRight::parse(written) {
                Ok(FieldRight::Write) => None,
                Ok(FieldRight::Shown(rendering)) => lacks(&rendering),
                Err(_) => Some((
                    format!("there is no rendering \"{written}\""),
                    format!("write, or {FORMS}"),
                )),
            };
            if let Some((message, remedy)) = wrong {
                self.problems.add(&path, message, remedy);
            }
            if scopes.is_empty() {
                let remedy = "name a scope, or leave the line out";
                self.problems
                    .add(&path, "a list of scopes is empty", remedy);
            }
        }
    }
}
