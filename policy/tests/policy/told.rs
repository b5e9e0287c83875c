//! What a generated world is told as: a policy document, and the facts about a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use celador_policy::directory::{Facts, GroupNode, HeldRole, SettingValue, Share};
use celador_policy::{Document, PolicySet, check};

use crate::schema_text::schema;
use crate::world::{GROUPS, PEOPLE, ROLES, Scope, World};

const TABLES: &str = "
crm.accounts: id int8 pk, creator text, region text
crm.account_owners: account int8, person text
crm.account_groups: account int8, team text
crm.contacts: id int8 pk, owner text, creator text, team text, account int8, region text
crm.notes: id int8 pk, creator text, record int8, kind text, region text
";

const MAPPING: &str = r#"
[mapping]
schemas = ["crm"]
[mapping.modules.accounts]
table = "accounts"
owner = { table = "account_owners", record = "account", user = "person" }
group = { table = "account_groups", record = "account", group = "team" }
creator = "creator"
# Owners and groups are linked afterwards: some scopes let nobody create.
lacks = ["owner", "group"]
[mapping.modules.contacts]
table = "contacts"
owner = "owner"
creator = "creator"
group = "team"
parent = { module = "accounts", column = "account" }
[mapping.modules.notes]
table = "notes"
creator = "creator"
parent = { column = "record", type = "kind", modules = { account = "accounts", contact = "contacts" } }
[rules.north]
accounts = "region = 'north'"
contacts = "region = 'north'"
notes = "region = 'north' OR has_role('r1')"
[settings.on]
[roles.r0]
[roles.r1]
[roles.r2]
[roles.both]
implied_by = ["r0", "r1"]
"#;

impl World {
    /// The policy, through the document and the check.
    pub(crate) fn policy(&self) -> PolicySet {
        let text = self.document();
        let read = Document::from_toml(&text);
        let checked = read.and_then(|document| check(&document, &text, &schema(TABLES)));
        checked.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    fn document(&self) -> String {
        let mut text = MAPPING.to_owned();
        for (role, modules) in &self.matrix {
            for (module, actions) in modules {
                let _ = writeln!(text, "[permissions.{}.{module}]", ROLES[*role]);
                for (action, scopes) in actions {
                    let scopes: Vec<String> = scopes.iter().map(Scope::text).collect();
                    let _ = writeln!(text, "{} = [{}]", action.name(), scopes.join(", "));
                }
            }
        }
        for (at, restriction) in self.restrictions.iter().enumerate() {
            let groups: Vec<String> = restriction
                .groups
                .iter()
                .map(|at| format!("g{at}"))
                .collect();
            let people: Vec<String> = restriction
                .people
                .iter()
                .map(|at| format!("p{at}"))
                .collect();
            let actions: Vec<&str> = restriction
                .actions
                .iter()
                .map(|action| action.name())
                .collect();
            let _ = writeln!(
                text,
                "[restrictions.x{at}]\ngroups = {groups:?}\nusers = {people:?}\nmodule = {:?}\nactions = {actions:?}",
                restriction.modules
            );
            if restriction.when {
                text.push_str("when = \"on\"\n");
            }
            if let Some(predicate) = restriction.predicate {
                let _ = writeln!(text, "predicate = {predicate:?}");
            }
        }
        text
    }

    /// What the directory's SQL would tell of a person.
    pub(crate) fn facts(&self, me: usize) -> Facts {
        let person = &self.people[me];
        let below = self.below(&person.groups);
        let mut up = person.groups.clone();
        while let Some(more) = up
            .iter()
            .find_map(|&at| self.groups[at].parent.filter(|parent| !up.contains(parent)))
        {
            up.insert(more);
        }
        let members = |groups: &BTreeSet<usize>| -> Vec<String> {
            (0..PEOPLE)
                .filter(|&other| !self.people[other].groups.is_disjoint(groups))
                .map(|other| format!("p{other}"))
                .collect()
        };
        let by_key = |people: Vec<String>| BTreeMap::from([("user".to_owned(), people)]);
        let held = |role: &usize, source, group: Option<usize>| HeldRole {
            source,
            value: ROLES[*role].to_owned(),
            group: group.map(|at| format!("g{at}")),
        };
        let mut roles: Vec<HeldRole> = person
            .roles
            .iter()
            .map(|role| held(role, 0, None))
            .collect();
        for &at in &person.groups {
            roles.extend(
                self.groups[at]
                    .roles
                    .iter()
                    .map(|role| held(role, 1, Some(at))),
            );
        }
        let values = up.iter().map(|&at| (Some(at), self.groups[at].setting));
        let values = values.chain([(None, self.everybody)]);
        Facts {
            user: format!("p{me}"),
            active: person.active,
            keys: by_key(vec![format!("p{me}")]),
            roles,
            groups: person.groups.iter().map(|at| format!("g{at}")).collect(),
            groups_below: below.iter().map(|at| format!("g{at}")).collect(),
            group_nodes: up
                .iter()
                .map(|&at| GroupNode {
                    key: format!("g{at}"),
                    name: None,
                    parent: self.groups[at].parent.map(|at| format!("g{at}")),
                })
                .collect(),
            reports: by_key(self.reports(me).iter().map(|at| format!("p{at}")).collect()),
            colleagues: by_key(members(&person.groups)),
            colleagues_tree: by_key(members(&below)),
            settings: values
                .filter_map(|(group, value)| {
                    Some(SettingValue {
                        group: group.map(|at| format!("g{at}")),
                        setting: "on".to_owned(),
                        value: value?,
                    })
                })
                .collect(),
            shares: self
                .given
                .iter()
                .filter(|given| match given.to {
                    Ok(person) => person == me,
                    Err(group) => person.groups.contains(&group),
                })
                .map(|given| Share {
                    module: given.module.to_owned(),
                    record: given.record.to_string(),
                    level: given.level.to_owned(),
                    expires: given.expires,
                    group: given.to.err().map(|at| format!("g{at}")),
                })
                .collect(),
            ..Facts::default()
        }
    }

    /// The groups and all below them.
    pub(crate) fn below(&self, groups: &BTreeSet<usize>) -> BTreeSet<usize> {
        let is_below = |at: usize| {
            let mut next = Some(at);
            while let Some(here) = next {
                if groups.contains(&here) {
                    return true;
                }
                next = self.groups[here].parent;
            }
            false
        };
        (0..GROUPS).filter(|&at| is_below(at)).collect()
    }

    /// Everybody under a person's supervision.
    pub(crate) fn reports(&self, me: usize) -> BTreeSet<usize> {
        let is_under = |at: usize| {
            let mut next = self.people[at].supervisor;
            while let Some(here) = next {
                if here == me {
                    return true;
                }
                next = self.people[here].supervisor;
            }
            false
        };
        (0..PEOPLE).filter(|&at| is_under(at)).collect()
    }
}

impl Scope {
    fn text(&self) -> String {
        let mut text = format!("{{ scope = {:?}", self.name);
        if self.when {
            text.push_str(", when = \"on\"");
        }
        if let Some(reach) = self.reach {
            let _ = write!(text, ", reach = {:?}", reach.name());
        }
        if let Some(scopes) = &self.scopes {
            let _ = write!(text, ", scopes = {scopes:?}");
        }
        text + " }"
    }
}
