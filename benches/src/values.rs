//! What is bound to statements, and what comes back.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};

use postgres::Row;
use postgres::types::{FromSql, ToSql, Type};

/// A bound parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// An integer.
    Int(i32),
    /// A text.
    Text(String),
    /// A JSON value.
    Json(serde_json::Value),
    /// A list of keys.
    Ints(Vec<i32>),
}

/// What kind of value a statement takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An integer.
    Int,
    /// A text.
    Text,
    /// A JSON value.
    Json,
}

impl Value {
    /// PostgreSQL's type.
    pub(crate) fn type_of(&self) -> Type {
        match self {
            Self::Int(_) => Type::INT4,
            Self::Text(_) => Type::TEXT,
            Self::Json(_) => Type::JSONB,
            Self::Ints(_) => Type::INT4_ARRAY,
        }
    }

    /// As the driver takes it.
    pub(crate) fn bound(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Int(value) => value,
            Self::Text(value) => value,
            Self::Json(value) => value,
            Self::Ints(value) => value,
        }
    }
}

impl Kind {
    /// Reads a value of the kind from a column.
    pub(crate) fn read(self, row: &Row, column: usize) -> Value {
        match self {
            Self::Int => Value::Int(row.get(column)),
            Self::Text => Value::Text(row.get(column)),
            Self::Json => Value::Json(row.get(column)),
        }
    }
}

/// Rows, whatever their order: how many, and a sum over what is in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// How many rows came back or were changed.
    pub(crate) count: u64,
    /// The sum of a hash of each row.
    pub(crate) checksum: u64,
}

impl Rows {
    /// Adds a row that came back.
    pub(crate) fn add(&mut self, row: &Row) {
        let mut hasher = DefaultHasher::new();
        for column in 0..row.len() {
            let Bytes(bytes) = row.get(column);
            bytes.hash(&mut hasher);
        }
        self.checksum = self.checksum.wrapping_add(hasher.finish());
    }

    /// Adds what another execution gave.
    pub(crate) fn and(&mut self, other: Self) {
        self.count += other.count;
        self.checksum = self.checksum.wrapping_add(other.checksum);
    }
}

/// A value of any type, as the server sends it.
struct Bytes<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Bytes<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
