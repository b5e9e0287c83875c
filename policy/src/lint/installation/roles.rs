//! Rules about database roles: who could go around the policy.

use crate::lint::Look::Installation;
use crate::lint::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL121",
        severity: Severity::Error,
        title: "the owner of a protected table can log in",
        reason: "An owner can switch row security off, truncate, or swap tables.",
        remedy: "SELECT celador.adopt(…), or give the tables to a role that nobody logs in as, and grant the login what it needs.",
        look: Installation(
            "SELECT r.rolname, format('owns %s protected tables and can log in', count(*)) FROM protected AS p
             JOIN pg_roles AS r ON r.oid = p.owner JOIN login AS l ON l.oid = r.oid
             WHERE r.oid NOT IN (SELECT g.role::oid FROM celador.guarded_owners AS g) GROUP BY r.rolname",
        ),
    },
    Rule {
        code: "CEL122",
        severity: Severity::Error,
        title: "a login can become the owner of a protected table",
        reason: "A member may SET ROLE to the owner, and do what an owner does.",
        remedy: "REVOKE the owner's role from the login, or make the login a maintenance role.",
        look: Installation(
            "SELECT l.name, format('is a member of %s', string_agg(DISTINCT r.rolname, ', ' ORDER BY r.rolname))
             FROM login AS l CROSS JOIN (SELECT DISTINCT p.owner FROM protected AS p) AS o
             JOIN pg_roles AS r ON r.oid = o.owner
             WHERE l.oid <> o.owner AND pg_has_role(l.oid, o.owner, 'MEMBER') GROUP BY l.name",
        ),
    },
    Rule {
        code: "CEL123",
        severity: Severity::Warning,
        title: "a superuser can log in",
        reason: "Superusers see and write every row as it is stored, and can change Celador itself.",
        remedy: "Keep one for emergencies; make the others maintenance roles, or ordinary ones.",
        look: Installation(
            "SELECT r.rolname, 'is a superuser that can log in' FROM pg_roles AS r
             WHERE r.rolsuper AND r.rolcanlogin AND r.oid <> 10::oid",
        ),
    },
    Rule {
        code: "CEL124",
        severity: Severity::Error,
        title: "a login with BYPASSRLS is no maintenance role",
        reason: "PostgreSQL applies no policy to it; Celador refuses its statements, and where the library isn't loaded nothing does.",
        remedy: "ALTER ROLE … NOBYPASSRLS, or SELECT celador.add_maintenance_role(…).",
        look: Installation(
            "SELECT r.rolname, 'has BYPASSRLS' FROM pg_roles AS r JOIN login AS l ON l.oid = r.oid WHERE r.rolbypassrls",
        ),
    },
    Rule {
        code: "CEL125",
        severity: Severity::Warning,
        title: "a maintenance role lacks BYPASSRLS",
        reason: "Row security is forced: without BYPASSRLS the role sees nothing, and pg_dump fails.",
        remedy: "ALTER ROLE … BYPASSRLS, or SELECT celador.remove_maintenance_role(…).",
        look: Installation(
            "SELECT r.rolname, 'has neither BYPASSRLS nor SUPERUSER' FROM celador.maintenance_roles AS m
             JOIN pg_roles AS r ON r.oid = m.role::oid WHERE NOT r.rolbypassrls AND NOT r.rolsuper",
        ),
    },
    Rule {
        code: "CEL126",
        severity: Severity::Error,
        title: "a login may read or write files, or run programs, on the server",
        reason: "A table's file holds every row, and the key file is readable by the server's user.",
        remedy: "REVOKE the predefined role from the login.",
        look: Installation(
            "SELECT l.name, format('is a member of %s', string_agg(r.rolname, ', ' ORDER BY r.rolname))
             FROM login AS l JOIN pg_roles AS r
               ON r.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
             WHERE pg_has_role(l.oid, r.oid, 'MEMBER') GROUP BY l.name",
        ),
    },
    Rule {
        code: "CEL127",
        severity: Severity::Warning,
        title: "a login may read or write all data, or subscribe",
        reason: "Row policies still narrow it, but open tables, copies and everything that comes later is granted at once; a subscription writes past the policy.",
        remedy: "REVOKE the predefined role, and grant the tables that are needed.",
        look: Installation(
            "SELECT l.name, format('is a member of %s', string_agg(r.rolname, ', ' ORDER BY r.rolname))
             FROM login AS l JOIN pg_roles AS r
               ON r.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_create_subscription', 'pg_maintain')
             WHERE pg_has_role(l.oid, r.oid, 'MEMBER') GROUP BY l.name",
        ),
    },
    Rule {
        code: "CEL128",
        severity: Severity::Error,
        title: "a login has CREATEROLE",
        reason: "Before PostgreSQL 16 it can make itself a member of any role that is no superuser: of the tables' owner too. Later versions still let it make logins.",
        remedy: "ALTER ROLE … NOCREATEROLE; make roles as a superuser.",
        look: Installation(
            "SELECT r.rolname, 'has CREATEROLE' FROM pg_roles AS r JOIN login AS l ON l.oid = r.oid WHERE r.rolcreaterole",
        ),
    },
    Rule {
        code: "CEL129",
        severity: Severity::Warning,
        title: "a login has REPLICATION",
        reason: "A base backup or a replication slot carries every row, past the policy.",
        remedy: "Keep it for the login of standbys and backups, which nobody else uses.",
        look: Installation(
            "SELECT r.rolname, 'has REPLICATION' FROM pg_roles AS r JOIN login AS l ON l.oid = r.oid WHERE r.rolreplication",
        ),
    },
    Rule {
        code: "CEL130",
        severity: Severity::Error,
        title: "a login that carries identities is a person too",
        reason: "Celador doesn't map the logins of roles with EXECUTE on celador.assume or celador.act_as: that person is nobody, and the role could be anybody.",
        remedy: "REVOKE EXECUTE from the person's login, or give the person another login.",
        look: Installation(
            "SELECT c.name, format('carries identities, and is the login of user %s', p.user)
             FROM carrier AS c JOIN person AS p ON p.login = c.name",
        ),
    },
    Rule {
        code: "CEL131",
        severity: Severity::Warning,
        title: "identities are carried by an exempt role",
        reason: "A superuser or a maintenance role sees every row whoever it acts for: granting it celador.assume or celador.act_as narrows nothing.",
        remedy: "Grant them to an ordinary role, and sign people in with that.",
        look: Installation(
            "SELECT DISTINCT r.rolname::text, format('was granted EXECUTE on %s', p.oid::regprocedure)
             FROM pg_proc AS p CROSS JOIN aclexplode(p.proacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
             JOIN exempt AS e ON e.oid = r.oid
             WHERE p.oid IN ('celador.assume(text)'::regprocedure, 'celador.act_as(text)'::regprocedure)
               AND a.grantee <> p.proowner",
        ),
    },
    Rule {
        code: "CEL132",
        severity: Severity::Error,
        title: "one of Celador's reserved functions is open to everybody",
        reason: "These load policies, change who asks, or look through other people's eyes.",
        remedy: "REVOKE EXECUTE ON FUNCTION … FROM PUBLIC.",
        look: Installation(
            "SELECT p.oid::regprocedure::text, 'may be executed by PUBLIC' FROM pg_proc AS p
             CROSS JOIN aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
             WHERE p.pronamespace = 'celador'::regnamespace AND a.grantee = 0::oid
               AND p.proname IN ('assume', 'act_as', 'load_policy', 'restore_revision', 'plan_policy', 'revisions',
                 'export_policy', 'explain_access', 'explain_set', 'who_can', 'matrix', 'matrix_svg', 'lint', 'check',
                 'access_review', 'administrators', 'record_review', 'reviews', 'personal_data', 'register_view', 'unregister_view',
                 'add_maintenance_role', 'remove_maintenance_role')",
        ),
    },
    Rule {
        code: "CEL133",
        severity: Severity::Error,
        title: "a login may write Celador's own tables or schema",
        reason: "Who writes celador.policy or celador.maintenance_roles decides who sees what.",
        remedy: "REVOKE the right.",
        look: Installation(
            "SELECT l.name, format('may write %s', c.oid::regclass) FROM login AS l CROSS JOIN pg_class AS c
             WHERE c.relnamespace = 'celador'::regnamespace
               AND c.relname IN ('policy', 'protected', 'registered_views', 'maintenance_roles', 'directory_version', 'review')
               AND has_table_privilege(l.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
             UNION ALL
             SELECT l.name, 'may create in schema celador' FROM login AS l
             WHERE has_schema_privilege(l.oid, 'celador', 'CREATE')",
        ),
    },
    Rule {
        code: "CEL134",
        severity: Severity::Warning,
        title: "TRUNCATE, REFERENCES or TRIGGER is granted on a protected table",
        reason: "Row security doesn't narrow them: a foreign key tells whether a hidden key exists, a trigger sees rows that others write.",
        remedy: "REVOKE TRUNCATE, REFERENCES, TRIGGER ON … FROM that role.",
        look: Installation(
            "SELECT p.name, format('%s granted to %s', string_agg(DISTINCT a.privilege_type, ', ' ORDER BY a.privilege_type),
               CASE a.grantee WHEN 0::oid THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
             FROM protected AS p JOIN pg_class AS c ON c.oid = p.oid CROSS JOIN aclexplode(c.relacl) AS a
             WHERE a.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER') AND a.grantee <> p.owner
               AND a.grantee NOT IN (SELECT exempt.oid FROM exempt) GROUP BY p.name, a.grantee",
        ),
    },
    Rule {
        code: "CEL135",
        severity: Severity::Info,
        title: "a login stands for nobody",
        reason: "It may read protected tables, and gets an error each time: the directory maps it to no active person, and it carries no identity.",
        remedy: "Map it, grant it EXECUTE on celador.assume, or revoke its rights.",
        look: Installation(
            "SELECT l.name, 'may read protected tables and is nobody' FROM login AS l
             WHERE l.oid NOT IN (SELECT carrier.oid FROM carrier)
               AND NOT EXISTS (SELECT FROM person AS p WHERE p.login = l.name AND p.active)
               AND EXISTS (SELECT FROM protected AS p WHERE NOT p.own AND has_table_privilege(l.oid, p.oid, 'SELECT'))",
        ),
    },
    Rule {
        code: "CEL136",
        severity: Severity::Info,
        title: "there is no maintenance role",
        reason: "Dumps, jobs and migrations need one that sees rows as stored; otherwise they run as a superuser.",
        remedy: "CREATE ROLE … BYPASSRLS, and SELECT celador.add_maintenance_role(…).",
        look: Installation(
            "SELECT 'celador.maintenance_roles', 'is empty' WHERE EXISTS (SELECT FROM protected AS p WHERE NOT p.own)
               AND NOT EXISTS (SELECT FROM celador.maintenance_roles)",
        ),
    },
    Rule {
        code: "CEL137",
        severity: Severity::Info,
        title: "a guarded owner can log in",
        reason: "Celador refuses what it could do as an owner only in sessions that loaded the library.",
        remedy: "SELECT celador.adopt(…) gives its tables to a role that nobody logs in as.",
        look: Installation(
            "SELECT r.rolname, format('owns %s protected tables and defines nothing but temporary objects', count(p.oid))
             FROM celador.guarded_owners AS g JOIN pg_roles AS r ON r.oid = g.role::oid
             LEFT JOIN protected AS p ON p.owner = r.oid WHERE r.rolcanlogin GROUP BY r.rolname",
        ),
    },
];
