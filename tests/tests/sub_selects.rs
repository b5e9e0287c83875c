//! Questions about other rows are planned with the statement: as joins where nothing in it could
//! tell of a row before it is decided about, else for each row that is read.

mod desk;

use celador_tests::shadow::fault::are_tried;
use celador_tests::{Database, folds, plan};
use desk::{ids, number, run, text};
use postgres::Client;

/// Sellers own docs by a link table; notes hang on docs by a column, papers by another link table.
const MORE: &str = "
SET ROLE desk_owner;
CREATE TABLE notes (id integer PRIMARY KEY, doc_id integer REFERENCES docs, body text NOT NULL);
CREATE TABLE papers (id integer PRIMARY KEY, body text NOT NULL);
CREATE TABLE paper_docs (paper_id integer, doc_id integer, PRIMARY KEY (paper_id, doc_id));
INSERT INTO docs SELECT n, 'hidden-' || n, NULL FROM generate_series(100, 3000) AS n;
INSERT INTO doc_people SELECT n, 4 FROM generate_series(100, 3000) AS n;
INSERT INTO notes SELECT d.id, d.id, CASE WHEN d.id = 1 THEN 'of bea' ELSE 'hidden-' || d.id END FROM docs AS d;
INSERT INTO papers SELECT d.id, CASE WHEN d.id = 1 THEN 'of bea' ELSE 'hidden-' || d.id END FROM docs AS d;
INSERT INTO paper_docs SELECT d.id, d.id FROM docs AS d;
RESET ROLE;
ANALYZE;
";

const MAPPING: &str = r#"
[mapping.modules.notes]
table = "notes"
parent = { module = "docs", column = "doc_id" }
[mapping.modules.papers]
table = "papers"
parent = { module = "docs", table = "paper_docs", record = "paper_id", parent = "doc_id" }
"#;

const MATRIX: &str = r#"
[permissions.seller.docs]
read = ["own"]
[permissions.seller.notes]
read = ["parent"]
[permissions.seller.papers]
read = ["parent"]
"#;

fn papers() -> Database {
    let database = desk::bare();
    database.run(MORE);
    database.load(&format!("{}\n{MAPPING}\n{MATRIX}", desk::MAPPING));
    database
}

/// The tables, each with the column that holds `hidden-…` where the row isn't bea's.
const TABLES: [(&str, &str); 3] = [("docs", "title"), ("notes", "body"), ("papers", "body")];

#[test]
fn links_and_parents_are_joins_that_begin_with_the_persons_own() {
    if !folds() {
        return;
    }
    let database = papers();
    let mut bea = database.login("desk_bea");
    for (table, _) in TABLES {
        for sql in [
            format!("SELECT count(*) FROM {table}"),
            format!("SELECT id FROM {table} WHERE id > 0 ORDER BY id LIMIT 5"),
            format!("SELECT count(*) FROM {table} AS t LEFT JOIN countries ON code = 'ES'"),
        ] {
            let plan = plan(&mut bea, &sql);
            assert!(!plan.contains("SubPlan"), "{sql}\n{plan}");
            assert!(plan.contains("user_id = 2"), "{sql}\n{plan}");
        }
        let seen = number(&mut bea, &format!("SELECT count(*) FROM {table}"));
        assert_eq!(seen, 1, "{table}");
        run(&mut bea, "SET celador.fold = off");
        let seen = number(&mut bea, &format!("SELECT count(*) FROM {table}"));
        assert_eq!(seen, 1, "{table}");
        run(&mut bea, "RESET celador.fold");
    }
}

/// Where an outer join fills the table with NULLs, or a cursor has to be on its rows, the condition
/// stays with the table.
#[test]
fn what_cant_be_asked_after_the_joins_is_asked_of_the_table() {
    if !folds() {
        return;
    }
    stays_with_the_table(&papers());
}

fn stays_with_the_table(database: &Database) {
    let mut bea = database.login("desk_bea");
    let outer =
        "SELECT d.id FROM (VALUES (1), (2)) AS v(id) LEFT JOIN docs AS d ON d.id = v.id ORDER BY 1";
    assert!(plan(&mut bea, outer).contains("SubPlan"));
    let rows = bea.query(outer, &[]).expect("two rows");
    let found: Vec<Option<i32>> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(found, [Some(1), None]);
    let full =
        "SELECT count(d.id) FROM (VALUES (1), (2)) AS v(id) FULL JOIN docs AS d ON d.id = v.id";
    assert_eq!(number(&mut bea, full), 1);
    database.run("GRANT UPDATE ON docs TO desk_people");
    run(
        &mut bea,
        "BEGIN; DECLARE c CURSOR FOR SELECT id FROM docs WHERE id > 0; FETCH c",
    );
    assert_eq!(ids(&mut bea, "FETCH ABSOLUTE 1 FROM c"), [1]);
    run(&mut bea, "ROLLBACK");
}

/// A function of the person's own, cheap enough to be asked first, never gets a hidden row.
#[test]
fn whoever_asks_by_a_function_of_ones_own_meets_no_hidden_row() {
    is_asked_by_functions_of_ones_own(&papers());
}

fn is_asked_by_functions_of_ones_own(database: &Database) {
    let mut bea = database.login("desk_bea");
    run(
        &mut bea,
        "CREATE FUNCTION pg_temp.tells(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
         $$ BEGIN IF t LIKE 'hidden%' THEN RAISE EXCEPTION 'told: %', t; END IF; RETURN true; END $$;
         CREATE FUNCTION pg_temp.tells_set(t text) RETURNS SETOF integer LANGUAGE plpgsql COST 0.0001 AS
         $$ BEGIN PERFORM pg_temp.tells(t); RETURN NEXT 1; END $$;
         CREATE FUNCTION pg_temp.speaks() RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
         $$ BEGIN RAISE EXCEPTION 'somebody is there'; END $$;
         CREATE FUNCTION pg_temp.not_told(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT pg_temp.tells($1)';
         CREATE OPERATOR pg_temp.<~> (leftarg = text, rightarg = text, function = pg_temp.not_told)",
    );
    let tells = "pg_temp.tells";
    for (table, column) in TABLES {
        let t = format!("t.{column}");
        let ways = [
            format!("SELECT id FROM {table} AS t WHERE {tells}({t})"),
            format!("SELECT id FROM {table} AS t WHERE NOT (NOT {tells}({t}))"),
            format!("SELECT id FROM {table} AS t WHERE CASE WHEN id > 0 THEN {tells}({t}) END"),
            format!("SELECT id FROM {table} AS t WHERE {t} OPERATOR(pg_temp.<~>) 'x'"),
            format!("SELECT id FROM {table} AS t WHERE {t} LIKE 'of%' AND {tells}({t})"),
            format!("SELECT id FROM {table} AS t WHERE (SELECT {tells}({t}))"),
            format!("SELECT id FROM {table} AS t WHERE EXISTS (SELECT 1 WHERE {tells}({t}))"),
            format!("SELECT id FROM {table} AS t WHERE true IN (SELECT {tells}({t}))"),
            format!("SELECT id FROM {table} AS t WHERE ARRAY[{tells}({t})] = ARRAY[true]"),
            format!("SELECT id FROM {table} AS t GROUP BY id, {column} HAVING {tells}({t})"),
            format!("SELECT t.id FROM {table} AS t JOIN (VALUES (1)) AS v(x) ON {tells}({t})"),
            format!("SELECT t.id FROM {table} AS t LEFT JOIN (VALUES (1)) AS v(x) ON {tells}({t})"),
            format!("SELECT t.id FROM (VALUES (1)) AS v(x) JOIN {table} AS t ON {tells}({t})"),
            format!("SELECT t.id FROM {table} AS t, LATERAL pg_temp.tells_set({t})"),
            format!(
                "SELECT t.id FROM {table} AS t, LATERAL (SELECT {tells}({t}) AS x) AS l WHERE l.x"
            ),
            format!(
                "SELECT t.id FROM {table} AS t, LATERAL (VALUES ({tells}({t}))) AS l(x) WHERE l.x"
            ),
            format!(
                "SELECT s.id FROM (SELECT id, {tells}({t}) AS x FROM {table} AS t) AS s WHERE s.x"
            ),
            format!(
                "SELECT s.id FROM (VALUES (1), (2)) AS v(y) \
                 LEFT JOIN (SELECT id, {tells}({t}) AS x FROM {table} AS t) AS s ON s.id = v.y WHERE s.x"
            ),
            format!(
                "SELECT s.id FROM (SELECT * FROM {table} OFFSET 0) AS s WHERE {tells}(s.{column})"
            ),
            format!("WITH s AS (SELECT * FROM {table} AS t WHERE {tells}({t})) SELECT id FROM s"),
            format!(
                "WITH s AS MATERIALIZED (SELECT id, {tells}({t}) AS x FROM {table} AS t) SELECT id FROM s WHERE x"
            ),
            format!(
                "SELECT id FROM {table} AS t WHERE {tells}({t}) UNION SELECT id FROM {table} AS t WHERE {tells}({t})"
            ),
            format!("SELECT (SELECT min(t.id) FROM {table} AS t WHERE {tells}({t})) AS id"),
            format!("SELECT min(t.id) FILTER (WHERE {tells}({t})) FROM {table} AS t"),
            format!("SELECT id FROM {table} AS t ORDER BY {tells}({t})"),
            format!("SELECT DISTINCT ON ({tells}({t})) id FROM {table} AS t"),
            format!("SELECT id FROM (SELECT id, {tells}({t}) FROM {table} AS t) AS s"),
            format!(
                "SELECT id FROM {table} AS t WHERE ({t})::text::name::text IS NOT NULL AND {tells}({t})"
            ),
        ];
        for settings in [
            "",
            "SET enable_hashjoin = off; SET enable_mergejoin = off",
            "SET enable_nestloop = off",
        ] {
            run(&mut bea, &format!("RESET ALL; {settings}"));
            for sql in &ways {
                let found = ids(&mut bea, sql);
                assert_eq!(found, [1], "{sql}");
            }
        }
        // Nor is anything called because a hidden row is there.
        run(&mut bea, "RESET ALL");
        let guess = "guess".to_owned();
        let outcome = |client: &mut Client, sql: &str, guess: &str| {
            let sql = sql.replace("guess", &format!("{t} = '{guess}'"));
            let rows = client.query(&sql, &[]).map(|rows| rows.len());
            rows.map_err(|error| error.to_string())
        };
        for sql in [
            format!("SELECT id FROM {table} AS t WHERE {guess} AND pg_temp.speaks()"),
            format!("SELECT id FROM {table} AS t WHERE {guess} AND (SELECT pg_temp.speaks())"),
            format!("SELECT id FROM {table} AS t WHERE {guess} AND id = 1 / (id - id)"),
            format!(
                "SELECT id FROM {table} AS t WHERE {guess} AND id = (SELECT 1 / count(*) FROM countries WHERE code = 'no')"
            ),
            format!(
                "SELECT id FROM {table} AS t WHERE {guess} AND id < (SELECT sum(1 / (length(code) - 2)) FROM countries)"
            ),
            format!(
                "SELECT id FROM {table} AS t, LATERAL (SELECT pg_temp.speaks() AS x) AS l WHERE {guess} AND l.x"
            ),
            format!("SELECT id FROM {table} AS t WHERE {guess} AND id::text::date IS NOT NULL"),
            format!(
                "SELECT id FROM {table} AS t WHERE {guess} AND ('x' || current_setting('role'))::date > '2020-01-01'"
            ),
        ] {
            for settings in ["", "SET enable_seqscan = off", "SET enable_nestloop = off"] {
                run(&mut bea, &format!("RESET ALL; {settings}"));
                let right = outcome(&mut bea, &sql, "hidden-200");
                assert_eq!(right, outcome(&mut bea, &sql, "hidden-none"), "{sql}");
            }
        }
        // The function does tell, of what the person sees.
        run(&mut bea, "RESET ALL");
        let told = bea.query(
            &format!("SELECT {tells}('hidden' || {t}) FROM {table} AS t"),
            &[],
        );
        assert!(told.is_err(), "{table}");
    }
}

/// The tables that are asked are read with their owners' rights: the person needs none.
#[test]
fn the_person_needs_no_right_on_the_tables_that_are_asked() {
    let database = papers();
    database.run("REVOKE ALL ON doc_people, paper_docs, docs FROM desk_people");
    let mut bea = database.login("desk_bea");
    for (table, _) in &TABLES[1..] {
        assert_eq!(ids(&mut bea, &format!("SELECT id FROM {table}")), [1]);
        let like = format!("SELECT id FROM {table} WHERE body ~ 'bea'");
        assert_eq!(ids(&mut bea, &like), [1]);
    }
    assert!(bea.query("SELECT FROM docs", &[]).is_err());
}

/// What the tables say is what they say when the statement runs, for kept plans too.
#[test]
fn a_kept_plan_reads_the_links_of_now() {
    let database = papers();
    let mut bea = database.login("desk_bea");
    run(
        &mut bea,
        "SET plan_cache_mode = force_generic_plan;
         PREPARE all_notes AS SELECT id FROM notes ORDER BY id;
         PREPARE found AS SELECT id FROM papers WHERE body ~ 'hidden' ORDER BY id",
    );
    assert_eq!(ids(&mut bea, "EXECUTE all_notes"), [1]);
    assert!(ids(&mut bea, "EXECUTE found").is_empty());
    database.run("INSERT INTO doc_people VALUES (100, 2)");
    assert_eq!(ids(&mut bea, "EXECUTE all_notes"), [1, 100]);
    assert_eq!(ids(&mut bea, "EXECUTE found"), [100]);
    database
        .run("ALTER TABLE doc_people ADD COLUMN since date; ALTER TABLE docs DROP COLUMN title");
    database.run("DELETE FROM doc_people WHERE user_id = 2 AND doc_id = 1");
    assert_eq!(ids(&mut bea, "EXECUTE all_notes"), [100]);
    // In a transaction that keeps its snapshot, what is asked is what is so now.
    run(&mut bea, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(ids(&mut bea, "EXECUTE all_notes"), [100]);
    database.run("DELETE FROM doc_people WHERE user_id = 2");
    assert!(ids(&mut bea, "EXECUTE all_notes").is_empty());
    run(&mut bea, "COMMIT");
    assert_eq!(
        text(&mut bea, "SELECT count(*)::text FROM notes").as_deref(),
        Some("0")
    );
}

/// The tests are tested.
#[test]
fn faults_in_what_is_moved_are_found() {
    if !are_tried() || !folds() {
        return;
    }
    for (mistake, finds) in [
        (
            "statements tell nothing",
            is_asked_by_functions_of_ones_own as fn(&Database),
        ),
        (
            "outer joins are overlooked",
            stays_with_the_table as fn(&Database),
        ),
    ] {
        assert!(papers().finds_mistake(mistake, finds), "{mistake}");
    }
}
