//! People who reach the records of hundreds: their lists are found by an index, and what it has found isn't
//! asked for again.

use std::time::Duration;

use celador_tests::shadow::fault::are_tried;
use celador_tests::{Database, folds, plan, small_crm};
use postgres::Client;

/// Boss has 400 people, who own every fifth of 40,000 companies; others own the rest.
fn hundreds() -> Database {
    let database = small_crm(
        "[permissions.lead]\ncompanies = { read = [\"own\", \"reports\"], update = [\"own\", \"reports\"] }\n",
    );
    database.run(
        "INSERT INTO celador.roles_held (\"user\", role) VALUES ('boss', 'lead');
         INSERT INTO celador.users SELECT 'u' || u, 'hundreds_u' || u, true, 'boss' FROM generate_series(1, 400) AS u;
         INSERT INTO companies (id, name, region, owner, creator)
           SELECT 1000 + c, 'c' || c || repeat(' ', 600), 'r' || c % 10, CASE WHEN c % 5 = 0 THEN 'u' || (c / 5 % 400 + 1) ELSE 'x' || c % 1600 END, 'nina'
           FROM generate_series(1, 40000) AS c;
         CREATE INDEX ON companies (owner); CREATE INDEX ON companies (region);
         ANALYZE companies",
    );
    database
}

/// Boss, whose rows are found by bitmaps.
fn by_bitmaps(database: &Database) -> Client {
    let mut boss = database.login("small_boss");
    boss.batch_execute("SET enable_seqscan = off; SET enable_indexscan = off")
        .unwrap();
    boss
}

/// What boss should see: told by hand.
const HIS: &str = "owner = 'boss' OR owner IN ('lena', 'omar', 'yuki') OR owner ~ '^u[0-9]+$'";

fn ids(client: &mut Client, sql: &str) -> Vec<i64> {
    let rows = client.query(sql, &[]);
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

const LOOK_UP: &str =
    "celador.owner_in_reach('companies'::text, 'read'::text, 'user'::text, owner)";

#[test]
fn a_bitmap_that_has_found_the_rows_in_reach_is_not_asked_for_each_again() {
    finds_by_bitmap(&hundreds());
}

fn finds_by_bitmap(database: &Database) {
    let mut boss = by_bitmaps(database);
    let all = ids(
        &mut database.superuser(),
        &format!("SELECT id FROM companies WHERE {HIS} ORDER BY id"),
    );
    assert!(all.len() > 8000, "{}", all.len());
    let sql = "SELECT id FROM companies ORDER BY id";
    assert_eq!(ids(&mut boss, sql), all);
    // Where the bitmap has no room for rows it holds pages, and their rows are asked for.
    boss.batch_execute("SET work_mem = '64kB'").unwrap();
    assert_eq!(ids(&mut boss, sql), all);
    // With another condition's index beside it, and below UNION ALL.
    let combined = "SELECT id FROM companies WHERE region = 'r5' ORDER BY id";
    let of_region = ids(
        &mut database.superuser(),
        &format!("SELECT id FROM companies WHERE region = 'r5' AND ({HIS}) ORDER BY id"),
    );
    assert_eq!(ids(&mut boss, combined), of_region);
    let both = "SELECT id FROM companies UNION ALL SELECT id FROM companies ORDER BY id";
    let twice: Vec<i64> = all.iter().flat_map(|id| [*id, *id]).collect();
    assert_eq!(ids(&mut boss, both), twice);
    boss.batch_execute("RESET work_mem").unwrap();
    if folds() {
        let plan = plan(&mut boss, sql);
        assert!(
            plan.contains("Bitmap Index Scan on companies_owner_idx"),
            "{plan}"
        );
        assert!(plan.contains(&format!("Recheck Cond: {LOOK_UP}")), "{plan}");
        assert!(!plan.contains("Filter:"), "{plan}");
    }
}

#[test]
fn a_list_of_the_persons_own_making_takes_nothing_away() {
    let database = hundreds();
    let mut boss = by_bitmaps(&database);
    // Others' owners among them: the index finds their rows, and the look-up has to be asked.
    let guess = (0..1600).map(|x| format!("'x{x}'")).collect::<Vec<_>>();
    let sql = format!(
        "SELECT id FROM companies WHERE owner = ANY (ARRAY[{}, 'u1']) ORDER BY id",
        guess.join(",")
    );
    let right = ids(
        &mut database.superuser(),
        "SELECT id FROM companies WHERE owner = 'u1' ORDER BY id",
    );
    assert!(!right.is_empty());
    assert_eq!(ids(&mut boss, &sql), right);
}

#[test]
fn a_row_that_is_given_away_meanwhile_is_asked_for_again() {
    let database = hundreds();
    let mut boss = by_bitmaps(&database);
    let mut other = database.superuser();
    let mut change = other.transaction().unwrap();
    change
        .execute("UPDATE companies SET owner = 'x1' WHERE id = 1005", &[])
        .unwrap();
    let waits = std::thread::spawn(move || {
        boss.execute(
            "UPDATE companies SET name = 'taken' WHERE trim(name) IN ('c5', 'c10')",
            &[],
        )
    });
    let mut watcher = database.superuser();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while watcher.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 0 {
        assert!(!waits.is_finished(), "nobody waits");
        std::thread::sleep(Duration::from_millis(20));
    }
    change.commit().unwrap();
    let changed = waits.join().unwrap().unwrap();
    assert_eq!(changed, 1);
    let name = "SELECT name FROM companies WHERE id = 1005";
    let name: String = watcher.query_one(name, &[]).unwrap().get(0);
    assert_eq!(name.trim(), "c5");
}

#[test]
fn what_a_bitmap_has_found_is_rechecked() {
    if folds() && are_tried() {
        assert!(hundreds().finds_mistake("nothing is rechecked", finds_by_bitmap));
    }
}
