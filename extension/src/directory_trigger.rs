//! Triggers on the tables that the directory and the policy are read from: a change is known in
//! every session with its next statement.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use celador_policy::directory::concerned::{Changed, Topic, topics_in};
use celador_policy::directory::{sql, tree};
use celador_policy::{TableName, quote};
use pgrx::prelude::*;

use crate::catalog::{self, Catalog};
use crate::hooks::raw_function;
use crate::spi::{self, Reads};
use crate::{concerned, errors, relations};

/// The names of these triggers begin so.
pub(crate) const PREFIX: &str = "~celador_directory_";

/// The rows that a statement has changed, as these triggers name them: as they were, and as they are.
pub(crate) const OLD: &str = "celador_old";
pub(crate) const NEW: &str = "celador_new";

/// Of how many changed rows it is looked at whom they concern.
const MOST_ROWS: usize = 256;

raw_function!(
    /// `celador.directory_changed(column, …)`: after a statement on a table of the directory.
    directory_rows_changed_wrapper,
    pg_finfo_directory_rows_changed_wrapper,
    after_directory
);

raw_function!(
    /// The same, while the objects are those of 0.1.0.
    directory_changed_wrapper,
    pg_finfo_directory_changed_wrapper,
    after_directory
);

raw_function!(
    /// `celador.policy_changed()`: after a statement on a table that the catalog is read from.
    policy_changed_wrapper,
    pg_finfo_policy_changed_wrapper,
    after_policy
);

unsafe fn after_directory(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: PostgreSQL's own call.
    unsafe { directory_changed(trigger_data(fcinfo)) }
    pg_sys::Datum::from(0)
}

unsafe fn after_policy(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: PostgreSQL's own call.
    unsafe { trigger_data(fcinfo) };
    signal("policy");
    pg_sys::Datum::from(0)
}

/// What PostgreSQL passes to a trigger; called otherwise, a trigger's function ends with an error.
pub(crate) unsafe fn trigger_data(fcinfo: pg_sys::FunctionCallInfo) -> *mut pg_sys::TriggerData {
    // SAFETY: the tag is checked before the context is taken for TriggerData.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            errors::raise(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "this function is called as a trigger only",
                "Load a policy: it makes the triggers.",
            );
        }
        context.cast()
    }
}

/// The same, for the functions of BEFORE ROW triggers: fired otherwise there is no row.
pub(crate) unsafe fn row_trigger_data(
    fcinfo: pg_sys::FunctionCallInfo,
    events: &[u32],
) -> *mut pg_sys::TriggerData {
    // SAFETY: the trigger's data lives as long as the call.
    unsafe {
        let data = trigger_data(fcinfo);
        let event = (*data).tg_event;
        let before_row = event & pg_sys::TRIGGER_EVENT_ROW != 0
            && event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_BEFORE;
        if !before_row || !events.contains(&(event & pg_sys::TRIGGER_EVENT_OPMASK)) {
            errors::raise(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "this function is for a trigger of another kind",
                "Drop the trigger. Loading a policy makes those that are needed.",
            );
        }
        data
    }
}

/// Tells every backend, at commit, that a relation of Celador's stands for something new.
pub(crate) fn signal(table: &str) {
    if let Some(relation) = relations::relation("celador", table) {
        // SAFETY: registers an invalidation with the transaction.
        unsafe { pg_sys::CacheInvalidateRelcacheByRelid(relation) }
    }
}

/// A trigger's arguments.
pub(crate) unsafe fn arguments(data: *mut pg_sys::TriggerData) -> Vec<String> {
    // SAFETY: a trigger has `tgnargs` zero-terminated arguments.
    unsafe {
        let trigger = (*data).tg_trigger;
        (0..(*trigger).tgnargs as usize)
            .map(|at| {
                std::ffi::CStr::from_ptr(*(*trigger).tgargs.add(at))
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }
}

/// Anybody could put the trigger on a table of his own: it works on the policy's tables only.
unsafe fn belongs(data: *mut pg_sys::TriggerData) -> Option<Rc<Catalog>> {
    // SAFETY: the trigger's data lives as long as the call.
    let relation = unsafe { (*(*data).tg_relation).rd_id };
    catalog::current().filter(|catalog| catalog.protected.contains(&relation))
}

unsafe fn directory_changed(data: *mut pg_sys::TriggerData) {
    // SAFETY: the trigger's data lives as long as the call.
    let Some(catalog) = (unsafe { belongs(data) }) else {
        return;
    };
    // SAFETY: as above.
    let (changed, relation) = unsafe { (changed_rows(data), (*(*data).tg_relation).rd_id) };
    if changed.as_ref().is_some_and(Changed::is_empty) {
        return;
    }
    let topics = changed
        .as_ref()
        .and_then(|changed| topics(&catalog, relation, changed));
    concerned::changed(topics.as_ref());
    signal("directory_version");
    if catalog.unfit.is_some() {
        // Those of the other version may not share what this one says of whom it concerns.
        signal("policy");
    }
    // SAFETY: as above.
    unsafe { keep_promises(&catalog, data) };
}

/// Whom changed rows of a table concern; `None`: everybody.
fn topics<'a>(
    catalog: &'a Catalog,
    relation: pg_sys::Oid,
    changed: &'a Changed,
) -> Option<BTreeSet<Topic<'a>>> {
    let policy = catalog.policy.as_ref()?;
    let is_table = |table: &TableName| is_heir(table, relation);
    topics_in(&policy.directory, &is_table, changed).filter(|_| catalog.directory_is_exact(policy))
}

/// The rows that a statement has changed in columns that matter. `None`: too many to look at each, or
/// nobody knows.
unsafe fn changed_rows(data: *mut pg_sys::TriggerData) -> Option<Changed> {
    // SAFETY: the trigger's data lives as long as the call.
    let (columns, owner, event) = unsafe {
        let descriptor = (*(*data).tg_relation).rd_att;
        let columns = arguments(data).into_iter().filter(|column| {
            let name = spi::c_string(column);
            pg_sys::SPI_fnumber(descriptor, name.as_ptr()) > 0
        });
        (
            columns.collect::<Vec<String>>(),
            (*(*(*data).tg_relation).rd_rel).relowner,
            (*data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK,
        )
    };
    // Printed by their output functions: a cast or an equality could be somebody else's.
    let printed = |column: &String| {
        let column = quote::name(column);
        format!(", CASE WHEN x.{column} IS NOT NULL THEN pg_catalog.concat(x.{column}) END")
    };
    let printed: String = columns.iter().map(printed).collect();
    let rows = |table: &str, of: &str| format!("SELECT {}{printed} FROM {table} AS x", of == NEW);
    let only = |one: &str, other: &str| {
        let (one_side, other_side) = (rows(one, one), rows(other, one));
        format!("({one_side} EXCEPT ALL {other_side})")
    };
    let sql = match event {
        pg_sys::TRIGGER_EVENT_UPDATE => {
            format!("{} UNION ALL {}", only(OLD, NEW), only(NEW, OLD))
        }
        pg_sys::TRIGGER_EVENT_INSERT => rows(NEW, NEW),
        pg_sys::TRIGGER_EVENT_DELETE => rows(OLD, OLD),
        _ => return None,
    };
    let sql = format!("{sql} LIMIT {}", MOST_ROWS + 1);
    // SAFETY: as above.
    let found = unsafe { over_changes(data, owner, &sql) };
    if found.len() > MOST_ROWS {
        return None;
    }
    let mut changed = Changed {
        columns,
        ..Changed::default()
    };
    for row in found {
        let mut row = row.into_iter();
        match row.next().flatten().as_deref() {
            Some("t") => changed.after.push(row.collect()),
            Some(_) | None => changed.before.push(row.collect()),
        }
    }
    Some(changed)
}

/// Runs a statement over the rows that a statement has changed.
unsafe fn over_changes(
    data: *mut pg_sys::TriggerData,
    role: pg_sys::Oid,
    sql: &str,
) -> Vec<Vec<Option<String>>> {
    spi::with_rights_of(role, || {
        spi::connected(|| {
            // SAFETY: makes the transition tables known to this connection.
            if unsafe { pg_sys::SPI_register_trigger_data(data) } < 0 {
                errors::fault("the changed rows can't be read");
            }
            spi::run_with(sql, &[], true)
        })
    })
}

/// What must be true of the directory after every change of it: the trees are trees, the number
/// of groups is within its limit, and certain roles have a holder. What one table alone tells is
/// asked where it has changed.
unsafe fn keep_promises(catalog: &Catalog, data: *mut pg_sys::TriggerData) {
    // SAFETY: the trigger's data lives as long as the call.
    let (relation, event) = unsafe {
        (
            (*(*data).tg_relation).rd_id,
            (*data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK,
        )
    };
    let removing = event != pg_sys::TRIGGER_EVENT_INSERT;
    let writes = event == pg_sys::TRIGGER_EVENT_INSERT || event == pg_sys::TRIGGER_EVENT_UPDATE;
    let Some(policy) = &catalog.policy else {
        return;
    };
    // What the statement has written isn't seen before the next command, unless a foreign key's check
    // has been one.
    // SAFETY: inside a transaction, as every trigger is.
    unsafe { pg_sys::CommandCounterIncrement() }
    let directory = &policy.directory;
    let ask = |sql: &str| {
        spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| catalog.kept(sql, 0).rows(&[], Reads::Latest))
        })
    };
    let first =
        |rows: &[Vec<Option<String>>]| rows.first().and_then(|row| row.first().cloned().flatten());
    let trees = [
        (tree::of_groups(directory), "a group would be below itself"),
        (
            tree::of_supervisors(directory),
            "somebody would supervise himself or herself",
        ),
    ];
    // One that is gone by its name is asked too, and an error says so.
    let tells = |table: &TableName| {
        relations::relation(&table.schema, &table.name).is_none() || is_heir(table, relation)
    };
    for (tree, problem) in trees {
        let Some(tree) = tree.filter(|tree| writes && tells(tree.table())) else {
            continue;
        };
        // SAFETY: the trigger's data lives as long as the call.
        let nodes = unsafe { over_changes(data, spi::superuser(), &tree.nodes_in(NEW)) };
        let nodes = nodes.into_iter().filter_map(|row| row.into_iter().next()?);
        let circle = spi::with_rights_of(spi::superuser(), || {
            spi::connected(|| {
                tree.is_circle_above(nodes.collect(), &mut |sql, asked| {
                    catalog.ask_directory(sql, asked)
                })
            })
        });
        if circle {
            errors::raise(
                PgSqlErrorCode::ERRCODE_CHECK_VIOLATION,
                format!("{problem}, through table {}", tree.table()),
                "Choose another group or supervisor above.",
            );
        }
    }
    let limit = policy.group_limit;
    if let Some(limit) = limit.filter(|_| tells(&directory.groups.source.table)) {
        let count: u64 = first(&ask(&sql::group_count(directory)))
            .and_then(|count| count.parse().ok())
            .unwrap_or(0);
        if count > u64::from(limit) {
            errors::raise(
                PgSqlErrorCode::ERRCODE_CHECK_VIOLATION,
                format!("there would be {count} groups, and the policy allows {limit}"),
                "Remove a group, or raise limits.groups.",
            );
        }
    }
    let kept: Vec<&String> = policy
        .roles
        .iter()
        .filter(|(_, role)| role.keep_last_holder)
        .map(|(name, _)| name)
        .collect();
    if kept.is_empty() || !removing {
        return;
    }
    // Two who take the role from each other at the same time wait here for each other.
    spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| {
            spi::run_with(
                "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('celador:holders', 0))",
                &[],
                false,
            );
        });
    });
    let held = holders(policy, &ask(&sql::holders(directory)));
    for role in kept
        .into_iter()
        .filter(|role| !held.contains_key(role.as_str()))
    {
        let message = format!("role \"{role}\" has no active holder left");
        // SAFETY: reads the session's user.
        if catalog.is_exempt(unsafe { pg_sys::GetSessionUserId() }) {
            pgrx::warning!("{message}");
        } else {
            errors::raise(
                PgSqlErrorCode::ERRCODE_CHECK_VIOLATION,
                message,
                "Give the role to somebody else first.",
            );
        }
    }
}

/// Role → how many people hold it.
fn holders(
    policy: &celador_policy::PolicySet,
    rows: &[Vec<Option<String>>],
) -> BTreeMap<String, usize> {
    let mut held = BTreeMap::new();
    for row in rows {
        let source = row
            .get(1)
            .cloned()
            .flatten()
            .and_then(|source| source.parse::<usize>().ok());
        let value = row.get(2).cloned().flatten();
        if let (Some(source), Some(value)) = (source, value)
            && let Some(role) = policy
                .directory
                .roles_held
                .get(source)
                .and_then(|held| held.role_of(&value))
        {
            *held.entry(role.to_owned()).or_insert(0) += 1;
        }
    }
    held
}

/// Whether the relation is the table of that name, or inherits from it.
pub(crate) fn is_heir(root: &TableName, relation: pg_sys::Oid) -> bool {
    relations::relation(&root.schema, &root.name)
        .is_some_and(|root| relations::heirs(root).contains(&relation))
}
