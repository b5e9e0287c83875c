//! S1, the roles that don't sell: support, marketing, analyst, chief executive, what each may
//! write, and the holes of the preset.

use celador_tests::{Database, answers, may, may_not, sees, sees_all, sees_none, writes_nothing};

fn matrix() -> Database {
    Database::preset("s1-matrix")
}

#[test]
fn s1_27_support() {
    let crm = matrix();
    sees_all(&crm, "sara", "tickets");
    sees_all(&crm, "sara", "ticket_history");
    // Create, update, assign, close; the history is written along.
    may(
        &crm,
        "sara",
        "INSERT INTO tickets (subject, owner_id, team_id) VALUES ('Asked by phone', 31, 8)",
        "SELECT EXISTS (SELECT FROM tickets WHERE subject = 'Asked by phone' AND created_by = 31)",
    );
    may(
        &crm,
        "sara",
        "UPDATE tickets SET owner_id = 32 WHERE subject = 'Asked by phone'",
        "SELECT owner_id = 32 FROM tickets WHERE subject = 'Asked by phone'",
    );
    may(
        &crm,
        "sara",
        "UPDATE tickets SET status = 'closed' WHERE subject = 'Asked by phone'",
        "SELECT EXISTS (SELECT FROM ticket_history h JOIN tickets t ON t.id = h.ticket_id
                        WHERE t.subject = 'Asked by phone' AND h.new_status = 'closed')",
    );
    let free = crm.pick("tickets", "owner_id IS NULL");
    may(
        &crm,
        "sara",
        &format!("UPDATE tickets SET owner_id = 31 WHERE id = {free}"),
        &format!("SELECT owner_id IS NOT DISTINCT FROM 31 FROM tickets WHERE id = {free}"),
    );
    may_not(
        &crm,
        "sara",
        "DELETE FROM tickets WHERE subject = 'Asked by phone'",
        "tickets",
    );
    // Customers for reading, with what was said to them.
    sees_all(&crm, "sara", "accounts");
    sees_all(&crm, "sara", "contacts");
    sees(
        &crm,
        "sara",
        "notes",
        "record_type IN ('account', 'contact', 'ticket')",
    );
    sees_all(&crm, "sara", "products");
    writes_nothing(
        &crm,
        "sara",
        &["accounts", "contacts", "products", "conversations"],
    );
    // Own calendar; nothing of sales.
    sees(&crm, "sara", "events", "owner_id = 31");
    for table in [
        "leads",
        "opportunities",
        "quotes",
        "orders",
        "campaigns",
        "invoices",
    ] {
        sees_none(&crm, "sara", table);
    }
}

#[test]
fn s1_28_marketing() {
    let crm = matrix();
    sees_all(&crm, "eva", "campaigns");
    may(
        &crm,
        "eva",
        "INSERT INTO campaigns (name, channel, starts_on) VALUES ('Autumn', 'email', '2026-09-01')",
        "SELECT EXISTS (SELECT FROM campaigns WHERE name = 'Autumn' AND created_by = 28)",
    );
    may(
        &crm,
        "eva",
        "DELETE FROM campaigns WHERE name = 'Autumn'",
        "SELECT NOT EXISTS (SELECT FROM campaigns WHERE name = 'Autumn')",
    );
    may(
        &crm,
        "eva",
        "UPDATE email_templates SET subject = 'News of autumn' WHERE id = 1",
        "SELECT subject = 'News of autumn' FROM email_templates WHERE id = 1",
    );
    // Members come and go; the contacts stay.
    let contacts = crm.count("contacts", "true");
    let member = crm.pick(
        "contacts",
        "id NOT IN (SELECT contact_id FROM mailing_list_members WHERE list_id = 1)",
    );
    may(
        &crm,
        "eva",
        &format!("INSERT INTO mailing_list_members (list_id, contact_id) VALUES (1, {member})"),
        &format!(
            "SELECT EXISTS (SELECT FROM mailing_list_members
                            WHERE list_id = 1 AND contact_id = {member})"
        ),
    );
    may(
        &crm,
        "eva",
        "DELETE FROM mailing_list_members WHERE list_id = 1",
        "SELECT NOT EXISTS (SELECT FROM mailing_list_members WHERE list_id = 1)",
    );
    may(
        &crm,
        "eva",
        "DELETE FROM mailing_lists WHERE id = 1",
        "SELECT NOT EXISTS (SELECT FROM mailing_lists WHERE id = 1)",
    );
    assert_eq!(crm.count("contacts", "true"), contacts);
    sees_all(&crm, "eva", "contacts");
    sees_all(&crm, "eva", "reports");
    writes_nothing(
        &crm,
        "eva",
        &["contacts", "users", "tickets", "opportunities"],
    );
    for table in [
        "accounts",
        "leads",
        "opportunities",
        "tickets",
        "dashboards",
        "invoices",
    ] {
        sees_none(&crm, "eva", table);
    }
}

#[test]
fn s1_29_analyst() {
    let crm = matrix();
    for table in [
        "reports",
        "charts",
        "dashboards",
        "leads",
        "opportunities",
        "quotes",
        "orders",
        "products",
        "campaigns",
        "tickets",
        "sales_summary",
    ] {
        sees_all(&crm, "alba", table);
    }
    may(
        &crm,
        "alba",
        "INSERT INTO reports (name, query) VALUES ('New report', 'SELECT 1')",
        "SELECT EXISTS (SELECT FROM reports WHERE name = 'New report' AND created_by = 25)",
    );
    may(
        &crm,
        "alba",
        "UPDATE charts SET kind = 'pie', title = 'Analysed' WHERE id = 1",
        "SELECT title = 'Analysed' FROM charts WHERE id = 1",
    );
    may(
        &crm,
        "alba",
        "DELETE FROM dashboards WHERE id = 1",
        "SELECT NOT EXISTS (SELECT FROM dashboards WHERE id = 1)",
    );
    writes_nothing(
        &crm,
        "alba",
        &[
            "leads",
            "opportunities",
            "quotes",
            "orders",
            "products",
            "campaigns",
            "tickets",
        ],
    );
    for table in [
        "accounts",
        "contacts",
        "invoices",
        "workflows",
        "user_roles",
        "messages",
    ] {
        sees_none(&crm, "alba", table);
    }
}

#[test]
fn s1_30_chief_executive_sees_sums_and_no_single_deal() {
    let crm = matrix();
    let sums = "SELECT month, stage, sum(deals) AS deals, sum(amount) AS amount
                FROM sales_summary GROUP BY month, stage";
    answers(&crm, "dario", sums, sums);
    for table in ["opportunities", "quotes", "quote_lines", "orders", "leads"] {
        sees_none(&crm, "dario", table);
    }
    for table in ["accounts", "contacts", "tasks", "events", "sales_summary"] {
        sees_all(&crm, "dario", table);
    }
    writes_nothing(
        &crm,
        "dario",
        &["accounts", "contacts", "events", "sales_summary", "users"],
    );
    sees(&crm, "dario", "reports", "owner_id = 2");
    may(
        &crm,
        "dario",
        "UPDATE dashboards SET name = 'At a glance' WHERE owner_id = 2",
        "SELECT bool_and(name = 'At a glance') FROM dashboards WHERE owner_id = 2",
    );
    may_not(
        &crm,
        "dario",
        "UPDATE dashboards SET name = 'x' WHERE owner_id = 4",
        "dashboards",
    );
}
