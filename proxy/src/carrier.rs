//! The database role that carries people: whether it is what it must be.
//!
//! Clients run their SQL as this role. Whatever it may do beside carrying tokens, every client may do.

use anyhow::{Result, bail};

use crate::identity::ServerClock;

/// Tells all that is looked at, in one row. Every name and operator is qualified: what a client has set
/// doesn't matter.
pub const LOOK: &str = "
SELECT (SELECT d.oid FROM pg_catalog.pg_database AS d
         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()),
  pg_catalog.pg_backend_pid(),
  (EXTRACT(epoch FROM pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8,
  pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('celador.assume(pg_catalog.text)'), 'EXECUTE'),
  pg_catalog.current_setting('log_parameter_max_length') OPERATOR(pg_catalog.=) '0',
  (SELECT pg_catalog.string_agg(DISTINCT r.rolname, ', ') FROM pg_catalog.pg_roles AS r
    WHERE pg_catalog.pg_has_role(r.oid, 'MEMBER')
      AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication
        OR r.rolname OPERATOR(pg_catalog.=) ANY ('{pg_execute_server_program,pg_read_server_files,pg_write_server_files}'::pg_catalog.name[])
        OR EXISTS (SELECT FROM pg_catalog.pg_proc AS p
          WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace('celador')
            AND NOT p.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure('celador.assume(pg_catalog.text)')
            AND NOT pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE')
            AND pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')))),
  (SELECT pg_catalog.string_agg(DISTINCT r.rolname, ', ') FROM pg_catalog.pg_roles AS r
    WHERE pg_catalog.pg_has_role(r.oid, 'MEMBER')
      AND EXISTS (SELECT FROM pg_catalog.pg_class AS c
        WHERE c.relowner OPERATOR(pg_catalog.=) r.oid AND c.relforcerowsecurity)),
  (SELECT e.extversion FROM pg_catalog.pg_extension AS e
    WHERE e.extname OPERATOR(pg_catalog.=) 'celador'),
  pg_catalog.current_setting('server_version'),
  pg_catalog.current_setting('celador.fold', true) IS NOT NULL,
  pg_catalog.current_setting('track_activities') OPERATOR(pg_catalog.=) 'on'";

/// What the server told of itself and of the role.
#[derive(Debug, Clone)]
pub struct Carrier {
    /// The database, by oid.
    pub database: u32,
    /// The server process.
    pub process: i32,
    /// The server's clock.
    pub clock: ServerClock,
    may_assume: bool,
    logs_nothing: bool,
    strong: Option<String>,
    owns: Option<String>,
    /// The extension's version, if it is there.
    pub extension: Option<String>,
    /// The server's version.
    pub server: String,
    preloaded: bool,
    /// Whether clients see in `pg_stat_activity` what the others run.
    pub shows_statements: bool,
}

/// Something that must be put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// How to put it right.
    pub remedy: String,
}

impl Carrier {
    /// From the row that [`LOOK`] gives.
    ///
    /// # Errors
    /// It isn't such a row.
    pub fn from_row(row: &[Option<String>]) -> Result<Self> {
        let [
            Some(database),
            Some(process),
            Some(micros),
            may_assume,
            Some(logs_nothing),
            strong,
            owns,
            extension,
            Some(server),
            Some(preloaded),
            Some(shows_statements),
        ] = row
        else {
            bail!("the server tells nothing of itself that can be understood");
        };
        Ok(Self {
            database: database.parse()?,
            process: process.parse()?,
            clock: ServerClock::told(micros.parse()?),
            may_assume: may_assume.as_deref() == Some("t"),
            logs_nothing: logs_nothing == "t",
            strong: strong.clone(),
            owns: owns.clone(),
            extension: extension.clone(),
            server: server.clone(),
            preloaded: preloaded == "t",
            shows_statements: shows_statements == "t",
        })
    }

    /// Why nobody may be carried by this role; empty: it is as it must be.
    pub fn problems(&self, role: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut found = |what: String, remedy: String| problems.push(Problem { what, remedy });
        let quoted = format!("\"{}\"", role.replace('"', "\"\""));
        if self.extension.is_none() {
            found(
                "the database has no extension celador".to_owned(),
                "CREATE EXTENSION celador, and load a policy.".to_owned(),
            );
        } else if !self.may_assume {
            found(
                format!("role {role} may not carry tokens"),
                format!("GRANT EXECUTE ON FUNCTION celador.assume(text) TO {quoted};"),
            );
        }
        if !self.preloaded {
            found(
                "sessions begin without Celador's library".to_owned(),
                "session_preload_libraries = 'celador' in postgresql.conf.".to_owned(),
            );
        }
        if let Some(strong) = &self.strong {
            found(
                format!(
                    "role {role} is, or may become, {strong}: a superuser, BYPASSRLS, CREATEROLE, \
                     REPLICATION, a reader of the server's files, or a role that may call more of Celador's \
                     functions than everybody and celador.assume"
                ),
                "Every client would be too. Take it away, or name a role of its own in upstream.user."
                    .to_owned(),
            );
        }
        if let Some(owns) = &self.owns {
            found(
                format!("role {role} is, or may become, {owns}, who owns protected tables"),
                "Every client could switch row security off. REVOKE the membership.".to_owned(),
            );
        }
        if !self.logs_nothing {
            found(
                format!(
                    "what role {role} sends as parameters, tokens too, may go to the server's log"
                ),
                format!("ALTER ROLE {quoted} SET log_parameter_max_length = 0;"),
            );
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(changes: &[(usize, Option<&str>)]) -> Vec<Option<String>> {
        let good = [
            Some("5"),
            Some("42"),
            Some("1700000000000000"),
            Some("t"),
            Some("t"),
            None,
            None,
            Some("0.2.0"),
            Some("15.20"),
            Some("t"),
            Some("f"),
        ];
        let mut row = good.map(|value| value.map(str::to_owned)).to_vec();
        for (at, value) in changes {
            row[*at] = value.map(str::to_owned);
        }
        row
    }

    #[test]
    fn each_problem_is_found() {
        let problems = |changes: &[(usize, Option<&str>)]| {
            Carrier::from_row(&row(changes)).unwrap().problems("pool")
        };
        assert_eq!(problems(&[]), []);
        for (changes, said) in [
            (&[(3, None)][..], "may not carry"),
            (&[(3, Some("f"))], "may not carry"),
            (&[(4, Some("f"))], "log"),
            (&[(5, Some("pool"))], "may become, pool"),
            (&[(6, Some("crm_owner"))], "crm_owner"),
            (&[(7, None), (3, None)], "no extension"),
            (&[(9, Some("f"))], "library"),
        ] {
            let found = problems(changes);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].what.contains(said), "{found:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for changes in [
            (0, None),
            (0, Some("x")),
            (1, None),
            (2, Some("")),
            (8, None),
        ] {
            assert!(Carrier::from_row(&row(&[changes])).is_err());
        }
        assert!(Carrier::from_row(&row(&[])[..10]).is_err());
    }
}
