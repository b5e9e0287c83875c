//! The whole directory, read once and kept until policy or directory change.

use std::cell::RefCell;
use std::rc::Rc;

use celador_policy::PolicySet;
use celador_policy::directory::everybody::{self as sql, Listed};
use celador_policy::directory::{GroupNode, SettingValue};
use celador_policy::reverse::Everybody;

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

/// The two texts of each row; rows that lack one are left out.
fn pairs(sql: &str) -> impl Iterator<Item = (String, String)> + use<> {
    ask(sql).into_iter().filter_map(|row| {
        let mut row = row.into_iter();
        Some((row.next()??, row.next()??))
    })
}

/// What a statement lists of people: the name of the key, and for each the key and what is told.
fn told(listed: Option<Listed>) -> Option<(String, impl Iterator<Item = (String, String)>)> {
    let listed = listed?;
    Some((listed.key?, pairs(&listed.sql)))
}

fn read(policy: &PolicySet) -> Everybody {
    let directory = &policy.directory;
    let mut everybody = people(policy);
    if let Some((key, logins)) = told(sql::logins(directory)) {
        for (person, login) in logins {
            everybody.add_login(&key, &person, &login);
        }
    }
    for (attribute, listed) in sql::more_attributes(directory) {
        if let Some((key, values)) = told(Some(listed)) {
            for (person, value) in values {
                everybody.add_told(attribute, &key, &person, &value);
            }
        }
    }
    for row in ask(&sql::groups(directory)) {
        let mut row = row.into_iter();
        if let (Some(Some(key)), Some(name), Some(parent)) = (row.next(), row.next(), row.next()) {
            everybody.add_group(GroupNode { key, name, parent });
        }
    }
    for listed in sql::memberships(directory) {
        if let Some((key, members)) = told(Some(listed)) {
            for (person, group) in members {
                everybody.add_member(&key, &person, &group);
            }
        }
    }
    for (source, listed) in sql::roles_held(directory).iter().enumerate() {
        for (holder, value) in pairs(&listed.sql) {
            match &listed.key {
                Some(key) => everybody.add_held(key, &holder, source, &value),
                None => everybody.add_group_held(&holder, source, &value),
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
            everybody.add_above(&person, &supervisor);
        }
    }
    everybody
}

fn people(policy: &PolicySet) -> Everybody {
    let users = &policy.directory.users;
    let mut everybody = Everybody::new(&policy.directory);
    for row in ask(&sql::people(&policy.directory)) {
        let mut row = row.into_iter();
        let mut next = || row.next().flatten();
        let Some(user) = next() else { continue };
        let (login, active) = (next(), next().as_deref() == Some("t"));
        let id = everybody.add_person(user, login, active, next());
        for name in users.keys.keys() {
            if let Some(key) = next() {
                everybody.add_key(id, name, key);
            }
        }
        for attribute in 0..users.attributes.len() {
            if let Some(told) = next() {
                everybody.tell(id, attribute, told);
            }
        }
    }
    for (name, sql) in sql::more_keys(&policy.directory) {
        for (user, key) in pairs(&sql) {
            for id in everybody.with_key("user", &user).to_vec() {
                everybody.add_key(id, name, key.clone());
            }
        }
    }
    everybody
}
