//! The closed list of what may differ, each entry proved about the very statement.
//!
//! A constraint sees rows that the person doesn't. Where the shadow refuses by a constraint that
//! Celador's side passes for a hidden row's sake, or that it doesn't come to, the constraint is
//! lifted and the statement run again: then all must be the same.

use postgres::Client;

use super::compare::Outcome;
use super::generator::Statement;
use super::schema::{Reference, Schema};

/// What may differ, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowed {
    /// A unique index has the value in a row that the person doesn't see.
    UniqueWithHidden,
    /// A foreign key finds a row that the person doesn't see.
    RefersToHidden,
    /// A row that the person doesn't see refers to one that goes.
    ReferredByHidden,
    /// The record that a row would point to isn't seen, and pointing to it would bring it into reach:
    /// Celador refuses it, on the shadow its foreign key does.
    PointsToHidden,
    /// The cursor is on no row, and whoever may write none of the table's isn't told.
    CursorOnNoRow,
    /// Both sides refuse the statement, for different ones of several reasons.
    OtherReason,
}

/// Why a difference may be one.
#[derive(Debug)]
pub enum Excuse {
    /// Celador's side has done nothing, for this reason.
    Stands(Allowed),
    /// Once this is done on the shadow there must be no difference.
    Lifts(Allowed, String),
}

/// Errors of constraints: unique, foreign keys, NOT NULL, CHECK.
const CONSTRAINTS: [&str; 5] = ["23505", "23503", "23001", "23502", "23514"];

/// The excuse for a difference, if there is one. It may end the shadow's transaction.
pub fn excuse(
    shadow: &mut Client,
    schema: &Schema,
    statement: &Statement,
    (real, plain): (&Outcome, &Outcome),
) -> Option<Excuse> {
    let written = statement.writes.as_ref()?;
    match (real, plain) {
        (Outcome::Failed { code, .. }, Outcome::Failed { code: other, .. }) => {
            let is_known =
                matches!(code.as_str(), "42501" | "21000") || CONSTRAINTS.contains(&code.as_str());
            if !is_known {
                return None;
            }
            // The other reason must hold too.
            let lift = if other == "42501" {
                format!("ALTER TABLE public.{written} DISABLE TRIGGER \"~shadow\"")
            } else {
                lift(plain)?
            };
            Some(Excuse::Lifts(Allowed::OtherReason, lift))
        }
        (Outcome::Done { .. }, Outcome::Failed { code, .. }) if code == "23503" => {
            shadow.batch_execute("ROLLBACK").ok()?;
            refers_to_hidden(shadow, schema, plain)?;
            Some(Excuse::Lifts(Allowed::RefersToHidden, lift(plain)?))
        }
        (Outcome::Failed { code, .. }, Outcome::Done { .. })
            if code == "23503" || code == "23001" =>
        {
            referred_by_hidden(shadow, schema, real)?;
            Some(Excuse::Stands(Allowed::ReferredByHidden))
        }
        (
            Outcome::Failed {
                code, constraint, ..
            },
            Outcome::Done { .. },
        ) if code == "23505" => {
            conflicts_with_hidden(shadow, schema, written, Some(constraint))?;
            Some(Excuse::Stands(Allowed::UniqueWithHidden))
        }
        // What is refused as soon as it is offered is found to be there on the shadow.
        (Outcome::Failed { code, message, .. }, Outcome::Done { tag: 0, .. })
            if code == "42501"
                && message.contains("would bring a record of module")
                && statement.kind == "on conflict" =>
        {
            offers_hidden(shadow, schema, written, message, statement)?;
            Some(Excuse::Stands(Allowed::PointsToHidden))
        }
        (Outcome::Failed { code, message, .. }, Outcome::Done { .. })
            if code == "42501" && message.contains("would bring a record of module") =>
        {
            points_to_hidden(shadow, schema, written, message)?;
            Some(Excuse::Stands(Allowed::PointsToHidden))
        }
        (Outcome::Done { rows, tag: 0 }, Outcome::Failed { code, .. })
            if code == "24000" && statement.kind == "current of" && rows.is_empty() =>
        {
            Some(Excuse::Stands(Allowed::CursorOnNoRow))
        }
        // DO UPDATE comes to a row out of reach.
        (Outcome::Failed { code, .. }, Outcome::Done { .. })
            if code == "42501" && statement.kind == "on conflict" && statement.strict =>
        {
            conflicts_with_hidden(shadow, schema, written, None)?;
            Some(Excuse::Stands(Allowed::UniqueWithHidden))
        }
        // DO NOTHING: nothing was done.
        (Outcome::Done { rows, tag: 0 }, Outcome::Done { tag: 1, .. })
            if statement.kind == "on conflict" && !statement.strict && rows.is_empty() =>
        {
            conflicts_with_hidden(shadow, schema, written, None)?;
            Some(Excuse::Stands(Allowed::UniqueWithHidden))
        }
        (Outcome::Failed { .. } | Outcome::Done { .. }, Outcome::Done { .. })
        | (Outcome::Done { .. }, Outcome::Failed { .. }) => None,
    }
}

/// What takes away the constraint that an error is about.
fn lift(refused: &Outcome) -> Option<String> {
    let Outcome::Failed {
        code,
        table,
        column,
        constraint,
        ..
    } = refused
    else {
        return None;
    };
    let name = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let change = match code.as_str() {
        "23502" => format!("ALTER COLUMN {} DROP NOT NULL", name(column)),
        "23503" | "23001" | "23505" | "23514" => {
            format!("DROP CONSTRAINT IF EXISTS {} CASCADE", name(constraint))
        }
        _ => return None,
    };
    let lifted = ["public", "stored"]
        .map(|schema| format!("ALTER TABLE IF EXISTS {schema}.{} {change}", name(table)));
    Some(lifted.join(";"))
}

fn is_true(client: &mut Client, sql: &str) -> Option<()> {
    let row = client
        .query_one(&format!("SELECT {sql}"), &[])
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    row.get::<_, bool>(0).then_some(())
}

/// The key that the shadow misses is that of a hidden row.
fn refers_to_hidden(shadow: &mut Client, schema: &Schema, refused: &Outcome) -> Option<()> {
    let Outcome::Failed {
        detail,
        table,
        constraint,
        ..
    } = refused
    else {
        return None;
    };
    let value = detail.split(")=(").nth(1)?.split(')').next()?;
    let reference = schema
        .named(table)?
        .references
        .iter()
        .find(|reference| reference.constraint == *constraint)?;
    let sql = format!(
        "EXISTS (SELECT FROM hidden.{} WHERE {}::text = '{}')",
        reference.table,
        reference.key,
        value.replace('\'', "''")
    );
    is_true(shadow, &sql)
}

/// The reference whose column an error names.
fn reference_in<'a>(schema: &'a Schema, table: &str, message: &str) -> Option<&'a Reference> {
    let column = message.split('"').nth(1)?;
    let mut references = schema.table(table).references.iter();
    references.find(|reference| reference.column == column)
}

/// A row that the statement has written on the shadow, its foreign keys lifted, points by the column of
/// the error to a hidden row.
fn points_to_hidden(
    shadow: &mut Client,
    schema: &Schema,
    table: &str,
    message: &str,
) -> Option<()> {
    let reference = reference_in(schema, table, message)?;
    let sql = format!(
        "EXISTS (SELECT FROM public.{} p JOIN hidden.{} h ON h.{} = p.{} WHERE age(p.xmin) <= age(pg_current_xact_id()::xid))",
        schema.table(table).name,
        reference.table,
        reference.key,
        reference.column
    );
    is_true(shadow, &sql)
}

/// A row that the statement offers points by the column of the error to a hidden row.
fn offers_hidden(
    shadow: &mut Client,
    schema: &Schema,
    table: &str,
    message: &str,
    statement: &Statement,
) -> Option<()> {
    let reference = reference_in(schema, table, message)?;
    let offers = statement.steps.iter().find_map(|step| {
        let (offer, _) = step.sql.split_once(" ON CONFLICT")?;
        let (into, values) = offer.split_once(" VALUES ")?;
        let (_, columns) = into.split_once('(')?;
        Some(format!("(VALUES {values}) AS v({columns}"))
    })?;
    let sql = format!(
        "EXISTS (SELECT FROM {offers} JOIN hidden.{} h ON h.{}::text = v.{}::text)",
        reference.table, reference.key, reference.column
    );
    is_true(shadow, &sql)
}

/// What the statement has removed on the shadow is what hidden rows refer to, by the constraint of
/// the error.
fn referred_by_hidden(shadow: &mut Client, schema: &Schema, refused: &Outcome) -> Option<()> {
    let Outcome::Failed {
        table, constraint, ..
    } = refused
    else {
        return None;
    };
    let child = schema.named(table)?;
    let reference = child
        .references
        .iter()
        .find(|reference| reference.constraint == *constraint)?;
    schema.tables.get(&reference.table)?;
    let sql = format!(
        "EXISTS (SELECT FROM hidden.{} c WHERE c.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM all_rows.{} p WHERE p.{} = c.{column}))",
        child.name,
        reference.table,
        reference.key,
        column = reference.column
    );
    is_true(shadow, &sql)
}

/// A row that the statement has written on the shadow has the key of a hidden row: in the index
/// that is named, or in any.
fn conflicts_with_hidden(
    shadow: &mut Client,
    schema: &Schema,
    table: &str,
    index: Option<&str>,
) -> Option<()> {
    let table = schema.table(table);
    let conflicts: Vec<String> = table
        .unique
        .iter()
        .filter(|unique| index.is_none_or(|index| unique.name == index))
        .map(|unique| {
            let same: Vec<String> = unique
                .columns
                .iter()
                .map(|column| format!("h.{column} = p.{column}"))
                .collect();
            format!(
                "EXISTS (SELECT FROM hidden.{name} h JOIN {}.{name} p ON {} WHERE age(p.xmin) <= age(pg_current_xact_id()::xid))",
                table.place(),
                same.join(" AND "),
                name = table.name
            )
        })
        .collect();
    if conflicts.is_empty() {
        return None;
    }
    is_true(shadow, &conflicts.join(" OR "))
}
