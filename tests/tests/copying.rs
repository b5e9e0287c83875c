//! S1.10: bulk load and bulk extract, each a right of its own.

use std::io::{Read as _, Write as _};

use celador_tests::{Database, Failure, denied, failure, small_crm};
use postgres::Client;

/// What roles other than the small CRM's worker may.
const MATRIX: &str = r#"
[roles.worker]
[roles.clerk]
[roles.half]
[permissions.worker.companies]
read = ["group", "own"]
create = ["own"]
import = ["own"]
export = ["group", "own"]
[permissions.clerk.companies]
read = ["group"]
create = ["own"]
[permissions.half.companies]
read = ["group"]
create = ["own", "group"]
import = ["own"]
export = ["own"]
"#;

fn crm() -> Database {
    let database = small_crm(MATRIX);
    database.run("SELECT celador.give_role('omar', 'clerk'), celador.give_role('yuki', 'half')");
    database
}

fn copy_in(client: &mut Client, sql: &str, data: &str) -> Result<u64, postgres::Error> {
    let mut writer = client.copy_in(sql)?;
    // What went wrong is told at the end.
    let _ = writer.write_all(data.as_bytes());
    writer.finish()
}

fn copy_out(client: &mut Client, sql: &str) -> Result<Vec<u8>, postgres::Error> {
    let mut found = Vec::new();
    let read = client.copy_out(sql)?.read_to_end(&mut found);
    read.map(|_| found).map_err(|error| {
        let error = error.into_inner().expect("an error of the server");
        *error.downcast().expect("an error of the server")
    })
}

fn context(result: Result<u64, postgres::Error>) -> (Failure, String) {
    let error = result.expect_err("it fails");
    let db = error.as_db_error().expect("the server says so");
    let context = db.where_().unwrap_or_default().to_owned();
    (failure::<()>(Err(error)), context)
}

#[test]
fn s1_10_export_is_a_right_of_its_own() {
    let database = crm();
    let mut lena = database.login("small_lena");
    let all = copy_out(&mut lena, "COPY companies (id, name) TO STDOUT").expect("she may export");
    assert_eq!(String::from_utf8_lossy(&all), "1\tArno\n2\tBrix\n4\tDolm\n");
    for login in ["small_omar", "small_yuki"] {
        let mut client = database.login(login);
        for sql in [
            "COPY companies TO STDOUT",
            "COPY companies (name) TO STDOUT (FORMAT csv)",
            "COPY public.companies TO STDOUT (FORMAT binary)",
        ] {
            let refused = denied(copy_out(&mut client, sql));
            assert!(
                refused.message.starts_with("you may not export"),
                "{login}: {}",
                refused.message
            );
        }
        copy_out(&mut client, "COPY (SELECT id FROM companies) TO STDOUT")
            .expect("that is a query");
    }
}

#[test]
fn s1_10_import_is_a_right_of_its_own() {
    let database = crm();
    let sql = "COPY companies (id, name, owner, team) FROM STDIN";
    for (login, owner, team) in [
        ("small_omar", "omar", "east"),
        ("small_yuki", "yuki", "west"),
    ] {
        let mut client = database.login(login);
        client
            .batch_execute(&format!("INSERT INTO companies (id, name, owner, team) VALUES (50, 'x', '{owner}', '{team}')"))
            .expect("creating is allowed");
        let refused = denied(copy_in(
            &mut client,
            sql,
            &format!("51\ty\t{owner}\t{team}\n"),
        ));
        assert!(
            refused.message.starts_with("you may not import"),
            "{login}: {}",
            refused.message
        );
        database.run("DELETE FROM companies WHERE id = 50");
    }
    let mut lena = database.login("small_lena");
    let rows = copy_in(
        &mut lena,
        sql,
        "60\tSix\tlena\teast\n61\tSeven\tlena\t\\N\n",
    )
    .expect("she may import");
    assert_eq!(rows, 2);
    assert!(database.is_true("SELECT count(*) = 2 FROM companies WHERE id IN (60, 61) AND creator = 'lena' AND owner = 'lena'"));
}

#[test]
fn rows_are_copied_as_copy_does() {
    let database = crm();
    database.run("CREATE SEQUENCE numbers START 100; ALTER TABLE companies ALTER id SET DEFAULT nextval('numbers'),
        ALTER region SET DEFAULT 'north', ADD COLUMN twice text GENERATED ALWAYS AS (name || name) STORED;
        GRANT USAGE ON SEQUENCE numbers TO small_people");
    let mut lena = database.login("small_lena");
    for (sql, data, rows) in [
        (
            "COPY companies (name, owner) FROM STDIN (FORMAT csv, HEADER true)",
            "name,owner\n\"a, b\",lena\nc,lena\n",
            2,
        ),
        (
            "COPY companies (owner, name) FROM STDIN (DELIMITER ';', NULL '-')",
            "lena;d\n",
            1,
        ),
        (
            "COPY public.companies (name, owner, region) FROM STDIN",
            "e\tlena\t\\N\n",
            1,
        ),
        ("COPY companies (name, owner) FROM STDIN", "", 0),
    ] {
        assert_eq!(copy_in(&mut lena, sql, data).expect(sql), rows, "{sql}");
    }
    // Defaults once for each row.
    assert!(database.is_true("SELECT string_agg(concat_ws('|', id, name, region, twice), ' ' ORDER BY id)
        = '100|a, b|north|a, ba, b 101|c|north|cc 102|d|north|dd 103|e|ee' FROM companies WHERE id >= 100"));
    // Out and in again.
    let binary = copy_out(&mut lena, "COPY (SELECT id + 100, name, owner FROM companies WHERE id >= 100) TO STDOUT (FORMAT binary)").expect("it is copied");
    let mut writer = lena
        .copy_in("COPY companies (id, name, owner) FROM STDIN (FORMAT binary)")
        .expect("it begins");
    writer.write_all(&binary).expect("it is sent");
    assert_eq!(writer.finish().expect("it ends"), 4);
    // Only some columns may be written.
    database.run("REVOKE INSERT ON companies FROM small_people; GRANT INSERT (name, owner) ON companies TO small_people");
    assert_eq!(
        copy_in(
            &mut lena,
            "COPY companies (name, owner) FROM STDIN",
            "f\tlena\n"
        )
        .expect("these may be"),
        1
    );
    let more = "COPY companies (name, owner, region) FROM STDIN";
    let refused = denied(copy_in(&mut lena, more, "f\tlena\tx\n"));
    assert_eq!(refused.message, "permission denied for table companies");
}

#[test]
fn an_error_names_the_line_and_nothing_is_copied() {
    let database = crm();
    let mut lena = database.login("small_lena");
    let sql = "COPY companies (id, name, owner) FROM STDIN";
    for (data, code, line) in [
        (
            "70\ta\tlena\n71\tb\tomar\n",
            "42501",
            "COPY companies, line 2",
        ),
        (
            "70\ta\tlena\nx\tb\tlena\n",
            "22P02",
            "COPY companies, line 2, column id: \"x\"",
        ),
        ("70\ta\tlena\n71\tb\n", "22P04", "COPY companies, line 2"),
        (
            "70\ta\tlena\n1\tb\tlena\n",
            "23505",
            "COPY companies, line 2",
        ),
        ("70\t\\N\tlena\n", "23502", "COPY companies, line 1"),
    ] {
        let (refused, context) = context(copy_in(&mut lena, sql, data));
        assert_eq!(refused.code, code, "{data}: {}", refused.message);
        assert!(context.contains(line), "{data}: {context}");
        assert_eq!(database.count("companies", "id IN (70, 71)"), 0, "{data}");
    }
    // The session goes on.
    assert_eq!(
        copy_in(&mut lena, sql, "70\ta\tlena\n").expect("that is right"),
        1
    );
}

#[test]
fn what_is_not_copied_is_refused() {
    let database = crm();
    let mut lena = database.login("small_lena");
    let mut refused = vec![
        "COPY companies FROM '/dev/null'",
        "COPY companies FROM PROGRAM 'true'",
        "COPY companies (id, name, owner) FROM STDIN WHERE id > 1",
    ];
    if celador_tests::major() >= 17 {
        refused.push("COPY companies (id, name, owner) FROM STDIN (ON_ERROR ignore)");
    }
    for sql in refused {
        let refused = failure(lena.batch_execute(sql));
        assert_eq!(refused.code, "0A000", "{sql}: {}", refused.message);
    }
    for sql in [
        "SELECT celador.copied_rows(NULL::companies)",
        "SELECT * FROM celador.copied_rows(NULL::companies)",
        "INSERT INTO companies SELECT (celador.copied_rows(NULL::companies)).*",
    ] {
        let _code_42501 = denied(lena.query(sql, &[]));
    }
    let mut nina = database.login("small_nina");
    let _nothing_is_hers = denied(copy_in(&mut nina, "COPY companies (id) FROM STDIN", "90\n"));
    // Who is exempt copies as ever.
    let mut superuser = database.superuser();
    assert_eq!(
        copy_in(
            &mut superuser,
            "COPY companies (id, name) FROM STDIN WHERE id > 80",
            "80\ta\n81\tb\n"
        )
        .expect("exempt"),
        1
    );
}
