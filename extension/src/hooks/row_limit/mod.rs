//! Whoever reads a number of rows of a module at once gets no more from one statement.
//!
//! While a statement is planned it is found out whose rows its result carries: see [`carried`]. The plan says
//! so, whoever it is for; where it starts, the person's number is looked up, and the rows that are sent are
//! counted, over all FETCHes of a cursor. What has been sent before the number is passed has been sent.
//!
//! Rows that a statement puts together, or into a table that no policy protects, are counted where that is done:
//!
//! ```sql
//! SELECT json_agg(c) FROM contacts AS c
//! SELECT json_agg(c) FILTER (WHERE celador.row_counts('contacts')) FROM contacts AS c
//! INSERT INTO mine SELECT name FROM contacts
//! INSERT INTO mine SELECT name FROM (SELECT name FROM contacts) WHERE celador.row_counts('contacts')
//! ```

mod carried;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use pgrx::prelude::*;

use super::raw_function;
use crate::catalog::{self, Catalog};
use crate::session::{self, Person};
use crate::watch::Kind;
use crate::{call_memory, errors, placement, plan_stamp, relations};

pub(super) use carried::Carried;

/// The modules of which roles read a number of rows, by table.
#[derive(Default)]
pub(crate) struct Limited(RefCell<HashMap<pg_sys::Oid, OfTable>>);

/// How often relations had changed, and the modules.
type OfTable = (u64, Rc<Vec<String>>);

impl Limited {
    /// The modules of the table whose rows are limited for some role.
    pub(super) fn modules(&self, catalog: &Catalog, table: pg_sys::Oid) -> Rc<Vec<String>> {
        let limited = catalog.limited_modules();
        if limited.is_empty() || !catalog.protected.contains(&table) {
            return Rc::default();
        }
        let changes = catalog::relation_changes();
        if let Some((as_of, known)) = self.0.borrow().get(&table)
            && *as_of == changes
        {
            return Rc::clone(known);
        }
        let policy = catalog.policy.as_ref();
        let placed = policy.zip(relations::table_name(table));
        let placement =
            placed.and_then(|(policy, name)| placement::of(catalog, policy, table, &name));
        let modules = placement.map_or_else(Vec::new, |placement| {
            let modules = placement.modules().into_iter().map(str::to_owned);
            modules.filter(|module| limited.contains(module)).collect()
        });
        let modules = Rc::new(modules);
        let mut known = self.0.borrow_mut();
        known.insert(table, (changes, Rc::clone(&modules)));
        modules
    }
}

/// Receives a statement's rows in the place of another receiver, and passes them on. It lies in the memory
/// of the statement.
#[repr(C)]
struct Counting {
    /// First: PostgreSQL knows no more of it.
    receiver: pg_sys::DestReceiver,
    to: *mut pg_sys::DestReceiver,
    left: u64,
    statement: *mut pg_sys::QueryDesc,
}

/// A statement whose rows are counted.
struct Counted {
    most: u64,
    module: String,
    /// NULL until it runs.
    counting: *mut Counting,
}

thread_local! {
    /// Statements whose rows are counted, by address.
    static COUNTED: RefCell<BTreeMap<usize, Counted>> = const { RefCell::new(BTreeMap::new()) };
}

/// A transaction has ended, and with it the statements.
pub(crate) fn forget() {
    COUNTED.with_borrow_mut(BTreeMap::clear);
}

/// A statement has ended.
pub(super) fn ended(statement: *mut pg_sys::QueryDesc) {
    COUNTED.with_borrow_mut(|counted| counted.remove(&(statement as usize)));
}

/// A statement starts. `person`: for whom; `None`: for somebody exempt.
pub(super) unsafe fn started(
    statement: *mut pg_sys::QueryDesc,
    catalog: &Catalog,
    person: Option<&Person>,
) {
    // One that has failed doesn't end.
    ended(statement);
    let Some(person) = person else {
        return;
    };
    // SAFETY: the statement has been planned.
    let tables = unsafe { plan_stamp::carried((*statement).plannedstmt) };
    let limits = tables.into_iter().flat_map(|table| {
        let modules = catalog.limited.modules(catalog, table);
        let limit = |module: &String| Some((person.row_limit(module)?, module.clone()));
        modules.iter().filter_map(limit).collect::<Vec<_>>()
    });
    if let Some((most, module)) = limits.min() {
        let counted = Counted {
            most,
            module,
            counting: std::ptr::null_mut(),
        };
        COUNTED.with_borrow_mut(|all| all.insert(statement as usize, counted));
    }
}

/// A statement runs, or goes on: its rows go by way of what counts them. The receiver that they are for is
/// returned, to be put back; NULL: nothing is counted.
pub(super) unsafe fn count(statement: *mut pg_sys::QueryDesc) -> *mut pg_sys::DestReceiver {
    // SAFETY: the statement runs; what counts lives as long as it.
    COUNTED.with_borrow_mut(|all| unsafe {
        let to = (*statement).dest;
        let destination = (*to).mydest;
        let counted = all.get_mut(&(statement as usize));
        // MOVE returns nothing.
        let Some(counted) = counted.filter(|_| destination != pg_sys::CommandDest::DestNone) else {
            return std::ptr::null_mut();
        };
        let state = (*statement).estate;
        if counted.counting.is_null() {
            let size = size_of::<Counting>();
            let new = pg_sys::MemoryContextAllocZero((*state).es_query_cxt, size);
            counted.counting = new.cast();
            *counted.counting = Counting {
                receiver: pg_sys::DestReceiver {
                    receiveSlot: Some(receive),
                    rStartup: Some(startup),
                    rShutdown: Some(shutdown),
                    rDestroy: Some(destroy),
                    mydest: destination,
                },
                to,
                left: counted.most,
                statement,
            };
        }
        let counting = counted.counting;
        if begins_anew(statement) {
            (*counting).left = counted.most;
        }
        (*counting).receiver.mydest = destination;
        (*counting).to = to;
        (*statement).dest = counting.cast();
        to
    })
}

/// A scrollable cursor WITH HOLD begins anew when all of its rows are kept for after the transaction.
unsafe fn begins_anew(statement: *mut pg_sys::QueryDesc) -> bool {
    // SAFETY: reads the portal that runs.
    unsafe {
        let portal = pg_sys::ActivePortal;
        !portal.is_null()
            && (*portal).queryDesc == statement
            && !(*portal).holdStore.is_null()
            && (*portal).cursorOptions & pg_sys::CURSOR_OPT_SCROLL as i32 != 0
    }
}

unsafe extern "C-unwind" fn receive(
    row: *mut pg_sys::TupleTableSlot,
    counting: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: the receiver is the first part of a Counting.
    unsafe {
        let counting = counting.cast::<Counting>();
        if (*counting).left == 0 {
            refuse_more(counting);
        }
        (*counting).left -= 1;
        let to = (*counting).to;
        (*to).receiveSlot.is_some_and(|receive| receive(row, to))
    }
}

unsafe extern "C-unwind" fn startup(
    counting: *mut pg_sys::DestReceiver,
    operation: i32,
    columns: pg_sys::TupleDesc,
) {
    // SAFETY: as in `receive`.
    unsafe {
        let to = (*counting.cast::<Counting>()).to;
        if let Some(startup) = (*to).rStartup {
            startup(to, operation, columns);
        }
    }
}

unsafe extern "C-unwind" fn shutdown(counting: *mut pg_sys::DestReceiver) {
    // SAFETY: as in `receive`.
    unsafe {
        let to = (*counting.cast::<Counting>()).to;
        if let Some(shutdown) = (*to).rShutdown {
            shutdown(to);
        }
    }
}

/// Whoever made the receiver destroys it.
unsafe extern "C-unwind" fn destroy(_: *mut pg_sys::DestReceiver) {}

#[pg_guard]
unsafe extern "C-unwind" fn refuse_more(counting: *mut Counting) {
    // SAFETY: made by `count`.
    let statement = unsafe { (*counting).statement } as usize;
    let (most, module) = COUNTED.with_borrow(|all| {
        let counted = all.get(&statement);
        counted.map_or_else(
            || (0, String::new()),
            |known| (known.most, known.module.clone()),
        )
    });
    refuse(most, &module)
}

fn refuse(most: u64, module: &str) -> ! {
    errors::denied_by(
        Kind::Way,
        None,
        format!("you may read at most {most} rows of module \"{module}\" by one statement"),
        "Narrow the statement, or ask for the action export.",
    )
}

/// How many more rows a call lets pass; `None`: as many as there are.
struct Left {
    most: u64,
    left: Option<u64>,
}

raw_function!(
    /// `celador.row_counts(module)`: true; an error once it has been asked more often than the person may read
    /// rows of the module by one statement.
    row_counts_wrapper,
    pg_finfo_row_counts_wrapper,
    row_counts
);

unsafe fn row_counts(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: a strict function of one text; `fn_extra` is this function's own.
    unsafe {
        let module = || {
            let name = (*(*call).args.as_ptr()).value;
            String::from_datum(name, false).unwrap_or_default()
        };
        let function = (*call).flinfo;
        let mut known = (*function).fn_extra.cast::<Left>();
        if known.is_null() {
            let exempt = catalog::current().is_none_or(|catalog| catalog.sees_all());
            let most = if exempt {
                None
            } else {
                session::person().row_limit(&module())
            };
            let left = Left {
                most: most.unwrap_or(0),
                left: most,
            };
            known = call_memory::keep(function, left);
        }
        if let Some(left) = &mut (*known).left {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => refuse((*known).most, &module()),
            }
        }
    }
    pg_sys::Datum::from(true)
}
