//! A CRM of a few rows, with Celador's own directory, for matrices of a test's own.

use crate::Database;

const SCHEMA: &str = "
CREATE TABLE companies (id bigint PRIMARY KEY, name text NOT NULL, region text, sector text,
  vip boolean, owner text, team text, creator text);
CREATE TABLE deals (id bigint PRIMARY KEY, company_id bigint REFERENCES companies ON DELETE SET NULL, name text,
  amount integer, owner text, creator text);
CREATE TABLE boards (id bigint PRIMARY KEY, name text, owner text);
CREATE TABLE projects (id bigint PRIMARY KEY, name text);
CREATE TABLE project_people (project_id bigint REFERENCES projects, person text,
  PRIMARY KEY (project_id, person));
CREATE TABLE project_teams (project_id bigint REFERENCES projects, team text,
  PRIMARY KEY (project_id, team));
INSERT INTO companies VALUES
  (1, 'Arno', 'north', 'foods', true, 'lena', 'east', 'lena'),
  (2, 'Brix', 'north', 'steel', false, 'omar', 'east', 'lena'),
  (3, 'Cato', 'south', 'foods', NULL, 'yuki', 'west', 'omar'),
  (4, 'Dolm', 'south', 'steel', NULL, NULL, 'east', 'boss'),
  (5, 'Elva', 'north', 'foods', false, NULL, NULL, 'yuki'),
  (6, 'Fenn', 'south', 'steel', true, 'boss', 'west', 'lena');
INSERT INTO deals VALUES
  (1, 1, 'one', 10, 'omar', 'omar'), (2, 2, 'two', 20, 'lena', 'lena'),
  (3, 3, 'three', 30, 'lena', 'yuki'), (4, 4, 'four', 40, 'yuki', 'yuki'),
  (5, 5, 'five', 50, 'omar', 'lena'), (6, 6, 'six', 60, NULL, 'boss');
INSERT INTO boards VALUES (1, 'of lena', 'lena'), (2, 'of omar', 'omar');
INSERT INTO projects VALUES (1, 'in one'), (2, 'in two'), (3, 'in none'), (4, 'in the west');
INSERT INTO project_people VALUES (1, 'lena'), (2, 'lena'), (2, 'omar'), (4, 'yuki');
INSERT INTO project_teams VALUES (1, 'east'), (2, 'east'), (2, 'west'), (4, 'west');
CREATE ROLE small_people;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO small_people;
SELECT celador.add_user('boss', 'small_boss');
SELECT celador.add_user('lena', 'small_lena', 'boss');
SELECT celador.add_user('omar', 'small_omar', 'boss');
SELECT celador.add_user('yuki', 'small_yuki', 'omar');
SELECT celador.add_user('nina', 'small_nina');
SELECT celador.add_group('whole', 'Whole');
SELECT celador.add_group('east', 'East', 'whole');
SELECT celador.add_group('west', 'West', 'whole');
SELECT celador.set_user_groups('boss', '{whole}');
SELECT celador.set_user_groups('lena', '{east}');
SELECT celador.set_user_groups('omar', '{east}');
SELECT celador.set_user_groups('yuki', '{west}');
";

const MAPPING: &str = r#"
[mapping]
schemas = ["public"]
[mapping.modules.companies]
table = "companies"
owner = "owner"
group = "team"
creator = "creator"
[mapping.modules.deals]
table = "deals"
owner = "owner"
creator = "creator"
parent = { module = "companies", column = "company_id" }
[mapping.modules.boards]
table = "boards"
owner = "owner"
configuration = true
[mapping.modules.projects]
table = "projects"
owner = { table = "project_people", record = "project_id", user = "person" }
group = { table = "project_teams", record = "project_id", group = "team" }
"#;

/// Companies, deals, boards and projects under a matrix. The people log in as `small_lena`,
/// `small_omar` (both in East), `small_yuki` (in West, under omar), `small_boss` (over all, in
/// Whole), `small_nina` (in no group); lena holds the role `worker`.
pub fn small_crm(matrix: &str) -> Database {
    let database = Database::from_template("celador_small", |client| {
        client
            .batch_execute("CREATE EXTENSION celador")
            .expect("the extension can be created");
        client.batch_execute(SCHEMA).expect("the small CRM loads");
        for person in ["boss", "lena", "omar", "yuki", "nina"] {
            client
                .batch_execute(&format!(
                    "CREATE ROLE small_{person} LOGIN IN ROLE small_people"
                ))
                .expect("logins can be made");
        }
    });
    database.load(&small_document(matrix));
    database.run("SELECT celador.give_role('lena', 'worker')");
    database
}

/// The small CRM's mapping with a matrix.
pub fn small_document(matrix: &str) -> String {
    format!("{MAPPING}\n{matrix}")
}
