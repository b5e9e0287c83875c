//! S1.30: aggregates of a module without its rows.

use std::collections::BTreeMap;

use celador_tests::{Database, answers, denied, small_crm};
use postgres::Client;

/// lena sees aggregates of deals and companies, yuki reads companies beside them; omar reads deals.
const MATRIX: &str = r#"
[roles.worker]
[roles.reader]
[roles.clerk]
[permissions.worker]
deals = { aggregate = ["all"] }
companies = { aggregate = ["all"] }
[permissions.reader]
deals = { aggregate = ["all"] }
companies = { read = ["all"] }
[permissions.clerk]
deals = { read = ["all"] }
[aggregates.deals]
dimensions = ["name", "owner"]
measures = ["amount"]
[aggregates.companies]
dimensions = ["region", "sector"]
"#;

/// Deals by name: one 40, two 12, three 7, four 3, five 1; `one` has amounts in its first 4 rows alone.
fn crm() -> Database {
    let database = small_crm(MATRIX);
    database.run(
        "SELECT celador.give_role('yuki', 'reader'), celador.give_role('omar', 'clerk');
         CREATE SCHEMA mine; GRANT ALL ON SCHEMA mine TO small_people;
         DELETE FROM deals; DELETE FROM companies;
         INSERT INTO companies (id, name, region, sector)
           SELECT g, 'c' || g, CASE WHEN g <= 8 THEN 'north' ELSE 'south' END, 'x' FROM generate_series(1, 16) AS g;
         INSERT INTO deals (id, company_id, name, amount, owner)
           SELECT row_number() OVER (), 1 + g % 16, n.name, CASE WHEN n.name = 'one' AND g > 4 THEN NULL ELSE g END, 'omar'
           FROM (VALUES ('one', 40), ('two', 12), ('three', 7), ('four', 3), ('five', 1)) AS n(name, number),
             LATERAL generate_series(1, n.number) AS g",
    );
    database
}

fn texts(client: &mut Client, sql: &str) -> Vec<String> {
    let sql = format!("SELECT t::text FROM ({sql}) AS t");
    let rows = client
        .query(&sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn s1_30_groups_are_shown_and_too_small_ones_go_with_the_next() {
    let database = crm();
    for fold in ["on", "off"] {
        let mut lena = database.login("small_lena");
        lena.batch_execute(&format!("SET celador.fold = {fold}"))
            .expect("a setting");
        for (sql, expected) in [
            // four and five are 4 records together: three goes as well.
            (
                "SELECT name, count(*) FROM deals GROUP BY name ORDER BY 2 DESC",
                &["(one,40)", "(two,12)"][..],
            ),
            ("SELECT count(*) FROM deals", &["(63)"]),
            (
                "SELECT count(*) FROM deals AS d WHERE d.name = 'three'",
                &["(7)"],
            ),
            (
                "SELECT count(*), sum(amount) FROM deals WHERE name = 'four'",
                &[],
            ),
            (
                "SELECT count(*) FROM deals WHERE name IN ('one', 'two')",
                &["(52)"],
            ),
            ("SELECT count(*) FROM deals WHERE name = 'none'", &[]),
            // Four values of `one` are no group: two is the next.
            (
                "SELECT name, sum(amount) FROM deals WHERE name IN ('one', 'two', 'three') GROUP BY 1",
                &["(two,78)"],
            ),
            (
                "SELECT avg(amount)::int FROM (SELECT avg(amount) AS amount FROM deals WHERE name = 'two') AS s",
                &["(7)"],
            ),
            (
                "SELECT owner, name FROM deals GROUP BY owner, name ORDER BY name LIMIT 1 OFFSET 1",
                &["(omar,two)"],
            ),
            (
                "SELECT name, 100 * n / sum(n) OVER () > 50 FROM (SELECT name, count(*) AS n FROM deals GROUP BY name) AS g",
                &["(one,t)", "(two,f)"],
            ),
            (
                "SELECT count(*) FROM (SELECT count(*) FROM deals GROUP BY name ORDER BY name) AS g",
                &["(2)"],
            ),
            (
                "WITH g AS (SELECT name, count(*) AS n FROM deals GROUP BY name) SELECT max(n) FROM g",
                &["(40)"],
            ),
            // Regions of companies, by the link of the mapping.
            (
                "SELECT c.region, count(*) FROM deals AS d JOIN companies AS c ON c.id = d.company_id GROUP BY c.region",
                &["(north,41)", "(south,22)"],
            ),
            (
                "SELECT count(*) FROM deals AS d, companies AS c WHERE d.company_id = c.id AND c.sector = 'x'",
                &["(63)"],
            ),
            (
                "SELECT count(*) FROM companies WHERE region = 'north'",
                &["(8)"],
            ),
        ] {
            let mut found = texts(&mut lena, sql);
            if !sql.contains("ORDER BY") {
                found.sort();
            }
            assert_eq!(found, expected, "fold {fold}: {sql}");
        }
    }
    answers(
        &database,
        "small_lena",
        "SELECT count(*) FROM deals",
        "SELECT count(*) FROM deals",
    );
}

/// What is refused: rows, what tells of one row, and what isn't known.
const REFUSED: &[&str] = &[
    "SELECT * FROM deals",
    "SELECT name FROM deals LIMIT 1",
    "SELECT 1 FROM deals",
    "SELECT DISTINCT name FROM deals",
    "SELECT DISTINCT count(*) FROM deals GROUP BY name",
    "SELECT max(amount) FROM deals",
    "SELECT min(name) FROM deals",
    "SELECT array_agg(name) FROM deals",
    "SELECT json_agg(d) FROM deals AS d",
    "SELECT count(d) FROM deals AS d",
    "SELECT count(id) FROM deals",
    "SELECT count(DISTINCT name) FROM deals",
    "SELECT sum(DISTINCT amount) FROM deals",
    "SELECT sum(amount) FILTER (WHERE name = 'five') FROM deals",
    "SELECT sum(amount * amount) FROM deals",
    "SELECT sum(id) FROM deals",
    "SELECT sum(-amount) FROM deals",
    "SELECT stddev(amount) FROM deals",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM deals",
    "SELECT 1 / (count(*) - 1) FROM deals GROUP BY name",
    "SELECT name || '', count(*) FROM deals GROUP BY name",
    "SELECT count(*) FROM deals GROUP BY id",
    "SELECT id FROM deals GROUP BY id",
    "SELECT name, amount FROM deals GROUP BY name, amount",
    "SELECT count(*) FROM deals GROUP BY lower(name)",
    "SELECT count(*) FROM deals GROUP BY name = 'five'",
    "SELECT count(*) FROM deals GROUP BY (SELECT 1)",
    "SELECT name, count(*) FROM deals GROUP BY ROLLUP (name)",
    "SELECT name, count(*) FROM deals GROUP BY name HAVING count(*) > 3",
    "SELECT name FROM deals GROUP BY name ORDER BY max(amount)",
    "SELECT name, rank() OVER (ORDER BY count(*)) FROM deals GROUP BY name",
    "SELECT count(*), generate_series(1, 2) FROM deals",
    "SELECT count(*) FROM deals WHERE id = 5",
    "SELECT count(*) FROM deals WHERE amount > 5",
    "SELECT count(*) FROM deals WHERE company_id = 1",
    "SELECT count(*) FROM deals WHERE ctid = '(0,1)'",
    "SELECT count(*) FROM deals AS d WHERE d IS NOT NULL",
    "SELECT count(*) FROM deals WHERE name LIKE 'f%'",
    "SELECT count(*) FROM deals WHERE name = pg_temp.told(name)",
    "SELECT count(*) FROM deals WHERE pg_temp.told('x') = 'x'",
    "SELECT count(*) FROM deals WHERE name OPERATOR(mine.=) 'x'",
    "SELECT count(*) FROM deals WHERE name = (SELECT 'one')",
    "SELECT count(*) FROM deals WHERE EXISTS (SELECT)",
    "SELECT count(*) FROM deals WHERE length(name) / 0 = 1",
    "SELECT count(*) FROM deals WHERE random() < 0.5",
    "SELECT count(*) FROM deals TABLESAMPLE SYSTEM (50)",
    "SELECT (SELECT count(*) FROM deals WHERE name = g.name) FROM (VALUES ('one')) AS g(name)",
    "SELECT 1 WHERE EXISTS (SELECT FROM deals WHERE name = 'five')",
    "SELECT 1 WHERE 'five' IN (SELECT name FROM deals)",
    "SELECT count(*) FROM deals, generate_series(1, 5)",
    "SELECT count(*) FROM deals AS a, deals AS b",
    "SELECT count(*) FROM deals AS a JOIN deals AS b USING (name)",
    "SELECT count(*) FROM deals LEFT JOIN companies AS c ON c.id = company_id",
    "SELECT count(*) FROM deals AS d JOIN companies AS c ON c.id = d.id",
    "SELECT count(*) FROM deals AS d JOIN companies AS c ON c.id = d.company_id WHERE c.name = 'c1'",
    "SELECT count(*) FROM deals AS d JOIN companies AS c ON c.id = d.company_id GROUP BY c.id",
    // A table of one's own would weigh records, or pick them.
    "SELECT sum(d.amount) FROM deals AS d JOIN mine.weights AS w ON w.name = d.name",
    "SELECT count(*) FROM deals AS d JOIN mine.picked AS p ON p.id = d.id",
    "SELECT count(*) FROM deals AS d, mine.picked AS p",
    "SELECT count(*) FROM deals AS d JOIN mine.picked AS p ON p.id = d.company_id",
    "SELECT count(*) FROM deals AS d JOIN mine.telling AS t ON t.name = d.name",
    "SELECT count(*) FROM deals AS d JOIN mine.names AS w ON w.name = d.name WHERE w.kinds = '{a}'",
    "SELECT sum(p.id) FROM deals AS d JOIN mine.names AS p ON p.name = d.name",
    "SELECT count(*) FROM (SELECT * FROM deals) AS d",
    "SELECT count(*) FROM mine.deals_of_all",
    "SELECT name FROM deals UNION ALL SELECT 'x'",
    "WITH d AS (SELECT * FROM deals) SELECT count(*) FROM d",
    "TABLE deals",
    "CREATE TEMP TABLE t AS SELECT * FROM deals",
    "INSERT INTO mine.picked SELECT id FROM deals",
    "UPDATE mine.picked AS p SET id = 0 FROM deals AS d WHERE d.id = p.id",
    "DELETE FROM mine.picked AS p USING deals AS d WHERE d.id = p.id",
    "DECLARE c CURSOR FOR SELECT name FROM deals",
    "COPY (SELECT name FROM deals) TO STDOUT",
    "SELECT query_to_xml('SELECT name FROM deals', true, false, '')",
    "DO $$ DECLARE r record; BEGIN FOR r IN SELECT name FROM deals LOOP END LOOP; END $$",
];

const OF_HER_OWN: &str = "
CREATE FUNCTION pg_temp.told(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE COST 1 AS
  $$ BEGIN RAISE NOTICE '%', value; RETURN value; END $$;
CREATE FUNCTION mine.same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR mine.= (FUNCTION = mine.same, LEFTARG = text, RIGHTARG = text);
CREATE TABLE mine.weights (name text); INSERT INTO mine.weights SELECT 'five' FROM generate_series(1, 1000);
CREATE TABLE mine.picked (id bigint PRIMARY KEY); INSERT INTO mine.picked SELECT generate_series(1, 6);
CREATE TABLE mine.telling (name text PRIMARY KEY); INSERT INTO mine.telling VALUES ('five');
ALTER TABLE mine.telling ENABLE ROW LEVEL SECURITY; ALTER TABLE mine.telling FORCE ROW LEVEL SECURITY;
CREATE POLICY tells ON mine.telling USING (pg_temp.told(name) IS NOT NULL);
CREATE TYPE mine.kind AS ENUM ('a');
CREATE TABLE mine.names (id bigint, name text UNIQUE, kinds mine.kind[]); INSERT INTO mine.names VALUES (1, 'one'), (2, 'five');
CREATE VIEW mine.deals_of_all AS SELECT * FROM deals;";

#[test]
fn s1_30_no_row_is_told_of() {
    let database = crm();
    for fold in ["on", "off"] {
        let mut lena = database.login("small_lena");
        lena.batch_execute(&format!("SET celador.fold = {fold}; {OF_HER_OWN}"))
            .expect("things of her own");
        for sql in REFUSED {
            let result = lena.batch_execute(&format!("BEGIN; {sql}; ROLLBACK"));
            assert!(result.is_err(), "{sql} passes");
            let refused = denied(result);
            let alone = refused.message.contains("you may see aggregates alone");
            assert!(alone, "{sql}: {}", refused.message);
            lena.batch_execute("ROLLBACK").expect("it can be left");
        }
        // A table of her own may say what values of a dimension mean.
        let sql = "SELECT w.id, count(*) FROM deals AS d JOIN mine.names AS w ON w.name = d.name GROUP BY w.id";
        assert_eq!(texts(&mut lena, sql), Vec::<String>::new(), "five is one");
        lena.batch_execute("UPDATE mine.names SET name = 'two' WHERE id = 2")
            .expect("her own");
        let mut found = texts(&mut lena, sql);
        found.sort();
        assert_eq!(found, ["(1,40)", "(2,12)"]);
        lena.batch_execute("DROP SCHEMA mine CASCADE; CREATE SCHEMA mine")
            .ok();
        database.run("DROP SCHEMA mine CASCADE; CREATE SCHEMA mine; GRANT ALL ON SCHEMA mine TO small_people");
    }
    // What a constant is computed from fails before there is a row, or not at all.
    let mut lena = database.login("small_lena");
    lena.batch_execute("SET plan_cache_mode = force_generic_plan; PREPARE p(int) AS SELECT count(*) FROM deals WHERE name = 'none' AND owner = (10 / $1)::text")
        .expect("it is prepared");
    let failed = celador_tests::failure(lena.batch_execute("EXECUTE p(0)"));
    assert_eq!(failed.code, "22012", "as with rows");
    lena.batch_execute("EXECUTE p(1)")
        .expect("nothing is wrong with 1");
}

#[test]
fn s1_30_a_plan_of_aggregates_serves_nobody_else() {
    let database = crm();
    let mut lena = database.login("small_lena");
    const COUNT: &str = "SELECT name, count(*) FROM deals GROUP BY name";
    let prepared = lena.prepare(COUNT).expect("it can be prepared");
    let groups = |client: &mut Client| client.query(&prepared, &[]).map(|rows| rows.len());
    for _ in 0..7 {
        assert_eq!(groups(&mut lena).expect("groups"), 2);
    }
    database.run("SELECT celador.give_role('lena', 'clerk')");
    assert_eq!(groups(&mut lena).expect("all of them"), 5);
    assert_eq!(texts(&mut lena, "SELECT name FROM deals").len(), 63);
    database.run("SELECT celador.take_role('lena', 'clerk')");
    assert_eq!(groups(&mut lena).expect("groups again"), 2);
    database.run("SELECT celador.take_role('lena', 'worker')");
    assert_eq!(groups(&mut lena).expect("nothing"), 0);
    // omar reads; yuki reads companies, and may not pick deals by them.
    let mut omar = database.login("small_omar");
    assert_eq!(
        texts(&mut omar, "SELECT id FROM deals WHERE amount = 1").len(),
        5
    );
    let mut yuki = database.login("small_yuki");
    assert_eq!(texts(&mut yuki, "SELECT name FROM companies").len(), 16);
    let _picked = denied(yuki.query(
        "SELECT count(*) FROM deals AS d JOIN companies AS c ON c.id = d.company_id WHERE c.name < 'c3'",
        &[],
    ));
    // Where a snapshot is kept nothing is given.
    let kept = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM deals";
    let _kept = denied(yuki.batch_execute(kept));
}

#[test]
fn s1_30_restrictions_and_scopes_narrow_aggregates() {
    let database = small_crm(&format!(
        "{}\n[restrictions.no_two]\nmodule = \"deals\"\nactions = [\"read\"]\npredicate = \"name <> 'two'\"\n",
        MATRIX.replace(
            "deals = { aggregate = [\"all\"] }\ncompanies = { aggregate",
            "deals = { aggregate = [\"own\"] }\ncompanies = { aggregate"
        )
    ));
    database.run("DELETE FROM deals; INSERT INTO deals (id, name, owner) SELECT g, CASE WHEN g % 3 = 0 THEN 'two' ELSE 'one' END, CASE WHEN g <= 30 THEN 'lena' ELSE 'omar' END FROM generate_series(1, 60) AS g");
    for fold in ["on", "off"] {
        let mut lena = database.login("small_lena");
        lena.batch_execute(&format!("SET celador.fold = {fold}"))
            .expect("a setting");
        let sql = "SELECT name, count(*) FROM deals GROUP BY name";
        assert_eq!(texts(&mut lena, sql), ["(one,20)"], "{fold}");
    }
}

/// Whatever the sizes: no group of fewer than five is shown, and what isn't shown is nothing, or at least two
/// groups of at least five records together.
#[test]
fn s1_30_what_is_left_out_hides_at_least_five_records() {
    let database = crm();
    let mut lena = database.login("small_lena");
    let mut state: u64 = 20_240_613;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut hidden = 0;
    for _ in 0..40 {
        let groups = 1 + next(7);
        let sizes: Vec<u64> = (0..groups).map(|_| 1 + next(12)).collect();
        let rows: Vec<String> = sizes
            .iter()
            .enumerate()
            .map(|(at, size)| format!("('g{at}', {size})"))
            .collect();
        database.run(&format!(
            "DELETE FROM deals; INSERT INTO deals (id, name) SELECT row_number() OVER (), n.name
             FROM (VALUES {}) AS n(name, size), LATERAL generate_series(1, n.size)",
            rows.join(", ")
        ));
        let shown: BTreeMap<String, i64> = lena
            .query("SELECT name, count(*) FROM deals GROUP BY name", &[])
            .expect("groups")
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        assert!(
            shown.values().all(|size| *size >= 5),
            "{sizes:?}: {shown:?}"
        );
        let left: Vec<u64> = (0..)
            .zip(&sizes)
            .filter(|(at, _)| !shown.contains_key(&format!("g{at}")))
            .map(|(_, size)| *size)
            .collect();
        let together: u64 = left.iter().sum();
        // Where all is left out, so is the total, unless it is large enough by itself.
        assert!(
            left.is_empty() || shown.is_empty() || left.len() >= 2 && together >= 5,
            "{sizes:?}: {shown:?}"
        );
        assert!(
            sizes.iter().any(|size| *size < 5) || left.is_empty(),
            "{sizes:?}: {shown:?}"
        );
        hidden += left.len();
    }
    assert!(hidden > 20, "some groups were too small: {hidden}");
}

#[test]
fn s1_30_dashboards_of_the_chief_executive_run() {
    let document = format!(
        "{}\n{}",
        Database::preset_document("s1-matrix"),
        include_str!("../../sql/crm/aggregates.toml")
    );
    let database = Database::preset("s1-matrix");
    database.load(&document);
    const CHIEF: &str = "dario";
    for sql in [
        "SELECT stage, count(*), sum(amount), avg(amount) FROM opportunities GROUP BY stage ORDER BY stage",
        "SELECT date_trunc('year', close_date) AS year, sum(amount) FROM opportunities WHERE close_date < now() + interval '20 years' GROUP BY 1 ORDER BY 1",
        "SELECT t.name, count(*) AS won FROM opportunities AS o JOIN teams AS t ON t.id = o.team_id WHERE o.stage IN ('won', 'lost') GROUP BY t.name ORDER BY won DESC, t.name",
    ] {
        // The sample is large: no group of these is too small.
        answers(&database, CHIEF, sql, sql);
        assert!(texts(&mut database.login(CHIEF), sql).len() > 1, "{sql}");
    }
    let _no_rows = denied(
        database
            .login(CHIEF)
            .query("SELECT name FROM opportunities", &[]),
    );
}
