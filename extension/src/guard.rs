//! The guard: decides, row by row, what a record may become from what it was.
//!
//! A BEFORE ROW trigger that sorts last and is always enabled. Row security can't do this: it
//! never sees the old and the new row together.

use std::collections::BTreeSet;

use celador_policy::document::ScopeName;
use celador_policy::policy_set::{CellRef, GroupPlace, Module, Owner};
use celador_policy::row_policy::reach_and_restrictions;
use celador_policy::{Action, PolicySet, quote};
use pgrx::prelude::*;

use crate::hooks::raw_function;
use crate::session::{Person, person};
use crate::spi::{self, Reads};
use crate::{catalog, errors, probe, relations};

// Not among pgrx's bindings. It raises nothing for values that are detoasted.
unsafe extern "C-unwind" {
    fn datumIsEqual(
        left: pg_sys::Datum,
        right: pg_sys::Datum,
        by_value: bool,
        length: std::ffi::c_int,
    ) -> bool;
}

/// The name of the trigger: `~` sorts behind every letter.
pub(crate) const TRIGGER: &str = "~celador_guard";

raw_function!(
    /// `celador.guard('module')`.
    guard_wrapper,
    pg_finfo_guard_wrapper,
    guard
);

/// The trigger's call.
struct Call {
    data: *mut pg_sys::TriggerData,
    relation: pg_sys::Relation,
    updating: bool,
}

unsafe fn guard(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: PostgreSQL passes TriggerData to a trigger; its tag is checked first.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            errors::raise(
                PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "celador.guard is called as a trigger only",
                "Load a policy: it makes the triggers.",
            );
        }
        let data = context.cast::<pg_sys::TriggerData>();
        let updating = (*data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_UPDATE;
        let call = Call { data, relation: (*data).tg_relation, updating };
        pg_sys::Datum::from(call.decide())
    }
}

impl Call {
    /// The row to go on with.
    unsafe fn decide(&self) -> pg_sys::HeapTuple {
        // SAFETY: the trigger's data lives as long as the call.
        unsafe {
            let row = if self.updating { (*self.data).tg_newtuple } else { (*self.data).tg_trigtuple };
            if pg_sys::InNoForceRLSOperation() {
                // A referential action, not the person's doing.
                return row;
            }
            let Some(catalog) = catalog::current() else { return row };
            if catalog.is_exempt(pg_sys::GetSessionUserId()) && pg_sys::has_bypassrls_privilege(pg_sys::GetUserId()) {
                return row;
            }
            let name = self.argument();
            let person = person();
            let Some(module) = person.policy().modules.get(&name) else {
                errors::denied(
                    format!("module \"{name}\" of the guard on {} is not in the policy", self.table()),
                    "Load the policy again.",
                )
            };
            if self.updating {
                self.update(&person, &name, module);
                row
            } else {
                let row = self.fill_creator(&person, module, row);
                if name == "shares" {
                    self.share(&person, row);
                }
                row
            }
        }
    }

    unsafe fn argument(&self) -> String {
        // SAFETY: the trigger is made with one argument.
        unsafe {
            let trigger = (*self.data).tg_trigger;
            if (*trigger).tgnargs != 1 {
                errors::denied(format!("the guard on {} has no module", self.table()), "Load the policy again.");
            }
            std::ffi::CStr::from_ptr(*(*trigger).tgargs).to_string_lossy().into_owned()
        }
    }

    fn table(&self) -> String {
        // SAFETY: an open relation.
        relations::display_name(unsafe { (*self.relation).rd_id })
    }

    fn refuse(&self, what: &str, hint: &str) -> ! {
        errors::denied(format!("{what} on {}", self.table()), hint)
    }

    unsafe fn update(&self, person: &Person, name: &str, module: &Module) {
        // SAFETY: both rows are of the trigger's relation.
        let changed = unsafe { self.changed_columns() };
        if changed.is_empty() {
            // Nothing becomes anything else; the row policy has seen the old row.
            return;
        }
        if let Some(creator) = &module.creator
            && changed.contains(&creator.column.name)
        {
            self.refuse(
                &format!("the creator (column \"{}\") can't be changed", creator.column.name),
                "Leave the column as it is.",
            );
        }
        let given = changed.iter().any(|column| is_assignment(module, column));
        // SAFETY: as above.
        let verdict = unsafe { self.ask(person, name, module) };
        let writes_only_assignment =
            changed.iter().all(|column| is_assignment(module, column) || module.touch.contains(column));
        if verdict.old_update {
            if !given {
                if !verdict.new_update {
                    self.refuse("the changed row would be out of your reach", "Change it so that it stays in reach.");
                }
                return;
            }
            if verdict.assign || (verdict.old_claim && self.claims(person, module, &verdict)) {
                if !verdict.new_restrictions {
                    self.refuse("a restriction forbids the changed row", "Change it so that the restriction holds.");
                }
                return;
            }
            self.refuse(
                "changing the owner or group is an assignment, which you may not do",
                "Ask for the action assign, or leave the column as it is.",
            );
        }
        if given && verdict.assign {
            if !writes_only_assignment {
                self.refuse(
                    "you may give this record away, and not change it",
                    "Change nothing but the owner or group.",
                );
            }
            return;
        }
        if verdict.old_claim {
            if !given {
                self.refuse("you may claim this record, and not change it", "Change nothing but the owner, to yourself.");
            }
            if !self.claims(person, module, &verdict) {
                self.refuse("claiming a record makes yourself its owner", "Set the owner to yourself.");
            }
            if !changed.iter().all(|column| is_owner(module, column) || module.touch.contains(column)) {
                self.refuse(
                    "claiming a record changes nothing but its owner",
                    "Change the rest once the record is yours, if you may.",
                );
            }
            return;
        }
        self.refuse("the row is not in your reach for changing it", "Ask for the action update on this module.");
    }

    /// The record had no owner, and all of its owners are me now.
    fn claims(&self, person: &Person, module: &Module, verdict: &Verdict) -> bool {
        verdict.had_no_owner
            && verdict.owners.len() == module.owners.iter().filter(|owner| matches!(owner, Owner::Column(_))).count()
            && verdict.owners.iter().all(|(key, owner)| match owner {
                None => true,
                Some(owner) => person.keys(key).contains(owner),
            })
            && verdict.owners.iter().any(|(_, owner)| owner.is_some())
    }

    /// Asks what the person may, of the old and the new row.
    unsafe fn ask(&self, person: &Person, name: &str, module: &Module) -> Verdict {
        let policy = person.policy();
        let bounds: Vec<Option<BTreeSet<ScopeName>>> = person.access.assign_bounds(policy, name).into_iter().collect();
        let sql = questions(policy, name, module, &bounds);
        // SAFETY: rows as values of the relation's row type; the owner reads nothing else.
        let row = unsafe {
            let descriptor = (*self.relation).rd_att;
            let type_id = (*(*self.relation).rd_rel).reltype;
            let values = vec![
                pg_sys::heap_copy_tuple_as_datum((*self.data).tg_trigtuple, descriptor),
                pg_sys::heap_copy_tuple_as_datum((*self.data).tg_newtuple, descriptor),
            ];
            spi::with_rights_of((*(*self.relation).rd_rel).relowner, || {
                spi::connected(|| {
                    person.catalog.kept_for_rows(&sql, type_id).rows_of(values, Reads::Statement)
                })
            })
        };
        let row = row.into_iter().next().unwrap_or_default();
        let is_true = |at: usize| row.get(at).cloned().flatten().as_deref() == Some("t");
        let owners = module.owners.iter().filter_map(|owner| match owner {
            Owner::Column(column) => Some(column.key.clone()),
            Owner::Link(..) => None,
        });
        Verdict {
            old_update: is_true(0),
            new_update: is_true(1),
            old_claim: is_true(2),
            had_no_owner: is_true(3),
            new_restrictions: is_true(4),
            assign: is_true(5),
            owners: owners.enumerate().map(|(at, key)| (key, row.get(6 + at).cloned().flatten())).collect(),
        }
    }

    /// The columns in which the rows differ, compared as they are stored: an equality that a
    /// type defines (without regard to case, say) would hide changes.
    unsafe fn changed_columns(&self) -> BTreeSet<String> {
        // SAFETY: both tuples are of the relation's descriptor.
        unsafe {
            let descriptor = (*self.relation).rd_att;
            let mut changed = BTreeSet::new();
            for at in 0..(*descriptor).natts {
                let attribute = &*attribute(descriptor, at);
                if attribute.attisdropped || attribute.attgenerated != 0 {
                    continue;
                }
                let (mut old_null, mut new_null) = (false, false);
                let old = pg_sys::heap_getattr((*self.data).tg_trigtuple, at + 1, descriptor, &mut old_null);
                let new = pg_sys::heap_getattr((*self.data).tg_newtuple, at + 1, descriptor, &mut new_null);
                let same = match (old_null, new_null) {
                    (true, true) => true,
                    (false, false) => same_image(old, new, attribute),
                    (true, false) | (false, true) => false,
                };
                if !same {
                    changed.insert(name_of(attribute));
                }
            }
            changed
        }
    }

    /// An omitted creator is whoever creates.
    unsafe fn fill_creator(&self, person: &Person, module: &Module, row: pg_sys::HeapTuple) -> pg_sys::HeapTuple {
        let Some(creator) = &module.creator else { return row };
        let [me] = person.keys(&creator.key) else { return row };
        // SAFETY: the row is of the relation's descriptor; the value of the column's type.
        unsafe {
            let descriptor = (*self.relation).rd_att;
            for at in 0..(*descriptor).natts {
                let attribute = &*attribute(descriptor, at);
                if attribute.attisdropped || name_of(attribute) != creator.column.name {
                    continue;
                }
                let mut null = false;
                pg_sys::heap_getattr(row, at + 1, descriptor, &mut null);
                if !null {
                    return row;
                }
                let (mut input, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
                pg_sys::getTypeInputInfo(attribute.atttypid, &mut input, &mut parameter);
                let text = spi::c_string(me);
                let mut value =
                    pg_sys::OidInputFunctionCall(input, text.as_ptr().cast_mut(), parameter, attribute.atttypmod);
                let (mut column, mut is_null) = (at + 1, false);
                return pg_sys::heap_modify_tuple_by_cols(row, descriptor, 1, &mut column, &mut value, &mut is_null);
            }
        }
        row
    }

    /// Nobody gives more than he or she holds (X.8): a share needs the record in reach, for what
    /// it allows.
    unsafe fn share(&self, person: &Person, row: pg_sys::HeapTuple) {
        // SAFETY: celador.shares begins with module, record, "user", "group", level: all text.
        let text = |at: i32| unsafe {
            let mut null = false;
            let datum = pg_sys::heap_getattr(row, at, (*self.relation).rd_att, &mut null);
            String::from_datum(datum, null)
        };
        let (Some(module), Some(record), Some(level)) = (text(1), text(2), text(5)) else { return };
        let needed: &[Action] = match level.as_str() {
            "read" => &[Action::Read],
            "update" => &[Action::Read, Action::Update],
            _ => &[Action::Read, Action::Update, Action::Delete],
        };
        let known = person.policy().modules.contains_key(&module);
        if !known || !needed.iter().all(|action| probe::in_reach(person, &module, &CellRef::Action(*action), &record)) {
            errors::denied(
                format!("you may not share record \"{record}\" of module \"{module}\" for {level}"),
                "Share what is in your own reach, for what you may do yourself.",
            );
        }
    }
}

/// What the policy says of the old and the new row.
struct Verdict {
    old_update: bool,
    new_update: bool,
    old_claim: bool,
    had_no_owner: bool,
    new_restrictions: bool,
    /// Some right to assign reaches the old row and its bound holds for the new one.
    assign: bool,
    /// Key name and value of each owner column of the new row.
    owners: Vec<(String, Option<String>)>,
}

fn is_owner(module: &Module, column: &str) -> bool {
    module.owners.iter().any(|owner| match owner {
        Owner::Column(owner) => owner.column.name == column,
        Owner::Link(..) => false,
    })
}

fn is_assignment(module: &Module, column: &str) -> bool {
    is_owner(module, column)
        || module.groups.iter().any(|group| match group {
            GroupPlace::Column(group) => group.name == column,
            GroupPlace::Link(_) => false,
        })
}

/// One row with the answers, from the old row `o` and the new row `n`.
///
/// ```sql
/// SELECT (o in reach for update), (n in reach for update), (o in reach for claim), (o has no owner),
///   (n satisfies the restrictions), (o may be assigned to what n says), n's owners
/// FROM (SELECT ($1).*) AS o, (SELECT ($2).*) AS n
/// ```
fn questions(
    policy: &PolicySet,
    name: &str,
    module: &Module,
    bounds: &[Option<BTreeSet<ScopeName>>],
) -> String {
    let writing = if module.configuration { Action::Customise } else { Action::Update };
    let update = CellRef::Action(writing);
    let within = |cell: &CellRef, alias: &str| reach_and_restrictions(policy, name, cell, alias);
    let owners: Vec<String> = module
        .owners
        .iter()
        .filter_map(|owner| match owner {
            Owner::Column(owner) => Some(quote::name(&owner.column.name)),
            Owner::Link(..) => None,
        })
        .collect();
    let no_owner = if owners.is_empty() {
        "false".to_owned()
    } else {
        owners.iter().map(|owner| format!("o.{owner} IS NULL")).collect::<Vec<_>>().join(" AND ")
    };
    let claim = if owners.is_empty() {
        "false".to_owned()
    } else {
        within(&CellRef::Action(Action::Claim), "o.")
    };
    let restrictions: Vec<String> = celador_policy::row_policy::restriction_terms(policy, name, &update, "n.")
        .into_iter()
        .map(|(_, sql)| sql)
        .collect();
    let restrictions = if restrictions.is_empty() { "true".to_owned() } else { restrictions.join(" AND ") };
    let assign: Vec<String> = bounds
        .iter()
        .map(|bound| {
            let old = within(&CellRef::AssignTo(bound.clone()), "o.");
            match bound {
                None => old,
                Some(scopes) => {
                    let new = celador_policy::row_policy::reach_sql(policy, name, &CellRef::Scopes(scopes.clone()), "n.");
                    format!("({old} AND {new})")
                }
            }
        })
        .collect();
    let assign = if assign.is_empty() { "false".to_owned() } else { assign.join(" OR ") };
    let mut answers =
        vec![within(&update, "o."), within(&update, "n."), claim, no_owner, restrictions, assign];
    answers.extend(owners.iter().map(|owner| format!("CAST(n.{owner} AS pg_catalog.text)")));
    format!(
        "SELECT {} FROM (SELECT ($1).*) AS o, (SELECT ($2).*) AS n",
        answers.into_iter().map(|answer| format!("({answer})")).collect::<Vec<_>>().join(", ")
    )
}

unsafe fn attribute(descriptor: pg_sys::TupleDesc, at: i32) -> *mut pg_sys::FormData_pg_attribute {
    // SAFETY: `at` is below the number of attributes.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            (*descriptor).attrs.as_mut_ptr().add(at as usize)
        }
        #[cfg(feature = "pg18")]
        {
            pg_sys::TupleDescAttr(descriptor, at)
        }
    }
}

unsafe fn name_of(attribute: &pg_sys::FormData_pg_attribute) -> String {
    // SAFETY: a name is zero-terminated.
    unsafe { std::ffi::CStr::from_ptr(attribute.attname.data.as_ptr()).to_string_lossy().into_owned() }
}

unsafe fn same_image(old: pg_sys::Datum, new: pg_sys::Datum, attribute: &pg_sys::FormData_pg_attribute) -> bool {
    // SAFETY: both are values of the attribute's type.
    unsafe {
        if datumIsEqual(old, new, attribute.attbyval, i32::from(attribute.attlen)) {
            return true;
        }
        if attribute.attlen != -1 {
            return false;
        }
        // The same value may be stored compressed, or elsewhere.
        let (old, new) =
            (pg_sys::pg_detoast_datum(old.cast_mut_ptr()), pg_sys::pg_detoast_datum(new.cast_mut_ptr()));
        datumIsEqual(pg_sys::Datum::from(old), pg_sys::Datum::from(new), false, -1)
    }
}
