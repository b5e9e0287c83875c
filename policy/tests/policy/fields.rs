//! Fields: what they can be shown as, who sees them so, and the SQL that shows them.

use celador_policy::column_mask::column_masks;
use celador_policy::field::FieldRight;
use celador_policy::matrix::field_lines;
use celador_policy::policy_set::CellRef;
use celador_policy::rendering::{Period, Rendering, begins, email, partial, round, round_float};
use celador_policy::rendering_function::FunctionFacts;
use celador_policy::{PolicySet, TableName};
use proptest::prelude::*;

use crate::desk::{checked, policy};

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

/// A field that lists no renderings is shown as its tag says, and so it is granted.
#[test]
fn a_tag_says_what_its_fields_are_shown_as() {
    let set = policy(
        r#"
[tags.personal]
renderings = ["clear", "hash", "null"]
[tags.dated]
renderings = ["clear", "year"]
[fields.accounts.region]
tags = ["personal", "unnamed"]
[fields.accounts.changed]
tags = ["dated"]
[fields.projects.note]
renderings = ["clear", "partial(1,0)"]
tags = ["personal"]
[fields.products.note]
renderings = ["clear", "partial(1,0)"]
tags = ["personal"]
[permissions.seller.accounts]
read = ["all"]
fields.region = { clear = ["own"] }
tags.personal = { clear = ["created"], hash = ["group"], write = ["own"] }
[permissions.clerk."*"]
tags.personal = { clear = ["all"] }
[permissions.guest.accounts]
tags.dated = { clear = ["own"] }
"#,
    );
    let renderings = |module: &str, field: &str| {
        let renderings = set.fields[module][field].renderings.iter();
        renderings.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(renderings("accounts", "region"), ["clear", "hash", "null"]);
    assert_eq!(renderings("accounts", "changed"), ["clear", "year"]);
    // Its own list wins.
    assert_eq!(renderings("projects", "note"), ["clear", "partial(1,0)"]);
    // What is granted by name and by tag adds up.
    assert_eq!(
        granted(&set, "seller"),
        [
            "region clear: own, created",
            "region hash: group",
            "region write: own"
        ]
    );
    assert_eq!(granted(&set, "clerk"), ["region clear: all"]);
    let projects = set.field_grants("clerk", "projects");
    let projects: Vec<String> = projects
        .map(|(field, right, _)| format!("{field} {right}"))
        .collect();
    assert_eq!(projects, ["note clear"]);
    assert_eq!(granted(&set, "guest"), ["changed clear: own"]);
    let personal = field_lines(&set, |field| field.tags.contains("personal"));
    let personal: Vec<String> = personal
        .into_iter()
        .map(|line| format!("{} {} {}", line.field, line.role, line.rendering))
        .collect();
    assert_eq!(
        personal,
        [
            "region seller clear",
            "region seller hash",
            "region seller null"
        ]
    );
}

#[test]
fn tags_that_say_the_same_are_no_contradiction() {
    let set = policy(
        r#"
[tags.personal]
renderings = ["clear", "partial(0,4)"]
[tags.contact]
renderings = ["clear", "partial( 0, 4 )"]
[fields.accounts.region]
tags = ["personal", "contact"]
"#,
    );
    assert_eq!(set.fields["accounts"]["region"].renderings.len(), 2);
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

/// What the rows of a table show of a column.
fn shown(set: &PolicySet, table: &str, column: &str, alias: &str) -> Option<String> {
    let placement = &set.tables[&TableName::new("crm", table)];
    let masks = column_masks(set, placement, alias);
    let mask = masks.iter().find(|mask| mask.column.name == column)?;
    Some(mask.sql(alias))
}

/// The pair of the documentation of `ColumnMask::sql`.
#[test]
fn a_field_is_shown_by_the_most_revealing_rendering_that_is_granted() {
    let set = policy(MATRIX);
    let reach = |right: &str| {
        let cell = CellRef::from_text(right).expect("a cell");
        celador_policy::row_policy::reach_sql(&set, "accounts", &cell, "")
    };
    let clear = reach(r#"["region","clear"]"#);
    let partial = reach(r#"["region","partial(0,4)"]"#);
    assert_eq!(
        shown(&set, "accounts", "region", "").expect("a field"),
        format!(
            "CASE WHEN {clear} THEN \"region\" WHEN {partial} THEN \
             celador.render_partial(CAST(\"region\" AS pg_catalog.text), 0, 4) \
             ELSE NULL::\"pg_catalog\".\"text\" END"
        )
    );
    assert!(clear.contains("celador.owner_in_reach('accounts'::pg_catalog.text, '[\"region\",\"clear\"]'::pg_catalog.text,"), "{clear}");
    let year = shown(&set, "accounts", "changed", "c.").expect("a field");
    assert!(
        year.ends_with("ELSE celador.render_year(c.\"changed\") END"),
        "{year}"
    );
}

/// The pair of the documentation of `Masking::writes`.
#[test]
fn a_field_is_written_in_rows_that_may_be_changed() {
    let set = policy(MATRIX);
    let placement = &set.tables[&TableName::new("crm", "accounts")];
    let masks = column_masks(&set, placement, "");
    let mask = masks.iter().find(|mask| mask.field == "region");
    let write = &mask.expect("a field").write;
    let reach = |right: &str| {
        let cell = CellRef::from_text(right).expect("a cell");
        celador_policy::row_policy::reach_and_restrictions(&set, "accounts", &cell, "")
    };
    let (field, row) = (reach(r#"["region","write"]"#), reach("update"));
    assert!(write.contains(&format!("({field}) AND {row}")), "{write}");
}

/// The pair of the documentation of `column_masks`.
#[test]
fn a_row_of_several_modules_shows_what_each_of_them_grants() {
    let set = policy(
        r#"
[fields.projects.note]
renderings = ["clear", "null"]
[fields.products.note]
renderings = ["clear", "null"]
[permissions.seller.projects]
read = ["all"]
fields.note = { clear = ["own"] }
[permissions.seller.products]
read = ["all"]
fields.note = { clear = ["all"] }
"#,
    );
    let reach = |module: &str| {
        let cell = CellRef::from_text(r#"["note","clear"]"#).expect("a cell");
        celador_policy::row_policy::reach_sql(&set, module, &cell, "")
    };
    let rows = |module: &str| {
        let rows = set.modules[module].rows.as_ref().expect("some rows");
        rows.sql("")
    };
    let each = |module: &str| format!("(NOT {} OR {})", rows(module), reach(module));
    let sql = shown(&set, "entries", "note", "").expect("a field");
    assert!(
        [["products", "projects"], ["projects", "products"]]
            .map(|[one, other]| format!(
                "CASE WHEN {} AND {} THEN \"note\" ELSE NULL::\"pg_catalog\".\"text\" END",
                each(one),
                each(other)
            ))
            .contains(&sql),
        "{sql}"
    );
}

#[test]
fn modules_that_share_a_table_render_a_column_alike() {
    let problems = checked(
        r#"
[fields.projects.note]
renderings = ["clear", "null"]
[fields.products.note]
renderings = ["clear", "partial(0,4)", "null"]
"#,
    )
    .expect_err("they differ")
    .to_string();
    assert!(
        problems.contains("column \"note\" of crm.entries is rendered otherwise by module"),
        "{problems}"
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
        "function(crm.mask_phone)",
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
        "function",
        "function()",
        "function(mask_phone)",
        "function(crm.)",
        "function(.mask_phone)",
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

/// The second pair of the documentation of `celador_policy::rendering`.
#[test]
fn a_function_is_called_by_its_schema_with_the_columns_type() {
    let set =
        policy("[fields.accounts.region]\nrenderings = [\"clear\", \"function(crm.mask)\"]\n");
    let region = shown(&set, "accounts", "region", "").expect("a field");
    let call = "\"crm\".\"mask\"(CAST(\"region\" AS \"pg_catalog\".\"text\"))";
    assert!(region.ends_with(&format!("ELSE {call} END")), "{region}");
    let phone = Rendering::parse("function(crm.mask_phone)").expect("a rendering");
    assert_eq!(
        phone.sql("\"phone\"", "pg_catalog.varchar"),
        "\"crm\".\"mask_phone\"(CAST(\"phone\" AS \"pg_catalog\".\"varchar\"))"
    );
}

#[test]
fn a_function_finds_what_it_calls_whoever_asks() {
    let facts = |language: &str, search_path: Option<&str>| FunctionFacts {
        arguments: vec!["pg_catalog.text".to_owned()],
        result: "pg_catalog.text".to_owned(),
        plain: true,
        owner: "owner".to_owned(),
        of_superuser: false,
        immutable: true,
        parallel_safe: true,
        definer: false,
        language: language.to_owned(),
        search_path: search_path.map(str::to_owned),
    };
    for (language, path, fits) in [
        ("sql", None, false),
        ("sql", Some("public"), false),
        ("sql", Some("pg_catalog, crm"), false),
        ("sql", Some("\"$user\""), false),
        ("sql", Some("pg_catalog"), false),
        ("sql", Some("pg_temp, pg_catalog"), false),
        ("sql", Some("pg_catalog, pg_temp, crm"), false),
        ("sql", Some("\"\""), false),
        ("sql", Some("pg_catalog, pg_temp"), true),
        ("plpgsql", Some("pg_catalog, pg_temp"), true),
        ("c", None, true),
        ("internal", None, true),
    ] {
        let found = facts(language, path).unfit("pg_catalog.text", "owner");
        assert_eq!(found.is_none(), fits, "{language} {path:?}: {found:?}");
    }
    // A superuser's is as good as the owner's.
    let other = FunctionFacts {
        owner: "postgres".to_owned(),
        ..facts("c", None)
    };
    assert!(other.unfit("pg_catalog.text", "owner").is_some());
    let superusers = FunctionFacts {
        of_superuser: true,
        ..other
    };
    assert_eq!(superusers.unfit("pg_catalog.text", "owner"), None);
}

/// The pair of the documentation of `field_lines`.
#[test]
fn a_report_says_which_roles_see_a_field_how() {
    let set = policy(&format!(
        "{MATRIX}\n[permissions.guest.accounts]\nread = [\"group\", \"own\"]\n"
    ));
    let lines: Vec<String> = field_lines(&set, |field| !field.tags.is_empty())
        .into_iter()
        .map(|line| {
            let scopes = line.scopes.join(", ");
            format!(
                "{} {} {}: {scopes} ({})",
                line.field,
                line.role,
                line.rendering,
                line.depth.name()
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "region guest null: group, own (group)",
            "region manager clear: all (all)",
            "region seller clear: own (own)",
            "region seller partial(0,4): group (group)",
            "region seller null: all (all)",
        ]
    );
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
    for (value, shown) in [(19.5, 10.0), (-19.5, -10.0), (f64::MAX, f64::MAX)] {
        assert!(
            (round_float(value, 10) - shown).abs() <= shown.abs() * 1e-15,
            "{value}"
        );
    }
    assert!(round_float(f64::NAN, 10).is_nan());
    assert_eq!(round_float(f64::NEG_INFINITY, 10), f64::NEG_INFINITY);
}

/// Days from 2000-01-01, as PostgreSQL prints `date - date '2000-01-01'`.
#[test]
fn a_day_shows_the_first_of_its_year_or_month() {
    for (day, year, month) in [
        (0, 0, 0),                      // 2000-01-01
        (31, 0, 31),                    // 2000-02-01
        (59, 0, 31),                    // 2000-02-29
        (60, 0, 60),                    // 2000-03-01
        (365, 0, 335),                  // 2000-12-31
        (366, 366, 366),                // 2001-01-01
        (-1, -365, -31),                // 1999-12-31
        (9_827, 9_497, 9_801),          // 2026-11-27
        (-36_463, -36_524, -36_465),    // 1900-03-03
        (-730_485, -730_485, -730_485), // 0001-01-01 BC
    ] {
        assert_eq!(begins(day, Period::Year), year, "year of {day}");
        assert_eq!(begins(day, Period::Month), month, "month of {day}");
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
