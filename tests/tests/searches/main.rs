//! Searches use their index under a policy, and tell nothing of the rows that it hides.

mod counters;
mod indexes;
mod oracles;
mod proofs;
mod stage;
