//! Rules about the installation: SQL over the catalogs, the directory, and what the extension
//! tells of the server.

mod columns;
mod copies;
mod people;
mod roles;
mod server;
mod tables;

use std::collections::BTreeSet;

use serde::Serialize;

use super::Rule;
use crate::directory::listing;
use crate::policy_set::{
    Column, GroupPlace, Link, Module, Owner, ParentTarget, Placement, PolicySet, RowFilter,
};
use crate::schema::TableName;

/// The rules about the installation.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        server::RULES,
        roles::RULES,
        people::RULES,
        tables::RULES,
        columns::RULES,
        copies::RULES,
    ]
    .into_iter()
    .flatten()
}

/// What the extension tells of the server: the parameter of every query, as JSON.
#[derive(Debug, Default, Serialize)]
pub struct Server {
    /// Whether the library saw the session begin.
    pub preloaded: bool,
    /// The library's version.
    pub library: String,
    /// Why the key file can't be used.
    pub key_problem: Option<String>,
    /// How old it is, in days.
    pub key_days: Option<u64>,
    /// Whether it lies in the data directory.
    pub key_inside: bool,
    /// Which hole the server's release has.
    pub old_release: Option<String>,
    /// Who holds which role: active people by `user` key.
    pub holders: Vec<(String, String)>,
}

/// What the policy tells the queries, beside the directory's SQL.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    server: &'a Server,
    schemas: &'a [String],
    placed: Vec<Placed<'a>>,
    reached_by: Vec<ReachedBy<'a>>,
    known: Vec<Known<'a>>,
    roles: Vec<Role<'a>>,
    modules: Vec<&'a str>,
    named: Vec<Named<'a>>,
    values: Vec<Values<'a>>,
    administrator_limit: u32,
    review_days: u32,
}

#[derive(Serialize)]
struct Placed<'a> {
    schema: &'a str,
    name: &'a str,
    place: &'static str,
    module: Option<&'a str>,
}

/// A column that decides whose a row is, or whether it counts.
#[derive(Serialize)]
struct ReachedBy<'a> {
    schema: &'a str,
    name: &'a str,
    column: &'a str,
    what: &'static str,
}

/// The columns that the policy knows of a table in which something is masked.
#[derive(Serialize)]
struct Known<'a> {
    schema: &'a str,
    name: &'a str,
    columns: &'a BTreeSet<String>,
}

#[derive(Serialize)]
struct Role<'a> {
    role: &'a str,
    administrator: bool,
    /// It reaches rows by group.
    by_group: bool,
}

#[derive(Serialize)]
struct Values<'a> {
    source: usize,
    known: Option<Vec<&'a str>>,
}

/// Whom a restriction names.
#[derive(Serialize)]
struct Named<'a> {
    restriction: &'a str,
    user: Option<&'a str>,
    group: Option<&'a str>,
}

/// The parameter of the queries: one JSON value.
///
/// # Errors
/// When it can't be written as JSON.
pub fn parameter(server: &Server, policy: Option<&PolicySet>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Told {
        server,
        schemas: policy.map_or(&[], |policy| &policy.schemas),
        placed: policy.map_or_else(Vec::new, placed),
        reached_by: policy.map_or_else(Vec::new, reached_by),
        known: policy.map_or_else(Vec::new, known),
        roles: policy.map_or_else(Vec::new, roles),
        modules: policy.map_or_else(Vec::new, |policy| {
            policy.modules.keys().map(String::as_str).collect()
        }),
        named: policy.map_or_else(Vec::new, named),
        values: policy.map_or_else(Vec::new, values),
        administrator_limit: policy
            .and_then(|policy| policy.administrator_limit)
            .unwrap_or(super::ADMINISTRATORS),
        review_days: policy
            .and_then(|policy| policy.review_days)
            .unwrap_or(super::REVIEW_DAYS),
    })
}

/// What stands before each rule's query: common tables by name.
pub fn prelude(policy: Option<&PolicySet>) -> String {
    let nothing = |columns: &str| format!("SELECT {columns} WHERE false");
    let (people, members, groups, shares, holders) = match policy {
        Some(policy) => (
            listing::people(&policy.directory),
            listing::members(&policy.directory),
            listing::groups(&policy.directory),
            listing::shares(&policy.directory),
            crate::directory::sql::holders(&policy.directory),
        ),
        None => (
            nothing("NULL::text, NULL::text, NULL::boolean"),
            nothing("NULL::text, NULL::text"),
            nothing("NULL::text, NULL::text"),
            nothing(
                "NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::timestamptz",
            ),
            nothing("NULL::text, NULL::integer, NULL::text"),
        ),
    };
    format!(
        "WITH {PRELUDE}, \
         person(\"user\", login, active) AS ({people}), \
         member(\"user\", \"group\") AS ({members}), \
         named_group(\"group\", name) AS ({groups}), \
         share(module, record, \"user\", \"group\", level, expires) AS ({shares}), \
         value_held(\"user\", source, value) AS ({holders}) "
    )
}

const PRELUDE: &str = "\
fact(f) AS (SELECT $1::jsonb),
protected(oid, name, owner, kind, own) AS (
  SELECT c.oid, c.oid::regclass::text, c.relowner, c.relkind, n.nspname = 'celador'
  FROM celador.protected AS x JOIN pg_class AS c ON c.oid = x.relation::oid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace),
exempt(oid) AS (
  SELECT r.oid FROM pg_roles AS r
  WHERE r.rolsuper OR r.rolbypassrls AND EXISTS (SELECT FROM celador.maintenance_roles AS m WHERE m.role::oid = r.oid)),
login(oid, name) AS (
  SELECT r.oid, r.rolname::text FROM pg_roles AS r
  WHERE r.rolcanlogin AND r.oid NOT IN (SELECT exempt.oid FROM exempt)),
carrier(oid, name) AS (
  SELECT l.oid, l.name FROM login AS l
  WHERE has_function_privilege(l.oid, 'celador.assume(text)', 'EXECUTE')
    OR has_function_privilege(l.oid, 'celador.act_as(text)', 'EXECUTE')),
placed(relation, name, kind, owner, place, module) AS (
  SELECT c.oid, format('%I.%I', p.schema, p.name), c.relkind, c.relowner, p.place, p.module
  FROM fact, jsonb_to_recordset(f->'placed') AS p(schema text, name text, place text, module text)
  LEFT JOIN pg_namespace AS n ON n.nspname = p.schema
  LEFT JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.name),
setting_of(\"for\", name, value) AS (
  SELECT concat_ws(' in ', 'role ' || r.rolname, 'database ' || d.datname), split_part(c, '=', 1),
    substr(c, strpos(c, '=') + 1)
  FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS c
  LEFT JOIN pg_roles AS r ON r.oid = s.setrole LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
  WHERE s.setdatabase = 0 OR d.datname = current_database())";

fn roles(policy: &PolicySet) -> Vec<Role<'_>> {
    let administrators = super::administrators(policy);
    let by_group: BTreeSet<&str> = super::cells(policy)
        .filter(|(_, _, _, grants)| grants.iter().any(super::is_by_group))
        .map(|(role, ..)| role)
        .collect();
    let role = |role| Role {
        role,
        administrator: administrators.contains(&role),
        by_group: by_group.contains(role),
    };
    policy
        .roles
        .keys()
        .map(|name| role(name.as_str()))
        .collect()
}

/// What the column of each source of roles may say; `None`: any role's name.
fn values(policy: &PolicySet) -> Vec<Values<'_>> {
    policy
        .directory
        .roles_held
        .iter()
        .enumerate()
        .map(|(source, held)| Values {
            source,
            known: held
                .map
                .as_ref()
                .map(|map| map.keys().map(String::as_str).collect()),
        })
        .collect()
}

/// A line for each place of each table.
fn placed(policy: &PolicySet) -> Vec<Placed<'_>> {
    let mut placed = Vec::new();
    for (table, placement) in &policy.tables {
        for (_, place) in placement.places() {
            let (place, module) = match place {
                Placement::Module(module) => ("module", Some(module.as_str())),
                Placement::Child { module, .. } => ("child", Some(module.as_str())),
                Placement::Link { module, .. } => ("link", Some(module.as_str())),
                Placement::Readable => ("readable", None),
                Placement::Open => ("open", None),
                // No part has parts of its own.
                Placement::Parts(_) | Placement::Closed => ("closed", None),
            };
            placed.push(Placed {
                schema: &table.schema,
                name: &table.name,
                place,
                module,
            });
        }
    }
    placed
}

fn known(policy: &PolicySet) -> Vec<Known<'_>> {
    let known = policy.known_columns.iter().flat_map(|(module, columns)| {
        let tables = policy.modules.get(module).into_iter();
        let tables = tables.flat_map(|module| &module.tables);
        tables.map(move |table| Known {
            schema: &table.schema,
            name: &table.name,
            columns,
        })
    });
    known.collect()
}

fn reached_by(policy: &PolicySet) -> Vec<ReachedBy<'_>> {
    let mut found = Vec::new();
    for module in policy.modules.values() {
        for table in &module.tables {
            for (column, what) in columns_of(module) {
                found.push(reached(table, &column.name, what));
            }
        }
        for (link, is_parent) in links_of(module) {
            // Owners and groups are looked up from the record alone.
            let other = if is_parent { "link" } else { "linked" };
            found.push(reached(&link.table, &link.record.name, "link"));
            found.push(reached(&link.table, &link.other.name, other));
            for filter in [&link.rows, &link.counts].into_iter().flatten() {
                let columns = filter.columns();
                found.extend(columns.map(|column| reached(&link.table, column, "filter")));
            }
        }
    }
    for (table, placement) in &policy.tables {
        for (rows, place) in placement.places() {
            if let Placement::Child { column, .. } = place {
                found.push(reached(table, &column.name, "parent"));
            }
            let columns = rows.into_iter().flat_map(RowFilter::columns);
            found.extend(columns.map(|column| reached(table, column, "filter")));
        }
    }
    found
}

/// The module's links, and whether each tells what records hang on.
fn links_of(module: &Module) -> impl Iterator<Item = (&Link, bool)> {
    let owners = module.owners.iter().filter_map(|owner| match owner {
        Owner::Link(link, _) => Some((link.as_ref(), false)),
        Owner::Column(_) => None,
    });
    let groups = module.groups.iter().filter_map(|group| match group {
        GroupPlace::Link(link) => Some((link.as_ref(), false)),
        GroupPlace::Column(_) => None,
    });
    let parents = module
        .parents
        .iter()
        .filter_map(|parent| match &parent.target {
            ParentTarget::Linked { link, .. } => Some((link.as_ref(), true)),
            ParentTarget::Module(_) | ParentTarget::ByType { .. } | ParentTarget::Joined { .. } => {
                None
            }
        });
    owners.chain(groups).chain(parents)
}

fn columns_of(module: &Module) -> Vec<(&Column, &'static str)> {
    let owners = (module.owner_columns()).map(|owner| (&owner.column, "owner"));
    let groups = module.group_columns().map(|group| (group, "group"));
    let parents = module
        .parents
        .iter()
        .filter_map(|parent| match &parent.target {
            ParentTarget::Module(_) | ParentTarget::ByType { .. } | ParentTarget::Joined { .. } => {
                Some((&parent.column, "parent"))
            }
            // The record's own key.
            ParentTarget::Linked { .. } => None,
        });
    let creator = module
        .creator
        .iter()
        .map(|creator| (&creator.column, "creator"));
    let key = module.key.iter().map(|key| (key, "key"));
    owners
        .chain(groups)
        .chain(parents)
        .chain(creator)
        .chain(key)
        .collect()
}

fn reached<'a>(table: &'a TableName, column: &'a str, what: &'static str) -> ReachedBy<'a> {
    ReachedBy {
        schema: &table.schema,
        name: &table.name,
        column,
        what,
    }
}

fn named(policy: &PolicySet) -> Vec<Named<'_>> {
    policy
        .restrictions
        .iter()
        .flat_map(|(restriction, rule)| {
            let users = rule.users.iter().map(|user| (Some(user.as_str()), None));
            let groups = rule.groups.iter().map(|group| (None, Some(group.as_str())));
            users.chain(groups).map(move |(user, group)| Named {
                restriction,
                user,
                group,
            })
        })
        .collect()
}
