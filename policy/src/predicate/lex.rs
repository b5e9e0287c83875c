//! Cuts a predicate's text into the few tokens that the language has.
//!
//! `sqlparser` sees tokens made here and never the text: its own tokenizer reads some strings,
//! numbers and names differently from PostgreSQL. Everything not listed here is refused, so what
//! is left has one reading. Words that aren't keywords of the language reach the parser as
//! plain names, so that no other construct of SQL can begin.

use std::iter::Peekable;
use std::str::CharIndices;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Word};

use super::PredicateError;
use super::reserved::is_reserved;
use crate::quote::MAX_NAME_BYTES;

/// The longest predicate, in bytes.
pub const MAX_BYTES: usize = 4096;
/// How deep parentheses and NOT may be nested.
pub const MAX_DEPTH: usize = 32;

const KEYWORDS: [(&str, Keyword); 11] = [
    ("and", Keyword::AND),
    ("between", Keyword::BETWEEN),
    ("false", Keyword::FALSE),
    ("ilike", Keyword::ILIKE),
    ("in", Keyword::IN),
    ("is", Keyword::IS),
    ("like", Keyword::LIKE),
    ("not", Keyword::NOT),
    ("null", Keyword::NULL),
    ("or", Keyword::OR),
    ("true", Keyword::TRUE),
];

fn keyword(word: &str) -> Option<Keyword> {
    KEYWORDS
        .iter()
        .find_map(|&(name, keyword)| (name == word).then_some(keyword))
}

/// Is this lower-case word one of the language's own?
pub(super) fn is_keyword(word: &str) -> bool {
    keyword(word).is_some()
}

/// The tokens of a text; each one's span has its offset in characters as column (from 1).
pub(super) fn tokens(text: &str) -> Result<Vec<TokenWithSpan>, PredicateError> {
    if text.len() > MAX_BYTES {
        return Err(PredicateError::new(
            format!("the predicate is longer than {MAX_BYTES} bytes"),
            "split it into several rules, or keep long lists in a table",
            None,
        ));
    }
    let mut lexer = Lexer {
        rest: text.char_indices().peekable(),
        text,
        tokens: Vec::new(),
        levels: vec![0],
    };
    while let Some(&(at, c)) = lexer.rest.peek() {
        lexer.token(at, c)?;
    }
    if lexer.levels.len() > 1 {
        return Err(lexer.refuse(
            text.len(),
            "a parenthesis isn't closed",
            "add the missing `)`",
        ));
    }
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    tokens: Vec<TokenWithSpan>,
    /// For each open parenthesis (and the text itself) how many NOTs are pending in it.
    levels: Vec<usize>,
}

impl Lexer<'_> {
    fn token(&mut self, at: usize, c: char) -> Result<(), PredicateError> {
        match c {
            ' ' | '\t' | '\r' | '\n' => {
                self.rest.next();
                Ok(())
            }
            '\'' => {
                let value = self.quoted(at, '\'')?;
                // PostgreSQL joins two of them if a line break stands between.
                if matches!(
                    self.tokens.last().map(|last| &last.token),
                    Some(Token::SingleQuotedString(_))
                ) {
                    return Err(self.refuse(
                        at,
                        "two strings follow each other",
                        "write one string, with a quote in it doubled: 'it''s'",
                    ));
                }
                self.push(at, Token::SingleQuotedString(value));
                Ok(())
            }
            '"' => {
                let name = self.quoted(at, '"')?;
                if name.is_empty() {
                    return Err(self.refuse(at, "a name is empty", "write the column's name"));
                }
                self.name(at, name, Some('"'), Keyword::NoKeyword)
            }
            'a'..='z' | 'A'..='Z' | '_' => self.word(at),
            '0'..='9' => self.number(at),
            '-' => self.negative_number(at),
            '=' | '<' | '>' | '!' => self.comparison(at),
            '(' => {
                self.rest.next();
                self.levels.push(0);
                self.push(at, Token::LParen);
                self.check_depth(at)
            }
            ')' => {
                self.rest.next();
                self.levels.pop();
                if self.levels.is_empty() {
                    return Err(self.refuse(
                        at,
                        "a parenthesis is closed that wasn't opened",
                        "remove this `)`",
                    ));
                }
                self.push(at, Token::RParen);
                Ok(())
            }
            ',' => {
                self.rest.next();
                self.push(at, Token::Comma);
                Ok(())
            }
            '.' => self.period(at),
            other => Err(self.refuse_character(at, other)),
        }
    }

    /// A text in quotes, which are doubled inside.
    fn quoted(&mut self, at: usize, quote: char) -> Result<String, PredicateError> {
        self.rest.next();
        let mut value = String::new();
        while let Some((here, c)) = self.rest.next() {
            if c == quote {
                if self.rest.next_if(|&(_, next)| next == quote).is_none() {
                    return Ok(value);
                }
                value.push(quote);
            } else if c == '\\' {
                return Err(self.refuse(
                    here,
                    "a backslash in quotes reads differently from server to server",
                    "leave it out; a quote is written twice: 'it''s'",
                ));
            } else if c.is_control() {
                return Err(self.refuse(
                    here,
                    "a control character in quotes",
                    "leave out line breaks, tabs and other control characters",
                ));
            } else {
                value.push(c);
            }
        }
        Err(self.refuse(at, "a quote isn't closed", "add the closing quote"))
    }

    fn word(&mut self, at: usize) -> Result<(), PredicateError> {
        let word = self
            .run(|c| c.is_ascii_alphanumeric() || c == '_')
            .to_ascii_lowercase();
        if let Some(&(_, quote @ ('\'' | '"'))) = self.rest.peek() {
            return Err(self.refuse(
                at,
                format!("`{word}{quote}…`: strings with a prefix aren't part of the language"),
                "write a plain string: 'text'",
            ));
        }
        let Some(keyword) = keyword(&word) else {
            if is_reserved(&word) {
                return Err(self.refuse(
                    at,
                    format!("`{word}` is a word of SQL that isn't part of the language"),
                    format!("if it's a column, write \"{word}\" in double quotes"),
                ));
            }
            return self.name(at, word, None, Keyword::NoKeyword);
        };
        let pending = self.levels.last_mut().expect("the text itself is a level");
        if keyword == Keyword::NOT {
            *pending += 1;
        } else if keyword == Keyword::AND || keyword == Keyword::OR {
            *pending = 0;
        }
        self.check_depth(at)?;
        self.name(at, word, None, keyword)
    }

    fn name(
        &mut self,
        at: usize,
        value: String,
        quote_style: Option<char>,
        keyword: Keyword,
    ) -> Result<(), PredicateError> {
        if value.len() > MAX_NAME_BYTES {
            return Err(self.refuse(
                at,
                format!("a name is longer than {MAX_NAME_BYTES} bytes"),
                "PostgreSQL would cut it: write the name as the catalog has it",
            ));
        }
        self.push(
            at,
            Token::Word(Word {
                value,
                quote_style,
                keyword,
            }),
        );
        Ok(())
    }

    fn number(&mut self, at: usize) -> Result<(), PredicateError> {
        let run = self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$'));
        self.push_number(at, run)
    }

    fn negative_number(&mut self, at: usize) -> Result<(), PredicateError> {
        let before = &self.text[..at];
        let remedy = "comments and arithmetic aren't part of the language; a negative number \
                      is written -5, with a blank before it";
        // PostgreSQL reads `!=-5` as the operator `!=-`.
        if before.ends_with(['=', '<', '>', '!']) {
            return Err(self.refuse(at, "a minus sign sticks to an operator", remedy));
        }
        let follows_value = self.tokens.last().is_some_and(|last| {
            matches!(
                &last.token,
                Token::Word(Word {
                    keyword: Keyword::NoKeyword,
                    ..
                }) | Token::Number(..)
                    | Token::SingleQuotedString(_)
                    | Token::RParen
            )
        });
        self.rest.next();
        let digits = self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$'));
        if follows_value || !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.refuse(at, "this minus sign is no negative number", remedy));
        }
        self.push_number(at, format!("-{digits}"))
    }

    fn push_number(&mut self, at: usize, digits: String) -> Result<(), PredicateError> {
        let quote_follows = matches!(self.rest.peek(), Some((_, '\'' | '"')));
        if quote_follows || super::Number::parse(&digits).is_err() {
            return Err(self.refuse(
                at,
                format!("`{digits}` isn't a plain decimal number"),
                "write digits, with a point if needed: 5, -5 or 0.25",
            ));
        }
        self.push(at, Token::Number(digits, false));
        Ok(())
    }

    fn comparison(&mut self, at: usize) -> Result<(), PredicateError> {
        let operator = self.run(|c| matches!(c, '=' | '<' | '>' | '!'));
        let token = match operator.as_str() {
            "=" => Token::Eq,
            "<>" | "!=" => Token::Neq,
            "<" => Token::Lt,
            "<=" => Token::LtEq,
            ">" => Token::Gt,
            ">=" => Token::GtEq,
            _ => return Err(self.refuse_operator(at, &operator)),
        };
        self.push(at, token);
        Ok(())
    }

    /// A period stands between two names, without blanks.
    fn period(&mut self, at: usize) -> Result<(), PredicateError> {
        self.rest.next();
        let is_name = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '"';
        let before = self.text[..at].ends_with(|c: char| is_name(c) || c.is_ascii_digit());
        let after = self.rest.peek().is_some_and(|&(_, c)| is_name(c));
        if !before || !after {
            return Err(self.refuse(
                at,
                "a point that is neither in a number nor in a name",
                "write numbers as 0.5, and your user's attributes as me.region",
            ));
        }
        self.push(at, Token::Period);
        Ok(())
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut run = String::new();
        while let Some((_, c)) = self.rest.next_if(|&(_, c)| belongs(c)) {
            run.push(c);
        }
        run
    }

    fn check_depth(&self, at: usize) -> Result<(), PredicateError> {
        let depth = self.levels.len() - 1 + self.levels.iter().sum::<usize>();
        if depth > MAX_DEPTH {
            return Err(self.refuse(
                at,
                format!("parentheses and NOT are nested deeper than {MAX_DEPTH}"),
                "write it flatter, or as several rules",
            ));
        }
        Ok(())
    }

    fn push(&mut self, at: usize, token: Token) {
        let column = self.offset(at) as u64 + 1;
        let start = Location::new(1, column);
        self.tokens
            .push(TokenWithSpan::new(token, Span::new(start, start)));
    }

    fn offset(&self, at: usize) -> usize {
        self.text[..at].chars().count()
    }

    fn refuse(
        &self,
        at: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> PredicateError {
        PredicateError::new(message, remedy, Some(self.offset(at)))
    }

    fn refuse_operator(&self, at: usize, operator: &str) -> PredicateError {
        self.refuse(
            at,
            format!("the operator `{operator}` isn't part of the language"),
            "use =, <>, !=, <, <=, > or >=, with blanks around",
        )
    }

    fn refuse_character(&self, at: usize, c: char) -> PredicateError {
        match c {
            ':' => self.refuse(
                at,
                "casts aren't part of the language",
                "leave the cast out: a literal takes the type of the column",
            ),
            ';' => self.refuse(
                at,
                "a predicate is one condition",
                "remove the semicolon and what follows",
            ),
            '$' | '?' => self.refuse(
                at,
                format!("`{c}`: parameters and dollar quotes aren't part of the language"),
                "write the value as a literal: 'text' or 5",
            ),
            '[' | ']' | '{' | '}' => self.refuse(
                at,
                "arrays aren't part of the language",
                "compare with a list: column IN ('a', 'b')",
            ),
            '\\' => self.refuse(at, "a backslash isn't part of the language", "remove it"),
            '+' | '*' | '/' | '%' | '^' | '|' | '&' | '#' | '~' | '@' | '`' => {
                self.refuse_operator(at, c.encode_utf8(&mut [0; 4]))
            }
            other if other.is_control() => self.refuse(at, "a control character", "remove it"),
            other => self.refuse(
                at,
                format!("`{other}` can't stand outside of quotes"),
                "write names with letters beyond a to z in double quotes, and blanks as spaces",
            ),
        }
    }
}
