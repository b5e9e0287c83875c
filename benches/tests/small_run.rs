//! The whole of it once, with little data: what is measured is there, and every form gave the same
//! rows (or there would be no report).

use std::collections::BTreeSet;

use celador_benches::{Arguments, measure};
use clap::Parser;

const SMALL: [&str; 12] = [
    "bench",
    "--rows=2k",
    "--users=400",
    "--rounds=1",
    "--enough=0",
    "--values=2",
    "--people=lead,director",
    "--timeout=30",
    "--busy=4",
    "--busy-time=200",
    "--roles=3",
    "--tables=4",
];

#[test]
fn a_small_run_measures_everything() {
    let pg = celador_tests::major().to_string();
    let mut words = SMALL.to_vec();
    words.extend(["--pg", &pg]);
    let report = measure(
        celador_tests::install(),
        &Arguments::parse_from(words),
        &|_| Ok(()),
    )
    .expect("every form of every statement gives the same rows");
    let json = serde_json::to_value(&report).expect("a report is JSON");
    let cells = json["cells"].as_array().expect("cells");
    let groups: BTreeSet<&str> = cells
        .iter()
        .filter_map(|cell| cell["group"].as_str())
        .collect();
    assert_eq!(
        groups.into_iter().collect::<Vec<_>>(),
        [
            "additive", "link", "owner", "parent", "pool", "related", "search", "tree"
        ]
    );
    // Statements × people × (planned each time, prepared).
    let expected = (8 + 4 + 4 + 4 + 4 + 6) * 2 * 2 + 3 * 2 + 3;
    assert_eq!(cells.len(), expected);
    for cell in cells {
        let outcomes = cell["outcomes"].as_array().expect("outcomes");
        let measured = |name: &str| {
            outcomes.iter().any(|outcome| {
                let form = outcome["form"].as_str().unwrap_or_default();
                let rounds = outcome["rounds"].as_array().map_or(0, Vec::len);
                form.starts_with(name) && rounds == 1
            })
        };
        for form in [
            "hand-written",
            "celador",
            "EXISTS",
            "= ANY",
            "IN",
            "function",
        ] {
            assert!(measured(form), "{form} is missing: {cell}");
        }
    }
    // Where nobody saw a row nothing was compared.
    let empty = cells.iter().filter(|cell| cell["rows"] == 0).count();
    assert!(
        empty * 20 < cells.len(),
        "{empty} of {} cells are empty",
        cells.len()
    );
    let figures = json["figures"].as_array().expect("figures");
    // Identity, access, answers about one record, fields, many roles, churn.
    assert_eq!(figures.len(), 5 + 3 + 3 + 9 + 4 + 2);

    let text = report.markdown();
    for line in [
        "| key |",
        "| insert one |",
        "| jsonb @> |",
        "Over the goal:",
    ] {
        assert!(text.contains(line), "{line} is missing from\n{text}");
    }
}
