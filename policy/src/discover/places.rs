//! Where each table belongs.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::guess::{Certainty, Guesses};
use super::hosts::{self, Host};
use super::kinds::Kinds;
use super::links::{self, Links};
use super::polymorphic;
use super::words;
use crate::schema::TableName;

/// Where a table belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// One of the directory's own: `users`, `groups`, `memberships` or `roles_held`.
    Directory(&'static str),
    /// A module.
    Module,
    /// A module that is configuration.
    Configuration,
    /// It goes with the rows of another table.
    Child(Host),
    /// It says whose the rows of another table are, or under which group they are filed.
    Link,
    /// Whoever is signed in reads it.
    Readable,
    /// Nobody reaches it.
    Closed,
    /// PostgreSQL can't protect it, or an extension looks after it.
    Open,
}

/// All places.
pub(super) struct Places {
    pub(super) of: BTreeMap<TableName, Place>,
    pub(super) links: Links,
    pub(super) kinds: Kinds,
}

/// Finds a place for every table. What nothing is known of is closed.
pub(super) fn find(ground: &Ground<'_>, guesses: &mut Guesses) -> Places {
    let mut placing = Placing {
        ground,
        guesses,
        of: BTreeMap::new(),
    };
    placing.directory();
    placing.not_ours();
    placing.machinery();
    placing.readable();
    placing.framework();
    let business: Vec<TableName> = placing.left();
    let kinds = Kinds::find(ground, &business);
    let links = links::find(ground, &business, placing.guesses);
    for table in links.tables() {
        placing.of.insert(table.clone(), Place::Link);
    }
    placing.children(&business, &kinds, &links);
    placing.modules(&kinds, &links);
    placing.orphans();
    Places {
        of: placing.of,
        links,
        kinds,
    }
}

struct Placing<'a, 'b> {
    ground: &'a Ground<'a>,
    guesses: &'b mut Guesses,
    of: BTreeMap<TableName, Place>,
}

impl Placing<'_, '_> {
    fn put(
        &mut self,
        table: &TableName,
        place: Place,
        certainty: Certainty,
        reason: impl Into<String>,
    ) {
        if self.of.contains_key(table) {
            return;
        }
        let (what, value) = match &place {
            Place::Directory(module) => ("module", (*module).to_owned()),
            Place::Readable => ("readable", self.ground.catalog.written(table)),
            Place::Closed => ("closed", self.ground.catalog.written(table)),
            Place::Open => ("open", self.ground.catalog.written(table)),
            Place::Configuration => ("configuration", "true".to_owned()),
            Place::Child(host) => ("child", format!("{} by {}", host.table.name, host.column)),
            Place::Module | Place::Link => {
                self.of.insert(table.clone(), place);
                return;
            }
        };
        self.guesses.add(table, what, value, certainty, reason);
        self.of.insert(table.clone(), place);
    }

    fn left(&self) -> Vec<TableName> {
        let roots = self.ground.roots().map(|(name, _)| name);
        roots
            .filter(|name| !self.of.contains_key(*name))
            .cloned()
            .collect()
    }

    fn directory(&mut self) {
        let ground = self.ground;
        let mut put = |table: &TableName, module| {
            self.put(
                table,
                Place::Directory(module),
                Certainty::Likely,
                "the directory is read from it",
            );
        };
        if let Some(people) = &ground.people {
            put(&people.person, "users");
            put(&people.account, "users");
        }
        if let Some(groups) = &ground.groups {
            put(&groups.table, "groups");
            if let Some(link) = &groups.link {
                put(link, "memberships");
            }
        }
        for table in &ground.roles.held {
            put(table, "roles_held");
        }
    }

    /// What PostgreSQL has no row security for, and what an extension made.
    fn not_ours(&mut self) {
        for name in self.left() {
            let table = self.ground.table(&name);
            if !matches!(table.facts.kind.as_str(), "r" | "p") {
                let reason =
                    "a foreign table, which PostgreSQL can't protect: TAKE AWAY ITS GRANTS";
                self.put(&name, Place::Open, Certainty::Certain, reason);
            } else if let Some(extension) = &table.clues.extension {
                let reason = format!("belongs to the extension {extension}");
                self.put(&name, Place::Open, Certainty::Certain, reason);
            }
        }
    }

    fn machinery(&mut self) {
        let registry = self
            .ground
            .registry
            .as_ref()
            .map(|registry| registry.table.clone());
        for name in self.left() {
            let words = &self.ground.table(&name).name;
            let family = words.words.len() > 1 && words::MACHINERY_FAMILY.contains(&words.first());
            let machinery =
                words.ends_with(words::MACHINERY) > 0 || words.last().ends_with("token");
            if registry.as_ref() != Some(&name) && (family || machinery) {
                let reason = "by its name a part of the machinery; open it if the application's people need it";
                self.put(&name, Place::Closed, Certainty::Likely, reason);
            }
        }
        for name in self.left() {
            let words = &self.ground.table(&name).name;
            let part = self.ground.telling(&name).iter().any(|reference| {
                reference.required
                    && self.of.get(&reference.table) == Some(&Place::Closed)
                    && words.continues(&self.ground.table_name(&reference.table))
            });
            if part {
                self.put(
                    &name,
                    Place::Closed,
                    Certainty::Likely,
                    "a part of a closed table, by its key and its name",
                );
            }
        }
    }

    /// References that a reference table may have: to others, and to who made it.
    fn refers_to_readable_only(&self, table: &TableName) -> bool {
        self.ground.telling(table).iter().all(|reference| {
            reference.table == *table || self.of.get(&reference.table) == Some(&Place::Readable)
        })
    }

    fn has_secrets(&self, table: &TableName) -> bool {
        let columns = &self.ground.table(table).clues.columns;
        columns
            .iter()
            .any(|column| super::names::Name::of_table(column).has(words::SECRET))
    }

    fn readable(&mut self) {
        if let Some(registry) = &self.ground.registry {
            let reason = "the application's list of its own kinds of records";
            self.put(&registry.table, Place::Readable, Certainty::Likely, reason);
        }
        loop {
            let before = self.of.len();
            for name in self.left() {
                let words = &self.ground.table(&name).name;
                let called = words.ends_with(words::REFERENCE) > 0;
                let family = words.words.len() > 1 && words::REFERENCE.contains(&words.first());
                let after = self.ground.telling(&name).iter().any(|reference| {
                    self.of.get(&reference.table) == Some(&Place::Readable)
                        && words.continues(&self.ground.table_name(&reference.table))
                });
                if (called || family || after)
                    && self.refers_to_readable_only(&name)
                    && !self.has_secrets(&name)
                {
                    let reason = "a reference table by its name, and it refers to nobody's records";
                    self.put(&name, Place::Readable, Certainty::Likely, reason);
                }
            }
            if self.of.len() == before {
                break;
            }
        }
    }

    /// Tables in which a framework describes itself: those that share the registry's first word.
    fn framework(&mut self) {
        let Some(registry) = &self.ground.registry else {
            return;
        };
        let family = self.ground.table_name(&registry.table).first().to_owned();
        let of_family = |table: &TableName| self.ground.table_name(table).first() == family;
        if self.left().iter().filter(|name| of_family(name)).count() < 5 {
            return;
        }
        let mut describing = Vec::new();
        for name in self.left().into_iter().filter(|name| of_family(name)) {
            let words = &self.ground.table(&name).name;
            let person = self
                .ground
                .telling(&name)
                .iter()
                .any(|r| self.ground.person_key(r).is_some());
            if person && words.has(words::SCREEN) {
                let reason =
                    "what somebody's screen looked like: closed, unless people need it open";
                self.guesses.add(
                    &name,
                    "open",
                    &name.name,
                    Certainty::Guess,
                    "written by whoever works",
                );
                self.put(&name, Place::Closed, Certainty::Likely, reason);
            } else if !(person
                || words.has(words::RIGHT)
                || hosts::is_configuration(words)
                || polymorphic::has_parent(self.ground, &name)
                || self.has_secrets(&name))
            {
                describing.push(name);
            }
        }
        // What refers to anything else describes more than the application; what refers to nothing has
        // to be referred to.
        loop {
            let describes = |name: &TableName| {
                let telling = self.ground.telling(name);
                let alone = telling.is_empty()
                    && !self
                        .ground
                        .references
                        .to(name)
                        .any(|(of, _)| describing.contains(of));
                !alone
                    && telling.iter().all(|reference| {
                        describing.contains(&reference.table)
                            || self.ground.roles.tables.contains(&reference.table)
                            || self.of.get(&reference.table) == Some(&Place::Readable)
                    })
            };
            let kept: Vec<TableName> = describing
                .iter()
                .filter(|name| describes(name))
                .cloned()
                .collect();
            if kept.len() == describing.len() {
                break;
            }
            describing = kept;
        }
        for name in describing {
            let reason = "the application describes itself in it: no people, no records";
            self.put(&name, Place::Readable, Certainty::Likely, reason);
        }
    }

    fn children(&mut self, business: &[TableName], kinds: &Kinds, links: &Links) {
        let mut hosted = hosts::find(self.ground, business, kinds, links, &self.of);
        // Nothing hangs on itself.
        let tables: Vec<TableName> = hosted.keys().cloned().collect();
        for table in tables {
            let mut above = table.clone();
            let mut steps = 0;
            while let Some(host) = hosted.get(&above) {
                above = host.table.clone();
                steps += 1;
                if above == table || steps > 3 {
                    hosted.remove(&table);
                    break;
                }
            }
        }
        for (table, host) in hosted {
            let (certainty, reason) = (host.certainty, host.reason.clone());
            self.put(&table, Place::Child(host), certainty, reason);
        }
    }

    fn modules(&mut self, kinds: &Kinds, links: &Links) {
        let settings = hosts::settings(self.ground, kinds, &self.of);
        for name in self.left() {
            let words = &self.ground.table(&name).name;
            let module = kinds.name_of(&name);
            let known = module.is_some();
            let configuration = match module {
                Some(module) => words::CONFIGURATION_MODULES.contains(&module),
                None => {
                    hosts::is_configuration(words)
                        || self.ground.is_tenant(&name)
                        || self.is_of_roles(&name)
                }
            };
            if configuration {
                self.put(
                    &name,
                    Place::Configuration,
                    Certainty::Likely,
                    "settings or rules, by its name",
                );
            } else if settings.contains(&name) && !known && self.has_secrets(&name) {
                self.put(
                    &name,
                    Place::Closed,
                    Certainty::Likely,
                    "it holds a secret, and nobody's name",
                );
            } else if settings.contains(&name) && !known {
                let reason =
                    "it names no person and no record, and stands beside tables of settings";
                self.put(&name, Place::Configuration, Certainty::Likely, reason);
            } else if known || links.has(&name) || self.says_whose(&name) {
                self.put(&name, Place::Module, Certainty::Likely, "");
            } else {
                let rows = self.ground.table(&name).clues.rows;
                let rows = if rows < 0.0 {
                    "never analysed".to_owned()
                } else {
                    format!("about {rows} rows")
                };
                let reason = format!(
                    "no owner, creator, group, parent or known name ({rows}): closed until you place it"
                );
                self.guesses
                    .add(&name, "unplaced", &name.name, Certainty::Guess, reason);
                self.of.insert(name, Place::Closed);
            }
        }
    }

    /// What hangs on a table that found no place is closed with it.
    fn orphans(&mut self) {
        loop {
            let hosts = |host: &Host| {
                matches!(
                    self.of.get(&host.table),
                    Some(
                        Place::Directory(_)
                            | Place::Module
                            | Place::Configuration
                            | Place::Child(_)
                    )
                )
            };
            let orphan = self.of.iter().find_map(|(table, place)| {
                let Place::Child(host) = place else {
                    return None;
                };
                (!hosts(host)).then(|| (table.clone(), host.table.name.clone()))
            });
            let Some((table, host)) = orphan else { break };
            let reason =
                format!("it hangs on {host}, which found no place: closed until you place it");
            self.guesses
                .0
                .retain(|guess| guess.relation.as_ref() != Some(&table) || guess.what != "child");
            self.guesses
                .add(&table, "unplaced", &table.name, Certainty::Guess, reason);
            self.of.insert(table, Place::Closed);
        }
    }

    /// Whether the table has roles, or what they may do.
    fn is_of_roles(&self, table: &TableName) -> bool {
        let roles = &self.ground.roles.tables;
        let telling = self.ground.telling(table);
        let person = telling
            .iter()
            .any(|reference| self.ground.person_key(reference).is_some());
        roles.contains(table)
            || (!person
                && telling
                    .iter()
                    .any(|reference| roles.contains(&reference.table)))
    }

    /// Whether anything on the table says whose its rows are.
    fn says_whose(&self, table: &TableName) -> bool {
        polymorphic::has_parent(self.ground, table)
            || self.ground.references.of(table).iter().any(|reference| {
                self.ground.person_key(reference).is_some()
                    || self.ground.is_group(&reference.table)
                    || matches!(
                        self.of.get(&reference.table),
                        Some(Place::Module | Place::Configuration)
                    )
            })
    }
}
