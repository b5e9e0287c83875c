//! Lint: what is allowed, and still worth a second look.
//!
//! Each rule is data: a number that stays, a severity, a reason and a remedy. Rules about the
//! policy are pure functions; rules about the installation are SQL that reads the catalogs, which
//! the extension runs. `docs/rules.md` is made from [`rules`].

mod changes;
pub mod installation;
mod matrix;
mod settings;
mod width;

use std::fmt;

use crate::action::Action;
use crate::document::ScopeName;
use crate::policy_set::{Grant, GrantScope, PolicySet};

/// How many administrators are right where the policy doesn't say.
pub const ADMINISTRATORS: u32 = 5;
/// After how many days an access review is due where the policy doesn't say.
pub const REVIEW_DAYS: u32 = 180;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody may reach what isn't theirs, or Celador doesn't work.
    Error,
    /// It opens more than it seems to, or will.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its number, for example `CEL001`: never given again.
    pub code: &'static str,
    /// How much a finding matters.
    pub severity: Severity,
    /// What it finds, in one line.
    pub title: &'static str,
    /// Why that matters.
    pub reason: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// How it is found.
    pub look: Look,
}

/// How a rule finds what it finds.
pub enum Look {
    /// By the policy alone.
    Policy(fn(&PolicySet) -> Vec<Found>),
    /// By a query for two columns of text, the object and what was found, after
    /// [`installation::prelude`]. It runs with `search_path` set to `pg_catalog`.
    Installation(&'static str),
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy(_) => "policy",
            Self::Installation(_) => "installation",
        })
    }
}

/// What a rule has found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The object, as the policy or PostgreSQL names it.
    pub object: String,
    /// What was found.
    pub detail: String,
}

impl Found {
    pub(crate) fn new(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            object: object.into(),
            detail: detail.into(),
        }
    }
}

/// Every rule, in the order of their numbers.
pub fn rules() -> Vec<&'static Rule> {
    let mut rules: Vec<&Rule> = [changes::RULES, matrix::RULES, settings::RULES, width::RULES]
        .into_iter()
        .flatten()
        .chain(installation::rules())
        .collect();
    rules.sort_by_key(|rule| rule.code);
    rules
}

/// What the rules about the policy find in it, in the order of numbers and objects.
pub fn lint(policy: &PolicySet) -> Vec<(&'static Rule, Found)> {
    let mut findings = Vec::new();
    for rule in rules() {
        if let Look::Policy(look) = rule.look {
            let mut found = look(policy);
            found.sort();
            findings.extend(found.into_iter().map(|found| (rule, found)));
        }
    }
    findings
}

/// The roles that reach everything: whatever is read or written in any module, unconditionally.
pub fn administrators(policy: &PolicySet) -> Vec<&str> {
    let reaches_all = |role: &str| {
        policy.modules.iter().all(|(name, module)| {
            let actions: &[Action] = if module.configuration {
                &[Action::Read, Action::Customise]
            } else {
                &[Action::Read, Action::Create, Action::Update, Action::Delete]
            };
            actions
                .iter()
                .all(|action| policy.grants(role, name, *action).iter().any(is_all))
        })
    };
    let roles = policy.roles.keys().map(String::as_str);
    roles
        .filter(|role| !policy.modules.is_empty() && reaches_all(role))
        .collect()
}

/// The grant reaches every row, whatever is switched on.
fn is_all(grant: &Grant) -> bool {
    grant.when.is_none() && grant.scope == GrantScope::Plain(ScopeName::All)
}

/// The grant reaches rows by the groups that somebody is in.
fn is_by_group(grant: &Grant) -> bool {
    matches!(
        grant.scope,
        GrantScope::Plain(
            ScopeName::Group
                | ScopeName::GroupTree
                | ScopeName::Colleagues
                | ScopeName::ColleaguesTree
        )
    )
}

/// Every cell that grants something: role, module, action, grants.
fn cells(policy: &PolicySet) -> impl Iterator<Item = (&str, &str, Action, &[Grant])> {
    policy.permissions.iter().flat_map(|(role, modules)| {
        modules.iter().flat_map(move |(module, actions)| {
            actions
                .iter()
                .filter(|(_, grants)| !grants.is_empty())
                .map(move |(action, grants)| {
                    (role.as_str(), module.as_str(), *action, grants.as_slice())
                })
        })
    })
}

/// Names in a sentence, the first few of them: `a, b and 7 more`.
fn listed<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    const SHOWN: usize = 5;
    let names: Vec<S> = names.into_iter().collect();
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let text = shown.join(", ");
    if names.len() > SHOWN {
        format!("{text} and {} more", names.len() - SHOWN)
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_are_given_once() {
        let rules = rules();
        let codes: BTreeSet<&str> = rules.iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), rules.len());
        for rule in rules {
            let digits = rule.code.strip_prefix("CEL").expect("CEL and a number");
            assert!(digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()));
            for text in [rule.title, rule.reason, rule.remedy] {
                assert!(!text.is_empty(), "{}", rule.code);
            }
            assert!(rule.reason.ends_with('.') && rule.remedy.ends_with('.'));
        }
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(["a", "b"]), "a, b");
        assert_eq!(
            listed(["a", "b", "c", "d", "e", "f", "g"]),
            "a, b, c, d, e and 2 more"
        );
    }
}
