//! Which modules may be observed: those that say nothing of who may what.

use std::collections::{BTreeMap, BTreeSet};

use super::Checker;
use super::builtin::SCHEMA;
use crate::policy_set::{Placement, PolicySet};
use crate::schema::TableName;

impl Checker<'_> {
    /// Whoever writes the directory decides who may what, in every other module: it can't be left
    /// open while a module is tried.
    pub(super) fn directory_is_enforced(
        &mut self,
        set: &PolicySet,
        placed: &BTreeMap<TableName, Placement>,
    ) {
        let mut read = BTreeSet::new();
        for table in set.directory.watched().into_keys() {
            read.extend(self.schema.with_children(&table));
            read.insert(table);
        }
        for (name, placement) in placed {
            let (Placement::Module(module)
            | Placement::Child { module, .. }
            | Placement::Link { module, .. }) = placement
            else {
                continue;
            };
            if set.observes(placement) && (read.contains(name) || name.schema == SCHEMA) {
                self.problems.add(
                    &["mapping", "modules", module, "mode"],
                    format!(
                        "module \"{module}\" can't be observed: the directory is read from table {name}"
                    ),
                    "enforce it from the start, and grant read = [\"all\"] on it while the others are tried",
                );
            }
        }
    }
}
