//! S1, the roles that sell: manager and seller, what each may write, and the holes of the preset.

use celador_tests::{
    Database, answers, denied, is_denied, may, may_not, sees, sees_all, sees_none, writes_nothing,
};

fn matrix() -> Database {
    Database::preset("s1-matrix")
}

/// marta and everybody under her.
const UNDER_MARTA: &str = "(WITH RECURSIVE r(id) AS (VALUES (4::bigint) UNION
  SELECT u.id FROM users u JOIN r ON u.manager_id = r.id) SELECT id FROM r)";

#[test]
fn s1_25_manager() {
    let crm = matrix();
    // All data of sales.
    for table in [
        "opportunities",
        "quotes",
        "quote_lines",
        "products",
        "price_lists",
        "reports",
    ] {
        sees_all(&crm, "marta", table);
    }
    sees(
        &crm,
        "marta",
        "accounts",
        &format!("owner_id IN {UNDER_MARTA} OR owner_id IS NULL"),
    );
    sees(
        &crm,
        "marta",
        "events",
        &format!("owner_id IN {UNDER_MARTA}"),
    );
    may(
        &crm,
        "marta",
        "INSERT INTO products (sku, name, family) VALUES ('NEW-1', 'New', 'misc')",
        "SELECT EXISTS (SELECT FROM products WHERE sku = 'NEW-1')",
    );
    // The records of those supervised, to change and to give away.
    for table in ["opportunities", "leads", "accounts"] {
        let name = if table == "leads" { "company" } else { "name" };
        let under = crm.pick(table, "owner_id = 16");
        let other = crm.pick(table, "owner_id = 20");
        may(
            &crm,
            "marta",
            &format!("UPDATE {table} SET {name} = 'Looked after', owner_id = 9 WHERE id = {under}"),
            &format!(
                "SELECT {name} = 'Looked after' AND owner_id = 9 FROM {table} WHERE id = {under}"
            ),
        );
        may_not(
            &crm,
            "marta",
            &format!("UPDATE {table} SET {name} = 'Taken over' WHERE id = {other}"),
            table,
        );
    }
    // Limited configuration: own dashboards, settings of the own teams.
    may(
        &crm,
        "marta",
        "UPDATE dashboards SET name = 'Of marta' WHERE owner_id = 4",
        "SELECT bool_and(name = 'Of marta') FROM dashboards WHERE owner_id = 4",
    );
    may_not(
        &crm,
        "marta",
        "UPDATE dashboards SET name = 'x' WHERE owner_id = 2",
        "dashboards",
    );
    may(
        &crm,
        "marta",
        "SELECT celador.set_setting('team_records', false, '3')",
        "SELECT EXISTS (SELECT FROM celador.setting_values
                        WHERE setting = 'team_records' AND \"group\" = '3' AND NOT value)",
    );
    sees(&crm, "sergio", "accounts", "owner_id = 9");
    for group in ["'7'", "'8'", "NULL"] {
        is_denied(
            &crm,
            "marta",
            &format!("SELECT celador.set_setting('team_records', false, {group})"),
            "celador.setting_values",
        );
    }
    // No users, no configuration of others.
    is_denied(
        &crm,
        "marta",
        "INSERT INTO users (login, full_name, email) VALUES ('x', 'X', 'x@crm.example')",
        "users",
    );
    writes_nothing(
        &crm,
        "marta",
        &[
            "users",
            "teams",
            "team_members",
            "user_roles",
            "forms",
            "workflows",
            "custom_fields",
        ],
    );
}

#[test]
fn s1_26_seller() {
    let crm = matrix();
    // Leads and opportunities: create, read, update; not delete.
    let account = crm.pick("accounts", "owner_id = 9");
    for (insert, table) in [
        (
            "INSERT INTO leads (company, full_name, source, owner_id) VALUES ('Mine', 'M', 'web', 9)"
                .to_owned(),
            "leads",
        ),
        (
            format!(
                "INSERT INTO opportunities (name, account_id, owner_id) VALUES ('Mine', {account}, 9)"
            ),
            "opportunities",
        ),
        (
            "INSERT INTO accounts (name, sector, region, country, owner_id)
             VALUES ('Mine', 'foods', 'north', 'ES', 9)"
                .to_owned(),
            "accounts",
        ),
    ] {
        let name = if table == "leads" { "company" } else { "name" };
        may(
            &crm,
            "sergio",
            &insert,
            &format!("SELECT EXISTS (SELECT FROM {table} WHERE {name} = 'Mine' AND created_by = 9)"),
        );
        is_denied(&crm, "sergio", &insert.replace("9)", "20)"), table);
        may(
            &crm,
            "sergio",
            &format!("UPDATE {table} SET {name} = 'Ours' WHERE {name} = 'Mine'"),
            &format!("SELECT EXISTS (SELECT FROM {table} WHERE {name} = 'Ours')"),
        );
        let other = crm.pick(table, "owner_id = 20");
        may_not(
            &crm,
            "sergio",
            &format!("UPDATE {table} SET {name} = 'Stolen' WHERE id = {other}"),
            table,
        );
        may_not(&crm, "sergio", &format!("DELETE FROM {table} WHERE {name} = 'Ours'"), table);
    }
    // Contacts of the team are seen, the own ones kept up to date.
    sees(
        &crm,
        "sergio",
        "contacts",
        "id IN (SELECT contact_id FROM contact_assignees WHERE user_id IN
                (SELECT user_id FROM team_members WHERE team_id = 3))",
    );
    // Quotes with their lines: made and sent.
    let deal = crm.pick("opportunities", "owner_id = 9");
    may(
        &crm,
        "sergio",
        &format!(
            "INSERT INTO quotes (number, opportunity_id, owner_id) VALUES ('Q-mine', {deal}, 9)"
        ),
        "SELECT EXISTS (SELECT FROM quotes WHERE number = 'Q-mine')",
    );
    may(
        &crm,
        "sergio",
        "INSERT INTO quote_lines (quote_id, product_id, quantity, unit_price)
         SELECT id, 1, 2, 10 FROM quotes WHERE number = 'Q-mine'",
        "SELECT EXISTS (SELECT FROM quote_lines JOIN quotes q ON q.id = quote_id
                        WHERE q.number = 'Q-mine')",
    );
    may(
        &crm,
        "sergio",
        "UPDATE quotes SET status = 'sent', sent_at = now() WHERE number = 'Q-mine'",
        "SELECT status = 'sent' FROM quotes WHERE number = 'Q-mine'",
    );
    let other = crm.pick("quotes", "owner_id = 20");
    may_not(
        &crm,
        "sergio",
        &format!(
            "INSERT INTO quote_lines (quote_id, product_id, quantity, unit_price)
                  VALUES ({other}, 1, 1, 1)"
        ),
        "quote_lines",
    );
    may_not(
        &crm,
        "sergio",
        &format!("UPDATE quotes SET status = 'rejected' WHERE id = {other}"),
        "quotes",
    );
    // Activities.
    may(
        &crm,
        "sergio",
        &format!(
            "INSERT INTO notes (record_type, record_id, body) VALUES ('account', {account}, 'mine')"
        ),
        "SELECT EXISTS (SELECT FROM notes WHERE body = 'mine' AND created_by = 9)",
    );
    may(
        &crm,
        "sergio",
        "INSERT INTO events (title, starts_at, ends_at, owner_id) VALUES ('mine', now(), now() + '1 h', 9)",
        "SELECT EXISTS (SELECT FROM events WHERE title = 'mine')",
    );
    may(
        &crm,
        "sergio",
        "INSERT INTO emails (direction, subject, owner_id) VALUES ('out', 'mine', 9)",
        "SELECT EXISTS (SELECT FROM emails WHERE subject = 'mine')",
    );
    let hidden = crm.pick("accounts", "owner_id = 20");
    is_denied(
        &crm,
        "sergio",
        &format!(
            "INSERT INTO notes (record_type, record_id, body) VALUES ('account', {hidden}, 'x')"
        ),
        "notes",
    );
    // Products and prices for reading only; no tickets, campaigns, configuration.
    sees_all(&crm, "sergio", "products");
    sees_all(&crm, "sergio", "price_list_items");
    is_denied(
        &crm,
        "sergio",
        "INSERT INTO products (sku, name, family) VALUES ('N', 'N', 'n')",
        "products",
    );
    for table in [
        "tickets",
        "campaigns",
        "mailing_lists",
        "dashboards",
        "reports",
        "forms",
    ] {
        sees_none(&crm, "sergio", table);
    }
    writes_nothing(
        &crm,
        "sergio",
        &[
            "products",
            "price_lists",
            "price_list_items",
            "tickets",
            "campaigns",
            "workflows",
            "custom_fields",
            "pipeline_stages",
            "dashboards",
            "users",
            "user_roles",
            "invoices",
        ],
    );
}

#[test]
fn s1_26_sellers_make_contacts_and_tasks_of_their_own() {
    let crm = matrix();
    // Their people are in link tables: who makes a record takes it, as applications do.
    for (insert, link, table) in [
        (
            "INSERT INTO contacts (first_name, last_name) VALUES ('New', 'One') RETURNING id",
            "INSERT INTO contact_assignees (contact_id, user_id) VALUES ($1, $2)",
            "contacts",
        ),
        (
            "INSERT INTO tasks (subject) VALUES ('Mine') RETURNING id",
            "INSERT INTO task_assignees (task_id, user_id) VALUES ($1, $2)",
            "tasks",
        ),
    ] {
        let mut sergio = crm.login("sergio");
        let mut saving = sergio.transaction().unwrap();
        let id: i64 = saving
            .query_one(insert, &[])
            .unwrap_or_else(|error| panic!("{insert}: {error:?}"))
            .get(0);
        saving
            .execute(link, &[&id, &9_i64])
            .unwrap_or_else(|error| panic!("{link}: {error:?}"));
        saving.commit().unwrap();
        let mine = format!("SELECT id, created_by FROM {table} WHERE id = {id}");
        answers(&crm, "sergio", &mine, &mine);
        // Not for another.
        let mut saving = sergio.transaction().unwrap();
        let id: i64 = saving.query_one(insert, &[]).unwrap().get(0);
        denied(saving.execute(link, &[&id, &20_i64]));
        drop(saving);
        assert_eq!(crm.count(table, &format!("id = {id}")), 0);
    }
}
