//! What a [`Predicate`] means, without a server: the reference that tests compare with.
//!
//! Where PostgreSQL raises an error (an attribute that isn't a number is compared with one),
//! the result is unknown. Text is ordered by code point, as in the collation `C`, and compared
//! as it stands: the padding of `char(n)` isn't modelled.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Number, Operand, Predicate, USER_KEY};

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Missing.
    Null,
    /// Text, and all types whose literals are strings (compared as text here).
    Text(String),
    /// A number of any type.
    Number(Number),
    /// True or false.
    Bool(bool),
}

/// The person who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Me {
    /// The keys of the person by name, as text; `me()` is [`USER_KEY`].
    pub keys: BTreeMap<String, String>,
    /// The attributes of the person by name, as text.
    pub attributes: BTreeMap<String, String>,
    /// The roles that the person holds.
    pub roles: BTreeSet<String>,
}

impl Predicate {
    /// True, false, or unknown (`None`) for a row of these values.
    ///
    /// AND, OR and IN without members, which parsing never gives, are unknown.
    pub fn eval(&self, row: &dyn Fn(&str) -> Value, me: &Me) -> Option<bool> {
        match self {
            Self::And(parts) => all(parts.iter().map(|part| part.eval(row, me))),
            Self::Or(parts) => any(parts.iter().map(|part| part.eval(row, me))),
            Self::Not(inner) => inner.eval(row, me).map(|truth| !truth),
            Self::Compare { left, op, right } => match &alike(&[left, right], row, me)[..] {
                [left, right] => op.holds(left, right),
                _ => None,
            },
            Self::In {
                operand,
                list,
                negated,
            } => {
                let operands: Vec<&Operand> = [operand].into_iter().chain(list).collect();
                let values = alike(&operands, row, me);
                let (value, list) = values.split_first()?;
                let found = any(list.iter().map(|item| Comparison::Equal.holds(value, item)));
                found.map(|truth| truth != *negated)
            }
            Self::Between {
                operand,
                low,
                high,
                negated,
            } => {
                let values = alike(&[operand, low, high], row, me);
                let [value, low, high] = &values[..] else {
                    return None;
                };
                let within = all([
                    Comparison::GreaterOrEqual.holds(value, low),
                    Comparison::LessOrEqual.holds(value, high),
                ]
                .into_iter());
                within.map(|truth| truth != *negated)
            }
            Self::IsNull { operand, negated } => {
                Some((look_up(operand, row, me) == Value::Null) != *negated)
            }
            Self::Like {
                operand,
                pattern,
                case_insensitive,
                negated,
            } => match look_up(operand, row, me) {
                Value::Text(text) if *case_insensitive => {
                    matches(&text.to_lowercase(), &pattern.to_lowercase())
                }
                Value::Text(text) => matches(&text, pattern),
                Value::Null | Value::Number(_) | Value::Bool(_) => None,
            }
            .map(|truth| truth != *negated),
            Self::HasRole(role) => Some(me.roles.contains(role)),
            Self::Flag(column) => match row(column) {
                Value::Bool(truth) => Some(truth),
                Value::Null | Value::Text(_) | Value::Number(_) => None,
            },
        }
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> Option<bool> {
        let order = match (left, right) {
            (Value::Text(left), Value::Text(right)) => left.cmp(right),
            (Value::Number(left), Value::Number(right)) => left.cmp(right),
            (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
            (Value::Null | Value::Text(_) | Value::Number(_) | Value::Bool(_), _) => return None,
        };
        Some(match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        })
    }
}

/// All true: true. One false: false. Else unknown.
fn all(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    any(truths.map(|truth| truth.map(|truth| !truth))).map(|truth| !truth)
}

/// One true: true. All false: false. Else unknown; of nothing, unknown.
fn any(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = None;
    let mut unknown = false;
    for truth in truths {
        match truth {
            Some(true) => return Some(true),
            Some(false) => result = Some(false),
            None => unknown = true,
        }
    }
    if unknown { None } else { result }
}

fn look_up(operand: &Operand, row: &dyn Fn(&str) -> Value, me: &Me) -> Value {
    let text = |found: Option<&String>| found.map_or(Value::Null, |text| Value::Text(text.clone()));
    match operand {
        Operand::Column(name) => row(name),
        Operand::Text(value) => Value::Text(value.clone()),
        Operand::Number(value) => Value::Number(value.clone()),
        Operand::Bool(value) => Value::Bool(*value),
        Operand::Me(key) => text(me.keys.get(key.as_deref().unwrap_or(USER_KEY))),
        Operand::Attribute(name) => text(me.attributes.get(name)),
    }
}

/// The values of one comparison, the person's texts read as numbers or truth values where the
/// others are.
fn alike(operands: &[&Operand], row: &dyn Fn(&str) -> Value, me: &Me) -> Vec<Value> {
    let mut values: Vec<Value> = operands
        .iter()
        .map(|operand| look_up(operand, row, me))
        .collect();
    let numeric = values.iter().any(|value| matches!(value, Value::Number(_)));
    let boolean = values.iter().any(|value| matches!(value, Value::Bool(_)));
    for (value, operand) in values.iter_mut().zip(operands) {
        if !matches!(operand, Operand::Me(_) | Operand::Attribute(_)) {
            continue;
        }
        if let Value::Text(text) = value {
            if numeric {
                *value = Number::parse(text).map_or(Value::Null, Value::Number);
            } else if boolean {
                *value = match text.as_str() {
                    "true" | "t" => Value::Bool(true),
                    "false" | "f" => Value::Bool(false),
                    _ => Value::Null,
                };
            }
        }
    }
    values
}

/// LIKE: `%` any characters, `_` one, a backslash makes the next one ordinary. Unknown if a
/// backslash ends the pattern, which PostgreSQL refuses.
fn matches(text: &str, pattern: &str) -> Option<bool> {
    let text: Vec<char> = text.chars().collect();
    let mut steps = Vec::new();
    let mut pattern = pattern.chars();
    while let Some(c) = pattern.next() {
        steps.push(match c {
            '%' => Step::Any,
            '_' => Step::One,
            '\\' => Step::Exactly(pattern.next()?),
            other => Step::Exactly(other),
        });
    }
    // Where to go on when the characters after the last % don't fit: one character later.
    let mut retry = None;
    let (mut step, mut at) = (0, 0);
    while at < text.len() {
        match steps.get(step) {
            Some(Step::Any) => {
                step += 1;
                retry = Some((step, at));
            }
            Some(Step::One) => {
                step += 1;
                at += 1;
            }
            Some(Step::Exactly(c)) if *c == text[at] => {
                step += 1;
                at += 1;
            }
            Some(Step::Exactly(_)) | None => {
                let Some((after_any, tried)) = retry else {
                    return Some(false);
                };
                retry = Some((after_any, tried + 1));
                step = after_any;
                at = tried + 1;
            }
        }
    }
    Some(steps[step..].iter().all(|rest| matches!(rest, Step::Any)))
}

enum Step {
    Any,
    One,
    Exactly(char),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Me {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        Me {
            keys: map(&[("user", "7"), ("employee", "E7")]),
            attributes: map(&[("region", "EMEA"), ("level", "3"), ("vip", "true")]),
            roles: ["seller".to_owned()].into(),
        }
    }

    fn row(column: &str) -> Value {
        match column {
            "region" => Value::Text("EMEA".to_owned()),
            "owner_id" => Value::Number(Number::parse("7").unwrap()),
            "amount" => Value::Number(Number::parse("99.5").unwrap()),
            "active" => Value::Bool(true),
            "name" => Value::Text("50% off_er".to_owned()),
            "missing" => Value::Null,
            other => panic!("no column {other}"),
        }
    }

    #[test]
    fn three_valued_logic() {
        let (yes, no, unknown) = (Some(true), Some(false), None);
        for (text, truth) in [
            ("region = 'EMEA'", yes),
            ("region = 'emea'", no),
            ("region <> 'APAC'", yes),
            ("region < 'F' AND region > 'E'", yes),
            ("missing = 'x'", unknown),
            ("NOT missing = 'x'", unknown),
            ("missing = 'x' AND region = 'APAC'", no),
            ("missing = 'x' AND region = 'EMEA'", unknown),
            ("missing = 'x' OR region = 'EMEA'", yes),
            ("missing = 'x' OR region = 'APAC'", unknown),
            ("missing IS NULL", yes),
            ("missing IS NOT NULL", no),
            ("region IS NOT NULL", yes),
            ("me.nothing IS NULL", yes),
            ("region IN ('APAC', 'EMEA')", yes),
            ("region NOT IN ('APAC', 'EMEA')", no),
            ("region IN ('APAC', missing)", unknown),
            ("region IN ('EMEA', missing)", yes),
            ("region NOT IN ('APAC', missing)", unknown),
            ("region NOT IN ('EMEA', missing)", no),
            ("missing NOT IN ('EMEA')", unknown),
            ("amount BETWEEN 99.50 AND 100", yes),
            ("amount NOT BETWEEN 99.50 AND 100", no),
            ("amount BETWEEN 100 AND missing", no),
            ("amount NOT BETWEEN 100 AND missing", yes),
            ("amount BETWEEN 1 AND missing", unknown),
            ("amount > -5", yes),
            ("amount < 100", yes),
            ("amount >= 99.5 AND amount <= 99.5", yes),
            ("owner_id = me()", yes),
            ("owner_id = me('employee')", unknown),
            ("owner_id = me('other')", unknown),
            ("me() IN (owner_id, amount)", yes),
            ("region = me.region", yes),
            ("me.level > 2", yes),
            ("me.level > 10", no),
            ("me.region > 10", unknown),
            ("me.vip = TRUE", yes),
            ("me.region = TRUE", unknown),
            ("has_role('seller')", yes),
            ("has_role('manager')", no),
            ("active", yes),
            ("NOT active", no),
            ("active = FALSE", no),
            ("missing", unknown),
        ] {
            let predicate = Predicate::parse(text).unwrap();
            assert_eq!(predicate.eval(&row, &me()), truth, "{text}");
        }
    }

    #[test]
    fn patterns() {
        let (yes, no) = (Some(true), Some(false));
        for (text, pattern, truth) in [
            ("", "", yes),
            ("", "%", yes),
            ("", "_", no),
            ("abc", "abc", yes),
            ("abc", "ab", no),
            ("abc", "a%", yes),
            ("abc", "%c", yes),
            ("abc", "%b%", yes),
            ("abc", "%d%", no),
            ("abc", "___", yes),
            ("abc", "__", no),
            ("abc", "%_%_%_%", yes),
            ("aXbXc", "a%b%c", yes),
            ("aaab", "%aab", yes),
            ("mississippi", "%iss%ip%", yes),
            ("mississippi", "%iss%ipp", no),
            ("é", "_", yes),
            ("50%", r"50\%", yes),
            ("50x", r"50\%", no),
            ("a_b", r"a\_b", yes),
            ("a-b", r"a\_b", no),
            (r"a\b", r"a\\b", yes),
            ("a", r"a\", None),
        ] {
            assert_eq!(matches(text, pattern), truth, "{text:?} LIKE {pattern:?}");
        }
    }

    #[test]
    fn like_and_ilike() {
        for (text, truth) in [
            ("name LIKE '50% off%'", Some(true)),
            ("name LIKE '50% OFF%'", Some(false)),
            ("name ILIKE '50% OFF%'", Some(true)),
            ("name NOT LIKE '50%'", Some(false)),
            ("name NOT ILIKE 'X%'", Some(true)),
            ("missing LIKE '%'", None),
            ("missing NOT LIKE '%'", None),
            ("me.region LIKE 'EM%'", Some(true)),
        ] {
            let predicate = Predicate::parse(text).unwrap();
            assert_eq!(predicate.eval(&row, &me()), truth, "{text}");
        }
    }

    #[test]
    fn without_members_nothing_is_known() {
        let empty = [
            Predicate::And(vec![]),
            Predicate::Or(vec![]),
            Predicate::In {
                operand: Operand::Column("region".to_owned()),
                list: vec![],
                negated: true,
            },
        ];
        for predicate in empty {
            assert_eq!(predicate.eval(&row, &me()), None);
            let not = Predicate::Not(Box::new(predicate));
            assert_eq!(not.eval(&row, &me()), None);
        }
    }
}
