//! What a document must not say: each mistake on its line, with its keys and a remedy, and nothing
//! else reported.

use celador_policy::{Document, Problems, check};

use crate::desk::{MAPPING, TABLES, checked};
use crate::schema_text::schema;

/// What is written below the mapping, then the line of it (counted from 1), the keys, a part of the
/// message and a part of the remedy.
const MATRIX: &str = include_str!("bad_matrix.txt");
/// A part of the mapping, what stands there instead, then the keys, and parts of message and remedy.
const CHANGED: &str = include_str!("bad_mapping.txt");

fn problems(text: &str) -> Problems {
    let read = Document::from_toml(text);
    let checked = read.and_then(|document| check(&document, text, &schema(TABLES)));
    checked.map_or_else(|problems| problems, |_| panic!("this passes:\n{text}"))
}

/// Splits `→ head: message → remedy` from what is before it.
fn parts(case: &str) -> (&str, &str, &str, &str) {
    let (written, told) = case.split_once("\n→ ").expect("a case says what is told");
    let (head, told) = told.split_once(": ").expect("keys");
    let (message, remedy) = told.split_once(" → ").expect("a remedy");
    (written, head, message, remedy.trim_end())
}

#[test]
fn each_mistake_in_a_matrix_is_told_where_it_is() {
    let before = MAPPING.lines().count();
    let cases: Vec<&str> = MATRIX.split("\n\n").collect();
    assert!(cases.len() > 45);
    for case in cases {
        let (written, head, message, remedy) = parts(case);
        let (line, keys) = head.split_once(' ').expect("line and keys");
        let line: usize = line.parse().expect("a line");
        let problems = problems(&format!("{MAPPING}{written}"));
        let [problem] = problems.0.as_slice() else {
            panic!("{written}: {problems}");
        };
        assert_eq!(problem.line, Some(before + line), "{written}: {problem}");
        assert_eq!(problem.path.join("."), keys, "{written}: {problem}");
        assert!(problem.message.contains(message), "{written}: {problem}");
        assert!(
            problem.remedy.contains(remedy),
            "{written}: {}",
            problem.remedy
        );
        assert!(!problem.remedy.is_empty());
    }
}

#[test]
fn each_mistake_in_a_mapping_is_told_where_it_is() {
    let cases: Vec<&str> = CHANGED.split("\n\n").collect();
    assert!(cases.len() > 20);
    for case in cases {
        let (written, keys, message, remedy) = parts(case);
        let (line, instead) = written.split_once("\n⇒\n").expect("two versions");
        let first = MAPPING
            .find(line)
            .map(|at| MAPPING[..at].matches('\n').count() + 1);
        let first = first.unwrap_or_else(|| panic!("{line} isn't in the mapping"));
        let last = first + instead.matches('\n').count();
        let problems = problems(&MAPPING.replacen(line, instead, 1));
        let mut all = problems.0.iter();
        let Some(problem) = all.find(|problem| problem.message.contains(message)) else {
            panic!("{instead}: {problems}");
        };
        assert_eq!(problem.path.join("."), keys, "{problem}");
        assert!(
            problem.remedy.contains(remedy),
            "{instead}: {}",
            problem.remedy
        );
        let at = problem.line.expect("a line");
        // What is missing is told where it would belong.
        let missing = ["not placed", "either user"]
            .iter()
            .any(|what| message.contains(what));
        assert!(
            missing || (first..=last).contains(&at),
            "{instead}: line {at}, not {first} to {last}: {problem}"
        );
    }
}

#[test]
fn the_mapping_itself_is_right() {
    let set = checked("").unwrap_or_else(|problems| panic!("{problems}"));
    assert!(set.unmapped.is_empty());
}
