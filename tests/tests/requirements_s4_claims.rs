//! S4, claims: what nobody has been given is there for agents to take, while the switch is on.

use std::thread;
use std::time::Duration;

use celador_tests::{Database, OpenSessions, is_denied, may, may_not, sees};

/// The switch *manual assignment* on for team 9: ines and bruno.
fn claimable() -> Database {
    let crm = Database::preset("s4-groups-agents");
    may(
        &crm,
        "ana",
        "SELECT celador.set_setting('manual_assignment', true, '9')",
        "SELECT EXISTS (SELECT FROM celador.setting_values WHERE \"group\" = '9' AND value)",
    );
    crm
}

const UNASSIGNED: &str = "id NOT IN (SELECT contact_id FROM contact_assignees)";
const LINKED: &str = "id IN (SELECT contact_id FROM contact_assignees WHERE user_id = 34)";

fn link(contact: &str, user: u32) -> String {
    format!("INSERT INTO contact_assignees (contact_id, user_id) VALUES ({contact}, {user})")
}

fn own(talk: &str, owner: &str) -> String {
    format!("UPDATE conversations SET owner_id = {owner} WHERE id = {talk}")
}

#[test]
fn s4_8_unassigned_ones_are_visible_while_the_switch_is_on() {
    let crm = Database::preset("s4-groups-agents");
    crm.run("DELETE FROM contacts WHERE id > 500");
    let count = "SELECT count(*) FROM contacts";
    let own = crm.count("contacts", LINKED);
    let both = crm.count("contacts", &format!("{LINKED} OR {UNASSIGNED}"));
    assert!(both > own && own > 0);
    let mut ines = OpenSessions::open(&crm, "ines", count);
    ines.count(own);
    let free = crm.pick("contacts", UNASSIGNED);
    for on in [true, false, true, false] {
        let set = format!("SELECT celador.set_setting('manual_assignment', {on}, '9')");
        crm.login("ana").execute(&set, &[]).unwrap();
        ines.count(if on { both } else { own });
        if !on {
            may_not(&crm, "ines", &link(&free, 34), "contact_assignees");
        }
    }
    crm.login("ana")
        .execute(
            "SELECT celador.set_setting('manual_assignment', true, '9')",
            &[],
        )
        .unwrap();
    // What may be claimed can be read; in the other team the switch is off.
    sees(
        &crm,
        "ines",
        "contacts",
        &format!("{LINKED} OR {UNASSIGNED}"),
    );
    sees(
        &crm,
        "ines",
        "conversations",
        "owner_id = 34 OR owner_id IS NULL",
    );
    sees(&crm, "carla", "conversations", "owner_id = 36");
    may_not(&crm, "carla", &link(&free, 36), "contact_assignees");
    may(
        &crm,
        "ines",
        &link(&free, 34),
        &format!(
            "SELECT EXISTS (SELECT FROM contact_assignees WHERE contact_id = {free} AND user_id = 34)"
        ),
    );
    sees(
        &crm,
        "ines",
        "contacts",
        &format!("{LINKED} OR {UNASSIGNED}"),
    );
}

#[test]
fn s4_8_nobody_to_me_and_to_nobody_else() {
    let crm = claimable();
    let talk = crm.pick("conversations", "owner_id IS NULL");
    is_denied(&crm, "ines", &own(&talk, "35"), "conversations");
    may(
        &crm,
        "ines",
        &own(&talk, "34"),
        &format!("SELECT owner_id IS NOT DISTINCT FROM 34 FROM conversations WHERE id = {talk}"),
    );
    // From me to another, or back to nobody.
    may_not(&crm, "ines", &own(&talk, "35"), "conversations");
    may_not(&crm, "ines", &own(&talk, "NULL"), "conversations");
    // From another to me.
    may_not(&crm, "bruno", &own(&talk, "35"), "conversations");
    let other = crm.pick("conversations", "owner_id = 36");
    may_not(&crm, "ines", &own(&other, "34"), "conversations");
    // The same through the link table.
    let free = crm.pick("contacts", UNASSIGNED);
    may_not(&crm, "ines", &link(&free, 35), "contact_assignees");
    may_not(
        &crm,
        "ines",
        &format!(
            "INSERT INTO contact_assignees (contact_id, user_id) VALUES ({free}, 34), ({free}, 35)"
        ),
        "contact_assignees",
    );
    may(
        &crm,
        "ines",
        &link(&free, 34),
        &format!("SELECT EXISTS (SELECT FROM contact_assignees WHERE contact_id = {free})"),
    );
    may_not(&crm, "ines", &link(&free, 35), "contact_assignees");
    may_not(&crm, "bruno", &link(&free, 35), "contact_assignees");
    may_not(
        &crm,
        "ines",
        &format!("UPDATE contact_assignees SET user_id = 35 WHERE contact_id = {free}"),
        "contact_assignees",
    );
    may_not(
        &crm,
        "ines",
        &format!("DELETE FROM contact_assignees WHERE contact_id = {free}"),
        "contact_assignees",
    );
    let taken = crm.pick(
        "contacts",
        "id IN (SELECT contact_id FROM contact_assignees WHERE user_id = 36)",
    );
    may_not(&crm, "ines", &link(&taken, 34), "contact_assignees");
}

/// Both send the statement, the second while the first hasn't committed; how many got it.
fn race(crm: &Database, first: &str, second: &str) -> [Result<u64, String>; 2] {
    let mut ines = crm.login("ines");
    let mut bruno = crm.login("bruno");
    let mut claiming = ines.transaction().unwrap();
    let won = claiming
        .execute(first, &[])
        .map_err(|error| error.to_string());
    let second = second.to_owned();
    let waiting = thread::spawn(move || {
        bruno
            .execute(&second, &[])
            .map_err(|error| error.to_string())
    });
    thread::sleep(Duration::from_millis(700));
    claiming.commit().unwrap();
    [won, waiting.join().expect("the session ends")]
}

#[test]
fn s4_8_of_two_agents_who_race_exactly_one_wins() {
    let crm = claimable();
    for condition in ["", " AND owner_id IS NULL"] {
        let talk = crm.pick("conversations", "owner_id IS NULL");
        let claim = |agent: u32| own(&talk, &agent.to_string()) + condition;
        let [first, second] = race(&crm, &claim(34), &claim(35));
        assert_eq!(first, Ok(1));
        assert_ne!(second, Ok(1));
        assert!(crm.is_true(&format!(
            "SELECT owner_id = 34 FROM conversations WHERE id = {talk}"
        )));
    }
    // Rolled back by the first, it is the second's.
    let talk = crm.pick("conversations", "owner_id IS NULL");
    let mut ines = crm.login("ines");
    let mut bruno = crm.login("bruno");
    let mut claiming = ines.transaction().unwrap();
    assert_eq!(claiming.execute(&own(&talk, "34"), &[]).unwrap(), 1);
    let second = own(&talk, "35");
    let waiting = thread::spawn(move || bruno.execute(&second, &[]).unwrap());
    thread::sleep(Duration::from_millis(300));
    claiming.rollback().unwrap();
    assert_eq!(waiting.join().unwrap(), 1);
    assert!(crm.is_true(&format!(
        "SELECT owner_id = 35 FROM conversations WHERE id = {talk}"
    )));
}

#[test]
fn s4_8_of_two_agents_who_race_by_a_link_table_exactly_one_wins() {
    let crm = claimable();
    let free = crm.pick("contacts", UNASSIGNED);
    let [first, second] = race(&crm, &link(&free, 34), &link(&free, 35));
    assert_eq!(first, Ok(1));
    assert_ne!(second, Ok(1));
    assert_eq!(
        crm.count("contact_assignees", &format!("contact_id = {free}")),
        1
    );
    assert!(crm.is_true(&format!(
        "SELECT user_id = 34 FROM contact_assignees WHERE contact_id = {free}"
    )));
}

#[test]
fn s4_9_claiming_needs_no_right_to_edit_and_gives_none() {
    let crm = claimable();
    let free = crm.pick("contacts", UNASSIGNED);
    let mine = crm.pick("contacts", LINKED);
    for contact in [&free, &mine] {
        for sql in [
            format!("UPDATE contacts SET job_title = 'Edited' WHERE id = {contact}"),
            format!("UPDATE contacts SET updated_at = now() WHERE id = {contact}"),
            format!("DELETE FROM contacts WHERE id = {contact}"),
        ] {
            may_not(&crm, "ines", &sql, "contacts");
        }
    }
    // A claim takes the conversation as it is; only what the application keeps by itself moves.
    let talk = crm.pick("conversations", "owner_id IS NULL");
    is_denied(
        &crm,
        "ines",
        &format!("UPDATE conversations SET owner_id = 34, status = 'closed' WHERE id = {talk}"),
        "conversations",
    );
    is_denied(
        &crm,
        "ines",
        &format!("UPDATE conversations SET owner_id = 34, contact_id = {mine} WHERE id = {talk}"),
        "conversations",
    );
    may_not(
        &crm,
        "ines",
        &format!(
            "UPDATE conversations SET status = status WHERE id = {mine_talk}",
            mine_talk = crm.pick("conversations", "owner_id = 34")
        ),
        "conversations",
    );
    may(
        &crm,
        "ines",
        &format!("UPDATE conversations SET owner_id = 34, updated_at = now() WHERE id = {talk}"),
        &format!("SELECT owner_id IS NOT DISTINCT FROM 34 FROM conversations WHERE id = {talk}"),
    );
    may_not(
        &crm,
        "ines",
        &format!("DELETE FROM conversations WHERE id = {talk}"),
        "conversations",
    );
}
