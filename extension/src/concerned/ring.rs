//! The latest changes of the directory, in memory that all backends share: by numbers that stand for
//! whom they concern.
//!
//! One writer at a time, under a lock; readers take none, so that they can look where messages of
//! PostgreSQL's arrive. What a reader has been told of stands there, or its place was taken by something
//! later, which the reader notices.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// How many numbers are kept: a change of one membership takes two.
const LENGTH: usize = 8192;

/// All of it begins as zeroes.
#[repr(C)]
pub(crate) struct Ring {
    /// How many numbers there were when the latest writer is done.
    ending: AtomicU64,
    /// How many there are to read.
    end: AtomicU64,
    numbers: [AtomicU64; LENGTH],
}

impl Ring {
    /// How many numbers there have been.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Adds numbers, of which there is room for at least [`Self::most`]. Under a lock.
    pub(super) fn add(&self, numbers: impl ExactSizeIterator<Item = u64>) {
        let begin = self.end.load(Ordering::Relaxed);
        let end = begin + numbers.len() as u64;
        self.ending.store(end, Ordering::Relaxed);
        fence(Ordering::Release);
        for (at, number) in (begin..end).zip(numbers) {
            self.place(at).store(number, Ordering::Relaxed);
        }
        self.end.store(end, Ordering::Release);
    }

    /// How many numbers one change may add.
    pub(super) const fn most() -> usize {
        LENGTH / 16
    }

    /// Whether one of the numbers since `begin` is wanted, or can't be read any more; and how many
    /// there have been.
    pub(super) fn holds_since(&self, begin: u64, is_wanted: impl Fn(u64) -> bool) -> (bool, u64) {
        let end = self.end();
        if end.saturating_sub(begin) > LENGTH as u64 {
            return (true, end);
        }
        let found = (begin..end).any(|at| is_wanted(self.place(at).load(Ordering::Relaxed)));
        fence(Ordering::Acquire);
        let ending = self.ending.load(Ordering::Relaxed);
        let overwritten = ending.saturating_sub(begin) > LENGTH as u64;
        (found || overwritten, end)
    }

    fn place(&self, at: u64) -> &AtomicU64 {
        &self.numbers[(at % LENGTH as u64) as usize]
    }
}
