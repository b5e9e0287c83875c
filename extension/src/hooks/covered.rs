//! `covered()`, with which generated policies begin: taken out of what has been seen. `of`: the function.

use pgrx::prelude::*;

use super::tree::{elements, is_a};

pub(super) unsafe fn strip_list(
    of: pg_sys::Oid,
    list: *mut pg_sys::List,
    covered: &mut bool,
) -> *mut pg_sys::List {
    // SAFETY: rebuilds a list of expressions.
    unsafe {
        let mut kept = std::ptr::null_mut();
        for expression in elements::<pg_sys::Node>(list) {
            let stripped = strip(of, expression, covered);
            if !stripped.is_null() {
                kept = pg_sys::lappend(kept, stripped.cast());
            }
        }
        kept
    }
}

/// The expression without `covered()`: NULL where nothing is left. Only where it stands by
/// itself or under AND, as in generated policies.
pub(super) unsafe fn strip(
    of: pg_sys::Oid,
    node: *mut pg_sys::Node,
    covered: &mut bool,
) -> *mut pg_sys::Node {
    // SAFETY: node types are checked before they are read.
    unsafe {
        if is_call(of, node) {
            *covered = true;
            return std::ptr::null_mut();
        }
        if is_a(node.cast(), pg_sys::NodeTag::T_BoolExpr) {
            let expression = node.cast::<pg_sys::BoolExpr>();
            if (*expression).boolop == pg_sys::BoolExprType::AND_EXPR {
                (*expression).args = strip_list(of, (*expression).args, covered);
                let left = elements::<pg_sys::Node>((*expression).args);
                return match left.as_slice() {
                    [] => std::ptr::null_mut(),
                    [one] => *one,
                    [..] => node,
                };
            }
        }
        node
    }
}

pub(super) unsafe fn is_mentioned(of: pg_sys::Oid, node: *mut pg_sys::Node) -> bool {
    // SAFETY: node types are checked before they are read.
    unsafe {
        if is_call(of, node) {
            return true;
        }
        is_a(node.cast(), pg_sys::NodeTag::T_BoolExpr) && {
            let expression = node.cast::<pg_sys::BoolExpr>();
            (*expression).boolop == pg_sys::BoolExprType::AND_EXPR
                && elements::<pg_sys::Node>((*expression).args)
                    .into_iter()
                    .any(|argument| is_call(of, argument))
        }
    }
}

unsafe fn is_call(of: pg_sys::Oid, node: *mut pg_sys::Node) -> bool {
    // SAFETY: the tag is checked before the node is read.
    unsafe {
        is_a(node.cast(), pg_sys::NodeTag::T_FuncExpr)
            && (*node.cast::<pg_sys::FuncExpr>()).funcid == of
    }
}
