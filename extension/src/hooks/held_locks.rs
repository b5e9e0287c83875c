//! Locks that a transaction holds already.
//!
//! Before it uses a cached plan PostgreSQL locks the plan's tables, and reads what has changed in the
//! meantime: but not where the transaction holds the lock, and has read what had changed when it got
//! it. A table's definition can't change under that lock. What people may do can.

use pgrx::prelude::*;

use super::injected::mistake;
use super::tree::elements;

/// Has what changes read again when one of the plan's tables is locked the next time, though the
/// transaction holds its lock: a prepared statement is bound with nobody else looking.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn look_again(plan: *mut pg_sys::PlannedStmt) {
    // SAFETY: reads a plan; the lock is held once more while its entry is looked at.
    unsafe {
        if pg_sys::ParallelWorkerNumber >= 0 {
            return;
        }
        for entry in elements::<pg_sys::RangeTblEntry>((*plan).rtable) {
            let mode = (*entry).rellockmode;
            let is_relation = (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION;
            if !is_relation || mode == pg_sys::NoLock as i32 {
                continue;
            }
            let tag = tag((*entry).relid);
            let mut held = std::ptr::null_mut();
            let result = acquire(&tag, mode, &mut held);
            if result == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
                continue;
            }
            if result == pg_sys::LockAcquireResult::LOCKACQUIRE_ALREADY_CLEAR
                && !mistake("held locks stay clear")
            {
                (*held).lockCleared = false;
            }
            pg_sys::LockRelease(&tag, mode, false);
        }
    }
}

/// The lock on a relation, as `SET_LOCKTAG_RELATION` writes it.
unsafe fn tag(relation: pg_sys::Oid) -> pg_sys::LOCKTAG {
    // SAFETY: reads the backend's state.
    let database = unsafe {
        if pg_sys::IsSharedRelation(relation) {
            pg_sys::InvalidOid
        } else {
            pg_sys::MyDatabaseId
        }
    };
    pg_sys::LOCKTAG {
        locktag_field1: database.to_u32(),
        locktag_field2: relation.to_u32(),
        locktag_field3: 0,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    }
}

/// Doesn't wait: the transaction holds the lock.
unsafe fn acquire(
    tag: &pg_sys::LOCKTAG,
    mode: pg_sys::LOCKMODE,
    held: &mut *mut pg_sys::LOCALLOCK,
) -> pg_sys::LockAcquireResult::Type {
    // SAFETY: as PostgreSQL's own LockRelationOid.
    unsafe {
        pg_sys::LockAcquireExtended(
            tag,
            mode,
            false,
            true,
            false,
            held,
            #[cfg(feature = "pg18")]
            false,
        )
    }
}
