//! Whom a change of the directory concerns: whose [`Facts`] may be others afterwards.
//!
//! A person has topics: keys, groups, people supervised. A changed row has topics as well, by the parts
//! that its table plays. Whoever shares none of them keeps what was told before; where a part doesn't say
//! whom it is about, it is about everybody.

use std::collections::{BTreeSet, HashMap};

use super::person::Needed;
use super::{Active, Directory, Facts, Holder, Source, Supervision, Told};
use crate::access::roles_held;
use crate::policy_set::{Column, KeyColumn, PolicySet};
use crate::schema::{TableName, is_key_type};

/// What a person and a row of the directory can have in common. Keys are text, as in [`Facts`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic<'a> {
    /// The person's key of that name.
    Key(&'a str, &'a str),
    /// A group that the person is in.
    Member(&'a str),
    /// A group whose members matter to the person.
    Around(&'a str),
    /// A group that the person is in, or one above.
    Above(&'a str),
    /// Somebody whose subordinates are the person's.
    Supervisor(&'a str),
}

/// What a person's facts depend on.
///
/// A member of group 3, below 1, with the key 42, whose roles ask for nobody around:
/// `Key("user", "42")`, `Member("3")`, `Above("3")`, `Above("1")`.
pub fn topics_of<'a>(policy: &PolicySet, facts: &'a Facts) -> BTreeSet<Topic<'a>> {
    let needed = Needed::by(policy, roles_held(policy, &facts.roles).keys());
    let mut topics = BTreeSet::new();
    for (name, values) in &facts.keys {
        topics.extend(values.iter().map(|value| Topic::Key(name, value)));
    }
    topics.extend(facts.groups.iter().map(|group| Topic::Member(group)));
    topics.extend(facts.group_nodes.iter().map(|node| Topic::Above(&node.key)));
    if needed.colleagues || needed.colleagues_tree {
        let groups = facts.groups.iter().chain(&facts.groups_below);
        topics.extend(groups.map(|group| Topic::Around(group)));
    }
    if needed.reports {
        let above = [facts.keys.get("user"), facts.reports.get("user")];
        let above = above.into_iter().flatten().flatten();
        topics.extend(above.map(|person| Topic::Supervisor(person)));
    }
    topics
}

/// The rows of a table that a statement has changed: as they were, and as they are. Rows of either that
/// have one like them in the other may be left out.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// The columns, in the order of the rows' values.
    pub columns: Vec<String>,
    /// Rows as they were.
    pub before: Vec<Row>,
    /// Rows as they are.
    pub after: Vec<Row>,
}

impl Changed {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// The values of a row as PostgreSQL prints them; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// The topics of what has changed in the tables that `is_table` says it has; `None`: everybody's.
///
/// A membership of 42 in group 3 that is new: `Key("user", "42")`, `Around("3")`.
pub fn topics_in<'a>(
    directory: &'a Directory,
    is_table: &dyn Fn(&TableName) -> bool,
    changed: &'a Changed,
) -> Option<BTreeSet<Topic<'a>>> {
    let mut topics = BTreeSet::new();
    let mut known = false;
    for part in parts(directory)
        .into_iter()
        .filter(|part| is_table(&part.source.table))
    {
        known = true;
        topics.extend(part.topics_in(changed)?);
    }
    known.then_some(topics)
}

/// One thing that a table tells.
struct Part<'a> {
    source: &'a Source,
    /// The columns that tell it.
    columns: Vec<&'a Column>,
    /// Whom a row is about; `None`: everybody.
    about: Option<Vec<About<'a>>>,
}

/// A column that names whom a row is about.
#[derive(Clone, Copy)]
enum About<'a> {
    /// By the key of that name.
    Key(&'a str, &'a Column),
    Member(&'a Column),
    Around(&'a Column),
    /// NULL is everybody.
    Above(&'a Column),
    Supervisor(&'a Column),
}

impl<'a> About<'a> {
    fn person(user: &'a KeyColumn) -> Self {
        Self::Key(&user.key, &user.column)
    }

    fn holder(holder: &'a Holder) -> Self {
        match holder {
            Holder::User(user) => Self::person(user),
            Holder::Group(group) => Self::Member(group),
        }
    }

    fn column(self) -> &'a Column {
        match self {
            Self::Key(_, column)
            | Self::Member(column)
            | Self::Around(column)
            | Self::Above(column)
            | Self::Supervisor(column) => column,
        }
    }

    fn topic(self, value: &'a str) -> Topic<'a> {
        match self {
            Self::Key(name, _) => Topic::Key(name, value),
            Self::Member(_) => Topic::Member(value),
            Self::Around(_) => Topic::Around(value),
            Self::Above(_) => Topic::Above(value),
            Self::Supervisor(_) => Topic::Supervisor(value),
        }
    }

    /// NULL names nobody, but where it stands for everybody.
    fn null_is_everybody(self) -> bool {
        matches!(self, Self::Above(_))
    }
}

impl<'a> Part<'a> {
    /// The topics of what has changed of this part; `None`: everybody's.
    fn topics_in(&self, changed: &'a Changed) -> Option<BTreeSet<Topic<'a>>> {
        let names = self.columns.iter().map(|column| column.name.as_str());
        let names: BTreeSet<&str> = names
            .chain(self.source.filter_types.keys().map(String::as_str))
            .collect();
        let at = |name: &str| changed.columns.iter().position(|column| column == name);
        let places: Vec<usize> = names.into_iter().map(at).collect::<Option<_>>()?;
        let differing = differing(changed, &places);
        let mut topics = BTreeSet::new();
        if differing.is_empty() {
            return Some(topics);
        }
        for about in self.about.as_ref()? {
            let column = about.column();
            let place = at(&column.name).filter(|_| is_exact(column))?;
            for row in &differing {
                match row.get(place)? {
                    Some(value) => topics.extend([about.topic(value)]),
                    None if about.null_is_everybody() => return None,
                    None => {}
                }
            }
        }
        Some(topics)
    }
}

/// The rows that have no equal in those places on the other side.
fn differing<'a>(changed: &'a Changed, places: &[usize]) -> Vec<&'a Row> {
    let told = |row: &'a Row| -> Vec<Option<&'a str>> {
        let value = |place: &usize| row.get(*place).and_then(Option::as_deref);
        places.iter().map(value).collect()
    };
    let mut counts: HashMap<Vec<Option<&str>>, (&Row, i64)> = HashMap::new();
    for (rows, one) in [(&changed.before, -1), (&changed.after, 1)] {
        for row in rows {
            counts.entry(told(row)).or_insert((row, 0)).1 += one;
        }
    }
    let rows = counts.into_values().filter(|(_, count)| *count != 0);
    rows.map(|(row, _)| row).collect()
}

/// Whether equal values of the column, and no others, are printed alike: `bpchar` is padded.
fn is_exact(column: &Column) -> bool {
    is_key_type(&column.type_name) && column.type_name != "pg_catalog.bpchar"
}

/// Everything that the directory's tables tell. A part's columns say whom its rows are about as well: two
/// people who exchange what is told of them are a change.
fn parts<'a>(directory: &'a Directory) -> Vec<Part<'a>> {
    let mut parts = of_people(directory);
    let mut add = |source, columns: Vec<Option<&'a Column>>, about| {
        parts.push(Part {
            source,
            columns: columns.into_iter().flatten().collect(),
            about,
        });
    };
    let groups = &directory.groups;
    let tree = [&groups.name, &groups.parent];
    let tree = tree.into_iter().map(Option::as_ref);
    let columns = tree.chain([Some(&groups.key)]).collect();
    add(&groups.source, columns, None);
    for membership in &directory.memberships {
        let (user, group) = (&membership.user, &membership.group);
        let about = vec![About::person(user), About::Around(group)];
        let columns = vec![Some(&user.column), Some(group)];
        add(&membership.source, columns, Some(about));
    }
    for held in &directory.roles_held {
        let columns = vec![Some(held.holder.column()), Some(&held.role)];
        let about = vec![About::holder(&held.holder)];
        add(&held.source, columns, Some(about));
    }
    for share in &directory.shares {
        let columns = vec![
            share.module.column(),
            Some(&share.record),
            Some(share.holder.column()),
            share.level.column(),
            share.expires.as_ref(),
        ];
        let about = vec![About::holder(&share.holder)];
        add(&share.source, columns, Some(about));
    }
    let settings = &directory.settings;
    let group = settings.group.as_ref();
    let columns = vec![group, Some(&settings.setting), Some(&settings.value)];
    let about = group.map(|group| vec![About::Above(group)]);
    add(&settings.source, columns, about);
    parts
}

/// What is told of the people themselves. Keys and logins are how others find them.
fn of_people(directory: &Directory) -> Vec<Part<'_>> {
    let users = &directory.users;
    let user = &users.keys["user"];
    let mut finding: Vec<&Column> = users.keys.values().collect();
    let mut own: Vec<&Column> = vec![user];
    let mut parts = Vec::new();
    let mut add = |source, columns, about| {
        parts.push(Part {
            source,
            columns,
            about,
        });
    };
    match &users.login {
        None => {}
        Some(Told::Column(login)) => finding.push(login),
        Some(Told::Table(place)) => {
            add(&place.source, vec![&place.user.column, &place.value], None);
        }
    }
    for told in users.attributes.values() {
        match told {
            Told::Column(attribute) => own.push(attribute),
            Told::Table(place) => {
                let about = vec![About::person(&place.user)];
                let columns = vec![&place.user.column, &place.value];
                add(&place.source, columns, Some(about));
            }
        }
    }
    for active in &users.active {
        match active {
            Active::Column(active) => own.push(active),
            Active::Table(place) => {
                let about = vec![About::person(&place.user)];
                let columns = std::iter::once(&place.user.column).chain(&place.column);
                add(&place.source, columns.collect(), Some(about));
            }
        }
    }
    match &users.supervision {
        None => {}
        Some(Supervision::Column(above)) => {
            let about = vec![About::Supervisor(&above.column)];
            let about = (above.key == "user").then_some(about);
            add(&users.source, vec![user, &above.column], about);
        }
        // It may lead from one to another by keys that are nobody's.
        Some(Supervision::Table(tree)) => {
            add(&tree.source, vec![&tree.user, &tree.supervisor], None);
        }
    }
    for place in users.more_keys.values() {
        add(&place.source, vec![&place.user, &place.value], None);
    }
    add(&users.source, finding, None);
    add(&users.source, own, Some(vec![About::Key("user", user)]));
    parts
}
