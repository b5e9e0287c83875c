//! Runs a plan: with the rights of each table's owner, under a bounded wait for its lock.

use std::cell::Cell;
use std::collections::BTreeMap;

use celador_policy::directory::{sql, tree};
use celador_policy::policy_set::Placement;
use celador_policy::row_policy::PERMISSIVE;
use celador_policy::{Document, PolicySet, TableName, quote};
use pgrx::prelude::*;

use super::found::Found;
use super::plan::{Plan, TablePlan, Watched};
use crate::spi::{self, Reads};
use crate::{catalog, errors, guard, relations, version};

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether tables are changed by Celador at the moment.
pub(super) fn is_running() -> bool {
    RUNNING.get()
}

/// How long a load waits for a lock where `lock_timeout` says nothing.
const LOCK_TIMEOUT: &str = "10s";

/// Applies the plan, or ends the transaction with an error.
pub(super) fn apply(plan: &Plan) {
    for table in &plan.tables {
        may_change(table);
    }
    for table in &plan.tables {
        run(table);
    }
    // SAFETY: makes the tables as they are now visible to the checks.
    unsafe { pg_sys::CommandCounterIncrement() }
    for table in plan.tables.iter().filter(|table| table.protected.is_some()) {
        last_trigger(table);
    }
}

/// Protects a table that has come after the load, placed so.
pub(crate) fn protect_new(
    policy: &PolicySet,
    watched: &Watched,
    table: &TableName,
    relation: pg_sys::Oid,
    found: &Found,
    placement: Placement,
) {
    if let Some(plan) = TablePlan::of_new(policy, watched, table, relation, found, placement) {
        run(&plan);
    }
}

/// Drops the permissive policy from tables to which somebody has added one of their own: theirs
/// decides then, beside Celador's restrictive ones.
pub(crate) fn yield_to_foreign(tables: &BTreeMap<TableName, (pg_sys::Oid, Found)>) {
    for (table, (relation, found)) in tables {
        if !(found.foreign_permissive && found.stands_open()) {
            continue;
        }
        let Some(owner) = relations::owner(*relation) else {
            continue;
        };
        spi::with_rights_of(owner, || {
            spi::connected(|| {
                spi::run(&format!(
                    "DROP POLICY {} ON {}",
                    quote::name(PERMISSIVE),
                    table.sql()
                ));
            });
        });
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                spi::run_with(AS_IT_STANDS, &[Some(&relation.to_u32().to_string())], false)
            });
        });
    }
}

/// Forgets tables that are gone. A row of celador.paused goes with that of celador.protected.
pub(crate) fn forget_dropped() {
    for table in ["protected", "left_out"] {
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                spi::run(&format!(
                    "DELETE FROM celador.{table} AS x WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c \
                     WHERE c.oid OPERATOR(pg_catalog.=) x.relation::pg_catalog.oid)"
                ));
            });
        });
    }
}

/// Whoever changes what is in force is a member of the owners of all tables that it is in force on:
/// their rows are what is given.
pub(super) fn may_load() {
    let Some(catalog) = catalog::current() else {
        return;
    };
    for relation in &catalog.protected {
        if let Some(owner) = relations::owner(*relation) {
            must_be_member(owner, *relation);
        }
    }
}

fn must_be_member(owner: pg_sys::Oid, relation: pg_sys::Oid) {
    // SAFETY: a cache look-up.
    let member = unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), owner) };
    // Celador's own tables: EXECUTE on the function that loads is the right to change them.
    if !(member || owner == spi::superuser() && relations::is_ours(relation)) {
        errors::denied(
            format!(
                "you are no member of role \"{}\", which owns table {}",
                relations::role_name(owner),
                relations::display_name(relation)
            ),
            "Load as a member of the owners of all tables that the policy names.",
        );
    }
}

/// The statements run as the table's owner: whoever loads must be a member of that role, and
/// nobody may log in as it.
fn may_change(table: &TablePlan) {
    let Some(owner) = relations::owner(table.relation) else {
        errors::fault(format!("table {} is gone", table.table))
    };
    must_be_member(owner, table.relation);
    if table.protected.is_some() && is_login(owner) && !is_guarded(owner) {
        errors::denied(
            format!(
                "role \"{}\" owns table {} and can log in: an owner can switch row security off",
                relations::role_name(owner),
                table.table
            ),
            "Give its tables to a role that nobody logs in as: SELECT celador.adopt(schema, owner, app). Or, where \
             ownership can't move, let it define nothing: SELECT celador.guard_owner(role).",
        );
    }
}

fn is_guarded(role: pg_sys::Oid) -> bool {
    catalog::current().is_some_and(|catalog| catalog.guarded.contains(&role))
}

/// Whether somebody logs in as the role; superusers aside.
pub(crate) fn is_login(role: pg_sys::Oid) -> bool {
    // SAFETY: a valid tuple of pg_authid begins with FormData_pg_authid; it is released after use.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::AUTHOID as i32,
            pg_sys::Datum::from(role),
        );
        if tuple.is_null() {
            return false;
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_authid>();
        let login = (*form).rolcanlogin && !(*form).rolsuper;
        pg_sys::ReleaseSysCache(tuple);
        login
    }
}

fn run(table: &TablePlan) {
    let Some(owner) = relations::owner(table.relation) else {
        errors::fault(format!("table {} is gone", table.table))
    };
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.table.sql());
    let name = table.table.to_string();
    spi::with_rights_of(owner, || {
        spi::connected(|| {
            PgTryBuilder::new(|| spi::run(&lock))
                .catch_when(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, move |_| {
                    errors::raise(
                        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                        format!(
                            "the lock on table {name} could not be had in time; nothing is changed"
                        ),
                        "Load again when the table is less busy, or raise lock_timeout.",
                    )
                })
                .execute();
        });
    });
    for step in &table.steps {
        let role = if step.by_celador {
            spi::superuser()
        } else {
            owner
        };
        spi::with_rights_of(role, || spi::connected(|| spi::run(&step.ddl)));
    }
    remember(table);
}

/// What stands on a table now: the event trigger compares it after every DDL.
const AS_IT_STANDS: &str = "\
UPDATE celador.protected AS x SET
  expressions = (
    SELECT COALESCE(pg_catalog.jsonb_object_agg(p.polname, pg_catalog.concat(p.polpermissive, p.polcmd, p.polroles,
      pg_catalog.pg_get_expr(p.polqual, p.polrelid), '/', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))),
      '{}'::pg_catalog.jsonb)
    FROM pg_catalog.pg_policy AS p WHERE p.polrelid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)
      AND pg_catalog.starts_with(p.polname::pg_catalog.text, 'celador_')),
  triggers = (
    SELECT COALESCE(pg_catalog.string_agg(t.tgname::pg_catalog.text, ',' ORDER BY t.tgname), '')
    FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)
      AND pg_catalog.starts_with(t.tgname::pg_catalog.text, '~celador_'))
WHERE x.relation::pg_catalog.oid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)";

/// Keeps what was found on the table, and what is there now.
fn remember(table: &TablePlan) {
    let relation = table.relation.to_u32().to_string();
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| match &table.protected {
            Some(signature) => {
                spi::run_with(
                    "INSERT INTO celador.protected AS x (relation, had_row_security, had_force, policies, observed) \
                     SELECT CAST($1 AS pg_catalog.oid), CAST($3 AS pg_catalog.bool), CAST($4 AS pg_catalog.bool), $2, \
                       CAST($5 AS pg_catalog.bool) \
                     ON CONFLICT (relation) DO UPDATE SET policies = excluded.policies, observed = excluded.observed",
                    &[
                        Some(&relation),
                        Some(signature),
                        Some(if table.had.0 { "t" } else { "f" }),
                        Some(if table.had.1 { "t" } else { "f" }),
                        Some(if table.observed { "t" } else { "f" }),
                    ],
                    false,
                );
                spi::run_with(AS_IT_STANDS, &[Some(&relation)], false)
            }
            None => spi::run_with(
                "DELETE FROM celador.protected AS x \
                 WHERE x.relation::pg_catalog.oid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)",
                &[Some(&relation)],
                false,
            ),
        });
    });
}

/// The guard must have the last word on a row.
fn last_trigger(table: &TablePlan) {
    // SAFETY: the table is locked; the descriptor is closed again.
    let later = unsafe {
        let relation = pg_sys::table_open(table.relation, pg_sys::NoLock as i32);
        let triggers = (*relation).trigdesc;
        let mut later = None;
        if !triggers.is_null() {
            let names: Vec<(String, i16)> = (0..(*triggers).numtriggers as usize)
                .map(|at| {
                    let trigger = &*(*triggers).triggers.add(at);
                    (
                        std::ffi::CStr::from_ptr(trigger.tgname)
                            .to_string_lossy()
                            .into_owned(),
                        trigger.tgtype,
                    )
                })
                .collect();
            let guarded = names.iter().any(|(name, _)| name == guard::TRIGGER);
            later = names.into_iter().find(|(name, kind)| {
                guarded
                    && is_before_row(*kind)
                    && name.as_str() > guard::TRIGGER
                    && !guard::OWN_TRIGGERS.contains(&name.as_str())
            });
        }
        pg_sys::table_close(relation, pg_sys::NoLock as i32);
        later
    };
    if let Some((name, _)) = later {
        errors::denied(
            format!(
                "trigger \"{name}\" on {} runs after Celador's guard, and could change what it has seen",
                table.table
            ),
            "Rename the trigger so that it sorts before \"~\".",
        );
    }
}

/// BEFORE … FOR EACH ROW.
fn is_before_row(kind: i16) -> bool {
    let kind = kind as u32;
    kind & pg_sys::TRIGGER_TYPE_ROW != 0 && kind & pg_sys::TRIGGER_TYPE_BEFORE != 0
}

/// Stores the document as the live revision; without its text where a function has made it.
pub(super) fn store(
    text: Option<&str>,
    document: &Document,
    set: &PolicySet,
    reason: Option<&str>,
) -> i32 {
    let compiled = compiled(set);
    let parsed = parsed(document);
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(
                "INSERT INTO celador.policy (revision, document, compiled, compiled_by, reason, parsed) \
                 SELECT COALESCE(pg_catalog.max(p.revision), 0) OPERATOR(pg_catalog.+) 1, $1, $2, $3, $4, $5 \
                 FROM celador.policy AS p RETURNING revision",
                &[
                    text,
                    Some(&compiled),
                    Some(version::LIBRARY),
                    reason,
                    Some(&parsed),
                ],
                false,
            )
        })
    });
    rows.first()
        .and_then(|row| row.first().cloned().flatten())
        .and_then(|revision| revision.parse().ok())
        .unwrap_or_else(|| errors::fault("the policy was not stored"))
}

/// Stores what the live revision's document is read as and compiled to by this version.
pub(super) fn store_again(revision: i32, document: &Document, set: &PolicySet) {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(
                "UPDATE celador.policy AS p SET compiled = $2, compiled_by = $3, parsed = $4 \
                 WHERE p.revision OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.int4)",
                &[
                    Some(&revision.to_string()),
                    Some(&compiled(set)),
                    Some(version::LIBRARY),
                    Some(&parsed(document)),
                ],
                false,
            )
        });
    });
}

fn parsed(document: &Document) -> String {
    match document.to_stored() {
        Ok(parsed) => parsed,
        Err(error) => errors::fault(format!("the document can't be stored: {error}")),
    }
}

fn compiled(set: &PolicySet) -> String {
    match serde_json::to_string(set) {
        Ok(compiled) => compiled,
        Err(error) => errors::fault(format!("the policy can't be stored: {error}")),
    }
}

/// The directory as it is must fit the new policy.
pub(super) fn check_directory() {
    let Some(catalog) = catalog::current() else {
        return;
    };
    let Some(policy) = &catalog.policy else {
        return;
    };
    let directory = &policy.directory;
    let ask = |sql: String| {
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| spi::read(&sql, &[], Reads::Latest))
        })
    };
    let refuse = |message: String, hint: &str| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("the policy can't be loaded: {message}"),
            hint,
        )
    };
    let trees = [
        (
            tree::of_groups(directory),
            "groups",
            "Correct the groups above each other.",
        ),
        (
            tree::of_supervisors(directory),
            "supervisors",
            "Correct who supervises whom.",
        ),
    ];
    for (tree, what, hint) in trees {
        let Some(tree) = tree else { continue };
        if tree::has_circle(&tree::as_edges(ask(tree.edges()))) {
            refuse(
                format!("the {what} of {} form a circle", tree.table()),
                hint,
            );
        }
    }
    if let Some(statement) = sql::login_twice(directory)
        && let Some(login) = ask(statement)
            .first()
            .and_then(|row| row.first().cloned().flatten())
    {
        refuse(
            format!("login \"{login}\" belongs to several users"),
            "Make the login unique.",
        );
    }
}

/// Bounds the wait for locks while Celador changes tables.
pub(crate) struct LockTimeout {
    level: i32,
}

impl LockTimeout {
    pub(crate) fn set() -> Self {
        RUNNING.set(true);
        // SAFETY: a nested level of settings, ended when dropped or by the transaction.
        unsafe {
            let level = pg_sys::NewGUCNestLevel();
            if pg_sys::LockTimeout == 0 {
                let value = spi::c_string(LOCK_TIMEOUT);
                pg_sys::set_config_option(
                    c"lock_timeout".as_ptr(),
                    value.as_ptr(),
                    pg_sys::GucContext::PGC_USERSET,
                    pg_sys::GucSource::PGC_S_SESSION,
                    pg_sys::GucAction::GUC_ACTION_SAVE,
                    true,
                    0,
                    false,
                );
            }
            Self { level }
        }
    }
}

impl Drop for LockTimeout {
    fn drop(&mut self) {
        RUNNING.set(false);
        // SAFETY: ends the level that `set` began; while an error unwinds, the transaction does.
        unsafe {
            if !std::thread::panicking() {
                pg_sys::AtEOXact_GUC(true, self.level);
            }
        }
    }
}
