//! Functions of the table's owner as renderings.

use celador_tests::{Database, denied, failure, folds};
use postgres::Client;

use super::shop::{document, outcome, shop};

/// What a function that may show a telephone says of itself.
const TRAITS: &str = "IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp";

/// A function of that name, made by the owner of the tables.
fn function(name: &str, body: &str, traits: &str) -> String {
    format!(
        "SET ROLE shop_owner;
         CREATE OR REPLACE FUNCTION public.{name}(varchar) RETURNS varchar LANGUAGE plpgsql {traits}
           AS $$ BEGIN RETURN {body}; END $$;
         RESET ROLE;"
    )
}

/// The shop's policy, where a function shows colleagues the telephone, and everybody the mobile.
fn by_function(name: &str) -> String {
    document("")
        .replace(
            "renderings = [\"clear\", \"partial(0,4)\", \"null\"]",
            &format!("renderings = [\"clear\", \"function({name})\", \"null\"]"),
        )
        .replace(
            "fields.telephone = { clear = [\"own\"], \"partial(0,4)\" = [\"group\"] }",
            &format!(
                "fields.telephone = {{ clear = [\"own\"], \"function({name})\" = [\"group\"] }}"
            ),
        )
        .replace(
            "renderings = [\"clear\", \"partial(1,0)\"]",
            &format!("renderings = [\"clear\", \"function({name})\"]"),
        )
}

/// The shop, with a function that leaves the first character and the length.
pub(crate) fn masking() -> Database {
    let database = shop();
    database.run(&function(
        "first_of",
        "left($1, 1) || '/' || length($1)::text",
        TRAITS,
    ));
    database.load(&by_function("public.first_of"));
    database
}

const PHONES: &str = "SELECT id, phone, mobile FROM contacts ORDER BY id";
const OF_LENA: &str = "1|5550001|+341\n2|5/7|+/4\n3|5/7|+/4\n4|NULL|NULL\n6|5/7|+/4\n(5)";

#[test]
fn rows_show_what_the_function_makes_of_them() {
    let database = masking();
    for settings in [
        "",
        "SET celador.fold = off",
        "SET default_transaction_isolation = 'repeatable read'",
    ] {
        let mut lena = database.login("shop_lena");
        lena.batch_execute(settings).unwrap();
        for (sql, shown) in [
            (PHONES, OF_LENA),
            ("SELECT id FROM contacts WHERE phone = '5550002'", "(0)"),
            (
                "SELECT id FROM contacts WHERE phone = '5/7' ORDER BY id",
                "2\n3\n6\n(3)",
            ),
            (
                "SELECT phone, count(*) FROM contacts WHERE id > 1 GROUP BY phone ORDER BY 1",
                "5/7|3\nNULL|1\n(2)",
            ),
            (
                "SELECT a.id, c.phone FROM accounts AS a LEFT JOIN contacts AS c ON c.account = a.id AND c.id = 2 ORDER BY 1",
                "1|5/7\n2|NULL\n4|NULL\n(3)",
            ),
            (
                "SELECT (c).phone FROM contacts AS c WHERE id = 2",
                "5/7\n(1)",
            ),
        ] {
            assert_eq!(outcome(&mut lena, sql), shown, "{settings}: {sql}");
        }
    }
    // Whoever is granted neither sees the last.
    let vera = "1|NULL|+/4\n2|NULL|+/4\n3|NULL|+/4\n4|NULL|NULL\n5|NULL|+/4\n6|NULL|+/4\n(6)";
    assert_eq!(outcome(&mut database.login("shop_vera"), PHONES), vera);
    let boss = "SELECT count(*) FROM contacts WHERE phone LIKE '%/%' OR mobile LIKE '%/%'";
    assert_eq!(outcome(&mut database.login("shop_boss"), boss), "0\n(1)");
}

#[test]
fn a_function_runs_in_parallel_workers() {
    let database = masking();
    let setting = if celador_tests::major() < 16 {
        "force_parallel_mode"
    } else {
        "debug_parallel_query"
    };
    let mut lena = database.login("shop_lena");
    lena.batch_execute(&format!("SET {setting} = on")).unwrap();
    assert_eq!(outcome(&mut lena, PHONES), OF_LENA);
}

#[test]
fn what_a_function_shows_is_written_back_and_what_is_stored_stays() {
    let database = masking();
    let mut lena = database.login("shop_lena");
    for sql in [
        "UPDATE contacts SET phone = phone, mobile = mobile",
        "UPDATE contacts SET phone = '5/7' WHERE id = 2",
        "INSERT INTO contacts (id, name, owner, team) VALUES (2, 'Otto', 'omar', 'east') ON CONFLICT (id) DO UPDATE SET phone = '5/7'",
        "MERGE INTO contacts AS c USING (VALUES (2)) AS v(id) ON v.id = c.id WHEN MATCHED THEN UPDATE SET phone = '5/7'",
    ] {
        let result = outcome(&mut lena, sql);
        assert!(!result.contains(": "), "{sql}: {result}");
        assert!(
            database
                .is_true("SELECT (phone, mobile) = ('5550002', '+342') FROM contacts WHERE id = 2"),
            "{sql}"
        );
    }
    outcome(
        &mut lena,
        "UPDATE contacts SET note = phone, phone = '6/7' WHERE id = 2",
    );
    assert!(database.is_true("SELECT (phone, note) = ('6/7', '5/7') FROM contacts WHERE id = 2"));
}

/// A name that others may define as well means the owner's function, and in it PostgreSQL's.
#[test]
fn a_persons_own_functions_change_nothing() {
    let database = masking();
    database.run(
        "CREATE SCHEMA evil AUTHORIZATION shop_lena; GRANT USAGE ON SCHEMA evil TO shop_people;
         CREATE TABLE evil.seen (value text)",
    );
    let mut lena = database.login("shop_lena");
    let path = "SET search_path = evil, public, pg_catalog";
    let own = "CREATE FUNCTION evil.first_of(varchar) RETURNS varchar LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1';
        CREATE FUNCTION evil.left(varchar, integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1::text';
        CREATE FUNCTION evil.length(varchar) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1::text';
        CREATE FUNCTION evil.joined(text, integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT $1';
        CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = integer, FUNCTION = evil.joined)";
    lena.batch_execute(&format!("{own}; {path}")).unwrap();
    assert_eq!(outcome(&mut lena, PHONES), OF_LENA);
    // Her own type of the name is asked before PostgreSQL's where pg_temp isn't named last.
    let plain = "SET search_path = pg_catalog, public, pg_temp";
    lena.batch_execute(plain).unwrap();
    lena.batch_execute(
        "CREATE FUNCTION evil.sees(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS
           'BEGIN RAISE EXCEPTION ''seen: %'', $1; END';
         CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (evil.sees(VALUE));
         CREATE DOMAIN pg_temp.varchar AS pg_catalog.varchar CHECK (evil.sees(VALUE))",
    )
    .unwrap();
    lena.batch_execute(path).unwrap();
    assert_eq!(outcome(&mut lena, "SELECT 'x'::text"), "P0001: seen: x");
    assert_eq!(outcome(&mut lena, PHONES), OF_LENA);
    // She may neither replace the owner's function nor put hers in its place.
    lena.batch_execute(plain).unwrap();
    let replace = function("first_of", "$1", TRAITS).replace("SET ROLE shop_owner;", "");
    let _code_42501 = denied(lena.batch_execute(&replace));
    database
        .run("GRANT CREATE ON SCHEMA public TO shop_lena; DROP FUNCTION public.first_of(varchar)");
    lena.batch_execute(
        "CREATE FUNCTION public.first_of(varchar) RETURNS varchar LANGUAGE sql IMMUTABLE PARALLEL SAFE
           SET search_path = pg_catalog, pg_temp AS 'SELECT $1'",
    )
    .unwrap();
    let refused = denied(lena.batch_execute(PHONES));
    assert!(
        refused
            .message
            .contains("public.first_of belongs to \"shop_lena\""),
        "{}",
        refused.message
    );
}

/// Who may not call the function is shown what it makes of rows, and nothing of guesses.
#[test]
fn nobody_needs_the_right_to_call_it() {
    let database = masking();
    database.run("REVOKE EXECUTE ON FUNCTION first_of(varchar) FROM PUBLIC");
    let mut lena = database.login("shop_lena");
    assert_eq!(outcome(&mut lena, PHONES), OF_LENA);
    let _code_42501 = denied(lena.batch_execute("SELECT first_of('5550002')"));
    // There is no such function for them; 16 and 17 try first to read `internal` from a literal without a type.
    let codes: &[&str] = match celador_tests::major() {
        16 | 17 => &["42883", "0A000"],
        _ => &["42883"],
    };
    for sql in [
        "SELECT celador.render_by('public', 'first_of', 0::oid, 'x', '5550002')",
        "SELECT celador.render_by('public', 'first_of', 0::oid, 'x', '5550002'::text)",
        "SELECT celador.render_by('public', 'first_of', 0::oid, 'x', NULL)",
        "SELECT celador.render_by('pg_catalog', 'textlike_support', 10::oid, 'x', NULL)",
        "SELECT celador.render_by(NULL, NULL, NULL, NULL, NULL)",
    ] {
        let code = failure(lena.batch_execute(sql)).code;
        assert!(codes.contains(&&*code), "{sql}: {code}");
    }
}

/// Each: what the function says of itself, and what is wrong.
const UNFIT: [(&str, &str); 7] = [
    (
        "VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp",
        "isn't IMMUTABLE",
    ),
    (
        "STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp",
        "isn't IMMUTABLE",
    ),
    (
        "IMMUTABLE SET search_path = pg_catalog, pg_temp",
        "isn't PARALLEL SAFE",
    ),
    (
        "IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp",
        "is SECURITY DEFINER",
    ),
    (
        "IMMUTABLE PARALLEL SAFE",
        "by the search_path of whoever asks",
    ),
    (
        "IMMUTABLE PARALLEL SAFE SET search_path = 'pg_catalog'",
        "by the search_path of whoever asks",
    ),
    (
        "IMMUTABLE PARALLEL SAFE SET search_path = ''",
        "by the search_path of whoever asks",
    ),
];

#[test]
fn a_function_that_may_not_show_a_field_is_refused_when_the_policy_is_loaded() {
    let database = masking();
    database.run(
        "CREATE FUNCTION of_text(text) RETURNS text LANGUAGE internal IMMUTABLE PARALLEL SAFE AS 'upper';
         CREATE FUNCTION other(varchar) RETURNS text LANGUAGE internal IMMUTABLE PARALLEL SAFE AS 'upper';
         CREATE FUNCTION two(varchar, integer DEFAULT 1) RETURNS varchar LANGUAGE sql IMMUTABLE PARALLEL SAFE
           SET search_path = pg_catalog, pg_temp AS 'SELECT $1';
         CREATE FUNCTION several(varchar) RETURNS SETOF varchar LANGUAGE sql IMMUTABLE PARALLEL SAFE
           SET search_path = pg_catalog, pg_temp AS 'SELECT $1';
         CREATE FUNCTION of_lena(varchar) RETURNS varchar LANGUAGE sql IMMUTABLE PARALLEL SAFE
           SET search_path = pg_catalog, pg_temp AS 'SELECT $1'; ALTER FUNCTION of_lena(varchar) OWNER TO shop_lena;
         CREATE PROCEDURE no_function(varchar) LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'SELECT $1'",
    );
    let mut refused: Vec<(String, &str)> = Vec::new();
    for (at, (traits, problem)) in UNFIT.into_iter().enumerate() {
        database.run(&function(&format!("unfit_{at}"), "$1", traits));
        refused.push((format!("public.unfit_{at}"), problem));
    }
    for (name, problem) in [
        ("public.gone", "there is no function public.gone"),
        ("gone.first_of", "there is no function gone.first_of"),
        (
            "public.of_text",
            "doesn't take one pg_catalog.varchar and return one",
        ),
        (
            "public.other",
            "doesn't take one pg_catalog.varchar and return one",
        ),
        (
            "public.two",
            "doesn't take one pg_catalog.varchar and return one",
        ),
        (
            "public.several",
            "doesn't take one pg_catalog.varchar and return one",
        ),
        (
            "public.no_function",
            "doesn't take one pg_catalog.varchar and return one",
        ),
        (
            "public.of_lena",
            "belongs to \"shop_lena\", and the table to \"shop_owner\"",
        ),
        (
            "pg_catalog.max",
            "doesn't take one pg_catalog.varchar and return one",
        ),
        ("first_of", "\"function(first_of)\" is no rendering"),
    ] {
        refused.push((name.to_owned(), problem));
    }
    let mut superuser = database.superuser();
    let revision = "SELECT max(revision) FROM celador.policy";
    let before = outcome(&mut superuser, revision);
    for (name, problem) in refused {
        let text = by_function(&name);
        let error = failure(superuser.query("SELECT celador.load_policy($1)", &[&text]));
        assert_eq!(error.code, "22023", "{name}");
        let all = format!("{} {}", error.message, error.detail);
        assert!(all.contains(problem), "{name}: {all}");
        assert!(!error.hint.is_empty(), "{name}");
    }
    assert_eq!(outcome(&mut superuser, revision), before);
    assert_eq!(outcome(&mut database.login("shop_lena"), PHONES), OF_LENA);
}

/// What is done to the function after the load, and what statements say then. What was prepared before
/// hears of it as well.
#[test]
fn a_function_that_is_changed_afterwards_ends_the_statement() {
    changed_functions_are_noticed(&masking());
}

#[track_caller]
pub(crate) fn changed_functions_are_noticed(database: &Database) {
    let mut lena = database.login("shop_lena");
    lena.batch_execute(&format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE p AS {PHONES}; EXECUTE p"
    ))
    .unwrap();
    let first_of = function("first_of", "left($1, 1) || '/' || length($1)", TRAITS);
    let mut says = |done: &str, problem: &str| {
        database.run(done);
        let said = [
            outcome(&mut lena, "EXECUTE p"),
            outcome(&mut lena, PHONES),
            outcome(&mut database.login("shop_lena"), PHONES),
        ];
        for said in said {
            assert!(
                said.starts_with("42501") && said.contains(problem),
                "{done}: {said}"
            );
        }
        database.run(&format!("{}{first_of}", room_for_it(done)));
        assert_eq!(outcome(&mut lena, "EXECUTE p"), OF_LENA, "{done}");
    };
    for (what, problem) in [
        ("VOLATILE", "isn't IMMUTABLE"),
        ("PARALLEL UNSAFE", "isn't PARALLEL SAFE"),
        ("SECURITY DEFINER", "is SECURITY DEFINER"),
        ("RESET search_path", "by the search_path of whoever asks"),
        (
            "SET search_path = public",
            "by the search_path of whoever asks",
        ),
        ("OWNER TO shop_omar", "belongs to \"shop_omar\""),
        ("RENAME TO another", "is gone"),
    ] {
        says(&format!("ALTER FUNCTION first_of(varchar) {what}"), problem);
    }
    says("DROP FUNCTION first_of(varchar)", "is gone");
    says(
        "DROP FUNCTION first_of(varchar);
         CREATE FUNCTION first_of(varchar) RETURNS text LANGUAGE internal IMMUTABLE PARALLEL SAFE AS 'upper'",
        "doesn't take one",
    );
}

/// What makes room for the function as it was.
fn room_for_it(done: &str) -> &'static str {
    if done.contains("OWNER") || done.contains("DROP") {
        "DROP FUNCTION IF EXISTS first_of(varchar);"
    } else if done.contains("RENAME") {
        "DROP FUNCTION another(varchar);"
    } else {
        ""
    }
}

/// Another body holds from the next statement on, for what was prepared too.
#[test]
fn a_new_body_is_shown_at_once() {
    let database = masking();
    let mut lena = database.login("shop_lena");
    let phone = "SELECT phone FROM contacts WHERE id = 2";
    lena.batch_execute(&format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE p AS {phone}"
    ))
    .unwrap();
    assert_eq!(outcome(&mut lena, "EXECUTE p"), "5/7\n(1)");
    database.run(&function("first_of", "'new'", TRAITS));
    assert_eq!(outcome(&mut lena, "EXECUTE p"), "new\n(1)");
    assert_eq!(outcome(&mut lena, phone), "new\n(1)");
}

/// The table's next owner has written nothing yet.
#[test]
fn a_function_of_the_tables_last_owner_shows_nothing() {
    let database = masking();
    database.run("CREATE ROLE shop_next; ALTER TABLE contacts OWNER TO shop_next");
    let refused = denied(database.login("shop_lena").batch_execute(PHONES));
    let problem = "belongs to \"shop_owner\", and the table to \"shop_next\"";
    assert!(refused.message.contains(problem), "{}", refused.message);
    database.run("ALTER TABLE contacts OWNER TO shop_owner");
    assert_eq!(outcome(&mut database.login("shop_lena"), PHONES), OF_LENA);
}

#[test]
fn an_error_of_the_function_tells_no_value() {
    errors_tell_no_value(&masking());
}

#[track_caller]
pub(crate) fn errors_tell_no_value(database: &Database) {
    let caught = "DO $$ DECLARE m text; d text; h text; c text; s text; BEGIN
        PERFORM phone FROM contacts WHERE id = 2;
        EXCEPTION WHEN OTHERS THEN
          GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT,
            c = PG_EXCEPTION_CONTEXT, s = RETURNED_SQLSTATE;
          RAISE EXCEPTION 'caught % % % % %', s, m, d, h, c; END $$";
    for body in [
        "($1 || 'x')::integer",
        "$1 || 1 / 0",
        "($1 || '}')::pg_catalog.json",
        "crm.unknown($1)",
    ] {
        database.run(&function("first_of", body, TRAITS));
        let mut lena = database.login("shop_lena");
        let told = |client: &mut Client, sql: &str| {
            let error = client.batch_execute(sql).expect_err("it fails");
            format!("{:?}", error.as_db_error().expect("the server's"))
        };
        for sql in ["SELECT phone FROM contacts WHERE id = 2", caught] {
            let told = told(&mut lena, sql);
            assert!(
                told.contains("by which field \\\"telephone\\\" is shown, has failed")
                    && told.contains("38000"),
                "{body}: {told}"
            );
            assert!(!told.contains("5550002"), "{body}: {told}");
            assert!(
                !told.contains("first_of(character varying) line"),
                "{body}: {told}"
            );
        }
        // The transaction goes on from its savepoint.
        let after = outcome(
            &mut lena,
            "BEGIN; SAVEPOINT s; DO $$ BEGIN PERFORM phone FROM contacts WHERE id = 2; EXCEPTION WHEN OTHERS THEN END $$;
             SELECT phone FROM contacts WHERE id = 1; COMMIT",
        );
        assert!(after.contains("5550001"), "{after}");
    }
}

#[test]
fn a_statement_is_ended_from_outside_while_the_function_runs() {
    let database = masking();
    let sleeping = function("first_of", "(SELECT 'x' FROM pg_sleep(60))", TRAITS);
    database.run(&sleeping);
    let mut lena = database.login("shop_lena");
    lena.batch_execute("SET statement_timeout = '200ms'")
        .unwrap();
    assert_eq!(failure(lena.batch_execute(PHONES)).code, "57014");
}

/// Types of one's own, and columns whose type holds less than the function's.
#[test]
fn a_function_is_of_the_columns_type() {
    let database = shop();
    database.run(
        "SET ROLE shop_owner;
         CREATE FUNCTION worse(mood) RETURNS mood LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
           AS $$ SELECT 'bad'::public.mood $$;
         CREATE FUNCTION long(bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
           AS $$ SELECT 'longer than eight' $$;
         CREATE FUNCTION filled(text[]) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
           BEGIN ATOMIC SELECT array_fill('x'::text, ARRAY[cardinality($1)]); END;
         RESET ROLE",
    );
    let text = document("")
        .replace(
            "renderings = [\"clear\", \"constant(XX)\"]",
            "renderings = [\"clear\", \"function(public.long)\"]",
        )
        .replace(
            "[fields.contacts.tags]\nrenderings = [\"clear\", \"null\"]",
            "[fields.contacts.tags]\nrenderings = [\"clear\", \"function(public.filled)\"]",
        )
        .replace(
            "[fields.contacts.mood]\nrenderings = [\"clear\", \"null\"]",
            "[fields.contacts.mood]\nrenderings = [\"clear\", \"function(public.worse)\"]",
        )
        .replace(
            "renderings = [\"clear\", \"email\"]",
            "renderings = [\"clear\", \"function(pg_catalog.upper)\"]",
        );
    database.load(&text);
    let mut vera = database.login("shop_vera");
    let sql = "SELECT id, mood, card, tags, email FROM contacts WHERE id IN (1, 4) ORDER BY id";
    assert_eq!(
        outcome(&mut vera, sql),
        "1|bad|longer t|{x,x}|NORA@ARNO.EXAMPLE\n4|bad|NULL|NULL|NULL\n(2)"
    );
    let plan = "SELECT string_agg(result, ' ') FROM celador.explain_plan('vera', 'SELECT email FROM contacts') WHERE kind = 'mask'";
    let told = outcome(&mut database.superuser(), plan);
    assert!(
        !folds() || told.contains("render_by('pg_catalog'") && told.contains("'upper'"),
        "{told}"
    );
}
