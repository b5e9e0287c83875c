//! A firm whose CRM keeps things apart: employees in a table of their own, which says who
//! supervises whom; badges that say who is active; orders with lines, taxes of lines and notes on
//! taxes; letters that name what they belong to in one column, "order,12".

#![allow(dead_code, reason = "each test program uses a part of it")]

use celador_tests::Database;

const SCHEMA: &str = "
DO $$
BEGIN
  CREATE ROLE firm_owner;
  CREATE ROLE firm_people;
  CREATE ROLE firm_ann LOGIN IN ROLE firm_people;
  CREATE ROLE firm_bea LOGIN IN ROLE firm_people;
  CREATE ROLE firm_cem LOGIN IN ROLE firm_people;
  CREATE ROLE firm_dan LOGIN IN ROLE firm_people;
  CREATE ROLE firm_eve LOGIN IN ROLE firm_people;
  CREATE ROLE firm_new LOGIN IN ROLE firm_people;
  CREATE ROLE firm_off LOGIN IN ROLE firm_people;
  CREATE ROLE firm_stranger LOGIN IN ROLE firm_people;
  CREATE ROLE firm_upkeep LOGIN BYPASSRLS IN ROLE firm_people;
END $$;
GRANT USAGE, CREATE ON SCHEMA public TO firm_owner;
GRANT USAGE ON SCHEMA public TO firm_people;
SET ROLE firm_owner;
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO firm_people;
CREATE TABLE users (id integer PRIMARY KEY, login text, active boolean NOT NULL DEFAULT true, seen timestamptz);
CREATE TABLE staff (id integer PRIMARY KEY, boss integer, gone boolean NOT NULL DEFAULT false, desk text);
CREATE TABLE user_staff (user_id integer REFERENCES users, staff_id integer REFERENCES staff);
CREATE TABLE leads (staff_id integer, lead_id integer, since date);
CREATE TABLE badges (login text, floor integer, valid boolean, used timestamptz);
CREATE TABLE roles (user_id integer REFERENCES users, role text);
CREATE TABLE countries (code text PRIMARY KEY, name text);
CREATE TABLE orders (id integer PRIMARY KEY, staff_id integer REFERENCES staff, title text, country text REFERENCES countries);
CREATE TABLE order_lines (id integer PRIMARY KEY, order_id integer REFERENCES orders ON DELETE CASCADE, text text);
CREATE TABLE line_taxes (code text PRIMARY KEY, line_id integer REFERENCES order_lines ON DELETE CASCADE, rate integer);
CREATE TABLE tax_notes (id integer PRIMARY KEY, tax text REFERENCES line_taxes ON DELETE CASCADE, note text);
CREATE TABLE letters (id integer PRIMARY KEY, resource text, author integer, body text);
CREATE TABLE letter_pages (id integer PRIMARY KEY, letter integer, text text);
-- Ann is above bea and above eve's second post; bea is above an employee who is no user, who is above
-- cem; dan is above eve's first post.
INSERT INTO users VALUES (1, 'firm_ann'), (2, 'firm_bea'), (3, 'firm_cem'), (4, 'firm_dan'), (5, 'firm_eve'),
  (6, 'firm_new'), (7, 'firm_off'), (8, 'firm_root');
INSERT INTO staff VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, NULL), (6, 5), (7, 1);
INSERT INTO user_staff VALUES (1, 1), (2, 2), (3, 4), (4, 5), (5, 6), (5, 7);
INSERT INTO leads SELECT id, boss FROM staff WHERE boss IS NOT NULL;
INSERT INTO badges SELECT login, 1, login <> 'firm_off' FROM users;
INSERT INTO badges VALUES ('firm_ann', 2, false), ('firm_eve', 1, true);
INSERT INTO roles SELECT id, 'seller' FROM users WHERE id NOT IN (6, 8);
INSERT INTO roles VALUES (8, 'administrator');
INSERT INTO countries VALUES ('ES', 'Spain'), ('FR', 'France');
INSERT INTO orders SELECT id, id, 'order ' || id, 'ES' FROM staff;
INSERT INTO orders VALUES (8, NULL, 'order 8', 'FR'), (12, 4, 'order 12', 'FR');
INSERT INTO order_lines SELECT 100 + id, id, 'line of ' || id FROM orders;
INSERT INTO order_lines VALUES (900, NULL, 'line of none');
INSERT INTO line_taxes SELECT 'T' || id, id, 10 FROM order_lines;
INSERT INTO line_taxes VALUES ('T0', NULL, 10);
INSERT INTO tax_notes SELECT row_number() OVER (ORDER BY code), code, 'note on ' || code FROM line_taxes;
INSERT INTO tax_notes VALUES (99, NULL, 'note on none');
INSERT INTO letters VALUES (1, 'order,1', 1, 'a'), (2, 'order,2', 2, 'b'), (3, 'order,4', 4, 'c'), (4, 'order,12', 1, 'd'),
  (5, 'order,', 1, 'e'), (6, 'order', 1, 'f'), (7, 'person,2', 2, 'g'), (8, 'order,-1', 3, 'h'), (9, NULL, 2, 'i'),
  (10, 'order,2 OR true', 3, 'j'), (11, '2', 3, 'k'), (12, 'order,99999999999999999999', 5, 'l'), (13, 'country,2', 4, 'm');
INSERT INTO letter_pages SELECT id, id, 'page' FROM letters;
RESET ROLE;
";

/// Where the firm keeps things.
pub(crate) const MAPPING: &str = r#"
[mapping]
schemas = ["public"]
readable = ["countr*"]
closed = ["leads", "badges", "user_staff"]
[mapping.users]
table = "users"
keys = { user = "id", login = "login" }
more_keys = { staff = { table = "user_staff", user = "user_id", key = "staff_id" } }
login = "login"
active = ["active", { table = "badges", user = "login", user_key = "login", column = "valid", where = "floor = 1" }]
supervision = { table = "staff", user = "id", user_key = "staff", supervisor = "boss", where = "NOT gone" }
[mapping.roles_held]
table = "roles"
user = "user_id"
role = "role"
map = { administrator = "administrator", seller = "seller", clerk = "clerk" }
[mapping.modules.users]
table = "users"
owner = "id"
[mapping.modules.staff]
table = "staff"
owner = { column = "id", key = "staff" }
[mapping.modules.roles_held]
table = "roles"
owner = "user_id"
[mapping.modules.orders]
table = "orders"
owner = { column = "staff_id", key = "staff" }
children = [{ table = "order_lines", column = "order_id", children = [
  { table = "line_taxes", column = "line_id", key = "code", children = [{ table = "tax_notes", column = "tax" }] },
] }]
[mapping.modules.letters]
table = "letters"
owner = "author"
parent = { column = "resource", separator = ",", modules = { order = "orders", person = "users" } }
children = [{ table = "letter_pages", column = "letter" }]
"#;

/// Sellers work on their own orders and read those of whom they supervise; an administrator may
/// everything.
pub(crate) const MATRIX: &str = r#"
[permissions.administrator]
"*" = { "*" = ["all"] }
[permissions.seller.orders]
read = ["reports"]
create = ["own"]
update = ["own"]
delete = ["own"]
[permissions.seller.letters]
read = ["reports"]
"#;

/// The firm without a policy.
pub(crate) fn bare() -> Database {
    Database::from_template("celador_firm", |client| {
        client
            .batch_execute("CREATE EXTENSION celador")
            .expect("the extension can be created");
        client.batch_execute(SCHEMA).expect("the firm loads");
        client
            .batch_execute("SELECT celador.add_maintenance_role('firm_upkeep')")
            .expect("a superuser may");
    })
}

/// The firm under [`MATRIX`].
pub(crate) fn firm() -> Database {
    under(MAPPING, MATRIX)
}

/// The firm under a mapping and matrix of the test's own.
pub(crate) fn under(mapping: &str, matrix: &str) -> Database {
    let database = bare();
    database.load(&format!("{mapping}{matrix}"));
    database
}
