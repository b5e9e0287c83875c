//! Ways of writing rows that break naive guards: triggers of the CRM, partitions, referential
//! actions, claims by an ORM, views, children.

mod desk;

use celador_tests::denied;
use desk::{case, changes, desk, ids, refused, run, text, under};

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
        // Names that are Celador's own are taken away by the load, others stop it.
        let left = desk::number(
            &mut bare.superuser(),
            &format!("SELECT count(*) FROM pg_trigger WHERE tgname = '{name}'"),
        );
        assert!(result.is_err() || left == 0, "loaded with trigger {name}");
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

/// A link that names nobody, a follower by e-mail perhaps, is for those who may assign to anybody.
#[test]
fn a_link_that_names_nobody() {
    let database = desk();
    database.run(
        "SET ROLE desk_owner; ALTER TABLE doc_people DROP CONSTRAINT doc_people_pkey;
         ALTER TABLE doc_people ALTER user_id DROP NOT NULL, ADD COLUMN email text",
    );
    let link = "INSERT INTO doc_people (doc_id, email) VALUES (1, 'x@example.com')";
    denied(database.login("desk_bea").batch_execute(link));
    let mut ann = database.login("desk_ann");
    run(&mut ann, link);
    assert_eq!(
        ann.execute("DELETE FROM doc_people WHERE user_id IS NULL", &[])
            .expect("she may"),
        1
    );
}
