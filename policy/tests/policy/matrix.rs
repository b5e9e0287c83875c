//! The matrix as a table and as a picture, byte for byte.

use celador_policy::matrix::{Depth, PicturedGroup, lines, picture};

use crate::desk::policy;
use crate::sql::assert_same;

const MATRIX: &str = r#"
[settings.inbox]
[permissions.administrator]
"*" = { "*" = ["all"] }
[permissions."sell & <er>"]
accounts = { read = [{ scope = "own", rows = 10 }, { scope = "group", when = "inbox", rows = 20 }], create = ["own"], assign = [{ scope = "reports", to = ["reports"] }], export = ["all"] }
contacts = { read = [{ scope = "group_tree", when = "inbox" }], update = ["parent"] }
"#;

fn groups() -> Vec<PicturedGroup> {
    let group = |key: &str, parent: Option<&str>, members, role: Option<&str>| PicturedGroup {
        key: key.to_owned(),
        name: Some(format!("<{key}>")),
        parent: parent.map(str::to_owned),
        members,
        roles: role.map(str::to_owned).into_iter().collect(),
    };
    vec![
        group("b", Some("a"), 1, None),
        group("a", None, 0, Some("administrator")),
        group("c", Some("b"), 3, None),
        group("d", Some("gone"), 2, None),
    ]
}

#[test]
fn the_table_is_sorted_and_says_what_bounds_a_scope() {
    let lines: Vec<String> = lines(&policy(MATRIX))
        .into_iter()
        .filter(|line| line.role != "administrator")
        .map(|line| {
            format!(
                "{} {}: {} ({}) {}",
                line.module,
                line.action.name(),
                line.scopes.join(", "),
                line.when.unwrap_or_default(),
                line.depth.name()
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "accounts read: own up to 10 rows () own",
            "accounts read: group up to 20 rows (inbox) group",
            "accounts create: own () own",
            "accounts assign: reports to reports () tree",
            "accounts export: all () all",
            "contacts read: group_tree (inbox) tree",
            "contacts update: parent (update) () linked",
        ]
    );
    assert!(Depth::None < Depth::Own && Depth::Tree < Depth::All);
}

#[test]
fn the_picture_is_as_committed() {
    let drawn = picture(&policy(MATRIX), &groups());
    assert_same("matrix.svg", include_str!("golden/matrix.svg"), &drawn);
    // No name opens an element, every cell says in words what it shows.
    assert!(!drawn.contains("<er>") && drawn.contains("sell &amp; &lt;er&gt;"));
    assert!(drawn.contains("<title>sell &amp; &lt;er&gt;, contacts: read group_tree while inbox; update parent (update)</title>"));
    assert!(!drawn.contains("<script") && !drawn.contains("href"));
}
