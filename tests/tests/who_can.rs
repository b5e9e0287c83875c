//! `celador.who_can()`: from a record to the people, the same as asking for each person.

mod agency;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use agency::{MAPPING, MATRIX as AGENCY_MATRIX, agency};
use celador_tests::acceptance::Crm;
use celador_tests::{Database, denied, failure, small_crm};
use postgres::Client;

const ACTIONS: [&str; 9] = [
    "read",
    "create",
    "update",
    "delete",
    "assign",
    "claim",
    "import",
    "export",
    "customise",
];

fn texts(client: &mut Client, sql: &str) -> Vec<String> {
    client
        .query(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .map(|row| row.get::<_, Option<String>>(0).unwrap_or_default())
        .collect()
}

type Ways = BTreeMap<String, BTreeSet<String>>;

fn who_can(client: &mut Client, table: &str, record: &str, action: &str) -> Ways {
    let rows = client
        .query(
            "SELECT \"user\", scope FROM celador.who_can($1::text::regclass, $2, $3)",
            &[&table, &record, &action],
        )
        .unwrap_or_else(|error| panic!("{table} {record} {action}: {error:?}"));
    let mut ways = Ways::new();
    for row in rows {
        ways.entry(row.get(0)).or_default().insert(row.get(1));
    }
    ways
}

/// The people whom `explain_access` says to reach the record, one by one, with their scopes.
fn one_by_one(client: &mut Client, users: &str, table: &str, record: &str, action: &str) -> Ways {
    let sql = format!(
        "SELECT u.u, x.kind, x.name, x.result FROM ({users}) AS u(u)
         CROSS JOIN LATERAL celador.explain_access($1::text::regclass, $2, u.u, $3) AS x"
    );
    let rows = client
        .query(&sql, &[&table, &record, &action])
        .unwrap_or_else(|error| panic!("{table} {record} {action}: {error:?}"));
    let mut ways = Ways::new();
    let mut refused = BTreeSet::new();
    for row in rows {
        let (user, kind, name, result): (String, String, String, String) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        match (kind.as_str(), result.as_str()) {
            ("scope", "true") => {
                ways.entry(user).or_default().insert(name);
            }
            ("restriction", "false") => {
                refused.insert(user);
            }
            _ => {}
        }
    }
    ways.retain(|user, _| !refused.contains(user));
    ways
}

/// Compares both for some records of each table and all actions. `users` lists every user's key.
fn compare(database: &Database, users: &str, samples: usize) -> usize {
    let mut client = database.superuser();
    let tables = client
        .query(
            "SELECT x.relation::regclass::text, quote_ident(a.attname) FROM celador.protected AS x
             JOIN pg_index AS i ON i.indrelid = x.relation AND i.indisprimary AND i.indnkeyatts = 1
             JOIN pg_attribute AS a ON a.attrelid = x.relation AND a.attnum = i.indkey[0]
             WHERE x.expressions ? 'celador_read' ORDER BY 1",
            &[],
        )
        .expect("tables are listed");
    let mut compared = 0;
    for row in tables {
        let (table, key): (String, String) = (row.get(0), row.get(1));
        let sql =
            format!("SELECT {key}::text FROM {table} ORDER BY md5({key}::text) LIMIT {samples}");
        for record in texts(&mut client, &sql) {
            if client
                .query(
                    "SELECT celador.who_can($1::text::regclass, $2, 'read')",
                    &[&table, &record],
                )
                .is_err_and(|error| error.code().is_some_and(|code| code.code() == "0A000"))
            {
                // It holds no records of a module by themselves.
                break;
            }
            for action in ACTIONS {
                let all = who_can(&mut client, &table, &record, action);
                let each = one_by_one(&mut client, users, &table, &record, action);
                assert_eq!(all, each, "{table} {record} {action}");
                compared += all.len();
            }
        }
    }
    compared
}

#[test]
fn everybody_at_once_is_each_by_one_in_the_sample() {
    for preset in [
        "s0-groups",
        "s1-matrix",
        "s2-owner-member",
        "s3-levels",
        "s4-groups-agents",
    ] {
        let database = Database::preset(preset);
        database.run(
            "SELECT celador.share('accounts', '1', '9', 'update');
             SELECT celador.share_with_group('accounts', '2', '3', 'read', now() - '1 day'::interval);
             SELECT celador.share_with_group('contacts', '3', '3', 'delete')",
        );
        let samples = if preset == "s1-matrix" { 2 } else { 1 };
        let compared = compare(&database, "SELECT id::text FROM users", samples);
        assert!(compared > 100, "{preset}: {compared}");
    }
}

#[test]
fn everybody_at_once_is_each_by_one_in_bottlecrm() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    for preset in ["s1-matrix", "s4-groups-agents"] {
        let database = crm.preset(preset);
        let compared = compare(&database, EVERYBODY, 1);
        assert!(compared > 20, "{preset}: {compared}");
    }
}

#[test]
fn everybody_at_once_is_each_by_one_in_tryton() {
    let Some(crm) = Crm::find("tryton") else {
        return;
    };
    for preset in ["s1-matrix", "s4-groups-agents"] {
        let database = crm.preset(preset);
        let compared = compare(&database, EVERYBODY, 1);
        assert!(compared > 20, "{preset}: {compared}");
    }
}

/// Whoever can do anything with any record; those who can't aren't told by either.
const EVERYBODY: &str = "SELECT \"user\" FROM celador.access_review()";

/// Every scope, with switches, restrictions and rules that ask who asks.
const MATRIX: &str = r#"
[permissions.worker]
companies = { read = ["group_tree", "colleagues_tree", "rule:mine", "rule:big"], update = ["own", { scope = "colleagues", when = "open" }], claim = [{ scope = "unassigned", when = "open" }] }
deals = { read = ["created", "parent"], update = [{ scope = "parent", scopes = ["own"] }] }
projects = { read = ["own", "group"] }
[permissions.lead]
companies = { read = ["reports", { scope = "related", module = "deals", scopes = ["own"] }], assign = ["reports"] }
deals = { read = ["reports"] }
projects = { read = ["colleagues", "unassigned"] }
[permissions.both]
companies = { delete = ["all"] }
[roles.both]
implied_by = ["worker", "lead"]
[rules.mine]
companies = "region = me.region"
[rules.big]
companies = "vip AND has_role('lead')"
[settings.open]
default = false
[restrictions.north]
groups = ["Whole"]
module = "companies"
when = "open"
predicate = "region = 'north' OR owner = me()"
[restrictions.only-claims]
users = ["omar"]
module = "companies"
actions = ["claim"]
predicate = "region = 'south'"
"#;

#[test]
fn every_scope_switch_and_restriction_is_asked_from_the_record() {
    let database = small_crm(MATRIX);
    database.run(
        "SELECT celador.give_role('omar', 'lead'); SELECT celador.give_role('omar', 'worker');
         SELECT celador.give_role('boss', 'lead'); SELECT celador.give_role_to_group('west', 'worker');
         SELECT celador.set_user_attribute('lena', 'region', 'north');
         SELECT celador.set_user_attribute('omar', 'region', 'south');
         SELECT celador.give_role('nina', 'worker')",
    );
    let users = "SELECT \"user\" FROM celador.users";
    let closed = compare(&database, users, 6);
    database.run("SELECT celador.set_setting('open', true, 'whole')");
    let open = compare(&database, users, 6);
    database.run("SELECT celador.set_setting('open', false, 'east'); SELECT celador.set_user_active('boss', false)");
    let east = compare(&database, users, 6);
    assert!(
        // The switch opens a scope, and a restriction that takes more.
        closed > 40 && open != closed && east != open,
        "{closed} {open} {east}"
    );
}

/// What the agency's matrix lacks: restrictions, and lent reach through link tables.
const MORE: &str = r#"
[permissions.opener.leads]
read = [{ scope = "related", module = "memos", scopes = ["created"] }]
[permissions.opener.products]
read = ["created", "unassigned"]
delete = ["rule:mine"]
[rules.mine]
products = "title <> me.area"
[restrictions.east]
users = ["agency_ben", "agency_ben2"]
module = "clients"
predicate = "area = 'east' OR area = me.area"
[restrictions.products]
users = ["agency_web"]
module = "products"
predicate = "title = 'None'"
"#;

/// Shared tables, links that don't count, owners who are nobody, people told of elsewhere.
#[test]
fn everybody_at_once_is_each_by_one_where_tables_are_shared() {
    let people = "SELECT DISTINCT id::text FROM agency.people";
    let database = agency();
    let plain = compare(&database, people, 20);
    database.load(&format!("{MAPPING}{AGENCY_MATRIX}{MORE}"));
    let restricted = compare(&database, people, 20);
    database.run(
        "INSERT INTO agency.roles SELECT id, 'opener' FROM agency.people WHERE id <> 'p1';
         INSERT INTO agency.sign_ins VALUES (4, 'agency_web', 'db');
         UPDATE agency.sign_ins SET closed = false WHERE login = 'agency_ben2';
         UPDATE agency.person_facts SET stale = NOT stale WHERE person_id = 'p4' AND area = 'west';
         UPDATE agency.record_squads SET removed = NOT removed WHERE id IN (1, 2);
         UPDATE agency.\"Memo\" SET \"madeBy\" = 'p2' WHERE id = 3",
    );
    let opened = compare(&database, people, 20);
    assert!(
        plain > 100 && restricted < plain && opened > restricted,
        "{plain} {restricted} {opened}"
    );
    let mut client = database.superuser();
    // Both of the person's logins are told of, and neither is the login.
    let logins = client
        .query(
            "SELECT login FROM celador.who_can('agency.clients', '1', 'read') WHERE \"user\" = 'p2'",
            &[],
        )
        .expect("somebody can");
    assert!(!logins.is_empty() && logins[0].get::<_, Option<String>>(0).is_none());
    // Entries of neither kind are nobody's; what a shared table holds beside records isn't asked.
    assert!(who_can(&mut client, "agency.entries", "5", "read").is_empty());
    for table in ["agency.files", "agency.record_squads"] {
        let child = failure(client.query(
            "SELECT celador.who_can($1::text::regclass, '1', 'read')",
            &[&table],
        ));
        assert_eq!(child.code, "0A000", "{child:?}");
    }
}

#[test]
fn who_can_tells_through_what_and_only_to_the_dba() {
    let database = Database::preset("s1-matrix");
    let mut client = database.superuser();
    let row = client
        .query_one(
            "SELECT login, scope, role FROM celador.who_can('accounts', '1', 'delete') LIMIT 1",
            &[],
        )
        .expect("somebody can");
    assert_eq!(row.get::<_, String>(2), "administrator");
    assert_eq!(row.get::<_, String>(1), "all");
    let nobody = client
        .query("SELECT celador.who_can('accounts', '-1', 'read')", &[])
        .expect("no such record");
    assert!(nobody.is_empty());
    let wrong = failure(client.query("SELECT celador.who_can('accounts', '1', 'steal')", &[]));
    assert_eq!(wrong.code, "22023");
    let child = failure(client.query("SELECT celador.who_can('quote_lines', '1', 'read')", &[]));
    assert_eq!(child.code, "0A000", "{child:?}");
    denied(
        database
            .login("sergio")
            .query("SELECT celador.who_can('accounts', '1', 'read')", &[]),
    );
}

/// 20,000 people in 500 groups, a million records. Prints what it takes; a debug build, so the
/// bound here is wide.
#[test]
fn one_record_of_a_million_and_twenty_thousand_people() {
    let database = small_crm(
        "[permissions.worker]\ncompanies = { read = [\"own\", \"group_tree\", \"colleagues\", \"reports\"] }\n\
         [permissions.support]\ncompanies = { read = [\"all\"] }\n",
    );
    database.run(
        "ALTER TABLE celador.users DISABLE TRIGGER USER; ALTER TABLE celador.memberships DISABLE TRIGGER USER;
         ALTER TABLE celador.roles_held DISABLE TRIGGER USER; ALTER TABLE celador.groups DISABLE TRIGGER USER",
    );
    database.run(
        "INSERT INTO celador.groups SELECT 'g' || g, 'Group ' || g, CASE WHEN g > 20 THEN 'g' || (g % 20 + 1) END
           FROM generate_series(1, 500) AS g;
         INSERT INTO celador.users SELECT 'u' || u, 'l' || u, true, CASE WHEN u > 100 THEN 'u' || (u / 10) END
           FROM generate_series(1, 20000) AS u;
         INSERT INTO celador.memberships SELECT 'u' || u, 'g' || (u % 500 + 1) FROM generate_series(1, 20000) AS u;
         INSERT INTO celador.roles_held (\"user\", role) SELECT 'u' || u, CASE WHEN u % 20 = 0 THEN 'support' ELSE 'worker' END
           FROM generate_series(1, 20000) AS u;
         INSERT INTO companies (id, name, region, owner, team, creator)
           SELECT c, 'c' || c, 'north', 'u' || (c % 20000 + 1), 'g' || (c % 500 + 1), 'u1' FROM generate_series(1000, 1001000) AS c;
         ANALYZE",
    );
    database.run("SELECT celador.set_user_active('nina', true)");
    let mut client = database.superuser();
    let mut times = Vec::new();
    for record in ["500000", "500001", "500002", "700000"] {
        let begun = Instant::now();
        let found = who_can(&mut client, "companies", record, "read");
        times.push(begun.elapsed());
        assert!(found.len() > 1000, "{}", found.len());
    }
    let mut explained = Vec::new();
    for user in ["u7777", "u7778", "u100"] {
        let begun = Instant::now();
        client
            .query(
                "SELECT celador.explain_access('companies', '500000', $1, 'read')",
                &[&user],
            )
            .expect("it is explained");
        explained.push(begun.elapsed());
    }
    println!("who_can: {times:?}; explain_access: {explained:?}");
    assert!(times[1] < Duration::from_secs(2), "{times:?}");
}
