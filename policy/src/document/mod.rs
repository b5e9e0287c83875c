//! The policy document as it is written: TOML in two parts, the *mapping* (where a CRM keeps
//! things) and the *matrix* (who may what).
//!
//! These types only say what can be written. Nothing downstream takes them: [`crate::check`]
//! turns a [`Document`] into a [`crate::PolicySet`], and only that is enforced.

mod cell_change;
mod difference;
mod links;
mod mapping;
mod matrix;
mod one_or_many;
mod read;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::problem::{Problem, Problems, keys_at, line_of};
use crate::rendering::Rendering;
use crate::rendering_function::FunctionName;

pub use cell_change::CellChange;
pub use difference::Change;
pub(crate) use difference::written;
pub use links::{Child, GroupLink, OwnerLink, ParentLink};
pub use mapping::{
    ActiveSource, GroupSource, KeySource, Mapping, MembershipSource, ModuleMap, ModuleMode,
    NoIdentity, RoleSource, SaidBy, SettingSource, ShareSource, SupervisionSource, UserSource,
    ValueSource,
};
pub use matrix::{
    Cell, FieldCell, FieldGrant, FieldRule, Limits, Matrix, Restriction, RoleRule, RuleMap, Scope,
    ScopeName, ScopeTerm, SettingRule, TagRule,
};
pub use one_or_many::OneOrMany;

/// A whole policy document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(default)]
pub struct Document {
    /// Where the CRM keeps things.
    pub mapping: Mapping,
    /// Who may what.
    #[serde(flatten)]
    pub matrix: Matrix,
}

/// The longest document that is read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// One problem, with its line, when the text isn't TOML or has a key or a value that a
    /// document can't have.
    pub fn from_toml(text: &str) -> Result<Self, Problems> {
        if text.len() > MAX_BYTES {
            let message = format!("the document has {} bytes", text.len());
            return Err(Problems(vec![Problem::new(
                &[],
                message,
                format!("at most {MAX_BYTES} are read"),
            )]));
        }
        if text.contains('\0') || text.contains("\\u0000") || text.contains("\\U00000000") {
            let message = "the document has a zero byte";
            return Err(Problems(vec![Problem::new(&[], message, "remove it")]));
        }
        toml::from_str(text).map_err(|error| {
            let mut problem = Problem::new(
                &[],
                error.message(),
                "correct the key or its value; the reference of keys lists both",
            );
            if let Some(span) = error.span() {
                problem.line = Some(line_of(text, span.start));
                problem.path = keys_at(text, span.start);
            }
            Problems(vec![problem])
        })
    }

    /// The functions that fields are shown by.
    pub fn functions(&self) -> BTreeSet<FunctionName> {
        let fields = self.matrix.fields.values().flat_map(BTreeMap::values);
        let renderings = fields.flat_map(|field| &field.renderings);
        let tags = self.matrix.tags.values().flat_map(|tag| &tag.renderings);
        renderings
            .chain(tags)
            .filter_map(|text| match Rendering::parse(text) {
                Ok(Rendering::Function(function)) => Some(function),
                Ok(_) | Err(_) => None,
            })
            .collect()
    }

    /// Writes the document: keys sorted, and what says nothing left out, so that equal documents
    /// are equal texts. [`Self::from_toml`] reads the same document back.
    ///
    /// # Errors
    /// When the document can't be written as TOML; one that was read always can.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let full = toml::Value::try_from(self)?;
        let mut short = full.clone();
        prune(&mut short);
        let short = toml::to_string(&short)?;
        // What is empty may say something: a role without permissions is a role.
        if Self::from_toml(&short).as_ref() == Ok(self) {
            Ok(short)
        } else {
            toml::to_string(&full)
        }
    }
}

/// Whether a value isn't what is there by default: false, or an empty text, list or table.
pub(crate) fn says_something(value: &toml::Value) -> bool {
    match value {
        toml::Value::Boolean(is) => *is,
        toml::Value::String(text) => !text.is_empty(),
        toml::Value::Array(values) => !values.is_empty(),
        toml::Value::Table(values) => !values.is_empty(),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Datetime(_) => true,
    }
}

/// Leaves out what is there by default.
pub(crate) fn prune(value: &mut toml::Value) {
    match value {
        toml::Value::Table(values) => {
            values.iter_mut().for_each(|(_, value)| prune(value));
            values.retain(|_, value| says_something(value));
        }
        toml::Value::Array(values) => values.iter_mut().for_each(prune),
        toml::Value::Boolean(_)
        | toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Datetime(_) => {}
    }
}
