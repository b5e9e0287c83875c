//! A set of keys that answers for integers, uuids and text alike.

use std::collections::HashSet;

use rustc_hash::FxHashSet;

/// Keys of people, groups or records. Written as text, asked for in the column's own type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    // Asked for each row. The keys are the directory's, not an attacker's.
    integers: FxHashSet<i64>,
    uuids: FxHashSet<u128>,
    /// Those that are neither.
    others: HashSet<Box<str>>,
}

impl KeySet {
    /// Adds a key as PostgreSQL prints it.
    pub fn insert(&mut self, key: &str) {
        if let Some(integer) = parse_integer(key) {
            self.integers.insert(integer);
        } else if let Some(uuid) = parse_uuid(key) {
            self.uuids.insert(uuid);
        } else {
            self.others.insert(key.into());
        }
    }

    /// Whether the integer is in the set.
    pub fn has_integer(&self, key: i64) -> bool {
        self.integers.contains(&key)
    }

    /// Whether the uuid, most significant byte first, is in the set.
    pub fn has_uuid(&self, key: u128) -> bool {
        self.uuids.contains(&key)
    }

    /// Whether the text is in the set.
    pub fn has_text(&self, key: &str) -> bool {
        if let Some(integer) = parse_integer(key) {
            self.has_integer(integer)
        } else if let Some(uuid) = parse_uuid(key) {
            self.has_uuid(uuid)
        } else {
            self.others.contains(key)
        }
    }

    /// The keys that are integers, in their order.
    pub fn integers(&self) -> Vec<i64> {
        sorted(&self.integers)
    }

    /// The keys that are uuids, most significant byte first, in their order.
    pub fn uuids(&self) -> Vec<u128> {
        sorted(&self.uuids)
    }

    /// All keys as text, in their order.
    pub fn texts(&self) -> Vec<String> {
        let integers = self.integers.iter().map(i64::to_string);
        let uuids = self.uuids.iter().map(|uuid| print_uuid(*uuid));
        let others = self.others.iter().map(|key| String::from(&**key));
        let mut texts: Vec<String> = integers.chain(uuids).chain(others).collect();
        texts.sort_unstable();
        texts
    }

    /// Whether every key of the other set is in this one.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.integers.is_subset(&self.integers)
            && other.uuids.is_subset(&self.uuids)
            && other.others.is_subset(&self.others)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.integers.len() + self.uuids.len() + self.others.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Extend<&'a str> for KeySet {
    fn extend<I: IntoIterator<Item = &'a str>>(&mut self, keys: I) {
        for key in keys {
            self.insert(key);
        }
    }
}

fn sorted<T: Copy + Ord>(keys: &FxHashSet<T>) -> Vec<T> {
    let mut keys: Vec<T> = keys.iter().copied().collect();
    keys.sort_unstable();
    keys
}

/// Only the form that PostgreSQL prints: "042" and "+42" are other texts than 42.
fn parse_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let printed = digits.starts_with(|first: char| matches!(first, '1'..='9')) || text == "0";
    if printed { text.parse().ok() } else { None }
}

fn print_uuid(uuid: u128) -> String {
    let mut text = format!("{uuid:032x}");
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// Only the form that PostgreSQL prints: `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`.
pub(crate) fn parse_uuid(text: &str) -> Option<u128> {
    let printed = text.len() == 36
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => matches!(c, '0'..='9' | 'a'..='f'),
        });
    if !printed {
        return None;
    }
    let digits: String = text.chars().filter(|&c| c != '-').collect();
    u128::from_str_radix(&digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_the_columns_own_type() {
        let mut keys = KeySet::default();
        keys.extend(["42", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ana"]);
        assert!(keys.has_integer(42) && keys.has_text("42") && keys.has_text("ana"));
        assert!(keys.has_uuid(0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11));
        assert!(!keys.has_integer(43) && !keys.has_uuid(42) && !keys.has_text("042"));
        assert_eq!(keys.len(), 3);
        assert_eq!(keys.integers(), [42]);
        assert_eq!(keys.uuids(), [0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11]);
        assert_eq!(
            keys.texts(),
            ["42", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ana"]
        );
    }

    #[test]
    fn only_what_postgres_prints_is_an_integer_or_a_uuid() {
        for key in [
            "042",
            "+42",
            " 42",
            "42 ",
            "4_2",
            "-0",
            "9223372036854775808",
            "",
            "٤٢",
        ] {
            let mut keys = KeySet::default();
            keys.insert(key);
            assert!(keys.integers.is_empty() && keys.has_text(key), "{key:?}");
        }
        for key in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "+0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc9-99c0b-4ef8-bb6d-6bb9bd380a11",
            "é0eebc9-9c0b-4ef8-bb6d-6bb9bd380a11",
        ] {
            let mut keys = KeySet::default();
            keys.insert(key);
            assert!(keys.uuids.is_empty() && keys.has_text(key), "{key:?}");
        }
        let mut keys = KeySet::default();
        keys.extend(["-7", "9223372036854775807", "0"]);
        assert!(keys.has_integer(-7) && keys.has_integer(i64::MAX) && keys.has_integer(0));
    }
}
