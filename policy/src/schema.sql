SELECT COALESCE(pg_catalog.json_agg(tables.facts), '[]'::pg_catalog.json)::pg_catalog.text
FROM (
  SELECT pg_catalog.json_build_object(
    'table', pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname),
    'kind', c.relkind::pg_catalog.text,
    'columns', (
      SELECT COALESCE(pg_catalog.json_object_agg(a.attname, pg_catalog.json_build_object(
          'type', tn.nspname::pg_catalog.text OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) t.typname::pg_catalog.text,
          'generated', a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog."char")),
        '{}'::pg_catalog.json)
      FROM pg_catalog.pg_attribute AS a
      JOIN LATERAL (
        WITH RECURSIVE base(oid, below) AS (
          SELECT b.oid, b.typbasetype FROM pg_catalog.pg_type AS b
          WHERE b.oid OPERATOR(pg_catalog.=) a.atttypid
          UNION ALL
          SELECT b.oid, b.typbasetype FROM pg_catalog.pg_type AS b
          JOIN base ON b.oid OPERATOR(pg_catalog.=) base.below)
        SELECT base.oid FROM base WHERE base.below OPERATOR(pg_catalog.=) 0::pg_catalog.oid) AS bottom ON true
      JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) bottom.oid
      JOIN pg_catalog.pg_namespace AS tn ON tn.oid OPERATOR(pg_catalog.=) t.typnamespace
      WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
        AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped),
    'primary_key', (
      SELECT COALESCE(pg_catalog.json_agg(a.attname ORDER BY k.place), '[]'::pg_catalog.json)
      FROM pg_catalog.pg_index AS i
      CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, place)
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
        AND a.attnum OPERATOR(pg_catalog.=) k.attnum
      WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indisprimary),
    'foreign_keys', (
      SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
          'columns', (
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
            FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
              AND a.attnum OPERATOR(pg_catalog.=) k.attnum),
          'table', pg_catalog.json_build_object('schema', fn.nspname, 'name', fc.relname))
          ORDER BY f.conname), '[]'::pg_catalog.json)
      FROM pg_catalog.pg_constraint AS f
      JOIN pg_catalog.pg_class AS fc ON fc.oid OPERATOR(pg_catalog.=) f.confrelid
      JOIN pg_catalog.pg_namespace AS fn ON fn.oid OPERATOR(pg_catalog.=) fc.relnamespace
      WHERE f.conrelid OPERATOR(pg_catalog.=) c.oid AND f.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog."char"),
    'inherits', (
      SELECT COALESCE(pg_catalog.json_agg(
          pg_catalog.json_build_object('schema', pn.nspname, 'name', pc.relname)
          ORDER BY h.inhseqno), '[]'::pg_catalog.json)
      FROM pg_catalog.pg_inherits AS h
      JOIN pg_catalog.pg_class AS pc ON pc.oid OPERATOR(pg_catalog.=) h.inhparent
      JOIN pg_catalog.pg_namespace AS pn ON pn.oid OPERATOR(pg_catalog.=) pc.relnamespace
      WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid)
  ) AS facts
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'f']::pg_catalog."char"[])
    AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
    AND n.nspname OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog', 'information_schema', 'pg_toast']::pg_catalog.name[])
  ORDER BY n.nspname, c.relname
) AS tables
