//! What PostgreSQL knows about rows: statistics, estimates; and Celador's own functions.

use crate::stage::{shows_nothing_hidden, stage, tries};

#[test]
fn statistics_show_no_values() {
    let database = stage();
    database.run("CREATE STATISTICS shop.pair (mcv) ON title, code FROM shop.deals; CREATE STATISTICS shop.low ON (lower(title)) FROM shop.deals; \
                  CREATE STATISTICS shop.copied (mcv) ON title, amount FROM shop.deal_copy; ANALYZE");
    for view in ["pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"] {
        shows_nothing_hidden(
            &database,
            &[
                &format!("SELECT x::text FROM {view} AS x"),
                &format!("SELECT (SELECT string_agg(x::text, ',') FROM {view} AS x)"),
            ],
        );
    }
    for table in ["pg_statistic", "pg_statistic_ext_data"] {
        shows_nothing_hidden(&database, &[&format!("SELECT x::text FROM {table} AS x")]);
    }
}

/// A guess about a row out of reach must look the same, right or wrong.
#[track_caller]
fn tells_nothing(statements: impl Fn(&str) -> Vec<String>, right: &str, wrong: &str) {
    let database = stage();
    let ask = |guess: &str| {
        let statements = statements(guess);
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        tries(&database, "atk_ruth", &statements).replace(guess, "GUESS")
    };
    let (right, wrong) = (ask(right), ask(wrong));
    assert_eq!(right, wrong);
}

#[test]
fn estimates_tell_nothing() {
    let question = "SELECT 1 FROM shop.deals WHERE region = 'GUESS'";
    for explain in [
        "EXPLAIN Q",
        "EXPLAIN (FORMAT JSON) Q",
        "EXPLAIN (COSTS ON, COSTS OFF, COSTS ON) Q",
        "EXPLAIN (VERBOSE, SETTINGS) Q",
        "EXPLAIN ANALYZE Q",
        "EXPLAIN (ANALYZE off, ANALYZE on) Q",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) Q",
        "EXPLAIN CREATE TABLE yard.t AS Q",
        "EXPLAIN DECLARE c CURSOR FOR Q",
        "EXPLAIN SELECT (SELECT count(*) FROM (Q) AS q), title FROM shop.deals",
        "EXPLAIN UPDATE shop.deals SET amount = 1 WHERE region = 'GUESS'",
        "EXPLAIN SELECT FROM shop.person_titles(), shop.deals WHERE region = 'GUESS'",
        "DO $$ DECLARE l text; BEGIN FOR l IN EXPLAIN Q LOOP RAISE NOTICE '%', l; END LOOP; END $$",
    ] {
        let statement = explain.replace("Q", question);
        tells_nothing(
            |guess| vec![statement.replace("GUESS", guess)],
            "HIDDEN-west",
            "HIDDEN-none",
        );
    }
    tells_nothing(
        |guess| {
            vec![
                "SET plan_cache_mode = force_custom_plan".to_owned(),
                "PREPARE p AS SELECT 1 FROM shop.deals WHERE region = $1".to_owned(),
                format!("EXPLAIN EXECUTE p ('{guess}')"),
                format!("EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) EXECUTE p ('{guess}')"),
            ]
        },
        "HIDDEN-west",
        "HIDDEN-none",
    );
}

#[test]
fn celadors_functions_called_by_hand() {
    for call in [
        "celador.record_in_reach('deals', '=all', 'GUESSED')",
        "celador.record_in_reach('deals', 'read', 'GUESSED')",
        "celador.record_in_reach('deals', '=group,colleagues,colleagues_tree,reports,unassigned', 'GUESSED')",
        "celador.record_in_reach('deals', 'assign>all', 'GUESSED')",
        "celador.parent_in_reach('notes', '=all', 0, 'GUESSED', NULL)",
        "celador.parent_in_reach('notes', 'read', 0, 'GUESSED', NULL)",
        "celador.related_in_reach('deals', '=all', 'GUESSED')",
        "celador.share_in_reach('deals', '=all', GUESSED)",
    ] {
        tells_nothing(
            |guess| vec![format!("SELECT {}", call.replace("GUESSED", guess))],
            "11",
            "99",
        );
    }
    for call in [
        "celador.unlinked_in_reach('tasks', 'read', 0, 'GUESSED')",
        "celador.unlinked_in_reach('tasks', '=unassigned', 0, 'GUESSED')",
        "celador.unlinked_in_reach('tasks', 'claim', 0, 'GUESSED')",
        "celador.link_in_reach('tasks', '=all', 'owner', 0, 'GUESSED')",
        "celador.link_in_reach('tasks', '=own,colleagues,reports', 'owner', 0, 'GUESSED')",
        "celador.may_link('tasks', 'owner', 0, 'GUESSED', '2')",
        "celador.record_in_reach('tasks', '=all', 'GUESSED')",
    ] {
        tells_nothing(
            |guess| vec![format!("SELECT {}", call.replace("GUESSED", guess))],
            "22",
            "99",
        );
    }
}

/// What a policy asks may run before the policy has let the row through: asked by hand, it says
/// nothing of what it is asked with.
#[test]
fn questions_that_run_before_the_policy() {
    let database = stage();
    for question in [
        "celador.all_in_reach('deals', title)",
        "celador.all_in_reach(title, 'read')",
        "celador.all_in_reach(title, title)",
        "celador.holds('deals', title, title)",
        "celador.restricted('deals', title)",
        "NOT celador.restricted(title, title)",
        "celador.owner_in_reach('deals', title, 'user', owner_id)",
        "celador.owner_in_reach('deals', 'read', title, title)",
        "celador.group_in_reach('deals', title, team_id)",
        "celador.creator_in_reach('deals', title, title, created_by)",
        "celador.creator_is_me(title, title)",
        "celador.share_in_reach('deals', title, id)",
        "celador.share_in_reach('deals', title, title)",
    ] {
        let seen = shows_nothing_hidden(
            &database,
            &[&format!(
                "SELECT title FROM shop.deals WHERE id > 10 AND {question}"
            )],
        );
        assert!(!seen.contains("ERROR"), "{question}\n{seen}");
    }
}

/// `pg_read_all_data` reads the catalogs too, those with values of other tables among them.
#[test]
fn statistics_for_those_who_may_read_all_tables() {
    let database = stage();
    database.run(
        "CREATE STATISTICS shop.pair (mcv) ON title, code FROM shop.deals;
         CREATE STATISTICS shop.low ON (lower(title)) FROM shop.deals;
         CREATE INDEX ON shop.deals (upper(title)); CREATE INDEX ON shop.deal_copy (upper(title));
         ANALYZE; GRANT pg_read_all_data TO atk_ruth",
    );
    for view in [
        "pg_statistic",
        "pg_statistic_ext_data",
        "pg_stats",
        "pg_stats_ext",
        "pg_stats_ext_exprs",
    ] {
        shows_nothing_hidden(
            &database,
            &[
                &format!("SELECT x::text FROM {view} AS x"),
                &format!("SELECT string_agg(x::text, ',') FROM {view} AS x"),
            ],
        );
    }
    shows_nothing_hidden(
        &database,
        &["SELECT stxdmcv::text FROM pg_statistic_ext_data"],
    );
    database.run("REVOKE pg_read_all_data FROM atk_ruth");
}

/// `pg_write_all_data` isn't the right to change the policy.
#[test]
fn celadors_tables_for_those_who_may_write_all_tables() {
    let database = stage();
    database.run("GRANT pg_write_all_data, pg_read_all_data TO atk_ruth");
    for attempt in [
        "UPDATE celador.policy SET compiled = replace(compiled, '\"seller\"', '\"other\"')",
        "DELETE FROM celador.policy",
        "DELETE FROM celador.protected",
        "UPDATE celador.protected SET expressions = '{}'",
        "INSERT INTO celador.registered_views (view) VALUES ('shop.super_titles')",
        "INSERT INTO celador.maintenance_roles (role) VALUES ('atk_ruth')",
        "INSERT INTO celador.policy (revision, document, compiled) SELECT 99, document, compiled FROM celador.policy",
    ] {
        let seen = shows_nothing_hidden(
            &database,
            &[
                attempt,
                "SELECT title FROM shop.deals",
                "SELECT * FROM shop.super_titles",
            ],
        );
        assert!(
            seen.contains("ERROR") || seen.contains("done 0"),
            "{attempt}\n{seen}"
        );
    }
    let rows = database
        .superuser()
        .query_one(
            "SELECT (SELECT count(*) FROM celador.policy), (SELECT count(*) FROM celador.registered_views), \
             (SELECT count(*) FROM celador.maintenance_roles)",
            &[],
        )
        .unwrap();
    let counts: [i64; 3] = [rows.get(0), rows.get(1), rows.get(2)];
    assert_eq!(counts, [1, 0, 0]);
    database.run("REVOKE pg_write_all_data, pg_read_all_data FROM atk_ruth");
}
