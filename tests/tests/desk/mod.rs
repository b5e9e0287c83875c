//! A help desk of a few rows with users, teams and roles in tables of its own, for tests that
//! look for ways around the policy.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod people;

use celador_tests::{Database, denied};
use postgres::Client;

/// Tables, logins and rows.
pub(crate) const SCHEMA: &str = "
DO $$
BEGIN
  CREATE ROLE desk_owner;
  CREATE ROLE desk_people;
  CREATE ROLE desk_ann LOGIN IN ROLE desk_people;
  CREATE ROLE desk_bea LOGIN IN ROLE desk_people;
  CREATE ROLE desk_cem LOGIN IN ROLE desk_people;
  CREATE ROLE desk_dan LOGIN IN ROLE desk_people;
  CREATE ROLE desk_off LOGIN IN ROLE desk_people;
  CREATE ROLE desk_stranger LOGIN IN ROLE desk_people;
  CREATE ROLE desk_pool LOGIN IN ROLE desk_people;
  CREATE ROLE desk_migrator LOGIN IN ROLE desk_owner, desk_people;
END $$;
GRANT USAGE, CREATE ON SCHEMA public TO desk_owner;
GRANT USAGE ON SCHEMA public TO desk_people;
CREATE SCHEMA elsewhere AUTHORIZATION desk_owner;
GRANT USAGE ON SCHEMA elsewhere TO desk_people;
SET ROLE desk_owner;
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO desk_people;
CREATE TABLE users (id integer PRIMARY KEY, login text, active boolean NOT NULL DEFAULT true,
  boss integer REFERENCES users, region text, last_seen timestamptz);
CREATE TABLE teams (id integer PRIMARY KEY, name text NOT NULL, parent integer REFERENCES teams);
CREATE TABLE members (user_id integer REFERENCES users, team_id integer REFERENCES teams,
  PRIMARY KEY (user_id, team_id));
CREATE TABLE roles (user_id integer REFERENCES users, role text, PRIMARY KEY (user_id, role));
CREATE TABLE countries (code text PRIMARY KEY);
CREATE TABLE cases (id integer PRIMARY KEY, title text NOT NULL, note text, country text REFERENCES countries,
  owner_id integer REFERENCES users ON DELETE SET NULL, team_id integer REFERENCES teams,
  created_by integer, updated_at timestamptz, CONSTRAINT short_title CHECK (length(title) < 20));
CREATE UNIQUE INDEX cases_title ON cases (title);
CREATE TABLE lines (id integer PRIMARY KEY, case_id integer NOT NULL REFERENCES cases ON DELETE CASCADE, text text);
CREATE TABLE docs (id integer PRIMARY KEY, title text, created_by integer);
CREATE TABLE doc_people (doc_id integer REFERENCES docs, user_id integer REFERENCES users, PRIMARY KEY (doc_id, user_id));
CREATE TABLE doc_teams (doc_id integer REFERENCES docs, team_id integer REFERENCES teams, PRIMARY KEY (doc_id, team_id));
CREATE TABLE visits (id integer, day date, note text, owner_id integer, created_by integer, PRIMARY KEY (id, day))
  PARTITION BY RANGE (day);
CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE visits_new PARTITION OF visits FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE boards (id integer PRIMARY KEY, name text, owner_id integer);
INSERT INTO users VALUES (1, 'desk_ann', true, NULL, 'north'), (2, 'desk_bea', true, 1, 'north'),
  (3, 'desk_cem', true, 2, 'south'), (4, 'desk_dan', true, 1, 'south'), (5, 'desk_off', false, 1, 'south');
INSERT INTO teams VALUES (1, 'one', NULL), (2, 'two', 1);
INSERT INTO members VALUES (2, 1), (3, 1), (4, 2);
INSERT INTO roles VALUES (1, 'administrator'), (2, 'seller'), (3, 'agent'), (4, 'seller'), (5, 'seller');
INSERT INTO countries VALUES ('ES'), ('FR');
INSERT INTO cases VALUES
  (1, 'of ann', 'secret-1', 'ES', 1, 2, 1), (2, 'of bea', 'secret-2', 'ES', 2, 1, 2),
  (3, 'of cem', 'secret-3', 'FR', 3, 1, 3), (4, 'of dan', 'secret-4', 'FR', 4, 2, 4),
  (5, 'of nobody', 'secret-5', 'ES', NULL, 1, 1), (6, 'far from all', 'secret-6', 'ES', NULL, 2, 1);
INSERT INTO lines SELECT id, id, 'line ' || id FROM cases;
INSERT INTO docs VALUES (1, 'of bea', 2), (2, 'of dan', 4), (3, 'of nobody', 2);
INSERT INTO doc_people VALUES (1, 2), (2, 4);
INSERT INTO doc_teams VALUES (1, 1), (2, 2);
INSERT INTO visits VALUES (1, '2020-05-01', 'v1', 2, 2), (2, '2021-05-01', 'v2', 2, 2), (3, '2021-06-01', 'v3', 4, 4),
  (4, '2020-06-01', 'v4', NULL, NULL);
INSERT INTO boards VALUES (1, 'of bea', 2), (2, 'of dan', 4);
RESET ROLE;
";

/// Where the desk keeps things.
pub(crate) const MAPPING: &str = r#"
[mapping]
schemas = ["public"]
open = ["countries"]
[mapping.users]
table = "users"
keys = { user = "id" }
login = "login"
active = "active"
supervisor = "boss"
attributes = { region = "region" }
[mapping.groups]
table = "teams"
key = "id"
name = "name"
parent = "parent"
[mapping.memberships]
table = "members"
user = "user_id"
group = "team_id"
[mapping.roles_held]
table = "roles"
user = "user_id"
role = "role"
map = { administrator = "administrator", seller = "seller", agent = "agent" }
[mapping.modules.users]
table = "users"
owner = "id"
[mapping.modules.groups]
table = "teams"
[mapping.modules.memberships]
table = "members"
[mapping.modules.roles_held]
table = "roles"
[mapping.modules.cases]
table = "cases"
owner = "owner_id"
group = "team_id"
creator = "created_by"
touch = ["updated_at"]
children = [{ table = "lines", column = "case_id" }]
[mapping.modules.docs]
table = "docs"
owner = { table = "doc_people", record = "doc_id", user = "user_id" }
group = { table = "doc_teams", record = "doc_id", group = "team_id" }
creator = "created_by"
[mapping.modules.visits]
table = "visits"
key = "id"
owner = "owner_id"
creator = "created_by"
[mapping.modules.boards]
table = "boards"
owner = "owner_id"
configuration = true
"#;

/// An administrator (ann), sellers (bea in team one, dan in team two), an agent (cem in team one).
pub(crate) const MATRIX: &str = r#"
[permissions.administrator]
"*" = { "*" = ["all"] }
[permissions.seller.cases]
read = ["own", "shared"]
create = ["own"]
update = ["own"]
delete = ["own"]
[permissions.seller.docs]
read = ["own"]
create = ["own"]
update = ["own"]
[permissions.seller.visits]
read = ["own"]
create = ["own"]
update = ["own"]
[permissions.agent.cases]
read = ["own", { scope = "group", when = "open_team" }]
claim = ["unassigned"]
[settings.open_team]
default = false
set_by = ["administrator"]
"#;

/// The desk without a policy.
pub(crate) fn bare() -> Database {
    Database::from_template("celador_desk", |client| {
        client
            .batch_execute("CREATE EXTENSION celador")
            .expect("the extension can be created");
        client.batch_execute(SCHEMA).expect("the desk loads");
    })
}

/// The desk under [`MATRIX`].
pub(crate) fn desk() -> Database {
    under(MATRIX)
}

/// The desk under a matrix of the test's own.
pub(crate) fn under(matrix: &str) -> Database {
    let database = bare();
    database.load(&document(matrix));
    database
}

/// The desk's mapping with a matrix.
pub(crate) fn document(matrix: &str) -> String {
    format!("{MAPPING}\n{matrix}")
}

/// The keys that a query returns, in its order.
#[track_caller]
pub(crate) fn ids(client: &mut Client, sql: &str) -> Vec<i32> {
    client
        .query(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// A number that a query returns.
#[track_caller]
pub(crate) fn number(client: &mut Client, sql: &str) -> i64 {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .get(0)
}

/// A text that a query returns, `None` for NULL.
#[track_caller]
pub(crate) fn text(client: &mut Client, sql: &str) -> Option<String> {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .get(0)
}

/// Runs statements that must work.
#[track_caller]
pub(crate) fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// The statements are denied, and the case is as it was.
#[track_caller]
pub(crate) fn refused(database: &Database, login: &str, sql: &str) {
    let picture = |database: &Database| -> Vec<String> {
        [
            "cases",
            "docs",
            "doc_people",
            "doc_teams",
            "visits",
            "boards",
        ]
        .iter()
        .flat_map(|table| {
            database
                .superuser()
                .query(&format!("SELECT t::text FROM {table} AS t ORDER BY 1"), &[])
                .expect("the superuser reads")
        })
        .map(|row| row.get(0))
        .collect()
    };
    let before = picture(database);
    let result = database.login(login).batch_execute(sql);
    assert!(result.is_err(), "{login}: {sql}: not refused");
    denied(result);
    assert_eq!(before, picture(database), "{login}: {sql}");
}

/// Runs a statement as a person, which must change that many rows.
#[track_caller]
pub(crate) fn changes(database: &Database, login: &str, sql: &str, rows: u64) {
    let changed = database
        .login(login)
        .execute(sql, &[])
        .unwrap_or_else(|error| panic!("{login}: {sql}: {error:?}"));
    assert_eq!(changed, rows, "{login}: {sql}");
}

/// Owner, team and creator of a case.
#[track_caller]
pub(crate) fn case(database: &Database, id: i32) -> (Option<i32>, Option<i32>, Option<i32>) {
    let row = database
        .superuser()
        .query_one(
            "SELECT owner_id, team_id, created_by FROM cases WHERE id = $1",
            &[&id],
        )
        .expect("there is such a case");
    (row.get(0), row.get(1), row.get(2))
}

/// Everything that a load changes, as text.
pub(crate) fn picture(database: &Database) -> String {
    text(
        &mut database.superuser(),
        "SELECT concat_ws(E'\\n',
           (SELECT string_agg(p::text, E'\\n' ORDER BY schemaname, tablename, policyname) FROM pg_policies AS p),
           (SELECT string_agg(concat_ws(' ', tgrelid::regclass, tgname, tgenabled, tgtype), E'\\n' ORDER BY tgrelid, tgname)
              FROM pg_trigger WHERE NOT tgisinternal),
           (SELECT string_agg(concat_ws(' ', oid::regclass, relrowsecurity, relforcerowsecurity), E'\\n' ORDER BY oid)
              FROM pg_class WHERE relkind IN ('r', 'p')),
           (SELECT string_agg(concat_ws(' ', revision, md5(document)), E'\\n' ORDER BY revision) FROM celador.policy),
           (SELECT string_agg(concat_ws(' ', relation, md5(policies)), E'\\n' ORDER BY relation::oid) FROM celador.protected))",
    )
    .unwrap_or_default()
}
