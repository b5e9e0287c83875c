//! `celador-proxy check`, `run` and `--help`.

use std::process::Output;

use celador_tests::Database;
use postgres::NoTls;

use crate::stage::{Setup, command, sample};

pub(crate) fn check(setup: &Setup, database: &Database) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = setup.write(dir.path(), database.name());
    let output = command().arg("check").arg(file).output().expect("it runs");
    (output.status.success(), printed(&output))
}

fn printed(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).expect("UTF-8")
}

#[test]
fn a_good_configuration() {
    let database = sample();
    let (good, text) = check(&Setup::default(), &database);
    assert!(good, "{text}");
    for said in [
        "4 logins",
        "PostgreSQL",
        "and is nothing more",
        "believes the proxy's tokens",
        "warning  upstream.tls",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("wrong"), "{text}");
}

/// Each of these is found by `check`, and nobody is carried: no session is opened.
#[test]
fn roles_that_may_more_carry_nobody() {
    let database = sample();
    database.run(
        "CREATE ROLE strong_maintenance BYPASSRLS; CREATE ROLE strong_actor;
         GRANT EXECUTE ON FUNCTION celador.act_as(text) TO strong_actor",
    );
    let roles = [
        ("strong_super", "SUPERUSER", "", "a superuser"),
        ("strong_bypass", "BYPASSRLS", "", "BYPASSRLS"),
        ("strong_creator", "CREATEROLE", "", "CREATEROLE"),
        (
            "strong_member",
            "NOINHERIT",
            "GRANT strong_maintenance TO strong_member",
            "strong_maintenance",
        ),
        (
            "strong_acts",
            "NOINHERIT",
            "GRANT strong_actor TO strong_acts",
            "more of Celador's",
        ),
        (
            "strong_owner",
            "NOINHERIT",
            "GRANT crm_owner TO strong_owner",
            "owns protected tables",
        ),
        (
            "strong_knower",
            "",
            "GRANT EXECUTE ON FUNCTION celador.who_can(regclass, text, text) TO strong_knower",
            "more of Celador's",
        ),
        (
            "strong_reader",
            "",
            "GRANT pg_read_server_files TO strong_reader",
            "server's files",
        ),
        (
            "strong_logs",
            "",
            "ALTER ROLE strong_logs RESET log_parameter_max_length",
            "server's log",
        ),
        (
            "strong_none",
            "",
            "REVOKE EXECUTE ON FUNCTION celador.assume(text) FROM strong_none",
            "may not carry",
        ),
    ];
    for (role, options, more, said) in roles {
        database.ensure_login(role, &format!("{options} IN ROLE crm_users"));
        database.run(&format!(
            "GRANT EXECUTE ON FUNCTION celador.assume(text) TO {role};
             ALTER ROLE {role} SET log_parameter_max_length = 0;
             {more}"
        ));
        let setup = Setup {
            user: role.to_owned(),
            password: None,
            ..Setup::default()
        };
        let (good, text) = check(&setup, &database);
        assert!(
            !good && text.contains("wrong") && text.contains(said),
            "{role}: {text}"
        );
        let proxy = setup.start(&database);
        let error = proxy
            .config("sergio")
            .connect(NoTls)
            .err()
            .expect("refused");
        let code = error.code().map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some("57P03"), "{role}: {error:?}");
        proxy.wait_for_log(said);
    }
}

#[test]
fn servers_and_files_that_are_not_as_said() {
    let database = sample();
    let bare = Database::from_template("no_celador", |_| {});
    let good = Setup::default();
    let of = |change: fn(&mut Setup)| {
        let mut setup = good.clone();
        change(&mut setup);
        setup
    };
    for (setup, database, said) in [
        (of(|_| {}), &bare, "no extension"),
        (of(|setup| setup.port = 1), &database, "no connection"),
        (
            of(|setup| setup.password = Some("wrong".into())),
            &database,
            "28P01",
        ),
        (
            of(|setup| setup.password = None),
            &database,
            "none is configured",
        ),
        (of(|setup| setup.keys = "1 x".into()), &database, "line 1"),
        (
            of(|setup| setup.keys = format!("1 {}01\n", "00".repeat(31))),
            &database,
            "doesn't believe",
        ),
        (
            of(|setup| setup.users = "\"ana\" \"secret\"".into()),
            &database,
            "line 1",
        ),
        (
            of(|setup| setup.limits = "nonsense = 1".into()),
            &database,
            "nonsense",
        ),
        // Trusts everybody, so that nothing proves that it is the server.
        (
            of(|setup| {
                setup.user = "crm_app".into();
            }),
            &database,
            "didn't ask for the password",
        ),
    ] {
        let (good, text) = check(&setup, database);
        assert!(!good && text.contains(said), "{said}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn help() {
    let output = command().arg("--help").output().expect("it runs");
    let text = printed(&output);
    assert!(
        output.status.success() && text.contains("check") && text.contains("run"),
        "{text}"
    );
}
