//! Names, read as words: `commentFiles` is *comment file*, `assigned_user_id` is *assigned user*.

/// A name of a table or column, as words in the singular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) words: Vec<String>,
}

/// What stands at the end of a column's name because it holds a key.
const KEY_WORDS: [&str; 4] = ["id", "uuid", "fk", "key"];
/// What stands at the start of a table's name because it is a table.
const TABLE_WORDS: [&str; 3] = ["tbl", "tb", "t"];
/// What stands at the end of a table's name because it links two.
const LINK_WORDS: [&str; 4] = ["rel", "link", "map", "xref"];

impl Name {
    pub(super) fn of_table(name: &str) -> Self {
        let mut words = words(name);
        if words.len() > 1 && TABLE_WORDS.contains(&words[0].as_str()) {
            words.remove(0);
        }
        if words.len() > 2
            && words
                .last()
                .is_some_and(|last| LINK_WORDS.contains(&last.as_str()))
        {
            words.pop();
        }
        Self { words }
    }

    pub(super) fn of_column(name: &str) -> Self {
        let mut words = words(name);
        if words.len() > 1
            && words
                .last()
                .is_some_and(|last| KEY_WORDS.contains(&last.as_str()))
        {
            words.pop();
        }
        Self { words }
    }

    pub(super) fn text(&self) -> String {
        self.words.join("_")
    }

    /// The words written as one: `boardtask` and `board_task` are the same.
    pub(super) fn joined(&self) -> String {
        self.words.concat()
    }

    pub(super) fn last(&self) -> &str {
        self.words.last().map_or("", String::as_str)
    }

    pub(super) fn first(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.words.iter().any(|word| words.contains(&word.as_str()))
    }

    /// Whether the whole name is one of the phrases, such as `assigned_to`.
    pub(super) fn is(&self, phrases: &[&str]) -> bool {
        phrases
            .iter()
            .any(|phrase| phrase.split('_').eq(self.words.iter().map(String::as_str)))
    }

    /// How many words of the longest phrase that the name ends with; 0 if with none.
    pub(super) fn ends_with(&self, phrases: &[&str]) -> usize {
        let ends = |phrase: &&&str| {
            let count = phrase.split('_').count();
            count <= self.words.len()
                && phrase.split('_').eq(self.words[self.words.len() - count..]
                    .iter()
                    .map(String::as_str))
        };
        phrases
            .iter()
            .filter(ends)
            .map(|phrase| phrase.split('_').count())
            .max()
            .unwrap_or(0)
    }

    /// Whether the name goes on where the other, or its end, stops: `quote_line` after `quote`,
    /// `email_log` after `account_email`.
    pub(super) fn continues(&self, other: &Self) -> bool {
        if self.words.len() <= 1 {
            return false;
        }
        (0..other.words.len()).any(|from| {
            let end = &other.words[from..];
            self.words.len() > end.len() && self.words.starts_with(end)
        }) || self
            .joined()
            .strip_prefix(&other.joined())
            .is_some_and(|rest| !rest.is_empty())
    }

    /// What is left when the other name, or its end, is taken from the start or the end.
    pub(super) fn without(&self, other: &Self) -> Self {
        for from in 0..other.words.len() {
            let part = &other.words[from..];
            if let Some(rest) = self.words.strip_prefix(part) {
                return Self {
                    words: rest.to_vec(),
                };
            }
            if let Some(rest) = self.words.strip_suffix(part) {
                return Self {
                    words: rest.to_vec(),
                };
            }
        }
        self.clone()
    }
}

/// The words of a name in the singular: split where letters, digits and capitals change.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if (!c.is_alphanumeric() || begins) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words.iter().map(|word| singular(word)).collect()
}

/// English, roughly: a word that it gets wrong is wrong in the same way everywhere.
fn singular(word: &str) -> String {
    if word == "people" {
        return "person".to_owned();
    }
    if word.len() <= 3 || ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        return word.to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for end in ["sses", "xes", "ches", "shes", "uses"] {
        if word.ends_with(end) && !["causes", "houses", "caches"].contains(&word) {
            return word[..word.len() - 2].to_owned();
        }
    }
    word.strip_suffix('s').unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_in_the_singular() {
        for (name, words) in [
            ("accounts_assigned_to", "account assigned to"),
            ("commentFiles", "comment file"),
            ("res_user-res_group", "res user res group"),
            ("Companies", "company"),
            ("statuses", "status"),
            ("sale_opportunity__history", "sale opportunity history"),
            ("tblPeople", "person"),
            ("res_company_users_rel", "res company user"),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            assert_eq!(Name::of_table(name).words, words, "{name}");
        }
        assert!(Name::of_column("assigned_user_id").is(&["assigned_user"]));
        assert!(Name::of_column("id").is(&["id"]));
    }

    #[test]
    fn a_name_goes_on_after_another() {
        let table = Name::of_table;
        assert!(table("quote_lines").continues(&table("quotes")));
        assert!(table("emailLogs").continues(&table("account_email")));
        assert!(table("apisettings_tags").continues(&table("apiSettings")));
        assert!(!table("quotes").continues(&table("quotes")));
        assert!(!table("payment").continues(&table("invoice")));
        assert_eq!(
            table("accounts_assigned_to")
                .without(&table("accounts"))
                .text(),
            "assigned_to"
        );
    }
}
