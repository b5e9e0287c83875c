//! S4, a tree of groups with agents: one test a line of the model, on the sample CRM.
//!
//! ines and bruno are agents of team 9, carla and diego of team 10, both below 7. ana holds all
//! three access types, hugo is an administrator, dario an owner. Claims are in
//! `requirements_s4_claims.rs`.

use celador_tests::{
    Database, OpenSessions, breaks, failure, is_denied, may, may_not, sees, sees_all, sees_none,
};

fn agents() -> Database {
    Database::preset("s4-groups-agents")
}

fn talks_of(agents: &str) -> String {
    format!("conversation_id IN (SELECT id FROM conversations WHERE owner_id IN ({agents}))")
}

const LINKED_TO_INES: &str = "id IN (SELECT contact_id FROM contact_assignees WHERE user_id = 34)";

#[test]
fn s4_1_groups_form_a_tree_of_any_depth_without_cycles() {
    let crm = agents();
    // Forty groups below each other; what is set on the first holds in the last.
    let mut ana = crm.login("ana");
    let mut parent: i64 = 7;
    for depth in 0..40 {
        parent = ana
            .query_one(
                "INSERT INTO teams (name, parent_id) VALUES ($1, $2) RETURNING id",
                &[&format!("Depth {depth}"), &parent],
            )
            .unwrap()
            .get(0);
    }
    ana.execute(
        "UPDATE team_members SET team_id = $1 WHERE team_id = 9",
        &[&parent],
    )
    .unwrap();
    crm.run(&format!(
        "INSERT INTO user_roles (team_id, role) VALUES ({parent}, 'agent')"
    ));
    sees(&crm, "ines", "conversations", "owner_id = 34");
    may(
        &crm,
        "ana",
        "SELECT celador.set_setting('shared_inbox', true, '7')",
        "SELECT EXISTS (SELECT FROM celador.setting_values WHERE \"group\" = '7' AND value)",
    );
    sees(&crm, "ines", "conversations", "owner_id IN (34, 35)");
    for (group, above) in [(7, parent), (7, 9), (9, 9), (1, 10)] {
        breaks(
            &crm,
            "ana",
            &format!("UPDATE teams SET parent_id = {above} WHERE id = {group}"),
            "teams",
        );
    }
    may(
        &crm,
        "ana",
        "UPDATE teams SET parent_id = 2 WHERE id = 10",
        "SELECT parent_id = 2 FROM teams WHERE id = 10",
    );
}

#[test]
fn s4_2_three_access_types() {
    let crm = agents();
    // Agents: conversations. Owners: dashboards. Administrators: users.
    sees(&crm, "ines", "conversations", "owner_id = 34");
    sees_none(&crm, "ines", "dashboards");
    sees_none(&crm, "ines", "users");
    sees_all(&crm, "dario", "dashboards");
    sees_none(&crm, "dario", "conversations");
    sees_none(&crm, "dario", "users");
    sees_all(&crm, "hugo", "users");
    // A role of another model gives nothing here.
    sees_none(&crm, "sergio", "conversations");
    sees_none(&crm, "sergio", "contacts");
}

#[test]
fn s4_3_the_group_gives_the_role_and_the_role_the_contacts() {
    let crm = agents();
    sees(&crm, "ines", "contacts", LINKED_TO_INES);
    sees_all(&crm, "dario", "contacts");
    sees_none(&crm, "pilar", "contacts");
    // pilar joins the chat: an agent, who reaches what is linked to her.
    may(
        &crm,
        "ana",
        "INSERT INTO team_members (team_id, user_id) VALUES (9, 40)",
        "SELECT EXISTS (SELECT FROM team_members WHERE team_id = 9 AND user_id = 40)",
    );
    sees_none(&crm, "pilar", "contacts");
    crm.run("INSERT INTO contact_assignees (contact_id, user_id) VALUES (1, 40), (2, 40)");
    sees(&crm, "pilar", "contacts", "id IN (1, 2)");
}

#[test]
fn s4_4_two_profiles_give_their_union() {
    let crm = agents();
    sees_none(&crm, "ines", "dashboards");
    sees_none(&crm, "dario", "conversations");
    crm.run("INSERT INTO user_roles (user_id, role) VALUES (34, 'owner')");
    sees_all(&crm, "ines", "dashboards");
    sees(&crm, "ines", "conversations", "owner_id = 34");
    sees_all(&crm, "ines", "contacts");
    sees_none(&crm, "ines", "users");
    let talk = crm.pick("conversations", "owner_id = 34");
    may(
        &crm,
        "ines",
        &format!("INSERT INTO messages (conversation_id, body) VALUES ({talk}, 'Still an agent')"),
        "SELECT EXISTS (SELECT FROM messages WHERE body = 'Still an agent' AND author_id = 34)",
    );
}

#[test]
fn s4_5_all_three_profiles_set_access_types() {
    let crm = agents();
    for table in [
        "conversations",
        "dashboards",
        "users",
        "user_roles",
        "invoices",
    ] {
        sees_all(&crm, "ana", table);
    }
    let give = "INSERT INTO user_roles (user_id, role) VALUES (40, 'agent')";
    for person in ["hugo", "dario", "ines"] {
        may_not(&crm, person, give, "user_roles");
        may_not(
            &crm,
            person,
            "DELETE FROM user_roles WHERE team_id = 9",
            "user_roles",
        );
        may_not(
            &crm,
            person,
            "UPDATE user_roles SET role = 'owner' WHERE team_id = 9",
            "user_roles",
        );
    }
    may(
        &crm,
        "ana",
        give,
        "SELECT EXISTS (SELECT FROM user_roles WHERE user_id = 40 AND role = 'agent')",
    );
    may(
        &crm,
        "ana",
        "DELETE FROM user_roles WHERE user_id = 40 AND role = 'agent'",
        "SELECT NOT EXISTS (SELECT FROM user_roles WHERE user_id = 40 AND role = 'agent')",
    );
    // hugo, with all three, may too.
    crm.run("INSERT INTO user_roles (user_id, role) VALUES (3, 'agent'), (3, 'owner')");
    may(
        &crm,
        "hugo",
        give,
        "SELECT EXISTS (SELECT FROM user_roles WHERE user_id = 40 AND role = 'agent')",
    );
}

#[test]
fn s4_6_agents_see_and_answer_their_own_conversations_only() {
    let crm = agents();
    sees(&crm, "ines", "conversations", "owner_id = 34");
    sees(&crm, "ines", "messages", &talks_of("34"));
    let message = |talk: &str, author: &str| {
        format!(
            "INSERT INTO messages (conversation_id, author_id, body) VALUES ({talk}, {author}, 'Hi')"
        )
    };
    let own = crm.pick("conversations", "owner_id = 34");
    may(
        &crm,
        "ines",
        &message(&own, "34"),
        "SELECT EXISTS (SELECT FROM messages WHERE body = 'Hi' AND author_id = 34)",
    );
    is_denied(&crm, "ines", &message(&own, "35"), "messages");
    for other in ["owner_id = 35", "owner_id = 36", "owner_id IS NULL"] {
        let other = crm.pick("conversations", other);
        is_denied(&crm, "ines", &message(&other, "34"), "messages");
    }
    may_not(&crm, "ines", "UPDATE messages SET body = 'x'", "messages");
    may_not(&crm, "ines", "DELETE FROM messages", "messages");
    may_not(
        &crm,
        "ines",
        "UPDATE conversations SET status = 'closed'",
        "conversations",
    );
    // And nothing else.
    let tables = crm.superuser().query(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
           AND c.relkind IN ('r', 'p') AND c.relname NOT IN
             ('conversations', 'messages', 'contacts', 'contact_assignees', 'countries')",
        &[],
    );
    for row in tables.unwrap() {
        let table: String = row.get(0);
        sees_none(&crm, "ines", &table);
        may_not(&crm, "ines", &format!("DELETE FROM {table}"), &table);
    }
}

#[test]
fn s4_7_shared_inbox_lets_colleagues_read_and_not_write() {
    let crm = agents();
    let count = "SELECT count(*) FROM conversations";
    let (own, team) = (
        crm.count("conversations", "owner_id = 34"),
        crm.count("conversations", "owner_id IN (34, 35)"),
    );
    assert!(team > own && own > 0);
    let mut ines = OpenSessions::open(&crm, "ines", count);
    let mut carla = OpenSessions::open(&crm, "carla", count);
    let theirs = crm.count("conversations", "owner_id = 36");
    let catalogs = "SELECT md5(string_agg(p::text, ',' ORDER BY p.oid)) FROM pg_policy p";
    let ddl =
        |crm: &Database| -> String { crm.superuser().query_one(catalogs, &[]).unwrap().get(0) };
    let before = ddl(&crm);
    let colleague = crm.pick("conversations", "owner_id = 35");
    for on in [true, false, true] {
        is_denied(
            &crm,
            "ines",
            &format!("SELECT celador.set_setting('shared_inbox', {on}, '9')"),
            "celador.setting_values",
        );
        may(
            &crm,
            "ana",
            &format!("SELECT celador.set_setting('shared_inbox', {on}, '9')"),
            &format!(
                "SELECT EXISTS (SELECT FROM celador.setting_values
                                WHERE setting = 'shared_inbox' AND \"group\" = '9' AND value = {on})"
            ),
        );
        ines.count(if on { team } else { own });
        carla.count(theirs);
        // Read, and not written in.
        let message =
            format!("INSERT INTO messages (conversation_id, body) VALUES ({colleague}, 'x')");
        is_denied(&crm, "ines", &message, "messages");
        let close = format!("UPDATE conversations SET status = 'closed' WHERE id = {colleague}");
        may_not(&crm, "ines", &close, "conversations");
        sees(
            &crm,
            "ines",
            "messages",
            &talks_of(if on { "34, 35" } else { "34" }),
        );
    }
    assert_eq!(ddl(&crm), before, "no DDL");
    sees(&crm, "carla", "conversations", "owner_id = 36");
}

#[test]
fn s4_10_owners_see_dashboards_delete_contacts_and_set_agents() {
    let crm = agents();
    for table in [
        "dashboards",
        "charts",
        "agent_status",
        "agent_settings",
        "contacts",
        "teams",
    ] {
        sees_all(&crm, "dario", table);
    }
    may(
        &crm,
        "dario",
        "DELETE FROM contacts WHERE id <= 20",
        "SELECT NOT EXISTS (SELECT FROM contacts WHERE id <= 20)",
    );
    may(
        &crm,
        "dario",
        "UPDATE agent_settings SET max_chats = 9 WHERE user_id = 34",
        "SELECT max_chats = 9 FROM agent_settings WHERE user_id = 34",
    );
    may(
        &crm,
        "dario",
        "INSERT INTO teams (name, parent_id) VALUES ('Chat Night', 7)",
        "SELECT EXISTS (SELECT FROM teams WHERE name = 'Chat Night')",
    );
    for table in ["agent_settings", "agent_status", "dashboards"] {
        sees_none(&crm, "ines", table);
    }
    is_denied(
        &crm,
        "ines",
        "INSERT INTO teams (name) VALUES ('Mine')",
        "teams",
    );
    may_not(
        &crm,
        "ines",
        "UPDATE agent_settings SET max_chats = 0",
        "agent_settings",
    );
    may_not(
        &crm,
        "dario",
        "UPDATE contacts SET job_title = 'x'",
        "contacts",
    );
    may_not(
        &crm,
        "dario",
        "UPDATE dashboards SET name = 'x'",
        "dashboards",
    );
}

#[test]
fn s4_11_owners_leave_groups_users_and_billing_alone() {
    let crm = agents();
    may_not(
        &crm,
        "dario",
        "UPDATE teams SET name = name || '!'",
        "teams",
    );
    may_not(&crm, "dario", "DELETE FROM teams", "teams");
    for table in [
        "account_statements",
        "billing_profiles",
        "invoices",
        "payments",
        "users",
    ] {
        sees_none(&crm, "dario", table);
        may_not(&crm, "dario", &format!("DELETE FROM {table}"), table);
    }
    is_denied(
        &crm,
        "dario",
        "INSERT INTO users (login, full_name, email) VALUES ('zoe', 'Zoe', 'zoe@crm.example')",
        "users",
    );
    may_not(
        &crm,
        "dario",
        "UPDATE users SET is_active = false WHERE id = 34",
        "users",
    );
    may_not(
        &crm,
        "dario",
        "INSERT INTO team_members VALUES (9, 40)",
        "team_members",
    );
    is_denied(
        &crm,
        "dario",
        "INSERT INTO agent_settings (user_id) VALUES (40)",
        "agent_settings",
    );
    may_not(
        &crm,
        "dario",
        "DELETE FROM agent_settings",
        "agent_settings",
    );
    // What is theirs.
    may(
        &crm,
        "dario",
        "UPDATE agent_settings SET greeting = 'Good morning'",
        "SELECT bool_and(greeting = 'Good morning') FROM agent_settings",
    );
}

#[test]
fn s4_12_administrators_may_everything() {
    let crm = agents();
    for table in [
        "account_statements",
        "billing_profiles",
        "invoices",
        "payments",
        "activity_log",
    ] {
        sees_all(&crm, "hugo", table);
    }
    for (sql, question) in [
        (
            "DELETE FROM users WHERE id = 37",
            "SELECT NOT EXISTS (SELECT FROM users WHERE id = 37)",
        ),
        (
            "DELETE FROM accounts WHERE id = (SELECT max(id) FROM accounts
               WHERE id NOT IN (SELECT account_id FROM invoices))",
            "SELECT count(*) = 1999 FROM accounts",
        ),
        (
            "UPDATE billing_profiles SET payment_terms = '60 days'",
            "SELECT bool_and(payment_terms = '60 days') FROM billing_profiles",
        ),
        (
            "DELETE FROM account_statements",
            "SELECT NOT EXISTS (SELECT FROM account_statements)",
        ),
        (
            "UPDATE teams SET name = 'Chat by night' WHERE id = 10",
            "SELECT name = 'Chat by night' FROM teams WHERE id = 10",
        ),
    ] {
        may(&crm, "hugo", sql, question);
        may_not(
            &crm,
            "ines",
            sql,
            sql.split(' ')
                .nth(if sql.starts_with('D') { 2 } else { 1 })
                .unwrap(),
        );
    }
}

#[test]
fn s4_13_groups_can_be_limited_and_their_creation_locked() {
    let crm = Database::sample();
    let document = Database::preset_document("s4-groups-agents");
    let limited = document.replace("groups = 500", "groups = 13");
    assert_ne!(limited, document);
    crm.load(&limited);
    let create = |name: &str| format!("INSERT INTO teams (name) VALUES ('{name}')");
    let created = |name: &str| format!("SELECT EXISTS (SELECT FROM teams WHERE name = '{name}')");
    may(&crm, "dario", &create("Thirteenth"), &created("Thirteenth"));
    breaks(&crm, "dario", &create("Fourteenth"), "teams");
    breaks(&crm, "ana", &create("Fourteenth"), "teams");
    crm.load(&document);
    may(&crm, "dario", &create("Fourteenth"), &created("Fourteenth"));
    // The lock wins, whoever asks.
    is_denied(
        &crm,
        "dario",
        "SELECT celador.set_setting('group_creation_locked', true)",
        "celador.setting_values",
    );
    may(
        &crm,
        "ana",
        "SELECT celador.set_setting('group_creation_locked', true)",
        "SELECT EXISTS (SELECT FROM celador.setting_values WHERE \"group\" IS NULL AND value)",
    );
    is_denied(&crm, "dario", &create("Fifteenth"), "teams");
    is_denied(&crm, "ana", &create("Fifteenth"), "teams");
    may(
        &crm,
        "ana",
        "UPDATE teams SET name = 'Renamed' WHERE name = 'Thirteenth'",
        &created("Renamed"),
    );
    crm.login("ana")
        .execute(
            "SELECT celador.set_setting('group_creation_locked', false)",
            &[],
        )
        .unwrap();
    may(&crm, "dario", &create("Fifteenth"), &created("Fifteenth"));
}

#[test]
fn s4_14_a_closed_set_of_roles_refuses_others() {
    let crm = agents();
    let document = Database::preset_document("s4-groups-agents");
    let fourth = "\n[permissions.auditor]\ncontacts = { read = [\"all\"] }\n";
    let load = |document: &str| {
        crm.superuser()
            .execute("SELECT celador.load_policy($1)", &[&document])
    };
    let refused = failure(load(&format!("{document}{fourth}")));
    assert!(refused.message.contains("auditor"), "{refused:?}");
    assert!(refused.message.contains("line "), "{refused:?}");
    sees(&crm, "ines", "contacts", LINKED_TO_INES);
    let open = document.replace("roles = [\"administrator\", \"agent\", \"owner\"]\n", "");
    assert_ne!(open, document);
    load(&format!("{open}{fourth}")).unwrap();
    sees(&crm, "ines", "contacts", LINKED_TO_INES);
}
