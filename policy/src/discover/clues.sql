SELECT COALESCE(pg_catalog.json_agg(tables.clues), '[]'::pg_catalog.json)::pg_catalog.text
FROM (
  SELECT pg_catalog.json_build_object(
    'table', pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname),
    'rows', c.reltuples,
    'extension', (
      SELECT e.extname FROM pg_catalog.pg_depend AS d
      JOIN pg_catalog.pg_extension AS e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
      WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
        AND d.objid OPERATOR(pg_catalog.=) c.oid
        AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
        AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char"
      LIMIT 1),
    'columns', (
      SELECT COALESCE(pg_catalog.json_agg(a.attname ORDER BY a.attnum), '[]'::pg_catalog.json)
      FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
        AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped),
    'labels', (
      SELECT COALESCE(pg_catalog.json_object_agg(a.attname, (
          SELECT pg_catalog.json_agg(l.enumlabel ORDER BY l.enumsortorder)
          FROM pg_catalog.pg_enum AS l WHERE l.enumtypid OPERATOR(pg_catalog.=) a.atttypid)
          ORDER BY a.attnum), '{}'::pg_catalog.json)
      FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
        AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped
        AND EXISTS (SELECT FROM pg_catalog.pg_enum AS l WHERE l.enumtypid OPERATOR(pg_catalog.=) a.atttypid)),
    'not_null', (
      SELECT COALESCE(pg_catalog.json_agg(a.attname ORDER BY a.attnum), '[]'::pg_catalog.json)
      FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnotnull
        AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped),
    'unique', (
      SELECT COALESCE(pg_catalog.json_agg((
          SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
          FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
            AND a.attnum OPERATOR(pg_catalog.=) k.attnum
          WHERE k.place OPERATOR(pg_catalog.<=) i.indnkeyatts)
          ORDER BY x.relname), '[]'::pg_catalog.json)
      FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
      WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indisunique AND i.indisvalid
        AND i.indpred IS NULL AND i.indexprs IS NULL),
    'references', (
      SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
          'columns', (
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
            FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
              AND a.attnum OPERATOR(pg_catalog.=) k.attnum),
          'table', pg_catalog.json_build_object('schema', fn.nspname, 'name', fc.relname),
          'to', (
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
            FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) fc.oid
              AND a.attnum OPERATOR(pg_catalog.=) k.attnum),
          'cascades', f.confdeltype OPERATOR(pg_catalog.=) 'c'::pg_catalog."char")
          ORDER BY f.conname), '[]'::pg_catalog.json)
      FROM pg_catalog.pg_constraint AS f
      JOIN pg_catalog.pg_class AS fc ON fc.oid OPERATOR(pg_catalog.=) f.confrelid
      JOIN pg_catalog.pg_namespace AS fn ON fn.oid OPERATOR(pg_catalog.=) fc.relnamespace
      WHERE f.conrelid OPERATOR(pg_catalog.=) c.oid AND f.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char")
  ) AS clues
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'f']::pg_catalog."char"[])
    AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
    AND n.nspname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast']::pg_catalog.name[])
  ORDER BY n.nspname, c.relname
) AS tables
