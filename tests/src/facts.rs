//! What a mapping says, as single facts: to compare two mappings of the same CRM.

use std::collections::{BTreeMap, BTreeSet};

use celador_policy::document::{
    ActiveSource, Child, GroupLink, Mapping, ModuleMap, OwnerLink, ParentLink, ValueSource,
};

/// Facts by their kind.
pub type Facts = BTreeMap<&'static str, BTreeSet<String>>;

/// Modules that are the directory's own, whatever they are called.
const DIRECTORY: [&str; 5] = [
    "users",
    "user_accounts",
    "groups",
    "memberships",
    "roles_held",
];

/// What a mapping says of the tables of those names.
pub fn facts(mapping: &Mapping, tables: &[String]) -> Facts {
    let mut said = Said {
        facts: Facts::new(),
        placed: BTreeSet::new(),
    };
    said.people(mapping);
    said.groups(mapping);
    for (name, module) in &mapping.modules {
        said.module(mapping, name, module);
    }
    for (kind, patterns) in [
        ("closed", &mapping.closed),
        ("readable", &mapping.readable),
        ("open", &mapping.open),
    ] {
        for table in tables {
            if patterns.iter().any(|pattern| like(pattern, table))
                && said.placed.insert(table.clone())
            {
                said.add(kind, table.clone());
            }
        }
    }
    said.facts
}

struct Said {
    facts: Facts,
    placed: BTreeSet<String>,
}

impl Said {
    fn add(&mut self, kind: &'static str, fact: String) {
        self.facts.entry(kind).or_default().insert(fact);
    }

    fn people(&mut self, mapping: &Mapping) {
        let Some(users) = &mapping.users else { return };
        self.add("people", format!("table {}", users.table));
        for column in users.keys.values() {
            self.add("people", format!("key {column}"));
        }
        for place in users.more_keys.values() {
            self.add(
                "people",
                format!("key {}.{} by {}", place.table, place.key, place.user),
            );
        }
        if let Some(login) = &users.login {
            let fact = match login {
                ValueSource::Plain(column) => format!("login {column}"),
                ValueSource::Table { table, column, .. } => format!("login {table}.{column}"),
            };
            self.add("people", fact);
        }
        for active in users.active.as_slice() {
            let fact = match active {
                ActiveSource::Plain(column) => format!("active {column}"),
                ActiveSource::Table { table, column, .. } => format!("active {table}.{column:?}"),
            };
            self.add("people", fact);
        }
        if let Some(column) = &users.supervisor {
            self.add("people", format!("supervisor {column}"));
        }
        if let Some(from) = &users.supervision {
            self.add(
                "people",
                format!("supervisor {}.{}", from.table, from.supervisor),
            );
        }
    }

    fn groups(&mut self, mapping: &Mapping) {
        if let Some(groups) = &mapping.groups {
            self.add("groups", format!("table {}", groups.table));
            if let Some(column) = &groups.parent {
                self.add("groups", format!("parent {column}"));
            }
        }
        for membership in mapping.memberships.as_slice() {
            let (table, user, group) = (&membership.table, &membership.user, &membership.group);
            self.add("groups", format!("members {table} ({user}, {group})"));
        }
        for held in mapping.roles_held.as_slice() {
            let holder = held.user.as_ref().or(held.group.as_ref());
            self.add(
                "roles",
                format!("{} ({holder:?}, {})", held.table, held.role),
            );
        }
        for share in mapping.shares.as_slice() {
            self.add("shares", format!("{} ({})", share.table, share.record));
        }
    }

    fn module(&mut self, mapping: &Mapping, name: &str, module: &ModuleMap) {
        let kind = if DIRECTORY.contains(&name) {
            "directory"
        } else if module.configuration {
            "configuration"
        } else {
            "module"
        };
        for table in module.table.as_slice() {
            self.add(kind, table.clone());
            self.placed.insert(table.clone());
            self.columns(mapping, table, module);
        }
        self.children(&module.children, module.configuration);
    }

    fn columns(&mut self, mapping: &Mapping, table: &str, module: &ModuleMap) {
        for owner in module.owner.as_slice() {
            let owner = match owner {
                OwnerLink::Plain(column) | OwnerLink::Column { column, .. } => column.clone(),
                OwnerLink::Table {
                    table,
                    record,
                    user,
                    ..
                } => {
                    self.placed.insert(table.clone());
                    format!("{table} ({record}, {user})")
                }
            };
            self.add("owner", format!("{table}: {owner}"));
        }
        for group in module.group.as_slice() {
            let group = match group {
                GroupLink::Plain(column) => column.clone(),
                GroupLink::Table {
                    table,
                    record,
                    group,
                    ..
                } => {
                    self.placed.insert(table.clone());
                    format!("{table} ({record}, {group})")
                }
            };
            self.add("group", format!("{table}: {group}"));
        }
        if let Some(creator) = &module.creator {
            self.add("creator", format!("{table}: {creator}"));
        }
        for column in &module.touch {
            self.add("touch", format!("{table}: {column}"));
        }
        for parent in module.parent.as_slice() {
            let (column, targets) = match parent {
                ParentLink::Plain { module, column } => (column, vec![(String::new(), module)]),
                ParentLink::Table { module, parent, .. } => (parent, vec![(String::new(), module)]),
                ParentLink::Polymorphic {
                    column, modules, ..
                }
                | ParentLink::Joined {
                    column, modules, ..
                } => (
                    column,
                    modules
                        .iter()
                        .map(|(kind, module)| (kind.clone(), module))
                        .collect(),
                ),
            };
            for (kind, target) in targets {
                let target = mapping
                    .modules
                    .get(target)
                    .and_then(|module| module.table.as_slice().first());
                self.add("parent", format!("{table}: {column} {kind} → {target:?}"));
            }
        }
    }

    fn children(&mut self, children: &[Child], configuration: bool) {
        for child in children {
            self.placed.insert(child.table.clone());
            if configuration {
                self.add("configuration", child.table.clone());
            } else {
                self.add("child", format!("{} by {}", child.table, child.column));
            }
            self.children(&child.children, configuration);
        }
    }
}

/// How much of what was said is proposed, and how much of what is proposed was said, by kind and in
/// all, as a table for people.
pub fn compared(said: &Facts, proposed: &Facts) -> (f64, String) {
    let none = BTreeSet::new();
    let mut lines = format!(
        "{:<14} {:>5} {:>8} {:>5} {:>7} {:>9}\n",
        "", "said", "proposed", "both", "recall", "precision"
    );
    let (mut all_said, mut all_proposed, mut all_both) = (0, 0, 0);
    let kinds: BTreeSet<_> = said.keys().chain(proposed.keys()).collect();
    let mut line = |kind: &str, said: usize, proposed: usize, both: usize| {
        let share = |of: usize| 100.0 * both as f64 / of.max(1) as f64;
        lines.push_str(&format!(
            "{kind:<14} {said:>5} {proposed:>8} {both:>5} {:>6.0}% {:>8.0}%\n",
            share(said),
            share(proposed)
        ));
    };
    for kind in kinds {
        let said = said.get(kind).unwrap_or(&none);
        let proposed = proposed.get(kind).unwrap_or(&none);
        let both = said.intersection(proposed).count();
        all_said += said.len();
        all_proposed += proposed.len();
        all_both += both;
        line(kind, said.len(), proposed.len(), both);
    }
    line("all", all_said, all_proposed, all_both);
    (all_both as f64 / all_said.max(1) as f64, lines)
}

/// Facts of the first that the second lacks, one a line.
pub fn missing(said: &Facts, proposed: &Facts) -> String {
    let none = BTreeSet::new();
    let mut lines = String::new();
    for (kind, facts) in said {
        for fact in facts.difference(proposed.get(kind).unwrap_or(&none)) {
            lines.push_str(&format!("  {kind}: {fact}\n"));
        }
    }
    lines
}

fn like(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}
