//! PostgreSQL's own upgrade: the same access under the next major version.

mod desk;
#[path = "masks/shop.rs"]
mod shop;

use celador_tests::{access, denied, failure, major, protection, same_lines};
use desk::{document, ids, number, run};
use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options};
use xtask::extension::{self, Profile};
use xtask::postgres::Install;

const LOGINS: [&str; 6] = [
    "desk_ann",
    "desk_bea",
    "desk_cem",
    "desk_dan",
    "desk_off",
    "versions_backup",
];
const TABLES: [&str; 7] = [
    "cases",
    "lines",
    "docs",
    "visits",
    "visits_old",
    "boards",
    "titles",
];

fn connect(cluster: &Cluster, role: &str) -> Client {
    connect_to(cluster, role, "postgres")
}

fn connect_to(cluster: &Cluster, role: &str, database: &str) -> Client {
    Client::connect(&cluster.url(role, database), NoTls).expect("the server is there")
}

/// Another database, whose masked columns stand behind dropped ones; what people see there, and what is
/// stored.
fn with_masks(cluster: &Cluster) -> (Vec<String>, String) {
    run(&mut connect(cluster, "postgres"), "CREATE DATABASE shop");
    let mut superuser = connect_to(cluster, "postgres", "shop");
    shop::fill(&mut superuser);
    run(&mut superuser, shop::FUNCTION);
    shop::put_in_force(&mut superuser, &shop::with_function());
    let seen = access(
        |role| connect_to(cluster, role, "shop"),
        &shop::LOGINS,
        &shop::TABLES,
    );
    shop::shows_every_form(&seen);
    (seen, shop::stored_contacts(&mut superuser))
}

/// People see the same, and save it.
fn masks_are_the_same(cluster: &Cluster, (before, stored): &(Vec<String>, String)) {
    let mut superuser = connect_to(cluster, "postgres", "shop");
    for login in ["shop_lena", "shop_vera"] {
        let seen = access(
            |role| connect_to(cluster, role, "shop"),
            &shop::LOGINS,
            &shop::TABLES,
        );
        same_lines(&seen, before);
        run(
            &mut connect_to(cluster, login, "shop"),
            &shop::save_as_shown(),
        );
        assert_eq!(shop::stored_contacts(&mut superuser), *stored, "{login}");
    }
}

fn with_extension(major: u32) -> Install {
    let install = Install::ensure(major).expect("PostgreSQL can be installed");
    extension::install(&install, Profile::Dev).expect("the extension can be built");
    install
}

/// Since 15.20 and the minor releases of that day, columns have versions, kept as an option that older
/// releases of the next major versions can't read: pg_upgrade wants releases of the same age. Where the
/// package is older, the versions go.
fn forget_column_versions(newer: &Install, superuser: &mut Client) {
    const OPTION: &[u8] = b"pg_attver";
    let known = std::fs::read(newer.program("pg_dump")).expect("it can be read");
    if known.windows(OPTION.len()).any(|at| at == OPTION) {
        return;
    }
    run(
        superuser,
        "SET allow_system_table_mods = on;
         UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text LIKE '{pg_attver=%' AND cardinality(attoptions) = 1",
    );
}

/// From 15 to the version that is tested; where that is 15, to 18.
#[test]
fn pg_upgrade_keeps_the_access() {
    let newer = if major() == 15 { 18 } else { major() };
    let old = Cluster::start(&with_extension(15), Options::default()).expect("it starts");
    let mut superuser = connect(&old, "postgres");
    run(&mut superuser, "CREATE EXTENSION celador");
    run(&mut superuser, desk::SCHEMA);
    superuser
        .execute("SELECT celador.load_policy($1)", &[&document(desk::MATRIX)])
        .expect("it loads");
    run(
        &mut superuser,
        "GRANT EXECUTE ON FUNCTION celador.act_as(text) TO desk_pool;
         CREATE ROLE versions_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data;
         SELECT celador.add_maintenance_role('versions_backup');
         CREATE VIEW titles AS SELECT title FROM cases; GRANT SELECT ON titles TO desk_people;
         SELECT celador.register_view('titles');
         SELECT celador.set_setting('open_team', true, '1'), celador.share('cases', '4', '2');
         CREATE TABLE late (id integer); INSERT INTO late VALUES (1); GRANT ALL ON late TO desk_people",
    );
    let before = access(|role| connect(&old, role), &LOGINS, &TABLES);
    let protected = protection(&mut superuser);
    assert!(before.iter().any(|line| line.contains("secret-4")));
    let masked = with_masks(&old);
    let newer = with_extension(newer);
    forget_column_versions(&newer, &mut superuser);
    forget_column_versions(&newer, &mut connect_to(&old, "postgres", "shop"));
    drop(superuser);
    old.stop().expect("it stops");

    let new = old
        .upgraded_to(&newer, Options::default())
        .expect("pg_upgrade works");
    let mut superuser = connect(&new, "postgres");
    assert_eq!(
        number(
            &mut superuser,
            "SELECT current_setting('server_version_num')::bigint / 10000"
        ),
        i64::from(newer.major())
    );
    same_lines(
        &access(|role| connect(&new, role), &LOGINS, &TABLES),
        &before,
    );
    same_lines(&protection(&mut superuser), &protected);
    masks_are_the_same(&new, &masked);

    let own = "SELECT id FROM cases ORDER BY id";
    let mut bea = connect(&new, "desk_bea");
    assert_eq!(ids(&mut bea, own), [2, 4]);
    denied(bea.execute("UPDATE cases SET owner_id = 4 WHERE id = 2", &[]));
    run(&mut bea, "CREATE TEMP TABLE mine ()");
    denied(connect(&new, "desk_migrator").batch_execute("DROP POLICY celador_read ON cases"));
    run(&mut superuser, "SELECT celador.unshare('cases', '4', '2')");
    assert_eq!(ids(&mut bea, own), [2]);
    run(&mut superuser, "DELETE FROM roles WHERE user_id = 2");
    assert!(ids(&mut bea, own).is_empty());
    let mut pool = connect(&new, "desk_pool");
    run(&mut pool, "SELECT celador.act_as('4')");
    assert_eq!(ids(&mut pool, own), [4]);
    assert!(ids(&mut pool, "SELECT id FROM late").is_empty());
    let placed =
        document(desk::MATRIX).replace("[mapping.users]", "closed = [\"late\"]\n[mapping.users]");
    superuser
        .execute("SELECT celador.load_policy($1, base => 1)", &[&placed])
        .expect("it loads");
    failure(superuser.batch_execute("DROP EXTENSION celador CASCADE"));
}
