//! What a database looks like from outside: its definitions, and the rights as its catalogs hold them.

use std::process::Command;

use postgres::Client;

use crate::{Database, install};

/// Rights and owners as they stand in the catalogs, NULL or not, in their order: more than a dump
/// tells.
const RIGHTS: &str = "
SELECT line FROM (
  SELECT format('relation %s %s %s', c.oid::regclass, c.relowner::regrole, c.relacl) AS line FROM pg_class AS c
    WHERE c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|celador)'
  UNION ALL
  SELECT format('column %s.%s %s', a.attrelid::regclass, a.attname, a.attacl) FROM pg_attribute AS a
    JOIN pg_class AS c ON c.oid = a.attrelid
    WHERE a.attacl IS NOT NULL AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema|celador)'
  UNION ALL
  SELECT format('routine %s %s %s', p.oid::regprocedure, p.proowner::regrole, p.proacl) FROM pg_proc AS p
    WHERE p.pronamespace::regnamespace::text !~ '^(pg_|information_schema|celador)'
  UNION ALL
  SELECT format('type %s %s %s', t.oid::regtype, t.typowner::regrole, t.typacl) FROM pg_type AS t
    WHERE t.typnamespace::regnamespace::text !~ '^(pg_|information_schema|celador)'
  UNION ALL
  SELECT format('schema %s %s %s', n.nspname, n.nspowner::regrole, n.nspacl) FROM pg_namespace AS n
    WHERE n.nspname !~ '^(pg_|information_schema|celador)'
  UNION ALL
  SELECT format('default %s %s %s %s', d.defaclrole::regrole, d.defaclnamespace::regnamespace, d.defaclobjtype, d.defaclacl)
    FROM pg_default_acl AS d
  UNION ALL
  SELECT format('depends %s on %s %s', pg_describe_object(d.classid, d.objid, d.objsubid), d.refobjid::regrole, d.deptype)
    FROM pg_shdepend AS d WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND d.refclassid = 'pg_authid'::regclass AND pg_describe_object(d.classid, d.objid, d.objsubid) !~ 'celador'
) AS lines ORDER BY line COLLATE \"C\"";

impl Database {
    /// What `pg_dump --schema-only` writes.
    pub fn dump(&self) -> String {
        let output = Command::new(install().program("pg_dump"))
            .args(["--schema-only", "--dbname"])
            .arg(self.url("postgres"))
            .output()
            .expect("pg_dump starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "pg_dump: {errors}");
        let text = String::from_utf8(output.stdout).expect("a dump is UTF-8");
        // psql's restricted mode has another key in each dump.
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Its [`rights`].
    pub fn rights(&self) -> Vec<String> {
        rights(&mut self.superuser())
    }
}

/// Owners, rights and dependencies on roles, as a database's catalogs hold them; not the extension's.
pub fn rights(superuser: &mut Client) -> Vec<String> {
    let rows = superuser.query(RIGHTS, &[]);
    let rows = rows.expect("the catalogs can be read");
    rows.iter().map(|row| row.get(0)).collect()
}
