//! Every change of policy and protection is noted: who, when, what, why. What is noted stays.

mod desk;

use celador_tests::denied;
use desk::{desk, run, text};
use postgres::Client;

fn noted(client: &mut Client) -> Vec<String> {
    let rows = client
        .query(
            "SELECT concat_ws('|', by, kind, object, reason) FROM celador.changes
             WHERE kind NOT LIKE '%protect' ORDER BY change",
            &[],
        )
        .expect("the log can be read");
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn loads_views_and_roles_are_noted() {
    let database = desk();
    let mut superuser = database.superuser();
    let before = noted(&mut superuser).len();
    let document = text(&mut superuser, "SELECT celador.export_policy()").expect("a policy");
    superuser
        .execute(
            "SELECT celador.load_policy($1, reason => 'again')",
            &[&document],
        )
        .expect("it loads");
    run(&mut superuser, "SELECT celador.restore_revision(1, 'back')");
    run(
        &mut superuser,
        "CREATE VIEW public.noted_view AS SELECT 1 AS one;
         SELECT celador.register_view('public.noted_view');
         SELECT celador.unregister_view('public.noted_view');
         DROP ROLE IF EXISTS noted_maintenance;
         CREATE ROLE noted_maintenance BYPASSRLS;
         SELECT celador.add_maintenance_role('noted_maintenance');
         SELECT celador.remove_maintenance_role('noted_maintenance');
         DROP ROLE noted_maintenance;",
    );
    assert_eq!(
        noted(&mut superuser)[before..],
        [
            "postgres|load|revision 2|again",
            "postgres|load|revision 3|back",
            "postgres|restore|revision 1 as 3|back",
            "postgres|register view|public.noted_view",
            "postgres|unregister view|public.noted_view",
            "postgres|add maintenance role|noted_maintenance",
            "postgres|remove maintenance role|noted_maintenance",
        ]
    );
    // What is rolled back was no change; what is written by hand is one.
    let before = noted(&mut superuser).len();
    run(
        &mut superuser,
        "BEGIN; SELECT celador.restore_revision(1); ROLLBACK;
         DELETE FROM celador.policy WHERE revision = 3;",
    );
    assert_eq!(
        noted(&mut superuser)[before..],
        ["postgres|delete revision|revision 3|back"]
    );
}

#[test]
fn protection_is_noted() {
    let database = desk();
    let mut superuser = database.superuser();
    let protected = |client: &mut Client, kind: &str| {
        text(
            client,
            &format!("SELECT string_agg(object, ',' ORDER BY object) FROM celador.changes WHERE kind = '{kind}' AND object NOT LIKE 'celador.%'"),
        )
        .unwrap_or_default()
    };
    let all = protected(&mut superuser, "protect");
    assert!(!all.is_empty());
    assert_eq!(protected(&mut superuser, "unprotect"), "");
    run(&mut superuser, "SELECT celador.load_policy('')");
    assert_eq!(protected(&mut superuser, "unprotect"), all);
}

#[test]
fn what_is_noted_stays() {
    let database = desk();
    let mut superuser = database.superuser();
    for statement in [
        "UPDATE celador.changes SET reason = 'another'",
        "DELETE FROM celador.changes",
        "TRUNCATE celador.changes",
        "SET session_replication_role = replica; DELETE FROM celador.changes",
    ] {
        let refused = superuser.batch_execute(statement);
        assert!(
            denied(refused).message.contains("keeps what was noted"),
            "{statement}"
        );
    }
    let mut person = database.login("desk_bea");
    denied(person.query("SELECT * FROM celador.changes", &[]));
    denied(person.batch_execute("INSERT INTO celador.changes (kind, object) VALUES ('load', 'x')"));
}
