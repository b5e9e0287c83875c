//! What one person may do: computed from the policy and what the directory tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::action::Action;
use crate::around::{Around, GroupsOf, OwnersOf};
use crate::directory::{Facts, HeldRole, ShareLevel};
use crate::document::ScopeName;
use crate::field::FieldRight;
use crate::key_set::KeySet;
use crate::policy_set::{CellRef, Grant, GrantScope, PolicySet, Via};

pub use crate::giving::{covers_role, pointing_gives};

/// What one person may do.
#[derive(Debug, Clone)]
pub struct Access {
    facts: Facts,
    roles: BTreeMap<String, Vec<Option<String>>>,
    settings: BTreeSet<String>,
    restricted: BTreeSet<String>,
    around: Around,
}

/// The rows of a module that one person reaches in one way: any of these.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reach {
    /// All of them.
    pub all: bool,
    /// Key name → owners whose rows are in reach.
    pub owners: Arc<BTreeMap<String, KeySet>>,
    /// Groups whose rows are in reach.
    pub groups: Arc<KeySet>,
    /// Rows that the person created.
    pub created: bool,
    /// Rows without owner.
    pub unassigned: bool,
    /// Rows given to the person.
    pub shared: KeySet,
    /// Rows that hang on a record in reach.
    pub parents: BTreeSet<Via>,
    /// Rows that a record in reach points to.
    pub related: BTreeSet<Via>,
    /// Rules whose predicate opens rows.
    pub rules: BTreeSet<String>,
}

impl Reach {
    /// Whether every row that the other reaches is reached by this one, whatever the rows are. It
    /// may be so and not be seen: a rule may say what another does.
    ///
    /// ```text
    /// own, group  covers  own;  all  covers  whatever;  own  doesn't cover  unassigned
    /// ```
    pub fn covers(&self, other: &Self) -> bool {
        let owners = other.owners.iter().all(|(key, owners)| {
            owners.is_empty()
                || (self.owners.get(key)).is_some_and(|known| known.contains_all(owners))
        });
        self.all
            || !other.all
                && owners
                && self.groups.contains_all(&other.groups)
                && self.created >= other.created
                && self.unassigned >= other.unassigned
                && self.shared.contains_all(&other.shared)
                && self.parents.is_superset(&other.parents)
                && self.related.is_superset(&other.related)
                && self.rules.is_superset(&other.rules)
    }
}

/// One grant of a cell, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldGrant<'a> {
    /// The grant.
    pub grant: &'a Grant,
    /// The role.
    pub role: &'a str,
    /// The group through which the role is held.
    pub group: Option<&'a str>,
    /// Whether the setting that it depends on is on.
    pub counts: bool,
}

impl Access {
    /// Computes the access of the person whom `facts` describe. An inactive person has none.
    pub fn compute(policy: &PolicySet, facts: Facts) -> Self {
        let mut access = Self {
            roles: if facts.active {
                roles_held(policy, &facts.roles)
            } else {
                BTreeMap::new()
            },
            settings: BTreeSet::new(),
            restricted: BTreeSet::new(),
            around: Around::default(),
            facts,
        };
        for (name, setting) in &policy.settings {
            if setting_is_on(&access.facts, name, setting.default) {
                access.settings.insert(name.clone());
            }
        }
        for (name, restriction) in &policy.restrictions {
            let names_me = restriction.is_for_everybody()
                || restriction.users.contains(&access.facts.user)
                || (access.facts.login.iter())
                    .chain(&access.facts.logins)
                    .any(|login| restriction.users.contains(login))
                || access
                    .facts
                    .groups
                    .iter()
                    .any(|group| restriction.groups.contains(group))
                || access.facts.group_nodes.iter().any(|node| {
                    restriction.groups.contains(&node.key)
                        || node
                            .name
                            .as_ref()
                            .is_some_and(|name| restriction.groups.contains(name))
                });
            let applies = restriction
                .when
                .as_ref()
                .is_none_or(|name| access.settings.contains(name));
            if names_me && applies {
                access.restricted.insert(name.clone());
            }
        }
        access
    }

    /// What the directory tells of the person.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The roles held, directly, through a group, or implied by others.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }

    /// The roles held, each with the group through which it is held, once for each way.
    pub fn roles_with_groups(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.roles
            .iter()
            .flat_map(|(role, ways)| ways.iter().map(|group| (role.as_str(), group.as_deref())))
    }

    /// Whether the person holds the role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains_key(role)
    }

    /// Whether the setting is on for (one of) the person's groups.
    pub fn setting(&self, name: &str) -> bool {
        self.settings.contains(name)
    }

    /// Whether the restriction applies to the person, for what the cell is about. Scopes that
    /// are written out stand for no action in particular: every restriction applies to them.
    pub fn restricted(&self, policy: &PolicySet, name: &str, cell: &CellRef) -> bool {
        self.restricted.contains(name)
            && policy
                .restrictions
                .get(name)
                .is_none_or(|restriction| match cell {
                    CellRef::Action(action) | CellRef::Grant(action, _) => {
                        restriction.actions.contains(action)
                    }
                    CellRef::AssignTo(_) => restriction.actions.contains(&Action::Assign),
                    CellRef::Scopes(_) => true,
                    // The row is there already: no restriction is about its fields.
                    CellRef::Field(..) => false,
                })
    }

    /// Every grant that the person's roles have in a cell, counting or not.
    pub fn grants<'a>(
        &'a self,
        policy: &'a PolicySet,
        module: &'a str,
        action: Action,
    ) -> impl Iterator<Item = HeldGrant<'a>> {
        self.held(move |role| policy.grants(role, module, action))
    }

    /// Every grant that the person's roles have of a right to a field, counting or not.
    pub fn field_grants<'a>(
        &'a self,
        policy: &'a PolicySet,
        module: &'a str,
        field: &'a str,
        right: &'a FieldRight,
    ) -> impl Iterator<Item = HeldGrant<'a>> {
        self.held(move |role| policy.field_right(role, module, field, right))
    }

    fn held<'a>(
        &'a self,
        grants: impl Fn(&str) -> &'a [Grant] + 'a,
    ) -> impl Iterator<Item = HeldGrant<'a>> {
        self.roles.iter().flat_map(move |(role, ways)| {
            grants(role).iter().flat_map(move |grant| {
                ways.iter().map(move |group| HeldGrant {
                    grant,
                    role,
                    group: group.as_deref(),
                    counts: (grant.when.as_ref()).is_none_or(|name| self.settings.contains(name)),
                })
            })
        })
    }

    /// The rows that the person reaches. `now` in seconds since 1970.
    pub fn reach(&self, policy: &PolicySet, module: &str, cell: &CellRef, now: f64) -> Reach {
        let mut reach = Reach::default();
        if !self.facts.active {
            return reach;
        }
        let mut sets = (OwnersOf::default(), GroupsOf::default());
        let mut add = |scope: &GrantScope, level| {
            self.add(&mut reach, &mut sets, scope, module, level, now);
        };
        match cell {
            CellRef::Action(action) => {
                let held = self.grants(policy, module, *action);
                for held in held.filter(|held| held.counts) {
                    add(&held.grant.scope, share_level(*action));
                }
            }
            CellRef::AssignTo(bound) => {
                let held = self.grants(policy, module, Action::Assign);
                for held in held.filter(|held| held.counts && held.grant.to == *bound) {
                    add(&held.grant.scope, None);
                }
            }
            CellRef::Field(field, right) => {
                let level = match right {
                    FieldRight::Shown(_) => ShareLevel::Read,
                    FieldRight::Write => ShareLevel::Update,
                };
                let held = self.field_grants(policy, module, field, right);
                for held in held.filter(|held| held.counts) {
                    add(&held.grant.scope, Some(level));
                }
            }
            CellRef::Grant(action, scope) => add(scope, share_level(*action)),
            CellRef::Scopes(scopes) => {
                for &scope in scopes {
                    add(&GrantScope::Plain(scope), Some(ShareLevel::Read));
                }
            }
        }
        reach.owners = self.around.owners(sets.0, &self.facts);
        reach.groups = self.around.groups(sets.1, &self.facts);
        reach
    }

    /// The bounds on the new owner or group under which the person may assign; `None` among
    /// them is no bound.
    pub fn assign_bounds(
        &self,
        policy: &PolicySet,
        module: &str,
    ) -> BTreeSet<Option<BTreeSet<ScopeName>>> {
        self.grants(policy, module, Action::Assign)
            .filter(|held| held.counts)
            .map(|held| held.grant.to.clone())
            .collect()
    }

    /// How many rows of the module one statement may return to the person; `None`: as many as there are.
    ///
    /// Whoever may export all that he or she reads has no limit; else the widest of what the roles say.
    pub fn row_limit(&self, policy: &PolicySet, module: &str, now: f64) -> Option<u64> {
        let read = self.grants(policy, module, Action::Read);
        let numbers: Option<Vec<u64>> = (read.filter(|held| held.counts))
            .map(|held| held.grant.rows)
            .collect();
        let widest = numbers?.into_iter().max()?;
        let reach = |action: Action| self.reach(policy, module, &CellRef::Action(action), now);
        let exported = reach(Action::Export);
        let exports = exported != Reach::default() && exported.covers(&reach(Action::Read));
        (!exports).then_some(widest)
    }

    /// When the first share ends, in seconds since 1970.
    pub fn deadline(&self) -> Option<f64> {
        self.facts
            .shares
            .iter()
            .filter_map(|share| share.expires)
            .min_by(f64::total_cmp)
    }

    fn add(
        &self,
        reach: &mut Reach,
        sets: &mut (OwnersOf, GroupsOf),
        scope: &GrantScope,
        module: &str,
        level: Option<ShareLevel>,
        now: f64,
    ) {
        let facts = &self.facts;
        match scope {
            GrantScope::Plain(ScopeName::All) => reach.all = true,
            GrantScope::Plain(
                scope @ (ScopeName::Own
                | ScopeName::Reports
                | ScopeName::Colleagues
                | ScopeName::ColleaguesTree),
            ) => sets.0.add(*scope),
            GrantScope::Plain(scope @ (ScopeName::Group | ScopeName::GroupTree)) => {
                sets.1.add(*scope);
            }
            GrantScope::Plain(ScopeName::Created) => reach.created = true,
            GrantScope::Plain(ScopeName::Unassigned) => reach.unassigned = true,
            GrantScope::Plain(ScopeName::Shared) => {
                let live = facts.shares.iter().filter(|share| {
                    share.module == module
                        && share.expires.is_none_or(|end| end > now)
                        && level.is_some_and(|needed| {
                            ShareLevel::from_name(&share.level).is_some_and(|given| given >= needed)
                        })
                });
                reach.shared.extend(live.map(|share| share.record.as_str()));
            }
            // The check turns these into the variants below; here they reach nothing.
            GrantScope::Plain(ScopeName::Parent | ScopeName::Related) => {}
            GrantScope::Parent(via) => {
                reach.parents.insert(via.clone());
            }
            GrantScope::Related(via) => {
                reach.related.insert(via.clone());
            }
            GrantScope::Rule(rule) => {
                reach.rules.insert(rule.clone());
            }
        }
    }
}

/// The level that a share needs for an action; `None`: no share covers it.
pub(crate) fn share_level(action: Action) -> Option<ShareLevel> {
    match action {
        Action::Read | Action::Export => Some(ShareLevel::Read),
        Action::Update => Some(ShareLevel::Update),
        Action::Delete => Some(ShareLevel::Delete),
        Action::Create | Action::Assign | Action::Claim | Action::Import | Action::Customise => {
            None
        }
    }
}

/// What the directory says that one person holds, and what that implies: role → the groups through
/// which it is held (`None`: directly or implied).
pub fn roles_held(policy: &PolicySet, held: &[HeldRole]) -> BTreeMap<String, Vec<Option<String>>> {
    let mut roles: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for held in held {
        let role = policy
            .directory
            .roles_held
            .get(held.source)
            .and_then(|from| from.role_of(&held.value));
        if let Some(role) = role.filter(|role| policy.roles.contains_key(*role)) {
            let ways = roles.entry(role.to_owned()).or_default();
            if !ways.contains(&held.group) {
                ways.push(held.group.clone());
            }
        }
    }
    loop {
        let implied: Vec<String> = policy
            .roles
            .iter()
            .filter(|(name, role)| {
                !roles.contains_key(*name)
                    && !role.implied_by.is_empty()
                    && role
                        .implied_by
                        .iter()
                        .all(|needed| roles.contains_key(needed))
            })
            .map(|(name, _)| name.clone())
            .collect();
        if implied.is_empty() {
            return roles;
        }
        for name in implied {
            roles.insert(name, vec![None]);
        }
    }
}

/// On if it is on for any of the person's groups; a group without a value takes the value of the
/// nearest group above that has one, then the value for everybody, then the default.
fn setting_is_on(facts: &Facts, name: &str, default: bool) -> bool {
    let value_of = |group: Option<&str>| {
        facts
            .settings
            .iter()
            .find(|value| value.setting == name && value.group.as_deref() == group)
            .map(|value| value.value)
    };
    let everybody = value_of(None).unwrap_or(default);
    if facts.groups.is_empty() {
        return everybody;
    }
    facts.groups.iter().any(|group| {
        let mut at = Some(group.as_str());
        let mut steps = 0;
        while let Some(key) = at.filter(|_| steps <= facts.group_nodes.len()) {
            if let Some(value) = value_of(Some(key)) {
                return value;
            }
            at = facts
                .group_nodes
                .iter()
                .find(|node| node.key == key)
                .and_then(|node| node.parent.as_deref());
            steps += 1;
        }
        everybody
    })
}
