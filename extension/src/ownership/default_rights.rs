//! Rights on objects that are still to be made: ALTER DEFAULT PRIVILEGES. What the owner makes later
//! is open to the application, and to those to whom the application would have given it.

use std::collections::BTreeMap;

use celador_policy::quote;
use serde_json::{Map, json};

use super::acl::{Acl, Share};
use super::adopt::{Adoption, Found};
use super::inventory::{self, ask};
use super::release::Kept;
use super::roles::Roles;
use super::steps::{Step, default_grant, default_revoke};
use pgrx::pg_sys;

/// How `celador.adopted` calls them.
pub(super) const KIND: &str = "default rights";

/// What they are about: PostgreSQL's letter, its word, what the application is given.
const ABOUT: [(&str, &str, &str); 4] = [
    ("r", "TABLES", "rawd"),
    ("S", "SEQUENCES", "rwU"),
    ("f", "ROUTINES", ""),
    ("T", "TYPES", ""),
];

const ROWS: &str = "\
SELECT d.defaclobjtype, d.defaclnamespace OPERATOR(pg_catalog.=) 0::pg_catalog.oid, d.defaclacl::pg_catalog.text,
  pg_catalog.to_json(d.defaclacl::pg_catalog.text[])::pg_catalog.text,
  pg_catalog.to_json(pg_catalog.acldefault(CASE WHEN d.defaclobjtype OPERATOR(pg_catalog.=) 'S'::pg_catalog.\"char\"
    THEN 's'::pg_catalog.\"char\" ELSE d.defaclobjtype END, d.defaclrole)::pg_catalog.text[])::pg_catalog.text
FROM pg_catalog.pg_default_acl AS d
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) d.defaclnamespace
WHERE d.defaclrole OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)
  AND COALESCE(n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) $2, true)
  AND d.defaclobjtype OPERATOR(pg_catalog.<>) 'n'::pg_catalog.\"char\"
ORDER BY 1, 2";

/// A row of `pg_default_acl`.
struct Row {
    about: String,
    everywhere: bool,
    raw: Option<String>,
    acl: Acl,
    default: Acl,
}

fn rows(role: pg_sys::Oid, schema: &str) -> Vec<Row> {
    let rows = ask(ROWS, &[&role.to_u32().to_string(), schema]);
    rows.into_iter()
        .map(|row| {
            let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            Row {
                about: text(0),
                everywhere: text(1) == "t",
                raw: row.get(2).cloned().flatten(),
                acl: inventory::acl(&inventory::json(&text(3))),
                default: inventory::acl(&inventory::json(&text(4))),
            }
        })
        .collect()
}

fn in_schema(rows: &[Row], about: &str) -> (Option<String>, Acl) {
    let row = rows
        .iter()
        .find(|row| row.about == about && !row.everywhere);
    row.map_or_else(
        || (None, Acl::default()),
        |row| (row.raw.clone(), row.acl.clone()),
    )
}

fn identity(word: &str, schema: &str) -> String {
    format!("{word} IN SCHEMA {}", quote::name(schema))
}

/// Adds what an adoption does to them.
pub(super) fn adopt(adoption: &mut Adoption, schema: &str, roles: &Roles) {
    let of_app = rows(roles.app_oid, schema);
    let of_owner = rows(roles.owner_oid, schema);
    for (about, word, letters) in ABOUT {
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        if !letters.is_empty() {
            wanted.insert(roles.app.clone(), letters.to_owned());
        }
        for row in of_app.iter().filter(|row| row.about == about) {
            let gives = if row.everywhere {
                row.acl.beyond(&row.default)
            } else {
                row.acl.beyond(&Acl::default())
            };
            for share in gives {
                if share.grantee != roles.app && share.grantee != roles.owner {
                    wanted
                        .entry(share.grantee)
                        .or_default()
                        .push_str(&share.privileges);
                }
            }
            if row.everywhere && !row.default.beyond(&row.acl).is_empty() {
                let note = format!(
                    "\"{}\" takes rights on {word} away by default; ALTER DEFAULT PRIVILEGES FOR ROLE \"{}\" alike",
                    roles.app, roles.owner
                );
                adoption
                    .steps
                    .push(Step::note(&identity(word, schema), note));
            }
        }
        let (raw, has) = in_schema(&of_owner, about);
        let mut granted = Map::new();
        for (grantee, letters) in wanted {
            let held = has.held_by(&grantee);
            let lacking: String = letters.chars().filter(|it| !held.contains(it)).collect();
            if !lacking.is_empty() {
                adoption.steps.push(Step::statement(
                    &identity(word, schema),
                    None,
                    default_grant(&roles.owner, schema, &lacking, word, &grantee),
                ));
                granted.insert(grantee, json!(lacking));
            }
        }
        if !granted.is_empty() {
            adoption.found.push(Found {
                schema: schema.to_owned(),
                kind: KIND.to_owned(),
                identity: identity(word, schema),
                relation: None,
                owner: roles.owner.clone(),
                acl: raw,
                columns: Map::new(),
                granted,
            });
        }
    }
}

/// What puts them back.
pub(super) fn release(kept: &Kept) -> Vec<Step> {
    let word = kept.identity.split(' ').next().unwrap_or_default();
    let Some((about, word, _)) = ABOUT.iter().find(|(_, known, _)| *known == word) else {
        return Vec::new();
    };
    let object = identity(word, &kept.schema);
    let mut steps = Vec::new();
    let (_, mut now) = in_schema(&rows(kept.keeper_oid, &kept.schema), about);
    for (grantee, letters) in &kept.granted {
        let ddl = default_revoke(&kept.keeper, &kept.schema, letters, word, grantee);
        steps.push(Step::statement(&object, None, ddl));
        now.revoke(grantee, &kept.keeper, letters);
    }
    let Some(was) = kept.acl.as_ref().filter(|_| kept.raw_acl.is_some()) else {
        return steps;
    };
    for share in was.beyond(&now) {
        let Share {
            grantee,
            privileges,
            ..
        } = &share;
        let ddl = default_grant(&kept.keeper, &kept.schema, privileges, word, grantee);
        steps.push(Step::statement(&object, None, ddl));
        now.grant(&share);
    }
    if now == *was {
        steps.push(Step::statement(
            &object,
            None,
            format!(
                "UPDATE pg_catalog.pg_default_acl SET defaclacl = {}::pg_catalog.aclitem[] \
                 WHERE defaclrole OPERATOR(pg_catalog.=) {}::pg_catalog.regrole \
                 AND defaclnamespace OPERATOR(pg_catalog.=) {}::pg_catalog.regnamespace \
                 AND defaclobjtype OPERATOR(pg_catalog.=) '{about}'::pg_catalog.\"char\"",
                quote::text(kept.raw_acl.as_deref().unwrap_or_default()),
                quote::text(&quote::name(&kept.keeper)),
                quote::text(&quote::name(&kept.schema)),
            ),
        ));
    }
    steps
}
