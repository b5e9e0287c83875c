//! Writes out of reach: by every statement, and by what a statement sets off.

use crate::stage::{shows_nothing_hidden, stage, stored, tries};

#[test]
fn rows_out_of_reach_stay_as_they_are() {
    let database = stage();
    let before = stored(&database);
    for attempt in [
        "UPDATE shop.deals SET amount = 77 WHERE id > 10 OR owner_id = 3",
        "UPDATE ONLY shop.deals SET title = 'taken' WHERE id = 11",
        "UPDATE shop.special_deals SET title = 'taken' WHERE id = 31",
        "DELETE FROM shop.deals WHERE id > 10",
        "DELETE FROM shop.notes WHERE deal_id > 10",
        "DELETE FROM shop.notes USING shop.deals WHERE deal_id = 11",
        "UPDATE shop.log_old SET line = 'taken' WHERE actor_id = 3",
        "INSERT INTO shop.deals (id, title, owner_id) VALUES (11, 'x', 2) ON CONFLICT (id) DO UPDATE SET title = 'taken'",
        "INSERT INTO shop.deals (id, title, owner_id, code) VALUES (900, 'x', 2, 'HIDDEN-code-11') ON CONFLICT (code) DO UPDATE SET owner_id = 2",
        "MERGE INTO shop.deals AS d USING generate_series(1, 40) AS n ON d.id = n WHEN MATCHED AND d.id > 10 THEN UPDATE SET title = 'taken'",
        "MERGE INTO shop.deals AS d USING generate_series(11, 11) AS n ON d.id = n WHEN MATCHED THEN DELETE",
        "WITH w AS (UPDATE shop.deals SET title = 'taken' WHERE id = 11 RETURNING *) SELECT * FROM w",
        "TRUNCATE shop.deals CASCADE",
        "TRUNCATE shop.notes",
        "SELECT * FROM shop.deals WHERE id = 11 FOR UPDATE",
        "INSERT INTO shop.notes VALUES (900, 11, 'mine now')",
        "UPDATE shop.notes SET deal_id = 11",
        "INSERT INTO shop.task_people VALUES (22, 2)",
        "UPDATE shop.task_people SET task_id = 22",
        "DELETE FROM shop.task_people WHERE task_id = 22",
    ] {
        let seen = shows_nothing_hidden(&database, &[attempt]);
        assert_eq!(stored(&database), before, "{attempt}\n{seen}");
    }
}

#[test]
fn rows_of_hers_stay_hers() {
    let database = stage();
    let before = stored(&database);
    for attempt in [
        "UPDATE shop.deals SET owner_id = 3",
        "UPDATE shop.deals SET team_id = 2",
        "UPDATE shop.deals SET created_by = 3",
        "UPDATE shop.deals SET owner_id = NULL",
        "UPDATE shop.special_deals SET owner_id = 3",
        "INSERT INTO shop.deals (id, title, owner_id) VALUES (900, 'x', 3)",
        "INSERT INTO shop.deals (id, title, owner_id, created_by) VALUES (900, 'x', 2, 3)",
        "INSERT INTO shop.special_deals (id, title, owner_id, created_by) VALUES (900, 'x', 2, 3)",
        "INSERT INTO shop.deals (id, title, owner_id) VALUES (1, 'x', 2) ON CONFLICT (id) DO UPDATE SET owner_id = 3",
        "MERGE INTO shop.deals AS d USING (VALUES (1)) AS n (i) ON d.id = n.i WHEN MATCHED THEN UPDATE SET owner_id = 3",
        "MERGE INTO shop.deals AS d USING (VALUES (900)) AS n (i) ON d.id = n.i WHEN NOT MATCHED THEN INSERT (id, title, owner_id) VALUES (900, 'x', 3)",
        "INSERT INTO shop.log VALUES (9, '2020-06-06', 3, 'x')",
        "INSERT INTO shop.log_old VALUES (9, '2020-06-06', 3, 'x')",
        "UPDATE shop.log SET actor_id = 3, day = '2021-06-06'",
        "INSERT INTO shop.staff VALUES (9, 'x', 1, 'administrator', NULL)",
        "INSERT INTO shop.task_people VALUES (1, 3)",
        "UPDATE shop.task_people SET person_id = 3",
    ] {
        let seen = shows_nothing_hidden(&database, &[attempt]);
        assert_eq!(stored(&database), before, "{attempt}\n{seen}");
    }
}

/// A child that was added after the load is no way around what its parent's rows may become.
#[test]
fn children_added_later() {
    for (schema, owner) in [
        ("shop", "atk_owner"),
        ("elsewhere", "atk_owner"),
        ("public", "postgres"),
    ] {
        let database = stage();
        database.run(&format!(
            "CREATE TABLE {schema}.late () INHERITS (shop.deals); ALTER TABLE {schema}.late OWNER TO {owner};
             GRANT ALL ON {schema}.late TO atk_people;
             INSERT INTO {schema}.late (id, title, owner_id, team_id, created_by) VALUES (50, 'MINE-late', 2, 1, 2), (51, 'HIDDEN-late', 3, 2, 3)"
        ));
        let before = stored(&database);
        for attempt in [
            "UPDATE shop.deals SET owner_id = 3 WHERE id = 50",
            "UPDATE shop.deals SET created_by = 3 WHERE id = 50",
            "UPDATE shop.deals SET title = 'taken' WHERE id = 51",
            "DELETE FROM shop.deals WHERE id = 51",
            "SELECT title FROM shop.deals",
        ] {
            let seen = shows_nothing_hidden(&database, &[attempt]);
            assert_eq!(stored(&database), before, "{schema} {attempt}\n{seen}");
        }
        if schema == "shop" {
            shows_nothing_hidden(&database, &["SELECT * FROM shop.late"]);
        }
    }
}

#[test]
fn partitions_added_later() {
    for schema in ["shop", "elsewhere"] {
        let database = stage();
        database.run(&format!(
            "CREATE TABLE {schema}.log_late PARTITION OF shop.log FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
             GRANT ALL ON {schema}.log_late TO atk_people;
             INSERT INTO shop.log VALUES (5, '2022-05-05', 2, 'MINE-late'), (6, '2022-05-05', 3, 'HIDDEN-late')"
        ));
        let before = stored(&database);
        for attempt in [
            format!("SELECT * FROM {schema}.log_late"),
            "SELECT * FROM shop.log".to_owned(),
            format!("UPDATE {schema}.log_late SET actor_id = 2 WHERE actor_id = 3"),
            format!("UPDATE {schema}.log_late SET actor_id = 3"),
            format!("INSERT INTO {schema}.log_late VALUES (9, '2022-06-06', 3, 'x')"),
            format!("DELETE FROM {schema}.log_late WHERE actor_id = 3"),
            format!("TRUNCATE {schema}.log_late"),
        ] {
            let seen = shows_nothing_hidden(&database, &[&attempt]);
            assert_eq!(stored(&database), before, "{attempt}\n{seen}");
        }
    }
}

#[test]
fn referential_actions_go_no_further_than_the_key() {
    let database = stage();
    // A note of somebody else's hangs on a deal of hers: deleting the deal takes it along, by the
    // CRM's own rule, and shows nothing of it.
    database.run("INSERT INTO shop.notes VALUES (800, 1, 'HIDDEN-note')");
    let seen = tries(
        &database,
        "atk_ruth",
        &[
            "UPDATE shop.deals SET id = 901 WHERE id = 1 RETURNING *",
            "DELETE FROM shop.deals WHERE id = 901 RETURNING *",
        ],
    );
    assert!(
        seen.contains("MINE-deal-1") && !seen.contains("HIDDEN"),
        "{seen}"
    );
    let rest = stored(&database).join("\n");
    assert!(
        !rest.contains("HIDDEN-note,") && rest.contains("HIDDEN-note-11"),
        "{rest}"
    );
}

#[test]
fn conflicts_name_no_values() {
    let database = stage();
    for attempt in [
        "INSERT INTO shop.deals (id, title, owner_id) VALUES (11, 'x', 2)",
        "UPDATE shop.deals SET code = (SELECT 'HID' || 'DEN-code-11') WHERE id = 1",
        "INSERT INTO shop.deals (id, title, owner_id, happens) VALUES (900, 'x', 2, daterange('2030-01-01', '2031-01-01'))",
        "INSERT INTO shop.deals (id, title, owner_id, amount) VALUES (900, 'x', 2, -1)",
        "UPDATE shop.deals SET amount = -amount",
        "UPDATE shop.deals SET title = NULL",
        "INSERT INTO shop.notes VALUES (11, 1, 'x')",
        "UPDATE shop.special_deals SET amount = -1",
    ] {
        let seen = shows_nothing_hidden(&database, &[attempt]);
        assert!(!seen.contains("2030-01-1"), "{attempt}\n{seen}");
    }
}

/// Nobody gives more than he or she holds, by the second statement neither.
#[test]
fn x_8_shares_do_not_widen() {
    let database = stage();
    let shares = || -> Vec<String> {
        let rows = database
            .superuser()
            .query("SELECT record FROM celador.shares ORDER BY 1", &[])
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    for attempts in [
        &["SELECT celador.share('deals', '11', '2')"][..],
        &[
            "INSERT INTO celador.shares (module, record, \"user\", level) VALUES ('deals', '11', '2', 'delete')",
        ],
        &[
            "SELECT celador.share('deals', '1', '2')",
            "UPDATE celador.shares SET record = '11'",
        ],
        &[
            "SELECT celador.share('deals', '1', '2')",
            "UPDATE celador.shares SET module = 'tasks', record = '22'",
        ],
        &[
            "INSERT INTO celador.shares (module, record, \"user\", level) VALUES ('deals', '1', '2', 'read') \
           ON CONFLICT DO NOTHING",
            "INSERT INTO celador.shares AS s (module, record, \"user\", level) VALUES ('deals', '1', '2', 'read') \
           ON CONFLICT (module, record, \"user\") WHERE \"group\" IS NULL DO UPDATE SET record = '12'",
        ],
    ] {
        let mut all = attempts.to_vec();
        all.extend([
            "SELECT title FROM shop.deals",
            "SELECT title FROM shop.tasks",
        ]);
        let seen = shows_nothing_hidden(&database, &all);
        assert!(
            shares().iter().all(|record| record == "1"),
            "{attempts:?}\n{seen}"
        );
    }
}

/// What becomes somebody else's while she waits for it isn't hers to change or to see.
#[test]
fn rows_taken_away_while_she_waits() {
    for attempt in [
        "UPDATE shop.deals SET amount = 88 WHERE id = 1 RETURNING title",
        "DELETE FROM shop.deals WHERE id = 1 RETURNING title",
        "SELECT title FROM shop.deals WHERE id = 1 FOR UPDATE",
        "MERGE INTO shop.deals USING (VALUES (1)) AS n (i) ON id = n.i WHEN MATCHED THEN UPDATE SET amount = 88",
        "INSERT INTO shop.deals (id, title, owner_id) VALUES (1, 'x', 2) ON CONFLICT (id) DO UPDATE SET amount = 88 RETURNING deals.title",
    ] {
        let database = stage();
        let mut boss = database.superuser();
        boss.batch_execute(
            "BEGIN; UPDATE shop.deals SET owner_id = 3, team_id = 2, title = 'HIDDEN-taken' WHERE id = 1",
        )
        .unwrap();
        let seen = std::thread::scope(|scope| {
            let ruth = scope.spawn(|| tries(&database, "atk_ruth", &[attempt]));
            std::thread::sleep(std::time::Duration::from_millis(500));
            assert!(!ruth.is_finished(), "she should wait: {attempt}");
            boss.batch_execute("COMMIT").unwrap();
            ruth.join().unwrap()
        });
        assert!(!seen.contains("HIDDEN"), "{attempt}\n{seen}");
        let rest = stored(&database).join("\n");
        assert!(
            rest.contains("HIDDEN-taken,MINE-code-1,1,3"),
            "{attempt}\n{seen}\n{rest}"
        );
    }
}
