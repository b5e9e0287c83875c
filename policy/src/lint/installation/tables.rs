//! Rules about protected tables: what must be on them, and what may not.

use crate::lint::Look::Installation;
use crate::lint::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL161",
        severity: Severity::Warning,
        title: "a table isn't placed",
        reason: "It came after the policy was loaded and is closed: its application gets no rows.",
        remedy: "Place it in the policy, and load that.",
        look: Installation(
            "SELECT c.oid::regclass::text, 'the policy does not place it' FROM fact, pg_class AS c
             JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname::text IN (SELECT jsonb_array_elements_text(f->'schemas'))
               AND c.oid NOT IN (SELECT p.relation FROM placed AS p WHERE p.relation IS NOT NULL)
               AND NOT EXISTS (SELECT FROM pg_depend AS d
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
               AND NOT EXISTS (
                 WITH RECURSIVE above(oid) AS (
                   SELECT h.inhparent FROM pg_inherits AS h WHERE h.inhrelid = c.oid
                   UNION SELECT h.inhparent FROM above JOIN pg_inherits AS h ON h.inhrelid = above.oid)
                 SELECT FROM above JOIN placed AS p ON p.relation = above.oid)",
        ),
    },
    Rule {
        code: "CEL162",
        severity: Severity::Error,
        title: "row security isn't on, or isn't forced",
        reason: "Without it PostgreSQL applies no policy; unforced, none to the owner.",
        remedy: "Load the policy again as a maintenance role or superuser.",
        look: Installation(
            "SELECT p.name, CASE WHEN NOT c.relrowsecurity THEN 'row security is off' ELSE 'row security is not forced' END
             FROM protected AS p JOIN pg_class AS c ON c.oid = p.oid JOIN celador.protected AS x ON x.relation::oid = p.oid
             WHERE x.expressions <> '{}' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
        ),
    },
    Rule {
        code: "CEL163",
        severity: Severity::Error,
        title: "one of Celador's policies is gone or changed",
        reason: "Each narrows one command; without it that command isn't narrowed.",
        remedy: "Load the policy again as a maintenance role or superuser.",
        look: Installation(
            "SELECT p.name, format('policy %I', m.name) FROM protected AS p
             JOIN celador.protected AS x ON x.relation::oid = p.oid CROSS JOIN jsonb_each_text(x.expressions) AS m(name, expression)
             WHERE NOT EXISTS (SELECT FROM pg_policy AS y WHERE y.polrelid = p.oid AND y.polname::text = m.name
               AND concat(y.polpermissive, y.polcmd, y.polroles, pg_get_expr(y.polqual, p.oid), '/',
                 pg_get_expr(y.polwithcheck, p.oid)) = m.expression)",
        ),
    },
    Rule {
        code: "CEL164",
        severity: Severity::Error,
        title: "one of Celador's triggers is gone or doesn't always fire",
        reason: "The guard decides what may be written; the directory's triggers tell sessions of changes.",
        remedy: "Load the policy again as a maintenance role or superuser.",
        look: Installation(
            "SELECT p.name, format('trigger %I', m.name) FROM protected AS p
             JOIN celador.protected AS x ON x.relation::oid = p.oid CROSS JOIN unnest(string_to_array(x.triggers, ',')) AS m(name)
             WHERE NOT EXISTS (SELECT FROM pg_trigger AS t
               WHERE t.tgrelid = p.oid AND t.tgname::text = m.name AND t.tgenabled = 'A')",
        ),
    },
    Rule {
        code: "CEL165",
        severity: Severity::Info,
        title: "a protected table has policies of its own",
        reason: "They narrow what Celador grants: a row must satisfy both. Where people see less than the matrix says, look here.",
        remedy: "Drop the policy if the matrix says the same.",
        look: Installation(
            "SELECT p.name, format('policy %I is %s', y.polname, CASE WHEN y.polpermissive THEN 'permissive' ELSE 'restrictive' END)
             FROM protected AS p JOIN pg_policy AS y ON y.polrelid = p.oid
             WHERE y.polname::text !~ '^celador_'",
        ),
    },
    Rule {
        code: "CEL166",
        severity: Severity::Error,
        title: "a partition or child of a protected table isn't protected, or its parent isn't",
        reason: "Named directly, a partition is read by its own policies; read through a parent, a child by the parent's.",
        remedy: "Load the policy again, so that every table of the family is placed.",
        look: Installation(
            "SELECT h.inhrelid::regclass::text, format('inherits from %s, which is protected', p.name)
             FROM protected AS p JOIN pg_inherits AS h ON h.inhparent = p.oid
             WHERE h.inhrelid NOT IN (SELECT x.oid FROM protected AS x)
             UNION ALL
             SELECT p.name, format('inherits from %s, which is not protected', h.inhparent::regclass)
             FROM protected AS p JOIN pg_inherits AS h ON h.inhrelid = p.oid
             WHERE h.inhparent NOT IN (SELECT x.oid FROM protected AS x)",
        ),
    },
    Rule {
        code: "CEL167",
        severity: Severity::Error,
        title: "a rule rewrites statements on a protected table",
        reason: "A rule runs with its owner's rights, and can lead a write elsewhere.",
        remedy: "Replace it by a trigger.",
        look: Installation(
            "SELECT p.name, format('rule %I', w.rulename) FROM protected AS p JOIN pg_rewrite AS w ON w.ev_class = p.oid",
        ),
    },
    Rule {
        code: "CEL168",
        severity: Severity::Error,
        title: "a table or column of the policy is gone",
        reason: "Statements that ask for it are errors.",
        remedy: "Load a policy without it, or make it again.",
        look: Installation(
            "SELECT p.name, 'the table is gone' FROM placed AS p WHERE p.relation IS NULL
             UNION
             SELECT p.name, format('column %I is gone', r.column) FROM fact
             CROSS JOIN jsonb_to_recordset(f->'reached_by') AS r(schema text, name text, \"column\" text)
             JOIN placed AS p ON p.name = format('%I.%I', r.schema, r.name) AND p.relation IS NOT NULL
             WHERE NOT EXISTS (SELECT FROM pg_attribute AS a
               WHERE a.attrelid = p.relation AND a.attname = r.column AND NOT a.attisdropped)",
        ),
    },
    Rule {
        code: "CEL169",
        severity: Severity::Warning,
        title: "a foreign table can't be protected",
        reason: "PostgreSQL has no row security on foreign tables.",
        remedy: "Revoke it from people, or copy what they need into a table that is placed.",
        look: Installation(
            "SELECT c.oid::regclass::text, 'is a foreign table that logins may read' FROM fact, pg_class AS c
             JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.relkind = 'f' AND n.nspname::text IN (SELECT jsonb_array_elements_text(f->'schemas'))
               AND EXISTS (SELECT FROM login AS l WHERE has_any_column_privilege(l.oid, c.oid, 'SELECT'))",
        ),
    },
    Rule {
        code: "CEL170",
        severity: Severity::Info,
        title: "a table elsewhere refers to a protected one",
        reason: "It lies in a schema that the policy doesn't list, so nothing protects it, and what it holds hangs on protected records.",
        remedy: "List its schema in `mapping.schemas`, and place it.",
        look: Installation(
            "SELECT c.oid::regclass::text, format('refers to %s', p.name) FROM protected AS p
             JOIN pg_constraint AS k ON k.contype = 'f' AND k.confrelid = p.oid JOIN pg_class AS c ON c.oid = k.conrelid
             WHERE k.conparentid = 0 AND NOT p.own AND c.oid NOT IN (SELECT x.oid FROM protected AS x)
               AND c.oid NOT IN (SELECT y.relation FROM placed AS y WHERE y.relation IS NOT NULL)",
        ),
    },
    Rule {
        code: "CEL171",
        severity: Severity::Warning,
        title: "a table is paused",
        reason: "It is closed for a migration: its application gets errors.",
        remedy: "SELECT celador.resume(…) once the migration is done.",
        look: Installation(
            "SELECT z.relation::text, format('since %s, by %s%s', z.paused_at, z.paused_by, ': ' || z.reason)
             FROM celador.paused() AS z",
        ),
    },
    Rule {
        code: "CEL172",
        severity: Severity::Warning,
        title: "a module is observed",
        reason: "Nothing is enforced on its tables: what the policy would refuse is only counted.",
        remedy: "Look at celador.observed(), then take `mode = \"observe\"` out of the mapping.",
        look: Installation(
            "SELECT DISTINCT c.oid::regclass::text, 'is observed, and open to whoever has a grant on it'
             FROM celador.protected AS x JOIN pg_class AS c ON c.oid = x.relation::oid WHERE x.observed",
        ),
    },
    Rule {
        code: "CEL173",
        severity: Severity::Error,
        title: "a superuser has unprotected a table",
        reason: "Nothing is enforced on it until the next load.",
        remedy: "Load the policy again.",
        look: Installation(
            "SELECT c.oid::regclass::text, format('since %s, by %s', o.left_out_at, o.left_out_by)
             FROM celador.left_out AS o JOIN pg_class AS c ON c.oid = o.relation::oid",
        ),
    },
];
