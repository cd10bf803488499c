//! How conditions are read.

use crate::ast::{Condition, Spanned, Value};
use crate::error::ParseError;
use crate::lexer::{Placed, Token};
use crate::parser::Parser;

/// How deep conditions may be nested.
const DEPTH_MAX: usize = 32;

/// What variables begin with.
const ROOTS: [&str; 2] = ["request", "target"];

/// What may follow a variable.
const OPERATORS: [&str; 7] = ["=", "!=", "in", "not in", "before", "after", "between"];

impl Parser<'_> {
    pub(crate) fn condition(&mut self) -> Result<Condition, ParseError> {
        self.nested_condition(0)
    }

    fn nested_condition(&mut self, depth: usize) -> Result<Condition, ParseError> {
        if let Some(all) = self.list_keyword()? {
            if depth >= DEPTH_MAX {
                let span = self.peek()?.span;
                let message = format!("conditions are nested more than {DEPTH_MAX} deep");
                return Err(ParseError::syntax(span, message, &[]));
            }
            let mut clauses = Vec::new();
            self.expect_token(&Token::Open, "{")?;
            loop {
                clauses.push(self.placed(|parser| parser.nested_condition(depth + 1))?);
                if self.took(&Token::Comma)? {
                    continue;
                }
                if !self.took(&Token::Close)? {
                    return Err(self.unexpected(&[",", "}"]));
                }
                return Ok(if all { Condition::All(clauses) } else { Condition::Any(clauses) });
            }
        }
        if self.took(&Token::Bang)? || self.keyword("not")? {
            return self.variable().map(Condition::Absent);
        }
        if self.keyword("sets-intersect")? {
            return self
                .set_arguments()
                .map(|(variable, values)| Condition::SetsIntersect(variable, values));
        }
        if self.keyword("sets-equal")? {
            return self
                .set_arguments()
                .map(|(variable, values)| Condition::SetsEqual(variable, values));
        }
        let variable = self.variable()?;
        self.comparison(variable)
    }

    /// Takes `all` or `any`, and tells which.
    fn list_keyword(&mut self) -> Result<Option<bool>, ParseError> {
        if self.keyword("all")? {
            return Ok(Some(true));
        }
        Ok(self.keyword("any")?.then_some(false))
    }

    fn comparison(&mut self, variable: Spanned<String>) -> Result<Condition, ParseError> {
        if self.took(&Token::Equals)? {
            let value = self.value()?;
            return Ok(Condition::Compare { variable, differs: false, value });
        }
        if self.took(&Token::Bang)? {
            self.expect_token(&Token::Equals, "=")?;
            let value = self.value()?;
            return Ok(Condition::Compare { variable, differs: true, value });
        }
        if self.keyword("in")? {
            return Ok(Condition::In { variable, negated: false, values: self.values()? });
        }
        if self.keyword("not")? {
            self.expect("in")?;
            return Ok(Condition::In { variable, negated: true, values: self.values()? });
        }
        if self.keyword("before")? {
            return Ok(Condition::Before(variable, self.string()?));
        }
        if self.keyword("after")? {
            return Ok(Condition::After(variable, self.string()?));
        }
        if self.keyword("between")? {
            let low = self.string()?;
            self.expect("and")?;
            return Ok(Condition::Between(variable, low, self.string()?));
        }
        match self.peek()?.token {
            Token::End | Token::Comma | Token::Close => Ok(Condition::Present(variable)),
            _ => Err(self.unexpected(&OPERATORS)),
        }
    }

    fn set_arguments(&mut self) -> Result<(Spanned<String>, Vec<Spanned<Value>>), ParseError> {
        self.expect_token(&Token::ParenOpen, "(")?;
        let variable = self.variable()?;
        self.expect_token(&Token::Comma, ",")?;
        let values = self.values()?;
        self.expect_token(&Token::ParenClose, ")")?;
        Ok((variable, values))
    }

    fn variable(&mut self) -> Result<Spanned<String>, ParseError> {
        let Placed { token, span } = self.peek()?;
        let Token::Word(word) = token else {
            return Err(self.unexpected(&["a variable"]));
        };
        let (root, rest) = word.split_once('.').unwrap_or((word, ""));
        let known = ROOTS.iter().any(|known| known.eq_ignore_ascii_case(root));
        if !known || rest.split('.').any(str::is_empty) {
            let message = format!("`{word}` is not a variable");
            let error = ParseError::syntax(span, message, &["request.…", "target.…"]);
            return Err(error.suggest(root, ROOTS.into_iter()));
        }
        self.scanner.take()?;
        Ok(Spanned { value: word.to_owned(), span })
    }

    fn values(&mut self) -> Result<Vec<Spanned<Value>>, ParseError> {
        self.expect_token(&Token::ParenOpen, "(")?;
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            if self.took(&Token::Comma)? {
                continue;
            }
            if !self.took(&Token::ParenClose)? {
                return Err(self.unexpected(&[",", ")"]));
            }
            return Ok(values);
        }
    }

    fn value(&mut self) -> Result<Spanned<Value>, ParseError> {
        if let Some(Placed { token: Token::Quoted(text), span }) = self.scanner.pattern()? {
            return Ok(Spanned { value: Value::Pattern(text.to_owned()), span });
        }
        let Placed { token, span } = self.peek()?;
        let value = match token {
            Token::Quoted(text) => Value::Text(text.to_owned()),
            Token::Word(word) if word.starts_with("ocid1.") => Value::Id(word.to_owned()),
            Token::Word(word) if word.contains('.') => {
                let variable = self.variable()?;
                return Ok(Spanned { value: Value::Variable(variable.value), span });
            }
            Token::Word(word) => {
                let message = format!("`{word}` is neither a quoted text nor a variable");
                return Err(ParseError::syntax(span, message, &["'…'", "/…/", "a variable"]));
            }
            _ => return Err(self.unexpected(&["'…'", "/…/", "a variable"])),
        };
        self.scanner.take()?;
        Ok(Spanned { value, span })
    }

    fn string(&mut self) -> Result<Spanned<String>, ParseError> {
        let Placed { token, span } = self.peek()?;
        let Token::Quoted(text) = token else {
            return Err(self.unexpected(&["a time in quotes"]));
        };
        self.scanner.take()?;
        Ok(Spanned { value: text.to_owned(), span })
    }
}
