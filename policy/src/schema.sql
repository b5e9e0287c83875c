WITH RECURSIVE tables(oid, schema, name, kind, owner) AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'f']::pg_catalog."char"[])
    AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
    AND n.nspname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast']::pg_catalog.name[])),
-- Only domains have a type below them.
base(oid, bottom, below) AS (
  SELECT b.oid, b.oid, b.typbasetype FROM pg_catalog.pg_type AS b
  WHERE b.typbasetype OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
  UNION ALL
  SELECT base.oid, b.oid, b.typbasetype FROM base
  JOIN pg_catalog.pg_type AS b ON b.oid OPERATOR(pg_catalog.=) base.below),
types(oid, name) AS (
  SELECT b.oid, tn.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) t.typname::pg_catalog.text
  FROM pg_catalog.pg_type AS b
  LEFT JOIN base ON base.oid OPERATOR(pg_catalog.=) b.oid AND base.below OPERATOR(pg_catalog.=) 0::pg_catalog.oid
  JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) COALESCE(base.bottom, b.oid)
  JOIN pg_catalog.pg_namespace AS tn ON tn.oid OPERATOR(pg_catalog.=) t.typnamespace),
generated(relation, attnum, columns) AS (
  SELECT e.adrelid, e.adnum, pg_catalog.json_agg(DISTINCT b.attname::pg_catalog.text)
  FROM tables
  JOIN pg_catalog.pg_attrdef AS e ON e.adrelid OPERATOR(pg_catalog.=) tables.oid
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) e.adrelid
    AND a.attnum OPERATOR(pg_catalog.=) e.adnum AND a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char"
  JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
    AND d.objid OPERATOR(pg_catalog.=) e.oid
    AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.refobjid OPERATOR(pg_catalog.=) e.adrelid
  JOIN pg_catalog.pg_attribute AS b ON b.attrelid OPERATOR(pg_catalog.=) e.adrelid
    AND b.attnum::pg_catalog.int4 OPERATOR(pg_catalog.=) d.refobjsubid
    AND b.attnum OPERATOR(pg_catalog.<>) e.adnum
  GROUP BY e.adrelid, e.adnum),
columns(relation, facts) AS (
  SELECT a.attrelid, pg_catalog.json_object_agg(a.attname, pg_catalog.json_build_object(
      'type', types.name,
      'generated', a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char",
      'generated_from', COALESCE(generated.columns, '[]'::pg_catalog.json)))
  FROM tables
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) tables.oid
  JOIN types ON types.oid OPERATOR(pg_catalog.=) a.atttypid
  LEFT JOIN generated ON generated.relation OPERATOR(pg_catalog.=) a.attrelid
    AND generated.attnum OPERATOR(pg_catalog.=) a.attnum
  WHERE a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
  GROUP BY a.attrelid),
primary_keys(relation, facts) AS (
  SELECT i.indrelid, pg_catalog.json_agg(a.attname ORDER BY k.place)
  FROM pg_catalog.pg_index AS i
  JOIN tables ON tables.oid OPERATOR(pg_catalog.=) i.indrelid
  CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
    AND a.attnum OPERATOR(pg_catalog.=) k.attnum
  WHERE i.indisprimary
  GROUP BY i.indrelid),
foreign_keys(relation, facts) AS (
  SELECT f.conrelid, pg_catalog.json_agg(pg_catalog.json_build_object(
      'columns', (
        SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
        FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) f.conrelid
          AND a.attnum OPERATOR(pg_catalog.=) k.attnum),
      'table', pg_catalog.json_build_object('schema', fn.nspname, 'name', fc.relname))
      ORDER BY f.conname)
  FROM pg_catalog.pg_constraint AS f
  JOIN tables ON tables.oid OPERATOR(pg_catalog.=) f.conrelid
  JOIN pg_catalog.pg_class AS fc ON fc.oid OPERATOR(pg_catalog.=) f.confrelid
  JOIN pg_catalog.pg_namespace AS fn ON fn.oid OPERATOR(pg_catalog.=) fc.relnamespace
  WHERE f.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"
  GROUP BY f.conrelid),
inherited(relation, facts) AS (
  SELECT h.inhrelid, pg_catalog.json_agg(
      pg_catalog.json_build_object('schema', pn.nspname, 'name', pc.relname)
      ORDER BY h.inhseqno)
  FROM pg_catalog.pg_inherits AS h
  JOIN tables ON tables.oid OPERATOR(pg_catalog.=) h.inhrelid
  JOIN pg_catalog.pg_class AS pc ON pc.oid OPERATOR(pg_catalog.=) h.inhparent
  JOIN pg_catalog.pg_namespace AS pn ON pn.oid OPERATOR(pg_catalog.=) pc.relnamespace
  GROUP BY h.inhrelid)
SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
    'table', pg_catalog.json_build_object('schema', tables.schema, 'name', tables.name),
    'kind', tables.kind::pg_catalog.text,
    'owner', tables.owner,
    'columns', COALESCE(columns.facts, '{}'::pg_catalog.json),
    'primary_key', COALESCE(primary_keys.facts, '[]'::pg_catalog.json),
    'foreign_keys', COALESCE(foreign_keys.facts, '[]'::pg_catalog.json),
    'inherits', COALESCE(inherited.facts, '[]'::pg_catalog.json))
  ORDER BY tables.schema, tables.name), '[]'::pg_catalog.json)::pg_catalog.text
FROM tables
LEFT JOIN columns ON columns.relation OPERATOR(pg_catalog.=) tables.oid
LEFT JOIN primary_keys ON primary_keys.relation OPERATOR(pg_catalog.=) tables.oid
LEFT JOIN foreign_keys ON foreign_keys.relation OPERATOR(pg_catalog.=) tables.oid
LEFT JOIN inherited ON inherited.relation OPERATOR(pg_catalog.=) tables.oid
