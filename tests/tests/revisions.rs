//! Every load is a revision: numbered, kept, restored.

mod desk;

use celador_tests::{Database, denied, failure};
use desk::{desk, ids, number, run, text};
use postgres::Client;

/// What sellers may read, as the document says it.
fn reading(scopes: &str) -> String {
    let matrix = desk::MATRIX.replace("read = [\"own\", \"shared\"]", &format!("read = {scopes}"));
    desk::document(&matrix)
}

fn load(client: &mut Client, document: &str, how: &str) -> Result<i32, postgres::Error> {
    client
        .query_one(
            &format!("SELECT celador.load_policy($1{how})"),
            &[&document],
        )
        .map(|row| row.get(0))
}

#[track_caller]
fn refusal<T>(result: Result<T, postgres::Error>) -> String {
    failure(result).message
}

fn live(database: &Database) -> i64 {
    number(
        &mut database.superuser(),
        "SELECT revision::bigint FROM celador.revisions() WHERE live",
    )
}

#[test]
fn each_load_is_a_revision() {
    let database = desk();
    let first = live(&database);
    let mut superuser = database.superuser();
    let loaded = load(
        &mut superuser,
        &reading("[\"all\"]"),
        ", reason => 'sellers see all'",
    )
    .expect("it loads");
    assert_eq!(i64::from(loaded), first + 1);
    assert_eq!(live(&database), first + 1);
    assert_eq!(
        text(
            &mut superuser,
            "SELECT concat_ws(',', loaded_by, reason, loaded_at <= now(), live)
             FROM celador.revisions() ORDER BY revision DESC LIMIT 1"
        )
        .as_deref(),
        Some("postgres,sellers see all,t,t")
    );
    // Each keeps its document.
    let before = text(
        &mut superuser,
        &format!("SELECT celador.export_policy({first})"),
    );
    let after = text(&mut superuser, "SELECT celador.export_policy()");
    assert!(before.is_some() && after.is_some() && before != after);
}

#[test]
fn a_revision_is_restored() {
    let database = desk();
    let first = live(&database);
    let mut superuser = database.superuser();
    let mut bea = database.login("desk_bea");
    load(&mut superuser, &reading("[\"all\"]"), "").expect("it loads");
    let cases = "SELECT id FROM cases ORDER BY id";
    assert_eq!(ids(&mut bea, cases), [1, 2, 3, 4, 5, 6]);
    run(
        &mut superuser,
        &format!("SELECT celador.restore_revision({first})"),
    );
    assert_eq!(ids(&mut bea, cases), [2]);
    assert_eq!(live(&database), first + 2);
    assert_eq!(
        text(
            &mut superuser,
            &format!("SELECT (celador.export_policy() = celador.export_policy({first}))::text")
        )
        .as_deref(),
        Some("true")
    );
    assert_eq!(
        text(
            &mut superuser,
            "SELECT reason FROM celador.revisions() WHERE live"
        ),
        Some(format!("revision {first} restored"))
    );
    // One that doesn't fit the tables any more is refused, as any load is.
    database.run("ALTER TABLE boards RENAME COLUMN owner_id TO keeper_id");
    let refused = refusal(superuser.batch_execute("SELECT celador.restore_revision(1)"));
    assert!(refused.contains("owner_id"), "{refused}");
    assert_eq!(live(&database), first + 2);
    for (call, why) in [
        ("celador.restore_revision(99)", "there is no revision 99"),
        ("celador.restore_revision(NULL)", "no revision to restore"),
        ("celador.export_policy(99)", "there is no revision 99"),
    ] {
        let refused = refusal(superuser.batch_execute(&format!("SELECT {call}")));
        assert!(refused.contains(why), "{call}: {refused}");
    }
}

#[test]
fn a_load_on_top_of_what_was_looked_at() {
    let database = desk();
    let first = live(&database);
    let mut one = database.superuser();
    let mut other = database.superuser();
    load(
        &mut one,
        &reading("[\"all\"]"),
        &format!(", base => {first}"),
    )
    .expect("it loads");
    let refused = refusal(load(
        &mut other,
        &reading("[]"),
        &format!(", base => {first}"),
    ));
    assert!(
        refused.contains(&format!("the live revision is {}, not {first}", first + 1)),
        "{refused}"
    );
    assert_eq!(live(&database), first + 1);
    load(
        &mut other,
        &reading("[]"),
        &format!(", base => {}", first + 1),
    )
    .expect("it loads");
    // Nothing was loaded yet: 0.
    let bare = desk::bare();
    let mut superuser = bare.superuser();
    refusal(load(&mut superuser, &reading("[]"), ", base => 1"));
    load(&mut superuser, &reading("[]"), ", base => 0").expect("it loads");
}

/// Two who load at once: one after the other, and the second on top of the first.
#[test]
fn loads_wait_for_each_other() {
    let database = desk();
    let first = live(&database);
    let mut one = database.superuser();
    run(&mut one, "BEGIN");
    load(&mut one, &reading("[\"all\"]"), "").expect("it loads");
    let mut other = database.superuser();
    run(&mut other, "SET lock_timeout = '200ms'");
    refusal(load(&mut other, &reading("[]"), ""));
    run(&mut other, "SET lock_timeout = '30s'");
    let waiting = std::thread::spawn(move || load(&mut other, &reading("[]"), ""));
    std::thread::sleep(std::time::Duration::from_millis(300));
    run(&mut one, "COMMIT");
    let number = waiting.join().expect("it ends").expect("it loads");
    assert_eq!(i64::from(number), first + 2);
}

#[test]
fn revisions_are_not_for_everybody() {
    let database = desk();
    let mut bea = database.login("desk_bea");
    for call in [
        "SELECT * FROM celador.revisions()",
        "SELECT celador.export_policy()",
        "SELECT celador.restore_revision(1)",
        "SELECT celador.change_cell('seller', 'cases', 'read', '[\"all\"]')",
        "SELECT * FROM celador.plan_policy('')",
        "SELECT * FROM celador.policy",
    ] {
        denied(bea.batch_execute(call));
    }
}

/// Changes what sellers may do with cases.
fn change(
    client: &mut Client,
    action: &str,
    scopes: &str,
    how: &str,
) -> Result<i32, postgres::Error> {
    client
        .query_one(
            &format!("SELECT celador.change_cell('seller', 'cases', '{action}', '{scopes}'{how})"),
            &[],
        )
        .map(|row| row.get(0))
}

const CASES: &str = "SELECT id FROM cases ORDER BY id";

/// What `plan_policy` says of a text.
fn planned(client: &mut Client, document: &str) -> Vec<String> {
    client
        .query(
            "SELECT coalesce(change, ddl) FROM celador.plan_policy($1)",
            &[&document],
        )
        .expect("it is planned")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn a_cell_changes_without_a_load() {
    let database = desk();
    let first = live(&database);
    let before = desk::picture(&database);
    let mut superuser = database.superuser();
    let mut bea = database.login("desk_bea");
    assert_eq!(ids(&mut bea, CASES), [2]);
    let number =
        change(&mut superuser, "read", r#"["all"]"#, ", 'sellers see all'").expect("it changes");
    assert_eq!(i64::from(number), first + 1);
    assert_eq!(ids(&mut bea, CASES), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        text(
            &mut superuser,
            "SELECT reason FROM celador.revisions() WHERE live"
        )
        .as_deref(),
        Some("sellers see all")
    );
    assert_eq!(
        text(
            &mut superuser,
            "SELECT concat_ws(' ', kind, object, reason) FROM celador.changes ORDER BY change DESC LIMIT 1"
        ),
        Some(format!("load revision {number} sellers see all"))
    );
    // The document says so; nothing else has changed, there or on the tables.
    let whole = reading("[\"all\"]");
    assert_eq!(planned(&mut superuser, &whole), Vec::<String>::new());
    assert_eq!(
        planned(&mut superuser, desk::document(desk::MATRIX).as_str()),
        [r#"permissions.seller.cases.read = ["all"] → ["own", "shared"]"#]
    );
    let of_tables = |picture: String| -> Vec<String> {
        let lines = picture
            .lines()
            .filter(|line| !line.starts_with(&format!("{number}")));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(of_tables(desk::picture(&database)), of_tables(before));
    // On top of it, and back.
    change(&mut superuser, "read", "[]", "").expect("it changes");
    assert!(ids(&mut bea, CASES).is_empty());
    run(
        &mut superuser,
        &format!("SELECT celador.restore_revision({number})"),
    );
    assert_eq!(ids(&mut bea, CASES), [1, 2, 3, 4, 5, 6]);
    run(
        &mut superuser,
        &format!("SELECT celador.restore_revision({first})"),
    );
    assert_eq!(ids(&mut bea, CASES), [2]);
}

/// What a cell says lasts where the policy is made anew of its document.
#[test]
fn a_changed_cell_outlasts_a_migration_and_a_new_library() {
    let database = desk();
    let mut superuser = database.superuser();
    let mut bea = database.login("desk_bea");
    change(&mut superuser, "read", r#"["all"]"#, "").expect("it changes");
    run(&mut superuser, "SELECT celador.pause('cases')");
    run(&mut superuser, "ALTER TABLE cases ADD COLUMN later text");
    run(&mut superuser, "SELECT celador.resume('cases')");
    assert_eq!(ids(&mut bea, CASES), [1, 2, 3, 4, 5, 6]);
    // A form that this version can't read, beside a text that it can.
    let whole = desk::document(desk::MATRIX);
    load(&mut superuser, &whole, "").expect("it loads");
    run(
        &mut superuser,
        "UPDATE celador.policy SET parsed = '{\"written\": \"otherwise\"}'
         WHERE revision = (SELECT max(revision) FROM celador.policy)",
    );
    change(&mut superuser, "read", r#"["all"]"#, "").expect("it changes");
    assert_eq!(ids(&mut bea, CASES), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        planned(&mut superuser, &reading("[\"all\"]")),
        Vec::<String>::new()
    );
}

#[test]
fn a_changed_cell_locks_no_table() {
    let database = desk();
    let mut superuser = database.superuser();
    run(&mut superuser, "BEGIN");
    change(&mut superuser, "read", r#"["all"]"#, "").expect("it changes");
    let locked = text(
        &mut superuser,
        "SELECT string_agg(DISTINCT concat_ws(' ', c.oid::regclass, l.mode), ', ')
         FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation AND c.relnamespace <> 'celador'::regnamespace
         WHERE l.pid = pg_backend_pid() AND l.mode <> 'AccessShareLock' AND c.relkind NOT IN ('i', 't') AND c.oid > 16384",
    );
    assert_eq!(locked, None);
    // Not in force until it is committed; gone when it is rolled back.
    let mut bea = database.login("desk_bea");
    assert_eq!(ids(&mut bea, CASES), [2]);
    run(&mut superuser, "ROLLBACK");
    assert_eq!(ids(&mut bea, CASES), [2]);
}

#[test]
fn a_cell_that_cant_be_is_refused() {
    let database = desk();
    let first = live(&database);
    let mut superuser = database.superuser();
    let cases = [
        (
            "'saler', 'cases', 'read', '[\"all\"]'",
            "permissions.saler: there is no role \"saler\"",
        ),
        (
            "'seller', 'case', 'read', '[\"all\"]'",
            "there is no module \"case\"",
        ),
        (
            "'seller', 'cases', 'see', '[\"all\"]'",
            "\"see\" is no action",
        ),
        (
            "'seller', 'cases', 'read', '[\"mine\"]'",
            "\"mine\" is no scope",
        ),
        (
            "'seller', 'cases', 'read', '[{\"scope\": \"own\", \"if\": \"x\"}]'",
            "these are no scopes: unknown field `if`",
        ),
        (
            "'seller', 'cases', 'read', '{\"scope\": \"own\"}'",
            "these are no scopes",
        ),
        (
            "'seller', 'cases', NULL, '[\"all\"]'",
            "a cell has a role, a module and an action",
        ),
        (
            "'seller', 'cases', 'read', '[\"all\"]', NULL, 99",
            "the live revision is",
        ),
    ];
    for (call, why) in cases {
        let refused =
            refusal(superuser.batch_execute(&format!("SELECT celador.change_cell({call})")));
        assert!(refused.contains(why), "{call}: {refused}");
    }
    assert_eq!(live(&database), first);
    let bare = desk::bare();
    let refused = refusal(change(&mut bare.superuser(), "read", r#"["all"]"#, ""));
    assert!(refused.contains("no policy is loaded"), "{refused}");
}

/// Found: a load that changed cells alone asked for no owner, since it touches no table.
#[test]
fn whoever_changes_cells_is_a_member_of_the_owners() {
    let database = desk();
    let mut superuser = database.superuser();
    run(
        &mut superuser,
        "GRANT EXECUTE ON FUNCTION celador.change_cell, celador.load_policy(text, text, integer),
           celador.restore_revision TO desk_bea, desk_migrator",
    );
    let mut bea = database.login("desk_bea");
    let wider = reading("[\"all\"]");
    for refused in [
        denied(change(&mut bea, "read", r#"["all"]"#, "")),
        denied(load(&mut bea, &wider, "")),
        denied(bea.batch_execute("SELECT celador.restore_revision(1)")),
    ] {
        assert!(
            refused
                .message
                .starts_with("you are no member of role \"desk_owner\", which owns table"),
            "{}",
            refused.message
        );
    }
    assert_eq!(ids(&mut bea, CASES), [2]);
    let mut migrator = database.login("desk_migrator");
    change(&mut migrator, "read", r#"["all"]"#, "").expect("it changes");
    load(&mut migrator, &reading("[]"), "").expect("it loads");
    assert!(ids(&mut bea, CASES).is_empty());
}
