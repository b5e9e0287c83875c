//! Fills the statements' texts in.

use anyhow::{Context, Result, bail};

/// What stands for a table, and for what may be seen of it.
pub(crate) trait Fills {
    /// For `{table alias}`.
    fn source(&self, table: &str, alias: &str) -> String;
    /// For `{may alias}`.
    fn condition(&self, table: &str, alias: &str) -> String;
    /// For `{me}`.
    fn me(&self) -> i32;
}

/// Replaces what is in braces; other braces, as in JSON, stay.
///
/// # Errors
/// A condition comes before its table.
pub(crate) fn fill(text: &str, with: &impl Fills) -> Result<String> {
    let mut tables: Vec<(&str, &str)> = Vec::new();
    let mut filled = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find('{') {
        let end = begin + rest[begin..].find('}').context("a brace isn't closed")?;
        filled.push_str(&rest[..begin]);
        let words: Vec<&str> = rest[begin + 1..end].split(' ').collect();
        match words.as_slice() {
            ["me"] => filled.push_str(&with.me().to_string()),
            ["may", alias] => {
                let Some((table, _)) = tables.iter().find(|(_, known)| known == alias) else {
                    bail!("there is no table {alias} in {text}");
                };
                filled.push_str(&with.condition(table, alias));
            }
            [table, alias] if table.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                tables.push((table, alias));
                filled.push_str(&with.source(table, alias));
            }
            [..] => filled.push_str(&rest[begin..=end]),
        }
        rest = &rest[end + 1..];
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Fills for Plain {
        fn source(&self, table: &str, alias: &str) -> String {
            format!("{table} AS {alias}")
        }
        fn condition(&self, table: &str, alias: &str) -> String {
            format!("may_{table}({alias})")
        }
        fn me(&self) -> i32 {
            7
        }
    }

    #[test]
    fn each_condition_is_that_of_its_table() {
        let text = "SELECT '{\"a\": 1}' FROM {x a}, {y b} WHERE {may b} AND {may a} AND o = {me}";
        assert_eq!(
            fill(text, &Plain).expect("it is right"),
            "SELECT '{\"a\": 1}' FROM x AS a, y AS b WHERE may_y(b) AND may_x(a) AND o = 7"
        );
        assert!(fill("SELECT {may a} FROM {x a}", &Plain).is_err());
    }
}
