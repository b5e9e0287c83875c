//! A change of the directory is known at once to those whom it concerns, and nobody else computes
//! anything anew.

use std::collections::{BTreeMap, BTreeSet};

use celador_tests::shadow::chance::Chance;
use celador_tests::shadow::fault::are_tried;
use celador_tests::shadow::seeds;
use celador_tests::{Database, cluster_with, small_crm};
use postgres::{Client, Statement};
use xtask::cluster::{Options, Preload};

const PEOPLE: [&str; 5] = ["lena", "omar", "yuki", "boss", "nina"];
const GROUPS: [&str; 3] = ["whole", "east", "west"];
const ROLES: [&str; 8] = [
    "worker", "team", "tree", "peer", "peers", "lead", "guest", "open",
];

/// A role for each set that the directory tells of.
const MATRIX: &str = r#"
[settings.open]
default = false
[permissions.worker."*"]
read = ["own"]
[permissions.team."*"]
read = ["group"]
[permissions.tree."*"]
read = ["group_tree"]
[permissions.peer."*"]
read = ["colleagues"]
[permissions.peers."*"]
read = ["colleagues_tree"]
[permissions.lead."*"]
read = ["reports"]
[permissions.guest."*"]
read = ["shared"]
[permissions.open."*"]
read = [{ scope = "own", when = "open" }, { scope = "unassigned", when = "open" }]
[restrictions.east]
groups = ["east"]
module = "deals"
predicate = "amount < 45"
"#;

const ASKED: [&str; 3] = [
    "SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM companies",
    "SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM deals",
    "SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM projects",
];

fn crm() -> Database {
    let settings = vec![("max_prepared_transactions".to_owned(), "10".to_owned())];
    cluster_with(Options {
        preload: Preload::Shared,
        settings,
        ..Options::default()
    });
    small_crm(MATRIX)
}

/// A person's session that goes on, with prepared statements.
struct Session {
    client: Client,
    asked: Vec<Statement>,
}

impl Session {
    fn of(database: &Database, person: &str) -> Self {
        let mut client = database.login(&format!("small_{person}"));
        let asked = ASKED
            .iter()
            .map(|sql| client.prepare(sql).expect("it is prepared"))
            .collect();
        Self { client, asked }
    }

    /// What is in reach, or the error.
    fn sees(&mut self) -> Vec<Result<Vec<i64>, String>> {
        let rows = |statement| match self.client.query_one(statement, &[]) {
            Ok(row) => Ok(row.get(0)),
            Err(error) => Err(error.as_db_error().expect("the server's").message().into()),
        };
        self.asked.iter().map(rows).collect()
    }
}

/// Something that changes in the directory, as a statement.
fn change(chance: &mut Chance) -> String {
    let person = *chance.of(&PEOPLE);
    let other = *chance.of(&PEOPLE);
    let group = *chance.of(&GROUPS);
    let role = *chance.of(&ROLES);
    let record = 1 + chance.below(6);
    match chance.below(14) {
        0 | 1 => format!(
            "INSERT INTO celador.memberships VALUES ('{person}', '{group}') ON CONFLICT DO NOTHING"
        ),
        2 => format!("DELETE FROM celador.memberships WHERE \"user\" = '{person}'"),
        3 => format!(
            "UPDATE celador.memberships SET \"user\" = CASE \"user\" WHEN '{person}' THEN '{other}' \
             ELSE '{person}' END WHERE \"group\" = '{group}' AND \"user\" IN ('{person}', '{other}') \
             AND 1 = (SELECT count(*) FROM celador.memberships WHERE \"group\" = '{group}' \
             AND \"user\" IN ('{person}', '{other}'))"
        ),
        4 | 5 => format!(
            "INSERT INTO celador.roles_held (\"user\", role) VALUES ('{person}', '{role}') ON CONFLICT DO NOTHING"
        ),
        6 => format!(
            "INSERT INTO celador.roles_held (\"group\", role) VALUES ('{group}', '{role}') ON CONFLICT DO NOTHING"
        ),
        7 => format!(
            "DELETE FROM celador.roles_held WHERE coalesce(\"user\", \"group\") IN ('{person}', '{group}')"
        ),
        8 => format!(
            "UPDATE celador.users SET supervisor = nullif('{other}', \"user\") WHERE \"user\" = '{person}'"
        ),
        // Two exchange their supervisors.
        9 => format!(
            "UPDATE celador.users AS u SET supervisor = nullif(o.supervisor, u.\"user\") FROM celador.users AS o \
             WHERE (u.\"user\", o.\"user\") IN (('{person}', '{other}'), ('{other}', '{person}'))"
        ),
        10 => format!("UPDATE celador.users SET active = NOT active WHERE \"user\" = '{person}'"),
        11 => {
            let holder = if chance.percent(50) {
                format!(
                    "(module, record, \"user\", level) VALUES ('companies', '{record}', '{person}', 'read')"
                )
            } else {
                format!(
                    "(module, record, \"group\", level) VALUES ('deals', '{record}', '{group}', 'read')"
                )
            };
            format!("INSERT INTO celador.shares {holder} ON CONFLICT DO NOTHING")
        }
        12 => format!(
            "DELETE FROM celador.shares WHERE record = '{record}'; \
             DELETE FROM celador.setting_values WHERE \"group\" IS DISTINCT FROM '{group}'"
        ),
        _ if chance.percent(30) => {
            "INSERT INTO celador.setting_values VALUES (NULL, 'open', true) ON CONFLICT DO NOTHING"
                .to_owned()
        }
        _ => format!(
            "INSERT INTO celador.setting_values VALUES ('{group}', 'open', true) ON CONFLICT DO NOTHING; \
             UPDATE celador.groups SET parent = nullif('whole', \"group\") WHERE \"group\" = '{group}'"
        ),
    }
}

/// Whatever changes, however the transaction ends: a session that goes on sees what a new one does.
fn all_hear(database: &Database, seed: u64) {
    let mut administrator = database.superuser();
    let mut sessions: BTreeMap<&str, Session> = PEOPLE
        .iter()
        .map(|person| (*person, Session::of(database, person)))
        .collect();
    let mut chance = Chance::new(seed);
    let mut seen = BTreeSet::new();
    for at in 0..100 {
        let mut changes = vec![change(&mut chance)];
        if chance.percent(30) {
            changes.push(change(&mut chance));
        }
        let changes = changes.join("; ");
        let sql = match chance.below(6) {
            0 => format!("BEGIN; {changes}; ROLLBACK"),
            1 => format!("BEGIN; SAVEPOINT s; {changes}; ROLLBACK TO s; COMMIT"),
            2 => format!("BEGIN; {changes}; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'"),
            _ => changes,
        };
        for statement in sql.split("; ") {
            // A tree in a circle is refused, and with it what follows.
            if administrator.batch_execute(statement).is_err() {
                administrator
                    .batch_execute("ROLLBACK")
                    .expect("it is rolled back");
                break;
            }
        }
        for (person, session) in &mut sessions {
            let sees = session.sees();
            let fresh = Session::of(database, person).sees();
            assert_eq!(sees, fresh, "seed {seed}, {at}: {person} after {sql}");
            seen.insert(fresh);
        }
    }
    assert!(
        seen.len() > 8,
        "too little changes: {} different",
        seen.len()
    );
}

#[test]
fn whoever_is_concerned_hears_of_every_change() {
    for seed in seeds() {
        all_hear(&crm(), seed);
    }
}

#[test]
fn a_mistake_in_who_is_concerned_is_found() {
    if are_tried() {
        let database = crm();
        assert!(database.finds_mistake("nobody is concerned", |database| all_hear(database, 1)));
    }
}

/// How often anybody's access was computed, and statements were planned for a person, in this database.
fn computed(client: &mut Client) -> i64 {
    let row = client
        .query_one(
            "SELECT CAST(sum(value) AS bigint) FROM celador.stats() \
             WHERE name IN ('access_computed', 'plans_made')",
            &[],
        )
        .expect("it counts");
    row.get(0)
}

#[test]
fn whoever_is_not_concerned_computes_nothing() {
    let database = crm();
    database.run("SELECT celador.give_role('omar', 'lead'), celador.give_role('nina', 'peers')");
    database.run("SELECT celador.set_user_groups('nina', '{west}')");
    let mut lena = Session::of(&database, "lena");
    let mut omar = Session::of(&database, "omar");
    let mut nina = Session::of(&database, "nina");
    let mut administrator = database.superuser();
    let changes = [
        // Of lena (own), omar (reports) and nina (colleagues in West and below): who computes anew.
        (
            "INSERT INTO celador.memberships VALUES ('boss', 'east')",
            false,
        ),
        (
            "INSERT INTO celador.memberships VALUES ('boss', 'west')",
            true,
        ),
        (
            "INSERT INTO celador.memberships VALUES ('omar', 'whole')",
            true,
        ),
        (
            "INSERT INTO celador.roles_held (\"user\", role) VALUES ('boss', 'team')",
            false,
        ),
        (
            "INSERT INTO celador.roles_held (\"group\", role) VALUES ('whole', 'guest')",
            true,
        ),
        (
            "UPDATE celador.users SET supervisor = 'lena' WHERE \"user\" = 'nina'",
            false,
        ),
        (
            "UPDATE celador.users SET supervisor = 'omar' WHERE \"user\" = 'nina'",
            true,
        ),
        (
            "INSERT INTO celador.shares VALUES ('companies', '1', 'boss', NULL, 'read')",
            false,
        ),
        (
            "INSERT INTO celador.shares VALUES ('companies', '1', 'lena', NULL, 'read')",
            true,
        ),
        ("INSERT INTO celador.groups VALUES ('new', 'New')", true),
    ];
    let mut all = || {
        for _ in 0..3 {
            for session in [&mut lena, &mut omar, &mut nina] {
                let _ = session.sees();
            }
        }
    };
    for (change, concerned) in changes {
        all();
        let before = computed(&mut administrator);
        all();
        assert_eq!(computed(&mut administrator), before, "it counts by itself");
        administrator
            .batch_execute(change)
            .unwrap_or_else(|error| panic!("{change}: {error}"));
        all();
        let after = computed(&mut administrator);
        assert_eq!(after > before, concerned, "{change}");
    }
}
