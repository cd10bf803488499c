//! What a statement that cannot be read was meant to be: one small change after the other, as long as
//! each brings the reader further.

use strongroom_policy::ParseError;

/// A text that can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repair {
    pub(super) text: String,
    /// Whether only words were spelt otherwise.
    pub(super) is_spelling: bool,
    /// Whether only quotes were put around names.
    pub(super) is_quoting: bool,
}

/// Changes that are tried one after the other.
const ROUNDS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Spelling,
    Quoting,
    Grammar,
}

type Attempt = fn(&str, &ParseError) -> Option<String>;

const STATEMENTS: [(Change, Attempt); 11] = [
    (Change::Grammar, single_quotes),
    (Change::Grammar, one_equals),
    (Change::Grammar, in_not_on),
    (Change::Grammar, no_article),
    (Change::Spelling, suggestion),
    (Change::Quoting, quoted_name),
    (Change::Grammar, list_of_clauses),
    (Change::Grammar, word_before),
    (Change::Grammar, no_end),
    (Change::Grammar, closed),
    (Change::Grammar, quoted_value),
];

const RULES: [(Change, Attempt); 5] = [
    (Change::Grammar, single_quotes),
    (Change::Grammar, one_equals),
    (Change::Spelling, suggestion),
    (Change::Grammar, no_end),
    (Change::Grammar, closed),
];

/// Returns what a statement was meant to be, if small changes make it one.
pub(super) fn repair(text: &str, read: impl Fn(&str) -> Result<(), ParseError>) -> Option<Repair> {
    by(&STATEMENTS, text, read)
}

/// The same for a matching rule.
pub(super) fn repaired_rule(
    text: &str,
    read: impl Fn(&str) -> Result<(), ParseError>,
) -> Option<Repair> {
    by(&RULES, text, read)
}

fn by(
    attempts: &[(Change, Attempt)],
    text: &str,
    read: impl Fn(&str) -> Result<(), ParseError>,
) -> Option<Repair> {
    let (mut text, mut changes) = (text.to_owned(), Vec::new());
    for _round in 0..ROUNDS {
        let Err(error) = read(&text) else {
            let only = |kind| !changes.is_empty() && changes.iter().all(|change| *change == kind);
            let (is_spelling, is_quoting) = (only(Change::Spelling), only(Change::Quoting));
            return Some(Repair { text, is_spelling, is_quoting });
        };
        let better = |new: &String| match read(new) {
            Ok(()) => true,
            Err(next) => next.span.start > error.span.start,
        };
        let (change, new) = attempts.iter().find_map(|(change, attempt)| {
            let new = attempt(&text, &error).filter(|new| *new != text)?;
            better(&new).then_some((*change, new))
        })?;
        changes.push(change);
        text = new;
    }
    None
}

fn before<'a>(text: &'a str, error: &ParseError) -> &'a str {
    text.get(..error.span.start).unwrap_or("")
}

fn at<'a>(text: &'a str, error: &ParseError) -> &'a str {
    text.get(error.span.clone()).unwrap_or("")
}

fn after<'a>(text: &'a str, error: &ParseError) -> &'a str {
    text.get(error.span.end..).unwrap_or("")
}

fn single_quotes(text: &str, _error: &ParseError) -> Option<String> {
    (text.contains('"') && !text.contains('\'')).then(|| text.replace('"', "'"))
}

fn one_equals(text: &str, _error: &ParseError) -> Option<String> {
    text.contains("==").then(|| text.replace("==", "="))
}

fn in_not_on(text: &str, error: &ParseError) -> Option<String> {
    let is_on = ["on", "within", "inside", "for", "at"]
        .iter()
        .any(|word| at(text, error).eq_ignore_ascii_case(word));
    is_on.then(|| format!("{}in{}", before(text, error), after(text, error)))
}

fn no_article(text: &str, error: &ParseError) -> Option<String> {
    let is_article =
        ["the", "a", "an", "all"].iter().any(|word| at(text, error).eq_ignore_ascii_case(word));
    is_article.then(|| format!("{}{}", before(text, error), after(text, error).trim_start()))
}

fn suggestion(text: &str, error: &ParseError) -> Option<String> {
    let meant = error.suggestion?;
    let is_word = meant.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    let wrong = at(text, error);
    if !is_word || wrong.is_empty() {
        return None;
    }
    // Of a variable only its root is suggested.
    let rest = wrong
        .split_once('.')
        .filter(|_| matches!(meant, "request" | "target"))
        .map(|(_, rest)| format!(".{rest}"));
    let is_capital = wrong.starts_with(char::is_uppercase);
    let first = meant.get(..1).filter(|_| is_capital).map(str::to_uppercase);
    let meant = match (first, meant.get(1..)) {
        (Some(first), Some(others)) => format!("{first}{others}"),
        _ => meant.to_owned(),
    };
    Some(format!(
        "{}{meant}{}{}",
        before(text, error),
        rest.unwrap_or_default(),
        after(text, error)
    ))
}

/// A name of several words, after `group` or `compartment` and before what must follow.
fn quoted_name(text: &str, error: &ParseError) -> Option<String> {
    let start = before(text, error);
    let lower = start.to_ascii_lowercase();
    let keywords = ["dynamic-group ", "group ", "compartment "];
    let begin =
        keywords.iter().filter_map(|word| lower.rfind(word).map(|at| at + word.len())).max()?;
    let rest = text.get(begin..)?;
    let of_place = lower.get(..begin)?.trim_end().ends_with("compartment");
    let stops: &[&str] = if of_place { &["where"] } else { &["to", "of"] };
    let mut end = rest.trim_end().len();
    let mut offset = 0;
    for word in rest.split(' ') {
        if stops.iter().any(|stop| word.eq_ignore_ascii_case(stop)) {
            end = rest.get(..offset)?.trim_end().len();
            break;
        }
        offset += word.len() + 1;
    }
    let name = rest.get(..end)?.trim();
    let fits = |c: char| c.is_alphanumeric() || " _-.@+$#&%()".contains(c);
    let words = name.split(' ').count();
    let is_name =
        name.contains(' ') && words <= 6 && name.chars().all(fits) && !name.starts_with("id ");
    let is_verb = |word: &str| {
        ["manage", "use", "read", "inspect", "in", "to"]
            .contains(&word.to_ascii_lowercase().as_str())
    };
    if !is_name || name.split(' ').any(is_verb) {
        return None;
    }
    Some(format!("{}'{name}'{}", text.get(..begin)?, rest.get(end..)?))
}

/// `A and B` in place of `all {A, B}`.
fn list_of_clauses(text: &str, error: &ParseError) -> Option<String> {
    let meant = error.suggestion.filter(|meant| meant.contains('{'))?;
    let (list, word) = if meant.starts_with("all") { ("all", "and") } else { ("any", "or") };
    let lower = text.to_ascii_lowercase();
    let start = lower.find(" where ")? + " where ".len();
    let condition = text.get(start..)?;
    if condition.contains(['{', '}']) || lower.contains(" between ") {
        return None;
    }
    let mut clauses: Vec<String> = vec![String::new()];
    for part in condition.split_whitespace() {
        if part.eq_ignore_ascii_case(word) {
            clauses.push(String::new());
        } else if let Some(clause) = clauses.last_mut() {
            clause.push_str(if clause.is_empty() { "" } else { " " });
            clause.push_str(part);
        }
    }
    Some(format!("{}{list} {{{}}}", text.get(..start)?, clauses.join(", ")))
}

/// A keyword that is missing.
fn word_before(text: &str, error: &ParseError) -> Option<String> {
    let known = ["to", "in", "as", "{"];
    let missing = error.expected.iter().find(|word| known.contains(word))?;
    let wrong = at(text, error).to_ascii_lowercase();
    let fits = match *missing {
        "to" => ["inspect", "read", "use", "manage"].contains(&wrong.as_str()),
        "in" => ["tenancy", "compartment"].contains(&wrong.as_str()),
        "as" => wrong.starts_with("ocid1."),
        _ => wrong.contains('.'),
    };
    fits.then(|| {
        format!("{}{missing} {}", before(text, error), text.get(error.span.start..).unwrap_or(""))
    })
}

/// Something after the statement that is none of it.
fn no_end(text: &str, error: &ParseError) -> Option<String> {
    let wrong = text.get(error.span.start..)?.trim();
    let is_rest = matches!(wrong, ";" | "." | "," | "\\" | ".\\");
    is_rest.then(|| before(text, error).trim_end().to_owned())
}

/// A brace, parenthesis or quote that was left open at the end.
fn closed(text: &str, _error: &ParseError) -> Option<String> {
    let count = |c: char| text.matches(c).count();
    let text = text.trim_end();
    if count('\'') % 2 == 1 && !text.ends_with('\'') && !text.ends_with('}') {
        return Some(format!("{text}'"));
    }
    if count('{') == count('}') + 1 {
        return Some(format!("{text}}}"));
    }
    (count('(') == count(')') + 1).then(|| format!("{text})"))
}

/// A value without quotes.
fn quoted_value(text: &str, error: &ParseError) -> Option<String> {
    let wrong = at(text, error);
    let start = before(text, error).trim_end();
    let is_value = start.ends_with('=') || start.ends_with('(') || start.ends_with(',');
    let is_word =
        !wrong.is_empty() && wrong.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    (is_value && is_word && error.expected.contains(&"'…'"))
        .then(|| format!("{}'{wrong}'{}", before(text, error), after(text, error)))
}

#[cfg(test)]
mod tests {
    use strongroom_policy::parse;

    use super::*;

    fn repaired(text: &str) -> Option<String> {
        repair(text, |text| parse(text).map(|_read| ())).map(|repair| repair.text)
    }

    #[test]
    fn what_was_meant_is_found() {
        for (wrong, meant) in [
            ("Allow group A to raed keys in tenancy", "Allow group A to read keys in tenancy"),
            ("Allow group A to read keys on tenancy", "Allow group A to read keys in tenancy"),
            ("Allow group A to read keys in the tenancy", "Allow group A to read keys in tenancy"),
            (
                "Allow group \"A\" to read keys in compartment \"B C\"",
                "Allow group 'A' to read keys in compartment 'B C'",
            ),
            (
                "Allow group A B to read keys in compartment C D where target.key.id == 'x'",
                "Allow group 'A B' to read keys in compartment 'C D' where target.key.id = 'x'",
            ),
            (
                "Allow group A to read keys in tenancy where target.key.id = 'x' and request.region = 'iad'",
                "Allow group A to read keys in tenancy where all {target.key.id = 'x', request.region = 'iad'}",
            ),
            ("Allow group A read keys tenancy", "Allow group A to read keys in tenancy"),
            ("Allow group A to read keys in tenancy;", "Allow group A to read keys in tenancy"),
            (
                "Allow group A to read keys in tenancy where all {target.key.id = 'x'",
                "Allow group A to read keys in tenancy where all {target.key.id = 'x'}",
            ),
            (
                "Alow gruop A to raed secret-familly in tenancy where requst.region = 'iad'",
                "Allow group A to read secret-family in tenancy where request.region = 'iad'",
            ),
        ] {
            assert_eq!(repaired(wrong).as_deref(), Some(meant), "{wrong}");
        }
        for hopeless in
            ["Allow", "Allow group A to read", "Allow group A to manage manage keys in tenancy"]
        {
            assert_eq!(repaired(hopeless), None, "{hopeless}");
        }
    }
}
