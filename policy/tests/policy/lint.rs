//! Each rule about the policy finds what was put in for it, and nothing in the same policy without.

use std::collections::BTreeSet;

use celador_policy::lint::{Look, lint, rules};
use celador_policy::{Document, PolicySet, check};

use crate::desk::{MAPPING, TABLES};
use crate::schema_text::schema;

/// A matrix in which no rule finds anything in modules accounts, contacts and boards.
const CLEAN: &str = r#"
[roles.administrator]
keep_last_holder = true
[permissions.administrator]
"*" = { "*" = ["all"] }
[permissions.seller]
accounts = { read = ["own"], create = ["own"], update = ["own"] }
contacts = { read = ["parent"] }
[permissions.agent]
accounts = { read = ["group"] }
[permissions.clerk]
boards = { read = ["own"], customise = ["own"] }
[permissions.reader]
accounts = { read = ["created"] }
"#;

fn policy(mapping: &str, matrix: &str) -> PolicySet {
    let text = format!("{mapping}{matrix}");
    let document = Document::from_toml(&text).unwrap_or_else(|problems| panic!("{problems}"));
    check(&document, &text, &schema(TABLES)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn findings(policy: &PolicySet) -> BTreeSet<(&'static str, String, String)> {
    lint(policy)
        .into_iter()
        .map(|(rule, found)| (rule.code, found.object, found.detail))
        .collect()
}

/// The rule, the object that it must name, what is replaced in the clean matrix, and by what. An
/// empty text is found at the end.
const SEEDED: &[(&str, &str, &str, &str)] = &[
    (
        "CEL001",
        "seller",
        "update = [\"own\"] }",
        "update = [\"own\"], delete = [\"own\"] }",
    ),
    (
        "CEL002",
        "agent.accounts",
        "accounts = { read = [\"group\"] }",
        "accounts = { update = [\"group\"] }",
    ),
    (
        "CEL003",
        "clerk.boards",
        "customise = [\"own\"]",
        "update = [\"own\"]",
    ),
    (
        "CEL004",
        "seller.accounts",
        "update = [\"own\"] }",
        "update = [\"own\"], assign = [\"all\"] }",
    ),
    (
        "CEL005",
        "administrator",
        "keep_last_holder = true",
        "keep_last_holder = false",
    ),
    (
        "CEL006",
        "permissions",
        "\"*\" = { \"*\" = [\"all\"] }",
        "\"*\" = { read = [\"all\"] }",
    ),
    (
        "CEL011",
        "letters",
        "\"*\" = { \"*\" = [\"all\"] }",
        "accounts = { read = [\"all\"] }",
    ),
    ("CEL012", "idle", "", "[roles.idle]\n"),
    (
        "CEL013",
        "phantoms",
        "",
        "[permissions.seller.phantoms]\nread = [\"all\"]\n",
    ),
    (
        "CEL014",
        "north",
        "",
        "[rules.north]\naccounts = \"region = 'north'\"\n",
    ),
    (
        "CEL015",
        "idle",
        "\"*\" = { \"*\" = [\"all\"] }",
        "accounts = { read = [\"all\"] }\n[restrictions.idle]\nusers = [\"x\"]\nmodule = \"letters\"",
    ),
    (
        "CEL016",
        "reader",
        "",
        "[permissions.second]\naccounts = { read = [\"created\"] }\n",
    ),
    (
        "CEL021",
        "idle",
        "",
        "[settings.idle]\nset_by = [\"administrator\"]\n",
    ),
    (
        "CEL022",
        "stuck",
        "read = [\"group\"]",
        "read = [{ scope = \"group\", when = \"stuck\" }]",
    ),
    (
        "CEL023",
        "mine",
        "read = [\"group\"]",
        "read = [{ scope = \"group\", when = \"mine\" }]",
    ),
    (
        "CEL026",
        "tight",
        "",
        "[restrictions.tight]\nmodule = \"accounts\"\npredicate = \"region = 'x'\"\n",
    ),
    (
        "CEL031",
        "accounts",
        "",
        "[permissions.p1]\naccounts = { read = [\"all\"] }\n[permissions.p2]\naccounts = { read = [\"all\"], update = [\"own\"] }\n\
         [permissions.p3]\naccounts = { read = [\"all\"], update = [\"group\"] }\n[permissions.p4]\naccounts = { read = [\"all\"], create = [\"own\"] }\n[permissions.p5]\naccounts = { read = [\"all\"], create = [\"group\"] }\n",
    ),
    (
        "CEL032",
        "accounts",
        "update = [\"own\"] }",
        "update = [\"own\"], export = [\"all\"] }",
    ),
    (
        "CEL033",
        "import",
        "",
        "[permissions.p1]\naccounts = { import = [\"own\"] }\n[permissions.p2]\naccounts = { read = [\"own\"], import = [\"own\"] }\n\
         [permissions.p3]\naccounts = { import = [\"group\"] }\n[permissions.p4]\naccounts = { import = [\"created\"] }\n[permissions.p5]\naccounts = { import = [\"all\"] }\n",
    ),
    (
        "CEL034",
        "export",
        "",
        "[permissions.p1]\naccounts = { export = [\"own\"] }\n[permissions.p2]\naccounts = { read = [\"own\"], export = [\"own\"] }\n\
         [permissions.p3]\naccounts = { export = [\"group\"] }\n[permissions.p4]\naccounts = { export = [\"created\"] }\n[permissions.p5]\naccounts = { read = [\"all\"], export = [\"own\"] }\n",
    ),
    (
        "CEL035",
        "accounts",
        "",
        "[fields.accounts.region]\nrenderings = [\"clear\"]\ntags = [\"personal\"]\n",
    ),
];

/// Settings that some seeds depend on, and used by nothing else.
const SETTINGS: &str = "[settings.stuck]\ndefault = true\n[settings.mine]\nset_by = [\"agent\"]\n";

#[test]
fn each_rule_finds_its_own_violation() {
    let clean = findings(&policy(MAPPING, CLEAN));
    let mut seen = BTreeSet::new();
    for &(code, object, from, to) in SEEDED {
        let mut matrix = if from.is_empty() {
            format!("{CLEAN}{to}")
        } else {
            assert!(CLEAN.contains(from), "{code}: {from}");
            CLEAN.replacen(from, to, 1)
        };
        if matches!(code, "CEL022" | "CEL023") {
            matrix.push_str(SETTINGS);
        }
        let is_it = |finding: &&(&str, String, String)| finding.0 == code && finding.1 == object;
        assert!(
            !clean.iter().any(|finding| is_it(&finding)),
            "{code} {object} without a seed: {clean:?}"
        );
        let seeded = findings(&policy(MAPPING, &matrix));
        assert!(
            seeded.iter().any(|finding| is_it(&finding)),
            "{code} {object}: {seeded:?}"
        );
        seen.insert(code);
    }
    // What the mapping says, not the matrix.
    let open = findings(&policy(MAPPING, CLEAN));
    assert!(
        open.iter()
            .any(|f| f.0 == "CEL025" && f.1 == "crm.countries"),
        "{open:?}"
    );
    let closed = MAPPING.replace(
        "open = [\"countr*\"]",
        "readable = [\"countr*\", \"currenc*\"]",
    );
    let closed = closed.replace("readable = [\"currenc*\"]\n", "");
    assert!(
        !findings(&policy(&closed, CLEAN))
            .iter()
            .any(|f| f.0 == "CEL025")
    );
    seen.insert("CEL025");
    let empty = MAPPING.replace(
        "[mapping.users]",
        "no_identity = \"empty\"\n[mapping.users]",
    );
    assert!(
        findings(&policy(&empty, CLEAN))
            .iter()
            .any(|f| f.0 == "CEL024")
    );
    assert!(!clean.iter().any(|f| f.0 == "CEL024"));
    seen.insert("CEL024");
    let keyless = MAPPING.replace(
        "[mapping.modules.letters]\ntable = \"letters\"",
        "[mapping.modules.plain]\ntable = \"contact_owners2\"\n[mapping.modules.letters]\ntable = \"letters\"",
    );
    let tables = format!("{TABLES}crm.contact_owners2: contact uuid, person int8\n");
    let text = format!("{keyless}{CLEAN}");
    let document = Document::from_toml(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let set =
        check(&document, &text, &schema(&tables)).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(
        findings(&set)
            .iter()
            .any(|f| f.0 == "CEL017" && f.1 == "plain")
    );
    assert!(!clean.iter().any(|f| f.0 == "CEL017"), "{clean:?}");
    seen.insert("CEL017");
    for rule in rules() {
        if matches!(rule.look, Look::Policy(_)) {
            assert!(
                seen.contains(rule.code),
                "{} has no seeded violation",
                rule.code
            );
        }
    }
}
