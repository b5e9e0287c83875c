//! Reads PostgreSQL's query trees.

use std::ffi::c_void;

use pgrx::pg_sys;

// The bindings of these are guarded. Called directly, an error passes the walker as C would have
// it: nothing of Rust's waits in its frames.
unsafe extern "C-unwind" {
    #[cfg_attr(not(feature = "pg15"), link_name = "expression_tree_walker_impl")]
    pub(in crate::hooks) fn expression_tree_walker(
        node: *mut pg_sys::Node,
        walker: Option<unsafe extern "C-unwind" fn(*mut pg_sys::Node, *mut c_void) -> bool>,
        context: *mut c_void,
    ) -> bool;
    fn lappend(list: *mut pg_sys::List, datum: *mut c_void) -> *mut pg_sys::List;
}

/// The queries that stand in a query's expressions: not those in its FROM and its WITH.
pub(super) unsafe fn sub_queries(query: *mut pg_sys::Query) -> Vec<*mut pg_sys::Query> {
    // SAFETY: the walker collects into the list, and calls nothing that could raise.
    unsafe {
        let mut found: *mut pg_sys::List = std::ptr::null_mut();
        pg_sys::query_tree_walker(
            query,
            Some(collect),
            (&raw mut found).cast(),
            (pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES) as i32,
        );
        elements(found)
    }
}

/// Whether `is_it` holds for a node of the query's expressions, sub-queries left out.
pub(super) unsafe fn walk_nodes(
    query: *mut pg_sys::Query,
    is_it: unsafe fn(*mut pg_sys::Node) -> bool,
) -> bool {
    // SAFETY: the walker gets the function back as it was given.
    unsafe {
        let mut is_it = is_it;
        pg_sys::query_tree_walker(
            query,
            Some(visit),
            (&raw mut is_it).cast(),
            (pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES) as i32,
        )
    }
}

/// The nodes of an expression for which `is_it` holds, sub-queries left out.
pub(super) unsafe fn find(
    expression: *mut pg_sys::Node,
    is_it: unsafe fn(*mut pg_sys::Node) -> bool,
) -> Vec<*mut pg_sys::Node> {
    // SAFETY: the walker collects into the list, and calls nothing that could raise.
    unsafe {
        let mut finding = Finding {
            is_it,
            found: std::ptr::null_mut(),
        };
        collect_fitting(expression, (&raw mut finding).cast());
        elements(finding.found)
    }
}

struct Finding {
    is_it: unsafe fn(*mut pg_sys::Node) -> bool,
    found: *mut pg_sys::List,
}

unsafe extern "C-unwind" fn collect_fitting(node: *mut pg_sys::Node, finding: *mut c_void) -> bool {
    // SAFETY: the context is the Finding of `find`.
    unsafe {
        if node.is_null() || is_a(node.cast(), pg_sys::NodeTag::T_Query) {
            return false;
        }
        let known = finding.cast::<Finding>();
        if ((*known).is_it)(node) {
            (*known).found = lappend((*known).found, node.cast());
        }
        expression_tree_walker(node, Some(collect_fitting), finding)
    }
}

/// Whether the statement groups by grouping sets, at any level.
pub(super) unsafe fn has_grouping_sets(query: *mut pg_sys::Query) -> bool {
    // SAFETY: walks a rewritten tree by PostgreSQL's own structure.
    unsafe { grouping_sets(query.cast(), std::ptr::null_mut()) }
}

unsafe extern "C-unwind" fn grouping_sets(node: *mut pg_sys::Node, none: *mut c_void) -> bool {
    // SAFETY: the tag is read before the node is.
    unsafe {
        if is_a(node.cast(), pg_sys::NodeTag::T_Query) {
            let query = node.cast::<pg_sys::Query>();
            return !(*query).groupingSets.is_null()
                || pg_sys::query_tree_walker(query, Some(grouping_sets), none, 0);
        }
        !node.is_null() && expression_tree_walker(node, Some(grouping_sets), none)
    }
}

unsafe extern "C-unwind" fn visit(node: *mut pg_sys::Node, is_it: *mut c_void) -> bool {
    // SAFETY: the context is the function of `walk_nodes`.
    unsafe {
        if node.is_null() || is_a(node.cast(), pg_sys::NodeTag::T_Query) {
            return false;
        }
        let test = *is_it.cast::<unsafe fn(*mut pg_sys::Node) -> bool>();
        test(node) || expression_tree_walker(node, Some(visit), is_it)
    }
}

unsafe extern "C-unwind" fn collect(node: *mut pg_sys::Node, found: *mut c_void) -> bool {
    // SAFETY: the context is the caller's list; the tag is read before the node is.
    unsafe {
        if is_a(node.cast(), pg_sys::NodeTag::T_Query) {
            let found = found.cast::<*mut pg_sys::List>();
            *found = lappend(*found, node.cast());
            return false;
        }
        !node.is_null() && expression_tree_walker(node, Some(collect), found)
    }
}

/// The entry of the query's range table at that place.
pub(super) unsafe fn entry(query: *mut pg_sys::Query, place: i32) -> *mut pg_sys::RangeTblEntry {
    // SAFETY: the query's own entries, counted from 1.
    unsafe { elements((*query).rtable)[place as usize - 1] }
}

/// A new node of that kind, with nothing in it.
pub(crate) unsafe fn new<T>(tag: pg_sys::NodeTag) -> *mut T {
    // SAFETY: every node begins with its tag.
    unsafe {
        let node = pg_sys::palloc0(size_of::<T>()).cast::<pg_sys::Node>();
        (*node).type_ = tag;
        node.cast()
    }
}

/// The elements of a PostgreSQL list of pointers.
pub(crate) unsafe fn elements<T>(list: *mut pg_sys::List) -> Vec<*mut T> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: a List holds `length` cells.
    unsafe {
        (0..(*list).length as usize)
            .map(|at| (*(*list).elements.add(at)).ptr_value.cast::<T>())
            .collect()
    }
}

/// The elements of a PostgreSQL list of oids.
pub(crate) unsafe fn oids(list: *mut pg_sys::List) -> Vec<pg_sys::Oid> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: a list of oids holds `length` cells.
    unsafe {
        (0..(*list).length as usize)
            .map(|at| (*(*list).elements.add(at)).oid_value)
            .collect()
    }
}

pub(crate) unsafe fn is_a(node: *const c_void, tag: pg_sys::NodeTag) -> bool {
    // SAFETY: every node begins with its tag.
    !node.is_null() && unsafe { (*node.cast::<pg_sys::Node>()).type_ == tag }
}

/// The view that a sub-query stands for.
pub(super) unsafe fn view_of(entry: *mut pg_sys::RangeTblEntry) -> Option<pg_sys::Oid> {
    // SAFETY: the entry is of a sub-query.
    unsafe {
        #[cfg(not(feature = "pg15"))]
        {
            ((*entry).relid != pg_sys::InvalidOid).then_some((*entry).relid)
        }
        // The rule's sub-query begins with the entries OLD and NEW, which name the view.
        #[cfg(feature = "pg15")]
        {
            elements::<pg_sys::RangeTblEntry>((*(*entry).subquery).rtable)
                .first()
                .filter(|first| {
                    (***first).rtekind == pg_sys::RTEKind::RTE_RELATION
                        && (***first).relkind as u8 == b'v'
                })
                .map(|first| (**first).relid)
        }
    }
}

/// The statement locks or writes the rows of the entry.
pub(super) unsafe fn is_locked(query: *mut pg_sys::Query, place: i32) -> bool {
    // SAFETY: reads the query's own fields.
    unsafe {
        let marked = elements::<pg_sys::RowMarkClause>((*query).rowMarks)
            .into_iter()
            .any(|mark| i64::from((*mark).rti) == i64::from(place));
        marked || (*query).resultRelation == place
    }
}

/// An entry that nothing is read from: EXCLUDED, or the OLD and NEW of a rule.
pub(super) unsafe fn is_placeholder(query: *mut pg_sys::Query, place: i32) -> bool {
    // SAFETY: reads the query's own fields.
    unsafe {
        let conflict = (*query).onConflict;
        if !conflict.is_null() && (*conflict).exclRelIndex == place {
            return true;
        }
        !is_read(query, place)
    }
}

/// Whether the entry is the target of the statement or stands in its FROM.
unsafe fn is_read(query: *mut pg_sys::Query, place: i32) -> bool {
    unsafe fn stands_in(node: *mut pg_sys::Node, place: i32) -> bool {
        // SAFETY: node types are checked before they are read.
        unsafe {
            if node.is_null() {
                return false;
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_RangeTblRef) {
                return (*node.cast::<pg_sys::RangeTblRef>()).rtindex == place;
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_JoinExpr) {
                let join = node.cast::<pg_sys::JoinExpr>();
                return stands_in((*join).larg, place) || stands_in((*join).rarg, place);
            }
            if is_a(node.cast(), pg_sys::NodeTag::T_FromExpr) {
                return elements::<pg_sys::Node>((*node.cast::<pg_sys::FromExpr>()).fromlist)
                    .into_iter()
                    .any(|part| stands_in(part, place));
            }
            // Something new in a FROM: taken as read.
            true
        }
    }
    // SAFETY: reads the query's own fields.
    unsafe { (*query).resultRelation == place || stands_in((*query).jointree.cast(), place) }
}
