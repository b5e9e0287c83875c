//! Rules about indexes, keys and sequences.

use crate::lint::Look::Installation;
use crate::lint::{Rule, Severity};

/// Columns of which one of these asks that no index begins with. Small tables need none.
macro_rules! unindexed {
    ($what:literal) => {
        concat!(
            "SELECT p.name, format('%s column %I has no index', r.what, r.column) FROM fact
CROSS JOIN jsonb_to_recordset(f->'reached_by') AS r(schema text, name text, \"column\" text, what text)
JOIN placed AS p ON p.name = format('%I.%I', r.schema, r.name)
JOIN pg_attribute AS a ON a.attrelid = p.relation AND a.attname = r.column
JOIN pg_class AS c ON c.oid = p.relation
WHERE r.what IN (",
            $what,
            ") AND r.schema <> 'celador' AND NOT c.reltuples BETWEEN 0 AND 1000
  AND NOT EXISTS (SELECT FROM pg_index AS i
    WHERE i.indrelid = p.relation AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)
GROUP BY p.name, r.what, r.column"
        )
    };
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL181",
        severity: Severity::Warning,
        title: "a column by which rows are reached has no index",
        reason: "Owners, groups and creators are asked for in every statement: without an index each reads the whole table.",
        remedy: "CREATE INDEX CONCURRENTLY ON … (…).",
        look: Installation(unindexed!("'owner', 'group', 'creator'")),
    },
    Rule {
        code: "CEL182",
        severity: Severity::Warning,
        title: "a column by which records hang together has no index",
        reason: "Reach through a parent, a related record or a link table looks rows up by it, once for each row.",
        remedy: "CREATE INDEX CONCURRENTLY ON … (…).",
        look: Installation(unindexed!("'parent', 'link', 'key'")),
    },
    Rule {
        code: "CEL183",
        severity: Severity::Info,
        title: "a unique constraint tells of hidden rows",
        reason: "PostgreSQL checks it over all rows: whoever writes a value learns whether a hidden record has it.",
        remedy: "Put the owner or group into the key, or accept it: hidden values can be tried, not listed.",
        look: Installation(
            "SELECT p.name, format('unique index %s', i.indexrelid::regclass) FROM protected AS p
             JOIN pg_index AS i ON i.indrelid = p.oid
             JOIN pg_class AS c ON c.oid = p.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE (i.indisunique OR i.indisexclusion) AND NOT i.indisprimary AND NOT p.own
               AND NOT EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = i.indexrelid)
               AND NOT (i.indnkeyatts = 1 AND EXISTS (
                 SELECT FROM fact, jsonb_to_recordset(f->'reached_by') AS r(schema text, name text, \"column\" text, what text)
                 JOIN pg_attribute AS a ON a.attrelid = p.oid AND a.attname = r.column
                 WHERE r.what = 'key' AND r.schema = n.nspname AND r.name = c.relname AND a.attnum = i.indkey[0]))",
        ),
    },
    Rule {
        code: "CEL184",
        severity: Severity::Warning,
        title: "deleting a record deletes records of another module",
        reason: "ON DELETE CASCADE takes rows that the person can't see, whatever the matrix says of that module.",
        remedy: "Use NO ACTION, or grant `delete` only to those who may lose the other records too.",
        look: Installation(
            "SELECT t.name, format('its rows take with them those of %s', string_agg(DISTINCT s.name, ', ' ORDER BY s.name))
             FROM pg_constraint AS k JOIN placed AS t ON t.relation = k.confrelid JOIN placed AS s ON s.relation = k.conrelid
             WHERE k.contype = 'f' AND k.conparentid = 0 AND s.module <> t.module AND k.confdeltype = 'c'
               AND NOT EXISTS (SELECT FROM placed AS x WHERE x.relation = s.relation AND x.module = t.module) GROUP BY t.name",
        ),
    },
    Rule {
        code: "CEL187",
        severity: Severity::Info,
        title: "deleting a record, or changing its key, changes records of another module",
        reason: "SET NULL, SET DEFAULT and ON UPDATE CASCADE write rows that the person can't see; an owner that is set to NULL makes a record unassigned.",
        remedy: "Use NO ACTION, or deactivate records instead of deleting them.",
        look: Installation(
            "SELECT t.name, format('changes %s', string_agg(DISTINCT s.name, ', ' ORDER BY s.name))
             FROM pg_constraint AS k JOIN placed AS t ON t.relation = k.confrelid JOIN placed AS s ON s.relation = k.conrelid
             WHERE k.contype = 'f' AND k.conparentid = 0 AND s.module <> t.module
               AND NOT EXISTS (SELECT FROM placed AS x WHERE x.relation = s.relation AND x.module = t.module)
               AND (k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('c', 'n', 'd')) GROUP BY t.name",
        ),
    },
    Rule {
        code: "CEL185",
        severity: Severity::Info,
        title: "a sequence of a protected table can be read or set by a login",
        reason: "Its value tells how many records there are, and UPDATE lets the login set it back. USAGE is enough to add rows.",
        remedy: "REVOKE SELECT, UPDATE ON SEQUENCE … FROM that role.",
        look: Installation(
            "SELECT s.oid::regclass::text, format('%s may %s', l.name, CASE WHEN has_sequence_privilege(l.oid, s.oid, 'UPDATE')
               THEN 'set it' ELSE 'read it' END)
             FROM pg_class AS s JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid
               AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
             JOIN protected AS p ON p.oid = d.refobjid CROSS JOIN login AS l
             WHERE s.relkind = 'S' AND has_sequence_privilege(l.oid, s.oid, 'SELECT, UPDATE')
               AND NOT pg_has_role(l.oid, s.relowner, 'MEMBER')",
        ),
    },
    Rule {
        code: "CEL186",
        severity: Severity::Info,
        title: "a table that isn't protected refers to a protected one",
        reason: "A foreign key is checked over all rows: whoever writes the table learns whether a hidden key exists.",
        remedy: "Place the table as a child of that module.",
        look: Installation(
            "SELECT DISTINCT s.name, format('%I refers to %s', k.conname, t.name) FROM pg_constraint AS k
             JOIN protected AS t ON t.oid = k.confrelid JOIN placed AS s ON s.relation = k.conrelid
             WHERE k.contype = 'f' AND k.conparentid = 0 AND s.place = 'open'",
        ),
    },
    Rule {
        code: "CEL188",
        severity: Severity::Warning,
        title: "a column came after the policy",
        reason: "In a module that masks fields a new column may hold anything: it shows NULL to all but superusers and maintenance.",
        remedy: "Load the policy again, with the column among the fields if not everybody may see it.",
        look: Installation(
            "SELECT p.name, format('column %I', a.attname) FROM fact
             CROSS JOIN jsonb_to_recordset(f->'known') AS k(schema text, name text, columns jsonb)
             JOIN placed AS p ON p.name = format('%I.%I', k.schema, k.name)
             JOIN pg_attribute AS a ON a.attrelid = p.relation AND a.attnum > 0 AND NOT a.attisdropped
             WHERE NOT k.columns ? a.attname::text",
        ),
    },
];
