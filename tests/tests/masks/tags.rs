//! Fields that are shown as their tag says.

use celador_tests::failure;

use super::shop::{document, outcome, shop};

/// The shop's policy, where a tag says what telephone, mobile and tax number are shown as.
fn by_tag() -> String {
    let fields = [
        ("telephone", "[\"clear\", \"partial(0,4)\", \"null\"]"),
        ("mobile", "[\"clear\", \"partial(1,0)\"]"),
        ("tax", "[\"clear\", \"hash\"]"),
    ];
    let mut text = document("");
    for (field, renderings) in fields {
        let listed = format!("[fields.contacts.{field}]\nrenderings = {renderings}");
        assert!(text.contains(&listed), "{field}");
        let tagged = format!("[fields.contacts.{field}]\ntags = [\"personal\"]");
        text = text.replace(&listed, &tagged);
    }
    let granted = "fields.telephone = { clear = [\"own\"], \"partial(0,4)\" = [\"group\"] }";
    assert!(text.contains(granted));
    let text = text.replace(
        granted,
        "tags.personal = { \"partial(0,2)\" = [\"group\"] }",
    );
    format!("{text}\n[tags.personal]\nrenderings = [\"clear\", \"partial(0,2)\", \"null\"]\n")
}

#[test]
fn s1_32_a_tag_says_how_fields_are_shown_and_to_whom() {
    let database = shop();
    database.load(&by_tag());
    let shown = "SELECT id, phone, mobile, tax FROM contacts WHERE id < 3 ORDER BY id";
    for (login, rows) in [
        (
            "shop_lena",
            "1|5550001|+341|T-100\n2|****02|****42|****00\n(2)",
        ),
        ("shop_vera", "1|NULL|NULL|NULL\n2|NULL|NULL|NULL\n(2)"),
        (
            "shop_boss",
            "1|5550001|+341|T-100\n2|5550002|+342|T-200\n(2)",
        ),
    ] {
        assert_eq!(outcome(&mut database.login(login), shown), rows, "{login}");
    }
    let personal = "SELECT string_agg(DISTINCT field || ' ' || rendering, ', ' ORDER BY field || ' ' || rendering)
        FROM celador.personal_data() WHERE role = 'agent' AND field IN ('telephone', 'tax')";
    assert_eq!(
        outcome(&mut database.superuser(), personal),
        "tax clear, tax null, tax partial(0,2), telephone clear, telephone null, telephone partial(0,2)\n(1)"
    );
    // What is exported says it again.
    let mut superuser = database.superuser();
    let exported: String = superuser
        .query_one("SELECT celador.export_policy()", &[])
        .unwrap()
        .get(0);
    assert!(exported.contains("[tags.personal]"), "{exported}");
    assert!(
        exported.contains("[permissions.agent.contacts.tags.personal]"),
        "{exported}"
    );
    database.load(&exported);
    let lena = outcome(&mut database.login("shop_lena"), shown);
    assert!(lena.contains("****02"), "{lena}");
}

#[test]
fn a_tag_that_doesnt_fit_names_the_field_and_the_tag() {
    let database = shop();
    let text = document(
        "[fields.contacts.name]\ntags = [\"dated\"]\n[tags.dated]\nrenderings = [\"clear\", \"year\"]\n",
    );
    let refused = failure(
        database
            .superuser()
            .query("SELECT celador.load_policy($1)", &[&text]),
    );
    assert!(
        refused.message.contains("fields.contacts.name")
            && refused.message.contains("as tag \"dated\" says"),
        "{}",
        refused.message
    );
}
