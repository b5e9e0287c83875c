//! Rules about the server: preload, versions, keys, logs, functions.

use crate::lint::Look::Installation;
use crate::lint::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL101",
        severity: Severity::Error,
        title: "the library isn't preloaded",
        reason: "Without it every statement on a protected table is an error.",
        remedy: "Add celador to session_preload_libraries or shared_preload_libraries, and connect again.",
        look: Installation(
            "SELECT 'session_preload_libraries', 'this session has begun without the library'
             FROM fact WHERE NOT (f->>'preloaded')::boolean",
        ),
    },
    Rule {
        code: "CEL102",
        severity: Severity::Error,
        title: "a setting of a role or database takes the preload away",
        reason: "session_preload_libraries of a role or database replaces the server's: those sessions get errors on protected tables.",
        remedy: "Add celador to that list too, or preload it by shared_preload_libraries.",
        look: Installation(
            "SELECT s.for, format('session_preload_libraries is %L', s.value) FROM setting_of AS s
             WHERE s.name = 'session_preload_libraries' AND s.value !~ '\\mcelador\\M'
               AND current_setting('shared_preload_libraries') !~ '\\mcelador\\M'",
        ),
    },
    Rule {
        code: "CEL103",
        severity: Severity::Info,
        title: "a session is older than the settings or the first load",
        reason: "A session keeps the libraries that it began with: one that a pool has held open since before the library was preloaded gets errors on protected tables. PostgreSQL doesn't tell which libraries another session has, nor since when ALTER DATABASE sets them.",
        remedy: "Have the pool reconnect, or SELECT pg_terminate_backend(…). With shared_preload_libraries no session is older.",
        look: Installation(
            "SELECT format('session %s', a.pid), format('of %s, began before %s: it may lack the library', a.usename,
               CASE WHEN a.backend_start < pg_conf_load_time() THEN 'the settings were read last'
                 ELSE 'the first policy was loaded' END)
             FROM pg_stat_activity AS a
             WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
               AND a.backend_start < greatest(pg_conf_load_time(), (SELECT min(p.loaded_at) FROM celador.policy AS p))
               AND current_setting('shared_preload_libraries') !~ '\\mcelador\\M'",
        ),
    },
    Rule {
        code: "CEL104",
        severity: Severity::Error,
        title: "library and SQL objects are of different versions",
        reason: "The library expects its own version's tables and functions.",
        remedy: "Run ALTER EXTENSION celador UPDATE after the library is replaced.",
        look: Installation(
            "SELECT 'extension celador', format('is of version %s, the library of %s', e.extversion, f->>'library')
             FROM fact, pg_extension AS e
             WHERE e.extname = 'celador' AND e.extversion <> f->>'library'",
        ),
    },
    Rule {
        code: "CEL105",
        severity: Severity::Error,
        title: "the key file can't be used, and roles carry identities",
        reason: "Without keys nobody can be signed in by token: celador.assume and celador.act_as fail.",
        remedy: "Write the file that celador.key_file names: owned by the server's user, mode 0600, a number and 64 hexadecimal digits a line.",
        look: Installation(
            "SELECT 'celador.key_file', concat(f->>'key_problem', '; ', count(*), ' roles may carry identities')
             FROM fact, carrier WHERE f->>'key_problem' IS NOT NULL GROUP BY f",
        ),
    },
    Rule {
        code: "CEL106",
        severity: Severity::Warning,
        title: "the keys are old",
        reason: "Who has once read the file can sign identities until its keys are replaced.",
        remedy: "Rotate: add a key with a higher number, have the signers use it, remove the old one.",
        look: Installation(
            "SELECT 'celador.key_file', format('was written %s days ago', f->>'key_days')
             FROM fact WHERE (f->>'key_days')::bigint > 365",
        ),
    },
    Rule {
        code: "CEL107",
        severity: Severity::Error,
        title: "the key file lies in the data directory",
        reason: "Base backups and replicas of the directory would carry the keys.",
        remedy: "Move it elsewhere, and have celador.key_file name it.",
        look: Installation(
            "SELECT 'celador.key_file', 'lies below data_directory' FROM fact WHERE (f->>'key_inside')::boolean",
        ),
    },
    Rule {
        code: "CEL108",
        severity: Severity::Warning,
        title: "row_security is off for a role or database",
        reason: "Every statement that row security would narrow is an error there.",
        remedy: "ALTER ROLE … RESET row_security. A dump is made by a maintenance role instead.",
        look: Installation(
            "SELECT s.for, format('row_security is %s', s.value) FROM setting_of AS s
             WHERE s.name = 'row_security' AND s.value IN ('off', 'false', 'no', '0')",
        ),
    },
    Rule {
        code: "CEL109",
        severity: Severity::Error,
        title: "the log keeps the tokens of celador.assume",
        reason: "Bind parameters are logged with their statements: who reads the log can be somebody else while a token holds.",
        remedy: "Set log_parameter_max_length = 0 and log_parameter_max_length_on_error = 0, or don't log statements.",
        look: Installation(
            "SELECT s.name, format('is %s while statements are logged', s.setting)
             FROM pg_settings AS s WHERE EXISTS (SELECT FROM carrier) AND s.setting <> '0'
               AND (s.name = 'log_parameter_max_length_on_error' OR s.name = 'log_parameter_max_length'
                 AND EXISTS (SELECT FROM pg_settings AS l WHERE l.name = 'log_statement' AND l.setting = 'all'
                   OR l.name IN ('log_min_duration_statement', 'log_min_duration_sample') AND l.setting::integer >= 0))
             UNION ALL
             SELECT s.for, format('%s is %s', s.name, s.value) FROM setting_of AS s
             WHERE EXISTS (SELECT FROM carrier) AND (s.name = 'log_statement' AND s.value = 'all'
               OR s.name IN ('log_min_duration_statement', 'log_min_duration_sample') AND s.value !~ '^-')
               AND current_setting('log_parameter_max_length') <> '0'",
        ),
    },
    Rule {
        code: "CEL110",
        severity: Severity::Error,
        title: "Celador's event trigger doesn't always fire",
        reason: "It looks after each DDL whether what is protected still is.",
        remedy: "ALTER EVENT TRIGGER celador_schema ENABLE ALWAYS.",
        look: Installation(
            "SELECT 'event trigger celador_schema', COALESCE((SELECT CASE e.evtenabled WHEN 'D' THEN 'is disabled'
                 ELSE 'does not fire on replicas' END FROM pg_event_trigger AS e WHERE e.evtname = 'celador_schema'), 'is gone')
             WHERE NOT EXISTS (SELECT FROM pg_event_trigger AS e
               WHERE e.evtname = 'celador_schema' AND e.evtenabled = 'A')",
        ),
    },
    Rule {
        code: "CEL111",
        severity: Severity::Error,
        title: "a function outside PostgreSQL and Celador is LEAKPROOF",
        reason: "PostgreSQL runs leakproof functions of a query before the row policies: such a function sees hidden rows.",
        remedy: "ALTER FUNCTION … NOT LEAKPROOF.",
        look: Installation(
            "SELECT p.oid::regprocedure::text, 'is LEAKPROOF' FROM pg_proc AS p
             JOIN pg_namespace AS n ON n.oid = p.pronamespace
             WHERE p.proleakproof AND n.nspname NOT IN ('pg_catalog', 'celador', 'information_schema')",
        ),
    },
    Rule {
        code: "CEL112",
        severity: Severity::Error,
        title: "a function in an untrusted language is open to everybody",
        reason: "It can read the server's files and memory, whatever the policy says.",
        remedy: "REVOKE EXECUTE ON FUNCTION … FROM PUBLIC, and grant it to who needs it.",
        look: Installation(
            "SELECT p.oid::regprocedure::text, format('is written in %s', l.lanname) FROM pg_proc AS p
             JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
             WHERE NOT l.lanpltrusted AND n.nspname NOT IN ('pg_catalog', 'celador', 'information_schema')
               AND l.lanname <> 'sql' AND p.proacl IS NULL
               AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')",
        ),
    },
    Rule {
        code: "CEL113",
        severity: Severity::Error,
        title: "a login may call functions that read or write the server's files",
        reason: "A table's file holds every row; the key file holds the keys.",
        remedy: "REVOKE EXECUTE ON FUNCTION … FROM that role.",
        look: Installation(
            "SELECT l.name, format('may call %s', string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid::regprocedure::text))
             FROM login AS l CROSS JOIN pg_proc AS p
             WHERE p.pronamespace = 'pg_catalog'::regnamespace
               AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export')
               AND has_function_privilege(l.oid, p.oid, 'EXECUTE') GROUP BY l.name",
        ),
    },
    Rule {
        code: "CEL114",
        severity: Severity::Error,
        title: "the server's release has a known hole in row security",
        reason: "Where row security can be got around, no policy holds.",
        remedy: "Install the minor release that is named, or a later one.",
        look: Installation(
            "SELECT 'server', f->>'old_release' FROM fact WHERE f->>'old_release' IS NOT NULL",
        ),
    },
];
