//! Who reaches which record, written from the design alone: it knows neither `Access` nor `Reach`.

use std::collections::BTreeSet;

use celador_policy::Action;

use crate::world::{Given, NOW, ROLES, Restriction, Row, Scope, World};

impl World {
    /// Whether the person may do that to the record.
    pub(crate) fn may(&self, me: usize, action: Action, module: &str, at: usize) -> bool {
        if !self.people[me].active {
            return false;
        }
        let row = &self.rows[module][at];
        let granted = |action: Action| {
            self.granted(me, action, module, at)
                && (action != Action::Claim || row.owners.is_empty())
        };
        let unrestricted = |action: Action| {
            self.restrictions
                .iter()
                .filter(|restriction| self.applies(me, restriction, module, action))
                .all(|restriction| self.satisfies(me, row, restriction.predicate))
        };
        match action {
            // What may be claimed may be read.
            Action::Read => {
                (granted(Action::Read) || granted(Action::Claim) && unrestricted(Action::Claim))
                    && unrestricted(Action::Read)
            }
            Action::Create
            | Action::Update
            | Action::Delete
            | Action::Assign
            | Action::Claim
            | Action::Import
            | Action::Export
            | Action::Customise => granted(action) && unrestricted(action),
        }
    }

    fn granted(&self, me: usize, action: Action, module: &str, at: usize) -> bool {
        self.roles_of(me).into_iter().any(|role| {
            let scopes = self.matrix[&role]
                .get(module)
                .and_then(|cells| cells.get(&action));
            scopes
                .into_iter()
                .flatten()
                .filter(|scope| !scope.when || self.is_on(me))
                .any(|scope| self.holds(me, action, module, at, scope))
        })
    }

    fn roles_of(&self, me: usize) -> BTreeSet<usize> {
        let person = &self.people[me];
        let mut roles = person.roles.clone();
        for &group in &person.groups {
            roles.extend(&self.groups[group].roles);
        }
        if roles.contains(&0) && roles.contains(&1) {
            roles.insert(3);
        }
        roles
    }

    /// The setting, inherited down the tree; on if it is for any group of the person's.
    fn is_on(&self, me: usize) -> bool {
        let everybody = self.everybody.unwrap_or(false);
        let groups = &self.people[me].groups;
        if groups.is_empty() {
            return everybody;
        }
        groups.iter().any(|&group| {
            let mut next = Some(group);
            while let Some(here) = next {
                if let Some(value) = self.groups[here].setting {
                    return value;
                }
                next = self.groups[here].parent;
            }
            everybody
        })
    }

    fn holds(&self, me: usize, action: Action, module: &str, at: usize, scope: &Scope) -> bool {
        let row = &self.rows[module][at];
        let reads = matches!(action, Action::Read | Action::Export);
        match scope.name {
            "parent" => row.parent.is_some_and(|(module, at)| {
                let usual = if reads { Action::Read } else { Action::Update };
                match &scope.scopes {
                    Some(names) => self.in_scopes(me, module, at, names),
                    None => self.may(me, scope.reach.unwrap_or(usual), module, at),
                }
            }),
            "related" => ["contacts", "notes"].into_iter().any(|other| {
                self.rows[other]
                    .iter()
                    .enumerate()
                    .any(|(place, pointing)| {
                        pointing
                            .parent
                            .is_some_and(|(of, record)| of == module && record == at)
                            && self.in_scopes(
                                me,
                                other,
                                place,
                                scope.scopes.as_deref().unwrap_or(&[]),
                            )
                    })
            }),
            "rule:north" => {
                row.north == Some(true) || module == "notes" && self.roles_of(me).contains(&1)
            }
            "shared" => self.is_given(me, action, module, at),
            // Owners of what is created are linked to it later: its creator counts.
            "own" | "reports" if action == Action::Create && module == "accounts" => {
                row.creator == Some(me)
            }
            // Nothing is known of what is linked later.
            "colleagues" | "colleagues_tree" | "unassigned" | "group" | "group_tree"
                if action == Action::Create && module == "accounts" =>
            {
                false
            }
            plain => self.plain(me, row, plain),
        }
    }

    /// Scopes that are written out, under every restriction.
    fn in_scopes(&self, me: usize, module: &str, at: usize, names: &[&str]) -> bool {
        let row = &self.rows[module][at];
        let lacks = |name: &&str| module == "notes" && *name != "created";
        names
            .iter()
            .filter(|name| !lacks(name))
            .any(|name| self.plain(me, row, name))
            && self
                .restrictions
                .iter()
                .filter(|restriction| restriction.modules.contains(&module))
                .filter(|restriction| self.is_meant(me, restriction))
                .all(|restriction| self.satisfies(me, row, restriction.predicate))
    }

    fn plain(&self, me: usize, row: &Row, name: &str) -> bool {
        let mine = &self.people[me].groups;
        let owned_by_members = |groups: &BTreeSet<usize>| {
            row.owners
                .iter()
                .any(|&owner| !self.people[owner].groups.is_disjoint(groups))
        };
        match name {
            "all" => true,
            "own" => row.owners.contains(&me),
            "created" => row.creator == Some(me),
            "reports" => row.owners.contains(&me) || !row.owners.is_disjoint(&self.reports(me)),
            "group" => !row.groups.is_disjoint(mine),
            "group_tree" => !row.groups.is_disjoint(&self.below(mine)),
            "colleagues" => owned_by_members(mine),
            "colleagues_tree" => owned_by_members(&self.below(mine)),
            "unassigned" => row.owners.is_empty(),
            other => panic!("no scope {other}"),
        }
    }

    fn is_given(&self, me: usize, action: Action, module: &str, at: usize) -> bool {
        let levels: &[&str] = match action {
            Action::Read | Action::Export => &["read", "update", "delete"],
            Action::Update => &["update", "delete"],
            Action::Delete => &["delete"],
            Action::Create
            | Action::Assign
            | Action::Claim
            | Action::Import
            | Action::Customise => &[],
        };
        let to_me = |given: &Given| match given.to {
            Ok(person) => person == me,
            Err(group) => self.people[me].groups.contains(&group),
        };
        self.given.iter().any(|given| {
            to_me(given)
                && given.module == module
                && given.record == at
                && levels.contains(&given.level)
                && given.expires.is_none_or(|end| end > NOW)
        })
    }

    fn applies(&self, me: usize, restriction: &Restriction, module: &str, action: Action) -> bool {
        let narrows = restriction.actions.is_empty()
            || restriction.actions.contains(&action)
            // Customising is writing.
            || action == Action::Customise
                && [Action::Create, Action::Update, Action::Delete]
                    .iter()
                    .any(|write| restriction.actions.contains(write));
        restriction.modules.contains(&module) && narrows && self.is_meant(me, restriction)
    }

    fn is_meant(&self, me: usize, restriction: &Restriction) -> bool {
        let everybody = restriction.groups.is_empty() && restriction.people.is_empty();
        let named = restriction.people.contains(&me)
            || !self
                .below(&restriction.groups)
                .is_disjoint(&self.people[me].groups);
        (everybody || named) && (!restriction.when || self.is_on(me))
    }

    fn satisfies(&self, me: usize, row: &Row, predicate: Option<&str>) -> bool {
        match predicate {
            None => false,
            Some("region = 'north'") => row.north == Some(true),
            Some("region <> 'north'") => row.north == Some(false),
            Some(_) => {
                row.north.is_none() || self.roles_of(me).iter().any(|&role| ROLES[role] == "r2")
            }
        }
    }
}
