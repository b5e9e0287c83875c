SELECT COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object(
    'function', pg_catalog.json_build_object('schema', n.nspname, 'name', p.proname),
    'arguments', (
      SELECT COALESCE(pg_catalog.json_agg(pg_catalog.format('%s.%s', tn.nspname, t.typname) ORDER BY a.place), '[]'::pg_catalog.json)
      FROM pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) WITH ORDINALITY AS a(type, place)
      JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) a.type
      JOIN pg_catalog.pg_namespace AS tn ON tn.oid OPERATOR(pg_catalog.=) t.typnamespace),
    'result', pg_catalog.format('%s.%s', rn.nspname, r.typname),
    'plain', p.prokind OPERATOR(pg_catalog.=) 'f'::pg_catalog."char" AND NOT p.proretset
      AND p.provariadic OPERATOR(pg_catalog.=) 0::pg_catalog.oid,
    'owner', o.rolname,
    'of_superuser', o.rolsuper,
    'immutable', p.provolatile OPERATOR(pg_catalog.=) 'i'::pg_catalog."char",
    'parallel_safe', p.proparallel OPERATOR(pg_catalog.=) 's'::pg_catalog."char",
    'definer', p.prosecdef,
    'language', l.lanname,
    'search_path', (
      SELECT pg_catalog.substr(c.setting, 13) FROM pg_catalog.unnest(p.proconfig) AS c(setting)
      WHERE pg_catalog.starts_with(c.setting, 'search_path=')))), '[]'::pg_catalog.json)::pg_catalog.text
FROM pg_catalog.json_array_elements(CAST($1 AS pg_catalog.json)) AS asked(name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname::pg_catalog.text OPERATOR(pg_catalog.=)
  (asked.name OPERATOR(pg_catalog.->>) 'schema')
JOIN pg_catalog.pg_proc AS p ON p.pronamespace OPERATOR(pg_catalog.=) n.oid
  AND p.proname::pg_catalog.text OPERATOR(pg_catalog.=) (asked.name OPERATOR(pg_catalog.->>) 'name')
JOIN pg_catalog.pg_type AS r ON r.oid OPERATOR(pg_catalog.=) p.prorettype
JOIN pg_catalog.pg_namespace AS rn ON rn.oid OPERATOR(pg_catalog.=) r.typnamespace
JOIN pg_catalog.pg_roles AS o ON o.oid OPERATOR(pg_catalog.=) p.proowner
JOIN pg_catalog.pg_language AS l ON l.oid OPERATOR(pg_catalog.=) p.prolang
