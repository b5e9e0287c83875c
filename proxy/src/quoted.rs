//! Lines of texts between double quotes, as pgbouncer's users file has them.

use anyhow::{Result, bail};

/// What is left of a line. A double quote in a text is written twice.
pub struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The texts of each line that isn't empty or a comment, with its number.
    pub fn lines(text: &'a str) -> impl Iterator<Item = (usize, Result<Vec<String>>)> {
        (1..)
            .zip(text.lines().map(str::trim))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with([';', '#']))
            .map(|(number, line)| (number, Words(line).collect()))
    }

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
