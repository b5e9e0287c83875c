//! What one cell of the matrix says from now on.

use std::sync::Arc;

use super::{Document, Scope};

/// A key `permissions.ROLE.MODULE.ACTION` of a document, and what stands there afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellChange {
    /// The role.
    pub role: String,
    /// The module, or `"*"`.
    pub module: String,
    /// The action, or `"*"`.
    pub action: String,
    /// The scopes; none takes the key away.
    pub scopes: Vec<Scope>,
}

impl CellChange {
    /// Writes it into a document.
    ///
    /// ```text
    /// [permissions.seller.contacts]        [permissions.seller.contacts]
    /// read = ["own"]                    →  read = ["own", "group"]
    /// ```
    pub(crate) fn write(&self, document: &mut Document) {
        let permissions = &mut document.matrix.permissions;
        let modules = permissions.entry(self.role.clone()).or_default();
        let cell = Arc::make_mut(modules.entry(self.module.clone()).or_default());
        if self.scopes.is_empty() {
            cell.actions.remove(&self.action);
        } else {
            cell.actions
                .insert(self.action.clone(), self.scopes.clone());
        }
        if cell.actions.is_empty() && cell.fields.is_empty() && cell.tags.is_empty() {
            modules.remove(&self.module);
        }
    }
}
