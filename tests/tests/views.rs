//! Ways to protected rows that aren't the table itself: views, functions, copies.

mod desk;

use celador_tests::{Database, denied};
use desk::{desk, number, refused, run, text};
use postgres::error::SqlState;

/// What `SELECT note FROM source` gives bea: nothing of others.
#[track_caller]
fn shows_only_own(database: &Database, source: &str) {
    let mut bea = database.login("desk_bea");
    let notes: Vec<String> = bea
        .query(&format!("SELECT note FROM {source} ORDER BY note"), &[])
        .unwrap_or_else(|error| panic!("{source}: {error:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(notes, ["secret-2"], "{source}");
}

/// Reading fails with 42501, whatever is asked.
#[track_caller]
fn shows_nothing(database: &Database, source: &str) {
    let mut bea = database.login("desk_bea");
    for sql in [
        format!("SELECT * FROM {source} AS s"),
        format!("SELECT count(*) FROM {source} AS s"),
        format!("SELECT 1 FROM {source} AS s LIMIT 0"),
        format!("EXPLAIN SELECT * FROM {source} AS s"),
        format!("SELECT (SELECT max(s::text) FROM {source} AS s)"),
        format!("WITH w AS (SELECT * FROM {source} AS s) SELECT * FROM w"),
        format!("SELECT 1 WHERE EXISTS (SELECT FROM {source} AS s)"),
    ] {
        let result = bea.query(&sql, &[]);
        assert!(result.is_err(), "{sql}");
        denied(result);
    }
    denied(bea.batch_execute(&format!("COPY (SELECT * FROM {source} AS s) TO STDOUT")));
}

#[test]
fn views_of_plain_owners_show_what_the_person_may_see() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner;
         CREATE VIEW plain AS SELECT * FROM cases;
         CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM cases;
         CREATE VIEW invoker WITH (security_invoker) AS SELECT * FROM cases;
         CREATE VIEW on_view AS SELECT * FROM barrier;
         CREATE VIEW with_join AS SELECT c.note FROM lines AS l JOIN cases AS c ON c.id = l.case_id;
         CREATE VIEW with_union AS SELECT note FROM cases UNION SELECT note FROM cases;
         CREATE VIEW with_sub AS SELECT (SELECT note FROM cases AS c WHERE c.id = u.id) AS note FROM users AS u
           WHERE EXISTS (SELECT FROM cases AS c WHERE c.id = u.id);
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO desk_people",
    );
    database.run("CREATE VIEW invoker_of_exempt WITH (security_invoker) AS SELECT * FROM cases");
    database.run("GRANT SELECT ON invoker_of_exempt TO desk_people");
    for view in [
        "plain",
        "barrier",
        "invoker",
        "on_view",
        "with_join",
        "with_union",
        "invoker_of_exempt",
    ] {
        shows_only_own(&database, view);
    }
    // Bea sees no user in this matrix, so this view gives nothing; and no error.
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM with_sub"
        ),
        0
    );
}

#[test]
fn views_of_exempt_owners_are_refused_until_registered() {
    let database = desk();
    database.run(
        "CREATE VIEW exempt AS SELECT * FROM cases;
         CREATE VIEW exempt_barrier WITH (security_barrier) AS SELECT * FROM cases;
         CREATE VIEW on_exempt AS SELECT * FROM exempt;
         CREATE ROLE desk_bypass BYPASSRLS;
         GRANT SELECT ON cases TO desk_bypass;
         CREATE VIEW of_bypass AS SELECT * FROM cases;
         ALTER VIEW of_bypass OWNER TO desk_bypass;
         GRANT SELECT ON exempt, exempt_barrier, on_exempt, of_bypass TO desk_people",
    );
    for view in ["exempt", "exempt_barrier", "on_exempt", "of_bypass"] {
        shows_nothing(&database, view);
    }
    // The superuser's own session sees it all.
    assert_eq!(
        number(&mut database.superuser(), "SELECT count(*) FROM on_exempt"),
        6
    );
    // Once registered, for that view only.
    denied(
        database
            .login("desk_bea")
            .execute("SELECT celador.register_view('exempt')", &[]),
    );
    database.run("SELECT celador.register_view('exempt')");
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM exempt"
        ),
        6
    );
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM on_exempt"
        ),
        6
    );
    shows_only_own(&database, "cases");
    shows_nothing(&database, "exempt_barrier");
    // What stands beside a registered view isn't registered with it.
    let beside = "(SELECT e.note FROM exempt AS r, exempt_barrier AS e)";
    shows_nothing(&database, beside);
    let beside = "(SELECT c.note FROM exempt AS r JOIN cases AS c USING (id)) AS s";
    shows_only_own(&database, beside);
    database.run("SELECT celador.unregister_view('exempt')");
    shows_nothing(&database, "exempt");
}

#[test]
fn functions_of_exempt_owners_are_refused() {
    let database = desk();
    database.run(
        "CREATE FUNCTION by_sql() RETURNS SETOF cases LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT * FROM cases';
         CREATE FUNCTION by_atomic() RETURNS TABLE (note text) LANGUAGE sql STABLE SECURITY DEFINER
           BEGIN ATOMIC SELECT c.note FROM cases AS c; END;
         CREATE FUNCTION by_plpgsql() RETURNS SETOF cases LANGUAGE plpgsql SECURITY DEFINER
           AS 'BEGIN RETURN QUERY SELECT * FROM cases; END';
         CREATE FUNCTION by_execute() RETURNS SETOF cases LANGUAGE plpgsql SECURITY DEFINER
           AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT * FROM cases'; END $$;
         CREATE FUNCTION by_xml() RETURNS TABLE (note text) LANGUAGE sql SECURITY DEFINER
           AS $$ SELECT query_to_xml('SELECT * FROM cases', true, true, '')::text $$;
         CREATE FUNCTION by_one() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT string_agg(note, '','') FROM cases'",
    );
    for function in [
        "by_sql()",
        "by_atomic()",
        "by_plpgsql()",
        "by_execute()",
        "by_xml()",
        "by_one() AS o(note)",
    ] {
        let mut bea = database.login("desk_bea");
        for _ in 0..2 {
            let result = bea.query(&format!("SELECT note FROM {function}"), &[]);
            assert!(result.is_err(), "{function}");
            denied(result);
        }
    }
    // They write nothing, they copy nothing.
    for body in [
        "UPDATE public.cases SET note = 'x'",
        "DELETE FROM public.lines",
        "INSERT INTO public.cases (id, title) VALUES (10, 'x')",
        "TRUNCATE public.lines",
        "COPY public.cases TO '/dev/null'",
        "CREATE TABLE elsewhere.copied AS SELECT * FROM public.cases",
        "ALTER TABLE public.cases DISABLE ROW LEVEL SECURITY",
        "DROP POLICY celador_read ON public.cases",
    ] {
        database.run(&format!(
            "CREATE OR REPLACE FUNCTION act() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN {body}; END $f$"
        ));
        refused(&database, "desk_bea", "SELECT act()");
    }
}

#[test]
fn functions_of_plain_owners_show_what_the_person_may_see() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner;
         CREATE FUNCTION definer() RETURNS SETOF cases LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT * FROM cases';
         CREATE FUNCTION inlined() RETURNS SETOF cases LANGUAGE sql STABLE AS 'SELECT * FROM cases';
         CREATE FUNCTION atomic() RETURNS TABLE (note text) LANGUAGE sql STABLE BEGIN ATOMIC SELECT c.note FROM cases AS c; END;
         CREATE FUNCTION by_plpgsql() RETURNS SETOF cases LANGUAGE plpgsql STABLE AS 'BEGIN RETURN QUERY SELECT * FROM cases; END'",
    );
    for function in ["definer()", "inlined()", "atomic()", "by_plpgsql()"] {
        shows_only_own(&database, function);
        shows_only_own(
            &database,
            &format!(
                "(SELECT f.note FROM generate_series(1, 1) AS g, LATERAL {function} AS f) AS s"
            ),
        );
    }
}

#[test]
fn a_leaky_function_sees_no_hidden_row() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    run(
        &mut bea,
        "CREATE TEMP TABLE seen (note text);
         CREATE FUNCTION pg_temp.leak(note text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
           AS $$ BEGIN INSERT INTO pg_temp.seen VALUES (note); RETURN true; END $$",
    );
    for sql in [
        "SELECT 1 FROM cases WHERE pg_temp.leak(note)",
        "SELECT 1 FROM cases WHERE pg_temp.leak(note) OR true ORDER BY pg_temp.leak(note)",
        "SELECT 1 FROM lines AS l JOIN cases AS c ON pg_temp.leak(c.note)",
        "UPDATE cases SET note = note WHERE pg_temp.leak(note)",
        "DELETE FROM cases WHERE pg_temp.leak(note) AND false",
    ] {
        bea.execute(sql, &[])
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    assert_eq!(
        number(
            &mut bea,
            "SELECT count(*) FROM seen WHERE note <> 'secret-2'"
        ),
        0
    );
}

#[test]
fn materialized_views_are_closed_to_those_who_dont_see_all() {
    let database = desk();
    database.run(
        "CREATE MATERIALIZED VIEW direct AS SELECT * FROM cases;
         CREATE VIEW between AS SELECT * FROM cases;
         CREATE MATERIALIZED VIEW by_view AS SELECT * FROM between;
         CREATE MATERIALIZED VIEW by_other AS SELECT * FROM direct;
         CREATE FUNCTION everything() RETURNS TABLE (note text) LANGUAGE sql AS 'SELECT note FROM public.cases';
         CREATE MATERIALIZED VIEW by_function AS SELECT * FROM everything();
         CREATE VIEW over AS SELECT * FROM direct;
         GRANT SELECT ON direct, by_view, by_other, by_function, over TO desk_people",
    );
    for view in ["direct", "by_view", "by_other", "by_function", "over"] {
        shows_nothing(&database, view);
    }
    // Open to one who reads every row, and to all once it is registered.
    assert_eq!(
        number(
            &mut database.login("desk_ann"),
            "SELECT count(*) FROM direct"
        ),
        6
    );
    database.run("SELECT celador.register_view('direct')");
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM direct"
        ),
        6
    );
}

#[test]
fn refreshing_is_for_maintenance() {
    let database = desk();
    database.run(
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM cases;
         ALTER MATERIALIZED VIEW kept OWNER TO desk_owner;
         CREATE FUNCTION refresh() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN REFRESH MATERIALIZED VIEW kept; END'",
    );
    for login in ["desk_bea", "desk_ann"] {
        refused(&database, login, "SELECT refresh()");
    }
    refused(&database, "desk_migrator", "REFRESH MATERIALIZED VIEW kept");
    // Maintenance stores every row.
    let mut superuser = database.superuser();
    run(&mut superuser, "DELETE FROM cases WHERE id = 6");
    run(&mut superuser, "REFRESH MATERIALIZED VIEW kept");
    assert_eq!(number(&mut superuser, "SELECT count(*) FROM kept"), 5);
}

#[test]
fn copy_and_catalog_functions_give_only_rows_in_reach() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    for sql in ["COPY cases TO STDOUT", "COPY cases (note) TO STDOUT"] {
        let refused = denied(bea.batch_execute(sql));
        assert!(
            refused.message.starts_with("you may not export"),
            "{sql}: {}",
            refused.message
        );
    }
    for sql in [
        "COPY (TABLE cases) TO STDOUT",
        "COPY (SELECT note FROM cases) TO STDOUT",
    ] {
        let mut copied = String::new();
        std::io::Read::read_to_string(
            &mut bea.copy_out(sql).expect("it can be copied"),
            &mut copied,
        )
        .expect("it is text");
        assert!(
            copied.contains("secret-2") && copied.lines().count() == 1,
            "{sql}: {copied}"
        );
    }
    for sql in [
        "SELECT query_to_xml('SELECT note FROM cases', true, true, '')::text",
        "SELECT table_to_xml('cases', true, true, '')::text",
        "SELECT array_agg(c)::text FROM cases AS c",
        "SELECT schema_to_xml('public', true, true, '')::text",
    ] {
        let result = bea.query_one(sql, &[]);
        match result {
            Ok(row) => {
                let all: String = row.get(0);
                for hidden in [1, 3, 4, 5, 6] {
                    assert!(!all.contains(&format!("secret-{hidden}")), "{sql}: {all}");
                }
            }
            // Some servers are built without XML.
            Err(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => {}
            refused @ Err(_) => drop(denied(refused)),
        }
    }
    assert_eq!(
        number(
            &mut bea,
            "SELECT count(*) FROM pg_stats WHERE tablename = 'cases'"
        ),
        0
    );
    assert!(bea.batch_execute("COPY cases FROM STDIN").is_err());
}

#[test]
fn the_questions_of_policies_tell_nothing_of_hidden_rows() {
    // Whoever calls the functions of the policies directly learns nothing that the matrix hides.
    let database = desk();
    let mut bea = database.login("desk_bea");
    for question in [
        "celador.record_in_reach('cases', '=all', '4')",
        "celador.record_in_reach('cases', '=unassigned', '5')",
        "celador.record_in_reach('cases', '=group', '3')",
        "celador.link_in_reach('docs', '=all', 'owner', 0, '2')",
        "celador.link_in_reach('docs', '=colleagues', 'owner', 0, '2')",
        "celador.has_link('docs', 'owner', 0, '2')",
        "celador.record_in_reach('cases', 'read', '4')",
        "celador.may_link('docs', 'owner', 0, '2', '2')",
    ] {
        match bea.query_one(&format!("SELECT {question}"), &[]) {
            Ok(row) => assert!(!row.get::<_, bool>(0), "{question}"),
            refused @ Err(_) => {
                assert!(text(&mut bea, "SELECT 'still there'").is_some() && refused.is_err())
            }
        }
    }
}
