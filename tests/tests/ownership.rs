//! `celador.adopt` and `celador.release`: a schema of all kinds of objects changes hands and comes
//! back as it was, to the letter.

use celador_tests::{Database, denied, failure, offers};
use postgres::Client;

const SHOP: &str = r#"
DO $$
BEGIN
  CREATE ROLE "own ""app""" LOGIN;
  CREATE ROLE own_keeper NOLOGIN;
  CREATE ROLE "Own Reader" NOLOGIN;
  CREATE ROLE own_gone NOLOGIN;
  CREATE ROLE own_other NOLOGIN;
  CREATE ROLE own_migrator LOGIN IN ROLE own_keeper;
END $$;
CREATE SCHEMA "Shop" AUTHORIZATION "own ""app""";
CREATE SCHEMA away;
CREATE TABLE away.secret (id integer);
GRANT USAGE ON SCHEMA away TO "own ""app""";
GRANT SELECT ON away.secret TO "own ""app""";
CREATE TABLE "Shop".foreign_thing (id integer);
ALTER TABLE "Shop".foreign_thing OWNER TO own_other;
ALTER DEFAULT PRIVILEGES FOR ROLE own_keeper IN SCHEMA "Shop" GRANT SELECT ON TABLES TO own_other, "Own Reader";
SET ROLE "own ""app""";
SET search_path = "Shop";
ALTER DEFAULT PRIVILEGES IN SCHEMA "Shop" GRANT SELECT ON TABLES TO "Own Reader";
CREATE DOMAIN code AS text CHECK (VALUE <> '');
CREATE TYPE state AS ENUM ('new', 'old');
CREATE TYPE span AS RANGE (subtype = date);
CREATE TYPE pair AS (a integer, b text);
REVOKE USAGE ON TYPE state FROM PUBLIC;
CREATE TABLE plain (id serial PRIMARY KEY, c code, s state, d span, p pair);
CREATE TABLE "Odd ""name""" (id integer GENERATED ALWAYS AS IDENTITY, note text);
CREATE TABLE parted (id integer, day date) PARTITION BY RANGE (day);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE partly (id integer, secret text, open text);
CREATE TABLE ordered (id integer);
GRANT SELECT ON ordered TO own_gone, "Own Reader", own_other WITH GRANT OPTION;
GRANT INSERT (id) ON ordered TO own_other;
REVOKE ALL ON partly FROM "own ""app""";
GRANT SELECT (id, open), UPDATE (open) ON partly TO "own ""app""";
GRANT SELECT ON partly TO PUBLIC;
CREATE TABLE mine_only (id integer);
GRANT SELECT ON mine_only TO own_keeper;
REVOKE UPDATE, DELETE ON mine_only FROM "own ""app""";
CREATE TABLE walled (id integer);
ALTER TABLE walled ENABLE ROW LEVEL SECURITY;
CREATE SEQUENCE counter;
CREATE VIEW inside AS SELECT id FROM plain;
CREATE VIEW outside AS SELECT id FROM away.secret;
CREATE MATERIALIZED VIEW kept AS SELECT id FROM plain;
CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION hidden(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1';
REVOKE ALL ON FUNCTION hidden(integer) FROM PUBLIC;
CREATE FUNCTION lent() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM "Shop".plain';
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE PROCEDURE tidy() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(integer) (sfunc = int4pl, stype = integer);
CREATE OPERATOR === (leftarg = integer, rightarg = integer, function = int4eq);
CREATE COLLATION german (locale = 'C');
CREATE STATISTICS of_plain ON id, c FROM plain;
CREATE TEXT SEARCH CONFIGURATION words (COPY = pg_catalog.simple);
CREATE TRIGGER stamp BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION stamp();
INSERT INTO plain (c) VALUES ('a'), ('b');
RESET ROLE;
RESET search_path;
"#;

const APP: &str = "own \"app\"";

fn shop() -> Database {
    Database::from_template("celador_shop", |client| {
        client
            .batch_execute("CREATE EXTENSION celador")
            .expect("the extension can be created");
        client.batch_execute(SHOP).expect("the shop is made");
        if offers("pg_trgm") {
            client
                .batch_execute("CREATE EXTENSION pg_trgm SCHEMA \"Shop\"")
                .expect("the extension can be created");
        }
    })
}

fn adopt(client: &mut Client) -> i64 {
    client
        .query_one(
            "SELECT celador.adopt('Shop', 'own_keeper', 'own \"app\"')",
            &[],
        )
        .unwrap_or_else(|error| panic!("the schema is adopted: {error:?}"))
        .get(0)
}

fn shown(client: &mut Client, plan: &str) -> Vec<(Option<String>, String, Option<String>)> {
    let rows = client.query(
        &format!("SELECT change, relation, ddl FROM {plan} ORDER BY step"),
        &[],
    );
    let rows = rows.unwrap_or_else(|error| panic!("{plan}: {error:?}"));
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

#[test]
fn a_schema_is_released_as_it_was_found() {
    let database = shop();
    let (dump, rights) = (database.dump(), database.rights());
    let mut superuser = database.superuser();
    let planned = shown(
        &mut superuser,
        "celador.plan_adopt('Shop', 'own_keeper', 'own \"app\"')",
    );
    assert_eq!(rights, database.rights(), "a dry run changes nothing");
    assert!(adopt(&mut superuser) > 25);
    assert_ne!(rights, database.rights());
    for (_, _, ddl) in &planned {
        assert!(
            ddl.as_deref().is_none_or(|ddl| !ddl.contains("TRUNCATE")),
            "{ddl:?}"
        );
    }
    let left = |what: &str| {
        planned
            .iter()
            .find(|(note, relation, _)| note.is_some() && relation.contains(what))
            .unwrap_or_else(|| panic!("{what} is left: {planned:?}"))
    };
    left("outside");
    left("lent");
    left("foreign_thing");
    left("walled");
    let owned = |role: &str| -> i64 {
        database
            .superuser()
            .query_one(
                "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refobjid = to_regrole(quote_ident($1))
                   AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND classid <> 'pg_default_acl'::regclass",
                &[&role],
            )
            .expect("objects are counted")
            .get(0)
    };
    assert_eq!(
        owned(APP),
        2,
        "a view that reads elsewhere, and a definer function"
    );
    let back = shown(&mut superuser, "celador.plan_release('Shop')");
    assert!(back.iter().all(|(note, _, _)| note.is_none()), "{back:?}");
    superuser
        .execute("SELECT celador.release('Shop')", &[])
        .unwrap();
    assert_eq!(rights, database.rights());
    assert_eq!(dump, database.dump());
}

#[test]
fn the_application_keeps_its_work_and_loses_the_owners_ways() {
    let database = shop();
    adopt(&mut database.superuser());
    let mut app = database.login(APP);
    app.batch_execute("SET search_path = \"Shop\"").unwrap();
    for sql in [
        "INSERT INTO plain (c) VALUES ('x')",
        "UPDATE plain SET c = 'y' WHERE c = 'x'",
        "DELETE FROM plain WHERE c = 'y'",
        "INSERT INTO \"Odd \"\"name\"\"\" (note) VALUES ('x')",
        "SELECT nextval('counter'), setval('counter', 7), currval('counter')",
        "SELECT count(*) FROM inside",
        "SELECT count(*) FROM outside",
        "SELECT count(*) FROM kept",
        "SELECT hidden(twice(2)), lent(), total(id) FROM plain",
        "CALL tidy()",
        "SELECT id, open FROM partly",
        "UPDATE partly SET open = 'x'",
        "INSERT INTO mine_only VALUES (1)",
        "SELECT 'new'::state",
        "CREATE TEMP TABLE t AS SELECT * FROM plain",
    ] {
        app.batch_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    for sql in [
        "UPDATE mine_only SET id = 2",
        "UPDATE partly SET secret = 'x'",
        "TRUNCATE plain",
        "ALTER TABLE plain ADD COLUMN x integer",
        "ALTER TABLE plain ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE plain RENAME TO plain_before",
        "ALTER TABLE plain OWNER TO \"own \"\"app\"\"\"",
        "CREATE POLICY p ON plain USING (true)",
        "CREATE RULE r AS ON INSERT TO plain DO ALSO SELECT 1",
        "CREATE TRIGGER t BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION stamp()",
        "ALTER TABLE plain DISABLE TRIGGER ALL",
        "DROP TABLE plain",
        "DROP SCHEMA \"Shop\" CASCADE",
        "ALTER SCHEMA \"Shop\" RENAME TO other",
        "CREATE TABLE \"Shop\".mine (id integer)",
        "CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE OR REPLACE VIEW inside AS SELECT 1 AS id",
        "ALTER TYPE state ADD VALUE 'x'",
        "ALTER DOMAIN code DROP CONSTRAINT code_check",
        "CREATE INDEX ON plain (twice(id))",
        "SET ROLE own_keeper",
        "REASSIGN OWNED BY own_keeper TO \"own \"\"app\"\"\"",
    ] {
        let mut app = database.login(APP);
        app.batch_execute("SET search_path = \"Shop\"").unwrap();
        let failed = failure(app.batch_execute(sql));
        assert!(
            ["42501", "42P17"].contains(&failed.code.as_str()),
            "{sql}: {failed:?}"
        );
    }
    // PostgreSQL only warns where nothing can be granted.
    let before = database.rights();
    let _ = database
        .login(APP)
        .batch_execute("GRANT SELECT ON \"Shop\".plain TO PUBLIC");
    assert_eq!(before, database.rights());
}

#[test]
fn what_the_owner_makes_later_is_open_to_the_application_and_goes_back_with_the_rest() {
    let database = shop();
    adopt(&mut database.superuser());
    database
        .login("own_migrator")
        .batch_execute(
            "SET ROLE own_keeper;
             CREATE TABLE \"Shop\".later (id serial);
             CREATE FUNCTION \"Shop\".later() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        )
        .expect("a member of the owner migrates");
    let mut app = database.login(APP);
    app.batch_execute("INSERT INTO \"Shop\".later DEFAULT VALUES; SELECT \"Shop\".later()")
        .expect("later objects are usable");
    denied(app.batch_execute("TRUNCATE \"Shop\".later"));
    assert!(
        database.is_true("SELECT has_table_privilege('Own Reader', '\"Shop\".later', 'SELECT')")
    );
    database.run("SELECT celador.release('Shop')");
    assert!(database.is_true(
        "SELECT relowner = '\"own \"\"app\"\"\"'::regrole FROM pg_class WHERE oid = '\"Shop\".later'::regclass"
    ));
}

#[test]
fn a_second_adoption_takes_what_came_since_and_other_roles_are_refused() {
    let database = shop();
    let rights = database.rights();
    let mut superuser = database.superuser();
    adopt(&mut superuser);
    database.run("CREATE TABLE \"Shop\".since (id integer); ALTER TABLE \"Shop\".since OWNER TO \"own \"\"app\"\"\"");
    assert_eq!(adopt(&mut superuser), 1);
    let refused = failure(superuser.query(
        "SELECT celador.adopt('Shop', 'own_other', 'own \"app\"')",
        &[],
    ));
    assert_eq!(refused.code, "55000", "{refused:?}");
    assert!(refused.message.contains("adopted already"), "{refused:?}");
    superuser
        .execute("SELECT celador.release('Shop')", &[])
        .unwrap();
    database.run("DROP TABLE \"Shop\".since");
    assert_eq!(rights, database.rights());
    let refused = failure(superuser.query("SELECT celador.release('Shop')", &[]));
    assert_eq!(refused.code, "55000", "{refused:?}");
}

#[test]
fn what_others_were_given_since_stays() {
    let database = shop();
    let mut superuser = database.superuser();
    adopt(&mut superuser);
    database.run(
        "GRANT SELECT ON \"Shop\".plain TO own_other;
         REVOKE ALL ON \"Shop\".ordered FROM own_gone, own_other CASCADE; DROP OWNED BY own_gone",
    );
    superuser
        .execute("SELECT celador.release('Shop')", &[])
        .unwrap();
    assert!(
        database.is_true("SELECT has_table_privilege('own_other', '\"Shop\".plain', 'SELECT')")
    );
    assert!(database.is_true(
        "SELECT relowner = '\"own \"\"app\"\"\"'::regrole FROM pg_class WHERE oid = '\"Shop\".ordered'::regclass"
    ));
}

#[test]
fn roles_that_leave_a_way_around_are_refused() {
    let database = shop();
    database.run(
        "CREATE ROLE own_super LOGIN SUPERUSER; CREATE ROLE own_maker LOGIN CREATEROLE;
         CREATE ROLE own_member LOGIN IN ROLE own_keeper; CREATE ROLE own_files LOGIN IN ROLE pg_read_server_files;
         CREATE ROLE own_bypass NOLOGIN BYPASSRLS; CREATE ROLE own_nobody LOGIN;
         GRANT EXECUTE ON FUNCTION celador.adopt(text[], text, text, boolean), celador.adopt(text, text, text, boolean),
           celador.release(text) TO own_nobody, own_migrator",
    );
    let mut superuser = database.superuser();
    for (owner, app, why) in [
        ("own_keeper", "own_super", "is a superuser"),
        ("own_keeper", "own_maker", "CREATEROLE"),
        ("own_keeper", "own_files", "pg_read_server_files"),
        ("own_keeper", "own_member", "is a member of"),
        ("own_nobody", "own_maker", "CREATEROLE"),
        ("own_nobody", APP, "can log in"),
        ("own_bypass", APP, "sees all rows"),
        ("own_keeper", "own_keeper", "from itself"),
        ("own_missing", APP, "there is no role"),
    ] {
        let refused =
            failure(superuser.query("SELECT celador.adopt('Shop', $1, $2)", &[&owner, &app]));
        assert!(refused.message.contains(why), "{owner}, {app}: {refused:?}");
        assert!(!refused.hint.is_empty());
    }
    for login in ["own_nobody", "own_migrator"] {
        let mut client = database.login(login);
        denied(client.query(
            "SELECT celador.adopt('Shop', 'own_keeper', 'own \"app\"')",
            &[],
        ));
    }
    for schema in ["nowhere", "celador", "pg_catalog"] {
        let refused = failure(superuser.query(
            "SELECT celador.adopt($1, 'own_keeper', 'own \"app\"')",
            &[&schema],
        ));
        assert!(refused.message.contains(schema), "{refused:?}");
    }
    // A member of both may, and no other may put it back.
    database.run("GRANT \"own \"\"app\"\"\" TO own_migrator");
    adopt(&mut database.login("own_migrator"));
    denied(
        database
            .login("own_nobody")
            .query("SELECT celador.release('Shop')", &[]),
    );
    database
        .login("own_migrator")
        .execute("SELECT celador.release('Shop')", &[])
        .expect("a member of both may release");
    // The role is made only when asked.
    superuser
        .execute(
            "SELECT celador.adopt('Shop', 'own_made', 'own \"app\"', create_owner => true)",
            &[],
        )
        .expect("the role is made");
    assert!(database.is_true("SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = 'own_made'"));
    database.run("SELECT celador.release('Shop'); DROP ROLE own_made; DROP ROLE own_super");
}

#[test]
fn a_busy_table_is_waited_for_no_longer_than_lock_timeout() {
    let database = shop();
    let rights = database.rights();
    let mut reader = database.superuser();
    reader
        .batch_execute("BEGIN; SELECT * FROM \"Shop\".ordered")
        .unwrap();
    let mut superuser = database.superuser();
    superuser
        .batch_execute("SET lock_timeout = '100ms'")
        .unwrap();
    let refused = failure(superuser.query(
        "SELECT celador.adopt('Shop', 'own_keeper', 'own \"app\"')",
        &[],
    ));
    assert_eq!(refused.code, "55P03", "{refused:?}");
    assert!(refused.message.contains("ordered"), "{refused:?}");
    reader.batch_execute("COMMIT").unwrap();
    assert_eq!(rights, database.rights());
}

#[test]
fn a_role_that_is_gone_is_said_and_its_schema_can_be_left_as_it_is() {
    let database = shop();
    database.run("CREATE ROLE own_leaving LOGIN; CREATE SCHEMA leaving AUTHORIZATION own_leaving");
    let mut superuser = database.superuser();
    superuser
        .execute(
            "SELECT celador.adopt('leaving', 'own_keeper', 'own_leaving')",
            &[],
        )
        .expect("the schema is adopted");
    database.run("DROP OWNED BY own_leaving; DROP ROLE own_leaving");
    for sql in [
        "SELECT celador.release('leaving')",
        "SELECT celador.uninstall()",
    ] {
        let refused = failure(superuser.execute(sql, &[]));
        assert_eq!(refused.code, "42704", "{sql}: {refused:?}");
        assert!(refused.hint.contains("celador.adopted"), "{refused:?}");
    }
    database
        .run("DELETE FROM celador.adopted WHERE schema = 'leaving'; SELECT celador.uninstall()");
}
