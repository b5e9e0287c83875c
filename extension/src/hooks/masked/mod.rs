//! Puts what people are shown into statements: inside a statement a column *is* what whoever asks sees.
//!
//! Where no outer join fills a table with NULLs, and where rows are written or locked, its columns are
//! replaced where they stand:
//!
//! ```sql
//! SELECT c.phone FROM contacts AS c WHERE c.phone LIKE '555%'
//! SELECT mask(c.phone) FROM contacts AS c WHERE mask(c.phone) LIKE '555%'
//! ```
//!
//! Elsewhere a mask would show something for a row that isn't there. There the table is read through a
//! sub-select, which PostgreSQL knows how to join, and takes apart again:
//!
//! ```sql
//! SELECT c.phone FROM accounts AS a LEFT JOIN contacts AS c ON c.account = a.id
//! SELECT c.phone FROM accounts AS a LEFT JOIN (SELECT id, account, mask(phone) AS phone FROM contacts) AS c ON c.account = a.id
//! ```
//!
//! What is written back as it is shown leaves what is stored; what isn't is a write, and refused where the
//! field may not be written, also if it is what is stored: else every write would be a guess that is answered.
//!
//! ```sql
//! UPDATE contacts SET phone = $1
//! UPDATE contacts SET phone = celador.written_back($1, mask(phone), phone, owner_id = 42, 'phone')
//! ```

mod read_through;
mod write_back;

use pgrx::prelude::*;

use super::injected::mistake;
use super::pull_up;
use super::tree::{self, elements, is_a, is_locked};
use crate::masks::Shown;

pub(super) use read_through::read_through;
use write_back::keep_what_is_hidden;

/// Whether the entry's columns can be replaced where they stand: neither an outer join nor grouping sets
/// put NULL in the place of what its rows hold.
pub(super) unsafe fn stands_by_itself(query: *mut pg_sys::Query, place: i32) -> bool {
    // SAFETY: reads the query's own fields.
    unsafe {
        let grouped = !(*query).groupingSets.is_null() && !mistake("grouping sets are overlooked");
        let inside = pull_up::joins_inside((*query).jointree.cast(), place)
            || mistake("masks pass outer joins");
        is_locked(query, place) || !grouped && inside
    }
}

/// Replaces the columns of the table at that place wherever the query names them.
pub(super) unsafe fn replace(
    query: *mut pg_sys::Query,
    place: i32,
    shown: &Shown,
    written_back: pg_sys::Oid,
) {
    // SAFETY: the planner owns the tree. What is replaced is a copy, which takes the place of the query.
    unsafe {
        let aside = Aside::take(query, place);
        let entry = tree::entry(query, place);
        let mut columns = std::ptr::null_mut();
        for column in shown.masked() {
            let expression = shown.column(column, place).unwrap_or(std::ptr::null_mut());
            let target =
                pg_sys::makeTargetEntry(expression.cast(), column, std::ptr::null_mut(), false);
            columns = pg_sys::lappend(columns, target.cast());
        }
        #[cfg(feature = "pg18")]
        let result = if (*query).resultRelation == place {
            place
        } else {
            0
        };
        let replaced = pg_sys::ReplaceVarsFromTargetList(
            query.cast(),
            place,
            0,
            entry,
            columns,
            #[cfg(feature = "pg18")]
            result,
            pg_sys::ReplaceVarsNoMatchOption::REPLACEVARS_CHANGE_VARNO,
            place,
            std::ptr::null_mut(),
        );
        *query = *replaced.cast::<pg_sys::Query>();
        aside.put_back(query);
        if (*query).resultRelation == place {
            keep_what_is_hidden(query, shown, written_back);
        }
    }
}

/// What isn't replaced: policies decide by what is stored, and so does what finds conflicts. The checks
/// of views are replaced: anybody can write a view.
struct Aside {
    policies: Vec<*mut pg_sys::List>,
    checks: Vec<*mut pg_sys::WithCheckOption>,
    /// `WHERE CURRENT OF`, which names the table and no column.
    cursor: *mut pg_sys::Node,
    arbiters: *mut pg_sys::List,
    arbiters_where: *mut pg_sys::Node,
}

impl Aside {
    unsafe fn take(query: *mut pg_sys::Query, place: i32) -> Self {
        // SAFETY: the query's own fields.
        unsafe {
            let entries = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            let policies = entries
                .into_iter()
                .map(|entry| std::mem::replace(&mut (*entry).securityQuals, std::ptr::null_mut()));
            let policies = policies.collect();
            let checks = elements::<pg_sys::WithCheckOption>((*query).withCheckOptions);
            (*query).withCheckOptions = std::ptr::null_mut();
            for check in checks.iter().filter(|check| is_of_view(**check)) {
                (*query).withCheckOptions =
                    pg_sys::lappend((*query).withCheckOptions, (*check).cast());
            }
            let mut aside = Self {
                policies,
                checks,
                cursor: std::ptr::null_mut(),
                arbiters: std::ptr::null_mut(),
                arbiters_where: std::ptr::null_mut(),
            };
            let condition = (*(*query).jointree).quals;
            if is_a(condition.cast(), pg_sys::NodeTag::T_CurrentOfExpr)
                && i64::from((*condition.cast::<pg_sys::CurrentOfExpr>()).cvarno)
                    == i64::from(place)
            {
                aside.cursor = condition;
                (*(*query).jointree).quals = std::ptr::null_mut();
            }
            let conflict = (*query).onConflict;
            if !conflict.is_null() {
                let (list, condition) =
                    (&mut (*conflict).arbiterElems, &mut (*conflict).arbiterWhere);
                aside.arbiters = std::mem::replace(list, std::ptr::null_mut());
                aside.arbiters_where = std::mem::replace(condition, std::ptr::null_mut());
            }
            aside
        }
    }

    unsafe fn put_back(self, query: *mut pg_sys::Query) {
        // SAFETY: the query has the same fields as when they were taken.
        unsafe {
            let entries = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            for (entry, policies) in entries.into_iter().zip(self.policies) {
                (*entry).securityQuals = policies;
            }
            let replaced = elements::<pg_sys::WithCheckOption>((*query).withCheckOptions);
            let mut replaced = replaced.into_iter();
            (*query).withCheckOptions = std::ptr::null_mut();
            for check in self.checks {
                let check = if is_of_view(check) {
                    replaced.next()
                } else {
                    Some(check)
                };
                let check = check.unwrap_or(std::ptr::null_mut()).cast();
                (*query).withCheckOptions = pg_sys::lappend((*query).withCheckOptions, check);
            }
            if !self.cursor.is_null() {
                (*(*query).jointree).quals = self.cursor;
            }
            let conflict = (*query).onConflict;
            if !conflict.is_null() {
                (*conflict).arbiterElems = self.arbiters;
                (*conflict).arbiterWhere = self.arbiters_where;
            }
        }
    }
}

unsafe fn is_of_view(check: *mut pg_sys::WithCheckOption) -> bool {
    // SAFETY: the query's own check.
    unsafe {
        (*check).kind == pg_sys::WCOKind::WCO_VIEW_CHECK && !mistake("views check what is stored")
    }
}
