//! What came of a statement on both sides, whether it is the same, and the closed list of what may
//! differ.

use postgres::{Client, SimpleQueryMessage};

use super::generator::Statement;
use super::schema::Schema;

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Rows, and the number in the command tag.
    Done {
        /// The rows as text.
        rows: Vec<Vec<Option<String>>>,
        /// The number in the command tag.
        tag: u64,
    },
    /// PostgreSQL's error.
    Failed {
        /// The SQLSTATE.
        code: String,
        /// The message.
        message: String,
        /// The details.
        detail: String,
        /// The table that it is about.
        table: String,
        /// The constraint.
        constraint: String,
    },
}

/// Runs one step.
pub fn run(client: &mut Client, sql: &str) -> Outcome {
    match client.simple_query(sql) {
        Ok(messages) => {
            let (mut rows, mut tag) = (Vec::new(), 0);
            for message in messages {
                if let SimpleQueryMessage::Row(row) = message {
                    rows.push(
                        (0..row.len())
                            .map(|at| row.get(at).map(str::to_owned))
                            .collect(),
                    );
                } else if let SimpleQueryMessage::CommandComplete(number) = message {
                    tag = number;
                }
            }
            Outcome::Done { rows, tag }
        }
        Err(error) => {
            let error = error
                .as_db_error()
                .unwrap_or_else(|| panic!("{sql}: not the server's error: {error}"));
            Outcome::Failed {
                code: error.code().code().to_owned(),
                message: error.message().to_owned(),
                detail: error.detail().unwrap_or_default().to_owned(),
                table: error.table().unwrap_or_default().to_owned(),
                constraint: error.constraint().unwrap_or_default().to_owned(),
            }
        }
    }
}

impl Outcome {
    /// The same rows, as a multiset unless their order is total, and the same tag; or errors with
    /// the same code.
    pub fn same(&self, other: &Self, ordered: bool) -> bool {
        match (self, other) {
            (
                Self::Done { rows, tag },
                Self::Done {
                    rows: other_rows,
                    tag: other_tag,
                },
            ) => {
                let mut sorted = (rows.clone(), other_rows.clone());
                if !ordered {
                    sorted.0.sort();
                    sorted.1.sort();
                }
                tag == other_tag && sorted.0 == sorted.1
            }
            (Self::Failed { code, .. }, Self::Failed { code: other, .. }) => code == other,
            (Self::Done { .. }, Self::Failed { .. }) | (Self::Failed { .. }, Self::Done { .. }) => {
                false
            }
        }
    }

    /// It gave or changed a row: a single row of nothing but zeros and NULLs doesn't count.
    pub fn gave(&self) -> bool {
        match self {
            Self::Done { rows, tag } => {
                let empty = |row: &Vec<Option<String>>| {
                    row.iter()
                        .all(|value| value.as_deref().is_none_or(|v| v == "0"))
                };
                *tag > 0 && !(rows.len() == 1 && empty(&rows[0]))
            }
            Self::Failed { .. } => false,
        }
    }

    fn code(&self) -> &str {
        match self {
            Self::Done { .. } => "",
            Self::Failed { code, .. } => code,
        }
    }
}

/// What may differ, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowed {
    /// A unique index has the value in a row that the person doesn't see.
    UniqueWithHidden,
    /// A foreign key finds a row that the person doesn't see.
    RefersToHidden,
    /// A row that the person doesn't see refers to one that goes.
    ReferredByHidden,
    /// Both sides refuse the statement, for different ones of several reasons.
    OtherReason,
}

const REFUSALS: [&str; 7] = [
    "42501", "23505", "23503", "23502", "23514", "21000", "23001",
];

/// Which entry of the closed list explains a difference. `rolled_back` says whether the shadow's
/// transaction is over because its side failed.
pub fn allowed(
    shadow: &mut Client,
    schema: &Schema,
    statement: &Statement,
    (real, plain): (&Outcome, &Outcome),
) -> Option<Allowed> {
    let table = schema.table(statement.writes.as_ref()?);
    match (real, plain) {
        (Outcome::Failed { code, .. }, Outcome::Failed { code: other, .. }) => {
            let both = [code, other]
                .iter()
                .all(|code| REFUSALS.contains(&code.as_str()));
            both.then_some(Allowed::OtherReason)
        }
        (
            Outcome::Done { .. },
            Outcome::Failed {
                code,
                detail,
                table: from,
                constraint,
                ..
            },
        ) if code == "23503" => {
            shadow.batch_execute("ROLLBACK").ok()?;
            let value = detail.split(")=(").nth(1)?.split(')').next()?;
            let reference = schema.tables.get(from)?.references.iter().find(|r| {
                constraint.contains(&r.column) && detail.contains(&format!("({})=", r.column))
            })?;
            let sql = format!(
                "SELECT EXISTS (SELECT FROM hidden.{} WHERE {}::text = $1)",
                reference.table, reference.key
            );
            shadow
                .query_one(&sql, &[&value])
                .ok()?
                .get::<_, bool>(0)
                .then_some(Allowed::RefersToHidden)
        }
        (_, Outcome::Done { .. }) if real.code() == "23503" || real.code() == "23001" => {
            let Outcome::Failed { table: from, .. } = real else {
                return None;
            };
            let child = schema.tables.get(from)?;
            let dangling: Vec<String> = child
                .references
                .iter()
                .filter(|r| schema.tables.contains_key(&r.table))
                .map(|r| {
                    format!(
                        "EXISTS (SELECT FROM hidden.{} c WHERE c.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM all_rows.{} p WHERE p.{} = c.{column}))",
                        child.name, r.table, r.key, column = r.column
                    )
                })
                .collect();
            let sql = format!("SELECT {}", dangling.join(" OR "));
            shadow
                .query_one(&sql, &[])
                .ok()?
                .get::<_, bool>(0)
                .then_some(Allowed::ReferredByHidden)
        }
        // A row written on the shadow alone, whose key a hidden row has.
        (_, Outcome::Done { .. }) => {
            let inserts = [
                "insert",
                "insert select",
                "on conflict",
                "merge",
                "update",
                "prepared write",
                "with changed",
                "current of",
            ];
            if !inserts.contains(&statement.kind) || !matches!(real.code(), "" | "23505" | "42501")
            {
                return None;
            }
            let conflicts: Vec<String> = table
                .unique
                .iter()
                .map(|index| {
                    let same: Vec<String> =
                        index.iter().map(|c| format!("h.{c} = p.{c}")).collect();
                    format!(
                        "EXISTS (SELECT FROM hidden.{name} h JOIN public.{name} p ON {})",
                        same.join(" AND "),
                        name = table.name
                    )
                })
                .collect();
            let sql = format!("SELECT {}", conflicts.join(" OR "));
            shadow
                .query_one(&sql, &[])
                .ok()?
                .get::<_, bool>(0)
                .then_some(Allowed::UniqueWithHidden)
        }
        (Outcome::Done { .. }, Outcome::Failed { .. }) => None,
    }
}
