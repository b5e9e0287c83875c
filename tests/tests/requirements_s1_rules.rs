//! S1, access rules: the five kinds, the hierarchy, and whom a rule is given to.

use celador_tests::{
    Database, OpenSessions, answers, denied, is_denied, may, may_not, sees, sees_all, sees_none,
    small_crm,
};

#[test]
fn s1_18_a_rule_on_a_field() {
    let crm = small_crm(
        r#"[rules.rated]
           companies = "vip IS NOT NULL"
           [permissions.worker]
           companies = { read = ["rule:rated"], update = ["rule:rated"] }"#,
    );
    sees(&crm, "small_lena", "companies", "vip IS NOT NULL");
    may(
        &crm,
        "small_lena",
        "UPDATE companies SET name = 'Rated' WHERE id = 2",
        "SELECT name = 'Rated' FROM companies WHERE id = 2",
    );
    may_not(
        &crm,
        "small_lena",
        "UPDATE companies SET name = 'x' WHERE id = 3",
        "companies",
    );
    // Out of the rule's reach it may not be put, either.
    is_denied(
        &crm,
        "small_lena",
        "UPDATE companies SET vip = NULL WHERE id = 2",
        "companies",
    );
}

#[test]
fn s1_18_a_rule_on_a_fields_value() {
    let crm = small_crm(
        r#"[rules.north]
           companies = "region = 'north' AND sector IN ('foods', 'textiles')"
           [permissions.worker]
           companies = { read = ["rule:north"], create = ["rule:north"] }"#,
    );
    sees(
        &crm,
        "small_lena",
        "companies",
        "region = 'north' AND sector = 'foods'",
    );
    may(
        &crm,
        "small_lena",
        "INSERT INTO companies (id, name, region, sector) VALUES (9, 'N', 'north', 'textiles')",
        "SELECT EXISTS (SELECT FROM companies WHERE id = 9)",
    );
    for (region, sector) in [
        ("'south'", "'foods'"),
        ("NULL", "'foods'"),
        ("'north'", "'steel'"),
    ] {
        is_denied(
            &crm,
            "small_lena",
            &format!(
                "INSERT INTO companies (id, name, region, sector) VALUES (10, 'S', {region}, {sector})"
            ),
            "companies",
        );
    }
}

#[test]
fn s1_18_a_rule_from_child_to_parent() {
    let crm = small_crm(
        r#"[permissions.worker]
           companies = { read = ["group"], update = ["own"] }
           deals = { read = ["parent"], create = ["parent"], update = ["parent"] }"#,
    );
    sees(
        &crm,
        "small_lena",
        "deals",
        "company_id IN (SELECT id FROM companies WHERE team = 'east')",
    );
    // To change a deal one must be able to change its company, not only to read it.
    may(
        &crm,
        "small_lena",
        "UPDATE deals SET amount = 11 WHERE id = 1",
        "SELECT amount = 11 FROM deals WHERE id = 1",
    );
    may_not(
        &crm,
        "small_lena",
        "UPDATE deals SET amount = 21 WHERE id = 2",
        "deals",
    );
    is_denied(
        &crm,
        "small_lena",
        "UPDATE deals SET company_id = 3 WHERE id = 1",
        "deals",
    );
    is_denied(
        &crm,
        "small_lena",
        "INSERT INTO deals (id, company_id) VALUES (9, 2)",
        "deals",
    );
}

#[test]
fn s1_18_a_rule_on_a_parent_by_its_children() {
    let crm = small_crm(
        r#"[permissions.worker]
           deals = { read = ["own"] }
           companies = { read = [{ scope = "related", module = "deals" }] }"#,
    );
    sees(
        &crm,
        "small_lena",
        "companies",
        "id IN (SELECT company_id FROM deals WHERE owner = 'lena')",
    );
    crm.run("UPDATE deals SET owner = 'omar' WHERE id = 3");
    sees(&crm, "small_lena", "companies", "id = 2");
    crm.run("DELETE FROM deals WHERE owner = 'lena'");
    sees_none(&crm, "small_lena", "companies");
}

#[test]
fn s1_18_a_rule_by_the_hierarchy() {
    let crm = small_crm("[permissions.worker.companies]\nread = [\"reports\"]");
    crm.run("SELECT celador.give_role('boss', 'worker'), celador.give_role('omar', 'worker')");
    sees(
        &crm,
        "small_boss",
        "companies",
        "owner IN ('boss', 'lena', 'omar', 'yuki')",
    );
    sees(&crm, "small_omar", "companies", "owner IN ('omar', 'yuki')");
    sees(&crm, "small_lena", "companies", "owner = 'lena'");
}

#[test]
fn s1_18_a_rule_by_team_membership() {
    let crm = small_crm(
        r#"[permissions.worker]
           companies = { read = ["colleagues"] }
           projects = { read = ["group"] }
           [permissions.head]
           companies = { read = ["colleagues_tree"] }
           projects = { read = ["group_tree"] }"#,
    );
    crm.run("SELECT celador.give_role('boss', 'head')");
    sees(&crm, "small_lena", "companies", "owner IN ('lena', 'omar')");
    sees(&crm, "small_lena", "projects", "id IN (1, 2)");
    sees(&crm, "small_boss", "companies", "owner IS NOT NULL");
    sees(&crm, "small_boss", "projects", "id IN (1, 2, 4)");
    crm.run("SELECT celador.set_user_groups('lena', '{west}')");
    sees(&crm, "small_lena", "companies", "owner IN ('lena', 'yuki')");
    sees(&crm, "small_lena", "projects", "id IN (2, 4)");
}

#[test]
fn s1_18_a_rule_closes_a_module_for_a_group() {
    let crm = small_crm(
        r#"[permissions.worker]
           companies = { read = ["all"], update = ["all"] }
           deals = { read = ["all"] }
           [restrictions.east-without-deals]
           groups = ["East"]
           module = "deals"
           [restrictions.west-reads-companies]
           groups = ["West"]
           module = "companies"
           actions = ["update"]"#,
    );
    crm.run("SELECT celador.give_role('yuki', 'worker')");
    sees_none(&crm, "small_lena", "deals");
    sees_all(&crm, "small_lena", "companies");
    sees_all(&crm, "small_yuki", "deals");
    sees_all(&crm, "small_yuki", "companies");
    let rename = "UPDATE companies SET name = 'Renamed' WHERE id = 3";
    may_not(&crm, "small_yuki", rename, "companies");
    may(
        &crm,
        "small_lena",
        rename,
        "SELECT name = 'Renamed' FROM companies WHERE id = 3",
    );
    // In a group below counts as well.
    crm.run(
        "SELECT celador.add_group('east-1', 'East, one', 'east');
         SELECT celador.set_user_groups('yuki', '{east-1}')",
    );
    sees_none(&crm, "small_yuki", "deals");
}

/// A person and everybody under him or her, by the CRM's own table.
fn under(person: u32) -> String {
    format!(
        "owner_id IN (WITH RECURSIVE r(id) AS (VALUES ({person}::bigint) UNION
           SELECT u.id FROM users u JOIN r ON u.manager_id = r.id) SELECT id FROM r)"
    )
}

#[test]
fn s1_19_the_hierarchy_is_transitive() {
    let crm = Database::preset("s1-matrix");
    sees(
        &crm,
        "marta",
        "leads",
        &format!("{} OR owner_id IS NULL", under(4)),
    );
    sees(&crm, "tomas", "leads", &under(6));
    sees(&crm, "sergio", "leads", "owner_id = 9");
    let theirs = crm.count("leads", "owner_id = 9");
    let before = crm.count("leads", &under(6));
    assert!(theirs > 0 && before > theirs);
    let mut tomas = OpenSessions::open(&crm, "tomas", "SELECT count(*) FROM leads");
    tomas.count(before);
    let lead = crm.pick("leads", "owner_id = 9");
    let edit = format!("UPDATE leads SET company = 'Edited' WHERE id = {lead}");
    may(
        &crm,
        "tomas",
        &edit,
        &format!("SELECT company = 'Edited' FROM leads WHERE id = {lead}"),
    );
    // sergio moves to irene's team: irene sees his leads now, tomas doesn't.
    may(
        &crm,
        "ana",
        "UPDATE users SET manager_id = 7 WHERE id = 9",
        "SELECT manager_id = 7 FROM users WHERE id = 9",
    );
    tomas.count(before - theirs);
    sees(&crm, "irene", "leads", &under(7));
    may_not(&crm, "tomas", &edit, "leads");
    sees(
        &crm,
        "marta",
        "leads",
        &format!("{} OR owner_id IS NULL", under(4)),
    );
}

#[test]
fn s1_21_rules_for_users_roles_and_groups() {
    // A role's rule is a scope of the role: rules of roles add up, as roles do (X.3). Rules of
    // users and groups narrow.
    let crm = small_crm(
        r#"[rules.north]
           companies = "region = 'north'"
           [permissions.worker]
           companies = { read = ["rule:north"] }
           [permissions.chief]
           companies = { read = ["all"] }
           [restrictions.of-lena]
           users = ["lena"]
           module = "companies"
           predicate = "sector = 'foods'"
           [restrictions.of-east]
           groups = ["East"]
           module = "companies"
           predicate = "name <> 'Arno'""#,
    );
    crm.run(
        "SELECT celador.give_role('omar', 'worker'), celador.give_role('yuki', 'worker'),
                celador.give_role('boss', 'chief')",
    );
    sees(
        &crm,
        "small_lena",
        "companies",
        "sector = 'foods' AND region = 'north' AND name <> 'Arno'",
    );
    sees(
        &crm,
        "small_omar",
        "companies",
        "region = 'north' AND name <> 'Arno'",
    );
    sees(&crm, "small_yuki", "companies", "region = 'north'");
    sees_all(&crm, "small_boss", "companies");
}

#[test]
fn s1_22_whole_records_are_hidden() {
    let crm = Database::preset("s1-matrix");
    sees(&crm, "sergio", "opportunities", "owner_id = 9");
    sees(
        &crm,
        "sergio",
        "quotes",
        "owner_id = 9 OR opportunity_id IN (SELECT id FROM opportunities WHERE owner_id = 9)",
    );
    let hidden = crm.pick("opportunities", "owner_id = 20");
    may_not(
        &crm,
        "sergio",
        &format!("UPDATE opportunities SET name = 'Found' WHERE id = {hidden}"),
        "opportunities",
    );
}

#[test]
fn s1_20_a_field_is_shown_or_hidden_by_what_is_in_the_row() {
    let crm = small_crm(
        r#"
[roles.worker]
[permissions.worker.companies]
read = ["all"]
update = ["all"]
fields.sector = { clear = ["rule:northern"], write = ["rule:northern"] }
[fields.companies.sector]
renderings = ["clear", "null"]
[rules.northern]
companies = "region = 'north'"
"#,
    );
    let shown = "CASE WHEN region = 'north' THEN sector END";
    for (asked, expected) in [
        (
            "string_agg(sector, ',' ORDER BY id)",
            format!("string_agg({shown}, ',' ORDER BY id)"),
        ),
        (
            "count(*) FILTER (WHERE sector = 'steel')",
            format!("count(*) FILTER (WHERE {shown} = 'steel')"),
        ),
    ] {
        let of = |what: &str| format!("SELECT {what} FROM companies");
        answers(&crm, "small_lena", &of(asked), &of(&expected));
    }
    // What decides changes, and the field with it.
    crm.run("UPDATE companies SET region = 'north' WHERE id = 4");
    let sectors = "SELECT count(sector) FROM companies";
    answers(
        &crm,
        "small_lena",
        sectors,
        "SELECT count(*) FROM companies WHERE region = 'north'",
    );
    let mut lena = crm.login("small_lena");
    let write = |id: u32| format!("UPDATE companies SET sector = 'paper' WHERE id = {id}");
    assert_eq!(
        lena.execute(&write(1), &[])
            .expect("it is shown and may be written"),
        1
    );
    let _hidden_in_the_south = denied(lena.execute(&write(3), &[]));
}
