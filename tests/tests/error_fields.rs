//! PostgreSQL's own errors pass through Celador's hooks with all their fields.

mod desk;

use celador_tests::Database;
use desk::desk;
use postgres::error::DbError;

#[track_caller]
fn error_of(database: &Database, sql: &str) -> DbError {
    database
        .login("desk_bea")
        .batch_execute(sql)
        .expect_err("it fails")
        .as_db_error()
        .unwrap_or_else(|| panic!("{sql}: not the server's"))
        .clone()
}

#[test]
fn postgresqls_own_errors_keep_all_their_fields() {
    let database = desk();
    database.run(
        "CREATE FUNCTION failing() RETURNS void LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'mine' USING ERRCODE = 'ZZ001', DETAIL = 'd', HINT = 'h', SCHEMA = 's', TABLE = 't', COLUMN = 'c',
           DATATYPE = 'y', CONSTRAINT = 'k'; END $$;
         CREATE FUNCTION dividing(integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN 1 / ($1 - $1); END'",
    );
    let error = error_of(
        &database,
        "INSERT INTO cases (id, title, owner_id) VALUES (10, 'of bea', 2)",
    );
    assert_eq!(error.code().code(), "23505");
    assert_eq!(
        (error.schema(), error.table(), error.constraint()),
        (Some("public"), Some("cases"), Some("cases_title"))
    );
    // Nothing of the row that is there.
    assert_eq!(error.detail(), None);
    let error = error_of(&database, "UPDATE cases SET title = NULL");
    assert_eq!(
        (error.code().code(), error.table(), error.column()),
        ("23502", Some("cases"), Some("title"))
    );
    let error = error_of(&database, "UPDATE cases SET title = repeat('x', 30)");
    assert_eq!(
        (error.code().code(), error.constraint()),
        ("23514", Some("short_title"))
    );
    let error = error_of(&database, "UPDATE cases SET country = 'XX'");
    assert_eq!(
        (error.code().code(), error.table(), error.constraint()),
        ("23503", Some("cases"), Some("cases_country_fkey"))
    );
    let error = error_of(&database, "SELECT id, nosuch FROM cases");
    assert_eq!(error.code().code(), "42703");
    assert_eq!(
        error.position(),
        Some(&postgres::error::ErrorPosition::Original(12))
    );
    let error = error_of(&database, "SELECT 1 FROM cases WERE id = 1");
    assert_eq!(error.code().code(), "42601");
    assert!(error.position().is_some());
    let error = error_of(&database, "SELECT failing() FROM cases");
    assert_eq!(error.code().code(), "ZZ001");
    assert_eq!(
        (error.message(), error.detail(), error.hint()),
        ("mine", Some("d"), Some("h"))
    );
    assert_eq!(
        (
            error.schema(),
            error.table(),
            error.column(),
            error.datatype(),
            error.constraint()
        ),
        (Some("s"), Some("t"), Some("c"), Some("y"), Some("k"))
    );
    assert!(
        error
            .where_()
            .is_some_and(|context| context.contains("failing")),
        "{error:?}"
    );
    for sql in [
        "SELECT dividing(id) FROM cases",
        "UPDATE cases SET note = dividing(id)::text",
        "PREPARE p AS SELECT dividing(id) FROM cases; EXECUTE p",
        "BEGIN; DECLARE c CURSOR FOR SELECT dividing(id) FROM cases; FETCH c",
        "DO $$ BEGIN PERFORM dividing(id) FROM cases; END $$",
        "CREATE TEMP TABLE x AS SELECT dividing(id) FROM cases",
        "EXPLAIN SELECT dividing(1) FROM cases WHERE id = dividing(1)",
    ] {
        let result = database.login("desk_bea").batch_execute(sql);
        let Err(error) = result else {
            assert!(sql.starts_with("EXPLAIN"), "{sql}: no error");
            continue;
        };
        let error = error
            .as_db_error()
            .unwrap_or_else(|| panic!("{sql}: {error:?}"))
            .clone();
        assert_eq!(error.code().code(), "22012", "{sql}: {error:?}");
        assert!(
            error
                .where_()
                .is_some_and(|context| context.contains("dividing")),
            "{sql}: {error:?}"
        );
        assert_eq!(error.detail(), None, "{sql}");
    }
    // A person's own mistake inside what Celador runs, too.
    let error = error_of(
        &database,
        "INSERT INTO celador.shares (module, record, level) VALUES ('cases', '2', 'read')",
    );
    assert!(
        error.detail().is_none_or(|detail| !detail.contains(".rs:")),
        "{error:?}"
    );
}
