//! What decides about a record: read by one statement, the same whoever is asked about.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::reached::Around;
use crate::policy_set::{GroupPlace, Module, Owner, ParentTarget, PolicySet};
use crate::predicate::Predicate;
use crate::quote;
use crate::row_policy::predicate_sql;
use crate::schema::TableName;

/// What decides about a record.
#[derive(Debug, Default)]
pub struct Row {
    /// The key.
    pub record: String,
    /// The owners: key name and value.
    pub owners: Vec<(String, String)>,
    /// The groups.
    pub groups: Vec<String>,
    /// The creator's key.
    pub creator: Option<String>,
    /// What it hangs on: by place among the module's parents, the module and the key.
    pub parents: Vec<(String, String)>,
    /// The rules that hold, of those that don't ask who asks.
    pub rules: BTreeMap<String, bool>,
    /// What restrictions demand, of those that don't ask who asks.
    pub restrictions: BTreeMap<String, bool>,
    /// To whom it is given: a key of a person by name, or a group; and the level.
    pub shares: Vec<(Option<String>, String, String)>,
    /// Who is around it, once that was asked.
    pub(super) around: OnceCell<Around>,
    /// Whether what depends on who asks holds, for what was asked so far.
    pub(super) decided: RefCell<FxHashMap<String, bool>>,
}

/// Records that point to another: their module, and which they are.
pub type Pointing = Vec<(String, Vec<std::rc::Rc<Row>>)>;

/// Whether a predicate is the same whoever asks.
pub(super) fn is_the_same_for_all(predicate: &Predicate) -> bool {
    predicate.roles().is_empty() && predicate.attributes().is_empty() && predicate.keys().is_empty()
}

fn asked(module: &Module) -> impl Iterator<Item = (&String, &Predicate)> {
    module
        .rules
        .iter()
        .filter(|(_, predicate)| is_the_same_for_all(predicate))
}

fn demanded<'a>(policy: &'a PolicySet, name: &'a str) -> Vec<(&'a str, &'a Predicate)> {
    policy
        .restrictions_on(name)
        .filter_map(|(restriction, predicate)| Some((restriction, predicate?)))
        .filter(|(_, predicate)| is_the_same_for_all(predicate))
        .collect()
}

/// Reads a record: its key, then owners, groups, creator, parents with their types, rules and
/// restrictions, in the order of the module. `condition` is over the row `r`. What link tables tell
/// isn't in it: it is asked for as row security does.
///
/// ```sql
/// SELECT CAST(r."id" AS pg_catalog.text), CAST(r."owner" AS pg_catalog.text), … FROM "crm"."accounts" AS r WHERE …
/// ```
pub fn row_sql(policy: &PolicySet, name: &str, table: &TableName, condition: &str) -> String {
    let module = &policy.modules[name];
    let text = |column: &str| format!("CAST(r.{} AS pg_catalog.text)", quote::name(column));
    let null = || "NULL::pg_catalog.text".to_owned();
    let mut columns = vec![module.key.as_ref().map_or_else(null, |key| text(&key.name))];
    columns.extend((module.owner_columns()).map(|owner| text(&owner.column.name)));
    columns.extend(module.group_columns().map(|group| text(&group.name)));
    columns.push(
        module
            .creator
            .as_ref()
            .map_or_else(null, |creator| text(&creator.column.name)),
    );
    for parent in &module.parents {
        columns.push(text(&parent.column.name));
        columns.push(match &parent.target {
            ParentTarget::Module(_) | ParentTarget::Joined { .. } | ParentTarget::Linked { .. } => {
                null()
            }
            ParentTarget::ByType { column, .. } => text(&column.name),
        });
    }
    let holds = |predicate: &Predicate| {
        format!(
            "CAST(({} IS TRUE) AS pg_catalog.text)",
            predicate_sql(module, predicate, "r.")
        )
    };
    columns.extend(asked(module).map(|(_, predicate)| holds(predicate)));
    columns.extend(
        demanded(policy, name)
            .into_iter()
            .map(|(_, predicate)| holds(predicate)),
    );
    format!(
        "SELECT {} FROM {} AS r WHERE {condition}",
        columns.join(", "),
        table.sql()
    )
}

impl Row {
    /// Reads what [`row_sql`] returned, without what link tables tell; `None` where it isn't of that
    /// form.
    pub fn from_columns(
        policy: &PolicySet,
        name: &str,
        columns: Vec<Option<String>>,
    ) -> Option<Self> {
        let module = policy.modules.get(name)?;
        let mut columns = columns.into_iter();
        let mut row = Self {
            record: columns.next()?.unwrap_or_default(),
            ..Self::default()
        };
        for owner in &module.owners {
            if let Owner::Column(owner) = owner {
                let value = columns.next()?;
                let somebody = value.filter(|value| !owner.nobody.contains(value));
                row.owners
                    .extend(somebody.map(|value| (owner.key.clone(), value)));
            }
        }
        for group in &module.groups {
            if let GroupPlace::Column(_) = group {
                row.groups.extend(columns.next()?);
            }
        }
        row.creator = columns.next()?;
        for parent in &module.parents {
            let (value, kind) = (columns.next()?, columns.next()?);
            if let Some(value) = value
                && let Some((target, record)) = parent.record(&value, kind.as_deref())
            {
                row.parents.push((target.to_owned(), record.to_owned()));
            }
        }
        let mut holds = || Some(columns.next()?.as_deref() == Some("true"));
        for (rule, _) in asked(module) {
            row.rules.insert(rule.clone(), holds()?);
        }
        for (restriction, _) in demanded(policy, name) {
            row.restrictions.insert(restriction.to_owned(), holds()?);
        }
        Some(row)
    }
}
