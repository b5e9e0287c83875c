//! A document in force of which one cell changes: nothing but cells is checked again.

use super::Checker;
use crate::document::{CellChange, Document};
use crate::policy_set::PolicySet;
use crate::problem::Problems;
use crate::schema::Schema;

/// Changes one cell of a document in force, of which `live` was made, and returns the policy that
/// follows: the one that [`super::check`] would make of the changed document.
///
/// ```text
/// permissions.seller.contacts.read = ["own"] → ["own", "group"]
/// ```
///
/// # Errors
/// When `live` lacks the role or the module, and what [`super::check`] says of the cell.
pub fn change_cell(
    document: &mut Document,
    live: &PolicySet,
    change: &CellChange,
) -> Result<PolicySet, Problems> {
    // The tables were looked at when the document was checked; cells name none.
    let schema = Schema::default();
    let mut checker = Checker::new(document, &schema);
    checker.known_place(live, change);
    checker.problems.finish("")?;

    change.write(document);
    let mut checker = Checker::new(document, &schema);
    let mut set = live.clone();
    checker.permissions(&mut set);
    set.field_permissions = checker.field_permissions(&set);
    // Who named a module that isn't mapped isn't known: what is unmapped stays so.
    set.unmapped.append(&mut checker.unmapped);
    checker.problems.finish("")?;
    Ok(set)
}

impl Checker<'_> {
    /// A slip in a name must not make a role: documents do that.
    fn known_place(&mut self, live: &PolicySet, change: &CellChange) {
        let CellChange { role, module, .. } = change;
        if !live.roles.contains_key(role) {
            self.problems.add(
                &["permissions", role],
                format!("there is no role \"{role}\""),
                "name a role of the live policy, or load a document that has it",
            );
        }
        if module != "*" && !live.modules.contains_key(module) {
            self.problems.add(
                &["permissions", role, module],
                format!("there is no module \"{module}\""),
                "name a module of the live policy, or load a document that maps it",
            );
        }
    }
}
