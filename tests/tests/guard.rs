//! What a row may become from what it was: creating, changing, assigning, claiming, customising.

mod desk;

use desk::{case, changes, desk, ids, refused, run, under};

#[test]
fn creating_puts_the_new_row_in_reach() {
    let database = desk();
    changes(
        &database,
        "desk_bea",
        "INSERT INTO cases (id, title, owner_id) VALUES (10, 'new', 2)",
        1,
    );
    assert_eq!(case(&database, 10), (Some(2), None, Some(2)));
    for sql in [
        "INSERT INTO cases (id, title, owner_id) VALUES (11, 'new of dan', 4)",
        "INSERT INTO cases (id, title, owner_id) VALUES (11, 'good', 2), (12, 'bad', 4)",
        "INSERT INTO cases (id, title) VALUES (11, 'of nobody too')",
        "INSERT INTO cases (id, title, owner_id) SELECT 11, 'copy', 4",
        "INSERT INTO boards VALUES (3, 'new', 2)",
        "WITH added AS (INSERT INTO cases (id, title, owner_id) VALUES (11, 'cte', 4) RETURNING id) SELECT * FROM added",
    ] {
        refused(&database, "desk_bea", sql);
    }
    // The agent may create nothing, also not for himself.
    refused(
        &database,
        "desk_cem",
        "INSERT INTO cases (id, title, owner_id) VALUES (11, 'new', 3)",
    );
}

#[test]
fn s2_08_the_creator_cannot_be_forged() {
    let database = desk();
    for sql in [
        "INSERT INTO cases (id, title, owner_id, created_by) VALUES (10, 'x', 2, 4)",
        "INSERT INTO cases (id, title, owner_id, created_by) VALUES (10, 'x', 2, 1), (11, 'y', 2, 2)",
        "UPDATE cases SET created_by = 4 WHERE id = 2",
        "UPDATE cases SET created_by = NULL WHERE id = 2",
        "INSERT INTO cases (id, title, owner_id) VALUES (2, 'x', 2) ON CONFLICT (id) DO UPDATE SET created_by = 4",
        "MERGE INTO cases USING (VALUES (2)) AS v(id) ON cases.id = v.id WHEN MATCHED THEN UPDATE SET created_by = 4",
        "MERGE INTO cases USING (VALUES (10)) AS v(id) ON cases.id = v.id
           WHEN NOT MATCHED THEN INSERT (id, title, owner_id, created_by) VALUES (10, 'x', 2, 4)",
        "INSERT INTO visits VALUES (9, '2020-01-02', 'x', 2, 4)",
        "INSERT INTO visits_old VALUES (9, '2020-01-02', 'x', 2, 4)",
        "UPDATE visits_old SET created_by = 4",
    ] {
        refused(&database, "desk_bea", sql);
    }
    // Even the administrator, who may everything, is no other creator.
    refused(
        &database,
        "desk_ann",
        "UPDATE cases SET created_by = 1 WHERE id = 2",
    );
    changes(
        &database,
        "desk_bea",
        "INSERT INTO cases (id, title, owner_id, created_by) VALUES (10, 'mine', 2, 2)",
        1,
    );
    changes(
        &database,
        "desk_bea",
        "UPDATE cases SET created_by = 2, note = 'same creator' WHERE id = 10",
        1,
    );
}

#[test]
fn updates_reach_only_own_rows_and_keep_them_in_reach() {
    let database = desk();
    changes(
        &database,
        "desk_bea",
        "UPDATE cases SET note = 'changed'",
        1,
    );
    for sql in [
        "UPDATE cases SET note = 'x' WHERE id = 4",
        "UPDATE cases SET note = c.note FROM cases AS c WHERE c.id = 4 AND cases.id = 2",
        "DELETE FROM cases WHERE id IN (1, 3, 4, 5, 6)",
        "DELETE FROM cases USING lines WHERE cases.id = 4",
        "UPDATE lines SET text = 'x' WHERE case_id = 4",
        "DELETE FROM lines WHERE case_id = 4",
        "MERGE INTO cases USING (VALUES (4)) AS v(id) ON cases.id = v.id WHEN MATCHED THEN UPDATE SET note = 'x'",
        "MERGE INTO cases USING (VALUES (4)) AS v(id) ON cases.id = v.id WHEN MATCHED THEN DELETE",
    ] {
        changes(&database, "desk_bea", sql, 0);
    }
    // A child follows its record, wherever it is moved.
    for sql in [
        "INSERT INTO lines VALUES (10, 4, 'x')",
        "UPDATE lines SET case_id = 4 WHERE case_id = 2",
    ] {
        refused(&database, "desk_bea", sql);
    }
    changes(
        &database,
        "desk_bea",
        "INSERT INTO lines VALUES (10, 2, 'x')",
        1,
    );
    changes(&database, "desk_bea", "DELETE FROM cases", 1);
}

#[test]
fn s1_11_assign_is_not_edit() {
    let database = desk();
    for sql in [
        "UPDATE cases SET owner_id = 4 WHERE id = 2",
        "UPDATE cases SET owner_id = NULL WHERE id = 2",
        "UPDATE cases SET team_id = 2 WHERE id = 2",
        "UPDATE cases SET team_id = NULL WHERE id = 2",
        "UPDATE cases SET note = 'x', owner_id = 4",
        "INSERT INTO cases (id, title, owner_id) VALUES (2, 'x', 2) ON CONFLICT (id) DO UPDATE SET owner_id = 4",
        "MERGE INTO cases USING (VALUES (2)) AS v(id) ON cases.id = v.id WHEN MATCHED THEN UPDATE SET team_id = 2",
        "WITH given AS (UPDATE cases SET owner_id = 4 WHERE id = 2 RETURNING id) SELECT * FROM given",
        "UPDATE visits SET owner_id = 4 WHERE id = 1",
        "UPDATE visits_old SET owner_id = 4 WHERE id = 1",
    ] {
        refused(&database, "desk_bea", sql);
    }
    changes(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 2, team_id = 1, note = 'same' WHERE id = 2",
        1,
    );
}

#[test]
fn s1_11_assigning_without_editing() {
    let database = under(
        r#"
[permissions.seller.cases]
read = ["own"]
assign = ["own"]
"#,
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE cases SET note = 'x' WHERE id = 2",
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 4, note = 'x' WHERE id = 2",
    );
    changes(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 4, updated_at = now() WHERE id = 2",
        1,
    );
    assert_eq!(case(&database, 2).0, Some(4));
    // It has left the reach of who gave it away.
    changes(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 2 WHERE id = 2",
        0,
    );
}

#[test]
fn s1_11_assigning_within_bounds() {
    let database = under(
        r#"
[permissions.seller.cases]
read = ["all"]
update = ["own"]
assign = [{ scope = "own", to = ["reports"] }]
"#,
    );
    // Cem works for bea, dan doesn't.
    refused(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 4 WHERE id = 2",
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = NULL WHERE id = 2",
    );
    changes(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 3 WHERE id = 2 RETURNING id",
        1,
    );
    assert_eq!(case(&database, 2).0, Some(3));
    // The bound of one right doesn't widen another.
    let database = under(
        r#"
[permissions.seller.cases]
read = ["all"]
assign = [{ scope = "own", to = ["reports"] }, { scope = "group", to = ["own"] }]
"#,
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 3 WHERE id = 5",
    );
}

#[test]
fn s4_08_claiming_changes_nothing_but_the_owner_to_me() {
    let database = desk();
    for sql in [
        "UPDATE cases SET owner_id = 4 WHERE id = 5",
        "UPDATE cases SET owner_id = 3, note = 'mine' WHERE id = 5",
        "UPDATE cases SET owner_id = 3, team_id = 2 WHERE id = 5",
        "UPDATE cases SET owner_id = 3, created_by = 3 WHERE id = 5",
        "UPDATE cases SET note = 'x' WHERE id = 5",
        "UPDATE cases SET updated_at = now() WHERE id = 5",
        "UPDATE cases SET owner_id = 4 - id + 5 WHERE id IN (5, 6)",
        "MERGE INTO cases USING (VALUES (5)) AS v(id) ON cases.id = v.id WHEN MATCHED THEN UPDATE SET owner_id = 3, note = 'x'",
    ] {
        refused(&database, "desk_cem", sql);
    }
    // Out of reach: somebody's own.
    changes(
        &database,
        "desk_cem",
        "UPDATE cases SET owner_id = 3 WHERE id = 4",
        0,
    );
    changes(
        &database,
        "desk_cem",
        "UPDATE cases SET owner_id = 3 WHERE id = 5",
        1,
    );
    // Mine now; giving it back is an assignment, of a row that I may not change.
    changes(
        &database,
        "desk_cem",
        "UPDATE cases SET owner_id = NULL WHERE id = 5",
        0,
    );
    assert_eq!(case(&database, 5), (Some(3), Some(1), Some(1)));
}

#[test]
fn a_claim_moves_no_group_of_rows_that_may_be_edited() {
    // A row that may be edited and claimed is still not given to another team by claiming it.
    let database = under(
        r#"
[permissions.seller.cases]
read = ["own", "unassigned"]
update = ["own", "unassigned"]
claim = ["unassigned"]
"#,
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 2, team_id = 2 WHERE id = 5",
    );
    changes(
        &database,
        "desk_bea",
        "UPDATE cases SET owner_id = 2, note = 'mine' WHERE id = 5",
        1,
    );
}

#[test]
fn owners_and_groups_in_link_tables() {
    let database = desk();
    for sql in [
        // No right to assign: neither to others, nor to oneself, nor away.
        "INSERT INTO doc_people VALUES (1, 4)",
        "INSERT INTO doc_people VALUES (2, 2)",
        "INSERT INTO doc_teams VALUES (1, 2)",
        "INSERT INTO doc_teams VALUES (2, 1)",
        "INSERT INTO doc_people VALUES (3, 4)",
    ] {
        refused(&database, "desk_bea", sql);
    }
    for sql in [
        "UPDATE doc_people SET user_id = 4",
        "UPDATE doc_people SET doc_id = 3",
        "UPDATE doc_teams SET team_id = 2",
        "DELETE FROM doc_people",
        "DELETE FROM doc_teams",
    ] {
        changes(&database, "desk_bea", sql, 0);
    }
    // A creator becomes the owner of a document that has none.
    let mut bea = database.login("desk_bea");
    run(&mut bea, "INSERT INTO docs VALUES (9, 'new', 2)");
    run(&mut bea, "INSERT INTO doc_people VALUES (9, 2)");
    assert_eq!(ids(&mut bea, "SELECT id FROM docs ORDER BY id"), [1, 9]);
    // With the right, within its bounds.
    let database = under(
        r#"
[permissions.seller.docs]
read = ["own"]
assign = [{ scope = "own", to = ["reports", "group"] }]
"#,
    );
    changes(
        &database,
        "desk_bea",
        "INSERT INTO doc_people VALUES (1, 3)",
        1,
    );
    refused(
        &database,
        "desk_bea",
        "INSERT INTO doc_people VALUES (1, 4)",
    );
    refused(&database, "desk_bea", "INSERT INTO doc_teams VALUES (1, 2)");
    refused(
        &database,
        "desk_bea",
        "INSERT INTO doc_people VALUES (2, 3)",
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE doc_people SET doc_id = 2 WHERE user_id = 3",
    );
}

#[test]
fn s1_13_customise_is_an_action_of_its_own() {
    let database = under(
        r#"
[permissions.seller.boards]
read = ["all"]
create = ["own"]
update = ["own"]
delete = ["own"]
[permissions.agent.boards]
read = ["all"]
customise = ["own"]
"#,
    );
    // Editing isn't customising.
    refused(
        &database,
        "desk_bea",
        "INSERT INTO boards VALUES (3, 'new', 2)",
    );
    changes(&database, "desk_bea", "UPDATE boards SET name = 'x'", 0);
    changes(&database, "desk_bea", "DELETE FROM boards", 0);
    changes(
        &database,
        "desk_cem",
        "INSERT INTO boards VALUES (3, 'new', 3)",
        1,
    );
    changes(&database, "desk_cem", "UPDATE boards SET name = 'x'", 1);
    refused(
        &database,
        "desk_cem",
        "UPDATE boards SET owner_id = 2 WHERE id = 3",
    );
    refused(
        &database,
        "desk_cem",
        "INSERT INTO boards VALUES (4, 'new', 2)",
    );
    changes(&database, "desk_cem", "DELETE FROM boards", 1);
}

#[test]
fn on_conflict_asks_for_both_rights() {
    let database = desk();
    // The row that is there isn't in reach.
    refused(
        &database,
        "desk_bea",
        "INSERT INTO cases (id, title, owner_id) VALUES (4, 'x', 2) ON CONFLICT (id) DO UPDATE SET note = 'x'",
    );
    refused(
        &database,
        "desk_bea",
        "INSERT INTO cases (id, title, owner_id) VALUES (4, 'x', 4) ON CONFLICT (id) DO NOTHING",
    );
    changes(
        &database,
        "desk_bea",
        "INSERT INTO cases (id, title, owner_id) VALUES (2, 'x', 2) ON CONFLICT (id) DO UPDATE SET note = 'x'",
        1,
    );
    // Nothing of the hidden row comes back.
    changes(
        &database,
        "desk_bea",
        "INSERT INTO cases (id, title, owner_id) VALUES (4, 'x', 2) ON CONFLICT (id) DO NOTHING RETURNING note",
        0,
    );
}

#[test]
fn returning_gives_back_what_was_written() {
    let database = under(
        r#"
[permissions.seller.cases]
create = ["all"]
"#,
    );
    // May create and not read; its own new row comes back, and no other.
    let mut bea = database.login("desk_bea");
    assert_eq!(
        ids(
            &mut bea,
            "INSERT INTO cases (id, title, owner_id) VALUES (10, 'x', 4) RETURNING id"
        ),
        [10]
    );
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), Vec::<i32>::new());
    let seen = bea
        .query(
            "INSERT INTO cases (id, title) VALUES (11, 'y') RETURNING (SELECT count(*) FROM cases)",
            &[],
        )
        .expect("it works");
    assert_eq!(seen[0].get::<_, i64>(0), 0);
}

#[test]
fn x_8_a_share_is_not_turned_into_another_by_changing_it() {
    let database = under(
        r#"
[permissions.seller.cases]
read = ["own", "shared"]
update = ["own", "shared"]
[permissions.seller.shares]
read = ["created", "own"]
create = ["created"]
update = ["created"]
"#,
    );
    let mut bea = database.login("desk_bea");
    run(&mut bea, "SELECT celador.share('cases', '2', '2')");
    for sql in [
        "UPDATE celador.shares SET record = '4'",
        "UPDATE celador.shares SET record = '4', level = 'update'",
        "INSERT INTO celador.shares (module, record, \"user\", level) VALUES ('cases', '4', '2', 'read')",
    ] {
        celador_tests::denied(bea.execute(sql, &[]));
    }
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);
}
