//! The live policy is put in force again: compiled by a newer version of the library, or on the tables
//! of a database that was restored.

use celador_policy::{Document, PolicySet, check_again};
use pgrx::prelude::*;

use super::plan::Plan;
use super::{apply, read_schema, revisions};
use crate::{directory_trigger, hooks, spi};

/// What to do where it can't be done by itself.
const BY_HAND: &str =
    "Until then protected tables are closed to all but superusers and maintenance roles.";

/// Compiles the live revision's document, brings the tables' policies up to what this version
/// generates, and stores the result with the same revision. Where that can't be done a warning says
/// why, and the policy stays unfit.
pub(crate) fn compile_again() {
    if !hooks::are_installed() {
        warn(
            hooks::NOT_PRELOADED,
            "Run ALTER EXTENSION celador UPDATE in a session that it is preloaded in.",
        );
        return;
    }
    let _timeout = apply::LockTimeout::set();
    revisions::begin(None);
    let Some(live) = revisions::revision(None) else {
        return;
    };
    let number = live.number;
    let text = live.into_text();
    let checked = Document::from_toml(&text).and_then(|read| {
        let set = check_again(&read, &text, &read_schema(&read))?;
        Ok((read, set))
    });
    let (document, set) = match checked {
        Ok(checked) => checked,
        Err(problems) => {
            warn(&problems.to_string(), "Load a policy that fits.");
            return;
        }
    };
    apply::apply(&Plan::make(&set));
    apply::store_again(number, &document, &set);
    directory_trigger::signal("policy");
    // SAFETY: makes it visible to what follows in this transaction.
    unsafe { pg_sys::CommandCounterIncrement() }
}

/// Puts back what a dump has left out: on Celador's own tables pg_dump dumps neither row policies nor
/// triggers.
pub(crate) fn restore_own(policy: &PolicySet) {
    // pg_restore runs several commands at once: one of them does it, and the others go on. Waiting
    // with the locks that they hold, they could wait for each other.
    let taken = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(
                "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('celador:own', 0))",
                &[],
                false,
            )
        })
    });
    if taken
        .into_iter()
        .flatten()
        .flatten()
        .any(|taken| taken == "t")
    {
        apply::apply(&Plan::of_own(policy));
    }
}

fn warn(why: &str, remedy: &str) {
    pgrx::warning!("the live policy could not be compiled again: {why}. {remedy} {BY_HAND}");
}
