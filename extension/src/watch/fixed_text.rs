//! Text of bounded length, as shared memory holds it.

use std::hash::{DefaultHasher, Hash, Hasher};

/// How many bytes of a text are kept.
const KEPT: usize = 64;

/// A text, or none. A longer one is cut where it is shown; two are equal if all of them is.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct FixedText {
    hash: u64,
    length: u8,
    bytes: [u8; KEPT],
}

impl PartialEq for FixedText {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.shown() == other.shown()
    }
}

impl FixedText {
    const NONE: u8 = u8::MAX;

    pub(super) fn new(text: Option<&str>) -> Self {
        let mut fixed = Self {
            hash: 0,
            length: Self::NONE,
            bytes: [0; KEPT],
        };
        if let Some(text) = text {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            let mut end = text.len().min(KEPT);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            fixed.hash = hasher.finish();
            fixed.length = end as u8;
            fixed.bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        }
        fixed
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The text, as far as it is kept.
    pub(super) fn shown(&self) -> Option<&str> {
        let bytes = self.bytes.get(..usize::from(self.length))?;
        std::str::from_utf8(bytes).ok()
    }
}
