//! Migrations of a CRM that is protected: each leaves everything protected, or is refused as a whole.

mod desk;

use celador_tests::{Database, denied, failure};
use desk::{MATRIX, desk, document, ids, number, picture, run};
use postgres::Client;

const CLOSED: &str = "55000";

/// Bea's cases are hers alone, whatever the migration; nobody else's come into her reach.
#[track_caller]
fn still_protected(database: &Database, table: &str, own: &[i32]) {
    let mut bea = database.login("desk_bea");
    assert_eq!(
        ids(&mut bea, &format!("SELECT id FROM {table} ORDER BY id")),
        own
    );
    let changed = bea.execute(&format!("UPDATE {table} SET id = id"), &[]);
    assert_eq!(changed.expect("she may edit her own"), own.len() as u64);
    denied(bea.batch_execute(&format!("INSERT INTO {table} (id, title) VALUES (99, 'x')")));
    denied(
        database
            .login("desk_stranger")
            .query(&format!("SELECT * FROM {table}"), &[]),
    );
    let flags = format!(
        "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = '{table}'::regclass"
    );
    assert!(database.is_true(&flags));
}

/// Everything that people do with a table that is paused.
#[track_caller]
fn closed(database: &Database, login: &str, table: &str) {
    for sql in [
        format!("SELECT count(*) FROM {table}"),
        format!("SELECT EXISTS (SELECT FROM {table})"),
        format!("UPDATE {table} SET id = id"),
        format!("DELETE FROM {table}"),
        format!("INSERT INTO {table} (id) VALUES (98)"),
        format!("COPY {table} TO STDOUT"),
        format!("EXPLAIN SELECT * FROM {table}"),
        format!("SELECT * FROM countries, LATERAL (SELECT id FROM {table} LIMIT 1) AS x"),
    ] {
        let mut client = database.login(login);
        let error = failure(client.batch_execute(&sql));
        assert_eq!(error.code, CLOSED, "{login}: {sql}: {error:?}");
        assert!(error.hint.contains("resume"), "{error:?}");
    }
}

fn resume(client: &mut Client, table: &str) -> Result<u64, postgres::Error> {
    client.execute(&format!("SELECT celador.resume('{table}')"), &[])
}

/// The members of the tables' owner may migrate.
fn let_migrate(database: &Database) {
    database.run(
        "GRANT EXECUTE ON FUNCTION celador.pause(regclass, text), celador.resume(regclass), celador.load_policy(text, text, integer)
           TO desk_migrator",
    );
}

/// A session of a maintenance role with the owner's rights.
fn keeper(database: &Database) -> Client {
    database.ensure_login("desk_keeper", "BYPASSRLS IN ROLE desk_people, desk_owner");
    database.run("SELECT celador.add_maintenance_role('desk_keeper')");
    database.login("desk_keeper")
}

#[test]
fn a_column_that_no_policy_names_is_added_without_a_pause() {
    let database = desk();
    run(
        &mut database.login("desk_migrator"),
        "SET ROLE desk_owner; ALTER TABLE cases ADD COLUMN colour text DEFAULT 'red'; ALTER TABLE cases DROP COLUMN updated_at CASCADE",
    );
    still_protected(&database, "cases", &[2]);
}

#[test]
fn the_type_of_the_owner_column_is_changed_in_a_pause() {
    let database = desk();
    let_migrate(&database);
    let change = "SET ROLE desk_owner; ALTER TABLE cases ALTER COLUMN owner_id TYPE bigint";
    let refused = failure(database.login("desk_migrator").batch_execute(change));
    assert_eq!(
        refused.code, "0A000",
        "PostgreSQL keeps a column that a policy names: {refused:?}"
    );
    let mut migrator = database.login("desk_migrator");
    let mut bea = database.login("desk_bea");
    let prepared = bea.prepare("SELECT id FROM cases").unwrap();
    for _ in 0..7 {
        assert_eq!(bea.query(&prepared, &[]).unwrap().len(), 1);
    }
    run(&mut migrator, "SELECT celador.pause('cases', 'wider keys')");
    let error = failure(bea.query(&prepared, &[]));
    assert_eq!(error.code, CLOSED, "{error:?}");
    assert!(error.message.contains("wider keys"), "{error:?}");
    for login in ["desk_bea", "desk_ann", "desk_migrator"] {
        closed(&database, login, "cases");
    }
    // What hangs on it is decided by it.
    let error = failure(database.login("desk_bea").query("SELECT * FROM lines", &[]));
    assert_eq!(error.code, CLOSED, "{error:?}");
    denied(
        database
            .login("desk_migrator")
            .batch_execute("TRUNCATE cases CASCADE"),
    );
    denied(
        migrator.batch_execute("SET ROLE desk_owner; ALTER TABLE cases DISABLE ROW LEVEL SECURITY"),
    );
    denied(migrator.batch_execute("SET ROLE desk_owner; DROP POLICY celador_paused ON cases"));
    assert_eq!(
        number(
            &mut database.superuser(),
            "SELECT count(*) FROM celador.paused() WHERE relation = 'cases'::regclass AND reason = 'wider keys'"
        ),
        1
    );
    run(
        &mut migrator,
        "SET ROLE desk_owner; ALTER TABLE cases ALTER COLUMN created_by TYPE bigint; RESET ROLE",
    );
    // A foreign key is checked again on all rows, which the owner doesn't see: maintenance does.
    let refused = failure(migrator.batch_execute(&format!("BEGIN; {change}")));
    assert_eq!(refused.code, CLOSED, "{refused:?}");
    run(&mut migrator, "ROLLBACK");
    let mut keeper = keeper(&database);
    run(
        &mut keeper,
        "ALTER TABLE cases ALTER COLUMN owner_id TYPE bigint",
    );
    closed(&database, "desk_bea", "cases");
    resume(&mut migrator, "cases").expect("the policy fits the new type");
    still_protected(&database, "cases", &[2]);
    assert_eq!(bea.query("SELECT id FROM cases", &[]).unwrap().len(), 1);
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM lines"),
        [2]
    );
    denied(
        database
            .login("desk_bea")
            .batch_execute("UPDATE cases SET owner_id = 4 WHERE id = 2"),
    );
}

#[test]
fn a_pause_that_changes_nothing_leaves_everything_as_it_was() {
    let database = desk();
    let before = picture(&database);
    for table in ["cases", "visits", "users", "roles"] {
        database.run(&format!("SELECT celador.pause('{table}')"));
        assert_ne!(before, picture(&database), "{table}");
        let count = format!("SELECT count(*) FROM {table}");
        let error = failure(database.login("desk_bea").query(&count, &[]));
        assert_eq!(error.code, CLOSED, "{table}: {error:?}");
        database.run(&format!("SELECT celador.resume('{table}')"));
        assert_eq!(before, picture(&database), "{table}");
    }
}

#[test]
fn a_type_that_the_policy_cannot_compare_is_refused_as_a_whole() {
    let database = desk();
    database.run(
        "SELECT celador.pause('cases'); ALTER TABLE cases DROP CONSTRAINT cases_owner_id_fkey;
                  ALTER TABLE cases ALTER COLUMN owner_id TYPE date USING NULL",
    );
    let before = picture(&database);
    let refused = failure(resume(&mut database.superuser(), "cases"));
    assert_eq!(refused.code, "22023", "{refused:?}");
    assert!(refused.message.contains("owner_id"), "{refused:?}");
    assert_eq!(before, picture(&database), "it stays closed");
    closed(&database, "desk_bea", "cases");
    // What nothing can be resumed of can be gone back on.
    database.run("ALTER TABLE cases ALTER COLUMN owner_id TYPE integer USING 2; SELECT celador.resume('cases')");
    still_protected(&database, "cases", &[1, 2, 3, 4, 5, 6]);
}

#[test]
fn column_and_table_are_renamed_with_a_new_mapping() {
    let database = desk();
    let_migrate(&database);
    let mut migrator = database.login("desk_migrator");
    run(
        &mut migrator,
        "SELECT celador.pause('cases');
         SET ROLE desk_owner;
         ALTER TABLE cases RENAME COLUMN owner_id TO holder_id;
         ALTER TABLE cases RENAME TO matters;
         RESET ROLE",
    );
    let refused = failure(resume(&mut migrator, "matters"));
    assert!(
        refused.message.contains("cases"),
        "the live policy names the old table: {refused:?}"
    );
    closed(&database, "desk_bea", "matters");
    let renamed = document(MATRIX).replace(
        "table = \"cases\"\nowner = \"owner_id\"",
        "table = \"matters\"\nowner = \"holder_id\"",
    );
    migrator
        .execute("SELECT celador.load_policy($1)", &[&renamed])
        .expect("the new mapping fits");
    closed(&database, "desk_bea", "matters");
    resume(&mut migrator, "matters").expect("and is put in force");
    still_protected(&database, "matters", &[2]);
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM lines"),
        [2]
    );
}

#[test]
fn data_is_migrated_by_maintenance_and_partitions_go_along() {
    let database = desk();
    let mut keeper = keeper(&database);
    // No pause is needed where values change and types don't.
    run(&mut keeper, "UPDATE cases SET owner_id = 2 WHERE id = 5");
    still_protected(&database, "cases", &[2, 5]);
    database.run("SELECT celador.pause('visits', 'to bigint')");
    for table in ["visits", "visits_old", "visits_new"] {
        closed(&database, "desk_bea", table);
    }
    run(
        &mut keeper,
        "ALTER TABLE visits ALTER COLUMN owner_id TYPE bigint",
    );
    run(&mut keeper, "UPDATE visits SET owner_id = 2 WHERE id = 4");
    database.run("SELECT celador.resume('visits')");
    for (table, own) in [
        ("visits", vec![1, 2, 4]),
        ("visits_old", vec![1, 4]),
        ("visits_new", vec![2]),
    ] {
        let seen = ids(
            &mut database.login("desk_bea"),
            &format!("SELECT id FROM {table} ORDER BY id"),
        );
        assert_eq!(seen, own, "{table}");
    }
    denied(
        database
            .login("desk_bea")
            .batch_execute("UPDATE visits SET owner_id = 4"),
    );
}

#[test]
fn a_swap_by_rename_leaves_both_tables_protected() {
    let database = desk();
    let swap = "SET ROLE desk_owner;
        CREATE TABLE cases_new (LIKE cases INCLUDING ALL);
        ALTER TABLE cases RENAME TO cases_old;
        ALTER TABLE cases_new RENAME TO cases;
        GRANT ALL ON cases, cases_old TO desk_people";
    run(&mut database.login("desk_migrator"), swap);
    database.run("INSERT INTO cases SELECT * FROM cases_old");
    let seen = |table: &str| {
        database
            .login("desk_bea")
            .query(&format!("SELECT id FROM {table}"), &[])
            .map_or(0, |rows| rows.len())
    };
    assert!(seen("cases") <= 1 && seen("cases_old") <= 1);
    denied(
        database
            .login("desk_stranger")
            .query("SELECT * FROM cases_old", &[]),
    );
    // In a pause, too; the table that was paused has no place under its new name.
    let database = desk();
    let_migrate(&database);
    let mut migrator = database.login("desk_migrator");
    run(&mut migrator, "SELECT celador.pause('cases')");
    run(&mut migrator, &format!("{swap}; RESET ROLE"));
    database.run("INSERT INTO cases SELECT * FROM cases_old");
    closed(&database, "desk_bea", "cases_old");
    let refused = failure(resume(&mut migrator, "cases_old"));
    assert!(refused.message.contains("cases_old"), "{refused:?}");
    closed(&database, "desk_bea", "cases_old");
    run(&mut migrator, "SET ROLE desk_owner; ALTER TABLE lines DROP CONSTRAINT lines_case_id_fkey; DROP TABLE cases_old CASCADE;
        RESET ROLE");
    assert_eq!(
        number(
            &mut database.superuser(),
            "SELECT count(*) FROM celador.paused()"
        ),
        0
    );
    database.load(&document(MATRIX));
    still_protected(&database, "cases", &[2]);
    // Out of the mapped schemas nothing would protect it.
    database.run("SELECT celador.pause('boards'); ALTER TABLE boards SET SCHEMA elsewhere");
    let without = document(MATRIX);
    let (before, after) = without
        .split_once("[mapping.modules.boards]")
        .expect("boards are a module");
    let matrix = after
        .split_once("configuration = true\n")
        .expect("boards are configuration")
        .1;
    database.load(&format!("{before}{matrix}"));
    let refused = failure(resume(&mut database.superuser(), "elsewhere.boards"));
    assert!(
        refused.message.contains("would no longer be protected"),
        "{refused:?}"
    );
    closed(&database, "desk_bea", "elsewhere.boards");
}

#[test]
fn who_may_not_migrate_may_not_pause() {
    let database = desk();
    database.run("GRANT EXECUTE ON FUNCTION celador.pause(regclass, text), celador.resume(regclass) TO PUBLIC");
    denied(
        database
            .login("desk_bea")
            .execute("SELECT celador.pause('cases')", &[]),
    );
    database.run("SELECT celador.pause('cases')");
    denied(resume(&mut database.login("desk_ann"), "cases"));
    let twice = failure(
        database
            .superuser()
            .execute("SELECT celador.pause('cases')", &[]),
    );
    assert_eq!(twice.code, CLOSED, "{twice:?}");
    for table in ["countries", "celador.users"] {
        let refused = failure(
            database
                .superuser()
                .execute(&format!("SELECT celador.pause('{table}')"), &[]),
        );
        assert_eq!(refused.code, CLOSED, "{table}: {refused:?}");
    }
    let refused = failure(resume(&mut database.superuser(), "boards"));
    assert!(refused.message.contains("isn't paused"), "{refused:?}");
}
