//! What is wrong is said once, clearly, and nothing has changed afterwards.

mod desk;

use celador_tests::{Database, Failure, denied, failure};
use desk::{MAPPING, MATRIX, desk, document, number, picture, run, text};

/// Loading fails, and leaves everything as it is.
#[track_caller]
fn refused(database: &Database, document: &str) -> Failure {
    let before = picture(database);
    let result = database
        .superuser()
        .query("SELECT celador.load_policy($1)", &[&document]);
    assert!(result.is_err(), "it loads");
    let error = failure(result);
    assert_eq!(picture(database), before);
    assert!(!error.hint.is_empty(), "no remedy: {error:?}");
    assert!(!error.detail.contains("stack"), "{error:?}");
    assert!(!error.detail.contains(".rs:"), "{error:?}");
    error
}

/// Each: what is replaced, by what, and what the message says; its line is that of the last word.
const MISTAKES: &[(&str, &str, &[&str])] = &[
    // Not TOML; keys that there aren't.
    ("schemas = [\"public\"]", "schemas = [\"public\"", &[]),
    (
        "[mapping.modules.cases]",
        "[mapping.modulez.cases]",
        &["modulez"],
    ),
    (
        "touch = [\"updated_at\"]",
        "tuch = [\"updated_at\"]",
        &["tuch"],
    ),
    ("default = false", "defaults = false", &["defaults"]),
    ("default = false", "default = \"no\"", &["default"]),
    // Unknown names.
    (
        "table = \"cases\"\n",
        "table = \"casez\"\n",
        &["casez", "mapping.modules.cases.table"],
    ),
    (
        "owner = \"owner_id\"\ngroup",
        "owner = \"ownr_id\"\ngroup",
        &["ownr_id", "cases"],
    ),
    (
        "creator = \"created_by\"\ntouch",
        "creator = \"made_by\"\ntouch",
        &["made_by"],
    ),
    (
        "touch = [\"updated_at\"]",
        "touch = [\"changed_at\"]",
        &["changed_at"],
    ),
    (
        "login = \"login\"",
        "login = \"logon\"",
        &["logon", "mapping.users.login"],
    ),
    ("region = \"region\"", "region = \"area\"", &["area"]),
    (
        "supervisor = \"boss\"",
        "supervisor = \"chief\"",
        &["chief"],
    ),
    (
        "parent = \"parent\"",
        "parent = \"above\"",
        &["above", "mapping.groups.parent"],
    ),
    (
        "open = [\"countries\"]",
        "open = [\"countrys\"]",
        &["countrys"],
    ),
    ("column = \"case_id\"", "column = \"kase_id\"", &["kase_id"]),
    (
        "delete = [\"own\"]",
        "remove = [\"own\"]",
        &["remove", "permissions.seller.cases"],
    ),
    (
        "delete = [\"own\"]",
        "delete = [\"mine\"]",
        &["mine", "permissions.seller.cases.delete"],
    ),
    (
        "when = \"open_team\"",
        "when = \"open_teem\"",
        &["open_teem"],
    ),
    (
        "set_by = [\"administrator\"]",
        "set_by = [\"admin\"]",
        &["admin"],
    ),
    (
        "[settings.open_team]",
        "[restrictions.r]\nroles = [\"seller\"]\nmodule = \"cases\"\n[settings.open_team]",
        &["restrictions.r.roles"],
    ),
    (
        "[settings.open_team]",
        "[roles.chief]\nimplied_by = [\"sellr\"]\n[settings.open_team]",
        &["sellr"],
    ),
    ("delete = [\"own\"]", "delete = [\"rule:big\"]", &["big"]),
    // A scope that the module has nothing for.
    (
        "delete = [\"own\"]",
        "delete = [\"parent\"]",
        &["parent", "cases"],
    ),
    (
        "delete = [\"own\"]",
        "delete = [\"related\"]",
        &["related", "cases"],
    ),
    (
        "[permissions.agent.cases]",
        "[permissions.agent.groups]\nread = [\"own\"]\n[permissions.agent.cases]",
        &["own", "owner", "groups"],
    ),
    (
        "[permissions.agent.cases]",
        "[permissions.agent.visits]\nread = [\"group\"]\n[permissions.agent.cases]",
        &["group", "visits"],
    ),
    (
        "[permissions.agent.cases]",
        "[permissions.agent.boards]\nread = [\"created\"]\n[permissions.agent.cases]",
        &["created", "creator"],
    ),
    (
        "delete = [\"own\"]",
        "delete = [{ scope = \"own\", to = [\"all\"] }]",
        &["to", "assign"],
    ),
    (
        "delete = [\"own\"]",
        "delete = [{ scope = \"own\", until = \"noon\" }]",
        &[],
    ),
    // Predicates.
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"country = \"\n[settings.open_team]",
        &["rules.r.cases"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"EXISTS (SELECT FROM users)\"\n[settings.open_team]",
        &["rules.r.cases"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"id IN (SELECT id FROM docs)\"\n[settings.open_team]",
        &["rules.r.cases"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"users.id = 1\"\n[settings.open_team]",
        &["rules.r.cases"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"pg_sleep(1) IS NULL\"\n[settings.open_team]",
        &["rules.r.cases"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"lower(title) = 'x'\"\n[settings.open_team]",
        &["rules.r.cases"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"true); DROP TABLE cases; --\"\n[settings.open_team]",
        &["rules.r.cases"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"nosuch = 1\"\n[settings.open_team]",
        &["nosuch"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"owner_id = 'x'\"\n[settings.open_team]",
        &["rules.r.cases"],
    ),
    (
        "[settings.open_team]",
        "[rules.r]\ncases = \"title = my_shoe\"\n[settings.open_team]",
        &["my_shoe"],
    ),
    // Tables that nobody placed, or twice.
    (
        "children = [{ table = \"lines\", column = \"case_id\" }]\n",
        "",
        &["public.lines", "public.cases", "cases"],
    ),
    ("open = [\"countries\"]", "open = []", &["public.countries"]),
    (
        "table = \"boards\"",
        "table = \"docs\"",
        &["public.docs", "twice"],
    ),
    // Keys of a wrong type, columns that can't be what they are mapped to.
    (
        "owner = \"owner_id\"\ngroup",
        "owner = \"updated_at\"\ngroup",
        &["updated_at", "timestamptz"],
    ),
    (
        "active = \"active\"",
        "active = \"login\"",
        &["login", "boolean"],
    ),
    (
        "keys = { user = \"id\" }",
        "keys = { user = \"last_seen\" }",
        &["last_seen"],
    ),
    (
        "keys = { user = \"id\" }",
        "keys = { person = \"id\" }",
        &["user", "mapping.users.keys"],
    ),
    (
        "user = \"user_id\"\nrole = \"role\"",
        "user = \"user_id\"\nuser_key = \"badge\"\nrole = \"role\"",
        &["badge"],
    ),
    (
        "user = \"user_id\"\nrole = \"role\"",
        "role = \"role\"",
        &["user", "group"],
    ),
    // A closed set of roles.
    (
        "[settings.open_team]",
        "[limits]\nroles = [\"seller\", \"agent\"]\n[settings.open_team]",
        &["administrator"],
    ),
];

#[test]
fn each_mistake_in_a_document_is_one_clear_error() {
    let database = desk();
    let good = document(MATRIX);
    let mut wrong = Vec::new();
    for (from, to, words) in MISTAKES {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        let before = picture(&database);
        let result = database
            .superuser()
            .query("SELECT celador.load_policy($1)", &[&bad]);
        if result.is_ok() {
            wrong.push(format!("{to}: it loads"));
            database.load(&good);
            continue;
        }
        let error = failure(result);
        let mut blame = |what: &str| wrong.push(format!("{to}: {what}: {error:?}"));
        if picture(&database) != before {
            blame("something has changed");
        }
        if error.code != "22023" {
            blame("its code");
        }
        if error.hint.is_empty() {
            blame("no remedy");
        }
        if error.detail.contains(".rs:") {
            blame("a backtrace");
        }
        let removed = to.is_empty();
        if !error.message.contains("line ") && !removed {
            blame("no line");
        }
        for word in *words {
            if !error.message.contains(word)
                && !error.hint.contains(word)
                && !error.detail.contains(word)
            {
                blame(word);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        number(
            &mut database.login("desk_bea"),
            "SELECT count(*) FROM cases"
        ),
        1
    );
}

#[test]
fn the_line_is_the_right_one() {
    let database = desk();
    let good = document(MATRIX);
    for (from, to) in [
        ("delete = [\"own\"]", "delete = [\"mine\"]"),
        ("login = \"login\"", "login = \"logon\""),
        ("when = \"open_team\"", "when = \"open_teem\""),
        ("touch = [\"updated_at\"]", "tuch = [\"updated_at\"]"),
        ("table = \"boards\"", "table = \"bords\""),
    ] {
        let bad = good.replacen(from, to, 1);
        let line = 1 + bad.find(to).map_or(0, |at| bad[..at].matches('\n').count());
        let error = refused(&database, &bad);
        assert!(
            error.message.contains(&format!("line {line}:")),
            "line {line}: {error:?}"
        );
    }
    // Several mistakes are all told, in the order of their lines.
    let bad = good
        .replacen("delete = [\"own\"]", "delete = [\"mine\"]", 1)
        .replacen("when = \"open_team\"", "when = \"open_teem\"", 1);
    let error = refused(&database, &bad);
    let (scope, setting) = (error.detail.find("mine"), error.detail.find("open_teem"));
    assert!(scope.is_some() && scope < setting, "{error:?}");
}

#[test]
fn texts_that_are_no_documents() {
    let database = desk();
    let long = format!("# {}", "x".repeat(5 << 20));
    for text in [
        "x",
        "[",
        "mapping = 1",
        "[permissions]\nseller = 3",
        long.as_str(),
        "\u{feff}\u{1}",
    ] {
        let error = refused(&database, text);
        assert_eq!(error.code, "22023", "{error:?}");
        assert!(error.message.len() < 1000);
    }
    let error = failure(
        database
            .superuser()
            .query("SELECT celador.load_policy(NULL)", &[]),
    );
    assert_eq!(error.code, "22004", "{error:?}");
    for function in ["plan_policy", "load_policy"] {
        denied(
            database
                .login("desk_bea")
                .query(&format!("SELECT celador.{function}('')"), &[]),
        );
    }
}

#[test]
fn a_circle_of_parents_stops_the_load() {
    let database = desk::bare();
    database.run(
        "ALTER TABLE cases ADD COLUMN doc_id integer; ALTER TABLE docs ADD COLUMN case_id integer",
    );
    let mapping = MAPPING
        .replace("touch = [\"updated_at\"]", "touch = [\"updated_at\"]\nparent = { module = \"docs\", column = \"doc_id\" }")
        .replace("group = { table = \"doc_teams\"", "parent = { module = \"cases\", column = \"case_id\" }\ngroup = { table = \"doc_teams\"");
    let error = refused(
        &database,
        &format!(
            "{mapping}\n[permissions.seller]\ncases = {{ read = [\"parent\"] }}\ndocs = {{ read = [\"parent\"] }}"
        ),
    );
    assert!(
        error.message.contains("circle") && error.message.contains("docs (read)"),
        "{error:?}"
    );
}

#[test]
fn columns_that_are_generated_are_nobodys_owner() {
    // They are computed after the guard has decided.
    let database = desk::bare();
    database.run("ALTER TABLE cases ADD COLUMN keeper integer GENERATED ALWAYS AS (coalesce(owner_id, 0)) STORED");
    for key in [
        "owner = \"owner_id\"\ngroup",
        "group = \"team_id\"\ncreator",
        "creator = \"created_by\"\ntouch",
    ] {
        let to = key.replacen(
            ["owner_id", "team_id", "created_by"]
                .into_iter()
                .find(|column| key.contains(column))
                .expect("a column"),
            "keeper",
            1,
        );
        let error = refused(&database, &document(MATRIX).replacen(key, &to, 1));
        assert!(
            error.message.contains("keeper") && error.message.contains("generated"),
            "{error:?}"
        );
    }
}

#[test]
fn a_directory_that_doesnt_fit_stops_the_load() {
    for (change, words) in [
        (
            "UPDATE users SET login = 'desk_bea' WHERE id = 4",
            "desk_bea",
        ),
        ("UPDATE users SET boss = 3 WHERE id = 1", "users"),
        ("UPDATE users SET boss = id WHERE id = 1", "users"),
        ("UPDATE teams SET parent = 2 WHERE id = 1", "teams"),
    ] {
        let database = desk::bare();
        database.run(change);
        let error = refused(&database, &document(MATRIX));
        assert!(error.message.contains(words), "{change}: {error:?}");
        // What fits before may not be changed so afterwards.
        let database = desk();
        let result = database.superuser().batch_execute(change);
        if words == "desk_bea" {
            // The CRM's own business: both are nobody.
            assert!(result.is_ok());
            denied(database.login("desk_bea").query("SELECT 1 FROM cases", &[]));
        } else {
            assert_eq!(failure(result).code, "23514", "{change}");
        }
    }
}

#[test]
fn a_lock_that_isnt_had_in_time() {
    let database = desk::bare();
    let mut busy = database.login("desk_bea");
    run(&mut busy, "BEGIN; SELECT 1 FROM lines");
    let before = picture(&database);
    let mut loader = database.superuser();
    run(&mut loader, "SET lock_timeout = '300ms'");
    let error = failure(loader.query("SELECT celador.load_policy($1)", &[&document(MATRIX)]));
    assert_eq!(error.code, "55P03", "{error:?}");
    assert!(
        error.message.contains("public.lines") && !error.hint.is_empty(),
        "{error:?}"
    );
    assert_eq!(picture(&database), before);
    assert_eq!(
        number(&mut loader, "SELECT count(*) FROM celador.policy"),
        0
    );
    assert_eq!(
        text(&mut loader, "SHOW lock_timeout").as_deref(),
        Some("300ms")
    );
    run(&mut busy, "COMMIT");
    loader
        .query("SELECT celador.load_policy($1)", &[&document(MATRIX)])
        .expect("now it loads");
}

#[test]
fn who_may_load() {
    let database = desk::bare();
    database.run(
        "GRANT EXECUTE ON FUNCTION celador.load_policy(text, text, integer) TO desk_bea, desk_migrator",
    );
    let error = denied(
        database
            .login("desk_bea")
            .query("SELECT celador.load_policy($1)", &[&document(MATRIX)]),
    );
    assert!(error.message.contains("desk_owner"), "{error:?}");
    // An owner who can log in could switch it all off.
    database.run("CREATE ROLE desk_app LOGIN; GRANT CREATE ON SCHEMA public TO desk_app; ALTER TABLE boards OWNER TO desk_app");
    let error = refused(&database, &document(MATRIX));
    assert_eq!(error.code, "42501");
    assert!(
        error.message.contains("desk_app") && error.message.contains("boards"),
        "{error:?}"
    );
    database
        .run("ALTER TABLE boards OWNER TO desk_owner; DROP OWNED BY desk_app; DROP ROLE desk_app");
    database
        .login("desk_migrator")
        .query("SELECT celador.load_policy($1)", &[&document(MATRIX)])
        .expect("a member of the tables' owner may");
}
