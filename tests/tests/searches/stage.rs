//! A table with an index for each kind of search, one row on a page, and values that are hard on
//! operators in the rows out of reach.

use std::sync::{Arc, Mutex};

use celador_tests::{Database, offers};
use postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Values that were added to an enum are in another order than their numbers.
const TYPES: &str = "
CREATE EXTENSION pg_trgm;
DO $$ DECLARE role text; BEGIN
  CREATE ROLE find_owner; CREATE ROLE find_people;
  FOREACH role IN ARRAY ARRAY['find_vera', 'find_ruth', 'find_pool', 'find_watch'] LOOP
    EXECUTE format('CREATE ROLE %I LOGIN', role);
  END LOOP;
  GRANT find_people TO find_vera, find_ruth, find_pool;
  GRANT pg_monitor TO find_watch;
END $$;
CREATE SCHEMA find AUTHORIZATION find_owner;
CREATE SCHEMA yard;
GRANT USAGE ON SCHEMA find TO find_people;
GRANT USAGE, CREATE ON SCHEMA yard TO find_people;
CREATE TYPE find.stage AS ENUM ('lead', 'lost');
ALTER TYPE find.stage ADD VALUE 'talk' BEFORE 'lost';
ALTER TYPE find.stage ADD VALUE 'won' BEFORE 'lost';
";

const SCHEMA: &str = r#"
SET ROLE find_owner;
CREATE TABLE find.staff (id int PRIMARY KEY, login text UNIQUE, role text);
INSERT INTO find.staff VALUES (1, 'find_vera', 'administrator'), (2, 'find_ruth', 'seller'), (3, 'nobody', 'seller');
CREATE TABLE find.things (id int PRIMARY KEY, owner_id int, email text, name text, code char(12), amount numeric,
  stage find.stage, born date, seen timestamptz, made timestamp, tags text[], nums int[], data jsonb, words tsvector,
  low text, pad text);
-- One row on a page: a bitmap of all of them has no room for rows.
ALTER TABLE find.things ALTER pad SET STORAGE PLAIN;
INSERT INTO find.things SELECT n, CASE WHEN n % 50 = 0 THEN 2 ELSE 3 END,
  CASE WHEN n % 50 = 0 THEN 'mine' ELSE 'hidden' END || n || '@example.net', 'Name of number ' || n, 'C' || n, n / 3.0,
  CASE n % 4 WHEN 0 THEN 'lead' WHEN 1 THEN 'talk' WHEN 2 THEN 'won' ELSE 'lost' END::find.stage,
  date '2000-01-01' + n, timestamptz '2020-01-01 00:00Z' + n * interval '1 hour', timestamp '2020-01-01' + n * interval '1 hour',
  ARRAY['t' || n % 100, 'all'], ARRAY[n % 100, -1], jsonb_build_object('city', 'c' || n % 100, 'n', n, 'deep', jsonb_build_array(n % 10)),
  to_tsvector('simple', 'word' || n % 100 || ' every'), 'Low' || n, repeat('x', 4100)
  FROM generate_series(1, 2500) AS n;
CREATE INDEX ON find.things (email);
CREATE INDEX ON find.things (email text_pattern_ops);
CREATE INDEX ON find.things USING gin (name gin_trgm_ops);
CREATE INDEX ON find.things USING gist (name gist_trgm_ops);
CREATE INDEX ON find.things (code bpchar_pattern_ops);
CREATE INDEX ON find.things (lower(email));
CREATE INDEX ON find.things (upper(low) text_pattern_ops);
CREATE INDEX ON find.things USING hash (low);
CREATE INDEX ON find.things (amount);
CREATE INDEX ON find.things (stage);
CREATE INDEX ON find.things (born);
CREATE INDEX ON find.things (seen);
CREATE INDEX ON find.things (made);
CREATE INDEX ON find.things USING gin (tags);
CREATE INDEX ON find.things USING gin (nums);
CREATE INDEX ON find.things USING gin (data);
CREATE INDEX ON find.things USING gin (data jsonb_path_ops);
CREATE INDEX ON find.things USING gin (words);
CREATE TABLE find.notes (id int PRIMARY KEY, thing_id int REFERENCES find.things, body text);
INSERT INTO find.notes SELECT id, id, 'note on ' || email FROM find.things;
CREATE TABLE find.parts (id int, day date, owner_id int, name text) PARTITION BY RANGE (day);
CREATE TABLE find.parts_1 PARTITION OF find.parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE find.parts_2 PARTITION OF find.parts FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE INDEX ON find.parts USING gin (name gin_trgm_ops);
INSERT INTO find.parts SELECT n, date '2020-01-01' + n % 700, 2 + n % 2, 'Name ' || n FROM generate_series(1, 2000) AS n;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA find TO find_people;
RESET ROLE;
"#;

/// Values that are hard on operators, in rows out of reach.
const NASTY: &str = r#"
INSERT INTO find.things (id, owner_id, email, name, code, low)
  SELECT 10000 + n, 3, value, value, left(value, 12), value FROM unnest(ARRAY['', ' ', '\', '\\', 'a\', '%', '_', '%\%', 'ñ',
    'İstanbul', 'ß', 'ǅ', E'\U0010FFFF', E'\uFFFF', E'e\u0301', E'\x01', repeat('a', 100000), repeat('%', 5000),
    repeat('\', 5001), repeat('a%', 50000), repeat('İ', 100000), repeat('ab ', 30000)]) WITH ORDINALITY AS v(value, n) WHERE length(value) < 2700;
-- Too long for a B-tree, so without those.
CREATE TABLE find.long (LIKE find.things);
GRANT SELECT ON find.long TO find_people;
ALTER TABLE find.long OWNER TO find_owner;
INSERT INTO find.long (id, owner_id, email, name, code, low)
  SELECT 20000 + n, 3, value, value, left(value, 12), value FROM unnest(ARRAY[repeat('a', 100000), repeat('%', 5000),
    repeat('\', 5001), repeat('a%', 50000), repeat('İ', 100000), repeat('ab ', 30000), repeat('a', 300000),
    (SELECT string_agg(md5(n::text), ' ') FROM generate_series(1, 3000) AS n)]) WITH ORDINALITY AS v(value, n);
INSERT INTO find.things (id, owner_id, amount) SELECT 30000 + n, 3, value
  FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity', '0', '-0.0', '1e1000', '-1e-1000']::numeric[]) WITH ORDINALITY AS v(value, n);
INSERT INTO find.long (id, owner_id, amount) SELECT 30100 + n, 3, value
  FROM unnest(ARRAY['1e131071', '-1e131071', '1e-16383']::numeric[]) WITH ORDINALITY AS v(value, n);
INSERT INTO find.things (id, owner_id, born) SELECT 31000 + n, 3, value
  FROM unnest(ARRAY['infinity', '-infinity', '4713-01-01 BC', '5874897-12-31', '294277-01-01']::date[]) WITH ORDINALITY AS v(value, n);
INSERT INTO find.things (id, owner_id, seen, made) SELECT 32000 + n, 3, value::timestamptz, value::timestamp
  FROM unnest(ARRAY['infinity', '-infinity', '4713-01-02 BC', '294276-12-30']) WITH ORDINALITY AS v(value, n);
INSERT INTO find.things (id, owner_id, tags, nums) VALUES (33001, 3, '{}', '{}'), (33002, 3, '{NULL}', '{NULL}'),
  (33003, 3, '{{a,b},{c,d}}', '{{1,2},{3,4}}'), (33004, 3, ARRAY(SELECT 't' || n FROM generate_series(1, 5000) AS n), ARRAY(SELECT generate_series(1, 5000)));
INSERT INTO find.things (id, owner_id, data) SELECT 34000 + n, 3, value::jsonb FROM unnest(ARRAY['null', '1', '"a"', '[]', '{}', '[[[]]]',
    '{"": 1}', '[1e400, null, {"a": {"b": [1, "x", null, {"c": []}]}}]', repeat('[', 1200) || repeat(']', 1200),
    repeat('{"a":', 1200) || '1' || repeat('}', 1200), '[' || repeat('{"a": [1, 2]},', 5000) || '1]']) WITH ORDINALITY AS v(value, n);
INSERT INTO find.things (id, owner_id, words) SELECT 35000 + n, 3, value::tsvector FROM unnest(ARRAY['', 'a', 'a:1A b:2B c:3C,4D,16383',
    (SELECT string_agg('w' || n || ':' || (n % 16383) + 1, ' ') FROM generate_series(1, 20000) AS n),
    'every:' || (SELECT string_agg(n::text, ',') FROM generate_series(1, 255) AS n)]) WITH ORDINALITY AS v(value, n);
ANALYZE;
"#;

const POLICY: &str = r#"
[mapping]
schemas = ["find"]
[mapping.users]
table = "staff"
keys = { user = "id" }
login = "login"
[mapping.roles_held]
table = "staff"
user = "id"
role = "role"
map = { administrator = "administrator", seller = "seller" }
[mapping.modules.users]
table = "staff"
owner = "id"
[mapping.modules.things]
table = "things"
owner = "owner_id"
[mapping.modules.long]
table = "long"
key = "id"
owner = "owner_id"
[mapping.modules.parts]
table = "parts"
key = "id"
owner = "owner_id"
[mapping.modules.notes]
table = "notes"
parent = { module = "things", column = "thing_id" }
[permissions.administrator]
"*" = { "*" = ["all"] }
[permissions.seller]
users = { read = ["own"] }
things = { read = ["own"], create = ["own"], update = ["own"], delete = ["own"] }
long = { read = ["own"] }
parts = { read = ["own"] }
notes = { read = ["parent"] }
"#;

/// A database with these tables under their policy; `None` where the server's package lacks what
/// they need.
pub(crate) fn stage() -> Option<Database> {
    offers("pg_trgm").then(make)
}

fn make() -> Database {
    Database::from_template("celador_searches", |client| {
        for sql in ["CREATE EXTENSION celador", TYPES, SCHEMA, NASTY] {
            client
                .batch_execute(sql)
                .unwrap_or_else(|error| panic!("{error:?}"));
        }
        client
            .query("SELECT celador.load_policy($1)", &[&POLICY])
            .unwrap_or_else(|error| panic!("{error:?}"));
        client
            .batch_execute("GRANT EXECUTE ON FUNCTION celador.act_as(text) TO find_pool")
            .unwrap();
    })
}

/// A session in which everything that comes back is written down.
pub(crate) struct Session {
    client: Client,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Session {
    /// A new session of a database role.
    pub(crate) fn of(database: &Database, login: &str) -> Self {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let mut config: Config = database.url(login).parse().unwrap();
        let written = Arc::clone(&notices);
        config.notice_callback(move |notice| {
            let text = format!("{} {}", notice.severity(), notice.message());
            written.lock().unwrap().push(text);
        });
        let client = config.connect(NoTls).unwrap();
        Self { client, notices }
    }

    /// Runs a statement, and returns what came back: rows, counts, notices, errors.
    pub(crate) fn run(&mut self, sql: &str) -> String {
        let mut seen = Vec::new();
        match self.client.simple_query(sql) {
            Ok(messages) => {
                for message in &messages {
                    if let SimpleQueryMessage::Row(row) = message {
                        let cells: Vec<&str> = (0..row.len())
                            .map(|at| row.get(at).unwrap_or("NULL"))
                            .collect();
                        seen.push(cells.join("|"));
                    }
                }
            }
            Err(error) => seen.push(error.as_db_error().map_or_else(
                || error.to_string(),
                |error| format!("ERROR {} {}", error.code().code(), error.message()),
            )),
        }
        seen.append(&mut self.notices.lock().unwrap());
        seen.join("\n")
    }

    /// Runs statements that must succeed and say nothing.
    #[track_caller]
    pub(crate) fn set(&mut self, statements: &[&str]) {
        for statement in statements {
            assert_eq!(self.run(statement), "", "{statement}");
        }
    }

    /// The rows of a query with a parameter of that type, planned for its value.
    pub(crate) fn bound(&mut self, sql: &str, of: &str, value: &str) -> String {
        self.run("DEALLOCATE ALL");
        self.set(&[&format!("PREPARE bound({of}) AS {sql}")]);
        self.run(&format!("EXECUTE bound('{}')", value.replace('\'', "''")))
    }
}
