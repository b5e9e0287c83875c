//! What people get and how tables are protected, as text: to be the same in a copy of a database.

use postgres::Client;

/// Two lists of lines are the same; what only one of them has is shown.
#[track_caller]
pub fn same_lines(found: &[String], expected: &[String]) {
    let only = |one: &[String], other: &[String]| -> String {
        let only: Vec<&str> = one
            .iter()
            .filter(|line| !other.contains(line))
            .map(String::as_str)
            .collect();
        only.join("\n")
    };
    let (more, less) = (only(found, expected), only(expected, found));
    assert!(
        more.is_empty() && less.is_empty() && found.len() == expected.len(),
        "more:\n{more}\nless:\n{less}"
    );
}

/// What each login sees of each table, a line each: rows, or the error.
pub fn access(
    mut connect: impl FnMut(&str) -> Client,
    logins: &[&str],
    tables: &[&str],
) -> Vec<String> {
    let mut lines = Vec::new();
    for login in logins {
        let mut client = connect(login);
        for table in tables {
            let seen =
                match client.query(&format!("SELECT t::text FROM {table} AS t ORDER BY 1"), &[]) {
                    Ok(rows) => {
                        let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
                        rows.join(" ")
                    }
                    Err(error) => error
                        .as_db_error()
                        .map_or_else(|| error.to_string(), |error| error.message().to_owned()),
                };
            lines.push(format!("{login} {table}: {seen}"));
        }
    }
    lines
}

/// How every table outside PostgreSQL's own schemas is protected: flags, policies, triggers, rights;
/// and what Celador knows of it. All rights are one more since version 17.
pub fn protection(client: &mut Client) -> Vec<String> {
    client
        .query(PROTECTION, &[])
        .unwrap_or_else(|error| panic!("{error:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

const PROTECTION: &str = "\
WITH tables AS (SELECT c.*, n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm'))
SELECT line FROM (
  SELECT concat_ws(' ', 'table', nspname, relname, relowner::regrole, relrowsecurity, relforcerowsecurity,
      (SELECT string_agg(replace(a::text, 'arwdDxtm/', 'arwdDxt/'), ',' ORDER BY a::text)
        FROM unnest(coalesce(relacl, acldefault('r', relowner))) AS a)) FROM tables
  UNION ALL
  SELECT concat_ws(' ', 'policy', nspname, relname, polname, polpermissive, polcmd, polroles::regrole[],
      pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    FROM pg_policy JOIN tables AS c ON c.oid = polrelid
  UNION ALL
  SELECT concat_ws(' ', 'trigger', nspname, relname, tgenabled, pg_get_triggerdef(t.oid))
    FROM pg_trigger AS t JOIN tables AS c ON c.oid = tgrelid WHERE NOT tgisinternal
  UNION ALL
  SELECT concat_ws(' ', 'event trigger', evtname, evtenabled, evtfoid::regproc) FROM pg_event_trigger
  UNION ALL
  SELECT concat_ws(' ', 'protected', relation, had_row_security, had_force, md5(policies), expressions, triggers)
    FROM celador.protected
  UNION ALL
  SELECT concat_ws(' ', 'revision', revision, md5(document), md5(parsed), md5(compiled), compiled_by, loaded_by, reason) FROM celador.policy
  UNION ALL
  SELECT concat_ws(' ', 'view', view) FROM celador.registered_views
  UNION ALL
  SELECT concat_ws(' ', 'maintenance', role) FROM celador.maintenance_roles
  UNION ALL
  SELECT concat_ws(' ', 'right', oid::regprocedure, proacl) FROM pg_proc WHERE pronamespace = 'celador'::regnamespace
) AS l(line) ORDER BY line COLLATE \"C\"";
