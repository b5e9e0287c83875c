//! Properties of the predicate language over generated predicates and texts.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "these only write and change predicates for tests"
)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_]{0,8}", r#"(["'a ;-]|\PC){1,8}"#]
        .prop_filter("no backslash", |name| !name.contains('\\'))
}

fn text() -> impl Strategy<Value = String> {
    r#"(['"%_;-]|--|/\*|\PC){0,10}"#.prop_filter("no backslash", |text| !text.contains('\\'))
}

fn subject() -> impl Strategy<Value = Operand> {
    prop_oneof![
        4 => name().prop_map(Operand::Column),
        1 => Just(Operand::Me(None)),
        1 => text()
            .prop_filter("a key has a name", |text| !text.is_empty())
            .prop_map(|key| Operand::Me(Some(key))),
        1 => name().prop_map(Operand::Attribute),
    ]
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        2 => subject(),
        2 => text().prop_map(Operand::Text),
        2 => r"-?[0-9]{1,9}(\.[0-9]{1,4})?"
            .prop_map(|digits| Operand::Number(Number::parse(&digits).unwrap())),
        1 => any::<bool>().prop_map(Operand::Bool),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ])
}

fn simple() -> impl Strategy<Value = Predicate> {
    prop_oneof![
        (subject(), comparison(), operand()).prop_map(|(left, op, right)| Predicate::Compare {
            left,
            op,
            right
        }),
        (subject(), vec(operand(), 1..4), any::<bool>()).prop_map(|(operand, list, negated)| {
            Predicate::In {
                operand,
                list,
                negated,
            }
        }),
        (subject(), operand(), operand(), any::<bool>()).prop_map(
            |(operand, low, high, negated)| Predicate::Between {
                operand,
                low,
                high,
                negated,
            }
        ),
        (subject(), any::<bool>())
            .prop_map(|(operand, negated)| Predicate::IsNull { operand, negated }),
        (subject(), text(), any::<bool>(), any::<bool>()).prop_map(
            |(operand, pattern, case_insensitive, negated)| Predicate::Like {
                operand,
                pattern,
                case_insensitive,
                negated,
            }
        ),
        text()
            .prop_filter("a role has a name", |text| !text.is_empty())
            .prop_map(Predicate::HasRole),
        name().prop_map(Predicate::Flag),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    simple().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(|parts| flat(parts, true)),
            vec(inner.clone(), 2..4).prop_map(|parts| flat(parts, false)),
            inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
}

fn flat(parts: Vec<Predicate>, and: bool) -> Predicate {
    let mut members = Vec::new();
    for part in parts {
        match (part, and) {
            (Predicate::And(inner), true) | (Predicate::Or(inner), false) => members.extend(inner),
            (other, _) => members.push(other),
        }
    }
    if and {
        Predicate::And(members)
    } else {
        Predicate::Or(members)
    }
}

/// Writes a predicate in its own language, with as few parentheses as PostgreSQL's precedence
/// allows, so that parsing has to find the structure.
fn written(predicate: &Predicate) -> String {
    let not = |negated: bool| if negated { "not " } else { "" };
    match predicate {
        Predicate::And(parts) => parts
            .iter()
            .map(|part| match part {
                Predicate::Or(_) => format!("({})", written(part)),
                other => written(other),
            })
            .collect::<Vec<_>>()
            .join(" AND "),
        Predicate::Or(parts) => parts.iter().map(written).collect::<Vec<_>>().join(" Or "),
        Predicate::Not(inner) => match **inner {
            Predicate::And(_) | Predicate::Or(_) => format!("NOT({})", written(inner)),
            _ => format!("NOT {}", written(inner)),
        },
        Predicate::Compare { left, op, right } => {
            let op = match op {
                Comparison::Equal => "=",
                Comparison::NotEqual => "<>",
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            format!("{} {op} {}", side(left), side(right))
        }
        Predicate::In {
            operand,
            list,
            negated,
        } => {
            let list = list.iter().map(side).collect::<Vec<_>>().join(",");
            format!("{} {}In({list})", side(operand), not(*negated))
        }
        Predicate::Between {
            operand,
            low,
            high,
            negated,
        } => format!(
            "{} {}BETWEEN {} and {}",
            side(operand),
            not(*negated),
            side(low),
            side(high)
        ),
        Predicate::IsNull { operand, negated } => {
            format!("{} is {}NULL", side(operand), not(*negated))
        }
        Predicate::Like {
            operand,
            pattern,
            case_insensitive,
            negated,
        } => format!(
            "{} {}{} {}",
            side(operand),
            not(*negated),
            if *case_insensitive { "ILIKE" } else { "Like" },
            string(pattern)
        ),
        Predicate::HasRole(role) => format!("HAS_ROLE({})", string(role)),
        Predicate::Flag(column) => quoted(column),
    }
}

fn side(operand: &Operand) -> String {
    match operand {
        Operand::Column(name) => quoted(name),
        Operand::Text(text) => string(text),
        Operand::Number(number) => number.to_string(),
        Operand::Bool(value) => value.to_string(),
        Operand::Me(None) => "me()".to_owned(),
        Operand::Me(Some(key)) => format!("Me( {} )", string(key)),
        Operand::Attribute(name) => format!("me.{}", quoted(name)),
    }
}

fn string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn any_column(name: &str) -> Option<RenderedColumn> {
    Some(RenderedColumn {
        sql: crate::quote::identifier(name).unwrap(),
        type_name: "pg_catalog.text".to_owned(),
    })
}

/// Rendered SQL with the content of all quotes taken out, read as PostgreSQL's scanner does.
fn skeleton(sql: &str) -> String {
    let mut skeleton = String::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        skeleton.push(c);
        if c != '\'' && c != '"' {
            continue;
        }
        let escapes = skeleton.ends_with("E'");
        if escapes {
            skeleton.truncate(skeleton.len() - 2);
            skeleton.push('\'');
        }
        loop {
            match rest.next().expect("a quote isn't closed") {
                '\\' if escapes => {
                    rest.next();
                }
                end if end == c && rest.next_if_eq(&c).is_none() => break,
                _ => {}
            }
        }
    }
    skeleton
}

/// The same predicate with other content in quotes: columns, strings, patterns, roles, keys.
fn with_content(predicate: &Predicate, content: &str) -> Predicate {
    let text = |operand: &Operand| match operand {
        Operand::Text(_) => Operand::Text(content.to_owned()),
        Operand::Me(Some(_)) => Operand::Me(Some(content.to_owned())),
        Operand::Attribute(_) => Operand::Attribute(content.to_owned()),
        other => other.clone(),
    };
    let all = |parts: &[Predicate]| parts.iter().map(|p| with_content(p, content)).collect();
    let changed = match predicate.clone() {
        Predicate::And(parts) => Predicate::And(all(&parts)),
        Predicate::Or(parts) => Predicate::Or(all(&parts)),
        Predicate::Not(inner) => Predicate::Not(Box::new(with_content(&inner, content))),
        Predicate::Compare { left, op, right } => Predicate::Compare {
            left: text(&left),
            op,
            right: text(&right),
        },
        Predicate::In {
            operand,
            list,
            negated,
        } => Predicate::In {
            operand: text(&operand),
            list: list.iter().map(text).collect(),
            negated,
        },
        Predicate::Between {
            operand,
            low,
            high,
            negated,
        } => Predicate::Between {
            operand: text(&operand),
            low: text(&low),
            high: text(&high),
            negated,
        },
        Predicate::IsNull { operand, negated } => Predicate::IsNull {
            operand: text(&operand),
            negated,
        },
        Predicate::Like {
            operand,
            case_insensitive,
            negated,
            ..
        } => Predicate::Like {
            operand: text(&operand),
            pattern: content.to_owned(),
            case_insensitive,
            negated,
        },
        Predicate::HasRole(_) => Predicate::HasRole(content.to_owned()),
        Predicate::Flag(column) => Predicate::Flag(column),
    };
    changed
        .rename_columns(|_| Ok::<_, ()>(content.to_owned()))
        .unwrap()
}

proptest! {
    #[test]
    fn a_written_predicate_is_read_as_it_was_meant(predicate in predicate()) {
        let text = written(&predicate);
        prop_assume!(text.len() <= MAX_BYTES);
        prop_assert_eq!(Predicate::parse(&text), Ok(predicate), "{}", text);
    }

    #[test]
    fn content_never_changes_the_structure(
        predicate in predicate(),
        content in r#"(['"\\]|--|\PC){1,6}"#,
    ) {
        let plain = with_content(&predicate, "x").render(&any_column);
        let rendered = with_content(&predicate, &content).render(&any_column);
        match (plain, rendered) {
            (Ok(plain), Ok(rendered)) => {
                prop_assert_eq!(skeleton(&plain), skeleton(&rendered));
            }
            (plain, rendered) => prop_assert_eq!(plain.is_err(), rendered.is_err()),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in r#"\PC{0,60}"#) {
        let _ = Predicate::parse(&text);
    }

    #[test]
    fn any_words_are_read_or_refused(
        words in vec(prop::sample::select(WORDS.to_vec()), 0..40),
        glue in prop::sample::select(vec!["", " "]),
    ) {
        let text = words.join(glue);
        if let Ok(predicate) = Predicate::parse(&text) {
            // What was read says the same when it is written again.
            prop_assert_eq!(Predicate::parse(&written(&predicate)), Ok(predicate));
        }
    }
}

const WORDS: &[&str] = &[
    "a", "b", "\"A\"", "me", "me()", "me.a", "has_role", "'x'", "''", "'", "\"", "5", "-5", "-",
    "--", "=", "<>", "!=", "<", "<=", ">", "(", ")", ",", ".", "AND", "OR", "NOT", "IN", "LIKE",
    "ILIKE", "BETWEEN", "IS", "NULL", "TRUE", "FALSE", "ANY", "SELECT", "date", "interval", "xml",
    "e'x'", "::", ";", "\\", "$1", "/*", "*/", "é", "\n", "row", "case", "exists",
];
