//! Two CRMs whose login owned everything, after `celador.adopt`: the login works on, and can undo
//! nothing.

use celador_tests::acceptance::Crm;
use celador_tests::{Database, denied, failure};

/// What an application's login tries, on a table of the CRM.
#[track_caller]
fn can_undo_nothing(database: &Database, app: &str, keeper: &str, table: &str) {
    let before = (database.dump(), database.rights());
    for sql in [
        format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"),
        format!("DROP POLICY celador_read ON {table}"),
        format!("ALTER POLICY celador_read ON {table} USING (true)"),
        format!("CREATE POLICY mine ON {table} USING (true)"),
        format!("TRUNCATE {table} CASCADE"),
        format!("ALTER TABLE {table} RENAME TO before; CREATE TABLE {table} (LIKE before)"),
        format!(
            "CREATE TRIGGER mine BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
        format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
        format!("ALTER TABLE {table} DISABLE TRIGGER \"~celador_guard\""),
        format!("DROP TRIGGER \"~celador_guard\" ON {table}"),
        format!("CREATE RULE mine AS ON INSERT TO {table} DO ALSO SELECT 1"),
        format!("ALTER TABLE {table} OWNER TO {app}"),
        format!("DROP TABLE {table} CASCADE"),
        format!("ALTER TABLE {table} SET SCHEMA pg_temp"),
        "ALTER SCHEMA public RENAME TO before".to_owned(),
        format!("SET ROLE {keeper}"),
        "SET ROLE postgres".to_owned(),
        format!("SET SESSION AUTHORIZATION {keeper}"),
        format!("GRANT {keeper} TO {app}"),
        format!("REASSIGN OWNED BY {keeper} TO {app}"),
        "DROP OWNED BY postgres".to_owned(),
        "DROP EXTENSION celador CASCADE".to_owned(),
        "SELECT celador.uninstall()".to_owned(),
        format!("SELECT celador.unprotect('{table}')"),
        format!("SELECT celador.pause('{table}')"),
        "SELECT celador.release('public')".to_owned(),
        "SET session_replication_role = replica".to_owned(),
    ] {
        let failed = failure(database.login(app).batch_execute(&sql));
        assert_eq!(failed.code, "42501", "{sql}: {failed:?}");
    }
    // PostgreSQL warns where there is nothing to grant, and grants nothing.
    for sql in [
        format!("GRANT ALL ON {table} TO PUBLIC"),
        format!("REVOKE ALL ON {table} FROM {app}"),
    ] {
        let _ = database.login(app).batch_execute(&sql);
    }
    assert_eq!(before, (database.dump(), database.rights()));
}

#[test]
fn bottlecrm_works_on_and_can_undo_nothing() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    let adopted = |database: &Database| {
        // As it is installed: the application made its tables, and took nothing from itself but on
        // the tables that people.sql takes something of.
        database.run(
            "REASSIGN OWNED BY bottlecrm_owner TO bottlecrm_app;
             REVOKE INSERT, UPDATE, DELETE ON tags, django_content_type FROM bottlecrm_app;
             REVOKE ALL ON token_blacklist_outstandingtoken FROM bottlecrm_app;
             GRANT INSERT, SELECT (id) ON token_blacklist_outstandingtoken TO bottlecrm_app",
        );
        let login_owns = database.superuser().query(
            "SELECT celador.load_policy($1)",
            &[&crm.document("s1-matrix")],
        );
        assert!(denied(login_owns).hint.contains("celador.adopt"));
        database.run("SELECT celador.adopt('public', 'bottlecrm_keeper', 'bottlecrm_app', create_owner => true)");
    };
    crm.assert_replays_in("s1-matrix", &ORGANIZATIONS, adopted);
    let database = crm.unprotected();
    adopted(&database);
    database.load(&crm.document("s1-matrix"));
    can_undo_nothing(&database, "bottlecrm_app", "bottlecrm_keeper", "contacts");
}

/// The organization of each phase of the recording.
const ORGANIZATIONS: [(&str, &str); 2] = [
    ("org0", "e559e293-b795-4e02-8956-7bede579b366"),
    ("org1", "b6bb2f14-139b-4a1a-b58d-6184c5ca182b"),
];

#[test]
fn tryton_works_on_and_can_undo_nothing() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    let adopted = |database: &Database| {
        database.ensure_login("tryton_login", "");
        database.run("REASSIGN OWNED BY tryton_owner TO tryton_login");
        database.run(
            "SELECT celador.adopt('public', 'tryton_keeper', 'tryton_login', create_owner => true)",
        );
    };
    crm.assert_replays_in("s1-matrix", &[], adopted);
    let database = crm.unprotected();
    adopted(&database);
    database.load(&crm.document("s1-matrix"));
    can_undo_nothing(&database, "tryton_login", "tryton_keeper", "party_party");
    // Each person's login has what it had by its own name.
    can_undo_nothing(&database, "alice", "tryton_keeper", "party_party");
}
