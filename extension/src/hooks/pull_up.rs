//! A sub-select of a policy may stand in WHERE where nothing in the statement could tell of a row
//! before it is decided about. There PostgreSQL makes a join of it, in the order that is cheapest.
//!
//! ```text
//! Seq Scan on notes (Filter: SubPlan)
//! Nested Loop (Index Scan on contacts by owner, Index Scan on notes by contact)
//! ```

use std::ffi::c_void;

use pgrx::prelude::*;

use super::injected::mistake;
use super::searches;
use super::tree::{elements, expression_tree_walker, is_a, is_locked};

/// Whether a condition on the entry may stand in the query's WHERE: the entry is only read, and no
/// outer join fills it with NULLs.
pub(super) unsafe fn fits(query: *mut pg_sys::Query, place: i32) -> bool {
    // SAFETY: reads the query's own fields.
    unsafe {
        !is_locked(query, place)
            && (joins_inside((*query).jointree.cast(), place)
                || mistake("outer joins are overlooked"))
    }
}

/// Whether the entry stands where a condition on it may be asked after the joins.
pub(super) unsafe fn joins_inside(node: *mut pg_sys::Node, place: i32) -> bool {
    // SAFETY: node types are checked before they are read.
    unsafe {
        if node.is_null() {
            return false;
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_RangeTblRef) {
            return (*node.cast::<pg_sys::RangeTblRef>()).rtindex == place;
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_FromExpr) {
            let list = (*node.cast::<pg_sys::FromExpr>()).fromlist;
            return elements::<pg_sys::Node>(list)
                .into_iter()
                .any(|part| joins_inside(part, place));
        }
        if !is_a(node.cast(), pg_sys::NodeTag::T_JoinExpr) {
            return false;
        }
        let join = node.cast::<pg_sys::JoinExpr>();
        let kind = (*join).jointype;
        let inner = kind == pg_sys::JoinType::JOIN_INNER;
        let left = inner || kind == pg_sys::JoinType::JOIN_LEFT;
        let right = inner || kind == pg_sys::JoinType::JOIN_RIGHT;
        left && joins_inside((*join).larg, place) || right && joins_inside((*join).rarg, place)
    }
}

/// Adds a condition to the query's WHERE.
pub(super) unsafe fn add(query: *mut pg_sys::Query, condition: *mut pg_sys::Node) {
    // SAFETY: makes nodes in the planner's memory.
    unsafe {
        let from = (*query).jointree;
        if (*from).quals.is_null() {
            (*from).quals = condition;
            return;
        }
        let mut both = pg_sys::lappend(std::ptr::null_mut(), (*from).quals.cast());
        both = pg_sys::lappend(both, condition.cast());
        (*from).quals = pg_sys::makeBoolExpr(pg_sys::BoolExprType::AND_EXPR, both, -1).cast();
    }
}

/// How a part of a statement is looked at.
#[derive(Clone, Copy)]
struct Look<'a> {
    part: Part,
    /// Sub-selects of policies: they are Celador's own.
    own: &'a [*mut pg_sys::Query],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Computed from rows of the result: only what is selected within counts.
    Result,
    /// The outermost WHERE, FROM and HAVING: what aggregates compute with has passed them.
    Outermost,
    /// A query within: whatever it computes, it may be asked for because of a hidden row.
    Within,
}

/// Whether nothing in the statement could tell of a row which isn't in its result: neither by what it is
/// given, nor by being called at all. What isn't known here might. What stands in the outermost
/// SELECT list sees only rows of the result.
pub(super) unsafe fn tells_nothing(
    statement: *mut pg_sys::Query,
    own: &[*mut pg_sys::Query],
) -> bool {
    // SAFETY: walks the statement by PostgreSQL's own structure.
    unsafe {
        let commands = [
            pg_sys::CmdType::CMD_SELECT,
            pg_sys::CmdType::CMD_INSERT,
            pg_sys::CmdType::CMD_UPDATE,
            pg_sys::CmdType::CMD_DELETE,
        ];
        let look = |part| Look { part, own };
        let mut result = look(Part::Result);
        let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
        mistake("statements tell nothing")
            || commands.contains(&(*statement).commandType)
                && !level_tells(statement, look(Part::Outermost))
                && !pg_sys::query_tree_walker(
                    statement,
                    Some(tells),
                    (&raw mut result).cast(),
                    flags as i32,
                )
    }
}

unsafe fn query_tells(query: *mut pg_sys::Query, own: &[*mut pg_sys::Query]) -> bool {
    let within = Look {
        part: Part::Within,
        own,
    };
    // SAFETY: as in `level_tells`.
    unsafe {
        !own.contains(&query)
            && (level_tells(query, within) || part_tells((*query).targetList.cast(), within))
    }
}

/// Whether what a query's FROM, WHERE and HAVING hold tells of rows.
unsafe fn level_tells(query: *mut pg_sys::Query, look: Look<'_>) -> bool {
    // SAFETY: the query's own fields.
    unsafe {
        elements::<pg_sys::RangeTblEntry>((*query).rtable)
            .into_iter()
            .any(|entry| entry_tells(entry, look))
            || part_tells((*query).jointree.cast(), look)
            || part_tells((*query).havingQual, look)
            || part_tells((*query).limitCount, look)
            || part_tells((*query).limitOffset, look)
            || elements::<pg_sys::CommonTableExpr>((*query).cteList)
                .into_iter()
                .any(|with| query_tells((*with).ctequery.cast(), look.own))
    }
}

unsafe fn entry_tells(entry: *mut pg_sys::RangeTblEntry, look: Look<'_>) -> bool {
    // SAFETY: the fields that belong to the entry's kind are read.
    unsafe {
        match (*entry).rtekind {
            pg_sys::RTEKind::RTE_RELATION => !(*entry).tablesample.is_null(),
            pg_sys::RTEKind::RTE_SUBQUERY => query_tells((*entry).subquery, look.own),
            pg_sys::RTEKind::RTE_JOIN => part_tells((*entry).joinaliasvars.cast(), look),
            pg_sys::RTEKind::RTE_VALUES => part_tells((*entry).values_lists.cast(), look),
            pg_sys::RTEKind::RTE_FUNCTION => {
                elements::<pg_sys::RangeTblFunction>((*entry).functions)
                    .into_iter()
                    .any(|function| part_tells((*function).funcexpr, look))
            }
            pg_sys::RTEKind::RTE_CTE | pg_sys::RTEKind::RTE_RESULT => false,
            // What is grouped by stands in the SELECT list as well.
            #[cfg(feature = "pg18")]
            pg_sys::RTEKind::RTE_GROUP => false,
            _ => true,
        }
    }
}

unsafe fn part_tells(part: *mut pg_sys::Node, mut look: Look<'_>) -> bool {
    // SAFETY: the walker gets back what it is given.
    unsafe { tells(part, (&raw mut look).cast()) }
}

unsafe extern "C-unwind" fn tells(node: *mut pg_sys::Node, look: *mut c_void) -> bool {
    // SAFETY: the context is a Look; node types are checked before they are read.
    unsafe {
        if node.is_null() {
            return false;
        }
        let known = *look.cast::<Look<'_>>();
        let tag = (*node).type_;
        if tag == pg_sys::NodeTag::T_Query {
            return query_tells(node.cast(), known.own);
        }
        if known.part == Part::Result {
            return expression_tree_walker(node, Some(tells), look);
        }
        if AFTER_WHERE.contains(&tag) {
            let mut result = Look {
                part: Part::Result,
                ..known
            };
            return known.part == Part::Within
                || expression_tree_walker(node, Some(tells), (&raw mut result).cast());
        }
        if searches::is_proven(node) {
            return false;
        }
        !KNOWN.contains(&tag)
            || pg_sys::check_functions_in_node(node, Some(is_leaky), std::ptr::null_mut())
            || expression_tree_walker(node, Some(tells), look)
    }
}

/// What is computed after the joins.
const AFTER_WHERE: [pg_sys::NodeTag; 3] = [
    pg_sys::NodeTag::T_Aggref,
    pg_sys::NodeTag::T_WindowFunc,
    pg_sys::NodeTag::T_GroupingFunc,
];

/// What tells of nothing by itself: only the functions that it calls might.
const KNOWN: [pg_sys::NodeTag; 28] = [
    pg_sys::NodeTag::T_Var,
    pg_sys::NodeTag::T_Const,
    pg_sys::NodeTag::T_Param,
    pg_sys::NodeTag::T_SQLValueFunction,
    pg_sys::NodeTag::T_FuncExpr,
    pg_sys::NodeTag::T_NamedArgExpr,
    pg_sys::NodeTag::T_OpExpr,
    pg_sys::NodeTag::T_DistinctExpr,
    pg_sys::NodeTag::T_NullIfExpr,
    pg_sys::NodeTag::T_ScalarArrayOpExpr,
    pg_sys::NodeTag::T_BoolExpr,
    pg_sys::NodeTag::T_SubLink,
    pg_sys::NodeTag::T_FieldSelect,
    pg_sys::NodeTag::T_RelabelType,
    pg_sys::NodeTag::T_CoerceViaIO,
    pg_sys::NodeTag::T_CollateExpr,
    pg_sys::NodeTag::T_CaseExpr,
    pg_sys::NodeTag::T_CaseWhen,
    pg_sys::NodeTag::T_CaseTestExpr,
    pg_sys::NodeTag::T_ArrayExpr,
    pg_sys::NodeTag::T_CoalesceExpr,
    pg_sys::NodeTag::T_NullTest,
    pg_sys::NodeTag::T_BooleanTest,
    pg_sys::NodeTag::T_TargetEntry,
    pg_sys::NodeTag::T_List,
    pg_sys::NodeTag::T_FromExpr,
    pg_sys::NodeTag::T_JoinExpr,
    pg_sys::NodeTag::T_RangeTblRef,
];

unsafe extern "C-unwind" fn is_leaky(function: pg_sys::Oid, _: *mut c_void) -> bool {
    // SAFETY: a cache look-up.
    unsafe { !pg_sys::get_func_leakproof(function) }
}
