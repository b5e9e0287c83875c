//! Every kind of statement that reads, compared with the same over what the person sees.

use celador_tests::Database;

use super::shop::{document, outcome, shop, statements};

const READS: &str = include_str!("reads.sql");

/// Runs every read as each person, with these settings, and over the copies.
#[track_caller]
fn are_what_people_see(settings: &str) {
    compare(&shop(), settings);
}

/// The same, in a shop that is there.
#[track_caller]
pub(crate) fn compare(database: &Database, settings: &str) {
    let mut wrong = Vec::new();
    let statements = statements(READS);
    assert!(statements.len() > 100, "{}", statements.len());
    for person in ["lena", "vera", "boss"] {
        let mut expected = database.superuser();
        expected
            .batch_execute(&format!("SET search_path = {person}"))
            .unwrap();
        let mut client = database.login(&format!("shop_{person}"));
        client.batch_execute(settings).unwrap();
        for sql in &statements {
            // PostgreSQL 18 comes without XML.
            let found = outcome(&mut client, sql);
            let right = outcome(&mut expected, sql);
            if found != right && !(found.starts_with("0A000") && right.starts_with("0A000")) {
                wrong.push(format!(
                    "{person}: {sql}\n{found}\n-- instead of --\n{right}"
                ));
            }
        }
    }
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} differ\n{}", wrong.join("\n\n"));
}

#[test]
fn reads_give_what_the_person_sees() {
    are_what_people_see("");
}

#[test]
fn reads_give_the_same_where_conditions_are_asked_row_by_row() {
    are_what_people_see("SET celador.fold = off");
}

#[test]
fn reads_give_the_same_in_parallel_workers() {
    let setting = if celador_tests::major() < 16 {
        "force_parallel_mode"
    } else {
        "debug_parallel_query"
    };
    are_what_people_see(&format!(
        "SET {setting} = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0"
    ));
}

#[test]
fn reads_give_the_same_in_a_transaction_that_keeps_its_snapshot() {
    are_what_people_see("SET default_transaction_isolation = 'repeatable read'");
}

/// Somebody who sees everything gets the plan of a policy without fields.
#[test]
fn whoever_sees_everything_in_clear_pays_nothing() {
    if !celador_tests::folds() {
        return;
    }
    let database = shop();
    let sql = "EXPLAIN (VERBOSE, COSTS OFF) SELECT a.name, c.phone FROM accounts AS a LEFT JOIN contacts AS c
        ON c.account = a.id AND c.phone = '5550002'";
    let masked = outcome(&mut database.login("shop_boss"), sql);
    database.run("SELECT celador.load_policy('')");
    let plain = outcome(&mut database.superuser(), sql);
    assert_eq!(masked, plain);
    database.load(&document(""));
    let lena = outcome(&mut database.login("shop_lena"), sql);
    assert!(lena.contains("celador.render_partial"), "{lena}");
}
