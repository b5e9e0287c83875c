//! S2, owner and member: one test a line of the model, on the sample CRM.
//!
//! ana and dario are owners, sergio is a member; what a member sees is what he or she created.

use celador_tests::{
    Database, OpenSessions, answers, breaks, denied, is_denied, may, may_not, sees, sees_all,
    sees_none, small_crm,
};

fn crm() -> Database {
    Database::preset("s2-owner-member")
}

#[test]
fn s2_1_owners_see_all_whoever_created_them() {
    let crm = crm();
    for table in ["leads", "opportunities", "tickets"] {
        assert_eq!(crm.count(table, "created_by = 2"), 0);
        sees_all(&crm, "dario", table);
    }
    sees(&crm, "sergio", "leads", "created_by = 9");
}

#[test]
fn s2_2_members_see_what_they_created_not_what_they_are_assigned() {
    let crm = crm();
    for table in ["leads", "opportunities", "tickets"] {
        sees(&crm, "sergio", table, "created_by = 9");
    }
    // Assigned to sergio by another, and created by sergio for another.
    assert!(crm.count("leads", "owner_id = 9 AND created_by <> 9") > 0);
    crm.run("UPDATE leads SET owner_id = 20 WHERE id = (SELECT min(id) FROM leads WHERE created_by = 9)");
    sees(&crm, "sergio", "leads", "created_by = 9");
}

#[test]
fn s2_3_owners_manage_users_roles_and_permissions() {
    let crm = crm();
    let add =
        "INSERT INTO users (login, full_name, email) VALUES ('zoe', 'Zoe', 'zoe@crm.example')";
    may_not(&crm, "sergio", add, "users");
    may(
        &crm,
        "dario",
        add,
        "SELECT EXISTS (SELECT FROM users WHERE login = 'zoe')",
    );
    let give =
        "INSERT INTO user_roles (user_id, role) SELECT id, 'member' FROM users WHERE login = 'zoe'";
    may_not(
        &crm,
        "sergio",
        "INSERT INTO user_roles (user_id, role) VALUES (40, 'member')",
        "user_roles",
    );
    let given = "SELECT EXISTS (SELECT FROM user_roles r JOIN users u ON u.id = r.user_id
                                WHERE u.login = 'zoe' AND r.role = 'member')";
    may(&crm, "dario", give, given);
    may(
        &crm,
        "dario",
        "UPDATE user_roles SET role = 'owner' WHERE user_id = 4 AND role = 'member'",
        "SELECT EXISTS (SELECT FROM user_roles WHERE user_id = 4 AND role = 'owner')",
    );
    sees_all(&crm, "marta", "leads");
    may_not(
        &crm,
        "sergio",
        "UPDATE user_roles SET role = 'owner' WHERE user_id = 9",
        "user_roles",
    );
    may_not(
        &crm,
        "sergio",
        "DELETE FROM users WHERE login = 'zoe'",
        "users",
    );
    may(
        &crm,
        "dario",
        "DELETE FROM users WHERE login = 'zoe'",
        "SELECT NOT EXISTS (SELECT FROM users WHERE login = 'zoe')",
    );
}

const CONFIGURATION: [(&str, &str); 4] = [
    ("forms", "name = 'Changed ' || id"),
    ("workflows", "is_active = false"),
    ("mail_accounts", "server = 'imap.changed.example'"),
    ("pipeline_stages", "name = 'Changed ' || code"),
];

#[test]
fn s2_4_owners_manage_forms_workflows_mail_and_pipeline() {
    let crm = crm();
    for (table, change) in CONFIGURATION {
        let update = format!("UPDATE {table} SET {change}");
        may_not(&crm, "sergio", &update, table);
        may(
            &crm,
            "dario",
            &update,
            &format!(
                "SELECT bool_and({}) FROM {table}",
                change.replace("= false", "IS FALSE")
            ),
        );
    }
    may(
        &crm,
        "dario",
        "INSERT INTO pipeline_stages VALUES ('trial', 'Trial', 7, 40, true)",
        "SELECT EXISTS (SELECT FROM pipeline_stages WHERE code = 'trial')",
    );
    is_denied(
        &crm,
        "sergio",
        "INSERT INTO pipeline_stages VALUES ('mine', 'Mine', 8, 40, true)",
        "pipeline_stages",
    );
}

#[test]
fn s2_5_members_create_and_update_their_own() {
    let crm = crm();
    may(
        &crm,
        "sergio",
        "INSERT INTO leads (company, full_name, source) VALUES ('Mine', 'M', 'web')",
        "SELECT EXISTS (SELECT FROM leads WHERE company = 'Mine' AND created_by = 9)",
    );
    may(
        &crm,
        "sergio",
        "INSERT INTO opportunities (name, account_id) VALUES ('Mine', 1)",
        "SELECT EXISTS (SELECT FROM opportunities WHERE name = 'Mine' AND created_by = 9)",
    );
    let own = crm.pick("opportunities", "created_by = 9");
    let other = crm.pick("opportunities", "created_by = 10");
    let win =
        |id: &str| format!("UPDATE opportunities SET stage = 'won', amount = 7 WHERE id = {id}");
    may(
        &crm,
        "sergio",
        &win(&own),
        &format!("SELECT amount = 7 FROM opportunities WHERE id = {own}"),
    );
    may_not(&crm, "sergio", &win(&other), "opportunities");
    // Own cases are read, and no more.
    sees(&crm, "sergio", "tickets", "created_by = 9");
    may_not(
        &crm,
        "sergio",
        "UPDATE tickets SET status = 'closed' WHERE created_by = 9",
        "tickets",
    );
    is_denied(
        &crm,
        "sergio",
        "INSERT INTO tickets (subject) VALUES ('mine')",
        "tickets",
    );
    may_not(
        &crm,
        "sergio",
        "DELETE FROM leads WHERE created_by = 9",
        "leads",
    );
    for (table, change) in CONFIGURATION {
        may_not(
            &crm,
            "sergio",
            &format!("UPDATE {table} SET {change}"),
            table,
        );
        may_not(&crm, "sergio", &format!("DELETE FROM {table}"), table);
    }
}

#[test]
fn s2_6_the_subscriber_is_named_at_set_up_and_nobody_is_by_being_first() {
    let crm = small_crm(
        r#"[roles.owner]
           keep_last_holder = true
           [permissions.owner]
           "*" = { "*" = ["all"] }
           [permissions.member]
           companies = { read = ["created"] }"#,
    );
    crm.run("DELETE FROM celador.roles_held");
    let take = "SELECT celador.give_role('lena', 'owner')";
    // lena comes first, and is nobody's owner for it.
    for person in ["small_lena", "small_boss"] {
        sees_none(&crm, person, "companies");
        is_denied(&crm, person, take, "celador.roles_held");
        is_denied(
            &crm,
            person,
            "INSERT INTO celador.roles_held (\"user\", role) VALUES ('lena', 'owner')",
            "celador.roles_held",
        );
    }
    // Who installed the extension names the subscriber, who names others.
    crm.run("SELECT celador.give_role('boss', 'owner')");
    sees_all(&crm, "small_boss", "companies");
    may(
        &crm,
        "small_boss",
        take,
        "SELECT EXISTS (SELECT FROM celador.roles_held WHERE \"user\" = 'lena' AND role = 'owner')",
    );
    sees_all(&crm, "small_lena", "companies");
    sees_none(&crm, "small_omar", "companies");
}

#[test]
fn s2_7_the_last_owner_stays() {
    let crm = crm();
    // There may be several, and all but one may go.
    may(
        &crm,
        "dario",
        "DELETE FROM user_roles WHERE user_id = 1 AND role = 'owner'",
        "SELECT NOT EXISTS (SELECT FROM user_roles WHERE user_id = 1 AND role = 'owner')",
    );
    for (sql, table) in [
        (
            "DELETE FROM user_roles WHERE user_id = 2 AND role = 'owner'",
            "user_roles",
        ),
        (
            "UPDATE user_roles SET role = 'member' WHERE user_id = 2 AND role = 'owner'",
            "user_roles",
        ),
        (
            "UPDATE user_roles SET user_id = 39 WHERE user_id = 2 AND role = 'owner'",
            "user_roles",
        ),
        ("UPDATE users SET is_active = false WHERE id = 2", "users"),
        ("DELETE FROM users WHERE id = 2", "users"),
    ] {
        breaks(&crm, "dario", sql, table);
    }
    may(
        &crm,
        "dario",
        "INSERT INTO user_roles (user_id, role) VALUES (9, 'owner')",
        "SELECT EXISTS (SELECT FROM user_roles WHERE user_id = 9 AND role = 'owner')",
    );
    may(
        &crm,
        "dario",
        "UPDATE user_roles SET role = 'member' WHERE user_id = 2 AND role = 'owner'",
        "SELECT NOT EXISTS (SELECT FROM user_roles WHERE user_id = 2 AND role = 'owner')",
    );
    breaks(
        &crm,
        "sergio",
        "DELETE FROM user_roles WHERE user_id = 9 AND role = 'owner'",
        "user_roles",
    );
}

#[test]
fn s2_7_two_owners_who_remove_each_other_leave_one() {
    let crm = crm();
    let remove =
        |user: u32| format!("DELETE FROM user_roles WHERE user_id = {user} AND role = 'owner'");
    let mut ana = crm.login("ana");
    let mut dario = crm.login("dario");
    let mut first = ana.transaction().unwrap();
    first.execute(&remove(2), &[]).unwrap();
    let second = std::thread::spawn(move || {
        dario.execute(&remove(1), &[]).map_err(|error| {
            error
                .as_db_error()
                .map_or_else(|| error.to_string(), |error| error.message().to_owned())
        })
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
    first.commit().unwrap();
    let outcome = second.join().expect("the session ends");
    assert!(outcome.is_err() || outcome == Ok(0), "{outcome:?}");
    assert_eq!(crm.count("user_roles", "role = 'owner'"), 1);
}

#[test]
fn s2_7_the_last_holder_of_each_presets_top_role_stays() {
    for (preset, role) in [
        ("s0-groups", "administrator"),
        ("s1-matrix", "administrator"),
        ("s3-levels", "administrator"),
        ("s4-groups-agents", "administrator"),
    ] {
        let crm = Database::preset(preset);
        may(
            &crm,
            "ana",
            &format!("DELETE FROM user_roles WHERE user_id = 3 AND role = '{role}'"),
            &format!(
                "SELECT NOT EXISTS (SELECT FROM user_roles WHERE user_id = 3 AND role = '{role}')"
            ),
        );
        breaks(
            &crm,
            "ana",
            &format!("DELETE FROM user_roles WHERE user_id = 1 AND role = '{role}'"),
            "user_roles",
        );
        breaks(&crm, "ana", "UPDATE users SET is_active = false", "users");
    }
}

#[test]
fn s2_8_the_creator_cannot_be_forged() {
    let crm = crm();
    for person in ["sergio", "dario"] {
        is_denied(
            &crm,
            person,
            "INSERT INTO leads (company, full_name, source, created_by) VALUES ('F', 'F', 'web', 10)",
            "leads",
        );
        is_denied(
            &crm,
            person,
            "UPDATE leads SET created_by = 10 WHERE created_by = 9",
            "leads",
        );
        is_denied(
            &crm,
            person,
            "UPDATE leads SET created_by = NULL WHERE created_by = 9",
            "leads",
        );
        is_denied(
            &crm,
            person,
            "INSERT INTO leads (id, company, full_name, source)
             SELECT id, 'F', 'F', 'web' FROM leads WHERE created_by = 9 LIMIT 1
             ON CONFLICT (id) DO UPDATE SET created_by = 10",
            "leads",
        );
    }
    may(
        &crm,
        "sergio",
        "INSERT INTO leads (company, full_name, source) VALUES ('Left out', 'F', 'web')",
        "SELECT EXISTS (SELECT FROM leads WHERE company = 'Left out' AND created_by = 9)",
    );
    may(
        &crm,
        "sergio",
        "INSERT INTO leads (company, full_name, source, created_by) VALUES ('Said', 'F', 'web', 9)",
        "SELECT EXISTS (SELECT FROM leads WHERE company = 'Said' AND created_by = 9)",
    );
    may(
        &crm,
        "sergio",
        "UPDATE leads SET created_by = 9, company = 'Saved' WHERE company = 'Said'",
        "SELECT EXISTS (SELECT FROM leads WHERE company = 'Saved' AND created_by = 9)",
    );
}

#[test]
fn s2_9_members_reach_nobody_elses_data_by_any_path() {
    let crm = crm();
    let tables = crm.superuser().query(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
           AND c.relkind IN ('r', 'p')
           AND c.relname NOT IN ('leads', 'opportunities', 'tickets', 'ticket_history',
                                 'pipeline_stages', 'countries')",
        &[],
    );
    for row in tables.unwrap() {
        let table: String = row.get(0);
        sees_none(&crm, "sergio", &table);
        may_not(&crm, "sergio", &format!("DELETE FROM {table}"), &table);
    }
    sees(&crm, "sergio", "leads", "created_by = 9");
    sees(
        &crm,
        "sergio",
        "ticket_history",
        "ticket_id IN (SELECT id FROM tickets WHERE created_by = 9)",
    );
    let hidden = crm.pick("leads", "created_by = 10");
    for query in [
        "SELECT count(*) FROM leads WHERE id = {hidden}",
        "WITH l AS (SELECT * FROM leads) SELECT count(*) FROM l WHERE id = {hidden}",
        "SELECT count(*) FROM generate_series(1, 1) WHERE EXISTS
           (SELECT FROM leads WHERE id = {hidden})",
        "SELECT count(*) FROM pipeline_stages p JOIN LATERAL
           (SELECT * FROM leads WHERE id = {hidden}) l ON true",
        "SELECT count(*) FROM (TABLE leads) AS l WHERE l.id = {hidden}",
        "SELECT count(*) FROM ONLY leads WHERE id = {hidden}",
        "SELECT count(*) FROM leads TABLESAMPLE SYSTEM (100) WHERE id = {hidden}",
        "SELECT count(*) FROM leads l FULL JOIN leads m USING (id) WHERE id = {hidden}",
    ] {
        let query = query.replace("{hidden}", &hidden);
        answers(&crm, "sergio", &query, "SELECT 0::bigint AS count");
    }
    // Writing to it is no path either.
    for sql in [
        format!("UPDATE leads SET company = company WHERE id = {hidden} RETURNING *"),
        format!("DELETE FROM leads WHERE id = {hidden} RETURNING *"),
        format!(
            "INSERT INTO leads (id, company, full_name, source) VALUES ({hidden}, 'x', 'x', 'web')
             ON CONFLICT (id) DO UPDATE SET company = leads.email"
        ),
        format!("WITH d AS (DELETE FROM leads WHERE id = {hidden} RETURNING *) SELECT * FROM d"),
    ] {
        may_not(&crm, "sergio", &sql, "leads");
    }
    // A function of one's own, a cursor, a prepared statement.
    let mut sergio = crm.login("sergio");
    sergio
        .batch_execute(&format!(
            "CREATE FUNCTION pg_temp.peek() RETURNS bigint LANGUAGE sql AS
               $$ SELECT count(*) FROM public.leads WHERE id = {hidden} $$;
             BEGIN;
             DECLARE c CURSOR WITH HOLD FOR SELECT * FROM leads WHERE id = {hidden};
             COMMIT"
        ))
        .unwrap();
    let peeked: i64 = sergio
        .query_one("SELECT pg_temp.peek()", &[])
        .unwrap()
        .get(0);
    assert_eq!(peeked, 0);
    assert!(sergio.query("FETCH ALL FROM c", &[]).unwrap().is_empty());
    denied(
        crm.login("sergio")
            .execute("SET SESSION AUTHORIZATION postgres", &[]),
    );
    let mut open = OpenSessions::open(
        &crm,
        "sergio",
        &format!("SELECT count(*) FROM leads WHERE id = {hidden}"),
    );
    open.count(0);
}
