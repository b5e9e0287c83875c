//! Functions as renderings: a table's owner writes one, and the policy names it.
//!
//! It runs with the rights of whoever asks, and sees what that person doesn't. So its body, and what
//! the names in it mean, are in nobody's hands but the owner's, and a superuser's.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quote;

/// A function's schema and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionName {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
}

impl FunctionName {
    /// Reads `schema.name`.
    pub fn parse(text: &str) -> Option<Self> {
        let (schema, name) = text.split_once('.')?;
        (!schema.is_empty() && !name.is_empty()).then(|| Self {
            schema: schema.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The name as SQL, both parts quoted.
    pub fn sql(&self) -> String {
        format!("{}.{}", quote::name(&self.schema), quote::name(&self.name))
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A function, as far as a rendering has to know. Types are qualified, as `pg_catalog.int4`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct FunctionFacts {
    /// The types of its arguments.
    pub arguments: Vec<String>,
    /// The type of its result.
    pub result: String,
    /// It is called for one value and returns one: no procedure, aggregate or window function, no set.
    pub plain: bool,
    /// The role that it belongs to.
    pub owner: String,
    /// Whether that is a superuser.
    pub of_superuser: bool,
    /// IMMUTABLE.
    pub immutable: bool,
    /// PARALLEL SAFE.
    pub parallel_safe: bool,
    /// SECURITY DEFINER.
    pub definer: bool,
    /// Its language.
    pub language: String,
    /// The `search_path` that it sets while it runs.
    pub search_path: Option<String>,
}

impl FunctionFacts {
    /// Why it can't show a column of that type, of a table that belongs to `owner`, and what to do.
    pub fn unfit(&self, type_name: &str, owner: &str) -> Option<(String, &'static str)> {
        if !self.plain || self.arguments != [type_name] || self.result != type_name {
            return Some((
                format!("doesn't take one {type_name} and return one"),
                "give it one argument of the column's type, and the same type for its result",
            ));
        }
        if self.owner != owner && !self.of_superuser {
            return Some((
                format!(
                    "belongs to \"{}\", and the table to \"{owner}\"",
                    self.owner
                ),
                "give it to the table's owner: ALTER FUNCTION … OWNER TO",
            ));
        }
        if self.definer {
            return Some((
                "is SECURITY DEFINER".to_owned(),
                "ALTER FUNCTION … SECURITY INVOKER",
            ));
        }
        if !self.immutable {
            return Some((
                "isn't IMMUTABLE: what is shown could be another thing each time".to_owned(),
                "ALTER FUNCTION … IMMUTABLE, if what it returns depends on its argument alone",
            ));
        }
        if !self.parallel_safe {
            return Some((
                "isn't PARALLEL SAFE".to_owned(),
                "ALTER FUNCTION … PARALLEL SAFE, if it is",
            ));
        }
        (!self.has_fixed_names()).then(|| {
            (
                "would find what it calls by the search_path of whoever asks".to_owned(),
                "ALTER FUNCTION … SET search_path = pg_catalog, pg_temp, with all other names in it qualified",
            )
        })
    }

    /// Whether the names in it, and in what it calls, mean what they mean to its owner. Where `pg_temp` isn't
    /// named it comes first: a person's type of the name `text` would be everybody's text.
    fn has_fixed_names(&self) -> bool {
        let pinned = |path: &String| {
            let schemas = path.split(',').map(|name| name.trim().trim_matches('"'));
            schemas.eq(["pg_catalog", "pg_temp"])
        };
        ["internal", "c"].contains(&self.language.as_str())
            || self.search_path.as_ref().is_some_and(pinned)
    }
}

/// Returns the [`FunctionFacts`] of functions as one `text` value: a JSON array. `$1`: a JSON array of
/// [`FunctionName`]s, as text.
pub const FUNCTIONS_SQL: &str = include_str!("rendering_function.sql");
