//! How far a grant reaches.

use crate::document::ScopeName;
use crate::policy_set::{Grant, GrantScope};

/// How far a grant reaches, as a rough order for the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Nothing.
    None,
    /// What is one's own, was given, or is nobody's: `own`, `created`, `shared`, `unassigned`.
    Own,
    /// What hangs on something in reach, or what a rule opens: `parent`, `related`, `rule:…`.
    Linked,
    /// What is one's groups': `group`, `colleagues`.
    Group,
    /// What is below as well: `group_tree`, `colleagues_tree`, `reports`.
    Tree,
    /// Everything.
    All,
}

impl Depth {
    /// Every depth, the least first.
    pub const EVERY: [Self; 6] = [
        Self::None,
        Self::Own,
        Self::Linked,
        Self::Group,
        Self::Tree,
        Self::All,
    ];

    /// The name in tables and pictures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Own => "own",
            Self::Linked => "linked",
            Self::Group => "group",
            Self::Tree => "tree",
            Self::All => "all",
        }
    }

    /// The depth of one grant.
    pub fn of(grant: &Grant) -> Self {
        match &grant.scope {
            GrantScope::Parent(_) | GrantScope::Related(_) | GrantScope::Rule(_) => Self::Linked,
            GrantScope::Plain(scope) => match scope {
                ScopeName::Own | ScopeName::Created | ScopeName::Shared | ScopeName::Unassigned => {
                    Self::Own
                }
                ScopeName::Parent | ScopeName::Related => Self::Linked,
                ScopeName::Group | ScopeName::Colleagues => Self::Group,
                ScopeName::GroupTree | ScopeName::ColleaguesTree | ScopeName::Reports => Self::Tree,
                ScopeName::All => Self::All,
            },
        }
    }

    /// The depth of a whole cell.
    pub fn of_all(grants: &[Grant]) -> Self {
        grants.iter().map(Self::of).max().unwrap_or(Self::None)
    }
}
