//! The whole directory, read once and kept until policy or directory change.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use celador_policy::PolicySet;
use celador_policy::directory::everybody::{self as sql, Listed};
use celador_policy::directory::{GroupNode, SettingValue};
use celador_policy::reverse::{Everybody, Person};

use crate::catalog::Catalog;
use crate::session;
use crate::spi::{self, Reads};

/// As of which version of the directory, and by which policy.
type Kept = (u64, Rc<Catalog>, Rc<Everybody>);

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

type Rows = Vec<Vec<Option<String>>>;

/// Everybody as the directory is now.
pub(super) fn everybody(catalog: &Rc<Catalog>, policy: &PolicySet) -> Rc<Everybody> {
    let version = session::directory_version();
    let known = KEPT.with_borrow(|kept| match kept {
        Some((of, by, everybody)) if *of == version && Rc::ptr_eq(by, catalog) => {
            Some(Rc::clone(everybody))
        }
        Some(_) | None => None,
    });
    if let Some(everybody) = known {
        return everybody;
    }
    let everybody = Rc::new(spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| read(policy))
    }));
    KEPT.set(Some((version, Rc::clone(catalog), Rc::clone(&everybody))));
    everybody
}

fn ask(sql: &str) -> Rows {
    spi::read(sql, &[], Reads::Latest)
}

/// The two texts of each row; rows without the first are left out.
fn pairs(sql: &str) -> impl Iterator<Item = (String, Option<String>)> {
    ask(sql).into_iter().filter_map(|row| {
        let mut row = row.into_iter();
        Some((row.next()??, row.next()?))
    })
}

/// What a statement lists of people: the name of the key, the key, and what.
fn told(listed: Option<Listed>) -> Vec<(String, String, String)> {
    let Some(Listed {
        sql,
        key: Some(key),
    }) = listed
    else {
        return Vec::new();
    };
    pairs(&sql)
        .filter_map(|(person, told)| Some((key.clone(), person, told?)))
        .collect()
}

fn read(policy: &PolicySet) -> Everybody {
    let directory = &policy.directory;
    let mut everybody = Everybody::new(people(policy));
    for (key, person, login) in told(sql::logins(directory)) {
        everybody.add_login(&key, &person, &login);
    }
    for (attribute, listed) in sql::more_attributes(directory) {
        for (key, person, value) in told(Some(listed)) {
            everybody.add_told(attribute, &key, &person, &value);
        }
    }
    let groups = ask(&sql::groups(directory)).into_iter().filter_map(|row| {
        let mut row = row.into_iter();
        Some(GroupNode {
            key: row.next()??,
            name: row.next()?,
            parent: row.next()?,
        })
    });
    everybody.add_groups(groups, directory.groups.source.filter.is_some());
    for listed in sql::memberships(directory) {
        for (key, person, group) in told(Some(listed)) {
            everybody.add_member(&key, &person, &group);
        }
    }
    for (source, listed) in sql::roles_held(directory).iter().enumerate() {
        for (holder, value) in pairs(&listed.sql) {
            match (&listed.key, value) {
                (Some(key), Some(value)) => everybody.add_held(key, &holder, source, &value),
                (None, Some(value)) => everybody.add_group_held(&holder, source, &value),
                (_, None) => {}
            }
        }
    }
    for row in ask(&sql::settings(directory)) {
        let mut row = row.into_iter();
        if let (Some(group), Some(Some(setting)), Some(Some(value))) =
            (row.next(), row.next(), row.next())
        {
            everybody.add_setting(SettingValue {
                group,
                setting,
                value: value == "true",
            });
        }
    }
    if let Some(tree) = sql::supervision(directory) {
        for (person, supervisor) in pairs(&tree) {
            if let Some(supervisor) = supervisor {
                everybody.add_above(&person, &supervisor);
            }
        }
    }
    everybody
}

fn people(policy: &PolicySet) -> Vec<Person> {
    let users = &policy.directory.users;
    let mut people = Vec::new();
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    for row in ask(&sql::people(&policy.directory)) {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        let Some(user) = next() else { continue };
        let mut person = Person::default();
        person.logins.extend(next());
        person.active = next().as_deref() == Some("t");
        person.supervisor = next();
        for name in users.keys.keys() {
            person
                .keys
                .insert(name.clone(), next().into_iter().collect());
        }
        for name in users.attributes.keys() {
            person
                .told
                .insert(name.clone(), next().into_iter().collect());
        }
        place.insert(user.clone(), people.len());
        person.user = user;
        people.push(person);
    }
    for (name, sql) in sql::more_keys(&policy.directory) {
        for (user, value) in pairs(&sql) {
            if let (Some(id), Some(value)) = (place.get(&user), value) {
                let keys = people[*id].keys.entry(name.to_owned());
                keys.or_default().push(value);
            }
        }
    }
    people
}
