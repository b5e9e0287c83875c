//! The shape of a query that may be given aggregates: a list of what may stand where.
//!
//! One table's records are counted, each once: every other table is joined by a unique column of its own, along
//! a dimension or a link of the mapping. Nothing in it may fail on a record, or be called with one, but what
//! stands on the lists here.

use pgrx::prelude::*;

use super::super::tree::{self, elements, is_a, new};
use super::values::{Value, is_builtin, is_unique, is_whole_equality, may_compare, value};

/// A table of a level.
pub(super) struct Table {
    pub(super) place: i32,
    pub(super) relation: pg_sys::Oid,
    /// Whoever asks sees aggregates of it alone.
    pub(super) closed: Option<Closed>,
    /// It has conditions that somebody else than the tables' owners wrote: they would run for each record.
    pub(super) foreign_policy: bool,
}

/// What is shown of such a table, by the numbers of columns.
pub(super) struct Closed {
    pub(super) module: String,
    pub(super) key: i16,
    pub(super) dimensions: Vec<i16>,
    pub(super) measures: Vec<i16>,
    /// Columns that name a record of another module.
    pub(super) parents: Vec<(i16, String)>,
    pub(super) smallest_group: u32,
    /// The names of dimensions and measures.
    pub(super) names: [String; 2],
}

/// A query of that shape.
pub(super) struct Proof {
    /// What it selects, without PostgreSQL's detours.
    pub(super) targets: *mut pg_sys::List,
    /// How many records a group has: the least of all that must be enough.
    pub(super) records: *mut pg_sys::Node,
    pub(super) smallest_group: u32,
}

type Proven<T = ()> = Result<T, String>;

fn not<T>(reason: &str) -> Proven<T> {
    Err(reason.to_owned())
}

/// Proves that the level has the shape, or says what hasn't.
pub(super) unsafe fn prove(query: *mut pg_sys::Query, tables: &[Table]) -> Proven<Proof> {
    // SAFETY: walks a rewritten tree by PostgreSQL's own structure.
    unsafe {
        clauses(query)?;
        let mut level = Level {
            tables,
            links: Vec::new(),
            gates: Vec::new(),
        };
        level.entries(query)?;
        level.from((*query).jointree.cast())?;
        let root = level.root()?;
        let targets = flattened(query);
        let mut summed = Vec::new();
        for target in elements::<pg_sys::TargetEntry>(targets) {
            level.target(query, target, root, &mut summed)?;
        }
        for gate in level.gates {
            super::super::pull_up::add(query, gate);
        }
        let closed = tables.iter().filter_map(|table| table.closed.as_ref());
        Ok(Proof {
            targets,
            records: records(tables, root, summed),
            smallest_group: closed
                .map(|closed| closed.smallest_group)
                .max()
                .unwrap_or(5),
        })
    }
}

unsafe fn clauses(query: *mut pg_sys::Query) -> Proven {
    // SAFETY: reads the query's own fields.
    unsafe {
        let query = &*query;
        let refused = [
            (
                query.commandType != pg_sys::CmdType::CMD_SELECT,
                "nothing is written from its rows",
            ),
            (
                !query.hasAggs && query.groupClause.is_null(),
                "this selects its rows",
            ),
            (!query.rowMarks.is_null(), "its rows aren't locked"),
            (query.hasWindowFuncs, "window functions see its rows"),
            (
                !query.distinctClause.is_null(),
                "DISTINCT belongs around it",
            ),
            (
                query.hasTargetSRFs,
                "functions that return sets belong around it",
            ),
            (!query.groupingSets.is_null(), "grouping sets aren't known"),
            (query.hasSubLinks, "a sub-select stands beside it"),
            (
                !query.havingQual.is_null(),
                "HAVING belongs around it, as WHERE",
            ),
            (!query.cteList.is_null(), "WITH belongs around it"),
            (
                !query.setOperations.is_null(),
                "set operations belong around it",
            ),
        ];
        match refused.into_iter().find(|(is, _)| *is) {
            Some((_, reason)) => not(reason),
            None => Ok(()),
        }
    }
}

/// The targets, with what they are grouped by in its place.
unsafe fn flattened(query: *mut pg_sys::Query) -> *mut pg_sys::List {
    // SAFETY: a copy is made.
    unsafe {
        #[cfg(feature = "pg18")]
        if (*query).hasGroupRTE {
            let targets = (*query).targetList.cast();
            return flatten_group_exprs(std::ptr::null_mut(), query, targets).cast();
        }
        pg_sys::copyObjectImpl((*query).targetList.cast()).cast()
    }
}

#[cfg(feature = "pg18")]
unsafe extern "C-unwind" {
    fn flatten_group_exprs(
        root: *mut pg_sys::PlannerInfo,
        query: *mut pg_sys::Query,
        node: *mut pg_sys::Node,
    ) -> *mut pg_sys::Node;
}

/// A column of a table of the level: the table's place among them, and its number.
type Column = (usize, i16);

struct Level<'a> {
    tables: &'a [Table],
    /// Columns that must be equal.
    links: Vec<(Column, Column)>,
    /// Conditions that compute what rows are compared with, before there is a row.
    gates: Vec<*mut pg_sys::Node>,
}

impl Level<'_> {
    unsafe fn entries(&self, query: *mut pg_sys::Query) -> Proven {
        if self.tables.iter().any(|table| table.foreign_policy) {
            return not("a table is joined that has row policies of its own");
        }
        // SAFETY: as in `prove`.
        unsafe {
            for (place, entry) in (1..).zip(elements::<pg_sys::RangeTblEntry>((*query).rtable)) {
                let entry = &*entry;
                let plain = [b'r', b'p'].contains(&(entry.relkind as u8));
                let fits = match entry.rtekind {
                    pg_sys::RTEKind::RTE_RELATION => {
                        tree::is_placeholder(query, place)
                            || plain && entry.tablesample.is_null() && !entry.lateral
                    }
                    pg_sys::RTEKind::RTE_JOIN => entry.jointype == pg_sys::JoinType::JOIN_INNER,
                    #[cfg(feature = "pg18")]
                    pg_sys::RTEKind::RTE_GROUP => true,
                    _ => false,
                };
                if !fits {
                    return not("only tables are joined to it, by inner joins");
                }
            }
            Ok(())
        }
    }

    unsafe fn from(&mut self, node: *mut pg_sys::Node) -> Proven {
        // SAFETY: node types are checked before they are read.
        unsafe {
            if is_a(node.cast(), pg_sys::NodeTag::T_RangeTblRef) {
                return Ok(());
            }
            let (parts, condition) = if is_a(node.cast(), pg_sys::NodeTag::T_FromExpr) {
                let from = node.cast::<pg_sys::FromExpr>();
                (elements((*from).fromlist), (*from).quals)
            } else if is_a(node.cast(), pg_sys::NodeTag::T_JoinExpr) {
                let join = node.cast::<pg_sys::JoinExpr>();
                if (*join).jointype != pg_sys::JoinType::JOIN_INNER {
                    return not("only inner joins are known");
                }
                (vec![(*join).larg, (*join).rarg], (*join).quals)
            } else {
                return not("its FROM isn't known");
            };
            for part in parts {
                self.from(part)?;
            }
            self.condition(condition, true)
        }
    }

    /// A condition of WHERE or ON. `all`: it holds for every row of the result.
    unsafe fn condition(&mut self, node: *mut pg_sys::Node, all: bool) -> Proven {
        const UNKNOWN: &str = "WHERE and ON compare dimensions, and nothing else";
        // SAFETY: node types are checked before they are read.
        unsafe {
            if node.is_null() || is_a(node.cast(), pg_sys::NodeTag::T_Const) {
                return Ok(());
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_List) {
                for part in elements(node.cast()) {
                    self.condition(part, all)?;
                }
                return Ok(());
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_BoolExpr) {
                let expression = node.cast::<pg_sys::BoolExpr>();
                let and = (*expression).boolop == pg_sys::BoolExprType::AND_EXPR;
                for part in elements((*expression).args) {
                    self.condition(part, all && and)?;
                }
                return Ok(());
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_OpExpr) {
                let compared = node.cast::<pg_sys::OpExpr>();
                let sides = elements((*compared).args);
                let [one, other] = sides[..] else {
                    return not(UNKNOWN);
                };
                if !may_compare((*compared).opno, (*compared).inputcollid) {
                    return not(UNKNOWN);
                }
                let (one, other) = (value(one), value(other));
                if let (Value::Column(one), Value::Column(other)) = (&one, &other)
                    && all
                    && is_whole_equality((*compared).opno)
                {
                    let link = (self.column(*one)?, self.column(*other)?);
                    let linked = self.follows(link.0, link.1) || self.follows(link.1, link.0);
                    self.links.push(link);
                    if linked {
                        return Ok(());
                    }
                }
                self.compared(one)?;
                return self.compared(other);
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_ScalarArrayOpExpr) {
                let compared = node.cast::<pg_sys::ScalarArrayOpExpr>();
                let sides = elements((*compared).args);
                let [one, other] = sides[..] else {
                    return not(UNKNOWN);
                };
                if !may_compare((*compared).opno, (*compared).inputcollid) {
                    return not(UNKNOWN);
                }
                self.compared(value(one))?;
                return self.compared(value(other));
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_NullTest) {
                let test = node.cast::<pg_sys::NullTest>();
                if (*test).argisrow {
                    return not(UNKNOWN);
                }
                return self.compared(value((*test).arg.cast()));
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_BooleanTest) {
                return self.compared(value((*node.cast::<pg_sys::BooleanTest>()).arg.cast()));
            }
            match value(node) {
                of @ (Value::Column(_) | Value::Known(_)) => self.compared(of),
                Value::Truncated(_) | Value::Other => not(UNKNOWN),
            }
        }
    }

    /// One side of a comparison.
    unsafe fn compared(&mut self, of: Value) -> Proven {
        // SAFETY: as in `condition`.
        unsafe {
            match of {
                Value::Column(column) | Value::Truncated(column) => {
                    self.dimension(self.column(column)?)
                }
                Value::Known(Some(computed)) => {
                    self.gates.push(gate(computed));
                    Ok(())
                }
                Value::Known(None) => Ok(()),
                Value::Other => {
                    not("WHERE and ON compare dimensions with constants, and call no functions")
                }
            }
        }
    }

    unsafe fn column(&self, column: *mut pg_sys::Var) -> Proven<Column> {
        // SAFETY: a column of a statement.
        unsafe {
            let place = i64::from((*column).varno);
            let table = (self.tables.iter()).position(|table| i64::from(table.place) == place);
            // Operators of arrays and the like call what the type's owner wrote.
            if !is_builtin((*column).vartype) {
                return not("a column is of a type that isn't PostgreSQL's own");
            }
            match table {
                Some(table) if (*column).varattno > 0 && (*column).varlevelsup == 0 => {
                    Ok((table, (*column).varattno))
                }
                Some(_) | None => not("a whole row, or what isn't a column, is named"),
            }
        }
    }

    /// Groups may be made by it, and it may be compared.
    fn dimension(&self, (table, number): Column) -> Proven {
        match &self.tables[table].closed {
            Some(closed) if !closed.dimensions.contains(&number) => {
                not("a column that is no dimension is compared, or shown")
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Each record of the first finds one record of the other at most, by its key.
    fn follows(&self, from: Column, to: Column) -> bool {
        let (one, other) = (&self.tables[from.0], &self.tables[to.0]);
        if from.0 == to.0 || !is_unique(other.relation, to.1) {
            return false;
        }
        let along = match (&one.closed, &other.closed) {
            (Some(one), Some(other)) => one
                .parents
                .iter()
                .any(|(column, module)| *column == from.1 && *module == other.module),
            (Some(one), None) => one.dimensions.contains(&from.1),
            (None, Some(_)) => false,
            (None, None) => true,
        };
        let known = (other.closed.as_ref()).is_none_or(|closed| closed.key == to.1);
        along && known
    }

    /// The table whose records are counted: each of the others has one record for it at most.
    fn root(&self) -> Proven<usize> {
        let reaches_all = |root: usize| {
            let mut reached = vec![root];
            loop {
                let next = self.links.iter().find_map(|(one, other)| {
                    let found = |from: &Column, to: &Column| {
                        (reached.contains(&from.0)
                            && !reached.contains(&to.0)
                            && self.follows(*from, *to))
                        .then_some(to.0)
                    };
                    found(one, other).or_else(|| found(other, one))
                });
                match next {
                    Some(table) => reached.push(table),
                    None => return reached.len() == self.tables.len(),
                }
            }
        };
        let closed = |at: &usize| self.tables[*at].closed.is_some();
        let root = (0..self.tables.len())
            .filter(closed)
            .find(|at| reaches_all(*at));
        root.map_or_else(
            || {
                not("another table is joined, not by a unique column of its own along a dimension or a link")
            },
            Ok,
        )
    }

    unsafe fn target(
        &mut self,
        query: *mut pg_sys::Query,
        target: *mut pg_sys::TargetEntry,
        root: usize,
        summed: &mut Vec<*mut pg_sys::Var>,
    ) -> Proven {
        // SAFETY: node types are checked before they are read.
        unsafe {
            let shown = (*target).expr.cast::<pg_sys::Node>();
            if is_a(shown.cast(), pg_sys::NodeTag::T_Aggref) {
                return self.aggregate(shown.cast(), root, summed);
            }
            let number = (*target).ressortgroupref;
            let groups = elements::<pg_sys::SortGroupClause>((*query).groupClause);
            let group = groups
                .into_iter()
                .find(|group| number != 0 && (**group).tleSortGroupRef == number);
            let Some(group) = group else {
                return not(
                    "beside what is grouped by only count, sum and avg are selected; the rest belongs around it",
                );
            };
            let collation = pg_sys::exprCollation(shown);
            if (*group).sortop == pg_sys::InvalidOid
                || !is_builtin((*group).sortop)
                || !is_builtin((*group).eqop)
                || !is_builtin(collation)
            {
                return not("what is grouped by can't be sorted by PostgreSQL's own operators");
            }
            match value(shown) {
                Value::Column(column) | Value::Truncated(column) => {
                    self.dimension(self.column(column)?)
                }
                Value::Known(_) | Value::Other => {
                    not("it is grouped by dimensions, and by date_trunc() or extract() of them")
                }
            }
        }
    }

    unsafe fn aggregate(
        &self,
        aggregate: *mut pg_sys::Aggref,
        root: usize,
        summed: &mut Vec<*mut pg_sys::Var>,
    ) -> Proven {
        // SAFETY: node types are checked before they are read.
        unsafe {
            let of = &*aggregate;
            let name = if is_builtin(of.aggfnoid) {
                super::values::function_name(of.aggfnoid)
            } else {
                String::new()
            };
            let plain = of.aggfilter.is_null()
                && of.aggdistinct.is_null()
                && of.aggorder.is_null()
                && of.aggdirectargs.is_null()
                && of.agglevelsup == 0
                && of.aggkind as u8 == b'n';
            if !plain || !["count", "sum", "avg"].contains(&name.as_str()) {
                return not(
                    "of aggregates only count, sum and avg are known, without DISTINCT, ORDER BY and FILTER",
                );
            }
            if of.aggstar {
                return Ok(());
            }
            let arguments = elements::<pg_sys::TargetEntry>(of.args);
            let [argument] = arguments[..] else {
                return not("an aggregate of several values isn't known");
            };
            let Value::Column(var) = value((*argument).expr.cast()) else {
                return not("measures are summed up as they are");
            };
            let (table, number) = self.column(var)?;
            let closed = self.tables[table].closed.as_ref().filter(|_| table == root);
            let fits = closed.is_some_and(|closed| {
                closed.measures.contains(&number)
                    || name == "count" && closed.dimensions.contains(&number)
            });
            if !fits {
                return not("only measures of the records that are counted are summed up");
            }
            summed.push(var);
            Ok(())
        }
    }
}

/// `computed IS NULL OR computed IS NOT NULL`: where it fails, it does so before there is a row.
unsafe fn gate(computed: *mut pg_sys::Node) -> *mut pg_sys::Node {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let mut tests = std::ptr::null_mut();
        for kind in [
            pg_sys::NullTestType::IS_NULL,
            pg_sys::NullTestType::IS_NOT_NULL,
        ] {
            let test = new::<pg_sys::NullTest>(pg_sys::NodeTag::T_NullTest);
            (*test).arg = pg_sys::copyObjectImpl(computed.cast()).cast();
            (*test).nulltesttype = kind;
            (*test).location = -1;
            tests = pg_sys::lappend(tests, test.cast());
        }
        pg_sys::makeBoolExpr(pg_sys::BoolExprType::OR_EXPR, tests, -1).cast()
    }
}

/// `least(count(*), count(measure), …, count(DISTINCT key), …)`: of the records that are counted, of those with
/// a value of each measure, and of the records of each closed table that is joined.
unsafe fn records(
    tables: &[Table],
    root: usize,
    summed: Vec<*mut pg_sys::Var>,
) -> *mut pg_sys::Node {
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let mut counts = pg_sys::lappend(std::ptr::null_mut(), count(None, false).cast());
        for measure in summed {
            counts = pg_sys::lappend(counts, count(Some(measure), false).cast());
        }
        for (at, table) in tables.iter().enumerate() {
            if let Some(closed) = table.closed.as_ref().filter(|_| at != root) {
                let (mut of, mut modifier, mut collation) =
                    (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
                pg_sys::get_atttypetypmodcoll(
                    table.relation,
                    closed.key,
                    &raw mut of,
                    &raw mut modifier,
                    &raw mut collation,
                );
                let key = pg_sys::makeVar(table.place, closed.key, of, modifier, collation, 0);
                counts = pg_sys::lappend(counts, count(Some(key), true).cast());
            }
        }
        let least = new::<pg_sys::MinMaxExpr>(pg_sys::NodeTag::T_MinMaxExpr);
        (*least).minmaxtype = pg_sys::INT8OID;
        (*least).op = pg_sys::MinMaxOp::IS_LEAST;
        (*least).args = counts;
        (*least).location = -1;
        least.cast()
    }
}

/// `count(*)`, `count(column)` or `count(DISTINCT column)`.
unsafe fn count(column: Option<*mut pg_sys::Var>, distinct: bool) -> *mut pg_sys::Aggref {
    const COUNT_ROWS: u32 = 2803;
    const COUNT_VALUES: u32 = 2147;
    // SAFETY: nodes are made in the planner's memory.
    unsafe {
        let aggregate = new::<pg_sys::Aggref>(pg_sys::NodeTag::T_Aggref);
        let function = if column.is_some() {
            COUNT_VALUES
        } else {
            COUNT_ROWS
        };
        (*aggregate).aggfnoid = pg_sys::Oid::from(function);
        (*aggregate).aggtype = pg_sys::INT8OID;
        (*aggregate).aggkind = b'n' as _;
        (*aggregate).aggstar = column.is_none();
        (*aggregate).aggsplit = pg_sys::AggSplit::AGGSPLIT_SIMPLE;
        (*aggregate).aggno = -1;
        (*aggregate).aggtransno = -1;
        (*aggregate).location = -1;
        if let Some(column) = column {
            let of = (*column).vartype;
            (*aggregate).aggargtypes = pg_sys::lappend_oid(std::ptr::null_mut(), of);
            let column = pg_sys::copyObjectImpl(column.cast());
            let argument = pg_sys::makeTargetEntry(column.cast(), 1, std::ptr::null_mut(), false);
            (*aggregate).args = pg_sys::lappend(std::ptr::null_mut(), argument.cast());
            if distinct {
                (*argument).ressortgroupref = 1;
                let by = new::<pg_sys::SortGroupClause>(pg_sys::NodeTag::T_SortGroupClause);
                (*by).tleSortGroupRef = 1;
                let mut after = pg_sys::InvalidOid;
                pg_sys::get_sort_group_operators(
                    of,
                    true,
                    true,
                    false,
                    &raw mut (*by).sortop,
                    &raw mut (*by).eqop,
                    &raw mut after,
                    &raw mut (*by).hashable,
                );
                (*aggregate).aggdistinct = pg_sys::lappend(std::ptr::null_mut(), by.cast());
            }
        }
        aggregate
    }
}
