//! Questions of every shape: sets, cursors, COPY, views, temporary tables, leaky functions.

use crate::stage::{shows_nothing_hidden, shows_only_mine, stage, tries};

#[test]
fn functions_that_return_sets() {
    let database = stage();
    shows_only_mine(&database, &["SELECT * FROM shop.person_titles()"]);
    shows_only_mine(&database, &["SELECT * FROM shop.owner_titles()"]);
    shows_only_mine(&database, &["SELECT shop.owner_asks('deals')"]);
    shows_only_mine(
        &database,
        &["SELECT t FROM generate_series(1, 2), LATERAL shop.person_titles() AS t"],
    );
    shows_only_mine(
        &database,
        &["SELECT * FROM ROWS FROM (shop.person_titles(), shop.owner_titles()) WITH ORDINALITY"],
    );
    shows_only_mine(
        &database,
        &[
            "CREATE FUNCTION yard.rows() RETURNS SETOF shop.deals LANGUAGE sql STABLE AS 'SELECT * FROM shop.deals'",
            "SELECT (r).title FROM yard.rows() AS r",
            "SELECT title FROM yard.rows() WHERE amount > 0 ORDER BY amount",
        ],
    );
    shows_only_mine(
        &database,
        &[
            "CREATE FUNCTION yard.atomic() RETURNS SETOF text BEGIN ATOMIC SELECT title FROM shop.deals; END",
            "SELECT yard.atomic()",
        ],
    );
    shows_only_mine(
        &database,
        &[
            "CREATE FUNCTION yard.opens() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'c'; \
         BEGIN OPEN c FOR SELECT title FROM shop.deals ORDER BY id DESC; RETURN c; END $$",
            "BEGIN",
            "SELECT yard.opens()",
            "FETCH ALL FROM c",
            "COMMIT",
        ],
    );
    shows_nothing_hidden(&database, &["SELECT * FROM shop.super_titles()"]);
}

#[test]
fn cursors() {
    let database = stage();
    shows_only_mine(
        &database,
        &[
            "BEGIN",
            "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT title FROM shop.deals ORDER BY id DESC",
            "FETCH LAST FROM c",
            "COMMIT",
            "FETCH BACKWARD ALL FROM c",
            "MOVE ABSOLUTE 0 IN c",
            "FETCH ALL FROM c",
        ],
    );
    shows_nothing_hidden(
        &database,
        &[
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT * FROM shop.deals FOR UPDATE",
            "FETCH ALL FROM c",
            "UPDATE shop.deals SET amount = 1 WHERE CURRENT OF c RETURNING title",
        ],
    );
}

#[test]
fn copies() {
    let database = stage();
    for table in [
        "deals",
        "special_deals",
        "notes",
        "tasks",
        "task_people",
        "log_old",
        "staff",
        "deal_copy",
    ] {
        shows_nothing_hidden(
            &database,
            &[
                &format!("CREATE TEMP TABLE t AS TABLE shop.{table}"),
                "TABLE t",
                &format!("SELECT x::text, row_to_json(x) FROM shop.{table} AS x"),
                &format!("SELECT query_to_xml('SELECT * FROM shop.{table}', true, true, '')"),
            ],
        );
    }
    // The simple protocol's COPY TO ends the test client; a query in it is planned like any other.
    let mut ruth = database.login("atk_ruth");
    for source in [
        "shop.log",
        "shop.deals",
        "(SELECT * FROM shop.deals)",
        "(UPDATE shop.deals SET amount = amount RETURNING *)",
    ] {
        let mut text = String::new();
        if let Ok(mut reader) = ruth.copy_out(&format!("COPY {source} TO STDOUT")) {
            std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        }
        assert!(!text.contains("HIDDEN"), "{source}: {text}");
        // Whole tables are for those who may export.
        assert_eq!(
            text.contains("MINE"),
            source.starts_with('('),
            "{source}: {text}"
        );
    }
    let refused = ruth.copy_in("COPY shop.deals (id, title, owner_id) FROM STDIN");
    assert!(refused.is_err(), "she may not import");
}

#[test]
fn children_partitions_and_system_columns() {
    let database = stage();
    shows_only_mine(
        &database,
        &[
            "SELECT title FROM ONLY shop.deals",
            "SELECT title, extra FROM shop.special_deals",
        ],
    );
    shows_only_mine(
        &database,
        &[
            "SELECT line FROM shop.log_old",
            "SELECT line FROM ONLY shop.log_new",
        ],
    );
    shows_only_mine(
        &database,
        &[
            "SELECT tableoid::regclass, ctid, xmin, title FROM shop.deals",
            "SELECT title FROM shop.deals WHERE ctid = ANY (SELECT format('(0,%s)', n)::tid FROM generate_series(1, 60) AS n)",
            "SELECT title FROM shop.deals TABLESAMPLE BERNOULLI (100) WHERE tableoid = 'shop.special_deals'::regclass",
        ],
    );
}

#[test]
fn views_and_rules() {
    let database = stage();
    shows_only_mine(&database, &["SELECT title FROM shop.deal_titles"]);
    for view in ["shop.super_titles", "shop.deal_copy"] {
        for question in [
            format!("SELECT * FROM {view}"),
            format!("SELECT (SELECT string_agg(title, ',') FROM {view})"),
            format!("SELECT 1 WHERE EXISTS (SELECT FROM {view} WHERE title LIKE 'HID%')"),
            format!("WITH v AS (TABLE {view}) SELECT * FROM v"),
            format!("SELECT coalesce((SELECT max(title) FROM {view}), '') || 'x' FROM shop.deals"),
            format!("SELECT array(SELECT title FROM {view})"),
            format!("CREATE VIEW yard.over AS TABLE {view}; SELECT * FROM yard.over"),
            format!("SELECT * FROM shop.deals ORDER BY (SELECT max(title) FROM {view})"),
            format!("EXPLAIN SELECT (SELECT max(title) FROM {view})"),
        ] {
            let seen = tries(&database, "atk_ruth", &[&question]);
            assert!(seen.contains("ERROR 42501"), "{question}\n{seen}");
        }
    }
    shows_only_mine(
        &database,
        &[
            "CREATE VIEW yard.v AS SELECT * FROM shop.deals",
            "CREATE TABLE yard.kept (t text)",
            "CREATE RULE r AS ON INSERT TO yard.v DO INSTEAD INSERT INTO yard.kept SELECT title FROM shop.deals",
            "INSERT INTO yard.v (id, title) VALUES (900, 'x')",
            "SELECT * FROM yard.kept",
            "SELECT * FROM yard.v",
        ],
    );
    let before = crate::stage::stored(&database);
    tries(
        &database,
        "atk_ruth",
        &[
            "CREATE VIEW yard.w AS SELECT * FROM shop.deals",
            "UPDATE yard.w SET amount = 99 WHERE id > 10",
            "UPDATE yard.w SET owner_id = 3",
            "DELETE FROM yard.w WHERE id > 10",
            "INSERT INTO yard.w (id, title, owner_id, created_by) VALUES (901, 'x', 3, 3)",
        ],
    );
    assert_eq!(crate::stage::stored(&database), before);
}

#[test]
fn names_in_the_way() {
    let database = stage();
    // Functions, operators and tables of hers before PostgreSQL's own.
    shows_only_mine(
        &database,
        &[
            "SET search_path = yard, pg_catalog, shop",
            "CREATE FUNCTION yard.says(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', t; RETURN true; END $$",
            "CREATE FUNCTION yard.tell(a int, b int) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE '% %', a, b; RETURN true; END $$",
            "CREATE OPERATOR yard.= (LEFTARG = int, RIGHTARG = int, FUNCTION = yard.tell, COMMUTATOR = OPERATOR(yard.=))",
            "CREATE FUNCTION yard.concat(VARIADIC x text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'HIDDEN by name'; RETURN ''; END $$",
            "CREATE FUNCTION yard.count(x text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'HIDDEN by name'; RETURN 1; END $$",
            "CREATE TABLE yard.staff (id int, login text, team_id int, role text, boss_id int)",
            "INSERT INTO yard.staff VALUES (2, 'atk_ruth', 1, 'administrator', NULL)",
            "CREATE TEMP TABLE staff (id int, login text, team_id int, role text, boss_id int)",
            "INSERT INTO pg_temp.staff VALUES (2, 'atk_ruth', 1, 'administrator', NULL)",
            "CREATE TEMP TABLE policy (compiled text, revision int)",
            "SELECT title FROM shop.deals WHERE yard.says(title)",
            "SELECT title FROM shop.deals WHERE owner_id = 3",
            "SELECT celador.record_in_reach('deals', 'read', '11')",
            "SELECT * FROM celador.whoami()",
            "UPDATE shop.deals SET amount = 3 WHERE yard.says(title)",
            "DISCARD ALL",
            "SET search_path = yard, pg_catalog",
            "SELECT title FROM shop.notes JOIN shop.deals ON deal_id = deals.id",
        ],
    );
}

#[test]
fn functions_that_tell() {
    let database = stage();
    let says = "CREATE FUNCTION yard.says(t anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', t; RETURN true; END $$";
    tries(
        &database,
        "atk_ruth",
        &[
            says,
            "CREATE FUNCTION yard.step(s text, t text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', t; RETURN s; END $$",
            "CREATE AGGREGATE yard.all_of(text) (SFUNC = yard.step, STYPE = text, INITCOND = '')",
            "CREATE FUNCTION yard.same(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw % %', a, b; RETURN true; END $$",
            "CREATE OPERATOR yard.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = yard.same, RESTRICT = eqsel, JOIN = eqjoinsel)",
            "CREATE FUNCTION yard.odd(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN $1 > ''; END $$",
            "CREATE DOMAIN yard.loud AS text CHECK (yard.odd(VALUE))",
        ],
    );
    for question in [
        "SELECT title FROM shop.deals WHERE yard.says(title)",
        "SELECT title FROM shop.deals WHERE yard.says(deals)",
        "SELECT d.title FROM shop.deals AS d JOIN shop.notes AS n ON yard.says(n.body) AND d.id = n.deal_id",
        "SELECT title FROM shop.deals WHERE title OPERATOR(yard.===) 'MINE-deal-1'",
        "EXPLAIN SELECT title FROM shop.deals WHERE title OPERATOR(yard.===) 'MINE-deal-1'",
        "SELECT a.title FROM shop.deals AS a JOIN shop.deals AS b ON a.title OPERATOR(yard.===) b.title",
        "SELECT yard.all_of(title) FROM shop.deals",
        "SELECT title::yard.loud FROM shop.deals",
        "SELECT title FROM shop.deals GROUP BY title HAVING yard.says(title) ORDER BY yard.says(title)",
        "SELECT title FROM shop.deals WHERE title::int = 1",
        "SELECT title FROM shop.deals WHERE CASE WHEN title LIKE 'HID%' THEN title::int = 1 ELSE true END",
        "SELECT 1 / (amount - 11) FROM shop.deals",
        "SELECT title FROM shop.deals WHERE 1 / (amount - 11) < 2",
        "SELECT title, (SELECT title FROM shop.deals WHERE amount > 10) FROM shop.deals",
        "DO $$ DECLARE d text; c text; BEGIN INSERT INTO shop.deals (id, title, owner_id) VALUES (11, 'x', 2); EXCEPTION WHEN OTHERS THEN \
         GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, c = PG_EXCEPTION_CONTEXT; RAISE NOTICE '% % %', SQLERRM, d, c; END $$",
    ] {
        shows_nothing_hidden(&database, &["SET enable_hashjoin = off", question]);
    }
}

#[test]
fn parallel_workers() {
    let database = stage();
    let force = if celador_tests::major() >= 16 {
        "debug_parallel_query"
    } else {
        "force_parallel_mode"
    };
    shows_only_mine(
        &database,
        &[
            &format!("SET {force} = on"),
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
            "CREATE FUNCTION yard.titles() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS \
         $$ BEGIN RETURN (SELECT string_agg(title, ',') FROM shop.deals); END $$",
            "CREATE FUNCTION yard.all_titles() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS \
         $$ SELECT string_agg(t, ',') FROM shop.owner_titles() AS t $$",
            "SELECT yard.titles()",
            "SELECT yard.all_titles()",
            "SELECT count(*), string_agg(title, ',') FROM shop.deals",
            "SELECT max(yard.titles()) FROM generate_series(1, 10)",
        ],
    );
}

#[test]
fn snapshots_of_others() {
    let database = stage();
    let mut vera = database.login("atk_vera");
    vera.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .unwrap();
    let snapshot: String = vera
        .query_one("SELECT pg_export_snapshot()", &[])
        .unwrap()
        .get(0);
    shows_only_mine(
        &database,
        &[
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            &format!("SET TRANSACTION SNAPSHOT '{snapshot}'"),
            "SELECT title FROM shop.deals",
        ],
    );
}
