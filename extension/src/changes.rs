//! The log of changes of policy and protection: `celador.changes`, to which rows are only added.
//!
//! What is written to the tables of the policy, of the protected tables, of views and maintenance
//! roles notes itself, by triggers. What leaves no row there is noted here.

use crate::spi;

/// Notes a change that the session's user has made, in the transaction that makes it: what is
/// rolled back was no change. `kind` is a verb (`restore`, `adopt`), `object` what was changed.
pub(crate) fn note(kind: &str, object: &str, reason: Option<&str>) {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(
                "INSERT INTO celador.changes (kind, object, reason) SELECT $1, $2, $3",
                &[Some(kind), Some(object), reason],
                false,
            )
        });
    });
}
