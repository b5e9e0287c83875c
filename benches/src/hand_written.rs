//! The WHERE that somebody who knows PostgreSQL and the data would write for that very person, in
//! the ways that are worth trying. The best of them is what Celador is measured by.

use anyhow::Result;
use postgres::Client;
use serde::Serialize;

use crate::people::{Level, Person};
use crate::rules::{self, Rule};

/// A way to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    /// The keys stand in the statement.
    Listed,
    /// The keys are read in a sub-select.
    Selected,
    /// Where several rules open rows: one branch of a UNION ALL each, which leaves out what the
    /// branches before it gave. The keys stand in the statement.
    United,
}

/// What a person's conditions are made of.
#[derive(Debug, Clone)]
pub(crate) struct HandWritten {
    person: Person,
    owners: String,
    groups: String,
    shares: String,
}

impl HandWritten {
    /// Reads the person's keys.
    pub(crate) fn read(client: &mut Client, person: Person) -> Result<Self> {
        let mut keys = |sql: &str| -> Result<String> {
            let rows = client.query(sql, &[&person.id])?;
            Ok(list(rows.iter().map(|row| row.get(0)).collect()))
        };
        Ok(Self {
            person,
            owners: keys("SELECT user_id FROM supervision WHERE boss_id = $1 ORDER BY 1")?,
            groups: keys(
                "SELECT t.group_id FROM members AS m JOIN group_tree AS t ON t.ancestor_id = m.group_id
                 WHERE m.user_id = $1 ORDER BY 1",
            )?,
            shares: keys("SELECT contact_id FROM shares WHERE user_id = $1 ORDER BY 1")?,
        })
    }

    /// The ways that differ for this person, on a table of the statement.
    pub(crate) fn ways(&self, statement: &str) -> Vec<Way> {
        if self.person.level == Level::Director {
            return vec![Way::Listed];
        }
        let several = rules::of(self.person.division, "contacts").len() > 1;
        let reads_from = statement.contains("{contacts ");
        let mut ways = vec![Way::Listed, Way::Selected];
        ways.extend((several && reads_from).then_some(Way::United));
        ways
    }

    /// What stands for `{table alias}` in a statement.
    pub(crate) fn source(&self, way: Way, table: &str, alias: &str) -> String {
        let rules = rules::of(self.person.division, table);
        if way != Way::United || rules.len() < 2 {
            return format!("{table} AS {alias}");
        }
        let terms: Vec<String> = (rules.iter())
            .map(|rule| self.term(Way::Listed, rule, "u"))
            .collect();
        let branches: Vec<String> = (0..terms.len())
            .map(|at| {
                let before: String = (terms[..at].iter())
                    .map(|term| format!(" AND ({term}) IS NOT TRUE"))
                    .collect();
                format!("SELECT * FROM {table} AS u WHERE {}{before}", terms[at])
            })
            .collect();
        format!("({}) AS {alias}", branches.join(" UNION ALL "))
    }

    /// What stands for `{may alias}` in a statement.
    pub(crate) fn condition(&self, way: Way, table: &str, alias: &str) -> String {
        let rules = rules::of(self.person.division, table);
        let united = way == Way::United && rules.len() > 1;
        if self.person.level == Level::Director || united {
            return "true".to_owned();
        }
        let terms: Vec<String> = (rules.iter())
            .map(|rule| self.term(way, rule, alias))
            .collect();
        format!("({})", terms.join(" OR "))
    }

    fn term(&self, way: Way, rule: &Rule, alias: &str) -> String {
        let text = match rule {
            Rule::All => "true".to_owned(),
            Rule::Condition(condition) => format!("({condition})"),
            Rule::Among { listed, .. } if way != Way::Selected => (*listed).to_owned(),
            Rule::Among { column, keys, .. } => format!("{{r}}.{column} IN ({keys})"),
        };
        text.replace("{r}", alias)
            .replace("{me}", &self.person.id.to_string())
            .replace("{owners}", &self.owners)
            .replace("{groups}", &self.groups)
            .replace("{shares}", &self.shares)
    }
}

/// What stands on the right of `=`: one key, or any of several.
fn list(keys: Vec<i32>) -> String {
    if let [one] = keys.as_slice() {
        return one.to_string();
    }
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    format!("ANY ('{{{}}}'::int[])", keys.join(","))
}
