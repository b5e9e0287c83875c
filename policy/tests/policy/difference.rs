//! What two documents differ in.

use celador_policy::Document;

fn changes(before: &str, after: &str) -> Vec<String> {
    let read = |text: &str| Document::from_toml(text).expect("a document");
    read(before)
        .difference(&read(after))
        .expect("documents can be written")
        .iter()
        .map(ToString::to_string)
        .collect()
}

const BEFORE: &str = r#"
[mapping]
schemas = ["public"]
[mapping.modules.contacts]
table = "contacts"
owner = "owner"
[permissions.seller.contacts]
read = ["own"]
[permissions.visitor]
[settings.open]
default = true
"#;

#[test]
fn each_key_with_both_values() {
    let after = BEFORE
        .replace(
            r#"read = ["own"]"#,
            "read = [\"own\", \"group\"]\ndelete = [\"own\"]",
        )
        .replace("default = true", "default = false")
        .replace("[permissions.visitor]", "[permissions.\"team lead\"]");
    assert_eq!(
        changes(BEFORE, &after),
        [
            "+ permissions.\"team lead\" = {}",
            "+ permissions.seller.contacts.delete = [\"own\"]",
            "permissions.seller.contacts.read = [\"own\"] → [\"own\", \"group\"]",
            "- permissions.visitor = {}",
            "- settings.open.default = true",
        ]
    );
}

#[test]
fn equal_documents_differ_in_nothing() {
    assert!(changes(BEFORE, BEFORE).is_empty());
    // Written otherwise, and with a default said aloud.
    let same = BEFORE.replace(
        "[mapping.modules.contacts]",
        "open = []\n[mapping.modules.contacts]\nconfiguration = false",
    );
    assert!(changes(BEFORE, &same).is_empty());
}
