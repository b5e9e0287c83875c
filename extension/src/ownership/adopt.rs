//! What `adopt` does: the schema's objects go to a role that nobody logs in as, and the
//! application is granted what it had in effect, but for what breaks protection.

use std::collections::BTreeSet;

use celador_policy::quote;
use serde_json::{Map, Value, json};

use super::default_rights;
use super::inventory::{self, Object};
use super::roles::Roles;
use super::steps::{Step, grant};

/// What is kept in `celador.adopted` of one object.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) schema: String,
    pub(super) kind: String,
    pub(super) identity: String,
    pub(super) relation: Option<String>,
    pub(super) owner: String,
    pub(super) acl: Option<String>,
    /// By number: the access list found, and the letters granted.
    pub(super) columns: Map<String, Value>,
    /// By role: the letters granted.
    pub(super) granted: Map<String, Value>,
}

/// An adoption, step by step, with what to remember of what was found.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    pub(super) steps: Vec<Step>,
    pub(super) found: Vec<Found>,
}

/// What adopting these schemas would do.
pub(super) fn plan(schemas: &[String], roles: &Roles) -> Adoption {
    let mut adoption = Adoption::default();
    if roles.owner_oid == pgrx::pg_sys::InvalidOid {
        adoption.steps.push(Step::statement(
            &roles.owner,
            None,
            format!("CREATE ROLE {} NOLOGIN", quote::name(&roles.owner)),
        ));
    }
    for object in inventory::of(roles.app_oid, schemas, roles.owner_oid) {
        adoption.move_over(&object, roles);
    }
    if roles.owner_oid != pgrx::pg_sys::InvalidOid {
        for object in inventory::of(roles.owner_oid, schemas, roles.owner_oid) {
            if !object.is_member {
                adoption.found.push(Found::of(&object));
            }
        }
    }
    for schema in schemas {
        default_rights::adopt(&mut adoption, schema, roles);
    }
    adoption.report_others(schemas, roles);
    adoption
}

impl Adoption {
    fn move_over(&mut self, object: &Object, roles: &Roles) {
        if object.is_member {
            return;
        }
        let word = match (&object.stays, object.alter_word()) {
            (None, Some(word)) => word,
            (Some(why), _) => {
                let why = format!("stays with \"{}\": {why}", roles.app);
                return self.steps.push(Step::note(&object.identity, why));
            }
            (None, None) => {
                let why = format!(
                    "stays with \"{}\": Celador can't move a {}",
                    roles.app, object.kind
                );
                return self.steps.push(Step::note(&object.identity, why));
            }
        };
        let mut found = Found::of(object);
        if !object.goes_along {
            let owner = quote::name(&roles.owner);
            self.steps.push(Step::statement(
                &object.identity,
                object.lock(),
                format!("ALTER {word} {} OWNER TO {owner}", object.identity),
            ));
        }
        if let (Some(acl), Some(on)) = (&object.acl, object.grant_word()) {
            // pg_database_owner stands for the database's owner.
            let mut had = acl.held_by(&roles.app);
            if object.owner != roles.app {
                had.extend(acl.held_by(&object.owner));
            }
            let everybody = acl.held_by("");
            let kept: String = object
                .keepable()
                .chars()
                .filter(|letter| had.contains(letter) && !everybody.contains(letter))
                .collect();
            if !kept.is_empty() {
                let ddl = grant(&kept, None, on, &object.identity, &roles.app, false);
                self.steps
                    .push(Step::statement(&object.identity, None, ddl));
                found.granted.insert(roles.app.clone(), json!(kept));
            }
            for column in &object.columns {
                let own: BTreeSet<char> = column.acl.held_by(&roles.app);
                let letters: String = "raw"
                    .chars()
                    .filter(|letter| own.contains(letter) && !kept.contains(*letter))
                    .collect();
                if !letters.is_empty() {
                    let ddl = grant(
                        &letters,
                        Some(&column.name),
                        on,
                        &object.identity,
                        &roles.app,
                        false,
                    );
                    self.steps
                        .push(Step::statement(&object.identity, None, ddl));
                }
                found.columns.insert(
                    column.number.clone(),
                    json!({ "acl": column.raw_acl, "items": column.items, "granted": letters }),
                );
            }
        }
        self.found.push(found);
    }

    /// Says what is left to its owners, and what the application can still do.
    fn report_others(&mut self, schemas: &[String], roles: &Roles) {
        let others = inventory::ask(
            OTHERS,
            &[
                &inventory::array(schemas),
                &roles.app_oid.to_u32().to_string(),
                &roles.owner_oid.to_u32().to_string(),
            ],
        );
        for row in others {
            let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
            self.steps.push(Step::note(&text(0), text(1)));
        }
    }
}

impl Found {
    fn of(object: &Object) -> Self {
        Self {
            schema: object.schema.clone(),
            kind: object.kind.clone(),
            identity: object.identity.clone(),
            relation: object.relation.clone(),
            owner: object.owner.clone(),
            acl: object.raw_acl.clone(),
            columns: Map::new(),
            granted: Map::new(),
        }
    }
}

/// What isn't moved, and matters: relations and schemas of others, publications that copy rows out,
/// a database that the application may drop.
const OTHERS: &str = "\
SELECT c.oid::pg_catalog.regclass::pg_catalog.text,
  pg_catalog.format(CASE WHEN pg_catalog.pg_has_role(CAST($2 AS pg_catalog.oid), c.relowner, 'MEMBER')
    THEN 'stays with %I, and %I is a member of that role: revoke it' ELSE 'stays with %I' END,
    c.relowner::pg_catalog.regrole::pg_catalog.text, CAST($2 AS pg_catalog.oid)::pg_catalog.regrole::pg_catalog.text)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (CAST($1 AS pg_catalog.text[]))
  AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'f', 'v', 'm', 'S']::pg_catalog.\"char\"[])
  AND c.relowner OPERATOR(pg_catalog.<>) ALL (ARRAY[CAST($2 AS pg_catalog.oid), CAST($3 AS pg_catalog.oid)])
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog.\"char\")
UNION ALL
SELECT n.nspname::pg_catalog.text, pg_catalog.format(CASE
    WHEN NOT pg_catalog.has_schema_privilege(CAST($3 AS pg_catalog.oid), n.oid, 'USAGE')
      THEN 'the schema stays with %I: GRANT USAGE, CREATE on it to the new owner, or foreign keys can''t be checked'
    WHEN NOT pg_catalog.has_schema_privilege(CAST($3 AS pg_catalog.oid), n.oid, 'CREATE')
      THEN 'the schema stays with %I: GRANT CREATE on it to the new owner, for migrations'
    ELSE 'the schema stays with %I' END, n.nspowner::pg_catalog.regrole::pg_catalog.text)
FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_database AS b
  ON b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (CAST($1 AS pg_catalog.text[]))
  AND n.nspowner OPERATOR(pg_catalog.<>) ALL (ARRAY[CAST($2 AS pg_catalog.oid), CAST($3 AS pg_catalog.oid)])
  AND NOT (n.nspowner OPERATOR(pg_catalog.=) 'pg_database_owner'::pg_catalog.regrole
    AND b.datdba OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid))
UNION ALL
SELECT c.oid::pg_catalog.regclass::pg_catalog.text,
  'its row security wasn''t forced on its owner: from now on it applies to the application'
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (CAST($1 AS pg_catalog.text[]))
  AND c.relowner OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid) AND c.relrowsecurity AND NOT c.relforcerowsecurity
UNION ALL
SELECT p.pubname::pg_catalog.text, 'the publication stays: it sends rows as they are stored'
FROM pg_catalog.pg_publication AS p WHERE p.pubowner OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid)
UNION ALL
SELECT e.evtname::pg_catalog.text, 'the event trigger stays: it runs in everybody''s statements'
FROM pg_catalog.pg_event_trigger AS e WHERE e.evtowner OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid)
UNION ALL
SELECT b.datname::pg_catalog.text, 'the database stays with the application: it can drop it, and make schemas in it'
FROM pg_catalog.pg_database AS b WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
  AND b.datdba OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid)
ORDER BY 1, 2";
