//! What discovery proposes is a mapping, whatever the tables are called and hang on.

use celador_policy::discover::{Answer, Catalog, Certainty, Proposal, propose};
use celador_policy::{Document, Schema, TableName, check};
use proptest::prelude::*;
use serde_json::json;

use crate::schema_text::schema;

/// A catalog of tables in the short form of [`schema`]: what is required ends with `!`.
fn catalog(text: &str) -> (Schema, Catalog) {
    let schema = schema(&text.replace('!', ""));
    let mut clues = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, columns) = line.split_once(':').expect("a table has columns");
        let (of, name) = head.split_once('.').expect("schema.table");
        let name = name.split_whitespace().next().expect("a name");
        let facts = &schema.tables[&TableName::new(of, name)];
        let named: Vec<&str> = columns
            .split(',')
            .filter_map(|column| column.split_whitespace().next())
            .collect();
        let required = columns.split(',').filter(|column| column.contains('!'));
        let references: Vec<_> = facts
            .foreign_keys
            .iter()
            .map(|key| json!({ "columns": key.columns, "table": key.table, "to": ["id"], "cascades": false }))
            .collect();
        clues.push(json!({
            "table": { "schema": of, "name": name }, "rows": -1.0, "extension": null, "columns": named, "labels": {},
            "not_null": required.filter_map(|column| column.split_whitespace().next()).collect::<Vec<_>>(),
            "unique": [facts.primary_key], "references": references,
        }));
    }
    let clues = serde_json::Value::Array(clues).to_string();
    let catalog = Catalog::from_json(schema.clone(), &clues, &["public".to_owned()]);
    (schema, catalog.expect("the clues are clues"))
}

/// The proposal; its text is its mapping, and `check` takes it as it stands.
fn proposed(text: &str) -> Result<Proposal, String> {
    let (schema, catalog) = catalog(text);
    let proposal = propose(&catalog, &mut |_| {
        ["Account", "ticket", "Admin\"'\n", "odd"]
            .map(|value| Answer {
                value: value.to_owned(),
                label: Some(value.to_owned()),
            })
            .into()
    });
    let toml = proposal.to_toml();
    let document = Document::from_toml(&toml).map_err(|problems| format!("{problems}\n{toml}"))?;
    if document.mapping != proposal.mapping {
        return Err(format!(
            "the text says something else than the mapping:\n{toml}"
        ));
    }
    check(&document, &toml, &schema).map_err(|problems| format!("{problems}\n{toml}"))?;
    Ok(proposal)
}

const DESK: &str = "
public.users: id int8 pk !, login text, password text, is_active bool
public.accounts: id int8 pk !, owner_id int8 -> public.users, created_by int8 -> public.users
public.tickets: id int8 pk !, account_id int8 ! -> public.accounts, approved_by_id int8 -> public.users, user_id int8 -> public.users
public.ticket_lines: id int8 pk !, ticket_id int8 ! -> public.tickets, text text
public.wares: id int8 pk !, colour text
";

fn certainty(proposal: &Proposal, table: &str, what: &str, value: &str) -> Option<Certainty> {
    let found = proposal.guesses.iter().find(|guess| {
        guess
            .relation
            .as_ref()
            .is_some_and(|relation| relation.name == table)
            && guess.what == what
            && guess.value == value
    });
    found.map(|guess| guess.certainty)
}

#[test]
fn only_what_the_catalog_proves_is_certain() {
    let proposal = proposed(DESK).unwrap();
    let owner = |table, column| certainty(&proposal, table, "owner", column);
    assert_eq!(owner("accounts", "owner_id"), Some(Certainty::Certain));
    assert_eq!(owner("tickets", "user_id"), Some(Certainty::Likely));
    assert_eq!(owner("tickets", "approved_by_id"), Some(Certainty::Guess));
    // Without a key the same name proves nothing.
    let proposal = proposed(&DESK.replace(" -> public.users", "")).unwrap();
    let owner = |table, column| certainty(&proposal, table, "owner", column);
    assert_eq!(owner("accounts", "owner_id"), Some(Certainty::Likely));
    assert_eq!(owner("tickets", "approved_by_id"), None);
}

#[test]
fn guesses_are_comments_and_what_is_unknown_is_closed() {
    let proposal = proposed(DESK).unwrap();
    let text = proposal.to_toml();
    assert!(text.contains("# guess: owner = approved_by_id"), "{text}");
    assert!(text.contains("  \"wares\", # unplaced: "), "{text}");
    assert_eq!(proposal.mapping.closed, ["wares"]);
    assert!(certainty(&proposal, "wares", "unplaced", "wares").is_some());
    assert_eq!(
        certainty(&proposal, "ticket_lines", "child", "tickets by ticket_id"),
        Some(Certainty::Likely)
    );
}

#[test]
fn equal_catalogs_give_equal_texts() {
    assert_eq!(
        proposed(DESK).unwrap().to_toml(),
        proposed(DESK).unwrap().to_toml()
    );
}

#[test]
fn nobody_is_made_up_where_there_are_no_people() {
    let proposal = proposed("public.accounts: id int8 pk !, owner_id int8, name text").unwrap();
    assert_eq!(proposal.mapping.users, None);
    assert!(proposal.mapping.modules["accounts"].owner.is_empty());
}

const NAMES: [&str; 30] = [
    "users",
    "profiles",
    "employees",
    "teams",
    "team_members",
    "departments",
    "roles",
    "roles_users",
    "user_roles",
    "permissions_roles",
    "accounts",
    "companies",
    "contacts",
    "deals",
    "deal_lines",
    "tickets",
    "ticket_assignees",
    "notes",
    "attachments",
    "settings",
    "app_settings",
    "countries",
    "content_types",
    "sessions",
    "audit_logs",
    "ticket_history",
    "account_teams",
    "dashboards",
    "dashboard_widgets",
    "groups",
];
const COLUMNS: [&str; 26] = [
    "name",
    "login",
    "password",
    "email",
    "is_active",
    "role",
    "owner_id",
    "assigned_to_id",
    "user_id",
    "created_by",
    "updated_at",
    "team_id",
    "group_id",
    "account_id",
    "ticket_id",
    "deal_id",
    "parent_id",
    "record_id",
    "record_type",
    "resource",
    "employee_id",
    "manager_id",
    "dashboard_id",
    "deleted",
    "content_type_id",
    "object_id",
];
const TYPES: [&str; 6] = ["int8", "text", "bool", "timestamptz", "numeric", "uuid"];

/// A column as the short form writes it.
fn column() -> impl Strategy<Value = String> {
    let pick = (
        0..COLUMNS.len(),
        0..TYPES.len(),
        0..NAMES.len(),
        0..4_u8,
        any::<bool>(),
    );
    pick.prop_map(|(column, type_name, target, key, required)| {
        let required = if required { " !" } else { "" };
        // Most columns have the type of a key, as those of one CRM do.
        let (type_name, key) = match key {
            0 => (TYPES[type_name], String::new()),
            1 => ("int8", String::new()),
            _ => ("int8", format!(" -> public.{}", NAMES[target])),
        };
        format!("{} {type_name}{required}{key}", COLUMNS[column])
    })
}

/// A CRM that nobody would make: all names, and any columns with any keys.
fn crm() -> impl Strategy<Value = String> {
    let table = (any::<bool>(), proptest::collection::vec(column(), 0..7));
    proptest::collection::vec(table, NAMES.len()).prop_map(|tables| {
        let lines = NAMES.iter().zip(tables).map(|(name, (keyed, columns))| {
            let key = if keyed || *name == "users" {
                "id int8 pk !"
            } else {
                "id int8"
            };
            let mut seen = std::collections::BTreeSet::new();
            let columns: Vec<String> = columns
                .into_iter()
                .filter(|column| seen.insert(column.split(' ').next().map(str::to_owned)))
                .collect();
            let all = [vec![key.to_owned()], columns].concat();
            format!("public.{name}: {}", all.join(", "))
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_proposal_is_accepted_as_it_stands(crm in crm()) {
        if let Err(problem) = proposed(&crm) {
            prop_assert!(false, "{problem}\n{crm}");
        }
    }
}
