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
        "SELECT * FROM celador.plan_policy('')",
        "SELECT * FROM celador.policy",
    ] {
        denied(bea.batch_execute(call));
    }
}
