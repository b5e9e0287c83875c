//! Whose rows the result of a statement carries.
//!
//! A row of the result counts as a row of each module that stands in its FROM, joins, sub-selects, views and
//! WITH included, or in a sub-select of its SELECT list. So do groups: grouped by key they are rows. What
//! aggregates without GROUP BY say of all rows is no row, unless they are asked for each row of a query
//! around them; nor is whether there is one (EXISTS, IN), nor what WHERE compares with. A row that is
//! written counts as a row of what its values come from.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::CStr;

use pgrx::prelude::*;

use crate::catalog::Catalog;
use crate::errors;
use crate::fold::text_constant;
use crate::hooks::pull_up;
use crate::hooks::tree::{self, elements, is_a, new};

type Tables = HashSet<pg_sys::Oid>;

/// Finds out whose rows a statement carries, and puts in what counts those that no result shows one by one.
pub(in crate::hooks) struct Carried<'a> {
    pub(in crate::hooks) catalog: &'a Catalog,
    /// Which of a table's limited modules are to be counted for whoever asks.
    pub(in crate::hooks) counted: &'a dyn Fn(&[String]) -> Vec<String>,
    /// The queries that are being looked at, from the outermost, and what stands in their FROM.
    scopes: Vec<(*mut pg_sys::Query, Tables)>,
    /// Those of WITH that have been looked at.
    known: HashMap<*mut pg_sys::Query, Tables>,
}

impl<'a> Carried<'a> {
    /// Nothing has been looked at.
    pub(in crate::hooks) fn new(
        catalog: &'a Catalog,
        counted: &'a dyn Fn(&[String]) -> Vec<String>,
    ) -> Self {
        Self {
            catalog,
            counted,
            scopes: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// The limited tables whose rows the query's rows carry.
    pub(in crate::hooks) unsafe fn query(&mut self, query: *mut pg_sys::Query) -> Tables {
        // SAFETY: walks a rewritten tree by PostgreSQL's own structure.
        unsafe {
            self.scopes.push((query, Tables::new()));
            for with in elements::<pg_sys::CommonTableExpr>((*query).cteList) {
                let of = (*with).ctequery.cast();
                let tables = self.query(of);
                self.known.insert(of, tables);
            }
            let from = self.from(query);
            if let Some((_, known)) = self.scopes.last_mut() {
                known.clone_from(&from);
            }
            let carried = match (*query).commandType {
                pg_sys::CmdType::CMD_SELECT => {
                    let shown = self.shown((*query).targetList.cast());
                    let grouped =
                        !(*query).groupClause.is_null() || !(*query).groupingSets.is_null();
                    if (*query).hasAggs && !grouped && !self.is_correlated(query) {
                        Tables::new()
                    } else {
                        &from | &shown
                    }
                }
                _ => self.written(query, &from),
            };
            self.scopes.pop();
            carried
        }
    }

    /// Whether the innermost query is asked again for each row of a query around it.
    unsafe fn is_correlated(&self, query: *mut pg_sys::Query) -> bool {
        let around = 1..self.scopes.len();
        // SAFETY: walks the tree by PostgreSQL's own structure.
        around.into_iter().any(|up| unsafe {
            let up = i32::try_from(up).unwrap_or(i32::MAX);
            pg_sys::contain_vars_of_level(query.cast(), up)
        })
    }

    /// What a statement that writes returns; what it writes of other tables is counted.
    unsafe fn written(&mut self, query: *mut pg_sys::Query, from: &Tables) -> Tables {
        // SAFETY: as in `query`.
        unsafe {
            if (*query).resultRelation == 0 {
                return Tables::new();
            }
            let target = (*tree::entry(query, (*query).resultRelation)).relid;
            self.count_written(query, from);
            if (*query).returningList.is_null() {
                return Tables::new();
            }
            let mut carried = from | &self.shown((*query).returningList.cast());
            carried.extend(self.is_limited(target).then_some(target));
            carried
        }
    }

    unsafe fn count_written(&mut self, query: *mut pg_sys::Query, from: &Tables) {
        // SAFETY: the planner owns the tree, and expects hooks to change it.
        unsafe {
            for action in elements::<pg_sys::MergeAction>((*query).mergeActionList) {
                if let Some(counts) = self.counts_values(query, (*action).targetList, from) {
                    (*action).qual = both((*action).qual, counts);
                }
            }
            let conflict = (*query).onConflict;
            if !conflict.is_null()
                // What was to be inserted has been counted.
                && let Some(counts) =
                    self.counts_values(query, (*conflict).onConflictSet, &Tables::new())
            {
                (*conflict).onConflictWhere = both((*conflict).onConflictWhere, counts);
            }
            if let Some(counts) = self.counts_values(query, (*query).targetList, from)
                && !(*(*query).jointree).fromlist.is_null()
            {
                pull_up::add(query, counts);
            }
        }
    }

    /// What counts the rows that a list of written values comes from. `from`: what stands beside the table.
    unsafe fn counts_values(
        &mut self,
        query: *mut pg_sys::Query,
        values: *mut pg_sys::List,
        from: &Tables,
    ) -> Option<*mut pg_sys::Node> {
        // SAFETY: as in `query`.
        unsafe {
            let mut written = self.shown(values.cast());
            let named = pg_sys::pull_varnos_of_level(std::ptr::null_mut(), values.cast(), 0);
            let own = pg_sys::bms_make_singleton((*query).resultRelation);
            if !pg_sys::bms_is_subset(named, own) {
                written.extend(from);
            }
            self.counts(&written)
        }
    }

    /// What stands in a query's FROM.
    unsafe fn from(&mut self, query: *mut pg_sys::Query) -> Tables {
        // SAFETY: as in `query`; the fields that belong to an entry's kind are read.
        unsafe {
            let mut tables = Tables::new();
            let united = !(*query).setOperations.is_null();
            let entries = elements::<pg_sys::RangeTblEntry>((*query).rtable);
            for (place, entry) in (1..).zip(entries) {
                #[cfg(feature = "pg18")]
                if (*entry).rtekind == pg_sys::RTEKind::RTE_GROUP {
                    tables.extend(self.shown((*entry).groupexprs.cast()));
                }
                let read = united || !tree::is_placeholder(query, place);
                if !read || place == (*query).resultRelation {
                    continue;
                }
                match (*entry).rtekind {
                    pg_sys::RTEKind::RTE_RELATION => {
                        let table = (*entry).relid;
                        tables.extend(self.is_limited(table).then_some(table));
                    }
                    pg_sys::RTEKind::RTE_SUBQUERY => tables.extend(self.query((*entry).subquery)),
                    pg_sys::RTEKind::RTE_CTE => tables.extend(self.with(entry)),
                    pg_sys::RTEKind::RTE_FUNCTION => {
                        for function in elements::<pg_sys::RangeTblFunction>((*entry).functions) {
                            tables.extend(self.shown((*function).funcexpr));
                        }
                    }
                    pg_sys::RTEKind::RTE_VALUES => {
                        tables.extend(self.shown((*entry).values_lists.cast()));
                    }
                    pg_sys::RTEKind::RTE_TABLEFUNC => {
                        tables.extend(self.shown((*entry).tablefunc.cast()));
                    }
                    // What they hold stands elsewhere in the query, or belongs to a trigger of the table's owner.
                    pg_sys::RTEKind::RTE_JOIN
                    | pg_sys::RTEKind::RTE_RESULT
                    | pg_sys::RTEKind::RTE_NAMEDTUPLESTORE => {}
                    #[cfg(feature = "pg18")]
                    pg_sys::RTEKind::RTE_GROUP => {}
                    other => {
                        errors::fault(format!("a range table entry of kind {other} isn't known"))
                    }
                }
            }
            tables
        }
    }

    /// What an entry of WITH carries. One that names itself has nothing but what its other part has.
    unsafe fn with(&self, entry: *mut pg_sys::RangeTblEntry) -> Tables {
        // SAFETY: the entry names one of a query's WITH, some levels up.
        unsafe {
            let up = (*entry).ctelevelsup as usize + 1;
            let scope = self.scopes.len().checked_sub(up).map(|at| &self.scopes[at]);
            let named = CStr::from_ptr((*entry).ctename);
            let with = scope.and_then(|(query, _)| {
                let all = elements::<pg_sys::CommonTableExpr>((**query).cteList);
                let mut all = all.into_iter();
                all.find(|with| CStr::from_ptr((**with).ctename) == named)
            });
            let of = with.map(|with| (*with).ctequery.cast());
            of.and_then(|of| self.known.get(&of).cloned())
                .unwrap_or_default()
        }
    }

    /// What the sub-selects of what is shown carry; what puts rows together counts them.
    unsafe fn shown(&mut self, shown: *mut pg_sys::Node) -> Tables {
        // SAFETY: as in `query`; node types are checked before they are read.
        unsafe {
            let mut tables = Tables::new();
            for node in tree::find(shown, is_of_interest) {
                if is_a(node.cast(), pg_sys::NodeTag::T_SubLink) {
                    tables.extend(self.sub_select(node.cast()));
                } else {
                    self.collected(node);
                }
            }
            tables
        }
    }

    unsafe fn sub_select(&mut self, link: *mut pg_sys::SubLink) -> Tables {
        // SAFETY: a sub-select holds a query.
        unsafe {
            let within = (*link).subselect.cast::<pg_sys::Query>();
            match (*link).subLinkType {
                // Whether there is a row, or one that fits.
                pg_sys::SubLinkType::EXISTS_SUBLINK
                | pg_sys::SubLinkType::ALL_SUBLINK
                | pg_sys::SubLinkType::ANY_SUBLINK
                | pg_sys::SubLinkType::ROWCOMPARE_SUBLINK => Tables::new(),
                pg_sys::SubLinkType::ARRAY_SUBLINK => {
                    let tables = self.query(within);
                    if let Some(counts) = self.counts(&tables) {
                        (*link).subselect = selected_from(within, counts).cast();
                    }
                    tables
                }
                // One row for each row.
                _ => self.query(within),
            }
        }
    }

    /// An aggregate that may put values of all its rows together counts them.
    unsafe fn collected(&self, node: *mut pg_sys::Node) {
        // SAFETY: node types are checked before they are read.
        unsafe {
            let (function, filter, up) = if is_a(node.cast(), pg_sys::NodeTag::T_Aggref) {
                let aggregate = node.cast::<pg_sys::Aggref>();
                let up = (*aggregate).agglevelsup as usize;
                ((*aggregate).aggfnoid, &mut (*aggregate).aggfilter, up)
            } else {
                let window = node.cast::<pg_sys::WindowFunc>();
                if !(*window).winagg {
                    return;
                }
                ((*window).winfnoid, &mut (*window).aggfilter, 0)
            };
            if says_one_thing(function) {
                return;
            }
            let of = self.scopes.len().checked_sub(up + 1);
            let tables = of.map(|at| &self.scopes[at].1);
            if let Some(counts) = tables.and_then(|tables| self.counts(tables)) {
                *filter = both((*filter).cast(), counts).cast();
            }
        }
    }

    fn is_limited(&self, table: pg_sys::Oid) -> bool {
        !(self.catalog.limited.modules(self.catalog, table)).is_empty()
    }

    /// `celador.row_counts(module)` for each module of the tables that is counted for whoever asks.
    unsafe fn counts(&self, tables: &Tables) -> Option<*mut pg_sys::Node> {
        let mut modules = BTreeSet::new();
        for table in tables {
            let limited = self.catalog.limited.modules(self.catalog, *table);
            modules.extend((self.counted)(&limited));
        }
        // SAFETY: nodes are made in the planner's memory.
        unsafe {
            let mut all = std::ptr::null_mut();
            for module in modules {
                let none = pg_sys::InvalidOid;
                let name = text_constant(Some(&module));
                let arguments = pg_sys::lappend(std::ptr::null_mut(), name.cast());
                let call = pg_sys::CoercionForm::COERCE_EXPLICIT_CALL;
                let function = self.catalog.row_counts;
                let counts =
                    pg_sys::makeFuncExpr(function, pg_sys::BOOLOID, arguments, none, none, call);
                all = both(all, counts.cast());
            }
            (!all.is_null()).then_some(all)
        }
    }
}

unsafe fn both(one: *mut pg_sys::Node, other: *mut pg_sys::Node) -> *mut pg_sys::Node {
    if one.is_null() {
        return other;
    }
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let mut list = pg_sys::lappend(std::ptr::null_mut(), one.cast());
        list = pg_sys::lappend(list, other.cast());
        pg_sys::makeBoolExpr(pg_sys::BoolExprType::AND_EXPR, list, -1).cast()
    }
}

/// `SELECT x FROM (query) WHERE condition`
unsafe fn selected_from(
    query: *mut pg_sys::Query,
    condition: *mut pg_sys::Node,
) -> *mut pg_sys::Query {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        // What it names of the queries around it is a level further away.
        pg_sys::IncrementVarSublevelsUp(query.cast(), 1, 1);
        let entry = new::<pg_sys::RangeTblEntry>(pg_sys::NodeTag::T_RangeTblEntry);
        (*entry).rtekind = pg_sys::RTEKind::RTE_SUBQUERY;
        (*entry).subquery = query;
        (*entry).inFromCl = true;
        let mut names = std::ptr::null_mut();
        let outer = new::<pg_sys::Query>(pg_sys::NodeTag::T_Query);
        for target in elements::<pg_sys::TargetEntry>((*query).targetList) {
            if (*target).resjunk {
                continue;
            }
            let number = (*target).resno;
            let name = c"column".as_ptr();
            names = pg_sys::lappend(names, pg_sys::makeString(pg_sys::pstrdup(name)).cast());
            let column = pg_sys::makeVar(
                1,
                number,
                pg_sys::exprType((*target).expr.cast()),
                pg_sys::exprTypmod((*target).expr.cast()),
                pg_sys::exprCollation((*target).expr.cast()),
                0,
            );
            let shown =
                pg_sys::makeTargetEntry(column.cast(), number, pg_sys::pstrdup(name), false);
            (*outer).targetList = pg_sys::lappend((*outer).targetList, shown.cast());
        }
        let alias = pg_sys::makeAlias(c"counted".as_ptr(), names);
        (*entry).eref = alias;
        (*outer).commandType = pg_sys::CmdType::CMD_SELECT;
        (*outer).querySource = (*query).querySource;
        (*outer).canSetTag = true;
        (*outer).hasRowSecurity = (*query).hasRowSecurity;
        (*outer).rtable = pg_sys::lappend(std::ptr::null_mut(), entry.cast());
        let from = new::<pg_sys::RangeTblRef>(pg_sys::NodeTag::T_RangeTblRef);
        (*from).rtindex = 1;
        let from = pg_sys::lappend(std::ptr::null_mut(), from.cast());
        (*outer).jointree = pg_sys::makeFromExpr(from, condition);
        (*outer).stmt_location = -1;
        outer
    }
}

unsafe fn is_of_interest(node: *mut pg_sys::Node) -> bool {
    const TAGS: [pg_sys::NodeTag; 3] = [
        pg_sys::NodeTag::T_SubLink,
        pg_sys::NodeTag::T_Aggref,
        pg_sys::NodeTag::T_WindowFunc,
    ];
    // SAFETY: every node begins with its tag.
    TAGS.contains(&unsafe { (*node).type_ })
}

/// PostgreSQL's aggregates that give one value of, or about, their rows. Whatever else might give them all.
const ONE_THING: [&CStr; 33] = [
    c"count",
    c"sum",
    c"avg",
    c"min",
    c"max",
    c"any_value",
    c"bool_and",
    c"bool_or",
    c"every",
    c"bit_and",
    c"bit_or",
    c"bit_xor",
    c"stddev",
    c"stddev_pop",
    c"stddev_samp",
    c"variance",
    c"var_pop",
    c"var_samp",
    c"corr",
    c"covar_pop",
    c"covar_samp",
    c"regr_avgx",
    c"regr_avgy",
    c"regr_count",
    c"regr_intercept",
    c"regr_r2",
    c"regr_slope",
    c"regr_sxx",
    c"regr_sxy",
    c"regr_syy",
    c"mode",
    c"rank",
    c"dense_rank",
];

unsafe fn says_one_thing(function: pg_sys::Oid) -> bool {
    // SAFETY: a cache look-up.
    unsafe {
        if function.to_u32() >= pg_sys::FirstNormalObjectId {
            return false;
        }
        let name = pg_sys::get_func_name(function);
        !name.is_null() && ONE_THING.contains(&CStr::from_ptr(name))
    }
}
