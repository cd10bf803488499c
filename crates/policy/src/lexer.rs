use std::ops::Range;

use crate::error::ParseError;

/// Longest statement that is read, in bytes. Oracle documents none; the longest one seen has 617.
const STATEMENT_BYTES_MAX: usize = 4096;

/// A piece of a statement or of a matching rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A run of characters of names, keywords, variables and OCIDs.
    Word(&'a str),
    /// What stands between single quotes.
    Quoted(&'a str),
    Comma,
    Colon,
    Slash,
    Open,
    Close,
    ParenOpen,
    ParenClose,
    Equals,
    Bang,
    /// Any other character; the grammar has no place for it.
    Other(char),
    End,
}

#[derive(Debug, Clone)]
pub(crate) struct Placed<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) span: Range<usize>,
}

/// Reads a text token by token. Whether a slash divides a domain from a group or begins a pattern
/// depends on the place, so the grammar asks for what it wants.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Where the last token that was taken ended.
    pub(crate) end: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, bytes_max: Option<usize>) -> Result<Self, ParseError> {
        let bytes_max = bytes_max.unwrap_or(STATEMENT_BYTES_MAX);
        if text.len() > bytes_max {
            let message = format!("the statement is longer than {bytes_max} bytes");
            return Err(ParseError::syntax(0..text.len(), message, &[]));
        }
        Ok(Self { text, at: 0, end: 0 })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        let blanks = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        self.at += self.rest().len() - self.rest().trim_start_matches(blanks).len();
    }

    /// Looks at the next token.
    ///
    /// # Errors
    /// A [`ParseError`] if a quote is not closed.
    pub(crate) fn peek(&self) -> Result<Placed<'a>, ParseError> {
        let mut ahead = self.clone();
        ahead.take()
    }

    /// Takes the next token.
    ///
    /// # Errors
    /// A [`ParseError`] if a quote is not closed.
    pub(crate) fn take(&mut self) -> Result<Placed<'a>, ParseError> {
        self.skip_blanks();
        let (rest, start) = (self.rest(), self.at);
        let Some(first) = rest.chars().next() else {
            return Ok(Placed { token: Token::End, span: start..start });
        };
        let (token, length) = match first {
            '\'' => quoted(rest, start)?,
            ',' => (Token::Comma, 1),
            ':' => (Token::Colon, 1),
            '/' => (Token::Slash, 1),
            '{' => (Token::Open, 1),
            '}' => (Token::Close, 1),
            '(' => (Token::ParenOpen, 1),
            ')' => (Token::ParenClose, 1),
            '=' => (Token::Equals, 1),
            '!' => (Token::Bang, 1),
            first if in_word(first) => {
                let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
                (Token::Word(rest.get(..length).unwrap_or_default()), length)
            }
            other => (Token::Other(other), other.len_utf8()),
        };
        self.at += length;
        self.end = self.at;
        Ok(Placed { token, span: start..self.at })
    }

    /// Takes a pattern, if a slash follows: what stands before the first slash after which a value
    /// can end.
    ///
    /// # Errors
    /// A [`ParseError`] if the pattern is not closed on its line.
    pub(crate) fn pattern(&mut self) -> Result<Option<Placed<'a>>, ParseError> {
        self.skip_blanks();
        let (rest, start) = (self.rest(), self.at);
        let Some(inner) = rest.strip_prefix('/') else { return Ok(None) };
        let line = inner.lines().next().unwrap_or_default();
        let ends = |at: usize| {
            let after = inner.get(at + 1..).and_then(|after| after.chars().next());
            after.is_none_or(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | ',' | '}' | ')'))
        };
        let close = line.match_indices('/').map(|(at, _)| at).find(|at| ends(*at));
        let Some(close) = close else {
            let span = start..start + 1 + line.len();
            return Err(ParseError::syntax(span, "the pattern is not closed", &["/"]));
        };
        self.at = start + close + 2;
        self.end = self.at;
        let text = inner.get(..close).unwrap_or_default();
        Ok(Some(Placed { token: Token::Quoted(text), span: start..self.at }))
    }
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || "_-.@+$#&%*".contains(c)
}

fn quoted(rest: &str, at: usize) -> Result<(Token<'_>, usize), ParseError> {
    let inner = rest.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    let open = || ParseError::syntax(at..at + rest.len(), "the quote is not closed", &["'"]);
    let (inner, _) = inner.ok_or_else(open)?;
    Ok((Token::Quoted(inner), inner.len() + 2))
}
