//! Link tables that say whose a record is, or under which group it is filed.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::guess::{Certainty, Guesses};
use super::hosts::is_configuration;
use super::names::Name;
use super::references::Reference;
use super::words;
use crate::document::{GroupLink, OwnerLink, SaidBy, ShareSource};
use crate::schema::TableName;

/// Links by the table whose records they are about.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) owners: BTreeMap<TableName, (TableName, OwnerLink)>,
    pub(super) groups: BTreeMap<TableName, (TableName, GroupLink)>,
    /// Tables that give single records to people: the record's table, and the share without its module.
    pub(super) shares: Vec<(TableName, ShareSource)>,
}

impl Links {
    /// The link tables that need no other place.
    pub(super) fn tables(&self) -> impl Iterator<Item = &TableName> {
        let owners = self.owners.values().map(|(table, _)| table);
        owners.chain(self.groups.values().map(|(table, _)| table))
    }

    /// Whether a link says something of the table's records.
    pub(super) fn has(&self, table: &TableName) -> bool {
        self.owners.contains_key(table) || self.groups.contains_key(table)
    }
}

/// Whether a column of the table says whose its records are, beyond doubt.
pub(super) fn has_owner_column(ground: &Ground<'_>, table: &TableName) -> bool {
    ground
        .references
        .of(table)
        .iter()
        .any(|reference| reference.name.is(words::OWNER) && ground.person_key(reference).is_some())
}

/// Whether the rest of a link table's name says that it files records under groups.
fn is_group_link(ground: &Ground<'_>, says: &Name, group: &TableName) -> bool {
    ground.is_group(group)
        && (says.is(words::GROUP) || ground.table(group).name.words.ends_with(&says.words))
}

pub(super) fn find(ground: &Ground<'_>, business: &[TableName], guesses: &mut Guesses) -> Links {
    let mut links = Links::default();
    for table in business {
        let Some((one, two)) = ground.link(table) else {
            continue;
        };
        for (record, other) in [(one, two), (two, one)] {
            let is_record = business.contains(&record.table)
                && record.table != *table
                && ground.person_key(record).is_none()
                && ground.table(&record.table).key() == Some(record.to.as_str());
            if !is_record {
                continue;
            }
            let name = &ground.table(table).name;
            let says = name.without(&ground.table(&record.table).name);
            let declared = record.declared && other.declared;
            let shown = format!("{}; {}", record.shown_by(), other.shown_by());
            if ground.person_key(other).is_some() {
                // Whom a rule assigns to doesn't own the rule.
                let settings = is_configuration(&ground.table(&record.table).name);
                let says_owner = says.is(words::OWNER_LINK) || other.name.is(words::OWNER);
                if says_owner && !settings {
                    let reason = format!("{shown}; its name says whose a record is");
                    links.owner(
                        ground,
                        table,
                        record,
                        other,
                        Certainty::of(declared),
                        reason,
                        guesses,
                    );
                } else if says.ends_with(words::SHARE_LINK) > 0 {
                    links.share(ground, table, record, other, shown, guesses);
                } else {
                    let reason =
                        format!("{shown}; what those people have to do with it isn't known");
                    let value = format!(
                        "{} ({}, {})",
                        ground.catalog.written(table),
                        record.column,
                        other.column
                    );
                    guesses.add(&record.table, "owner", value, Certainty::Guess, reason);
                }
            } else if is_group_link(ground, &says, &other.table)
                && !links.groups.contains_key(&record.table)
            {
                let link = GroupLink::Table {
                    table: ground.catalog.written(table),
                    record: record.column.clone(),
                    group: other.column.clone(),
                    filter: None,
                    counts: None,
                };
                let value = format!("{} ({}, {})", table.name, record.column, other.column);
                guesses.add(
                    &record.table,
                    "group",
                    value,
                    Certainty::of(declared),
                    shown,
                );
                links
                    .groups
                    .insert(record.table.clone(), (table.clone(), link));
            }
        }
    }
    links
}

impl Links {
    #[allow(clippy::too_many_arguments)]
    fn owner(
        &mut self,
        ground: &Ground<'_>,
        table: &TableName,
        record: &Reference,
        other: &Reference,
        certainty: Certainty,
        reason: String,
        guesses: &mut Guesses,
    ) {
        let value = format!("{} ({}, {})", table.name, record.column, other.column);
        guesses.add(&record.table, "owner", value, certainty, reason);
        let link = OwnerLink::Table {
            table: ground.catalog.written(table),
            record: record.column.clone(),
            user: other.column.clone(),
            key: ground
                .people
                .as_ref()
                .and_then(|people| people.written_key(other)),
            filter: None,
            counts: None,
        };
        self.owners
            .entry(record.table.clone())
            .or_insert((table.clone(), link));
    }

    fn share(
        &mut self,
        ground: &Ground<'_>,
        table: &TableName,
        record: &Reference,
        other: &Reference,
        shown: String,
        guesses: &mut Guesses,
    ) {
        let value = format!("{} ({}, {})", table.name, record.column, other.column);
        let reason = format!("{shown}; its name says that it shares. It gives read only");
        guesses.add(&record.table, "shares", value, Certainty::Likely, reason);
        self.shares.push((
            record.table.clone(),
            ShareSource {
                table: ground.catalog.written(table),
                module: SaidBy::Always(String::new()),
                record: record.column.clone(),
                user: Some(other.column.clone()),
                user_key: ground
                    .people
                    .as_ref()
                    .and_then(|people| people.written_key(other)),
                group: None,
                level: SaidBy::Always("read".to_owned()),
                expires: None,
                filter: None,
            },
        ));
    }
}
