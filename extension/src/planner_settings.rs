//! The settings that decide how a statement is planned, as one number.

use std::hash::{Hash, Hasher};

use pgrx::prelude::*;
use rustc_hash::FxHasher;

/// PostgreSQL's groups of settings that its planner reads.
const GROUPS: [u32; 7] = [
    pg_sys::config_group::QUERY_TUNING_METHOD,
    pg_sys::config_group::QUERY_TUNING_COST,
    pg_sys::config_group::QUERY_TUNING_GEQO,
    pg_sys::config_group::QUERY_TUNING_OTHER,
    pg_sys::config_group::RESOURCES_MEM,
    WORKERS,
    pg_sys::config_group::DEVELOPER_OPTIONS,
];

#[cfg(not(feature = "pg18"))]
const WORKERS: u32 = pg_sys::config_group::RESOURCES_ASYNCHRONOUS;
#[cfg(feature = "pg18")]
const WORKERS: u32 = pg_sys::config_group::RESOURCES_WORKER_PROCESSES;

/// Where a setting has its value.
#[derive(Clone, Copy)]
enum Value {
    Bool(*mut bool),
    Int(*mut i32),
    Real(*mut f64),
}

thread_local! {
    static VALUES: Vec<Value> = values();
}

/// A number that differs where one of the settings does.
pub(crate) fn fingerprint() -> u64 {
    VALUES.with(|values| {
        let mut hasher = FxHasher::default();
        for value in values {
            // SAFETY: the variables are PostgreSQL's own, and live as long as the backend.
            unsafe {
                match *value {
                    Value::Bool(value) => (*value).hash(&mut hasher),
                    Value::Int(value) => (*value).hash(&mut hasher),
                    Value::Real(value) => (*value).to_bits().hash(&mut hasher),
                }
            }
        }
        hasher.finish()
    })
}

fn values() -> Vec<Value> {
    // SAFETY: a setting's kind says which struct it is; PostgreSQL's own settings are never removed.
    unsafe {
        settings()
            .into_iter()
            .filter(|setting| GROUPS.contains(&(**setting).group))
            .filter_map(|setting| match (*setting).vartype {
                pg_sys::config_type::PGC_BOOL => Some(Value::Bool(
                    (*setting.cast::<pg_sys::config_bool>()).variable,
                )),
                pg_sys::config_type::PGC_INT => {
                    Some(Value::Int((*setting.cast::<pg_sys::config_int>()).variable))
                }
                pg_sys::config_type::PGC_ENUM => Some(Value::Int(
                    (*setting.cast::<pg_sys::config_enum>()).variable,
                )),
                pg_sys::config_type::PGC_REAL => Some(Value::Real(
                    (*setting.cast::<pg_sys::config_real>()).variable,
                )),
                // Names and lists: none of them is the planner's.
                _ => None,
            })
            .collect()
    }
}

unsafe fn settings() -> Vec<*mut pg_sys::config_generic> {
    // SAFETY: PostgreSQL's own array of that length.
    unsafe {
        #[cfg(feature = "pg15")]
        let (all, count) = (pg_sys::get_guc_variables(), pg_sys::GetNumConfigOptions());
        #[cfg(not(feature = "pg15"))]
        let (all, count) = {
            let mut count = 0;
            (pg_sys::get_guc_variables(&mut count), count)
        };
        std::slice::from_raw_parts(all, count as usize).to_vec()
    }
}
