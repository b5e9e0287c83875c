//! What one document says and another doesn't.

use std::collections::BTreeMap;
use std::fmt;

use super::{Document, prune, says_something};

/// One key that two documents differ in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is, written as a TOML key.
    pub key: String,
    /// Its value in the first document; `None`: it isn't there.
    pub before: Option<String>,
    /// Its value in the second; `None`: it isn't there any more.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(out, "{} = {before} → {after}", self.key),
            (None, Some(after)) => write!(out, "+ {} = {after}", self.key),
            (Some(before), None) => write!(out, "- {} = {before}", self.key),
            (None, None) => write!(out, "{}", self.key),
        }
    }
}

impl Document {
    /// The keys in which `after` differs from this document, in the order of their names.
    ///
    /// ```text
    /// permissions.seller.contacts.read = ["own"] → ["own", "group"]
    /// + permissions.seller.contacts.delete = ["own"]
    /// ```
    ///
    /// # Errors
    /// When one of them can't be written as TOML; one that was read always can.
    pub fn difference(&self, after: &Self) -> Result<Vec<Change>, toml::ser::Error> {
        let (before, after) = (leaves(self)?, leaves(after)?);
        let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(keys
            .into_iter()
            .filter(|key| before.get(*key) != after.get(*key))
            .map(|key| Change {
                key: key.clone(),
                before: before.get(key).cloned(),
                after: after.get(key).cloned(),
            })
            .collect())
    }
}

/// Every value that isn't a table and says something, by its whole key.
fn leaves(document: &Document) -> Result<BTreeMap<String, String>, toml::ser::Error> {
    let mut found = BTreeMap::new();
    walk(Vec::new(), &toml::Value::try_from(document)?, &mut found);
    Ok(found)
}

fn walk(key: Vec<String>, value: &toml::Value, found: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(values) => {
            for (name, value) in values {
                let mut inner = key.clone();
                inner.push(written(name));
                walk(inner, value, found);
            }
            // A role without permissions is a role.
            if values.is_empty() && key.len() == 2 && key[0] == "permissions" {
                found.insert(key.join("."), "{}".to_owned());
            }
        }
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_) => {
            let mut value = value.clone();
            prune(&mut value);
            if says_something(&value) {
                found.insert(key.join("."), value.to_string());
            }
        }
    }
}

/// A key as TOML writes it: bare where it can be.
pub(crate) fn written(key: &str) -> String {
    toml_edit::Key::new(key).display_repr().into_owned()
}
