//! BottleCRM, as it is, under two presets. It divides its organizations by row security of its own.

use std::collections::BTreeMap;

use celador_tests::acceptance::{Crm, choose_organization};
use celador_tests::{Database, denied, failure};
use postgres::Client;

const MICROPYRAMID: &str = "e559e293-b795-4e02-8956-7bede579b366";
const SLATE: &str = "b6bb2f14-139b-4a1a-b58d-6184c5ca182b";

/// The organization of each phase of the recording.
const ORGANIZATIONS: [(&str, &str); 2] = [("org0", MICROPYRAMID), ("org1", SLATE)];

#[test]
fn s1_rows_equal_hand_written_clauses() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    crm.assert_preset("s1-matrix");
}

#[test]
fn s4_rows_equal_hand_written_clauses() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    crm.assert_preset("s4-groups-agents");
}

#[test]
fn s1_recorded_statements_replay() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    crm.assert_replays("s1-matrix", &ORGANIZATIONS);
}

#[test]
fn s4_recorded_statements_replay() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    crm.assert_replays("s4-groups-agents", &ORGANIZATIONS);
}

/// Whatever can be masked is, for everybody but administrators; and they write all of it.
#[test]
fn recorded_statements_replay_with_every_column_masked() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    crm.assert_replays_masked("s1-matrix", &ORGANIZATIONS);
}

/// BottleCRM's policies and the flags of row security, by table.
fn own_policies(database: &Database) -> BTreeMap<String, Vec<String>> {
    let rows = database.superuser().query(
        r"SELECT c.relname::text, pg_catalog.concat_ws(' ', p.polname, p.polpermissive, p.polcmd, p.polroles,
            pg_catalog.pg_get_expr(p.polqual, c.oid), pg_catalog.pg_get_expr(p.polwithcheck, c.oid),
            c.relrowsecurity, c.relforcerowsecurity)
          FROM pg_catalog.pg_policy AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
          WHERE c.relnamespace = 'public'::regnamespace AND p.polname NOT LIKE 'celador\_%'
          ORDER BY c.relname, p.polname",
        &[],
    );
    let mut policies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.expect("the catalog can be read") {
        policies.entry(row.get(0)).or_default().push(row.get(1));
    }
    policies
}

fn count(client: &mut Client, table: &str, clause: &str) -> i64 {
    client
        .query_one(
            &format!("SELECT count(*) FROM \"{table}\" WHERE {clause}"),
            &[],
        )
        .unwrap_or_else(|error| panic!("{table}: {error:?}"))
        .get(0)
}

#[test]
fn its_own_120_policies_hold() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    let found = own_policies(&crm.unprotected());
    let database = crm.preset("s1-matrix");
    let kept = own_policies(&database);
    assert_eq!(kept.values().map(Vec::len).sum::<usize>(), 120);
    assert_eq!(found, kept, "policies and flags are as they were found");

    let mut superuser = database.superuser();
    let mut seller = crm.person("selim").session(&database);
    let mut administrator = crm.person("adam").session(&database);
    choose_organization(&mut seller, SLATE);
    for table in kept.keys().filter(|table| *table != "product") {
        // What everybody may read stays divided by the organization; nothing else is left.
        let everybody = ["profile", "tags", "teams"].contains(&table.as_str());
        let organization = if everybody { SLATE } else { "none" };
        let should = count(
            &mut superuser,
            table,
            &format!("org_id::text = '{organization}'"),
        );
        assert_eq!(count(&mut seller, table, "true"), should, "{table}");
    }
    for organization in [SLATE, ""] {
        choose_organization(&mut administrator, organization);
        for table in kept
            .keys()
            .filter(|table| *table != "personal_access_token")
        {
            let should = count(
                &mut superuser,
                table,
                &format!("org_id::text = '{organization}'"),
            );
            assert_eq!(
                count(&mut administrator, table, "true"),
                should,
                "{table} of {organization:?}"
            );
        }
    }

    choose_organization(&mut administrator, MICROPYRAMID);
    let insert = |organization: &str| {
        format!(
            "INSERT INTO solution (created_at, updated_at, id, title, description, status, is_published, org_id)
             VALUES (now(), now(), gen_random_uuid(), 'Restart it', '', 'draft', false, '{organization}')"
        )
    };
    administrator
        .batch_execute(&insert(MICROPYRAMID))
        .expect("within the organization");
    denied(administrator.batch_execute(&insert(SLATE)));
}

/// A restriction that the presets don't have: one's own organization, whatever the application says.
#[test]
fn a_restriction_can_bind_people_to_their_organization() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    let database = crm.unprotected();
    let document = crm.document("s1-matrix").replace(
        "keys = { user = \"id\", account = \"user_id\" }\n",
        "keys = { user = \"id\", account = \"user_id\" }\nattributes = { organization = \"org_id\" }\n",
    );
    database.load(&format!(
        "{document}\n[restrictions.organization]\nmodule = [\"accounts\", \"contacts\"]\npredicate = \"org_id = me.organization\"\n"
    ));
    let mut administrator = crm.person("adam").session(&database);
    assert!(count(&mut administrator, "accounts", "true") > 0);
    choose_organization(&mut administrator, SLATE);
    for table in ["accounts", "contacts"] {
        assert_eq!(count(&mut administrator, table, "true"), 0, "{table}");
    }
    assert!(
        count(&mut administrator, "lead", "true") > 0,
        "leads aren't restricted"
    );
}

/// A profile is active, and the account that it belongs to.
#[test]
fn x_7_a_deactivated_profile_or_account_is_nobody_from_the_next_statement() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    let database = crm.preset("s1-matrix");
    let selim = crm.person("selim");
    let mut session = selim.session(&database);
    for (table, key) in [("profile", "me"), ("users", "account")] {
        let set = |active: bool| {
            let key = selim.value(key);
            database.run(&format!(
                "UPDATE {table} SET is_active = {active} WHERE id = '{key}'"
            ));
        };
        assert!(count(&mut session, "accounts", "true") > 0, "{table}");
        set(false);
        denied(session.query("SELECT count(*) FROM accounts", &[]));
        denied(session.query("SELECT count(*) FROM django_content_type", &[]));
        set(true);
    }
    // Signing in is written to the account at each time, and changes nothing.
    assert!(count(&mut session, "accounts", "true") > 0);
    database.run("UPDATE users SET last_login = now()");
    assert!(count(&mut session, "django_content_type", "true") > 0);
}

/// The mapping leaves no table out: without one of its lines the load stops, and says which.
#[test]
fn every_table_is_placed() {
    let Some(crm) = Crm::find("bottlecrm") else {
        return;
    };
    let database = crm.unprotected();
    let line = "  { table = \"emailLogs\", column = \"email_id\" },\n";
    let document = crm.document("s1-matrix");
    assert!(document.contains(line));
    let refused = failure(database.superuser().query(
        "SELECT celador.load_policy($1)",
        &[&document.replace(line, "")],
    ));
    let text = format!("{refused:?}");
    assert!(
        refused
            .message
            .contains("table public.emailLogs is not placed"),
        "{text}"
    );
}
