//! The same rows as directly, for each of three people.

use celador_tests::{Database, denied, failure, text};
use postgres::{NoTls, SimpleQueryMessage};

use crate::stage::{PEOPLE, Setup, number, sample, who};

const QUERIES: [&str; 5] = [
    "SELECT id::text, name FROM accounts ORDER BY id",
    "SELECT a.id::text, count(c.id)::text FROM accounts AS a LEFT JOIN contacts AS c ON c.account_id = a.id
       GROUP BY a.id ORDER BY a.id",
    "SELECT count(*)::text, min(id)::text FROM contacts",
    "SELECT id::text, login FROM users ORDER BY id",
    "SELECT count(*)::text, 'x' FROM tickets",
];

#[test]
fn three_people_see_what_they_see_directly() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut seen = Vec::new();
    for (login, key) in &PEOPLE[..3] {
        let (mut direct, mut through) = (database.login(login), proxy.login(login));
        for sql in QUERIES {
            let rows = |client: &mut postgres::Client| -> Vec<(String, String)> {
                let rows = client
                    .query(sql, &[])
                    .unwrap_or_else(|error| panic!("{error:?}"));
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            };
            assert_eq!(rows(&mut direct), rows(&mut through), "{login}: {sql}");
            // And by the simple protocol.
            let simple = |client: &mut postgres::Client| -> Vec<Option<String>> {
                let answer = client.simple_query(sql).expect("it runs");
                let rows = answer.into_iter().filter_map(|message| {
                    let SimpleQueryMessage::Row(row) = message else {
                        return None;
                    };
                    Some(row.get(0).map(str::to_owned))
                });
                rows.collect()
            };
            assert_eq!(simple(&mut direct), simple(&mut through), "{login}: {sql}");
            let psql = proxy.psql(login, &[], sql);
            assert!(psql.good, "{psql:?}");
            assert_eq!(
                psql.out.lines().count(),
                rows(&mut direct).len(),
                "{login}: {sql}"
            );
        }
        seen.push(number(&mut through, "SELECT count(*) FROM accounts"));
        assert_eq!(who(&mut through).as_deref(), Some(*key));
    }
    // As README.md has them.
    assert_eq!(seen, [551, 851, 1423]);
}

#[test]
fn writes_are_enforced_too() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut sergio = proxy.login("sergio");
    let mut transaction = sergio.transaction().expect("begun");
    let own = "UPDATE accounts SET name = name || '!' WHERE owner_id = 9";
    assert!(transaction.execute(own, &[]).expect("his own") > 0);
    transaction.commit().expect("committed");
    let other = sergio.execute("UPDATE accounts SET owner_id = 4 WHERE owner_id = 9", &[]);
    denied(other);
    for sql in [
        "INSERT INTO accounts (name, owner_id) VALUES ('x', 4)",
        "INSERT INTO users (login, full_name, email) VALUES ('x', 'x', 'x')",
        "TRUNCATE accounts",
    ] {
        let directly = denied(database.login("sergio").batch_execute(sql));
        assert_eq!(denied(sergio.batch_execute(sql)), directly, "{sql}");
    }
    assert_eq!(who(&mut sergio).as_deref(), Some("9"));
}

#[test]
fn somebody_who_is_not_in_the_directory_gets_errors() {
    let database = sample();
    let proxy = Setup::default().start(&database);
    let mut ghost = proxy.login("ghost");
    assert_eq!(who(&mut ghost), None);
    denied(ghost.query("SELECT * FROM accounts", &[]));
    // Deactivated while the session is open.
    let mut sergio = proxy.login("sergio");
    number(&mut sergio, "SELECT count(*) FROM accounts");
    database.run("UPDATE users SET is_active = false WHERE id = 9");
    denied(sergio.query("SELECT * FROM accounts", &[]));
}

#[test]
fn only_those_of_the_file_and_only_this_database() {
    let database = sample();
    let mut proxy = Setup::default().start(&database);
    // Whoever isn't known, and whoever doesn't know the password, are told the same.
    let refused = |login: &str, password: &str| {
        let mut config = proxy.config(login);
        config.password(password);
        let failure = failure(config.connect(NoTls));
        assert_eq!(failure.code, "28P01");
        (
            failure.message.replace(login, "NAME"),
            failure.hint,
            failure.detail,
        )
    };
    let wrong = refused("sergio", "x");
    assert_eq!(wrong.0, "password authentication failed for user \"NAME\"");
    for login in ["nobody", "postgres", "crm_proxy", "Sergio"] {
        assert_eq!(refused(login, "nobody-pw"), wrong);
    }
    let mut config = proxy.config("sergio");
    assert_eq!(
        failure(config.dbname("postgres").connect(NoTls)).code,
        "3D000"
    );
    config = proxy.config("sergio");
    let error = failure(config.options("-c role=crm_owner").connect(NoTls));
    assert_eq!(error.code, "0A000");
    assert!(error.message.contains("role"));
    config = proxy.config("sergio");
    config.options("-c statement_timeout=12345 -c search_path=pg_catalog");
    let mut client = config.connect(NoTls).expect("allowed settings");
    let row = client
        .query_one("SHOW statement_timeout", &[])
        .expect("told");
    assert_eq!(row.get::<_, String>(0), "12345ms");
    config = proxy.config("sergio");
    config.options("-c datestyle=nonsense");
    assert_eq!(failure(config.connect(NoTls)).code, "22023");

    // Who is taken out of the file doesn't come in any more; who is put in does.
    let users = proxy.dir.path().join("users");
    let text = std::fs::read_to_string(&users).expect("read");
    let without: String = text
        .lines()
        .filter(|line| !line.contains("sergio"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&users, without).expect("written");
    refused("sergio", "sergio-pw");
    std::fs::write(&users, "nonsense").expect("written");
    assert_eq!(failure(proxy.config("tomas").connect(NoTls)).code, "57P03");
    std::fs::write(&users, text).expect("written");
    assert_eq!(who(&mut proxy.login("sergio")).as_deref(), Some("9"));
    let log = proxy.log();
    assert!(
        !log.contains("sergio-pw") && !log.contains("SCRAM-SHA-256$"),
        "{log}"
    );
    assert!(!proxy.ended());
}

/// The page's statements make a role that carries people, and the file of those who may sign in.
#[test]
fn as_the_page_says() {
    let page = text("docs/proxy.md").replace("crm_proxy", "page_proxy");
    let mut blocks = page.split("```sql\n").skip(1).map(|rest| {
        let (block, _) = rest.split_once("```").expect("the block ends");
        block
    });
    let database = Database::preset("s1-matrix");
    database.run(blocks.next().expect("the role"));
    database.run("ALTER ROLE sergio PASSWORD 'sergio-pw'; ALTER ROLE marta PASSWORD 'marta-pw'");
    let file = database
        .superuser()
        .query(blocks.next().expect("the file"), &[])
        .expect("it runs");
    let lines = file.iter().map(|row| row.get::<_, String>(0) + "\n");
    let setup = Setup {
        user: "page_proxy".to_owned(),
        password: None,
        users: lines.collect(),
        ..Setup::default()
    };
    let proxy = setup.start(&database);
    assert_eq!(who(&mut proxy.login("sergio")).as_deref(), Some("9"));
    assert_eq!(who(&mut proxy.login("marta")).as_deref(), Some("4"));
    assert!(proxy.config("tomas").connect(NoTls).is_err());

    // The people file: without administrators.
    let file = database
        .superuser()
        .query(blocks.next().expect("the people"), &[])
        .expect("it runs");
    let people: Vec<String> = file.iter().map(|row| row.get(0)).collect();
    assert!(
        people.contains(&"\"sergio\" \"9\"".to_owned()),
        "{people:?}"
    );
    let administrators = database
        .superuser()
        .query("SELECT \"user\" FROM celador.administrators()", &[])
        .expect("told");
    assert!(!administrators.is_empty());
    for row in administrators {
        let key = format!(" \"{}\"", row.get::<_, String>(0));
        assert!(!people.iter().any(|line| line.ends_with(&key)), "{key}");
    }
}
