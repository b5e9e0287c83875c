//! Library, SQL objects and compiled policy belong together: what another version wrote is refused,
//! never misread; ALTER EXTENSION UPDATE makes them fit again.

mod desk;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use celador_tests::{
    Database, Failure, cluster, denied, failure, install, own_catalog, own_install, same_lines,
};
use desk::{desk, document, ids, number, run, text};
use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options, Preload};

/// The library's version, which is the newest of the objects.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A database as 0.1.0 leaves it: its objects, and the desk under a policy. What was compiled is
/// unknown to this version, and one table's policies are as another version generated them.
fn old() -> Database {
    let source = desk();
    source.run("GRANT EXECUTE ON FUNCTION celador.act_as(text) TO desk_pool");
    Database::from_template("celador_old", |client| {
        run(client, "CREATE EXTENSION celador VERSION '0.1.0'");
        let mut dump = Command::new(install().program("pg_dump"))
            .args(["--extension=plpgsql", "--exclude-schema=celador"])
            .arg(source.url("postgres"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("pg_dump starts");
        let script = dump.stdout.take().expect("a pipe");
        cluster()
            .psql("celador_old", script)
            .expect("the dump can be read");
        assert!(dump.wait().expect("it ends").success());
        copy_state(&mut source.superuser(), client);
        run(
            client,
            r#"GRANT EXECUTE ON FUNCTION celador.act_as(text) TO desk_pool;
               UPDATE celador.policy SET compiled = '{"written": "otherwise"}';
               DROP POLICY celador_read ON boards;
               CREATE POLICY celador_read ON boards AS RESTRICTIVE FOR SELECT USING (celador.covered());
               UPDATE celador.protected SET policies = 'of 0.1.0' WHERE relation = 'boards'::regclass"#,
        );
    })
}

/// Copies the rows of Celador's own tables, as far as the other database has them.
fn copy_state(from: &mut Client, to: &mut Client) {
    let tables = to
        .query(
            "SELECT c::text, string_agg(quote_ident(attname), ', ' ORDER BY attnum)
             FROM pg_extension, unnest(extconfig::regclass[]) AS c JOIN pg_attribute ON attrelid = c AND attnum > 0
             WHERE extname = 'celador' GROUP BY c ORDER BY c = 'celador.users'::regclass DESC, c::text",
            &[],
        )
        .expect("the extension says what is dumped");
    assert!(tables.len() > 8);
    for row in tables {
        let (table, columns): (String, String) = (row.get(0), row.get(1));
        let mut rows = Vec::new();
        from.copy_out(&format!("COPY (SELECT {columns} FROM {table}) TO STDOUT"))
            .map(|mut copy| copy.read_to_end(&mut rows).expect("reads"))
            .unwrap_or_else(|error| panic!("{table}: {error:?}"));
        let mut copy = to
            .copy_in(&format!("COPY {table} ({columns}) FROM STDIN"))
            .unwrap_or_else(|error| panic!("{table}: {error:?}"));
        copy.write_all(&rows).expect("writes");
        copy.finish()
            .unwrap_or_else(|error| panic!("{table}: {error:?}"));
    }
}

/// Ways to a protected table, each refused in a session of a person's.
const WAYS: [&str; 10] = [
    "SELECT * FROM cases",
    "SELECT 1 FROM cases WHERE false",
    "EXPLAIN SELECT * FROM cases",
    "INSERT INTO cases (id, title, owner_id) VALUES (20, 'x', 2)",
    "UPDATE cases SET note = 'x' WHERE false",
    "DELETE FROM cases",
    "COPY cases TO STDOUT",
    "COPY (SELECT * FROM lines) TO STDOUT",
    "BEGIN; DECLARE c CURSOR FOR SELECT * FROM visits_old; FETCH c",
    "DO $$ BEGIN PERFORM * FROM docs; END $$",
];

#[track_caller]
fn all_refused(client: &mut Client) -> Failure {
    let mut last = None;
    for sql in WAYS {
        let refused = failure(client.batch_execute(sql));
        let _ = client.batch_execute("ROLLBACK");
        assert_eq!(refused.code, "55000", "{sql}: {refused:?}");
        last = Some(refused);
    }
    last.expect("there are ways")
}

#[test]
fn a_new_library_refuses_old_objects_until_they_are_updated() {
    let database = old();
    let mut bea = database.login("desk_bea");
    let refused = all_refused(&mut bea);
    assert!(refused.message.contains("0.1.0"), "{refused:?}");
    assert!(
        refused.hint.contains("ALTER EXTENSION celador UPDATE"),
        "{refused:?}"
    );
    let reason = text(&mut bea, "SELECT reason FROM celador.whoami()").expect("a reason");
    assert!(reason.contains("0.1.0"), "{reason}");
    // What isn't protected is left alone; what DDL leaves behind can't be judged.
    assert_eq!(number(&mut bea, "SELECT count(*) FROM countries"), 2);
    failure(bea.batch_execute("CREATE TEMP TABLE mine ()"));
    let mut pool = database.login("desk_pool");
    denied(pool.batch_execute("SELECT celador.act_as('2')"));
    // Superusers and maintenance go on.
    let mut superuser = database.superuser();
    assert_eq!(number(&mut superuser, "SELECT count(*) FROM cases"), 6);
    run(
        &mut superuser,
        "INSERT INTO cases (id, title, owner_id) VALUES (7, 'while it was closed', 2);
         CREATE TABLE public.late (id integer); INSERT INTO late VALUES (1); GRANT ALL ON late TO desk_people;
         CREATE ROLE versions_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data;
         SELECT celador.add_maintenance_role('versions_backup')",
    );
    let mut backup = database.login("versions_backup");
    assert_eq!(number(&mut backup, "SELECT count(*) FROM cases"), 7);
    for call in [
        "SELECT celador.load_policy('')",
        "SELECT celador.restore_revision(1)",
        "SELECT * FROM celador.plan_policy('')",
        "DROP EXTENSION celador CASCADE",
    ] {
        let refused = failure(superuser.batch_execute(call));
        assert!(
            ["55000", "2BP01"].contains(&refused.code.as_str()),
            "{call}: {refused:?}"
        );
    }

    run(&mut superuser, "ALTER EXTENSION celador UPDATE");
    assert_eq!(
        text(&mut superuser, "SELECT compiled_by FROM celador.policy").as_deref(),
        Some(VERSION)
    );
    // In the session that was refused, and in new ones: what 0.2.0 gives.
    let own = "SELECT id FROM cases ORDER BY id";
    assert_eq!(ids(&mut bea, own), [2, 7]);
    assert_eq!(ids(&mut database.login("desk_dan"), own), [4]);
    assert_eq!(
        ids(
            &mut database.login("desk_ann"),
            "SELECT id FROM boards ORDER BY id"
        ),
        [1, 2]
    );
    assert!(ids(&mut bea, "SELECT id FROM boards").is_empty());
    denied(bea.execute("UPDATE cases SET owner_id = 4 WHERE id = 2", &[]));
    assert_eq!(
        bea.execute("UPDATE cases SET note = 'x'", &[])
            .expect("hers"),
        2
    );
    assert!(
        ids(&mut bea, "SELECT id FROM late").is_empty(),
        "it is closed"
    );
    run(&mut pool, "SELECT celador.act_as('4')");
    assert_eq!(ids(&mut pool, own), [4]);
    run(&mut superuser, "DELETE FROM roles WHERE user_id = 2");
    assert!(ids(&mut bea, own).is_empty(), "at once");
    assert_eq!(
        number(&mut superuser, "SELECT count(*) FROM celador.revisions()"),
        1
    );
    denied(
        database
            .login("desk_migrator")
            .batch_execute("ALTER TABLE cases DISABLE ROW LEVEL SECURITY"),
    );
}

#[test]
fn updated_objects_are_those_of_a_fresh_install() {
    let fresh = desk();
    let updated = old();
    updated.run("ALTER EXTENSION celador UPDATE");
    fresh.run("GRANT EXECUTE ON FUNCTION celador.act_as(text) TO desk_pool");
    let (fresh, updated) = (
        own_catalog(&mut fresh.superuser()),
        own_catalog(&mut updated.superuser()),
    );
    assert!(fresh.len() > 200, "{fresh:#?}");
    same_lines(&updated, &fresh);
}

/// A policy that another library compiled, as after a restore into a newer one: refused, and compiled
/// again; or by a load.
#[test]
fn what_another_library_compiled_is_not_read() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);
    let mut superuser = database.superuser();
    for remedy in [
        "ALTER EXTENSION celador UPDATE".to_owned(),
        "SELECT celador.restore_revision(1)".to_owned(),
    ] {
        run(
            &mut superuser,
            "UPDATE celador.policy SET compiled_by = '0.1.7', compiled = '{}'",
        );
        let refused = all_refused(&mut bea);
        assert!(refused.message.contains("0.1.7"), "{refused:?}");
        assert_eq!(number(&mut superuser, "SELECT count(*) FROM cases"), 6);
        run(&mut superuser, &remedy);
        assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2], "{remedy}");
    }
    // What this version wrote and can't read: the DBA gets in all the same.
    for remedy in [
        "ALTER EXTENSION celador UPDATE".to_owned(),
        format!(
            "SELECT celador.load_policy($doc${}$doc$)",
            document(desk::MATRIX)
        ),
    ] {
        run(
            &mut superuser,
            "UPDATE celador.policy SET compiled = '{\"modules\": 7}'",
        );
        let refused = all_refused(&mut bea);
        assert!(refused.message.contains("can't be read"), "{refused:?}");
        assert_eq!(number(&mut superuser, "SELECT count(*) FROM cases"), 6);
        run(&mut superuser, &remedy);
        assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2], "{remedy}");
    }
    // A document that doesn't fit the tables any more: the update works, and says so; people wait
    // for a load.
    run(
        &mut superuser,
        "UPDATE celador.policy SET compiled_by = NULL;
         ALTER TABLE boards RENAME COLUMN owner_id TO keeper_id; ALTER EXTENSION celador UPDATE",
    );
    all_refused(&mut bea);
    let fitting = document(desk::MATRIX).replace(
        "table = \"boards\"\nowner = \"owner_id\"",
        "table = \"boards\"\nowner = \"keeper_id\"",
    );
    database.load(&fitting);
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);
}

fn connect(cluster: &Cluster, role: &str) -> Client {
    Client::connect(&cluster.url(role, "postgres"), NoTls).expect("the server is there")
}

#[test]
fn an_old_library_refuses_new_objects() {
    let (_dir, install) = own_install();
    let scripts = install.extension_dir().expect("it has one");
    let script = |name: &str, sql: &str| {
        std::fs::write(scripts.join(name), sql).expect("a script can be written");
    };
    script(
        &format!("celador--{VERSION}--9.0.0.sql"),
        "ALTER TABLE celador.policy ADD COLUMN stored_otherwise jsonb; ALTER TABLE celador.policy DROP COLUMN compiled;
         DROP FUNCTION celador.covered() CASCADE;",
    );
    script(
        &format!("celador--{VERSION}--9.0.1.sql"),
        "ALTER TABLE celador.policy ADD COLUMN more text;",
    );
    script(
        &format!("celador--9.0.1--{VERSION}.sql"),
        "ALTER TABLE celador.policy DROP COLUMN more;",
    );
    let cluster = Cluster::start(&install, Options::default()).expect("it starts");
    let mut superuser = connect(&cluster, "postgres");
    run(&mut superuser, "CREATE EXTENSION celador");
    run(&mut superuser, desk::SCHEMA);
    superuser
        .execute("SELECT celador.load_policy($1)", &[&document(desk::MATRIX)])
        .expect("it loads");
    let mut bea = connect(&cluster, "desk_bea");
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);

    run(&mut superuser, "ALTER EXTENSION celador UPDATE TO '9.0.1'");
    for client in [&mut bea, &mut connect(&cluster, "desk_bea")] {
        let refused = all_refused(client);
        assert!(refused.message.contains("9.0.1"), "{refused:?}");
        assert!(
            refused.hint.contains("Install Celador's library 9.0.1"),
            "{refused:?}"
        );
    }
    assert_eq!(number(&mut superuser, "SELECT count(*) FROM cases"), 6);
    failure(superuser.batch_execute("SELECT celador.load_policy('')"));
    failure(superuser.batch_execute("DROP EXTENSION celador CASCADE"));
    denied(connect(&cluster, "desk_migrator").batch_execute("TRUNCATE cases CASCADE"));
    run(
        &mut superuser,
        &format!("ALTER EXTENSION celador UPDATE TO '{VERSION}'"),
    );
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);

    // Objects that this library wouldn't know its way about in.
    run(&mut superuser, "ALTER EXTENSION celador UPDATE TO '9.0.0'");
    let refused = failure(bea.batch_execute("SELECT * FROM boards"));
    assert!(refused.message.contains("9.0.0"), "{refused:?}");
    assert_eq!(number(&mut superuser, "SELECT count(*) FROM boards"), 2);
}

/// A superuser whose session lacks the library updates the objects; the policy waits for one with it.
#[test]
fn an_update_without_the_library_leaves_the_policy_unread() {
    let cluster = Cluster::start(
        install(),
        Options {
            preload: Preload::Nothing,
            ..Options::default()
        },
    )
    .expect("it starts");
    let mut without = connect(&cluster, "postgres");
    run(&mut without, "CREATE EXTENSION celador");
    run(&mut without, desk::SCHEMA);
    run(
        &mut without,
        "ALTER DATABASE postgres SET session_preload_libraries = 'celador'",
    );
    let mut with = connect(&cluster, "postgres");
    with.execute("SELECT celador.load_policy($1)", &[&document(desk::MATRIX)])
        .expect("it loads");
    run(
        &mut without,
        "UPDATE celador.policy SET compiled_by = '0.1.0'; ALTER EXTENSION celador UPDATE",
    );
    let mut bea = connect(&cluster, "desk_bea");
    all_refused(&mut bea);
    run(&mut with, "ALTER EXTENSION celador UPDATE");
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);
}
