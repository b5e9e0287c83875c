//! S0, customer groups: one test a line of the model, on the sample CRM.
//!
//! sergio is in team 3, tomas in 3 and 4, raquel in 4, pilar in none; ana administers.

use celador_tests::{
    Database, OpenSessions, answers, is_denied, may, may_not, sees, sees_all, sees_none,
};

fn groups() -> Database {
    Database::preset("s0-groups")
}

#[test]
fn s0_1_administrators_create_groups() {
    let crm = groups();
    let create = "INSERT INTO teams (name) VALUES ('Export')";
    may(
        &crm,
        "ana",
        create,
        "SELECT EXISTS (SELECT FROM teams WHERE name = 'Export')",
    );
    let another = "INSERT INTO teams (name) VALUES ('Import')";
    is_denied(&crm, "sergio", another, "teams");
    is_denied(&crm, "pilar", another, "teams");
    // Known, and without any role of this model.
    is_denied(&crm, "alba", another, "teams");
}

#[test]
fn s0_2_editing_the_customer_puts_it_into_a_group() {
    let crm = groups();
    let customer = crm.pick("accounts", "group_id IS NULL");
    let put = format!("UPDATE accounts SET name = 'Moved', group_id = 3 WHERE id = {customer}");
    may_not(&crm, "sergio", &put, "accounts");
    may(
        &crm,
        "ana",
        &put,
        &format!("SELECT group_id IS NOT DISTINCT FROM 3 FROM accounts WHERE id = {customer}"),
    );
    let edit = format!("UPDATE accounts SET name = 'Edited' WHERE id = {customer}");
    may(
        &crm,
        "sergio",
        &edit,
        &format!("SELECT name = 'Edited' FROM accounts WHERE id = {customer}"),
    );
}

#[test]
fn s0_3_moving_a_customer_takes_it_from_the_old_group() {
    let crm = groups();
    let customer = crm.pick("accounts", "group_id = 3");
    let count = format!("SELECT count(*) FROM accounts WHERE id = {customer}");
    let mut old = OpenSessions::open(&crm, "sergio", &count).read_committed();
    let mut new = OpenSessions::open(&crm, "raquel", &count).read_committed();
    old.count(1);
    new.count(0);
    may(
        &crm,
        "ana",
        &format!("UPDATE accounts SET group_id = 4 WHERE id = {customer}"),
        &format!("SELECT group_id = 4 FROM accounts WHERE id = {customer}"),
    );
    old.count(0);
    new.count(1);
    sees(&crm, "sergio", "accounts", "group_id = 3");
    sees(&crm, "raquel", "accounts", "group_id = 4");
}

#[test]
fn s0_4_administrators_see_all_without_assignment() {
    let crm = groups();
    crm.run("DELETE FROM team_members WHERE user_id = 1");
    for table in ["teams", "accounts", "contacts", "team_members", "users"] {
        sees_all(&crm, "ana", table);
    }
    sees(&crm, "sergio", "teams", "id = 3");
}

#[test]
fn s0_5_counts_sums_and_joins_cover_the_users_groups_only() {
    let crm = groups();
    sees(&crm, "sergio", "accounts", "group_id = 3");
    let mine = "(SELECT * FROM accounts WHERE group_id = 3)";
    for query in [
        "SELECT count(*), sum(annual_revenue), min(name), max(id) FROM {accounts} AS a",
        "SELECT sector, count(*) FROM {accounts} AS a GROUP BY sector",
        "SELECT a.id, c.id AS contact FROM {accounts} AS a JOIN contacts c ON c.account_id = a.id",
        "SELECT u.id, count(a.id) FROM {accounts} AS a RIGHT JOIN generate_series(1, 40) AS u (id)
           ON u.id = a.owner_id GROUP BY u.id",
        "SELECT name FROM {accounts} AS a WHERE id IN (SELECT account_id FROM opportunities)",
    ] {
        answers(
            &crm,
            "sergio",
            &query.replace("{accounts}", "accounts"),
            &query.replace("{accounts}", mine),
        );
    }
}

#[test]
fn s0_6_several_groups_give_their_union() {
    let crm = groups();
    sees(&crm, "tomas", "accounts", "group_id IN (3, 4)");
    sees(&crm, "sergio", "accounts", "group_id = 3");
    may(
        &crm,
        "ana",
        "INSERT INTO team_members (team_id, user_id) VALUES (6, 9)",
        "SELECT EXISTS (SELECT FROM team_members WHERE team_id = 6 AND user_id = 9)",
    );
    sees(&crm, "sergio", "accounts", "group_id IN (3, 6)");
}

#[test]
fn s0_7_saving_replaces_the_whole_set_of_groups() {
    let crm = groups();
    let count = "SELECT count(*) FROM accounts";
    let (old, new) = (
        crm.count("accounts", "group_id = 3"),
        crm.count("accounts", "group_id IN (4, 5)"),
    );
    assert_ne!(old, new);
    let mut open = OpenSessions::open(&crm, "sergio", count);
    open.count(old);
    // A pooled connection, in which the application says who asks.
    crm.run("GRANT EXECUTE ON FUNCTION celador.act_as(text) TO crm_app");
    let mut pooled = crm.login("crm_app");
    pooled.execute("SELECT celador.act_as('9')", &[]).unwrap();
    let statement = pooled.prepare(count).unwrap();
    for _ in 0..7 {
        let counted: i64 = pooled.query_one(&statement, &[]).unwrap().get(0);
        assert_eq!(counted, old);
    }

    let mut ana = crm.login("ana");
    let mut saving = ana.transaction().unwrap();
    saving
        .execute("DELETE FROM team_members WHERE user_id = 9", &[])
        .unwrap();
    saving
        .execute(
            "INSERT INTO team_members (team_id, user_id) VALUES (4, 9), (5, 9)",
            &[],
        )
        .unwrap();
    open.count(old);
    saving.commit().unwrap();

    open.count(new);
    let counted: i64 = pooled.query_one(&statement, &[]).unwrap().get(0);
    assert_eq!(counted, new);
    sees(&crm, "sergio", "accounts", "group_id IN (4, 5)");
    sees(&crm, "tomas", "accounts", "group_id IN (3, 4)");
}

#[test]
fn s0_8_standard_users_change_no_groups_and_no_assignments() {
    let crm = groups();
    let customer = crm.pick("accounts", "group_id = 3");
    for (sql, table) in [
        ("UPDATE teams SET name = 'Mine' WHERE id = 3", "teams"),
        ("DELETE FROM teams WHERE id = 3", "teams"),
        (
            "INSERT INTO team_members (team_id, user_id) VALUES (4, 9)",
            "team_members",
        ),
        (
            "UPDATE team_members SET team_id = 4 WHERE user_id = 9",
            "team_members",
        ),
        ("DELETE FROM team_members WHERE user_id = 9", "team_members"),
        (
            "INSERT INTO user_roles (user_id, role) VALUES (9, 'administrator')",
            "user_roles",
        ),
        (
            "UPDATE user_roles SET role = 'administrator' WHERE user_id = 9",
            "user_roles",
        ),
        ("UPDATE users SET login = 'ana2' WHERE id = 9", "users"),
    ] {
        may_not(&crm, "sergio", sql, table);
    }
    for group in ["4", "NULL"] {
        is_denied(
            &crm,
            "sergio",
            &format!("UPDATE accounts SET group_id = {group} WHERE id = {customer}"),
            "accounts",
        );
        // In both groups, and yet not to be moved between them.
        is_denied(
            &crm,
            "tomas",
            &format!("UPDATE accounts SET group_id = {group} WHERE id = {customer}"),
            "accounts",
        );
    }
    may(
        &crm,
        "ana",
        "UPDATE teams SET name = 'Northern sales' WHERE id = 3",
        "SELECT name = 'Northern sales' FROM teams WHERE id = 3",
    );
}

#[test]
fn s0_9_without_a_group_only_administrators_see() {
    let crm = groups();
    let count = "SELECT count(*) FROM accounts WHERE group_id IS NULL";
    answers(&crm, "ana", count, count);
    assert!(crm.count("accounts", "group_id IS NULL") > 0);
    for person in ["sergio", "tomas", "marta"] {
        answers(&crm, person, count, "SELECT 0::bigint AS count");
    }
    for table in ["accounts", "contacts", "notes", "invoices", "teams"] {
        sees_none(&crm, "pilar", table);
    }
    is_denied(
        &crm,
        "sergio",
        "INSERT INTO accounts (name, sector, region, country) VALUES ('X', 'foods', 'north', 'ES')",
        "accounts",
    );
}

#[test]
fn s0_10_what_hangs_on_a_customer_follows_it() {
    let crm = groups();
    // Fewer rows to compare one by one.
    crm.run(
        "DELETE FROM notes WHERE id > 1000; DELETE FROM calls WHERE id > 800;
         DELETE FROM tickets WHERE id > 800; DELETE FROM quote_lines WHERE quote_id > 400;
         DELETE FROM invoices WHERE id > 400; DELETE FROM account_statements WHERE month <> '2026-01-01'",
    );
    let accounts = "(SELECT id FROM accounts WHERE group_id = 3)";
    let contacts = format!("(SELECT id FROM contacts WHERE account_id IN {accounts})");
    let deals = format!("(SELECT id FROM opportunities WHERE account_id IN {accounts})");
    let tickets = format!(
        "(SELECT id FROM tickets WHERE account_id IN {accounts} OR contact_id IN {contacts})"
    );
    let invoices = format!("(SELECT id FROM invoices WHERE account_id IN {accounts})");
    for (table, condition) in [
        ("contacts", format!("account_id IN {accounts}")),
        ("opportunities", format!("account_id IN {accounts}")),
        ("quotes", format!("opportunity_id IN {deals}")),
        (
            "quote_lines",
            format!("quote_id IN (SELECT id FROM quotes WHERE opportunity_id IN {deals})"),
        ),
        (
            "notes",
            format!(
                "record_type = 'account' AND record_id IN {accounts}
                 OR record_type = 'contact' AND record_id IN {contacts}
                 OR record_type = 'opportunity' AND record_id IN {deals}
                 OR record_type = 'ticket' AND record_id IN {tickets}"
            ),
        ),
        (
            "calls",
            format!(
                "record_type = 'account' AND record_id IN {accounts}
                 OR record_type = 'contact' AND record_id IN {contacts}"
            ),
        ),
        ("tickets", format!("id IN {tickets}")),
        ("invoices", format!("id IN {invoices}")),
        ("invoice_lines", format!("invoice_id IN {invoices}")),
        ("payments", format!("invoice_id IN {invoices}")),
        ("account_statements", format!("account_id IN {accounts}")),
    ] {
        sees(&crm, "sergio", table, &condition);
    }
    let note = |account: &str| {
        format!(
            "INSERT INTO notes (record_type, record_id, body)
             VALUES ('account', {account}, 'Follows its customer')"
        )
    };
    let (mine, other) = (
        crm.pick("accounts", "group_id = 3"),
        crm.pick("accounts", "group_id = 4"),
    );
    may(
        &crm,
        "sergio",
        &note(&mine),
        "SELECT EXISTS (SELECT FROM notes WHERE body = 'Follows its customer' AND created_by = 9)",
    );
    is_denied(&crm, "sergio", &note(&other), "notes");
    // The note goes with its customer.
    let count = "SELECT count(*) FROM notes WHERE body = 'Follows its customer'";
    answers(&crm, "sergio", count, "SELECT 1::bigint AS count");
    answers(&crm, "raquel", count, "SELECT 0::bigint AS count");
    crm.run(&format!(
        "UPDATE accounts SET group_id = 4 WHERE id = {mine}"
    ));
    answers(&crm, "sergio", count, "SELECT 0::bigint AS count");
    answers(&crm, "raquel", count, "SELECT 1::bigint AS count");
}
