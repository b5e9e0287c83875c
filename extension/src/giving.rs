//! Nobody gives or takes a role that goes beyond what he or she holds (X.8): neither by the rows
//! that tell who holds it, nor by putting people into groups that do.

use std::collections::BTreeSet;

use celador_policy::PolicySet;
use celador_policy::access::covers_role;
use celador_policy::directory::{Holder, Source, sql};
use pgrx::prelude::*;

use crate::catalog;
use crate::directory_trigger::{is_heir, row_trigger_data};
use crate::hooks::raw_function;
use crate::session::Person;
use crate::spi::{self, Reads};
use crate::{errors, relations, session};

/// The trigger on tables that tell who holds which role, or is in which group.
pub(crate) const ROLES: &str = "~celador_roles";

raw_function!(
    /// `celador.guard_roles()`: before a row that gives or takes roles is written.
    guard_roles_wrapper,
    pg_finfo_guard_roles_wrapper,
    before_role
);

unsafe fn before_role(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: PostgreSQL's own call.
    unsafe {
        let data = row_trigger_data(
            fcinfo,
            &[
                pg_sys::TRIGGER_EVENT_INSERT,
                pg_sys::TRIGGER_EVENT_UPDATE,
                pg_sys::TRIGGER_EVENT_DELETE,
            ],
        );
        pg_sys::Datum::from(guard_roles(data))
    }
}

unsafe fn guard_roles(data: *mut pg_sys::TriggerData) -> pg_sys::HeapTuple {
    // SAFETY: the trigger's data lives as long as the call.
    unsafe {
        let event = (*data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK;
        let (old, new) = match event {
            pg_sys::TRIGGER_EVENT_UPDATE => (Some((*data).tg_trigtuple), Some((*data).tg_newtuple)),
            pg_sys::TRIGGER_EVENT_DELETE => (Some((*data).tg_trigtuple), None),
            _ => (None, Some((*data).tg_trigtuple)),
        };
        let row = new.or(old).unwrap_or(std::ptr::null_mut());
        let table = (*(*data).tg_relation).rd_id;
        // Anybody could put the trigger on a table of his own.
        let catalog = catalog::current().filter(|catalog| catalog.protected.contains(&table));
        let Some(catalog) = catalog else {
            errors::denied(
                "Celador's trigger stands on a table without a policy",
                "Drop the trigger.",
            );
        };
        if spi::is_referential((*(*(*data).tg_relation).rd_rel).relowner) {
            return row;
        }
        if catalog.sees_all() {
            return row;
        }
        catalog.require_fit();
        let Some(policy) = &catalog.policy else {
            return row;
        };
        let change = Change {
            data,
            table,
            old,
            new,
        };
        let person = session::person();
        let given: BTreeSet<String> = change
            .roles(policy)
            .into_iter()
            .chain(change.roles_of_groups(&person, policy))
            .collect();
        for role in given {
            if policy.roles.contains_key(&role) && !covers_role(policy, &person.access, &role) {
                errors::denied(
                    format!("role \"{role}\" allows more than you may yourself"),
                    "Somebody who holds as much may give or take it.",
                );
            }
        }
        row
    }
}

/// A row of the directory that is written.
struct Change {
    data: *mut pg_sys::TriggerData,
    table: pg_sys::Oid,
    old: Option<pg_sys::HeapTuple>,
    new: Option<pg_sys::HeapTuple>,
}

impl Change {
    /// The roles that the row gives or takes by itself.
    unsafe fn roles(&self, policy: &PolicySet) -> Vec<String> {
        let mut roles = Vec::new();
        for held in &policy.directory.roles_held {
            let holder = match &held.holder {
                Holder::User(user) => &user.column.name,
                Holder::Group(group) => &group.name,
            };
            // SAFETY: the rows are of the trigger's relation.
            let values = unsafe { self.changed(&held.source, holder, &held.role.name) };
            roles.extend(
                values
                    .iter()
                    .filter_map(|value| held.role_of(value))
                    .map(str::to_owned),
            );
        }
        roles
    }

    /// The roles of the groups that the row puts somebody into, or takes somebody out of.
    unsafe fn roles_of_groups(&self, person: &Person, policy: &PolicySet) -> Vec<String> {
        let directory = &policy.directory;
        let Some(statement) = sql::roles_of_group(directory) else {
            return Vec::new();
        };
        let mut roles = Vec::new();
        for membership in &directory.memberships {
            let user = &membership.user.column.name;
            // SAFETY: the rows are of the trigger's relation.
            let groups = unsafe { self.changed(&membership.source, user, &membership.group.name) };
            for group in groups {
                let rows = spi::with_rights_of(spi::superuser(), || {
                    spi::connected(|| {
                        person
                            .catalog
                            .kept(&statement, 1)
                            .rows(&[&group], Reads::Latest)
                    })
                });
                for row in rows {
                    let text = |at: usize| row.get(at).cloned().flatten();
                    let held = text(0)
                        .and_then(|source| source.parse::<usize>().ok())
                        .and_then(|source| directory.roles_held.get(source));
                    let value = text(1);
                    if let Some(role) = held
                        .zip(value.as_deref())
                        .and_then(|(held, value)| held.role_of(value))
                    {
                        roles.push(role.to_owned());
                    }
                }
            }
        }
        roles
    }

    /// What the row says of somebody in `column`, before and after, where that changes: by
    /// another holder, another value, or because it counts now or doesn't any more.
    unsafe fn changed(&self, source: &Source, holder: &str, column: &str) -> Vec<String> {
        if !is_heir(&source.table, self.table) {
            return Vec::new();
        }
        // SAFETY: the rows are of the trigger's relation.
        let of = |row: Option<pg_sys::HeapTuple>| unsafe {
            let read = |column: &str| row.and_then(|row| self.text(row, column));
            let counts: Vec<Option<String>> = source
                .filter_types
                .keys()
                .map(|column| read(column))
                .collect();
            (read(holder), read(column), counts)
        };
        let (before, after) = (of(self.old), of(self.new));
        if before == after {
            return Vec::new();
        }
        [before, after]
            .into_iter()
            .filter_map(|(holder, value, _)| holder.and(value))
            .collect()
    }

    unsafe fn text(&self, row: pg_sys::HeapTuple, column: &str) -> Option<String> {
        // SAFETY: the row is of the trigger's relation.
        unsafe {
            let relation = (*self.data).tg_relation;
            let name = spi::c_string(column);
            let number = pg_sys::SPI_fnumber((*relation).rd_att, name.as_ptr());
            if number <= 0 {
                errors::fault(format!(
                    "column \"{column}\" of {} is gone",
                    relations::display_name(self.table)
                ));
            }
            let value = pg_sys::SPI_getvalue(row, (*relation).rd_att, number);
            (!value.is_null()).then(|| {
                std::ffi::CStr::from_ptr(value)
                    .to_string_lossy()
                    .into_owned()
            })
        }
    }
}
