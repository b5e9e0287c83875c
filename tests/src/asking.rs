//! What a person sees and may do, each time in a fresh session, against what the superuser sees.
//! What must come out is SQL written by hand; nothing here asks Celador.

use postgres::{Client, Statement};

use crate::{Database, denied};

/// The person sees exactly the rows for which the condition holds, whole; there are such rows,
/// and others.
#[track_caller]
pub fn sees(database: &Database, login: &str, table: &str, condition: &str) {
    let expected = rows(&mut database.superuser(), table, condition);
    let all = rows(&mut database.superuser(), table, "true");
    assert!(
        !expected.is_empty() && expected.len() < all.len(),
        "{} of {} rows of {table}: the test tells nothing",
        expected.len(),
        all.len()
    );
    compare(database, login, table, expected);
}

/// The person sees every row, and there are some.
#[track_caller]
pub fn sees_all(database: &Database, login: &str, table: &str) {
    let expected = rows(&mut database.superuser(), table, "true");
    assert!(!expected.is_empty(), "{table} is empty");
    compare(database, login, table, expected);
}

/// The person sees no row, though there are some.
#[track_caller]
pub fn sees_none(database: &Database, login: &str, table: &str) {
    assert!(
        !rows(&mut database.superuser(), table, "true").is_empty(),
        "{table} is empty"
    );
    compare(database, login, table, Vec::new());
}

/// The person's query gives what the superuser's gives.
#[track_caller]
pub fn answers(database: &Database, login: &str, query: &str, expected: &str) {
    let seen = texts(&mut database.login(login), query);
    assert_eq!(
        seen,
        texts(&mut database.superuser(), expected),
        "{login}: {query}"
    );
}

/// The statement works, and makes the superuser's question come true.
#[track_caller]
pub fn may(database: &Database, login: &str, sql: &str, question: &str) {
    assert!(
        !database.is_true(question),
        "true before {login} did anything: {question}"
    );
    let done = database
        .login(login)
        .execute(sql, &[])
        .unwrap_or_else(|error| panic!("{login}: {sql}: {error:?}"));
    assert!(done > 0, "{login}: no row: {sql}");
    assert!(database.is_true(question), "{login}: {sql}: {question}");
}

/// The statement is denied, or reaches no row; the table is as it was.
#[track_caller]
pub fn may_not(database: &Database, login: &str, sql: &str, table: &str) {
    let before = image(database, table);
    match database.login(login).execute(sql, &[]) {
        Ok(count) => assert_eq!(count, 0, "{login}: {sql}"),
        error @ Err(_) => {
            denied(error);
        }
    }
    assert_eq!(before, image(database, table), "{login}: {sql}");
}

/// The statement is denied with an error that says so; the table is as it was.
#[track_caller]
pub fn is_denied(database: &Database, login: &str, sql: &str, table: &str) {
    let before = image(database, table);
    let result = database.login(login).execute(sql, &[]);
    assert!(result.is_err(), "{login}: no error: {sql}");
    denied(result);
    assert_eq!(before, image(database, table), "{login}: {sql}");
}

/// The statement would break what must be true of the directory (23514); the table is as it was.
#[track_caller]
pub fn breaks(database: &Database, login: &str, sql: &str, table: &str) {
    let before = image(database, table);
    let result = database.login(login).execute(sql, &[]);
    assert!(result.is_err(), "{login}: no error: {sql}");
    assert_eq!(crate::failure(result).code, "23514", "{login}: {sql}");
    assert_eq!(before, image(database, table), "{login}: {sql}");
}

/// The person changes and deletes no row of the tables.
#[track_caller]
pub fn writes_nothing(database: &Database, login: &str, tables: &[&str]) {
    for table in tables {
        let column: String = database
            .superuser()
            .query_one(
                "SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = $1::text::regclass
                   AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                 ORDER BY a.attnum LIMIT 1",
                &[table],
            )
            .expect("the table has columns")
            .get(0);
        may_not(
            database,
            login,
            &format!("UPDATE {table} SET {column} = {column}"),
            table,
        );
        may_not(database, login, &format!("DELETE FROM {table}"), table);
    }
}

/// Sessions of one person that stay open, each with the same prepared count: one outside a
/// transaction, one inside, one inside a REPEATABLE READ transaction.
pub struct OpenSessions {
    sessions: Vec<(Client, Statement)>,
}

impl OpenSessions {
    /// Opens them, and runs the count so often that plans are kept.
    #[track_caller]
    pub fn open(database: &Database, login: &str, count: &str) -> Self {
        let begins = ["", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ"];
        let sessions = begins
            .iter()
            .map(|begin| {
                let mut client = database.login(login);
                client.batch_execute(begin).expect("a transaction begins");
                let statement = client.prepare(count).expect("the count can be prepared");
                for _ in 0..7 {
                    client.query_one(&statement, &[]).expect("the count runs");
                }
                (client, statement)
            })
            .collect();
        Self { sessions }
    }

    /// The next statement of each counts so many.
    #[track_caller]
    pub fn count(&mut self, expected: i64) {
        for (at, (client, statement)) in self.sessions.iter_mut().enumerate() {
            let counted: i64 = client
                .query_one(&*statement, &[])
                .unwrap_or_else(|error| panic!("session {at}: {error:?}"))
                .get(0);
            assert_eq!(counted, expected, "session {at}");
        }
    }

    /// The next statement of each is denied.
    #[track_caller]
    pub fn are_denied(&mut self) {
        for (client, statement) in &mut self.sessions {
            denied(client.query_one(&*statement, &[]));
        }
    }

    /// Without the REPEATABLE READ session, for counts that hang on changed records: it goes on
    /// seeing the records as they were.
    pub fn read_committed(mut self) -> Self {
        self.sessions.truncate(2);
        self
    }
}

impl Database {
    /// What the superuser is told.
    #[track_caller]
    pub fn is_true(&self, question: &str) -> bool {
        self.superuser()
            .query_one(question, &[])
            .unwrap_or_else(|error| panic!("{question}: {error:?}"))
            .get(0)
    }

    /// What the superuser counts.
    #[track_caller]
    pub fn count(&self, table: &str, condition: &str) -> i64 {
        self.superuser()
            .query_one(
                &format!("SELECT count(*) FROM {table} WHERE {condition}"),
                &[],
            )
            .unwrap_or_else(|error| panic!("{table}: {condition}: {error:?}"))
            .get(0)
    }

    /// The key of some row for which the condition holds, as SQL writes it.
    #[track_caller]
    pub fn pick(&self, table: &str, condition: &str) -> String {
        self.superuser()
            .query_one(
                &format!(
                    "SELECT quote_literal(id) FROM {table} WHERE {condition} ORDER BY id LIMIT 1"
                ),
                &[],
            )
            .unwrap_or_else(|error| panic!("no {table} with {condition}: {error:?}"))
            .get(0)
    }
}

#[track_caller]
fn compare(database: &Database, login: &str, table: &str, expected: Vec<String>) {
    let seen = rows(&mut database.login(login), table, "true");
    if seen != expected {
        let missing = expected.iter().find(|row| !seen.contains(row));
        let leaked = seen.iter().find(|row| !expected.contains(row));
        panic!(
            "{login} sees {} rows of {table} instead of {}; missing: {missing:?}, leaked: {leaked:?}",
            seen.len(),
            expected.len(),
        );
    }
}

#[track_caller]
fn rows(client: &mut Client, table: &str, condition: &str) -> Vec<String> {
    texts(
        client,
        &format!("SELECT r FROM {table} AS r WHERE {condition}"),
    )
}

/// The rows of a query as text, sorted.
#[track_caller]
fn texts(client: &mut Client, query: &str) -> Vec<String> {
    let query = format!("SELECT q::text FROM ({query}) AS q");
    let rows = client
        .query(&query, &[])
        .unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let mut texts: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    texts.sort();
    texts
}

#[track_caller]
fn image(database: &Database, table: &str) -> Vec<String> {
    rows(&mut database.superuser(), table, "true")
}

/// What EXPLAIN says of a statement.
#[track_caller]
pub fn plan(client: &mut Client, sql: &str) -> String {
    let lines = client
        .simple_query(&format!("EXPLAIN {sql}"))
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    lines
        .iter()
        .filter_map(|line| {
            let postgres::SimpleQueryMessage::Row(row) = line else {
                return None;
            };
            row.get(0)
        })
        .collect::<Vec<_>>()
        .join("\n")
}
