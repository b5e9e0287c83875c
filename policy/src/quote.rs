//! Quoting for generated SQL: the only place where a name or a value becomes SQL text.

/// A name or a value that can't be written as SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// PostgreSQL has no text with a zero byte.
    #[error("it contains a zero byte")]
    ZeroByte,
    /// PostgreSQL has no identifier without characters.
    #[error("a name can't be empty")]
    EmptyName,
    /// PostgreSQL would cut the name, and the rest might name something else.
    #[error("a name can't be longer than {MAX_NAME_BYTES} bytes")]
    LongName,
}

/// The longest identifier that PostgreSQL doesn't cut, in bytes.
pub const MAX_NAME_BYTES: usize = 63;

/// Writes a name as a quoted identifier: `Name "x"` becomes `"Name ""x"""`.
///
/// Quotes are always there, so that no name is folded to lower case or read as a keyword.
///
/// # Errors
/// When the name is empty, has a zero byte, or is longer than [`MAX_NAME_BYTES`].
pub fn identifier(name: &str) -> Result<String, QuoteError> {
    if name.is_empty() {
        return Err(QuoteError::EmptyName);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(QuoteError::LongName);
    }
    refuse_zero_byte(name)?;
    Ok(self::name(name))
}

/// Writes a name that a catalog holds as a quoted identifier, like [`identifier`]. A zero byte,
/// which no catalog holds, becomes U+FFFD: it names nothing, and can't end a statement early.
pub fn name(name: &str) -> String {
    format!(
        "\"{}\"",
        name.replace('"', "\"\"").replace('\0', "\u{FFFD}")
    )
}

/// Writes a checked value as a string literal, like [`literal`]; a zero byte becomes U+FFFD.
pub fn text(value: &str) -> String {
    let doubled = value.replace('\'', "''").replace('\0', "\u{FFFD}");
    if value.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// Writes a value as a string literal: `it's` becomes `'it''s'`.
///
/// With a backslash in it, it is written in the `E''` form, which reads the same whatever
/// `standard_conforming_strings` says.
///
/// # Errors
/// When the value has a zero byte.
pub fn literal(value: &str) -> Result<String, QuoteError> {
    refuse_zero_byte(value)?;
    Ok(text(value))
}

fn refuse_zero_byte(text: &str) -> Result<(), QuoteError> {
    if text.contains('\0') {
        Err(QuoteError::ZeroByte)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifiers_are_always_quoted() {
        for (name, sql) in [
            ("region", r#""region""#),
            ("Region", r#""Region""#),
            ("select", r#""select""#),
            (r#"a"b"#, r#""a""b""#),
            (r#"a\""b"#, r#""a\""""b""#),
            ("état", r#""état""#),
            ("a;--", r#""a;--""#),
        ] {
            assert_eq!(identifier(name).as_deref(), Ok(sql));
        }
    }

    #[test]
    fn identifiers_that_postgres_would_change_are_refused() {
        assert_eq!(identifier(""), Err(QuoteError::EmptyName));
        assert_eq!(identifier("a\0b"), Err(QuoteError::ZeroByte));
        assert!(identifier(&"x".repeat(63)).is_ok());
        assert_eq!(identifier(&"x".repeat(64)), Err(QuoteError::LongName));
        assert_eq!(identifier(&"é".repeat(32)), Err(QuoteError::LongName));
    }

    #[test]
    fn literals_are_quoted() {
        for (value, sql) in [
            ("", "''"),
            ("EMEA", "'EMEA'"),
            ("it's", "'it''s'"),
            ("''", "''''''"),
            (r"\", r"E'\\'"),
            (r"\' OR 1=1 --", r"E'\\'' OR 1=1 --'"),
            ("$1 ; /*", "'$1 ; /*'"),
        ] {
            assert_eq!(literal(value).as_deref(), Ok(sql));
        }
        assert_eq!(literal("a\0"), Err(QuoteError::ZeroByte));
    }

    /// Reads a literal as PostgreSQL's scanner does; `None` if it ends before its last byte.
    fn read_literal(sql: &str) -> Option<String> {
        let escapes = sql.starts_with("E'");
        let mut rest = sql.trim_start_matches('E').strip_prefix('\'')?.chars();
        let mut value = String::new();
        while let Some(c) = rest.next() {
            match c {
                '\\' if escapes => value.push(rest.next()?),
                '\'' => match rest.next() {
                    None => return Some(value),
                    Some('\'') => value.push('\''),
                    Some(_) => return None,
                },
                other => value.push(other),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn any_literal_reads_back(value in r"(['\\a]|\PC){0,20}") {
            prop_assert_eq!(read_literal(&literal(&value).unwrap()), Some(value));
        }

        #[test]
        fn any_identifier_reads_back(name in r#"(["\\a]|\PC){1,12}"#) {
            prop_assume!(name.len() <= MAX_NAME_BYTES);
            let sql = identifier(&name).unwrap();
            let inner = &sql[1..sql.len() - 1];
            prop_assert_eq!(inner.replace("\"\"", "\u{1}").contains('"'), false);
            prop_assert_eq!(inner.replace("\"\"", "\""), name);
        }
    }
}
