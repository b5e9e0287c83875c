//! A dump by a maintenance role, read into another database, gives the same access.

#[path = "masks/shop.rs"]
mod shop;

use std::path::Path;
use std::process::{Command, Stdio};

use celador_tests::{
    Database, access, cluster, denied, failure, install, protection, same_lines, small_crm,
    small_document,
};
use postgres::{Client, NoTls};

const MATRIX: &str = r#"
[permissions.worker.companies]
read = ["own", { scope = "group", when = "open" }, "shared"]
create = ["own"]
update = ["own"]
[permissions.worker.deals]
read = ["parent"]
[permissions.worker.projects]
read = ["group"]
[permissions.administrator]
"*" = { "*" = ["all"] }
[settings.open]
default = false
set_by = ["administrator"]
"#;

const PEOPLE: [&str; 4] = ["small_lena", "small_omar", "small_yuki", "small_nina"];
const TABLES: [&str; 12] = [
    "companies",
    "deals",
    "boards",
    "projects",
    "project_people",
    "company_names",
    "company_copy",
    "company_list",
    "late",
    "celador.users",
    "celador.roles_held",
    "celador.shares",
];

/// The small CRM with everything that is state: roles, shares, settings, registered views, a table
/// that came after the load.
fn crm() -> Database {
    let database = small_crm(MATRIX);
    database.run(
        "SELECT celador.give_role_to_group('west', 'worker');
         SELECT celador.give_role('boss', 'administrator');
         SELECT celador.share('companies', '4', 'lena');
         SELECT celador.set_setting('open', true, 'east');
         SELECT celador.set_user_active('nina', false);
         CREATE VIEW company_names AS SELECT id, name FROM companies;
         CREATE MATERIALIZED VIEW company_copy AS SELECT id, name FROM companies;
         CREATE MATERIALIZED VIEW company_list AS SELECT name FROM companies;
         GRANT SELECT ON company_names, company_copy, company_list TO small_people;
         SELECT celador.register_view('company_names'), celador.register_view('company_list');
         CREATE TABLE late (id integer); INSERT INTO late VALUES (1);
         GRANT ALL ON late TO small_people;
         GRANT EXECUTE ON FUNCTION celador.act_as(text) TO small_people;
         REVOKE EXECUTE ON FUNCTION celador.act_as(text) FROM small_people;",
    );
    database.ensure_login("dump_backup", "BYPASSRLS IN ROLE pg_read_all_data");
    database.run("SELECT celador.add_maintenance_role('dump_backup')");
    database
}

/// A database of that name, made anew, which goes with this value.
struct Restored(String);

impl Restored {
    fn new(name: &str) -> Self {
        let mut server = login("postgres", "postgres");
        run(
            &mut server,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
        run(
            &mut server,
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        );
        Self(name.to_owned())
    }

    fn login(&self, role: &str) -> Client {
        login(role, &self.0)
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.0);
        if let Err(error) = login("postgres", "postgres").batch_execute(&drop) {
            eprintln!("{error}");
        }
    }
}

fn login(role: &str, database: &str) -> Client {
    Client::connect(&cluster().url(role, database), NoTls).expect("connects")
}

#[track_caller]
fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

fn count(client: &mut Client, sql: &str) -> i64 {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .get(0)
}

/// The copy gives what the source gives, and goes on by itself.
fn is_the_same(source: &Database, copy: &Restored) {
    same_lines(
        &protection(&mut copy.login("postgres")),
        &protection(&mut source.superuser()),
    );
    let logins = [&PEOPLE[..], &["small_boss", "dump_backup"]].concat();
    let before = access(|role| source.login(role), &logins, &TABLES);
    assert!(
        before.iter().any(|line| line.contains("Brix")),
        "{before:#?}"
    );
    same_lines(&access(|role| copy.login(role), &logins, &TABLES), &before);

    // Nothing is left for a load to do; the late table must be placed by one, and is closed already.
    let placed = "schemas = [\"public\"]\nclosed = [\"late\"]";
    let document = small_document(MATRIX).replace("schemas = [\"public\"]", placed);
    let left = count(
        &mut copy.login("postgres"),
        &format!("SELECT count(ddl) FROM celador.plan_policy($policy${document}$policy$)"),
    );
    assert_eq!(left, 0);
    // A change of the directory holds at once, also where it is Celador's own.
    let mut lena = copy.login("small_lena");
    let mut omar = copy.login("small_omar");
    let mut superuser = copy.login("postgres");
    let seen = "SELECT count(*) FROM companies";
    assert_eq!(count(&mut lena, seen), 3);
    run(
        &mut superuser,
        "SELECT celador.set_setting('open', false, 'east')",
    );
    assert_eq!(count(&mut lena, seen), 2);
    run(
        &mut superuser,
        "SELECT celador.unshare('companies', '4', 'lena')",
    );
    assert_eq!(count(&mut lena, seen), 1);
    assert_eq!(count(&mut omar, seen), 0);
    run(&mut superuser, "SELECT celador.give_role('omar', 'worker')");
    assert_eq!(count(&mut omar, seen), 1);
    // Guards, triggers and the event trigger stand.
    denied(lena.execute("UPDATE companies SET owner = 'omar' WHERE id = 1", &[]));
    denied(lena.execute("SELECT celador.give_role('lena', 'administrator')", &[]));
    denied(
        copy.login("small_boss")
            .batch_execute("TRUNCATE celador.users CASCADE"),
    );
    run(&mut lena, "CREATE TEMP TABLE mine ()");
    run(
        &mut superuser,
        "CREATE TABLE later (id integer); INSERT INTO later VALUES (1); GRANT ALL ON later TO small_people",
    );
    assert_eq!(count(&mut lena, "SELECT count(*) FROM later"), 0);
    run(&mut superuser, "SELECT celador.take_role('lena', 'worker')");
    assert_eq!(count(&mut lena, seen), 0);
    failure(superuser.batch_execute("DROP EXTENSION celador CASCADE"));
}

fn has_no_key(path: &Path) {
    let dump = std::fs::read(path).expect("there is a dump");
    let keys = std::fs::read_to_string(cluster().key_file()).expect("there are keys");
    let key = keys.split_whitespace().nth(1).expect("a key");
    assert!(!dump.is_empty());
    assert!(!dump.windows(key.len()).any(|at| at == key.as_bytes()));
}

/// A copy of that name, by a script of pg_dump.
fn copy_by_script(source: &Database, name: &str) -> Restored {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("dump.sql");
    let dumped = Command::new(install().program("pg_dump"))
        .arg("--file")
        .arg(&path)
        .arg(source.url("dump_backup"))
        .status();
    assert!(dumped.expect("it starts").success());
    has_no_key(&path);
    let copy = Restored::new(name);
    cluster().psql_file(&copy.0, &path).expect("it can be read");
    copy
}

#[test]
fn a_script_of_pg_dump() {
    let source = crm();
    let copy = copy_by_script(&source, "dump_script");
    is_the_same(&source, &copy);
}

/// A dump numbers columns anew where some were dropped. Fields are shown as before, hashes with the same
/// key, and what is saved as it is shown leaves what is stored.
#[test]
fn masked_columns_behind_dropped_ones() {
    let source = shop::shop();
    source.ensure_login("dump_backup", "BYPASSRLS IN ROLE pg_read_all_data");
    source.run(&format!(
        "SELECT celador.add_maintenance_role('dump_backup'); {}",
        shop::FUNCTION
    ));
    source.load(&shop::with_function());
    let copy = copy_by_script(&source, "dump_masks");
    let number = "SELECT attnum::bigint FROM pg_attribute WHERE attrelid = 'contacts'::regclass AND attname = 'phone'";
    let (mut superuser, mut copied) = (source.superuser(), copy.login("postgres"));
    assert_ne!(count(&mut superuser, number), count(&mut copied, number));
    let before = access(|role| source.login(role), &shop::LOGINS, &shop::TABLES);
    shop::shows_every_form(&before);
    let stored = shop::stored_contacts(&mut superuser);
    for login in ["shop_lena", "shop_vera"] {
        same_lines(
            &access(|role| copy.login(role), &shop::LOGINS, &shop::TABLES),
            &before,
        );
        run(&mut copy.login(login), &shop::save_as_shown());
        assert_eq!(shop::stored_contacts(&mut copied), stored, "{login}");
    }
}

#[test]
fn an_archive_of_pg_dump_restored_by_several_at_once() {
    let source = crm();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("dump");
    let dumped = Command::new(install().program("pg_dump"))
        // Not packed: a key would be found.
        .args(["--format=custom", "--compress=0", "--file"])
        .arg(&path)
        .arg(source.url("dump_backup"))
        .status();
    assert!(dumped.expect("it starts").success());
    has_no_key(&path);
    let copy = Restored::new("dump_archive");
    let restored = Command::new(install().program("pg_restore"))
        .args(["--jobs=4", "--exit-on-error", "--dbname"])
        .arg(cluster().url("postgres", &copy.0))
        .arg(&path)
        .stderr(Stdio::inherit())
        .status();
    assert!(restored.expect("it starts").success());
    is_the_same(&source, &copy);
}

/// Where no command of the restore comes after the policy, Celador's own tables are closed until the
/// extension's update looks at them.
#[test]
fn schema_first_and_rows_later() {
    let source = crm();
    let dir = tempfile::tempdir().expect("a directory");
    let copy = Restored::new("dump_parts");
    for part in ["--schema-only", "--data-only"] {
        let path = dir.path().join("dump.sql");
        let dumped = Command::new(install().program("pg_dump"))
            .args([part, "--file"])
            .arg(&path)
            .arg(source.url("dump_backup"))
            .stderr(Stdio::null())
            .status();
        assert!(dumped.expect("it starts").success());
        cluster().psql_file(&copy.0, &path).expect("it can be read");
    }
    let mut boss = copy.login("small_boss");
    assert_eq!(count(&mut boss, "SELECT count(*) FROM companies"), 6);
    denied(boss.batch_execute("SELECT * FROM celador.roles_held"));
    denied(boss.batch_execute("SELECT celador.give_role('nina', 'worker')"));
    run(
        &mut copy.login("postgres"),
        "ALTER EXTENSION celador UPDATE",
    );
    // Rows by themselves leave these empty.
    run(
        &mut copy.login("postgres"),
        "REFRESH MATERIALIZED VIEW company_copy; REFRESH MATERIALIZED VIEW company_list",
    );
    is_the_same(&source, &copy);
}

/// Who isn't maintenance gets no dump that would be a part of the rows.
#[test]
fn a_dump_by_anybody_else_is_an_error() {
    let source = crm();
    let dumped = Command::new(install().program("pg_dump"))
        .arg("--table=companies")
        .arg(source.url("small_lena"))
        .output()
        .expect("it starts");
    assert!(!dumped.status.success());
    assert!(!String::from_utf8_lossy(&dumped.stdout).contains("Arno"));
}
