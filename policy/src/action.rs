//! What may be done to a module's records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An action of the matrix.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// See the record.
    Read,
    /// Add a record.
    Create,
    /// Change it.
    Update,
    /// Remove it.
    Delete,
    /// Give it to another owner or group. In the people's own table: change who a person is.
    Assign,
    /// Take a record without owner.
    Claim,
    /// Load in bulk.
    Import,
    /// Extract in bulk.
    Export,
    /// Write the rows of a configuration module.
    Customise,
}

impl Action {
    /// Every action, in the order of the matrix.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::Assign,
        Self::Claim,
        Self::Import,
        Self::Export,
        Self::Customise,
    ];

    /// The name in documents and in generated policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Assign => "assign",
            Self::Claim => "claim",
            Self::Import => "import",
            Self::Export => "export",
            Self::Customise => "customise",
        }
    }

    /// The action of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}
