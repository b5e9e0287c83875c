//! A panic in any of Celador's hooks is an ordinary error, without a backtrace, and the session
//! goes on.

use celador_tests::{Database, failure};

#[test]
fn a_panic_becomes_an_error_and_nothing_else() {
    let database = Database::preset("s1-matrix");
    let mut session = database.superuser();
    for (hook, statement) in [
        ("planner", "SELECT count(*) FROM accounts"),
        ("start", "SELECT count(*) FROM accounts"),
        ("run", "SELECT count(*) FROM accounts"),
        ("utility", "EXPLAIN SELECT 1"),
        ("drop", "DROP EXTENSION plpgsql CASCADE"),
        ("guard", "UPDATE opportunities SET name = name WHERE id = 1"),
        ("event", "CREATE TABLE elsewhere (id int)"),
    ] {
        session
            .batch_execute(&format!("SET celador.panic_in = '{hook}'"))
            .unwrap();
        let error = failure(session.batch_execute(statement));
        assert_eq!(error.code, "XX000", "{hook}: {error:?}");
        assert!(
            error.message.contains("asked to panic"),
            "{hook}: {error:?}"
        );
        assert!(
            !error.detail.contains("backtrace") && !error.detail.contains(".rs"),
            "{hook}: {error:?}"
        );
        session.batch_execute("RESET celador.panic_in").unwrap();
        let alive: i64 = session
            .query_one("SELECT count(*) FROM accounts", &[])
            .unwrap()
            .get(0);
        assert!(alive > 0, "{hook}");
    }
}
