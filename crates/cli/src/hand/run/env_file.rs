use std::fmt;
use std::path::Path;

use strongroom_model::private_file;

use crate::failure::{Exit, Failure};

const FILE_BYTES_MAX: u64 = 1 << 20;

/// A line of a file of variables.
#[derive(PartialEq, Eq)]
pub(crate) struct Line {
    pub(super) number: usize,
    pub(crate) name: String,
    pub(crate) value: String,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Line");
        shown.field("number", &self.number).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads a file of variables. Messages name the line, never what it says: it may hold a secret.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>, Failure> {
    let message = || format!("cannot read the variables of `{}`", path.display());
    let content = private_file::read_at_most(path, FILE_BYTES_MAX).map_err(|error| {
        Failure::configuration("bad-env-file", message()).because(error.to_string())
    })?;
    let refuse = |number: usize, why: &str| {
        Failure::new(Exit::Configuration, "bad-env-file", message())
            .because(format!("line {number}: {why}"))
    };
    let text = String::from_utf8(content).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        refuse(before.filter(|byte| **byte == b'\n').count() + 1, "it is not UTF-8")
    })?;
    let mut lines: Vec<Line> = Vec::new();
    for (number, text) in (1..).zip(text.split('\n')) {
        let Some((name, value)) = parse(text).map_err(|why| refuse(number, why))? else { continue };
        if let Some(first) = lines.iter().find(|line| line.name == name) {
            let why = format!("`{name}` is set in line {} already", first.number);
            return Err(refuse(number, &why));
        }
        lines.push(Line { number, name, value });
    }
    Ok(lines)
}

fn parse(line: &str) -> Result<Option<(String, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("it is not of the form KEY=VALUE")?;
    let name = name.trim_start();
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(legal)
    {
        return Err("the name before = takes the characters A-Z a-z 0-9 _ only, no digit first");
    }
    let value = unquote(value)?;
    if value.contains('\0') {
        return Err("a variable cannot hold a NUL");
    }
    Ok(Some((name.to_owned(), value)))
}

fn unquote(padded: &str) -> Result<String, &'static str> {
    let text = padded.trim_start();
    let (value, rest) = if let Some(inside) = text.strip_prefix('\'') {
        let (value, rest) = inside.split_once('\'').ok_or("the quote ' is not closed")?;
        (value.to_owned(), rest)
    } else if let Some(inside) = text.strip_prefix('"') {
        double_quoted(inside)?
    } else {
        return Ok(bare(padded).to_owned());
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(value);
    }
    Err("something follows the closing quote")
}

fn double_quoted(inside: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut rest = inside.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok((value, rest.as_str())),
            '\\' => value.push(match rest.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(c @ ('"' | '\\' | '$' | '`')) => c,
                _ => return Err(r#"after \ comes one of n, r, t, ", \, $ and `"#),
            }),
            c => value.push(c),
        }
    }
    Err("the quote \" is not closed")
}

/// A comment begins at a # after a space; one inside is the reference's.
fn bare(text: &str) -> &str {
    let ends = [" #", "\t#"].iter().filter_map(|end| text.find(end));
    let value = ends.min().and_then(|end| text.get(..end)).unwrap_or(text);
    value.trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_meant() {
        for (line, value) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A=b c", "b c"),
            ("  export A=b  ", "b"),
            ("A=secret://dev/x#/a/b", "secret://dev/x#/a/b"),
            ("A=secret://dev/x#a # why", "secret://dev/x#a"),
            ("A='b # $c \\n'", "b # $c \\n"),
            ("A=\"b\\n\\\"c\\\" \\$d\" # why", "b\n\"c\" $d"),
            ("A=b=c\r", "b=c"),
            ("A=it's", "it's"),
            ("A= # why", ""),
            ("A=\t# why # not", ""),
            ("A=#b", "#b"),
            ("A= b # why", "b"),
        ] {
            let expected = Some(("A".to_owned(), value.to_owned()));
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
        for line in ["", "  ", "# A=b", "\r"] {
            assert_eq!(parse(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        for line in [
            "A",
            "=b",
            "1A=b",
            "A B=c",
            "A-B=c",
            "A='b",
            "A=\"b",
            "A='b'c",
            "A=\"\\x\"",
            "A=b\0",
            "A =b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_refusal_names_the_line_and_not_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("env");
        for (content, line) in [
            (&b"A=1\n\nhunter2\n"[..], "line 3"),
            (b"A=1\nB=hunter2\nA=hunter2", "line 3: `A` is set in line 1 already"),
            (b"A=1\nB=\xffhunter2", "line 2: it is not UTF-8"),
        ] {
            private_file::replace(&path, content).unwrap();
            let failure = read(&path).unwrap_err().to_string();
            assert!(failure.contains(line) && !failure.contains("hunter2"), "{failure}");
        }
    }
}
