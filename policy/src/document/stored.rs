//! The document as it is stored beside its text: read in a fraction of the time that the text takes.

use serde::{Deserialize, Serialize};

use super::{Cell, Document};
use crate::permissions::{self, ByRole};

/// The keys of a document as JSON; the cells of its matrix apart, equal ones once.
#[derive(Serialize, Deserialize)]
struct Stored {
    document: Document,
    #[serde(with = "permissions")]
    permissions: ByRole<Cell>,
}

impl Document {
    /// Writes the document as it is stored. [`Self::from_stored`] reads the same back.
    ///
    /// # Errors
    /// When the document can't be written as JSON; one that was read always can.
    pub fn to_stored(&self) -> Result<String, serde_json::Error> {
        let mut stored = Stored {
            document: self.clone(),
            permissions: ByRole::new(),
        };
        stored.permissions = std::mem::take(&mut stored.document.matrix.permissions);
        serde_json::to_string(&stored)
    }

    /// Reads what [`Self::to_stored`] has written.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_stored(stored: &str) -> Result<Self, serde_json::Error> {
        let mut stored: Stored = serde_json::from_str(stored)?;
        stored.document.matrix.permissions = stored.permissions;
        Ok(stored.document)
    }
}
