//! A value that may be written alone or in a list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One value, or a list of them: `owner = "owner_id"` or `owner = ["owner_id", "backup_id"]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// Several values.
    Many(Vec<T>),
    /// One value.
    One(T),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    /// The values, in the order in which they are written.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::Many(values) => values,
            Self::One(value) => std::slice::from_ref(value),
        }
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}
