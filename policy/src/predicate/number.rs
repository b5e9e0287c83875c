//! Decimal numbers, kept as text: no binary fraction rounds what a policy says.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A decimal number such as `5`, `-0.25` or `1200.5`.
///
/// It is kept in one form (no leading or trailing zeros, no `-0`), so equal numbers are equal
/// values. There is no exponent, no sign `+`, no `_`, no hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number {
    negative: bool,
    whole: String,
    fraction: String,
}

/// The text isn't a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number: write digits, with a point and a minus sign if needed")]
pub struct NotANumber;

impl Number {
    /// Reads `-?[0-9]+(\.[0-9]+)?`.
    ///
    /// # Errors
    /// For any other text.
    pub fn parse(text: &str) -> Result<Self, NotANumber> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(NotANumber),
            Some(parts) => parts,
            None => (digits, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(NotANumber);
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            significant => significant,
        };
        let fraction = fraction.trim_end_matches('0');
        Ok(Self {
            negative: negative && (whole != "0" || !fraction.is_empty()),
            whole: whole.to_owned(),
            fraction: fraction.to_owned(),
        })
    }

    /// The value, if it has no fraction and fits.
    pub fn to_integer(&self) -> Option<i128> {
        if self.fraction.is_empty() {
            self.to_string().parse().ok()
        } else {
            None
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        f.write_str(&self.whole)?;
        if !self.fraction.is_empty() {
            write!(f, ".{}", self.fraction)?;
        }
        Ok(())
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let magnitudes = || {
            // No leading zeros: more digits is more. A fraction compares digit by digit.
            (self.whole.len(), &self.whole, &self.fraction).cmp(&(
                other.whole.len(),
                &other.whole,
                &other.fraction,
            ))
        };
        match (self.negative, other.negative) {
            (false, false) => magnitudes(),
            (true, true) => magnitudes().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<String> for Number {
    type Error = NotANumber;

    fn try_from(text: String) -> Result<Self, NotANumber> {
        Self::parse(&text)
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_numbers_are_one_value() {
        for (text, kept) in [
            ("5", "5"),
            ("007.50", "7.5"),
            ("-0.0", "0"),
            ("-0.10", "-0.1"),
            ("1000", "1000"),
        ] {
            assert_eq!(Number::parse(text).unwrap().to_string(), kept);
        }
    }

    #[test]
    fn other_notations_are_refused() {
        for text in [
            "", "-", "+1", "--1", "1.", ".5", "1e5", "1_000", "0x1F", "0b11", "NaN", "Infinity",
            "1 ", " 1", "1.2.3", "１", "1.-2",
        ] {
            assert_eq!(Number::parse(text), Err(NotANumber), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn order_is_numeric(a in -9_999_i64..9_999, b in -9_999_i64..9_999) {
            let number = |hundredths: i64| {
                let sign = if hundredths < 0 { "-" } else { "" };
                let size = hundredths.unsigned_abs();
                Number::parse(&format!("{sign}{}.{:02}", size / 100, size % 100)).unwrap()
            };
            prop_assert_eq!(number(a).cmp(&number(b)), a.cmp(&b));
        }
    }
}
