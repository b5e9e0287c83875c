//! The text of masks becomes expressions of PostgreSQL's.

use std::ffi::CStr;

use celador_policy::column_mask::ColumnMask;
use celador_policy::quote;
use celador_policy::rendering::Rendering;
use celador_policy::rendering_function::FunctionName;
use pgrx::prelude::*;

use super::{Mask, Node};
use crate::fold::text_constant;
use crate::hooks::tree;
use crate::relations::{attribute, column_at};
use crate::tree_memory::TreeMemory;
use crate::{errors, relations, spi};

/// A table whose columns expressions name.
struct Parsing {
    state: *mut pg_sys::ParseState,
    relation: pg_sys::Relation,
}

/// The masks of a table's columns; those that the policy doesn't know are NULL. A column that is gone, or
/// of another type, ends the statement.
pub(super) unsafe fn parse(
    relation: pg_sys::Oid,
    columns: &[ColumnMask],
    is_known: impl Fn(&str) -> bool,
    memory: &TreeMemory,
) -> Vec<Mask> {
    // Whoever asks needs no right to Celador's functions by name.
    // SAFETY: what is opened is closed, and a transaction that fails closes it as well.
    spi::with_rights_of(spi::superuser(), || unsafe {
        let lock = pg_sys::AccessShareLock as i32;
        let opened = pg_sys::table_open(relation, lock);
        let state = pg_sys::make_parsestate(std::ptr::null_mut());
        let none = std::ptr::null_mut();
        let item = pg_sys::addRangeTableEntryForRelation(state, opened, lock, none, false, false);
        pg_sys::addNSItemToQuery(state, item, false, true, true);
        let parsing = Parsing {
            state,
            relation: opened,
        };
        let masks = columns.iter().map(|mask| parsing.mask(mask, memory));
        let mut masks: Vec<Mask> = masks.collect();
        masks.extend(parsing.unknown(is_known, memory));
        pg_sys::free_parsestate(state);
        pg_sys::table_close(opened, lock);
        masks
    })
}

impl Parsing {
    unsafe fn mask(&self, mask: &ColumnMask, memory: &TreeMemory) -> Mask {
        // SAFETY: the relation is open.
        unsafe {
            let Some(column) = self.find(&mask.column.name) else {
                let table = relations::display_name((*self.relation).rd_id);
                errors::denied(
                    format!(
                        "column \"{}\" of {table}, which the policy masks, is gone",
                        mask.column.name
                    ),
                    "Load a policy that knows the table as it is.",
                )
            };
            let cases = mask.cases.iter().map(|(condition, rendering)| {
                let condition = memory.copy(self.expression(condition));
                let shown = memory.copy(self.shown(rendering, mask, column));
                (condition, shown)
            });
            Mask {
                column: (*column).attnum,
                cases: cases.collect(),
                otherwise: memory.copy(self.shown(&mask.otherwise, mask, column)),
                write: memory.copy(self.expression(&mask.write)),
                field: mask.field.clone(),
            }
        }
    }

    /// The columns that came after the policy.
    unsafe fn unknown(&self, is_known: impl Fn(&str) -> bool, memory: &TreeMemory) -> Vec<Mask> {
        // SAFETY: the relation is open; nodes are made in the memory of the moment.
        unsafe {
            let columns = self.columns().into_iter();
            let unknown = columns.filter(|column| {
                let name = CStr::from_ptr((**column).attname.data.as_ptr());
                !is_known(&name.to_string_lossy())
            });
            // It is no field: whoever may change the row may write it.
            let masks = unknown.map(|column| Mask {
                column: (*column).attnum,
                cases: Vec::new(),
                otherwise: memory.copy(null(&*column)),
                write: memory.copy(pg_sys::makeBoolConst(true, false)),
                field: String::new(),
            });
            masks.collect()
        }
    }

    unsafe fn columns(&self) -> Vec<*mut pg_sys::FormData_pg_attribute> {
        // SAFETY: the relation is open.
        unsafe {
            let descriptor = (*self.relation).rd_att;
            let columns = (0..(*descriptor).natts).map(|at| attribute(descriptor, at));
            columns.filter(|column| !(**column).attisdropped).collect()
        }
    }

    unsafe fn find(&self, name: &str) -> Option<*mut pg_sys::FormData_pg_attribute> {
        // SAFETY: a name is zero-terminated.
        unsafe {
            self.columns().into_iter().find(|column| {
                let known = CStr::from_ptr((**column).attname.data.as_ptr());
                known.to_bytes() == name.as_bytes()
            })
        }
    }

    /// A rendering of the column, of the column's very type.
    unsafe fn shown(
        &self,
        rendering: &Rendering,
        mask: &ColumnMask,
        column: *mut pg_sys::FormData_pg_attribute,
    ) -> Node {
        // SAFETY: nodes are made in the memory of the moment.
        unsafe {
            let column = &*column;
            let name = quote::name(&mask.column.name);
            let shown = match rendering {
                Rendering::Clear => return column_at(1, column).cast(),
                Rendering::Null => return null(column),
                Rendering::Hash => self.hash(&name, &mask.column.type_name),
                Rendering::Function(function) => self.by_function(function, mask, column),
                Rendering::Constant(_)
                | Rendering::Partial { .. }
                | Rendering::Email
                | Rendering::Year
                | Rendering::Month
                | Rendering::Round(_) => {
                    self.expression(&rendering.sql(&name, &mask.column.type_name))
                }
            };
            let mut modifier = column.atttypmod;
            let base = pg_sys::getBaseTypeAndTypmod(column.atttypid, &raw mut modifier);
            let shown_type = pg_sys::exprType(shown);
            let explicit = pg_sys::CoercionContext::COERCION_EXPLICIT;
            let implicit = pg_sys::CoercionForm::COERCE_IMPLICIT_CAST;
            let mut shown = pg_sys::coerce_to_target_type(
                self.state, shown, shown_type, base, modifier, explicit, implicit, -1,
            );
            if shown.is_null() {
                let table = relations::display_name((*self.relation).rd_id);
                errors::denied(
                    format!(
                        "column \"{}\" of {table} can't be shown as the policy says: it is of another type",
                        mask.column.name
                    ),
                    "Load a policy that knows the table as it is.",
                );
            }
            pg_sys::assign_expr_collations(self.state, shown);
            if pg_sys::exprType(shown) != column.atttypid
                || pg_sys::exprCollation(shown) != column.attcollation
            {
                shown = pg_sys::makeRelabelType(
                    shown.cast(),
                    column.atttypid,
                    column.atttypmod,
                    column.attcollation,
                    implicit,
                )
                .cast();
            }
            shown
        }
    }

    /// The call of a function of the table's owner, by its name.
    ///
    /// ```sql
    /// celador.render_by('crm', 'mask_phone', 16384, 'phone', phone)
    /// ```
    unsafe fn by_function(
        &self,
        function: &FunctionName,
        mask: &ColumnMask,
        column: &pg_sys::FormData_pg_attribute,
    ) -> Node {
        // SAFETY: nodes are made in the memory of the moment.
        unsafe {
            let text = pg_sys::TEXTOID;
            let arguments = [text, text, pg_sys::OIDOID, text, pg_sys::INTERNALOID];
            let known = relations::function("render_by", &arguments);
            let owner = relations::owner((*self.relation).rd_id);
            let (Some(render_by), Some(owner)) = (known, owner) else {
                errors::fault("a function of schema celador is gone")
            };
            let owner = pg_sys::makeConst(
                pg_sys::OIDOID,
                -1,
                pg_sys::InvalidOid,
                size_of::<pg_sys::Oid>() as i32,
                pg_sys::Datum::from(owner),
                false,
                true,
            );
            let base = pg_sys::getBaseType(column.atttypid);
            let implicit = pg_sys::CoercionForm::COERCE_IMPLICIT_CAST;
            let none = pg_sys::InvalidOid;
            let value = column_at(1, column).cast();
            let value = pg_sys::makeRelabelType(value, pg_sys::INTERNALOID, -1, none, implicit);
            let mut values = std::ptr::null_mut();
            for name in [&function.schema, &function.name] {
                values = pg_sys::lappend(values, text_constant(Some(name)).cast());
            }
            values = pg_sys::lappend(values, owner.cast());
            values = pg_sys::lappend(values, text_constant(Some(&mask.field)).cast());
            values = pg_sys::lappend(values, value.cast());
            let (call, collation) = (
                pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
                column.attcollation,
            );
            pg_sys::makeFuncExpr(render_by, base, values, collation, collation, call).cast()
        }
    }

    /// The call of a function that takes what no statement has a value of: the value under the name of
    /// type `internal`.
    unsafe fn hash(&self, name: &str, type_name: &str) -> Node {
        let (function, value, result) = match type_name {
            "pg_catalog.uuid" => ("render_hash_uuid", name.to_owned(), pg_sys::UUIDOID),
            "pg_catalog.int8" => ("render_hash_int8", name.to_owned(), pg_sys::INT8OID),
            _ => (
                "render_hash_text",
                format!("CAST({name} AS pg_catalog.text)"),
                pg_sys::TEXTOID,
            ),
        };
        // SAFETY: nodes are made in the memory of the moment.
        unsafe {
            let Some(function) = relations::function(function, &[pg_sys::INTERNALOID]) else {
                errors::fault("a function of schema celador is gone")
            };
            let none = pg_sys::InvalidOid;
            let implicit = pg_sys::CoercionForm::COERCE_IMPLICIT_CAST;
            let value = self.expression(&value);
            let collation = pg_sys::exprCollation(value);
            let hidden = pg_sys::INTERNALOID;
            let value = pg_sys::makeRelabelType(value.cast(), hidden, -1, none, implicit);
            let values = pg_sys::lappend(std::ptr::null_mut(), value.cast());
            let call = pg_sys::CoercionForm::COERCE_EXPLICIT_CALL;
            pg_sys::makeFuncExpr(function, result, values, collation, collation, call).cast()
        }
    }

    /// An expression over the table. It has no sub-selects: nothing would look at them.
    unsafe fn expression(&self, sql: &str) -> Node {
        // SAFETY: the text is Celador's own, every name in it qualified.
        unsafe {
            let text = spi::c_string(sql);
            let mode = pg_sys::RawParseMode::RAW_PARSE_PLPGSQL_EXPR;
            let parsed = pg_sys::raw_parser(text.as_ptr(), mode);
            let statement = (*(*(*parsed).elements).ptr_value.cast::<pg_sys::RawStmt>()).stmt;
            let targets = (*statement.cast::<pg_sys::SelectStmt>()).targetList;
            let target = (*(*targets).elements).ptr_value.cast::<pg_sys::ResTarget>();
            let kind = pg_sys::ParseExprKind::EXPR_KIND_POLICY;
            let expression = pg_sys::transformExpr(self.state, (*target).val, kind);
            if (*self.state).p_hasSubLinks {
                errors::fault("a mask has a sub-select");
            }
            pg_sys::assign_expr_collations(self.state, expression);
            expression
        }
    }
}

/// No domain's condition is asked, as outer joins ask none.
unsafe fn null(column: &pg_sys::FormData_pg_attribute) -> Node {
    let (of, modifier) = (column.atttypid, column.atttypmod);
    // SAFETY: makes a node in the memory of the moment.
    unsafe { pg_sys::makeNullConst(of, modifier, column.attcollation).cast() }
}

/// A column of the table at place 1.
pub(super) unsafe fn column(relation: pg_sys::Oid, number: i16) -> Node {
    // SAFETY: the statement has locked the table, which has the column.
    unsafe {
        let opened = pg_sys::table_open(relation, pg_sys::NoLock as i32);
        let column = column_at(1, &*attribute((*opened).rd_att, i32::from(number) - 1));
        pg_sys::table_close(opened, pg_sys::NoLock as i32);
        column.cast()
    }
}

/// Whether it is the column itself.
pub(super) unsafe fn is_column(node: Node, number: i16) -> bool {
    // SAFETY: the tag is read before the node is.
    unsafe {
        (*node).type_ == pg_sys::NodeTag::T_Var && (*node.cast::<pg_sys::Var>()).varattno == number
    }
}

/// `CASE WHEN … THEN … ELSE otherwise END`.
pub(super) unsafe fn first_of(cases: &[(Node, Node)], otherwise: Node) -> Node {
    if cases.is_empty() {
        return otherwise;
    }
    // SAFETY: makes nodes in the memory of the moment.
    unsafe {
        let case = tree::new::<pg_sys::CaseExpr>(pg_sys::NodeTag::T_CaseExpr);
        for (condition, shown) in cases {
            let when = tree::new::<pg_sys::CaseWhen>(pg_sys::NodeTag::T_CaseWhen);
            (*when).expr = condition.cast();
            (*when).result = shown.cast();
            (*when).location = -1;
            (*case).args = pg_sys::lappend((*case).args, when.cast());
        }
        (*case).casetype = pg_sys::exprType(otherwise);
        (*case).casecollid = pg_sys::exprCollation(otherwise);
        (*case).defresult = otherwise.cast();
        (*case).location = -1;
        case.cast()
    }
}
