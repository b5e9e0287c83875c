//! The statements that a load runs, table by table, in the order of their names.

use std::collections::{BTreeMap, BTreeSet};

use celador_policy::policy_set::Placement;
use celador_policy::row_policy::{PERMISSIVE, row_policies};
use celador_policy::{PolicySet, TableName, quote};
use pgrx::prelude::*;

use super::found::{Found, find_tables};
use crate::directory_trigger::{NEW, OLD, PREFIX};
use crate::giving::ROLES;
use crate::{guard, relations};

/// One statement of a load.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The table that it changes.
    pub(crate) table: TableName,
    /// The lock that it takes.
    pub(crate) lock: &'static str,
    /// The statement.
    pub(crate) ddl: String,
    /// It only takes away what an earlier load made.
    removes: bool,
    /// It makes a trigger: nobody but Celador may put its functions on a table.
    pub(crate) by_celador: bool,
}

/// What happens to one table.
#[derive(Debug, Clone)]
pub(crate) struct TablePlan {
    pub(crate) table: TableName,
    pub(crate) relation: pg_sys::Oid,
    pub(crate) steps: Vec<Step>,
    /// Row security and FORCE as they were before Celador.
    pub(crate) had: (bool, bool),
    /// Whether it is protected afterwards; and what its policies are, to know them again.
    pub(crate) protected: Option<String>,
    /// Whether it is observed: of Celador's nothing but triggers is on it, and they refuse nothing.
    pub(crate) observed: bool,
}

/// Everything that a load does to tables.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tables: Vec<TablePlan>,
}

impl TablePlan {
    /// What a table needs that has come after the load, placed so; `None`: nothing.
    pub(crate) fn of_new(
        set: &PolicySet,
        watched: &Watched,
        table: &TableName,
        relation: pg_sys::Oid,
        found: &Found,
        placement: Placement,
    ) -> Option<Self> {
        let columns = watched.columns.get(table);
        let roles = watched.roles.contains(table);
        if placement == Placement::Open && columns.is_none() && !roles {
            return None;
        }
        let observed = set.observes(&placement);
        let mut grown = set.clone();
        grown.tables.insert(table.clone(), placement);
        let steps = table_steps(&grown, table, found, columns, roles);
        let protected = Some(signature(&steps));
        Some(Self {
            table: table.clone(),
            relation,
            had: found.before(),
            steps,
            protected,
            observed,
        })
    }
}

impl Plan {
    /// What loading the policy does to the tables as they are; those that are paused wait for
    /// `celador.resume`.
    pub(crate) fn make(set: &PolicySet) -> Self {
        Self::of(set, |found| !(found.paused || found.left_out))
    }

    /// What it takes to have no policy, on any table.
    pub(super) fn none(empty: &PolicySet) -> Self {
        Self::of(empty, |_| true)
    }

    fn of(set: &PolicySet, concerns: impl Fn(&Found) -> bool) -> Self {
        let found = find_tables();
        let watched = Watched::by(set);
        let mut tables = Vec::new();
        for (table, (relation, found)) in found.iter().filter(|(_, (_, found))| concerns(found)) {
            let placed = set
                .tables
                .get(table)
                .filter(|placement| !leaves_alone(table, placement));
            let columns = watched.columns.get(table);
            let roles = watched.roles.contains(table);
            if placed.is_none() && columns.is_none() && found.signature.is_none() {
                continue;
            }
            let steps = table_steps(set, table, found, columns, roles);
            let signature = signature(&steps);
            if found.signature.as_deref() == Some(signature.as_str()) {
                continue;
            }
            let keeps = placed.is_some() || columns.is_some();
            tables.push(TablePlan {
                table: table.clone(),
                relation: *relation,
                had: found.before(),
                steps,
                protected: keeps.then_some(signature),
                observed: placed.is_some_and(|placement| set.observes(placement)),
            });
        }
        Self { tables }
    }

    /// What it does to Celador's own tables.
    pub(crate) fn of_own(set: &PolicySet) -> Self {
        let mut plan = Self::make(set);
        plan.tables.retain(|plan| plan.table.schema == "celador");
        plan
    }

    /// All statements in order.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.tables.iter().flat_map(|table| &table.steps)
    }
}

/// Open tables, and Celador's own where they are no module: those have row security without a
/// policy from the start.
fn leaves_alone(table: &TableName, placement: &Placement) -> bool {
    match placement {
        Placement::Open => true,
        Placement::Closed => table.schema == "celador",
        Placement::Module(_)
        | Placement::Child { .. }
        | Placement::Link { .. }
        | Placement::Parts(_)
        | Placement::Readable => false,
    }
}

/// Written out, so that a change in what this version of Celador generates is seen as well.
fn signature(steps: &[Step]) -> String {
    steps
        .iter()
        .filter(|step| !step.removes)
        .map(|step| step.ddl.as_str())
        .collect::<Vec<_>>()
        .join(";\n")
}

/// The tables that the directory is read from, and everything below them.
pub(crate) struct Watched {
    /// The columns that matter, by table.
    columns: BTreeMap<TableName, BTreeSet<String>>,
    /// The tables that tell who holds which role, or is in which group.
    roles: BTreeSet<TableName>,
}

impl Watched {
    /// Whether the directory is read from the table.
    pub(super) fn has(&self, table: &TableName) -> bool {
        self.columns.contains_key(table) || self.roles.contains(table)
    }

    /// What the policy reads its directory from, as the tables stand.
    pub(crate) fn by(set: &PolicySet) -> Self {
        let mut columns = set.directory.watched();
        let directory = &set.directory;
        let mut roles: BTreeSet<TableName> = directory
            .roles_held
            .iter()
            .map(|held| &held.source)
            .chain(directory.memberships.iter().map(|member| &member.source))
            .map(|source| source.table.clone())
            .collect();
        for (root, of_root) in columns.clone() {
            let holds_roles = roles.contains(&root);
            for heir in heirs(&root) {
                if holds_roles {
                    roles.insert(heir.clone());
                }
                columns
                    .entry(heir)
                    .or_default()
                    .extend(of_root.iter().cloned());
            }
        }
        Self { columns, roles }
    }
}

fn heirs(root: &TableName) -> Vec<TableName> {
    let Some(relation) = relations::relation(&root.schema, &root.name) else {
        return Vec::new();
    };
    relations::heirs(relation)
        .into_iter()
        .filter(|heir| *heir != relation)
        .filter_map(relations::table_name)
        .collect()
}

/// The statements that make one table what the policy wants of it.
fn table_steps(
    set: &PolicySet,
    table: &TableName,
    found: &Found,
    watched: Option<&BTreeSet<String>>,
    roles: bool,
) -> Vec<Step> {
    let placement = set
        .tables
        .get(table)
        .filter(|placement| !leaves_alone(table, placement));
    let name = table.sql();
    let mut ddl = drops(&name, found, &[]);
    let dropped = ddl.len();
    let (was_on, _) = found.before();
    match placement {
        None => {
            if found.signature.is_some() {
                ddl.push(flags_as_found(&name, found));
            }
        }
        Some(placement) if set.observes(placement) => {
            ddl.push(flags_as_found(&name, found));
            ddl.extend(guards(&name, placement, found));
        }
        Some(placement) => {
            ddl.push(format!(
                "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
            ));
            ddl.extend(
                row_policies(set, table)
                    .iter()
                    .map(|policy| policy.create(table)),
            );
            // Row security that was on without any policy let nobody in; it still doesn't.
            let own = table.schema == "celador";
            if !found.foreign_permissive && (own || !was_on) {
                ddl.push(format!(
                    "CREATE POLICY {} ON {name} AS PERMISSIVE FOR ALL TO PUBLIC USING (true) WITH CHECK (true)",
                    quote::name(PERMISSIVE)
                ));
            }
            ddl.extend(guards(&name, placement, found));
        }
    }
    if let Some(columns) = watched {
        ddl.extend(directory_triggers(&name, columns));
    }
    if roles && !found.is_partition {
        let trigger = quote::name(ROLES);
        ddl.push(format!(
            "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE OR DELETE ON {name} FOR EACH ROW \
             EXECUTE FUNCTION celador.guard_roles()"
        ));
        ddl.push(format!(
            "ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}"
        ));
    }
    steps(table, ddl, dropped)
}

/// The statements as steps; so many of them only remove.
fn steps(table: &TableName, ddl: Vec<String>, removing: usize) -> Vec<Step> {
    ddl.into_iter()
        .enumerate()
        .map(|(at, ddl)| Step {
            table: table.clone(),
            lock: "ACCESS EXCLUSIVE",
            by_celador: ddl.starts_with("CREATE TRIGGER"),
            ddl,
            removes: at < removing,
        })
        .collect()
}

/// The triggers that decide what row security can't.
fn guards(name: &str, placement: &Placement, found: &Found) -> Vec<String> {
    let truncate = quote::name(guard::TRUNCATE_TRIGGER);
    let mut ddl = vec![
        format!(
            "CREATE TRIGGER {truncate} BEFORE TRUNCATE ON {name} FOR EACH STATEMENT \
             EXECUTE FUNCTION celador.guard_truncate()"
        ),
        format!("ALTER TABLE {name} ENABLE ALWAYS TRIGGER {truncate}"),
    ];
    let modules: Vec<String> = placement.holds().into_iter().map(quote::text).collect();
    if !modules.is_empty() && !found.is_partition {
        let trigger = quote::name(guard::TRIGGER);
        ddl.push(format!(
            "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {name} FOR EACH ROW \
             EXECUTE FUNCTION celador.guard({})",
            modules.join(", ")
        ));
        ddl.push(format!(
            "ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}"
        ));
    }
    ddl
}

/// Takes away Celador's policies and triggers, but for these.
fn drops(name: &str, found: &Found, keeps: &[&str]) -> Vec<String> {
    let drop = |kind: &'static str, names: &[String]| -> Vec<String> {
        names
            .iter()
            .filter(|it| !keeps.contains(&it.as_str()))
            .map(|it| format!("DROP {kind} {} ON {name}", quote::name(it)))
            .collect()
    };
    [
        drop("POLICY", &found.policies),
        drop("TRIGGER", &found.triggers),
    ]
    .concat()
}

fn flags_as_found(name: &str, found: &Found) -> String {
    let (was_on, was_forced) = found.before();
    let on = if was_on { "ENABLE" } else { "DISABLE" };
    let force = if was_forced { "FORCE" } else { "NO FORCE" };
    format!("ALTER TABLE {name} {on} ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY")
}

/// The policy of a table that is closed for a migration: it names no column.
const PAUSED: &str = "celador_paused";

impl Plan {
    /// Closes these tables, in this order: nothing of Celador's names a column of theirs any more.
    /// The permissive policy stays: without any, PostgreSQL would show an empty table where
    /// `covered()` must raise.
    ///
    /// ```sql
    /// CREATE POLICY "celador_paused" ON "public"."contacts" AS RESTRICTIVE FOR ALL TO PUBLIC
    ///   USING (celador.covered() AND false) WITH CHECK (celador.covered() AND false)
    /// ```
    pub(super) fn closing(relations: &[pg_sys::Oid]) -> Self {
        Self::each(relations, |table, found| {
            let name = table.sql();
            let mut ddl = drops(&name, found, &[PERMISSIVE, guard::TRUNCATE_TRIGGER]);
            let removing = ddl.len();
            ddl.push(format!(
                "CREATE POLICY {} ON {name} AS RESTRICTIVE FOR ALL TO PUBLIC \
                 USING (celador.covered() AND false) WITH CHECK (celador.covered() AND false)",
                quote::name(PAUSED)
            ));
            let steps = steps(table, ddl, removing);
            let signature = signature(&steps);
            (steps, Some(signature))
        })
    }

    /// Puts these tables back as they were found.
    pub(super) fn putting_back(relations: &[pg_sys::Oid]) -> Self {
        Self::each(relations, |table, found| {
            let name = table.sql();
            let mut ddl = drops(&name, found, &[]);
            let removing = ddl.len();
            ddl.push(flags_as_found(&name, found));
            (steps(table, ddl, removing), None)
        })
    }

    fn each(
        relations: &[pg_sys::Oid],
        plan: impl Fn(&TableName, &Found) -> (Vec<Step>, Option<String>),
    ) -> Self {
        let all = find_tables();
        let tables = relations.iter().filter_map(|relation| {
            let (table, (_, found)) = all.iter().find(|(_, (oid, _))| oid == relation)?;
            found.signature.as_ref()?;
            let (steps, protected) = plan(table, found);
            Some(TablePlan {
                table: table.clone(),
                relation: *relation,
                steps,
                observed: false,
                had: found.before(),
                protected,
            })
        });
        Self {
            tables: tables.collect(),
        }
    }
}

fn directory_triggers(name: &str, columns: &BTreeSet<String>) -> Vec<String> {
    let arguments: Vec<String> = columns.iter().map(|column| quote::text(column)).collect();
    let arguments = arguments.join(", ");
    let mut ddl = Vec::new();
    for (event, tables) in [
        ("INSERT", format!(" REFERENCING NEW TABLE AS {NEW}")),
        (
            "UPDATE",
            format!(" REFERENCING OLD TABLE AS {OLD} NEW TABLE AS {NEW}"),
        ),
        ("DELETE", format!(" REFERENCING OLD TABLE AS {OLD}")),
        ("TRUNCATE", String::new()),
    ] {
        let trigger = quote::name(&format!("{PREFIX}{}", event.to_lowercase()));
        ddl.push(format!(
            "CREATE TRIGGER {trigger} AFTER {event} ON {name}{tables} FOR EACH STATEMENT \
             EXECUTE FUNCTION celador.directory_changed({arguments})"
        ));
        ddl.push(format!(
            "ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}"
        ));
    }
    ddl
}
