//! The library, the extension's SQL objects and the compiled policy belong together: what another
//! version wrote isn't read, it is refused.

use pgrx::prelude::*;

use crate::catalog;
use crate::errors;

/// The version of this library, which is that of the SQL objects that it works with.
pub(crate) const LIBRARY: &str = env!("CARGO_PKG_VERSION");

/// Why this library can't serve what the database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The SQL objects are of another version, this one.
    Objects(String),
    /// The objects fit; the live policy was compiled by another version, or by one that didn't say.
    Policy(Option<String>),
    /// The live policy can't be read, and why: it was written over, or by an unfinished version.
    Unreadable(String),
}

impl Unfit {
    /// What is wrong with SQL objects of that version.
    pub(crate) fn of_objects(version: &str) -> Option<Self> {
        (version != LIBRARY).then(|| Self::Objects(version.to_owned()))
    }

    /// What is wrong with a policy that was compiled by that version.
    pub(crate) fn of_policy(compiled_by: Option<&str>) -> Option<Self> {
        (compiled_by != Some(LIBRARY)).then(|| Self::Policy(compiled_by.map(str::to_owned)))
    }

    /// What is wrong, in a sentence without its point.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Objects(version) => format!(
                "this session has loaded Celador's library {LIBRARY}, and the extension's objects \
                 in this database are of version {version}"
            ),
            Self::Policy(version) => format!(
                "the live policy was compiled by Celador {}, and this is {LIBRARY}",
                version.as_deref().unwrap_or("0.1.0")
            ),
            Self::Unreadable(why) => {
                format!("the live policy can't be read by this version of the library: {why}")
            }
        }
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::Objects(version) if is_older(version) => {
                "ALTER EXTENSION celador UPDATE, as a superuser.".to_owned()
            }
            Self::Objects(version) => format!(
                "Install Celador's library {version}, and connect again: a session keeps the library \
                 that it began with."
            ),
            Self::Policy(_) => {
                "ALTER EXTENSION celador UPDATE, as a superuser, compiles it again; or \
                load a policy."
                    .to_owned()
            }
            Self::Unreadable(_) => {
                "Load the policy again: SELECT celador.load_policy(document).".to_owned()
            }
        }
    }

    /// Ends the statement.
    #[track_caller]
    pub(crate) fn refuse(&self) -> ! {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            self.reason(),
            self.remedy(),
        )
    }
}

/// Ends the statement unless the SQL objects are this library's.
pub(crate) fn require_objects() {
    if let Some(unfit) = catalog::current().and_then(|catalog| catalog.unfit.clone()) {
        match unfit {
            Unfit::Objects(_) => unfit.refuse(),
            Unfit::Policy(_) | Unfit::Unreadable(_) => {}
        }
    }
}

/// Whether a version comes before the library's. What can't be read as a version doesn't.
fn is_older(version: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u32>> {
        text.split('.').map(|part| part.parse().ok()).collect()
    };
    matches!((numbers(version), numbers(LIBRARY)), (Some(theirs), Some(ours)) if theirs < ours)
}
