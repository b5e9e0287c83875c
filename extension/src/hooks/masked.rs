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

use std::ffi::c_void;

use pgrx::prelude::*;

use super::injected::mistake;
use super::pull_up;
use super::tree::{elements, is_a, is_locked};
use crate::masks::Shown;
use crate::relations::attribute;
use crate::tree_memory::copy;

// The bindings are guarded; an error passes the walker as C would have it.
unsafe extern "C-unwind" {
    #[cfg_attr(not(feature = "pg15"), link_name = "expression_tree_walker_impl")]
    fn expression_tree_walker(
        node: *mut pg_sys::Node,
        walker: Option<unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> bool>,
        context: *mut c_void,
    ) -> bool;
}

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
        let entry = elements::<pg_sys::RangeTblEntry>((*query).rtable)[place as usize - 1];
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

/// In every list of what an UPDATE sets, a masked column keeps what it holds where it would be set to
/// what it shows.
unsafe fn keep_what_is_hidden(query: *mut pg_sys::Query, shown: &Shown, written_back: pg_sys::Oid) {
    // SAFETY: the query's own fields.
    unsafe {
        let place = (*query).resultRelation;
        let entry = elements::<pg_sys::RangeTblEntry>((*query).rtable)[place as usize - 1];
        let keep = |targets| keep_in(targets, (*entry).relid, place, shown, written_back);
        let update = pg_sys::CmdType::CMD_UPDATE;
        if (*query).commandType == update && !mistake("what is shown is written") {
            keep((*query).targetList);
        }
        if !(*query).onConflict.is_null() && !mistake("ON CONFLICT writes what is shown") {
            keep((*(*query).onConflict).onConflictSet);
        }
        for action in elements::<pg_sys::MergeAction>((*query).mergeActionList) {
            if (*action).commandType == update && !mistake("MERGE writes what is shown") {
                keep((*action).targetList);
            }
        }
    }
}

unsafe fn keep_in(
    targets: *mut pg_sys::List,
    relation: pg_sys::Oid,
    place: i32,
    shown: &Shown,
    written_back: pg_sys::Oid,
) {
    // SAFETY: the statement has locked the table; nodes are made in the planner's memory.
    unsafe {
        let opened = pg_sys::table_open(relation, pg_sys::NoLock as i32);
        for target in elements::<pg_sys::TargetEntry>(targets) {
            if (*target).resjunk {
                continue;
            }
            let (Some(expression), Some(write)) = (
                shown.column((*target).resno, place),
                shown.write((*target).resno, place),
            ) else {
                continue;
            };
            let column = &*attribute((*opened).rd_att, i32::from((*target).resno) - 1);
            let stored = pg_sys::makeVar(
                place,
                column.attnum,
                column.atttypid,
                column.atttypmod,
                column.attcollation,
                0,
            );
            let stored = stored.cast::<pg_sys::Node>();
            // A domain may forbid what is shown. What is stored instead it allows.
            let domain = (*target).expr.cast::<pg_sys::CoerceToDomain>();
            if is_a(domain.cast(), pg_sys::NodeTag::T_CoerceToDomain)
                && !mistake("a domain is asked of what is shown")
            {
                let written = (*domain).arg.cast();
                (*domain).arg =
                    unless_shown(written, expression, stored, write, written_back).cast();
            } else {
                let written = (*target).expr.cast();
                (*target).expr =
                    unless_shown(written, expression, stored, write, written_back).cast();
            }
        }
        pg_sys::table_close(opened, pg_sys::NoLock as i32);
    }
}

/// `celador.written_back(written, shown, stored, may_write, field)`, the values of the type of what is
/// written.
unsafe fn unless_shown(
    written: *mut pg_sys::Node,
    shown: *mut pg_sys::Node,
    stored: *mut pg_sys::Node,
    (may_write, field): (*mut pg_sys::Node, &str),
    written_back: pg_sys::Oid,
) -> *mut pg_sys::Node {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let (of, modifier) = (pg_sys::exprType(written), pg_sys::exprTypmod(written));
        let collation = pg_sys::exprCollation(stored);
        let implicit = pg_sys::CoercionForm::COERCE_IMPLICIT_CAST;
        let same_type = |node: *mut pg_sys::Node| -> *mut pg_sys::Node {
            if pg_sys::exprType(node) == of {
                return node;
            }
            pg_sys::makeRelabelType(node.cast(), of, modifier, collation, implicit).cast()
        };
        let mut arguments = pg_sys::lappend(std::ptr::null_mut(), written.cast());
        arguments = pg_sys::lappend(arguments, same_type(shown).cast());
        arguments = pg_sys::lappend(arguments, same_type(stored).cast());
        arguments = pg_sys::lappend(arguments, may_write.cast());
        let field = pg_sys::makeConst(
            pg_sys::TEXTOID,
            -1,
            pg_sys::DEFAULT_COLLATION_OID,
            -1,
            field.into_datum().unwrap_or(pg_sys::Datum::from(0)),
            false,
            false,
        );
        arguments = pg_sys::lappend(arguments, field.cast());
        let call = pg_sys::CoercionForm::COERCE_EXPLICIT_CALL;
        pg_sys::makeFuncExpr(written_back, of, arguments, collation, collation, call).cast()
    }
}

/// Makes the entry a sub-select that reads the table, which is returned: there the table stands at
/// place 1. The columns keep their places; a whole row, and what PostgreSQL keeps of a row beside its
/// columns, become columns behind them.
pub(super) unsafe fn read_through(
    query: *mut pg_sys::Query,
    place: i32,
    shown: &Shown,
) -> *mut pg_sys::Query {
    // SAFETY: the planner owns the tree; the statement has locked the table.
    unsafe {
        let entry = elements::<pg_sys::RangeTblEntry>((*query).rtable)[place as usize - 1];
        let inner = new::<pg_sys::RangeTblEntry>(pg_sys::NodeTag::T_RangeTblEntry);
        *inner = *entry;
        (*inner).lateral = false;
        pg_sys::ChangeVarNodes((*inner).securityQuals.cast(), place, 1, 0);
        pg_sys::IncrementVarSublevelsUp((*inner).tablesample.cast(), 1, 0);
        let sub = new::<pg_sys::Query>(pg_sys::NodeTag::T_Query);
        (*sub).commandType = pg_sys::CmdType::CMD_SELECT;
        (*sub).querySource = (*query).querySource;
        (*sub).canSetTag = true;
        (*sub).hasRowSecurity = true;
        (*sub).rtable = pg_sys::lappend(std::ptr::null_mut(), inner.cast());
        let from = new::<pg_sys::RangeTblRef>(pg_sys::NodeTag::T_RangeTblRef);
        (*from).rtindex = 1;
        let from = pg_sys::lappend(std::ptr::null_mut(), from.cast());
        (*sub).jointree = pg_sys::makeFromExpr(from, std::ptr::null_mut());
        (*sub).stmt_location = -1;
        give_rights(query, sub, inner);
        let names: *mut pg_sys::Alias = copy((*entry).eref.cast()).cast();
        let mut reading = Reading::columns((*inner).relid, shown, (*names).colnames);
        renumber(query, place, &mut reading);
        (*sub).targetList = reading.targets;
        (*names).colnames = reading.names;
        become_sub_select(entry, sub, names);
        sub
    }
}

/// The columns of a table, as a sub-select gives them.
struct Reading {
    targets: *mut pg_sys::List,
    names: *mut pg_sys::List,
    /// The numbers that PostgreSQL gives to what isn't a column, in the order of their places.
    others: Vec<i16>,
    columns: i16,
    row_type: pg_sys::Oid,
}

impl Reading {
    unsafe fn columns(relation: pg_sys::Oid, shown: &Shown, names: *mut pg_sys::List) -> Self {
        // SAFETY: the statement has locked the table.
        unsafe {
            let opened = pg_sys::table_open(relation, pg_sys::NoLock as i32);
            let descriptor = (*opened).rd_att;
            let mut reading = Self {
                targets: std::ptr::null_mut(),
                names,
                others: Vec::new(),
                columns: (*descriptor).natts as i16,
                row_type: (*(*opened).rd_rel).reltype,
            };
            for at in 0..(*descriptor).natts {
                let column = &*attribute(descriptor, at);
                let expression = if column.attisdropped {
                    let none = pg_sys::InvalidOid;
                    pg_sys::makeNullConst(pg_sys::INT4OID, -1, none).cast()
                } else if let Some(masked) = shown.column(column.attnum, 1) {
                    masked
                } else {
                    let (of, modifier) = (column.atttypid, column.atttypmod);
                    pg_sys::makeVar(1, column.attnum, of, modifier, column.attcollation, 0).cast()
                };
                let name = pg_sys::pstrdup(column.attname.data.as_ptr());
                reading.add(expression, name);
            }
            pg_sys::table_close(opened, pg_sys::NoLock as i32);
            reading
        }
    }

    unsafe fn add(&mut self, expression: *mut pg_sys::Node, name: *mut std::ffi::c_char) {
        // SAFETY: nodes are made in the planner's memory.
        unsafe {
            let number = elements::<pg_sys::Node>(self.targets).len() as i16 + 1;
            let target = pg_sys::makeTargetEntry(expression.cast(), number, name, false);
            self.targets = pg_sys::lappend(self.targets, target.cast());
        }
    }

    /// The place of what isn't a column: 0 is the whole row, below are PostgreSQL's own.
    unsafe fn place_of(&mut self, var: *mut pg_sys::Var) -> i16 {
        // SAFETY: nodes are made in the planner's memory.
        unsafe {
            let number = (*var).varattno;
            if let Some(at) = self.others.iter().position(|known| *known == number) {
                return self.columns + 1 + at as i16;
            }
            let expression = if number == 0 {
                self.whole_row()
            } else {
                system_column(var)
            };
            let name = format!("celador_{}", -i32::from(number));
            let name = crate::spi::c_string(&name);
            let name = pg_sys::pstrdup(name.as_ptr());
            self.names = pg_sys::lappend(self.names, pg_sys::makeString(name).cast());
            self.add(expression, name);
            self.others.push(number);
            self.columns + self.others.len() as i16
        }
    }

    /// `ROW(a, mask(b), …)` of the table's own row type.
    unsafe fn whole_row(&self) -> *mut pg_sys::Node {
        // SAFETY: nodes are made in the planner's memory.
        unsafe {
            let row = new::<pg_sys::RowExpr>(pg_sys::NodeTag::T_RowExpr);
            let columns = elements::<pg_sys::TargetEntry>(self.targets);
            for target in columns.into_iter().take(self.columns as usize) {
                (*row).args = pg_sys::lappend((*row).args, copy((*target).expr.cast()).cast());
            }
            (*row).row_typeid = self.row_type;
            (*row).row_format = pg_sys::CoercionForm::COERCE_IMPLICIT_CAST;
            (*row).location = -1;
            row.cast()
        }
    }
}

unsafe fn system_column(var: *mut pg_sys::Var) -> *mut pg_sys::Node {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let (of, modifier) = ((*var).vartype, (*var).vartypmod);
        pg_sys::makeVar(1, (*var).varattno, of, modifier, (*var).varcollid, 0).cast()
    }
}

struct Renumbering<'a> {
    place: i32,
    level: u32,
    reading: &'a mut Reading,
}

/// Whatever names the entry's rows, and not a column, names the column that it has become.
unsafe fn renumber(query: *mut pg_sys::Query, place: i32, reading: &mut Reading) {
    // SAFETY: the walker gets back what it is given.
    unsafe {
        let mut renumbering = Renumbering {
            place,
            level: 0,
            reading,
        };
        pg_sys::query_tree_walker(query, Some(renumbered), (&raw mut renumbering).cast(), 0);
    }
}

unsafe extern "C-unwind" fn renumbered(node: *mut pg_sys::Node, context: *mut c_void) -> bool {
    // SAFETY: the context is a Renumbering; node types are checked before they are read.
    unsafe {
        if node.is_null() {
            return false;
        }
        let renumbering = context.cast::<Renumbering<'_>>();
        if is_a(node.cast(), pg_sys::NodeTag::T_Var) {
            let var = node.cast::<pg_sys::Var>();
            if i64::from((*var).varno) == i64::from((*renumbering).place)
                && (*var).varlevelsup == (*renumbering).level
                && (*var).varattno <= 0
            {
                (*var).varattno = (*renumbering).reading.place_of(var);
                (*var).varattnosyn = (*var).varattno;
            }
            return false;
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_Query) {
            (*renumbering).level += 1;
            let stopped = pg_sys::query_tree_walker(node.cast(), Some(renumbered), context, 0);
            (*renumbering).level -= 1;
            return stopped;
        }
        expression_tree_walker(node, Some(renumbered), context)
    }
}

/// The rights that are asked for the table go with it.
unsafe fn give_rights(
    query: *mut pg_sys::Query,
    sub: *mut pg_sys::Query,
    inner: *mut pg_sys::RangeTblEntry,
) {
    #[cfg(feature = "pg15")]
    let _in_the_entry_itself = (query, sub, inner);
    // SAFETY: an entry of a table has its rights in the query's list.
    #[cfg(not(feature = "pg15"))]
    unsafe {
        let rights = elements::<pg_sys::RTEPermissionInfo>((*query).rteperminfos);
        if let Some(right) = ((*inner).perminfoindex as usize)
            .checked_sub(1)
            .and_then(|at| rights.get(at))
        {
            let right = copy((*right).cast());
            (*sub).rteperminfos = pg_sys::lappend(std::ptr::null_mut(), right.cast());
            (*inner).perminfoindex = 1;
        }
    }
}

unsafe fn become_sub_select(
    entry: *mut pg_sys::RangeTblEntry,
    sub: *mut pg_sys::Query,
    names: *mut pg_sys::Alias,
) {
    // SAFETY: every field that belongs to a table goes.
    unsafe {
        let outer = new::<pg_sys::RangeTblEntry>(pg_sys::NodeTag::T_RangeTblEntry);
        (*outer).rtekind = pg_sys::RTEKind::RTE_SUBQUERY;
        (*outer).subquery = sub;
        (*outer).alias = (*entry).alias;
        (*outer).eref = names;
        (*outer).lateral = (*entry).lateral;
        (*outer).inFromCl = (*entry).inFromCl;
        *entry = *outer;
    }
}

unsafe fn new<T>(tag: pg_sys::NodeTag) -> *mut T {
    // SAFETY: every node begins with its tag.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>()).cast::<pg_sys::Node>();
        (*node).type_ = tag;
        node.cast()
    }
}
