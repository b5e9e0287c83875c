//! What came of a statement on both sides, and whether it is the same.

use postgres::{Client, SimpleQueryMessage};

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
        /// The column.
        column: String,
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
                column: error.column().unwrap_or_default().to_owned(),
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
}
