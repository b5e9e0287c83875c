//! The cells of the matrix: which rows a role's action reaches.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Checker;
use super::rules::setting_rule;
use crate::action::Action;
use crate::document::{Cell, Scope, ScopeName, ScopeTerm};
use crate::permissions::{self, Cells, Permissions};
use crate::policy_set::{Grant, GrantScope, GroupPlace, Owner, ParentTarget, PolicySet};

/// Every scope, for remedies.
const SCOPES: &str = "own, created, reports, group, group_tree, colleagues, colleagues_tree, \
                      unassigned, shared, parent, related, rule:NAME or all";

/// Where a scope is written.
pub(super) struct Place<'a> {
    /// The keys that lead there.
    pub(super) path: Vec<&'a str>,
    /// The module, one of those that a wildcard stands for.
    pub(super) module: &'a str,
    /// The action, likewise.
    pub(super) action: Action,
    /// It stands for many cells: where a module has nothing for it, it grants nothing.
    pub(super) quiet: bool,
}

impl Checker<'_> {
    /// The cells, with wildcards written out.
    pub(super) fn permissions(&mut self, set: &mut PolicySet) {
        let mut permissions = Permissions::new();
        // Where many roles have the same cell it is checked once.
        let mut known: FxHashMap<(&str, bool, &Cell), Arc<Cells>> = FxHashMap::default();
        let all: Vec<String> = set.modules.keys().cloned().collect();
        for (role, cells) in &self.document.matrix.permissions {
            let mut of_role = BTreeMap::new();
            for (written, cell) in cells {
                let wildcard = written == "*";
                let modules = if wildcard {
                    all.as_slice()
                } else if let Ok(at) = all.binary_search(written) {
                    &all[at..=at]
                } else {
                    self.unmapped.insert(written.clone());
                    continue;
                };
                for module in modules {
                    let question = (module.as_str(), wildcard, cell.as_ref());
                    let cells = match known.get(&question) {
                        Some(cells) => Arc::clone(cells),
                        None => {
                            let problems = self.problems.len();
                            let path = ["permissions", role, written];
                            let cells = Arc::new(self.cell(set, &path, module, cell, wildcard));
                            // What is wrong with it is said of each role.
                            if self.problems.len() == problems {
                                known.insert(question, Arc::clone(&cells));
                            }
                            cells
                        }
                    };
                    add(of_role.entry(module.clone()), cells);
                }
            }
            self.numbers(role, &of_role);
            if !of_role.is_empty() {
                permissions.insert(role.clone(), of_role);
            }
        }
        self.setters(set, &mut permissions);
        permissions::share(&mut permissions);
        set.permissions = permissions;
        self.depth(set);
    }

    /// A number of rows beside a scope without one would never count.
    fn numbers(&mut self, role: &str, modules: &BTreeMap<String, Arc<Cells>>) {
        for (module, cells) in modules {
            let read = cells.get(&Action::Read).map_or(&[][..], Vec::as_slice);
            let numbered = read.iter().filter(|grant| grant.rows.is_some()).count();
            if numbered != 0 && numbered != read.len() {
                let cells = &self.document.matrix.permissions[role];
                let written = if cells.contains_key(module) {
                    module
                } else {
                    "*"
                };
                self.problems.add(
                    &["permissions", role, written, "read"],
                    format!(
                        "role \"{role}\" reads module \"{module}\" in some scopes up to a number of rows, \
                         and in others without one: the number would never count"
                    ),
                    "write `rows` for each scope of read, or for none",
                );
            }
        }
    }

    /// Whoever may set a setting reads and writes its values.
    fn setters(&mut self, set: &PolicySet, permissions: &mut Permissions) {
        for (name, setting) in &set.settings {
            let rule = setting_rule(name);
            let known = set
                .modules
                .get("settings")
                .is_some_and(|module| module.rules.contains_key(&rule));
            if !known {
                if !setting.set_by.is_empty() {
                    self.unmapped.insert("settings".to_owned());
                }
                continue;
            }
            for role in &setting.set_by {
                let of_role = permissions.entry(role.clone()).or_default();
                let cell = Arc::make_mut(of_role.entry("settings".to_owned()).or_default());
                for action in [Action::Read, Action::Create, Action::Update, Action::Delete] {
                    cell.entry(action).or_default().push(Grant {
                        scope: GrantScope::Rule(rule.clone()),
                        when: None,
                        to: None,
                        rows: None,
                    });
                }
            }
        }
    }

    fn cell(
        &mut self,
        set: &PolicySet,
        path: &[&str],
        module: &str,
        cell: &Cell,
        wildcard: bool,
    ) -> Cells {
        let mut grants = Cells::new();
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
                let place = Place {
                    path: path.clone(),
                    module,
                    action,
                    quiet: wildcard || written == "*",
                };
                for scope in scopes {
                    let grant = self.grant(set, &place, scope);
                    grants.entry(action).or_default().extend(grant);
                }
            }
        }
        for grants in grants.values_mut() {
            grants.sort();
            grants.dedup();
        }
        grants
    }

    /// One scope of a cell.
    pub(super) fn grant(
        &mut self,
        set: &PolicySet,
        place: &Place<'_>,
        scope: &Scope,
    ) -> Option<Grant> {
        let term = scope.term();
        self.known_setting(&place.path, term.when.as_ref());
        let bounds = place.action == Action::Assign;
        let limits = place.action == Action::Read;
        let many = place.path.last() == Some(&"*");
        if term.to.is_some() && !bounds && !many {
            let remedy = "move it to assign";
            self.problems
                .add(&place.path, "\"to\" bounds assignments only", remedy);
        }
        if term.rows.is_some() && !limits {
            let remedy = "move it to read: whoever may export has no limit";
            self.problems
                .add(&place.path, "\"rows\" limits what is read", remedy);
        }
        if term.rows == Some(0) {
            let remedy = "write at least 1, or leave the scope out";
            self.problems
                .add(&place.path, "\"rows\" of 0 shows nothing", remedy);
        }
        let to = match term.to.as_ref().filter(|_| bounds) {
            Some(names) => Some(self.bounds(set, place, names)?),
            None => None,
        };
        let scope = self.grant_scope(set, place, &term)?;
        Some(Grant {
            scope,
            when: term.when.clone(),
            to,
            rows: term.rows.filter(|_| limits),
        })
    }

    fn grant_scope(
        &mut self,
        set: &PolicySet,
        place: &Place<'_>,
        term: &ScopeTerm,
    ) -> Option<GrantScope> {
        let module = place.module;
        let lends = matches!(term.scope.as_str(), "parent" | "related");
        if !lends && (term.reach.is_some() || term.scopes.is_some() || term.module.is_some()) {
            self.problems.add(
                &place.path,
                format!("scope \"{}\" takes no reach, scopes or module", term.scope),
                "they are for parent and related",
            );
            return None;
        }
        if let Some(rule) = term.scope.strip_prefix("rule:") {
            if set.modules[module].rules.contains_key(rule) {
                return Some(GrantScope::Rule(rule.to_owned()));
            }
            if !self.document.matrix.rules.contains_key(rule) {
                self.problems.add(
                    &place.path,
                    format!("there is no rule \"{rule}\""),
                    format!("add [rules.{rule}]"),
                );
            } else if !place.quiet {
                self.problems.add(
                    &place.path,
                    format!("rule \"{rule}\" says nothing of module \"{module}\""),
                    format!("add {module} = \"…\" to [rules.{rule}]"),
                );
            }
            return None;
        }
        let Some(scope) = ScopeName::from_name(&term.scope) else {
            let message = format!("\"{}\" is no scope", term.scope);
            self.problems.add(&place.path, message, SCOPES);
            return None;
        };
        let claims = place.action == Action::Claim && set.modules[module].owners.is_empty();
        let lacking = lacking(set, module, scope).or(claims.then_some("owner"));
        if let Some(lacking) = lacking {
            if !self.may_lack(place, lacking) {
                self.problems.add(
                    &place.path,
                    format!(
                        "scope \"{}\" needs the {lacking} of module \"{module}\", which isn't mapped",
                        term.scope
                    ),
                    format!("map it, or add lacks = [\"{lacking}\"] to [mapping.modules.{module}]"),
                );
            }
            return None;
        }
        match scope {
            ScopeName::Parent
                if place.action == Action::Create && only_parent_links(set, module) =>
            {
                self.known_too_late(place, term, "parent")
            }
            ScopeName::Parent => Some(GrantScope::Parent(self.via(set, place, term)?)),
            ScopeName::Related => Some(GrantScope::Related(self.via(set, place, term)?)),
            // Nobody can be linked to a record that isn't there yet: its creator counts.
            ScopeName::Own | ScopeName::Reports
                if place.action == Action::Create && only_links(set, module) =>
            {
                if set.modules[module].creator.is_none() {
                    if !self.may_lack(place, "creator") {
                        self.problems.add(
                            &place.path,
                            format!(
                                "records of \"{module}\" have their owners in a link table, and no creator"
                            ),
                            "map the creator, or create = [\"all\"]",
                        );
                    }
                    return None;
                }
                Some(GrantScope::Plain(ScopeName::Created))
            }
            // What only a link could tell is told of no record that isn't there yet.
            ScopeName::Colleagues | ScopeName::ColleaguesTree | ScopeName::Unassigned
                if place.action == Action::Create && only_links(set, module) =>
            {
                self.known_too_late(place, term, "owner")
            }
            ScopeName::Group | ScopeName::GroupTree
                if place.action == Action::Create && only_group_links(set, module) =>
            {
                self.known_too_late(place, term, "group")
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

    /// A scope of `create` that would grant nothing: what it asks of is linked afterwards.
    fn known_too_late(
        &mut self,
        place: &Place<'_>,
        term: &ScopeTerm,
        what: &str,
    ) -> Option<GrantScope> {
        if !self.may_lack(place, what) {
            let module = place.module;
            self.problems.add(
                &place.path,
                format!(
                    "scope \"{}\" can't let anybody create: records of \"{module}\" have their {what} \
                     in a link table, which says nothing of a record before it is there",
                    term.scope
                ),
                format!(
                    "write \"created\" or \"all\", or add lacks = [\"{what}\"] to \
                     [mapping.modules.{module}]: then the scope lets nobody create"
                ),
            );
        }
        None
    }

    /// Whether a scope may find nothing here and grant nothing: it stands for many cells, the
    /// module is built in, or the mapping says that the CRM has nothing for it.
    pub(super) fn may_lack(&self, place: &Place<'_>, lacking: &str) -> bool {
        place.quiet || self.lacks(place.module, lacking)
    }

    /// Whether the module is built in, or the mapping says that the CRM has nothing for it.
    pub(super) fn lacks(&self, module: &str, lacking: &str) -> bool {
        let map = self.document.mapping.modules.get(module);
        map.is_none_or(|map| map.lacks.contains(lacking))
    }
}

/// Adds cells to those that another key has given the same role in the same module.
fn add(known: Entry<'_, String, Arc<Cells>>, cells: Arc<Cells>) {
    match known {
        Entry::Vacant(empty) => {
            empty.insert(cells);
        }
        Entry::Occupied(mut known) => {
            let known = Arc::make_mut(known.get_mut());
            for (action, grants) in cells.iter() {
                let known = known.entry(*action).or_default();
                known.extend(grants.iter().cloned());
                known.sort();
                known.dedup();
            }
        }
    }
}

/// What a scope needs that the module has nothing for.
pub(super) fn lacking(set: &PolicySet, name: &str, scope: ScopeName) -> Option<&'static str> {
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

fn only_group_links(set: &PolicySet, module: &str) -> bool {
    let groups = &set.modules[module].groups;
    !groups.is_empty()
        && groups
            .iter()
            .all(|group| matches!(group, GroupPlace::Link(_)))
}

fn only_parent_links(set: &PolicySet, module: &str) -> bool {
    let parents = &set.modules[module].parents;
    !parents.is_empty()
        && parents
            .iter()
            .all(|parent| matches!(parent.target, ParentTarget::Linked { .. }))
}
