//! A guess about a hidden row looks the same, right or wrong.

use crate::stage::{Session, stage};

/// Asks with a right and with a wrong guess, in sessions of their own.
#[track_caller]
fn tells_nothing(statements: &[&str], right: &str, wrong: &str) {
    let Some(database) = stage() else {
        return;
    };
    let ask = |guess: &str| {
        let mut ruth = Session::of(&database, "find_ruth");
        let seen: Vec<String> = statements
            .iter()
            .map(|statement| ruth.run(&statement.replace("GUESS", guess)))
            .collect();
        seen.join("\n;\n").replace(guess, "GUESS")
    };
    assert_eq!(ask(right), ask(wrong), "{statements:#?}");
}

const SPEAKS: &str = "CREATE OR REPLACE FUNCTION yard.speaks() RETURNS int LANGUAGE plpgsql STABLE COST 0.0001 AS $$ BEGIN RAISE NOTICE 'called'; RETURN 7; END $$";
const SPEAKS_TEXT: &str = "CREATE OR REPLACE FUNCTION yard.says(said text) RETURNS text LANGUAGE plpgsql STABLE COST 0.0001 AS $$ BEGIN RAISE NOTICE 'called'; RETURN said; END $$";

/// What PostgreSQL calls leakproof ran before the policy, and was noticed.
#[test]
fn what_runs_before_the_policy_is_not_noticed() {
    for condition in [
        "thing_id = yard.speaks()",
        "thing_id = (SELECT yard.speaks())",
        "thing_id IN (yard.speaks(), 8)",
        "CASE WHEN yard.speaks() = 7 THEN thing_id ELSE 0 END = 7",
        "thing_id = COALESCE(NULL::int, (SELECT yard.speaks()))",
        "thing_id >= 1 / (SELECT 0)",
        "(thing_id = 7) = (SELECT 1 / 0 = 1)",
    ] {
        tells_nothing(
            &[
                SPEAKS,
                &format!("SELECT 1 FROM find.notes WHERE body = 'GUESS' AND {condition}"),
                &format!(
                    "SELECT 1 FROM find.notes AS n, find.staff AS s WHERE n.body = 'GUESS' AND s.id = n.thing_id AND n.{condition}"
                ),
                &format!("SELECT 1 FROM find.notes WHERE body ^@ 'GUESS' AND {condition}"),
            ],
            "note on hidden7@example.net",
            "note on nobody7@example.net",
        );
    }
    tells_nothing(
        &[
            "SET plan_cache_mode = force_generic_plan",
            "PREPARE p(int) AS SELECT 1 FROM find.notes WHERE body = 'GUESS' AND thing_id >= 1 / $1",
            "EXECUTE p(0)",
        ],
        "note on hidden7@example.net",
        "note on nobody7@example.net",
    );
}

/// As the other table's side of a join, on the way to an index.
#[test]
fn what_a_join_asks_is_not_noticed() {
    for enable in ["hashjoin", "nestloop", "mergejoin"] {
        tells_nothing(
            &[
                SPEAKS,
                "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_nestloop = off",
                &format!("SET enable_{enable} = on"),
                "SELECT 1 FROM find.staff AS s, find.notes AS n WHERE n.body = 'GUESS' AND s.id = CASE WHEN yard.speaks() = 7 THEN n.thing_id ELSE 0 END",
                "SELECT 1 FROM find.staff AS s LEFT JOIN find.notes AS n ON n.body = 'GUESS' AND s.id = CASE WHEN yard.speaks() = 7 THEN n.thing_id ELSE 0 END",
                "SELECT 1 FROM find.staff AS s LEFT JOIN find.notes AS n ON n.body = 'GUESS' AND s.id = n.thing_id WHERE s.id = yard.speaks() - 5",
                "SELECT 1 FROM find.staff AS s FULL JOIN find.notes AS n ON n.body = 'GUESS' AND s.id = CASE WHEN yard.speaks() = 7 THEN n.thing_id ELSE 0 END",
                "SELECT 1 FROM find.staff AS s FULL JOIN (SELECT * FROM find.notes AS n WHERE n.body = 'GUESS') AS n ON s.id = CASE WHEN yard.speaks() = 7 THEN n.thing_id ELSE 0 END WHERE COALESCE(s.id, CASE WHEN yard.speaks() = 7 THEN n.thing_id ELSE 0 END) = 2",
            ],
            "note on hidden7@example.net",
            "note on nobody7@example.net",
        );
    }
}

/// Rows that an index has found are asked again: by a hash, by a bitmap without room for rows.
#[test]
fn what_an_index_asks_again_is_not_noticed() {
    tells_nothing(
        &[
            SPEAKS_TEXT,
            "SET enable_seqscan = off",
            "SELECT 1 FROM find.things WHERE low = yard.says('GUESS')",
            "SET enable_bitmapscan = off",
            "SELECT 1 FROM find.things WHERE low = yard.says('GUESS')",
        ],
        "Low7",
        "Low-7",
    );
    // Which of the rows on lossy pages are asked depends on what comes before.
    tells_nothing(
        &[
            SPEAKS,
            "SET enable_seqscan = off",
            "SET enable_indexscan = off",
            "SET work_mem = '64kB'",
            "SELECT 1 FROM find.things WHERE id > yard.speaks() AND email BETWEEN 'GUESS' AND 'GUESSz'",
        ],
        "hidden",
        "zidden",
    );
}

/// Such conditions find their rows by a B-tree as before.
#[test]
fn what_speaks_still_finds_rows_by_index() {
    let Some(database) = stage() else {
        return;
    };
    let mut ruth = Session::of(&database, "find_ruth");
    ruth.run(SPEAKS);
    for condition in [
        "id = yard.speaks()",
        "id = (SELECT 7)",
        "id = (SELECT yard.speaks())",
    ] {
        let plan = ruth.run(&format!(
            "EXPLAIN SELECT 1 FROM find.things WHERE {condition}"
        ));
        assert!(plan.contains("Index Cond: (id = "), "{condition}\n{plan}");
    }
}

/// Patterns that could fail on a row that matches far.
#[test]
fn patterns_that_fail_tell_nothing() {
    for condition in [
        "name LIKE 'GUESS\\'",
        "name ILIKE 'GUESS\\'",
        "name NOT LIKE 'GUESS\\'",
        "name LIKE ANY (ARRAY['GUESS\\', 'none%'])",
        "email LIKE 'none' OR name LIKE 'GUESS\\'",
        "name ~ 'GUESS('",
        "name LIKE 'GUESS' ESCAPE 'xy'",
    ] {
        tells_nothing(
            &[
                "SET enable_seqscan = off",
                &format!("SELECT 1 FROM find.things WHERE {condition}"),
                &format!("SELECT count(*) FROM find.things WHERE {condition}"),
            ],
            "Name of number 77",
            "Nome of number 77",
        );
    }
}

/// The index drops rows at random where it finds many: one's own go missing where hidden ones match.
#[test]
fn nothing_is_dropped_from_what_an_index_finds() {
    let Some(database) = stage() else {
        return;
    };
    let mut ruth = Session::of(&database, "find_ruth");
    for way in [
        "SET gin_fuzzy_search_limit = 1",
        "SELECT set_config('gin_fuzzy_search_limit', '1', false)",
        "CREATE FUNCTION yard.fuzzy() RETURNS int LANGUAGE sql SET gin_fuzzy_search_limit = 1 AS 'SELECT count(*)::int FROM find.things WHERE words @@ ''every''::tsquery'",
    ] {
        let got = ruth.run(way);
        assert!(got.starts_with("ERROR 42501"), "{way}\n{got}");
    }
    let name = database.name();
    database.run(&format!(
        "ALTER ROLE find_ruth IN DATABASE {name} SET gin_fuzzy_search_limit = 1"
    ));
    let mut ruth = Session::of(&database, "find_ruth");
    ruth.set(&["SET enable_seqscan = off"]);
    let query = "SELECT count(*) FROM find.things WHERE words @@ 'every'::tsquery";
    assert!(
        ruth.run(&format!("EXPLAIN {query}"))
            .contains("Index Cond: (words @@")
    );
    for _ in 0..20 {
        assert_eq!(ruth.run(query), "50");
    }
    ruth.set(&["RESET ALL", "SET enable_seqscan = off"]);
    assert_eq!(ruth.run(query), "50");
}

const DEEP: &[&str] = &[
    "CREATE FUNCTION yard.fetched(levels int, c refcursor) RETURNS text LANGUAGE plpgsql AS $$
     DECLARE r record; BEGIN
       IF levels = 0 THEN FETCH c INTO r; RETURN 'none'; END IF;
       RETURN yard.fetched(levels - 1, c); END $$",
    "CREATE FUNCTION yard.deep(levels int, pattern text) RETURNS text LANGUAGE plpgsql AS $$
     DECLARE c refcursor; BEGIN
       OPEN c FOR SELECT 1 FROM find.things WHERE name LIKE pattern;
       RETURN yard.fetched(levels, c);
     EXCEPTION WHEN statement_too_complex THEN RETURN 'too deep'; END $$",
    "SET enable_seqscan = off",
];

/// A pattern that matches far takes more stack: just below the limit it would fail on that row alone.
#[test]
fn the_depth_of_the_stack_tells_nothing() {
    let Some(database) = stage() else {
        return;
    };
    let mut ruth = Session::of(&database, "find_ruth");
    ruth.set(DEEP);
    database.run(
        "INSERT INTO find.things (id, owner_id, name) VALUES (9000, 3, repeat('abcdefghij', 10))",
    );
    // Each letter goes a step deeper.
    let right = "%a%b%c%d%e%f%g%h%i%j".repeat(10);
    let wrong = right.replacen("%a", "%Z", 1);
    let outcomes = |ruth: &mut Session, pattern: &str| {
        ruth.run(&format!(
            "SELECT string_agg(yard.deep(levels, '{pattern}'), ',' ORDER BY levels) FROM generate_series(300, 800) AS levels"
        ))
    };
    let hidden = outcomes(&mut ruth, &right);
    assert!(
        hidden.contains("none") && hidden.contains("too deep"),
        "{hidden}"
    );
    assert_eq!(hidden, outcomes(&mut ruth, &wrong));
}

/// A statement over protected tables begins with room for its policy, or not at all.
#[test]
fn a_statement_begins_with_room_on_the_stack() {
    let Some(database) = stage() else {
        return;
    };
    let mut ruth = Session::of(&database, "find_ruth");
    ruth.set(&[
        "CREATE FUNCTION yard.at(levels int, protected boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
           IF levels > 0 THEN RETURN yard.at(levels - 1, protected); END IF;
           IF protected THEN RETURN (SELECT count(*) FROM find.things WHERE id = 1); END IF;
           RETURN (SELECT count(*) FROM yard.plain); END $$",
        "CREATE TABLE yard.plain ()",
        "CREATE FUNCTION yard.deepest(protected boolean) RETURNS int LANGUAGE plpgsql AS $$
         DECLARE levels int := 0; BEGIN
           LOOP PERFORM yard.at(levels, protected); levels := levels + 20; END LOOP;
         EXCEPTION WHEN statement_too_complex THEN RETURN levels; END $$",
    ]);
    let mut deepest = |protected: &str| -> f64 {
        ruth.run(&format!("SELECT yard.deepest({protected})"))
            .parse()
            .unwrap()
    };
    let (plain, protected) = (deepest("false"), deepest("true"));
    assert!(protected > 100.0, "{protected} levels");
    assert!(protected < plain * 0.85, "{protected} of {plain} levels");
}
