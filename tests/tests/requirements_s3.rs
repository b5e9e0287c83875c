//! S3, access levels: one test a line of the model, on the sample CRM.
//!
//! ana administers, marta is a manager, sergio a seller, sara in customer service, alba reads.

use std::collections::BTreeSet;

use celador_policy::action::Action;
use celador_policy::document::{Cell, Document};
use celador_tests::{Database, is_denied, may, may_not, sees, sees_all, sees_none};

fn levels() -> Database {
    Database::preset("s3-levels")
}

const CUSTOMERS: [&str; 2] = ["accounts", "contacts"];
const BUSINESS: [&str; 14] = [
    "leads",
    "opportunities",
    "quotes",
    "orders",
    "products",
    "tasks",
    "events",
    "notes",
    "calls",
    "emails",
    "tickets",
    "conversations",
    "campaigns",
    "mailing_lists",
];
const CONFIGURATION: [&str; 5] = [
    "forms",
    "workflows",
    "custom_fields",
    "pipeline_stages",
    "mail_accounts",
];
const NEW_USER: &str =
    "INSERT INTO users (login, full_name, email) VALUES ('zoe', 'Zoe', 'zoe@crm.example')";
const NEW_NOTE: &str =
    "INSERT INTO notes (record_type, record_id, body) VALUES ('account', 1, 'Registered')";
const RENAME: &str = "UPDATE accounts SET name = 'Renamed' WHERE id = 1";
const RENAMED: &str = "SELECT name = 'Renamed' FROM accounts WHERE id = 1";

fn noted_by(person: u32) -> String {
    format!("SELECT EXISTS (SELECT FROM notes WHERE body = 'Registered' AND created_by = {person})")
}

/// Neither configuration nor users.
fn configures_nothing(crm: &Database, person: &str) {
    for table in CONFIGURATION {
        sees_none(crm, person, table);
        may_not(crm, person, &format!("DELETE FROM {table}"), table);
    }
    for table in ["dashboards", "reports"] {
        may_not(
            crm,
            person,
            &format!("UPDATE {table} SET name = 'x'"),
            table,
        );
        may_not(crm, person, &format!("DELETE FROM {table}"), table);
    }
    is_denied(crm, person, NEW_USER, "users");
    may_not(crm, person, "UPDATE users SET title = 'x'", "users");
    may_not(crm, person, "DELETE FROM users", "users");
    is_denied(
        crm,
        person,
        "INSERT INTO user_roles (user_id, role) VALUES (40, 'read')",
        "user_roles",
    );
    may_not(
        crm,
        person,
        "UPDATE user_roles SET role = 'administrator'",
        "user_roles",
    );
    may_not(crm, person, "UPDATE teams SET name = name || '!'", "teams");
}

#[test]
fn s3_1_administrators_may_everything() {
    let crm = levels();
    for table in CUSTOMERS.iter().chain(&BUSINESS).chain(&CONFIGURATION) {
        sees_all(&crm, "ana", table);
    }
    for table in ["activity_log", "user_roles", "invoices", "agent_settings"] {
        sees_all(&crm, "ana", table);
        if table != "invoices" {
            sees_none(&crm, "marta", table);
        }
    }
    may(
        &crm,
        "ana",
        NEW_USER,
        "SELECT EXISTS (SELECT FROM users WHERE login = 'zoe')",
    );
    may(
        &crm,
        "ana",
        "UPDATE workflows SET is_active = false",
        "SELECT bool_and(NOT is_active) FROM workflows",
    );
    may(&crm, "ana", RENAME, RENAMED);
    may(
        &crm,
        "ana",
        "DELETE FROM leads WHERE id <= 10",
        "SELECT NOT EXISTS (SELECT FROM leads WHERE id <= 10)",
    );
}

#[test]
fn s3_2_managers_may_all_but_configuration_and_users() {
    let crm = levels();
    for table in CUSTOMERS.iter().chain(&BUSINESS) {
        sees_all(&crm, "marta", table);
    }
    for table in [
        "invoices",
        "payments",
        "account_statements",
        "dashboards",
        "reports",
        "users",
    ] {
        sees_all(&crm, "marta", table);
    }
    may(&crm, "marta", RENAME, RENAMED);
    may(&crm, "marta", NEW_NOTE, &noted_by(4));
    may(
        &crm,
        "marta",
        "UPDATE opportunities SET owner_id = 20, team_id = 6 WHERE owner_id = 9",
        "SELECT NOT EXISTS (SELECT FROM opportunities WHERE owner_id = 9)",
    );
    may(
        &crm,
        "marta",
        "DELETE FROM tickets WHERE id <= 5",
        "SELECT NOT EXISTS (SELECT FROM tickets WHERE id <= 5)",
    );
    may(
        &crm,
        "marta",
        "DELETE FROM payments WHERE id <= 5",
        "SELECT NOT EXISTS (SELECT FROM payments WHERE id <= 5)",
    );
    sees_none(&crm, "marta", "agent_settings");
    is_denied(&crm, "marta", NEW_USER, "users");
    configures_nothing(&crm, "marta");
}

#[test]
fn s3_3_sellers_edit_customers_and_register_activities() {
    let crm = levels();
    for table in CUSTOMERS {
        sees_all(&crm, "sergio", table);
    }
    may(&crm, "sergio", RENAME, RENAMED);
    may(
        &crm,
        "sergio",
        "UPDATE contacts SET job_title = 'Renamed' WHERE id = 1",
        "SELECT job_title = 'Renamed' FROM contacts WHERE id = 1",
    );
    may(&crm, "sergio", NEW_NOTE, &noted_by(9));
    for (sql, table) in [
        (
            "INSERT INTO tasks (subject, account_id) VALUES ('Registered', 1)",
            "tasks",
        ),
        (
            "INSERT INTO calls (record_type, record_id, direction, outcome)
             VALUES ('contact', 1, 'out', 'Registered')",
            "calls",
        ),
        (
            "INSERT INTO emails (contact_id, direction, subject) VALUES (1, 'out', 'Registered')",
            "emails",
        ),
        (
            "INSERT INTO events (title, starts_at, ends_at) VALUES ('Registered', now(), now() + '1 h')",
            "events",
        ),
    ] {
        let column = match table {
            "tasks" | "emails" => "subject",
            "calls" => "outcome",
            _ => "title",
        };
        may(
            &crm,
            "sergio",
            sql,
            &format!(
                "SELECT EXISTS (SELECT FROM {table} WHERE {column} = 'Registered' AND created_by = 9)"
            ),
        );
    }
    // Another's activity is not to be corrected; nothing is deleted; sales are read.
    may_not(
        &crm,
        "sergio",
        "UPDATE notes SET body = 'x' WHERE created_by = 10",
        "notes",
    );
    may_not(&crm, "sergio", "DELETE FROM notes", "notes");
    may_not(&crm, "sergio", "DELETE FROM accounts", "accounts");
    may_not(
        &crm,
        "sergio",
        "UPDATE opportunities SET amount = 0",
        "opportunities",
    );
    may_not(
        &crm,
        "sergio",
        "UPDATE tickets SET status = 'closed'",
        "tickets",
    );
    is_denied(
        &crm,
        "sergio",
        "UPDATE accounts SET owner_id = 9 WHERE owner_id = 20",
        "accounts",
    );
    configures_nothing(&crm, "sergio");
}

#[test]
fn s3_4_customer_service_views_customers_and_answers_requests() {
    let crm = levels();
    for table in CUSTOMERS {
        sees_all(&crm, "sara", table);
        may_not(
            &crm,
            "sara",
            &format!("UPDATE {table} SET phone = '1'"),
            table,
        );
        may_not(&crm, "sara", &format!("DELETE FROM {table}"), table);
    }
    may(&crm, "sara", NEW_NOTE, &noted_by(31));
    may(
        &crm,
        "sara",
        "INSERT INTO tickets (subject, account_id) VALUES ('Registered', 1)",
        "SELECT EXISTS (SELECT FROM tickets WHERE subject = 'Registered' AND created_by = 31)",
    );
    may(
        &crm,
        "sara",
        "UPDATE tickets SET status = 'closed' WHERE subject = 'Registered'",
        "SELECT EXISTS (SELECT FROM tickets WHERE subject = 'Registered' AND status = 'closed')",
    );
    let talk = crm.pick("conversations", "owner_id = 34");
    may(
        &crm,
        "sara",
        &format!("INSERT INTO messages (conversation_id, body) VALUES ({talk}, 'Answered')"),
        "SELECT EXISTS (SELECT FROM messages WHERE body = 'Answered' AND author_id = 31)",
    );
    may_not(
        &crm,
        "sara",
        "UPDATE notes SET body = 'x' WHERE created_by = 10",
        "notes",
    );
    may_not(&crm, "sara", "DELETE FROM tickets", "tickets");
    configures_nothing(&crm, "sara");
}

#[test]
fn s3_5_read_views_and_registers_nothing() {
    let crm = levels();
    for table in CUSTOMERS.iter().chain(&BUSINESS) {
        sees_all(&crm, "alba", table);
        may_not(&crm, "alba", &format!("UPDATE {table} SET id = id"), table);
        may_not(&crm, "alba", &format!("DELETE FROM {table}"), table);
    }
    is_denied(&crm, "alba", NEW_NOTE, "notes");
    is_denied(
        &crm,
        "alba",
        "INSERT INTO tickets (subject) VALUES ('x')",
        "tickets",
    );
    is_denied(
        &crm,
        "alba",
        "INSERT INTO calls (record_type, record_id, direction) VALUES ('contact', 1, 'out')",
        "calls",
    );
    may_not(
        &crm,
        "alba",
        "INSERT INTO messages (conversation_id, body) SELECT id, 'x' FROM conversations",
        "messages",
    );
    configures_nothing(&crm, "alba");
}

#[test]
fn s3_6_a_custom_level_for_a_group_or_a_person() {
    let crm = Database::sample();
    crm.load(
        &(Database::preset_document("s3-levels")
            + r#"
[restrictions.northern-customers]
groups = ["Sales North"]
module = "accounts"
predicate = "region = 'north'"
[restrictions.only-foods]
users = ["lucia"]
module = "accounts"
predicate = "sector = 'foods'"
"#),
    );
    sees(&crm, "sergio", "accounts", "region = 'north'");
    sees(
        &crm,
        "lucia",
        "accounts",
        "region = 'north' AND sector = 'foods'",
    );
    sees_all(&crm, "raquel", "accounts");
    sees_all(&crm, "sergio", "products");
    let south = crm.pick("accounts", "region = 'south'");
    let north = crm.pick("accounts", "region = 'north'");
    let rename = |id: &str| format!("UPDATE accounts SET name = 'Renamed' WHERE id = {id}");
    may_not(&crm, "sergio", &rename(&south), "accounts");
    // Nor may a customer be moved out of the level.
    is_denied(
        &crm,
        "sergio",
        &format!("UPDATE accounts SET region = 'south' WHERE id = {north}"),
        "accounts",
    );
    may(
        &crm,
        "sergio",
        &rename(&north),
        &format!("SELECT name = 'Renamed' FROM accounts WHERE id = {north}"),
    );
}

/// The pairs of levels of which the first must be within the second.
const ORDER: [(&str, &str); 7] = [
    ("read", "customer_service"),
    ("read", "seller"),
    ("customer_service", "manager"),
    ("seller", "manager"),
    ("manager", "administrator"),
    ("read", "manager"),
    ("read", "administrator"),
];

/// What a level may, as triples of module, action and scope; wildcards written out.
fn cells(document: &Document, level: &str) -> BTreeSet<(String, Action, String)> {
    let mut cells = BTreeSet::new();
    for (written, cell) in &document.matrix.permissions[level] {
        let modules: Vec<&String> = if written == "*" {
            document
                .matrix
                .permissions
                .values()
                .flat_map(|modules| modules.keys())
                .filter(|module| *module != "*")
                .collect()
        } else {
            vec![written]
        };
        for module in modules {
            for (action, scope) in actions(cell) {
                cells.insert((module.clone(), action, scope));
            }
        }
    }
    cells
}

fn actions(cell: &Cell) -> Vec<(Action, String)> {
    let mut found = Vec::new();
    for (written, scopes) in &cell.actions {
        let actions = match written.as_str() {
            "*" => Action::ALL.to_vec(),
            name => vec![Action::from_name(name).expect("an action")],
        };
        for action in actions {
            for scope in scopes {
                let term = scope.term();
                assert!(term.when.is_none(), "the levels hang on no setting");
                found.push((action, term.scope));
            }
        }
    }
    found
}

/// The first cell of the lower level that the higher one doesn't cover.
fn beyond(document: &Document, lower: &str, higher: &str) -> Option<(String, Action, String)> {
    let higher = cells(document, higher);
    cells(document, lower)
        .into_iter()
        .find(|(module, action, scope)| {
            !["all", scope]
                .iter()
                .any(|wide| higher.contains(&(module.clone(), *action, (*wide).to_owned())))
        })
}

#[test]
fn s3_7_levels_contain_each_other_in_every_cell() {
    let document = Document::from_toml(&Database::preset_document("s3-levels")).unwrap();
    for (lower, higher) in ORDER {
        assert_eq!(
            beyond(&document, lower, higher),
            None,
            "{lower} in {higher}"
        );
        assert!(
            beyond(&document, higher, lower).is_some(),
            "{higher} is no more than {lower}"
        );
    }
    assert!(beyond(&document, "seller", "customer_service").is_some());
    assert!(beyond(&document, "customer_service", "seller").is_some());
}

#[test]
fn s3_7_levels_contain_each_other_in_the_rows_seen() {
    let crm = levels();
    // One and the same person at each level, over every table.
    let tables: Vec<String> = crm
        .superuser()
        .query(
            "SELECT c.relname::text FROM pg_class c WHERE c.relkind = 'r'
               AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
               AND c.reltuples < 2500 AND c.relname <> 'schema_migrations'",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(tables.len() > 25);
    let keys = |level: &str| -> Vec<BTreeSet<String>> {
        crm.run(&format!(
            "DELETE FROM user_roles WHERE user_id = 9;
             INSERT INTO user_roles (user_id, role) VALUES (9, '{level}')"
        ));
        let mut sergio = crm.login("sergio");
        tables
            .iter()
            .map(|table| {
                sergio
                    .query(&format!("SELECT t::text FROM {table} AS t"), &[])
                    .unwrap()
                    .iter()
                    .map(|row| row.get(0))
                    .collect()
            })
            .collect()
    };
    // user_roles differs by the level itself.
    for (lower, higher) in ORDER {
        let (low, high) = (keys(lower), keys(higher));
        for ((table, low), high) in tables.iter().zip(low).zip(high) {
            assert!(
                table == "user_roles" || low.is_subset(&high),
                "{table}: {lower} sees what {higher} doesn't"
            );
        }
    }
    // Not comparable: one edits customers, the other answers requests.
    crm.run(
        "DELETE FROM user_roles WHERE user_id = 9;
             INSERT INTO user_roles (user_id, role) VALUES (9, 'seller')",
    );
    let close = "UPDATE tickets SET status = 'closed' WHERE id = 1";
    crm.run("UPDATE tickets SET status = 'open' WHERE id = 1");
    may(&crm, "sergio", RENAME, RENAMED);
    may_not(&crm, "sergio", close, "tickets");
    crm.run(
        "UPDATE user_roles SET role = 'customer_service' WHERE user_id = 9;
             UPDATE accounts SET name = 'Arno' WHERE id = 1",
    );
    may(
        &crm,
        "sergio",
        close,
        "SELECT status = 'closed' FROM tickets WHERE id = 1",
    );
    may_not(&crm, "sergio", RENAME, "accounts");
}
