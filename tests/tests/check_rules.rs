//! `celador.check()`: each rule finds the violation that was put in for it, and doesn't without.
//!
//! A violation is put in within a transaction that is rolled back: database roles belong to the
//! whole cluster.

mod check_seeds;

use std::collections::BTreeSet;

use celador_policy::lint::{Look, rules};
use celador_tests::{Database, denied, failure, small_crm, small_document};
use check_seeds::{ELSEWHERE, SEEDS};
use postgres::Client;

type Finding = (String, String, String);

#[track_caller]
fn findings(client: &mut Client) -> Vec<Finding> {
    client
        .query("SELECT rule, object, finding FROM celador.check()", &[])
        .unwrap_or_else(|error| panic!("check runs: {error:?}"))
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

fn has(findings: &[Finding], rule: &str, object: &str) -> bool {
    findings
        .iter()
        .any(|found| found.0 == rule && (found.1.contains(object) || found.2.contains(object)))
}

#[test]
fn each_rule_finds_its_own_violation() {
    let database = Database::preset("s1-matrix");
    let mut client = database.superuser();
    let mut problems = Vec::new();
    for seed in SEEDS {
        client.batch_execute("BEGIN").expect("a transaction begins");
        if let Err(error) = client.batch_execute(seed.before) {
            problems.push(format!("{} before: {error:?}", seed.rule));
            client.batch_execute("ROLLBACK").expect("it ends");
            continue;
        }
        let clean = findings(&mut client);
        if has(&clean, seed.rule, seed.object) {
            problems.push(format!("{} {} without a seed", seed.rule, seed.object));
        }
        if let Err(error) = client.batch_execute(seed.violation) {
            problems.push(format!("{} violation: {error:?}", seed.rule));
            client.batch_execute("ROLLBACK").expect("it ends");
            continue;
        }
        let seeded = findings(&mut client);
        if !has(&seeded, seed.rule, seed.object) {
            let of_rule: Vec<_> = seeded.iter().filter(|f| f.0 == seed.rule).collect();
            problems.push(format!("{} {}: {of_rule:?}", seed.rule, seed.object));
        }
        client.batch_execute("ROLLBACK").expect("it ends");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_rule_about_the_installation_has_a_seed() {
    let seeded: BTreeSet<&str> = SEEDS
        .iter()
        .map(|seed| seed.rule)
        .chain(ELSEWHERE.iter().copied())
        .collect();
    for rule in rules() {
        if matches!(rule.look, Look::Installation(_)) {
            assert!(seeded.contains(rule.code), "{} has no seed", rule.code);
        }
    }
    assert!(rules().len() >= 80, "{}", rules().len());
}

#[test]
fn keys_and_settings_of_the_server() {
    let cluster = celador_tests::start(xtask::cluster::Options {
        settings: vec![("wal_level".into(), "logical".into())],
        ..xtask::cluster::Options::default()
    });
    let connect = |role: &str| {
        postgres::Client::connect(&cluster.url(role, "postgres"), postgres::NoTls)
            .expect("it connects")
    };
    let mut client = connect("postgres");
    client
        .batch_execute("CREATE EXTENSION celador; CREATE ROLE carrier LOGIN; GRANT EXECUTE ON FUNCTION celador.act_as(text) TO carrier")
        .expect("it is set up");
    let clean = findings(&mut client);
    for rule in ["CEL101", "CEL103", "CEL105", "CEL106", "CEL107", "CEL200"] {
        assert!(
            !clean.iter().any(|found| found.0 == rule),
            "{rule}: {clean:?}"
        );
    }
    let is_new: bool = client
        .query_one("SELECT celador.server_minor_ok()", &[])
        .expect("the release is judged")
        .get(0);
    let is_told = has(&clean, "CEL114", "ON CONFLICT");
    assert!(is_told != is_new, "{clean:?}");
    let file = cluster.key_file();
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("its mode");
    };
    mode(0o644);
    let found = findings(&mut client);
    assert!(
        has(&found, "CEL105", "others than its owner have rights"),
        "{found:?}"
    );
    mode(0o600);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(400 * 24 * 60 * 60);
    let times = std::fs::FileTimes::new().set_modified(old);
    std::fs::File::open(&file)
        .and_then(|open| open.set_times(times))
        .expect("its time");
    let found = findings(&mut client);
    assert!(has(&found, "CEL106", "400 days ago"), "{found:?}");
    client
        .batch_execute("SELECT pg_create_logical_replication_slot('tap', 'pgoutput')")
        .expect("a slot is made");
    let found = findings(&mut client);
    assert!(has(&found, "CEL200", "slot tap"), "{found:?}");
    client
        .batch_execute("SELECT pg_drop_replication_slot('tap')")
        .expect("it goes");
    // A session that is older than the first load, by whatever setting the library comes.
    let early = connect("carrier");
    let is_early = |found: &[_]| has(found, "CEL103", "before the first policy was loaded");
    assert!(!is_early(&findings(&mut client)));
    client
        .batch_execute("SELECT celador.load_policy('')")
        .expect("it loads");
    let found = findings(&mut client);
    assert!(is_early(&found), "{found:?}");
    drop(early);
    client
        .batch_execute(
            "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'carrier') LOOP
           PERFORM pg_sleep(0.02), pg_stat_clear_snapshot(); END LOOP; END $$",
        )
        .expect("it ends");
    let found = findings(&mut client);
    assert!(!is_early(&found), "{found:?}");
    // One that is older than the settings.
    let mut pooled = connect("carrier");
    client
        .batch_execute("SELECT pg_reload_conf()")
        .expect("it reloads");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut later = connect("postgres");
    let found = findings(&mut later);
    assert!(has(&found, "CEL103", "of carrier"), "{found:?}");
    pooled.batch_execute("SELECT 1").expect("it goes on");
    // The key file within the data directory.
    let data: String = later.query_one("SHOW data_directory", &[]).unwrap().get(0);
    let inside = format!("{data}/keys");
    later
        .batch_execute(&format!("COPY (SELECT 1) TO '{inside}'"))
        .expect("a file is there");
    later
        .batch_execute(&format!("ALTER SYSTEM SET celador.key_file = '{inside}'"))
        .expect("it is set");
    later
        .batch_execute("SELECT pg_reload_conf()")
        .expect("it reloads");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let found = findings(&mut connect("postgres"));
    assert!(has(&found, "CEL107", "celador.key_file"), "{found:?}");
    // Without the library.
    later
        .batch_execute("ALTER SYSTEM SET session_preload_libraries = 'plpgsql'")
        .expect("it is set");
    later
        .batch_execute("SELECT pg_reload_conf()")
        .expect("it reloads");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let found = findings(&mut connect("postgres"));
    assert!(
        has(&found, "CEL101", "session_preload_libraries"),
        "{found:?}"
    );
}

#[test]
fn people_may_neither_lint_nor_check() {
    let database = Database::preset("s1-matrix");
    for question in ["SELECT celador.check()", "SELECT celador.lint()"] {
        denied(database.login("sergio").query(question, &[]));
    }
    let mut client = database.superuser();
    let wrong = failure(client.query("SELECT celador.lint('[mappings]')", &[]));
    assert_eq!(wrong.code, "22023", "{wrong:?}");
    let document = Database::preset_document("s1-matrix").replace(
        "[settings.team_records]",
        "[settings.idle]\nset_by = [\"administrator\"]\n[settings.team_records]",
    );
    let rows = client
        .query(
            "SELECT object FROM celador.lint($1) WHERE rule = 'CEL021'",
            &[&document],
        )
        .expect("a document is linted");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<_, String>(0), "idle");
    let live = client
        .query(
            "SELECT object FROM celador.lint() WHERE rule = 'CEL021'",
            &[],
        )
        .expect("the live policy is linted");
    assert!(live.is_empty());
}

#[test]
fn what_the_directory_and_the_policy_say_of_each_other() {
    let named = |group: &str| {
        format!(
            "[permissions.worker]\ncompanies = {{ read = [\"own\"] }}\n[restrictions.one]\ngroups = [\"{group}\"]\n\
             module = \"companies\"\npredicate = \"region = 'north'\"\n"
        )
    };
    let database = small_crm(&named("East"));
    let mut client = database.superuser();
    let clean = findings(&mut client);
    assert!(
        !clean.iter().any(|f| f.0 == "CEL145" || f.0 == "CEL150"),
        "{clean:?}"
    );
    database.run("SELECT celador.give_role('omar', 'wizard')");
    database.load(&small_document(&named("Easy")));
    let found = findings(&mut client);
    assert!(has(&found, "CEL145", "one"), "{found:?}");
    assert!(has(&found, "CEL150", "wizard"), "{found:?}");
}
