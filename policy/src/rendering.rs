//! How a field is shown: in clear, or as what is left of it.
//!
//! A rendering is of the field's own type, and never fails: an error would tell of a value that
//! isn't shown. What is written `partial(0,4)` in documents is SQL like this in a statement:
//!
//! ```sql
//! celador.render_partial(CAST("phone" AS pg_catalog.text), 0, 4)
//! ```
//!
//! and `function(crm.mask_phone)`, of a column of type `varchar`:
//!
//! ```sql
//! "crm"."mask_phone"(CAST("phone" AS "pg_catalog"."varchar"))
//! ```

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::quote;
use crate::rendering_function::FunctionName;

/// One way of showing a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rendering {
    /// As it is stored.
    Clear,
    /// NULL.
    Null,
    /// Always this.
    Constant(String),
    /// So many characters at the beginning and at the end; four asterisks for the rest, however
    /// long it is. A text that isn't longer than both is four asterisks.
    Partial {
        /// Characters at the beginning.
        left: u8,
        /// Characters at the end.
        right: u8,
    },
    /// The first character and what stands behind the last `@`: `j****@example.com`.
    Email,
    /// A keyed hash: equal values are equal, and nothing else can be told.
    Hash,
    /// The first moment of the year; for a time, in UTC.
    Year,
    /// The first moment of the month; for a time, in UTC.
    Month,
    /// The multiple of this number that is next towards zero.
    Round(u32),
    /// What a function of the table's owner makes of it.
    Function(FunctionName),
}

/// Why a text is no rendering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no rendering")]
pub struct NoRendering(pub String);

/// Every form, for remedies.
pub const FORMS: &str = "clear, null, constant(TEXT), partial(LEFT,RIGHT), email, hash, year, \
                         month, round(NUMBER) or function(SCHEMA.NAME)";

const TEXTS: [&str; 3] = ["text", "varchar", "bpchar"];
const INTEGERS: [&str; 3] = ["int2", "int4", "int8"];
const NUMBERS: [&str; 3] = ["numeric", "float4", "float8"];
const TIMES: [&str; 3] = ["date", "timestamp", "timestamptz"];

impl Rendering {
    /// Reads the form in which documents write it.
    ///
    /// # Errors
    /// When it is none of [`FORMS`].
    pub fn parse(text: &str) -> Result<Self, NoRendering> {
        let (name, argument) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => (name, rest.strip_suffix(')')),
        };
        let known = match (name, argument) {
            _ if argument.is_none() && text.contains('(') => None,
            ("clear", None) => Some(Self::Clear),
            ("null", None) => Some(Self::Null),
            ("email", None) => Some(Self::Email),
            ("hash", None) => Some(Self::Hash),
            ("year", None) => Some(Self::Year),
            ("month", None) => Some(Self::Month),
            ("constant", Some(value)) => Some(Self::Constant(value.to_owned())),
            ("partial", Some(lengths)) => lengths.split_once(',').and_then(|(left, right)| {
                Some(Self::Partial {
                    left: left.trim().parse().ok()?,
                    right: right.trim().parse().ok()?,
                })
            }),
            ("round", Some(step)) => (step.trim().parse().ok())
                .filter(|step| *step > 1 && *step <= i32::MAX as u32)
                .map(Self::Round),
            ("function", Some(name)) => FunctionName::parse(name).map(Self::Function),
            (_, _) => None,
        };
        known.ok_or_else(|| NoRendering(text.to_owned()))
    }

    /// Whether a column of the type, qualified as `pg_catalog.int4`, can be shown so; or why not. Of a
    /// function, [`FunctionFacts`] tell.
    ///
    /// [`FunctionFacts`]: crate::rendering_function::FunctionFacts
    ///
    /// # Errors
    /// The types that can be.
    pub fn fits(&self, type_name: &str) -> Result<(), String> {
        let name = type_name.strip_prefix("pg_catalog.").unwrap_or_default();
        let of = |lists: &[&[&str]]| {
            if lists.concat().contains(&name) {
                Ok(())
            } else {
                Err(lists.concat().join(", "))
            }
        };
        match self {
            Self::Clear | Self::Null | Self::Function(_) => Ok(()),
            Self::Partial { .. } | Self::Email => of(&[&TEXTS]),
            Self::Hash => of(&[&TEXTS, &["uuid", "int8"]]),
            Self::Year | Self::Month => of(&[&TIMES]),
            Self::Round(step) => {
                if name == "int2" && i16::try_from(*step).is_err() {
                    return Err(format!("those that hold {step}"));
                }
                of(&[&INTEGERS, &NUMBERS])
            }
            Self::Constant(value) => match name {
                "int2" if value.parse::<i16>().is_ok() => Ok(()),
                "int4" if value.parse::<i32>().is_ok() => Ok(()),
                "int8" if value.parse::<i64>().is_ok() => Ok(()),
                "bool" if ["true", "false"].contains(&value.as_str()) => Ok(()),
                "int2" | "int4" | "int8" | "bool" => Err("those that hold it".to_owned()),
                _ => of(&[&TEXTS, &INTEGERS, &["bool"]]),
            },
        }
    }

    /// The rendering of a column of that type, which it [`Self::fits`], as SQL of the same type.
    pub fn sql(&self, column: &str, type_name: &str) -> String {
        let own = sql_type(type_name);
        let of_text = |call: String| {
            if type_name == "pg_catalog.text" {
                call
            } else {
                format!("CAST({call} AS {own})")
            }
        };
        let as_text = format!("CAST({column} AS pg_catalog.text)");
        let is_text = TEXTS.iter().any(|text| type_name.ends_with(text));
        match self {
            Self::Clear => column.to_owned(),
            Self::Null => format!("NULL::{own}"),
            Self::Constant(value) => format!("{}::{own}", quote::text(value)),
            Self::Partial { left, right } => of_text(format!(
                "celador.render_partial({as_text}, {left}, {right})"
            )),
            Self::Email => of_text(format!("celador.render_email({as_text})")),
            Self::Hash if is_text => of_text(format!("celador.render_hash_text({as_text})")),
            Self::Hash if type_name.ends_with("uuid") => {
                format!("celador.render_hash_uuid({column})")
            }
            Self::Hash => format!("celador.render_hash_int8({column})"),
            Self::Year => format!("celador.render_year({column})"),
            Self::Month => format!("celador.render_month({column})"),
            Self::Round(step) => format!("celador.render_round({column}, {step})"),
            Self::Function(function) => format!("{}(CAST({column} AS {own}))", function.sql()),
        }
    }
}

/// The type as SQL, both parts quoted.
fn sql_type(type_name: &str) -> String {
    let (schema, name) = type_name
        .split_once('.')
        .unwrap_or(("pg_catalog", type_name));
    format!("{}.{}", quote::name(schema), quote::name(name))
}

impl fmt::Display for Rendering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str("clear"),
            Self::Null => f.write_str("null"),
            Self::Constant(value) => write!(f, "constant({value})"),
            Self::Partial { left, right } => write!(f, "partial({left},{right})"),
            Self::Email => f.write_str("email"),
            Self::Hash => f.write_str("hash"),
            Self::Year => f.write_str("year"),
            Self::Month => f.write_str("month"),
            Self::Round(step) => write!(f, "round({step})"),
            Self::Function(function) => write!(f, "function({function})"),
        }
    }
}

impl Serialize for Rendering {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rendering {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What stands for the characters that aren't shown, however many they are.
pub const HIDDEN: &str = "****";

/// [`Rendering::Partial`] of a text.
///
/// `partial(1,2)`: `Nora Novak` → `N****ak`; `Eve` → `****`.
pub fn partial(value: &str, left: u8, right: u8) -> String {
    let (left, right) = (usize::from(left), usize::from(right));
    let length = value.chars().count();
    if length <= left + right {
        return HIDDEN.to_owned();
    }
    let first: String = value.chars().take(left).collect();
    let last: String = value.chars().skip(length - right).collect();
    format!("{first}{HIDDEN}{last}")
}

/// [`Rendering::Email`] of a text.
///
/// `nora@example.com` → `n****@example.com`; without an `@`, or with nothing before it, `****`.
pub fn email(value: &str) -> String {
    let Some((name, domain)) = value.rsplit_once('@') else {
        return HIDDEN.to_owned();
    };
    match name.chars().next() {
        Some(first) => format!("{first}{HIDDEN}@{domain}"),
        None => HIDDEN.to_owned(),
    }
}

/// [`Rendering::Round`] of a whole number: never larger than the number, so that it is of its type.
///
/// `round(1000)`: 1999 → 1000; -1999 → -1000.
pub fn round(value: i64, step: u32) -> i64 {
    let step = i64::from(step.max(1));
    value / step * step
}

/// [`Rendering::Round`] of a number with a fraction. What isn't finite stays as it is.
///
/// `round(10)`: 19.5 → 10; -19.5 → -10.
pub fn round_float(value: f64, step: u32) -> f64 {
    if value.is_finite() {
        value - value % f64::from(step.max(1))
    } else {
        value
    }
}

/// What [`Rendering::Year`] and [`Rendering::Month`] show the beginning of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A year.
    Year,
    /// A month.
    Month,
}

/// The first day of the day's year or month; days are counted from 2000-01-01, in the Gregorian
/// calendar before its time too, as PostgreSQL counts them.
///
/// Source of the algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
/// (`civil_from_days`, `days_from_civil`): years begin in March, so that a leap day is their last.
pub fn begins(day: i64, period: Period) -> i64 {
    const ERA: i64 = 146_097;
    // From 0000-03-01 to 2000-01-01.
    const OFFSET: i64 = 730_425;
    let days = day.saturating_add(OFFSET);
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // 0 is March.
    let month = (5 * of_year + 2) / 153;
    let (year_of_era, month) = match period {
        Period::Month => (year_of_era, month),
        // January and February belong to the year before, which begins with its month 10.
        Period::Year if month >= 10 => (year_of_era, 10),
        Period::Year => (year_of_era - 1, 10),
    };
    let first_of_month = (153 * month + 2) / 5;
    let year = era * 400 + year_of_era;
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + first_of_month;
    era * ERA + of_era - OFFSET
}
