//! The planner's support for sets that are too large to be written into the statement: how many
//! rows a look-up lets through, what it costs, and the index that finds these rows.
//!
//! ```sql
//! celador.owner_in_reach('contacts', 'read', 'user', owner_id)
//! owner_id = ANY ('{1,2,…,2000}')    -- as an index condition, where that is the cheapest way
//! ```

use celador_policy::key_set::KeySet;
use pgrx::prelude::*;

use super::{Question, keys};
use crate::hooks::tree::elements;
use crate::hooks::{raw_function, searches};
use crate::plan_stamp;
use crate::session::{self, Person};
use crate::{catalog, spi};

raw_function!(
    /// `celador.reach_support(internal)`.
    reach_support_wrapper,
    pg_finfo_reach_support_wrapper,
    support
);

/// A look-up costs as much as this many operators: about 50 ns, where reading a row in order takes as
/// long and counts as four.
const LOOK_UP: f64 = 4.0;
/// What planning with one more key costs, in the planner's units: half a microsecond, where reading
/// a page in order is 1 and takes about ten.
const KEY_IN_PLAN: f64 = 0.05;
/// `=` among a B-tree's strategies.
const EQUAL: i16 = 3;

unsafe fn support(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    let nothing = pg_sys::Datum::from(0);
    if !super::is_on() || spi::is_internal() {
        return nothing;
    }
    // SAFETY: PostgreSQL passes the request as the only argument.
    unsafe {
        let request = (*(*call).args.as_ptr())
            .value
            .cast_mut_ptr::<pg_sys::Node>();
        let tag = (*request).type_;
        if tag == pg_sys::NodeTag::T_SupportRequestIndexCondition {
            return index_condition(request.cast()).map_or(nothing, pg_sys::Datum::from);
        }
        let answered = if tag == pg_sys::NodeTag::T_SupportRequestSelectivity {
            selectivity(request.cast())
        } else {
            tag == pg_sys::NodeTag::T_SupportRequestCost && cost(request.cast())
        };
        if answered {
            pg_sys::Datum::from(request)
        } else {
            nothing
        }
    }
}

/// Whoever asks, and the set and the value of a call.
pub(super) unsafe fn look_up<T>(
    function: pg_sys::Oid,
    arguments: *mut pg_sys::List,
    with: impl FnOnce(&Person, &KeySet, *mut pg_sys::Node) -> Option<T>,
) -> Option<T> {
    let catalog = catalog::current()?;
    let Question::Set(set) = catalog.questions_asked.get(&function)? else {
        return None;
    };
    let person = session::asker().ok()?;
    // SAFETY: the arguments of one of Celador's functions.
    unsafe {
        let arguments = elements::<pg_sys::Node>(arguments);
        let names: Vec<String> = arguments
            .iter()
            .take(set.names())
            .map(|name| super::constant_text(*name))
            .collect::<Option<_>>()?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let value = *arguments.get(set.names())?;
        let keys = set.of(&person, &names);
        with(&person, keys.set().unwrap_or(&KeySet::default()), value)
    }
}

unsafe fn cost(request: *mut pg_sys::SupportRequestCost) -> bool {
    // SAFETY: the request's own fields.
    unsafe {
        (*request).startup = 0.0;
        (*request).per_tuple = LOOK_UP * pg_sys::cpu_operator_cost;
    }
    true
}

unsafe fn selectivity(request: *mut pg_sys::SupportRequestSelectivity) -> bool {
    // SAFETY: the request's own fields.
    unsafe {
        let (root, relation) = ((*request).root, (*request).varRelid);
        let share = look_up((*request).funcid, (*request).args, |_, keys, value| {
            Some(share(root, value, relation, keys))
        });
        if let Some(share) = share {
            (*request).selectivity = share;
        }
        share.is_some()
    }
}

/// The share of the rows whose value is among the keys: the most common values one by one, the
/// others as if all were equally common.
unsafe fn share(
    root: *mut pg_sys::PlannerInfo,
    value: *mut pg_sys::Node,
    relation: i32,
    keys: &KeySet,
) -> f64 {
    // SAFETY: the statistics are released after use.
    unsafe {
        let mut variable = pg_sys::VariableStatData::default();
        pg_sys::examine_variable(root, value, relation, &mut variable);
        let mut is_default = false;
        let distinct = pg_sys::get_variable_numdistinct(&mut variable, &mut is_default).max(1.0);
        let (mut found, mut among, mut common, mut common_share, mut nulls) =
            (0.0, 0.0, 0.0, 0.0, 0.0);
        if !variable.statsTuple.is_null() {
            let statistics =
                pg_sys::GETSTRUCT(variable.statsTuple).cast::<pg_sys::FormData_pg_statistic>();
            nulls = f64::from((*statistics).stanullfrac);
            let mut slot = pg_sys::AttStatsSlot::default();
            let flags = pg_sys::ATTSTATSSLOT_VALUES | pg_sys::ATTSTATSSLOT_NUMBERS;
            if pg_sys::get_attstatsslot(
                &mut slot,
                variable.statsTuple,
                pg_sys::STATISTIC_KIND_MCV as i32,
                pg_sys::InvalidOid,
                flags as i32,
            ) {
                let of = pg_sys::exprType(value);
                for at in 0..(slot.nvalues.min(slot.nnumbers)) as usize {
                    let frequency = f64::from(*slot.numbers.add(at));
                    common += 1.0;
                    common_share += frequency;
                    if keys::holds(keys, of, *slot.values.add(at)) {
                        among += 1.0;
                        found += frequency;
                    }
                }
                pg_sys::free_attstatsslot(&mut slot);
            }
            if let Some(free) = variable.freefunc {
                free(variable.statsTuple);
            }
        }
        let (others, rest) = (
            (distinct - common).max(1.0),
            (1.0 - nulls - common_share).max(0.0),
        );
        let left = (keys.len() as f64 - among).max(0.0);
        (found + rest * (left / others).min(1.0)).clamp(0.0, 1.0)
    }
}

/// The condition that an index answers, where reading what it finds is cheaper than what the
/// statement's other conditions allow, the planning included.
unsafe fn index_condition(
    request: *mut pg_sys::SupportRequestIndexCondition,
) -> Option<*mut pg_sys::List> {
    // SAFETY: the request's own fields, and the planner's of the table and its indexes.
    unsafe {
        if !pg_sys::is_funcclause((*request).node.cast()) {
            return None;
        }
        let call = (*request).node.cast::<pg_sys::FuncExpr>();
        let index = (*request).index;
        look_up((*call).funcid, (*call).args, |person, keys, value| {
            let set_names = elements::<pg_sys::Node>((*call).args).len() - 1;
            // PostgreSQL looks a list behind an index's first column up for each key of the first one, and
            // leaves lists that it knows of out where that costs more. This one it would take.
            if (*request).indexcol != 0
                || (*request).indexarg != set_names as i32
                || !(*index).amsearcharray
                || (*index).relam != pg_sys::BTREE_AM_OID
            {
                return None;
            }
            let table = (*index).rel;
            if searches::makes_paths_again((*request).root, table) {
                return None;
            }
            let rows = (*table).tuples * share((*request).root, value, (*table).relid as i32, keys);
            if by_index(index, keys.len() as f64, rows) >= otherwise(request, rows) {
                return None;
            }
            let condition = keys::any(value, keys)?;
            let operator = (*condition).opno;
            let strategy = pg_sys::get_op_opfamily_strategy(operator, (*request).opfamily);
            let same_order = (*condition).inputcollid == pg_sys::InvalidOid
                || (*condition).inputcollid == (*request).indexcollation;
            if strategy != i32::from(EQUAL) || !same_order {
                return None;
            }
            plan_stamp::note_answer(person.stamp);
            (*request).lossy = false;
            Some(pg_sys::lappend(std::ptr::null_mut(), condition.cast()))
        })
    }
}

/// What reading these rows by an index costs. Where the index holds all that is asked for, no page is
/// read whose rows are known to be visible. Else pages are read in their order, each once: as
/// `cost_bitmap_heap_scan` counts them.
unsafe fn by_index(index: *mut pg_sys::IndexOptInfo, keys: f64, rows: f64) -> f64 {
    // SAFETY: the planner's own numbers.
    unsafe {
        let table = (*index).rel;
        let heap = if holds_all(index) {
            pages_read(table, rows) * (1.0 - (*table).allvisfrac) * pg_sys::random_page_cost
        } else {
            in_order_of_pages(table, rows)
        };
        keys * (KEY_IN_PLAN + 2.0 * pg_sys::cpu_operator_cost) + heap + of_rows(rows)
    }
}

/// How many pages hold so many rows of a table.
unsafe fn pages_read(table: *mut pg_sys::RelOptInfo, rows: f64) -> f64 {
    // SAFETY: the planner's own numbers.
    let pages = f64::from(unsafe { (*table).pages }).max(1.0);
    (2.0 * pages * rows / (2.0 * pages + rows)).min(pages)
}

/// What reading the pages of so many rows costs, each once.
unsafe fn in_order_of_pages(table: *mut pg_sys::RelOptInfo, rows: f64) -> f64 {
    // SAFETY: the planner's own numbers.
    unsafe {
        let pages = f64::from((*table).pages).max(1.0);
        let read = pages_read(table, rows);
        let (random, in_order) = (pg_sys::random_page_cost, pg_sys::seq_page_cost);
        read * (random - (random - in_order) * (read / pages).sqrt())
    }
}

/// What looking at so many rows that an index has found costs.
fn of_rows(rows: f64) -> f64 {
    // SAFETY: the planner's own numbers.
    unsafe { rows * (pg_sys::cpu_index_tuple_cost + pg_sys::cpu_tuple_cost) }
}

/// Whether the index holds every column that the statement uses of its table.
unsafe fn holds_all(index: *mut pg_sys::IndexOptInfo) -> bool {
    const OFFSET: i32 = pg_sys::FirstLowInvalidHeapAttributeNumber;
    // SAFETY: the planner's own arrays and sets: one entry for each column, or for each of the index's.
    unsafe {
        let table = (*index).rel;
        let mut used = std::ptr::null_mut();
        for column in (*table).min_attr..=(*table).max_attr {
            let needed = *(*table)
                .attr_needed
                .add((column - (*table).min_attr) as usize);
            if pg_sys::bms_next_member(needed, -1) >= 0 {
                used = pg_sys::bms_add_member(used, i32::from(column) - OFFSET);
            }
        }
        for condition in elements::<pg_sys::RestrictInfo>((*table).baserestrictinfo) {
            pg_sys::pull_varattnos((*condition).clause.cast(), (*table).relid, &mut used);
        }
        let held = |column: i32| {
            (0..(*index).ncolumns as usize)
                .any(|at| *(*index).indexkeys.add(at) == column && *(*index).canreturn.add(at))
        };
        let mut member = -1;
        loop {
            member = pg_sys::bms_next_member(used, member);
            if member < 0 {
                return true;
            }
            let column = member + OFFSET;
            if column <= 0 || !held(column) {
                return false;
            }
        }
    }
}

/// What the cheapest of the other ways costs: all pages in order, another condition's index, or an
/// order in which a few rows are soon found.
unsafe fn otherwise(request: *mut pg_sys::SupportRequestIndexCondition, rows: f64) -> f64 {
    // SAFETY: the planner's own numbers and lists.
    unsafe {
        let (root, table) = ((*request).root, (*(*request).index).rel);
        let all = (*table).tuples.max(1.0);
        let fetch = pg_sys::random_page_cost + pg_sys::cpu_tuple_cost;
        let in_order = f64::from((*table).pages) * pg_sys::seq_page_cost
            + all * (pg_sys::cpu_tuple_cost + LOOK_UP * pg_sys::cpu_operator_cost);
        let mut others = 1.0;
        let mut conditions = Vec::new();
        for condition in elements::<pg_sys::RestrictInfo>((*table).baserestrictinfo) {
            let selectivity = (*condition).norm_selec;
            if (*condition).clause.cast() == (*request).node || !(0.0..=1.0).contains(&selectivity)
            {
                continue;
            }
            others *= selectivity;
            conditions.push(condition);
        }
        let by_others = elements::<pg_sys::IndexOptInfo>((*table).indexlist)
            .into_iter()
            .filter_map(|index| share_found(index, &conditions))
            .map(|share| in_order_of_pages(table, all * share) + of_rows(all * share));
        let mut cheapest = by_others.fold(in_order, f64::min);
        let limit = (*root).limit_tuples;
        if limit > 0.0 && !(*root).query_pathkeys.is_null() {
            let found = (rows * others).max(1.0);
            cheapest = cheapest.min(limit / found * all * fetch);
        }
        cheapest
    }
}

/// The share of the rows that an index finds by these conditions on its columns, from the first one on;
/// `None`: none is on its first.
unsafe fn share_found(
    index: *mut pg_sys::IndexOptInfo,
    conditions: &[*mut pg_sys::RestrictInfo],
) -> Option<f64> {
    let mut found = None;
    // SAFETY: the planner's own index and conditions.
    unsafe {
        for column in 0..(*index).nkeycolumns {
            let on_column = conditions
                .iter()
                .filter(|condition| compares(**condition, index, column))
                .map(|condition| (**condition).norm_selec)
                .reduce(|one, other| one * other);
            let Some(share) = on_column else {
                break;
            };
            found = Some(found.unwrap_or(1.0) * share);
        }
    }
    found
}

/// Whether a condition compares a column of an index.
unsafe fn compares(
    condition: *mut pg_sys::RestrictInfo,
    index: *mut pg_sys::IndexOptInfo,
    column: i32,
) -> bool {
    // SAFETY: node types are checked before they are read.
    unsafe {
        let clause = (*condition).clause.cast::<pg_sys::Node>();
        let tag = (*clause).type_;
        let arguments = if tag == pg_sys::NodeTag::T_OpExpr {
            (*clause.cast::<pg_sys::OpExpr>()).args
        } else if tag == pg_sys::NodeTag::T_ScalarArrayOpExpr {
            (*clause.cast::<pg_sys::ScalarArrayOpExpr>()).args
        } else {
            return false;
        };
        elements::<pg_sys::Node>(arguments)
            .into_iter()
            .any(|argument| pg_sys::match_index_to_operand(argument, column, index))
    }
}
