//! Statements of Celador's own, prepared once per backend, and the rights that they run with.
//!
//! What runs here was written by Celador alone: names, literals and the closed list of
//! predicates; never an expression of the person who asks.

use std::cell::Cell;
use std::ffi::CString;
use std::ptr;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::kept_snapshot;

thread_local! {
    static INTERNAL: Cell<u32> = const { Cell::new(0) };
}

/// Whether a statement of Celador's own is being planned or run: the hooks leave it alone.
pub(crate) fn is_internal() -> bool {
    INTERNAL.get() > 0
}

/// Others' code begins: what it runs is not Celador's own. Returns what [`resume`] takes.
pub(crate) fn suspend() -> u32 {
    INTERNAL.replace(0)
}

/// Others' code has ended.
pub(crate) fn resume(depth: u32) {
    INTERNAL.set(depth);
}

/// Restores user and security context when dropped, also while an error unwinds.
struct Rights {
    user: pg_sys::Oid,
    context: i32,
}

impl Rights {
    fn switch_to(user: pg_sys::Oid) -> Self {
        let mut saved = Self {
            user: pg_sys::Oid::INVALID,
            context: 0,
        };
        // SAFETY: both calls only read and write the backend's current user; Drop restores it.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut saved.user, &mut saved.context);
            let context = saved.context
                | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32
                | pg_sys::SECURITY_NOFORCE_RLS as i32;
            pg_sys::SetUserIdAndSecContext(user, context);
        }
        INTERNAL.set(INTERNAL.get() + 1);
        saved
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        INTERNAL.set(INTERNAL.get().saturating_sub(1));
        // SAFETY: restores what `switch_to` found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) }
    }
}

/// Runs `work` with the rights of `user`, as a referential check does: row security that is
/// forced on the owner doesn't apply, and the hooks leave the statements alone.
pub(crate) fn with_rights_of<T>(user: pg_sys::Oid, work: impl FnOnce() -> T) -> T {
    let _rights = Rights::switch_to(user);
    work()
}

/// Whether a referential action is at work on a table of this owner's. PostgreSQL runs it as the
/// owner of the table that it changes; what a trigger of somebody else's does meanwhile isn't one.
pub(crate) fn is_referential(owner: pg_sys::Oid) -> bool {
    // SAFETY: both read the backend's state.
    unsafe { pg_sys::InNoForceRLSOperation() && pg_sys::GetUserId() == owner }
}

/// The owner of everything of Celador's: PostgreSQL's bootstrap superuser.
pub(crate) fn superuser() -> pg_sys::Oid {
    pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID)
}

/// As which snapshot a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// What the statement that runs sees. A transaction that keeps its snapshot is no reason to
    /// decide by what has changed since: there it is [`Self::Latest`].
    Statement,
    /// What is committed now, whatever the transaction's isolation level.
    Latest,
}

impl Reads {
    /// The snapshot to register; `None`: the one that is active.
    unsafe fn snapshot(self) -> Option<pg_sys::Snapshot> {
        let keeps = kept_snapshot::is_kept();
        // SAFETY: reads the backend's state.
        unsafe {
            if pg_sys::IsInParallelMode() {
                if keeps {
                    crate::errors::raise(
                        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                        "protected tables can't be read by a function in a parallel statement of a \
                         REPEATABLE READ or SERIALIZABLE transaction",
                        "SET max_parallel_workers_per_gather = 0, or use READ COMMITTED.",
                    );
                }
                // PostgreSQL gives no later one there; the statement's is as late as its start.
                return None;
            }
            (keeps || self == Self::Latest).then(|| pg_sys::GetLatestSnapshot())
        }
    }
}

/// Runs a statement with text parameters once, read-only. Returns its rows, each value as text.
/// Inside [`connected`].
pub(crate) fn read(sql: &str, values: &[&str], reads: Reads) -> Vec<Vec<Option<String>>> {
    let types = vec![pg_sys::TEXTOID; values.len()];
    // SPI_finish frees what isn't kept.
    let plan = prepare(sql, &types, 0);
    // SAFETY: as many values as parameters.
    unsafe { execute(plan, text_datums(values), reads) }
}

fn text_datums(values: &[&str]) -> Vec<pg_sys::Datum> {
    values
        .iter()
        .map(|value| value.into_datum().unwrap_or(pg_sys::Datum::from(0)))
        .collect()
}

fn prepare(sql: &str, types: &[pg_sys::Oid], options: u32) -> pg_sys::SPIPlanPtr {
    let text = c_string(sql);
    let mut types = types.to_vec();
    // SAFETY: the text and the types outlive the call.
    let plan = unsafe {
        pg_sys::SPI_prepare_cursor(
            text.as_ptr(),
            types.len() as i32,
            types.as_mut_ptr(),
            options as i32,
        )
    };
    if plan.is_null() {
        crate::errors::fault("a statement of Celador's own can't be prepared");
    }
    plan
}

/// Runs a prepared statement: as many values are given as it has parameters.
unsafe fn execute(
    plan: pg_sys::SPIPlanPtr,
    mut values: Vec<pg_sys::Datum>,
    reads: Reads,
) -> Vec<Vec<Option<String>>> {
    // SAFETY: the snapshot is registered while in use.
    unsafe {
        let snapshot = reads
            .snapshot()
            .map(|snapshot| pg_sys::RegisterSnapshot(snapshot));
        let status = pg_sys::SPI_execute_snapshot(
            plan,
            values.as_mut_ptr(),
            ptr::null(),
            snapshot.unwrap_or(ptr::null_mut()),
            ptr::null_mut(),
            true,
            false,
            0,
        );
        if let Some(snapshot) = snapshot {
            pg_sys::UnregisterSnapshot(snapshot);
        }
        if status != pg_sys::SPI_OK_SELECT as i32 {
            crate::errors::fault("a statement of Celador's own returned no rows");
        }
        read_rows()
    }
}

/// A statement that is prepared once and kept.
pub(crate) struct Kept {
    plan: pg_sys::SPIPlanPtr,
}

impl Kept {
    /// Prepares a statement with `parameters` parameters of type text. Inside [`connected`].
    pub(crate) fn prepare(sql: &str, parameters: usize) -> Self {
        Self::prepare_typed(sql, &vec![pg_sys::TEXTOID; parameters])
    }

    /// Prepares a statement with parameters of these types. Inside [`connected`].
    pub(crate) fn prepare_typed(sql: &str, types: &[pg_sys::Oid]) -> Self {
        Self::keep(prepare(sql, types, 0))
    }

    /// Prepares a statement over a list of texts, `$1`, that is planned for each list: a few keys are
    /// looked up, many are not. Inside [`connected`].
    pub(crate) fn prepare_listed(sql: &str) -> Self {
        let types = [pg_sys::TEXTARRAYOID];
        Self::keep(prepare(sql, &types, pg_sys::CURSOR_OPT_CUSTOM_PLAN))
    }

    fn keep(plan: pg_sys::SPIPlanPtr) -> Self {
        // SAFETY: moves the plan to a context that lives until it is freed.
        if unsafe { pg_sys::SPI_keepplan(plan) } != 0 {
            crate::errors::fault("a statement of Celador's own can't be kept");
        }
        Self { plan }
    }

    /// The statement as PostgreSQL understands it now: a copy in the memory of the moment. With the
    /// rights that it was prepared with.
    pub(crate) fn query(&self) -> *mut pg_sys::Query {
        // SAFETY: a kept plan has the source of its one statement; what is asked for a target list
        // looks first whether a table has changed since, and locks the tables.
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.plan);
            let source = (*(*sources).elements)
                .ptr_value
                .cast::<pg_sys::CachedPlanSource>();
            pg_sys::CachedPlanGetTargetList(source, ptr::null_mut());
            let query = (*(*(*source).query_list).elements).ptr_value;
            pg_sys::copyObjectImpl(query).cast()
        }
    }

    /// Runs the statement read-only and returns its rows, each value as text.
    pub(crate) fn rows(&self, values: &[&str], reads: Reads) -> Vec<Vec<Option<String>>> {
        self.rows_of(text_datums(values), reads)
    }

    /// Runs a statement of [`Self::prepare_listed`].
    pub(crate) fn rows_listed(&self, list: &[String], reads: Reads) -> Vec<Vec<Option<String>>> {
        let list = list.iter().map(String::as_str).collect::<Vec<_>>();
        let list = list.into_datum().unwrap_or(pg_sys::Datum::from(0));
        self.rows_of(vec![list], reads)
    }

    /// Like [`Self::rows`], with values of the statement's own parameter types; none is NULL.
    pub(crate) fn rows_of(
        &self,
        values: Vec<pg_sys::Datum>,
        reads: Reads,
    ) -> Vec<Vec<Option<String>>> {
        // SAFETY: callers give as many values as the statement has parameters.
        unsafe { execute(self.plan, values, reads) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: a kept plan is freed once. While the backend ends, its memory goes as a whole.
        unsafe {
            if !pg_sys::proc_exit_inprogress {
                pg_sys::SPI_freeplan(self.plan);
            }
        }
    }
}

/// Reads what SPI has just returned.
pub(crate) unsafe fn read_rows() -> Vec<Vec<Option<String>>> {
    // SAFETY: SPI_tuptable holds SPI_processed tuples until the next call or SPI_finish.
    unsafe {
        let table = pg_sys::SPI_tuptable;
        if table.is_null() {
            return Vec::new();
        }
        let descriptor = (*table).tupdesc;
        // Most values are texts, which need no output function.
        let texts: Vec<bool> = (1..=(*descriptor).natts)
            .map(|column| pg_sys::SPI_gettypeid(descriptor, column) == pg_sys::TEXTOID)
            .collect();
        let rows = (0..pg_sys::SPI_processed as usize)
            .map(|at| {
                let tuple = *(*table).vals.add(at);
                (1..)
                    .zip(&texts)
                    .map(|(column, is_text)| {
                        if *is_text {
                            text_of(tuple, descriptor, column)
                        } else {
                            printed(tuple, descriptor, column)
                        }
                    })
                    .collect()
            })
            .collect();
        pg_sys::SPI_freetuptable(table);
        rows
    }
}

/// A column of type text.
unsafe fn text_of(
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    column: i32,
) -> Option<String> {
    // SAFETY: the value is a text, and lives as long as the tuple; a copy is freed.
    unsafe {
        let mut is_null = false;
        let value = pg_sys::SPI_getbinval(tuple, descriptor, column, &mut is_null);
        if is_null {
            return None;
        }
        let stored = value.cast_mut_ptr::<pg_sys::varlena>();
        let text = pg_sys::pg_detoast_datum_packed(stored);
        let bytes = std::slice::from_raw_parts(
            pgrx::varlena::vardata_any(text).cast::<u8>(),
            pgrx::varlena::varsize_any_exhdr(text),
        );
        let owned = String::from_utf8_lossy(bytes).into_owned();
        if text != stored {
            pg_sys::pfree(text.cast());
        }
        Some(owned)
    }
}

/// A column as its type's output function prints it.
unsafe fn printed(
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    column: i32,
) -> Option<String> {
    // SAFETY: the text is PostgreSQL's copy, and freed.
    unsafe {
        let text = pg_sys::SPI_getvalue(tuple, descriptor, column);
        (!text.is_null()).then(|| {
            let owned = std::ffi::CStr::from_ptr(text)
                .to_string_lossy()
                .into_owned();
            pg_sys::pfree(text.cast());
            owned
        })
    }
}

/// Has what `work` plans planned for tables that are in memory, as the directory's are: PostgreSQL
/// takes a thousand look-ups for reads of a disk, and reads the whole table instead.
pub(crate) fn in_memory<T>(work: impl FnOnce() -> T) -> T {
    /// Ends the level of settings; while an error unwinds, the transaction does.
    struct Level(i32);
    impl Drop for Level {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                // SAFETY: ends the level that was begun below.
                unsafe { pg_sys::AtEOXact_GUC(true, self.0) }
            }
        }
    }
    // SAFETY: begins a nested level of settings.
    let _level = Level(unsafe { pg_sys::NewGUCNestLevel() });
    for cost in [c"seq_page_cost", c"random_page_cost"] {
        // SAFETY: name and value are strings that outlive the call.
        unsafe {
            pg_sys::set_config_option(
                cost.as_ptr(),
                c"0.05".as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
    }
    work()
}

/// Opens SPI around `work`.
pub(crate) fn connected<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: connect and finish are paired; on an error the transaction's end cleans up.
    unsafe {
        pg_sys::SPI_connect();
        let result = work();
        pg_sys::SPI_finish();
        result
    }
}

/// Runs a statement that writes or defines something, with the rights of the moment.
/// Inside [`connected`].
pub(crate) fn run(sql: &str) {
    let text = c_string(sql);
    // SAFETY: the text outlives the call.
    let status = unsafe { pg_sys::SPI_execute(text.as_ptr(), false, 0) };
    if status < 0 {
        crate::errors::fault("a statement of Celador's own failed");
    }
}

/// Runs one statement with text parameters, not kept; NULL where a value is `None`. Returns its
/// rows, if it has any. Inside [`connected`].
pub(crate) fn run_with(
    sql: &str,
    values: &[Option<&str>],
    read_only: bool,
) -> Vec<Vec<Option<String>>> {
    let text = c_string(sql);
    let mut types = vec![pg_sys::TEXTOID; values.len()];
    let mut datums: Vec<pg_sys::Datum> = values
        .iter()
        .map(|value| {
            value
                .and_then(IntoDatum::into_datum)
                .unwrap_or(pg_sys::Datum::from(0))
        })
        .collect();
    let nulls: Vec<std::ffi::c_char> = values
        .iter()
        .map(|value| if value.is_some() { b' ' } else { b'n' } as std::ffi::c_char)
        .collect();
    // SAFETY: all arrays have one entry for each parameter and outlive the call.
    unsafe {
        let status = pg_sys::SPI_execute_with_args(
            text.as_ptr(),
            values.len() as i32,
            types.as_mut_ptr(),
            datums.as_mut_ptr(),
            nulls.as_ptr(),
            read_only,
            0,
        );
        if status < 0 {
            crate::errors::fault("a statement of Celador's own failed");
        }
        read_rows()
    }
}

/// SQL as C text. A zero byte can't be sent; the statement is refused rather than cut.
pub(crate) fn c_string(sql: &str) -> CString {
    CString::new(sql).unwrap_or_else(|_| {
        crate::errors::fault("a statement of Celador's own contains a zero byte")
    })
}
