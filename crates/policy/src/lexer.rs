use std::ops::Range;

use crate::error::ParseError;

/// Longest statement that is read, in bytes. Oracle documents none; the longest one seen has 617.
const STATEMENT_BYTES_MAX: usize = 4096;

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A run of characters of names, keywords and OCIDs.
    Word(&'a str),
    /// What stands between single quotes.
    Quoted(&'a str),
    Comma,
    Colon,
    Slash,
    Open,
    Close,
    /// Any other character; the grammar of this version has no place for it.
    Other(char),
    End,
}

#[derive(Debug, Clone)]
pub(crate) struct Placed<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) span: Range<usize>,
}

/// Cuts a statement into tokens; the last one is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, ParseError> {
    if text.len() > STATEMENT_BYTES_MAX {
        let message = format!("the statement is longer than {STATEMENT_BYTES_MAX} bytes");
        return Err(ParseError::syntax(0..text.len(), message, &[]));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
    {
        if matches!(first, ' ' | '\t' | '\n' | '\r') {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = match first {
            '\'' => quoted(rest, at)?,
            ',' => (Token::Comma, 1),
            ':' => (Token::Colon, 1),
            '/' => (Token::Slash, 1),
            '{' => (Token::Open, 1),
            '}' => (Token::Close, 1),
            first if in_word(first) => {
                let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
                (Token::Word(rest.get(..length).unwrap_or_default()), length)
            }
            other => (Token::Other(other), other.len_utf8()),
        };
        tokens.push(Placed { token, span: at..at + length });
        at += length;
    }
    tokens.push(Placed { token: Token::End, span: text.len()..text.len() });
    Ok(tokens)
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
