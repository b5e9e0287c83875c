//! What is known before tables are placed: people, groups, roles, the tenant, the list of kinds.

use std::collections::BTreeSet;

use super::catalog::{Catalog, Table};
use super::groups::Groups;
use super::guess::{Certainty, Guesses};
use super::names::Name;
use super::people::People;
use super::references::{Reference, References};
use super::registry::Registry;
use super::roles::Roles;
use super::words;
use super::{Answer, Question};
use crate::schema::TableName;

/// What tables are placed upon.
pub(super) struct Ground<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) references: References,
    pub(super) people: Option<People>,
    pub(super) groups: Option<Groups>,
    pub(super) roles: Roles,
    /// The table that most others refer to, of whoever rents the CRM; nobody's group.
    pub(super) tenant: Option<TableName>,
    pub(super) registry: Option<Registry>,
}

impl<'a> Ground<'a> {
    pub(super) fn find(
        catalog: &'a Catalog,
        ask: &mut dyn FnMut(&Question) -> Vec<Answer>,
        guesses: &mut Guesses,
    ) -> Self {
        let mut references = References::find(catalog);
        let people = People::find(catalog, &references, guesses);
        if let Some(people) = &people {
            references.add_people(catalog, &people.account);
        }
        let mut ground = Self {
            catalog,
            references,
            people,
            groups: None,
            roles: Roles::default(),
            tenant: None,
            registry: None,
        };
        ground.groups = Groups::find(&ground, guesses);
        ground.tenant = ground.find_tenant(guesses);
        ground.roles = Roles::find(&ground, ask, guesses);
        ground.registry = Registry::find(&ground, ask);
        ground
    }

    pub(super) fn table(&self, name: &TableName) -> &Table {
        &self.catalog.tables[name]
    }

    /// The tables to place.
    pub(super) fn roots(&self) -> impl Iterator<Item = (&'a TableName, &'a Table)> {
        self.catalog.roots()
    }

    /// The key of a person that the column holds.
    pub(super) fn person_key(&self, reference: &Reference) -> Option<&str> {
        self.people.as_ref()?.key_of(reference)
    }

    pub(super) fn is_group(&self, table: &TableName) -> bool {
        self.groups
            .as_ref()
            .is_some_and(|groups| groups.table == *table)
    }

    pub(super) fn is_tenant(&self, table: &TableName) -> bool {
        self.tenant.as_ref() == Some(table)
    }

    /// Who made or changed a row, and whose installation it is in: on every table, and nothing that
    /// tells what the table is for.
    pub(super) fn is_routine(&self, reference: &Reference) -> bool {
        let made = reference.name.is(words::CREATOR) || reference.name.is(words::CHANGER);
        (made && self.person_key(reference).is_some()) || self.is_tenant(&reference.table)
    }

    /// The references that tell what a table is for.
    pub(super) fn telling(&self, table: &TableName) -> Vec<&Reference> {
        let all = self.references.of(table).iter();
        all.filter(|reference| !self.is_routine(reference))
            .collect()
    }

    /// How many columns a table has that are no key, no reference, and not on every table.
    pub(super) fn substance(&self, table: &TableName) -> usize {
        let facts = self.table(table);
        let plain = |column: &&String| {
            let name = Name::of_column(column);
            let routine = [
                words::CREATED,
                words::CHANGED,
                words::GONE,
                words::ACTIVE,
                words::CREATOR,
                words::CHANGER,
            ]
            .iter()
            .any(|phrases| name.is(phrases));
            let key = facts.key() == Some(column.as_str());
            !routine && !key && self.references.of_column(table, column).is_none()
        };
        facts.clues.columns.iter().filter(plain).count()
    }

    /// The two references of a table that links two others, and has little to say of its own.
    pub(super) fn link(&self, table: &TableName) -> Option<(&Reference, &Reference)> {
        let telling = self.telling(table);
        let [one, two] = telling.as_slice() else {
            return None;
        };
        let pair = [one.column.as_str(), two.column.as_str()];
        let unique = self.table(table).facts.primary_key.len() == 2
            || self.table(table).clues.unique.iter().any(|key| {
                key.len() >= 2
                    && pair
                        .iter()
                        .all(|column| key.iter().any(|part| part == column))
            });
        let substance = self.substance(table);
        let named = self
            .table(table)
            .name
            .continues(&self.table_name(&one.table))
            || self
                .table(table)
                .name
                .continues(&self.table_name(&two.table));
        let links =
            substance == 0 || (substance <= 1 && (unique || named)) || (substance <= 2 && unique);
        let alone = self.references.to(table).next().is_none();
        (links && alone).then_some((*one, *two))
    }

    /// The words of a table's name.
    pub(super) fn table_name(&self, table: &TableName) -> Name {
        Name::of_table(&table.name)
    }

    /// The table that a third of all tables refer to, by a column that must be filled in; people or
    /// groups among them.
    fn find_tenant(&self, guesses: &mut Guesses) -> Option<TableName> {
        let count = self.roots().count();
        let mut best: Option<(usize, &TableName)> = None;
        for (name, _) in self.roots() {
            let of: BTreeSet<&TableName> = self
                .references
                .to(name)
                .filter(|(_, reference)| reference.required)
                .map(|(table, _)| table)
                .collect();
            let people = self.people.as_ref().is_some_and(|people| people.has(name));
            let rented = of.iter().any(|table| {
                self.is_group(table) || self.people.as_ref().is_some_and(|people| people.has(table))
            });
            if of.len() * 3 >= count
                && of.len() > 3
                && rented
                && !people
                && !self.is_group(name)
                && best.is_none_or(|(most, _)| of.len() > most)
            {
                best = Some((of.len(), name));
            }
        }
        let (number, table) = best?;
        let reason = format!(
            "{number} of {count} tables must name one of its rows: whoever rents the CRM. Celador doesn't divide \
             tenants by itself; see [restrictions]"
        );
        guesses.add(table, "tenant", &table.name, Certainty::Likely, reason);
        Some(table.clone())
    }
}
