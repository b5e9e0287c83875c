//! Code of others that runs below a statement of Celador's, or below a referential action.
//!
//! PostgreSQL marks such statements by a flag of the security context, and everything below them
//! inherits it: a person's own trigger, fired by a cascade, would go without row security. So the
//! flag, and Celador's mark of its own statements, end where others' functions begin.

use std::cell::RefCell;

use pgrx::pg_sys;

use crate::{relations, spi};

static mut NEXT: pg_sys::fmgr_hook_type = None;

thread_local! {
    /// What to restore when each function that was entered ends.
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Entered {
    context: Option<(pg_sys::Oid, i32)>,
    internal: u32,
}

pub(super) fn install() {
    // SAFETY: runs once, while the library is loaded.
    unsafe {
        NEXT = pg_sys::fmgr_hook;
        pg_sys::fmgr_hook = Some(called);
    }
}

/// Whether a function that isn't PostgreSQL's must be watched: it is looked up below a flagged
/// statement, and isn't Celador's.
pub(super) unsafe fn is_watched(function: pg_sys::Oid) -> bool {
    // SAFETY: reads the backend's state, and a cache.
    unsafe { pg_sys::InNoForceRLSOperation() && !relations::is_ours_function(function) }
}

unsafe extern "C-unwind" fn called(
    event: pg_sys::FmgrHookEventType::Type,
    function: *mut pg_sys::FmgrInfo,
    private: *mut pg_sys::Datum,
) {
    // SAFETY: the arguments are PostgreSQL's own; nothing here raises.
    unsafe {
        if let Some(next) = NEXT {
            next(event, function, private);
        }
        if event == pg_sys::FmgrHookEventType::FHET_START {
            enter();
        } else {
            leave(event == pg_sys::FmgrHookEventType::FHET_END);
        }
    }
}

unsafe fn enter() {
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: reads and writes the backend's security context.
    let entered = unsafe {
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        let flag = pg_sys::SECURITY_NOFORCE_RLS as i32;
        let flagged = context & flag != 0;
        if flagged {
            pg_sys::SetUserIdAndSecContext(user, context & !flag);
        }
        Entered {
            context: flagged.then_some((user, context)),
            internal: spi::suspend(),
        }
    };
    ENTERED.with_borrow_mut(|all| all.push(entered));
}

/// After an error the end of the transaction restores user and context.
unsafe fn leave(in_order: bool) {
    let Some(entered) = ENTERED.with_borrow_mut(Vec::pop) else {
        return;
    };
    spi::resume(entered.internal);
    if let Some((user, context)) = entered.context.filter(|_| in_order) {
        // SAFETY: restores what `enter` found.
        unsafe { pg_sys::SetUserIdAndSecContext(user, context) }
    }
}

/// A transaction has ended: nothing is entered any more.
pub(crate) fn forget() {
    ENTERED.with_borrow_mut(Vec::clear);
}
