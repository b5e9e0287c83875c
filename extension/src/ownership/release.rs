//! What `release` does: the owners and the rights as `adopt` found them.

use std::collections::{BTreeMap, BTreeSet};

use celador_policy::quote;
use pgrx::prelude::*;
use serde_json::Value;

use super::acl::Acl;
use super::default_rights;
use super::inventory::{self, Object, ask};
use super::steps::{Step, grant, revoke};
use crate::{errors, relations};

/// An object as it was found, from `celador.adopted`.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) schema: String,
    pub(super) kind: String,
    pub(super) identity: String,
    relation: Option<String>,
    /// Who owned it.
    owner: String,
    /// The role that it was moved to.
    pub(super) keeper: String,
    pub(super) keeper_oid: pg_sys::Oid,
    app: String,
    pub(super) raw_acl: Option<String>,
    /// What it meant.
    pub(super) acl: Option<Acl>,
    columns: BTreeMap<String, KeptColumn>,
    /// By role, the letters that the adoption granted.
    pub(super) granted: BTreeMap<String, String>,
}

#[derive(Debug)]
struct KeptColumn {
    raw_acl: String,
    acl: Acl,
    granted: String,
}

fn kept(schema: &str) -> Vec<Kept> {
    let sql = format!(
        "SELECT a.kind, a.identity, a.relation::pg_catalog.oid, a.found_owner::pg_catalog.oid, a.owner::pg_catalog.oid,
           a.app::pg_catalog.oid, a.acl, pg_catalog.to_json(COALESCE(a.acl::pg_catalog.text[],
             pg_catalog.acldefault({}, a.found_owner::pg_catalog.oid)::pg_catalog.text[]))::pg_catalog.text,
           a.columns::pg_catalog.text, a.granted::pg_catalog.text
         FROM celador.adopted AS a WHERE a.schema::pg_catalog.text OPERATOR(pg_catalog.=) $1
         ORDER BY a.kind COLLATE pg_catalog.\"C\", a.identity COLLATE pg_catalog.\"C\"",
        Object::DEFAULT_KIND
    );
    ask(&sql, &[schema])
        .into_iter()
        .map(|row| {
            let text = |at: usize| row.get(at).cloned().flatten();
            let oid = |at: usize| {
                let oid = text(at).and_then(|oid| oid.parse::<u32>().ok());
                pg_sys::Oid::from(oid.unwrap_or_default())
            };
            Kept {
                schema: schema.to_owned(),
                kind: text(0).unwrap_or_default(),
                identity: text(1).unwrap_or_default(),
                relation: text(2),
                owner: relations::role_name(oid(3)),
                keeper: relations::role_name(oid(4)),
                keeper_oid: oid(4),
                app: relations::role_name(oid(5)),
                raw_acl: text(6),
                acl: text(7).map(|items| inventory::acl(&inventory::json(&items))),
                columns: columns(&inventory::json(&text(8).unwrap_or_default())),
                granted: letters(&inventory::json(&text(9).unwrap_or_default())),
            }
        })
        .collect()
}

fn columns(json: &Value) -> BTreeMap<String, KeptColumn> {
    let columns = json.as_object().into_iter().flatten();
    columns
        .map(|(number, column)| {
            let text = |key: &str| column[key].as_str().unwrap_or_default().to_owned();
            let kept = KeptColumn {
                raw_acl: text("acl"),
                acl: inventory::acl(&column["items"]),
                granted: text("granted"),
            };
            (number.clone(), kept)
        })
        .collect()
}

fn letters(json: &Value) -> BTreeMap<String, String> {
    let granted = json.as_object().into_iter().flatten();
    granted
        .map(|(role, letters)| {
            (
                role.clone(),
                letters.as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

/// What releasing the schema would do; `None`: it isn't adopted.
pub(super) fn plan(schema: &str) -> Option<Vec<Step>> {
    let kept = kept(schema);
    let first = kept.first()?;
    let (keeper_oid, keeper, app) = (first.keeper_oid, first.keeper.clone(), first.app.clone());
    let existing = roles();
    for role in [&keeper, &app] {
        if !existing.contains(role) {
            errors::raise(
                PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
                format!("one of the roles between which schema \"{schema}\" has moved is gone"),
                "Leave its objects to whom they belong: DELETE FROM celador.adopted WHERE schema = '…'.",
            );
        }
    }
    let schemas = [schema.to_owned()];
    let now = inventory::of(keeper_oid, &schemas, pg_sys::InvalidOid);
    let mut phases = Phases::default();
    let mut seen = BTreeSet::new();
    for object in now.iter().filter(|object| !object.is_member) {
        let found = kept.iter().position(|kept| {
            kept.kind == object.kind
                && if kept.relation.is_some() {
                    kept.relation == object.relation
                } else {
                    kept.identity == object.identity
                }
        });
        match found.and_then(|at| Some((at, kept.get(at)?))) {
            Some((at, kept)) => {
                seen.insert(at);
                if kept.owner != keeper {
                    phases.put_back(object, kept, &existing);
                }
            }
            None => phases.came_later(object, &app),
        }
    }
    for (at, kept) in kept.iter().enumerate() {
        if kept.kind == default_rights::KIND {
            phases.rights.extend(default_rights::release(kept));
        } else if !seen.contains(&at) {
            let note = format!("no longer belongs to \"{keeper}\", or is gone: left as it is");
            phases.rights.push(Step::note(&kept.identity, note));
        }
    }
    let Phases {
        revokes,
        owners,
        rights,
    } = phases;
    Some([revokes, owners, rights].concat())
}

/// First goes what was granted, then owners change, then rights are put right: a sequence changes
/// hands with its table.
#[derive(Default)]
struct Phases {
    revokes: Vec<Step>,
    owners: Vec<Step>,
    rights: Vec<Step>,
}

impl Phases {
    fn change_owner(&mut self, object: &Object, owner: &str) {
        let Some(word) = object.alter_word().filter(|_| !object.goes_along) else {
            return;
        };
        let ddl = format!(
            "ALTER {word} {} OWNER TO {}",
            object.identity,
            quote::name(owner)
        );
        self.owners
            .push(Step::statement(&object.identity, object.lock(), ddl));
    }

    fn came_later(&mut self, object: &Object, app: &str) {
        if object.goes_along {
            return;
        }
        let note = format!("has come since the adoption: goes to \"{app}\"");
        self.owners.push(Step::note(&object.identity, note));
        self.change_owner(object, app);
    }

    fn put_back(&mut self, object: &Object, kept: &Kept, existing: &BTreeSet<String>) {
        let (Some(acl), Some(was), Some(on)) = (&object.acl, &kept.acl, object.grant_word()) else {
            return self.change_owner(object, &kept.owner);
        };
        let name = &object.identity;
        let mut now = acl.clone();
        for (role, letters) in &kept.granted {
            let ddl = revoke(letters, None, on, name, role);
            self.revokes.push(Step::statement(name, None, ddl));
            now.revoke(role, &kept.keeper, letters);
        }
        let touched = !kept.granted.is_empty() || object.raw_acl.is_some();
        now.change_owner(&kept.keeper, &kept.owner);
        let mut columns = Vec::new();
        for column in &object.columns {
            let Some(was) = kept.columns.get(&column.number) else {
                continue;
            };
            let mut now = column.acl.clone();
            if !was.granted.is_empty() {
                let ddl = revoke(&was.granted, Some(&column.name), on, name, &kept.app);
                self.revokes.push(Step::statement(name, None, ddl));
            }
            // REVOKE on the table takes the columns' as well.
            now.revoke(&kept.app, &kept.keeper, "rawx");
            now.change_owner(&kept.keeper, &kept.owner);
            columns.push((column, was, now));
        }
        self.change_owner(object, &kept.owner);
        let as_found = self.put_right(object, None, &mut now, was, kept, existing);
        if as_found && touched {
            let ddl = object.write_acl(kept.raw_acl.as_deref());
            let written = ddl.map(|ddl| Step::statement(name, None, ddl));
            self.rights.extend(written);
        }
        for (column, was, mut now) in columns {
            if self.put_right(
                object,
                Some(&column.name),
                &mut now,
                &was.acl,
                kept,
                existing,
            ) {
                let ddl = object.write_column_acl(&column.number, &was.raw_acl);
                self.rights.push(Step::statement(name, None, ddl));
            }
        }
    }

    /// Takes from the two roles what the adoption has left them, and gives back what it has taken.
    /// What others have been given since stays. Whether all is as it was found.
    fn put_right(
        &mut self,
        object: &Object,
        column: Option<&str>,
        now: &mut Acl,
        was: &Acl,
        kept: &Kept,
        existing: &BTreeSet<String>,
    ) -> bool {
        let (Some(on), name) = (object.grant_word(), &object.identity) else {
            return false;
        };
        for share in now.beyond(was) {
            if [&kept.app, &kept.keeper, &kept.owner].contains(&&share.grantee) {
                let ddl = revoke(&share.privileges, column, on, name, &share.grantee);
                self.rights.push(Step::statement(name, None, ddl));
                now.revoke(&share.grantee, &share.grantor, &share.privileges);
            }
        }
        for share in was.beyond(now) {
            let known = share.grantee.is_empty() || existing.contains(&share.grantee);
            if share.grantor == kept.owner && known {
                let ddl = grant(
                    &share.privileges,
                    column,
                    on,
                    name,
                    &share.grantee,
                    share.passed_on,
                );
                self.rights.push(Step::statement(name, None, ddl));
                now.grant(&share);
            }
        }
        let roles_are_there = was.roles().iter().all(|role| existing.contains(*role));
        if now != was || !roles_are_there {
            let note = "its rights have been changed since the adoption: what is new stays";
            self.rights.push(Step::note(name, note.to_owned()));
            return false;
        }
        true
    }
}

fn roles() -> BTreeSet<String> {
    ask("SELECT r.rolname FROM pg_catalog.pg_roles AS r", &[])
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect()
}
