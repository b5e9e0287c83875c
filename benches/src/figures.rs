//! Numbers that stand by themselves.

use serde::Serialize;

/// A number with its goal.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// The number.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What it should be.
    pub(crate) goal: Option<Bound>,
}

/// A bound.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less.
    AtLeast(f64),
}

impl Figure {
    pub(crate) fn new(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Option<Bound>,
    ) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            goal,
        }
    }

    /// Whether the goal is reached.
    pub(crate) fn is_met(&self) -> bool {
        match self.goal {
            None => true,
            Some(Bound::AtMost(most)) => self.value <= most,
            Some(Bound::AtLeast(least)) => self.value >= least,
        }
    }
}
