//! As much of Rust as the rules must read, given that rustfmt has formatted it.

use std::iter::Peekable;
use std::str::CharIndices;

/// A path such as `crate::a::b`, of a `use` or in an expression, its braces expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) line: usize,
    pub(super) segments: Vec<&'a str>,
}

/// Returns what ships of a file: all before its first `#[cfg(test)]`.
pub(super) fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// Returns a line without its comment.
pub(super) fn uncommented(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// Tells whether `word` stands in `text`, not as a part of a longer one.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !is_of_name(c)).any(|found| found == word)
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Finds every path that begins with one of `roots`.
pub(super) fn paths<'a>(text: &'a str, roots: &[&str]) -> Vec<Named<'a>> {
    let tokens = tokens(text);
    let mut rest = tokens.iter().peekable();
    let mut found = Vec::new();
    let mut before = "";
    while let Some(token) = rest.next() {
        let begins = before != "::" && roots.contains(&token.text);
        if begins && rest.next_if(|next| next.text == "::").is_some() {
            expand(&mut rest, &[token.text], token.line, &mut found);
        }
        before = token.text;
    }
    found
}

#[derive(Debug)]
struct Token<'a> {
    line: usize,
    text: &'a str,
}

type Tokens<'t, 'a> = Peekable<std::slice::Iter<'t, Token<'a>>>;

/// Reads what follows a `::`.
fn expand<'a>(
    rest: &mut Tokens<'_, 'a>,
    prefix: &[&'a str],
    line: usize,
    found: &mut Vec<Named<'a>>,
) {
    if rest.next_if(|next| next.text == "{").is_some() {
        while rest.peek().is_some_and(|next| next.text != "}") {
            expand(rest, prefix, line, found);
            while rest.next_if(|next| !matches!(next.text, "," | "}")).is_some() {}
            let _comma = rest.next_if(|next| next.text == ",");
        }
        let _brace = rest.next();
        return;
    }
    let Some(name) = rest.next_if(|next| next.text.chars().all(|c| is_of_name(c) || c == '*'))
    else {
        found.push(Named { line, segments: prefix.to_vec() });
        return;
    };
    let longer = [prefix, &[name.text]].concat();
    if rest.next_if(|next| next.text == "::").is_some() {
        expand(rest, &longer, name.line, found);
    } else {
        found.push(Named { line: name.line, segments: longer });
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, code) in (1..).zip(text.lines().map(uncommented)) {
        let mut characters = code.char_indices().peekable();
        while let Some((start, first)) = characters.next() {
            if first.is_whitespace() {
                continue;
            }
            let end = end_of(&mut characters, first).unwrap_or(code.len());
            tokens.extend(code.get(start..end).map(|text| Token { line, text }));
        }
    }
    tokens
}

/// Takes the rest of a token: a name, `::`, or a single character.
fn end_of(characters: &mut Peekable<CharIndices<'_>>, first: char) -> Option<usize> {
    if is_of_name(first) {
        while characters.next_if(|(_, next)| is_of_name(*next)).is_some() {}
    } else if first == ':' {
        let _second = characters.next_if(|(_, next)| *next == ':');
    }
    characters.peek().map(|(end, _)| *end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String)> {
        let joined = |named: Named<'_>| (named.line, named.segments.join("::"));
        paths(text, &["crate", "super"]).into_iter().map(joined).collect()
    }

    #[test]
    fn braces_are_expanded_where_they_stand() {
        let text = "use crate::{\n    a::{b as c, *},\n    d,\n};\nuse super::super::e;";
        let expected = [(2, "crate::a::b"), (2, "crate::a::*"), (3, "crate::d")];
        let expected = expected.into_iter().chain([(5, "super::super::e")]);
        assert_eq!(found(text), expected.map(|(l, p)| (l, p.to_owned())).collect::<Vec<_>>());
    }

    #[test]
    fn expressions_count_and_comments_do_not() {
        let text = "pub(crate) fn f() { crate::a::b::<u8>(x::crate_::y) } // crate::c";
        assert_eq!(found(text), [(1, "crate::a::b".to_owned())]);
    }
}
