//! Each operator of the closed list, tried on values that are hard on it.

use celador_policy::leakproof::{FUNCTIONS, OPERATORS, Operator, Origin, Other};

use crate::stage::{Session, stage};

/// The columns of a type, and constants of it.
fn of_type(name: &str) -> (&'static [&'static str], Vec<String>) {
    let strings = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    match name {
        "text" => (
            &["name"],
            strings(&[
                "",
                "a",
                "secret word",
                "ñandú",
                "%",
                "\u{10FFFF}",
                "aaa aab",
            ]),
        ),
        "bpchar" => (&["code"], strings(&["", "a", "C12"])),
        "numeric" => (
            &["amount"],
            strings(&[
                "0",
                "NaN",
                "Infinity",
                "-Infinity",
                "1e131071",
                "-1e-16383",
                "12.0",
            ]),
        ),
        "anyenum" => (&["stage"], strings(&["lead", "talk", "won", "lost"])),
        "date" => (
            &["born"],
            strings(&[
                "infinity",
                "-infinity",
                "4713-01-01 BC",
                "5874897-12-31",
                "2001-02-03",
            ]),
        ),
        "timestamp" => (
            &["made"],
            strings(&[
                "infinity",
                "-infinity",
                "4713-01-01 BC",
                "294276-12-31",
                "2020-02-03 04:05",
            ]),
        ),
        "timestamptz" => (
            &["seen"],
            strings(&[
                "infinity",
                "-infinity",
                "4713-01-02 BC",
                "294276-12-30",
                "2020-02-03 04:05",
            ]),
        ),
        "jsonb" => (
            &["data"],
            vec![
                "{}".into(),
                "[]".into(),
                "1".into(),
                "null".into(),
                r#"{"city": "c7"}"#.into(),
                r#"{"a": {"b": [1, "x", null]}}"#.into(),
                r#"[{"a": [1]}, 1e400]"#.into(),
                format!("{}{}", "[".repeat(100), "]".repeat(100)),
                format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100)),
            ],
        ),
        "text[]" => (
            &["tags"],
            strings(&["{}", "{NULL}", "{a,NULL,city}", "{\"\"}"]),
        ),
        "tsvector" => (&["words"], strings(&["", "a b", "every:1"])),
        "tsquery" => (
            &[],
            vec![
                "a".into(),
                "a & !b".into(),
                "a <-> b".into(),
                "every <100> every".into(),
                "a:* | b:AB".into(),
                "!(a | b) & !!c:*".into(),
                "w:* <-> w:*".into(),
                format!("{}a", "!".repeat(20)),
                vec!["every"; 50].join(" & "),
                vec!["every"; 50].join(" <-> "),
            ],
        ),
        other => panic!("a type that isn't known: {other}"),
    }
}

/// What an operator is tried with: column, constant, and which of them is on the left.
fn trials(operator: &Operator) -> Vec<String> {
    if operator.left == "anyarray" {
        return trials_of_arrays(operator);
    }
    let mut trials = Vec::new();
    let mut add = |column: &str, value: &str, column_left: bool, of: &str| {
        let of = if of == "anyenum" { "find.stage" } else { of };
        let constant = format!("'{}'::{of}", value.replace('\'', "''"));
        let operation = format!("OPERATOR({}.{})", schema(operator), operator.name);
        trials.push(if column_left {
            format!("{column} {operation} {constant}")
        } else {
            format!("{constant} {operation} {column}")
        });
    };
    let (left_columns, left_values) = of_type(operator.left);
    let (right_columns, right_values) = of_type(operator.right);
    let right_values = if operator.other == Other::Pattern {
        patterns()
    } else {
        right_values
    };
    for column in left_columns {
        for value in &right_values {
            add(column, value, true, operator.right);
        }
    }
    if operator.other != Other::Pattern && operator.other != Other::Query {
        for column in right_columns {
            for value in &left_values {
                add(column, value, false, operator.left);
            }
        }
    } else if operator.left == "tsquery" {
        for value in &left_values {
            add("words", value, false, "tsquery");
        }
    }
    trials
}

fn trials_of_arrays(operator: &Operator) -> Vec<String> {
    let texts = ["{}", "{NULL}", "{all}", "{t7,all,NULL}", "{{a,b},{c,d}}"];
    let numbers = ["{}", "{NULL}", "{-1}", "{7,-1,NULL}", "{{1,2},{3,4}}"];
    let on = |column: &str, of: &str, values: [&str; 5]| {
        values.map(|value| format!("{column} {} '{value}'::{of}[]", operator.name))
    };
    [on("tags", "text", texts), on("nums", "int", numbers)].concat()
}

fn patterns() -> Vec<String> {
    let mut patterns: Vec<String> = [
        "",
        "%",
        "_",
        "%a%",
        "mine%",
        "hidden12%",
        "%number 7%",
        "\\%",
        "%\\\\%",
        "\\\\%",
        "ñ%",
        "%İ%",
        "%\u{10FFFF}%",
        "a%_%a",
        "%%%%",
        "_%_%_",
    ]
    .map(str::to_owned)
    .into();
    patterns.push("%a".repeat(100));
    patterns.push("\\%".repeat(200));
    patterns
}

fn schema(operator: &Operator) -> &'static str {
    match operator.origin {
        Origin::Core => "pg_catalog",
        Origin::Trigrams => "public",
    }
}

#[test]
fn the_server_has_each_operator_and_runs_that_function() {
    let Some(database) = stage() else {
        return;
    };
    let mut client = database.superuser();
    for operator in OPERATORS {
        let row = client
            .query_one(
                "SELECT p.prosrc, p.prolang::regclass::oid::int, p.probin FROM pg_operator AS o JOIN pg_proc AS p ON p.oid = o.oprcode \
                 WHERE o.oprname = $1 AND o.oprleft = $2::text::regtype AND o.oprright = $3::text::regtype \
                 AND o.oprnamespace = $4::text::regnamespace",
                &[&operator.name, &operator.left, &operator.right, &schema(operator)],
            )
            .unwrap_or_else(|error| panic!("{operator:?}: {error:?}"));
        let (symbol, library): (String, Option<String>) = (row.get(0), row.get(2));
        assert_eq!(symbol, operator.symbol, "{operator:?}");
        let expected = (operator.origin == Origin::Trigrams).then(|| "$libdir/pg_trgm".to_owned());
        assert_eq!(library, expected, "{operator:?}");
    }
    for function in FUNCTIONS {
        let row = client
            .query_one(
                "SELECT p.prosrc FROM pg_proc AS p WHERE p.oid = ('pg_catalog.' || $1 || '(text)')::regprocedure",
                &[&function.name],
            )
            .unwrap();
        assert_eq!(row.get::<_, String>(0), function.symbol);
    }
}

/// On all rows, without a policy: none fails, and none says anything.
#[test]
fn no_value_makes_one_fail_or_speak() {
    let Some(database) = stage() else {
        return;
    };
    let mut session = Session::of(&database, "postgres");
    session.set(&["SET jit = off", "SET client_min_messages = log"]);
    for zone in ["UTC", "Pacific/Kiritimati", "America/Adak"] {
        session.set(&[&format!("SET timezone = '{zone}'")]);
        for operator in OPERATORS {
            if zone != "UTC"
                && !operator.right.contains("timestamptz")
                && !operator.left.contains("timestamptz")
            {
                continue;
            }
            for trial in trials(operator) {
                // Similarity to a text of one word that repeats takes the square of its length.
                let long = match operator.origin {
                    Origin::Core => "find.long",
                    Origin::Trigrams => {
                        "(SELECT * FROM find.long WHERE id = 20008 OFFSET 0) AS long"
                    }
                };
                for table in ["find.things", long] {
                    let got =
                        session.run(&format!("SELECT count(*) >= 0 FROM {table} WHERE {trial}"));
                    assert_eq!(got, "t", "{zone}: {table}: {trial}");
                }
            }
        }
    }
    for function in FUNCTIONS {
        for column in ["name", "code", "low", "email"] {
            for table in ["things", "long"] {
                let got = session.run(&format!(
                    "SELECT count({}({column})) > 0 FROM find.{table}",
                    function.name
                ));
                assert_eq!(got, "t", "{}: {column}", function.name);
            }
        }
    }
}

/// Where both sides may be a row's: each hard value with each.
#[test]
fn no_pair_of_values_makes_one_fail_or_speak() {
    let Some(database) = stage() else {
        return;
    };
    let mut session = Session::of(&database, "postgres");
    session.set(&["SET jit = off", "SET client_min_messages = log"]);
    for operator in OPERATORS {
        if operator.other != Other::Anything || operator.origin == Origin::Trigrams {
            continue;
        }
        let (left, _) = of_type(operator.left);
        let (right, _) = of_type(operator.right);
        let got = session.run(&format!(
            "WITH few AS (SELECT * FROM find.things WHERE id < 50 OR id > 10000 UNION ALL SELECT * FROM find.long WHERE id > 30000) \
             SELECT count(*) >= 0 FROM few AS l, few AS r WHERE l.{} {} r.{}",
            left[0], operator.name, right[0]
        ));
        assert_eq!(got, "t", "{operator:?}");
    }
}

/// As a person, by whatever index, through bitmaps that ask each row again: the rows are those that
/// the policy lets through, and nothing is said of others.
#[test]
fn by_index_the_rows_are_the_same_and_nothing_is_said() {
    let Some(database) = stage() else {
        return;
    };
    let mut all = Session::of(&database, "postgres");
    let mut ruth = Session::of(&database, "find_ruth");
    ruth.set(&[
        "SET jit = off",
        "SET enable_seqscan = off",
        "SET work_mem = '64kB'",
    ]);
    let mut by_index = 0;
    for operator in OPERATORS {
        for trial in trials(operator) {
            let expected = all.run(&format!(
                "SELECT id FROM find.things WHERE owner_id = 2 AND {trial} ORDER BY id"
            ));
            for index_scan in ["on", "off"] {
                ruth.set(&[&format!("SET enable_indexscan = {index_scan}")]);
                let got = ruth.run(&format!(
                    "SELECT id FROM find.things WHERE {trial} ORDER BY id"
                ));
                assert_eq!(got, expected, "{trial}");
            }
            let plan = ruth.run(&format!("EXPLAIN SELECT id FROM find.things WHERE {trial}"));
            by_index += usize::from(plan.contains("Index Cond"));
        }
    }
    assert!(
        by_index > 100,
        "only {by_index} of the searches went by index"
    );
}
