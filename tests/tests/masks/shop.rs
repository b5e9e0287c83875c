//! A shop of a few rows whose contacts have fields of every kind; and for each person a copy that holds
//! what that person sees, so that every statement has something to be compared with.

#![allow(dead_code, reason = "each test program uses a part of it")]

use celador_tests::Database;
use postgres::{Client, SimpleQueryMessage};

const SCHEMA: &str = "
CREATE DOMAIN phone_number AS varchar(20) CHECK (VALUE ~ '^[0-9+]+$');
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE accounts (id integer PRIMARY KEY, name text NOT NULL, revenue numeric(12,2), owner text, team text);
CREATE TABLE contacts (gone integer, id integer PRIMARY KEY, account integer REFERENCES accounts, name text NOT NULL,
  lost text, phone varchar(20), mobile phone_number, email text COLLATE \"C\", born date, seen timestamptz,
  score integer, pay numeric(10,2), weight double precision, tax text, badge bigint, token uuid, card char(8),
  tags text[], mood mood, initial text GENERATED ALWAYS AS (substr(tax, 1, 1)) STORED, note text, owner text, team text);
ALTER TABLE contacts DROP COLUMN gone, DROP COLUMN lost;
CREATE INDEX contacts_phone ON contacts (phone);
CREATE TABLE calls (id integer, day date, number text, owner text, team text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE calls_old PARTITION OF calls FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
-- Other places for the same columns.
CREATE TABLE calls_new (team text, gone integer, owner text, number text, day date NOT NULL, id integer NOT NULL);
ALTER TABLE calls_new DROP COLUMN gone;
ALTER TABLE calls ATTACH PARTITION calls_new FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
";

const ROWS: &str = "
INSERT INTO accounts VALUES (1, 'Arno', 1234567.89, 'lena', 'east'), (2, 'Brix', 5000, 'omar', 'east'),
  (3, 'Cato', NULL, 'yuki', 'west'), (4, 'Dolm', 70, NULL, 'east');
INSERT INTO contacts (id, account, name, phone, mobile, email, born, seen, score, pay, weight, tax, badge, token, card,
    tags, mood, note, owner, team)
VALUES
  (1, 1, 'Nora', '5550001', '+341', 'nora@arno.example', '1990-05-17', '2024-03-04 05:06:07+00', 57, 4321.50, 61.5,
   'T-100', 1001, '00000000-0000-4000-8000-000000000001', 'AB12', '{a,b}', 'good', 'mine', 'lena', 'east'),
  (2, 1, 'Otto', '5550002', '+342', 'otto@arno.example', '1985-12-31', '2023-12-31 23:30:00+00', 41, 3100, 80.25,
   'T-200', 1002, '00000000-0000-4000-8000-000000000002', 'CD34', '{c}', 'bad', 'of omar', 'omar', 'east'),
  (3, 2, 'Pia', '5550003', '+343', 'pia@brix.example', '2000-02-29', 'infinity', -19, 0, 'NaN',
   'T-100', 1003, '00000000-0000-4000-8000-000000000001', 'EF56', '{}', NULL, 'same tax as Nora', 'omar', 'east'),
  (4, 2, 'Quim', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'nothing known', 'omar', 'east'),
  (5, 3, 'Rosa', '0005', '+345', 'rosa', '1970-01-01', '1970-01-01 00:00:00+00', 100, 99.99, 7,
   'T-500', 1005, '00000000-0000-4000-8000-000000000005', 'GH78', '{d}', 'good', 'in the west', 'yuki', 'west'),
  (6, NULL, 'Saul', '5550006', '+346', 'saul@elsewhere.example', '1999-09-09', '2025-01-01 00:00:00+00', 8, 8, 8,
   'T-600', 1006, '00000000-0000-4000-8000-000000000006', 'IJ90', '{e,f}', 'bad', 'of nobody', NULL, 'east');
INSERT INTO calls VALUES (1, '2020-05-01', '5551111', 'lena', 'east'), (2, '2021-05-01', '5552222', 'lena', 'east'),
  (3, '2020-06-01', '5553333', 'omar', 'east'), (4, '2021-06-01', '5554444', 'omar', 'east'),
  (5, '2021-07-01', '5555555', 'yuki', 'west');
";

/// Views and functions that read the tables.
const READERS: &str = "
CREATE VIEW phones AS SELECT id, name, phone FROM contacts;
CREATE VIEW phones_barrier WITH (security_barrier) AS SELECT id, phone FROM contacts WHERE phone IS NOT NULL;
CREATE VIEW phones_invoker WITH (security_invoker) AS SELECT c.id, c.phone, a.name FROM contacts AS c LEFT JOIN accounts AS a ON a.id = c.account;
CREATE FUNCTION phone_of(integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT phone FROM contacts WHERE id = $1';
CREATE FUNCTION phones_like(text) RETURNS SETOF contacts LANGUAGE sql STABLE AS 'SELECT * FROM contacts WHERE phone LIKE $1';
CREATE FUNCTION phones_atomic() RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC SELECT phone FROM contacts ORDER BY id; END;
CREATE FUNCTION phone_plpgsql(integer) RETURNS text LANGUAGE plpgsql STABLE AS
  'DECLARE c contacts; BEGIN SELECT * INTO c FROM contacts WHERE id = $1; RETURN c.phone; END';
CREATE FUNCTION phone_definer(integer) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
  AS 'SELECT phone FROM contacts WHERE id = $1';
CREATE FUNCTION row_of(contacts) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.phone';
";

const MAPPING: &str = r#"
[mapping]
schemas = ["public"]
[mapping.modules.accounts]
table = "accounts"
owner = "owner"
group = "team"
[mapping.modules.contacts]
table = "contacts"
owner = "owner"
group = "team"
fields = { telephone = "phone" }
[mapping.modules.calls]
table = "calls"
owner = "owner"
group = "team"
"#;

const MATRIX: &str = r#"
[fields.accounts.revenue]
renderings = ["clear", "round(1000)"]
[fields.contacts.telephone]
renderings = ["clear", "partial(0,4)", "null"]
[fields.contacts.mobile]
renderings = ["clear", "partial(1,0)"]
[fields.contacts.email]
renderings = ["clear", "email"]
[fields.contacts.born]
renderings = ["clear", "year"]
[fields.contacts.seen]
renderings = ["clear", "month"]
[fields.contacts.score]
renderings = ["clear", "round(10)"]
[fields.contacts.pay]
renderings = ["clear", "null"]
[fields.contacts.weight]
renderings = ["clear", "round(10)"]
[fields.contacts.tax]
renderings = ["clear", "hash"]
[fields.contacts.initial]
renderings = ["clear", "constant(?)"]
[fields.contacts.badge]
renderings = ["clear", "hash"]
[fields.contacts.token]
renderings = ["clear", "hash"]
[fields.contacts.card]
renderings = ["clear", "constant(XX)"]
[fields.contacts.tags]
renderings = ["clear", "null"]
[fields.contacts.mood]
renderings = ["clear", "null"]
[fields.calls.number]
renderings = ["clear", "partial(0,4)"]
[permissions.director."*"]
"*" = ["all"]
[permissions.agent.accounts]
read = ["group"]
fields."*" = { clear = ["own"] }
[permissions.agent.contacts]
read = ["group"]
update = ["group"]
create = ["group"]
delete = ["own"]
fields."*" = { clear = ["own"], write = ["group"] }
fields.telephone = { clear = ["own"], "partial(0,4)" = ["group"] }
[permissions.agent.calls]
read = ["group"]
update = ["group"]
fields."*" = { clear = ["own"], write = ["group"] }
[permissions.viewer."*"]
read = ["all"]
update = ["all"]
"#;

/// What a person sees, as a schema: which rows, and which of them in clear or in part. Hashes come later:
/// that equal ones are equal, and others aren't, is tested apart.
fn copy_for(person: &str, rows: &str, clear: &str, partly: &str) -> String {
    let whole =
        |column: &str, masked: &str| format!("CASE WHEN {clear} THEN {column} ELSE {masked} END");
    let contacts = [
        ("id", "id".to_owned()),
        ("account", "account".to_owned()),
        ("name", "name".to_owned()),
        (
            "phone",
            format!(
                "CASE WHEN {clear} THEN phone WHEN {partly} THEN
                   CASE WHEN length(phone) > 4 THEN '****' || right(phone, 4) ELSE left('****', length(phone) * 4) END END"
            ),
        ),
        ("mobile", whole("mobile", "left(mobile, 1) || '****'")),
        (
            "email",
            whole(
                "email",
                "CASE WHEN email LIKE '%@%' THEN left(email, 1) || '****' || substring(email from '@.*') ELSE left('****', length(email) * 4) END",
            ),
        ),
        ("born", whole("born", "date_trunc('year', born)::date")),
        ("seen", whole("seen", "date_trunc('month', seen AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'")),
        ("score", whole("score", "score / 10 * 10")),
        ("pay", whole("pay", "NULL")),
        ("weight", whole("weight", "trunc((weight / 10)::numeric) * 10")),
        ("card", whole("card", "CASE WHEN true THEN 'XX' END")),
        ("tags", whole("tags", "NULL")),
        ("mood", whole("mood", "NULL")),
        ("note", "note".to_owned()),
        ("owner", "owner".to_owned()),
        ("team", "team".to_owned()),
    ];
    let names: Vec<&str> = contacts.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = contacts.iter().map(|(_, value)| value.as_str()).collect();
    format!(
        "CREATE SCHEMA {person};
         SET search_path = {person};
         CREATE TABLE accounts (LIKE public.accounts INCLUDING ALL);
         CREATE TABLE contacts (LIKE public.contacts INCLUDING ALL EXCLUDING GENERATED);
         ALTER TABLE contacts ALTER COLUMN mobile TYPE varchar(20);
         CREATE TABLE calls (LIKE public.calls INCLUDING ALL) PARTITION BY RANGE (day);
         CREATE TABLE calls_old PARTITION OF calls FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         CREATE TABLE calls_new (LIKE public.calls_new);
         ALTER TABLE calls ATTACH PARTITION calls_new FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
         {READERS}
         INSERT INTO accounts SELECT id, name, {}, owner, team FROM public.accounts WHERE {rows};
         INSERT INTO contacts ({}) SELECT {} FROM public.contacts WHERE {rows};
         INSERT INTO calls SELECT id, day, {}, owner, team FROM public.calls WHERE {rows};
         RESET search_path;",
        whole("revenue", "trunc(revenue / 1000) * 1000"),
        names.join(", "),
        values.join(", "),
        whole("number", "'****' || right(number, 4)"),
    )
}

/// The people: schema and login, the rows that they read, those in clear, those in part.
const PEOPLE: [(&str, &str, &str, &str); 3] = [
    (
        "lena",
        "team = 'east'",
        "owner IS NOT DISTINCT FROM 'lena'",
        "team = 'east'",
    ),
    ("vera", "true", "false", "false"),
    ("boss", "true", "true", "true"),
];

fn run(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
}

/// Fills an empty database: the extension, tables and rows, people and their groups. No policy is loaded.
pub(crate) fn fill(client: &mut Client) {
    run(client, "CREATE EXTENSION celador");
    run(
        client,
        "CREATE ROLE shop_owner; CREATE ROLE shop_people; GRANT CREATE ON SCHEMA public TO shop_owner",
    );
    run(client, &format!("SET ROLE shop_owner; {SCHEMA} {ROWS} {READERS}
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_people; RESET ROLE"));
    for person in ["boss", "lena", "omar", "yuki", "vera"] {
        run(
            client,
            &format!(
                "CREATE ROLE shop_{person} LOGIN IN ROLE shop_people;
            DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO shop_{person}', current_database()); END $$;
            SELECT celador.add_user('{person}', 'shop_{person}')"
            ),
        );
    }
    run(client, "SELECT celador.add_group('east', 'East'); SELECT celador.add_group('west', 'West');
        SELECT celador.set_user_groups('lena', '{east}'); SELECT celador.set_user_groups('omar', '{east}');
        SELECT celador.set_user_groups('yuki', '{west}')");
}

/// Loads a policy like the shop's, and gives people their roles.
pub(crate) fn put_in_force(client: &mut Client, document: &str) {
    client
        .execute("SELECT celador.load_policy($1)", &[&document])
        .unwrap_or_else(|error| panic!("{error:?}"));
    for (person, role) in [
        ("boss", "director"),
        ("lena", "agent"),
        ("omar", "agent"),
        ("yuki", "agent"),
        ("vera", "viewer"),
    ] {
        run(
            client,
            &format!("SELECT celador.give_role('{person}', '{role}')"),
        );
    }
}

/// The shop. People log in as `shop_lena` (an agent in East), `shop_vera` (sees every row, and of the
/// fields the least), `shop_boss` (sees everything); each has a schema of that name with what that
/// person sees. `shop_omar` and `shop_yuki` own other rows.
pub(crate) fn shop() -> Database {
    let database = Database::from_template("celador_shop", |client| {
        fill(client);
        for (person, rows, clear, partly) in PEOPLE {
            run(client, &copy_for(person, rows, clear, partly));
        }
    });
    put_in_force(&mut database.superuser(), &document(""));
    for (person, ..) in PEOPLE {
        copy_hashes(&database, person);
    }
    database
}

/// Puts what the person sees of hashed fields into the copy.
fn copy_hashes(database: &Database, person: &str) {
    let sql = "SELECT string_agg(format('UPDATE contacts SET tax = %L, badge = %L, token = %L, initial = %L WHERE id = %s',
        tax, badge, token, initial, id), ';') FROM contacts";
    let row = (database
        .login(&format!("shop_{person}"))
        .query_one(sql, &[]))
    .expect("they are shown");
    database.run(&format!(
        "SET search_path = {person}; {}",
        row.get::<_, String>(0)
    ));
}

/// The shop's policy, with more behind it.
pub(crate) fn document(more: &str) -> String {
    format!("{MAPPING}\n{MATRIX}\n{more}")
}

/// The rows of a statement, or its failure, as text.
pub(crate) fn outcome(client: &mut Client, sql: &str) -> String {
    match client.simple_query(sql) {
        Ok(messages) => {
            let mut lines = Vec::new();
            for message in messages {
                if let SimpleQueryMessage::Row(row) = message {
                    let values = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
                    lines.push(values.collect::<Vec<_>>().join("|"));
                } else if let SimpleQueryMessage::CommandComplete(count) = message {
                    lines.push(format!("({count})"));
                }
            }
            lines.join("\n")
        }
        Err(error) => match error.as_db_error() {
            Some(error) => format!("{}: {}", error.code().code(), error.message()),
            None => format!("{error:?}"),
        },
    }
}

/// Statements of a file: each ends with a semicolon at the end of a line.
pub(crate) fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with("--"));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let all = text.split(";\n").map(str::trim);
    all.filter(|sql| !sql.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Saves every contact that whoever asks sees, each column as text.
pub(crate) fn save_as_shown() -> String {
    let columns = "name, phone, mobile, email, born, seen, score, pay, weight, tax, badge, token, card, tags, mood, note";
    format!(
        "DO $$ DECLARE c contacts; BEGIN FOR c IN SELECT * FROM contacts LOOP
           EXECUTE 'UPDATE contacts SET ({columns}) = ROW(' ||
             (SELECT string_agg(quote_nullable(v.value), ',' ORDER BY v.place)
              FROM unnest(string_to_array('{columns}', ', ')) WITH ORDINALITY AS n(name, place)
              JOIN LATERAL (SELECT CASE n.name WHEN 'tags' THEN c.tags::text ELSE to_jsonb(c)->>n.name END AS value, n.place)
                AS v ON true) || ') WHERE id = ' || c.id;
         END LOOP; END $$"
    )
}

/// Everything that is stored of contacts, as a superuser sees it.
pub(crate) fn stored_contacts(superuser: &mut Client) -> String {
    outcome(superuser, "SELECT id, name, phone, mobile, email, born, seen, score, pay, weight, tax, badge, token, card,
        tags, mood, note, owner, team FROM contacts ORDER BY id")
}

/// The logins whose views of the shop are compared, and its tables.
pub(crate) const LOGINS: [&str; 3] = ["shop_lena", "shop_vera", "shop_boss"];
pub(crate) const TABLES: [&str; 3] = ["contacts", "accounts", "calls"];

/// A function of the tables' owner that shows one character.
pub(crate) const FUNCTION: &str = "
SET ROLE shop_owner;
CREATE FUNCTION public.first_of(varchar) RETURNS varchar LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN left($1, 1) || '/' || length($1); END $$;
RESET ROLE;";

/// The shop's policy, where that function shows colleagues the mobile.
pub(crate) fn with_function() -> String {
    let listed = "[fields.contacts.mobile]\nrenderings = [\"clear\", \"partial(1,0)\"]";
    let text = document("");
    assert!(text.contains(listed));
    text.replace(
        listed,
        "[fields.contacts.mobile]\nrenderings = [\"clear\", \"function(public.first_of)\"]",
    )
}

/// What lena and vera see has something of each form.
#[track_caller]
pub(crate) fn shows_every_form(lines: &[String]) {
    let of = |login: &str| {
        let mut lines = lines.iter();
        lines
            .find(|line| line.starts_with(&format!("{login} contacts: ")))
            .expect("contacts")
    };
    let (lena, vera) = (of("shop_lena"), of("shop_vera"));
    for shown in [
        "5550001",
        "****0002",
        "o****@arno.example",
        "1985-01-01",
        "+/4",
        "mine",
    ] {
        assert!(lena.contains(shown), "{shown}: {lena}");
    }
    for hidden in ["5550002", "T-200", "CD34", "otto@", "3100"] {
        assert!(!lena.contains(hidden) && !vera.contains(hidden), "{hidden}");
    }
    let hashes = |line: &str| {
        let words = line.split(|c: char| !c.is_ascii_hexdigit());
        words.filter(|word| word.len() == 32).count()
    };
    assert_eq!((hashes(lena), hashes(vera)), (3, 5), "{lena}\n{vera}");
}
