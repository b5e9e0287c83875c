//! Where ownership can't move: the application's login owns its tables, and defines nothing.

mod desk;

use celador_tests::{Database, denied, failure};
use desk::{document, ids, number, run};

/// The desk as most CRMs find themselves: one login owns everything, and people come by it too.
fn owned() -> Database {
    let database = desk::bare();
    database.ensure_login("desk_login", "");
    database.ensure_login("desk_heir", "IN ROLE desk_login");
    database.ensure_login("desk_keeper", "BYPASSRLS");
    database.run(
        "REASSIGN OWNED BY desk_owner TO desk_login;
         GRANT desk_login, desk_people TO desk_keeper;
         GRANT ALL ON SCHEMA public TO desk_login;
         SET ROLE desk_login;
         SET search_path = public;
         CREATE TYPE mood AS ENUM ('good');
         CREATE DOMAIN short AS text CHECK (length(VALUE) < 100);
         ALTER TABLE boards ADD COLUMN mood mood, ADD COLUMN short short;
         CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER seen BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION seen();
         CREATE FUNCTION tell(text) RETURNS text LANGUAGE plpgsql IMMUTABLE
           AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN $1; END';
         CREATE FUNCTION owners_way() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public
           AS 'BEGIN ALTER TABLE cases DISABLE ROW LEVEL SECURITY; END';
         CREATE VIEW case_titles AS SELECT id, title FROM cases;
         RESET ROLE;
         CREATE SCHEMA aside AUTHORIZATION desk_login",
    );
    database
}

fn guarded() -> Database {
    let database = owned();
    database.run("SELECT celador.guard_owner('desk_login'); SELECT celador.add_maintenance_role('desk_keeper')");
    database.load(&document(desk::MATRIX));
    database
}

#[test]
fn a_load_is_refused_until_a_superuser_has_the_owner_guarded() {
    let database = owned();
    let mut superuser = database.superuser();
    let load = |client: &mut postgres::Client| {
        client.query("SELECT celador.load_policy($1)", &[&document(desk::MATRIX)])
    };
    let refused = denied(load(&mut superuser));
    assert!(
        refused.message.contains("desk_login") && refused.hint.contains("celador.adopt"),
        "{refused:?}"
    );
    denied(
        database
            .login("desk_login")
            .execute("SELECT celador.guard_owner('desk_login')", &[]),
    );
    database.run("SELECT celador.guard_owner('desk_login')");
    load(&mut superuser).expect("a guarded owner's tables are protected");
    let refused = failure(superuser.execute("SELECT celador.unguard_owner('desk_login')", &[]));
    assert_eq!(refused.code, "55000", "{refused:?}");
    database.run("SELECT celador.load_policy(''); SELECT celador.unguard_owner('desk_login')");
    denied(load(&mut superuser));
}

#[test]
fn a_guarded_owner_sees_no_more_than_its_person() {
    let database = guarded();
    // The login is nobody in the directory.
    denied(
        database
            .login("desk_login")
            .query("SELECT * FROM cases", &[]),
    );
    database.run("UPDATE users SET login = 'desk_login' WHERE id = 2");
    let mut login = database.login("desk_login");
    assert_eq!(ids(&mut login, "SELECT id FROM cases"), [2]);
    assert_eq!(ids(&mut login, "SELECT id FROM case_titles"), [2]);
    assert!(
        login
            .batch_execute("SET row_security = off; SELECT * FROM cases")
            .is_err()
    );
    denied(
        database
            .login("desk_login")
            .batch_execute("TRUNCATE cases CASCADE"),
    );
    assert_eq!(
        number(&mut database.superuser(), "SELECT count(*) FROM cases"),
        6
    );
}

#[test]
fn a_guarded_owner_defines_nothing() {
    let database = guarded();
    let before = (database.dump(), database.rights());
    for sql in [
        "ALTER TABLE cases DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE cases NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE cases ADD COLUMN x text",
        "ALTER TABLE cases ADD COLUMN x text GENERATED ALWAYS AS (tell(note)) STORED",
        "ALTER TABLE cases ADD CONSTRAINT c CHECK (tell(note) IS NOT NULL)",
        "ALTER TABLE cases ALTER COLUMN note TYPE text USING tell(note)",
        "ALTER TABLE cases ALTER COLUMN note SET DEFAULT tell('x')",
        "ALTER TABLE cases RENAME TO cases_before",
        "ALTER TABLE cases RENAME COLUMN note TO remark",
        "ALTER TABLE cases SET SCHEMA aside",
        "ALTER TABLE cases OWNER TO desk_login",
        "ALTER TABLE cases DISABLE TRIGGER ALL",
        "ALTER TABLE cases CLUSTER ON cases_pkey",
        "ALTER TABLE cases REPLICA IDENTITY FULL",
        "ALTER TABLE visits DETACH PARTITION visits_old",
        "ALTER TABLE boards INHERIT cases",
        "DROP TABLE cases CASCADE",
        "TRUNCATE boards",
        "CREATE TRIGGER t BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION seen()",
        "ALTER TRIGGER seen ON cases RENAME TO unseen",
        "DROP TRIGGER seen ON cases",
        "CREATE RULE r AS ON UPDATE TO cases DO INSTEAD NOTHING",
        "CREATE POLICY p ON cases USING (true)",
        "ALTER POLICY celador_read ON cases USING (true)",
        "DROP POLICY celador_read ON cases",
        "CREATE INDEX ON cases (tell(note))",
        "CREATE INDEX ON cases (id) WHERE tell(note) <> ''",
        "CREATE INDEX CONCURRENTLY ON cases (tell(note))",
        "CREATE STATISTICS s ON (tell(note)), id FROM cases",
        "REINDEX TABLE cases",
        "CLUSTER cases USING cases_pkey",
        "VACUUM FULL cases",
        "ANALYZE cases",
        "GRANT ALL ON cases TO PUBLIC",
        "REVOKE ALL ON cases FROM desk_people",
        "GRANT desk_login TO desk_bea",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO desk_bea",
        "CREATE OR REPLACE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', NEW; RETURN NEW; END'",
        "ALTER FUNCTION seen() SECURITY DEFINER",
        "CREATE FUNCTION another() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER TYPE mood ADD VALUE 'bad'",
        "ALTER TYPE mood RENAME VALUE 'good' TO 'bad'",
        "ALTER DOMAIN short ADD CHECK (tell(VALUE) IS NOT NULL)",
        "CREATE CAST (mood AS short) WITH INOUT AS IMPLICIT",
        "CREATE OR REPLACE VIEW case_titles AS SELECT id, note AS title FROM cases",
        "CREATE VIEW all_cases AS SELECT * FROM cases",
        "CREATE MATERIALIZED VIEW copies AS SELECT * FROM cases",
        "CREATE TABLE copies AS SELECT * FROM cases",
        "SELECT * INTO copies FROM cases",
        "CREATE TABLE below () INHERITS (cases)",
        "CREATE TEMP TABLE below () INHERITS (cases)",
        "ALTER SCHEMA aside RENAME TO beside",
        "DROP SCHEMA aside",
        "CREATE SCHEMA another",
        "CREATE PUBLICATION p FOR TABLE cases",
        "REASSIGN OWNED BY desk_login TO desk_bea",
        "DROP OWNED BY desk_login",
        "ALTER ROLE desk_login SET search_path = aside",
        "COMMENT ON TABLE cases IS 'x'",
        "DO $$ BEGIN ALTER TABLE cases DISABLE ROW LEVEL SECURITY; END $$",
        "SELECT owners_way()",
        "BEGIN; CREATE TEMP TABLE t (id integer); ALTER TABLE t INHERIT cases; COMMIT",
        "SELECT celador.pause('cases')",
    ] {
        for login in ["desk_login", "desk_heir"] {
            let mut client = database.login(login);
            denied(client.batch_execute(sql));
        }
    }
    assert_eq!(before, (database.dump(), database.rights()));
    // The owner's way is closed to a maintenance session too, and to a person's.
    database.run("GRANT EXECUTE ON FUNCTION owners_way() TO desk_people");
    for login in ["desk_keeper", "desk_bea"] {
        denied(database.login(login).batch_execute("SELECT owners_way()"));
    }
}

#[test]
fn temporary_objects_are_an_owners_own_and_maintenance_migrates() {
    let database = guarded();
    let mut login = database.login("desk_login");
    run(
        &mut login,
        "CREATE TEMP TABLE t (id integer); CREATE INDEX ON t (id); ALTER TABLE t ADD COLUMN x text;
         CREATE TEMP TABLE u AS SELECT 1 AS id; CREATE TEMP VIEW v AS SELECT * FROM t;
         CREATE TEMP SEQUENCE s; ANALYZE t; TRUNCATE t, u; ALTER TABLE t RENAME TO w; DROP VIEW v; DROP TABLE u, w",
    );
    // A temporary name before a table's own reaches the temporary one alone.
    run(
        &mut login,
        "CREATE TEMP TABLE boards (id integer); DROP TABLE boards",
    );
    denied(login.batch_execute("DROP TABLE boards"));
    let mut keeper = database.login("desk_keeper");
    run(
        &mut keeper,
        "SET ROLE desk_login; ALTER TABLE cases ADD COLUMN x text; CREATE INDEX ON cases (x)",
    );
    denied(keeper.batch_execute("SELECT owners_way()"));
    database.run("ALTER TABLE cases DROP COLUMN x");
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM cases"),
        [2]
    );
}

#[test]
fn a_guarded_owners_tables_are_adopted_while_they_are_protected_and_go_back_to_a_guarded_owner_alone()
 {
    let database = guarded();
    let rights = database.rights();
    let seen = || ids(&mut database.login("desk_bea"), "SELECT id FROM cases");
    database
        .run("SELECT celador.adopt('public', 'desk_shelf', 'desk_login', create_owner => true)");
    assert_eq!(seen(), [2]);
    database.run("SELECT celador.unguard_owner('desk_login')");
    // It is an ordinary login now.
    let mut login = database.login("desk_login");
    run(
        &mut login,
        "CREATE TABLE aside.mine (id integer); DROP TABLE aside.mine",
    );
    denied(login.batch_execute("ALTER TABLE cases DISABLE ROW LEVEL SECURITY"));
    let refused = failure(
        database
            .superuser()
            .execute("SELECT celador.release('public')", &[]),
    );
    assert_eq!(refused.code, "55000", "{refused:?}");
    assert!(refused.message.contains("is protected"), "{refused:?}");
    // Nor what the keeper has made since, where nothing else is protected any more.
    database.run("SELECT celador.load_policy('')");
    let planned = "SELECT change FROM celador.plan_adopt('public', 'desk_shelf', 'desk_login') WHERE relation = 'public'";
    let said = desk::text(&mut database.superuser(), planned).unwrap_or_default();
    assert!(said.contains("GRANT CREATE"), "{said}");
    database.run("GRANT CREATE ON SCHEMA public TO desk_shelf; SET ROLE desk_shelf; CREATE TABLE later (id integer)");
    database.load(
        r#"[mapping]
        schemas = ["public"]
        closed = ["later"]
        open = ["users", "teams", "members", "roles", "c*", "lines", "doc*", "visits*", "boards"]"#,
    );
    let refused = failure(
        database
            .superuser()
            .execute("SELECT celador.release('public')", &[]),
    );
    assert!(refused.message.contains("later"), "{refused:?}");
    database.run("DROP TABLE later; REVOKE CREATE ON SCHEMA public FROM desk_shelf");
    database.load(&document(desk::MATRIX));
    database.run("SELECT celador.guard_owner('desk_login'); SELECT celador.release('public')");
    assert_eq!(rights, database.rights());
    assert_eq!(seen(), [2]);
    denied(
        database
            .login("desk_login")
            .batch_execute("ALTER TABLE cases DISABLE ROW LEVEL SECURITY"),
    );
    database.run("SELECT celador.uninstall(); DROP ROLE desk_shelf");
}
