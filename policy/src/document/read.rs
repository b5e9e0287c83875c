//! Reads documents. What serde would derive for flattened and untagged types loses the line on
//! which a mistake is, so those are written out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{
    Cell, Document, FieldRule, Limits, Mapping, Matrix, Restriction, RoleRule, RuleMap, Scope,
    ScopeTerm, SettingRule, TagRule,
};

/// A document with all its sections side by side, as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sections {
    mapping: Mapping,
    roles: BTreeMap<String, RoleRule>,
    permissions: BTreeMap<String, BTreeMap<String, Arc<Cell>>>,
    rules: BTreeMap<String, RuleMap>,
    restrictions: BTreeMap<String, Restriction>,
    settings: BTreeMap<String, SettingRule>,
    fields: BTreeMap<String, BTreeMap<String, FieldRule>>,
    tags: BTreeMap<String, TagRule>,
    limits: Limits,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sections = Sections::deserialize(deserializer)?;
        Ok(Self {
            mapping: sections.mapping,
            matrix: Matrix {
                roles: sections.roles,
                permissions: sections.permissions,
                rules: sections.rules,
                restrictions: sections.restrictions,
                settings: sections.settings,
                fields: sections.fields,
                tags: sections.tags,
                limits: sections.limits,
            },
        })
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("actions, each with a list of scopes: { read = [\"own\"] }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell, A::Error> {
        let mut cell = Cell::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "fields" => cell.fields = map.next_value()?,
                "tags" => cell.tags = map.next_value()?,
                _ => {
                    cell.actions.insert(key, map.next_value()?);
                }
            }
        }
        Ok(cell)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScopeVisitor)
    }
}

struct ScopeVisitor;

impl<'de> Visitor<'de> for ScopeVisitor {
    type Value = Scope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scope: \"own\" or { scope = \"own\", when = \"setting\" }")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Scope, E> {
        Ok(Scope::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scope, A::Error> {
        ScopeTerm::deserialize(MapAccessDeserializer::new(map)).map(Scope::Term)
    }
}
