//! Who sees fields, and how: a table, byte-stable as the matrix is.

use std::collections::{BTreeMap, BTreeSet};

use super::Depth;
use super::table::{lines, scope};
use crate::action::Action;
use crate::document::ScopeName;
use crate::field::{Field, FieldRight};
use crate::policy_set::{GrantScope, PolicySet};

/// How one role sees a field, in which rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldLine {
    /// The module.
    pub module: String,
    /// The field.
    pub field: String,
    /// The role.
    pub role: String,
    /// What the rows show, as documents write it.
    pub rendering: String,
    /// In which rows, sorted; of what the role reads, as far as the lines above don't say otherwise.
    pub scopes: Vec<String>,
    /// How far the scopes reach.
    pub depth: Depth,
}

/// How each role that reads a module sees the fields for which `wanted` holds, most revealing first.
///
/// ```text
/// contacts  phone  seller  clear         own
/// contacts  phone  seller  partial(0,4)  group
/// contacts  phone  seller  null          colleagues, group, own      (whatever else the role reads)
/// ```
pub fn field_lines(policy: &PolicySet, wanted: impl Fn(&Field) -> bool) -> Vec<FieldLine> {
    let mut read: BTreeMap<(String, String), (BTreeSet<String>, Depth)> = BTreeMap::new();
    for line in lines(policy) {
        // What can be claimed can be read.
        let claim = match line.action {
            Action::Read => "",
            Action::Claim => "claim: ",
            Action::Create
            | Action::Update
            | Action::Delete
            | Action::Assign
            | Action::Import
            | Action::Export
            | Action::Customise => continue,
        };
        let when = line.when.as_ref();
        let when = when.map_or_else(String::new, |when| format!(" while {when}"));
        let entry = read
            .entry((line.module, line.role))
            .or_insert_with(|| (BTreeSet::new(), Depth::None));
        let scopes = line.scopes.iter();
        (entry.0).extend(scopes.map(|scope| format!("{claim}{scope}{when}")));
        entry.1 = entry.1.max(line.depth);
    }
    let mut found = Vec::new();
    for ((module, role), (scopes, depth)) in &read {
        let fields = policy.fields.get(module).into_iter().flatten();
        for (name, field) in fields.filter(|(_, field)| field.column.is_some() && wanted(field)) {
            let mut line = |rendering: String, scopes: Vec<String>, depth| {
                found.push(FieldLine {
                    module: module.clone(),
                    field: name.clone(),
                    role: role.clone(),
                    rendering,
                    scopes,
                    depth,
                });
            };
            let Some((last, others)) = field.renderings.split_last() else {
                continue;
            };
            let mut everywhere = false;
            for rendering in others {
                let right = FieldRight::Shown(rendering.clone());
                let grants = policy.field_right(role, module, name, &right);
                if grants.is_empty() || everywhere {
                    continue;
                }
                let scopes: BTreeSet<String> = grants
                    .iter()
                    .map(|grant| match &grant.when {
                        Some(when) => format!("{} while {when}", scope(grant)),
                        None => scope(grant),
                    })
                    .collect();
                everywhere |= grants.iter().any(|grant| {
                    grant.when.is_none() && grant.scope == GrantScope::Plain(ScopeName::All)
                });
                let scopes = scopes.into_iter().collect();
                line(rendering.to_string(), scopes, Depth::of_all(grants));
            }
            if !everywhere {
                line(last.to_string(), scopes.iter().cloned().collect(), *depth);
            }
        }
    }
    found.sort_by(|one, other| {
        (&one.module, &one.field, &one.role).cmp(&(&other.module, &other.field, &other.role))
    });
    found
}
