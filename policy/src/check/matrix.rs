//! The matrix: roles, settings, rules, restrictions, and the cells.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use crate::action::Action;
use crate::document::{Cell, Scope, ScopeName, ScopeTerm};
use crate::policy_set::{
    CellRef, Grant, GrantScope, Owner, PolicySet, Restriction, Role, Setting, Via,
};
use crate::predicate::{Comparison, Operand, Predicate};

/// How many records may lend their reach to each other in a row.
const MAX_DEPTH: usize = 4;

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
                if !matrix.permissions.contains_key(needed) && !matrix.roles.contains_key(needed) {
                    self.problems.add(
                        &["roles", name, "implied_by"],
                        format!("there is no role \"{needed}\""),
                        "name roles of the matrix",
                    );
                }
            }
            let role = Role {
                keep_last_holder: rule.keep_last_holder,
                implied_by: rule.implied_by.iter().cloned().collect(),
            };
            roles.insert(name.clone(), role);
        }
        if let Some(closed) = &matrix.limits.roles {
            for name in roles.keys().filter(|name| !closed.contains(*name)) {
                self.problems.add(
                    &["permissions", name],
                    format!("role \"{name}\" is not in the closed set of roles"),
                    "remove the role, or add it to limits.roles",
                );
            }
        }
        for (index, source) in self
            .document
            .mapping
            .roles_held
            .as_slice()
            .iter()
            .enumerate()
        {
            if source.map.is_empty() {
                self.problems.add(
                    &["mapping", "roles_held", &index.to_string(), "map"],
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
            settings.insert(
                name.clone(),
                Setting {
                    default: rule.default,
                    set_by: rule.set_by.clone(),
                },
            );
        }
        settings
    }

    fn known_role(&mut self, path: &[&str], role: &str) {
        let matrix = &self.document.matrix;
        if !matrix.permissions.contains_key(role) && !matrix.roles.contains_key(role) {
            self.problems.add(
                path,
                format!("there is no role \"{role}\""),
                "name a role of the matrix",
            );
        }
    }

    fn known_setting(&mut self, path: &[&str], setting: Option<&String>) {
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

    /// Predicates may speak of known roles, keys and attributes only.
    fn known_words(&mut self, path: &[&str], set: &PolicySet, predicate: &Predicate) {
        for role in predicate.roles() {
            self.known_role(path, role);
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
            if !users.attributes.contains_key(name) && !users.more_attributes.contains_key(name) {
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
        let fields = self
            .document
            .mapping
            .modules
            .get(module)
            .map(|map| map.fields.clone())
            .unwrap_or_default();
        let tables = set.modules.get(module)?.tables.clone();
        let mut found = None;
        for table in &tables {
            let (predicate, types) = self.predicate(path, text, table, &fields)?;
            self.known_words(path, set, &predicate);
            if let Some(module) = set.modules.get_mut(module) {
                module.column_types.extend(types);
            }
            found = Some(predicate);
        }
        found
    }

    /// The rules, and one for each setting that certain roles may set.
    pub(super) fn rules(&mut self, set: &mut PolicySet) {
        for (name, modules) in &self.document.matrix.rules {
            for (module, text) in modules {
                if !set.modules.contains_key(module) {
                    set.unmapped.insert(module.clone());
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
        let settings: Vec<String> = set.settings.keys().cloned().collect();
        if let Some(module) = set.modules.get_mut("settings") {
            for name in settings {
                module
                    .column_types
                    .insert(column.name.clone(), column.type_name.clone());
                let predicate = Predicate::Compare {
                    left: Operand::Column(column.name.clone()),
                    op: Comparison::Equal,
                    right: Operand::Text(name.clone()),
                };
                module.rules.insert(format!("setting:{name}"), predicate);
            }
        }
    }

    /// The restrictions.
    pub(super) fn restrictions(&mut self, set: &mut PolicySet) {
        for (name, written) in &self.document.matrix.restrictions {
            let path = ["restrictions", name.as_str()];
            self.known_setting(&["restrictions", name, "when"], written.when.as_ref());
            for role in &written.roles {
                self.known_role(&["restrictions", name, "roles"], role);
            }
            if written.module.is_empty() {
                self.problems
                    .add(&path, "a restriction needs a module", "add module = \"…\"");
            }
            let mut modules = BTreeMap::new();
            for module in written.module.as_slice() {
                if !set.modules.contains_key(module) {
                    set.unmapped.insert(module.clone());
                    continue;
                }
                let predicate = match &written.predicate {
                    None => None,
                    Some(text) => {
                        let path = ["restrictions", name, "predicate"];
                        match self.module_predicate(&path, set, module, text) {
                            Some(predicate) => Some(predicate),
                            None => continue,
                        }
                    }
                };
                modules.insert(module.clone(), predicate);
            }
            let restriction = Restriction {
                groups: written.groups.clone(),
                roles: written.roles.clone(),
                users: written.users.clone(),
                when: written.when.clone(),
                actions: if written.actions.is_empty() {
                    Action::ALL.into()
                } else {
                    written.actions.clone()
                },
                modules,
            };
            set.restrictions.insert(name.clone(), restriction);
        }
    }

    /// The cells, with wildcards written out.
    pub(super) fn permissions(&mut self, set: &mut PolicySet) {
        let mut permissions: BTreeMap<String, BTreeMap<String, BTreeMap<Action, Vec<Grant>>>> =
            BTreeMap::new();
        for (role, cells) in &self.document.matrix.permissions {
            for (written, cell) in cells {
                let wildcard = written == "*";
                let modules: Vec<String> = if wildcard {
                    set.modules.keys().cloned().collect()
                } else if set.modules.contains_key(written) {
                    vec![written.clone()]
                } else {
                    set.unmapped.insert(written.clone());
                    continue;
                };
                for module in modules {
                    let grants = self.cell(
                        set,
                        &["permissions", role, written],
                        &module,
                        cell,
                        wildcard,
                    );
                    let target = permissions
                        .entry(role.clone())
                        .or_default()
                        .entry(module)
                        .or_default();
                    for (action, grants) in grants {
                        let known = target.entry(action).or_default();
                        known.extend(grants);
                        known.sort();
                        known.dedup();
                    }
                }
            }
        }
        for (name, setting) in &set.settings {
            for role in &setting.set_by {
                let cell = permissions
                    .entry(role.clone())
                    .or_default()
                    .entry("settings".into())
                    .or_default();
                for action in [Action::Read, Action::Create, Action::Update, Action::Delete] {
                    cell.entry(action).or_default().push(Grant {
                        scope: GrantScope::Rule(format!("setting:{name}")),
                        when: None,
                        to: None,
                    });
                }
            }
        }
        set.permissions = permissions;
        self.depth(set);
    }

    fn cell(
        &mut self,
        set: &PolicySet,
        path: &[&str],
        module: &str,
        cell: &Cell,
        wildcard: bool,
    ) -> BTreeMap<Action, Vec<Grant>> {
        let mut grants: BTreeMap<Action, Vec<Grant>> = BTreeMap::new();
        for (written, scopes) in &cell.actions {
            let path = [path, &[written.as_str()]].concat();
            let actions: Vec<Action> = match (written.as_str(), Action::from_name(written)) {
                ("*", _) => Action::ALL.into(),
                (_, Some(action)) => vec![action],
                (_, None) => {
                    self.problems.add(
                        &path,
                        format!("\"{written}\" is no action"),
                        "read, create, update, delete, assign, claim, import, export, customise or \"*\"",
                    );
                    continue;
                }
            };
            for action in actions {
                for scope in scopes {
                    let quiet = wildcard || written == "*";
                    grants
                        .entry(action)
                        .or_default()
                        .extend(self.grant(set, &path, module, action, scope, quiet));
                }
            }
        }
        grants
    }

    /// One scope of a cell. `quiet`: it stands for many cells, so where the module has nothing
    /// for it, it grants nothing.
    fn grant(
        &mut self,
        set: &PolicySet,
        path: &[&str],
        module: &str,
        action: Action,
        scope: &Scope,
        quiet: bool,
    ) -> Option<Grant> {
        let term = scope.term();
        self.known_setting(path, term.when.as_ref());
        let to = match &term.to {
            None => None,
            Some(_) if action != Action::Assign && !quiet => {
                self.problems
                    .add(path, "\"to\" bounds assignments only", "move it to assign");
                None
            }
            Some(names) => Some(self.scope_names(path, names)?),
        };
        let scope = self.grant_scope(set, path, module, action, &term, quiet)?;
        Some(Grant {
            scope,
            when: term.when.clone(),
            to,
        })
    }

    fn scope_names(&mut self, path: &[&str], names: &[String]) -> Option<BTreeSet<ScopeName>> {
        let mut found = BTreeSet::new();
        for name in names {
            match ScopeName::from_name(name) {
                Some(ScopeName::Parent | ScopeName::Related) | None => {
                    self.problems.add(
                        path,
                        format!("\"{name}\" is no scope that can be written here"),
                        "own, created, reports, group, group_tree, colleagues, colleagues_tree, unassigned, shared or all",
                    );
                    return None;
                }
                Some(scope) => {
                    found.insert(scope);
                }
            }
        }
        Some(found)
    }

    fn grant_scope(
        &mut self,
        set: &PolicySet,
        path: &[&str],
        module: &str,
        action: Action,
        term: &ScopeTerm,
        quiet: bool,
    ) -> Option<GrantScope> {
        if let Some(rule) = term.scope.strip_prefix("rule:") {
            if set.modules[module].rules.contains_key(rule) {
                return Some(GrantScope::Rule(rule.to_owned()));
            }
            if !quiet {
                self.problems.add(
                    path,
                    format!("rule \"{rule}\" says nothing of module \"{module}\""),
                    format!("add {module} = \"…\" to [rules.{rule}]"),
                );
            }
            return None;
        }
        let Some(scope) = ScopeName::from_name(&term.scope) else {
            self.problems.add(
                path,
                format!("\"{}\" is no scope", term.scope),
                "own, created, reports, group, group_tree, colleagues, colleagues_tree, unassigned, shared, parent, related, rule:NAME or all",
            );
            return None;
        };
        if let Some(lacking) = lacking(set, module, scope) {
            let lacks = self
                .document
                .mapping
                .modules
                .get(module)
                .is_none_or(|map| map.lacks.contains(lacking));
            if !lacks && !quiet {
                self.problems.add(
                    path,
                    format!("scope \"{}\" needs the {lacking} of module \"{module}\", which isn't mapped", term.scope),
                    format!("map it, or add lacks = [\"{lacking}\"] to [mapping.modules.{module}]"),
                );
            }
            return None;
        }
        match scope {
            ScopeName::Parent => Some(GrantScope::Parent(self.via(set, path, action, term)?)),
            ScopeName::Related => Some(GrantScope::Related(self.via(set, path, action, term)?)),
            ScopeName::Own if action == Action::Create && only_links(set, module) => {
                // Nobody can be linked to a record that isn't there yet: its creator counts.
                if set.modules[module].creator.is_none() {
                    if !quiet {
                        self.problems.add(
                            path,
                            format!("records of \"{module}\" have their owners in a link table, and no creator"),
                            "map the creator, or create = [\"all\"]",
                        );
                    }
                    return None;
                }
                Some(GrantScope::Plain(ScopeName::Created))
            }
            ScopeName::Own
            | ScopeName::Created
            | ScopeName::Reports
            | ScopeName::Group
            | ScopeName::GroupTree
            | ScopeName::Colleagues
            | ScopeName::ColleaguesTree
            | ScopeName::Unassigned
            | ScopeName::Shared
            | ScopeName::All => Some(GrantScope::Plain(scope)),
        }
    }

    fn via(
        &mut self,
        set: &PolicySet,
        path: &[&str],
        action: Action,
        term: &ScopeTerm,
    ) -> Option<Via> {
        if let Some(module) = &term.module
            && !set.modules.contains_key(module)
        {
            self.problems.add(
                path,
                format!("there is no module \"{module}\""),
                "name a mapped module",
            );
            return None;
        }
        let cell = match (&term.reach, &term.scopes) {
            (Some(_), Some(_)) => {
                self.problems
                    .add(path, "reach and scopes exclude each other", "leave one out");
                return None;
            }
            (Some(reach), None) => CellRef::Action(*reach),
            (None, Some(names)) => CellRef::Scopes(self.scope_names(path, names)?),
            (None, None) if action == Action::Read || action == Action::Export => {
                CellRef::Action(Action::Read)
            }
            (None, None) => CellRef::Action(Action::Update),
        };
        Some(Via {
            module: term.module.clone(),
            cell,
        })
    }

    /// Records lend their reach to each other at most four deep, and never in a circle.
    fn depth(&mut self, set: &PolicySet) {
        let mut edges: BTreeMap<(String, Action), BTreeSet<(String, Action)>> = BTreeMap::new();
        for (role, modules) in &set.permissions {
            for (module, actions) in modules {
                for (&action, grants) in actions {
                    for grant in grants {
                        let (via, others): (&Via, Vec<String>) = match &grant.scope {
                            GrantScope::Parent(via) => (
                                via,
                                set.modules[module]
                                    .parents
                                    .iter()
                                    .flat_map(|parent| parent.modules())
                                    .map(str::to_owned)
                                    .collect(),
                            ),
                            GrantScope::Related(via) => (
                                via,
                                set.pointing_to(module)
                                    .map(|(name, ..)| name.to_owned())
                                    .collect(),
                            ),
                            GrantScope::Plain(_) | GrantScope::Rule(_) => continue,
                        };
                        let CellRef::Action(next) = via.cell else {
                            continue;
                        };
                        let others = others
                            .into_iter()
                            .filter(|other| via.module.as_ref().is_none_or(|only| only == other));
                        edges
                            .entry((module.clone(), action))
                            .or_default()
                            .extend(others.map(|other| (other, next)));
                    }
                }
            }
            let _ = role;
        }
        for start in edges.keys() {
            if let Err(chain) = follow(&edges, &mut vec![start.clone()]) {
                let names: Vec<String> = chain
                    .iter()
                    .map(|(module, action)| format!("{module} ({})", action.name()))
                    .collect();
                self.problems.add(
                    &["permissions"],
                    format!(
                        "records lend their reach in a circle or more than {MAX_DEPTH} deep: {}",
                        names.join(" → ")
                    ),
                    "name the module with module = \"…\", or end the chain with scopes = [\"own\"]",
                );
                return;
            }
        }
    }

    /// Field rules are kept for later; their names are checked now.
    pub(super) fn field_rules(&mut self, set: &PolicySet) {
        for (module, fields) in &self.document.matrix.fields {
            let Some(known) = set.modules.get(module) else {
                continue;
            };
            let map = self.document.mapping.modules.get(module);
            for name in fields.keys() {
                let column = map
                    .and_then(|map| map.fields.get(name))
                    .unwrap_or(name)
                    .clone();
                if let Some(table) = known.tables.first().cloned() {
                    self.column(&["fields", module, name], &table, &column);
                }
            }
        }
    }
}

type Node = (String, Action);

fn follow(edges: &BTreeMap<Node, BTreeSet<Node>>, chain: &mut Vec<Node>) -> Result<(), Vec<Node>> {
    let Some(last) = chain.last().cloned() else {
        return Ok(());
    };
    for next in edges.get(&last).into_iter().flatten() {
        let circle = chain.contains(next);
        chain.push(next.clone());
        if circle || chain.len() > MAX_DEPTH + 1 {
            return Err(chain.clone());
        }
        follow(edges, chain)?;
        chain.pop();
    }
    Ok(())
}

/// What a scope needs that the module has nothing for.
fn lacking(set: &PolicySet, name: &str, scope: ScopeName) -> Option<&'static str> {
    let module = &set.modules[name];
    match scope {
        ScopeName::Own
        | ScopeName::Reports
        | ScopeName::Colleagues
        | ScopeName::ColleaguesTree
        | ScopeName::Unassigned => module.owners.is_empty().then_some("owner"),
        ScopeName::Created => module.creator.is_none().then_some("creator"),
        ScopeName::Group | ScopeName::GroupTree => module.groups.is_empty().then_some("group"),
        ScopeName::Shared => module.key.is_none().then_some("key"),
        ScopeName::Parent => module.parents.is_empty().then_some("parent"),
        ScopeName::Related => set.pointing_to(name).next().is_none().then_some("related"),
        ScopeName::All => None,
    }
}

fn only_links(set: &PolicySet, module: &str) -> bool {
    let owners = &set.modules[module].owners;
    !owners.is_empty() && owners.iter().all(|owner| matches!(owner, Owner::Link(..)))
}
