//! Records that lend their reach to each other: `parent`, `related`, and scopes written out.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use super::cells::{Place, lacking};
use crate::action::Action;
use crate::document::{ScopeName, ScopeTerm};
use crate::policy_set::{CellRef, GrantScope, PolicySet, Via};

/// How many records may lend their reach to each other in a row.
const MAX_DEPTH: usize = 4;

/// A module and an action.
type Node = (String, Action);
/// From each node to those that it borrows from, with the role that makes it.
type Edges = BTreeMap<Node, BTreeMap<Node, String>>;

impl Checker<'_> {
    /// The scopes that bound whom an assignment gives to.
    pub(super) fn bounds(
        &mut self,
        set: &PolicySet,
        place: &Place<'_>,
        names: &[String],
    ) -> Option<BTreeSet<ScopeName>> {
        let scopes = self.scope_names(&place.path, names)?;
        for &scope in &scopes {
            if matches!(scope, ScopeName::Created | ScopeName::Shared) {
                self.problems.add(
                    &place.path,
                    format!("\"{}\" says nothing of the new owner or group", scope.name()),
                    "own, reports, group, group_tree, colleagues, colleagues_tree, unassigned or all",
                );
                return None;
            }
            if let Some(lacking) = lacking(set, place.module, scope)
                && !self.may_lack(place, lacking)
            {
                self.problems.add(
                    &place.path,
                    format!(
                        "scope \"{}\" needs the {lacking} of module \"{}\", which isn't mapped",
                        scope.name(),
                        place.module
                    ),
                    "map it, or leave it out of to",
                );
            }
        }
        Some(scopes)
    }

    fn scope_names(&mut self, path: &[&str], names: &[String]) -> Option<BTreeSet<ScopeName>> {
        if names.is_empty() {
            self.problems.add(
                path,
                "a list of scopes is empty",
                "name a scope, or leave the list out",
            );
            return None;
        }
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

    /// How `parent` or `related` borrow. Nothing if they name a module that isn't mapped.
    pub(super) fn via(
        &mut self,
        set: &PolicySet,
        place: &Place<'_>,
        term: &ScopeTerm,
    ) -> Option<Via> {
        let lenders = lenders(set, place.module, &term.scope);
        if let Some(module) = &term.module {
            if !set.modules.contains_key(module) {
                self.unmapped.insert(module.clone());
                return None;
            }
            if !lenders.contains(module) {
                if !self.may_lack(place, &term.scope) {
                    self.problems.add(
                        &place.path,
                        format!(
                            "records of \"{}\" have no {} in module \"{module}\"",
                            place.module, term.scope
                        ),
                        "name a module that the mapping links them with",
                    );
                }
                return None;
            }
        }
        let reads = matches!(place.action, Action::Read | Action::Export);
        let cell = match (&term.reach, &term.scopes) {
            (Some(_), Some(_)) => {
                let message = "reach and scopes exclude each other";
                self.problems.add(&place.path, message, "leave one out");
                return None;
            }
            (Some(reach), None) => CellRef::Action(*reach),
            (None, Some(names)) => {
                let scopes = self.scope_names(&place.path, names)?;
                // A cell of written scopes knows no action: any share would do.
                if scopes.contains(&ScopeName::Shared) && !reads {
                    self.problems.add(
                        &place.path,
                        "a share that only lets read would let write here",
                        "use reach = \"update\" instead of \"shared\"",
                    );
                    return None;
                }
                let named = term.module.as_ref();
                let mut lenders = lenders
                    .iter()
                    .filter(|lender| named.is_none_or(|only| only == *lender));
                let nothing = lenders.all(|lender| {
                    let mut scopes = scopes.iter();
                    scopes.all(|&scope| {
                        lacking(set, lender, scope).is_some_and(|what| !self.lacks(lender, what))
                    })
                });
                if nothing && !place.quiet {
                    self.problems.add(
                        &place.path,
                        format!(
                            "no module that \"{}\" leads to has these scopes",
                            term.scope
                        ),
                        "map what they need, or name other scopes",
                    );
                    return None;
                }
                CellRef::Scopes(scopes)
            }
            (None, None) if reads => CellRef::Action(Action::Read),
            (None, None) => CellRef::Action(Action::Update),
        };
        Some(Via {
            module: term.module.clone(),
            cell,
        })
    }

    /// Records lend their reach to each other at most four deep, and never in a circle.
    pub(super) fn depth(&mut self, set: &PolicySet) {
        let edges = edges(set);
        for start in edges.keys() {
            let Err(chain) = follow(&edges, &mut vec![start.clone()]) else {
                continue;
            };
            let names: Vec<String> = chain
                .iter()
                .map(|(module, action)| format!("{module} ({})", action.name()))
                .collect();
            let role = chain.get(1).and_then(|next| edges[start].get(next));
            let mut path = vec!["permissions"];
            path.extend(role.map(String::as_str));
            path.extend([start.0.as_str(), start.1.name()]);
            self.problems.add(
                &path,
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

/// The modules whose records lend their reach to those of `module`.
fn lenders(set: &PolicySet, module: &str, scope: &str) -> BTreeSet<String> {
    if scope == "parent" {
        let parents = set.modules[module].parents.iter();
        parents
            .flat_map(|parent| parent.modules())
            .map(str::to_owned)
            .collect()
    } else {
        set.pointing_to(module)
            .map(|(name, ..)| name.to_owned())
            .collect()
    }
}

fn edges(set: &PolicySet) -> Edges {
    let mut edges = Edges::new();
    for (role, modules) in &set.permissions {
        for (module, actions) in modules {
            for (&action, grants) in actions.iter() {
                for grant in grants {
                    let (via, scope) = match &grant.scope {
                        GrantScope::Parent(via) => (via, "parent"),
                        GrantScope::Related(via) => (via, "related"),
                        GrantScope::Plain(_) | GrantScope::Rule(_) => continue,
                    };
                    for lender in lenders(set, module, scope) {
                        if via.module.as_ref().is_some_and(|only| *only != lender) {
                            continue;
                        }
                        let CellRef::Action(next) = set.writing_cell(&lender, &via.cell) else {
                            continue;
                        };
                        let from = edges.entry((module.clone(), action)).or_default();
                        from.insert((lender, next), role.clone());
                    }
                }
            }
        }
    }
    // What may be claimed may be read: whoever asks for reading asks for claiming too.
    let claims: Vec<_> = edges
        .iter()
        .filter(|((_, action), _)| *action == Action::Claim)
        .map(|((module, _), next)| (module.clone(), next.clone()))
        .collect();
    for (module, next) in claims {
        edges
            .entry((module, Action::Read))
            .or_default()
            .extend(next);
    }
    edges
}

fn follow(edges: &Edges, chain: &mut Vec<Node>) -> Result<(), Vec<Node>> {
    let Some(last) = chain.last().cloned() else {
        return Ok(());
    };
    for next in edges.get(&last).into_iter().flat_map(BTreeMap::keys) {
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
