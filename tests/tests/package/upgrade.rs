//! From 0.1.0 with data: a database as that version's own library left it.

use celador_tests::{access, failure, file, own_catalog, protection, same_lines};
use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options};
use xtask::postgres::Install;

use crate::desk::{self, document, ids, run, text};
use crate::schema;

const LOGINS: [&str; 7] = [
    "desk_ann",
    "desk_bea",
    "desk_cem",
    "desk_dan",
    "desk_off",
    "desk_stranger",
    "desk_backup",
];
const TABLES: [&str; 11] = [
    "cases",
    "lines",
    "docs",
    "doc_people",
    "visits",
    "visits_old",
    "boards",
    "users",
    "roles",
    "titles",
    "celador.shares",
];

/// The state that the old database has too.
const STATE: &str = "
SELECT celador.share('cases', '4', '2', 'update'), celador.set_setting('open_team', true, '1'),
  celador.register_view('titles'), celador.add_maintenance_role('desk_backup');
GRANT EXECUTE ON FUNCTION celador.act_as(text) TO desk_pool";

pub(crate) fn with_data(server: &Install) {
    let cluster = Cluster::start(server, Options::default()).expect("it starts");
    let connect = |role: &str, database: &str| {
        Client::connect(&cluster.url(role, database), NoTls).expect("the server is there")
    };
    run(
        &mut connect("postgres", "postgres"),
        "CREATE DATABASE fresh",
    );
    run(&mut connect("postgres", "postgres"), "CREATE DATABASE old");
    let mut fresh = connect("postgres", "fresh");
    run(&mut fresh, desk::SCHEMA);
    run(
        &mut fresh,
        "CREATE ROLE desk_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data; SET ROLE desk_owner;
         CREATE VIEW titles AS SELECT id, title FROM cases; GRANT SELECT ON titles TO desk_people; RESET ROLE",
    );
    let bare = schema(&cluster, server, "fresh");
    run(&mut fresh, "CREATE EXTENSION celador");
    fresh
        .execute(
            "SELECT celador.load_policy($1, 'the first')",
            &[&document(desk::MATRIX)],
        )
        .expect("it loads");
    run(&mut fresh, STATE);

    cluster
        .psql_file("old", &file("tests/upgrade/desk-0.1.0.sql"))
        .expect("the old database is restored");
    let mut old = connect("postgres", "old");
    let version = "SELECT extversion FROM pg_extension WHERE extname = 'celador'";
    assert_eq!(text(&mut old, version).as_deref(), Some("0.1.0"));
    let mut bea = connect("desk_bea", "old");
    let refused = failure(bea.batch_execute("SELECT * FROM cases"));
    assert_eq!(refused.code, "55000", "{refused:?}");

    run(&mut old, "ALTER EXTENSION celador UPDATE");
    assert_eq!(ids(&mut bea, "SELECT id FROM cases ORDER BY id"), [2, 4]);
    same_lines(&own_catalog(&mut old), &own_catalog(&mut fresh));
    same_lines(&protection(&mut old), &protection(&mut fresh));
    let access = |database: &str| access(|role| connect(role, database), &LOGINS, &TABLES);
    same_lines(&access("old"), &access("fresh"));
    assert!(access("old").iter().any(|line| line.contains("secret-4")));

    drop(bea);
    run(
        &mut old,
        "SELECT celador.uninstall(); DROP EXTENSION celador; DROP SCHEMA celador",
    );
    assert_eq!(schema(&cluster, server, "old"), bare);
}
