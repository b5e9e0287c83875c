//! Foreign tables have no row security: none comes into the policy's schemas or below its tables, and
//! people don't read one that got there all the same.

mod desk;

use celador_tests::{Database, denied, failure};
use desk::{desk, number, run, text};

const READ: &str = "SELECT count(*) FROM far WHERE secret = 'treasure'";

/// The desk, and beside it a foreign table with a row, in a schema that the policy doesn't list.
fn with_foreign() -> Database {
    let database = desk();
    database.run(
        "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
         GRANT USAGE ON FOREIGN SERVER nowhere TO desk_owner;
         CREATE FOREIGN TABLE elsewhere.far (id integer NOT NULL, secret text)
           SERVER files OPTIONS (program 'echo 1,treasure', format 'csv');
         GRANT SELECT, INSERT ON elsewhere.far TO desk_people",
    );
    database
}

#[track_caller]
fn is_refused(database: &Database, login: &str, sql: &str, table: &str) {
    let mut client = database.login(login);
    let refused = denied(client.batch_execute(sql));
    assert!(refused.message.contains(table), "{sql}: {refused:?}");
    assert!(refused.message.contains("foreign table"), "{refused:?}");
    assert!(!refused.hint.is_empty());
}

#[test]
fn none_comes_to_where_a_table_would_be_closed() {
    let database = with_foreign();
    let near = "CREATE FOREIGN TABLE public.near (id integer) SERVER nowhere";
    for (login, sql, table) in [
        ("postgres", near, "near"),
        (
            "desk_migrator",
            &format!("SET ROLE desk_owner; {near}"),
            "near",
        ),
        (
            "postgres",
            "ALTER FOREIGN TABLE elsewhere.far SET SCHEMA public",
            "far",
        ),
        (
            "postgres",
            "ALTER SCHEMA public RENAME TO before; ALTER SCHEMA elsewhere RENAME TO public",
            "far",
        ),
        (
            "postgres",
            "CREATE FOREIGN TABLE elsewhere.low () INHERITS (public.boards) SERVER nowhere",
            "elsewhere.low",
        ),
        (
            "postgres",
            "CREATE TABLE elsewhere.middle (LIKE public.boards);
             CREATE FOREIGN TABLE elsewhere.low () INHERITS (elsewhere.middle) SERVER nowhere;
             ALTER TABLE elsewhere.middle INHERIT public.boards",
            "elsewhere.low",
        ),
    ] {
        is_refused(&database, login, sql, table);
    }
    // Where the policy has no say.
    let mut bea = database.login("desk_bea");
    assert_eq!(number(&mut bea, &READ.replace("far", "elsewhere.far")), 1);
    run(
        &mut database.superuser(),
        "CREATE VIEW far AS SELECT * FROM elsewhere.far; GRANT SELECT ON far TO desk_people",
    );
    assert_eq!(number(&mut bea, READ), 1);
}

#[test]
fn people_do_not_read_one_that_nobody_placed() {
    let database = with_foreign();
    let mut superuser = database.superuser();
    run(
        &mut superuser,
        "CREATE ROLE foreign_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data;
         SELECT celador.add_maintenance_role('foreign_backup');
         ALTER EVENT TRIGGER celador_schema DISABLE;
         ALTER FOREIGN TABLE elsewhere.far SET SCHEMA public;
         CREATE FOREIGN TABLE elsewhere.low () INHERITS (boards) SERVER nowhere;
         GRANT SELECT ON elsewhere.low TO desk_people;
         ALTER EVENT TRIGGER celador_schema ENABLE ALWAYS;
         CREATE VIEW far_view AS SELECT * FROM far;
         CREATE FUNCTION far_function() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
           AS 'BEGIN RETURN (SELECT count(*) FROM far); END';
         GRANT SELECT ON far_view TO desk_people",
    );
    for login in ["desk_ann", "desk_bea", "desk_migrator"] {
        for sql in [
            READ,
            "SELECT 1 FROM far WHERE false",
            "EXPLAIN SELECT * FROM far",
            "COPY (SELECT * FROM far) TO STDOUT",
            "SELECT * FROM far_view",
            "SELECT far_function()",
            "INSERT INTO far VALUES (2, 'x')",
            "SELECT * FROM cases LEFT JOIN far ON false",
        ] {
            is_refused(&database, login, sql, "far");
        }
        is_refused(
            &database,
            login,
            "SELECT * FROM elsewhere.low",
            "elsewhere.low",
        );
        denied(database.login(login).batch_execute("SELECT * FROM boards"));
    }
    assert_eq!(number(&mut superuser, READ), 1);
    assert_eq!(number(&mut database.login("foreign_backup"), READ), 1);
    // Other DDL goes on: the table isn't what it brings.
    run(&mut superuser, "CREATE TABLE later (id integer)");
    run(
        &mut database.login("desk_bea"),
        "CREATE TEMP TABLE mine (id integer)",
    );
    let found = text(
        &mut superuser,
        "SELECT string_agg(object, ' ') FROM celador.check() WHERE rule = 'CEL169'",
    );
    assert_eq!(found.as_deref(), Some("public.far"));

    // A load wants it placed, and the only place is open.
    run(
        &mut superuser,
        "DROP FOREIGN TABLE elsewhere.low; DROP TABLE later",
    );
    let mut load = |document: &str| superuser.query("SELECT celador.load_policy($1)", &[&document]);
    let mapped = desk::document(desk::MATRIX);
    let refused = failure(load(&mapped));
    assert!(
        refused.message.contains("public.far is not placed"),
        "{refused:?}"
    );
    let refused = failure(load(
        &mapped.replace("[mapping.users]", "closed = [\"far\"]\n[mapping.users]"),
    ));
    assert!(
        refused.message.contains("public.far is a foreign table"),
        "{refused:?}"
    );
    assert!(refused.hint.contains("mapping.open"), "{refused:?}");
    load(&mapped.replace("open = [\"countries\"]", "open = [\"countries\", \"far\"]"))
        .expect("it loads");
    assert_eq!(number(&mut database.login("desk_bea"), READ), 1);
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM boards"
        ),
        0
    );
    // Under another name it isn't the one that was placed.
    is_refused(
        &database,
        "postgres",
        "ALTER FOREIGN TABLE far RENAME TO near",
        "near",
    );
}
