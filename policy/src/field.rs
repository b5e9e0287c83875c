//! Fields: columns of a module that people see as the matrix renders them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::permissions::ByRole;
use crate::policy_set::{Column, Grant, PolicySet};
use crate::rendering::{NoRendering, Rendering};

/// A field of a module that the matrix speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The column of the module's tables; `None` where the mapping lacks it.
    pub column: Option<Column>,
    /// The renderings, most revealing first. Whoever is granted none sees the last.
    pub renderings: Vec<Rendering>,
    /// What the field holds, for example `personal`.
    pub tags: BTreeSet<String>,
}

impl Field {
    /// Whether there is anybody who doesn't see it as it is stored.
    pub fn masks(&self) -> bool {
        self.column.is_some() && self.renderings != [Rendering::Clear]
    }
}

/// What may be granted of a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldRight {
    /// To see it so.
    Shown(Rendering),
    /// To write it.
    Write,
}

impl FieldRight {
    /// Reads the form in which documents write it.
    ///
    /// # Errors
    /// When it is neither `write` nor a rendering.
    pub fn parse(text: &str) -> Result<Self, NoRendering> {
        match text {
            "write" => Ok(Self::Write),
            _ => Rendering::parse(text).map(Self::Shown),
        }
    }
}

// As text: maps of rights have it for a key.
impl Serialize for FieldRight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldRight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for FieldRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(rendering) => rendering.fmt(f),
            Self::Write => f.write_str("write"),
        }
    }
}

/// What a role may do with a field.
pub type FieldRights = BTreeMap<FieldRight, Vec<Grant>>;

/// Role → module → field → rights. Wildcards are written out.
pub type FieldPermissions = ByRole<BTreeMap<String, FieldRights>>;

impl PolicySet {
    /// What a role may do with the fields of a module, each right with what is granted.
    pub fn field_grants(
        &self,
        role: &str,
        module: &str,
    ) -> impl Iterator<Item = (&str, &FieldRight, &[Grant])> {
        let fields = self.field_permissions.get(role);
        let fields = fields.and_then(|modules| modules.get(module)).into_iter();
        fields
            .flat_map(|fields| fields.iter())
            .flat_map(|(field, rights)| {
                let rights = rights.iter();
                rights.map(move |(right, grants)| (field.as_str(), right, grants.as_slice()))
            })
    }

    /// What a role is granted of a right to a field.
    pub fn field_right(
        &self,
        role: &str,
        module: &str,
        field: &str,
        right: &FieldRight,
    ) -> &[Grant] {
        self.field_permissions
            .get(role)
            .and_then(|modules| modules.get(module)?.get(field)?.get(right))
            .map_or(&[], Vec::as_slice)
    }

    /// The field of that name, where the module has a column for it.
    pub fn field(&self, module: &str, field: &str) -> Option<(&Field, &Column)> {
        let field = self.fields.get(module)?.get(field)?;
        Some((field, field.column.as_ref()?))
    }
}
