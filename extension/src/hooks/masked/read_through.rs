//! A table is read through a sub-select where something may put NULL in the place of its columns.

use std::ffi::c_void;

use pgrx::prelude::*;

use crate::hooks::tree::{self, elements, expression_tree_walker, is_a, new};
use crate::masks::Shown;
use crate::relations::{attribute, column_at};
use crate::{spi, tree_memory::copy};

/// Makes the entry a sub-select that reads the table, which is returned: there the table stands at
/// place 1. The columns keep their places; a whole row, and what PostgreSQL keeps of a row beside its
/// columns, become columns behind them.
pub(in crate::hooks) unsafe fn read_through(
    query: *mut pg_sys::Query,
    place: i32,
    shown: &Shown,
) -> *mut pg_sys::Query {
    // SAFETY: the planner owns the tree; the statement has locked the table.
    unsafe {
        let entry = tree::entry(query, place);
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
                    column_at(1, column).cast()
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
            let name = spi::c_string(&name);
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
