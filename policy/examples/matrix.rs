//! Draws the picture of a made-up matrix: `cargo run --example matrix ROLES MODULES > picture.svg`.

use std::collections::BTreeSet;

use celador_policy::matrix::{PicturedGroup, picture};
use celador_policy::schema::{ColumnFacts, Schema, TableFacts, TableName};
use celador_policy::{Document, check};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|number| number.parse().ok());
    let (roles, modules) = (number().unwrap_or(7_usize), number().unwrap_or(20_usize));
    let mut text = "[mapping]\nschemas = [\"crm\"]\n".to_owned();
    let mut schema = Schema::default();
    let column = |type_name: &str| ColumnFacts {
        type_name: format!("pg_catalog.{type_name}"),
        ..ColumnFacts::default()
    };
    for module in 0..modules {
        text.push_str(&format!(
            "[mapping.modules.module_{module:03}]\ntable = \"m{module}\"\nowner = \"owner\"\ngroup = \"team\"\ncreator = \"author\"\n"
        ));
        let facts = TableFacts {
            kind: "r".to_owned(),
            columns: ["id", "owner", "team", "author"]
                .map(|name| (name.to_owned(), column("text")))
                .into(),
            primary_key: vec!["id".to_owned()],
            ..TableFacts::default()
        };
        schema
            .tables
            .insert(TableName::new("crm", format!("m{module}")), facts);
    }
    text.push_str("[settings.shared_inbox]\n");
    let scopes = [
        "\"own\"",
        "\"group\"",
        "\"group_tree\"",
        "\"all\"",
        "\"created\"",
        "{ scope = \"group\", when = \"shared_inbox\" }",
    ];
    for role in 0..roles {
        text.push_str(&format!("[permissions.role_number_{role:02}]\n"));
        for module in 0..modules {
            let pick = (role * 7 + module * 3) % 8;
            if let Some(scope) = scopes.get(pick) {
                let other = scopes[(role + module) % 4];
                text.push_str(&format!(
                    "module_{module:03} = {{ read = [{scope}], create = [\"own\"], update = [{other}], assign = [{other}], export = [{other}] }}\n"
                ));
            }
        }
    }
    own_tables(&mut schema);
    let document = Document::from_toml(&text)?;
    let set = check(&document, &text, &schema)?;
    let groups: Vec<PicturedGroup> = (0..roles)
        .map(|at| PicturedGroup {
            key: at.to_string(),
            name: Some(format!("Group {at}")),
            parent: (at > 0).then(|| ((at - 1) / 2).to_string()),
            members: at * 3,
            roles: if at == 1 {
                BTreeSet::from(["role_number_00".to_owned()])
            } else {
                BTreeSet::new()
            },
        })
        .collect();
    print!("{}", picture(&set, &groups));
    Ok(())
}

/// Celador's own tables, for a mapping without a directory.
fn own_tables(schema: &mut Schema) {
    let text = |name: &str| {
        (
            name.to_owned(),
            ColumnFacts {
                type_name: "pg_catalog.text".to_owned(),
                ..ColumnFacts::default()
            },
        )
    };
    let mut add = |name: &str, columns: &[&str], key: &[&str]| {
        let mut facts = TableFacts {
            kind: "r".to_owned(),
            columns: columns.iter().map(|name| text(name)).collect(),
            primary_key: key.iter().map(|name| (*name).to_owned()).collect(),
            ..TableFacts::default()
        };
        for (column, type_name) in [
            ("active", "bool"),
            ("value", "bool"),
            ("expires", "timestamptz"),
        ] {
            let own = !(column == "value" && name.starts_with("user_"));
            if let Some(facts) = facts.columns.get_mut(column).filter(|_| own) {
                facts.type_name = format!("pg_catalog.{type_name}");
            }
        }
        schema.tables.insert(TableName::new("celador", name), facts);
    };
    add(
        "users",
        &["user", "login", "active", "supervisor"],
        &["user"],
    );
    add("user_keys", &["user", "name", "value"], &[]);
    add("user_attributes", &["user", "name", "value"], &[]);
    add("groups", &["group", "name", "parent"], &["group"]);
    add("memberships", &["user", "group"], &[]);
    add("roles_held", &["user", "group", "role"], &[]);
    add(
        "shares",
        &[
            "module", "record", "user", "group", "level", "expires", "given_by",
        ],
        &[],
    );
    add("setting_values", &["group", "setting", "value"], &[]);
}
