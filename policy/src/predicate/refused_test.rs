//! What the predicate language refuses, and where and how it says so.

use super::*;

/// A text, the character that the error points at (if it does), and words of its message.
const REFUSED: &[(&str, Option<usize>, &str)] = &[
    ("", None, "empty"),
    (" \n ", None, "empty"),
    // Texts that parsers and servers read differently.
    ("a = - - 1", Some(4), "minus"),
    ("a = --1", Some(4), "minus"),
    ("a = 1 -- b", Some(6), "minus"),
    ("a = -(-1)", Some(4), "minus"),
    ("a = - 1", Some(4), "minus"),
    ("a =-1", Some(3), "minus"),
    ("a !=-1", Some(4), "minus"),
    ("a = 5 -1", Some(6), "minus"),
    ("a -1 = 5", Some(2), "minus"),
    ("a = +1", Some(4), "`+`"),
    (
        r"body = '\'' UNION SELECT id FROM contacts --'",
        Some(8),
        "backslash",
    ),
    (r"a = 'x\'", Some(6), "backslash"),
    (r"a LIKE '10\%'", Some(10), "backslash"),
    (r#""a\""b" = 5"#, Some(2), "backslash"),
    (r"a = 5 \", Some(6), "backslash"),
    ("a = E'x'", Some(4), "prefix"),
    ("a = e'x'", Some(4), "prefix"),
    ("a = N'x'", Some(4), "prefix"),
    ("a = X'1F'", Some(4), "prefix"),
    ("a = b'101'", Some(4), "prefix"),
    ("a = U&'x'", Some(5), "`&`"),
    ("U&\"\\0061\" = 5", Some(1), "`&`"),
    ("a = $$x$$", Some(4), "dollar"),
    ("a = $1", Some(4), "parameter"),
    ("a = ?", Some(4), "parameter"),
    ("a = :x", Some(4), "cast"),
    ("a = 'x'\n'y'", Some(8), "two strings"),
    ("a IN ('x' 'y')", Some(10), "two strings"),
    ("a = 0x1F", Some(4), "decimal"),
    ("a = 0b11", Some(4), "decimal"),
    ("a = 0o17", Some(4), "decimal"),
    ("a = 1_000", Some(4), "decimal"),
    ("a = 1e5", Some(4), "decimal"),
    ("a = 5.", Some(4), "decimal"),
    ("a = .5", Some(4), "point"),
    ("a = 123abc", Some(4), "decimal"),
    ("a = 5'x'", Some(4), "decimal"),
    ("a ISNULL", Some(2), "`isnull`"),
    ("a NOTNULL", Some(2), "`notnull`"),
    ("État = 5", Some(0), "`É`"),
    ("a\u{a0}= 5", Some(1), "outside of quotes"),
    ("a = ‘x’", Some(4), "outside of quotes"),
    ("a = 5\u{0}", Some(5), "control"),
    ("a = 'x\u{0}y'", Some(6), "control"),
    ("a = 'x\ny'", Some(6), "control"),
    ("a\u{b}= 5", Some(1), "control"),
    (
        "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd = 5",
        Some(0),
        "63",
    ),
    ("\"\" = 5", Some(0), "empty"),
    ("a = 'x", Some(4), "quote isn't closed"),
    ("\"a = 5", Some(0), "quote isn't closed"),
    ("a = 5 /* b */", Some(6), "`/`"),
    ("a$b = 5", Some(1), "`$`"),
    ("a[1] = 5", Some(1), "array"),
    ("a = '5'::int", Some(7), "cast"),
    ("a = 5; DROP TABLE contacts", Some(5), "one condition"),
    // Operators that aren't in the language.
    ("a == 5", Some(2), "`==`"),
    ("a <=> 5", Some(2), "`<=>`"),
    ("a => 5", Some(2), "`=>`"),
    ("a << 5", Some(2), "`<<`"),
    ("a ! 5", Some(2), "`!`"),
    ("a ~ 'x'", Some(2), "`~`"),
    ("a !~ 'x'", Some(2), "`!`"),
    ("a || 'x' = 'y'", Some(2), "`|`"),
    ("a @> 'x'", Some(2), "`@`"),
    ("a * 2 = 4", Some(2), "`*`"),
    ("a % 2 = 0", Some(2), "`%`"),
    ("a OPERATOR(pg_catalog.=) 5", Some(21), "point"),
    // Words of SQL that aren't in the language.
    ("a = (SELECT 1)", Some(5), "`select`"),
    ("EXISTS (SELECT 1 FROM contacts)", Some(8), "`select`"),
    ("a IN (SELECT id FROM contacts)", Some(6), "`select`"),
    ("a = ANY ('{1}')", Some(4), "`any`"),
    ("CASE WHEN a THEN b END", Some(0), "`case`"),
    ("CAST(a AS int) = 5", Some(0), "`cast`"),
    ("a COLLATE \"C\" = 'x'", Some(2), "`collate`"),
    ("a SIMILAR TO 'x'", Some(2), "`similar`"),
    ("a IS DISTINCT FROM b", Some(5), "`distinct`"),
    ("a BETWEEN SYMMETRIC 1 AND 2", Some(10), "`symmetric`"),
    ("a = user", Some(4), "`user`"),
    ("a = current_user", Some(4), "`current_user`"),
    ("session_user = a", Some(0), "`session_user`"),
    ("a = current_date", Some(4), "`current_date`"),
    ("only = 5", Some(0), "`only`"),
    ("table = 5", Some(0), "`table`"),
    (
        "a = DATE '2026-01-01'",
        Some(9),
        "part of the predicate language",
    ),
    (
        "a = interval '1 day'",
        Some(13),
        "part of the predicate language",
    ),
    ("a = xml '<x/>'", Some(8), "part of the predicate language"),
    ("a LIKE 'x!%' ESCAPE '!'", Some(13), "ended"),
    ("a IS TRUE", Some(0), "IS TRUE"),
    ("a IS NOT FALSE", Some(0), "IS TRUE"),
    ("a IS UNKNOWN", Some(5), "can't be read"),
    ("a AT TIME ZONE 'UTC' = b", Some(2), "ended"),
    // Functions.
    ("lower(a) = 'x'", Some(0), "function"),
    ("now() > a", Some(0), "function"),
    ("pg_sleep(5) = a", Some(0), "function"),
    ("celador.me() = a", Some(0), "function"),
    ("pg_catalog.has_role('x')", Some(0), "function"),
    ("\"me\"() = a", Some(0), "function"),
    ("me(5) = a", Some(0), "function"),
    ("me(a) = a", Some(0), "function"),
    ("me('') = a", Some(0), "function"),
    ("me('a', 'b') = a", Some(0), "function"),
    ("has_role()", Some(0), "function"),
    ("has_role('')", Some(0), "function"),
    ("has_role(a)", Some(0), "function"),
    ("has_role(x => 'a')", Some(11), "`=>`"),
    ("has_role('x') = TRUE", Some(0), "condition"),
    ("me()", Some(0), "value"),
    ("me = 5", Some(0), "`me`"),
    ("me", Some(0), "`me`"),
    ("me.vip", Some(0), "value"),
    ("me().region = 'x'", Some(4), "point"),
    // Names of other tables.
    ("contacts.region = 'x'", Some(0), "qualified"),
    ("public.contacts.region = 'x'", Some(0), "qualified"),
    ("\"me\".region = 'x'", Some(0), "qualified"),
    ("me.a.b = 'x'", Some(0), "qualified"),
    ("me . region = 'x'", Some(3), "point"),
    ("me.* = 'x'", Some(2), "point"),
    // Conditions that aren't about the row, or not conditions.
    ("1 = 1", Some(0), "literals"),
    ("'a' IN ('a', 'b')", Some(0), "literals"),
    ("1 BETWEEN 0 AND 2", Some(0), "literals"),
    ("'a' LIKE 'a'", Some(0), "literals"),
    ("5 IS NULL", Some(0), "literals"),
    ("TRUE", Some(0), "literal"),
    ("'x'", Some(0), "literal"),
    ("5", Some(0), "literal"),
    ("NULL", Some(0), "literal"),
    ("a = NULL", Some(4), "NULL"),
    ("a IN (1, NULL)", Some(9), "NULL"),
    ("a BETWEEN NULL AND 5", Some(10), "NULL"),
    ("a IN ()", Some(6), "can't be read"),
    ("a LIKE b", Some(7), "pattern"),
    ("a LIKE 5", Some(7), "pattern"),
    ("a LIKE me.region", Some(7), "pattern"),
    // Structure.
    ("a = b = c", Some(0), "part of the predicate language"),
    ("(a = b) = c", Some(1), "part of the predicate language"),
    ("a = b IS NULL", Some(0), "part of the predicate language"),
    ("(a, b) = (1, 2)", Some(1), "part of the predicate language"),
    (
        "(a, b) IN ((1, 2))",
        Some(1),
        "part of the predicate language",
    ),
    ("a IN (b = 5)", Some(6), "part of the predicate language"),
    ("a = NOT b", Some(8), "part of the predicate language"),
    ("a = (b AND c)", Some(5), "part of the predicate language"),
    ("a b", Some(2), "ended"),
    ("a = 5 b = 6", Some(6), "ended"),
    ("a, b", Some(1), "ended"),
    ("a = 5)", Some(5), "wasn't opened"),
    ("(a = 5", Some(6), "isn't closed"),
    ("()", Some(1), "can't be read"),
    ("a =", None, "can't be read"),
    ("= 5", Some(0), "can't be read"),
    ("a AND", None, "can't be read"),
    ("AND a", Some(4), "ended"),
    ("NOT", Some(0), "`NOT` has nothing"),
    ("a = 5 AND NOT", Some(10), "`NOT` has nothing"),
    ("NOT = 5", Some(0), "`NOT` has nothing"),
    ("between = 5", Some(0), "`BETWEEN` has nothing"),
    ("me.and = 5", Some(0), "`AND` has nothing"),
    ("IN", Some(0), "`IN` has nothing"),
    ("LIKE IN (5)", Some(0), "`LIKE` has nothing"),
    ("a IN", None, "can't be read"),
    ("a BETWEEN 1", None, "can't be read"),
    ("a IS", None, "can't be read"),
    ("a IS 5", Some(5), "can't be read"),
];

#[test]
fn whatever_is_not_understood_is_refused() {
    let mut wrong = Vec::new();
    for &(text, offset, words) in REFUSED {
        match Predicate::parse(text) {
            Ok(predicate) => wrong.push(format!("{text:?} was read as {predicate:?}")),
            Err(error) => {
                let said = error.to_string();
                if error.offset != offset || !said.contains(words) || error.remedy.is_empty() {
                    wrong.push(format!("{text:?}: {:?} {said}", error.offset));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(REFUSED.len() >= 40);
}

#[test]
fn errors_tell_where_and_what_to_do() {
    let error = Predicate::parse("region = 'EMEA' AND amount::int > 5").unwrap_err();
    assert_eq!(
        error.to_string(),
        "casts aren't part of the language (character 27)"
    );
    assert_eq!(
        error.remedy,
        "leave the cast out: a literal takes the type of the column"
    );
}

#[test]
fn length_and_depth_are_capped_before_parsing() {
    let long = |bytes: usize| format!("a = '{}'", "x".repeat(bytes - 6));
    assert!(Predicate::parse(&long(MAX_BYTES)).is_ok());
    let error = Predicate::parse(&long(MAX_BYTES + 1)).unwrap_err();
    assert!(error.message.contains("longer than 4096 bytes"));

    let parens = |depth: usize| format!("{}a = 5{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Predicate::parse(&parens(MAX_DEPTH)).is_ok());
    let nots = |depth: usize| format!("{}a", "NOT ".repeat(depth));
    assert!(Predicate::parse(&nots(MAX_DEPTH)).is_ok());
    let both = |depth: usize| format!("{}a{}", "NOT (".repeat(depth), ")".repeat(depth));
    assert!(Predicate::parse(&both(MAX_DEPTH / 2)).is_ok());
    for text in [
        parens(MAX_DEPTH + 1),
        parens(1000),
        nots(MAX_DEPTH + 1),
        nots(1000),
        both(MAX_DEPTH / 2 + 1),
        both(600),
        "(".repeat(4000),
        "NOT ".repeat(1000),
    ] {
        let error = Predicate::parse(&text).unwrap_err();
        assert!(error.message.contains("deeper than 32"), "{text}: {error}");
    }
}
