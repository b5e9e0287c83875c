//! DDL by people: nothing that protects a table goes away.

use celador_tests::Database;

use crate::stage::{shows_nothing_hidden, stage, tries};

/// What protects the tables, and who may what.
const PROTECTION: &str = "
SELECT 'class ' || concat_ws(' ', relname, relowner, relrowsecurity, relforcerowsecurity, relacl)
  FROM pg_class WHERE relnamespace IN ('shop'::regnamespace, 'celador'::regnamespace)
UNION ALL SELECT 'policy ' || concat_ws(' ', polname, polrelid, polpermissive, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
UNION ALL SELECT 'trigger ' || concat_ws(' ', tgname, tgrelid, tgenabled, tgfoid) FROM pg_trigger
  JOIN pg_class AS c ON c.oid = tgrelid WHERE relnamespace IN ('shop'::regnamespace, 'celador'::regnamespace)
UNION ALL SELECT 'function ' || concat_ws(' ', proname, proowner, proacl, md5(prosrc)) FROM pg_proc WHERE pronamespace IN ('shop'::regnamespace, 'celador'::regnamespace)
UNION ALL SELECT 'event ' || concat_ws(' ', evtname, evtenabled) FROM pg_event_trigger
UNION ALL SELECT 'rule ' || concat_ws(' ', ev_class, rulename, md5(ev_action::text)) FROM pg_rewrite WHERE ev_class > 16383
  AND ev_class IN (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace)
UNION ALL SELECT 'heir ' || concat_ws(' ', inhrelid, inhparent) FROM pg_inherits
UNION ALL SELECT 'column ' || concat_ws(' ', attrelid, attnum, attname) FROM pg_attribute WHERE attrelid IN
  (SELECT oid FROM pg_class WHERE relnamespace = 'shop'::regnamespace)
UNION ALL SELECT 'role ' || concat_ws(' ', rolname, rolsuper, rolbypassrls) FROM pg_roles WHERE rolname LIKE 'atk%'
UNION ALL SELECT 'setting ' || setconfig::text FROM pg_db_role_setting
ORDER BY 1";

fn protection(database: &Database) -> Vec<String> {
    let rows = database.superuser().query(PROTECTION, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

const ATTEMPTS: [&str; 44] = [
    "ALTER TABLE shop.deals DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE shop.deals NO FORCE ROW LEVEL SECURITY",
    "DROP POLICY celador_read ON shop.deals",
    "ALTER POLICY celador_read ON shop.deals USING (true)",
    "ALTER POLICY celador_read ON shop.deals RENAME TO other",
    "ALTER POLICY celador_read ON shop.deals TO atk_none",
    "ALTER TABLE shop.deals DISABLE TRIGGER ALL",
    "ALTER TABLE shop.deals DISABLE TRIGGER \"~celador_guard\"",
    "ALTER TABLE shop.deals ENABLE REPLICA TRIGGER \"~celador_guard\"",
    "ALTER TRIGGER \"~celador_guard\" ON shop.deals RENAME TO aaa",
    "DROP TRIGGER \"~celador_guard\" ON shop.deals",
    "ALTER TABLE shop.staff DISABLE TRIGGER USER",
    "CREATE TRIGGER \"~zz\" BEFORE UPDATE ON shop.deals FOR EACH ROW EXECUTE FUNCTION yard.give()",
    "CREATE RULE r AS ON SELECT TO shop.deals DO INSTEAD SELECT * FROM yard.fake",
    "CREATE RULE r AS ON UPDATE TO shop.deals DO ALSO INSERT INTO yard.kept VALUES (OLD.title)",
    "CREATE RULE r AS ON INSERT TO shop.notes DO ALSO DELETE FROM shop.deals",
    "ALTER TABLE shop.deals RENAME COLUMN owner_id TO was",
    "ALTER TABLE shop.deals DROP COLUMN owner_id",
    "ALTER TABLE shop.deals RENAME TO other",
    "ALTER TABLE shop.deals SET SCHEMA yard",
    "ALTER TABLE shop.notes INHERIT yard.fake",
    "ALTER TABLE shop.special_deals NO INHERIT shop.deals",
    "ALTER TABLE shop.log DETACH PARTITION shop.log_old",
    "ALTER TABLE shop.log ATTACH PARTITION yard.part FOR VALUES FROM ('1990-01-01') TO ('1991-01-01')",
    "CREATE TABLE yard.heir () INHERITS (shop.deals)",
    "ALTER TABLE shop.deals OWNER TO atk_ruth",
    "ALTER FUNCTION celador.covered() OWNER TO atk_ruth",
    "CREATE OR REPLACE FUNCTION celador.covered() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE FUNCTION celador.all_in_reach(text, name) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "DROP EXTENSION celador CASCADE",
    "ALTER EXTENSION celador DROP EVENT TRIGGER celador_schema",
    "DROP EVENT TRIGGER celador_schema",
    "ALTER EVENT TRIGGER celador_schema DISABLE",
    "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION celador.schema_changed()",
    "ALTER ROLE atk_ruth BYPASSRLS",
    "ALTER ROLE atk_ruth SET session_preload_libraries = ''",
    "ALTER DATABASE postgres SET session_preload_libraries = ''",
    "ALTER SYSTEM SET session_preload_libraries = ''",
    "GRANT atk_owner TO atk_ruth",
    "CREATE STATISTICS yard.s ON title, code FROM shop.deals",
    "CREATE INDEX ON shop.deals (title)",
    "CREATE PUBLICATION p FOR TABLE shop.deals",
    "CREATE POLICY mine ON shop.deals USING (true)",
    "DROP TABLE shop.notes",
];

#[test]
fn ddl_of_a_person() {
    let database = stage();
    tries(
        &database,
        "atk_ruth",
        &[
            "CREATE FUNCTION yard.give() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TABLE yard.fake (LIKE shop.notes)",
            "CREATE TABLE yard.kept (title text)",
            "CREATE TABLE yard.part (LIKE shop.log)",
        ],
    );
    let before = protection(&database);
    for attempt in ATTEMPTS {
        let seen = shows_nothing_hidden(&database, &[attempt, "SELECT * FROM yard.kept"]);
        assert!(seen.contains("ERROR"), "{attempt}\n{seen}");
        assert_eq!(protection(&database), before, "{attempt}\n{seen}");
    }
}

/// Somebody who got the owner's role after the load: what protects the tables can't be taken
/// away, in one statement or in several.
#[test]
fn ddl_of_a_member_of_the_owning_role() {
    let database = stage();
    database.run(
        "CREATE ROLE atk_late LOGIN IN ROLE atk_people, atk_owner;
         INSERT INTO shop.staff VALUES (7, 'atk_late', 1, 'seller', NULL)",
    );
    for attempts in [
        &["ALTER TABLE shop.deals DISABLE ROW LEVEL SECURITY"][..],
        &["ALTER TABLE shop.deals NO FORCE ROW LEVEL SECURITY"],
        &["DROP POLICY celador_read ON shop.deals"],
        &["ALTER POLICY celador_read ON shop.deals USING (true)"],
        &["ALTER POLICY celador_read ON shop.deals TO atk_none"],
        &["ALTER TABLE shop.deals DISABLE TRIGGER USER"],
        &["DO $$ BEGIN EXECUTE 'ALTER TABLE shop.deals DISABLE ROW LEVEL SECURITY'; END $$"],
        &[
            "BEGIN",
            "ALTER TABLE shop.deals DISABLE ROW LEVEL SECURITY",
            "SELECT title FROM shop.deals",
        ],
        &["CREATE RULE r AS ON UPDATE TO shop.deals DO ALSO SELECT OLD.title"],
        &["TRUNCATE shop.deals CASCADE"],
        &["SELECT * FROM shop.owner_titles()"],
        &[
            "CREATE TABLE shop.swap (LIKE shop.deals)",
            "INSERT INTO shop.swap SELECT * FROM shop.deals",
            "SELECT * FROM shop.swap",
        ],
        &[
            "REFRESH MATERIALIZED VIEW shop.deal_copy",
            "SELECT * FROM shop.deal_copy",
        ],
        &[
            "CREATE MATERIALIZED VIEW shop.again AS SELECT * FROM shop.deals",
            "SELECT * FROM shop.again",
        ],
        &[
            "ALTER TABLE shop.deals ALTER COLUMN amount TYPE bigint USING length(title)",
            "SELECT amount FROM shop.deals",
        ],
        &[
            "ALTER TABLE shop.deals SET SCHEMA elsewhere",
            "SELECT * FROM elsewhere.deals",
        ],
        &[
            "ALTER TABLE shop.deals RENAME TO other",
            "SELECT * FROM shop.other",
        ],
        &[
            "CREATE TABLE elsewhere.parent (id int, title text)",
            "ALTER TABLE shop.notes RENAME COLUMN body TO title",
            "ALTER TABLE shop.notes INHERIT elsewhere.parent",
            "SELECT * FROM elsewhere.parent",
        ],
        &[
            "CREATE TABLE elsewhere.taken PARTITION OF shop.log DEFAULT",
            "ALTER TABLE shop.log DETACH PARTITION shop.log_old",
            "SELECT * FROM shop.log_old",
        ],
        &["ALTER EXTENSION celador DROP FUNCTION celador.covered()"],
    ] {
        let mut session = crate::stage::Attacker::new(&database, "atk_late");
        let seen = session.tries(&["SET ROLE atk_owner"])
            + &session.tries(attempts)
            + &session.tries(&[
                "ROLLBACK",
                "SELECT title FROM shop.deals",
                "SELECT * FROM shop.log",
            ]);
        assert!(!seen.contains("HIDDEN"), "{attempts:?}\n{seen}");
        let rest = tries(&database, "postgres", &["SELECT count(*) FROM shop.deals"]);
        assert!(
            rest.starts_with("27\n") || rest.contains("ERROR"),
            "{attempts:?}\n{rest}"
        );
    }
}

/// Whoever owns the schema may drop what is in it; what takes a table's place isn't believed.
#[test]
fn the_directory_is_replaced_by_the_owner_of_the_schema() {
    let made = "SELECT 2 AS id, 'atk_ruth'::text AS login, 1 AS team_id, 'administrator'::text AS role, NULL::int AS boss_id";
    for attempts in [
        &[
            "DROP TABLE shop.staff CASCADE",
            &format!("CREATE TABLE shop.staff AS {made}"),
        ][..],
        &[
            &format!("CREATE TABLE shop.mine AS {made}"),
            "DROP TABLE shop.staff CASCADE",
            "ALTER TABLE shop.mine RENAME TO staff",
        ],
        &[
            &format!("CREATE TABLE yard.staff AS {made}"),
            "DROP TABLE shop.staff CASCADE",
            "ALTER TABLE yard.staff SET SCHEMA shop",
        ],
    ] {
        let database = stage();
        database.run("ALTER SCHEMA shop OWNER TO atk_ruth");
        let mut all = attempts.to_vec();
        all.extend([
            "SELECT title FROM shop.deals",
            "SELECT roles FROM celador.whoami()",
        ]);
        let seen = shows_nothing_hidden(&database, &all);
        assert!(!seen.contains("{administrator}"), "{attempts:?}\n{seen}");
    }
}
