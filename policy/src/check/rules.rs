//! Rules and restrictions: what a row must satisfy.

use std::collections::BTreeMap;

use super::Checker;
use crate::action::Action;
use crate::policy_set::{PolicySet, Restriction};
use crate::predicate::{Comparison, Operand, Predicate};

impl Checker<'_> {
    /// Predicates may speak of known roles, keys and attributes only, and of roles only in a way
    /// in which holding one more never takes a row away (X.3).
    fn known_words(&mut self, path: &[&str], set: &PolicySet, predicate: &Predicate) {
        for role in predicate.roles() {
            self.known_role(path, role);
        }
        if let Some(role) = negated_role(predicate, false) {
            self.problems.add(
                path,
                format!("NOT has_role('{role}'): a role that is added would take access away"),
                "ask for roles without NOT, or name groups or users in a restriction",
            );
        }
        let users = &set.directory.users;
        for key in predicate.keys() {
            if !users.keys.contains_key(key) && !users.more_keys.contains_key(key) {
                self.problems.add(
                    path,
                    format!("nobody has a key called \"{key}\""),
                    "add it to mapping.users.keys",
                );
            }
        }
        for name in predicate.attributes() {
            if !users.attributes.contains_key(name) {
                self.problems.add(
                    path,
                    format!("nobody has an attribute called \"{name}\""),
                    "add it to mapping.users.attributes",
                );
            }
        }
    }

    /// Reads a predicate over a module's fields, for each of its tables.
    fn module_predicate(
        &mut self,
        path: &[&str],
        set: &mut PolicySet,
        module: &str,
        text: &str,
    ) -> Option<Predicate> {
        let fields = self.document.mapping.modules.get(module);
        let fields = fields.map(|map| map.fields.clone()).unwrap_or_default();
        let tables = set.modules.get(module)?.tables.clone();
        let mut found = None;
        for table in &tables {
            let (predicate, types) = self.predicate(path, text, table, &fields)?;
            let known = &mut set.modules.get_mut(module)?.column_types;
            for (column, type_name) in types {
                let before = known.entry(column.clone()).or_insert(type_name.clone());
                if *before != type_name {
                    self.problems.add(
                        path,
                        format!(
                            "column \"{column}\" differs in type between the tables of \"{module}\""
                        ),
                        "make each table a module",
                    );
                }
            }
            found = Some(predicate);
        }
        self.known_words(path, set, found.as_ref()?);
        found
    }

    /// The rules, and one for each setting that certain roles may set.
    pub(super) fn rules(&mut self, set: &mut PolicySet) {
        for (name, modules) in &self.document.matrix.rules {
            for (module, text) in modules {
                if !set.modules.contains_key(module) {
                    self.unmapped.insert(module.clone());
                    continue;
                }
                if let Some(predicate) =
                    self.module_predicate(&["rules", name, module], set, module, text)
                    && let Some(module) = set.modules.get_mut(module)
                {
                    module.rules.insert(name.clone(), predicate);
                }
            }
        }
        let column = set.directory.settings.setting.clone();
        let table = set.directory.settings.source.table.clone();
        let Some(module) = set.modules.get_mut("settings") else {
            return;
        };
        if module.tables != [table] {
            // Another table is called so: nothing can be said of who sets what.
            return;
        }
        for name in set.settings.keys() {
            module
                .column_types
                .insert(column.name.clone(), column.type_name.clone());
            let predicate = Predicate::Compare {
                left: Operand::Column(column.name.clone()),
                op: Comparison::Equal,
                right: Operand::Text(name.clone()),
            };
            module.rules.insert(setting_rule(name), predicate);
        }
    }

    /// The restrictions.
    pub(super) fn restrictions(&mut self, set: &mut PolicySet) {
        for (name, written) in &self.document.matrix.restrictions {
            let path = ["restrictions", name.as_str()];
            self.known_setting(&["restrictions", name, "when"], written.when.as_ref());
            if !written.roles.is_empty() {
                self.problems.add(
                    &["restrictions", name, "roles"],
                    "a role that is added would take access away",
                    "name groups or users, or a setting in when; narrow a role by its own scopes",
                );
            }
            if written.module.is_empty() {
                self.problems
                    .add(&path, "a restriction needs a module", "add module = \"…\"");
            }
            let mut modules = BTreeMap::new();
            let every = written.module.as_slice().iter().any(|module| module == "*");
            let named = if every {
                set.modules.keys().cloned().collect()
            } else {
                written.module.as_slice().to_vec()
            };
            for module in named {
                if !set.modules.contains_key(&module) {
                    self.unmapped.insert(module);
                    continue;
                }
                let predicate = match &written.predicate {
                    None => None,
                    Some(text) => {
                        let path = ["restrictions", name, "predicate"];
                        match self.module_predicate(&path, set, &module, text) {
                            Some(predicate) => Some(predicate),
                            None => continue,
                        }
                    }
                };
                modules.insert(module, predicate);
            }
            let mut actions = written.actions.clone();
            if actions.is_empty() {
                actions = Action::ALL.into();
            }
            // Rows of a configuration module are written by customising: whoever narrows writing
            // means that too.
            if [Action::Create, Action::Update, Action::Delete]
                .iter()
                .any(|action| actions.contains(action))
            {
                actions.insert(Action::Customise);
            }
            let restriction = Restriction {
                groups: written.groups.clone(),
                users: written.users.clone(),
                when: written.when.clone(),
                actions,
                modules,
            };
            set.restrictions.insert(name.clone(), restriction);
        }
    }
}

/// The name of the rule that is true for the values of one setting.
pub(super) fn setting_rule(setting: &str) -> String {
    format!("setting:{setting}")
}

/// A role that the predicate asks for under an odd number of NOTs.
fn negated_role(predicate: &Predicate, negated: bool) -> Option<&str> {
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().find_map(|part| negated_role(part, negated))
        }
        Predicate::Not(inner) => negated_role(inner, !negated),
        Predicate::HasRole(role) => negated.then_some(role.as_str()),
        Predicate::Compare { .. }
        | Predicate::In { .. }
        | Predicate::Between { .. }
        | Predicate::IsNull { .. }
        | Predicate::Like { .. }
        | Predicate::Flag(_) => None,
    }
}
