//! S1, the matrix of roles and modules: who reads what in the preset, how cells are edited, and
//! what each predefined role may. Actions are in `requirements_s1_actions.rs`, rules in
//! `requirements_s1_rules.rs`.

use celador_tests::{
    Database, OpenSessions, answers, is_denied, may, may_not, sees, sees_all, sees_none,
};

fn matrix() -> Database {
    Database::preset("s1-matrix")
}

/// marta and everybody under her.
const UNDER_MARTA: &str = "(WITH RECURSIVE r(id) AS (VALUES (4::bigint) UNION
  SELECT u.id FROM users u JOIN r ON u.manager_id = r.id) SELECT id FROM r)";

/// sergio's team.
const NORTH: &str = "(SELECT user_id FROM team_members WHERE team_id = 3)";

/// The preset, as a table of what each person reads: `-` is nothing, otherwise a condition.
const READING: &str = "
table         | marta                | sergio         | sara          | mario | alba | dario
accounts      | OF_MARTA OR UNOWNED  | OF_NORTH       | all           | -     | -    | all
leads         | OF_MARTA OR UNOWNED  | owner_id = 9   | -             | -     | all  | -
opportunities | all                  | owner_id = 9   | -             | -     | all  | -
orders        | all                  | MINE_OR_NORTHS | -             | -     | all  | -
products      | all                  | all            | all           | -     | all  | -
price_lists   | all                  | all            | -             | -     | all  | -
sales_summary | all                  | -              | -             | -     | all  | all
events        | OF_MARTA             | owner_id = 9   | owner_id = 31 | -     | -    | all
email_templates | all                | all            | all           | all   | -    | -
tickets       | -                    | -              | all           | -     | all  | -
campaigns     | -                    | -              | -             | all   | all  | -
mailing_lists | -                    | -              | -             | all   | -    | -
mailing_list_members | -             | -              | -             | all   | -    | -
conversations | -                    | -              | all           | -     | -    | -
reports       | all                  | -              | -             | all   | all  | owner_id = 2
dashboards    | owner_id = 4         | -              | -             | -     | all  | owner_id = 2
users         | all                  | all            | all           | all   | all  | all
teams         | all                  | all            | all           | all   | all  | all
team_members  | -                    | -              | -             | -     | -    | -
user_roles    | -                    | -              | -             | -     | -    | -
agent_settings | -                   | -              | -             | -     | -    | -
forms         | -                    | -              | -             | -     | -    | -
workflows     | -                    | -              | -             | -     | -    | -
workflow_steps | -                   | -              | -             | -     | -    | -
custom_fields | -                    | -              | -             | -     | -    | -
pipeline_stages | -                  | -              | -             | -     | -    | -
mail_accounts | -                    | -              | -             | -     | -    | -
invoices      | -                    | -              | -             | -     | -    | -
invoice_lines | -                    | -              | -             | -     | -    | -
payments      | -                    | -              | -             | -     | -    | -
account_statements | -               | -              | -             | -     | -    | -
billing_profiles | -                 | -              | -             | -     | -    | -
activity_log  | -                    | -              | -             | -     | -    | -";

#[test]
fn s1_1_roles_by_modules_make_a_matrix() {
    let crm = matrix();
    let mut lines = READING
        .trim()
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let people = lines.next().expect("the first line names the people");
    for line in lines {
        let table = line[0];
        for (person, rows) in people.iter().zip(&line).skip(1) {
            match *rows {
                "-" => sees_none(&crm, person, table),
                "all" => sees_all(&crm, person, table),
                condition => {
                    let condition = condition
                        .replace("OF_MARTA", &format!("owner_id IN {UNDER_MARTA}"))
                        .replace("UNOWNED", "owner_id IS NULL")
                        .replace(
                            "MINE_OR_NORTHS",
                            &format!(
                                "owner_id = 9 OR account_id IN
                                   (SELECT id FROM accounts WHERE owner_id IN {NORTH})"
                            ),
                        )
                        .replace("OF_NORTH", &format!("owner_id IN {NORTH}"));
                    sees(&crm, person, table, &condition);
                }
            }
        }
    }
}

#[test]
fn s1_2_editing_a_cell_changes_everybody_of_the_role() {
    let crm = matrix();
    let count = "SELECT count(*) FROM price_lists";
    let all = crm.count("price_lists", "true");
    let mut sellers = ["sergio", "raquel"].map(|seller| OpenSessions::open(&crm, seller, count));
    let mut analyst = OpenSessions::open(&crm, "alba", count);
    let document = Database::preset_document("s1-matrix");
    let (before, seller) = document.split_once("[permissions.seller]").unwrap();
    let edited = seller.replacen("price_lists   = { read = [\"all\"] }\n", "", 1);
    assert_ne!(edited, seller);
    crm.load(&format!("{before}[permissions.seller]{edited}"));
    for open in &mut sellers {
        open.count(0);
    }
    analyst.count(all);
    sees_none(&crm, "lucia", "price_lists");
    crm.load(&document);
    for open in &mut sellers {
        open.count(all);
    }
    sees_all(&crm, "lucia", "price_lists");
}

#[test]
fn s1_3_a_module_without_a_grant_is_closed() {
    let crm = matrix();
    for (table, insert) in [
        ("tickets", "INSERT INTO tickets (subject) VALUES ('mine')"),
        (
            "campaigns",
            "INSERT INTO campaigns (name, channel, starts_on) VALUES ('c', 'web', '2026-01-01')",
        ),
        (
            "forms",
            "INSERT INTO forms (name, definition) VALUES ('f', '{}')",
        ),
    ] {
        sees_none(&crm, "sergio", table);
        is_denied(&crm, "sergio", insert, table);
        may_not(
            &crm,
            "sergio",
            &format!("UPDATE {table} SET id = id"),
            table,
        );
        may_not(&crm, "sergio", &format!("DELETE FROM {table}"), table);
    }
    sees(&crm, "sergio", "leads", "owner_id = 9");
}

#[test]
fn s1_4_predefined_roles_ship_and_others_can_be_added() {
    let crm = matrix();
    // The seven by something that only the role gives.
    may(
        &crm,
        "ana",
        "INSERT INTO users (login, full_name, email) VALUES ('newcomer', 'New', 'new@crm.example')",
        "SELECT EXISTS (SELECT FROM users WHERE login = 'newcomer')",
    );
    sees_all(&crm, "marta", "quotes");
    sees(&crm, "sergio", "leads", "owner_id = 9");
    sees_all(&crm, "sara", "tickets");
    sees_all(&crm, "mario", "mailing_lists");
    sees_all(&crm, "alba", "charts");
    sees_all(&crm, "dario", "sales_summary");
    // A role of one's own: teresa does the accounts.
    sees_none(&crm, "teresa", "invoices");
    let document = Database::preset_document("s1-matrix").replace(
        "analyst = \"analyst\"",
        "analyst = \"analyst\"\naccountant = \"accountant\"",
    ) + "\n[permissions.accountant]\ninvoices = { read = [\"all\"] }\n";
    crm.load(&document);
    crm.run("INSERT INTO user_roles (user_id, role) VALUES (38, 'accountant')");
    sees_all(&crm, "teresa", "invoices");
    sees_none(&crm, "teresa", "payments");
    sees_none(&crm, "sergio", "invoices");
}

#[test]
fn s1_5_changing_a_persons_role_holds_at_once() {
    let crm = matrix();
    let mut tickets = OpenSessions::open(&crm, "sergio", "SELECT count(*) FROM tickets");
    let mut leads = OpenSessions::open(&crm, "sergio", "SELECT count(*) FROM leads");
    tickets.count(0);
    leads.count(crm.count("leads", "owner_id = 9"));
    may(
        &crm,
        "ana",
        "UPDATE user_roles SET role = 'support' WHERE user_id = 9 AND role = 'seller'",
        "SELECT EXISTS (SELECT FROM user_roles WHERE user_id = 9 AND role = 'support')",
    );
    tickets.count(crm.count("tickets", "true"));
    leads.count(0);
    sees_none(&crm, "sergio", "leads");
    sees_all(&crm, "sergio", "tickets");
}

#[test]
fn s1_6_a_profile_is_modules_actions_scope_and_customisation() {
    let crm = matrix();
    let under = crm.pick("opportunities", &format!("owner_id IN {UNDER_MARTA}"));
    let other = crm.pick("opportunities", "owner_id = 20");
    let rename = |id: &str| format!("UPDATE opportunities SET name = 'Renamed' WHERE id = {id}");
    // Modules.
    sees_all(&crm, "marta", "opportunities");
    sees_none(&crm, "marta", "tickets");
    // Actions.
    sees_all(&crm, "marta", "users");
    may_not(
        &crm,
        "marta",
        "UPDATE users SET title = 'x' WHERE id = 9",
        "users",
    );
    // Data scope.
    may(
        &crm,
        "marta",
        &rename(&under),
        &format!("SELECT name = 'Renamed' FROM opportunities WHERE id = {under}"),
    );
    may_not(&crm, "marta", &rename(&other), "opportunities");
    // Customisation.
    may(
        &crm,
        "marta",
        "UPDATE dashboards SET name = 'Mine' WHERE owner_id = 4",
        "SELECT bool_and(name = 'Mine') FROM dashboards WHERE owner_id = 4",
    );
    may_not(
        &crm,
        "marta",
        "UPDATE dashboards SET name = 'Mine' WHERE owner_id = 25",
        "dashboards",
    );
    may_not(
        &crm,
        "marta",
        "UPDATE workflows SET is_active = false",
        "workflows",
    );
}

#[test]
fn s1_15_a_groups_people_share_permissions_and_records() {
    let crm = matrix();
    // Permissions: the team holds the role.
    for person in ["mario", "eva", "luis"] {
        sees_all(&crm, person, "campaigns");
    }
    sees_none(&crm, "teresa", "campaigns");
    // Records: colleagues see each other's customers, and nobody else's.
    for person in ["sergio", "lucia", "javier"] {
        sees(&crm, person, "accounts", &format!("owner_id IN {NORTH}"));
    }
    sees(
        &crm,
        "raquel",
        "accounts",
        "owner_id IN (SELECT user_id FROM team_members WHERE team_id = 4)",
    );
}

#[test]
fn s1_16_a_role_given_to_a_group_holds_for_later_members() {
    let crm = matrix();
    let mut pilar = OpenSessions::open(&crm, "pilar", "SELECT count(*) FROM campaigns");
    pilar.count(0);
    may(
        &crm,
        "ana",
        "INSERT INTO team_members (team_id, user_id) VALUES (11, 40)",
        "SELECT EXISTS (SELECT FROM team_members WHERE team_id = 11 AND user_id = 40)",
    );
    pilar.count(crm.count("campaigns", "true"));
    sees_all(&crm, "pilar", "campaigns");
    may(
        &crm,
        "ana",
        "DELETE FROM user_roles WHERE team_id = 11",
        "SELECT NOT EXISTS (SELECT FROM user_roles WHERE team_id = 11)",
    );
    pilar.count(0);
    sees_none(&crm, "mario", "campaigns");
}

#[test]
fn s1_17_the_effects_of_several_groups_add_up() {
    let crm = matrix();
    let team = |teams: &str| {
        format!("owner_id IN (SELECT user_id FROM team_members WHERE team_id IN ({teams}))")
    };
    crm.run("INSERT INTO user_roles (user_id, role) VALUES (40, 'seller')");
    sees_none(&crm, "pilar", "accounts");
    crm.run("INSERT INTO team_members (team_id, user_id) VALUES (5, 40)");
    sees(&crm, "pilar", "accounts", &team("5"));
    crm.run("INSERT INTO team_members (team_id, user_id) VALUES (6, 40)");
    sees(&crm, "pilar", "accounts", &team("5, 6"));
    // Another team brings another role, too.
    sees_none(&crm, "pilar", "mailing_lists");
    crm.run("INSERT INTO team_members (team_id, user_id) VALUES (11, 40)");
    sees_all(&crm, "pilar", "mailing_lists");
    sees(&crm, "pilar", "accounts", &team("5, 6, 11"));
}

#[test]
fn s1_23_administrators_may_everything_in_later_modules_too() {
    let crm = matrix();
    crm.run(
        "CREATE TABLE visits (id bigint PRIMARY KEY, place text);
         ALTER TABLE visits OWNER TO crm_owner;
         GRANT SELECT, INSERT, UPDATE, DELETE ON visits TO crm_users;
         INSERT INTO visits VALUES (1, 'Madrid')",
    );
    let tables = crm.superuser().query(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
           AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND c.relname NOT IN ('schema_migrations', 'visits')",
        &[],
    );
    let document = Database::preset_document("s1-matrix");
    let mapped = document.replace(
        "[mapping.modules.activity_log]\n",
        "[mapping.modules.visits]\ntable = \"visits\"\n\n[mapping.modules.activity_log]\n",
    );
    assert_ne!(mapped, document);
    crm.load(&mapped);
    for row in tables.unwrap() {
        sees_all(&crm, "ana", row.get(0));
    }
    sees_all(&crm, "ana", "visits");
    sees_none(&crm, "marta", "visits");
    let lead = crm.pick("leads", "owner_id = 9");
    for (sql, question) in [
        (
            "INSERT INTO visits VALUES (2, 'Vigo')".to_owned(),
            "SELECT count(*) = 2 FROM visits".to_owned(),
        ),
        (
            "UPDATE visits SET place = 'Lugo' WHERE id = 1".into(),
            "SELECT place = 'Lugo' FROM visits WHERE id = 1".into(),
        ),
        (
            "DELETE FROM visits WHERE id = 1".into(),
            "SELECT count(*) = 1 FROM visits".into(),
        ),
        (
            format!("UPDATE leads SET owner_id = 20, team_id = 6 WHERE id = {lead}"),
            format!("SELECT owner_id = 20 AND team_id = 6 FROM leads WHERE id = {lead}"),
        ),
        (
            "UPDATE workflows SET is_active = false".into(),
            "SELECT bool_and(NOT is_active) FROM workflows".into(),
        ),
        (
            "INSERT INTO user_roles (user_id, role) VALUES (40, 'seller')".into(),
            "SELECT EXISTS (SELECT FROM user_roles WHERE user_id = 40 AND role = 'seller')".into(),
        ),
        (
            "UPDATE users SET is_active = true WHERE login = 'ramon'".into(),
            "SELECT is_active FROM users WHERE login = 'ramon'".into(),
        ),
    ] {
        may(&crm, "ana", &sql, &question);
    }
    may_not(
        &crm,
        "marta",
        "INSERT INTO visits VALUES (3, 'Leon')",
        "visits",
    );
    may_not(
        &crm,
        "marta",
        "INSERT INTO user_roles (user_id, role) VALUES (40, 'manager')",
        "user_roles",
    );
}

#[test]
fn s1_31_every_cell_of_the_preset_can_be_edited() {
    let crm = matrix();
    let document = Database::preset_document("s1-matrix");
    let (before, support) = document.split_once("[permissions.support]").unwrap();
    // The optional cell: support without the catalogue.
    let edited = support.replacen(
        "products      = { read = [\"all\"] }",
        "campaigns = { read = [\"all\"] }",
        1,
    );
    assert_ne!(edited, support);
    sees_all(&crm, "sara", "products");
    sees_none(&crm, "sara", "campaigns");
    crm.load(&format!("{before}[permissions.support]{edited}"));
    sees_none(&crm, "sara", "products");
    sees_all(&crm, "sara", "campaigns");
    answers(
        &crm,
        "sergio",
        "SELECT id FROM products",
        "SELECT id FROM products",
    );
}
