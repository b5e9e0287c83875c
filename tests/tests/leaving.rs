//! A way out: of one table, or of everything. What comes back is what was found.

mod desk;

use celador_tests::acceptance::Crm;
use celador_tests::{Database, denied, failure, sees_all};
use desk::{MATRIX, desk, document, ids, number, picture, run};

/// Installs, adopts where an application's login owns the tables, loads, changes who holds what,
/// uninstalls, drops; the schema is as before, to the letter.
#[track_caller]
fn comes_back(database: &Database, adoption: Option<(&str, &str)>, policy: &str) {
    database.run("DROP EXTENSION celador");
    let (dump, rights) = (database.dump(), database.rights());
    database.run("CREATE EXTENSION celador");
    if let Some((owner, app)) = adoption {
        let mut superuser = database.superuser();
        superuser
            .execute(
                "SELECT celador.adopt('public', $1, $2, create_owner => true)",
                &[&owner, &app],
            )
            .expect("the schema is adopted");
        assert!(
            failure(superuser.batch_execute("DROP EXTENSION celador"))
                .hint
                .contains("celador.uninstall"),
            "what was found would be forgotten"
        );
    }
    database.load(policy);
    assert_ne!(dump, database.dump());
    // Without CASCADE PostgreSQL would advise it.
    for drop in ["DROP EXTENSION celador", "DROP EXTENSION celador CASCADE"] {
        let refused = failure(database.superuser().batch_execute(drop));
        assert!(refused.hint.contains("celador.uninstall"), "{refused:?}");
    }
    let before = (database.dump(), database.rights(), picture(database));
    let planned = number(
        &mut database.superuser(),
        "SELECT count(ddl) FROM celador.plan_uninstall()",
    );
    assert!(planned > 10, "{planned} statements");
    assert_eq!(
        before,
        (database.dump(), database.rights(), picture(database)),
        "a dry run changes nothing"
    );
    database.run("SELECT celador.uninstall(); DROP EXTENSION celador");
    assert_eq!(rights, database.rights());
    assert_eq!(dump, database.dump());
}

#[test]
fn the_sample_comes_back() {
    let database = Database::sample();
    comes_back(&database, None, &Database::preset_document("s1-matrix"));
}

#[test]
fn the_sample_comes_back_from_an_adoption() {
    let database = Database::sample();
    database.run("CREATE ROLE crm_login LOGIN; ALTER DATABASE DATABASE_NAME OWNER TO crm_login; REASSIGN OWNED BY crm_owner TO crm_login"
        .replace("DATABASE_NAME", database.name()).as_str());
    comes_back(
        &database,
        Some(("crm_keeper", "crm_login")),
        &Database::preset_document("s4-groups-agents"),
    );
}

#[test]
fn a_desk_that_is_paused_and_unprotected_in_part_comes_back() {
    let database = desk::bare();
    database.run("DROP EXTENSION celador; SET ROLE desk_owner; ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
        CREATE POLICY mine ON docs USING (title <> 'x'); ALTER TABLE boards FORCE ROW LEVEL SECURITY");
    let (dump, rights) = (database.dump(), database.rights());
    database.run("CREATE EXTENSION celador");
    database.load(&document(MATRIX));
    database.run("SELECT celador.pause('cases'); SELECT celador.unprotect('docs')");
    database.run("SELECT celador.uninstall(); DROP EXTENSION celador");
    assert_eq!(rights, database.rights());
    assert_eq!(dump, database.dump());
}

#[test]
fn bottlecrm_comes_back() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    let database = crm.unprotected();
    comes_back(&without_state(database), None, &crm.document("s1-matrix"));
    let database = without_state(crm.unprotected());
    database.run("REASSIGN OWNED BY bottlecrm_owner TO bottlecrm_app");
    comes_back(
        &database,
        Some(("bottlecrm_keeper", "bottlecrm_app")),
        &crm.document("s1-matrix"),
    );
}

#[test]
fn tryton_comes_back() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    comes_back(
        &without_state(crm.unprotected()),
        None,
        &crm.document("s1-matrix"),
    );
    let database = without_state(crm.unprotected());
    database.run("CREATE ROLE tryton_login LOGIN; REASSIGN OWNED BY tryton_owner TO tryton_login");
    comes_back(
        &database,
        Some(("tryton_keeper", "tryton_login")),
        &crm.document("s4-groups-agents"),
    );
}

/// Grants on the extension's functions go with it.
fn without_state(database: Database) -> Database {
    database.run("DROP EXTENSION celador; CREATE EXTENSION celador");
    database
}

#[test]
fn an_unprotected_table_is_as_found_until_the_next_load() {
    let database = desk();
    denied(
        database
            .login("desk_ann")
            .execute("SELECT celador.unprotect('cases')", &[]),
    );
    database.run("SELECT celador.unprotect('cases'); SELECT celador.unprotect('visits')");
    for table in ["cases", "visits", "visits_old"] {
        sees_all(&database, "desk_bea", table);
    }
    assert!(database.is_true(
        "SELECT NOT EXISTS (SELECT FROM pg_class WHERE relname IN ('cases', 'visits', 'visits_old')
           AND (relrowsecurity OR relforcerowsecurity))
         AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid IN ('cases'::regclass, 'visits_old'::regclass))
         AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid IN ('cases'::regclass, 'visits_old'::regclass) AND NOT tgisinternal)"
    ));
    // Other tables are as they were, and DDL doesn't bring it back.
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM lines"),
        [2]
    );
    run(
        &mut database.login("desk_migrator"),
        "SET ROLE desk_owner; CREATE TABLE later (id integer); ALTER TABLE cases ADD COLUMN x text",
    );
    sees_all(&database, "desk_bea", "cases");
    assert_eq!(
        number(
            &mut database.superuser(),
            "SELECT count(*) FROM celador.left_out"
        ),
        4
    );
    database.run("ALTER TABLE cases DROP COLUMN x; DROP TABLE later");
    database.load(&document(MATRIX));
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM cases"),
        [2]
    );
    assert_eq!(
        ids(
            &mut database.login("desk_bea"),
            "SELECT id FROM visits ORDER BY id"
        ),
        [1, 2]
    );
    assert_eq!(
        number(
            &mut database.superuser(),
            "SELECT count(*) FROM celador.left_out"
        ),
        0
    );
}

#[test]
fn what_others_rest_on_is_not_unprotected() {
    let database = desk();
    let before = picture(&database);
    for (table, why) in [
        ("users", "who is who"),
        ("roles", "who is who"),
        ("visits_old", "read through"),
        ("countries", "isn't a protected table"),
        ("celador.users", "isn't a protected table"),
    ] {
        let refused = failure(
            database
                .superuser()
                .execute(&format!("SELECT celador.unprotect('{table}')"), &[]),
        );
        assert_eq!(refused.code, "55000", "{table}: {refused:?}");
        assert!(refused.message.contains(why), "{table}: {refused:?}");
    }
    assert_eq!(before, picture(&database));
}

#[test]
fn leaving_is_for_superusers() {
    let database = desk();
    database.run("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA celador TO desk_migrator");
    let mut migrator = database.login("desk_migrator");
    for sql in [
        "SELECT celador.uninstall()",
        "SELECT celador.plan_uninstall()",
        "SELECT celador.unprotect('cases')",
        "SELECT celador.guard_owner('desk_owner')",
        "SELECT celador.unguard_owner('desk_owner')",
    ] {
        denied(migrator.batch_execute(sql));
    }
    assert_eq!(
        ids(&mut database.login("desk_bea"), "SELECT id FROM cases"),
        [2]
    );
}
