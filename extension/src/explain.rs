//! Explains: who asks, and why a record is or isn't in reach.

use std::rc::Rc;

use celador_policy::policy_set::{CellRef, Grant, Placement};
use celador_policy::row_policy::followed::{Key, belongs, keyed};
use celador_policy::row_policy::{
    claim_only_restrictions, no_owner_sql, reach_sql, restriction_terms,
};
use celador_policy::{Action, PolicySet, TableName};
use pgrx::prelude::*;

use crate::identity::Source;
use crate::session::{self, Person};
use crate::spi::{self, Reads};
use crate::{catalog, errors, relations};

/// `celador.whoami()`: who asks and how the session came to it, or why nobody asks.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn whoami() -> TableIterator<
    'static,
    (
        name!(user, Option<String>),
        name!(source, Option<String>),
        name!(reason, Option<String>),
        name!(roles, Vec<String>),
        name!(groups, Vec<String>),
    ),
> {
    session::begin_statement();
    let row = match session::asker() {
        Ok(person) => (
            Some(person.access.facts().user.clone()),
            Some(
                match person.source {
                    Source::Token => "token",
                    Source::Login => "login",
                    Source::Lent => "lent",
                }
                .to_owned(),
            ),
            None,
            person.access.roles().map(str::to_owned).collect(),
            person.access.facts().groups.clone(),
        ),
        Err(nobody) => (
            None,
            None,
            Some(format!("{}. {}", nobody.reason, nobody.hint)),
            Vec::new(),
            Vec::new(),
        ),
    };
    TableIterator::once(row)
}

/// Kind, name, result, source.
pub(crate) type Line = (String, String, String, String);

/// `celador.explain_access(table, key, user, action)`: a line for each scope and restriction.
#[pg_extern]
#[allow(clippy::type_complexity)]
fn explain_access(
    relation: pg_sys::Oid,
    record: &str,
    user: &str,
    action: &str,
) -> TableIterator<
    'static,
    (
        name!(kind, String),
        name!(name, String),
        name!(result, String),
        name!(source, String),
    ),
> {
    let action = crate::knowing::action(action);
    session::begin_statement();
    let Some(catalog) = catalog::current() else {
        errors::fault("no policy is loaded")
    };
    let person = match session::person_of(&catalog, user, Source::Lent) {
        Ok(person) => person,
        Err(nobody) => {
            let line = (
                "user".to_owned(),
                user.to_owned(),
                "false".to_owned(),
                nobody.reason,
            );
            return TableIterator::once(line);
        }
    };
    let name = relations::display_name(relation);
    let table = relations::table_name(relation);
    let lines = session::lend(Rc::clone(&person), || {
        explain(&person, table, &name, record, action)
    });
    TableIterator::new(lines)
}

fn explain(
    person: &Rc<Person>,
    table: Option<TableName>,
    name: &str,
    record: &str,
    action: Action,
) -> Vec<Line> {
    let policy = person.policy();
    let line = |kind: &str, name: &str, result: &str, source: String| {
        (kind.to_owned(), name.to_owned(), result.to_owned(), source)
    };
    let Some(table) = table else {
        errors::fault("a table without a name")
    };
    let Some(placement) = policy.tables.get(&table) else {
        return vec![line(
            "table",
            name,
            "false",
            "the policy doesn't place the table".to_owned(),
        )];
    };
    let places = placement.places();
    let split = matches!(placement, Placement::Parts(_));
    let mut lines = Vec::new();
    for (_, place) in places {
        match answer_of_place(place, action) {
            None => {
                for module in place.holds() {
                    let found = explain_record(person, module, record, action);
                    if !split {
                        return found;
                    }
                    // Of several modules the one says something whose record it is.
                    if found.iter().all(|(kind, ..)| kind != "record") {
                        let source = "the record is one of it".to_owned();
                        lines.push(line("module", module, "true", source));
                        lines.extend(found);
                    }
                }
            }
            Some((result, source)) if split => {
                let source = format!("of the rows that belong there: {source}");
                lines.push(line("table", name, result, source));
            }
            Some((result, source)) => lines.push(line("table", name, result, source)),
        }
    }
    if lines.is_empty() {
        lines.push(line(
            "record",
            record,
            "false",
            "there is no such record of any module".to_owned(),
        ));
    }
    lines.sort();
    lines
}

/// What decides about a table's rows where they are no records themselves: a result and its source.
fn answer_of_place(place: &Placement, action: Action) -> Option<(&'static str, String)> {
    match place {
        Placement::Module(_) => None,
        Placement::Child {
            module,
            column,
            above,
            ..
        } => {
            let followed = match above {
                None => format!("the record of module {module}"),
                Some(above) => format!("the row of {above}, a child of module {module},"),
            };
            Some((
                "not applicable",
                format!(
                    "it follows {followed} in column {}: explain that one",
                    column.name
                ),
            ))
        }
        Placement::Link { module, .. } => Some((
            "not applicable",
            format!("it links records of module {module}: explain those"),
        )),
        Placement::Parts(_) | Placement::Closed => {
            Some(("false", "the table is closed".to_owned()))
        }
        Placement::Open => Some(("true", "the table is open".to_owned())),
        Placement::Readable => {
            let reads = matches!(action, Action::Read | Action::Export);
            let source = "whoever is signed in reads the table, and nobody writes it".to_owned();
            Some((if reads { "true" } else { "false" }, source))
        }
    }
}

/// A line for each scope and restriction of the module.
fn explain_record(
    person: &Rc<Person>,
    module_name: &str,
    record: &str,
    action: Action,
) -> Vec<Line> {
    let policy = person.policy();
    let line = |kind: &str, name: &str, result: &str, source: String| {
        (kind.to_owned(), name.to_owned(), result.to_owned(), source)
    };
    let module = &policy.modules[module_name];
    let Some(key) = &module.key else {
        errors::raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("records of module \"{module_name}\" have no key"),
            "Map its key: mapping.modules.….key.",
        )
    };
    if !session::can_be(record, &key.type_name) {
        return vec![line(
            "record",
            record,
            "false",
            format!("{} holds no such key", key.name),
        )];
    }
    let (mut lines, questions) = questions(person, module_name, action);
    answer(person, module_name, key, record, questions, &mut lines);
    lines
}

/// What decides about a module's records for a person: lines that are the same for all records, and
/// what is to be asked of each.
pub(crate) fn questions(
    person: &Person,
    module_name: &str,
    action: Action,
) -> (Vec<Line>, Vec<Question>) {
    let policy = person.policy();
    let module = &policy.modules[module_name];
    let line = |kind: &str, name: &str, result: &str, source: String| {
        (kind.to_owned(), name.to_owned(), result.to_owned(), source)
    };
    let mut lines = Vec::new();
    let mut questions = Vec::new();
    let action = policy.writing_action(module_name, action);
    let mut held: Vec<_> = person
        .access
        .grants(policy, module_name, action)
        .map(|held| (held, action))
        .collect();
    // What can be claimed can be read.
    if action == Action::Read && !module.owners.is_empty() {
        let claims = person.access.grants(policy, module_name, Action::Claim);
        held.extend(claims.map(|held| (held, Action::Claim)));
    }
    if held.is_empty() {
        let roles: Vec<&str> = person.access.roles().collect();
        let roles = if roles.is_empty() {
            "no role".to_owned()
        } else {
            format!("roles {}", roles.join(", "))
        };
        lines.push(line(
            "permission",
            module_name,
            "false",
            format!("{roles}: none grants {} here", action.name()),
        ));
    }
    for (held, by) in held {
        let way = match held.group {
            Some(group) => format!("role {} through group {group}", held.role),
            None => format!("role {}", held.role),
        };
        let source = match &held.grant.when {
            Some(setting) => format!("{way}, when {setting}"),
            None => way,
        };
        let scope = if by == action {
            held.grant.scope.name()
        } else {
            format!("{}: {}", by.name(), held.grant.scope.name())
        };
        if held.counts {
            let sql = grant_sql(policy, module_name, held.grant, by, action);
            questions.push((("scope".to_owned(), scope, source), sql));
        } else {
            lines.push(line(
                "scope",
                &scope,
                "not applicable",
                format!("{source} is off"),
            ));
        }
    }
    let cell = CellRef::Action(action);
    for (restriction, sql) in restriction_terms(policy, module_name, &cell, "r.") {
        if person.access.restricted(policy, &restriction, &cell) {
            questions.push((
                (
                    "restriction".to_owned(),
                    restriction,
                    "applies to the user".to_owned(),
                ),
                sql,
            ));
        } else {
            lines.push(line(
                "restriction",
                &restriction,
                "not applicable",
                "doesn't apply to the user".to_owned(),
            ));
        }
    }
    (lines, questions)
}

/// The condition that one grant stands for. `by` is the action that grants, `asked` the one that
/// is asked about: what can be claimed can be read.
fn grant_sql(policy: &PolicySet, module: &str, grant: &Grant, by: Action, asked: Action) -> String {
    let cell = CellRef::Action(by);
    let alone = CellRef::Grant(by, Box::new(grant.scope.clone()));
    let reach = reach_sql(policy, module, &alone, "r.");
    if by != Action::Claim {
        return reach;
    }
    let mut all = vec![reach, no_owner_sql(policy, module, &cell, "r.")];
    if asked == Action::Read {
        all.extend(claim_only_restrictions(policy, module, "r."));
    }
    format!("({})", all.join(" AND "))
}

/// Kind, name and source of a line, and what to ask of the row `r`.
pub(crate) type Question = ((String, String, String), String);

/// Asks all questions of the record at once.
fn answer(
    person: &Person,
    module: &str,
    key: &celador_policy::policy_set::Column,
    record: &str,
    questions: Vec<Question>,
    lines: &mut Vec<Line>,
) {
    let answers: Vec<String> = questions
        .iter()
        .map(|(_, sql)| format!("({sql})"))
        .collect();
    let columns = if answers.is_empty() {
        "true".to_owned()
    } else {
        answers.join(", ")
    };
    let tables = &person.policy().modules[module].tables;
    let row = tables.iter().find_map(|table| {
        let owner = relations::relation(&table.schema, &table.name).and_then(relations::owner)?;
        let sql = format!(
            "SELECT {columns} FROM {} AS r WHERE {} AND {}",
            table.sql(),
            keyed(key, Key::Text),
            belongs(&person.policy().modules[module])
        );
        spi::with_rights_of(owner, || {
            spi::connected(|| {
                spi::read(&sql, &[record], Reads::Statement)
                    .into_iter()
                    .next()
            })
        })
    });
    let Some(row) = row else {
        lines.insert(
            0,
            (
                "record".to_owned(),
                record.to_owned(),
                "false".to_owned(),
                "there is no such record".to_owned(),
            ),
        );
        return;
    };
    for (at, ((kind, name, source), _)) in questions.into_iter().enumerate() {
        let result = match row.get(at).cloned().flatten().as_deref() {
            Some("t") => "true",
            Some(_) | None => "false",
        };
        lines.push((kind, name, result.to_owned(), source));
    }
    lines.sort();
}
