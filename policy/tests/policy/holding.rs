//! What one person may: roles, settings, restrictions, keys, and what may be handed out.

use std::collections::BTreeMap;

use celador_policy::access::{covers_role, pointing_gives};
use celador_policy::directory::{Facts, GroupNode, HeldRole, SettingValue, Share, Told};
use celador_policy::document::ScopeName;
use celador_policy::policy_set::CellRef;
use celador_policy::{Access, Action, PolicySet};

use crate::desk::MAPPING;
use crate::schema_text::schema;

/// The small CRM; its roles column says `S` for seller and `M` for every other name used here.
fn policy(matrix: &str) -> PolicySet {
    let roles = "S = \"seller\", A = \"a\", B = \"b\", C = \"c\"";
    let text = format!("{}{matrix}", MAPPING.replace("S = \"seller\"", roles));
    let document = celador_policy::Document::from_toml(&text).expect("a document");
    celador_policy::check(&document, &text, &schema(crate::desk::TABLES))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn somebody(roles: &[&str]) -> Facts {
    Facts {
        user: "7".to_owned(),
        login: Some("ana".to_owned()),
        active: true,
        keys: BTreeMap::from([
            ("user".to_owned(), vec!["7".to_owned()]),
            (
                "login".to_owned(),
                vec!["ana".to_owned(), "ana2".to_owned()],
            ),
        ]),
        roles: roles
            .iter()
            .map(|role| HeldRole {
                source: 0,
                value: (*role).to_owned(),
                group: None,
            })
            .collect(),
        ..Facts::default()
    }
}

const READ: CellRef = CellRef::Action(Action::Read);

#[test]
fn x_7_whoever_is_deactivated_may_nothing() {
    let set = policy("[permissions.seller.'*']\n'*' = ['all']\n");
    let active = Access::compute(&set, somebody(&["S"]));
    assert!(active.reach(&set, "accounts", &READ, 0.0).all && active.has_role("seller"));
    let mut facts = somebody(&["S"]);
    facts.active = false;
    let gone = Access::compute(&set, facts);
    assert_eq!(
        gone.reach(&set, "accounts", &READ, 0.0),
        celador_policy::Reach::default()
    );
    assert!(!gone.has_role("seller") && gone.assign_bounds(&set, "accounts").is_empty());
}

#[test]
fn x_6_what_the_column_says_and_the_map_doesnt_gives_no_role() {
    let set = policy("[permissions.seller.accounts]\nread = ['all']\n");
    for value in ["seller", "s", "", "X"] {
        let access = Access::compute(&set, somebody(&[value]));
        assert_eq!(access.roles().count(), 0, "{value}");
    }
    let mut facts = somebody(&["S"]);
    facts.roles[0].source = 9;
    assert_eq!(Access::compute(&set, facts).roles().count(), 0);
}

#[test]
fn a_person_owns_by_every_key() {
    let set = policy("[permissions.seller.contacts]\nread = ['own']\n");
    let access = Access::compute(&set, somebody(&["S"]));
    let reach = access.reach(&set, "contacts", &READ, 0.0);
    assert!(reach.owners["user"].has_integer(7) && !reach.owners["user"].has_text("ana"));
    assert!(reach.owners["login"].has_text("ana") && reach.owners["login"].has_text("ana2"));
}

#[test]
fn s4_5_roles_held_together_imply_another() {
    let set = policy(
        "[roles.a]\n[roles.b]\n[roles.c]\nimplied_by = ['a', 'b']\n[roles.d]\nimplied_by = ['c']\n\
         [permissions.d.accounts]\nread = ['all']\n",
    );
    assert_eq!(
        Access::compute(&set, somebody(&["A"]))
            .roles()
            .collect::<Vec<_>>(),
        ["a"]
    );
    let both = Access::compute(&set, somebody(&["A", "B"]));
    assert_eq!(both.roles().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn x_5_a_setting_is_inherited_and_the_nearest_value_counts() {
    let set = policy(
        "[settings.s]\n[permissions.seller.accounts]\nread = [{ scope = 'all', when = 's' }]\n",
    );
    let node = |key: &str, parent: Option<&str>| GroupNode {
        key: key.to_owned(),
        name: None,
        parent: parent.map(str::to_owned),
    };
    let value = |group: Option<&str>, value| SettingValue {
        group: group.map(str::to_owned),
        setting: "s".to_owned(),
        value,
    };
    let on = |groups: &[&str], values: Vec<SettingValue>| {
        let mut facts = somebody(&["S"]);
        facts.groups = groups.iter().map(|&key| key.to_owned()).collect();
        facts.group_nodes = vec![
            node("1", None),
            node("2", Some("1")),
            node("3", Some("2")),
            node("9", None),
        ];
        facts.settings = values;
        let access = Access::compute(&set, facts);
        assert_eq!(
            access.setting("s"),
            access.reach(&set, "accounts", &READ, 0.0).all
        );
        access.setting("s")
    };
    assert!(!on(&[], vec![]));
    assert!(on(&[], vec![value(None, true)]));
    assert!(on(&["3"], vec![value(Some("1"), true)]));
    assert!(!on(
        &["3"],
        vec![value(Some("1"), true), value(Some("2"), false)]
    ));
    assert!(!on(
        &["3"],
        vec![value(None, true), value(Some("3"), false)]
    ));
    assert!(on(
        &["3", "9"],
        vec![value(Some("3"), false), value(Some("9"), true)]
    ));
    assert!(!on(&["9"], vec![value(Some("1"), true)]));
}

#[test]
fn a_restriction_finds_whom_it_names() {
    let applies = |who: &str, change: &dyn Fn(&mut Facts)| {
        let set = policy(&format!(
            "[settings.s]\n[restrictions.x]\nmodule = 'accounts'\nactions = ['read']\n{who}\n"
        ));
        let mut facts = somebody(&[]);
        change(&mut facts);
        let access = Access::compute(&set, facts);
        assert!(!access.restricted(&set, "x", &CellRef::Action(Action::Update)));
        assert!(!access.restricted(&set, "x", &CellRef::AssignTo(None)));
        let written = access.restricted(&set, "x", &CellRef::Scopes([ScopeName::Own].into()));
        assert_eq!(written, access.restricted(&set, "x", &READ));
        written
    };
    let nothing = |_: &mut Facts| {};
    let member = |facts: &mut Facts| {
        facts.groups = vec!["5".to_owned()];
        facts.group_nodes = ["5", "1"]
            .map(|key| GroupNode {
                key: key.to_owned(),
                name: Some(format!("Team {key}")),
                parent: None,
            })
            .into();
    };
    assert!(applies("", &nothing));
    assert!(applies("users = ['7']", &nothing) && applies("users = ['ana']", &nothing));
    assert!(!applies("users = ['8']", &nothing) && !applies("groups = ['5']", &nothing));
    assert!(applies("groups = ['5']", &member) && applies("groups = ['Team 1']", &member));
    assert!(!applies("groups = ['6']", &member));
    // A group that the groups' table doesn't have is named all the same.
    assert!(applies("groups = ['5']", &|facts| facts.groups =
        vec!["5".to_owned()]));
    assert!(!applies("when = 's'", &nothing));
    assert!(applies("when = 's'", &|facts| facts.settings.push(
        SettingValue {
            group: None,
            setting: "s".to_owned(),
            value: true,
        }
    )));
}

#[test]
fn a_share_covers_its_level_until_it_ends() {
    let set = policy("[permissions.seller.accounts]\n'*' = ['shared']\n");
    let mut facts = somebody(&["S"]);
    for (record, level, expires) in [
        ("1", "read", None),
        ("2", "update", Some(10.0)),
        ("3", "delete", None),
        ("4", "all", None),
    ] {
        facts.shares.push(Share {
            module: "accounts".to_owned(),
            record: record.to_owned(),
            level: level.to_owned(),
            expires,
            group: None,
        });
    }
    let access = Access::compute(&set, facts);
    assert_eq!(access.deadline(), Some(10.0));
    let given = |action: Action, now: f64| {
        let reach = access.reach(&set, "accounts", &CellRef::Action(action), now);
        (1..=4)
            .filter(|&at| reach.shared.has_integer(at))
            .collect::<Vec<_>>()
    };
    assert_eq!(given(Action::Read, 9.0), [1, 2, 3]);
    assert_eq!(given(Action::Read, 10.0), [1, 3]);
    assert_eq!(given(Action::Update, 9.0), [2, 3]);
    assert_eq!(given(Action::Delete, 9.0), [3]);
    for action in [
        Action::Create,
        Action::Assign,
        Action::Claim,
        Action::Import,
        Action::Customise,
    ] {
        assert!(given(action, 0.0).is_empty(), "{}", action.name());
    }
    assert!(access.reach(&set, "contacts", &READ, 0.0).shared.is_empty());
}

#[test]
fn x_8_nobody_gives_more_than_he_or_she_holds() {
    let matrix = "
        [settings.s]
        [roles.c]
        implied_by = ['a', 'b']
        [permissions.seller.accounts]
        read = ['own']
        [permissions.a]
        accounts = { read = ['own', 'group'], export = ['own'], assign = [{ scope = 'own', to = ['own'] }] }
        contacts = { read = [{ scope = 'all', rows = 10 }] }
        [permissions.b]
        accounts = { read = ['all'], export = ['all'], assign = ['own'] }
        contacts = { read = ['all'] }
        [permissions.c]
        boards = { read = ['all'] }
    ";
    let set = policy(matrix);
    let gives = |roles: &[&str], role: &str| {
        covers_role(&set, &Access::compute(&set, somebody(roles)), role)
    };
    assert!(gives(&["S"], "seller") && !gives(&[], "seller"));
    assert!(gives(&["A"], "seller") && gives(&["B"], "seller") && !gives(&["S"], "a"));
    // Whoever is given a may hold b, and then c too.
    assert!(!gives(&["A"], "a") && !gives(&["B"], "b"));
    assert!(gives(&["A", "B"], "a") && gives(&["A", "B"], "c"));
    // Rows and bounds count.
    let narrow = policy(&matrix.replace("implied_by = ['a', 'b']", ""));
    let gives = |roles: &[&str], role: &str| {
        covers_role(&narrow, &Access::compute(&narrow, somebody(roles)), role)
    };
    assert!(gives(&["A"], "a") && gives(&["B"], "a") && !gives(&["A"], "b"));
    // Whoever is restricted can't give what the restriction takes away, unless it is everybody's.
    for (who, may) in [
        ("users = ['7']", false),
        ("users = ['8']", true),
        ("", true),
    ] {
        let set = policy(&format!(
            "{matrix}[restrictions.x]\nmodule = 'accounts'\npredicate = 'id = 1'\n{who}\n"
        ));
        let me = Access::compute(&set, somebody(&["S"]));
        assert_eq!(covers_role(&set, &me, "seller"), may, "{who}");
    }
}

#[test]
fn x_8_pointing_gives_where_related_lends() {
    let set = policy(
        r#"
[permissions.a]
accounts = { read = [{ scope = "related", module = "contacts" }] }
"#,
    );
    assert!(pointing_gives(&set, "contacts", "accounts"));
    assert!(!pointing_gives(&set, "notes", "accounts"));
    assert!(!pointing_gives(&set, "accounts", "contacts"));
}

/// What says who a person is; not what role he or she holds.
#[test]
fn x_8_columns_that_identify_people() {
    let set = policy("");
    let users = &set.directory.users;
    let identifying = set.directory.identifying();
    let columns = &identifying[&users.source.table];
    for column in users.keys.values() {
        assert!(columns.contains(&column.name));
    }
    match users.login.as_ref().expect("a login") {
        Told::Column(login) => assert!(columns.contains(&login.name)),
        Told::Table(place) => assert!(identifying[&place.source.table].contains(&place.value.name)),
    }
    for held in &set.directory.roles_held {
        let of_table = identifying.get(&held.source.table);
        assert!(of_table.is_none_or(|columns| !columns.contains(&held.role.name)));
    }
}

/// X.8: whoever hands out a role sees what it shows, as revealing or more so.
#[test]
fn x_8_a_role_is_handed_out_by_those_who_see_as_much() {
    let set = policy(
        r#"
[fields.accounts.region]
renderings = ["clear", "partial(0,4)", "null"]
[permissions.seller.accounts]
fields.region = { "partial(0,4)" = ["all"] }
[permissions.a.accounts]
fields.region = { clear = ["all"] }
[permissions.b.accounts]
fields.region = { clear = ["own"], write = ["all"] }
[permissions.c."*"]
"*" = ["all"]
"#,
    );
    let gives = |giver: &str, role: &str| {
        let giver = Access::compute(&set, somebody(&[giver]));
        covers_role(&set, &giver, role)
    };
    assert!(gives("A", "seller") && !gives("S", "a"));
    assert!(!gives("A", "b") && !gives("B", "a") && !gives("B", "seller"));
    assert!(["seller", "a", "b"].iter().all(|role| gives("C", role)));
}

#[test]
fn s1_10_the_widest_number_counts_and_export_has_none() {
    const TEN: &str = "read = [{ scope = 'all', rows = 10 }]";
    const FIVE: &str = "read = [{ scope = 'own', rows = 5 }]";
    for (a, b, limit) in [
        (TEN, "create = ['own']", Some(10)),
        (TEN, FIVE, Some(10)),
        (FIVE, "read = ['own']", None),
        // Out of reach of the export, rows count.
        (TEN, "export = ['own']", Some(10)),
        (FIVE, "export = ['own']", None),
        (TEN, "export = ['all']", None),
        // A number that doesn't count yet takes nothing away, and one without a number gives nothing yet.
        (
            TEN,
            "read = [{ scope = 'own', rows = 20, when = 's' }]",
            Some(10),
        ),
        (TEN, "read = [{ scope = 'own', when = 's' }]", Some(10)),
        ("export = ['all']", "create = ['own']", None),
    ] {
        let set = policy(&format!(
            "[settings.s]\n[permissions.a.accounts]\n{a}\n[permissions.b.accounts]\n{b}\n\
             [permissions.c.boards]\nread = ['all']\n[permissions.seller.boards]\nread = ['all']\n"
        ));
        let access = Access::compute(&set, somebody(&["A", "B"]));
        assert_eq!(access.row_limit(&set, "accounts", 0.0), limit, "{a}; {b}");
    }
}
