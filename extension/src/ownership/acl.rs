//! Access control lists, by the names that PostgreSQL writes them with: `reader=r*/owner`.

use std::collections::{BTreeMap, BTreeSet};

/// Privileges by letter, as PostgreSQL abbreviates them, with their words.
const PRIVILEGES: [(char, &str); 15] = [
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('m', "MAINTAIN"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('T', "TEMPORARY"),
    ('c', "CONNECT"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

/// Who gave which privilege to whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Given {
    /// Empty: PUBLIC.
    grantee: String,
    grantor: String,
    privilege: char,
}

/// An access control list; with each privilege, whether it may be passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Acl(BTreeMap<Given, bool>);

/// A set of privileges of one role: the same may be passed on, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// Empty: PUBLIC.
    pub(super) grantee: String,
    pub(super) grantor: String,
    /// Letters.
    pub(super) privileges: String,
    pub(super) passed_on: bool,
}

impl Acl {
    /// Reads the items of a list; `None`: one can't be read.
    pub(super) fn parse<S: AsRef<str>>(items: &[S]) -> Option<Self> {
        let mut acl = Self::default();
        for item in items {
            let mut rest = item.as_ref();
            let grantee = take_name(&mut rest)?;
            rest = rest.strip_prefix('=')?;
            let (letters, mut grantor) = rest.split_once('/')?;
            let grantor = take_name(&mut grantor)?;
            let mut letters = letters.chars().peekable();
            while let Some(privilege) = letters.next() {
                let passed_on = letters.next_if_eq(&'*').is_some();
                let given = Given {
                    grantee: grantee.clone(),
                    grantor: grantor.clone(),
                    privilege,
                };
                *acl.0.entry(given).or_default() |= passed_on;
            }
        }
        Some(acl)
    }

    /// The letters of what a role holds by its own name, whoever gave it.
    pub(super) fn held_by(&self, role: &str) -> BTreeSet<char> {
        let held = self.0.keys().filter(|given| given.grantee == role);
        held.map(|given| given.privilege).collect()
    }

    /// The roles that it names.
    pub(super) fn roles(&self) -> BTreeSet<&str> {
        let names = self
            .0
            .keys()
            .flat_map(|given| [given.grantee.as_str(), given.grantor.as_str()]);
        names.filter(|name| !name.is_empty()).collect()
    }

    /// What `ALTER … OWNER TO` makes of it: the new owner stands where the old one stood.
    pub(super) fn change_owner(&mut self, old: &str, new: &str) {
        let change = |name: String| {
            if name == old { new.to_owned() } else { name }
        };
        for (given, passed_on) in std::mem::take(&mut self.0) {
            let given = Given {
                grantee: change(given.grantee),
                grantor: change(given.grantor),
                privilege: given.privilege,
            };
            *self.0.entry(given).or_default() |= passed_on;
        }
    }

    /// What `REVOKE` by the owner leaves of it.
    pub(super) fn revoke(&mut self, grantee: &str, grantor: &str, privileges: &str) {
        self.0.retain(|given, _| {
            !(given.grantee == grantee
                && given.grantor == grantor
                && privileges.contains(given.privilege))
        });
    }

    /// What `GRANT` by the owner makes of it.
    pub(super) fn grant(&mut self, share: &Share) {
        for privilege in share.privileges.chars() {
            let given = Given {
                grantee: share.grantee.clone(),
                grantor: share.grantor.clone(),
                privilege,
            };
            *self.0.entry(given).or_default() |= share.passed_on;
        }
    }

    /// What this list has and the other hasn't, role by role.
    pub(super) fn beyond(&self, other: &Self) -> Vec<Share> {
        let mut shares: BTreeMap<(&str, &str, bool), String> = BTreeMap::new();
        for (given, passed_on) in &self.0 {
            if other.0.get(given) != Some(passed_on) {
                let key = (given.grantee.as_str(), given.grantor.as_str(), *passed_on);
                shares.entry(key).or_default().push(given.privilege);
            }
        }
        shares
            .into_iter()
            .map(|((grantee, grantor, passed_on), privileges)| Share {
                grantee: grantee.to_owned(),
                grantor: grantor.to_owned(),
                privileges,
                passed_on,
            })
            .collect()
    }
}

/// `SELECT, INSERT` from `ra`. A letter of a later version is its own word, and no server takes it.
pub(super) fn words(letters: &str) -> String {
    let word = |letter: char| {
        let known = PRIVILEGES.iter().find(|(known, _)| *known == letter);
        known.map_or_else(|| letter.to_string(), |(_, word)| (*word).to_owned())
    };
    letters.chars().map(word).collect::<Vec<_>>().join(", ")
}

/// Takes a role's name off the text: `"a ""b"" c"` or `plain`.
fn take_name(text: &mut &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut rest = quoted;
        loop {
            let (part, after) = rest.split_once('"')?;
            name.push_str(part);
            match after.strip_prefix('"') {
                Some(more) => {
                    name.push('"');
                    rest = more;
                }
                None => {
                    *text = after;
                    return Some(name);
                }
            }
        }
    }
    let end = text.find(['=', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    *text = rest;
    Some(name.to_owned())
}
