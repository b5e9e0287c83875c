//! The closed list, by families. A family's proof stands above it; it was made by reading PostgreSQL 15
//! to 18. Whoever adds to it reads those too.

use super::{Function, Operator, Origin, Other};

const fn core(
    name: &'static str,
    left: &'static str,
    right: &'static str,
    symbol: &'static str,
    other: Other,
    reads_characters: bool,
) -> Operator {
    Operator {
        name,
        left,
        right,
        origin: Origin::Core,
        symbol,
        other,
        reads_characters,
    }
}

/// No pair of values makes it fail.
const fn total(
    name: &'static str,
    left: &'static str,
    right: &'static str,
    symbol: &'static str,
) -> Operator {
    core(name, left, right, symbol, Other::Anything, false)
}

const fn pattern(name: &'static str, left: &'static str, symbol: &'static str) -> Operator {
    core(name, left, "text", symbol, Other::Pattern, true)
}

const fn trigrams(name: &'static str, symbol: &'static str) -> Operator {
    Operator {
        name,
        left: "text",
        right: "text",
        origin: Origin::Trigrams,
        symbol,
        other: Other::Anything,
        reads_characters: true,
    }
}

/// The operators.
pub const OPERATORS: &[Operator] = &[
    // `LIKE`. `MatchText` compares bytes, and fails on two things: a pattern that ends within an escape
    // (looked at), and the stack (a step for each `%`, bounded). The collation is asked only whether it is
    // deterministic (looked at).
    pattern("~~", "text", "textlike"),
    pattern("!~~", "text", "textnlike"),
    pattern("~~", "bpchar", "textlike"),
    pattern("!~~", "bpchar", "textnlike"),
    // `ILIKE` matches in the same way what `lower` gives, see there; or folds byte by byte.
    pattern("~~*", "text", "texticlike"),
    pattern("!~~*", "text", "texticnlike"),
    pattern("~~*", "bpchar", "texticlike"),
    pattern("!~~*", "bpchar", "texticnlike"),
    // Similarity: trigrams of both sides, folded as by `lower`, sorted and counted; arrays in memory, of a
    // length that the text's gives. Thresholds are settings, any number does.
    trigrams("%", "similarity_op"),
    trigrams("<%", "word_similarity_op"),
    trigrams("%>", "word_similarity_commutator_op"),
    trigrams("<<%", "strict_word_similarity_op"),
    trigrams("%>>", "strict_word_similarity_commutator_op"),
    // Full text. `TS_execute` goes through the query (bounded: a step for each item at most), looks words up
    // in a sorted list, and compares positions. It fails on an operator that isn't one, which a valid query
    // hasn't.
    core(
        "@@",
        "tsvector",
        "tsquery",
        "ts_match_vq",
        Other::Query,
        false,
    ),
    core(
        "@@",
        "tsquery",
        "tsvector",
        "ts_match_qv",
        Other::Query,
        false,
    ),
    core(
        "@@@",
        "tsvector",
        "tsquery",
        "ts_match_vq",
        Other::Query,
        false,
    ),
    core(
        "@@@",
        "tsquery",
        "tsvector",
        "ts_match_qv",
        Other::Query,
        false,
    ),
    // Documents. `JsonbDeepContains` goes as deep as both sides do, so the constant bounds it; scalars are
    // compared by bytes and as numbers, which can't fail.
    core(
        "@>",
        "jsonb",
        "jsonb",
        "jsonb_contains",
        Other::Document,
        false,
    ),
    core(
        "<@",
        "jsonb",
        "jsonb",
        "jsonb_contained",
        Other::Document,
        false,
    ),
    // Keys are looked up in the outermost object or array, by bytes; NULLs among them are left out.
    total("?", "jsonb", "text", "jsonb_exists"),
    total("?|", "jsonb", "text[]", "jsonb_exists_any"),
    total("?&", "jsonb", "text[]", "jsonb_exists_all"),
    // Arrays: each element of one with those of the other, by the elements' `=`, which is asked to be
    // leakproof. That both have elements of one type is the parser's doing.
    core(
        "@>",
        "anyarray",
        "anyarray",
        "arraycontains",
        Other::Elements,
        false,
    ),
    core(
        "<@",
        "anyarray",
        "anyarray",
        "arraycontained",
        Other::Elements,
        false,
    ),
    core(
        "&&",
        "anyarray",
        "anyarray",
        "arrayoverlap",
        Other::Elements,
        false,
    ),
    // Numbers: `cmp_numerics` compares digits; NaN and the infinities have their places.
    total("=", "numeric", "numeric", "numeric_eq"),
    total("<>", "numeric", "numeric", "numeric_ne"),
    total("<", "numeric", "numeric", "numeric_lt"),
    total("<=", "numeric", "numeric", "numeric_le"),
    total(">", "numeric", "numeric", "numeric_gt"),
    total(">=", "numeric", "numeric", "numeric_ge"),
    // Enums: `=` compares numbers. The order of values that were added between others is read from the
    // catalog, where a value that is stored always is.
    total("=", "anyenum", "anyenum", "enum_eq"),
    total("<>", "anyenum", "anyenum", "enum_ne"),
    total("<", "anyenum", "anyenum", "enum_lt"),
    total("<=", "anyenum", "anyenum", "enum_le"),
    total(">", "anyenum", "anyenum", "enum_gt"),
    total(">=", "anyenum", "anyenum", "enum_ge"),
    // Dates and times of two types: one is turned into the other without an error, what doesn't fit counts
    // as beyond all others. The session's time zone is known when they are compared.
    total("=", "date", "timestamp", "date_eq_timestamp"),
    total("<>", "date", "timestamp", "date_ne_timestamp"),
    total("<", "date", "timestamp", "date_lt_timestamp"),
    total("<=", "date", "timestamp", "date_le_timestamp"),
    total(">", "date", "timestamp", "date_gt_timestamp"),
    total(">=", "date", "timestamp", "date_ge_timestamp"),
    total("=", "date", "timestamptz", "date_eq_timestamptz"),
    total("<>", "date", "timestamptz", "date_ne_timestamptz"),
    total("<", "date", "timestamptz", "date_lt_timestamptz"),
    total("<=", "date", "timestamptz", "date_le_timestamptz"),
    total(">", "date", "timestamptz", "date_gt_timestamptz"),
    total(">=", "date", "timestamptz", "date_ge_timestamptz"),
    total("=", "timestamp", "date", "timestamp_eq_date"),
    total("<>", "timestamp", "date", "timestamp_ne_date"),
    total("<", "timestamp", "date", "timestamp_lt_date"),
    total("<=", "timestamp", "date", "timestamp_le_date"),
    total(">", "timestamp", "date", "timestamp_gt_date"),
    total(">=", "timestamp", "date", "timestamp_ge_date"),
    total("=", "timestamptz", "date", "timestamptz_eq_date"),
    total("<>", "timestamptz", "date", "timestamptz_ne_date"),
    total("<", "timestamptz", "date", "timestamptz_lt_date"),
    total("<=", "timestamptz", "date", "timestamptz_le_date"),
    total(">", "timestamptz", "date", "timestamptz_gt_date"),
    total(">=", "timestamptz", "date", "timestamptz_ge_date"),
    total("=", "timestamp", "timestamptz", "timestamp_eq_timestamptz"),
    total("<>", "timestamp", "timestamptz", "timestamp_ne_timestamptz"),
    total("<", "timestamp", "timestamptz", "timestamp_lt_timestamptz"),
    total("<=", "timestamp", "timestamptz", "timestamp_le_timestamptz"),
    total(">", "timestamp", "timestamptz", "timestamp_gt_timestamptz"),
    total(">=", "timestamp", "timestamptz", "timestamp_ge_timestamptz"),
    total("=", "timestamptz", "timestamp", "timestamptz_eq_timestamp"),
    total("<>", "timestamptz", "timestamp", "timestamptz_ne_timestamp"),
    total("<", "timestamptz", "timestamp", "timestamptz_lt_timestamp"),
    total("<=", "timestamptz", "timestamp", "timestamptz_le_timestamp"),
    total(">", "timestamptz", "timestamp", "timestamptz_gt_timestamp"),
    total(">=", "timestamptz", "timestamp", "timestamptz_ge_timestamp"),
];

/// `lower` and `upper`. Under C they go byte by byte. Otherwise characters are turned into wide ones and
/// back, which fails only on bytes that aren't of the encoding: in UTF-8 every library knows all
/// characters that PostgreSQL lets in, in other encodings of several bytes it may not. A result may be
/// longer than the text; a text of more than 64 MB may not fit into memory.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "lower",
        symbol: "lower",
    },
    Function {
        name: "upper",
        symbol: "upper",
    },
];
