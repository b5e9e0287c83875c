//! X, across all models: one test a line. X.3 is in `requirements_x_monotone.rs`.

use celador_tests::{
    Database, OpenSessions, denied, failure, is_denied, may, may_not, sees, sees_all, sees_none,
    small_crm, small_document,
};

#[test]
fn x_1_creator_assignee_and_group_are_three_criteria() {
    let crm = small_crm(
        r#"[permissions.worker]
           companies = { read = ["own"] }
           [permissions.maker]
           companies = { read = ["created"] }
           [permissions.teammate]
           companies = { read = ["group"] }
           [permissions.whole]
           companies = { read = ["own", "created", "group"] }"#,
    );
    for (role, condition) in [
        ("worker", "owner = 'lena'"),
        ("maker", "creator = 'lena'"),
        ("teammate", "team = 'east'"),
        (
            "whole",
            "owner = 'lena' OR creator = 'lena' OR team = 'east'",
        ),
    ] {
        crm.run(&format!(
            "DELETE FROM celador.roles_held; SELECT celador.give_role('lena', '{role}')"
        ));
        sees(&crm, "small_lena", "companies", condition);
        sees_none(&crm, "small_omar", "companies");
    }
}

#[test]
fn x_2_records_and_users_in_one_group_in_many_or_in_a_tree() {
    let crm = small_crm(
        r#"[permissions.worker]
           companies = { read = ["group"] }
           projects = { read = ["group"] }
           [permissions.head]
           companies = { read = ["group_tree"] }
           projects = { read = ["group_tree"] }"#,
    );
    // Companies are in one group, projects in many.
    sees(&crm, "small_lena", "companies", "team = 'east'");
    sees(&crm, "small_lena", "projects", "id IN (1, 2)");
    // A user in several, in none, above all.
    crm.run("SELECT celador.set_user_groups('lena', '{east,west}')");
    sees(&crm, "small_lena", "companies", "team IN ('east', 'west')");
    sees(&crm, "small_lena", "projects", "id IN (1, 2, 4)");
    crm.run("SELECT celador.set_user_groups('lena', '{}')");
    sees_none(&crm, "small_lena", "companies");
    sees_none(&crm, "small_lena", "projects");
    crm.run("SELECT celador.give_role('boss', 'head')");
    sees(&crm, "small_boss", "companies", "team IS NOT NULL");
    sees(&crm, "small_boss", "projects", "id IN (1, 2, 4)");
}

#[test]
fn x_4_actions_go_beyond_sql_verbs() {
    // One and the same verb, UPDATE, is four actions.
    let edit = "UPDATE companies SET name = 'Renamed' WHERE id = 4";
    let give = "UPDATE companies SET owner = 'omar' WHERE id = 1";
    let take = "UPDATE companies SET owner = 'lena' WHERE id = 4";
    let customise = "UPDATE boards SET name = 'Changed' WHERE id = 1";
    let attempts = [
        (
            "update",
            "companies",
            edit,
            "SELECT name = 'Renamed' FROM companies WHERE id = 4",
        ),
        (
            "assign",
            "companies",
            give,
            "SELECT owner = 'omar' FROM companies WHERE id = 1",
        ),
        (
            "claim",
            "companies",
            take,
            "SELECT owner IS NOT DISTINCT FROM 'lena' FROM companies WHERE id = 4",
        ),
        (
            "customise",
            "boards",
            customise,
            "SELECT name = 'Changed' FROM boards WHERE id = 1",
        ),
    ];
    for granted in ["update", "assign", "claim", "customise"] {
        for (action, table, sql, question) in attempts {
            let scope = if granted == "claim" {
                "unassigned"
            } else {
                "all"
            };
            let crm = small_crm(&format!(
                "[permissions.worker]
                 companies = {{ read = [\"all\"], {granted} = [\"{scope}\"] }}
                 boards = {{ read = [\"all\"], {granted} = [{}] }}",
                if granted == "claim" { "" } else { "\"all\"" }
            ));
            // Assigning one's own new customer is what assign allows, too.
            if action == granted || (granted == "assign" && action == "claim") {
                may(&crm, "small_lena", sql, question);
            } else {
                may_not(&crm, "small_lena", sql, table);
            }
        }
    }
}

#[test]
fn x_5_switches_change_rows_without_ddl() {
    let crm = small_crm(
        r#"[settings.whole_team]
           default = false
           set_by = ["chief"]
           [permissions.chief]
           boards = { read = ["all"] }
           [permissions.worker]
           companies = { read = ["own", { scope = "colleagues", when = "whole_team" }] }"#,
    );
    crm.run("SELECT celador.give_role('boss', 'chief')");
    let mut lena = OpenSessions::open(&crm, "small_lena", "SELECT count(*) FROM companies");
    let policies = "SELECT md5(string_agg(p::text, ',' ORDER BY p.oid)) FROM pg_policy p";
    let before: String = crm.superuser().query_one(policies, &[]).unwrap().get(0);
    for (group, on, seen) in [
        ("'whole'", true, 2),
        ("'east'", false, 1),
        ("'east'", true, 2),
        ("'west'", false, 2),
        ("'east'", false, 1),
    ] {
        let set = format!("SELECT celador.set_setting('whole_team', {on}, {group})");
        is_denied(&crm, "small_lena", &set, "celador.setting_values");
        may(
            &crm,
            "small_boss",
            &set,
            &format!(
                "SELECT EXISTS (SELECT FROM celador.setting_values
                                WHERE \"group\" = {group} AND value = {on})"
            ),
        );
        lena.count(seen);
    }
    let after: String = crm.superuser().query_one(policies, &[]).unwrap().get(0);
    assert_eq!(before, after);
}

#[test]
fn x_6_modules_rows_and_administration_are_closed_by_default() {
    let crm = small_crm("[permissions.worker]\ncompanies = { read = [\"own\"] }");
    // Module and row.
    sees(&crm, "small_lena", "companies", "owner = 'lena'");
    for table in [
        "deals",
        "boards",
        "projects",
        "project_people",
        "project_teams",
    ] {
        sees_none(&crm, "small_lena", table);
        may_not(&crm, "small_lena", &format!("DELETE FROM {table}"), table);
    }
    // Administration.
    for (sql, table) in [
        (
            "SELECT celador.give_role('lena', 'worker2')",
            "celador.roles_held",
        ),
        ("SELECT celador.add_user('more')", "celador.users"),
        ("SELECT celador.add_group('more', 'More')", "celador.groups"),
        (
            "INSERT INTO celador.memberships VALUES ('lena', 'west')",
            "celador.memberships",
        ),
        (
            "SELECT celador.share('companies', '3', 'lena')",
            "celador.shares",
        ),
        (
            "SELECT celador.set_setting('x', true)",
            "celador.setting_values",
        ),
        ("SELECT celador.load_policy('')", "celador.policy"),
        ("DELETE FROM celador.policy", "celador.policy"),
        (
            "UPDATE celador.protected SET had_force = false",
            "celador.protected",
        ),
        ("SELECT celador.act_as('boss')", "celador.users"),
        (
            "SELECT celador.register_view('companies')",
            "celador.registered_views",
        ),
        (
            "SELECT celador.add_maintenance_role('small_lena')",
            "celador.maintenance_roles",
        ),
    ] {
        is_denied(&crm, "small_lena", sql, table);
    }
    for table in ["celador.users", "celador.roles_held", "celador.memberships"] {
        sees_none(&crm, "small_lena", table);
    }
}

#[test]
fn x_6_unknown_people_get_an_error_and_known_ones_without_a_role_no_rows() {
    let crm = small_crm("[permissions.worker]\ncompanies = { read = [\"all\"] }");
    crm.run(
        "DO $$ BEGIN
           IF to_regrole('small_stranger') IS NULL THEN
             CREATE ROLE small_stranger LOGIN IN ROLE small_people;
           END IF;
         END $$",
    );
    sees_all(&crm, "small_lena", "companies");
    sees_none(&crm, "small_nina", "companies");
    for query in [
        "SELECT * FROM companies",
        "SELECT count(*) FROM companies WHERE false",
        "SELECT * FROM boards LIMIT 0",
    ] {
        let refused = denied(crm.login("small_stranger").query(query, &[]));
        assert!(!refused.hint.is_empty(), "{refused:?}");
    }
    for sql in [
        "UPDATE companies SET name = 'x'",
        "DELETE FROM companies",
        "DELETE FROM deals",
    ] {
        is_denied(&crm, "small_stranger", sql, "companies");
    }
}

#[test]
fn x_6_tables_that_nobody_placed_are_closed() {
    let crm = small_crm("[permissions.worker]\ncompanies = { read = [\"all\"] }");
    crm.run(
        "CREATE TABLE visits (id bigint PRIMARY KEY, company_id bigint REFERENCES companies);
         INSERT INTO visits VALUES (1, 1);
         GRANT SELECT, INSERT, UPDATE, DELETE ON visits TO small_people",
    );
    for sql in [
        "INSERT INTO visits VALUES (2, 1)",
        "UPDATE visits SET company_id = 2",
        "DELETE FROM visits",
    ] {
        may_not(&crm, "small_lena", sql, "visits");
    }
    let seen = crm.login("small_lena").query("SELECT * FROM visits", &[]);
    assert!(
        seen.map_or(0, |rows| rows.len()) == 0,
        "an unplaced table shows rows"
    );
    // And a document that forgets it doesn't load.
    let document = small_document("[permissions.worker]\ncompanies = { read = [\"all\"] }");
    let refused = failure(
        crm.superuser()
            .execute("SELECT celador.load_policy($1)", &[&document]),
    );
    assert!(refused.message.contains("visits"), "{refused:?}");
    sees_all(&crm, "small_lena", "companies");
}

#[test]
fn x_7_a_deactivated_user_is_nobody_from_the_next_statement() {
    let crm = Database::preset("s1-matrix");
    let mut sergio = OpenSessions::open(&crm, "sergio", "SELECT count(*) FROM accounts");
    let mut lucia = OpenSessions::open(&crm, "lucia", "SELECT count(*) FROM leads");
    // ramon has left.
    denied(crm.login("ramon").query("SELECT * FROM accounts", &[]));
    let mut writing = crm.login("sergio");
    let update = writing
        .prepare("UPDATE leads SET company = 'Late' WHERE owner_id = 9")
        .unwrap();
    assert!(writing.execute(&update, &[]).unwrap() > 0);
    crm.run("UPDATE leads SET company = 'In time' WHERE owner_id = 9");
    may(
        &crm,
        "ana",
        "UPDATE users SET is_active = false WHERE login = 'sergio'",
        "SELECT NOT is_active FROM users WHERE login = 'sergio'",
    );
    sergio.are_denied();
    denied(writing.execute(&update, &[]));
    assert_eq!(crm.count("leads", "company = 'Late'"), 0);
    lucia.count(crm.count("leads", "owner_id = 10"));
    is_denied(
        &crm,
        "sergio",
        "UPDATE leads SET company = 'Later'",
        "leads",
    );
    // Active again, and seeing again.
    crm.run("UPDATE users SET is_active = true WHERE login = 'sergio'");
    sees(
        &crm,
        "sergio",
        "accounts",
        "owner_id IN (SELECT user_id FROM team_members WHERE team_id = 3)",
    );
}

const GIVERS: &str = r#"
[permissions.worker]
companies = { read = ["own"], update = ["own"] }
shares = { read = ["all"], create = ["all"], delete = ["all"] }
[permissions.reader]
companies = { read = ["all"] }
[permissions.clerk]
companies = { read = ["own"], update = ["own"] }
roles_held = { read = ["all"], create = ["all"], update = ["all"], delete = ["all"] }
[permissions.chief]
"*" = { "*" = ["all"] }
"#;

#[test]
fn x_8_nobody_gives_a_role_beyond_what_he_or_she_holds() {
    let crm = small_crm(GIVERS);
    crm.run("SELECT celador.give_role('omar', 'clerk'), celador.give_role('boss', 'chief')");
    let give = |user: &str, role: &str| format!("SELECT celador.give_role('{user}', '{role}')");
    let holds = |user: &str, role: &str| {
        format!(
            "SELECT EXISTS (SELECT FROM celador.roles_held WHERE \"user\" = '{user}' AND role = '{role}')"
        )
    };
    // omar may give roles, but neither more rows nor more administration than he has.
    for role in ["reader", "chief"] {
        for user in ["omar", "yuki"] {
            is_denied(&crm, "small_omar", &give(user, role), "celador.roles_held");
        }
        is_denied(
            &crm,
            "small_omar",
            &format!("UPDATE celador.roles_held SET role = '{role}' WHERE \"user\" = 'omar'"),
            "celador.roles_held",
        );
        is_denied(
            &crm,
            "small_omar",
            &format!("SELECT celador.give_role_to_group('east', '{role}')"),
            "celador.roles_held",
        );
    }
    // Nor take away what goes beyond it.
    is_denied(
        &crm,
        "small_omar",
        "SELECT celador.take_role('boss', 'chief')",
        "celador.roles_held",
    );
    may(
        &crm,
        "small_omar",
        &give("yuki", "clerk"),
        &holds("yuki", "clerk"),
    );
    may(
        &crm,
        "small_boss",
        &give("yuki", "reader"),
        &holds("yuki", "reader"),
    );
    sees_all(&crm, "small_yuki", "companies");
    may_not(
        &crm,
        "small_lena",
        &give("lena", "clerk"),
        "celador.roles_held",
    );
}

#[test]
fn x_8_nobody_shares_what_is_out_of_reach() {
    let crm = small_crm(&GIVERS.replace(
        "companies = { read = [\"own\"], update",
        "companies = { read = [\"own\", \"shared\"], update",
    ));
    crm.run("SELECT celador.give_role('omar', 'clerk')");
    let share = |record: u32, level: &str| {
        format!("SELECT celador.share('companies', '{record}', 'omar', '{level}')")
    };
    sees(&crm, "small_omar", "companies", "owner = 'omar'");
    // Another's; more than she may herself; a record that isn't there; a module that isn't.
    is_denied(&crm, "small_lena", &share(3, "read"), "celador.shares");
    is_denied(&crm, "small_lena", &share(1, "delete"), "celador.shares");
    is_denied(&crm, "small_lena", &share(99, "read"), "celador.shares");
    is_denied(
        &crm,
        "small_lena",
        "SELECT celador.share('deals', '1', 'omar')",
        "celador.shares",
    );
    may(
        &crm,
        "small_lena",
        &share(1, "read"),
        "SELECT EXISTS (SELECT FROM celador.shares WHERE record = '1' AND \"user\" = 'omar')",
    );
    sees(&crm, "small_omar", "companies", "owner = 'omar' OR id = 1");
    may_not(
        &crm,
        "small_omar",
        "UPDATE companies SET name = 'x' WHERE id = 1",
        "companies",
    );
    crm.run("SELECT celador.unshare('companies', '1', 'omar')");
    sees(&crm, "small_omar", "companies", "owner = 'omar'");
}
