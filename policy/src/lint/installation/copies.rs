//! Rules about what carries protected rows elsewhere: views, functions, triggers, replication.

use crate::lint::Look::Installation;
use crate::lint::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL191",
        severity: Severity::Warning,
        title: "a view over a protected table isn't security_invoker",
        reason: "It reads with its owner's rights: where the owner is exempt Celador refuses it, and otherwise the owner's grants decide, not the reader's.",
        remedy: "ALTER VIEW … SET (security_invoker = true), or SELECT celador.register_view(…) if it may show every row.",
        look: Installation(
            "SELECT v.oid::regclass::text, format('of %s reads %s', v.relowner::regrole, string_agg(DISTINCT p.name, ', ' ORDER BY p.name))
             FROM pg_class AS v JOIN pg_rewrite AS w ON w.ev_class = v.oid
             JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
             JOIN protected AS p ON p.oid = d.refobjid
             WHERE v.relkind = 'v' AND NOT EXISTS (SELECT FROM pg_options_to_table(v.reloptions) AS o
                 WHERE o.option_name = 'security_invoker' AND o.option_value IN ('true', 'on', '1', 'yes'))
               AND v.oid NOT IN (SELECT r.view::oid FROM celador.registered_views AS r)
             GROUP BY v.oid, v.relowner",
        ),
    },
    Rule {
        code: "CEL192",
        severity: Severity::Warning,
        title: "a view is registered to show protected rows",
        reason: "Whoever may read it sees what it holds, whatever the matrix says.",
        remedy: "Grant it narrowly, or SELECT celador.unregister_view(…).",
        look: Installation(
            "SELECT r.view::regclass::text, format('was registered by %s on %s', r.registered_by, r.registered_at::date)
             FROM celador.registered_views AS r JOIN pg_class AS c ON c.oid = r.view::oid",
        ),
    },
    Rule {
        code: "CEL193",
        severity: Severity::Warning,
        title: "a materialized view holds protected rows",
        reason: "It is a copy that row security can't narrow: Celador closes it to all who don't reach everything.",
        remedy: "Drop it, use a view with security_invoker, or register it if everybody may see it.",
        look: Installation(
            "SELECT v.oid::regclass::text, format('copies %s', string_agg(DISTINCT p.name, ', ' ORDER BY p.name))
             FROM pg_class AS v JOIN pg_rewrite AS w ON w.ev_class = v.oid
             JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
             JOIN protected AS p ON p.oid = d.refobjid
             WHERE v.relkind = 'm' AND v.oid NOT IN (SELECT r.view::oid FROM celador.registered_views AS r) GROUP BY v.oid",
        ),
    },
    Rule {
        code: "CEL194",
        severity: Severity::Warning,
        title: "a SECURITY DEFINER function of an exempt owner names a protected table",
        reason: "It runs with its owner's rights. Celador refuses protected tables in it for all but exempt sessions, so it fails for people; without the library it would show everything.",
        remedy: "ALTER FUNCTION … SECURITY INVOKER, or give it to an owner who isn't exempt.",
        look: Installation(
            "SELECT f.oid::regprocedure::text, format('of %s names %s', f.proowner::regrole, string_agg(DISTINCT p.name, ', ' ORDER BY p.name))
             FROM pg_proc AS f JOIN protected AS p ON NOT p.own JOIN pg_class AS c ON c.oid = p.oid
             WHERE f.prosecdef AND f.pronamespace NOT IN ('pg_catalog'::regnamespace, 'celador'::regnamespace)
               AND (f.proowner IN (SELECT exempt.oid FROM exempt) OR f.proowner = p.owner)
               AND (EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid
                   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.oid)
                 OR strpos(lower(f.prosrc), lower(c.relname::text)) > 0
                   AND lower(f.prosrc) ~ concat('\\m', regexp_replace(lower(c.relname::text), '([^a-z0-9_])', '\\\\\\1', 'g'), '\\M'))
             GROUP BY f.oid, f.proowner",
        ),
    },
    Rule {
        code: "CEL195",
        severity: Severity::Warning,
        title: "a trigger copies protected rows into a table that isn't protected",
        reason: "An audit or history table that people may read shows them the rows that the policy hides.",
        remedy: "Place that table as a child or as closed, or revoke it from people.",
        look: Installation(
            "SELECT p.name, format('trigger %I runs %s, which writes %s', t.tgname, f.oid::regprocedure, o.oid::regclass)
             FROM protected AS p JOIN pg_trigger AS t ON t.tgrelid = p.oid AND NOT t.tgisinternal
             JOIN pg_proc AS f ON f.oid = t.tgfoid AND f.pronamespace <> 'celador'::regnamespace
             JOIN pg_class AS o ON o.relkind IN ('r', 'p') AND o.relpersistence <> 't' AND o.oid NOT IN (SELECT x.oid FROM protected AS x)
               AND o.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
             WHERE strpos(lower(f.prosrc), 'insert') > 0 AND strpos(lower(f.prosrc), lower(o.relname::text)) > 0
               AND regexp_replace(lower(f.prosrc), '[\\s\"]+', ' ', 'g')
                 ~ concat('insert into ([a-z0-9_]+\\.)?', regexp_replace(lower(o.relname::text), '([^a-z0-9_])', '\\\\\\1', 'g'), '\\M')
               AND EXISTS (SELECT FROM login AS l WHERE has_any_column_privilege(l.oid, o.oid, 'SELECT'))",
        ),
    },
    Rule {
        code: "CEL196",
        severity: Severity::Warning,
        title: "a trigger on a protected table runs with its owner's rights",
        reason: "A SECURITY DEFINER trigger function sees every row that is written, and may do with it what its owner may.",
        remedy: "ALTER FUNCTION … SECURITY INVOKER, unless it must be so.",
        look: Installation(
            "SELECT p.name, format('trigger %I runs %s as %s', t.tgname, f.oid::regprocedure, f.proowner::regrole)
             FROM protected AS p JOIN pg_trigger AS t ON t.tgrelid = p.oid AND NOT t.tgisinternal
             JOIN pg_proc AS f ON f.oid = t.tgfoid
             WHERE f.prosecdef AND f.pronamespace <> 'celador'::regnamespace",
        ),
    },
    Rule {
        code: "CEL197",
        severity: Severity::Warning,
        title: "a publication carries protected rows",
        reason: "Subscribers get every row as it is stored, and need no policy.",
        remedy: "ALTER PUBLICATION … DROP TABLE …, or protect the subscriber as well.",
        look: Installation(
            "SELECT concat('publication ', u.pubname), format('carries %s', string_agg(p.name, ', ' ORDER BY p.name))
             FROM pg_publication_tables AS u JOIN pg_namespace AS n ON n.nspname = u.schemaname
             JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = u.tablename
             JOIN protected AS p ON p.oid = c.oid GROUP BY u.pubname",
        ),
    },
    Rule {
        code: "CEL198",
        severity: Severity::Warning,
        title: "a subscription may write protected tables",
        reason: "Its worker applies changes past the matrix: the guard asks whether they come from somebody exempt.",
        remedy: "Have an exempt role own it, and nobody else alter it.",
        look: Installation(
            "SELECT concat('subscription ', s.subname), format('of %s', s.subowner::regrole) FROM pg_subscription AS s
             JOIN pg_database AS d ON d.oid = s.subdbid WHERE d.datname = current_database()",
        ),
    },
    Rule {
        code: "CEL199",
        severity: Severity::Info,
        title: "a replica identity writes whole old rows to the log",
        reason: "With REPLICA IDENTITY FULL each change sends the row as it was, to whoever decodes the log.",
        remedy: "ALTER TABLE … REPLICA IDENTITY DEFAULT, where there is a primary key.",
        look: Installation(
            "SELECT p.name, 'has REPLICA IDENTITY FULL' FROM protected AS p JOIN pg_class AS c ON c.oid = p.oid
             WHERE c.relreplident = 'f'",
        ),
    },
    Rule {
        code: "CEL200",
        severity: Severity::Info,
        title: "a replication slot decodes this database",
        reason: "Logical decoding shows every change of every table to whoever reads the slot.",
        remedy: "Drop slots that nobody reads.",
        look: Installation(
            "SELECT concat('slot ', s.slot_name), format('decodes by %s', s.plugin) FROM pg_replication_slots AS s
             WHERE s.slot_type = 'logical' AND s.database = current_database()",
        ),
    },
];
