//! The event trigger: what DDL leaves behind must still be protected.
//!
//! It doesn't read commands, it looks at the tables afterwards: a command that nobody thought of
//! is found out as well.

use celador_policy::policy_set::Placement;
use celador_policy::{PolicySet, TableName};
use pgrx::prelude::*;

use crate::catalog::Catalog;
use crate::hooks::injected;
use crate::hooks::raw_function;
use crate::load::{self, find_unsettled_tables};
use crate::spi::{self, Reads};
use crate::version::Unfit;
use crate::watch::{Counter, Kind, Raising};
use crate::{catalog, errors, foreign_tables, placement, relations};

raw_function!(
    /// `celador.schema_changed()`.
    schema_changed_wrapper,
    pg_finfo_schema_changed_wrapper,
    after_ddl
);

unsafe fn after_ddl(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    if !spi::is_internal() {
        // SAFETY: the tag is checked before the context is taken for EventTriggerData.
        let of_extension = unsafe {
            let context = (*fcinfo).context;
            !context.is_null()
                && (*context).type_ == pg_sys::NodeTag::T_EventTriggerData
                && (*context.cast::<pg_sys::EventTriggerData>()).tag
                    == pg_sys::CommandTag::CMDTAG_ALTER_EXTENSION
        };
        schema_changed(of_extension);
    }
    pg_sys::Datum::from(0)
}

/// What a protected table must look like, and doesn't.
const BROKEN: &str = "\
SELECT x.relation::pg_catalog.text, CASE
    WHEN NOT c.relrowsecurity THEN 'row security would be off'
    WHEN NOT c.relforcerowsecurity THEN 'row security would not be forced'
    WHEN later.name IS NOT NULL THEN pg_catalog.format('trigger %I would run after Celador''s guard', later.name)
    WHEN weak.name IS NOT NULL THEN pg_catalog.format('trigger %I would not always be enabled', weak.name)
    WHEN rule.name IS NOT NULL THEN pg_catalog.format('rule %I would rewrite statements on it', rule.name)
    WHEN above.name IS NOT NULL THEN pg_catalog.format('its rows would be read through %s, which is not', above.name)
    ELSE pg_catalog.format('policy %I would be gone or changed', gone.name)
  END
FROM celador.protected AS x
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) x.relation::pg_catalog.oid AND NOT x.observed
LEFT JOIN LATERAL (
  SELECT t.tgname AS name FROM pg_catalog.pg_trigger AS t
  WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid AND NOT t.tgisinternal
    AND (t.tgtype::pg_catalog.int4 OPERATOR(pg_catalog.&) 3) OPERATOR(pg_catalog.=) 3
    AND t.tgname OPERATOR(pg_catalog.>) '~celador_guard'::pg_catalog.name
    AND t.tgname::pg_catalog.text OPERATOR(pg_catalog.<>) ALL (pg_catalog.string_to_array(x.triggers, ','))
    AND EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid OPERATOR(pg_catalog.=) c.oid
      AND g.tgname OPERATOR(pg_catalog.=) '~celador_guard'::pg_catalog.name)
  LIMIT 1) AS later ON true
LEFT JOIN LATERAL (
  SELECT m.name FROM pg_catalog.unnest(pg_catalog.string_to_array(x.triggers, ',')) AS m(name)
  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid
    AND t.tgname::pg_catalog.text OPERATOR(pg_catalog.=) m.name
    AND t.tgenabled OPERATOR(pg_catalog.=) 'A'::pg_catalog.\"char\")
  LIMIT 1) AS weak ON true
LEFT JOIN LATERAL (
  SELECT r.rulename AS name FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid LIMIT 1
) AS rule ON true
LEFT JOIN LATERAL (
  SELECT h.inhparent::pg_catalog.regclass::pg_catalog.text AS name FROM pg_catalog.pg_inherits AS h
  WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid AND NOT EXISTS (SELECT FROM celador.protected AS p
    WHERE p.relation::pg_catalog.oid OPERATOR(pg_catalog.=) h.inhparent)
    AND x.expressions OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb
  LIMIT 1) AS above ON true
LEFT JOIN LATERAL (
  SELECT m.name FROM pg_catalog.jsonb_each_text(x.expressions) AS m(name, expression)
  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid OPERATOR(pg_catalog.=) c.oid
    AND p.polname::pg_catalog.text OPERATOR(pg_catalog.=) m.name
    AND pg_catalog.concat(p.polpermissive, p.polcmd, p.polroles, pg_catalog.pg_get_expr(p.polqual, c.oid), '/',
      pg_catalog.pg_get_expr(p.polwithcheck, c.oid)) OPERATOR(pg_catalog.=) m.expression)
  LIMIT 1) AS gone ON true
WHERE NOT c.relrowsecurity AND x.expressions OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb
  OR NOT c.relforcerowsecurity AND x.expressions OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb
  OR later.name IS NOT NULL OR weak.name IS NOT NULL OR rule.name IS NOT NULL OR above.name IS NOT NULL
  OR gone.name IS NOT NULL
LIMIT 1";

/// Triggers that the command has made, which would run in the sessions of others: made by somebody
/// who doesn't own the table or the view, or with a function that neither a superuser nor the owner
/// wrote. `$1`: who runs the command; `$2`: the policy's schemas, a JSON array.
const STRANGE_TRIGGERS: &str = "\
SELECT t.tgrelid::pg_catalog.regclass::pg_catalog.text, CASE
    WHEN mine.may THEN pg_catalog.format('trigger %I would run what %I wrote', t.tgname, p.proowner::pg_catalog.regrole)
    ELSE pg_catalog.format('trigger %I would be of %I, whom it doesn''t belong to', t.tgname,
      CAST($1 AS pg_catalog.oid)::pg_catalog.regrole)
  END
FROM pg_catalog.pg_event_trigger_ddl_commands() AS d
JOIN pg_catalog.pg_trigger AS t ON t.oid OPERATOR(pg_catalog.=) d.objid
  AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass
JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid
JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) p.proowner
CROSS JOIN LATERAL pg_catalog.pg_has_role(CAST($1 AS pg_catalog.oid), c.relowner, 'USAGE') AS mine(may)
LEFT JOIN celador.protected AS x ON x.relation::pg_catalog.oid OPERATOR(pg_catalog.=) t.tgrelid
WHERE (x.relation IS NOT NULL OR CAST($2 AS pg_catalog.jsonb) OPERATOR(pg_catalog.?) n.nspname::pg_catalog.text)
  AND (NOT mine.may OR x.relation IS NOT NULL AND p.proowner OPERATOR(pg_catalog.<>) c.relowner AND NOT r.rolsuper)
LIMIT 1";

/// Foreign keys of tables that the command has made or changed, to protected tables of somebody
/// else: their actions run the referring table's triggers and expressions in the sessions of
/// others. `$1`: who runs the command.
const STRANGE_REFERENCES: &str = "\
SELECT high.oid::pg_catalog.regclass::pg_catalog.text,
  pg_catalog.format('%s, which isn''t its owner''s, would refer to it', low.oid::pg_catalog.regclass),
  n.nspname, low.relname
FROM pg_catalog.pg_event_trigger_ddl_commands() AS d
JOIN pg_catalog.pg_constraint AS k ON k.conrelid OPERATOR(pg_catalog.=) d.objid
  AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
  AND k.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\"
JOIN celador.protected AS x ON x.relation::pg_catalog.oid OPERATOR(pg_catalog.=) k.confrelid
JOIN pg_catalog.pg_class AS low ON low.oid OPERATOR(pg_catalog.=) k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) low.relnamespace
JOIN pg_catalog.pg_class AS high ON high.oid OPERATOR(pg_catalog.=) k.confrelid
WHERE low.relowner OPERATOR(pg_catalog.<>) high.relowner
  AND NOT pg_catalog.pg_has_role(CAST($1 AS pg_catalog.oid), high.relowner, 'USAGE')";

/// Whether the command has made or changed temporary objects alone, none of them below another table: they
/// are this session's, and nothing of the policy. Of a DROP it isn't told.
const TEMPORARY_ALONE: &str = "\
SELECT pg_catalog.bool_and((
  d.schema_name OPERATOR(pg_catalog.=) 'pg_temp' AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS h
    WHERE h.inhrelid OPERATOR(pg_catalog.=) d.objid)) IS TRUE) IS TRUE
FROM pg_catalog.pg_event_trigger_ddl_commands() AS d";

fn is_temporary_alone() -> bool {
    let told = ask(TEMPORARY_ALONE, &[]);
    told.first().and_then(|row| row.first()) == Some(&Some("t".to_owned()))
}

fn ask(sql: &str, values: &[&str]) -> Vec<Vec<Option<String>>> {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(sql, values, Reads::Latest))
    })
}

/// Ends the statement if a protected table isn't as it must be.
pub(crate) fn verify() {
    refuse(ask(BROKEN, &[]));
}

/// Ends the command if a table of the policy would belong to somebody who logs in: whoever may drop
/// tables of the schema could put one of his own in the place of the directory. A guarded owner defines
/// nothing.
fn owned(catalog: &Catalog, policy: &PolicySet) {
    for (table, placement) in &policy.tables {
        if *placement == Placement::Closed {
            continue;
        }
        let owner = relations::relation(&table.schema, &table.name).and_then(relations::owner);
        if let Some(owner) =
            owner.filter(|owner| load::is_login(*owner) && !catalog.guarded.contains(owner))
        {
            errors::denied(
                format!(
                    "{table} is a table of the policy, and would belong to \"{}\", who can log in",
                    relations::role_name(owner)
                ),
                "Give it to the role that owns the other tables.",
            );
        }
    }
}

/// Ends the command if it makes others run what isn't theirs.
fn strange(policy: &PolicySet) {
    // SAFETY: reads the current user.
    let who = unsafe { pg_sys::GetUserId() }.to_u32().to_string();
    let schemas = serde_json::Value::from_iter(policy.schemas.iter().map(String::as_str));
    refuse(ask(STRANGE_TRIGGERS, &[&who, &schemas.to_string()]));
    let mut references = ask(STRANGE_REFERENCES, &[&who]);
    // A table of the policy's own may belong to another owner.
    references.retain(|row| {
        let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        !matches!(
            policy.tables.get(&TableName::new(text(2), text(3))),
            Some(placement) if *placement != Placement::Closed
        )
    });
    refuse(references);
}

fn refuse(broken: Vec<Vec<Option<String>>>) {
    if let Some(row) = broken.into_iter().next() {
        let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        errors::denied_by(
            Kind::Schema,
            Some(pg_sys::InvalidOid),
            format!("{} is protected: {}", text(0), text(1)),
            "Have a maintenance role make the change, and load the policy again.",
        );
    }
}

/// A dump is being restored, several commands at once: the policy is there already, what tells of the
/// tables that it protects isn't yet. What stands on them comes from the dump.
fn is_being_restored(catalog: &Catalog, policy: &PolicySet) -> bool {
    catalog.protected.is_empty()
        && catalog.observed.is_empty()
        && policy.tables.iter().any(|(table, placement)| {
            !matches!(placement, Placement::Open)
                && table.schema != "celador"
                && relations::relation(&table.schema, &table.name).is_some()
        })
}

fn schema_changed(of_extension: bool) {
    let _raising = Raising::counts_as(Counter::ErrorsEvent);
    injected::panic_if_asked("event");
    let Some(mut catalog) = catalog::current() else {
        return;
    };
    let unread = matches!(catalog.unfit, Some(Unfit::Policy(_) | Unfit::Unreadable(_)));
    if of_extension && catalog.sees_all() && unread {
        load::compile_again();
        let Some(renewed) = catalog::current() else {
            return;
        };
        catalog = renewed;
    }
    if let Some(unfit) = &catalog.unfit {
        // Nothing can be told of what the command leaves behind. Whoever is exempt makes it fit:
        // then the tables are looked at.
        if !catalog.sees_all() {
            unfit.refuse();
        }
        return;
    }
    let Some(policy) = &catalog.policy else {
        return;
    };
    if !catalog.sees_all() {
        verify();
        strange(policy);
        owned(&catalog, policy);
    }
    if catalog.sees_all() && is_being_restored(&catalog, policy) {
        return;
    }
    // It tells every session of a new policy, as what the policy reads may be another.
    if !is_temporary_alone() {
        load::forget_dropped();
    }
    let tables = find_unsettled_tables();
    if tables.iter().any(|(table, (relation, found))| {
        table.schema == "celador" && found.is_bare() && catalog.protected.contains(relation)
    }) {
        load::restore_own(policy);
    }
    load::yield_to_foreign(&tables);
    let above = placement::above_unprotected();
    let watched = load::Watched::by(policy);
    for (table, (relation, found)) in &tables {
        if found.signature.is_some() || found.left_out || table.schema == "celador" {
            continue;
        }
        let inherited = above
            .get(relation)
            .and_then(|above| placement::inherited(policy, above));
        // A table that took another's name is placed where that one was.
        let placement = inherited.or_else(|| policy.tables.get(table).cloned());
        let listed = policy.schemas.contains(&table.schema);
        let placement = placement.or(listed.then_some(Placement::Closed));
        if found.is_foreign {
            if placement.is_some_and(|placement| placement != Placement::Open) {
                foreign_tables::refuse_brought(*relation);
            }
        } else if let Some(placement) = placement {
            load::protect_new(policy, &watched, table, *relation, found, placement);
        }
    }
}
