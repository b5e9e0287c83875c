//! What Celador tells of itself: why a record is in reach, what a load would do, what is loaded.

mod desk;

use celador_tests::{Database, denied, failure};
use desk::{desk, ids, number, picture, run, text, under};

type Line = (String, String, String, String);

#[track_caller]
fn explained(
    database: &Database,
    table: &str,
    record: &str,
    user: &str,
    action: &str,
) -> Vec<Line> {
    database
        .superuser()
        .query(
            "SELECT kind, name, result, source FROM celador.explain_access($1::text::regclass, $2, $3, $4)",
            &[&table, &record, &user, &action],
        )
        .unwrap_or_else(|error| panic!("{table} {record} {user} {action}: {error:?}"))
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect()
}

/// The result of the line for a scope or restriction.
#[track_caller]
fn result<'a>(lines: &'a [Line], kind: &str, name: &str) -> &'a str {
    let mut found = lines.iter().filter(|line| line.0 == kind && line.1 == name);
    match (found.next(), found.next()) {
        (Some(line), None) => &line.2,
        (first, _) => panic!("{kind} {name}: {first:?} in {lines:?}"),
    }
}

const MATRIX: &str = r#"
[permissions.seller.cases]
read = ["own", "group", "shared", "rule:spanish", { scope = "all", when = "open_team" }]
update = ["own"]
[permissions.agent.cases]
read = ["unassigned"]
[permissions.administrator]
"*" = { "*" = ["all"] }
[rules.spanish]
cases = "country = 'ES' AND title LIKE 'far%'"
[settings.open_team]
default = false
[restrictions.no-french]
groups = ["one"]
module = "cases"
predicate = "country = 'ES'"
[restrictions.nothing-for-cem]
users = ["desk_cem"]
module = "cases"
actions = ["delete"]
"#;

#[test]
fn a_line_for_each_scope_and_restriction() {
    let database = under(MATRIX);
    let lines = explained(&database, "cases", "2", "2", "read");
    assert_eq!(result(&lines, "scope", "own"), "true");
    assert_eq!(result(&lines, "scope", "group"), "true");
    assert_eq!(result(&lines, "scope", "shared"), "false");
    assert_eq!(result(&lines, "scope", "rule:spanish"), "false");
    assert_eq!(result(&lines, "scope", "all"), "not applicable");
    assert_eq!(result(&lines, "restriction", "no-french"), "true");
    assert_eq!(
        result(&lines, "restriction", "nothing-for-cem"),
        "not applicable"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.1 == "own" && line.3.contains("seller")),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.1 == "all" && line.3.contains("open_team")),
        "{lines:?}"
    );
    let lines = explained(&database, "cases", "6", "2", "read");
    assert_eq!(result(&lines, "scope", "own"), "false");
    assert_eq!(result(&lines, "scope", "rule:spanish"), "true");
    let lines = explained(&database, "cases", "3", "2", "read");
    assert_eq!(result(&lines, "scope", "group"), "true");
    assert_eq!(result(&lines, "restriction", "no-french"), "false");
    database.run(
        "SELECT celador.share('cases', '1', '2'); SELECT celador.set_setting('open_team', true)",
    );
    let lines = explained(&database, "cases", "1", "2", "read");
    assert_eq!(result(&lines, "scope", "shared"), "true");
    assert_eq!(result(&lines, "scope", "all"), "true");
    assert_eq!(result(&lines, "scope", "own"), "false");
}

#[test]
fn what_is_explained_is_what_is_seen() {
    let database = under(MATRIX);
    database.run("SELECT celador.share('cases', '1', '2'); SELECT celador.share_with_group('cases', '4', '1', 'update')");
    let people = [
        ("desk_ann", "1"),
        ("desk_bea", "2"),
        ("desk_cem", "3"),
        ("desk_dan", "4"),
    ];
    for open in [false, true] {
        database.run(&format!("SELECT celador.set_setting('open_team', {open})"));
        for (login, user) in people {
            let mut client = database.login(login);
            let seen = ids(&mut client, "SELECT id FROM cases");
            run(&mut client, "BEGIN");
            for id in 1..=6 {
                for action in ["read", "update", "delete"] {
                    let lines = explained(&database, "cases", &id.to_string(), user, action);
                    let reached = lines
                        .iter()
                        .any(|line| line.0 == "scope" && line.2 == "true");
                    let restricted = lines
                        .iter()
                        .any(|line| line.0 == "restriction" && line.2 == "false");
                    let explained = reached && !restricted;
                    let real = match action {
                        "read" => seen.contains(&id),
                        "update" => {
                            let sql = format!("UPDATE cases SET note = note || '' WHERE id = {id}");
                            client.execute(&sql, &[]).expect("it runs") == 1
                        }
                        _ => {
                            let sql =
                                format!("SAVEPOINT s; DELETE FROM lines WHERE case_id = {id}");
                            let _ = client.batch_execute(&sql);
                            let sql = format!("DELETE FROM cases WHERE id = {id}");
                            let deleted = client.execute(&sql, &[]).expect("it runs") == 1;
                            run(&mut client, "ROLLBACK TO s");
                            deleted
                        }
                    };
                    assert_eq!(real, explained, "{login} {action} {id}: {lines:?}");
                }
            }
            run(&mut client, "ROLLBACK");
        }
    }
}

/// Two grants of one scope were explained as one: each lends by its own module only.
#[test]
fn a_record_that_hangs_on_two_is_explained_by_each() {
    let database = desk::bare();
    database.run(
        "SET ROLE desk_owner;
         CREATE TABLE notes (id integer PRIMARY KEY, doc_id integer, case_id integer);
         INSERT INTO notes VALUES (1, 1, 6), (2, 2, 2), (3, 2, 6);
         RESET ROLE",
    );
    database.load(&format!(
        "{}\n{}",
        desk::MAPPING,
        r#"
[mapping.modules.notes]
table = "notes"
parent = [{ module = "docs", column = "doc_id" }, { module = "cases", column = "case_id" }]
[permissions.seller]
docs = { read = ["own"] }
cases = { read = ["own"] }
notes = { read = [{ scope = "parent", module = "docs" }, { scope = "parent", module = "cases" }] }
"#
    ));
    for (note, by_docs, by_cases) in [
        ("1", "true", "false"),
        ("2", "false", "true"),
        ("3", "false", "false"),
    ] {
        let lines = explained(&database, "notes", note, "2", "read");
        assert_eq!(result(&lines, "scope", "parent (docs: read)"), by_docs);
        assert_eq!(result(&lines, "scope", "parent (cases: read)"), by_cases);
    }
}

#[test]
fn links_parents_and_what_isnt_there() {
    let database = desk();
    let lines = explained(&database, "docs", "1", "2", "read");
    assert_eq!(result(&lines, "scope", "own"), "true");
    let lines = explained(&database, "docs", "2", "2", "read");
    assert_eq!(result(&lines, "scope", "own"), "false");
    // No permission at all, no such record, no such user, an inactive one, an open table.
    for (table, record, user) in [
        ("boards", "1", "2"),
        ("cases", "99", "2"),
        ("cases", "x", "2"),
        ("cases", "1", "99"),
        ("cases", "1", "5"),
    ] {
        let lines = explained(&database, table, record, user, "read");
        assert!(
            !lines.is_empty()
                && lines.iter().any(|line| line.2 == "false")
                && lines.iter().all(|line| line.2 != "true"),
            "{table} {record} {user}: {lines:?}"
        );
    }
    let lines = explained(&database, "countries", "ES", "2", "read");
    assert!(
        lines.iter().any(|line| line.3.contains("open")),
        "{lines:?}"
    );
    let error = failure(database.superuser().query(
        "SELECT * FROM celador.explain_access('cases', '1', '2', 'fly')",
        &[],
    ));
    assert_eq!(error.code, "22023", "{error:?}");
    assert!(
        error.message.contains("fly") && error.hint.contains("read"),
        "{error:?}"
    );
    // It looks through another person's eyes: not for everybody.
    denied(database.login("desk_bea").query(
        "SELECT * FROM celador.explain_access('cases', '1', '1', 'read')",
        &[],
    ));
    // And afterwards one sees with one's own again.
    let mut superuser = database.superuser();
    run(
        &mut superuser,
        "GRANT EXECUTE ON FUNCTION celador.explain_access TO desk_bea",
    );
    let mut bea = database.login("desk_bea");
    run(
        &mut bea,
        "SELECT * FROM celador.explain_access('cases', '1', '1', 'read')",
    );
    assert_eq!(ids(&mut bea, "SELECT id FROM cases"), [2]);
    assert_eq!(
        text(&mut bea, "SELECT \"user\" FROM celador.whoami()").as_deref(),
        Some("2")
    );
}

#[test]
fn a_plan_changes_nothing_and_tells_what_a_load_does() {
    let database = desk::bare();
    let document = desk::document(desk::MATRIX);
    let before = picture(&database);
    let mut superuser = database.superuser();
    run(&mut superuser, "BEGIN");
    let steps = superuser
        .query(
            "SELECT step, relation, lock, ddl FROM celador.plan_policy($1) WHERE ddl IS NOT NULL",
            &[&document],
        )
        .expect("it can be planned");
    // It has locked nobody out.
    let locks = number(
        &mut superuser,
        "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode <> 'AccessShareLock'
           AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)",
    );
    assert_eq!(locks, 0);
    run(&mut superuser, "COMMIT");
    assert_eq!(picture(&database), before);
    let numbers: Vec<i32> = steps.iter().map(|step| step.get(0)).collect();
    // What changes in the policy comes first.
    assert!(numbers[0] > 1);
    assert_eq!(
        numbers,
        (numbers[0]..).take(steps.len()).collect::<Vec<_>>()
    );
    let relations: Vec<String> = steps.iter().map(|step| step.get(1)).collect();
    assert!(relations.is_sorted(), "{relations:?}");
    for table in [
        "public.cases",
        "public.lines",
        "public.visits_old",
        "public.doc_people",
        "public.users",
    ] {
        assert!(
            relations.iter().any(|relation| relation == table),
            "{table}"
        );
    }
    assert!(
        !relations
            .iter()
            .any(|relation| relation == "public.countries")
    );
    assert!(
        steps
            .iter()
            .all(|step| !step.get::<_, String>(2).is_empty())
    );
    assert!(
        steps
            .iter()
            .any(|step| step.get::<_, String>(3).contains("CREATE POLICY"))
    );
    // The load does it, and then nothing is left to do; running it again does nothing.
    database.load(&document);
    let loaded = picture(&database);
    assert_ne!(loaded, before);
    let left = number(
        &mut superuser,
        &format!("SELECT count(*) FROM celador.plan_policy($doc${document}$doc$)"),
    );
    assert_eq!(left, 0);
    // Only permissions change: no DDL.
    let other = desk::document(&desk::MATRIX.replace("\"own\", \"shared\"", "\"all\""));
    let left = number(
        &mut superuser,
        &format!("SELECT count(ddl) FROM celador.plan_policy($doc${other}$doc$)"),
    );
    assert_eq!(left, 0);
    assert_eq!(
        text(
            &mut superuser,
            &format!("SELECT string_agg(change, '; ') FROM celador.plan_policy($doc${other}$doc$)"),
        )
        .as_deref(),
        Some("permissions.seller.cases.read = [\"own\", \"shared\"] → [\"all\"]")
    );
    denied(
        database
            .login("desk_bea")
            .query("SELECT * FROM celador.plan_policy($1)", &[&document]),
    );
}

#[test]
fn an_export_is_stable_to_the_byte() {
    let database = desk();
    let export = |database: &Database| {
        text(&mut database.superuser(), "SELECT celador.export_policy()")
            .expect("a policy is loaded")
    };
    let first = export(&database);
    assert_eq!(export(&database), first);
    // Loaded again, here and elsewhere, it comes out as it went in, and means the same.
    database.load(&first);
    assert_eq!(export(&database), first);
    let other = desk::bare();
    other.load(&first);
    assert_eq!(export(&other), first);
    assert_eq!(
        ids(&mut other.login("desk_bea"), "SELECT id FROM cases"),
        [2]
    );
    // It is sorted: the order in which keys were written doesn't matter.
    let (head, tail) = desk::MATRIX.split_at(
        desk::MATRIX
            .find("[permissions.agent.cases]")
            .expect("it is there"),
    );
    other.load(&desk::document(&format!("{tail}\n{head}")));
    assert_eq!(export(&other), first);
    denied(
        database
            .login("desk_bea")
            .query("SELECT celador.export_policy()", &[]),
    );
}
