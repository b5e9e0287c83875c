//! Tables that everybody reads who is signed in, and nobody writes.

use celador_tests::{answers, denied, is_denied, may, may_not, sees_all, sees_none};

use crate::firm::{MAPPING, MATRIX, firm};

/// A table that everybody reads, in the ways in which it could be reached otherwise.
#[test]
fn reference_tables_are_read_by_whoever_is_signed_in() {
    let database = firm();
    // Without any role too.
    for login in ["firm_ann", "firm_eve", "firm_new"] {
        sees_all(&database, login, "countries");
        answers(
            &database,
            login,
            "SELECT count(*) FROM countries WHERE name LIKE 'S%'",
            "SELECT 1::bigint",
        );
        for sql in [
            "INSERT INTO countries VALUES ('IT', 'Italy')",
            "INSERT INTO countries VALUES ('ES', 'x') ON CONFLICT (code) DO UPDATE SET name = 'x'",
            "INSERT INTO countries VALUES ('ES', 'x') ON CONFLICT DO NOTHING",
            "TRUNCATE countries CASCADE",
        ] {
            is_denied(&database, login, sql, "countries");
        }
        for sql in [
            "UPDATE countries SET name = 'x'",
            "DELETE FROM countries",
            "MERGE INTO countries c USING (VALUES ('ES')) v(code) ON c.code = v.code WHEN MATCHED THEN DELETE",
        ] {
            may_not(&database, login, sql, "countries");
        }
    }
    let mut ann = database.login("firm_ann");
    assert!(ann.batch_execute("COPY countries FROM STDIN").is_err());
    // Not even by one who may everything in every module.
    database.run("INSERT INTO roles VALUES (4, 'administrator')");
    may_not(
        &database,
        "firm_dan",
        "UPDATE countries SET name = 'x'",
        "countries",
    );
    // A foreign key is checked all the same.
    may(
        &database,
        "firm_ann",
        "UPDATE orders SET country = 'FR' WHERE id = 1",
        "SELECT country = 'FR' FROM orders WHERE id = 1",
    );
    // Maintenance writes.
    may(
        &database,
        "firm_upkeep",
        "INSERT INTO countries VALUES ('IT', 'Italy')",
        "SELECT EXISTS (SELECT FROM countries WHERE code = 'IT')",
    );
    sees_all(&database, "firm_new", "countries");
}

#[test]
fn x_6_reference_tables_are_not_for_nobody() {
    let database = firm();
    database.run(
        "CREATE VIEW country_view WITH (security_invoker) AS SELECT * FROM countries;
         CREATE MATERIALIZED VIEW country_copy AS SELECT * FROM countries;
         GRANT SELECT ON country_view, country_copy TO firm_people",
    );
    for sql in [
        "SELECT * FROM countries",
        "SELECT count(*) FROM countries",
        "SELECT FROM countries WHERE false",
        "SELECT * FROM country_view",
        "SELECT * FROM country_copy",
        "COPY countries TO STDOUT",
        "EXPLAIN ANALYZE SELECT * FROM countries",
        "DO $$ BEGIN PERFORM FROM countries; END $$",
        "UPDATE countries SET name = 'x'",
        "INSERT INTO countries VALUES ('IT', 'Italy')",
        "SELECT celador.is_known()",
    ] {
        for login in ["firm_stranger", "firm_off"] {
            let error = database.login(login).batch_execute(sql);
            assert!(error.is_err(), "{login}: {sql}");
            denied(error);
        }
    }
    for sql in [
        "SELECT * FROM countries",
        "SELECT * FROM country_view",
        "SELECT * FROM country_copy",
    ] {
        answers(&database, "firm_new", sql, "TABLE countries");
    }
}

#[test]
fn a_reference_table_keeps_its_policies() {
    let database = firm();
    let mut owner = database.superuser();
    // A migration's permissive policy lets nobody write.
    owner
        .batch_execute(
            "CREATE POLICY all_of_it ON countries FOR ALL USING (true) WITH CHECK (true)",
        )
        .expect("a superuser may");
    may_not(
        &database,
        "firm_ann",
        "UPDATE countries SET name = 'x'",
        "countries",
    );
    sees_all(&database, "firm_ann", "countries");
    // What comes later under a pattern's name is closed until the policy is loaded again.
    database.run(
        "CREATE TABLE country_codes (code text); INSERT INTO country_codes VALUES ('x');
         ALTER TABLE country_codes OWNER TO firm_owner; GRANT ALL ON country_codes TO firm_people",
    );
    sees_none(&database, "firm_ann", "country_codes");
    database.load(&format!("{MAPPING}{MATRIX}"));
    sees_all(&database, "firm_ann", "country_codes");
    may_not(
        &database,
        "firm_ann",
        "DELETE FROM country_codes",
        "country_codes",
    );
}
