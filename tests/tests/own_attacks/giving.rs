//! Nobody gives more than he or she holds (X.8), by detours neither.

use crate::stage::{stage, stored, tries};

/// Where a record that points to another lends its reach, pointing is giving.
#[test]
fn x_8_pointing_to_a_record_does_not_open_it() {
    let database = celador_tests::small_crm(
        r#"[permissions.worker]
           deals = { read = ["own"], create = ["own"], update = ["own"] }
           companies = { read = [{ scope = "related", module = "deals" }] }"#,
    );
    for attempt in [
        "UPDATE deals SET company_id = 1 WHERE owner = 'lena'",
        "INSERT INTO deals (id, company_id, owner, creator) VALUES (90, 1, 'lena', 'lena')",
        "INSERT INTO deals (id, company_id, owner) VALUES (2, 1, 'lena') ON CONFLICT (id) DO UPDATE SET company_id = 1",
        "MERGE INTO deals USING (VALUES (2)) AS v (i) ON id = v.i WHEN MATCHED THEN UPDATE SET company_id = 1",
    ] {
        let seen = tries(
            &database,
            "small_lena",
            &[attempt, "SELECT 'saw ' || name FROM companies WHERE id = 1"],
        );
        assert!(seen.contains("ERROR 42501"), "{attempt}\n{seen}");
        assert!(!seen.contains("saw"), "{attempt}\n{seen}");
    }
    // What is in reach already may be pointed to, and nothing at all.
    let seen = tries(
        &database,
        "small_lena",
        &[
            "UPDATE deals SET company_id = 3 WHERE id = 2",
            "INSERT INTO deals (id, company_id, owner) VALUES (91, 3, 'lena')",
            "UPDATE deals SET company_id = NULL WHERE id = 91",
        ],
    );
    assert!(!seen.contains("ERROR"), "{seen}");
}

/// A person's keys, login, supervisor and attributes say what the person reaches: changing them is
/// giving, not editing.
#[test]
fn x_8_editing_a_person_does_not_change_who_that_is() {
    let database = celador_tests::small_crm(
        r#"[permissions.worker]
           companies = { read = ["own", "reports"] }
           users = { read = ["all"], update = ["all"] }"#,
    );
    for attempt in [
        "UPDATE celador.users SET supervisor = 'lena' WHERE \"user\" = 'omar'",
        "UPDATE celador.users SET login = NULL WHERE \"user\" = 'lena'",
        "UPDATE celador.users SET login = 'x' WHERE \"user\" = 'boss'",
        "UPDATE celador.users SET \"user\" = 'x' WHERE \"user\" = 'nina'",
        "SELECT celador.set_supervisor('boss', 'lena')",
        "SELECT celador.set_user_active('boss', false)",
    ] {
        let seen = tries(&database, "small_lena", &[attempt]);
        assert!(seen.contains("ERROR 42501"), "{attempt}\n{seen}");
    }
    let database = celador_tests::small_crm(
        r#"[permissions.worker]
           users = { read = ["all"], update = ["all"], assign = ["all"] }"#,
    );
    let seen = tries(
        &database,
        "small_lena",
        &["SELECT celador.set_supervisor('nina', 'omar')"],
    );
    assert!(!seen.contains("ERROR"), "{seen}");
}

/// A group that holds a role gives it to its members.
#[test]
fn x_8_membership_gives_the_roles_of_the_group() {
    let database = celador_tests::small_crm(
        r#"[permissions.worker]
           memberships = { read = ["all"], create = ["all"], update = ["all"], delete = ["all"] }
           [permissions.reader]
           companies = { read = ["all"] }"#,
    );
    database.run("SELECT celador.give_role_to_group('west', 'reader')");
    let before = "SELECT 'saw ' || name FROM companies";
    for attempt in [
        "INSERT INTO celador.memberships VALUES ('lena', 'west')",
        "UPDATE celador.memberships SET \"group\" = 'west' WHERE \"user\" = 'lena'",
        "UPDATE celador.memberships SET \"user\" = 'lena' WHERE \"user\" = 'yuki'",
        "SELECT celador.set_user_groups('lena', '{east,west}')",
        "DELETE FROM celador.memberships WHERE \"user\" = 'yuki'",
    ] {
        let seen = tries(&database, "small_lena", &[attempt, before]);
        assert!(seen.contains("ERROR 42501"), "{attempt}\n{seen}");
        assert!(!seen.contains("saw"), "{attempt}\n{seen}");
    }
    let seen = tries(
        &database,
        "small_lena",
        &["SELECT celador.set_user_groups('nina', '{east,whole}')"],
    );
    assert!(!seen.contains("ERROR"), "{seen}");
}

/// The same on tables of the CRM's own, where one row tells of all.
#[test]
fn x_8_a_wide_table_of_people() {
    let database = stage();
    database.load(&crate::stage::policy().replace(
        "users = { read = [\"own\"] }",
        "users = { read = [\"own\"], update = [\"own\"] }",
    ));
    let before = stored(&database);
    for attempt in [
        "UPDATE shop.staff SET team_id = 2 WHERE id = 2",
        "UPDATE shop.staff SET role = 'administrator' WHERE id = 2",
        "UPDATE shop.staff SET boss_id = NULL WHERE id = 2",
        "UPDATE shop.staff SET login = 'x' WHERE id = 2",
        "UPDATE shop.staff SET id = 77 WHERE id = 2",
    ] {
        let seen = tries(&database, "atk_ruth", &[attempt]);
        assert!(seen.contains("ERROR 42501"), "{attempt}\n{seen}");
        assert_eq!(stored(&database), before, "{attempt}\n{seen}");
    }
}
