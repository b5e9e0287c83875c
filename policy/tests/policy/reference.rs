//! The reference of the document's keys: complete, true, and as committed.

#[path = "../../examples/reference/markdown.rs"]
mod markdown;

use celador_policy::{Document, check};
use markdown::{EXAMPLES, markdown, sections};

use crate::schema_text::schema;

const TABLES: &str = "
public.auth_user: id int8 pk, username text, is_active bool, manager text, region_code text, kind text
public.employees: user_id int8, employee_id uuid, supervisor_id uuid, left_on date, region text
public.teams: id int4 pk, name text, parent_id int4, archived bool
public.team_members: employee_id uuid, team_id int4, active bool
public.profiles: username text, role text, active bool
public.team_roles: team_id int4, role text
public.account_guests: account_id int8, username text, until timestamptz, accepted bool
public.team_accounts: account_id int8, team_id int4
public.switches: team_id int4, name text, is_on bool
public.accounts: id int8 pk, employee_id uuid, owner_login text, created_by uuid, updated_at timestamptz, phone_number text, region text
public.account_filing: account_id int8, team_id int4
public.contacts: id int8 pk, account_id int8, region text
public.contact_owners: contact_id int8, employee_id uuid
public.contact_addresses: id int8 pk, contact_id int8
public.address_checks: id int8 pk, address_id int8
public.attachments: id int8 pk, resource varchar
public.notes: id int8 pk, author_id int8, record_id int8, record_type text
public.dashboards: id int8 pk, owner_id int8
public.passes: kind text, record_id int8, team_id int4, rights text
public.tickets: id int8 pk, agent_id int8
public.record_teams: kind text, record_id int8, team_id int4, removed bool
public.record_users: kind text, record_id int8, employee_id uuid, removed bool
public.ticket_contacts: ticket_id int8, contact_id int8, removed bool
public.record_files: id int8 pk, kind text, record_id int8
public.activities: id int8 pk, kind text
public.sign_ins: employee_id uuid, name text, closed bool
public.countries: code text pk
public.currencies: code text pk
public.schema_migrations: id int8 pk
";

#[test]
fn the_committed_reference_is_up_to_date() {
    let committed = include_str!("../../../docs/policy-reference.md");
    assert!(
        committed == markdown(),
        "run cargo run -p celador-policy --example reference"
    );
}

#[test]
fn every_key_has_a_meaning_and_an_example() {
    let sections = sections();
    assert!(sections.len() > 20);
    for key in sections.iter().flat_map(|section| &section.keys) {
        let path = key.path.join(".");
        assert!(!key.meaning.is_empty(), "{path} has no meaning");
        assert!(!key.takes.is_empty(), "{path} takes nothing");
        assert!(key.example.is_some(), "{path} has no example");
    }
}

#[test]
fn the_examples_are_policies() {
    for text in EXAMPLES {
        let document = Document::from_toml(text).expect("the examples are a document");
        let named: Vec<&str> = TABLES
            .lines()
            .filter(|line| {
                let table = line.trim_start_matches("public.").split(':').next();
                table
                    .is_none_or(|table| text == EXAMPLES[0] || text.contains(&format!("{table:?}")))
            })
            .collect();
        let set = check(&document, text, &schema(&named.join("\n")));
        let set = set.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(set.unmapped.is_empty(), "{:?}", set.unmapped);
    }
}
