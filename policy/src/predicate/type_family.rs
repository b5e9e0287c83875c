//! Which literals a type is compared with, so that their text has one reading in every session.

use super::Number;

pub(super) const TEXT: &str = "pg_catalog.text";
pub(super) const NUMERIC: &str = "pg_catalog.numeric";
pub(super) const BOOLEAN: &str = "pg_catalog.bool";

/// Types that are compared with the same literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Numbers without a fraction, within the bounds.
    Integer(i128, i128),
    /// Any number.
    Decimal,
    /// TRUE and FALSE.
    Boolean,
    /// Strings, with LIKE too.
    Text,
    /// Strings that the server reads the same way in every session: uuids, enums…
    Other,
    /// Days, as ISO 8601 writes them: all else depends on `DateStyle`, and `today` on the day.
    Date,
    /// A day, and a time if wanted.
    Timestamp,
    /// A day, a time and its offset from UTC: without it `TimeZone` would decide.
    TimestampWithZone,
    /// No literals: their text depends on settings, or nobody has looked.
    Closed,
}

impl Family {
    pub(super) fn of(type_name: &str) -> Self {
        match type_name {
            "pg_catalog.int2" => Self::Integer(i16::MIN.into(), i16::MAX.into()),
            "pg_catalog.int4" => Self::Integer(i32::MIN.into(), i32::MAX.into()),
            "pg_catalog.int8" => Self::Integer(i64::MIN.into(), i64::MAX.into()),
            "pg_catalog.oid" => Self::Integer(0, u32::MAX.into()),
            NUMERIC | "pg_catalog.float4" | "pg_catalog.float8" => Self::Decimal,
            BOOLEAN => Self::Boolean,
            TEXT | "pg_catalog.varchar" | "pg_catalog.bpchar" => Self::Text,
            "pg_catalog.date" => Self::Date,
            "pg_catalog.timestamp" => Self::Timestamp,
            "pg_catalog.timestamptz" => Self::TimestampWithZone,
            "pg_catalog.uuid" | "pg_catalog.name" | "pg_catalog.inet" | "pg_catalog.cidr"
            | "pg_catalog.macaddr" | "pg_catalog.jsonb" => Self::Other,
            built_in if built_in.starts_with("pg_catalog.") => Self::Closed,
            // Enums, and the types of extensions.
            _ => Self::Other,
        }
    }

    /// Is this string a literal of the type? Its form is checked, not that there is such a day.
    pub(super) fn takes_text(self, text: &str) -> bool {
        match self {
            Self::Text | Self::Other => true,
            Self::Date => is_day(text),
            Self::Timestamp => match text.split_once([' ', 'T']) {
                None => is_day(text),
                Some((day, time)) => is_day(day) && is_time(time),
            },
            Self::TimestampWithZone => text.split_once([' ', 'T']).is_some_and(|(day, time)| {
                let clock = time.find(['Z', '+', '-']).map(|at| time.split_at(at));
                is_day(day) && clock.is_some_and(|(time, zone)| is_time(time) && is_offset(zone))
            }),
            Self::Integer(..) | Self::Decimal | Self::Boolean | Self::Closed => false,
        }
    }

    /// Is this number a literal of the type?
    pub(super) fn takes_number(self, number: &Number) -> bool {
        match self {
            Self::Decimal => true,
            Self::Integer(least, greatest) => number
                .to_integer()
                .is_some_and(|value| (least..=greatest).contains(&value)),
            Self::Boolean
            | Self::Text
            | Self::Other
            | Self::Date
            | Self::Timestamp
            | Self::TimestampWithZone
            | Self::Closed => false,
        }
    }

    /// Does a text become the same value of this type in every session?
    pub(super) fn reads_text_alike(self) -> bool {
        match self {
            Self::Integer(..) | Self::Decimal | Self::Boolean | Self::Text | Self::Other => true,
            Self::Date | Self::Timestamp | Self::TimestampWithZone | Self::Closed => false,
        }
    }

    /// What to write instead of a literal that isn't one of this type.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Integer(..) => "write a number without a fraction, within the type's bounds",
            Self::Decimal => "write a number, without quotes",
            Self::Boolean => "write TRUE or FALSE",
            Self::Text | Self::Other => "write a string in single quotes",
            Self::Date => "write a day as '2026-12-31'",
            Self::Timestamp => "write a time as '2026-12-31 23:59:00'",
            Self::TimestampWithZone => "write a time with its offset, as '2026-12-31 23:59:00+00'",
            Self::Closed => "compare columns of this type with each other, or with IS NULL",
        }
    }
}

fn is_day(text: &str) -> bool {
    form(text) == "0000-00-00"
}

fn is_time(text: &str) -> bool {
    match text.split_once('.') {
        None => matches!(form(text).as_str(), "00:00" | "00:00:00"),
        Some((clock, fraction)) => {
            form(clock) == "00:00:00"
                && (1..=6).contains(&fraction.len())
                && fraction.bytes().all(|byte| byte.is_ascii_digit())
        }
    }
}

fn is_offset(text: &str) -> bool {
    matches!(
        form(text).as_str(),
        "Z" | "+00" | "-00" | "+00:00" | "-00:00"
    )
}

/// The text with every digit made a 0.
fn form(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_reading() {
        for (type_name, text, taken) in [
            ("date", "2026-12-31", true),
            ("date", "12/31/2026", false),
            ("date", "31-12-2026", false),
            ("date", "today", false),
            ("date", "infinity", false),
            ("date", "2026-12-31 10:00", false),
            ("date", " 2026-12-31", false),
            ("date", "２０２６-12-31", false),
            ("timestamp", "2026-12-31", true),
            ("timestamp", "2026-12-31 23:59", true),
            ("timestamp", "2026-12-31T23:59:00.123456", true),
            ("timestamp", "2026-12-31 23:59:00.1234567", false),
            ("timestamp", "2026-12-31 23:59:00+00", false),
            ("timestamp", "now", false),
            ("timestamptz", "2026-12-31 23:59:00+00", true),
            ("timestamptz", "2026-12-31T23:59:00.5Z", true),
            ("timestamptz", "2026-12-31 23:59-03:30", true),
            ("timestamptz", "2026-12-31 23:59:00", false),
            ("timestamptz", "2026-12-31", false),
            ("timestamptz", "2026-12-31 23:59:00 CET", false),
            ("timestamptz", "now", false),
            ("time", "10:00", false),
            ("interval", "1 day", false),
            ("money", "5", false),
            ("regclass", "contacts", false),
            ("uuid", "anything the server reads", true),
        ] {
            let family = Family::of(&format!("pg_catalog.{type_name}"));
            assert_eq!(family.takes_text(text), taken, "{type_name} {text:?}");
        }
        assert_eq!(Family::of("public.stage"), Family::Other);
    }
}
