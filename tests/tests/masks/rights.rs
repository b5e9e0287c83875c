//! Who may write a field, and what else a mask has to do with.

use celador_tests::{Database, denied, failure};

use super::shop::{document, outcome, shop};

const CLERK: &str = r#"
[permissions.clerk.contacts]
read = ["group"]
create = ["group"]
update = ["group"]
fields."*" = { clear = ["group"] }
fields.telephone = { clear = ["group"], write = ["own"] }
fields.score = { clear = ["group"] }
fields.email = { clear = ["all"] }
"#;

/// Somebody who sees every field in clear, and writes the telephone of her own contacts.
pub(crate) fn clerk() -> Database {
    let database = shop();
    database.run("ALTER TABLE contacts ALTER score SET DEFAULT 50, ALTER seen SET DEFAULT now()");
    database.load(&document(CLERK));
    database.ensure_login("shop_kim", "IN ROLE shop_people");
    database.run(
        "SELECT celador.add_user('kim', 'shop_kim'), celador.set_user_groups('kim', '{east}'), celador.give_role('kim', 'clerk');
         INSERT INTO contacts (id, name, phone, owner, team) VALUES (9, 'Tom', '5550009', 'kim', 'east')",
    );
    database
}

#[test]
fn seeing_a_field_is_not_writing_it() {
    fields_are_written_by_those_who_may(&clerk());
}

/// Kim writes what she may, and nothing else.
#[track_caller]
pub(crate) fn fields_are_written_by_those_who_may(database: &Database) {
    let mut kim = database.login("shop_kim");
    for (sql, result) in [
        ("UPDATE contacts SET note = 'x' WHERE id = 2", "(1)"),
        (
            "UPDATE contacts SET phone = phone, pay = pay WHERE id = 2",
            "(1)",
        ),
        (
            "UPDATE contacts SET phone = '5550002', note = 'y' WHERE id = 2",
            "(1)",
        ),
        ("UPDATE contacts SET phone = '1' WHERE id = 9", "(1)"),
        (
            "INSERT INTO contacts (id, name, phone, owner, team) VALUES (20, 'Una', '2', 'kim', 'east')",
            "(1)",
        ),
        (
            "INSERT INTO contacts (id, name, owner, team) VALUES (21, 'Uwe', 'omar', 'east')",
            "(1)",
        ),
        // Values that the columns have by themselves.
        (
            "INSERT INTO contacts (id, name, score, pay, seen, owner, team) VALUES (22, 'Udo', 50, NULL, now(), 'omar', 'east')",
            "(1)",
        ),
    ] {
        assert_eq!(outcome(&mut kim, sql), result, "{sql}");
    }
    for (sql, field) in [
        ("UPDATE contacts SET phone = '1' WHERE id = 2", "telephone"),
        ("UPDATE contacts SET phone = NULL WHERE id = 2", "telephone"),
        (
            "UPDATE contacts SET phone = '1' WHERE id IN (2, 9)",
            "telephone",
        ),
        // One that is never masked for her: the guard decides.
        ("UPDATE contacts SET email = 'x' WHERE id = 9", "email"),
        ("UPDATE contacts SET pay = 1 WHERE id = 9", "pay"),
        (
            "INSERT INTO contacts (id, name, phone, owner, team) VALUES (30, 'Una', '2', 'omar', 'east')",
            "telephone",
        ),
        (
            "INSERT INTO contacts (id, name, score, owner, team) VALUES (31, 'Uwe', 51, 'kim', 'east')",
            "score",
        ),
        (
            "INSERT INTO contacts (id, name, seen, owner, team) VALUES (32, 'Uwe', '2020-01-01', 'kim', 'east')",
            "seen",
        ),
        (
            "INSERT INTO contacts (id, name, owner, team) VALUES (2, 'x', 'omar', 'east')
           ON CONFLICT (id) DO UPDATE SET phone = '1'",
            "telephone",
        ),
        (
            "MERGE INTO contacts AS c USING (VALUES (2)) AS v(id) ON v.id = c.id WHEN MATCHED THEN UPDATE SET pay = 1",
            "pay",
        ),
    ] {
        let refused = denied(kim.batch_execute(sql));
        assert!(
            refused
                .message
                .contains(&format!("you may not write field \"{field}\"")),
            "{sql}: {}",
            refused.message
        );
    }
    assert!(
        database
            .is_true("SELECT count(*) = 1 FROM contacts WHERE phone = '5550002' AND note = 'y'")
    );
}

/// Whoever may not write a field, and doesn't see it, learns nothing by writing what it might hold.
#[test]
fn a_guess_that_is_written_is_not_answered() {
    guesses_are_not_answered(&shop());
}

/// Vera writes what contacts hold, and what they don't.
#[track_caller]
pub(crate) fn guesses_are_not_answered(database: &Database) {
    database.load(&document(
        "[permissions.guest.contacts]\nread = [\"all\"]\nupdate = [\"all\"]\ncreate = [\"all\"]\n",
    ));
    database.run("SELECT celador.take_role('vera', 'viewer'), celador.give_role('vera', 'guest')");
    let mut vera = database.login("shop_vera");
    for (set, column) in [
        ("phone = '5550002'", "telephone"),
        ("phone = '5550003'", "telephone"),
        ("email = 'otto@arno.example'", "email"),
        ("email = 'another'", "email"),
        ("pay = 3100", "pay"),
        ("card = 'CD34'", "card"),
        ("tax = 'T-200'", "tax"),
        ("tags = '{c}'", "tags"),
        ("born = '1985-12-31'", "born"),
        ("score = score + 1", "score"),
    ] {
        for sql in [
            format!("UPDATE contacts SET {set} WHERE id = 2"),
            format!("UPDATE contacts SET {set}, note = 'x' WHERE id = 2"),
            format!(
                "INSERT INTO contacts (id, name, owner, team) VALUES (2, 'x', 'omar', 'east') ON CONFLICT (id) DO UPDATE SET {}",
                set.replace("= score", "= contacts.score")
            ),
            format!(
                "MERGE INTO contacts AS c USING (VALUES (2)) AS v(id) ON v.id = c.id WHEN MATCHED THEN UPDATE SET {set}"
            ),
        ] {
            let refused = denied(vera.batch_execute(&sql));
            assert!(
                refused
                    .message
                    .starts_with(&format!("you may not write field \"{column}\"")),
                "{sql}: {}",
                refused.message
            );
            assert_eq!(refused.detail, "", "{sql}");
        }
    }
    assert_eq!(
        outcome(
            &mut vera,
            "UPDATE contacts SET phone = NULL, email = 'o****@arno.example', pay = NULL, score = 40 WHERE id = 2"
        ),
        "(1)"
    );
    assert!(database.is_true(
        "SELECT phone = '5550002' AND pay = 3100 AND score = 41 FROM contacts WHERE id = 2"
    ));
}

/// Who may claim a record and write a field of it, and sees neither clear, can't tell a right guess from a
/// wrong one by what the claim may change.
#[test]
fn a_guess_that_is_written_with_a_claim_is_not_answered() {
    let database = shop();
    database.load(&document(
        "[permissions.guest.contacts]\nread = [\"all\"]\nclaim = [\"unassigned\"]\nfields.telephone = { write = [\"unassigned\"] }",
    ));
    database.run("SELECT celador.take_role('vera', 'viewer'), celador.give_role('vera', 'guest')");
    let mut vera = database.login("shop_vera");
    for guess in ["'5550006'", "'5550007'"] {
        let sql = format!("UPDATE contacts SET owner = 'vera', phone = {guess} WHERE id = 6");
        let refused = denied(vera.batch_execute(&sql));
        assert!(
            refused
                .message
                .starts_with("you may not write field \"telephone\""),
            "{sql}: {}",
            refused.message
        );
    }
    let sql = "UPDATE contacts SET owner = 'vera', phone = NULL WHERE id = 6";
    assert_eq!(outcome(&mut vera, sql), "(1)");
    assert!(database.is_true("SELECT phone = '5550006' FROM contacts WHERE id = 6"));
}

#[test]
fn what_is_granted_of_a_field_is_no_question_about_records() {
    let database = shop();
    let mut lena = database.login("shop_lena");
    for sql in [
        "SELECT celador.record_in_reach('contacts', '[\"telephone\",\"clear\"]', '5')",
        "SELECT celador.record_in_reach('contacts', '=all', '5')",
        "SELECT celador.child_in_reach('public', 'contacts', '[\"telephone\",\"clear\"]', '5')",
    ] {
        let _code_42501 = denied(lena.query(sql, &[]));
    }
    let refused = failure(lena.query(
        "SELECT celador.written_back(1, 2, 'x'::text, true, 'x')",
        &[],
    ));
    assert_eq!(refused.code, "42883");
}

/// A column that the policy doesn't know may hold anything.
#[test]
fn a_column_that_came_later_shows_nothing() {
    later_columns_show_nothing(&shop());
}

/// Columns come, and the policy after them.
#[track_caller]
pub(crate) fn later_columns_show_nothing(database: &Database) {
    database.run("ALTER TABLE contacts ADD COLUMN secret text DEFAULT 'hidden'; ALTER TABLE accounts ADD COLUMN plan text");
    for login in ["shop_lena", "shop_vera", "shop_boss"] {
        let mut client = database.login(login);
        let sql = "SELECT count(*) > 0, count(secret), count(*) FILTER (WHERE contacts::text LIKE '%hidden%') FROM contacts";
        assert_eq!(outcome(&mut client, sql), "t|0|0\n(1)", "{login}");
        assert_eq!(
            outcome(
                &mut client,
                "UPDATE contacts SET secret = secret WHERE id = 1"
            ),
            "(1)",
            "{login}"
        );
    }
    assert!(
        database.is_true("SELECT count(*) = 1 FROM contacts WHERE id = 1 AND secret = 'hidden'")
    );
    let found = "SELECT string_agg(object || ' ' || substring(finding from 'column ([a-z]+)$'), ', ' ORDER BY object) FROM celador.check() WHERE rule = 'CEL188'";
    assert_eq!(
        outcome(&mut database.superuser(), found),
        "public.accounts plan, public.contacts secret\n(1)"
    );
    database.load(&document(""));
    assert_eq!(
        outcome(
            &mut database.login("shop_vera"),
            "SELECT count(secret) FROM contacts"
        ),
        "6\n(1)"
    );
    assert_eq!(outcome(&mut database.superuser(), found), "NULL\n(1)");
}

/// The policy knows columns by name: one that isn't there any more is an error, not a column in clear.
#[test]
fn a_renamed_column_is_not_shown() {
    let database = shop();
    database.run("ALTER TABLE contacts RENAME COLUMN phone TO telephone");
    for sql in [
        "SELECT telephone FROM contacts",
        "SELECT * FROM contacts",
        "SELECT count(*) FROM contacts",
    ] {
        let refused = denied(database.login("shop_vera").query(sql, &[]));
        assert!(
            refused.message.contains("which the policy masks, is gone"),
            "{}",
            refused.message
        );
    }
}

#[test]
fn a_materialized_view_is_for_those_who_see_every_field() {
    let database = shop();
    database.run("CREATE MATERIALIZED VIEW copied AS SELECT id, phone FROM contacts; GRANT SELECT ON copied TO shop_people");
    let _vera_sees_every_row = denied(
        database
            .login("shop_vera")
            .query("SELECT * FROM copied", &[]),
    );
    assert_eq!(
        outcome(
            &mut database.login("shop_boss"),
            "SELECT count(*) FROM copied"
        ),
        "6\n(1)"
    );
}

/// What is refused when a policy is loaded.
#[test]
fn a_mask_that_would_be_gone_around_is_refused() {
    let database = shop();
    let load = |more: &str| {
        let text = document(more);
        failure(
            database
                .superuser()
                .query("SELECT celador.load_policy($1)", &[&text]),
        )
    };
    database.run(
        "ALTER TABLE contacts ADD COLUMN copied text GENERATED ALWAYS AS (upper(note)) STORED;
         CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.above (name text NOT NULL)",
    );
    database.run("SELECT celador.load_policy(''); ALTER TABLE accounts INHERIT elsewhere.above");
    for (more, problem) in [
        (
            "[fields.contacts.note]\nrenderings = [\"clear\", \"null\"]",
            "column \"copied\" of public.contacts is generated from column \"note\"",
        ),
        (
            "[fields.contacts.owner]\nrenderings = [\"clear\", \"null\"]",
            "says who reaches the record",
        ),
        (
            "[fields.contacts.account]\nrenderings = [\"clear\", \"null\"]",
            "refers to another table",
        ),
        (
            "[fields.accounts.id]\nrenderings = [\"clear\", \"null\"]",
            "names it",
        ),
        (
            "[fields.contacts.name]\nrenderings = [\"clear\", \"year\"]",
            "can't be shown as \"year\"",
        ),
        (
            "[fields.contacts.name]\nrenderings = [\"clear\", \"hidden\"]",
            "\"hidden\" is no rendering",
        ),
        (
            "[fields.accounts.name]\nrenderings = [\"clear\", \"null\"]",
            "column \"name\" of public.accounts is read through elsewhere.above too, where it isn't masked",
        ),
    ] {
        let refused = load(more);
        let all = format!("{} {:?}", refused.message, refused.detail);
        assert!(all.contains(problem), "{more}: {all}");
    }
}

/// Statements that were prepared show what the policy of now says, planned for whoever asks or not.
#[test]
fn what_was_prepared_under_another_policy_shows_what_this_one_says() {
    let database = shop();
    let prepared = "PREPARE p AS SELECT phone, note FROM contacts WHERE id = 2";
    let with_note =
        document("[fields.contacts.note]\nrenderings = [\"clear\", \"constant(hidden)\"]");
    for fold in ["on", "off"] {
        for generic in ["auto", "force_generic_plan"] {
            let mut lena = database.login("shop_lena");
            lena.batch_execute(&format!(
                "SET celador.fold = {fold}; SET plan_cache_mode = {generic}; {prepared}"
            ))
            .unwrap();
            let mut show = |note: &str| {
                for _ in 0..7 {
                    assert_eq!(
                        outcome(&mut lena, "EXECUTE p"),
                        format!("****0002|{note}\n(1)"),
                        "{fold} {generic}"
                    );
                }
            };
            show("of omar");
            database.load(&with_note);
            show("hidden");
            database.load(&document(""));
            show("of omar");
        }
    }
}

/// In a transaction that holds its locks PostgreSQL doesn't look whether a plan is still right.
#[test]
fn a_plan_of_another_policy_is_not_run_in_a_transaction() {
    let database = shop();
    for fold in ["on", "off"] {
        let mut lena = database.login("shop_lena");
        lena.batch_execute(&format!(
            "SET celador.fold = {fold}; SET plan_cache_mode = force_generic_plan;
            PREPARE p AS SELECT note FROM contacts WHERE id = 2; BEGIN; EXECUTE p; EXECUTE p"
        ))
        .unwrap();
        database.load(&document(
            "[fields.contacts.note]\nrenderings = [\"clear\", \"constant(hidden)\"]",
        ));
        let shown = outcome(&mut lena, "EXECUTE p");
        assert!(
            shown.starts_with("hidden") || shown.starts_with("40001"),
            "{fold}: {shown}"
        );
        lena.batch_execute("ROLLBACK").unwrap();
        assert_eq!(outcome(&mut lena, "EXECUTE p"), "hidden\n(1)", "{fold}");
        database.load(&document(""));
    }
}
