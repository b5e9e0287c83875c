//! What an extension's schema looks like, to be compared.

use postgres::Client;

/// Everything of Celador's own in a database, a line each: functions, tables with their columns,
/// constraints, indexes and triggers, rights, comments, what belongs to the extension, what is
/// dumped.
pub fn own_catalog(client: &mut Client) -> Vec<String> {
    client
        .query(OWN, &[])
        .unwrap_or_else(|error| panic!("{error:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

const OWN: &str = "\
WITH own AS (SELECT oid FROM pg_namespace WHERE nspname = 'celador'),
  extension AS (SELECT * FROM pg_extension WHERE extname = 'celador')
SELECT line FROM (
  SELECT concat_ws(' ', 'extension', extversion, extnamespace::regnamespace, extrelocatable) FROM extension
  UNION ALL
  SELECT concat_ws(' ', 'dumped', c::regclass, condition)
    FROM extension, unnest(extconfig, extcondition) AS u(c, condition)
  UNION ALL
  SELECT concat_ws(' ', 'member', d.deptype, (pg_identify_object(d.classid, d.objid, d.objsubid)).identity)
    FROM pg_depend AS d, extension AS e
    WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
  UNION ALL
  SELECT concat_ws(' ', 'needs', d.deptype, (pg_identify_object(d.classid, d.objid, d.objsubid)).identity, '>',
      (pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid)).identity)
    FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    WHERE p.pronamespace IN (SELECT oid FROM own)
  UNION ALL
  SELECT concat_ws(' ', 'function', pg_get_functiondef(oid), proacl, obj_description(oid, 'pg_proc'))
    FROM pg_proc WHERE pronamespace IN (SELECT oid FROM own) AND prokind = 'f'
  UNION ALL
  SELECT concat_ws(' ', 'relation', oid::regclass, relkind, relrowsecurity, relforcerowsecurity, relacl, reloptions,
      obj_description(oid, 'pg_class'), CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) END)
    FROM pg_class WHERE relnamespace IN (SELECT oid FROM own)
  UNION ALL
  SELECT concat_ws(' ', 'column', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attacl,
      col_description(attrelid, attnum), (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum))
    FROM pg_attribute WHERE attnum > 0 AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace IN (SELECT oid FROM own))
  UNION ALL
  SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace IN (SELECT oid FROM own)
  UNION ALL
  SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid))
    FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid WHERE c.relnamespace IN (SELECT oid FROM own)
  UNION ALL
  SELECT concat_ws(' ', 'trigger', tgenabled, pg_get_triggerdef(t.oid))
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid
    WHERE NOT tgisinternal AND c.relnamespace IN (SELECT oid FROM own)
  UNION ALL
  SELECT concat_ws(' ', 'event trigger', evtname, evtevent, evtfoid::regproc, evtenabled, evttags) FROM pg_event_trigger
  UNION ALL
  SELECT concat_ws(' ', 'schema', nspacl) FROM pg_namespace WHERE nspname = 'celador'
) AS l(line) ORDER BY line COLLATE \"C\"";
