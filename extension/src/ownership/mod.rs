//! Ownership: a serving role never owns what it serves.

mod acl;
mod adopt;
mod default_rights;
mod inventory;
mod release;
mod roles;
mod steps;

use pgrx::prelude::*;
use serde_json::Value;

use crate::load::LockTimeout;
use crate::{changes, errors, spi};
use adopt::Found;
use roles::Roles;
pub(crate) use roles::only_superusers;
use steps::Rows;
pub(crate) use steps::{Step, rows, run};

/// `celador.adopt(schemas, owner, app, create_owner)`: how many objects have changed hands.
#[pg_extern]
fn adopt(schemas: Vec<String>, owner: &str, app: &str, create_owner: bool) -> i64 {
    let _timeout = LockTimeout::set();
    one_at_a_time();
    let roles = Roles::find(owner, app, create_owner);
    known_schemas(&schemas, &roles);
    let adopted_before = adopted_schemas();
    let adoption = adopt::plan(&schemas, &roles);
    run("adopt", &adoption.steps);
    let roles = Roles::find(owner, app, false);
    for found in &adoption.found {
        // What the owner has made since the first time wasn't found.
        let since = found.owner == roles.owner && adopted_before.contains(&found.schema);
        if !since || found.kind == default_rights::KIND {
            remember(found, &roles);
        }
    }
    let for_whom = format!("from {app} to {owner}");
    for schema in &schemas {
        changes::note("adopt", schema, Some(&for_whom));
    }
    let moved = adoption
        .found
        .iter()
        .filter(|found| found.owner != roles.owner);
    i64::try_from(moved.count()).unwrap_or(i64::MAX)
}

/// `celador.plan_adopt(schemas, owner, app, create_owner)`: the steps, none of them done.
#[pg_extern]
fn plan_adopt(schemas: Vec<String>, owner: &str, app: &str, create_owner: bool) -> Rows {
    let roles = Roles::find(owner, app, create_owner);
    known_schemas(&schemas, &roles);
    rows(adopt::plan(&schemas, &roles).steps)
}

/// `celador.release(schema)`: puts owners and rights back as `adopt` found them.
#[pg_extern]
fn release(schema: &str) -> i64 {
    let _timeout = LockTimeout::set();
    one_at_a_time();
    let steps = releasing(schema);
    stays_served(schema);
    run("release", &steps);
    forget(schema);
    changes::note("release", schema, None);
    i64::try_from(steps.iter().filter(|step| step.ddl.is_some()).count()).unwrap_or(i64::MAX)
}

/// `celador.plan_release(schema)`: the steps, none of them done.
#[pg_extern]
fn plan_release(schema: &str) -> Rows {
    rows(releasing(schema))
}

/// Everything that is adopted, released; for leaving.
pub(crate) fn release_all() {
    for schema in adopted_schemas() {
        run("release", &releasing(&schema));
        forget(&schema);
    }
}

/// What [`release_all`] would do.
pub(crate) fn plan_release_all() -> Vec<Step> {
    let schemas = adopted_schemas();
    schemas
        .iter()
        .flat_map(|schema| releasing(schema))
        .collect()
}

fn adopted_schemas() -> Vec<String> {
    let rows = inventory::ask(
        "SELECT DISTINCT a.schema::pg_catalog.text FROM celador.adopted AS a ORDER BY 1",
        &[],
    );
    rows.into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect()
}

fn releasing(schema: &str) -> Vec<Step> {
    let rows = inventory::ask(
        "SELECT a.owner::pg_catalog.oid, a.app::pg_catalog.oid FROM celador.adopted AS a \
         WHERE a.schema::pg_catalog.text OPERATOR(pg_catalog.=) $1 LIMIT 1",
        &[schema],
    );
    // SAFETY: cache look-ups.
    let may = rows.into_iter().flatten().flatten().all(|oid| {
        let role = pg_sys::Oid::from(oid.parse::<u32>().unwrap_or_default());
        unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), role) }
    });
    if !may {
        errors::denied(
            format!("you are no member of the roles between which schema \"{schema}\" has moved"),
            "Moving ownership is for superusers, and for members of both roles.",
        );
    }
    release::plan(schema).unwrap_or_else(|| {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("schema \"{schema}\" isn't adopted"),
            "SELECT DISTINCT schema FROM celador.adopted lists those that are.",
        )
    })
}

/// Protected tables don't go back to a login that could undo their protection.
fn stays_served(schema: &str) {
    let protected = inventory::ask(
        "SELECT x.relation::pg_catalog.text FROM celador.protected AS x \
         JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) x.relation::pg_catalog.oid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) $1 \
         AND EXISTS (SELECT FROM celador.adopted AS a \
           WHERE a.schema OPERATOR(pg_catalog.=) n.nspname AND a.owner::pg_catalog.oid OPERATOR(pg_catalog.=) c.relowner \
           AND NOT EXISTS (SELECT FROM celador.guarded_owners AS g \
             WHERE g.role::pg_catalog.oid OPERATOR(pg_catalog.=) a.app::pg_catalog.oid)) \
         AND NOT EXISTS (SELECT FROM celador.adopted AS own \
           WHERE own.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid \
           AND own.found_owner::pg_catalog.oid OPERATOR(pg_catalog.=) c.relowner) LIMIT 1",
        &[schema],
    );
    if let Some(table) = protected.into_iter().flatten().flatten().next() {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("schema \"{schema}\" can't be released: {table} is protected"),
            "Load a policy that doesn't name it, or leave: SELECT celador.uninstall(). Where the owner is to \
             serve, have it guarded first: SELECT celador.guard_owner(role).",
        );
    }
}

fn one_at_a_time() {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::run("LOCK TABLE celador.adopted IN SHARE ROW EXCLUSIVE MODE"));
    });
}

/// Schemas that are there, aren't the system's, and aren't adopted between other roles.
fn known_schemas(schemas: &[String], roles: &Roles) {
    let refuse = |code, message: String, hint: &str| errors::raise(code, message, hint);
    if schemas.is_empty() {
        refuse(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "there is no schema to adopt".to_owned(),
            "SELECT celador.adopt('public', 'crm_owner', 'crm').",
        );
    }
    for schema in schemas {
        let name = spi::c_string(schema);
        // SAFETY: a cache look-up; missing is no error.
        let missing =
            unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) } == pg_sys::InvalidOid;
        if missing {
            refuse(
                PgSqlErrorCode::ERRCODE_INVALID_SCHEMA_NAME,
                format!("there is no schema \"{schema}\""),
                "Write its name as the catalog has it, without quotes.",
            );
        }
        if schema == "celador" || schema == "information_schema" || schema.starts_with("pg_") {
            refuse(
                PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("schema \"{schema}\" isn't an application's"),
                "Name the schemas of the CRM.",
            );
        }
        let between = inventory::ask(
            "SELECT pg_catalog.format('%s and %s', a.owner, a.app) FROM celador.adopted AS a \
             WHERE a.schema::pg_catalog.text OPERATOR(pg_catalog.=) $1 \
             AND NOT (a.owner::pg_catalog.oid OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid) \
               AND a.app::pg_catalog.oid OPERATOR(pg_catalog.=) CAST($3 AS pg_catalog.oid)) LIMIT 1",
            &[
                schema,
                &roles.owner_oid.to_u32().to_string(),
                &roles.app_oid.to_u32().to_string(),
            ],
        );
        if let Some(between) = between.into_iter().flatten().flatten().next() {
            refuse(
                PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("schema \"{schema}\" is adopted already, between {between}"),
                "Release it first: SELECT celador.release(schema).",
            );
        }
    }
}

fn remember(found: &Found, roles: &Roles) {
    let owner = roles::role(&found.owner).map(|role| role.to_u32().to_string());
    let (columns, granted) = (
        Value::Object(found.columns.clone()).to_string(),
        Value::Object(found.granted.clone()).to_string(),
    );
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(
                "INSERT INTO celador.adopted (schema, kind, identity, relation, owner, app, found_owner, acl, columns, granted) \
                 SELECT CAST($1 AS pg_catalog.name), $2, $3, CAST($4 AS pg_catalog.oid), CAST($5 AS pg_catalog.oid), \
                   CAST($6 AS pg_catalog.oid), CAST($7 AS pg_catalog.oid), $8, CAST($9 AS pg_catalog.jsonb), \
                   CAST($10 AS pg_catalog.jsonb) ON CONFLICT DO NOTHING",
                &[
                    Some(&found.schema),
                    Some(&found.kind),
                    Some(&found.identity),
                    found.relation.as_deref(),
                    Some(&roles.owner_oid.to_u32().to_string()),
                    Some(&roles.app_oid.to_u32().to_string()),
                    owner.as_deref(),
                    found.acl.as_deref(),
                    Some(&columns),
                    Some(&granted),
                ],
                false,
            );
        });
    });
}

fn forget(schema: &str) {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(
                "DELETE FROM celador.adopted AS a WHERE a.schema::pg_catalog.text OPERATOR(pg_catalog.=) $1",
                &[Some(schema)],
                false,
            );
        });
    });
}
