//! The modules that are always there: the directory itself. Where the CRM has no tables for it,
//! Celador's own stand for them.

use std::collections::BTreeMap;

use crate::document::{GroupLink, Mapping, ModuleMap, OneOrMany, OwnerLink};

/// The schema of Celador's own tables.
pub(crate) const SCHEMA: &str = "celador";

/// The built-in modules that the mapping doesn't map itself.
pub(super) fn builtin_modules(mapping: &Mapping) -> BTreeMap<String, ModuleMap> {
    let table =
        |name: &str, owner: Option<&str>, group: Option<&str>, key: Option<&str>| ModuleMap {
            table: OneOrMany::One(format!("{SCHEMA}.{name}")),
            owner: owner.map_or_else(OneOrMany::default, |owner| {
                OneOrMany::One(OwnerLink::Plain(owner.to_owned()))
            }),
            group: group.map_or_else(OneOrMany::default, |group| {
                OneOrMany::One(GroupLink::Plain(group.to_owned()))
            }),
            key: key.map(str::to_owned),
            lacks: ["owner", "creator", "group", "parent", "related"]
                .map(str::to_owned)
                .into(),
            ..ModuleMap::default()
        };
    let mut modules = BTreeMap::new();
    let mut add = |name: &str, left_out: bool, map: ModuleMap| {
        if left_out && !mapping.modules.contains_key(name) {
            modules.insert(name.to_owned(), map);
        }
    };
    let mut users = table("users", Some("user"), None, Some("user"));
    users.children = ["user_keys", "user_attributes"]
        .map(|child| crate::document::Child {
            table: format!("{SCHEMA}.{child}"),
            column: "user".to_owned(),
            key: None,
            filter: None,
            children: Vec::new(),
        })
        .into();
    add("users", mapping.users.is_none(), users);
    add(
        "groups",
        mapping.groups.is_none(),
        table("groups", None, Some("group"), Some("group")),
    );
    add(
        "memberships",
        mapping.memberships.is_empty(),
        table("memberships", Some("user"), Some("group"), None),
    );
    add(
        "roles_held",
        mapping.roles_held.is_empty(),
        table("roles_held", Some("user"), Some("group"), None),
    );
    let mut shares = table("shares", Some("user"), Some("group"), None);
    shares.creator = Some("given_by".to_owned());
    add("shares", true, shares);
    add(
        "settings",
        mapping.settings.is_none(),
        table("setting_values", None, Some("group"), None),
    );
    modules
}
