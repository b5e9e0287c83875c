//! The DBA's whole day on a server that has the package and nothing more: discovered, observed,
//! simulated, loaded, and gone again without a trace.

use std::collections::BTreeMap;

use celador_tests::{denied, file, rights, same_lines, text};
use postgres::{Client, NoTls};
use xtask::cluster::{Cluster, Options, Preload};
use xtask::postgres::Install;

use crate::desk::{number, run};
use crate::schema;

const DATABASE: &str = "crm";
/// A seller, a team lead, a manager.
const PEOPLE: [(&str, &str); 3] = [("9", "sergio"), ("6", "tomas"), ("4", "marta")];
const ACCOUNTS: &str = "SELECT count(*) FROM accounts";

fn connect(cluster: &Cluster, role: &str) -> Client {
    Client::connect(&cluster.url(role, DATABASE), NoTls).expect("the server is there")
}

/// The sample CRM, owned by its application's login, without Celador; and its people.
fn crm(server: &Install) -> Cluster {
    let cluster = Cluster::start(
        server,
        Options {
            preload: Preload::Nothing,
            ..Options::default()
        },
    )
    .expect("it starts");
    Client::connect(&cluster.url("postgres", "postgres"), NoTls)
        .expect("connects")
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
        .expect("it can be made");
    for script in ["schema.sql", "data.sql"] {
        cluster
            .psql_file(DATABASE, &file(&format!("sql/crm/{script}")))
            .expect("the sample loads");
    }
    run(
        &mut connect(&cluster, "postgres"),
        "REASSIGN OWNED BY crm_owner TO crm_app",
    );
    cluster
}

/// What is proposed, with what only the DBA knows: a level of another preset is nobody's role here, and
/// charts are granted by themselves.
fn completed(proposed: &str) -> String {
    let changed = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}: {text}");
        text.replace(from, to)
    };
    let mapping = changed(proposed, "standard = \"seller\", ", "");
    let child = "{ column = \"dashboard_id\", table = \"charts\" },";
    changed(&mapping, child, "")
        + "\n[mapping.modules.charts]\ntable = \"charts\"\nconfiguration = true\n\
           parent = { module = \"dashboards\", column = \"dashboard_id\" }\n"
}

/// Every module but those that the directory is read from.
fn observed(document: &str) -> String {
    let kept = ["users", "groups", "memberships", "roles_held"];
    let mut lines = Vec::new();
    for line in document.lines() {
        lines.push(line.to_owned());
        let module = line
            .strip_prefix("[mapping.modules.")
            .and_then(|rest| rest.strip_suffix(']'));
        if module.is_some_and(|module| !kept.contains(&module)) {
            lines.push("mode = \"observe\"".to_owned());
        }
    }
    lines.join("\n")
}

/// How many rows of a table each person would read, as `simulate_policy` has it.
type Reach = BTreeMap<(String, String), i64>;

fn simulated(client: &mut Client, document: &str) -> Reach {
    let sql = "SELECT \"user\", relation, after FROM celador.simulate_policy($1, $2) WHERE action = 'read'";
    let keys = PEOPLE.map(|(key, _)| key);
    let rows = client
        .query(sql, &[&document, &keys.as_slice()])
        .expect("it is simulated");
    let login = |key: String| {
        let (_, login) = PEOPLE
            .iter()
            .find(|(known, _)| *known == key)
            .expect("asked for");
        (*login).to_owned()
    };
    let reach: Reach = rows
        .iter()
        .map(|row| ((login(row.get(0)), row.get(1)), row.get(2)))
        .collect();
    assert!(reach.len() > 100, "{} cells", reach.len());
    reach
}

pub(crate) fn whole(server: &Install) {
    let cluster = crm(server);
    let mut superuser = connect(&cluster, "postgres");
    let before = (schema(&cluster, server, DATABASE), rights(&mut superuser));
    run(
        &mut superuser,
        "ALTER SYSTEM SET shared_preload_libraries = 'celador'",
    );
    cluster.restart().expect("it restarts");
    let mut superuser = connect(&cluster, "postgres");
    run(&mut superuser, "CREATE EXTENSION celador");

    // Discovered.
    let proposed: String = superuser
        .query_one("SELECT celador.discover_mapping('public')", &[])
        .expect("a mapping is proposed")
        .get(0);
    let document = completed(&proposed) + &text("sql/presets/s1-matrix.toml");
    let reach = simulated(&mut superuser, &document);
    let load = |client: &mut Client, document: &str| {
        client.execute("SELECT celador.load_policy($1)", &[&document])
    };
    let refused = denied(load(&mut superuser, &document));
    assert!(refused.hint.contains("celador.adopt"), "{refused:?}");
    run(
        &mut superuser,
        "SELECT celador.adopt('public', 'crm_tables', 'crm_app', create_owner => true)",
    );

    // Observed: nothing is hidden, and what would be is counted for each person.
    load(&mut superuser, &observed(&document)).expect("it loads");
    let all = number(&mut superuser, ACCOUNTS);
    for (_, person) in PEOPLE {
        let mut client = connect(&cluster, person);
        assert_eq!(number(&mut client, ACCOUNTS), all, "{person}");
        let changed = client
            .execute("UPDATE accounts SET website = website", &[])
            .expect("nothing is refused");
        assert_eq!(i64::try_from(changed), Ok(all));
        let seen = |action: &str| {
            format!(
                "SELECT sum(rows_hidden)::bigint FROM celador.observed()
                 WHERE login = '{person}' AND module = 'accounts' AND action = '{action}'"
            )
        };
        let readable = reach[&(person.to_owned(), "public.accounts".to_owned())];
        assert!(0 < readable && readable < all, "{person}: {readable}");
        assert_eq!(
            number(&mut superuser, &seen("read")),
            all - readable,
            "{person}"
        );
        assert!(number(&mut superuser, &seen("update")) >= all - readable);
    }
    let statements = "SELECT sum(statements)::bigint FROM celador.observed() WHERE login = 'sergio' AND module = 'accounts'";
    assert_eq!(number(&mut superuser, statements), 2);

    // Loaded: what was simulated, to the row, in every table.
    load(&mut superuser, &document).expect("it loads");
    let mut found = Reach::new();
    for (_, login) in PEOPLE {
        let mut client = connect(&cluster, login);
        for (cell, _) in reach.iter().filter(|((whose, _), _)| whose == login) {
            let read = format!("SELECT count(*) FROM {}", cell.1);
            found.insert(cell.clone(), number(&mut client, &read));
        }
    }
    assert_eq!(reach, found);
    let asked: serde_json::Value = superuser
        .query_one("SELECT celador.simulate('9', $1)", &[&ACCOUNTS])
        .expect("a statement is simulated")
        .get(0);
    let sergio = reach[&("sergio".to_owned(), "public.accounts".to_owned())];
    assert_eq!(asked, serde_json::json!({ "count": sergio }));
    let asked: serde_json::Value = superuser
        .query_one(
            "SELECT celador.simulate('9', 'UPDATE accounts SET owner_id = 1')",
            &[],
        )
        .expect("a statement is simulated")
        .get(0);
    assert!(asked["denied"].is_string(), "{asked}");
    denied(connect(&cluster, "crm_app").batch_execute(ACCOUNTS));

    // Gone.
    run(
        &mut superuser,
        "SELECT celador.uninstall(); DROP EXTENSION celador; DROP SCHEMA celador; DROP ROLE crm_tables",
    );
    run(
        &mut superuser,
        "ALTER SYSTEM RESET shared_preload_libraries",
    );
    cluster.restart().expect("it restarts");
    assert_eq!(schema(&cluster, server, DATABASE), before.0);
    same_lines(&rights(&mut connect(&cluster, "postgres")), &before.1);
    for person in PEOPLE.map(|(_, login)| login).iter().chain(&["crm_app"]) {
        assert_eq!(number(&mut connect(&cluster, person), ACCOUNTS), all);
    }
}
