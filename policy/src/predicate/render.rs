//! A [`Predicate`] as PostgreSQL's SQL: every operator, type and function qualified, every part
//! in parentheses, so that neither `search_path` nor precedence can change what it means.

use super::type_family::{BOOLEAN, Family, NUMERIC, TEXT};
use super::{Comparison, Operand, Predicate, USER_KEY};
use crate::quote::{self, QuoteError};

/// What a column of a predicate is in the statement that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedColumn {
    /// A reference, quoted already: `"region"` or `o."region"`.
    pub sql: String,
    /// Its type, qualified and quoted as SQL: `pg_catalog.int4`. For a domain the type beneath.
    pub type_name: String,
}

/// Why a predicate doesn't fit its columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The table has no such column.
    #[error("there is no column {0:?}")]
    UnknownColumn(String),
    /// Two columns of one comparison have different types.
    #[error("columns of different types are compared: {0} and {1}")]
    TypesDiffer(String, String),
    /// A literal isn't what a column of this type is compared with.
    #[error("{literal:?} isn't a value for the type {type_name}: {remedy}")]
    WrongLiteral {
        /// The literal, as the predicate has it.
        literal: String,
        /// The type of the column, or of the other literals.
        type_name: String,
        /// What to write.
        remedy: &'static str,
    },
    /// A key or attribute, which is text, is compared with a type whose text reads differently
    /// from session to session.
    #[error("me() and attributes are text, and can't be compared with the type {0}")]
    NotFromText(String),
    /// A column stands by itself and isn't boolean.
    #[error("the column {0:?} of type {1} is no condition by itself: compare it with a value")]
    NotBoolean(String, String),
    /// LIKE on something else than text.
    #[error("LIKE compares text, and this is of type {0}")]
    NotText(String),
    /// AND, OR or IN of nothing; a parsed predicate has none.
    #[error("AND, OR or IN without members")]
    Empty,
    /// A name or value that PostgreSQL can't have.
    #[error("{0:?} can't be written: {1}")]
    Quote(String, QuoteError),
}

type Columns<'a> = &'a dyn Fn(&str) -> Option<RenderedColumn>;

impl Predicate {
    /// Writes the predicate as a boolean SQL expression. `columns` gives what each column is,
    /// `None` for one that the table hasn't.
    ///
    /// The expression calls `celador.my_key(text)`, `celador.my_attribute(text)` (both return
    /// text, cast here to the column's type) and `celador.has_role(text)`.
    ///
    /// # Errors
    /// When a column is unknown or its type doesn't fit what it is compared with. Whether a string
    /// is a value of the column's type (a uuid, say) is seen only by the server.
    pub fn render(&self, columns: Columns<'_>) -> Result<String, RenderError> {
        match self {
            Self::And(parts) => joined(parts, "AND", columns),
            Self::Or(parts) => joined(parts, "OR", columns),
            Self::Not(inner) => Ok(format!("(NOT {})", inner.render(columns)?)),
            Self::Compare { left, op, right } => {
                let type_name = common_type(&[left, right], columns)?;
                compare(left, op.operator(), right, &type_name, columns)
            }
            Self::In {
                operand,
                list,
                negated,
            } => is_in(operand, list, *negated, columns),
            Self::Between {
                operand,
                low,
                high,
                negated,
            } => {
                let type_name = common_type(&[operand, low, high], columns)?;
                let (above, joint, below) = if *negated {
                    (Comparison::Less, "OR", Comparison::Greater)
                } else {
                    (Comparison::GreaterOrEqual, "AND", Comparison::LessOrEqual)
                };
                Ok(format!(
                    "({} {joint} {})",
                    compare(operand, above.operator(), low, &type_name, columns)?,
                    compare(operand, below.operator(), high, &type_name, columns)?,
                ))
            }
            Self::IsNull { operand, negated } => {
                let type_name = common_type(&[operand], columns)?;
                let test = if *negated { "IS NOT NULL" } else { "IS NULL" };
                Ok(format!("({} {test})", value(operand, &type_name, columns)?))
            }
            Self::Like {
                operand,
                pattern,
                case_insensitive,
                negated,
            } => {
                let type_name = common_type(&[operand], columns)?;
                if Family::of(&type_name) != Family::Text {
                    return Err(RenderError::NotText(type_name));
                }
                let operator = match (negated, case_insensitive) {
                    (false, false) => "~~",
                    (false, true) => "~~*",
                    (true, false) => "!~~",
                    (true, true) => "!~~*",
                };
                Ok(format!(
                    "({} OPERATOR(pg_catalog.{operator}) {}::{TEXT})",
                    value(operand, &type_name, columns)?,
                    quoted(pattern)?,
                ))
            }
            Self::HasRole(role) => Ok(format!("celador.has_role({})", quoted(role)?)),
            Self::Flag(name) => {
                let column = lookup(name, columns)?;
                if Family::of(&column.type_name) != Family::Boolean {
                    return Err(RenderError::NotBoolean(name.clone(), column.type_name));
                }
                Ok(format!("({})", column.sql))
            }
        }
    }
}

impl Comparison {
    fn operator(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

fn joined(parts: &[Predicate], joint: &str, columns: Columns<'_>) -> Result<String, RenderError> {
    if parts.is_empty() {
        return Err(RenderError::Empty);
    }
    let parts = parts
        .iter()
        .map(|part| part.render(columns))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(format!("({})", parts.join(&format!(" {joint} "))))
}

fn is_in(
    operand: &Operand,
    list: &[Operand],
    negated: bool,
    columns: Columns<'_>,
) -> Result<String, RenderError> {
    if list.is_empty() {
        return Err(RenderError::Empty);
    }
    let all: Vec<&Operand> = list.iter().chain([operand]).collect();
    let type_name = common_type(&all, columns)?;
    let items = list
        .iter()
        .map(|item| value(item, &type_name, columns))
        .collect::<Result<Vec<_>, _>>()?;
    let test = if negated {
        "OPERATOR(pg_catalog.<>) ALL"
    } else {
        "OPERATOR(pg_catalog.=) ANY"
    };
    Ok(format!(
        "({} {test} (ARRAY[{}]::{type_name}[]))",
        value(operand, &type_name, columns)?,
        items.join(", "),
    ))
}

fn compare(
    left: &Operand,
    operator: &str,
    right: &Operand,
    type_name: &str,
    columns: Columns<'_>,
) -> Result<String, RenderError> {
    Ok(format!(
        "({} OPERATOR(pg_catalog.{operator}) {})",
        value(left, type_name, columns)?,
        value(right, type_name, columns)?,
    ))
}

/// The type that a comparison is made in: the columns' if there are any, else what the literals
/// are. The person's keys and attributes are text and are cast to it.
fn common_type(operands: &[&Operand], columns: Columns<'_>) -> Result<String, RenderError> {
    let mut of_columns: Option<String> = None;
    let mut of_literals: Option<&str> = None;
    for operand in operands {
        let literal = match operand {
            Operand::Column(name) => {
                let found = lookup(name, columns)?.type_name;
                if let Some(first) = of_columns.replace(found.clone())
                    && first != found
                {
                    return Err(RenderError::TypesDiffer(first, found));
                }
                continue;
            }
            Operand::Me(_) | Operand::Attribute(_) => continue,
            Operand::Text(_) => TEXT,
            Operand::Number(_) => NUMERIC,
            Operand::Bool(_) => BOOLEAN,
        };
        // A second kind of literal is refused where it's written.
        of_literals.get_or_insert(literal);
    }
    Ok(of_columns.unwrap_or_else(|| of_literals.unwrap_or(TEXT).to_owned()))
}

fn value(operand: &Operand, type_name: &str, columns: Columns<'_>) -> Result<String, RenderError> {
    let family = Family::of(type_name);
    let literal = |text: String, fits: bool| {
        if fits {
            Ok(format!("{}::{type_name}", quoted(&text)?))
        } else {
            Err(RenderError::WrongLiteral {
                literal: text,
                type_name: type_name.to_owned(),
                remedy: family.remedy(),
            })
        }
    };
    let of_person = |function: &str, name: &str| {
        if family.reads_text_alike() {
            Ok(format!(
                "celador.{function}({})::{type_name}",
                quoted(name)?
            ))
        } else {
            Err(RenderError::NotFromText(type_name.to_owned()))
        }
    };
    match operand {
        Operand::Column(name) => Ok(lookup(name, columns)?.sql),
        Operand::Me(key) => of_person("my_key", key.as_deref().unwrap_or(USER_KEY)),
        Operand::Attribute(name) => of_person("my_attribute", name),
        Operand::Text(text) => literal(text.clone(), family.takes_text(text)),
        Operand::Number(number) => literal(number.to_string(), family.takes_number(number)),
        Operand::Bool(truth) => literal(truth.to_string(), family == Family::Boolean),
    }
}

fn lookup(name: &str, columns: Columns<'_>) -> Result<RenderedColumn, RenderError> {
    columns(name).ok_or_else(|| RenderError::UnknownColumn(name.to_owned()))
}

fn quoted(value: &str) -> Result<String, RenderError> {
    quote::literal(value).map_err(|error| RenderError::Quote(value.to_owned(), error))
}
