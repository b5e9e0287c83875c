//! What a row may become from what it was: every way in which SQL writes rows.

mod desk;

use celador_tests::Database;
use desk::{desk, ids, refused, run, text, under};

/// Runs a statement as a person, which must change that many rows.
#[track_caller]
fn changes(database: &Database, login: &str, sql: &str, rows: u64) {
    let changed = database
        .login(login)
        .execute(sql, &[])
        .unwrap_or_else(|error| panic!("{login}: {sql}: {error:?}"));
    assert_eq!(changed, rows, "{login}: {sql}");
}

#[track_caller]
fn case(database: &Database, id: i32) -> (Option<i32>, Option<i32>, Option<i32>) {
    let row = database
        .superuser()
        .query_one(
            "SELECT owner_id, team_id, created_by FROM cases WHERE id = $1",
            &[&id],
        )
        .expect("there is such a case");
    (row.get(0), row.get(1), row.get(2))
}

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
fn a_claim_by_an_orm_also_writes_updated_at() {
    let database = desk();
    changes(
        &database,
        "desk_cem",
        "UPDATE cases SET title = 'of nobody', note = 'secret-5', country = 'ES', owner_id = 3, team_id = 1,
           created_by = 1, updated_at = now() WHERE id = 5",
        1,
    );
    assert_eq!(case(&database, 5).0, Some(3));
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
fn two_who_claim_the_same_record() {
    let database = desk();
    database.run("UPDATE roles SET role = 'agent' WHERE user_id = 2");
    let (mut first, mut second) = (database.login("desk_cem"), database.login("desk_bea"));
    run(
        &mut first,
        "BEGIN; UPDATE cases SET owner_id = 3 WHERE id = 5",
    );
    let waiting = std::thread::spawn(move || {
        second
            .execute("UPDATE cases SET owner_id = 2 WHERE id = 5", &[])
            .map_err(|error| error.as_db_error().map(|error| error.code().clone()))
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    run(&mut first, "COMMIT");
    assert_eq!(waiting.join().expect("the session ends"), Ok(0));
    assert_eq!(case(&database, 5).0, Some(3));
}

#[test]
fn a_trigger_of_the_crm_that_would_run_after_the_guard() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner;
         CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.owner_id := 4; RETURN NEW; END $$",
    );
    for name in ["~z", "~celador_z", "~celador_guard_2", "~celador_h"] {
        let sql = format!(
            "SET ROLE desk_owner; CREATE TRIGGER \"{name}\" BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION steal()"
        );
        refused(&database, "desk_migrator", &sql);
        // Where it is there already, a load is refused.
        let bare = desk::bare();
        bare.run(
            "SET ROLE desk_owner;
             CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.owner_id := 4; RETURN NEW; END $$",
        );
        bare.run(&sql);
        let document = desk::document(desk::MATRIX);
        let result = bare
            .superuser()
            .execute("SELECT celador.load_policy($1)", &[&document]);
        assert!(result.is_err(), "loaded with trigger {name}");
    }
    // One that runs before is seen by the guard: it can't give what the person can't.
    database.run(
        "SET ROLE desk_owner; CREATE TRIGGER a BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION steal()",
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE cases SET note = 'x' WHERE id = 2",
    );
}

#[test]
fn a_trigger_of_a_partition_that_would_run_after_the_guard() {
    let database = desk();
    // A row that moves is inserted into its new partition, after the guard has seen the update.
    database.run(
        "SET ROLE desk_owner;
         CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.owner_id := 4; RETURN NEW; END $$;
         CREATE TRIGGER a BEFORE INSERT ON visits_new FOR EACH ROW EXECUTE FUNCTION steal()",
    );
    refused(
        &database,
        "desk_bea",
        "UPDATE visits SET day = '2021-05-02' WHERE id = 1",
    );
}

#[test]
fn a_row_that_moves_between_partitions() {
    let database = desk();
    changes(
        &database,
        "desk_bea",
        "UPDATE visits SET day = '2021-05-03', note = 'moved' WHERE id = 1",
        1,
    );
    for sql in [
        "UPDATE visits SET day = '2020-05-03', owner_id = 4 WHERE id = 2",
        "UPDATE visits SET day = '2020-05-03', created_by = 4 WHERE id = 2",
        "UPDATE visits SET day = '2020-05-03', owner_id = NULL",
    ] {
        refused(&database, "desk_bea", sql);
    }
    changes(
        &database,
        "desk_bea",
        "UPDATE visits SET day = '2020-05-03' WHERE id = 3",
        0,
    );
    // Nobody becomes the creator of a row by moving it.
    changes(
        &database,
        "desk_ann",
        "UPDATE visits SET day = '2021-07-01' WHERE id = 4",
        1,
    );
    assert_eq!(
        text(
            &mut database.superuser(),
            "SELECT created_by::text FROM visits WHERE id = 4"
        ),
        None
    );
}

#[test]
fn referential_actions_are_no_assignment() {
    let database = under(
        r#"
[permissions.seller]
users = { read = ["all"], delete = ["all"] }
memberships = { read = ["all"], delete = ["all"] }
roles_held = { read = ["all"], delete = ["all"] }
[permissions.seller.cases]
read = ["own"]
delete = ["own"]
"#,
    );
    database.run("INSERT INTO users VALUES (9, 'x'); UPDATE cases SET owner_id = 9 WHERE id = 4");
    // ON DELETE SET NULL takes the owner from a case that bea can't even see.
    changes(&database, "desk_bea", "DELETE FROM users WHERE id = 9", 1);
    assert_eq!(case(&database, 4).0, None);
    // ON DELETE CASCADE removes lines that hang on it.
    changes(&database, "desk_bea", "DELETE FROM cases WHERE id = 2", 1);
    assert_eq!(
        ids(
            &mut database.superuser(),
            "SELECT id FROM lines WHERE case_id = 2"
        ),
        Vec::<i32>::new()
    );
}

/// A person's own tables, with a foreign key between them: what their triggers do runs within a
/// referential action.
const OWN_CASCADE: &str = "
CREATE TEMP TABLE above (id integer PRIMARY KEY);
CREATE TEMP TABLE below (id integer REFERENCES above ON DELETE CASCADE);
INSERT INTO above VALUES (1);
INSERT INTO below VALUES (1);
CREATE TRIGGER t BEFORE DELETE ON below FOR EACH ROW EXECUTE FUNCTION pg_temp.inside();
DELETE FROM above;
";

#[test]
fn a_persons_own_referential_action_is_no_way_around_the_guard() {
    let database = desk();
    for (login, sql) in [
        (
            "desk_cem",
            "UPDATE public.cases SET owner_id = 3, note = 'mine' WHERE id = 5",
        ),
        (
            "desk_cem",
            "UPDATE public.cases SET owner_id = 4 WHERE id = 5",
        ),
        (
            "desk_bea",
            "UPDATE public.cases SET owner_id = 4 WHERE id = 2",
        ),
        (
            "desk_bea",
            "UPDATE public.cases SET created_by = 4 WHERE id = 2",
        ),
        (
            "desk_bea",
            "INSERT INTO public.cases (id, title, owner_id, created_by) VALUES (10, 'x', 2, 4)",
        ),
    ] {
        refused(
            &database,
            login,
            &format!(
                "CREATE FUNCTION pg_temp.inside() RETURNS trigger LANGUAGE plpgsql AS $f$
                   BEGIN {sql}; RETURN OLD; END $f$; {OWN_CASCADE}"
            ),
        );
    }
    // Nor a way to give oneself a role.
    let result = database.login("desk_bea").batch_execute(&format!(
        "CREATE FUNCTION pg_temp.inside() RETURNS trigger LANGUAGE plpgsql AS $f$
           BEGIN INSERT INTO public.roles VALUES (2, 'administrator'); RETURN OLD; END $f$; {OWN_CASCADE}"
    ));
    celador_tests::denied(result);
}

#[test]
fn a_persons_own_referential_action_is_no_way_around_the_policy() {
    let database = desk();
    database.run(
        "CREATE VIEW all_cases AS SELECT * FROM cases; GRANT SELECT ON all_cases TO PUBLIC;
         CREATE FUNCTION all_notes() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT note FROM cases';
         CREATE FUNCTION notes_of_owner() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT note FROM cases';
         ALTER FUNCTION notes_of_owner() OWNER TO desk_owner",
    );
    for source in [
        "SELECT note FROM public.all_cases",
        "SELECT * FROM public.all_notes()",
        "SELECT * FROM public.notes_of_owner()",
        "SELECT note FROM public.cases",
    ] {
        let mut bea = database.login("desk_bea");
        let _ = bea.batch_execute(&format!(
            "CREATE TEMP TABLE caught (note text);
             CREATE FUNCTION pg_temp.inside() RETURNS trigger LANGUAGE plpgsql AS $f$
               BEGIN INSERT INTO pg_temp.caught {source}; RETURN OLD; END $f$;"
        ));
        let _ = bea.batch_execute(OWN_CASCADE);
        let caught = bea
            .query("SELECT note FROM caught WHERE note <> 'secret-2'", &[])
            .expect("the temporary table is there");
        assert!(
            caught.is_empty(),
            "{source}: {} notes of others",
            caught.len()
        );
    }
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
fn writes_through_views() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner;
         CREATE VIEW case_view AS SELECT id, title, note, owner_id, team_id, created_by FROM cases;
         CREATE VIEW case_invoker WITH (security_invoker) AS SELECT id, title, note, owner_id, created_by FROM cases;
         GRANT SELECT, INSERT, UPDATE, DELETE ON case_view, case_invoker TO desk_people",
    );
    for view in ["case_view", "case_invoker"] {
        for sql in [
            format!("UPDATE {view} SET owner_id = 4 WHERE id = 2"),
            format!("UPDATE {view} SET created_by = 4 WHERE id = 2"),
            format!("INSERT INTO {view} (id, title, owner_id) VALUES (10, 'x', 4)"),
            format!("INSERT INTO {view} (id, title, owner_id, created_by) VALUES (10, 'x', 2, 4)"),
        ] {
            refused(&database, "desk_bea", &sql);
        }
        changes(
            &database,
            "desk_bea",
            &format!("UPDATE {view} SET note = 'x'"),
            1,
        );
        changes(
            &database,
            "desk_bea",
            &format!("DELETE FROM {view} WHERE id <> 2"),
            0,
        );
    }
    // Of an exempt owner, a view writes nothing that the person couldn't.
    database.run(
        "CREATE VIEW exempt_view AS SELECT * FROM cases; GRANT SELECT, INSERT, UPDATE, DELETE ON exempt_view TO desk_people",
    );
    for sql in [
        "INSERT INTO exempt_view (id, title, owner_id) VALUES (10, 'x', 4)",
        "UPDATE exempt_view SET note = 'x'",
        "DELETE FROM exempt_view",
    ] {
        refused(&database, "desk_bea", sql);
    }
}

#[test]
fn writes_through_inheritance_children() {
    let database = desk::bare();
    database.run("SET ROLE desk_owner; CREATE TABLE old_cases () INHERITS (cases)");
    database.load(&desk::document(desk::MATRIX));
    database.run("SET ROLE desk_owner; CREATE TABLE new_cases () INHERITS (cases)");
    database.run(
        "INSERT INTO old_cases (id, title, owner_id, created_by) VALUES (20, 'old', 2, 2), (21, 'old4', 4, 4);
         INSERT INTO new_cases (id, title, owner_id, created_by) VALUES (30, 'new', 2, 2), (31, 'new4', 4, 4)",
    );
    let mut bea = database.login("desk_bea");
    assert_eq!(
        ids(&mut bea, "SELECT id FROM cases ORDER BY id"),
        [2, 20, 30]
    );
    for (child, own) in [("old_cases", 20), ("new_cases", 30)] {
        assert_eq!(ids(&mut bea, &format!("SELECT id FROM {child}")), [own]);
        for sql in [
            format!("UPDATE {child} SET owner_id = 4"),
            format!("UPDATE {child} SET created_by = 4"),
            format!("UPDATE cases SET owner_id = 4 WHERE id = {own}"),
            format!("INSERT INTO {child} (id, title, owner_id, created_by) VALUES (40, 'x', 2, 4)"),
            format!("INSERT INTO {child} (id, title, owner_id) VALUES (40, 'x', 4)"),
        ] {
            refused(&database, "desk_bea", &sql);
        }
        changes(
            &database,
            "desk_bea",
            &format!("UPDATE {child} SET note = 'x'"),
            1,
        );
    }
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
