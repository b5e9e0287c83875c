//! Who a session acts for, and that SQL without a key makes it nobody else.

mod desk;

use celador_tests::denied;
use desk::people::{act_as, carried, is, is_nobody, token, whoami};
use desk::{desk, ids, number, run, text};
use postgres::Client;

#[test]
fn the_login_is_mapped_to_a_person() {
    let database = desk();
    is(&mut database.login("desk_bea"), "2", "login");
    is(&mut database.login("desk_dan"), "4", "login");
    is_nobody(&mut database.login("desk_stranger"), "no user's login");
    is_nobody(&mut database.login("desk_off"), "deactivated");
    database.run("UPDATE users SET login = 'desk_bea' WHERE id = 4");
    is_nobody(&mut database.login("desk_bea"), "several users");
}

#[test]
fn carriers_have_no_login_mapping() {
    let database = carried();
    database.run("UPDATE users SET login = 'desk_pool' WHERE id = 2");
    is_nobody(&mut database.login("desk_pool"), "carries identities");
    // Also by membership, whether inherited or not.
    database.run(
        "CREATE ROLE desk_carriers; CREATE ROLE desk_heir LOGIN IN ROLE desk_people;
         GRANT EXECUTE ON FUNCTION celador.act_as(text) TO desk_carriers;
         GRANT desk_carriers TO desk_heir;
         UPDATE users SET login = 'desk_heir' WHERE id = 2",
    );
    is_nobody(&mut database.login("desk_heir"), "carries identities");
    let mut stranger = database.login("desk_bea");
    for function in ["celador.act_as('1')", "celador.assume('x')"] {
        denied(stranger.batch_execute(&format!("SELECT {function}")));
    }
}

#[test]
fn a_login_that_carries_identities_does_not_change_itself() {
    let database = carried();
    database.run(
        "CREATE FUNCTION for_carriers() RETURNS void SECURITY DEFINER LANGUAGE sql AS
           $$ ALTER ROLE desk_pool SET work_mem = '5MB' $$;
         CREATE ROLE desk_other",
    );
    let mut pool = database.login("desk_pool");
    for person in [None, Some("2")] {
        if let Some(person) = person {
            act_as(&mut pool, person);
        }
        for sql in [
            "ALTER ROLE desk_pool PASSWORD 'known'",
            "ALTER USER CURRENT_USER VALID UNTIL '2000-01-01'",
            "ALTER ROLE SESSION_USER SET search_path = mine",
            "ALTER ROLE desk_pool IN DATABASE template1 SET search_path = mine",
            "ALTER ROLE desk_pool RESET ALL",
            "ALTER ROLE desk_people SET search_path = mine",
            "SET ROLE desk_people; ALTER ROLE CURRENT_USER SET search_path = mine",
            "ALTER GROUP desk_pool ADD USER desk_other",
            "GRANT desk_pool TO desk_other",
            "REVOKE desk_people FROM desk_pool",
            "DO $$ BEGIN EXECUTE 'ALTER ROLE desk_pool SET search_path = mine'; END $$",
        ] {
            let said = denied(pool.batch_execute(sql));
            assert!(
                said.message.contains("carries identities"),
                "{sql}: {said:?}"
            );
            pool.batch_execute("RESET ROLE").expect("everybody may");
        }
    }
    // What a superuser wrote for it, and what concerns others, is PostgreSQL's to decide.
    run(&mut pool, "SELECT for_carriers()");
    let said = denied(pool.batch_execute("ALTER ROLE desk_other SET search_path = mine"));
    assert!(!said.message.contains("carries"), "{said:?}");
    let mut bea = database.login("desk_bea");
    run(&mut bea, "ALTER ROLE CURRENT_USER SET work_mem = '5MB'");
}

#[test]
fn failing_to_become_somebody_leaves_nobody() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    for sql in [
        "SELECT celador.act_as('99')",
        "SELECT celador.act_as('5')",
        "SELECT celador.act_as('')",
        "SELECT celador.act_as(NULL)",
        "SELECT celador.assume(NULL)",
        "DO $$ BEGIN PERFORM celador.act_as('99'); EXCEPTION WHEN OTHERS THEN NULL; END $$",
        "DO $$ BEGIN PERFORM celador.assume('x'); EXCEPTION WHEN OTHERS THEN NULL; END $$",
    ] {
        act_as(&mut pool, "2");
        let _ = pool.batch_execute(sql);
        let (user, ..) = whoami(&mut pool);
        assert_eq!(user, None, "after {sql}");
    }
}

#[test]
fn sql_ends_an_identity_and_makes_none() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    for sql in [
        "RESET ALL",
        "DISCARD ALL",
        "RESET celador.identity",
        "SET celador.identity TO DEFAULT",
        "SET celador.identity = ''",
        "SELECT celador.end_identity()",
    ] {
        act_as(&mut pool, "2");
        is(&mut pool, "2", "token");
        run(&mut pool, sql);
        is_nobody(&mut pool, "carries identities");
    }
    // Who is signed in doesn't change with the database role.
    act_as(&mut pool, "2");
    run(&mut pool, "SET ROLE desk_people");
    is(&mut pool, "2", "token");
    run(&mut pool, "RESET ROLE");
    let mut bea = database.login("desk_bea");
    for sql in [
        "SET ROLE desk_people",
        "RESET ALL",
        "DISCARD ALL",
        "SET celador.identity = ''",
    ] {
        run(&mut bea, sql);
        is(&mut bea, "2", "login");
    }
}

#[test]
fn sql_without_a_key_sets_no_identity() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    act_as(&mut pool, "2");
    let good = token(&mut pool, "4");
    for sql in [
        format!("SET celador.identity = '{good}'"),
        format!("SET LOCAL celador.identity = '{good}'"),
        format!("SELECT set_config('celador.identity', '{good}', true)"),
        format!("UPDATE pg_settings SET setting = '{good}' WHERE name = 'celador.identity'"),
        format!("ALTER ROLE desk_pool SET celador.identity = '{good}'"),
        format!(
            "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET celador.identity = '{good}' AS 'SELECT 1'; SELECT pg_temp.f()"
        ),
        "SET celador.identity = 'x'".to_owned(),
        "SET celador.key_file = '/dev/null'".to_owned(),
        "SET celador.other = 'x'".to_owned(),
        "SET SESSION AUTHORIZATION desk_ann".to_owned(),
    ] {
        // Not every form raises: UPDATE pg_settings of a setting that isn't listed does nothing.
        let _ = pool.batch_execute(&sql);
        is(&mut pool, "2", "token");
    }
    // Settings that come with the role or the connection.
    database.run(&format!(
        "ALTER DATABASE {} SET celador.identity = ''",
        database.name()
    ));
    is_nobody(&mut database.login("desk_pool"), "carries identities");
    let _ = database.superuser().batch_execute(&format!(
        "ALTER ROLE desk_pool SET celador.identity = '{good}'"
    ));
    let config = format!(
        "{}?options=-c%20celador.identity%3D{}",
        database.url("desk_pool"),
        good.replace(':', "%3A")
    );
    for url in [database.url("desk_pool"), config] {
        // Refused, or nobody.
        if let Ok(mut client) = Client::connect(&url, postgres::NoTls) {
            assert_eq!(whoami(&mut client).0, None);
        }
    }
    database.run("ALTER ROLE desk_pool RESET ALL");
}

#[test]
fn functions_with_settings_of_their_own_bring_nobody_back() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "CREATE FUNCTION pg_temp.inside(who text) RETURNS text LANGUAGE plpgsql SET celador.identity = '' AS $$
         BEGIN PERFORM celador.act_as(who); RETURN (SELECT \"user\" FROM celador.whoami()); END $$",
    );
    assert_eq!(
        text(&mut pool, "SELECT pg_temp.inside('4')").as_deref(),
        Some("4")
    );
    // Whoever is signed in now, it is not bea again.
    assert_ne!(whoami(&mut pool).0.as_deref(), Some("2"));
}

#[test]
fn a_rollback_brings_nobody_back() {
    let database = carried();
    let mut pool = database.login("desk_pool");
    act_as(&mut pool, "2");
    run(&mut pool, "BEGIN; SELECT celador.act_as('4'); ROLLBACK");
    is_nobody(&mut pool, "rolled back");
    act_as(&mut pool, "2");
    run(&mut pool, "BEGIN; SELECT celador.end_identity(); ROLLBACK");
    assert_eq!(whoami(&mut pool).0, None);
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "BEGIN; SAVEPOINT s; SELECT celador.act_as('4'); ROLLBACK TO s",
    );
    assert_eq!(whoami(&mut pool).0, None);
    run(&mut pool, "COMMIT");
    is_nobody(&mut pool, "rolled back");
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "BEGIN; SAVEPOINT s; SELECT celador.act_as('4'); RELEASE s; ROLLBACK",
    );
    assert_eq!(whoami(&mut pool).0, None);
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "BEGIN; SAVEPOINT s; SELECT celador.act_as('4'); RELEASE s; COMMIT",
    );
    is(&mut pool, "4", "token");
    // An error in the same transaction.
    assert!(
        pool.batch_execute("SELECT celador.act_as('2'); SELECT 1 / 0")
            .is_err()
    );
    is_nobody(&mut pool, "rolled back");
    act_as(&mut pool, "2");
    run(
        &mut pool,
        "DO $$ BEGIN PERFORM celador.act_as('4'); RAISE 'x'; EXCEPTION WHEN OTHERS THEN NULL; END $$",
    );
    assert_eq!(whoami(&mut pool).0, None);
}

#[test]
fn the_identity_stays_while_rows_are_being_read() {
    let database = carried();
    database.run("SET ROLE desk_owner; CREATE FUNCTION first_case() RETURNS text LANGUAGE sql AS 'SELECT title FROM cases LIMIT 1'");
    let mut pool = database.login("desk_pool");
    for sql in [
        "SELECT celador.act_as('4') FROM cases",
        "SELECT title FROM cases WHERE celador.act_as('4') IS NOT NULL",
        "SELECT celador.act_as('4'), count(*) FROM cases",
        "UPDATE cases SET note = celador.act_as('4')::text",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM cases LOOP PERFORM celador.act_as('4'); END LOOP; END $$",
        "DO $$ DECLARE c CURSOR FOR SELECT * FROM cases; BEGIN OPEN c; PERFORM celador.act_as('4'); END $$",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM cases; SELECT celador.act_as('4'); COMMIT",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM cases; FETCH c; SELECT celador.end_identity(); COMMIT",
        "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT first_case(), g FROM generate_series(1, 3) AS g, cases; SELECT celador.act_as('4'); COMMIT",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM cases LOOP COMMIT; PERFORM celador.act_as('4'); END LOOP; END $$",
    ] {
        act_as(&mut pool, "2");
        assert!(pool.batch_execute(sql).is_err(), "{sql}");
        let _ = pool.batch_execute("ROLLBACK");
        let user = whoami(&mut pool).0;
        assert!(
            user.is_none() || user.as_deref() == Some("2"),
            "{sql}: {user:?}"
        );
    }
    // A cursor that was held over a commit doesn't go on for the next person, or for nobody.
    for next in [
        "SELECT celador.act_as('4')",
        "SELECT celador.end_identity()",
        "RESET celador.identity",
        "RESET ALL",
        "SET celador.identity = ''",
    ] {
        act_as(&mut pool, "2");
        run(
            &mut pool,
            "BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT * FROM cases; COMMIT",
        );
        run(&mut pool, next);
        assert!(pool.batch_execute("FETCH ALL FROM held").is_err(), "{next}");
        let _ = pool.batch_execute("CLOSE ALL");
    }
}

#[test]
fn another_session_user_is_another_person() {
    let database = desk();
    let mut superuser = database.superuser();
    for (role, own) in [("desk_bea", 2), ("desk_dan", 4), ("desk_bea", 2)] {
        run(&mut superuser, &format!("SET SESSION AUTHORIZATION {role}"));
        assert_eq!(ids(&mut superuser, "SELECT id FROM cases"), [own]);
    }
    run(&mut superuser, "SET SESSION AUTHORIZATION desk_stranger");
    is_nobody(&mut superuser, "no user's login");
}

#[test]
fn parallel_plans_show_the_same_rows() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    let force = if celador_tests::major() < 16 {
        "force_parallel_mode"
    } else {
        "debug_parallel_query"
    };
    run(
        &mut bea,
        &format!(
            "SET {force} = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
        ),
    );
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);
    assert_eq!(number(&mut bea, "SELECT count(*) FROM cases"), 1);
    run(
        &mut bea,
        "CREATE FUNCTION pg_temp.notes() RETURNS bigint LANGUAGE plpgsql PARALLEL SAFE STABLE
         AS 'BEGIN RETURN (SELECT count(*) FROM public.cases); END'",
    );
    let counted = bea.query("SELECT pg_temp.notes() FROM countries", &[]);
    if let Ok(rows) = counted {
        assert!(rows.iter().all(|row| row.get::<_, i64>(0) == 1));
    }
}

#[test]
fn the_directory_runs_nothing_that_a_tables_owner_wrote() {
    // Celador reads the directory with more rights than a table's owner has.
    for change in [
        "ALTER TABLE users RENAME TO people;
         CREATE VIEW users AS SELECT id, login, active, boss, region, last_seen FROM people WHERE evil()",
        "CREATE TYPE own_text AS (t text);
         CREATE FUNCTION own_cast(own_text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil(); RETURN ''; END $$;
         CREATE CAST (own_text AS text) WITH FUNCTION own_cast(own_text);
         ALTER TABLE users ALTER COLUMN region TYPE own_text USING ROW(region)::own_text",
        "ALTER TABLE users RENAME TO people;
         CREATE TABLE users (LIKE people);
         ALTER TABLE users ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON users USING (evil())",
    ] {
        let database = desk();
        database.run(
            "SET ROLE desk_owner;
             CREATE FUNCTION evil() RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN
               EXECUTE 'CREATE ROLE desk_evil' || (random() * 1e9)::int || ' SUPERUSER';
               RETURN true;
             EXCEPTION WHEN insufficient_privilege THEN RETURN true;
             END $$;",
        );
        // Refused already here, or without effect below.
        let _ = database
            .login("desk_migrator")
            .batch_execute(&format!("SET ROLE desk_owner; {change}"));
        let _ = database.login("desk_bea").query("SELECT * FROM cases", &[]);
        let _ = database.login("desk_stranger").query("SELECT * FROM celador.whoami()", &[]);
        let _ = database
            .login("desk_migrator")
            .batch_execute("SET ROLE desk_owner; UPDATE users SET region = NULL; UPDATE people SET region = NULL");
        let made = number(
            &mut database.superuser(),
            "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, 'desk_evil')",
        );
        assert_eq!(made, 0, "{change}");
    }
}

/// By the policy's choice a session without any identity sees empty tables, and writes nothing. One
/// with an identity that isn't valid still gets an error.
#[test]
fn x_6_no_identity_at_all_may_be_empty() {
    let database = desk();
    let choice = "[mapping]\nno_identity = \"empty\"\nreadable = [\"countries\"]";
    let document = desk::document(desk::MATRIX)
        .replacen("[mapping]", choice, 1)
        .replace("open = [\"countries\"]\n", "");
    database.load(&document);
    for role in ["desk_stranger", "desk_pool"] {
        let mut nobody = database.login(role);
        for sql in [
            "SELECT count(*) FROM cases",
            "SELECT count(*) FROM lines",
            "SELECT count(*) FROM users",
            "SELECT count(*) FROM countries",
            "WITH changed AS (UPDATE cases SET note = '' RETURNING 1) SELECT count(*) FROM changed",
            "WITH gone AS (DELETE FROM cases RETURNING 1) SELECT count(*) FROM gone",
        ] {
            assert_eq!(number(&mut nobody, sql), 0, "{role}: {sql}");
        }
        denied(nobody.batch_execute("INSERT INTO cases (id, title) VALUES (70, 'new')"));
        denied(nobody.batch_execute("INSERT INTO countries VALUES ('XX')"));
        denied(nobody.batch_execute("INSERT INTO roles VALUES (1, 'seller')"));
        let known: Option<String> = nobody
            .query_one("SELECT \"user\" FROM celador.whoami()", &[])
            .expect("it tells")
            .get(0);
        assert_eq!(known, None, "{role}");
    }
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM countries"
        ),
        2
    );
    is_nobody(&mut database.login("desk_off"), "deactivated");
    // A cursor doesn't go from nobody to somebody.
    database.run("GRANT EXECUTE ON FUNCTION celador.act_as(text) TO desk_pool");
    let mut pool = database.login("desk_pool");
    run(
        &mut pool,
        "BEGIN; DECLARE c CURSOR FOR SELECT id FROM cases",
    );
    assert!(ids(&mut pool, "FETCH 1 FROM c").is_empty());
    assert!(pool.batch_execute("SELECT celador.act_as('2')").is_err());
    run(&mut pool, "ROLLBACK; SELECT celador.act_as('2')");
    assert_eq!(ids(&mut pool, "SELECT id FROM cases"), [2]);
}
