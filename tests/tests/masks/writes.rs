//! Saving what one sees loses nothing that one doesn't see.

use celador_tests::Database;

use super::shop::{outcome, save_as_shown, shop, stored_contacts};

/// Runs a statement as lena, and compares what is stored of contacts 1 and 2 afterwards.
#[track_caller]
fn stores(sql: &str, phones: &str) {
    let database = shop();
    let result = outcome(&mut database.login("shop_lena"), sql);
    assert!(!result.contains(": "), "{sql}: {result}");
    assert_eq!(stored(&database, "phone"), phones, "{sql}");
}

fn stored(database: &Database, column: &str) -> String {
    let sql = format!(
        "SELECT string_agg(COALESCE({column}::text, 'NULL'), ' ' ORDER BY id) FROM contacts WHERE id IN (1, 2)"
    );
    let rows = database.superuser().query_one(&sql, &[]).unwrap();
    rows.get(0)
}

#[test]
fn what_is_shown_is_written_back_and_what_is_stored_stays() {
    for sql in [
        "UPDATE contacts SET phone = phone",
        "UPDATE contacts SET phone = '****0002' WHERE id = 2",
        "UPDATE contacts SET (phone, note) = ('****0002', 'changed') WHERE id = 2",
        "UPDATE contacts SET (phone, note) = (SELECT phone, 'changed' FROM contacts WHERE id = 2) WHERE id = 2",
        "UPDATE contacts AS c SET phone = o.phone FROM contacts AS o WHERE o.id = c.id",
        "UPDATE phones SET phone = '****0002' WHERE id = 2",
        "INSERT INTO contacts (id, name, phone, owner, team) VALUES (2, 'Otto', '****0002', 'omar', 'east')
           ON CONFLICT (id) DO UPDATE SET phone = EXCLUDED.phone, name = EXCLUDED.name",
        "MERGE INTO contacts AS c USING (VALUES (2, '****0002')) AS v(id, phone) ON v.id = c.id
           WHEN MATCHED THEN UPDATE SET phone = v.phone",
        "WITH saved AS (UPDATE contacts SET phone = phone WHERE id = 2 RETURNING *) SELECT * FROM saved",
        "DO $$ DECLARE c contacts; BEGIN SELECT * INTO c FROM contacts WHERE id = 2;
           UPDATE contacts SET phone = c.phone, email = c.email, born = c.born WHERE id = 2; END $$",
        "BEGIN; DECLARE k CURSOR FOR SELECT * FROM contacts WHERE id = 2 FOR UPDATE; FETCH k;
           UPDATE contacts SET phone = '****0002' WHERE CURRENT OF k; COMMIT",
        "PREPARE p(text, int) AS UPDATE contacts SET phone = $1 WHERE id = $2; EXECUTE p('****0002', 2); EXECUTE p('5550001', 1)",
    ] {
        stores(sql, "5550001 5550002");
    }
}

/// Every form, NULL included: a record is read whole and saved whole.
#[test]
fn a_record_that_is_saved_as_it_was_read_stays_as_it_is() {
    saving_keeps_what_is_stored(&shop());
}

/// Everything that lena sees of contacts is saved as text.
#[track_caller]
pub(crate) fn saving_keeps_what_is_stored(database: &Database) {
    let mut superuser = database.superuser();
    let before = stored_contacts(&mut superuser);
    let mut lena = database.login("shop_lena");
    for zone in ["UTC", "Asia/Tokyo"] {
        let sql = format!("SET TimeZone = '{zone}'; {}", save_as_shown());
        let result = outcome(&mut lena, &sql);
        assert!(!result.contains(": "), "{result}");
        assert_eq!(stored_contacts(&mut superuser), before, "{zone}");
    }
}

#[test]
fn another_value_is_a_write() {
    stores(
        "UPDATE contacts SET phone = '777' WHERE id = 2",
        "5550001 777",
    );
    stores(
        "UPDATE contacts SET phone = '777' WHERE id = 1",
        "777 5550002",
    );
    // What is read into a write is the mask, never the value.
    let database = shop();
    let mut lena = database.login("shop_lena");
    outcome(&mut lena, "UPDATE contacts SET note = phone WHERE id = 2");
    assert_eq!(stored(&database, "note"), "mine ****0002");
    outcome(
        &mut lena,
        "UPDATE contacts SET note = c.phone FROM contacts AS c WHERE c.id = 3 AND contacts.id = 2",
    );
    assert_eq!(stored(&database, "note"), "mine ****0003");
    outcome(
        &mut lena,
        "INSERT INTO contacts (id, name, note, owner, team) SELECT 77, name, phone, owner, team FROM contacts WHERE id = 3",
    );
    assert!(database.is_true("SELECT note = '****0003' FROM contacts WHERE id = 77"));
}

#[test]
fn what_is_returned_is_shown() {
    let database = shop();
    let mut lena = database.login("shop_lena");
    let returned = "phone, email, pay, card";
    for sql in [
        "UPDATE contacts SET note = 'x' WHERE id = 2 RETURNING",
        "UPDATE contacts SET phone = '5550002' WHERE id = 2 RETURNING",
        "INSERT INTO contacts (id, name, phone, email, pay, card, owner, team) VALUES (2, 'Otto', '1', 'x', 1, 'y', 'omar', 'east')
           ON CONFLICT (id) DO UPDATE SET note = contacts.phone RETURNING",
    ] {
        let result = outcome(&mut lena, &format!("{sql} {returned}"));
        assert_eq!(result, "****0002|o****@arno.example|NULL|XX      \n(1)", "{sql}");
    }
    assert_eq!(stored(&database, "note"), "mine ****0002");
    let whole = outcome(
        &mut lena,
        "UPDATE contacts SET note = 'x' WHERE id = 2 RETURNING (contacts).phone, contacts.*::text LIKE '%5550002%'",
    );
    assert_eq!(whole, "****0002|f\n(1)");
    let created = outcome(
        &mut lena,
        "INSERT INTO contacts (id, name, phone, owner, team) VALUES (50, 'Tom', '5550050', 'omar', 'east') RETURNING phone",
    );
    assert_eq!(created, "****0050\n(1)");
    let deleted = outcome(
        &mut lena,
        "DELETE FROM contacts WHERE id = 1 RETURNING phone",
    );
    assert_eq!(deleted, "5550001\n(1)");
}

/// A condition compares what is shown.
#[test]
fn writes_find_rows_by_what_is_shown() {
    let database = shop();
    let mut lena = database.login("shop_lena");
    for (sql, count) in [
        (
            "UPDATE contacts SET note = 'x' WHERE phone = '5550002'",
            "(0)",
        ),
        (
            "UPDATE contacts SET note = 'x' WHERE phone = '****0002'",
            "(1)",
        ),
        (
            "UPDATE contacts SET note = 'x' FROM accounts AS a WHERE a.id = account AND phone LIKE '5550002%'",
            "(0)",
        ),
        ("DELETE FROM contacts WHERE phone = '5550002'", "(0)"),
        (
            "DELETE FROM contacts USING accounts AS a WHERE a.id = account AND phone = '5550003'",
            "(0)",
        ),
        (
            "MERGE INTO contacts AS c USING (VALUES ('5550002')) AS v(phone) ON v.phone = c.phone WHEN MATCHED THEN UPDATE SET note = 'y'",
            "(0)",
        ),
        (
            "MERGE INTO contacts AS c USING (VALUES (2)) AS v(id) ON v.id = c.id WHEN MATCHED AND c.phone = '5550002' THEN UPDATE SET note = 'y'",
            "(0)",
        ),
        (
            "MERGE INTO contacts AS c USING (VALUES (2)) AS v(id) ON v.id = c.id WHEN MATCHED AND c.phone = '****0002' THEN UPDATE SET note = c.phone",
            "(1)",
        ),
        (
            "INSERT INTO contacts (id, name, owner, team) VALUES (2, 'Otto', 'omar', 'east')
            ON CONFLICT (id) DO UPDATE SET note = 'z' WHERE contacts.phone = '5550002'",
            "(0)",
        ),
    ] {
        assert_eq!(outcome(&mut lena, sql), count, "{sql}");
    }
    assert_eq!(stored(&database, "note"), "mine ****0002");
}

/// The number of a call that moves to another partition.
#[test]
fn a_row_that_moves_keeps_what_is_hidden() {
    let database = shop();
    let mut lena = database.login("shop_lena");
    let sql = "UPDATE calls SET day = '2021-08-01', number = '****3333' WHERE id = 3";
    assert_eq!(outcome(&mut lena, sql), "(1)");
    assert!(database.is_true("SELECT number = '5553333' FROM calls_new WHERE id = 3"));
}

/// A view with a check is a question about the new row; anybody can write one.
#[test]
fn a_views_check_looks_at_what_is_shown() {
    views_check_what_is_shown(&shop());
}

/// Whatever a view of lena's checks, it tells nothing.
#[track_caller]
pub(crate) fn views_check_what_is_shown(database: &Database) {
    let mut lena = database.login("shop_lena");
    let checked = |condition: &str| {
        format!(
            "BEGIN; CREATE TEMP VIEW asks AS SELECT id, phone, note FROM public.contacts
               WHERE phone = '****0002' OR {condition} WITH CHECK OPTION;
             UPDATE asks SET note = 'asked' WHERE id = 2; ROLLBACK"
        )
    };
    for guess in [
        "phone LIKE '5550%'",
        "phone = '5550002'",
        "phone = '5550003'",
        "false",
    ] {
        let result = outcome(&mut lena, &checked(guess));
        assert_eq!(result, "(0)\n(0)\n(1)\n(0)", "{guess}");
    }
}

/// A table on the far side of an outer join, in a statement that writes.
#[test]
fn writes_that_join_find_what_is_shown() {
    let database = shop();
    let mut lena = database.login("shop_lena");
    let sql = "UPDATE contacts SET note = 'x' FROM accounts AS a LEFT JOIN contacts AS c ON c.account = a.id AND c.phone = '5550002'
        WHERE contacts.account = a.id AND c.id IS NOT NULL";
    assert_eq!(outcome(&mut lena, sql), "(0)");
    let sql = "UPDATE contacts SET note = COALESCE(c.phone, 'none') FROM accounts AS a LEFT JOIN contacts AS c ON c.account = a.id AND c.id = 2
        WHERE contacts.account = a.id AND contacts.id < 3 RETURNING contacts.id, c.phone, c.ctid IS NULL, c.*::text LIKE '%5550002%'";
    let told = outcome(&mut lena, sql);
    let mut rows: Vec<&str> = told.lines().collect();
    rows.sort_unstable();
    assert_eq!(rows, ["(2)", "1|****0002|f|f", "2|****0002|f|f"]);
    assert_eq!(stored(&database, "note"), "****0002 ****0002");
}

/// UPDATE, ON CONFLICT and MERGE write back what is shown.
#[track_caller]
pub(crate) fn each_way_keeps_what_is_stored(database: &Database) {
    let mut lena = database.login("shop_lena");
    for sql in [
        "UPDATE contacts SET phone = '****0002', mobile = '+****', pay = NULL WHERE id = 2",
        "INSERT INTO contacts (id, name, owner, team) VALUES (2, 'Otto', 'omar', 'east')
           ON CONFLICT (id) DO UPDATE SET phone = '****0002', pay = NULL",
        "MERGE INTO contacts AS c USING (VALUES (2)) AS v(id) ON v.id = c.id WHEN MATCHED THEN UPDATE SET phone = '****0002', pay = NULL",
    ] {
        assert_eq!(outcome(&mut lena, sql), "(1)", "{sql}");
        assert!(
            database.is_true("SELECT (phone, mobile::text, pay) = ('5550002', '+342', 3100) FROM contacts WHERE id = 2"),
            "{sql}"
        );
    }
}
