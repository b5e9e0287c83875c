//! Which reach is meant: a cell of the matrix, or a part of one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::document::ScopeName;
use crate::field::FieldRight;

/// The rows that a grant reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GrantScope {
    /// A scope that needs nothing beside its name; never `Parent` or `Related`.
    Plain(ScopeName),
    /// The record it hangs on is in reach.
    Parent(Via),
    /// A record that points to it is in reach.
    Related(Via),
    /// The rule's predicate is true.
    Rule(String),
}

impl GrantScope {
    /// The name in reports: `own`, `parent (read)`, `parent (accounts: read)`, `rule:NAME`.
    pub fn name(&self) -> String {
        match self {
            Self::Plain(scope) => scope.name().to_owned(),
            Self::Parent(via) => format!("parent ({})", via.name()),
            Self::Related(via) => format!("related ({})", via.name()),
            Self::Rule(rule) => format!("rule:{rule}"),
        }
    }
}

/// How another record lends its reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Via {
    /// Only records of this module.
    pub module: Option<String>,
    /// In which reach the other record must be.
    pub cell: CellRef,
}

impl Via {
    fn name(&self) -> String {
        let cell = self.cell.text();
        let module = self.module.as_ref();
        module.map_or_else(|| cell.clone(), |module| format!("{module}: {cell}"))
    }
}

/// Which reach of a module is meant: a cell of the matrix, or scopes written out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CellRef {
    /// What the user's roles grant for this action.
    Action(Action),
    /// These scopes, whatever the roles grant.
    Scopes(BTreeSet<ScopeName>),
    /// What the user's roles grant for `assign` with exactly this bound on the new owner.
    AssignTo(Option<BTreeSet<ScopeName>>),
    /// What the user's roles grant of a field of the module.
    Field(String, FieldRight),
    /// What one grant for the action reaches by itself. Only explanations ask for it.
    Grant(Action, Box<GrantScope>),
}

impl CellRef {
    /// The form in which generated policies name it: `read`, `=own,reports`, `assign>own`,
    /// `["phone","clear"]`; and explanations a grant: `read:{"Plain":"own"}`.
    pub fn text(&self) -> String {
        match self {
            Self::Action(action) => action.name().to_owned(),
            Self::Scopes(scopes) => format!("={}", join(scopes)),
            Self::AssignTo(None) => "assign>*".to_owned(),
            Self::AssignTo(Some(scopes)) => format!("assign>{}", join(scopes)),
            Self::Field(field, right) => serde_json::json!([field, right]).to_string(),
            Self::Grant(action, scope) => {
                let scope = serde_json::json!(scope);
                format!("{}:{scope}", action.name())
            }
        }
    }

    /// Reads what [`Self::text`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        if let Some(names) = text.strip_prefix('=') {
            return split(names).map(Self::Scopes);
        }
        if text.starts_with('[') {
            let (field, right) = serde_json::from_str(text).ok()?;
            return Some(Self::Field(field, right));
        }
        if let Some((action, scope)) = text.split_once(':') {
            let scope = serde_json::from_str(scope).ok()?;
            return Action::from_name(action).map(|action| Self::Grant(action, scope));
        }
        match text.strip_prefix("assign>") {
            Some("*") => Some(Self::AssignTo(None)),
            Some(names) => split(names).map(|scopes| Self::AssignTo(Some(scopes))),
            None => Action::from_name(text).map(Self::Action),
        }
    }
}

fn join(scopes: &BTreeSet<ScopeName>) -> String {
    scopes
        .iter()
        .map(|scope| scope.name())
        .collect::<Vec<_>>()
        .join(",")
}

fn split(names: &str) -> Option<BTreeSet<ScopeName>> {
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(ScopeName::from_name)
        .collect()
}
