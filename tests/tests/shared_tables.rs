//! Tables that several modules share: link tables, children, and records of two modules in one.

mod agency;

use agency::{MAPPING, agency, bare, cases, clients, leads, of_records};
use celador_tests::{OpenSessions, is_denied, may, may_not, sees, sees_all, sees_none};

const SELLERS: [(&str, &str); 3] = [
    ("agency_ben", "p2"),
    ("agency_cy", "p3"),
    ("agency_dee", "p4"),
];

#[test]
fn x_2_a_link_table_of_several_modules_links_records_of_the_kind_that_it_says() {
    let database = agency();
    for (login, person) in SELLERS {
        sees(&database, login, "agency.clients", &clients(person));
        sees(&database, login, "agency.leads", &leads(person));
        sees(&database, login, "agency.cases", &cases(person));
    }
    sees_all(&database, "agency_ana", "agency.clients");
    sees_none(&database, "agency_eve", "agency.clients");
    // The record of the same key in another module is another record.
    sees(&database, "agency_dee", "agency.leads", "id IN (1, 2, 3)");
    sees(
        &database,
        "agency_ben",
        "agency.clients",
        "id NOT IN (2, 7)",
    );
}

#[test]
fn a_link_that_is_marked_as_removed_links_nothing() {
    let database = agency();
    let mut dee = OpenSessions::open(
        &database,
        "agency_dee",
        "SELECT count(*) FROM agency.clients WHERE id = 3 OR id = 1",
    );
    dee.count(2);
    let mut cy = OpenSessions::open(
        &database,
        "agency_cy",
        "SELECT count(*) FROM agency.clients WHERE id = 3",
    );
    cy.count(1);
    database.run("UPDATE agency.record_squads SET removed = true WHERE id = 1");
    let mut cy = cy.read_committed();
    cy.count(0);
    database.run("UPDATE agency.record_squads SET removed = false WHERE id = 1");
    cy.count(1);
    // What it says of which kind of record counts as well.
    database.run("UPDATE agency.record_squads SET record_kind = 'order' WHERE id = 1");
    cy.count(0);
    database.run("UPDATE agency.record_squads SET record_kind = NULL WHERE id = 1");
    cy.count(0);
    sees(&database, "agency_cy", "agency.clients", &clients("p3"));
}

#[test]
fn links_are_read_with_the_records_that_they_link() {
    let database = agency();
    for (login, person) in SELLERS {
        sees(
            &database,
            login,
            "agency.record_squads",
            &of_records(person, &["client", "lead"]),
        );
        sees(
            &database,
            login,
            "agency.record_helpers",
            &of_records(person, &["lead", "case"]),
        );
    }
    // Rows that no module's filter holds for are out of reach, for an administrator too.
    sees(
        &database,
        "agency_ana",
        "agency.record_squads",
        "record_kind IN ('client', 'lead')",
    );
    sees(
        &database,
        "agency_ana",
        "agency.record_helpers",
        "record_kind IN ('case', 'lead')",
    );
    for sql in [
        "UPDATE agency.record_squads SET squad_id = 1 WHERE record_kind = 'order'",
        "DELETE FROM agency.record_squads WHERE record_kind IS NULL",
    ] {
        may_not(&database, "agency_ana", sql, "agency.record_squads");
    }
    for sql in [
        "INSERT INTO agency.record_squads (record_kind, record_id, squad_id) VALUES ('order', 3, 1)",
        "INSERT INTO agency.record_squads (record_kind, record_id, squad_id) VALUES (NULL, 3, 1)",
        "UPDATE agency.record_squads SET record_kind = 'order' WHERE id = 1",
    ] {
        is_denied(&database, "agency_ana", sql, "agency.record_squads");
    }
}

#[test]
fn s1_11_links_in_a_shared_table_are_assignments_in_their_module() {
    let database = agency();
    // Client 1 is ben's: he files it under his squad, and takes it out by marking the link.
    may(
        &database,
        "agency_ben",
        "UPDATE agency.record_squads SET removed = true WHERE id = 5",
        "SELECT removed FROM agency.record_squads WHERE id = 5",
    );
    may(
        &database,
        "agency_ben",
        "INSERT INTO agency.record_squads (record_kind, record_id, squad_id) VALUES ('client', 1, 1)
           ON CONFLICT (record_kind, record_id, squad_id) DO UPDATE SET removed = false, noted = now()",
        "SELECT NOT removed FROM agency.record_squads WHERE id = 5",
    );
    may(
        &database,
        "agency_ben",
        "DELETE FROM agency.record_squads WHERE id = 5",
        "SELECT NOT EXISTS (SELECT FROM agency.record_squads WHERE id = 5)",
    );
    may(
        &database,
        "agency_ben",
        "INSERT INTO agency.record_squads (record_kind, record_id, squad_id) VALUES ('lead', 1, 2)",
        "SELECT EXISTS (SELECT FROM agency.record_squads WHERE record_kind = 'lead' AND record_id = 1)",
    );
    for sql in [
        // Not his squad: the bound on clients; leads have none.
        "INSERT INTO agency.record_squads (record_kind, record_id, squad_id) VALUES ('client', 1, 2)",
        // Clients of others, though the lead of that key is his.
        "INSERT INTO agency.record_squads (record_kind, record_id, squad_id) VALUES ('client', 2, 1)",
        "INSERT INTO agency.record_squads (record_kind, record_id, squad_id) VALUES ('client', 4, 1)",
        "INSERT INTO agency.record_squads (record_kind, record_id, squad_id) VALUES ('lead', 2, 1)",
        // From a kind where he may into one where he may not.
        "UPDATE agency.record_squads SET record_kind = 'client', record_id = 2, squad_id = 1 WHERE record_kind = 'lead' AND record_id = 1",
        "UPDATE agency.record_squads SET record_kind = 'order' WHERE record_kind = 'lead' AND record_id = 1",
        "UPDATE agency.record_squads SET record_kind = NULL WHERE record_kind = 'lead' AND record_id = 1",
    ] {
        is_denied(&database, "agency_ben", sql, "agency.record_squads");
    }
    for sql in [
        // Filed under his squad, and dee's.
        "UPDATE agency.record_squads SET removed = true WHERE id = 1",
        "DELETE FROM agency.record_squads WHERE id = 1",
        "UPDATE agency.record_squads SET removed = false WHERE id = 2",
        "DELETE FROM agency.record_squads WHERE id = 4",
    ] {
        may_not(&database, "agency_ben", sql, "agency.record_squads");
    }
}

#[test]
fn s4_08_a_case_without_a_helper_that_counts_may_be_claimed() {
    let database = agency();
    database.run(
        "UPDATE agency.record_helpers SET removed = 1 WHERE record_kind = 'case' AND record_id = 3",
    );
    // Helpers of other kinds don't count, nor those that are removed.
    sees(&database, "agency_ben", "agency.cases", "id <> 2");
    for sql in [
        "INSERT INTO agency.record_helpers VALUES ('case', 3, 'p3')",
        "INSERT INTO agency.record_helpers VALUES ('case', 2, 'p2')",
        "INSERT INTO agency.record_helpers VALUES ('order', 3, 'p2')",
        "INSERT INTO agency.record_helpers VALUES ('case', 3, NULL)",
    ] {
        is_denied(&database, "agency_ben", sql, "agency.record_helpers");
    }
    may(
        &database,
        "agency_ben",
        "INSERT INTO agency.record_helpers VALUES ('case', 3, 'p2')",
        "SELECT EXISTS (SELECT FROM agency.record_helpers WHERE record_kind = 'case' AND record_id = 3 AND person_id = 'p2')",
    );
    // One takes it, the next finds it taken.
    is_denied(
        &database,
        "agency_cy",
        "INSERT INTO agency.record_helpers VALUES ('case', 3, 'p3')",
        "agency.record_helpers",
    );
    sees(&database, "agency_cy", "agency.cases", &cases("p3"));
}

#[test]
fn s0_10_children_hang_on_records_of_the_kind_that_they_say() {
    let database = agency();
    for (login, person) in SELLERS {
        let files = of_records(person, &["client", "lead", "case"]);
        sees(&database, login, "agency.files", &files);
        let versions = format!("file_id IN (SELECT id FROM agency.files WHERE {files})");
        sees(&database, login, "agency.file_versions", &versions);
    }
    // What hangs on no record of a known kind: for nobody; on none that is there: for who reaches all.
    sees(
        &database,
        "agency_ana",
        "agency.files",
        "record_kind IN ('client', 'lead', 'case')",
    );
    sees_all(&database, "agency_ana", "agency.file_versions");
    may(
        &database,
        "agency_ben",
        "INSERT INTO agency.files VALUES (20, 'client', 1, 'x')",
        "SELECT EXISTS (SELECT FROM agency.files WHERE id = 20)",
    );
    may(
        &database,
        "agency_ben",
        "UPDATE agency.files SET record_kind = 'lead' WHERE id = 20",
        "SELECT record_kind = 'lead' FROM agency.files WHERE id = 20",
    );
    may(
        &database,
        "agency_ben",
        "INSERT INTO agency.file_versions VALUES (300, 20, 'x')",
        "SELECT EXISTS (SELECT FROM agency.file_versions WHERE id = 300)",
    );
    for sql in [
        "INSERT INTO agency.files VALUES (21, 'client', 2, 'x')",
        "INSERT INTO agency.files VALUES (21, 'order', 1, 'x')",
        "INSERT INTO agency.files VALUES (21, NULL, 1, 'x')",
        "INSERT INTO agency.files VALUES (21, 'client', NULL, 'x')",
        // Read by his squad, and not his to change.
        "INSERT INTO agency.files VALUES (21, 'client', 3, 'x')",
        "UPDATE agency.files SET record_kind = 'case' , record_id = 2 WHERE id = 20",
        "UPDATE agency.files SET record_kind = 'order' WHERE id = 20",
    ] {
        is_denied(&database, "agency_ben", sql, "agency.files");
    }
    for sql in [
        "INSERT INTO agency.file_versions VALUES (301, 2, 'x')",
        "INSERT INTO agency.file_versions VALUES (301, 6, 'x')",
        "INSERT INTO agency.file_versions VALUES (301, NULL, 'x')",
        "UPDATE agency.file_versions SET file_id = 10 WHERE id = 300",
    ] {
        is_denied(&database, "agency_ben", sql, "agency.file_versions");
    }
    may_not(
        &database,
        "agency_ben",
        "DELETE FROM agency.files WHERE id IN (2, 6, 8, 10)",
        "agency.files",
    );
}

/// Which memos a seller reads, by hand.
fn memos(person: &str) -> String {
    let on = |kind: &str, table: &str, condition: String| {
        format!(
            r#"id IN (SELECT "memoId" FROM agency."memoTarget" WHERE kind = '{kind}' AND "deletedAt" IS NULL
                 AND "targetId" IN (SELECT id FROM agency.{table} WHERE {condition}))"#
        )
    };
    format!(
        r#""madeBy" = '{person}' OR {} OR {}"#,
        on("client", "clients", clients(person)),
        on("lead", "leads", leads(person))
    )
}

#[test]
fn s1_18_a_record_hangs_on_many_by_a_link_table() {
    let database = agency();
    for (login, person) in SELLERS {
        sees(&database, login, r#"agency."Memo""#, &memos(person));
    }
    sees(
        &database,
        "agency_ben",
        r#"agency."memoTarget""#,
        &format!(
            r#"kind IN ('client', 'lead') AND "memoId" IN (SELECT id FROM agency."Memo" WHERE {})"#,
            memos("p2")
        ),
    );
    // Ben's own memo hangs on nothing yet: on what he reads he hangs it.
    may(
        &database,
        "agency_ben",
        r#"INSERT INTO agency."memoTarget" VALUES (1, 'client', 3)"#,
        r#"SELECT EXISTS (SELECT FROM agency."memoTarget" WHERE "memoId" = 1)"#,
    );
    sees(&database, "agency_cy", r#"agency."Memo""#, &memos("p3"));
    for sql in [
        // On what he doesn't read; another's memo; a kind that is no module's.
        r#"INSERT INTO agency."memoTarget" VALUES (1, 'client', 2)"#,
        r#"INSERT INTO agency."memoTarget" VALUES (2, 'client', 1)"#,
        r#"INSERT INTO agency."memoTarget" VALUES (5, 'client', 1)"#,
        r#"INSERT INTO agency."memoTarget" VALUES (1, 'case', 1)"#,
        r#"INSERT INTO agency."memoTarget" VALUES (1, 'client', NULL)"#,
        r#"UPDATE agency."memoTarget" SET "targetId" = 2 WHERE "memoId" = 1"#,
    ] {
        is_denied(&database, "agency_ben", sql, r#"agency."memoTarget""#);
    }
    may_not(
        &database,
        "agency_ben",
        r#"UPDATE agency."memoTarget" SET "deletedAt" = now() WHERE "memoId" IN (2, 3)"#,
        r#"agency."memoTarget""#,
    );
    may(
        &database,
        "agency_ben",
        r#"UPDATE agency."memoTarget" SET "deletedAt" = now() WHERE "memoId" = 1"#,
        r#"SELECT "deletedAt" IS NOT NULL FROM agency."memoTarget" WHERE "memoId" = 1"#,
    );
    sees(&database, "agency_cy", r#"agency."Memo""#, &memos("p3"));
}

#[test]
fn s1_18_a_record_by_what_a_link_table_hangs_on_it() {
    let database = bare();
    let matrix = r#"
[permissions.seller.memos]
read = ["created"]
[permissions.seller.clients]
read = [{ scope = "related", module = "memos" }]
"#;
    database.load(&format!("{MAPPING}{matrix}"));
    sees(&database, "agency_cy", "agency.clients", "id = 1");
    sees_none(&database, "agency_dee", "agency.clients");
    database.run(r#"UPDATE agency."memoTarget" SET "deletedAt" = now() WHERE "memoId" = 2"#);
    sees_none(&database, "agency_cy", "agency.clients");
}

#[test]
fn x_6_one_table_holds_records_of_two_modules_and_rows_of_none() {
    let database = agency();
    sees(
        &database,
        "agency_ben",
        "agency.entries",
        "kind = 1 OR (kind = 2 AND holder = 'p2')",
    );
    sees(
        &database,
        "agency_cy",
        "agency.entries",
        "kind = 1 OR (kind = 2 AND holder = 'p3')",
    );
    sees(&database, "agency_ana", "agency.entries", "kind IN (1, 2)");
    sees(
        &database,
        "agency_ben",
        "agency.entry_lines",
        "entry_id IN (1, 2, 3)",
    );
    may(
        &database,
        "agency_ben",
        "UPDATE agency.entries SET title = 'new' WHERE id = 3",
        "SELECT title = 'new' FROM agency.entries WHERE id = 3",
    );
    may(
        &database,
        "agency_ben",
        "INSERT INTO agency.entries VALUES (10, 2, 'p2', NULL, 'mine')",
        "SELECT EXISTS (SELECT FROM agency.entries WHERE id = 10 AND made_by = 'p2')",
    );
    // A project becomes a product by who may remove the one and create the other.
    may(
        &database,
        "agency_ben",
        "UPDATE agency.entries SET kind = 2 WHERE id = 1",
        "SELECT kind = 2 FROM agency.entries WHERE id = 1",
    );
    for sql in [
        // Nobody but administrators removes products.
        "UPDATE agency.entries SET kind = 1 WHERE id = 1",
        "UPDATE agency.entries SET kind = 3 WHERE id = 3",
        "UPDATE agency.entries SET kind = NULL WHERE id = 3",
        "INSERT INTO agency.entries VALUES (11, 3, 'p2', NULL, 'x')",
        "INSERT INTO agency.entries VALUES (11, NULL, 'p2', NULL, 'x')",
        "INSERT INTO agency.entries VALUES (11, 1, 'p3', NULL, 'x')",
        "INSERT INTO agency.entries VALUES (11, 1, 'p2', 'p3', 'x')",
        "UPDATE agency.entries SET holder = 'p3' WHERE id = 3",
    ] {
        is_denied(&database, "agency_ben", sql, "agency.entries");
    }
    for sql in [
        "UPDATE agency.entries SET title = 'x' WHERE id IN (2, 4, 5, 6)",
        "DELETE FROM agency.entries WHERE id IN (2, 3, 4, 5, 6)",
    ] {
        may_not(&database, "agency_ben", sql, "agency.entries");
    }
    may(
        &database,
        "agency_ana",
        "UPDATE agency.entries SET kind = 1 WHERE id = 4",
        "SELECT kind = 1 FROM agency.entries WHERE id = 4",
    );
    is_denied(
        &database,
        "agency_ana",
        "UPDATE agency.entries SET kind = 2, made_by = 'p1' WHERE id = 2",
        "agency.entries",
    );
}
