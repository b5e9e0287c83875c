//! S1, actions and data scope: each action is granted by itself.

use celador_tests::{Database, is_denied, may, may_not, sees, sees_all, sees_none, small_crm};

/// lena's cell for companies.
fn companies(cell: &str) -> Database {
    small_crm(&format!("[permissions.worker]\ncompanies = {{ {cell} }}"))
}

const RENAME: &str = "UPDATE companies SET name = 'Renamed' WHERE id = 1";
const RENAMED: &str = "SELECT name = 'Renamed' FROM companies WHERE id = 1";
const ADD: &str = "INSERT INTO companies (id, name, creator) VALUES (9, 'New', 'lena')";
const ADDED: &str = "SELECT EXISTS (SELECT FROM companies WHERE id = 9)";
const REMOVE: &str = "DELETE FROM companies WHERE id = 5";
const REMOVED: &str = "SELECT NOT EXISTS (SELECT FROM companies WHERE id = 5)";
const GIVE: &str = "UPDATE companies SET owner = 'omar' WHERE id = 1";
const GIVEN: &str = "SELECT owner = 'omar' FROM companies WHERE id = 1";

#[test]
fn s1_7_read_without_edit() {
    let crm = companies(r#"read = ["all"]"#);
    sees_all(&crm, "small_lena", "companies");
    may_not(&crm, "small_lena", RENAME, "companies");
    may_not(&crm, "small_lena", ADD, "companies");
    may_not(&crm, "small_lena", REMOVE, "companies");
}

#[test]
fn s1_7_edit_without_delete_or_create_or_assign() {
    let crm = companies(r#"read = ["all"], update = ["all"]"#);
    may(&crm, "small_lena", RENAME, RENAMED);
    may_not(&crm, "small_lena", REMOVE, "companies");
    may_not(&crm, "small_lena", "DELETE FROM companies", "companies");
    may_not(&crm, "small_lena", ADD, "companies");
    is_denied(&crm, "small_lena", GIVE, "companies");
    // Not by way of a conflict, either.
    is_denied(
        &crm,
        "small_lena",
        "INSERT INTO companies (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x'",
        "companies",
    );
}

#[test]
fn s1_7_create_without_read() {
    let crm = companies(r#"create = ["all"]"#);
    sees_none(&crm, "small_lena", "companies");
    may(&crm, "small_lena", ADD, ADDED);
    sees_none(&crm, "small_lena", "companies");
    may_not(&crm, "small_lena", RENAME, "companies");
    may_not(&crm, "small_lena", REMOVE, "companies");
    // The creator gets its own new row back (design: INSERT … RETURNING), and no other.
    let row = crm
        .login("small_lena")
        .query_one(
            "INSERT INTO companies (id, name) VALUES (10, 'Back') RETURNING name",
            &[],
        )
        .expect("the creator gets the new row back");
    assert_eq!(row.get::<_, String>(0), "Back");
    sees_none(&crm, "small_lena", "companies");
}

#[test]
fn s1_7_assign_without_edit() {
    let crm = companies(r#"read = ["all"], assign = ["all"]"#);
    is_denied(
        &crm,
        "small_lena",
        "UPDATE companies SET owner = 'omar', name = 'Renamed' WHERE id = 1",
        "companies",
    );
    may(&crm, "small_lena", GIVE, GIVEN);
    may_not(&crm, "small_lena", RENAME, "companies");
}

#[test]
fn s1_8_reading_never_implies_changing() {
    let crm = Database::preset("s1-matrix");
    for table in ["leads", "opportunities", "campaigns", "tickets", "products"] {
        sees_all(&crm, "alba", table);
        may_not(&crm, "alba", &format!("UPDATE {table} SET id = id"), table);
        may_not(&crm, "alba", &format!("DELETE FROM {table}"), table);
    }
    may_not(
        &crm,
        "alba",
        "INSERT INTO leads (company, full_name, source) VALUES ('c', 'f', 'web')",
        "leads",
    );
    // Reading again to change: a row lock is a right to change.
    assert_eq!(
        crm.login("alba")
            .query("SELECT id FROM leads FOR UPDATE", &[])
            .map_or(0, |rows| rows.len()),
        0
    );
}

#[test]
fn s1_9_delete_is_granted_by_itself() {
    let crm = companies(r#"read = ["all"], delete = ["own", "unassigned"]"#);
    may(&crm, "small_lena", REMOVE, REMOVED);
    may_not(
        &crm,
        "small_lena",
        "DELETE FROM companies WHERE id = 3",
        "companies",
    );
    may_not(&crm, "small_lena", RENAME, "companies");
    let crm = companies(r#"read = ["all"], create = ["all"], update = ["all"], assign = ["all"]"#);
    may(&crm, "small_lena", RENAME, RENAMED);
    may_not(&crm, "small_lena", REMOVE, "companies");
}

#[test]
fn s1_11_assign_is_not_edit() {
    let crm = Database::preset("s1-matrix");
    let lead = crm.pick("leads", "owner_id = 9");
    let set = |what: &str| format!("UPDATE leads SET {what} WHERE id = {lead}");
    // sergio edits his leads and gives none away: no owner, no team, not together with an edit.
    for what in [
        "owner_id = 10",
        "owner_id = NULL",
        "team_id = 4",
        "team_id = NULL",
        "company = 'Edited', owner_id = 10",
    ] {
        is_denied(&crm, "sergio", &set(what), "leads");
    }
    // Writing the unchanged value is no assignment: an ORM saves the whole row.
    may(
        &crm,
        "sergio",
        &set("company = 'Saved', owner_id = 9, team_id = team_id"),
        &format!("SELECT company = 'Saved' AND owner_id = 9 FROM leads WHERE id = {lead}"),
    );
    // marta gives to those under her, and to nobody else.
    is_denied(&crm, "marta", &set("owner_id = 20"), "leads");
    may(
        &crm,
        "marta",
        &set("owner_id = 16"),
        &format!("SELECT owner_id = 16 FROM leads WHERE id = {lead}"),
    );
}

#[test]
fn s1_11_assigning_by_a_link_table() {
    let crm = Database::preset("s1-matrix");
    let contact = crm.pick(
        "contacts",
        "id IN (SELECT contact_id FROM contact_assignees WHERE user_id = 9)
         AND id NOT IN (SELECT contact_id FROM contact_assignees WHERE user_id <> 9)",
    );
    let link = |user: u32| {
        format!("INSERT INTO contact_assignees (contact_id, user_id) VALUES ({contact}, {user})")
    };
    let linked = |user: u32| {
        format!(
            "SELECT EXISTS (SELECT FROM contact_assignees
                            WHERE contact_id = {contact} AND user_id = {user})"
        )
    };
    for sql in [
        link(10),
        format!("UPDATE contact_assignees SET user_id = 10 WHERE contact_id = {contact}"),
        format!("DELETE FROM contact_assignees WHERE contact_id = {contact}"),
    ] {
        may_not(&crm, "sergio", &sql, "contact_assignees");
    }
    may(
        &crm,
        "sergio",
        &format!("UPDATE contacts SET job_title = 'Edited' WHERE id = {contact}"),
        &format!("SELECT job_title = 'Edited' FROM contacts WHERE id = {contact}"),
    );
    may(&crm, "marta", &link(16), &linked(16));
    may_not(&crm, "marta", &link(20), "contact_assignees");
}

#[test]
fn s1_11_the_new_row_may_leave_the_givers_reach() {
    let crm = companies(r#"read = ["own"], update = ["own"], assign = ["own"]"#);
    sees(&crm, "small_lena", "companies", "owner = 'lena'");
    may(&crm, "small_lena", GIVE, GIVEN);
    sees_none(&crm, "small_lena", "companies");
    // Another's is not to be taken back.
    may_not(
        &crm,
        "small_lena",
        "UPDATE companies SET owner = 'lena' WHERE id = 1",
        "companies",
    );
}

#[test]
fn s1_12_data_scope_by_module() {
    for (scope, condition) in [
        ("own", "owner = 'lena'"),
        ("colleagues", "owner IN ('lena', 'omar')"),
        ("group", "team = 'east'"),
        ("created", "creator = 'lena'"),
    ] {
        let crm = small_crm(&format!(
            "[permissions.worker]
             companies = {{ read = [\"{scope}\"] }}
             deals = {{ read = [\"all\"] }}"
        ));
        sees(&crm, "small_lena", "companies", condition);
        sees_all(&crm, "small_lena", "deals");
        sees_none(&crm, "small_omar", "companies");
    }
}

#[test]
fn s1_13_writing_configuration_is_customise() {
    let board = "UPDATE boards SET name = 'Changed' WHERE id = 1";
    let changed = "SELECT name = 'Changed' FROM boards WHERE id = 1";
    let crm = small_crm(
        r#"[permissions.worker]
           boards = { read = ["all"], create = ["all"], update = ["all"], delete = ["all"] }"#,
    );
    sees_all(&crm, "small_lena", "boards");
    may_not(&crm, "small_lena", board, "boards");
    may_not(
        &crm,
        "small_lena",
        "INSERT INTO boards VALUES (3, 'b', 'lena')",
        "boards",
    );
    may_not(&crm, "small_lena", "DELETE FROM boards", "boards");
    let crm = small_crm(
        r#"[permissions.worker]
           boards = { read = ["all"], customise = ["own"] }"#,
    );
    may(&crm, "small_lena", board, changed);
    may_not(
        &crm,
        "small_lena",
        "UPDATE boards SET name = 'Changed' WHERE id = 2",
        "boards",
    );
    may(
        &crm,
        "small_lena",
        "INSERT INTO boards VALUES (3, 'b', 'lena')",
        "SELECT EXISTS (SELECT FROM boards WHERE id = 3)",
    );
    // DDL stays with maintenance roles.
    for ddl in [
        "ALTER TABLE boards ADD COLUMN x integer",
        "DROP TABLE boards",
        "TRUNCATE boards",
        "ALTER TABLE boards DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON boards USING (true)",
    ] {
        is_denied(&crm, "small_lena", ddl, "boards");
    }
}

#[test]
fn s1_14_all_of_these_combine() {
    let crm = small_crm(
        r#"
[permissions.worker.companies]
read = ["group", "created"]
create = ["own"]
update = ["own"]
delete = ["created"]
assign = [{ scope = "own", to = ["colleagues"] }]
[permissions.worker.deals]
read = ["own"]
[permissions.worker.boards]
read = ["all"]
customise = ["own"]
"#,
    );
    sees(
        &crm,
        "small_lena",
        "companies",
        "team = 'east' OR creator = 'lena'",
    );
    sees(&crm, "small_lena", "deals", "owner = 'lena'");
    sees_all(&crm, "small_lena", "boards");
    may(&crm, "small_lena", RENAME, RENAMED);
    may_not(
        &crm,
        "small_lena",
        "UPDATE companies SET name = 'Renamed' WHERE id = 2",
        "companies",
    );
    may_not(
        &crm,
        "small_lena",
        "DELETE FROM companies WHERE id = 4",
        "companies",
    );
    may(
        &crm,
        "small_lena",
        "DELETE FROM companies WHERE id = 6",
        "SELECT NOT EXISTS (SELECT FROM companies WHERE id = 6)",
    );
    is_denied(
        &crm,
        "small_lena",
        "UPDATE companies SET owner = 'yuki' WHERE id = 1",
        "companies",
    );
    may(&crm, "small_lena", GIVE, GIVEN);
    may(
        &crm,
        "small_lena",
        "UPDATE boards SET name = 'Changed' WHERE id = 1",
        "SELECT name = 'Changed' FROM boards WHERE id = 1",
    );
    may_not(&crm, "small_lena", "UPDATE deals SET amount = 1", "deals");
}
