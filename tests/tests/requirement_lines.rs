//! Every line of the requirements has a test that carries its number, with an allowed and a
//! denied case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use celador_tests::{file, text};

/// How many lines each part has.
const PARTS: [(&str, usize); 6] = [
    ("S0", 10),
    ("S1", 32),
    ("S2", 9),
    ("S3", 9),
    ("S4", 14),
    ("X", 8),
];

/// What asserts that something is allowed, and what asserts that something isn't. `sees` does
/// both: some rows are seen, some are not.
const ALLOWED: [&str; 5] = ["sees(", "sees_all(", "may(", "answers(", "is_subset("];
const DENIED: [&str; 8] = [
    "sees(",
    "sees_none(",
    "may_not(",
    "denied(",
    "breaks(",
    "failure(",
    "are_denied(",
    "is_subset(",
];

struct Line {
    number: String,
    later: bool,
}

fn lines(list: &str) -> Vec<Line> {
    list.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            assert!(
                (2..=3).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty()),
                "number | in short | later: why: {line}"
            );
            let why = parts.get(2).map(|note| {
                note.strip_prefix("later: ")
                    .unwrap_or_else(|| panic!("only \"later: why\" may stand third: {line}"))
            });
            assert!(why.is_none_or(|why| why.len() > 10), "no reason: {line}");
            Line {
                number: parts[0].to_owned(),
                later: why.is_some(),
            }
        })
        .collect()
}

/// `s1_11_assign_is_not_edit` → `S1.11`; `s1_05_…` is `S1.5`.
fn number_of(test: &str) -> Option<String> {
    let mut words = test.split('_');
    let part = words.next()?.to_uppercase();
    let number: u32 = words.next()?.parse().ok()?;
    PARTS
        .iter()
        .any(|(known, _)| *known == part)
        .then(|| format!("{part}.{number}"))
}

/// Name and body of each test of a source that runs by default.
fn tests(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in source.split("#[test]").skip(1) {
        let Some((attributes, rest)) = part.split_once("fn ") else {
            continue;
        };
        if attributes.contains("ignore") {
            continue;
        }
        let name = rest
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default();
        let body = rest.split("\n}").next().unwrap_or_default();
        found.push((name.to_owned(), body.to_owned()));
    }
    found
}

/// The numbers of `list` that lack a test, or an allowed or a denied case in `tests`.
fn lacking(list: &[Line], tests: &[(String, String)]) -> Vec<String> {
    let mut lacking = Vec::new();
    for line in list.iter().filter(|line| !line.later) {
        let bodies: Vec<&str> = tests
            .iter()
            .filter(|(name, _)| number_of(name).as_ref() == Some(&line.number))
            .map(|(_, body)| body.as_str())
            .collect();
        let has = |calls: &[&str]| {
            calls
                .iter()
                .any(|call| bodies.iter().any(|body| body.contains(call)))
        };
        if bodies.is_empty() {
            lacking.push(format!("{}: no test", line.number));
        } else if !has(&ALLOWED) {
            lacking.push(format!("{}: no allowed case", line.number));
        } else if !has(&DENIED) {
            lacking.push(format!("{}: no denied case", line.number));
        }
    }
    lacking
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![file("tests/tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            let named =
                |part: Option<&std::ffi::OsStr>, name: &str| part.is_some_and(|it| it == name);
            if path.is_dir() {
                folders.push(path);
            } else if named(path.extension(), "rs") && !named(path.file_stem(), "requirement_lines")
            {
                let source = fs::read_to_string(&path).expect("a test can be read");
                found.extend(tests(&source));
            }
        }
    }
    found
}

#[test]
fn every_line_has_a_test() {
    let list = lines(&text("tests/requirements.txt"));
    let lacking = lacking(&list, &sources());
    assert!(lacking.is_empty(), "{lacking:#?}");
}

#[test]
fn the_list_is_complete() {
    let list = lines(&text("tests/requirements.txt"));
    let expected: Vec<String> = PARTS
        .iter()
        .flat_map(|(part, count)| (1..=*count).map(move |number| format!("{part}.{number}")))
        .collect();
    let listed: Vec<String> = list.into_iter().map(|line| line.number).collect();
    assert_eq!(listed, expected);
}

#[test]
fn every_numbered_test_names_a_line() {
    let known: BTreeSet<String> = lines(&text("tests/requirements.txt"))
        .into_iter()
        .map(|line| line.number)
        .collect();
    for (name, _) in sources() {
        if let Some(number) = number_of(&name) {
            assert!(known.contains(&number), "{name} proves no line");
        }
    }
}

#[test]
fn the_check_finds_what_is_lacking() {
    let list = lines("S1.1 | a\nS1.11 | b\nS1.2 | c\nS1.3 | d\nS1.4 | e | later: with the columns");
    let source = "
#[test]
fn s1_11_whole() { sees(1); }
#[test]
#[ignore]
fn s1_1_never_runs() { sees(1); }
#[test]
fn s1_2_one_sided() { may(1); }
fn helper() { may_not(1); }
#[test]
fn s1_3_other_side() { is_denied(1);
}
";
    let found: BTreeMap<String, String> = lacking(&list, &tests(source))
        .into_iter()
        .map(|lacking| {
            let (number, what) = lacking.split_once(": ").expect("number: what");
            (number.to_owned(), what.to_owned())
        })
        .collect();
    let of = |number: &str| found.get(number).map(String::as_str);
    assert_eq!(of("S1.1"), Some("no test"));
    assert_eq!(of("S1.11"), None);
    assert_eq!(of("S1.3"), Some("no allowed case"));
    assert_eq!(of("S1.4"), None);
}
