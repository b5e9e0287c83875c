//! Modules that are observed: nothing is enforced on them, and what would be is counted.

mod desk;

use celador_tests::{Database, cluster_with, denied, failure};
use desk::{MATRIX, bare, document, ids, number, run, text};
use postgres::{Client, NoTls};
use xtask::cluster::{Options, Preload};

/// The desk, on a server that loads the library when it starts; nothing is loaded yet.
fn server() -> Database {
    cluster_with(shared());
    bare()
}

fn shared() -> Options {
    Options {
        preload: Preload::Shared,
        ..Options::default()
    }
}

/// The desk's document with modules that are observed.
fn observing(modules: &[&str]) -> String {
    let mut text = document(MATRIX);
    for module in modules {
        let head = format!("[mapping.modules.{module}]\n");
        assert!(text.contains(&head), "{module}");
        text = text.replace(&head, &format!("{head}mode = \"observe\"\n"));
    }
    text
}

fn observed_desk(modules: &[&str]) -> Database {
    let database = server();
    database.load(&observing(modules));
    database
}

/// What was observed of a person (NULL: nobody), as `module action hidden refused`.
fn counted(database: &Database, user: Option<&str>) -> Vec<String> {
    database
        .superuser()
        .query(
            "SELECT concat_ws(' ', module, action, rows_hidden, writes_refused) FROM celador.observed()
             WHERE \"user\" IS NOT DISTINCT FROM $1",
            &[&user],
        )
        .expect("a report")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

fn written(client: &mut Client, sql: &str) -> u64 {
    client
        .execute(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

#[test]
fn nothing_is_hidden_and_all_is_counted() {
    let database = observed_desk(&["cases"]);
    let mut bea = database.login("desk_bea");
    assert_eq!(number(&mut bea, "SELECT count(*) FROM cases"), 6);
    assert_eq!(counted(&database, Some("2")), ["cases read 5 0"]);
    // What hangs on a record of the module is the module's.
    assert_eq!(number(&mut bea, "SELECT count(*) FROM lines"), 6);
    assert_eq!(counted(&database, Some("2")), ["cases read 10 0"]);
    // Through joins, outer too, and sub-queries: real rows are counted.
    assert_eq!(
        number(
            &mut bea,
            "SELECT count(*) FROM (VALUES (1), (2), (99)) AS v(id) LEFT JOIN cases AS c ON c.id = v.id"
        ),
        3
    );
    let hidden = |database: &Database| {
        number(
            &mut database.superuser(),
            "SELECT coalesce(sum(rows_hidden), 0)::bigint FROM celador.observed() WHERE action = 'read'",
        )
    };
    run(&mut database.superuser(), "SELECT celador.reset_observed()");
    assert_eq!(counted(&database, Some("2")), Vec::<String>::new());
    ids(&mut bea, "SELECT id FROM cases WHERE id = 1");
    assert_eq!(hidden(&database), 1);
    ids(&mut bea, "SELECT id FROM cases WHERE id = 2");
    assert_eq!(hidden(&database), 1);
    // Counting writes no table: a read-only transaction, and so a standby, counts as well.
    run(
        &mut bea,
        "BEGIN READ ONLY; SELECT id FROM cases WHERE id = 3; COMMIT",
    );
    assert_eq!(hidden(&database), 2);
    // Other modules are enforced.
    assert_eq!(ids(&mut bea, "SELECT id FROM docs"), [1]);
    // For whoever may all there is nothing to count, nor for a superuser.
    number(
        &mut database.login("desk_ann"),
        "SELECT count(*) FROM cases",
    );
    number(&mut database.superuser(), "SELECT count(*) FROM cases");
    assert_eq!(counted(&database, Some("1")), Vec::<String>::new());
    assert_eq!(hidden(&database), 2);
}

#[test]
fn writes_pass_and_are_counted() {
    let database = observed_desk(&["cases", "docs"]);
    let mut bea = database.login("desk_bea");
    let told = |database: &Database| {
        let told = counted(database, Some("2"));
        run(&mut database.superuser(), "SELECT celador.reset_observed()");
        told
    };
    // A row that an UPDATE wouldn't find; one that it would.
    assert_eq!(
        written(&mut bea, "UPDATE cases SET note = 'x' WHERE id = 4"),
        1
    );
    assert_eq!(told(&database), ["cases update 1 0"]);
    assert_eq!(
        written(&mut bea, "UPDATE cases SET note = 'x' WHERE id = 2"),
        1
    );
    assert_eq!(told(&database), Vec::<String>::new());
    // The guard's verdict: giving away, forging the creator.
    assert_eq!(
        written(&mut bea, "UPDATE cases SET owner_id = 4 WHERE id = 2"),
        1
    );
    assert_eq!(told(&database), ["cases update 0 1"]);
    assert_eq!(
        written(
            &mut bea,
            "INSERT INTO cases (id, title, owner_id, created_by) VALUES (71, 'for dan', 4, 4)"
        ),
        1
    );
    assert_eq!(told(&database), ["cases create 0 1"]);
    // Nothing is filled in: the row is as it was written.
    written(
        &mut bea,
        "INSERT INTO cases (id, title, owner_id) VALUES (72, 'mine', 2)",
    );
    assert_eq!(
        number(
            &mut database.superuser(),
            "SELECT count(*) FROM cases WHERE id = 72 AND created_by IS NULL"
        ),
        1
    );
    told(&database);
    assert_eq!(written(&mut bea, "DELETE FROM cases WHERE id = 4"), 1);
    assert_eq!(told(&database)[..1], ["cases delete 1 0"]);
    // Children and link tables.
    assert_eq!(
        written(&mut bea, "INSERT INTO lines VALUES (90, 1, 'x')"),
        1
    );
    assert_eq!(told(&database), ["cases update 0 1"]);
    assert_eq!(written(&mut bea, "INSERT INTO doc_people VALUES (2, 2)"), 1);
    assert!(
        told(&database).iter().any(|line| line.ends_with(" 1")),
        "a link"
    );
    run(
        &mut database.superuser(),
        "GRANT TRUNCATE ON lines TO desk_people",
    );
    run(&mut bea, "TRUNCATE lines");
    assert_eq!(told(&database), ["cases delete 0 1"]);
    // What is rolled back was tried.
    run(&mut bea, "BEGIN; DELETE FROM cases WHERE id = 3; ROLLBACK");
    assert_eq!(told(&database)[..1], ["cases delete 1 0"]);
}

#[test]
fn nobody_is_counted_as_nobody() {
    let database = observed_desk(&["cases"]);
    let mut stranger = database.login("desk_stranger");
    assert_eq!(number(&mut stranger, "SELECT count(*) FROM cases"), 6);
    assert_eq!(
        written(&mut stranger, "UPDATE cases SET note = 'y' WHERE id = 1"),
        1
    );
    assert_eq!(
        counted(&database, None),
        ["cases read 6 0", "cases update 1 0"]
    );
    assert_eq!(
        text(
            &mut database.superuser(),
            "SELECT DISTINCT login FROM celador.observed() WHERE \"user\" IS NULL"
        )
        .as_deref(),
        Some("desk_stranger")
    );
    denied(stranger.query("SELECT * FROM docs", &[]));
}

#[test]
fn turning_it_off_and_on_holds_in_open_sessions() {
    let database = server();
    database.load(&document(MATRIX));
    let mut bea = database.login("desk_bea");
    let kept = bea
        .prepare("SELECT count(*) FROM cases")
        .expect("a statement");
    let count =
        |client: &mut Client| -> i64 { client.query_one(&kept, &[]).expect("it runs").get(0) };
    let before = desk::picture(&database);
    for _ in 0..8 {
        assert_eq!(count(&mut bea), 1);
    }
    database.load(&observing(&["cases"]));
    for _ in 0..8 {
        assert_eq!(count(&mut bea), 6);
    }
    database.load(&document(MATRIX));
    assert_eq!(count(&mut bea), 1);
    assert_eq!(ids(&mut bea, "SELECT id FROM docs"), [1]);
    // Everything stands as before, but for the revisions.
    let cut = |picture: &str| {
        picture
            .lines()
            .filter(|line| {
                line.split(' ')
                    .next()
                    .is_none_or(|first| first.parse::<i32>().is_err())
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(cut(&desk::picture(&database)), cut(&before));
    // The same policy again changes nothing on a table.
    database.load(&observing(&["cases"]));
    let again: i64 = database
        .superuser()
        .query_one(
            "SELECT count(*) FROM celador.plan_policy($1) WHERE ddl IS NOT NULL",
            &[&observing(&["cases"])],
        )
        .expect("a plan")
        .get(0);
    assert_eq!(again, 0);
    // Taken away, nothing is left of Celador on the tables.
    database.load("");
    assert_eq!(
        number(
            &mut database.superuser(),
            "SELECT count(*) FROM pg_policies WHERE schemaname = 'public'"
        ) + number(
            &mut database.superuser(),
            "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '~celador%' AND tgrelid = 'cases'::regclass"
        ),
        0
    );
}

#[test]
fn an_observed_parent_lends_what_its_permissions_give() {
    let database = server();
    let text = observing(&["cases"]).replace(
        "children = [{ table = \"lines\", column = \"case_id\" }]\n",
        "",
    ) + "\n[mapping.modules.lines]\ntable = \"lines\"\nparent = { module = \"cases\", column = \"case_id\" }\n\
           [permissions.seller.lines]\nread = [\"parent\"]\n";
    database.load(&text);
    let mut bea = database.login("desk_bea");
    assert_eq!(number(&mut bea, "SELECT count(*) FROM cases"), 6);
    assert_eq!(ids(&mut bea, "SELECT id FROM lines"), [2]);
}

#[test]
fn partitions_are_observed_with_their_table() {
    let database = observed_desk(&["visits"]);
    let mut bea = database.login("desk_bea");
    assert_eq!(number(&mut bea, "SELECT count(*) FROM visits"), 4);
    assert_eq!(counted(&database, Some("2")), ["visits read 2 0"]);
    assert_eq!(number(&mut bea, "SELECT count(*) FROM visits_new"), 2);
    assert_eq!(counted(&database, Some("2")), ["visits read 3 0"]);
    run(
        &mut database.superuser(),
        "SET ROLE desk_owner; CREATE TABLE visits_later PARTITION OF visits FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')",
    );
    assert_eq!(
        written(
            &mut bea,
            "INSERT INTO visits VALUES (9, '2022-05-01', 'x', 4, 4)"
        ),
        1
    );
    assert_eq!(number(&mut bea, "SELECT count(*) FROM visits_later"), 1);
    // A row that moves to another partition.
    assert_eq!(
        written(
            &mut bea,
            "UPDATE visits SET day = '2021-09-09' WHERE id = 9"
        ),
        1
    );
}

#[test]
fn a_migration_goes_on() {
    let database = observed_desk(&["cases"]);
    let mut bea = database.login("desk_bea");
    let count = |client: &mut Client| number(client, "SELECT count(*) FROM cases");
    assert_eq!(count(&mut bea), 6);
    let mut owner = database.superuser();
    run(&mut owner, "SET ROLE desk_owner");
    for change in [
        "ALTER TABLE cases DROP COLUMN country",
        "ALTER TABLE cases ADD COLUMN extra text DEFAULT 'x'",
        "ALTER TABLE cases ALTER COLUMN created_by TYPE bigint",
    ] {
        run(&mut owner, change);
        let before = counted(&database, Some("2"));
        assert_eq!(count(&mut bea), 6, "{change}");
        assert_ne!(counted(&database, Some("2")), before, "{change}");
    }
    // Without the owner's column there is nothing left to count, and nothing fails.
    run(&mut owner, "ALTER TABLE cases DROP COLUMN owner_id");
    let before = counted(&database, Some("2"));
    assert_eq!(count(&mut bea), 6);
    assert_eq!(
        written(&mut bea, "UPDATE cases SET note = 'after' WHERE id = 4"),
        1
    );
    assert_eq!(counted(&database, Some("2")), before);
}

#[test]
fn the_directory_cant_be_observed() {
    let database = server();
    for module in ["users", "groups", "memberships", "roles_held"] {
        let refused = failure(
            database
                .superuser()
                .query("SELECT celador.load_policy($1)", &[&observing(&[module])]),
        );
        assert!(
            refused.message.contains("can't be observed"),
            "{module}: {refused:?}"
        );
    }
}

#[test]
fn explain_and_statements_of_all_kinds_work_where_all_is_observed() {
    let database = observed_desk(&["cases"]);
    let mut bea = database.login("desk_bea");
    for statement in [
        "MERGE INTO cases AS c USING (VALUES (1, 'merged'), (80, 'new')) AS v(id, note) ON c.id = v.id
           WHEN MATCHED THEN UPDATE SET note = v.note
           WHEN NOT MATCHED THEN INSERT (id, title, note) VALUES (v.id, 'm', v.note)",
        "INSERT INTO cases (id, title) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = 'again'",
        "WITH gone AS (DELETE FROM cases WHERE id = 80 RETURNING *) SELECT count(*) FROM gone",
        "SELECT * FROM cases FOR UPDATE",
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "SELECT count(*) FROM cases",
        "COMMIT",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM cases; FETCH 2 FROM c; COMMIT",
        "SELECT * FROM cases AS a FULL JOIN lines AS b ON b.case_id = a.id",
        "PREPARE p AS UPDATE cases SET note = $1 WHERE id = $2",
        "EXECUTE p('again', 1)",
    ] {
        run(&mut bea, statement);
    }
    assert_eq!(
        text(&mut bea, "SELECT note FROM cases WHERE id = 1").as_deref(),
        Some("again")
    );
    // In parallel, where PostgreSQL wants it so, rows are counted by whoever leads.
    run(
        &mut bea,
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
    );
    assert_eq!(number(&mut bea, "SELECT count(*) FROM cases"), 6);
    // People see estimates as before while a module is enforced only if none is.
    assert!(
        bea.query("EXPLAIN ANALYZE SELECT * FROM cases", &[])
            .is_err()
    );
}

#[test]
fn a_panic_while_counting_is_an_error() {
    let database = observed_desk(&["cases"]);
    let mut superuser = database.superuser();
    run(
        &mut superuser,
        "GRANT SET ON PARAMETER celador.panic_in TO desk_bea",
    );
    let mut bea = database.login("desk_bea");
    run(&mut bea, "SET celador.panic_in = 'observe'");
    assert_eq!(failure(bea.query("SELECT * FROM cases", &[])).code, "XX000");
    run(&mut bea, "RESET celador.panic_in");
    assert_eq!(number(&mut bea, "SELECT count(*) FROM cases"), 6);
}

#[test]
fn without_the_library_observed_tables_are_as_before_celador() {
    let cluster = celador_tests::start(shared());
    let connect = |role: &str, database: &str| {
        Client::connect(&cluster.url(role, database), NoTls).expect("a session")
    };
    let mut superuser = connect("postgres", "postgres");
    run(&mut superuser, "CREATE EXTENSION celador");
    run(&mut superuser, desk::SCHEMA);
    superuser
        .query("SELECT celador.load_policy($1)", &[&observing(&["cases"])])
        .expect("it loads");
    assert_eq!(
        number(
            &mut connect("desk_bea", "postgres"),
            "SELECT count(*) FROM cases"
        ),
        6
    );
    // What was counted outlives a restart.
    drop(superuser);
    cluster.restart().expect("the server starts again");
    let mut superuser = connect("postgres", "postgres");
    assert_eq!(
        number(
            &mut superuser,
            "SELECT rows_hidden FROM celador.observed() WHERE \"user\" = '2'"
        ),
        5
    );
    run(
        &mut superuser,
        "ALTER SYSTEM SET shared_preload_libraries = 'plpgsql'",
    );
    cluster.restart().expect("the server starts again");
    let mut bea = connect("desk_bea", "postgres");
    assert_eq!(number(&mut bea, "SELECT count(*) FROM cases"), 6);
    assert_eq!(
        written(&mut bea, "UPDATE cases SET owner_id = 2 WHERE id = 4"),
        1
    );
    assert_eq!(
        written(
            &mut bea,
            "INSERT INTO cases (id, title, owner_id) VALUES (60, 'x', 4)"
        ),
        1
    );
    assert_eq!(written(&mut bea, "DELETE FROM cases WHERE id = 60"), 1);
    denied(bea.query("SELECT * FROM docs", &[]));
}
