//! A small CRM, and what its people get to see of it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use celador_tests::Database;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};

const SCHEMA: &str = "
DO $$ DECLARE role text; BEGIN
  CREATE ROLE atk_owner; CREATE ROLE atk_people;
  FOREACH role IN ARRAY ARRAY['atk_ruth', 'atk_bert', 'atk_vera', 'atk_none', 'atk_pool'] LOOP
    EXECUTE format('CREATE ROLE %I LOGIN IN ROLE atk_people', role);
  END LOOP;
END $$;
CREATE SCHEMA shop AUTHORIZATION atk_owner;
CREATE SCHEMA elsewhere AUTHORIZATION atk_owner;
CREATE SCHEMA yard;
GRANT USAGE, CREATE ON SCHEMA yard TO atk_people;
GRANT USAGE ON SCHEMA shop, elsewhere TO atk_people;
SET ROLE atk_owner;
SET search_path = shop;
CREATE TABLE teams (id int PRIMARY KEY, name text NOT NULL, parent_id int REFERENCES teams);
CREATE TABLE staff (id int PRIMARY KEY, login text UNIQUE, team_id int REFERENCES teams, role text, boss_id int REFERENCES staff);
CREATE TABLE deals (id int PRIMARY KEY, title text NOT NULL, code text UNIQUE, amount int CHECK (amount > 0),
  owner_id int REFERENCES staff, team_id int REFERENCES teams, created_by int, happens daterange, region text,
  EXCLUDE USING gist (happens WITH &&));
CREATE TABLE special_deals (extra text) INHERITS (deals);
CREATE TABLE notes (id int PRIMARY KEY, deal_id int REFERENCES deals ON DELETE CASCADE ON UPDATE CASCADE, body text);
CREATE TABLE tasks (id int PRIMARY KEY, title text, created_by int);
CREATE TABLE task_people (task_id int REFERENCES tasks, person_id int REFERENCES staff, PRIMARY KEY (task_id, person_id));
CREATE TABLE log (id int, day date, actor_id int, line text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE log_old PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE log_new PARTITION OF log FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO teams VALUES (1, 'one', NULL), (2, 'two', NULL);
INSERT INTO staff VALUES (1, 'atk_vera', 1, 'administrator', NULL), (2, 'atk_ruth', 1, 'seller', 1),
  (3, 'atk_bert', 2, 'seller', 1), (4, 'atk_none', 2, 'nothing', 1);
INSERT INTO deals SELECT n, 'MINE-deal-' || n, 'MINE-code-' || n, n, 2, 1, 2, NULL, 'MINE-north' FROM generate_series(1, 5) AS n;
INSERT INTO deals SELECT n, 'HIDDEN-deal-' || n, 'HIDDEN-code-' || n, n, 3, 2, 3, daterange('2030-01-01'::date + n, '2030-01-02'::date + n), 'HIDDEN-west'
  FROM generate_series(11, 30) AS n;
INSERT INTO special_deals VALUES (6, 'MINE-special', 'MINE-code-6', 6, 2, 1, 2), (31, 'HIDDEN-special', 'HIDDEN-code-31', 31, 3, 2, 3);
INSERT INTO notes SELECT id, id, replace(title, 'deal', 'note') FROM ONLY deals;
INSERT INTO tasks VALUES (1, 'MINE-task', 2), (22, 'HIDDEN-task', 3);
INSERT INTO task_people VALUES (1, 2), (22, 3);
INSERT INTO log VALUES (1, '2020-05-05', 2, 'MINE-log-1'), (2, '2020-05-05', 3, 'HIDDEN-log-2'),
  (3, '2021-05-05', 2, 'MINE-log-3'), (4, '2021-05-05', 3, 'HIDDEN-log-4');
CREATE VIEW deal_titles AS SELECT id, title FROM deals;
CREATE MATERIALIZED VIEW deal_copy AS SELECT id, title, amount FROM deals;
CREATE FUNCTION owner_titles() RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = shop, pg_temp
  AS 'SELECT title FROM shop.deals';
CREATE FUNCTION owner_asks(what text) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = shop, pg_temp
  AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT x::text FROM shop.' || quote_ident(what) || ' AS x'; END $$;
CREATE FUNCTION person_titles() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT title FROM shop.deals';
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO atk_people;
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO atk_people;
RESET ROLE;
CREATE VIEW super_titles AS SELECT id, title FROM deals;
CREATE FUNCTION super_titles() RETURNS SETOF text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = shop, pg_temp
  AS 'BEGIN RETURN QUERY SELECT title FROM shop.deals; END';
GRANT SELECT ON super_titles TO atk_people;
RESET search_path;
ANALYZE;";

const POLICY: &str = r#"
[mapping]
schemas = ["shop"]
[mapping.users]
table = "staff"
keys = { user = "id" }
login = "login"
supervisor = "boss_id"
[mapping.groups]
table = "teams"
key = "id"
name = "name"
parent = "parent_id"
[mapping.memberships]
table = "staff"
user = "id"
group = "team_id"
[mapping.roles_held]
table = "staff"
user = "id"
role = "role"
map = { administrator = "administrator", seller = "seller" }
[mapping.modules.users]
table = "staff"
owner = "id"
group = "team_id"
[mapping.modules.groups]
table = "teams"
group = "id"
[mapping.modules.deals]
table = "deals"
owner = "owner_id"
group = "team_id"
creator = "created_by"
[mapping.modules.special_deals]
table = "special_deals"
key = "id"
owner = "owner_id"
group = "team_id"
creator = "created_by"
[mapping.modules.notes]
table = "notes"
parent = { module = "deals", column = "deal_id" }
[mapping.modules.tasks]
table = "tasks"
owner = { table = "task_people", record = "task_id", user = "person_id" }
creator = "created_by"
[mapping.modules.log]
table = "log"
key = "id"
owner = "actor_id"

[permissions.administrator]
"*" = { "*" = ["all"] }
[permissions.seller]
users = { read = ["own"] }
groups = { read = ["group"] }
deals = { read = ["own", "shared"], create = ["own"], update = ["own"], delete = ["own"] }
special_deals = { read = ["own", "shared"], create = ["own"], update = ["own"], delete = ["own"] }
notes = { read = ["parent"], create = ["parent"], update = ["parent"], delete = ["parent"] }
tasks = { read = ["own"], create = ["own"], update = ["own"] }
log = { read = ["own"], create = ["own"], update = ["own"] }
shares = { read = ["created"], create = ["created"], update = ["created"], delete = ["created"] }
"#;

/// The small CRM's policy, as it is written.
pub(crate) fn policy() -> &'static str {
    POLICY
}

/// A database with the small CRM under its policy.
pub(crate) fn stage() -> Database {
    Database::from_template("celador_own_attacks", |client| {
        for sql in ["CREATE EXTENSION celador", SCHEMA] {
            client
                .batch_execute(sql)
                .unwrap_or_else(|error| panic!("{error:?}"));
        }
        client
            .query("SELECT celador.load_policy($1)", &[&POLICY])
            .unwrap_or_else(|error| panic!("{error:?}"));
        client
            .batch_execute("GRANT EXECUTE ON FUNCTION celador.act_as(text) TO atk_pool")
            .unwrap();
    })
}

/// A session in which everything that comes back is written down.
pub(crate) struct Attacker {
    client: Client,
    notices: Arc<Mutex<String>>,
}

impl Attacker {
    /// A new session of a person.
    pub(crate) fn new(database: &Database, login: &str) -> Self {
        let notices = Arc::new(Mutex::new(String::new()));
        let mut config: Config = database.url(login).parse().unwrap();
        let written = Arc::clone(&notices);
        config.notice_callback(move |notice| {
            let more = [notice.detail(), notice.hint(), notice.where_()];
            let more: Vec<&str> = more.into_iter().flatten().collect();
            writeln!(
                written.lock().unwrap(),
                "NOTICE {} {}",
                notice.message(),
                more.join(" / ")
            )
            .unwrap();
        });
        let client = config.connect(NoTls).unwrap();
        Self { client, notices }
    }

    /// Runs statements one by one, whatever becomes of them, and returns all that came back:
    /// rows, row counts, notices, errors with all their fields.
    pub(crate) fn tries(&mut self, statements: &[&str]) -> String {
        let mut seen = String::new();
        for statement in statements {
            match self.client.simple_query(statement) {
                Ok(messages) => messages.iter().for_each(|message| note(&mut seen, message)),
                Err(error) => seen.push_str(&told(&error)),
            }
            seen.push_str(&std::mem::take(&mut *self.notices.lock().unwrap()));
        }
        assert!(!self.client.is_closed(), "the server has gone: {seen}");
        seen
    }
}

/// An error with all that a client gets of it, but for its place in PostgreSQL's source.
fn told(error: &postgres::Error) -> String {
    let Some(error) = error.as_db_error() else {
        return format!("{error}\n");
    };
    let more = [
        error.detail(),
        error.hint(),
        error.where_(),
        error.schema(),
        error.table(),
        error.column(),
        error.constraint(),
    ];
    let more: Vec<&str> = more.into_iter().flatten().collect();
    format!(
        "ERROR {} {} {}\n",
        error.code().code(),
        error.message(),
        more.join(" / ")
    )
}

fn note(seen: &mut String, message: &SimpleQueryMessage) {
    match message {
        SimpleQueryMessage::RowDescription(_) => {}
        SimpleQueryMessage::Row(row) => {
            let cells: Vec<&str> = (0..row.len())
                .map(|at| row.get(at).unwrap_or("NULL"))
                .collect();
            writeln!(seen, "{}", cells.join("|")).unwrap();
        }
        SimpleQueryMessage::CommandComplete(count) => writeln!(seen, "done {count}").unwrap(),
        other => panic!("a message that isn't known: {other:?}"),
    }
}

/// What somebody gets to see, in a session of the person's own.
pub(crate) fn tries(database: &Database, login: &str, statements: &[&str]) -> String {
    Attacker::new(database, login).tries(statements)
}

/// Ruth's attack must show nothing that is out of her reach.
#[track_caller]
pub(crate) fn shows_nothing_hidden(database: &Database, statements: &[&str]) -> String {
    let seen = tries(database, "atk_ruth", statements);
    assert!(!seen.contains("HIDDEN"), "{statements:#?}\n{seen}");
    seen
}

/// Ruth's attack must show nothing that is out of her reach, and must have run: her own rows came.
#[track_caller]
pub(crate) fn shows_only_mine(database: &Database, statements: &[&str]) {
    let seen = shows_nothing_hidden(database, statements);
    assert!(
        seen.contains("MINE"),
        "the attack didn't run: {statements:#?}\n{seen}"
    );
}

/// Everything that is stored, but for what lies in the attackers' own schema.
pub(crate) fn stored(database: &Database) -> Vec<String> {
    let tables = [
        "teams",
        "staff",
        "deals",
        "notes",
        "tasks",
        "task_people",
        "log",
    ];
    let mut rows = Vec::new();
    for table in tables {
        let sql = format!("SELECT '{table}: ' || t::text FROM shop.{table} AS t ORDER BY 1");
        for row in database.superuser().query(&sql, &[]).unwrap() {
            rows.push(row.get(0));
        }
    }
    rows
}
