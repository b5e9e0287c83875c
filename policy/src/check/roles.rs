//! Roles and settings, and whether a name is one of them.

use std::collections::BTreeMap;

use super::Checker;
use crate::policy_set::{Role, Setting};

impl Checker<'_> {
    /// The roles: every one that has a row in the matrix, or is spoken of in `[roles]`.
    pub(super) fn roles(&mut self) -> BTreeMap<String, Role> {
        let matrix = &self.document.matrix;
        let mut roles: BTreeMap<String, Role> = matrix
            .permissions
            .keys()
            .map(|name| (name.clone(), Role::default()))
            .collect();
        for (name, rule) in &matrix.roles {
            for needed in &rule.implied_by {
                self.known_role(&["roles", name, "implied_by"], needed);
            }
            let role = Role {
                keep_last_holder: rule.keep_last_holder,
                implied_by: rule.implied_by.iter().cloned().collect(),
            };
            roles.insert(name.clone(), role);
        }
        for name in roles.keys() {
            let section = if matrix.permissions.contains_key(name) {
                "permissions"
            } else {
                "roles"
            };
            if name == "*" {
                self.problems.add(
                    &[section, name],
                    "\"*\" stands for modules and actions, not for roles",
                    "name a role",
                );
            }
            if let Some(closed) = &matrix.limits.roles
                && !closed.contains(name)
            {
                self.problems.add(
                    &[section, name],
                    format!("role \"{name}\" is not in the closed set of roles"),
                    "remove the role, or add it to limits.roles",
                );
            }
        }
        for (place, source) in self.document.mapping.roles_held.places() {
            if source.map.is_empty() {
                let mut path = vec!["mapping", "roles_held"];
                path.extend(place.iter().map(String::as_str));
                path.push("map");
                self.problems.add(
                    &path,
                    "no value of the column stands for a role",
                    "add map = { VALUE = \"role\" }",
                );
            }
        }
        roles
    }

    /// The settings.
    pub(super) fn settings(&mut self) -> BTreeMap<String, Setting> {
        let matrix = &self.document.matrix;
        let mut settings = BTreeMap::new();
        for (name, rule) in &matrix.settings {
            for role in &rule.set_by {
                self.known_role(&["settings", name, "set_by"], role);
            }
            let setting = Setting {
                default: rule.default,
                set_by: rule.set_by.clone(),
            };
            settings.insert(name.clone(), setting);
        }
        settings
    }

    /// A problem unless the matrix has the role.
    pub(super) fn known_role(&mut self, path: &[&str], role: &str) {
        let matrix = &self.document.matrix;
        if !matrix.permissions.contains_key(role) && !matrix.roles.contains_key(role) {
            self.problems.add(
                path,
                format!("there is no role \"{role}\""),
                "name a role of the matrix",
            );
        }
    }

    /// A problem unless the matrix has the setting.
    pub(super) fn known_setting(&mut self, path: &[&str], setting: Option<&String>) {
        if let Some(name) = setting
            && !self.document.matrix.settings.contains_key(name)
        {
            self.problems.add(
                path,
                format!("there is no setting \"{name}\""),
                format!("add [settings.{name}]"),
            );
        }
    }
}
