//! Celador's PostgreSQL extension: enforces a policy by row security, below the application.
//!
//! The flow: [`catalog`] holds the loaded policy, [`identity`] knows who asks, [`session`] has
//! that person's access, [`reach`] and [`probe`] answer what generated policies ask, [`fold`] does so
//! while a statement is planned, [`guard`] decides what a row may become, [`hooks`] see to it that no statement goes around.

#![allow(clippy::missing_safety_doc)]

use pgrx::prelude::*;

mod call_memory;
mod catalog;
mod changes;
mod children;
mod concerned;
mod directory_trigger;
mod discover;
mod errors;
mod event;
mod explain;
mod fold;
mod foreign_tables;
mod giving;
mod guard;
mod hooks;
mod identity;
mod kept_snapshot;
mod key_file;
mod knowing;
mod links;
mod load;
mod masks;
mod newer_version;
mod ownership;
mod placement;
mod plan_memory;
mod plan_notes;
mod plan_stamp;
mod planner_settings;
mod probe;
mod reach;
mod relations;
mod rendering;
mod rendering_function;
mod server_minor;
mod session;
mod simulate;
mod simulate_policy;
mod spi;
mod tree_memory;
mod version;
mod watch;

pgrx::pg_module_magic!();

/// Called when the library is loaded. Hooks are set only at the start of a session (or of the
/// server): loaded later, it could have missed statements that were planned before, so
/// `covered()` goes on refusing.
#[allow(non_snake_case)]
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // SAFETY: reads a pointer: no statement runs yet where a session begins.
    let late = unsafe { !pg_sys::debug_query_string.is_null() };
    if late {
        return;
    }
    // A backtrace would go to the client, in an error's details.
    // SAFETY: a backend has one thread.
    unsafe {
        std::env::set_var("RUST_BACKTRACE", "0");
        std::env::set_var("RUST_LIB_BACKTRACE", "0");
    }
    server_minor::define_setting();
    identity::define_settings();
    watch::at_server_start();
    catalog::register_callbacks();
    plan_memory::register_callbacks();
    session::register_callbacks();
    hooks::install();
}
