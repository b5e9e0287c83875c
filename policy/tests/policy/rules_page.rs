//! The page of lint rules is as committed.

#[path = "../../examples/rules/markdown.rs"]
mod markdown;

#[test]
fn the_committed_page_of_rules_is_up_to_date() {
    let committed = include_str!("../../../docs/rules.md");
    assert!(
        committed == markdown::markdown(),
        "run cargo run -p celador-policy --example rules"
    );
}
