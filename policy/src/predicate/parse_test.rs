//! What the predicate language accepts and renders, as tables.

use super::*;

fn column(name: &str) -> Option<RenderedColumn> {
    let type_name = match name {
        "region" | "name" => "pg_catalog.text",
        "sector" => "pg_catalog.varchar",
        "owner_id" | "creator_id" => "pg_catalog.int8",
        "small" => "pg_catalog.int2",
        "rank" => "pg_catalog.int4",
        "amount" => "pg_catalog.numeric",
        "closed_on" => "pg_catalog.date",
        "active" => "pg_catalog.bool",
        _ => return None,
    };
    Some(RenderedColumn {
        sql: crate::quote::identifier(name).unwrap(),
        type_name: type_name.to_owned(),
    })
}

#[test]
fn documented_examples_render_as_documented() {
    let sql = include_str!("examples.md").split("```").nth(1).unwrap();
    let pairs: Vec<_> = sql
        .trim_start_matches("sql")
        .trim()
        .split("\n\n")
        .map(|pair| pair.split_once("\n→ ").unwrap())
        .collect();
    assert_eq!(pairs.len(), 17);
    for (written, rendered) in pairs {
        let predicate = Predicate::parse(written).unwrap();
        assert_eq!(predicate.render(&column).as_deref(), Ok(rendered));
    }
}

fn owned(name: &str) -> Operand {
    Operand::Column(name.to_owned())
}

fn equal(left: Operand, right: Operand) -> Predicate {
    Predicate::Compare {
        left,
        op: Comparison::Equal,
        right,
    }
}

#[test]
fn texts_have_one_reading() {
    let text = |value: &str| Operand::Text(value.to_owned());
    let number = |value: &str| Operand::Number(Number::parse(value).unwrap());
    let flag = |name: &str| Predicate::Flag(name.to_owned());
    let not = |inner| Predicate::Not(Box::new(inner));
    for (written, meant) in [
        ("  Region\t=\r\n'x' ", equal(owned("region"), text("x"))),
        ("region='x'", equal(owned("region"), text("x"))),
        ("\"Région\" = 'x'", equal(owned("Région"), text("x"))),
        ("\"a\"\"b\" = 'x'", equal(owned("a\"b"), text("x"))),
        ("\"select\" = 'x'", equal(owned("select"), text("x"))),
        ("\"me\" = 'x'", equal(owned("me"), text("x"))),
        ("a = '/* -- ; $1'", equal(owned("a"), text("/* -- ; $1"))),
        ("a = ''''", equal(owned("a"), text("'"))),
        ("a = ''", equal(owned("a"), text(""))),
        ("a = -007.50", equal(owned("a"), number("-7.5"))),
        ("(a) = ((5))", equal(owned("a"), number("5"))),
        ("ME ( ) = a", equal(Operand::Me(None), owned("a"))),
        (
            "me.Region = a",
            equal(Operand::Attribute("region".into()), owned("a")),
        ),
        (
            "me.\"Région\" = a",
            equal(Operand::Attribute("Région".into()), owned("a")),
        ),
        ("Has_Role('Chief')", Predicate::HasRole("Chief".to_owned())),
        // Words that are types or functions elsewhere are columns here.
        ("date = 'x'", equal(owned("date"), text("x"))),
        ("position = 5", equal(owned("position"), number("5"))),
        ("interval = 'x'", equal(owned("interval"), text("x"))),
        ("exists = 5", equal(owned("exists"), number("5"))),
        (
            "a AND b AND c",
            Predicate::And(vec![flag("a"), flag("b"), flag("c")]),
        ),
        (
            "a AND (b AND c)",
            Predicate::And(vec![flag("a"), flag("b"), flag("c")]),
        ),
        (
            "(a OR b) OR c",
            Predicate::Or(vec![flag("a"), flag("b"), flag("c")]),
        ),
        (
            "a OR b AND c",
            Predicate::Or(vec![flag("a"), Predicate::And(vec![flag("b"), flag("c")])]),
        ),
        (
            "(a OR b) AND c",
            Predicate::And(vec![Predicate::Or(vec![flag("a"), flag("b")]), flag("c")]),
        ),
        (
            "NOT a AND b",
            Predicate::And(vec![not(flag("a")), flag("b")]),
        ),
        ("NOT NOT a", not(not(flag("a")))),
        ("NOT a = 5", not(equal(owned("a"), number("5")))),
        (
            "NOT a IS NULL",
            not(Predicate::IsNull {
                operand: owned("a"),
                negated: false,
            }),
        ),
        (
            "a BETWEEN 1 AND 2 AND b",
            Predicate::And(vec![
                Predicate::Between {
                    operand: owned("a"),
                    low: number("1"),
                    high: number("2"),
                    negated: false,
                },
                flag("b"),
            ]),
        ),
        (
            "a NOT IN (1, -2)",
            Predicate::In {
                operand: owned("a"),
                list: vec![number("1"), number("-2")],
                negated: true,
            },
        ),
    ] {
        assert_eq!(Predicate::parse(written).as_ref(), Ok(&meant), "{written}");
    }
}

#[test]
fn long_chains_are_flat() {
    let text = vec!["a"; 800].join(" OR ");
    let Ok(Predicate::Or(members)) = Predicate::parse(&text) else {
        panic!("not an OR");
    };
    assert_eq!(members.len(), 800);
}

#[test]
fn names_are_collected() {
    let predicate = Predicate::parse(
        "region = me.region AND (active OR NOT owner_id IN (me(), 5)) AND has_role('x') \
         AND sector LIKE 'a%' AND rank BETWEEN me.low AND amount AND name = me('employee') \
         AND closed_on IS NULL AND (has_role('y') OR region = 'z')",
    )
    .unwrap();
    let names = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(
        predicate.columns(),
        names(&[
            "region",
            "active",
            "owner_id",
            "sector",
            "rank",
            "amount",
            "name",
            "closed_on"
        ])
    );
    assert_eq!(predicate.roles(), names(&["x", "y"]));
    assert_eq!(predicate.attributes(), names(&["region", "low"]));
    assert_eq!(predicate.keys(), names(&["user", "employee"]));
}

#[test]
fn fields_become_columns() {
    let rename = |name: &str| match name {
        "phone" => Ok("Phone Number".to_owned()),
        "active" => Ok("is_active".to_owned()),
        "low" | "high" => Ok(format!("{name}er")),
        other => Err(format!("no field {other}")),
    };
    let renamed = |text: &str| Predicate::parse(text).unwrap().rename_columns(rename);
    let text = "active AND NOT phone = 'phone' AND phone IN ('a', phone) AND phone LIKE 'a' \
                AND phone IS NULL AND phone BETWEEN low AND high AND me.phone = me('phone') \
                AND (has_role('phone') OR active)";
    let expected = "is_active AND NOT \"Phone Number\" = 'phone' \
                    AND \"Phone Number\" IN ('a', \"Phone Number\") \
                    AND \"Phone Number\" LIKE 'a' AND \"Phone Number\" IS NULL \
                    AND \"Phone Number\" BETWEEN lower AND higher AND me.phone = me('phone') \
                    AND (has_role('phone') OR is_active)";
    assert_eq!(renamed(text), Ok(Predicate::parse(expected).unwrap()));
    assert_eq!(renamed("email = 'x'"), Err("no field email".to_owned()));
}

#[test]
fn literals_must_fit_the_columns() {
    for (text, said) in [
        ("nothing = 5", "no column \"nothing\""),
        (
            "region = 5",
            "\"5\" isn't a value for the type pg_catalog.text: write a string",
        ),
        ("region = TRUE", "\"true\" isn't a value"),
        (
            "rank = '5'",
            "\"5\" isn't a value for the type pg_catalog.int4",
        ),
        ("rank = 1.5", "without a fraction"),
        ("rank = 2147483648", "within the type's bounds"),
        ("small = -32769", "within the type's bounds"),
        ("owner_id = 9223372036854775808", "within the type's bounds"),
        ("amount = '5'", "write a number"),
        ("active = 'true'", "write TRUE or FALSE"),
        ("active = 1", "write TRUE or FALSE"),
        ("closed_on > 5", "write a day as"),
        ("closed_on > 'today'", "write a day as"),
        (
            "closed_on = me.birthday",
            "can't be compared with the type pg_catalog.date",
        ),
        ("closed_on IN ('2026-01-01', me())", "can't be compared"),
        ("rank IN (1, 'a')", "\"a\" isn't a value"),
        (
            "me.level IN (1, 'a')",
            "\"a\" isn't a value for the type pg_catalog.numeric",
        ),
        (
            "me() = TRUE AND me.x BETWEEN 'a' AND 5",
            "\"5\" isn't a value",
        ),
        ("region = rank", "different types"),
        ("region = sector", "different types"),
        ("region IN ('a', sector)", "different types"),
        ("rank", "no condition by itself"),
        ("region AND active", "no condition by itself"),
        ("rank LIKE '5%'", "LIKE compares text"),
        ("closed_on LIKE '2026%'", "LIKE compares text"),
    ] {
        let error = Predicate::parse(text).unwrap().render(&column).unwrap_err();
        assert!(error.to_string().contains(said), "{text}: {error}");
    }
    for text in [
        "small = -32768",
        "owner_id = 9223372036854775807",
        "amount = 5",
    ] {
        assert!(Predicate::parse(text).unwrap().render(&column).is_ok());
    }
}

#[test]
fn what_parsing_never_gives_is_not_rendered() {
    let empty_in = Predicate::In {
        operand: owned("region"),
        list: vec![],
        negated: true,
    };
    for empty in [Predicate::And(vec![]), Predicate::Or(vec![]), empty_in] {
        assert_eq!(empty.render(&column), Err(RenderError::Empty));
    }
    let zero_byte = Predicate::HasRole("a\0".to_owned());
    assert!(matches!(
        zero_byte.render(&column),
        Err(RenderError::Quote(..))
    ));
}

#[test]
fn predicates_are_stored_and_read_back() {
    let predicate = Predicate::parse(
        "region = me.region AND (active OR NOT owner_id IN (me(), 5)) AND has_role('x') \
         AND name LIKE 'a%' AND rank NOT BETWEEN -1.5 AND 2 AND closed_on IS NULL",
    )
    .unwrap();
    let stored = serde_json::to_string(&predicate).unwrap();
    assert_eq!(
        serde_json::from_str::<Predicate>(&stored).unwrap(),
        predicate
    );
    let number = r#"{"compare":{"left":{"column":"a"},"op":"equal","right":{"number":"5); --"}}}"#;
    assert!(serde_json::from_str::<Predicate>(number).is_err());
}
