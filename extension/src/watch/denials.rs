//! The log of denials: who was denied what, how often, first and last. No values, no SQL.
//!
//! It is bounded, and nobody's denials push out everybody else's: equal ones share a line, and where
//! room is needed, whoever has most lines loses the oldest of them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, c_void};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::counters::{Counter, count};
use super::fixed_text::FixedText;
use super::memory::with_books;
use crate::{catalog, placement, relations, session};

/// How many lines there are, for all databases.
const LINES: usize = 1024;

/// What denied it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Nobody is signed in.
    Nobody,
    /// A row policy, for a row that was written.
    Check,
    /// The guard, for what a row would have become.
    Guard,
    /// A way around the policy: a view, COPY, a copy of rows.
    Way,
    /// The statement wasn't planned through Celador.
    Uncovered,
    /// A change of the schema.
    Schema,
    /// A token.
    Token,
    /// Something else.
    Other,
}

const KINDS: [(Kind, &str, Counter); 8] = [
    (Kind::Nobody, "nobody", Counter::DeniedNobody),
    (Kind::Check, "check", Counter::DeniedCheck),
    (Kind::Guard, "guard", Counter::DeniedGuard),
    (Kind::Way, "way", Counter::DeniedWay),
    (Kind::Uncovered, "uncovered", Counter::DeniedUncovered),
    (Kind::Schema, "schema", Counter::DeniedSchema),
    (Kind::Token, "token", Counter::TokensRefused),
    (Kind::Other, "other", Counter::DeniedOther),
];

#[repr(C)]
#[derive(Clone, Copy)]
struct Line {
    database: u32,
    login: u32,
    relation: u32,
    kind: u8,
    command: u8,
    user: FixedText,
    times: u64,
    first: i64,
    last: i64,
}

/// The lines that are in use come first.
#[repr(C)]
pub(super) struct Denials {
    used: usize,
    lines: [Line; LINES],
}

static LOG: GucSetting<bool> = GucSetting::<bool>::new(false);

thread_local! {
    /// The protected table and the command of the statement that has begun last.
    static STATEMENT: Cell<(pg_sys::Oid, pg_sys::CmdType::Type)> =
        const { Cell::new((pg_sys::InvalidOid, pg_sys::CmdType::CMD_UNKNOWN)) };
    /// What the server's log isn't told yet: not while an error is being raised.
    static PENDING: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Defines the setting. Called once, when the library is loaded.
pub(crate) fn define_settings() {
    GucRegistry::define_bool_guc(
        c"celador.log_denials",
        c"Writes each denial to the server's log as well.",
        c"Who, database role, what denied it, table and command; no values and no SQL.",
        &LOG,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY,
    );
}

impl Denials {
    /// Whether it can have been written by this code.
    pub(super) fn is_sound(&self) -> bool {
        self.used <= LINES
    }

    /// Adds a denial; true: another one had to go.
    fn add(&mut self, line: &Line) -> bool {
        let same = |known: &&mut Line| {
            (
                known.database,
                known.login,
                known.relation,
                known.kind,
                known.command,
            ) == (
                line.database,
                line.login,
                line.relation,
                line.kind,
                line.command,
            ) && known.user == line.user
        };
        if let Some(known) = self.lines[..self.used].iter_mut().find(same) {
            known.times += 1;
            known.last = line.last;
            return false;
        }
        if self.used < LINES {
            self.lines[self.used] = *line;
            self.used += 1;
            return false;
        }
        let holder = |line: &Line| (line.database, line.login, line.user.hash());
        let mut held: HashMap<_, usize> = HashMap::new();
        for line in &self.lines {
            *held.entry(holder(line)).or_default() += 1;
        }
        let most = held.values().max().copied().unwrap_or(0);
        let oldest = self
            .lines
            .iter()
            .enumerate()
            .filter(|(_, line)| held.get(&holder(line)) == Some(&most))
            .min_by_key(|(_, line)| line.last)
            .map_or(0, |(at, _)| at);
        self.lines[oldest] = *line;
        true
    }
}

/// A statement begins: a denial until the next one is about it.
pub(crate) fn statement_is(relation: pg_sys::Oid, command: pg_sys::CmdType::Type) {
    STATEMENT.set((relation, command));
}

/// Notes a denial of the statement at work, or of one on `relation`.
pub(crate) fn note(kind: Kind, relation: Option<pg_sys::Oid>) {
    let (of_statement, command) = STATEMENT.get();
    note_of(kind, relation.unwrap_or(of_statement), command);
}

fn note_of(kind: Kind, relation: pg_sys::Oid, command: pg_sys::CmdType::Type) {
    // What is tried through other eyes is not what the person did.
    if session::is_lent() {
        return;
    }
    // SAFETY: reads the backend's state and the clock.
    let line = unsafe {
        Line {
            database: pg_sys::MyDatabaseId.to_u32(),
            login: pg_sys::GetSessionUserId().to_u32(),
            relation: relation.to_u32(),
            kind: kind as u8,
            command: command as u8,
            user: FixedText::new(session::known_user().as_deref()),
            times: 1,
            first: pg_sys::GetCurrentTimestamp(),
            last: pg_sys::GetCurrentTimestamp(),
        }
    };
    let replaced = with_books(|books| books.denials.add(&line));
    if replaced {
        count(Counter::DenialsForgotten, 1);
    }
    if let Some((_, _, counter)) = KINDS.iter().find(|(of, ..)| *of == kind) {
        count(*counter, 1);
    }
    if LOG.get() {
        PENDING.with_borrow_mut(|pending| pending.push(line));
    }
}

/// Writes what was noted to the server's log: where a transaction, or a part of it, has ended.
pub(crate) fn log_pending() {
    for line in PENDING.take() {
        let user = line.user.shown().unwrap_or("nobody");
        let table = match pg_sys::Oid::from(line.relation) {
            pg_sys::InvalidOid => "no table".to_owned(),
            relation => format!("table {}", relation.to_u32()),
        };
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "celador denied: user \"{user}\", {}, {} of {table}",
                kind_name(line.kind),
                command_name(line.command),
            ),
            "celador",
        )
        .report(PgLogLevel::LOG_SERVER_ONLY);
    }
}

fn kind_name(kind: u8) -> &'static str {
    KINDS
        .iter()
        .find(|(of, ..)| *of as u8 == kind)
        .map_or("", |(_, name, _)| name)
}

fn command_name(command: u8) -> &'static str {
    match pg_sys::CmdType::Type::from(command) {
        pg_sys::CmdType::CMD_SELECT => "read",
        pg_sys::CmdType::CMD_INSERT => "create",
        pg_sys::CmdType::CMD_UPDATE => "update",
        pg_sys::CmdType::CMD_DELETE => "delete",
        pg_sys::CmdType::CMD_MERGE => "merge",
        _ => "other",
    }
}

// Called while an error is being raised: directly, so that nothing catches it on the way.
unsafe extern "C-unwind" {
    fn geterrcode() -> i32;
    fn CopyErrorData() -> *mut pg_sys::ErrorData;
    fn FreeErrorData(error: *mut pg_sys::ErrorData);
}

/// PostgreSQL is about to report something of a statement that writes: if it is that a row policy's
/// check has failed on a protected table, it is a denial. As PostgreSQL wants it of an error's
/// context, called for every report; `query` is the statement's QueryDesc.
pub(crate) unsafe extern "C-unwind" fn on_check(query: *mut c_void) {
    // SAFETY: PostgreSQL calls this while a report is on its stack; the copy is freed again.
    unsafe {
        if geterrcode() != PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE as i32 {
            return;
        }
        let context = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = pg_sys::TopTransactionContext;
        let error = CopyErrorData();
        let of_check = !(*error).funcname.is_null()
            && CStr::from_ptr((*error).funcname) == c"ExecWithCheckOptions";
        FreeErrorData(error);
        pg_sys::CurrentMemoryContext = context;
        if !of_check {
            return;
        }
        let query = query.cast::<pg_sys::QueryDesc>();
        if let Some(table) = written(query).find(|table| catalog::was_protected(*table)) {
            note_of(Kind::Check, table, (*query).operation);
        }
    }
}

/// The tables that a statement writes.
unsafe fn written(query: *mut pg_sys::QueryDesc) -> impl Iterator<Item = pg_sys::Oid> {
    // SAFETY: a list of places, counted from 1, in the statement's range table.
    unsafe {
        let planned = (*query).plannedstmt;
        let (places, tables) = ((*planned).resultRelations, (*planned).rtable);
        let count = if places.is_null() {
            0
        } else {
            (*places).length
        };
        (0..count as usize).map(move |at| {
            let place = (*(*places).elements.add(at)).int_value as usize;
            let entry = (*(*tables).elements.add(place - 1)).ptr_value;
            (*entry.cast::<pg_sys::RangeTblEntry>()).relid
        })
    }
}

/// `celador.denials()`: who was denied what in this database, the latest last.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn denials() -> TableIterator<
    'static,
    (
        name!(first_at, TimestampWithTimeZone),
        name!(last_at, TimestampWithTimeZone),
        name!(times, i64),
        name!(user, Option<String>),
        name!(login, String),
        name!(kind, String),
        name!(module, Option<String>),
        name!(relation, Option<String>),
        name!(action, String),
        name!(scope, String),
    ),
> {
    // SAFETY: set when the backend connected.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let mut lines = with_books(|books| {
        let used = books.denials.used;
        let lines = books.denials.lines[..used].iter();
        lines
            .filter(|line| line.database == database)
            .copied()
            .collect::<Vec<_>>()
    });
    lines.sort_by_key(|line| line.last);
    let rows: Vec<_> = lines
        .into_iter()
        .map(|line| {
            let relation = pg_sys::Oid::from(line.relation);
            let there = (relation != pg_sys::InvalidOid)
                .then(|| relations::table_name(relation))
                .flatten();
            (
                super::time(line.first),
                super::time(line.last),
                line.times as i64,
                line.user.shown().map(str::to_owned),
                relations::role_name(pg_sys::Oid::from(line.login)),
                kind_name(line.kind).to_owned(),
                module_of(relation),
                there.map(|table| table.to_string()),
                command_name(line.command).to_owned(),
                super::memory::scope().to_owned(),
            )
        })
        .collect();
    TableIterator::new(rows)
}

/// The module to which the policy places a table.
fn module_of(relation: pg_sys::Oid) -> Option<String> {
    let catalog = catalog::current()?;
    let policy = catalog.policy.as_ref()?;
    let name = relations::table_name(relation)?;
    let placement = placement::of(&catalog, policy, relation, &name)?;
    let modules = placement.modules();
    // Of several modules nothing tells which one the row was of.
    match modules.into_iter().collect::<Vec<_>>().as_slice() {
        [module] => Some((*module).to_owned()),
        [..] => None,
    }
}
