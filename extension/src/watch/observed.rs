//! What would be hidden or refused in modules that are observed: by person, login, module, action.

use std::cell::RefCell;

use celador_policy::Action;
use celador_policy::document::ModuleMode;
use celador_policy::policy_set::Placement;
use pgrx::prelude::*;

use super::counters::{Counter, count};
use super::fixed_text::FixedText;
use super::memory::with_books;
use crate::catalog::Catalog;
use crate::hooks::{self, injected};
use crate::{catalog, errors, placement, relations, session};

/// How many lines there are, for all databases.
const LINES: usize = 16_384;
/// The last of them are for people without a line of their own.
const KEPT_BACK: usize = 1024;

/// One line of the report.
#[repr(C)]
#[derive(Clone, Copy)]
struct Line {
    /// 0: the line is free.
    database: u32,
    login: u32,
    /// 0: everybody without a line of his or her own.
    named: u8,
    action: u8,
    module: FixedText,
    /// None: nobody.
    user: FixedText,
    hidden: u64,
    refused: u64,
    statements: u64,
    first: i64,
    last: i64,
}

/// The lines, found by their hash.
#[repr(C)]
pub(super) struct Observed {
    used: usize,
    lines: [Line; LINES],
}

/// What one backend has counted since it last wrote it down.
struct Counted {
    user: Option<String>,
    module: String,
    action: Action,
    hidden: u64,
    refused: u64,
}

thread_local! {
    static COUNTED: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
}

impl Line {
    fn is(&self, other: &Self) -> bool {
        (self.database, self.login, self.named, self.action)
            == (other.database, other.login, other.named, other.action)
            && self.module == other.module
            && self.user == other.user
    }

    fn place(&self) -> usize {
        let hash = self
            .user
            .hash()
            .rotate_left(17)
            .wrapping_add(self.module.hash())
            .wrapping_add(u64::from(self.database) << 32)
            .wrapping_add(u64::from(self.login) << 8)
            .wrapping_add(u64::from(self.action));
        (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % LINES
    }
}

impl Observed {
    /// Whether it can have been written by this code.
    pub(super) fn is_sound(&self) -> bool {
        let used = self.lines.iter().filter(|line| line.database != 0).count();
        used == self.used && used < LINES
    }

    /// Adds a line's counts; false: there is no room for it.
    fn add(&mut self, line: &Line, room: usize) -> bool {
        let mut at = line.place();
        loop {
            let here = &mut self.lines[at];
            if here.database == 0 {
                // The table is never full, so the search ends.
                if self.used >= room {
                    return false;
                }
                self.used += 1;
                *here = *line;
                return true;
            }
            if here.is(line) {
                here.hidden += line.hidden;
                here.refused += line.refused;
                here.statements += line.statements;
                here.last = line.last;
                return true;
            }
            at = (at + 1) % LINES;
        }
    }

    /// Takes the lines of a database out.
    fn forget(&mut self, database: u32) {
        let kept: Vec<Line> = self
            .lines
            .iter()
            .filter(|line| line.database != 0 && line.database != database)
            .copied()
            .collect();
        self.used = 0;
        for line in &mut self.lines {
            line.database = 0;
        }
        for line in &kept {
            self.add(line, LINES - 1);
        }
    }
}

fn counted(module: &str, action: Action, add: impl Fn(&mut Counted)) {
    // What is tried through other eyes is not what the person did.
    if session::is_lent() {
        return;
    }
    let user = match session::asker() {
        Ok(person) => Some(person.access.facts().user.clone()),
        Err(_) => None,
    };
    COUNTED.with_borrow_mut(|all| {
        let known = all.iter().position(|known| {
            known.action == action && known.module == module && known.user == user
        });
        let at = known.unwrap_or_else(|| {
            all.push(Counted {
                user,
                module: module.to_owned(),
                action,
                hidden: 0,
                refused: 0,
            });
            all.len() - 1
        });
        add(&mut all[at]);
    });
}

/// A row would have been hidden.
fn hidden(module: &str, action: Action) {
    counted(module, action, |counted| counted.hidden += 1);
}

/// A write, or a statement, would have been refused.
pub(crate) fn refused(module: &str, action: Action) {
    counted(module, action, |counted| counted.refused += 1);
}

/// Writes down what was counted: at the end of a statement, and of a transaction that failed.
pub(crate) fn flush() {
    let all = COUNTED.take();
    if all.is_empty() {
        return;
    }
    // SAFETY: reads the backend's state and the clock.
    let (database, login, now) = unsafe {
        (
            pg_sys::MyDatabaseId.to_u32(),
            pg_sys::GetSessionUserId().to_u32(),
            pg_sys::GetCurrentTimestamp(),
        )
    };
    let sum = |of: fn(&Counted) -> u64| all.iter().map(of).sum();
    count(Counter::ObservedRows, sum(|counted| counted.hidden));
    count(Counter::ObservedWrites, sum(|counted| counted.refused));
    let mut unnamed = 0;
    with_books(|books| {
        for counted in &all {
            let mut line = Line {
                database,
                login,
                named: 1,
                action: counted.action as u8,
                module: FixedText::new(Some(&counted.module)),
                user: FixedText::new(counted.user.as_deref()),
                hidden: counted.hidden,
                refused: counted.refused,
                statements: 1,
                first: now,
                last: now,
            };
            if books.observed.add(&line, LINES - KEPT_BACK) {
                continue;
            }
            unnamed += counted.hidden + counted.refused;
            line.named = 0;
            line.user = FixedText::new(None);
            books.observed.add(&line, LINES - 1);
        }
    });
    if unnamed > 0 {
        count(Counter::ObservedUnnamed, unnamed);
    }
}

/// `celador.observed()`: what enforcing the observed modules would have hidden or refused.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn observed() -> TableIterator<
    'static,
    (
        name!(user, Option<String>),
        name!(login, String),
        name!(module, String),
        name!(action, String),
        name!(rows_hidden, i64),
        name!(writes_refused, i64),
        name!(statements, i64),
        name!(first_seen, TimestampWithTimeZone),
        name!(last_seen, TimestampWithTimeZone),
    ),
> {
    flush();
    // SAFETY: set when the backend connected.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    let mut lines = with_books(|books| {
        let ours = books.observed.lines.iter();
        ours.filter(|line| line.database == database)
            .copied()
            .collect::<Vec<_>>()
    });
    lines.sort_by_key(|line| {
        (
            line.module.shown().map(str::to_owned),
            line.user.shown().map(str::to_owned),
            line.login,
            line.action,
        )
    });
    TableIterator::new(lines.into_iter().map(|line| {
        let user = line.user.shown().map(str::to_owned);
        (
            if line.named == 1 {
                user
            } else {
                Some("(others)".to_owned())
            },
            relations::role_name(pg_sys::Oid::from(line.login)),
            line.module.shown().unwrap_or_default().to_owned(),
            Action::ALL
                .into_iter()
                .find(|action| *action as u8 == line.action)
                .map_or("", Action::name)
                .to_owned(),
            line.hidden as i64,
            line.refused as i64,
            line.statements as i64,
            super::time(line.first),
            super::time(line.last),
        )
    }))
}

/// `celador.reset_observed()`: begins anew.
#[pg_extern]
fn reset_observed() {
    COUNTED.take();
    // SAFETY: set when the backend connected.
    let database = unsafe { pg_sys::MyDatabaseId }.to_u32();
    with_books(|books| books.observed.forget(database));
}

/// A module of the policy that is observed, and an action: the rest isn't counted, or whoever calls
/// these by SQL could fill the report.
fn observes(module: &str, action: &str) -> Option<Action> {
    let catalog = catalog::current()?;
    let mode = catalog.policy.as_ref()?.modules.get(module)?.mode;
    let observed = mode == ModuleMode::Observe && !catalog.sees_all();
    Action::from_name(action).filter(|_| observed)
}

/// `celador.observes_nobody(module, action, writing)`: no question can be asked for nobody, so the
/// row is counted, and stays. False where somebody asks.
#[pg_extern]
fn observes_nobody(module: &str, action: &str, writing: bool) -> bool {
    injected::panic_if_asked("observe");
    let Some(action) = observes(module, action) else {
        return true;
    };
    if session::asker().is_ok() {
        return false;
    }
    tell(module, action, writing);
    true
}

/// `celador.observe(module, action, writing, allowed)`: counts what the policy doesn't allow, and
/// lets it pass.
#[pg_extern]
fn observe(module: &str, action: &str, writing: bool, allowed: Option<bool>) -> bool {
    if allowed != Some(true)
        && let Some(action) = observes(module, action)
    {
        tell(module, action, writing);
    }
    true
}

fn tell(module: &str, action: Action, writing: bool) {
    if writing {
        refused(module, action);
    } else {
        hidden(module, action);
    }
}

/// TRUNCATE of an observed table would have been refused.
pub(crate) fn truncation(catalog: &Catalog, relation: pg_sys::Oid) {
    if catalog.sees_all() || !hooks::are_installed() {
        return;
    }
    let Some(policy) = &catalog.policy else {
        return;
    };
    let placement = relations::table_name(relation)
        .and_then(|table| placement::of(catalog, policy, relation, &table));
    if let Some(
        Placement::Module(module)
        | Placement::Child { module, .. }
        | Placement::Link { module, .. },
    ) = placement
    {
        refused(&module, Action::Delete);
    }
}

/// What a load with observed modules needs.
pub(crate) fn must_be_shared() {
    if !super::is_shared() {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "modules can't be observed: there is no memory in which all sessions count together",
            "Add celador to shared_preload_libraries and restart the server (from PostgreSQL 17 on \
             that isn't needed), or leave mode = \"observe\" out.",
        );
    }
}
