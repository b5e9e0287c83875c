//! Whose session it is, where the login that is proven isn't the person's.

use celador_tests::{denied, failure};
use postgres::{Client, NoTls};

use crate::checked::check;
use crate::stage::{PEOPLE, Proxy, Setup, number, sample, user, who};

const SERVICE: &str = "crm_app";

/// An application signs in as `crm_app`, background jobs as `jobs`; neither may name Marta.
fn startup_option() -> Setup {
    Setup {
        identity: format!(
            "source = \"startup-option\"\nservices = [\"{SERVICE}\", \"jobs\"]\n\
             people_file = \"{{people}}\""
        ),
        users: [
            user(SERVICE, ""),
            user("jobs", "\"6\""),
            user("sergio", "\"9\""),
        ]
        .concat(),
        people: "\"9\"\n\"tomas\" \"6\"\n\"999\"\n".to_owned(),
        ..Setup::default()
    }
}

/// A BI tool gives the person's login and its own password.
fn delegated_login() -> Setup {
    Setup {
        identity: "source = \"delegated-login\"\nservice = \"bi\"\npeople_file = \"{people}\""
            .to_owned(),
        users: [user("bi", ""), user("marta", "\"4\"")].concat(),
        people: "\"sergio\" \"9\"\n\"tomas\" \"6\"\n\"ghost\" \"999\"\n".to_owned(),
        ..Setup::default()
    }
}

fn connect(proxy: &Proxy, login: &str, options: &str) -> Result<Client, postgres::Error> {
    let mut config = proxy.config(login);
    if !options.is_empty() {
        config.options(options);
    }
    config.connect(NoTls)
}

#[test]
fn an_application_says_at_the_start_whose_session_it_is() {
    let database = sample();
    let proxy = startup_option().start(&database);
    for (login, name, key) in [("sergio", "9", "9"), ("tomas", "tomas", "6")] {
        let options = format!("-c search_path=public -c celador.person={name}");
        let mut client = connect(&proxy, SERVICE, &options).expect("signed in");
        let sql = "SELECT count(*) FROM accounts";
        assert_eq!(
            number(&mut client, sql),
            number(&mut database.login(login), sql)
        );
        assert_eq!(who(&mut client).as_deref(), Some(key));
        // What SQL says changes nothing.
        let set = failure(client.batch_execute("SET celador.person = '4'"));
        assert_eq!(set.code, "42602");
        for sql in ["SET SESSION AUTHORIZATION DEFAULT", "RESET ALL"] {
            client.batch_execute(sql).expect("it runs");
            assert_eq!(who(&mut client).as_deref(), Some(key), "{sql}");
        }
    }
    // A login whose line has a person is that person's where nobody else is named.
    assert_eq!(
        who(&mut connect(&proxy, "jobs", "").expect("signed in")).as_deref(),
        Some("6")
    );
    let mut for_other = connect(&proxy, "jobs", "-c celador.person=9").expect("signed in");
    assert_eq!(who(&mut for_other).as_deref(), Some("9"));
    // Somebody who isn't in the directory is nobody there.
    let mut ghost = connect(&proxy, SERVICE, "--celador.person=999").expect("signed in");
    assert_eq!(who(&mut ghost), None);
    denied(ghost.query("SELECT * FROM accounts", &[]));
}

#[test]
fn an_application_that_names_nobody_or_two_has_no_session() {
    let database = sample();
    let proxy = startup_option().start(&database);
    let too_long = format!("-c celador.person={}", "9".repeat(600));
    for (login, options, code, said) in [
        (SERVICE, "", "28000", "doesn't say whose session"),
        (SERVICE, "-c celador.person=", "28000", "stands for nobody"),
        (SERVICE, &too_long, "28000", "stands for nobody"),
        (SERVICE, "-c celador.person=4", "28000", "stands for nobody"),
        // The server would take these for 9.
        (
            SERVICE,
            "-c celador.person=+9",
            "28000",
            "stands for nobody",
        ),
        (
            SERVICE,
            "-c celador.person=09",
            "28000",
            "stands for nobody",
        ),
        // The key of somebody who goes by another name.
        (SERVICE, "-c celador.person=6", "28000", "stands for nobody"),
        (
            SERVICE,
            "-c celador.person=9 -c Celador.Person=4",
            "08P01",
            "comes twice",
        ),
        // Who isn't a service doesn't sign in, with the right password neither.
        ("sergio", "", "28P01", "password authentication failed"),
        (
            "sergio",
            "-c celador.person=9",
            "28P01",
            "password authentication failed",
        ),
        (
            "nobody",
            "-c celador.person=9",
            "28P01",
            "password authentication failed",
        ),
    ] {
        let error = failure(connect(&proxy, login, options));
        assert_eq!(error.code, code, "{login} {options}: {error:?}");
        assert!(
            error.message.contains(said),
            "{login} {options}: {}",
            error.message
        );
    }
    // Nor does a wrong password tell who is a service.
    let mut config = proxy.config(SERVICE);
    config.password("x").options("-c celador.person=4");
    assert_eq!(failure(config.connect(NoTls)).code, "28P01");
}

#[test]
fn a_delegate_signs_people_in_by_its_own_password() {
    let database = sample();
    let proxy = delegated_login().start(&database);
    let sign_in = |login: &str, password: &str| {
        let mut config = proxy.config(login);
        config.password(password).connect(NoTls)
    };
    for (login, key) in [PEOPLE[0], PEOPLE[1]] {
        let mut client = sign_in(login, "bi-pw").expect("signed in");
        let sql = "SELECT count(*) FROM accounts";
        assert_eq!(
            number(&mut client, sql),
            number(&mut database.login(login), sql)
        );
        assert_eq!(who(&mut client).as_deref(), Some(key));
    }
    denied(
        sign_in("ghost", "bi-pw")
            .expect("signed in")
            .query("SELECT * FROM accounts", &[]),
    );
    // Whose line isn't there, the delegate's own too: told to whoever knows the secret, and to nobody else.
    for login in ["marta", "bi", "Sergio", "nobody"] {
        let error = failure(sign_in(login, "bi-pw"));
        assert_eq!(error.code, "28000", "{login}");
        assert!(error.message.contains("stands for nobody"));
        assert_eq!(failure(sign_in(login, "x")).code, "28P01", "{login}");
    }
    // One's own password isn't the delegate's.
    for login in ["sergio", "marta"] {
        let own = format!("{login}-pw");
        assert_eq!(failure(sign_in(login, &own)).code, "28P01", "{login}");
    }
    let mut config = proxy.config("sergio");
    config.password("bi-pw").options("-c celador.person=6");
    let error = failure(config.connect(NoTls));
    assert_eq!(error.code, "0A000");
    assert!(error.message.contains("celador.person"));

    // Who is taken out of the file doesn't come in any more.
    let people = proxy.dir.path().join("people");
    std::fs::write(&people, "\"tomas\" \"6\"\n").expect("written");
    assert_eq!(failure(sign_in("sergio", "bi-pw")).code, "28000");
    std::fs::write(&people, "nonsense").expect("written");
    assert_eq!(failure(sign_in("tomas", "bi-pw")).code, "57P03");
}

#[test]
fn checked() {
    let database = sample();
    let (good, text) = check(&startup_option(), &database);
    assert!(good, "{text}");
    for said in [
        "2 service logins may open sessions of 3 people",
        "warning  1 logins of the users file can't sign in here",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let mut missing = startup_option();
    missing.identity = missing
        .identity
        .replace("\"jobs\"", "\"gone\", \"crm_app\"");
    let (good, text) = check(&missing, &database);
    assert!(!good, "{text}");
    let said = "wrong    service login gone isn't in the users file";
    assert!(text.contains(said), "{text}");
    let (good, text) = check(&delegated_login(), &database);
    assert!(
        good && text.contains("1 service logins may open sessions of 3 people"),
        "{text}"
    );
    let mut nobody = delegated_login();
    nobody.people = String::new();
    let (good, text) = check(&nobody, &database);
    assert!(!good && text.contains("there is nobody"), "{text}");
}
