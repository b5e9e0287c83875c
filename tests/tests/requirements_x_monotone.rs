//! X.3 and S3.7 over generated policies and directories: adding a role never takes anything away,
//! adding a restriction never gives anything, and a level whose cells are within another's reaches
//! no more than that.

use std::collections::BTreeSet;

use celador_tests::{Database, small_crm, small_document};
use postgres::Client;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};

const ROLES: [&str; 4] = ["worker", "second", "third", "fourth"];
const PEOPLE: [&str; 5] = ["lena", "omar", "yuki", "boss", "nina"];
const GROUPS: [&str; 3] = ["whole", "east", "west"];
const TABLES: [(&str, i32); 3] = [("companies", 6), ("deals", 6), ("projects", 4)];

/// What a person reaches: table, action, key.
type Reached = BTreeSet<(&'static str, &'static str, i64)>;

/// A policy of a case: cells and restrictions, as they are written.
#[derive(Debug, Clone)]
struct Case {
    cells: Vec<String>,
    restrictions: Vec<String>,
    /// Restricts in addition.
    added: String,
    held: Vec<(&'static str, &'static str)>,
    by_groups: Vec<(&'static str, &'static str)>,
    settings: Vec<(&'static str, bool)>,
    /// Who is given which role.
    given: (&'static str, &'static str),
}

fn scopes(module: &'static str) -> Vec<&'static str> {
    let mut scopes = vec![
        "\"own\"",
        "\"reports\"",
        "\"colleagues\"",
        "\"colleagues_tree\"",
        "\"unassigned\"",
        "\"shared\"",
        "{ scope = \"own\", when = \"open\" }",
        "{ scope = \"reports\", when = \"open\" }",
    ];
    match module {
        "companies" => scopes.extend([
            "\"created\"",
            "\"group\"",
            "\"group_tree\"",
            "\"rule:north\"",
            "{ scope = \"all\", when = \"open\" }",
        ]),
        "deals" => scopes.extend(["\"created\"", "\"parent\"", "\"rule:north\""]),
        _ => scopes.extend(["\"group\"", "\"group_tree\""]),
    }
    scopes
}

/// Each role's cell for each module: a few scopes for each action, often none.
fn cells() -> impl Strategy<Value = Vec<String>> {
    let mut all = Vec::new();
    for role in ROLES {
        for (module, _) in TABLES {
            let some = || subsequence(scopes(module), 0..=2);
            all.push((some(), some(), some()).prop_map(move |(read, update, delete)| {
                format!(
                    "[permissions.{role}.{module}]\nread = [{}]\nupdate = [{}]\ndelete = [{}]\n",
                    read.join(", "),
                    update.join(", "),
                    delete.join(", ")
                )
            }));
        }
    }
    all
}

/// Two levels: in each cell the higher has the scopes of the lower, and often more.
fn levels() -> impl Strategy<Value = String> {
    let mut cells = Vec::new();
    for (module, _) in TABLES {
        for action in ["read", "update", "delete"] {
            let some = || subsequence(scopes(module), 0..=2);
            cells.push((some(), some()).prop_map(move |(lower, mut more)| {
                more.retain(|scope| !lower.contains(scope));
                let line =
                    |scopes: &[&str]| format!("{module}.{action} = [{}]\n", scopes.join(", "));
                (line(&lower), line(&[&lower[..], &more].concat()))
            }));
        }
    }
    cells.prop_map(|lines| {
        let (lower, higher): (String, String) = lines.into_iter().unzip();
        format!("[permissions.lower]\n{lower}[permissions.higher]\n{higher}")
    })
}

fn restriction(name: &'static str) -> impl Strategy<Value = String> {
    let whom = select(vec![
        String::new(),
        "groups = [\"East\"]\n".to_owned(),
        "groups = [\"whole\"]\n".to_owned(),
        "users = [\"lena\", \"yuki\"]\n".to_owned(),
        "users = [\"boss\"]\n".to_owned(),
    ]);
    let what = select(vec![
        ("companies", "predicate = \"region = 'north'\"\n"),
        ("companies", "predicate = \"vip OR owner = me()\"\n"),
        ("companies", ""),
        ("deals", "predicate = \"amount > 25\"\n"),
        ("deals", ""),
        ("projects", "predicate = \"name LIKE 'in t%'\"\n"),
    ]);
    let actions = select(vec![
        "",
        "actions = [\"update\", \"delete\"]\n",
        "actions = [\"read\"]\n",
    ]);
    let when = select(vec!["", "when = \"open\"\n"]);
    (whom, what, actions, when).prop_map(move |(whom, (module, predicate), actions, when)| {
        format!("[restrictions.{name}]\n{whom}module = \"{module}\"\n{predicate}{actions}{when}")
    })
}

fn case() -> impl Strategy<Value = Case> {
    let pairs =
        |of: &[&'static str], holders: &[&'static str]| -> Vec<(&'static str, &'static str)> {
            holders
                .iter()
                .flat_map(|holder| of.iter().map(move |role| (*holder, *role)))
                .collect()
        };
    (
        cells(),
        (restriction("first"), any::<bool>()),
        restriction("added"),
        subsequence(pairs(&ROLES[..3], &PEOPLE), 2..=6),
        subsequence(pairs(&ROLES[..3], &GROUPS), 0..=2),
        subsequence(
            vec![("whole", true), ("east", false), ("west", true)],
            0..=2,
        ),
        (select(&PEOPLE[..]), select(&ROLES[..])),
    )
        .prop_map(
            |(cells, (first, restricted), added, held, by_groups, settings, given)| Case {
                cells,
                restrictions: if restricted { vec![first] } else { Vec::new() },
                added,
                held,
                by_groups,
                settings,
                given,
            },
        )
}

const HEAD: &str = "
[settings.open]
default = false
set_by = [\"fourth\"]
[rules.north]
companies = \"region = 'north'\"
deals = \"amount < 35\"
";

impl Case {
    fn document(&self, added: bool) -> String {
        let mut matrix = HEAD.to_owned() + &self.cells.join("") + &self.restrictions.join("");
        if added {
            matrix += &self.added;
        }
        small_document(&matrix)
    }

    /// Puts the case's policy and directory in force.
    fn set(&self, crm: &Database) {
        crm.load(&self.document(false));
        let mut directory = String::from(
            "DELETE FROM celador.roles_held; DELETE FROM celador.setting_values;
             DELETE FROM celador.shares;
             INSERT INTO celador.shares (module, record, \"user\", level) VALUES
               ('companies', '3', 'lena', 'read'), ('deals', '4', 'nina', 'delete'),
               ('companies', '6', 'omar', 'update'), ('projects', '3', 'yuki', 'update');",
        );
        for (user, role) in &self.held {
            directory += &format!("SELECT celador.give_role('{user}', '{role}');");
        }
        for (group, role) in &self.by_groups {
            directory += &format!("SELECT celador.give_role_to_group('{group}', '{role}');");
        }
        for (group, value) in &self.settings {
            directory += &format!("SELECT celador.set_setting('open', {value}, '{group}');");
        }
        crm.run(&directory);
    }
}

/// Everything that the person reads, and may change or delete, row by row.
fn reached(crm: &Database, person: &str) -> Reached {
    let mut client = crm.login(&format!("small_{person}"));
    let mut reached = Reached::new();
    for (table, rows) in TABLES {
        for row in client
            .query(&format!("SELECT id FROM {table}"), &[])
            .unwrap()
        {
            reached.insert((table, "read", row.get(0)));
        }
        for id in 1..=i64::from(rows) {
            let update = format!("UPDATE {table} SET name = name || '!' WHERE id = {id}");
            if undone(&mut client, &update) {
                reached.insert((table, "update", id));
            }
            if undone(&mut client, &format!("DELETE FROM {table} WHERE id = {id}")) {
                reached.insert((table, "delete", id));
            }
        }
    }
    reached
}

/// Whether the statement reached a row; it is rolled back.
fn undone(client: &mut Client, sql: &str) -> bool {
    let mut transaction = client.transaction().unwrap();
    match transaction.execute(sql, &[]) {
        Ok(rows) => rows > 0,
        Err(error) => {
            let code = error
                .as_db_error()
                .map(|error| error.code().code().to_owned());
            // A project that people are linked to can't go: it was in reach.
            match code.as_deref() {
                Some("42501") => false,
                Some("23503") => true,
                _ => panic!("{sql}: {error:?}"),
            }
        }
    }
}

#[test]
fn x_3_roles_only_add_and_restrictions_only_take() {
    let crm = small_crm("[permissions.worker]");
    let config = Config {
        cases: 6,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    };
    let property = |case: Case| {
        case.set(&crm);
        let (person, role) = case.given;
        let before = PEOPLE.map(|person| reached(&crm, person));
        crm.run(&format!("SELECT celador.give_role('{person}', '{role}')"));
        let given = PEOPLE.map(|person| reached(&crm, person));
        for ((who, before), given) in PEOPLE.iter().zip(&before).zip(&given) {
            prop_assert!(
                before.is_subset(given),
                "{who} lost {:?}",
                before.difference(given)
            );
            prop_assert!(*who == person || before == given, "{who} was given nothing");
        }
        crm.load(&case.document(true));
        let restricted = PEOPLE.map(|person| reached(&crm, person));
        for ((who, given), restricted) in PEOPLE.iter().zip(&given).zip(&restricted) {
            prop_assert!(
                restricted.is_subset(given),
                "{who} gained {:?}",
                restricted.difference(given)
            );
        }
        Ok(())
    };
    TestRunner::new(config)
        .run(&case(), property)
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn s3_7_a_level_within_another_reaches_no_more() {
    let crm = small_crm("[permissions.worker]");
    let config = Config {
        cases: 6,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    };
    let property = |(case, levels): (Case, String)| {
        case.set(&crm);
        crm.load(&(case.document(true) + &levels));
        for person in PEOPLE {
            let holding = |level: &str| {
                crm.run(&format!("SELECT celador.give_role('{person}', '{level}')"));
                let reached = reached(&crm, person);
                crm.run(&format!("SELECT celador.take_role('{person}', '{level}')"));
                reached
            };
            let (lower, higher) = (holding("lower"), holding("higher"));
            prop_assert!(
                lower.is_subset(&higher),
                "{person} reaches {:?} with the lower level alone",
                lower.difference(&higher)
            );
        }
        Ok(())
    };
    TestRunner::new(config)
        .run(&(case(), levels()), property)
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The property can fail: the same comparison sees a role that adds and a restriction that takes.
#[test]
fn x_3_the_comparison_tells_a_difference() {
    let matrix = "[permissions.worker.companies]\nread = [\"own\"]\nupdate = [\"own\"]\n
                  [permissions.second.companies]\nread = [\"group\"]\ndelete = [\"unassigned\"]\n";
    let crm = small_crm(matrix);
    let own = reached(&crm, "lena");
    assert_eq!(
        own,
        Reached::from([("companies", "read", 1), ("companies", "update", 1)])
    );
    crm.run("SELECT celador.give_role('lena', 'second')");
    let both = reached(&crm, "lena");
    assert!(
        own.is_subset(&both) && both.contains(&("companies", "delete", 4)),
        "{both:?}"
    );
    assert!(
        !both.contains(&("companies", "delete", 5)),
        "what isn't read isn't deleted"
    );
    crm.load(&small_document(&format!(
        "{matrix}[restrictions.added]\nmodule = \"companies\"\npredicate = \"region = 'north'\"\n"
    )));
    let less = reached(&crm, "lena");
    assert!(
        less.is_subset(&both) && !less.contains(&("companies", "read", 4)),
        "{less:?}"
    );
}
