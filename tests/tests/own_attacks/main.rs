//! Attacks of our own: people with a login and a schema to create things in look for ways to rows
//! that are out of their reach. Every row out of reach says HIDDEN, every row in reach MINE.

mod code;
mod definitions;
mod giving;
mod identity;
mod questions;
mod stage;
mod statistics;
mod trojans;
mod waiting;
mod writes;
