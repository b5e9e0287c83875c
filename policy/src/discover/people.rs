//! The people: which table has them, by which keys records name them, who supervises whom.

use std::collections::BTreeMap;

use super::catalog::{Catalog, Table};
use super::guess::{Certainty, Guesses};
use super::names::Name;
use super::references::{Reference, References};
use super::words;
use crate::document::{
    ActiveSource, KeySource, OneOrMany, SupervisionSource, UserSource, ValueSource,
};
use crate::schema::TableName;

/// The people as they were found.
#[derive(Debug)]
pub(super) struct People {
    /// The table whose rows are the people.
    pub(super) person: TableName,
    /// The table that they sign in by; often the same.
    pub(super) account: TableName,
    /// Tables that have a further key of a person, with the key's name.
    pub(super) staff: Vec<(TableName, String)>,
    /// Tables that link people with those.
    pub(super) staff_links: Vec<TableName>,
    pub(super) source: UserSource,
}

/// The key by which an account is named where the people are rows of another table.
const ACCOUNT: &str = "account";

impl People {
    /// Which key of a person a column holds; `None`: it names nobody.
    pub(super) fn key_of(&self, reference: &Reference) -> Option<&str> {
        if reference.table == self.person {
            let mut keys = self.source.keys.iter();
            let key = keys.find(|(name, column)| **column == reference.to && *name != ACCOUNT);
            return key.map(|(name, _)| name.as_str());
        }
        if reference.table == self.account {
            return Some(ACCOUNT);
        }
        let mut staff = self.staff.iter();
        staff
            .find(|(table, _)| *table == reference.table)
            .map(|(_, key)| key.as_str())
    }

    /// The key as the mapping writes it: left out where it is `user`.
    pub(super) fn written_key(&self, reference: &Reference) -> Option<String> {
        let key = self.key_of(reference)?;
        (key != "user").then(|| key.to_owned())
    }

    /// Whether the table is one of the people's own.
    pub(super) fn has(&self, table: &TableName) -> bool {
        *table == self.person || *table == self.account
    }

    pub(super) fn find(
        catalog: &Catalog,
        references: &References,
        guesses: &mut Guesses,
    ) -> Option<Self> {
        let (account, score) = account(catalog, references)?;
        let (person, account_column) =
            person(catalog, references, &account).unwrap_or_else(|| (account.clone(), None));
        let table = &catalog.tables[&person];
        let key = table.key()?.to_owned();
        let sure = score >= 10
            && references
                .to(&account)
                .any(|(_, reference)| reference.declared);
        let reason = if person == account {
            "people sign in by it, and records name them by its key".to_owned()
        } else {
            format!(
                "each row belongs to an account of {}, and owners are rows of it",
                account.name
            )
        };
        guesses.add(
            &person,
            "users.table",
            &person.name,
            Certainty::of(sure && person == account),
            reason,
        );
        let mut keys = BTreeMap::from([("user".to_owned(), key.clone())]);
        if let Some(column) = &account_column {
            keys.insert(ACCOUNT.to_owned(), column.clone());
            let reason = format!(
                "{column} refers to {}, by which other records name the person",
                account.name
            );
            guesses.add(
                &person,
                "users.keys.account",
                column,
                Certainty::Certain,
                reason,
            );
        }
        for (_, reference) in references.to(&person) {
            if reference.declared && !keys.values().any(|known| *known == reference.to) {
                let reason = format!("foreign key {} refers to it", reference.column);
                guesses.add(
                    &person,
                    &format!("users.keys.{}", reference.to),
                    &reference.to,
                    Certainty::Certain,
                    reason,
                );
                keys.insert(reference.to.clone(), reference.to.clone());
            }
        }
        let mut people = Self {
            source: UserSource {
                table: catalog.written(&person),
                keys,
                login: login(catalog, &person, &account, guesses).map(ValueSource::Plain),
                active: active(catalog, &person, &account, guesses),
                supervisor: None,
                supervisor_key: None,
                supervision: None,
                attributes: BTreeMap::new(),
                more_keys: BTreeMap::new(),
                filter: gone(table, &person, guesses),
            },
            person,
            account,
            staff: Vec::new(),
            staff_links: Vec::new(),
        };
        people.find_staff(catalog, references, guesses);
        people.find_supervisor(catalog, references, guesses);
        Some(people)
    }

    /// Tables such as `employee`, in which a person has another key.
    fn find_staff(&mut self, catalog: &Catalog, references: &References, guesses: &mut Guesses) {
        let staff: Vec<&TableName> = catalog
            .roots()
            .filter(|(name, table)| {
                table.name.ends_with(words::STAFF) > 0 && !self.has(name) && table.key().is_some()
            })
            .map(|(name, _)| name)
            .collect();
        for table in staff {
            let key = catalog.tables[table].name.last().to_owned();
            if self.source.keys.contains_key(&key) || self.source.more_keys.contains_key(&key) {
                continue;
            }
            if let Some((source, link, declared)) = self.staff_source(catalog, references, table) {
                let reason = format!(
                    "{} tells which row of {} a person is",
                    source.table, table.name
                );
                let value = format!(
                    "{{ table = \"{}\", user = \"{}\", key = \"{}\" }}",
                    source.table, source.user, source.key
                );
                let what = format!("users.more_keys.{key}");
                guesses.add(
                    &self.person,
                    &what,
                    value,
                    Certainty::of(declared).min(Certainty::Likely),
                    reason,
                );
                self.staff_links.extend(link);
                self.source.more_keys.insert(key.clone(), source);
            } else if let Some(reference) = references
                .of(&self.person)
                .iter()
                .find(|reference| reference.table == *table)
            {
                let what = format!("users.keys.{key}");
                guesses.add(
                    &self.person,
                    &what,
                    &reference.column,
                    Certainty::Likely,
                    reference.shown_by(),
                );
                self.source
                    .keys
                    .insert(key.clone(), reference.column.clone());
            } else {
                continue;
            }
            self.staff.push((table.clone(), key));
        }
    }

    /// Where a person's key in a staff table is: in a link table, or in the staff table itself.
    fn staff_source(
        &self,
        catalog: &Catalog,
        references: &References,
        staff: &TableName,
    ) -> Option<(KeySource, Option<TableName>, bool)> {
        let names_user = |reference: &&Reference| self.key_of(reference) == Some("user");
        let others = |column: &str| {
            [words::CREATOR, words::CHANGER]
                .iter()
                .any(|w| Name::of_column(column).is(w))
        };
        for (link, to_staff) in references.to(staff) {
            let of_link: Vec<&Reference> = references
                .of(link)
                .iter()
                .filter(|r| !others(&r.column))
                .collect();
            if let ([one, two], true) = (of_link.as_slice(), link != staff && !self.has(link)) {
                let user = if one.column == to_staff.column {
                    two
                } else {
                    one
                };
                if self.key_of(user) == Some("user")
                    && catalog.tables[link].name.has(&["user", "login", "account"])
                {
                    let source = KeySource {
                        table: catalog.written(link),
                        user: user.column.clone(),
                        key: to_staff.column.clone(),
                        filter: None,
                    };
                    return Some((
                        source,
                        Some(link.clone()),
                        user.declared && to_staff.declared,
                    ));
                }
            }
        }
        let user = references
            .of(staff)
            .iter()
            .find(|r| names_user(r) && !others(&r.column) && r.name.is(words::USER))?;
        let source = KeySource {
            table: catalog.written(staff),
            user: user.column.clone(),
            key: catalog.tables[staff].key()?.to_owned(),
            filter: None,
        };
        Some((source, None, user.declared))
    }

    fn find_supervisor(
        &mut self,
        catalog: &Catalog,
        references: &References,
        guesses: &mut Guesses,
    ) {
        let above = |table: &TableName| {
            let own: Vec<Reference> = references
                .of(table)
                .iter()
                .filter(|r| r.table == *table)
                .cloned()
                .collect();
            let named = own.iter().find(|r| r.name.ends_with(words::SUPERVISOR) > 0);
            named.cloned()
        };
        if let Some(reference) = above(&self.person) {
            let certainty =
                Certainty::of(reference.declared && reference.name.is(words::SUPERVISOR));
            guesses.add(
                &self.person,
                "users.supervisor",
                &reference.column,
                certainty,
                reference.shown_by(),
            );
            self.source.supervisor = Some(reference.column);
            return;
        }
        for (table, key) in &self.staff {
            let Some(reference) = above(table) else {
                continue;
            };
            let facts = &catalog.tables[table];
            let Some(user) = facts.key() else { continue };
            let ended = facts
                .column_named(words::ENDED)
                .filter(|column| facts.is_time(column));
            let source = SupervisionSource {
                table: catalog.written(table),
                user: user.to_owned(),
                user_key: Some(key.clone()),
                supervisor: reference.column.clone(),
                filter: ended.map(|column| format!("{column} IS NULL")),
            };
            let value = format!("{}.{}", table.name, reference.column);
            let certainty = Certainty::of(reference.declared).min(Certainty::Likely);
            guesses.add(
                &self.person,
                "users.supervision",
                value,
                certainty,
                reference.shown_by(),
            );
            self.source.supervision = Some(source);
            return;
        }
    }
}

/// Whether a reference says, by its column or its table, whose a record is.
fn names_owner(catalog: &Catalog, table: &TableName, reference: &Reference) -> bool {
    reference.name.is(words::OWNER) || catalog.tables[table].name.ends_with(words::OWNER_LINK) > 0
}

/// The table by which people sign in, and how much speaks for it.
fn account(catalog: &Catalog, references: &References) -> Option<(TableName, usize)> {
    let mut best: Option<(usize, usize, &TableName)> = None;
    for (name, table) in catalog.roots() {
        if table.key().is_none()
            || table.name.has(words::HISTORY)
            || table.name.ends_with(words::MACHINERY) > 0
        {
            continue;
        }
        let named = |phrases: &[&str]| table.column_named(phrases).is_some();
        let user = table.name.ends_with(words::USER) > 0;
        let staff = table.name.ends_with(words::STAFF) > 0;
        let known = usize::from(user) * 4 + usize::from(staff) * 2;
        let signs_in = usize::from(named(words::PASSWORD)) * 3
            + if named(words::LOGIN) {
                2
            } else {
                usize::from(named(words::EMAIL))
            };
        let people = [
            words::OWNER,
            words::CREATOR,
            words::CHANGER,
            words::DOER,
            words::USER,
        ];
        let naming = references
            .to(name)
            .filter(|(_, reference)| people.iter().any(|phrases| reference.name.is(phrases)))
            .count();
        let score = known
            + signs_in
            + usize::from(named(words::ACTIVE) || named(words::GONE))
            + naming.min(4);
        let better =
            best.is_none_or(|(most, most_naming, _)| (score, naming) > (most, most_naming));
        if known > 0 && signs_in > 0 && score >= 6 && better {
            best = Some((score, naming, name));
        }
    }
    best.map(|(score, _, name)| (name.clone(), score))
}

/// A table of which each row belongs to an account, and whose rows own records.
fn person(
    catalog: &Catalog,
    references: &References,
    account: &TableName,
) -> Option<(TableName, Option<String>)> {
    let owners = |table: &TableName| {
        references
            .to(table)
            .filter(|(of, reference)| names_owner(catalog, of, reference))
            .count()
    };
    let of_account = owners(account);
    references
        .to(account)
        .filter(|(table, reference)| {
            let facts = &catalog.tables[*table];
            let in_key = facts
                .clues
                .unique
                .iter()
                .any(|key| key.contains(&reference.column));
            reference.required
                && in_key
                && reference.name.is(words::USER)
                && facts.key().is_some_and(|key| key != reference.column)
                && facts.name.ends_with(words::STAFF) > 0
                && owners(table) > of_account
        })
        .max_by_key(|(table, _)| owners(table))
        .map(|(table, reference)| (table.clone(), Some(reference.column.clone())))
}

fn login(
    catalog: &Catalog,
    person: &TableName,
    account: &TableName,
    guesses: &mut Guesses,
) -> Option<String> {
    let table = &catalog.tables[account];
    let column = table
        .column_named(words::LOGIN)
        .filter(|column| table.is_text(column))?
        .to_owned();
    let unique = table.is_unique(&[&column]);
    if person != account || !unique {
        let reason = "people sign in by it; whether a database role has that name, only you know";
        guesses.add(account, "users.login", &column, Certainty::Guess, reason);
        return None;
    }
    let reason = "unique, and people sign in by it. It counts only for people who connect with a database role of \
                  that name: leave it out if the application may write any name here";
    guesses.add(person, "users.login", &column, Certainty::Likely, reason);
    Some(column)
}

fn active(
    catalog: &Catalog,
    person: &TableName,
    account: &TableName,
    guesses: &mut Guesses,
) -> OneOrMany<ActiveSource> {
    let mut found = Vec::new();
    let named = |table: &Table| {
        let column = table
            .column_named(words::ACTIVE)
            .filter(|column| table.is_bool(column));
        column.map(str::to_owned)
    };
    if let Some(column) = named(&catalog.tables[person]) {
        guesses.add(
            person,
            "users.active",
            &column,
            Certainty::Certain,
            "a boolean of that name",
        );
        found.push(ActiveSource::Plain(column));
    }
    let of_account = &catalog.tables[account];
    if let (true, Some(column), Some(key)) =
        (person != account, named(of_account), of_account.key())
    {
        let value = format!("{}.{column}", account.name);
        guesses.add(
            person,
            "users.active",
            value,
            Certainty::Certain,
            "the account's boolean of that name",
        );
        found.push(ActiveSource::Table {
            table: catalog.written(account),
            user: key.to_owned(),
            user_key: Some(ACCOUNT.to_owned()),
            column: Some(column),
            filter: None,
        });
    }
    if found.len() == 1 {
        OneOrMany::One(found.remove(0))
    } else {
        OneOrMany::Many(found)
    }
}

/// A condition that leaves out rows that are only marked as deleted.
fn gone(table: &Table, person: &TableName, guesses: &mut Guesses) -> Option<String> {
    let column = table
        .column_named(words::GONE)
        .filter(|column| table.is_bool(column))?;
    let filter = format!("{column} = false");
    guesses.add(
        person,
        "users.where",
        &filter,
        Certainty::Likely,
        "rows that are only marked don't count",
    );
    Some(filter)
}
