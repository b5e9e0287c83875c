//! By which rules rows are in reach, in SQL: what people write by hand, as a WHERE for one person or
//! as row policies.
//!
//! The texts name the row `{r}`, the person `{me}`, and the keys of those whom the person supervises
//! or the groups that the person sees `{owners}` and `{groups}`.

use crate::people::Division;

/// One way for a row to be in reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// A column's value is among keys.
    Among {
        /// The column.
        column: &'static str,
        /// The keys, as somebody asks for them who has the rights: `SELECT key FROM …`.
        keys: &'static str,
        /// The same within a policy, where the other tables' own policies hold.
        keys_by_policy: &'static str,
        /// The condition when the person's people and groups are written into it.
        listed: &'static str,
    },
    /// A condition on the row alone.
    Condition(&'static str),
    /// All rows.
    All,
}

const OWNERS: &str = "SELECT s.user_id FROM supervision AS s WHERE s.boss_id = {me}";
const GROUPS: &str = "SELECT t.group_id FROM members AS m JOIN group_tree AS t ON t.ancestor_id = m.group_id WHERE m.user_id = {me}";
const SHARED: &str = "SELECT s.contact_id FROM shares AS s WHERE s.user_id = {me}";

const OWNER: Rule = Rule::Among {
    column: "owner_id",
    keys: OWNERS,
    keys_by_policy: OWNERS,
    listed: "{r}.owner_id = {owners}",
};
const GROUP: Rule = Rule::Among {
    column: "group_id",
    keys: GROUPS,
    keys_by_policy: GROUPS,
    listed: "{r}.group_id = {groups}",
};
const SHARE: Rule = Rule::Among {
    column: "id",
    keys: SHARED,
    keys_by_policy: SHARED,
    listed: "{r}.id = {shares}",
};
const LINKED: Rule = Rule::Among {
    column: "id",
    keys: "SELECT o.project_id FROM supervision AS s JOIN project_owners AS o ON o.user_id = s.user_id WHERE s.boss_id = {me}",
    keys_by_policy: "SELECT o.project_id FROM supervision AS s JOIN project_owners AS o ON o.user_id = s.user_id WHERE s.boss_id = {me}",
    listed: "{r}.id IN (SELECT o.project_id FROM project_owners AS o WHERE o.user_id = {owners})",
};
const OF_CONTACT: Rule = Rule::Among {
    column: "contact_id",
    keys: "SELECT x.id FROM supervision AS s JOIN contacts AS x ON x.owner_id = s.user_id WHERE s.boss_id = {me}",
    keys_by_policy: "SELECT x.id FROM contacts AS x",
    listed: "{r}.contact_id IN (SELECT x.id FROM contacts AS x WHERE x.owner_id = {owners})",
};
const WITH_TICKET: Rule = Rule::Among {
    column: "id",
    keys: "SELECT t.contact_id FROM supervision AS s JOIN tickets AS t ON t.owner_id = s.user_id WHERE s.boss_id = {me}",
    keys_by_policy: "SELECT t.contact_id FROM tickets AS t",
    listed: "{r}.id IN (SELECT t.contact_id FROM tickets AS t WHERE t.owner_id = {owners})",
};
const SMALL: Rule = Rule::Condition("{r}.region = 'R07' AND {r}.amount < 100");

/// The tables that are measured, and the rules of each division; any of them is enough.
const TABLES: [(&str, Division, &[Rule]); 8] = [
    ("contacts", Division::Seller, &[OWNER]),
    ("deals", Division::Seller, &[OWNER]),
    ("projects", Division::Seller, &[LINKED]),
    ("notes", Division::Seller, &[OF_CONTACT]),
    ("contacts", Division::Territory, &[GROUP]),
    ("contacts", Division::Partner, &[OWNER, GROUP, SHARE, SMALL]),
    ("contacts", Division::Support, &[WITH_TICKET]),
    ("tickets", Division::Support, &[OWNER]),
];

/// A division's rules for a table; none: nothing of it is in reach.
pub(crate) fn of(division: Division, table: &str) -> &'static [Rule] {
    let found = TABLES
        .iter()
        .find(|(of, by, _)| *of == table && *by == division);
    match found {
        Some((_, _, rules)) => rules,
        // Deals are there to be joined.
        None if table == "deals" => &[Rule::All],
        None => &[],
    }
}

/// The tables that a division has rules for.
pub(crate) fn tables(division: Division) -> impl Iterator<Item = &'static str> {
    ["contacts", "deals", "projects", "notes", "tickets"]
        .into_iter()
        .filter(move |table| !of(division, table).is_empty())
}
