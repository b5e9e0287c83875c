//! Operators that tell nothing of a row but their answer: an index may look for them before the
//! policy has let a row through.
//!
//! PostgreSQL calls an operator leakproof where no pair of values makes it fail or speak. Many more
//! can't fail on a row's value once the value on the other side has been looked at: `LIKE` fails on a
//! pattern that ends in an escape, and on nothing else. [`OPERATORS`] and [`FUNCTIONS`] are the closed
//! list of those, each family with its proof.
//!
//! What a proof covers: the function that runs, the index's own functions for it, and what a
//! bitmap looks at again. Given is what PostgreSQL's own leakproof functions take as given: values
//! that are stored are valid (of the database's encoding, not damaged), and memory doesn't run out.
//! What takes more stack for some rows than for others is bounded by the value on the other side,
//! [`MOST_STEPS`] deep at most, for whoever runs it to see to.
//!
//! Not here, and why:
//!
//! - regular expressions: compiled when a row is looked at, and again when other patterns have
//!   pushed them out of the cache; deep ones run out of stack or states there;
//! - `tsvector @@ to_tsquery('…')` without a configuration: what it compares with depends on a setting,
//!   which isn't known while the statement is planned;
//! - `to_tsvector(column)`: speaks of words that are too long, row by row;
//! - `jsonb @?` and `@@`: a path is a program.

mod list;

pub use list::{FUNCTIONS, OPERATORS};

/// Recursion that some rows may cause goes at most this many steps deep.
pub const MOST_STEPS: usize = 100;

/// Who made an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// PostgreSQL itself: in `pg_catalog`.
    Core,
    /// The contributed module `pg_trgm`, in whatever schema.
    Trigrams,
}

/// What is asked of the side that isn't the row's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// Nothing: no pair of values makes it fail. Both sides may be a row's.
    Anything,
    /// The right side is a constant pattern with [`pattern_is_sound`].
    Pattern,
    /// It is a constant `tsquery` of at most [`MOST_STEPS`] items.
    Query,
    /// One side is a constant document with [`document_is_shallow`].
    Document,
    /// Nothing, where the arrays' elements are compared by a function that is leakproof itself.
    Elements,
}

/// An operator of the closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// As SQL writes it.
    pub name: &'static str,
    /// The type on the left.
    pub left: &'static str,
    /// The type on the right.
    pub right: &'static str,
    /// Who made it.
    pub origin: Origin,
    /// The function in C that runs: what the proof is about.
    pub symbol: &'static str,
    /// What is asked of the other side.
    pub other: Other,
    /// It reads characters: by a deterministic collation of PostgreSQL's own, in UTF-8 or an encoding of
    /// single bytes.
    pub reads_characters: bool,
}

/// A function of one text that fails on none, where an index is on its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Its name in `pg_catalog`.
    pub name: &'static str,
    /// The function in C that runs.
    pub symbol: &'static str,
}

/// The operator that runs a function.
pub fn operator(origin: Origin, symbol: &str) -> Option<&'static Operator> {
    OPERATORS
        .iter()
        .find(|operator| operator.origin == origin && operator.symbol == symbol)
}

/// The function of PostgreSQL's own.
pub fn function(symbol: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.symbol == symbol)
}

/// Whether matching the pattern can't fail: it doesn't end within an escape, and has at most
/// [`MOST_STEPS`] `%`, at each of which matching may go a step deeper. In bytes of UTF-8, or of an encoding
/// of single bytes.
pub fn pattern_is_sound(pattern: &[u8]) -> bool {
    let mut steps = 0;
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if bytes.next().is_none() => return false,
            b'%' => steps += 1,
            _ => {}
        }
    }
    steps <= MOST_STEPS
}

/// Whether a document, as PostgreSQL writes it, is at most [`MOST_STEPS`] levels deep.
pub fn document_is_shallow(json: &[u8]) -> bool {
    let (mut level, mut quoted) = (0_usize, false);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                bytes.next();
            }
            b'[' | b'{' if !quoted => level += 1,
            b']' | b'}' if !quoted => level = level.saturating_sub(1),
            _ => {}
        }
        if level > MOST_STEPS {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_pattern_may_not_end_within_an_escape() {
        for sound in [
            "", "%", "a%", "%a%", "_", "a\\%", "\\\\", "a\\\\", "\\\\\\%", "ñ%", "\\ñ",
        ] {
            assert!(pattern_is_sound(sound.as_bytes()), "{sound}");
        }
        for unsound in ["\\", "a\\", "%\\", "\\\\\\", "a\\%\\", "ñ\\"] {
            assert!(!pattern_is_sound(unsound.as_bytes()), "{unsound}");
        }
    }

    #[test]
    fn a_pattern_may_not_go_deep() {
        assert!(pattern_is_sound("%a".repeat(MOST_STEPS).as_bytes()));
        assert!(!pattern_is_sound("%a".repeat(MOST_STEPS + 1).as_bytes()));
        // Escaped, they are letters.
        assert!(pattern_is_sound("\\%a".repeat(MOST_STEPS + 1).as_bytes()));
    }

    #[test]
    fn a_document_may_not_go_deep() {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(document_is_shallow(deep(MOST_STEPS).as_bytes()));
        assert!(!document_is_shallow(deep(MOST_STEPS + 1).as_bytes()));
        let wide = format!("[{}1]", "[], ".repeat(MOST_STEPS + 1));
        assert!(document_is_shallow(wide.as_bytes()));
        let quoted = format!("{{\"{}\\\"\": 1}}", "[".repeat(MOST_STEPS + 1));
        assert!(document_is_shallow(quoted.as_bytes()));
        let after = format!("[\"\\\\\", {}]", deep(MOST_STEPS));
        assert!(!document_is_shallow(after.as_bytes()));
    }

    #[test]
    fn each_operator_stands_once() {
        let mut seen = HashSet::new();
        for operator in OPERATORS {
            let key = (operator.name, operator.left, operator.right);
            assert!(seen.insert(key), "{key:?}");
        }
    }

    /// A function that several operators run is proven for all of them alike.
    #[test]
    fn a_function_has_one_proof() {
        for one in OPERATORS {
            let found = operator(one.origin, one.symbol).expect("it is there");
            assert_eq!(
                (found.other, found.reads_characters),
                (one.other, one.reads_characters),
                "{one:?}"
            );
        }
        assert_eq!(operator(Origin::Trigrams, "textlike"), None);
        assert_eq!(operator(Origin::Core, "similarity_op"), None);
        assert_eq!(operator(Origin::Core, "textregexeq"), None);
        assert!(function("lower").is_some() && function("initcap").is_none());
    }
}
