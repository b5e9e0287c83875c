//! A [`Predicate`] as PostgreSQL's SQL: every operator, type and function qualified, every part
//! in parentheses, so that neither `search_path` nor precedence can change what it means.

use super::{Comparison, Number, Operand, Predicate, USER_KEY};
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
    #[error("{literal} isn't a value for the type {type_name}: {remedy}")]
    WrongLiteral {
        /// The literal, as the predicate has it.
        literal: String,
        /// The type of the column, or of the other literals.
        type_name: String,
        /// What to write.
        remedy: &'static str,
    },
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

const TEXT: &str = "pg_catalog.text";
const NUMERIC: &str = "pg_catalog.numeric";
const BOOLEAN: &str = "pg_catalog.bool";

type Columns<'a> = &'a dyn Fn(&str) -> Option<RenderedColumn>;

impl Predicate {
    /// Writes the predicate as a boolean SQL expression. `columns` gives what each column is,
    /// `None` for one that the table hasn't.
    ///
    /// The expression calls `celador.my_key(text)`, `celador.my_attribute(text)` (both return
    /// text, cast here to the column's type) and `celador.has_role(text)`.
    ///
    /// # Errors
    /// When a column is unknown or its type doesn't fit what it is compared with. That a string
    /// is a value of the column's type (a date, say) is seen only by the server.
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

/// Which literals a type is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Numbers without a fraction, within the bounds.
    Integer(i128, i128),
    /// Any number.
    Decimal,
    /// TRUE and FALSE.
    Boolean,
    /// Strings, LIKE too.
    Text,
    /// Strings that the server reads.
    Other,
}

impl Family {
    fn of(type_name: &str) -> Self {
        match type_name {
            "pg_catalog.int2" => Self::Integer(i16::MIN.into(), i16::MAX.into()),
            "pg_catalog.int4" => Self::Integer(i32::MIN.into(), i32::MAX.into()),
            "pg_catalog.int8" => Self::Integer(i64::MIN.into(), i64::MAX.into()),
            "pg_catalog.oid" => Self::Integer(0, u32::MAX.into()),
            NUMERIC | "pg_catalog.float4" | "pg_catalog.float8" => Self::Decimal,
            BOOLEAN => Self::Boolean,
            TEXT | "pg_catalog.varchar" | "pg_catalog.bpchar" => Self::Text,
            _ => Self::Other,
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
    let wrong = |literal: String| {
        let remedy = match family {
            Family::Integer(..) => "write a number without a fraction, within the type's bounds",
            Family::Decimal => "write a number, without quotes",
            Family::Boolean => "write TRUE or FALSE",
            Family::Text | Family::Other => "write a string in single quotes",
        };
        Err(RenderError::WrongLiteral {
            literal,
            type_name: type_name.to_owned(),
            remedy,
        })
    };
    let cast = |value: &str| Ok(format!("{}::{type_name}", quoted(value)?));
    match operand {
        Operand::Column(name) => Ok(lookup(name, columns)?.sql),
        Operand::Me(key) => {
            let key = quoted(key.as_deref().unwrap_or(USER_KEY))?;
            Ok(format!("celador.my_key({key})::{type_name}"))
        }
        Operand::Attribute(name) => Ok(format!(
            "celador.my_attribute({})::{type_name}",
            quoted(name)?
        )),
        Operand::Text(text) => match family {
            Family::Text | Family::Other => cast(text),
            Family::Integer(..) | Family::Decimal | Family::Boolean => wrong(format!("{text:?}")),
        },
        Operand::Number(number) => match family {
            Family::Integer(least, greatest) if within(number, least, greatest) => {
                cast(&number.to_string())
            }
            Family::Decimal => cast(&number.to_string()),
            Family::Integer(..) | Family::Boolean | Family::Text | Family::Other => {
                wrong(number.to_string())
            }
        },
        Operand::Bool(value) => match family {
            Family::Boolean => cast(if *value { "true" } else { "false" }),
            Family::Integer(..) | Family::Decimal | Family::Text | Family::Other => {
                wrong(value.to_string().to_uppercase())
            }
        },
    }
}

fn within(number: &Number, least: i128, greatest: i128) -> bool {
    number
        .to_integer()
        .is_some_and(|value| (least..=greatest).contains(&value))
}

fn lookup(name: &str, columns: Columns<'_>) -> Result<RenderedColumn, RenderError> {
    columns(name).ok_or_else(|| RenderError::UnknownColumn(name.to_owned()))
}

fn quoted(value: &str) -> Result<String, RenderError> {
    quote::literal(value).map_err(|error| RenderError::Quote(value.to_owned(), error))
}
