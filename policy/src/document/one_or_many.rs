//! A value that may be written alone or in a list.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// One value, or a list of them: `owner = "owner_id"` or `owner = ["owner_id", "backup_id"]`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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

    /// The values, each with the key under which it is written: its place in the list, or none.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Vec<String>, &T)> {
        let listed = match self {
            Self::Many(_) => true,
            Self::One(_) => false,
        };
        self.as_slice().iter().enumerate().map(move |(at, value)| {
            let place = listed.then(|| at.to_string());
            (place.into_iter().collect(), value)
        })
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}

/// Written out, for an untagged enum would lose where the mistake is.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Alone(PhantomData))
    }
}

struct Alone<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Alone<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(StrDeserializer::new(text)).map(OneOrMany::One)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(values)).map(OneOrMany::Many)
    }
}
