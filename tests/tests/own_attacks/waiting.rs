//! A statement that waits for a lock goes on with the row as it is then: what a person gets to see
//! of it is decided by what holds then.

use crate::stage::{stage, tries};

/// `change` runs in a transaction that holds the row; ruth's statement waits for it.
#[track_caller]
fn sees_nothing_newer(change: &str, attempt: &str) {
    let database = stage();
    let mut boss = database.superuser();
    boss.batch_execute(&format!("BEGIN; {change}")).unwrap();
    let seen = std::thread::scope(|scope| {
        let ruth = scope.spawn(|| tries(&database, "atk_ruth", &[attempt]));
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(!ruth.is_finished(), "she should wait: {attempt}");
        boss.batch_execute("COMMIT").unwrap();
        ruth.join().unwrap()
    });
    assert!(!seen.contains("HIDDEN"), "{change}\n{attempt}\n{seen}");
}

#[test]
fn the_record_above_is_taken_away() {
    let change = "UPDATE shop.deals SET owner_id = 3, team_id = 2 WHERE id = 1; UPDATE shop.notes SET body = 'HIDDEN-since' WHERE id = 1";
    for attempt in [
        "SELECT body FROM shop.notes WHERE id = 1 FOR UPDATE",
        "SELECT body FROM shop.notes WHERE id = 1 FOR SHARE",
        "UPDATE shop.notes SET body = body || '!' WHERE id = 1 RETURNING body",
        "DELETE FROM shop.notes WHERE id = 1 RETURNING body",
        "WITH n AS (SELECT body FROM shop.notes WHERE id = 1 FOR UPDATE) SELECT * FROM n",
        "SELECT body FROM (SELECT * FROM shop.notes) AS n WHERE id = 1 FOR NO KEY UPDATE OF n",
        "INSERT INTO shop.notes VALUES (1, 2, 'x') ON CONFLICT (id) DO UPDATE SET id = notes.id RETURNING notes.body",
    ] {
        sees_nothing_newer(change, attempt);
    }
}

#[test]
fn her_role_is_taken_away() {
    for (change, attempt) in [
        (
            "UPDATE shop.staff SET role = 'nothing' WHERE id = 2; UPDATE shop.deals SET title = 'HIDDEN-since' WHERE id = 1",
            "SELECT title FROM shop.deals WHERE id = 1 FOR UPDATE",
        ),
        (
            "DELETE FROM shop.staff WHERE false; UPDATE shop.staff SET login = NULL WHERE id = 2; UPDATE shop.deals SET title = 'HIDDEN-since' WHERE id = 1",
            "UPDATE shop.deals SET amount = 5 WHERE id = 1 RETURNING title",
        ),
        (
            "UPDATE shop.staff SET role = 'nothing' WHERE id = 2; UPDATE shop.deals SET title = 'HIDDEN-since' WHERE id = 1",
            "INSERT INTO shop.deals (id, title, owner_id) VALUES (1, 'x', 2) ON CONFLICT (id) DO UPDATE SET amount = 6 RETURNING deals.title",
        ),
        (
            "UPDATE shop.staff SET role = 'nothing' WHERE id = 2; UPDATE shop.deals SET title = 'HIDDEN-since' WHERE id = 1",
            "MERGE INTO shop.deals USING (VALUES (1)) AS n (i) ON id = n.i WHEN MATCHED THEN UPDATE SET amount = replace(title, 'MINE-deal-', '')::int",
        ),
    ] {
        sees_nothing_newer(change, attempt);
    }
}

/// Nothing has been taken away: the statement goes on with the newer row.
#[test]
fn what_is_still_hers_goes_on() {
    let database = stage();
    let mut boss = database.superuser();
    boss.batch_execute(
        "BEGIN; UPDATE shop.notes SET body = 'MINE-since' WHERE id = 1; UPDATE shop.deals SET title = 'MINE-since' WHERE id = 1",
    )
    .unwrap();
    for attempt in [
        "SELECT body FROM shop.notes WHERE id = 1 FOR UPDATE",
        "UPDATE shop.deals SET amount = 7 WHERE id = 1 RETURNING title",
        "INSERT INTO shop.notes VALUES (1, 2, 'x') ON CONFLICT (id) DO UPDATE SET id = notes.id RETURNING notes.body",
    ] {
        let seen = std::thread::scope(|scope| {
            let ruth = scope.spawn(|| tries(&database, "atk_ruth", &[attempt]));
            std::thread::sleep(std::time::Duration::from_millis(300));
            boss.batch_execute("COMMIT").unwrap();
            ruth.join().unwrap()
        });
        assert!(seen.contains("MINE-since"), "{attempt}\n{seen}");
        boss.batch_execute(
            "BEGIN; UPDATE shop.notes SET body = 'MINE-since' WHERE id = 1; UPDATE shop.deals SET title = 'MINE-since' WHERE id = 1",
        )
        .unwrap();
    }
}
