//! Columns in which a value stands for nobody; logins, attributes and levels of shares that other
//! tables tell.

mod agency;

use agency::{MAPPING, MATRIX, agency, bare, clients};
use celador_tests::{OpenSessions, denied, failure, is_denied, may, may_not, sees, sees_none};

#[test]
fn s4_08_a_value_that_stands_for_nobody_is_no_owner() {
    let database = agency();
    for (login, person) in [
        ("agency_ben", "p2"),
        ("agency_cy", "p3"),
        ("agency_robot", "0"),
    ] {
        sees(&database, login, "agency.clients", &clients(person));
    }
    // Whoever has the key that stands for nobody owns nothing by it.
    sees_none(&database, "agency_robot", "agency.leads");
    // Each way of being nobody's is claimed.
    for client in [4, 5, 6] {
        is_denied(
            &database,
            "agency_ben",
            &format!("UPDATE agency.clients SET handler = 'p3' WHERE id = {client}"),
            "agency.clients",
        );
        is_denied(
            &database,
            "agency_ben",
            &format!("UPDATE agency.clients SET name = 'x' WHERE id = {client}"),
            "agency.clients",
        );
        is_denied(
            &database,
            "agency_ben",
            &format!("UPDATE agency.clients SET handler = 'p2', name = 'x' WHERE id = {client}"),
            "agency.clients",
        );
        may(
            &database,
            "agency_ben",
            &format!("UPDATE agency.clients SET handler = 'p2', noted = now() WHERE id = {client}"),
            &format!(
                "SELECT EXISTS (SELECT FROM agency.clients WHERE id = {client} AND handler = 'p2')"
            ),
        );
        may_not(
            &database,
            "agency_cy",
            &format!("UPDATE agency.clients SET handler = 'p3' WHERE id = {client}"),
            "agency.clients",
        );
    }
    // Whoever has the key that stands for nobody can't claim by it, nor change by the way.
    database.run("UPDATE agency.clients SET handler = NULL WHERE id = 5");
    for set in [
        "handler = '0', name = 'x'",
        "handler = '0', noted = now()",
        "handler = '0'",
    ] {
        let sql = format!("UPDATE agency.clients SET {set} WHERE id = 5");
        is_denied(&database, "agency_robot", &sql, "agency.clients");
    }
}

#[test]
fn s1_11_giving_a_record_to_nobody_is_an_assignment() {
    let database = agency();
    database.run("DELETE FROM agency.record_squads WHERE record_kind = 'client' AND record_id = 1");
    // The bound on the new owner knows nobody by each of his names.
    for nobody in ["'0'", "''", "NULL"] {
        may(
            &database,
            "agency_ben",
            &format!("UPDATE agency.clients SET handler = {nobody} WHERE id = 1"),
            "SELECT handler IS NULL OR handler IN ('0', '') FROM agency.clients WHERE id = 1",
        );
        database.run("UPDATE agency.clients SET handler = 'p2' WHERE id = 1");
    }
    is_denied(
        &database,
        "agency_ben",
        "UPDATE agency.clients SET handler = 'p4' WHERE id = 1",
        "agency.clients",
    );
    let matrix = MATRIX.replace(r#", "unassigned"] }]"#, "] }]");
    database.load(&format!("{MAPPING}{matrix}"));
    for nobody in ["'0'", "''", "NULL"] {
        is_denied(
            &database,
            "agency_ben",
            &format!("UPDATE agency.clients SET handler = {nobody} WHERE id = 1"),
            "agency.clients",
        );
    }
}

#[test]
fn one_name_of_nobody_for_another_is_no_assignment() {
    let database = bare();
    let matrix = "[permissions.seller.clients]\nread = [\"unassigned\", \"own\"]\nupdate = [\"unassigned\", \"own\"]\n";
    database.load(&format!("{MAPPING}{matrix}"));
    may(
        &database,
        "agency_ben",
        "UPDATE agency.clients SET handler = '0', name = 'x' WHERE id = 5",
        "SELECT handler = '0' AND name = 'x' FROM agency.clients WHERE id = 5",
    );
    for handler in ["'p2'", "'p3'"] {
        is_denied(
            &database,
            "agency_ben",
            &format!("UPDATE agency.clients SET handler = {handler} WHERE id = 5"),
            "agency.clients",
        );
    }
    is_denied(
        &database,
        "agency_ben",
        "UPDATE agency.clients SET handler = '0' WHERE id = 1",
        "agency.clients",
    );
}

#[test]
fn s1_07_a_record_without_owner_is_created_by_a_value_for_nobody() {
    let database = agency();
    database.run("INSERT INTO agency.roles VALUES ('p5', 'opener')");
    for (id, handler) in [(20, "'0'"), (21, "''"), (22, "NULL"), (23, "DEFAULT")] {
        may(
            &database,
            "agency_eve",
            &format!("INSERT INTO agency.clients (id, handler) VALUES ({id}, {handler})"),
            &format!(
                "SELECT EXISTS (SELECT FROM agency.clients WHERE id = {id} AND made_by = 'p5')"
            ),
        );
    }
    for handler in ["'p5'", "'p2'", "' '", "'00'"] {
        is_denied(
            &database,
            "agency_eve",
            &format!("INSERT INTO agency.clients (id, handler) VALUES (30, {handler})"),
            "agency.clients",
        );
    }
}

#[test]
fn a_login_that_does_not_count_is_nobodys() {
    let database = agency();
    // Closed, and of another kind: neither lets anybody in.
    denied(
        database
            .login("agency_ben2")
            .query("SELECT FROM agency.clients", &[]),
    );
    let who = |login: &str| -> Option<String> {
        let row = database
            .login(login)
            .query_one("SELECT \"user\" FROM celador.whoami()", &[]);
        row.expect("everybody may ask").get(0)
    };
    assert_eq!(who("agency_ben").as_deref(), Some("p2"));
    assert_eq!(who("agency_ben2"), None);
    // A second login of the same person.
    database.run("UPDATE agency.sign_ins SET closed = false WHERE login = 'agency_ben2'");
    assert_eq!(who("agency_ben2").as_deref(), Some("p2"));
    assert_eq!(who("agency_ben").as_deref(), Some("p2"));
    // One login of two people is nobody's.
    database.run("UPDATE agency.sign_ins SET closed = false WHERE badge = 4");
    denied(
        database
            .login("agency_ben")
            .query("SELECT FROM agency.clients", &[]),
    );
    let refused = failure(database.superuser().query(
        "SELECT celador.load_policy($1)",
        &[&format!("{MAPPING}{MATRIX}\n[limits]\ngroups = 9\n")],
    ));
    assert_eq!(refused.code, "22023");
    assert!(refused.message.contains("agency_ben"), "{refused:?}");
}

#[test]
fn x_7_a_login_that_is_closed_ends_at_once() {
    let database = agency();
    let mut open = OpenSessions::open(
        &database,
        "agency_ben",
        "SELECT count(*) FROM agency.clients WHERE handler = 'p2'",
    );
    open.count(1);
    database.run("UPDATE agency.sign_ins SET seen = now()");
    open.count(1);
    database.run("UPDATE agency.sign_ins SET closed = true WHERE login = 'agency_ben'");
    open.are_denied();
    database
        .run("UPDATE agency.sign_ins SET closed = false WHERE login = 'agency_ben' AND badge = 2");
    let mut open = OpenSessions::open(
        &database,
        "agency_ben",
        "SELECT count(*) FROM agency.clients WHERE handler = 'p2'",
    );
    open.count(1);
    database
        .run("UPDATE agency.sign_ins SET kind = 'web' WHERE login = 'agency_ben' AND badge = 2");
    open.are_denied();
}

#[test]
fn a_restriction_names_each_login_of_a_person() {
    let database = bare();
    let matrix = format!(
        "{MATRIX}\n[restrictions.narrow]\nusers = [\"agency_ben2\"]\nmodule = \"clients\"\npredicate = \"area = 'west'\"\n"
    );
    database.load(&format!("{MAPPING}{matrix}"));
    sees(&database, "agency_ben", "agency.clients", &clients("p2"));
    // By whichever he signs in.
    database.run("UPDATE agency.sign_ins SET closed = false WHERE login = 'agency_ben2'");
    for login in ["agency_ben", "agency_ben2"] {
        sees(
            &database,
            login,
            "agency.clients",
            &format!("{} AND area = 'west'", clients("p2")),
        );
    }
}

#[test]
fn s1_18_an_attribute_is_told_by_another_table() {
    let database = bare();
    let matrix = "[permissions.seller.clients]\nread = [\"rule:area\"]\n[rules.area]\nclients = \"area = me.area\"\n";
    database.load(&format!("{MAPPING}{matrix}"));
    sees(&database, "agency_ben", "agency.clients", "area = 'east'");
    // The stale row doesn't count; of two that differ none does.
    sees(&database, "agency_cy", "agency.clients", "area = 'west'");
    sees_none(&database, "agency_dee", "agency.clients");
    let mut cy = OpenSessions::open(
        &database,
        "agency_cy",
        "SELECT count(*) FROM agency.clients",
    );
    cy.count(2);
    database.run("UPDATE agency.person_facts SET shoe = 44");
    cy.count(2);
    database.run("UPDATE agency.person_facts SET stale = NOT stale WHERE person_id = 'p3'");
    cy.count(3);
    database.run("DELETE FROM agency.person_facts WHERE person_id = 'p4' AND area = 'east'");
    sees(&database, "agency_dee", "agency.clients", "area = 'west'");
    database.run("INSERT INTO agency.person_facts VALUES ('p4', NULL)");
    sees(&database, "agency_dee", "agency.clients", "area = 'west'");
}

#[test]
fn shares_say_their_module_and_level_in_their_own_words() {
    let database = agency();
    let given = |id: i32| format!("SELECT name = 'by dee' FROM agency.clients WHERE id = {id}");
    may(
        &database,
        "agency_dee",
        "UPDATE agency.clients SET name = 'by dee' WHERE id = 1",
        &given(1),
    );
    may_not(
        &database,
        "agency_dee",
        "UPDATE agency.clients SET name = 'by dee' WHERE id = 2",
        "agency.clients",
    );
    // An unknown word, another kind and one that has ended give nothing.
    sees(
        &database,
        "agency_ben",
        "agency.clients",
        "id NOT IN (2, 7)",
    );
    let mut ben = OpenSessions::open(
        &database,
        "agency_ben",
        "SELECT count(*) FROM agency.clients WHERE id = 2",
    );
    ben.count(0);
    database.run("UPDATE agency.passes SET rights = 'r' WHERE rights = 'unknown'");
    ben.count(1);
    database.run("UPDATE agency.passes SET kind = 'lead' WHERE kind = 'client' AND person_id = 'p2' AND until IS NULL");
    ben.count(0);
    sees(
        &database,
        "agency_ben",
        "agency.leads",
        &format!("{} OR id = 2", agency::leads("p2")),
    );
}
