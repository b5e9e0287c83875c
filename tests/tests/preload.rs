//! How the library is loaded: before a session's first statement, or every protected table is an
//! error.

use celador_tests::{denied, failure, start};
use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options, Preload};

const SCHEMA: &str = "
CREATE EXTENSION celador;
CREATE ROLE pre_owner;
CREATE ROLE pre_ana LOGIN;
CREATE ROLE pre_loader LOGIN SUPERUSER;
ALTER ROLE pre_loader SET session_preload_libraries = 'celador';
GRANT ALL ON SCHEMA public TO pre_owner;
SET ROLE pre_owner;
CREATE TABLE cases (id integer PRIMARY KEY, note text, owner_id text);
INSERT INTO cases VALUES (1, 'secret-1', 'ana'), (2, 'secret-2', 'bob');
CREATE TABLE visits (id integer, day date, owner_id text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
INSERT INTO visits VALUES (1, '2020-05-01', 'ana'), (2, '2020-05-02', 'bob');
CREATE TABLE countries (code text PRIMARY KEY);
INSERT INTO countries VALUES ('ES');
CREATE TABLE case_lines (id integer PRIMARY KEY, case_id integer);
CREATE TABLE line_parts (id integer PRIMARY KEY, line_id integer);
CREATE VIEW case_view AS SELECT * FROM cases;
CREATE VIEW case_invoker WITH (security_invoker) AS SELECT * FROM cases;
CREATE FUNCTION case_sql() RETURNS SETOF cases LANGUAGE sql STABLE AS 'SELECT * FROM cases';
CREATE FUNCTION case_definer() RETURNS SETOF cases LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT * FROM cases';
CREATE FUNCTION case_atomic() RETURNS TABLE (note text) LANGUAGE sql STABLE BEGIN ATOMIC SELECT c.note FROM cases AS c; END;
CREATE FUNCTION case_plpgsql() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM cases); END';
CREATE FUNCTION case_empty() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM 1 FROM cases WHERE false; RETURN FOUND; END';
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
RESET ROLE;
SELECT celador.add_user('ana', 'pre_ana');
SELECT celador.give_role('ana', 'seller');
";

const POLICY: &str = r#"
[mapping]
schemas = ["public"]
readable = ["countries"]
[mapping.modules.cases]
table = "cases"
owner = "owner_id"
children = [{ table = "case_lines", column = "case_id", children = [{ table = "line_parts", column = "line_id" }] }]
[mapping.modules.visits]
table = "visits"
key = "id"
owner = "owner_id"
[permissions.seller]
cases = { "*" = ["own"] }
visits = { "*" = ["own"] }
"#;

fn connect(cluster: &Cluster, role: &str) -> Client {
    Client::connect(&cluster.url(role, "postgres"), NoTls).expect("the server is there")
}

fn cluster(preload: Preload) -> Cluster {
    let cluster = start(Options {
        preload,
        ..Options::default()
    });
    connect(&cluster, "postgres")
        .batch_execute(SCHEMA)
        .unwrap_or_else(|error| panic!("{error:?}"));
    connect(&cluster, "pre_loader")
        .query("SELECT celador.load_policy($1)", &[&POLICY])
        .unwrap_or_else(|error| panic!("{error:?}"));
    cluster
}

#[test]
fn without_preload_every_way_in_is_an_error() {
    let cluster = cluster(Preload::Nothing);
    let ways = [
        "SELECT * FROM cases",
        "SELECT count(*) FROM cases",
        "SELECT 1 FROM cases LIMIT 0",
        "SELECT * FROM cases WHERE false",
        "SELECT * FROM cases WHERE id = -1",
        "SELECT 1 WHERE EXISTS (SELECT FROM cases)",
        "SELECT (SELECT max(note) FROM cases)",
        "WITH c AS MATERIALIZED (SELECT * FROM cases) SELECT * FROM c",
        "SELECT * FROM cases FOR UPDATE",
        "SELECT 1 FROM cases AS a LEFT JOIN cases AS b ON false",
        "TABLE cases",
        "INSERT INTO cases VALUES (3, 'x', 'ana')",
        "INSERT INTO cases SELECT 3, 'x', 'ana' WHERE false",
        "INSERT INTO cases VALUES (1, 'x', 'ana') ON CONFLICT DO NOTHING",
        "INSERT INTO cases VALUES (1, 'x', 'ana') ON CONFLICT (id) DO UPDATE SET note = 'x' RETURNING note",
        "UPDATE cases SET note = 'x'",
        "UPDATE cases SET note = 'x' WHERE false",
        "DELETE FROM cases",
        "DELETE FROM cases WHERE false",
        "MERGE INTO cases USING (VALUES (1)) AS v(id) ON cases.id = v.id WHEN MATCHED THEN UPDATE SET note = 'x'",
        "MERGE INTO cases USING (VALUES (9)) AS v(id) ON cases.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (9, 'x', 'ana')",
        "COPY cases TO STDOUT",
        "COPY (SELECT * FROM cases) TO STDOUT",
        "EXPLAIN SELECT * FROM cases",
        "EXPLAIN SELECT * FROM cases WHERE false",
        "EXPLAIN UPDATE cases SET note = 'x'",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM cases; FETCH c; COMMIT",
        "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT * FROM cases; COMMIT; FETCH c",
        "PREPARE p AS SELECT * FROM cases; EXECUTE p",
        "CREATE TEMP TABLE copied AS SELECT * FROM cases",
        "CREATE TEMP TABLE copied AS SELECT * FROM cases WITH NO DATA; INSERT INTO copied SELECT * FROM cases",
        "DO $$ BEGIN PERFORM * FROM cases; END $$",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM cases LOOP END LOOP; END $$",
        "DO $$ BEGIN EXECUTE 'SELECT * FROM cases'; END $$",
        "SELECT * FROM case_view",
        "SELECT * FROM case_invoker",
        "UPDATE case_view SET note = 'x'",
        "SELECT * FROM case_sql()",
        "SELECT case_sql()",
        "SELECT * FROM case_definer()",
        "SELECT * FROM case_atomic()",
        "SELECT case_plpgsql()",
        "SELECT case_empty()",
        "SELECT query_to_xml('SELECT * FROM cases', true, true, '')",
        "SELECT * FROM visits",
        "SELECT * FROM visits_old",
        "SELECT * FROM visits WHERE day = '1900-01-01'",
        "UPDATE visits_old SET day = day",
        "COPY visits_old TO STDOUT",
        "SELECT * FROM countries",
        "SELECT 1 FROM countries WHERE false",
        "UPDATE countries SET code = 'x' WHERE false",
        "COPY countries TO STDOUT",
        "SELECT * FROM line_parts",
        "SELECT 1 FROM line_parts WHERE false",
        "INSERT INTO line_parts VALUES (1, NULL)",
        "SELECT * FROM celador.users",
        "SELECT * FROM celador.shares",
        "SELECT celador.give_role('ana', 'administrator')",
    ];
    // In a fresh session each, and one after the other in a session whose first error has loaded
    // the library.
    let mut same = connect(&cluster, "pre_ana");
    for sql in ways {
        for client in [&mut same, &mut connect(&cluster, "pre_ana")] {
            let error = denied_or_panic(client, sql);
            let _ = client.batch_execute("ROLLBACK; DEALLOCATE ALL");
            assert!(
                error.contains("Celador") || error.contains("preloaded"),
                "{sql}: {error}"
            );
        }
    }
    // The functions say why, and change nothing.
    let reason: Option<String> = connect(&cluster, "pre_ana")
        .query_one("SELECT reason FROM celador.whoami()", &[])
        .expect("everybody may ask")
        .get(0);
    assert!(reason.is_some_and(|reason| reason.contains("preload")));
    let mut superuser = connect(&cluster, "postgres");
    let refused = failure(superuser.query("SELECT celador.load_policy($1)", &[&POLICY]));
    assert!(refused.message.contains("preload"), "{refused:?}");
    // With it, in the same database, by a setting of the database.
    superuser
        .batch_execute("ALTER DATABASE postgres SET session_preload_libraries = 'celador'")
        .expect("a superuser may");
    let seen: i64 = connect(&cluster, "pre_ana")
        .query_one("SELECT count(*) FROM cases", &[])
        .expect("it is loaded")
        .get(0);
    assert_eq!(seen, 1);
    // Nobody but a superuser takes it away again.
    let mut ana = connect(&cluster, "pre_ana");
    for sql in [
        "SET session_preload_libraries = ''",
        "ALTER ROLE pre_ana SET session_preload_libraries = ''",
        "LOAD 'celador'",
    ] {
        denied(ana.batch_execute(sql));
    }
    let options = format!(
        "{}?options=-c%20session_preload_libraries%3D",
        cluster.url("pre_ana", "postgres")
    );
    assert!(Client::connect(&options, NoTls).is_err());
}

fn denied_or_panic(client: &mut Client, sql: &str) -> String {
    let result = client.batch_execute(sql);
    assert!(result.is_err(), "{sql}: no error");
    let error = denied(result);
    assert!(!error.hint.is_empty(), "{sql}: {error:?}");
    format!("{} {}", error.message, error.hint)
}

#[test]
fn loaded_by_the_server_it_works_in_every_session() {
    let cluster = cluster(Preload::Shared);
    let mut ana = connect(&cluster, "pre_ana");
    for sql in [
        "SELECT count(*) FROM cases",
        "SELECT count(*) FROM case_view",
        "SELECT count(*) FROM case_sql()",
        "SELECT count(*) FROM visits_old",
        "SELECT count(*) FROM countries",
    ] {
        let seen: i64 = ana.query_one(sql, &[]).expect("it works").get(0);
        assert_eq!(seen, 1, "{sql}");
    }
    assert_eq!(
        ana.execute("UPDATE cases SET note = 'x'", &[])
            .expect("it works"),
        1
    );
    denied(ana.execute("INSERT INTO cases VALUES (3, 'x', 'bob')", &[]));
    // A database without the extension is left alone.
    connect(&cluster, "postgres")
        .batch_execute("CREATE DATABASE plain")
        .expect("it can be made");
    let mut plain = Client::connect(&cluster.url("postgres", "plain"), NoTls).expect("connected");
    plain
        .batch_execute("CREATE TABLE cases (id integer); INSERT INTO cases VALUES (1); SELECT * FROM cases; DROP TABLE cases")
        .expect("nothing is in the way");
    // Changes arrive in a session that was open before.
    connect(&cluster, "postgres")
        .batch_execute("SELECT celador.take_role('ana', 'seller')")
        .expect("it works");
    let seen: i64 = ana
        .query_one("SELECT count(*) FROM cases", &[])
        .expect("it works")
        .get(0);
    assert_eq!(seen, 0);
}
