//! Fields: what they can be shown as, who sees them so, and the SQL that shows them.

use celador_policy::PolicySet;
use celador_policy::field::FieldRight;
use celador_policy::policy_set::CellRef;
use celador_policy::rendering::{Rendering, email, partial, round};
use proptest::prelude::*;

use crate::desk::policy;

const MATRIX: &str = r#"
[fields.accounts.region]
renderings = ["clear", "partial(0,4)", "null"]
tags = ["personal"]
[fields.accounts.changed]
renderings = ["clear", "year"]
[fields.accounts.phone]
renderings = ["clear", "null"]
[permissions.seller.accounts]
read = ["all"]
fields.region = { clear = ["own"], "partial(0,4)" = ["group"], write = ["own"] }
[permissions.lead.accounts]
fields."*" = { clear = ["group"], year = ["all"] }
[permissions.clerk."*"]
fields."*" = { clear = ["created"] }
[permissions.manager."*"]
"*" = ["all"]
"#;

fn granted(set: &PolicySet, role: &str) -> Vec<String> {
    set.field_grants(role, "accounts")
        .map(|(field, right, grants)| {
            let scopes: Vec<String> = grants.iter().map(|grant| grant.scope.name()).collect();
            format!("{field} {right}: {}", scopes.join(", "))
        })
        .collect()
}

#[test]
fn each_role_sees_and_writes_what_its_cells_say() {
    let set = policy(MATRIX);
    assert_eq!(
        granted(&set, "seller"),
        [
            "region clear: own",
            "region partial(0,4): group",
            "region write: own"
        ]
    );
    // Of every field what it can be shown as, and no more.
    assert_eq!(
        granted(&set, "lead"),
        [
            "changed clear: group",
            "changed year: all",
            "region clear: group"
        ]
    );
    assert_eq!(
        granted(&set, "clerk"),
        ["changed clear: created", "region clear: created"]
    );
    // Everything is also every field, in clear and for writing.
    assert_eq!(
        granted(&set, "manager"),
        [
            "changed clear: all",
            "changed write: all",
            "region clear: all",
            "region write: all"
        ]
    );
    // A field that the CRM lacks is told of, and grants nothing.
    assert!(
        set.unmapped.contains("accounts.phone"),
        "{:?}",
        set.unmapped
    );
    assert!(set.field("accounts", "phone").is_none());
}

#[test]
fn a_policy_with_fields_reads_back_as_it_is_stored() {
    let set = policy(MATRIX);
    let stored = serde_json::to_string(&set).expect("it can be stored");
    assert_eq!(
        serde_json::from_str::<PolicySet>(&stored).expect("it can be read"),
        set
    );
}

/// The pair of the documentation of `PolicySet::shown_sql`.
#[test]
fn a_field_is_shown_by_the_most_revealing_rendering_that_is_granted() {
    let set = policy(MATRIX);
    let shown = set.shown_sql("accounts", "region", "").expect("a field");
    let reach = |right: &str| {
        let cell = CellRef::from_text(right).expect("a cell");
        celador_policy::row_policy::reach_sql(&set, "accounts", &cell, "")
    };
    let clear = reach(r#"["region","clear"]"#);
    let partial = reach(r#"["region","partial(0,4)"]"#);
    assert_eq!(
        shown,
        format!(
            "CASE WHEN {clear} THEN \"region\" WHEN {partial} THEN \
             celador.render_partial(CAST(\"region\" AS pg_catalog.text), 0, 4) \
             ELSE NULL::\"pg_catalog\".\"text\" END"
        )
    );
    assert!(clear.contains("celador.owner_in_reach('accounts'::pg_catalog.text, '[\"region\",\"clear\"]'::pg_catalog.text,"), "{clear}");
    let year = set.shown_sql("accounts", "changed", "c.").expect("a field");
    assert!(
        year.ends_with("ELSE celador.render_year(c.\"changed\") END"),
        "{year}"
    );
}

#[test]
fn renderings_are_read_as_they_are_written() {
    for text in [
        "clear",
        "null",
        "email",
        "hash",
        "year",
        "month",
        "constant()",
        "constant(a (b), c)",
        "partial(0,4)",
        "partial(255,0)",
        "round(2)",
        "round(2147483647)",
    ] {
        let rendering = Rendering::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rendering.to_string(), text);
        let json = serde_json::to_string(&rendering).expect("it can be stored");
        assert_eq!(
            serde_json::from_str::<Rendering>(&json).expect("it can be read"),
            rendering
        );
        let cell = CellRef::Field("a.b".to_owned(), FieldRight::Shown(rendering));
        assert_eq!(CellRef::from_text(&cell.text()), Some(cell));
    }
    for text in [
        "",
        "Clear",
        "clear()",
        "null(1)",
        "partial",
        "partial(4)",
        "partial(1,2,3)",
        "partial(0,256)",
        "partial(0,4",
        "partial(-1,4)",
        "round",
        "round(0)",
        "round(1)",
        "round(2147483648)",
        "year(1)",
        "constant",
        "constant(x) ",
        "mask",
    ] {
        assert!(Rendering::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_rendering_is_of_the_columns_type() {
    let types = [
        "text",
        "varchar",
        "bpchar",
        "int2",
        "int4",
        "int8",
        "numeric",
        "float4",
        "float8",
        "bool",
        "uuid",
        "date",
        "timestamp",
        "timestamptz",
        "jsonb",
    ];
    for (text, fitting) in [
        ("null", types.to_vec()),
        ("partial(0,4)", types[..3].to_vec()),
        ("email", types[..3].to_vec()),
        ("hash", [&types[..3], &["int8", "uuid"]].concat()),
        ("year", types[11..14].to_vec()),
        ("round(1000)", types[3..9].to_vec()),
        ("round(100000)", types[4..9].to_vec()),
        ("constant(hidden)", types[..3].to_vec()),
        ("constant(40000)", [&types[..3], &types[4..6]].concat()),
        ("constant(true)", [&types[..3], &["bool"]].concat()),
    ] {
        let rendering = Rendering::parse(text).expect("a rendering");
        let fits = |name: &&str| rendering.fits(&format!("pg_catalog.{name}")).is_ok();
        let found: Vec<&str> = types.into_iter().filter(fits).collect();
        assert_eq!(found, fitting, "{text}");
        assert!(
            text == "null" || rendering.fits("public.text").is_err(),
            "{text}"
        );
    }
}

#[test]
fn the_directory_is_read_for_the_scopes_of_fields() {
    let set = policy(MATRIX);
    let scopes = set.scopes_of("lead");
    let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
    assert_eq!(names, ["group", "all"]);
}

#[test]
fn what_is_left_of_a_value() {
    for (value, left, right, shown) in [
        ("Nora Novak", 1, 2, "N****ak"),
        ("Eve", 1, 2, "****"),
        ("5550002", 0, 4, "****0002"),
        ("0002", 0, 4, "****"),
        ("", 0, 0, "****"),
        ("a", 0, 0, "****"),
        ("ñandú €", 2, 1, "ña****€"),
    ] {
        assert_eq!(partial(value, left, right), shown, "{value}");
    }
    for (value, shown) in [
        ("nora@example.com", "n****@example.com"),
        ("ñ@b", "ñ****@b"),
        ("a@b@c", "a****@c"),
        ("@example.com", "****"),
        ("nora", "****"),
        ("", "****"),
    ] {
        assert_eq!(email(value), shown, "{value}");
    }
    for (value, step, shown) in [
        (1999, 1000, 1000),
        (-1999, 1000, -1000),
        (7, 10, 0),
        (i64::MIN, i32::MAX as u32, -9_223_372_036_854_775_806),
    ] {
        assert_eq!(round(value, step), shown, "{value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Values that differ in what isn't shown alone are shown the same, however long they are.
    #[test]
    fn what_is_hidden_tells_nothing(
        first in ".{0,6}", hidden in ".{1,12}", other in ".{1,12}", last in ".{0,6}",
    ) {
        let (left, right) = (first.chars().count() as u8, last.chars().count() as u8);
        let of = |hidden: &str| partial(&format!("{first}{hidden}{last}"), left, right);
        prop_assert_eq!(of(&hidden), of(&other));
        let name = |rest: &str| email(&format!("n{rest}@{}", last.replace('@', "")));
        prop_assert_eq!(name(&hidden), name(&other));
    }

    #[test]
    fn a_rounded_number_is_of_its_type(value: i32, step in 2..=i32::MAX as u32) {
        let rounded = round(i64::from(value), step);
        prop_assert!(i32::try_from(rounded).is_ok());
        prop_assert!(rounded.unsigned_abs() <= u64::from(value.unsigned_abs()));
        prop_assert_eq!(round(rounded, step), rounded);
    }
}
