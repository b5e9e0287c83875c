//! Code of hers that comes to run where somebody else's rights hold.

use crate::stage::{Attacker, shows_nothing_hidden, shows_only_mine, stage, stored, tries};

/// Reads and writes what it can, and returns its argument.
const ACTS: &str = "CREATE FUNCTION yard.acts(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
    INSERT INTO yard.kept SELECT t FROM shop.owner_titles() AS t; \
    BEGIN UPDATE shop.deals SET owner_id = 3 WHERE id = 1; EXCEPTION WHEN insufficient_privilege THEN NULL; END; \
    BEGIN UPDATE shop.deals SET created_by = 3 WHERE id = 1; EXCEPTION WHEN insufficient_privilege THEN NULL; END; \
    RETURN n; END $$";

/// A trigger of hers that runs below a referential action of her own tables.
const CASCADE: [&str; 6] = [
    "CREATE TABLE yard.above (id int PRIMARY KEY)",
    "CREATE TABLE yard.below (id int REFERENCES yard.above ON DELETE CASCADE ON UPDATE CASCADE)",
    "CREATE TABLE yard.kept (line text)",
    "INSERT INTO yard.above VALUES (1)",
    "INSERT INTO yard.below VALUES (1)",
    "SET client_min_messages = notice",
];

fn below_a_cascade(body: &str, act: &str) -> Vec<String> {
    let mut statements: Vec<String> = CASCADE.map(str::to_owned).into();
    statements.push(format!(
        "CREATE FUNCTION yard.act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN coalesce(NEW, OLD); END $$"
    ));
    statements.push(
        "CREATE TRIGGER act BEFORE UPDATE OR DELETE ON yard.below FOR EACH ROW EXECUTE FUNCTION yard.act()".to_owned(),
    );
    statements.push(act.to_owned());
    statements.push("SELECT * FROM yard.kept".to_owned());
    statements
}

#[test]
fn rows_below_a_referential_action() {
    for source in [
        "shop.owner_titles()",
        "shop.owner_asks('deals')",
        "shop.deals AS d(i, t)",
        "shop.super_titles()",
    ] {
        for act in ["DELETE FROM yard.above", "UPDATE yard.above SET id = 2"] {
            let database = stage();
            let body = format!("INSERT INTO yard.kept SELECT x::text FROM {source} AS x;")
                .replace("AS d(i, t) AS x", "AS x");
            let statements = below_a_cascade(&body, act);
            let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
            shows_nothing_hidden(&database, &statements);
        }
    }
}

#[test]
fn writes_below_a_referential_action() {
    for change in [
        "UPDATE shop.deals SET owner_id = 3 WHERE id = 1;",
        "UPDATE shop.deals SET created_by = 3 WHERE id = 1;",
        "INSERT INTO shop.deals (id, title, owner_id, created_by) VALUES (900, 'x', 2, 3);",
        "INSERT INTO shop.deals (id, title, owner_id) VALUES (900, 'x', 3);",
        "UPDATE shop.staff SET role = 'administrator' WHERE id = 2;",
        "DELETE FROM shop.deals WHERE id = 11;",
        "INSERT INTO shop.task_people VALUES (22, 2);",
    ] {
        let database = stage();
        let before = stored(&database);
        let statements = below_a_cascade(change, "DELETE FROM yard.above");
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        let seen = tries(&database, "atk_ruth", &statements);
        assert_eq!(stored(&database), before, "{change}\n{seen}");
    }
}

/// An implicit cast of hers runs inside the referential check itself.
#[test]
fn casts_inside_a_referential_check() {
    let database = stage();
    let before = stored(&database);
    shows_only_mine(
        &database,
        &[
            "CREATE TYPE yard.number AS (n int)",
            "CREATE TABLE yard.kept (line text)",
            ACTS,
            "CREATE FUNCTION yard.to_int(yard.number) RETURNS int LANGUAGE plpgsql AS \
             $$ BEGIN RETURN yard.acts($1.n); END $$",
            "CREATE CAST (yard.number AS int) WITH FUNCTION yard.to_int(yard.number) AS IMPLICIT",
            "CREATE TABLE yard.above (id int PRIMARY KEY)",
            "CREATE TABLE yard.below (id yard.number REFERENCES yard.above ON DELETE CASCADE)",
            "INSERT INTO yard.above VALUES (1)",
            "INSERT INTO yard.below VALUES (ROW(1))",
            "DELETE FROM yard.above",
            "SELECT * FROM yard.kept",
        ],
    );
    assert_eq!(stored(&database), before);
}

#[test]
fn celadors_triggers_on_a_table_of_hers() {
    let leak = "CREATE FUNCTION yard.leak(r yard.mine) RETURNS text LANGUAGE plpgsql AS $$ DECLARE source text; line text; BEGIN \
        FOREACH source IN ARRAY ARRAY['shop.deal_copy', 'shop.super_titles', 'shop.owner_titles()', 'shop.deals', 'celador.policy'] LOOP BEGIN \
          FOR line IN EXECUTE 'SELECT x::text FROM ' || source || ' AS x' LOOP RAISE NOTICE '%', line; END LOOP; \
        EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', SQLERRM; END; END LOOP; RETURN 'x'; END $$";
    for trigger in [
        "CREATE TRIGGER t AFTER UPDATE ON yard.mine REFERENCING OLD TABLE AS celador_old NEW TABLE AS celador_new \
         FOR EACH STATEMENT EXECUTE FUNCTION celador.directory_changed('leak')",
        "CREATE TRIGGER t BEFORE UPDATE ON yard.mine FOR EACH ROW EXECUTE FUNCTION celador.guard('deals')",
        "CREATE TRIGGER \"~celador_guard\" BEFORE UPDATE ON yard.mine FOR EACH ROW EXECUTE FUNCTION celador.guard('notes')",
        "CREATE TRIGGER t BEFORE UPDATE ON yard.mine FOR EACH ROW EXECUTE FUNCTION celador.guard_roles()",
    ] {
        let database = stage();
        let seen = shows_nothing_hidden(
            &database,
            &[
                "SET search_path = yard, pg_catalog",
                "CREATE TYPE yard.loud AS (n int)",
                "CREATE TABLE yard.mine (id int, a int, title text, owner_id yard.loud, team_id yard.loud, created_by yard.loud, deal_id yard.loud, role yard.loud)",
                leak,
                "CREATE FUNCTION yard.text(yard.loud) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN yard.leak(NULL); END $$",
                "CREATE FUNCTION yard.int4(yard.loud) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM yard.leak(NULL); RETURN 2; END $$",
                "CREATE CAST (yard.loud AS text) WITH FUNCTION yard.text(yard.loud) AS IMPLICIT",
                "CREATE CAST (yard.loud AS int) WITH FUNCTION yard.int4(yard.loud) AS IMPLICIT",
                "INSERT INTO yard.mine (id, a, owner_id) VALUES (1, 1, ROW(1))",
                trigger,
                "UPDATE yard.mine SET a = 2, owner_id = ROW(2)",
            ],
        );
        assert!(!seen.contains("revision"), "{seen}");
    }
}

/// Maintenance by an exempt role runs her function with her rights, in that role's session.
#[test]
fn functions_of_hers_in_an_exempt_session() {
    let leak = "CREATE FUNCTION yard.leak() RETURNS int LANGUAGE plpgsql AS $$ DECLARE source text; BEGIN \
        FOREACH source IN ARRAY ARRAY['shop.deal_copy', 'shop.super_titles', 'shop.owner_titles()', 'shop.deals', 'shop.super_titles()'] LOOP BEGIN \
          EXECUTE 'INSERT INTO yard.kept SELECT x::text FROM ' || source || ' AS x'; \
        EXCEPTION WHEN OTHERS THEN INSERT INTO yard.kept VALUES (SQLERRM); END; END LOOP; RETURN 1; END $$";
    let database = stage();
    tries(
        &database,
        "atk_ruth",
        &[
            "CREATE TABLE yard.kept (line text)",
            leak,
            "CREATE FUNCTION yard.early(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
            "CREATE TABLE yard.walked (id int); INSERT INTO yard.walked VALUES (1), (2)",
            "CREATE INDEX ON yard.walked (yard.early(id))",
            "CREATE OR REPLACE FUNCTION yard.early(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN yard.leak(); END $$",
            "CREATE MATERIALIZED VIEW yard.later AS SELECT yard.leak() WITH NO DATA",
        ],
    );
    for act in [
        "ANALYZE yard.walked",
        "REINDEX TABLE yard.walked",
        "REFRESH MATERIALIZED VIEW yard.later",
    ] {
        let done = database.superuser().batch_execute(act);
        let seen = tries(&database, "atk_ruth", &["SELECT * FROM yard.kept"]);
        assert!(!seen.contains("HIDDEN"), "{act} {done:?}\n{seen}");
    }
}

/// An error of Celador's own, wherever it is found, ends the statement and not the server.
#[test]
fn errors_deep_in_a_statement() {
    let database = stage();
    let mut ruth = Attacker::new(&database, "atk_ruth");
    for question in [
        "SELECT (SELECT max(title) FROM shop.deal_copy)",
        "SELECT (SELECT (SELECT (SELECT max(title) FROM shop.super_titles)))",
        "SELECT * FROM shop.deals WHERE id IN (SELECT id FROM shop.deal_copy)",
        "SELECT CASE WHEN EXISTS (SELECT FROM shop.deal_copy) THEN 1 END",
        "VALUES ((SELECT max(title) FROM shop.deal_copy))",
        "UPDATE shop.deals SET title = (SELECT max(title) FROM shop.super_titles)",
        "INSERT INTO shop.notes VALUES ((SELECT max(id) FROM shop.deal_copy))",
        "SELECT * FROM shop.deals ORDER BY (SELECT max(title) FROM shop.deal_copy) LIMIT (SELECT max(id) FROM shop.deal_copy)",
        "SELECT max(title) FILTER (WHERE EXISTS (SELECT FROM shop.deal_copy)) OVER () FROM shop.deals",
        "MERGE INTO shop.deals USING (VALUES (1)) AS v (i) ON id = (SELECT max(id) FROM shop.deal_copy) WHEN MATCHED THEN DELETE",
        "DO $$ BEGIN PERFORM (SELECT max(title) FROM shop.deal_copy); END $$",
        "CALL celador.nothing((SELECT max(id) FROM shop.deal_copy))",
    ] {
        let seen = ruth.tries(&[question]);
        assert!(seen.contains("ERROR"), "{question}\n{seen}");
        assert!(!seen.contains("HIDDEN"), "{question}\n{seen}");
    }
}

/// Every other expression of hers that a referential action evaluates.
#[test]
fn expressions_inside_a_referential_action() {
    for (columns, action) in [
        (
            "id int DEFAULT yard.act(2) REFERENCES yard.above ON DELETE SET DEFAULT",
            "DELETE FROM yard.above WHERE id = 1",
        ),
        (
            "id int CHECK (yard.act(id) > 0) REFERENCES yard.above ON UPDATE CASCADE",
            "UPDATE yard.above SET id = 3 WHERE id = 1",
        ),
        (
            "id int REFERENCES yard.above ON UPDATE CASCADE, g int GENERATED ALWAYS AS (yard.act(id)) STORED",
            "UPDATE yard.above SET id = 3 WHERE id = 1",
        ),
        (
            "id int REFERENCES yard.above ON UPDATE CASCADE, EXCLUDE (yard.act(id) WITH =)",
            "UPDATE yard.above SET id = 3 WHERE id = 1",
        ),
    ] {
        let database = stage();
        let before = stored(&database);
        shows_only_mine(
            &database,
            &[
                "CREATE TABLE yard.kept (line text)",
                ACTS,
                "CREATE FUNCTION yard.act(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \
                 $$ BEGIN RETURN yard.acts($1); END $$",
                "CREATE TABLE yard.above (id int PRIMARY KEY)",
                &format!("CREATE TABLE yard.below ({columns})"),
                "INSERT INTO yard.above VALUES (1), (2)",
                "INSERT INTO yard.below (id) VALUES (1)",
                "TRUNCATE yard.kept",
                action,
                "SELECT * FROM yard.kept",
            ],
        );
        assert_eq!(stored(&database), before, "{columns}");
    }
}

/// A statement of Celador's own that fails half-way leaves nothing switched off.
#[test]
fn errors_inside_celadors_own_statements() {
    let database = stage();
    let mut blocker = database.superuser();
    for lock in [
        "shop.staff",
        "shop.deals",
        "celador.policy",
        "celador.shares",
    ] {
        blocker
            .batch_execute(&format!(
                "BEGIN; LOCK TABLE {lock} IN ACCESS EXCLUSIVE MODE"
            ))
            .unwrap();
        let mut ruth = Attacker::new(&database, "atk_ruth");
        let mut seen = ruth.tries(&[
            "SET lock_timeout = '20ms'",
            "SELECT title FROM shop.notes, shop.deals",
            "UPDATE shop.notes SET body = body",
            "DO $$ BEGIN PERFORM title FROM shop.deals; EXCEPTION WHEN OTHERS THEN \
               PERFORM * FROM shop.deal_copy; END $$",
            "BEGIN",
            "SAVEPOINT s",
            "SELECT body FROM shop.notes",
            "ROLLBACK TO s",
            "SELECT title FROM shop.deal_copy",
            "ROLLBACK",
        ]);
        assert!(
            seen.contains("ERROR 55P03"),
            "{lock}: nothing was in the way: {seen}"
        );
        blocker.batch_execute("ROLLBACK").unwrap();
        seen += &ruth.tries(&[
            "SELECT title FROM shop.deal_copy",
            "SELECT * FROM shop.super_titles",
            "SELECT * FROM shop.super_titles()",
            "UPDATE shop.deals SET owner_id = 3",
        ]);
        assert!(
            !seen.contains("HIDDEN") && !seen.contains("done 5"),
            "{lock}\n{seen}"
        );
        let mine = ruth.tries(&["SELECT title FROM shop.deals"]);
        assert!(
            mine.contains("MINE") && !mine.contains("HIDDEN"),
            "{lock}\n{mine}"
        );
    }
}
