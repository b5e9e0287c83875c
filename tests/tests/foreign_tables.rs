//! Foreign tables have no row security: none comes into the policy's schemas or below its tables, and
//! people don't read one that got there all the same.

mod desk;

use celador_tests::{Database, denied, failure, offers};
use desk::{desk, number, run, text};
use postgres::Client;

const READ: &str = "SELECT count(*) FROM far WHERE secret = 'treasure'";

/// The desk, and beside it a foreign table with a row, in a schema that the policy doesn't list.
struct Stage {
    database: Database,
    /// Without PostgreSQL's `file_fdw`, as in some packages, nobody could read it anyway.
    is_readable: bool,
}

impl Stage {
    fn build() -> Self {
        let database = desk();
        let is_readable = offers("file_fdw");
        let files = if is_readable {
            "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw"
        } else {
            "CREATE SERVER files FOREIGN DATA WRAPPER nothing"
        };
        let options = if is_readable {
            "OPTIONS (program 'echo 1,treasure', format 'csv')"
        } else {
            ""
        };
        database.run(&format!(
            "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
             {files};
             GRANT USAGE ON FOREIGN SERVER nowhere TO desk_owner;
             CREATE FOREIGN TABLE elsewhere.far (id integer NOT NULL, secret text) SERVER files {options};
             GRANT SELECT, INSERT ON elsewhere.far TO desk_people",
        ));
        Self {
            database,
            is_readable,
        }
    }

    #[track_caller]
    fn is_read(&self, session: &mut Client, sql: &str) {
        if self.is_readable {
            assert_eq!(number(session, sql), 1, "{sql}");
        }
    }
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
    let stage = Stage::build();
    let database = &stage.database;
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
        is_refused(database, login, sql, table);
    }
    // Where the policy has no say.
    let mut bea = database.login("desk_bea");
    stage.is_read(&mut bea, &READ.replace("far", "elsewhere.far"));
    run(
        &mut database.superuser(),
        "CREATE VIEW far AS SELECT * FROM elsewhere.far; GRANT SELECT ON far TO desk_people",
    );
    stage.is_read(&mut bea, READ);
}

#[test]
fn people_do_not_read_one_that_nobody_placed() {
    let stage = Stage::build();
    let database = &stage.database;
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
            is_refused(database, login, sql, "far");
        }
        is_refused(
            database,
            login,
            "SELECT * FROM elsewhere.low",
            "elsewhere.low",
        );
        denied(database.login(login).batch_execute("SELECT * FROM boards"));
    }
    stage.is_read(&mut superuser, READ);
    stage.is_read(&mut database.login("foreign_backup"), READ);
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
    stage.is_read(&mut database.login("desk_bea"), READ);
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM boards"
        ),
        0
    );
    // Under another name it isn't the one that was placed.
    is_refused(
        database,
        "postgres",
        "ALTER FOREIGN TABLE far RENAME TO near",
        "near",
    );
}
