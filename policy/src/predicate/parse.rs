//! From a text to a [`Predicate`]: `sqlparser` finds the structure, and every part that isn't
//! listed here is refused.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, InTarget, ObjectNamePart, Spanned, UnaryOperator, Value,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::lex;
use super::{Comparison, Number, Operand, Predicate, PredicateError};

const LANGUAGE: &str = "a predicate has columns, literals, = <> < <= > >=, IN, BETWEEN, LIKE, \
                        IS NULL, AND, OR, NOT, me(), me.attribute and has_role('name')";

impl Predicate {
    /// Reads a predicate.
    ///
    /// Unquoted names are folded to lower case, as PostgreSQL does. Qualified columns,
    /// sub-queries, casts, arithmetic, other functions and comments are refused, and so is
    /// whatever one server or parser might read differently from another (escapes in strings,
    /// reserved words as columns, numbers that aren't plain decimals).
    ///
    /// # Errors
    /// Says what is wrong, where, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PredicateError> {
        let tokens = lex::tokens(text)?;
        if tokens.is_empty() {
            return Err(PredicateError::new(
                "the predicate is empty",
                LANGUAGE,
                None,
            ));
        }
        let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens);
        let expression = parser.parse_expr().map_err(|error| unreadable(&error))?;
        let next = parser.peek_token_ref();
        if next.token != Token::EOF {
            return Err(PredicateError::new(
                "the predicate should have ended here",
                format!("join conditions with AND or OR; {LANGUAGE}"),
                offset_of(next.span.start.column),
            ));
        }
        condition(&expression)
    }
}

/// The lexer puts everything on line 1 and counts columns from 1; column 0 means unknown.
fn offset_of(column: u64) -> Option<usize> {
    usize::try_from(column.checked_sub(1)?).ok()
}

fn unreadable(error: &ParserError) -> PredicateError {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "it is nested too deep",
    };
    let (message, offset) = match text.rsplit_once(" at Line: 1, Column: ") {
        Some((message, column)) => (message, column.parse().ok().and_then(offset_of)),
        None => (text, None),
    };
    PredicateError::new(
        format!("the predicate can't be read: {message}"),
        LANGUAGE,
        offset,
    )
}

fn refuse(
    expression: &Expr,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> PredicateError {
    PredicateError::new(message, remedy, offset_of(expression.span().start.column))
}

fn foreign(expression: &Expr) -> PredicateError {
    refuse(
        expression,
        "this isn't part of the predicate language",
        LANGUAGE,
    )
}

/// A part that is true, false or unknown.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever SQL has, now or later, and isn't listed is refused"
)]
fn condition(expression: &Expr) -> Result<Predicate, PredicateError> {
    match expression {
        Expr::Nested(inner) => condition(inner),
        Expr::BinaryOp {
            op: BinaryOperator::And,
            ..
        } => Ok(Predicate::And(chain(expression, &BinaryOperator::And)?)),
        Expr::BinaryOp {
            op: BinaryOperator::Or,
            ..
        } => Ok(Predicate::Or(chain(expression, &BinaryOperator::Or)?)),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => Ok(Predicate::Not(Box::new(condition(expr)?))),
        Expr::BinaryOp { left, op, right } => {
            let Some(op) = comparison(op) else {
                return Err(foreign(expression));
            };
            let (left, right) = (operand(left)?, operand(right)?);
            about_something(expression, [&left, &right])?;
            Ok(Predicate::Compare { left, op, right })
        }
        Expr::In {
            expr: value,
            target: InTarget::List(list),
            negated,
            global: false,
        } => {
            let value = operand(value)?;
            let list = list.iter().map(operand).collect::<Result<Vec<_>, _>>()?;
            if list.is_empty() {
                return Err(refuse(
                    expression,
                    "the list is empty",
                    "name at least one value",
                ));
            }
            about_something(expression, list.iter().chain([&value]))?;
            Ok(Predicate::In {
                operand: value,
                list,
                negated: *negated,
            })
        }
        Expr::Between {
            expr: value,
            negated,
            low,
            high,
        } => {
            let (value, low, high) = (operand(value)?, operand(low)?, operand(high)?);
            about_something(expression, [&value, &low, &high])?;
            Ok(Predicate::Between {
                operand: value,
                low,
                high,
                negated: *negated,
            })
        }
        Expr::IsNull(value) => is_null(expression, value, false),
        Expr::IsNotNull(value) => is_null(expression, value, true),
        Expr::Like {
            negated,
            any: false,
            expr: value,
            pattern,
            escape_char: None,
        } => like(expression, value, pattern, false, *negated),
        Expr::ILike {
            negated,
            any: false,
            expr: value,
            pattern,
            escape_char: None,
        } => like(expression, value, pattern, true, *negated),
        Expr::Function(function) => match call(function) {
            Some(Call::HasRole(role)) => Ok(Predicate::HasRole(role)),
            Some(Call::Me(_)) => Err(refuse(
                expression,
                "me() is a value, not a condition",
                "compare it: owner_id = me()",
            )),
            None => Err(unknown_function(expression)),
        },
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => match operand(expression)? {
            Operand::Column(column) => Ok(Predicate::Flag(column)),
            _ => Err(refuse(
                expression,
                "an attribute is a value, not a condition",
                "compare it: me.region = 'EMEA', me.vip = TRUE",
            )),
        },
        Expr::IsTrue(_) | Expr::IsNotTrue(_) | Expr::IsFalse(_) | Expr::IsNotFalse(_) => {
            Err(refuse(
                expression,
                "IS TRUE and IS FALSE aren't part of the language",
                "write column = TRUE, and OR column IS NULL if a missing value counts",
            ))
        }
        Expr::Value(_) => Err(refuse(
            expression,
            "a literal is no condition on a row",
            "leave the predicate out, or use the scope `all`",
        )),
        _ => Err(foreign(expression)),
    }
}

/// The members of `a AND b AND c`, which the parser nests to the left; no recursion along it.
fn chain(expression: &Expr, operator: &BinaryOperator) -> Result<Vec<Predicate>, PredicateError> {
    let mut members = Vec::new();
    let mut rest = expression;
    while let Expr::BinaryOp { left, op, right } = rest
        && op == operator
    {
        members.push(right.as_ref());
        rest = left;
    }
    members.push(rest);
    let mut chained = Vec::new();
    for member in members.into_iter().rev() {
        match (condition(member)?, operator) {
            (Predicate::And(inner), BinaryOperator::And)
            | (Predicate::Or(inner), BinaryOperator::Or) => chained.extend(inner),
            (other, _) => chained.push(other),
        }
    }
    Ok(chained)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "operators that aren't listed are refused"
)]
fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    match operator {
        BinaryOperator::Eq => Some(Comparison::Equal),
        BinaryOperator::NotEq => Some(Comparison::NotEqual),
        BinaryOperator::Lt => Some(Comparison::Less),
        BinaryOperator::LtEq => Some(Comparison::LessOrEqual),
        BinaryOperator::Gt => Some(Comparison::Greater),
        BinaryOperator::GtEq => Some(Comparison::GreaterOrEqual),
        _ => None,
    }
}

/// A part that has a value.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever SQL has, now or later, and isn't listed is refused"
)]
fn operand(expression: &Expr) -> Result<Operand, PredicateError> {
    match expression {
        Expr::Nested(inner) => operand(inner),
        Expr::Identifier(name) if is_me(name) => Err(refuse(
            expression,
            "`me` alone is neither a column nor a person's key",
            "write me(), me.attribute, or \"me\" for a column of that name",
        )),
        Expr::Identifier(column) => Ok(Operand::Column(name(column, expression)?)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [first, attribute] if is_me(first) => {
                Ok(Operand::Attribute(name(attribute, expression)?))
            }
            _ => Err(refuse(
                expression,
                "a predicate speaks of one row of its own table: names aren't qualified",
                "write the column's name alone",
            )),
        },
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Ok(Operand::Text(text.clone())),
            Value::Number(digits, false) => Number::parse(digits)
                .map(Operand::Number)
                .map_err(|error| refuse(expression, error.to_string(), LANGUAGE)),
            Value::Boolean(value) => Ok(Operand::Bool(*value)),
            Value::Null => Err(refuse(
                expression,
                "a comparison with NULL is never true",
                "write IS NULL or IS NOT NULL",
            )),
            _ => Err(foreign(expression)),
        },
        Expr::Function(function) => match call(function) {
            Some(Call::Me(key)) => Ok(Operand::Me(key)),
            Some(Call::HasRole(_)) => Err(refuse(
                expression,
                "has_role() is a condition, not a value",
                "write it alone, or with NOT in front",
            )),
            None => Err(unknown_function(expression)),
        },
        _ => Err(foreign(expression)),
    }
}

/// A name, unless the parser took a lone `NOT` for one.
fn name(name: &Ident, expression: &Expr) -> Result<String, PredicateError> {
    if name.quote_style.is_none() && lex::is_keyword(&name.value) {
        return Err(refuse(
            expression,
            format!(
                "`{}` has nothing to join or compare",
                name.value.to_uppercase()
            ),
            "complete the condition, or write a name like this in double quotes",
        ));
    }
    Ok(name.value.clone())
}

fn is_me(name: &Ident) -> bool {
    name.quote_style.is_none() && name.value == "me"
}

fn is_null(expression: &Expr, value: &Expr, negated: bool) -> Result<Predicate, PredicateError> {
    let operand = operand(value)?;
    about_something(expression, [&operand])?;
    Ok(Predicate::IsNull { operand, negated })
}

fn like(
    expression: &Expr,
    value: &Expr,
    pattern: &Expr,
    case_insensitive: bool,
    negated: bool,
) -> Result<Predicate, PredicateError> {
    let value = operand(value)?;
    about_something(expression, [&value])?;
    let Operand::Text(pattern) = operand(pattern)? else {
        return Err(refuse(
            pattern,
            "a pattern is a string",
            "write LIKE 'abc%'",
        ));
    };
    Ok(Predicate::Like {
        operand: value,
        pattern,
        case_insensitive,
        negated,
    })
}

/// A condition on literals alone is the same for every row: a slip, or an injected `1 = 1`.
fn about_something<'a>(
    expression: &Expr,
    operands: impl IntoIterator<Item = &'a Operand>,
) -> Result<(), PredicateError> {
    if operands.into_iter().all(Operand::is_literal) {
        return Err(refuse(
            expression,
            "this compares literals with literals",
            "compare a column, me() or an attribute with something",
        ));
    }
    Ok(())
}

enum Call {
    Me(Option<String>),
    HasRole(String),
}

/// Which of the language's two functions is called; `None` for anything else.
fn call(function: &Function) -> Option<Call> {
    let Function {
        name,
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args:
            FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args,
                clauses,
            }),
        within_group,
        filter: None,
        null_treatment: None,
        over: None,
    } = function
    else {
        return None;
    };
    if !clauses.is_empty() || !within_group.is_empty() {
        return None;
    }
    let [
        ObjectNamePart::Identifier(Ident {
            value: name,
            quote_style: None,
            span: _,
        }),
    ] = name.0.as_slice()
    else {
        return None;
    };
    let argument = match args.as_slice() {
        [] => None,
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => {
            let Value::SingleQuotedString(text) = &value.value else {
                return None;
            };
            if text.is_empty() {
                return None;
            }
            Some(text.clone())
        }
        _ => return None,
    };
    match (name.as_str(), argument) {
        ("me", key) => Some(Call::Me(key)),
        ("has_role", Some(role)) => Some(Call::HasRole(role)),
        _ => None,
    }
}

fn unknown_function(expression: &Expr) -> PredicateError {
    refuse(
        expression,
        "this function isn't part of the predicate language",
        "there are me(), me('key') and has_role('role'), with plain strings",
    )
}
