//! What belongs to a role in some schemas: every kind of object, from the catalog of dependencies on
//! roles, with its rights.

use celador_policy::quote;
use pgrx::prelude::*;
use serde_json::Value;

use super::acl::Acl;
use crate::errors;
use crate::spi::{self, Reads};

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) schema: String,
    /// As `pg_identify_object` calls it: `table`, `function`…
    pub(super) kind: String,
    /// Its name as SQL, with its schema and arguments.
    pub(super) identity: String,
    /// Relations only.
    pub(super) relation: Option<String>,
    pub(super) owner: String,
    /// As the catalog holds it; `None`: NULL.
    pub(super) raw_acl: Option<String>,
    /// In effect; `None`: this kind has none.
    pub(super) acl: Option<Acl>,
    /// Columns with rights of their own.
    pub(super) columns: Vec<Column>,
    /// A sequence that goes with its table's column.
    pub(super) goes_along: bool,
    /// An extension's: it goes with that.
    pub(super) is_member: bool,
    /// Why the application should keep it.
    pub(super) stays: Option<String>,
}

/// A column with rights of its own.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) raw_acl: String,
    /// Its items, as JSON.
    pub(super) items: Value,
    pub(super) acl: Acl,
}

const OBJECTS: &str = "\
WITH given AS (
  SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace AS n
  WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (CAST($2 AS pg_catalog.text[]))),
owned AS (
  SELECT d.classid, d.objid, i.type, i.identity, g.nspname
  FROM pg_catalog.pg_shdepend AS d
  CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
  JOIN given AS g ON i.schema OPERATOR(pg_catalog.=) pg_catalog.quote_ident(g.nspname::pg_catalog.text)
    OR d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
      AND d.objid OPERATOR(pg_catalog.=) g.oid
  WHERE d.deptype OPERATOR(pg_catalog.=) 'o'::pg_catalog.\"char\"
    AND d.dbid OPERATOR(pg_catalog.=) (SELECT b.oid FROM pg_catalog.pg_database AS b
      WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
    AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass
    AND d.refobjid OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)
  UNION ALL
  -- No role is recorded for a schema of pg_database_owner: it is the database's owner's.
  SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid, 'schema', pg_catalog.quote_ident(n.nspname::pg_catalog.text), n.nspname
  FROM pg_catalog.pg_namespace AS n JOIN given AS g ON g.oid OPERATOR(pg_catalog.=) n.oid
  JOIN pg_catalog.pg_database AS b ON b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
  WHERE n.nspowner OPERATOR(pg_catalog.=) 'pg_database_owner'::pg_catalog.regrole
    AND b.datdba OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid))
SELECT o.nspname, o.type, o.identity, c.oid, COALESCE(c.relowner, p.proowner, t.typowner, n.nspowner, CAST($1 AS pg_catalog.oid))::pg_catalog.oid,
  COALESCE(c.relacl, p.proacl, t.typacl, n.nspacl)::pg_catalog.text,
  pg_catalog.to_json(CASE
    WHEN c.oid IS NOT NULL THEN COALESCE(c.relacl,
      pg_catalog.acldefault(CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog.\"char\" THEN 's' ELSE 'r' END::pg_catalog.\"char\",
        c.relowner))
    WHEN p.oid IS NOT NULL THEN COALESCE(p.proacl, pg_catalog.acldefault('f'::pg_catalog.\"char\", p.proowner))
    WHEN t.oid IS NOT NULL THEN COALESCE(t.typacl, pg_catalog.acldefault('T'::pg_catalog.\"char\", t.typowner))
    WHEN n.oid IS NOT NULL THEN COALESCE(n.nspacl, pg_catalog.acldefault('n'::pg_catalog.\"char\", n.nspowner))
  END::pg_catalog.text[])::pg_catalog.text,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum::pg_catalog.text, a.attname,
      a.attacl::pg_catalog.text, a.attacl::pg_catalog.text[]) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute AS a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attacl IS NOT NULL
      AND NOT a.attisdropped)::pg_catalog.text,
  c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog.\"char\" AND EXISTS (SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.refobjsubid OPERATOR(pg_catalog.>) 0
      AND d.deptype OPERATOR(pg_catalog.=) ANY (ARRAY['a', 'i']::pg_catalog.\"char\"[])),
  EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid OPERATOR(pg_catalog.=) o.classid
    AND d.objid OPERATOR(pg_catalog.=) o.objid AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog.\"char\"),
  CASE
    WHEN p.prosecdef AND p.prorettype OPERATOR(pg_catalog.<>) 'pg_catalog.trigger'::pg_catalog.regtype
      THEN 'it is SECURITY DEFINER, and would lend the owner''s rights to whoever may call it'
    WHEN c.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog.\"char\" THEN (
      SELECT pg_catalog.format('it reads %s, which the owner may not', pg_catalog.max(s.oid::pg_catalog.regclass::pg_catalog.text))
      FROM pg_catalog.pg_rewrite AS w
      JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.objid OPERATOR(pg_catalog.=) w.oid
        AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
      JOIN pg_catalog.pg_class AS s ON s.oid OPERATOR(pg_catalog.=) d.refobjid AND s.oid OPERATOR(pg_catalog.<>) c.oid
      WHERE w.ev_class OPERATOR(pg_catalog.=) c.oid
        AND NOT (s.relowner OPERATOR(pg_catalog.=) c.relowner
          AND s.relnamespace OPERATOR(pg_catalog.=) ANY (SELECT g.oid FROM given AS g))
        AND NOT pg_catalog.has_table_privilege(CAST($3 AS pg_catalog.oid), s.oid, 'SELECT')
      HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 0)
  END
FROM owned AS o
LEFT JOIN pg_catalog.pg_class AS c ON o.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
  AND c.oid OPERATOR(pg_catalog.=) o.objid
LEFT JOIN pg_catalog.pg_proc AS p ON o.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
  AND p.oid OPERATOR(pg_catalog.=) o.objid
LEFT JOIN pg_catalog.pg_type AS t ON o.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
  AND t.oid OPERATOR(pg_catalog.=) o.objid
LEFT JOIN pg_catalog.pg_namespace AS n ON o.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
  AND n.oid OPERATOR(pg_catalog.=) o.objid
ORDER BY n.oid IS NOT NULL, c.oid IS NULL, o.type OPERATOR(pg_catalog.<>) 'table', o.type COLLATE pg_catalog.\"C\",
  o.identity COLLATE pg_catalog.\"C\"";

/// What belongs to the role in these schemas, tables first, schemas last. `reader`: the role that
/// views will read as; 0: nobody yet.
pub(super) fn of(role: pg_sys::Oid, schemas: &[String], reader: pg_sys::Oid) -> Vec<Object> {
    let schemas = array(schemas);
    ask(
        OBJECTS,
        &[
            &role.to_u32().to_string(),
            &schemas,
            &reader.to_u32().to_string(),
        ],
    )
    .into_iter()
    .map(object)
    .collect()
}

fn object(row: Vec<Option<String>>) -> Object {
    let text = |at: usize| row.get(at).cloned().flatten();
    let owner = text(4).and_then(|oid| oid.parse::<u32>().ok());
    Object {
        schema: text(0).unwrap_or_default(),
        kind: text(1).unwrap_or_default(),
        identity: text(2).unwrap_or_default(),
        relation: text(3),
        owner: owner.map_or_else(String::new, |oid| {
            crate::relations::role_name(pg_sys::Oid::from(oid))
        }),
        raw_acl: text(5),
        acl: text(6).map(|items| acl(&json(&items))),
        columns: text(7).map_or_else(Vec::new, |columns| self::columns(&json(&columns))),
        goes_along: text(8).as_deref() == Some("t"),
        is_member: text(9).as_deref() == Some("t"),
        stays: text(10),
    }
}

fn columns(json: &Value) -> Vec<Column> {
    let columns = json.as_array().into_iter().flatten();
    columns
        .map(|column| {
            let text = |at: usize| column[at].as_str().unwrap_or_default().to_owned();
            Column {
                number: text(0),
                name: text(1),
                raw_acl: text(2),
                items: column[3].clone(),
                acl: acl(&column[3]),
            }
        })
        .collect()
}

/// A list of items that PostgreSQL has just written.
pub(super) fn acl(json: &Value) -> Acl {
    let items: Vec<&str> = json
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    Acl::parse(&items)
        .unwrap_or_else(|| errors::fault(format!("an access list can't be read: {items:?}")))
}

/// Reads what Celador or PostgreSQL has written as JSON.
pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text)
        .unwrap_or_else(|error| errors::fault(format!("JSON can't be read: {error}")))
}

/// Reads with Celador's rights.
pub(super) fn ask(sql: &str, values: &[&str]) -> Vec<Vec<Option<String>>> {
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| spi::read(sql, values, Reads::Latest))
    })
}

/// Texts as PostgreSQL reads an array of them.
pub(super) fn array(texts: &[String]) -> String {
    let items: Vec<String> = texts
        .iter()
        .map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    format!("{{{}}}", items.join(","))
}

impl Object {
    /// The word after ALTER; `None`: Celador doesn't know this kind.
    pub(super) fn alter_word(&self) -> Option<&'static str> {
        Some(match self.kind.as_str() {
            "table" => "TABLE",
            "view" => "VIEW",
            "materialized view" => "MATERIALIZED VIEW",
            "foreign table" => "FOREIGN TABLE",
            "sequence" => "SEQUENCE",
            "function" | "procedure" | "aggregate" => "ROUTINE",
            "type" => "TYPE",
            "schema" => "SCHEMA",
            "collation" => "COLLATION",
            "conversion" => "CONVERSION",
            "operator" => "OPERATOR",
            "operator class" => "OPERATOR CLASS",
            "operator family" => "OPERATOR FAMILY",
            "text search configuration" => "TEXT SEARCH CONFIGURATION",
            "text search dictionary" => "TEXT SEARCH DICTIONARY",
            "statistics object" => "STATISTICS",
            _ => return None,
        })
    }

    /// The word after GRANT … ON; `None`: nothing is granted on this kind.
    pub(super) fn grant_word(&self) -> Option<&'static str> {
        Some(match self.alter_word()? {
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE" => "TABLE",
            "SEQUENCE" => "SEQUENCE",
            "ROUTINE" => "ROUTINE",
            "TYPE" => "TYPE",
            "SCHEMA" => "SCHEMA",
            _ => return None,
        })
    }

    /// What the application keeps of its rights as the owner, by letter. TRUNCATE takes rows that
    /// row security would keep; REFERENCES asks for rows by key; TRIGGER runs one's own code in
    /// others' statements; CREATE puts objects where others' names are looked up.
    pub(super) fn keepable(&self) -> &'static str {
        match self.grant_word() {
            Some("TABLE") => "rawd",
            Some("SEQUENCE") => "rwU",
            Some("ROUTINE") => "X",
            Some("TYPE" | "SCHEMA") => "U",
            _ => "",
        }
    }

    /// The letter by which `acldefault` knows the kind, as SQL.
    pub(super) const DEFAULT_KIND: &'static str = "\
        CASE WHEN a.kind OPERATOR(pg_catalog.=) 'sequence' THEN 's'
          WHEN a.kind OPERATOR(pg_catalog.=) ANY (ARRAY['function', 'procedure', 'aggregate']) THEN 'f'
          WHEN a.kind OPERATOR(pg_catalog.=) 'type' THEN 'T'
          WHEN a.kind OPERATOR(pg_catalog.=) 'schema' THEN 'n' ELSE 'r' END::pg_catalog.\"char\"";

    /// The lock that a change of its owner takes.
    pub(super) fn lock(&self) -> Option<&'static str> {
        self.relation.is_some().then_some("ACCESS EXCLUSIVE")
    }

    /// Writes its access list as it was found, the same rights in the same order.
    ///
    /// ```sql
    /// UPDATE pg_catalog.pg_class SET relacl = NULL WHERE oid OPERATOR(pg_catalog.=) 'public.contacts'::pg_catalog.regclass
    /// ```
    pub(super) fn write_acl(&self, raw: Option<&str>) -> Option<String> {
        let (catalog, column, kind) = match self.grant_word()? {
            "TABLE" | "SEQUENCE" => ("pg_class", "relacl", "regclass"),
            "ROUTINE" => ("pg_proc", "proacl", "regprocedure"),
            "TYPE" => ("pg_type", "typacl", "regtype"),
            _ => ("pg_namespace", "nspacl", "regnamespace"),
        };
        Some(format!(
            "UPDATE pg_catalog.{catalog} SET {column} = {} WHERE oid OPERATOR(pg_catalog.=) {}::pg_catalog.{kind}",
            acl_literal(raw),
            quote::text(&self.identity)
        ))
    }

    /// Like [`Self::write_acl`], of a column.
    pub(super) fn write_column_acl(&self, number: &str, raw: &str) -> String {
        format!(
            "UPDATE pg_catalog.pg_attribute SET attacl = {} WHERE attrelid OPERATOR(pg_catalog.=) {}::pg_catalog.regclass \
             AND attnum OPERATOR(pg_catalog.=) {}::pg_catalog.int2",
            acl_literal(Some(raw)),
            quote::text(&self.identity),
            quote::text(number)
        )
    }
}

fn acl_literal(raw: Option<&str>) -> String {
    raw.map_or_else(
        || "NULL".to_owned(),
        |raw| format!("{}::pg_catalog.aclitem[]", quote::text(raw)),
    )
}
