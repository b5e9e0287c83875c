//! Lines of texts between double quotes, as pgbouncer's users file has them.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

/// What each line says of its first text, the name. Empty lines and comments are passed over.
///
/// # Errors
/// A line is anything else, or a name comes twice. The message names the line, and not what it holds.
pub fn by_name<T>(
    text: &str,
    noun: &str,
    read: fn(&str, &[String]) -> Result<T>,
) -> Result<HashMap<String, T>> {
    let mut all = HashMap::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let one = || -> Result<(String, T)> {
            let words = Words(line).collect::<Result<Vec<String>>>()?;
            let (name, others) = words.split_first().context("the line is empty")?;
            if name.is_empty() || name.contains('\0') {
                bail!("the {noun} is empty, or has a zero byte");
            }
            Ok((name.clone(), read(name, others)?))
        };
        let (name, value) = one().with_context(|| format!("line {number}"))?;
        if all.insert(name, value).is_some() {
            bail!("line {number}: the {noun} is there already");
        }
    }
    Ok(all)
}

/// What is left of a line. A double quote in a text is written twice.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn word(&mut self) -> Result<String> {
        let Some(mut rest) = self.0.strip_prefix('"') else {
            bail!("something stands outside of double quotes");
        };
        let mut word = String::new();
        loop {
            let Some((part, after)) = rest.split_once('"') else {
                bail!("a double quote isn't closed");
            };
            word.push_str(part);
            match after.strip_prefix('"') {
                Some(more) => {
                    word.push('"');
                    rest = more;
                }
                None => {
                    self.0 = after;
                    return Ok(word);
                }
            }
        }
    }
}

impl Iterator for Words<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.trim_start();
        if self.0.is_empty() {
            return None;
        }
        let word = self.word();
        if word.is_err() {
            self.0 = "";
        }
        Some(word)
    }
}
