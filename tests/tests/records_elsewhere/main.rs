//! Children of children, parents by type and key in one column, and tables that everybody reads.

#[path = "../firm/mod.rs"]
mod firm;
mod reference_tables;

use celador_tests::{answers, denied, failure, is_denied, may, may_not, sees, sees_all, sees_none};
use firm::{MAPPING, MATRIX, bare, firm, under};

/// What lines, taxes and notes hang on, written by hand.
fn of_orders(staff: &str) -> [(&'static str, String); 3] {
    let orders = format!("SELECT id FROM orders WHERE staff_id IN ({staff})");
    let lines = format!("SELECT id FROM order_lines WHERE order_id IN ({orders})");
    let taxes = format!("SELECT code FROM line_taxes WHERE line_id IN ({lines})");
    [
        ("order_lines", format!("order_id IN ({orders})")),
        ("line_taxes", format!("line_id IN ({lines})")),
        ("tax_notes", format!("tax IN ({taxes})")),
    ]
}

#[test]
fn s0_10_what_hangs_on_a_child_follows_the_record() {
    let database = firm();
    for (login, staff) in [
        ("firm_ann", "1, 2, 3, 4, 7"),
        ("firm_bea", "2, 3, 4"),
        ("firm_cem", "4"),
        ("firm_eve", "6, 7"),
    ] {
        for (table, condition) in of_orders(staff) {
            sees(&database, login, table, &condition);
        }
    }
    for table in ["order_lines", "line_taxes", "tax_notes"] {
        // Somebody without a role reaches nothing; what hangs on nothing is for those who reach all.
        sees_none(&database, "firm_new", table);
        let count = format!("SELECT count(*) FROM {table}");
        database.run("INSERT INTO roles VALUES (4, 'administrator')");
        sees_all(&database, "firm_dan", table);
        answers(&database, "firm_dan", &count, &count);
        database.run("DELETE FROM roles WHERE user_id = 4 AND role = 'administrator'");
    }
    // A record that moves takes all of it along.
    database.run("UPDATE orders SET staff_id = 5 WHERE id = 12");
    for (table, condition) in of_orders("4") {
        sees(&database, "firm_cem", table, &condition);
    }
    database.run("UPDATE order_lines SET order_id = 4 WHERE order_id = 12");
    for (table, condition) in of_orders("4") {
        sees(&database, "firm_cem", table, &condition);
    }
    answers(
        &database,
        "firm_cem",
        "SELECT o.id, t.code, n.note FROM tax_notes n JOIN line_taxes t ON t.code = n.tax
           JOIN order_lines l ON l.id = t.line_id JOIN orders o ON o.id = l.order_id ORDER BY n.id",
        "SELECT l.order_id, t.code, n.note FROM tax_notes n JOIN line_taxes t ON t.code = n.tax
           JOIN order_lines l ON l.id = t.line_id WHERE l.order_id = 4 ORDER BY n.id",
    );
}

#[test]
fn what_hangs_on_a_child_is_written_by_those_who_may_update_the_record() {
    let database = firm();
    // Bea updates what is hers, and reads cem's.
    may(
        &database,
        "firm_bea",
        "UPDATE line_taxes SET rate = 21 WHERE code = 'T102'",
        "SELECT rate = 21 FROM line_taxes WHERE code = 'T102'",
    );
    may(
        &database,
        "firm_bea",
        "INSERT INTO line_taxes VALUES ('new', 102, 5)",
        "SELECT EXISTS (SELECT FROM line_taxes WHERE code = 'new')",
    );
    may(
        &database,
        "firm_bea",
        "INSERT INTO tax_notes VALUES (200, 'new', 'mine') RETURNING note",
        "SELECT EXISTS (SELECT FROM tax_notes WHERE id = 200)",
    );
    may(
        &database,
        "firm_bea",
        "UPDATE tax_notes SET tax = 'T102' WHERE id = 200",
        "SELECT tax = 'T102' FROM tax_notes WHERE id = 200",
    );
    may(
        &database,
        "firm_bea",
        "DELETE FROM tax_notes WHERE id = 200",
        "SELECT NOT EXISTS (SELECT FROM tax_notes WHERE id = 200)",
    );
    for sql in [
        // Of whom she supervises, and of others.
        "UPDATE line_taxes SET rate = 0 WHERE code = 'T104'",
        "DELETE FROM line_taxes WHERE code = 'T104'",
        "UPDATE line_taxes SET rate = 0 WHERE code = 'T101'",
        "DELETE FROM line_taxes WHERE line_id IS NULL",
    ] {
        may_not(&database, "firm_bea", sql, "line_taxes");
    }
    for sql in [
        "INSERT INTO line_taxes VALUES ('x', 104, 1)",
        "INSERT INTO line_taxes VALUES ('x', 101, 1)",
        "INSERT INTO line_taxes VALUES ('x', NULL, 1)",
        "INSERT INTO line_taxes VALUES ('x', 4711, 1)",
        "UPDATE line_taxes SET line_id = 104 WHERE code = 'T102'",
        "UPDATE line_taxes SET line_id = NULL WHERE code = 'T102'",
        "INSERT INTO line_taxes VALUES ('T102', 102, 1) ON CONFLICT (code) DO UPDATE SET line_id = 101",
    ] {
        is_denied(&database, "firm_bea", sql, "line_taxes");
    }
    for sql in [
        "INSERT INTO tax_notes VALUES (201, 'T101', 'x')",
        "INSERT INTO tax_notes VALUES (201, 'T104', 'x')",
        "INSERT INTO tax_notes VALUES (201, NULL, 'x')",
        "UPDATE tax_notes SET tax = 'T101' WHERE tax = 'T102'",
    ] {
        is_denied(&database, "firm_bea", sql, "tax_notes");
    }
    // Deleting the record takes all that hangs on it.
    may(
        &database,
        "firm_bea",
        "DELETE FROM orders WHERE id = 2",
        "SELECT NOT EXISTS (SELECT FROM tax_notes WHERE tax = 'T102')",
    );
}

#[test]
fn s0_03_what_hangs_on_a_child_moves_with_the_record_within_a_transaction() {
    let database = firm();
    let mut sessions = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"].map(|level| {
        let mut cem = database.login("firm_cem");
        cem.batch_execute("PREPARE notes AS SELECT id FROM tax_notes")
            .expect("it is prepared");
        cem.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}"))
            .expect("it begins");
        let seen = cem.query("EXECUTE notes", &[]).expect("he may read");
        assert_eq!(seen.len(), 2, "{level}");
        cem
    });
    for (change, count) in [
        ("UPDATE orders SET staff_id = 5 WHERE id = 12", 1),
        ("UPDATE order_lines SET order_id = 1 WHERE order_id = 4", 0),
    ] {
        database.run(change);
        for cem in &mut sessions {
            let seen = cem.query("EXECUTE notes", &[]).expect("he may read");
            assert_eq!(seen.len(), count, "{change}");
        }
    }
}

#[test]
fn a_key_that_is_not_unique_opens_nothing() {
    let database = bare();
    database.run(
        "ALTER TABLE tax_notes DROP CONSTRAINT tax_notes_tax_fkey;
         ALTER TABLE line_taxes DROP CONSTRAINT line_taxes_pkey",
    );
    database.load(&format!("{MAPPING}{MATRIX}"));
    answers(
        &database,
        "firm_bea",
        "SELECT id FROM tax_notes WHERE tax = 'T101'",
        "SELECT id FROM tax_notes WHERE false",
    );
    // A tax of her own with the code of another's.
    may(
        &database,
        "firm_bea",
        "INSERT INTO line_taxes VALUES ('T101', 102, 1)",
        "SELECT count(*) = 2 FROM line_taxes WHERE code = 'T101'",
    );
    answers(
        &database,
        "firm_bea",
        "SELECT id FROM tax_notes WHERE tax = 'T101'",
        "SELECT id FROM tax_notes WHERE false",
    );
}

#[test]
fn probes_of_children_answer_for_who_asks() {
    let database = firm();
    let asks = |login: &str, row: &str, cell: &str| -> bool {
        let row = database.login(login).query_one(
            &format!("SELECT celador.child_in_reach('public', 'order_lines', '{cell}', {row})"),
            &[],
        );
        row.unwrap_or_else(|error| panic!("{error:?}")).get(0)
    };
    assert!(asks("firm_bea", "'104'", "read") && !asks("firm_bea", "'104'", "update"));
    for row in ["'101'", "'4711'", "'x'", "''", "NULL"] {
        assert!(!asks("firm_bea", row, "read"), "{row}");
    }
    let mut bea = database.login("firm_bea");
    denied(bea.query(
        "SELECT celador.child_in_reach('public', 'order_lines', '=all', '101')",
        &[],
    ));
    denied(database.login("firm_stranger").query(
        "SELECT celador.child_in_reach('public', 'order_lines', 'read', '101')",
        &[],
    ));
    // Only children are asked about.
    for table in ["orders", "staff", "countries", "tax_notes", "nothing"] {
        let sql = format!("SELECT celador.child_in_reach('public', '{table}', 'read', '1')");
        let row = bea.query_one(&sql, &[]).expect("everybody may ask");
        assert!(!row.get::<_, bool>(0), "{table}");
    }
}

#[test]
fn explaining_a_child_leads_to_what_it_follows() {
    let database = firm();
    let explain = |table: &str, key: &str| -> (String, String) {
        let row = database
            .superuser()
            .query_one(
                "SELECT result, source FROM celador.explain_access($1::text::regclass, $2, '2', 'read')",
                &[&table, &key],
            )
            .expect("it is explained");
        (row.get(0), row.get(1))
    };
    let (result, source) = explain("line_taxes", "T102");
    assert_eq!(result, "not applicable");
    assert!(
        source.contains("public.order_lines") && source.contains("line_id"),
        "{source}"
    );
    let (result, source) = explain("countries", "ES");
    assert_eq!(result, "true");
    assert!(source.contains("whoever is signed in"), "{source}");
}

const BY_PARENT: &str = r#"
[permissions.administrator]
"*" = { "*" = ["all"] }
[permissions.seller.orders]
read = ["own"]
update = ["own"]
[permissions.seller.letters]
read = ["parent"]
create = ["parent"]
update = ["parent"]
delete = [{ scope = "parent", module = "orders" }]
[permissions.seller.users]
read = ["own"]
"#;

#[test]
fn s1_18_a_record_hangs_on_what_one_column_tells_with_its_type() {
    let database = under(MAPPING, BY_PARENT);
    // Letters 2 and 7 (a user is its own owner) are bea's; malformed values hang on nothing.
    sees(
        &database,
        "firm_bea",
        "letters",
        "resource IN ('order,2', 'person,2')",
    );
    sees(&database, "firm_bea", "letter_pages", "letter IN (2, 7)");
    sees(
        &database,
        "firm_cem",
        "letters",
        "resource IN ('order,4', 'order,12')",
    );
    sees(&database, "firm_ann", "letters", "resource = 'order,1'");
    sees_none(&database, "firm_dan", "letters");
    sees_none(&database, "firm_new", "letters");
    may(
        &database,
        "firm_bea",
        "UPDATE letters SET body = 'x' WHERE id = 2",
        "SELECT body = 'x' FROM letters WHERE id = 2",
    );
    may(
        &database,
        "firm_bea",
        "INSERT INTO letters VALUES (20, 'order,2', 2, 'mine')",
        "SELECT EXISTS (SELECT FROM letters WHERE id = 20)",
    );
    may(
        &database,
        "firm_bea",
        "DELETE FROM letters WHERE id = 20",
        "SELECT NOT EXISTS (SELECT FROM letters WHERE id = 20)",
    );
    for sql in [
        "INSERT INTO letters VALUES (21, 'order,1', 2, 'x')",
        "INSERT INTO letters VALUES (21, '2', 2, 'x')",
        "INSERT INTO letters VALUES (21, 'order, 2', 2, 'x')",
        "INSERT INTO letters VALUES (21, 'order,2 ', 2, 'x')",
        "INSERT INTO letters VALUES (21, 'country,ES', 2, 'x')",
        "INSERT INTO letters VALUES (21, NULL, 2, 'x')",
        "UPDATE letters SET resource = 'order,1' WHERE id = 2",
        "UPDATE letters SET resource = NULL WHERE id = 2",
    ] {
        is_denied(&database, "firm_bea", sql, "letters");
    }
    // Bea is no user whose row she may update: that grant is for orders.
    may_not(
        &database,
        "firm_bea",
        "DELETE FROM letters WHERE id = 7",
        "letters",
    );
}

#[test]
fn s1_18_a_record_by_what_names_it_in_one_column() {
    let matrix = r#"
[permissions.administrator]
"*" = { "*" = ["all"] }
[permissions.seller.letters]
read = ["own"]
[permissions.seller.orders]
read = [{ scope = "related", module = "letters" }]
"#;
    let database = under(MAPPING, matrix);
    // Letters 1 and 4 are ann's, 2 is bea's (7 names a person), 3 is dan's; cem's name nothing.
    sees(&database, "firm_ann", "orders", "id IN (1, 12)");
    sees(&database, "firm_bea", "orders", "id = 2");
    sees(&database, "firm_dan", "orders", "id = 4");
    sees_none(&database, "firm_cem", "orders");
    database.run("UPDATE letters SET resource = 'order,8' WHERE id = 8");
    sees(&database, "firm_cem", "orders", "id = 8");
}

#[test]
fn what_is_mapped_wrongly_is_told_and_changes_nothing() {
    let database = firm();
    let good = format!("{MAPPING}{MATRIX}");
    for (from, to, words) in [
        (
            "readable = [\"countr*\"]",
            "readable = [\"contries\"]",
            "contries",
        ),
        (
            "supervisor = \"boss\"",
            "supervisor = \"chief\"",
            "no column \"chief\"",
        ),
        ("column = \"valid\"", "column = \"floor\"", "not boolean"),
        ("key = \"code\"", "key = \"codes\"", "no column \"codes\""),
        (
            "separator = \",\"",
            "separator = \"\"",
            "the separator is empty",
        ),
        (
            "column = \"resource\", separator",
            "column = \"author\", separator",
            "holds no type and key",
        ),
    ] {
        let bad = good.replacen(from, to, 1);
        let line = 1 + bad.find(to).map_or(0, |at| bad[..at].matches('\n').count());
        let refused = failure(
            database
                .superuser()
                .query("SELECT celador.load_policy($1)", &[&bad]),
        );
        assert_eq!(refused.code, "22023", "{to}");
        assert!(
            refused.message.contains(&format!("line {line}:")),
            "{to}: {refused:?}"
        );
        assert!(refused.message.contains(words), "{to}: {refused:?}");
        assert!(!refused.hint.is_empty(), "{to}");
    }
    sees(&database, "firm_cem", "orders", "staff_id = 4");
}
