//! The guard: decides, row by row, what a record may become from what it was.
//!
//! A BEFORE ROW trigger that sorts last and is always enabled. Row security can't do this: it
//! never sees the old and the new row together.

mod becoming;
mod belonging;
mod fields;
mod known;
mod row;
mod verdict;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use celador_policy::Action;
use celador_policy::policy_set::{CellRef, Module};
use pgrx::prelude::*;

use crate::catalog::Catalog;
use crate::directory_trigger::{self, row_trigger_data, trigger_data};
use crate::hooks::injected;
use crate::hooks::observe::asked;
use crate::hooks::raw_function;
use crate::session::{self, Person, person};
use crate::watch::{self, Counter, Kind, Raising};
use crate::{catalog, errors, probe, relations, spi};

pub(crate) use fields::may_not_write;
pub(crate) use known::Known;

/// The name of the trigger: `~` sorts behind every letter.
pub(crate) const TRIGGER: &str = "~celador_guard";
/// The name of the trigger that refuses TRUNCATE.
pub(crate) const TRUNCATE_TRIGGER: &str = "~celador_truncate";
/// Those of Celador's own row triggers that may sort after the guard.
pub(crate) const OWN_TRIGGERS: [&str; 1] = [crate::giving::ROLES];

raw_function!(
    /// `celador.guard_truncate()`: TRUNCATE knows no row security, and cascades.
    guard_truncate_wrapper,
    pg_finfo_guard_truncate_wrapper,
    guard_truncate
);

unsafe fn guard_truncate(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the trigger's data lives as long as the call.
    unsafe {
        let table = relations::display_name((*(*trigger_data(fcinfo)).tg_relation).rd_id);
        let relation = (*(*trigger_data(fcinfo)).tg_relation).rd_id;
        let catalog = catalog::current();
        if let Some(catalog) = &catalog
            && catalog.observed.contains(&relation)
        {
            watch::truncation(catalog, relation);
        } else if !catalog.is_some_and(|catalog| catalog.sees_all()) {
            errors::denied_by(
                Kind::Guard,
                Some(relation),
                format!("{table} is protected: TRUNCATE would remove rows out of reach"),
                "Use DELETE, or have a maintenance role truncate the table.",
            );
        }
    }
    pg_sys::Datum::from(0)
}

/// A row on its way to another partition: its module, its columns, the command that moves it.
type Moving = (String, BTreeMap<String, Option<String>>, pg_sys::CommandId);

thread_local! {
    /// The row that the guard has last let go to another partition.
    static MOVING: RefCell<Option<Moving>> = const { RefCell::new(None) };
}

raw_function!(
    /// `celador.guard('module', …)`: the modules whose records the table holds.
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
    let _raising = Raising::counts_as(Counter::ErrorsGuard);
    injected::panic_if_asked("guard");
    // SAFETY: the trigger's data lives as long as the call.
    unsafe {
        let data = row_trigger_data(
            fcinfo,
            &[pg_sys::TRIGGER_EVENT_INSERT, pg_sys::TRIGGER_EVENT_UPDATE],
        );
        let updating =
            (*data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_UPDATE;
        let call = Call {
            data,
            relation: (*data).tg_relation,
            updating,
        };
        pg_sys::Datum::from(call.decide())
    }
}

impl Call {
    /// The row to go on with.
    unsafe fn decide(&self) -> pg_sys::HeapTuple {
        // SAFETY: the trigger's data lives as long as the call.
        unsafe {
            let row = if self.updating {
                (*self.data).tg_newtuple
            } else {
                (*self.data).tg_trigtuple
            };
            if spi::is_referential((*(*self.relation).rd_rel).relowner) {
                return row;
            }
            let Some(catalog) = catalog::current() else {
                return row;
            };
            if catalog.observed.contains(&(*self.relation).rd_id) {
                self.observe(&catalog);
                return row;
            }
            if !catalog.protected.contains(&(*self.relation).rd_id) {
                self.refuse(
                    "Celador's trigger stands, and no policy does,",
                    "Load the policy again.",
                );
            }
            if catalog.sees_all() {
                return row;
            }
            let names = self.arguments();
            let person = person();
            let name = self.module_of(&person, &names, row);
            let Some(module) = person.policy().modules.get(name) else {
                errors::denied(
                    format!(
                        "module \"{name}\" of the guard on {} is not in the policy",
                        self.table()
                    ),
                    "Load the policy again.",
                )
            };
            if self.updating {
                if let Err((what, hint)) = self.becomes(&person, &names, name, module) {
                    self.refuse(&what, hint);
                }
                if name == "shares" {
                    self.share(&person, row);
                }
                self.leaves(&catalog, name, row);
                row
            } else {
                if self.arrives(name, row) {
                    return row;
                }
                let known = Known::of(&person, name, module, (*self.relation).rd_id);
                let pointed = self.points(&person, name, &known, module, row);
                let created = || self.creates_fields(&person, &known, name, row);
                if let Err((what, hint)) = pointed.and_then(|()| created()) {
                    self.refuse(&what, hint);
                }
                if name == "shares" {
                    self.share(&person, row);
                }
                self.fill_creator(&person, module, row)
            }
        }
    }

    /// Counts what the guard would refuse, and refuses nothing.
    unsafe fn observe(&self, catalog: &Rc<Catalog>) {
        if !self.updating || catalog.sees_all() || !crate::hooks::are_installed() {
            return;
        }
        // SAFETY: an open relation.
        let relation = unsafe { (*self.relation).rd_id };
        if asked(catalog, relation).is_none() {
            return;
        }
        let Some(policy) = &catalog.policy else {
            return;
        };
        // For nobody the row counts as hidden already, and so does one that is out of reach.
        let Ok(person) = session::asker() else {
            return;
        };
        // SAFETY: the rows are of the trigger's relation, as in `decide`.
        unsafe {
            let names = self.arguments();
            let row = (*self.data).tg_newtuple;
            let Some(name) = belonging::module_of(&person, &names, self.relation, row) else {
                watch::refused(&names[0], policy.writing_action(&names[0], Action::Update));
                return;
            };
            let Some(module) = policy.modules.get(name) else {
                return;
            };
            let verdict = self.becomes(&person, &names, name, module);
            if verdict.is_err_and(|(what, _)| what != OUT_OF_REACH) {
                watch::refused(name, policy.writing_action(name, Action::Update));
            }
        }
    }

    /// An omitted creator is whoever creates.
    unsafe fn fill_creator(
        &self,
        person: &Person,
        module: &Module,
        row: pg_sys::HeapTuple,
    ) -> pg_sys::HeapTuple {
        let Some(creator) = &module.creator else {
            return row;
        };
        let [me] = person.keys(&creator.key) else {
            return row;
        };
        // SAFETY: the row is of the trigger's relation.
        unsafe { row::fill(self.relation, row, &creator.column.name, me) }
    }

    /// Whether the row has been let go by the guard as it was updated, and arrives here. It must
    /// arrive as it left: what a trigger has changed on the way, nobody has decided on.
    unsafe fn arrives(&self, name: &str, row: pg_sys::HeapTuple) -> bool {
        // SAFETY: the row is of the trigger's relation.
        unsafe {
            let command = pg_sys::GetCurrentCommandId(false);
            let left = MOVING.with_borrow_mut(Option::take);
            let Some((_, columns, _)) = left.filter(|(of, _, by)| of == name && *by == command)
            else {
                return false;
            };
            if columns != row::columns(self.relation, row) {
                self.refuse(
                    "a trigger has changed the row while it moved to another partition, which isn't allowed",
                    "Leave rows that UPDATE moves as they are.",
                );
            }
            true
        }
    }

    /// Notes a row that its new values send to another partition.
    unsafe fn leaves(&self, catalog: &Catalog, name: &str, row: pg_sys::HeapTuple) {
        // SAFETY: the row is of the trigger's relation.
        unsafe {
            MOVING.set(None);
            if (*(*self.relation).rd_rel).relispartition
                && !row::fits_partition(catalog, self.relation, row)
            {
                let columns = row::columns(self.relation, row);
                MOVING.set(Some((
                    name.to_owned(),
                    columns,
                    pg_sys::GetCurrentCommandId(false),
                )));
            }
        }
    }

    unsafe fn arguments(&self) -> Vec<String> {
        // SAFETY: a trigger's arguments live as long as the call.
        let names = unsafe { directory_trigger::arguments(self.data) };
        if names.is_empty() {
            errors::denied(
                format!("the guard on {} has no module", self.table()),
                "Load the policy again.",
            );
        }
        names
    }

    /// The module whose record the row is.
    unsafe fn module_of<'a>(
        &self,
        person: &Person,
        names: &'a [String],
        row: pg_sys::HeapTuple,
    ) -> &'a str {
        // SAFETY: the row is of the trigger's relation.
        let found = unsafe { belonging::module_of(person, names, self.relation, row) };
        found.unwrap_or_else(|| self.refuse(OF_NO_MODULE.0, OF_NO_MODULE.1))
    }

    fn table(&self) -> String {
        // SAFETY: an open relation.
        relations::display_name(unsafe { (*self.relation).rd_id })
    }

    fn refuse(&self, what: &str, hint: &str) -> ! {
        // SAFETY: an open relation.
        let relation = unsafe { (*self.relation).rd_id };
        errors::denied_by(
            Kind::Guard,
            Some(relation),
            format!("{what} on {}", self.table()),
            hint,
        )
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
        let (Some(module), Some(record), Some(level)) = (text(1), text(2), text(5)) else {
            return;
        };
        let needed: &[Action] = match level.as_str() {
            "read" => &[Action::Read],
            "update" => &[Action::Read, Action::Update],
            _ => &[Action::Read, Action::Update, Action::Delete],
        };
        let known = person.policy().modules.contains_key(&module);
        if !known
            || !needed
                .iter()
                .all(|action| probe::in_reach(person, &module, &CellRef::Action(*action), &record))
        {
            errors::denied(
                format!("you may not share record \"{record}\" of module \"{module}\" for {level}"),
                "Share what is in your own reach, for what you may do yourself.",
            );
        }
    }
}

/// What is said of a row that row security hides from UPDATE.
const OF_NO_MODULE: (&str, &str) = (
    "the row is a record of no module, or of several,",
    "Write what makes it a record of one: the modules' where in the mapping says what.",
);
const OUT_OF_REACH: &str = "the row is not in your reach for changing it";

/// What is wrong with a row that is to become another, and what to do.
type Verdicted = Result<(), (String, &'static str)>;
